//! What a file or the node says of the whole schema, at one moment.

use super::store::{Kind, RowKey};
use crate::schema::{Catalog, SchemaRows};
use serde_json::Value;
use std::collections::BTreeMap;

/// Tables, and the rows that they came from.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The tables.
    pub catalog: Catalog,
    rows: Option<SchemaRows>,
}

impl Reading {
    /// Tables and the rows of `system_schema` that define them.
    pub fn new(catalog: Catalog, rows: SchemaRows) -> Reading {
        Reading { catalog, rows: Some(rows) }
    }

    /// Whether it does not say which keyspaces there are.
    pub(super) fn is_without_keyspaces(&self) -> bool {
        self.rows.as_ref().is_none_or(|rows| rows.keyspaces.is_empty())
    }

    /// Every row outside Cassandra's own keyspaces.
    pub(super) fn rows(&self) -> BTreeMap<RowKey, BTreeMap<String, Value>> {
        let of_catalog;
        let rows = match &self.rows {
            Some(rows) => rows,
            None => {
                of_catalog = SchemaRows::of_tables(self.catalog.tables().filter(|table| !table.is_system()).map(AsRef::as_ref));
                &of_catalog
            }
        };
        let mut found = BTreeMap::new();
        add(&mut found, Kind::Keyspaces, &rows.keyspaces);
        add(&mut found, Kind::Types, &rows.types);
        add(&mut found, Kind::Tables, &rows.tables);
        add(&mut found, Kind::Columns, &rows.columns);
        add(&mut found, Kind::DroppedColumns, &rows.dropped_columns);
        add(&mut found, Kind::Views, &rows.views);
        found
    }
}

impl From<Catalog> for Reading {
    fn from(catalog: Catalog) -> Reading {
        Reading { catalog, rows: None }
    }
}

fn add<R: serde::Serialize>(found: &mut BTreeMap<RowKey, BTreeMap<String, Value>>, kind: Kind, rows: &[R]) {
    for row in rows {
        // Rows are plain structs of texts and numbers, which always make an object.
        let Ok(Value::Object(mut members)) = serde_json::to_value(row) else { continue };
        let mut text = |name: &str| members.remove(name).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
        let keyspace = text("keyspace_name");
        let key = kind.clustering().iter().map(|name| text(name)).collect();
        if keyspace != "system" && !keyspace.starts_with("system_") {
            let cells = members.into_iter().filter(|(_, value)| !value.is_null()).collect();
            found.insert(RowKey { kind, keyspace, key }, cells);
        }
    }
}
