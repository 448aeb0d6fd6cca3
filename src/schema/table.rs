//! One table: its id, its columns, its flags (`TableMetadata`, `ColumnMetadata`).

use super::SchemaVersion;
use super::builtin::union;
use crate::cql::CqlType;
use std::collections::BTreeMap;
use std::fmt;
use uuid::Uuid;

/// The id of a table (`TableId`): what the log names a table by. A re-created table has a new one; system tables have the same on every
/// node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub Uuid);

/// A table as of a moment (`TableMetadata`): how the bytes of its updates are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableMetadata {
    /// Its id.
    pub id: TableId,
    /// The keyspace, unquoted.
    pub keyspace: String,
    /// The name, unquoted.
    pub name: String,
    /// Whether the table is a table or a view.
    pub kind: TableKind,
    /// The `cdc` option.
    pub cdc: bool,
    /// Partition key columns in order.
    pub partition_key: Vec<ColumnMetadata>,
    /// Clustering columns in order.
    pub clustering: Vec<ColumnMetadata>,
    /// Static columns by name.
    pub statics: Vec<ColumnMetadata>,
    /// Regular columns by name.
    pub regulars: Vec<ColumnMetadata>,
    /// Columns that were dropped, by name. A column that was added again is here *and* among the others.
    pub dropped: BTreeMap<String, DroppedColumn>,
    /// What the definition comes to; [`super::Catalog::insert`] sees to it.
    pub version: SchemaVersion,
}

/// What kind of table (`TableMetadata.Kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// A table.
    Table,
    /// A materialized view: never published.
    View,
}

/// One column (`ColumnMetadata`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMetadata {
    /// Its name, unquoted.
    pub name: String,
    /// Its type; reversal is in `reversed`.
    pub cql_type: CqlType,
    /// Its place in the table.
    pub kind: ColumnKind,
    /// Clustering columns only: `CLUSTERING ORDER BY … DESC`.
    pub reversed: bool,
}

/// Where in the table a column stands (`ColumnMetadata.Kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Part of the partition key.
    PartitionKey,
    /// A clustering column.
    Clustering,
    /// One value per partition.
    Static,
    /// A column of rows.
    Regular,
}

/// A dropped column: what it was, and when it went (`DroppedColumn`). The log can still hold its cells, and they must be read to read what
/// follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedColumn {
    /// The column as it was.
    pub column: ColumnMetadata,
    /// Cells at or before this time were dropped with it, in µs since 1970.
    pub dropped_at_micros: i64,
}

impl TableMetadata {
    /// The static or regular column of this name (`TableMetadata.getColumn`).
    pub fn cell_column(&self, name: &str, kind: ColumnKind) -> Option<&ColumnMetadata> {
        let columns = match kind {
            ColumnKind::Static => &self.statics,
            _ => &self.regulars,
        };
        columns.iter().find(|column| column.name == name)
    }

    /// Whether the keyspace is one of Cassandra's own, whose tables are never published.
    pub fn is_system(&self) -> bool {
        self.keyspace == "system" || self.keyspace.starts_with("system_")
    }

    /// Whether changes of this table are published: it says `cdc = true`, is no view and no system table.
    pub fn is_published(&self) -> bool {
        self.cdc && self.kind == TableKind::Table && !self.is_system()
    }

    /// The same table with the columns besides that `newer` has: what it has itself stays as it is.
    pub fn with_columns_of(&self, newer: &TableMetadata) -> TableMetadata {
        union(self, newer)
    }

    /// Every column in the order of events: partition key, clustering, regular by name, static by name.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnMetadata> {
        self.partition_key.iter().chain(&self.clustering).chain(&self.regulars).chain(&self.statics)
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `keyspace.table`, as operators write it.
impl fmt::Display for TableMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.keyspace, self.name)
    }
}
