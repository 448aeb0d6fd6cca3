//! From tables back to the rows that define them: for a schema file, for a stored history.

use super::rows::{ColumnRow, DroppedColumnRow, SchemaRows, TableRow, TypeRow, ViewRow};
use super::{Catalog, ColumnKind, ColumnMetadata, TableKind, TableMetadata};
use crate::cql::{CqlType, UserType};
use std::collections::BTreeMap;

impl SchemaRows {
    /// The rows that define these tables, ordered as `system_schema` is.
    ///
    /// User-defined types that no column uses are not among them, and dropped columns have times in
    /// milliseconds only, as in Cassandra.
    pub fn of_tables<'a>(tables: impl IntoIterator<Item = &'a TableMetadata>) -> Self {
        let mut tables: Vec<&TableMetadata> = tables.into_iter().collect();
        tables.sort_by_key(|table| (&table.keyspace, &table.name, table.id));
        let mut rows = SchemaRows::default();
        let mut types = BTreeMap::new();
        for table in tables {
            let (keyspace_name, table_name) = (table.keyspace.clone(), table.name.clone());
            match table.kind {
                TableKind::Table => {
                    rows.tables.push(TableRow { keyspace_name, table_name, id: Some(table.id.0), cdc: Some(table.cdc), flags: None });
                }
                TableKind::View => rows.views.push(ViewRow {
                    keyspace_name,
                    view_name: table_name,
                    id: Some(table.id.0),
                    base_table_name: None,
                    where_clause: None,
                    include_all_columns: None,
                }),
            }
            for column in table.columns() {
                rows.columns.push(column_row(table, column));
                collect_types(&column.cql_type, &mut types);
            }
            rows.dropped_columns.extend(table.dropped.values().map(|dropped| DroppedColumnRow {
                keyspace_name: table.keyspace.clone(),
                table_name: table.name.clone(),
                column_name: dropped.column.name.clone(),
                dropped_time: dropped.dropped_at_micros.div_euclid(1000),
                kind: Some(dropped.column.kind.as_str().to_owned()),
                type_name: dropped.column.cql_type.to_string(),
            }));
        }
        rows.types = types.into_values().collect();
        rows
    }
}

impl From<&Catalog> for SchemaRows {
    fn from(catalog: &Catalog) -> Self {
        SchemaRows::of_tables(catalog.tables().map(AsRef::as_ref))
    }
}

fn column_row(table: &TableMetadata, column: &ColumnMetadata) -> ColumnRow {
    let part = match column.kind {
        ColumnKind::PartitionKey => table.partition_key.as_slice(),
        ColumnKind::Clustering => table.clustering.as_slice(),
        ColumnKind::Static | ColumnKind::Regular => &[],
    };
    let position = part.iter().position(|other| other.name == column.name).and_then(|at| i32::try_from(at).ok());
    let order = match (column.kind, column.reversed) {
        (ColumnKind::Clustering, true) => "desc",
        (ColumnKind::Clustering, false) => "asc",
        _ => "none",
    };
    ColumnRow {
        keyspace_name: table.keyspace.clone(),
        table_name: table.name.clone(),
        column_name: column.name.clone(),
        kind: column.kind.as_str().to_owned(),
        position: position.unwrap_or(-1),
        clustering_order: order.to_owned(),
        type_name: column.cql_type.to_string(),
    }
}

/// The user-defined types in a type, by keyspace and name.
pub(super) fn collect_types<'a>(cql_type: &'a CqlType, types: &mut BTreeMap<(&'a str, &'a str), TypeRow>) {
    match cql_type {
        CqlType::List(inner) | CqlType::Set(inner) | CqlType::Vector(inner, _) | CqlType::Frozen(inner) => collect_types(inner, types),
        CqlType::Map(key, value) => [key, value].into_iter().for_each(|inner| collect_types(inner, types)),
        CqlType::Tuple(members) => members.iter().for_each(|inner| collect_types(inner, types)),
        CqlType::Udt(user_type) if types.insert((&user_type.keyspace, &user_type.name), type_row(user_type)).is_none() => {
            user_type.fields.iter().for_each(|(_, inner)| collect_types(inner, types));
        }
        _ => {}
    }
}

fn type_row(user_type: &UserType) -> TypeRow {
    let (field_names, field_types) = user_type.fields.iter().map(|(name, cql_type)| (name.clone(), cql_type.to_string())).unzip();
    TypeRow { keyspace_name: user_type.keyspace.clone(), type_name: user_type.name.clone(), field_names, field_types }
}
