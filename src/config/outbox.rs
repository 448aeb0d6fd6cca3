//! `outbox.tables`: which tables are outboxes, and which of their columns are what.
//!
//! ```yaml
//! outbox:
//!   tables:
//!     shop.outbox: { id: event_id, aggregate_type: aggregate_type, aggregate_id: aggregate_id, event_type: event_type }
//! ```
//!
//! What a table leaves out is as [`OutboxTable::new`] has it; `deploy/ringtail.yaml` says so beside `outbox.tables`.

use super::error::ConfigError;
use super::raw::{self, Raw};
use crate::envelope::{OnChange, OutboxTable, OutboxTopic};
use serde_json::{Map, Value};

/// The keys of a table.
pub(super) const KEYS: [&str; 12] = [
    "id",
    "aggregate_type",
    "aggregate_id",
    "event_type",
    "payload",
    "timestamp",
    "traceparent",
    "headers",
    "topic",
    "tombstone_on_empty",
    "on_update",
    "on_delete",
];

/// Reads the section.
pub(super) fn outbox(raw: &Raw) -> Result<Vec<OutboxTable>, ConfigError> {
    raw.map("outbox.tables").into_iter().flatten().map(|(name, fields)| table(name, fields)).collect()
}

fn table(name: &str, value: &Value) -> Result<OutboxTable, ConfigError> {
    let path = format!("outbox.tables.{name}");
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let Some((keyspace, table)) = name.split_once('.').filter(|(keyspace, table)| is_name(keyspace) && is_name(table)) else {
        return Err(ConfigError::at(path, "is no keyspace.table; an outbox table is named in full"));
    };
    let empty = Map::new();
    let fields = match value {
        Value::Null => &empty,
        Value::Object(fields) => fields,
        other => return Err(ConfigError::at(path, format!("is {}; expected a mapping", raw::show(other)))),
    };
    Fields { path, fields }.table(OutboxTable::new(keyspace, table))
}

/// The fields of one table.
struct Fields<'a> {
    path: String,
    fields: &'a Map<String, Value>,
}

impl Fields<'_> {
    fn table(&self, defaults: OutboxTable) -> Result<OutboxTable, ConfigError> {
        if let Some(unknown) = self.fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let nearest = KEYS.iter().min_by_key(|key| strsim::damerau_levenshtein(key, unknown)).copied().unwrap_or_default();
            return Err(self.at(unknown, format!("is not a setting; the nearest is {nearest}")));
        }
        let table = OutboxTable {
            id: self.optional("id", defaults.id)?,
            aggregate_type: self.text("aggregate_type", defaults.aggregate_type)?,
            aggregate_id: self.text("aggregate_id", defaults.aggregate_id)?,
            event_type: self.optional("event_type", defaults.event_type)?,
            payload: self.text("payload", defaults.payload)?,
            timestamp: self.optional("timestamp", defaults.timestamp)?,
            traceparent: self.optional("traceparent", defaults.traceparent)?,
            headers: self.headers()?,
            topic: self.topic(defaults.topic)?,
            tombstone_on_empty: self.flag("tombstone_on_empty", defaults.tombstone_on_empty)?,
            on_update: self.on_change("on_update", defaults.on_update)?,
            on_delete: self.on_change("on_delete", defaults.on_delete)?,
            ..defaults
        };
        self.distinct(&table)?;
        Ok(table)
    }

    fn at(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        ConfigError::at(format!("{}.{key}", self.path), problem)
    }

    /// The name of a column, or null.
    fn optional(&self, key: &str, default: Option<String>) -> Result<Option<String>, ConfigError> {
        match self.fields.get(key) {
            None => Ok(default),
            Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(other) => Err(self.at(key, format!("is {}; expected the name of a column", raw::show(other)))),
        }
    }

    fn text(&self, key: &str, default: String) -> Result<String, ConfigError> {
        self.optional(key, Some(default))?.ok_or_else(|| self.at(key, "is null; a message cannot be without it"))
    }

    /// Columns and the headers that they become; null: the name of the column.
    fn headers(&self) -> Result<Vec<(String, String)>, ConfigError> {
        let none = Map::new();
        let fields = match self.fields.get("headers") {
            None | Some(Value::Null) => &none,
            Some(Value::Object(fields)) => fields,
            Some(other) => return Err(self.at("headers", format!("is {}; expected {{ column: header }}", raw::show(other)))),
        };
        let header = |(column, name): (&String, &Value)| match name {
            Value::Null => Ok((column.clone(), column.clone())),
            Value::String(name) if !name.is_empty() && !name.starts_with("ringtail.") => Ok((column.clone(), name.clone())),
            other => {
                let problem = format!("is {}; expected the name of a header, which does not begin with ringtail.", raw::show(other));
                Err(self.at(&format!("headers.{column}"), problem))
            }
        };
        fields.iter().map(header).collect()
    }

    fn topic(&self, default: OutboxTopic) -> Result<OutboxTopic, ConfigError> {
        match self.fields.get("topic") {
            None => Ok(default),
            Some(Value::String(text)) => OutboxTopic::parse(text).map_err(|error| self.at("topic", error.to_string())),
            Some(other) => Err(self.at("topic", format!("is {}; expected text", raw::show(other)))),
        }
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        match self.fields.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.at(key, format!("is {}; expected true or false", raw::show(other)))),
        }
    }

    fn on_change(&self, key: &str, default: OnChange) -> Result<OnChange, ConfigError> {
        match self.fields.get(key) {
            None => Ok(default),
            Some(Value::String(word)) if word == "ignore" => Ok(OnChange::Ignore),
            Some(Value::String(word)) if word == "warn" => Ok(OnChange::Warn),
            Some(Value::String(word)) if word == "halt" => Ok(OnChange::Halt),
            Some(other) => Err(self.at(key, format!("is {}; expected ignore or warn or halt", raw::show(other)))),
        }
    }

    /// No header twice: which of them a consumer takes would be its own affair.
    fn distinct(&self, table: &OutboxTable) -> Result<(), ConfigError> {
        let own = [Some("id"), table.event_type.as_ref().map(|_| "eventType"), table.traceparent.as_ref().map(|_| "traceparent")];
        let names: Vec<&str> = own.into_iter().flatten().chain(table.headers.iter().map(|(_, name)| name.as_str())).collect();
        match names.iter().enumerate().find(|(index, name)| names.iter().take(*index).any(|before| before == *name)) {
            Some((_, name)) => Err(self.at("headers", format!("would write the header {name} twice"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::Path;

    fn parsed(fields: &str) -> Result<Vec<OutboxTable>, ConfigError> {
        let text = format!("outbox: {{ tables: {{ shop.outbox: {fields} }} }}");
        super::super::parse(&text, Path::new("test.yaml"), &BTreeMap::new()).map(|config| config.outbox)
    }

    fn problem(fields: &str) -> String {
        parsed(fields).unwrap_err().to_string().replace("config: outbox.tables.shop.outbox", "…")
    }

    type Change = fn(&mut OutboxTable);

    /// A key, a value that is not its default, and what it changes.
    const ACCEPTED: &[(&str, &str, Change)] = &[
        ("id", "event_id", |t| t.id = Some("event_id".into())),
        ("id", "null", |t| t.id = None),
        ("aggregate_type", "a", |t| t.aggregate_type = "a".into()),
        ("aggregate_id", "b", |t| t.aggregate_id = "b".into()),
        ("event_type", "c", |t| t.event_type = Some("c".into())),
        ("event_type", "null", |t| t.event_type = None),
        ("payload", "body", |t| t.payload = "body".into()),
        ("timestamp", "at", |t| t.timestamp = Some("at".into())),
        ("traceparent", "trace", |t| t.traceparent = Some("trace".into())),
        ("headers", "{ tenant: tenantId, region: }", |t| {
            t.headers = vec![("tenant".into(), "tenantId".into()), ("region".into(), "region".into())];
        }),
        ("topic", "\"{prefix}.{aggregate_type}\"", |t| t.topic = OutboxTopic::parse("{prefix}.{aggregate_type}").unwrap()),
        ("tombstone_on_empty", "true", |t| t.tombstone_on_empty = true),
        ("on_update", "ignore", |t| t.on_update = OnChange::Ignore),
        ("on_update", "halt", |t| t.on_update = OnChange::Halt),
        ("on_delete", "warn", |t| t.on_delete = OnChange::Warn),
    ];

    #[test]
    fn a_table_without_fields_has_the_names_of_debeziums_router() {
        let table = OutboxTable::new("shop", "outbox");

        assert_eq!(parsed("").unwrap(), std::slice::from_ref(&table));
        assert_eq!(parsed("{}").unwrap(), std::slice::from_ref(&table));
        let columns = [table.aggregate_type, table.aggregate_id, table.payload, table.id.unwrap(), table.event_type.unwrap()];
        assert_eq!(columns, ["aggregatetype", "aggregateid", "payload", "id", "type"]);
        assert_eq!((table.on_update, table.on_delete, table.tombstone_on_empty), (OnChange::Warn, OnChange::Ignore, false));
    }

    #[test]
    fn each_field_changes_exactly_what_is_meant() {
        for (key, value, change) in ACCEPTED {
            let mut expected = OutboxTable::new("shop", "outbox");
            change(&mut expected);

            let mut found = parsed(&format!("{{ {key}: {value} }}")).unwrap_or_else(|error| panic!("{key}: {error}"));
            found[0].headers.sort_by(|a, b| b.cmp(a));

            assert_eq!(found, [expected], "{key}");
        }
        assert!(KEYS.iter().all(|key| ACCEPTED.iter().any(|(tested, ..)| tested == key)));
    }

    #[test]
    fn every_field_stands_in_the_annotated_file_with_its_default() {
        let text = raw::DEFAULTS.split("\noutbox:").nth(1).unwrap().split("\n  tables:").next().unwrap();
        for key in KEYS {
            assert!(text.contains(&format!("\n  #   {key}: ")), "{key}:\n{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        assert_eq!(problem("{ paylod: a }"), "….paylod is not a setting; the nearest is payload");
        assert_eq!(problem("7"), "… is 7; expected a mapping");
        assert_eq!(problem("{ payload: null }"), "….payload is null; a message cannot be without it");
        assert_eq!(problem("{ aggregate_id: [] }"), "….aggregate_id is a list; expected the name of a column");
        assert_eq!(problem("{ on_delete: stop }"), "….on_delete is \"stop\"; expected ignore or warn or halt");
        assert_eq!(problem("{ tombstone_on_empty: 1 }"), "….tombstone_on_empty is 1; expected true or false");
        assert_eq!(problem("{ headers: { a: eventType } }"), "….headers would write the header eventType twice");
        assert!(problem("{ headers: { a: ringtail.id } }").starts_with("….headers.a is \"ringtail.id\"; expected the name of a header"));
        assert!(problem("{ topic: \"{agregate_type}\" }").starts_with("….topic is \"{agregate_type}\"; expected {aggregate_type}, "));
        let text = "outbox: { tables: { \"shop.*\": {} } }";
        let error = super::super::parse(text, Path::new("test.yaml"), &BTreeMap::new()).unwrap_err().to_string();
        assert_eq!(error, "config: outbox.tables.shop.* is no keyspace.table; an outbox table is named in full");
    }
}
