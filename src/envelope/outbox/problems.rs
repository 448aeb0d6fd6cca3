//! What of the configured tables and columns is not there.

use super::{Outbox, OutboxTable};
use crate::cql::CqlType;
use crate::schema::{Catalog, ColumnMetadata, TableMetadata};

impl Outbox {
    /// What does not fit the tables that are known, a sentence each. Tables and columns may still come.
    pub fn problems(&self, catalog: &Catalog) -> Vec<String> {
        let of = |outbox: &OutboxTable| {
            let found = catalog.tables().find(|table| table.keyspace == outbox.keyspace && table.name == outbox.table);
            found.map_or_else(
                || vec![format!("outbox.tables names {}, which is no table that is known", outbox.name())],
                |table| of_table(outbox, table),
            )
        };
        self.tables.iter().flat_map(of).collect()
    }
}

fn of_table(outbox: &OutboxTable, table: &TableMetadata) -> Vec<String> {
    let without_cdc =
        (!table.is_published()).then(|| format!("{table} is an outbox table, but nothing of it is published (cdc = true is needed)"));
    let columns = outbox.columns().into_iter().filter_map(|(key, name)| {
        let problem = match table.columns().find(|column| column.name == name) {
            None => "does not exist",
            Some(column) => unsuitable(key, column, table)?,
        };
        Some(format!("column {name} of {table} {problem} (outbox.tables.{table}.{key})"))
    });
    without_cdc.into_iter().chain(columns).collect()
}

fn unsuitable(key: &str, column: &ColumnMetadata, table: &TableMetadata) -> Option<&'static str> {
    let is_time = matches!(column.cql_type.unfrozen(), CqlType::Timestamp | CqlType::Timeuuid | CqlType::Bigint);
    if table.statics.contains(column) {
        Some("is static, so a row does not hold it")
    } else if key == "timestamp" && !is_time {
        Some("is no timestamp, timeuuid or bigint of ms")
    } else {
        None
    }
}
