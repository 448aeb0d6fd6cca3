//! `events.strict: true`: what the Debezium connector for Cassandra 3.5 writes, and nothing else.
//!
//! ```text
//! key     {"p":…,"c":…}
//! value   {"ts_ms","op","source":{…},"after":{column:{"value","deletion_ts","set"}|null…,"_range_start","_range_end"}}
//! ```
//!
//! Schemas have Debezium's names. What that connector never sends is left out here (`filtered{rule="strict"}`): static rows, tables with
//! counters, and what was written to a row in the statement that deleted it. What ends its reading, ranges that meet and columns of
//! user-defined types that are not frozen, is sent in its form. Events come in the order of the default form.

mod cell;

use super::EnvelopeSettings;
use super::key::PrimaryKey;
use super::shape::{Moment, Shape};
use crate::connect::{Conversion, Field, Kind, Schema, Value};
use crate::cql::{self, CqlType};
use crate::event::{Change, ChangeEvent};
use crate::mutation::{ClusteringBound, ColumnData, Row, WriteTimestamp};
use crate::schema::{ColumnMetadata, TableMetadata};
use std::sync::Arc;

const RANGE_START: &str = "_range_start";
const RANGE_END: &str = "_range_end";

/// The form.
#[derive(Debug)]
pub(super) struct Strict {
    version: String,
    prefix: String,
    cluster: String,
    conversion: Conversion,
}

/// What an event says of the columns of one kind.
#[derive(Clone, Copy)]
enum Columns<'a> {
    Untouched,
    Deleted(WriteTimestamp),
    Written(&'a Row<'a>),
}

impl Strict {
    pub fn new(settings: &EnvelopeSettings) -> Strict {
        let conversion = Conversion { debezium: true, ..settings.conversion };
        Strict { version: settings.version.clone(), prefix: settings.prefix.clone(), cluster: settings.cluster.clone(), conversion }
    }

    fn name(&self, table: &TableMetadata, part: &str) -> String {
        format!("io.debezium.connector.cassandra.{}.{}.{}.{part}", self.prefix, table.keyspace, table.name)
    }

    fn after(&self, event: &ChangeEvent<'_>) -> Value {
        let (key, table) = (PrimaryKey::of(event), event.update.table);
        let (clustering, others) = match &event.change {
            Change::Row(row) | Change::Static(row) => (Columns::Untouched, Columns::Written(row)),
            Change::RowDelete(_, deletion) => (Columns::Untouched, Columns::Deleted(deletion.time.marked_for_delete_at)),
            Change::PartitionDelete(deletion) => {
                let deleted = Columns::Deleted(deletion.marked_for_delete_at);
                (deleted, deleted)
            }
            Change::RangeDelete(_) => (Columns::Untouched, Columns::Untouched),
        };
        let partition = table.partition_key.iter().enumerate().map(|(index, column)| {
            let bytes = key.partition().and_then(|values| values.get(index).copied());
            cell::set(cell::plain(&self.conversion, &column.cql_type, bytes))
        });
        let clustering = table.clustering.iter().enumerate().map(|(index, column)| match (key.clustering(), clustering) {
            (Some(values), _) => cell::set(cell::plain(&self.conversion, &column.cql_type, values.get(index).copied().flatten())),
            (None, Columns::Deleted(at)) => cell::deleted(at),
            (None, _) => Value::Null,
        });
        // A row's deletion takes the static columns too, as Debezium has it.
        let others = table.regulars.iter().chain(&table.statics).map(|column| self.column(column, others));
        let bounds = match &event.change {
            Change::RangeDelete(range) => [bound(table, &range.start), bound(table, &range.end)],
            _ => [Value::Null, Value::Null],
        };
        Value::Struct(partition.chain(clustering).chain(others).chain(bounds).collect())
    }

    fn column(&self, column: &ColumnMetadata, columns: Columns<'_>) -> Value {
        match columns {
            Columns::Untouched => Value::Null,
            Columns::Deleted(at) => cell::deleted(at),
            Columns::Written(row) => match row.columns.iter().find(|data| name(data) == column.name) {
                Some(ColumnData::Simple(cell)) => cell::simple(&self.conversion, &column.cql_type, cell),
                Some(ColumnData::Complex(data)) => cell::complex(&self.conversion, &column.cql_type, data),
                None => Value::Null,
            },
        }
    }

    fn source(&self, event: &ChangeEvent<'_>, file: &str) -> Value {
        let (micros, table) = (event.timestamp.0, event.update.table);
        Value::Struct(vec![
            Value::text(self.version.as_str()),
            Value::text("cassandra"),
            Value::text(self.prefix.as_str()),
            Value::Int(micros.div_euclid(1000)),
            Value::text("false"),
            Value::text("NULL"),
            Value::Null,
            Value::Int(micros),
            Value::Int(micros.saturating_mul(1000)),
            Value::text(self.cluster.as_str()),
            Value::text(file),
            Value::Int(event.at.position.0.into()),
            Value::text(table.keyspace.as_str()),
            Value::text(table.name.as_str()),
        ])
    }
}

impl Shape for Strict {
    fn key_schema(&self, table: &TableMetadata) -> Schema {
        let columns = table.partition_key.iter().chain(&table.clustering);
        let fields = columns.map(|column| Field::new(column.name.as_str(), self.conversion.schema(&column.cql_type)));
        Schema::of_struct(self.name(table, "Key"), fields.collect())
    }

    fn value_schema(&self, table: &TableMetadata) -> Schema {
        let column = |column: &ColumnMetadata| Field::new(column.name.as_str(), cell::schema(&self.conversion, &column.cql_type));
        let bounds = [RANGE_START, RANGE_END].map(|name| Field::new(name, bound_schema(name)));
        let after = Schema::of_struct("after", table.columns().map(column).chain(bounds).collect()).version(1);
        let fields = vec![
            Field::new("ts_ms", Schema::new(Kind::Int64)),
            Field::new("op", Schema::new(Kind::String)),
            Field::new("source", source_schema()),
            Field::new("after", after),
        ];
        Schema::of_struct(self.name(table, "Envelope"), fields)
    }

    fn key(&self, event: &ChangeEvent<'_>) -> Value {
        let (key, table) = (PrimaryKey::of(event), event.update.table);
        let partition = table.partition_key.iter().enumerate().map(|(index, column)| {
            cell::plain(&self.conversion, &column.cql_type, key.partition().and_then(|values| values.get(index).copied()))
        });
        let clustering = table.clustering.iter().enumerate().map(|(index, column)| {
            cell::plain(&self.conversion, &column.cql_type, key.clustering().and_then(|values| values.get(index).copied().flatten()))
        });
        Value::Struct(partition.chain(clustering).collect())
    }

    fn value(&self, event: &ChangeEvent<'_>, moment: &Moment<'_>) -> Value {
        let op = event.change.operation().letter();
        Value::Struct(vec![Value::Int(moment.ts_ms), Value::text(op), self.source(event, moment.file), self.after(event)])
    }

    fn leaves_out(&self, event: &ChangeEvent<'_>) -> Option<&'static str> {
        let has_counters = event.update.table.columns().any(|column| matches!(column.cql_type, CqlType::Counter));
        let is_never_sent = match &event.change {
            Change::Static(_) => true,
            Change::Row(row) => row.deletion.is_some(),
            _ => false,
        };
        (has_counters || is_never_sent).then_some("strict")
    }
}

fn source_schema() -> Schema {
    let text = |name: &str| Field::new(name, Schema::new(Kind::String));
    let long = |name: &str| Field::new(name, Schema::new(Kind::Int64).optional());
    let snapshot = Schema::new(Kind::String)
        .optional()
        .named("io.debezium.data.Enum")
        .version(1)
        .parameter("allowed", "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental")
        .default_value(Value::text("false"));
    let fields = vec![
        text("version"),
        text("connector"),
        text("name"),
        Field::new("ts_ms", Schema::new(Kind::Int64)),
        Field::new("snapshot", snapshot),
        text("db"),
        Field::new("sequence", Schema::new(Kind::String).optional()),
        long("ts_us"),
        long("ts_ns"),
        text("cluster"),
        text("file"),
        Field::new("pos", Schema::new(Kind::Int32)),
        text("keyspace"),
        text("table"),
    ];
    Schema::of_struct("source", fields).version(1)
}

fn bound_schema(name: &'static str) -> Schema {
    let text = |name: &str| Field::new(name, Schema::new(Kind::String));
    let value = Schema::of_struct("clustering_value", vec![text("name"), text("value"), text("type")]).version(1);
    let values = Schema::new(Kind::Array(Arc::new(value))).named("clustering_values").version(1);
    Schema::of_struct(name, vec![text("method"), Field::new("values", values)]).version(1).optional()
}

/// One side of a deleted range: names as CQL quotes them, values as the marshal type prints them.
fn bound(table: &TableMetadata, bound: &ClusteringBound<'_>) -> Value {
    let values = table.clustering.iter().zip(&bound.values).map(|(column, bytes)| {
        let text = bytes.map_or_else(|| "null".to_owned(), |bytes| cql::get_string(&column.cql_type, bytes).unwrap_or_default());
        let class = cql::marshal_class(&column.cql_type, column.reversed);
        Value::Struct(vec![Value::String(quoted(&column.name)), Value::String(text), Value::String(class)])
    });
    Value::Struct(vec![Value::text(bound.kind.name()), Value::Array(values.collect())])
}

/// A name as CQL writes it (`ColumnIdentifier.toCQLString`).
fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// The name of a written column.
fn name<'a>(data: &'a ColumnData<'_>) -> &'a str {
    match data {
        ColumnData::Simple(cell) => &cell.column.column.name,
        ColumnData::Complex(complex) => &complex.column.column.name,
    }
}
