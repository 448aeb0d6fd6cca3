//! The rows of `system_schema` that make a catalog: as JSON, from a node, or out of the log.
//!
//! ```text
//! {"keyspaces": […], "tables": […], "views": […], "columns": […], "dropped_columns": […], "types": […]}
//! ```
//!
//! Each row is as `SELECT JSON *` prints it. Members and columns that are not named here are ignored, and
//! columns that older releases do not have may be missing. [`SchemaRows::resolve`] makes tables of them.
//!
//! Cassandra: `SchemaKeyspace`.

use super::dropped_time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The rows of the tables of `system_schema` that say how bytes are to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaRows {
    /// Rows of `system_schema.keyspaces`; nothing is decoded with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyspaces: Vec<KeyspaceRow>,
    /// Rows of `system_schema.tables`.
    pub tables: Vec<TableRow>,
    /// Rows of `system_schema.columns`.
    pub columns: Vec<ColumnRow>,
    /// Rows of `system_schema.views`.
    #[serde(default)]
    pub views: Vec<ViewRow>,
    /// Rows of `system_schema.dropped_columns`.
    #[serde(default)]
    pub dropped_columns: Vec<DroppedColumnRow>,
    /// Rows of `system_schema.types`.
    #[serde(default)]
    pub types: Vec<TypeRow>,
}

/// A row of `system_schema.keyspaces` (`SchemaKeyspace.addKeyspaceToSchemaMutation`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyspaceRow {
    /// The keyspace.
    pub keyspace_name: String,
    /// Whether its writes go through the commit log.
    #[serde(default)]
    pub durable_writes: Option<bool>,
    /// The replication strategy: `class`, and its options.
    #[serde(default)]
    pub replication: BTreeMap<String, String>,
}

/// A row of `system_schema.tables` (`SchemaKeyspace.addTableToSchemaMutation`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRow {
    /// The keyspace, unquoted, as all names here.
    pub keyspace_name: String,
    /// The table.
    pub table_name: String,
    /// Its id; missing only when the rows come from CQL that names none.
    #[serde(default, with = "uuid_text")]
    pub id: Option<Uuid>,
    /// The `cdc` option. Missing means false: only nodes with `cdc_enabled` write it.
    #[serde(default)]
    pub cdc: Option<bool>,
    /// `compound`, `dense`, `super`, `counter`: without `compound`, or with one of the next two, it is a COMPACT STORAGE table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
}

/// A row of `system_schema.views`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewRow {
    /// The keyspace.
    pub keyspace_name: String,
    /// The view.
    pub view_name: String,
    /// Its id.
    #[serde(default, with = "uuid_text")]
    pub id: Option<Uuid>,
    /// The table that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_table_name: Option<String>,
    /// Which rows are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub where_clause: Option<String>,
    /// Whether it was made with `SELECT *`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_all_columns: Option<bool>,
}

/// A row of `system_schema.columns` (`SchemaKeyspace.addColumnToSchemaMutation`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnRow {
    /// The keyspace.
    pub keyspace_name: String,
    /// The table or view.
    pub table_name: String,
    /// The column.
    pub column_name: String,
    /// `partition_key`, `clustering`, `static` or `regular`.
    pub kind: String,
    /// The place in its part of the primary key, −1 for other columns.
    pub position: i32,
    /// `asc`, `desc` or `none`.
    pub clustering_order: String,
    /// The name of its type.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// A row of `system_schema.dropped_columns`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedColumnRow {
    /// The keyspace.
    pub keyspace_name: String,
    /// The table.
    pub table_name: String,
    /// The column.
    pub column_name: String,
    /// When it was dropped, in ms since 1970.
    #[serde(with = "dropped_time")]
    pub dropped_time: i64,
    /// `static` or `regular`; missing before 3.11.3, which wrote only regular ones here.
    #[serde(default)]
    pub kind: Option<String>,
    /// The name of the type it had, user-defined types expanded to tuples.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// A row of `system_schema.types`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeRow {
    /// The keyspace.
    pub keyspace_name: String,
    /// The type.
    pub type_name: String,
    /// Its fields' names.
    pub field_names: Vec<String>,
    /// Their types' names.
    pub field_types: Vec<String>,
}

/// UUIDs as JSON strings.
mod uuid_text {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(id: &Option<Uuid>, serializer: S) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => serializer.collect_str(id),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
        let parse = |text: String| Uuid::parse_str(&text).map_err(|error| D::Error::custom(format!("id: {error}, found {text:?}")));
        Option::<String>::deserialize(deserializer)?.map(parse).transpose()
    }
}
