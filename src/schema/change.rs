//! A change of the schema as the log tells it.

use super::dropped_time;
use super::{SchemaVersion, TableId, TableMetadata};
use crate::cql::json_string;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// One thing that a schema mutation, or a truncation, has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaChange {
    /// What was done: `create_`, `alter_` or `drop_` and `keyspace`, `table`, `view`, `type`, `index`, `trigger`, `function` or
    /// `aggregate`; or `truncate_table`.
    pub change: String,
    /// The keyspace.
    pub keyspace: String,
    /// The table or view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The type, index, trigger, function or aggregate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The id of the table or view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_id: Option<String>,
    /// When it was done: by the clock of the node that was asked to, in µs since 1970.
    pub ts: i64,
    /// The table's definition after it, as [`definition`] writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The version of that definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Of a truncation: everything of the table in this node's log up to there is gone, segment and position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated_to: Option<(u64, u32)>,
}

impl SchemaChange {
    /// A change that is not about a table.
    pub fn new(change: impl Into<String>, keyspace: &str, ts: i64) -> SchemaChange {
        SchemaChange {
            change: change.into(),
            keyspace: keyspace.to_owned(),
            table: None,
            name: None,
            table_id: None,
            ts,
            definition: None,
            version: None,
            truncated_to: None,
        }
    }

    /// The same of a table whose definition is not told.
    pub fn of_table(self, name: &str, id: Option<TableId>) -> SchemaChange {
        SchemaChange { table: Some(name.to_owned()), table_id: id.map(|id| id.to_string()), ..self }
    }

    /// The same with the definition that the table has now.
    pub fn with_definition(self, table: &TableMetadata) -> SchemaChange {
        SchemaChange {
            table_id: Some(table.id.to_string()),
            definition: Some(definition(table)),
            version: Some(table.version.to_string()),
            ..self
        }
    }

    /// When it was done, as `2026-11-22 16:37:04.278Z`.
    pub fn time(&self) -> String {
        dropped_time::print(self.ts.div_euclid(1000))
    }

    /// What it is keyed by: `keyspace.table`, or the keyspace where it is about no table. Neither name can hold a dot.
    pub fn key(&self) -> String {
        match &self.table {
            Some(table) => format!("{}.{table}", self.keyspace),
            None => self.keyspace.clone(),
        }
    }
}

/// A definition as a JSON object: that of [`SchemaVersion::canonical`], and behind it `cdc` and the dropped columns.
pub fn definition(table: &TableMetadata) -> String {
    let mut out = SchemaVersion::canonical(table);
    out.pop();
    write!(out, ",\"cdc\":{},\"dropped\":[", table.cdc).ok();
    for (name, dropped) in &table.dropped {
        out.push_str(if out.ends_with('[') { "{\"name\":" } else { ",{\"name\":" });
        json_string(name, &mut out);
        out.push_str(",\"kind\":");
        json_string(dropped.column.kind.as_str(), &mut out);
        out.push_str(",\"type\":");
        json_string(&dropped.column.cql_type.to_string(), &mut out);
        match dropped.dropped_at_micros {
            // Nobody knows when.
            i64::MIN => out.push_str(",\"ts\":null}"),
            ts => drop(write!(out, ",\"ts\":{ts}}}")),
        }
    }
    out.push_str("]}");
    out
}
