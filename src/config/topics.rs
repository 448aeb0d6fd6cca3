//! `topics`: where events go within the sink.

use super::build::is_name_letter;
use super::error::ConfigError;
use super::raw::{Raw, show};
use super::types::{CreateTopics, PartitionBy, SinkTo, Topics};
use crate::schema::TablePattern;
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads the section.
///
/// # Errors
/// The first setting that is unusable.
pub(super) fn topics(raw: &Raw, sink: &SinkTo) -> Result<Topics, ConfigError> {
    let prefix = match (raw.optional_text("topics.prefix")?, sink) {
        (Some(prefix), _) if prefix.chars().all(is_name_letter) => prefix,
        (Some(prefix), _) => {
            return Err(ConfigError::at("topics.prefix", format!("is {prefix:?}; expected letters, digits, '.', '_' and '-'")));
        }
        (None, SinkTo::Kafka(_)) => return Err(ConfigError::at("topics.prefix", "is missing; the kafka sink needs it")),
        (None, _) => "ringtail",
    };
    let partition_by = [("partition_key", PartitionBy::PartitionKey), ("record_key", PartitionBy::RecordKey)];
    Ok(Topics {
        prefix: prefix.to_owned(),
        name: template("topics.name", raw.text("topics.name")?)?,
        tables: tables(raw)?,
        partition_by: raw.choice("topics.partition_by", &partition_by)?,
        allow_compaction: raw.flag("topics.allow_compaction")?,
        schema: own_topic(raw, "topics.schema", prefix)?,
        audit: own_topic(raw, "topics.audit", prefix)?,
        positions: topic_name("topics.positions", raw.text("topics.positions")?, prefix)?,
        create: create(raw)?,
    })
}

/// The name of a topic that is no table's, where there need not be one.
fn own_topic(raw: &Raw, key: &str, prefix: &str) -> Result<Option<String>, ConfigError> {
    raw.optional_text(key)?.map(|text| topic_name(key, text, prefix)).transpose()
}

fn topic_name(key: &str, text: &str, prefix: &str) -> Result<String, ConfigError> {
    let name = text.replace("{prefix}", prefix);
    if !name.is_empty() && name.len() <= 249 && name.chars().all(is_name_letter) {
        return Ok(name);
    }
    Err(ConfigError::at(key, format!("is {text:?}; expected {{prefix}} and at most 249 letters, digits, '.', '_', '-'")))
}

/// Templates for the tables of a pattern.
fn tables(raw: &Raw) -> Result<Vec<(TablePattern, String)>, ConfigError> {
    let key = "topics.tables";
    let one = |(pattern, text): (&String, &Value)| {
        let found = TablePattern::parse(pattern)
            .ok_or_else(|| ConfigError::at(key, format!("has {pattern:?}; expected keyspace.table, with * for any letters")))?;
        let text = text.as_str().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| ConfigError::at(key, format!("has no text for {pattern:?}; expected a template as topics.name")))?;
        Ok((found, template(key, text)?))
    };
    raw.map(key).into_iter().flatten().map(one).collect()
}

fn template(key: &str, text: &str) -> Result<String, ConfigError> {
    let literal = ["{prefix}", "{keyspace}", "{table}"].iter().fold(text.to_owned(), |left, known| left.replace(known, "x"));
    if literal.len() <= 249 && literal.chars().all(is_name_letter) {
        return Ok(text.to_owned());
    }
    Err(ConfigError::at(
        key,
        format!("is {text:?}; expected {{prefix}}, {{keyspace}}, {{table}} and at most 249 letters, digits, '.', '_', '-'"),
    ))
}

/// How missing topics are made, if they are.
fn create(raw: &Raw) -> Result<Option<CreateTopics>, ConfigError> {
    if !raw.is_written("topics.create") {
        return Ok(None);
    }
    let number = |key: &str, most| match raw.value(key) {
        Value::Null => Ok(None),
        _ => raw.integer(key, 1..=most).map(|number| u32::try_from(number).ok()),
    };
    Ok(Some(CreateTopics {
        partitions: number("topics.create.partitions", 100_000)?,
        replication_factor: number("topics.create.replication_factor", 32_767)?,
        config: topic_settings(raw)?,
    }))
}

fn topic_settings(raw: &Raw) -> Result<BTreeMap<String, String>, ConfigError> {
    let key = "topics.create.config";
    let settings = match raw.value(key) {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Object(settings) => settings,
        other => return Err(ConfigError::at(key, format!("is {}; expected a mapping of Kafka's topic settings", show(other)))),
    };
    let text = |name: &String, value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        other => Err(ConfigError::at(format!("{key}.{name}"), format!("is {}; expected one value", show(other)))),
    };
    let settings = settings.iter().map(|(name, value)| Ok((name.clone(), text(name, value)?))).collect::<Result<BTreeMap<_, _>, _>>()?;
    let compacts = settings.get("cleanup.policy").is_some_and(|policy| policy.split(',').any(|word| word.trim() == "compact"));
    if compacts && !raw.flag("topics.allow_compaction")? {
        let why = "compacts topics of changes, which loses columns (topics.allow_compaction accepts that)";
        return Err(ConfigError::at(format!("{key}.cleanup.policy"), why));
    }
    Ok(settings)
}
