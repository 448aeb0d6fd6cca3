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
use super::source_struct::{self, SourceStruct};
use crate::connect::{Conversion, Field, Kind, Schema, Value};
use crate::cql::{self, CqlType};
use crate::event::{Change, ChangeEvent};
use crate::mutation::{ClusteringBound, ColumnData, Row, WriteTimestamp};
use crate::schema::{ColumnMetadata, TableMetadata, quoted_name};
use std::sync::Arc;

const RANGE_START: &str = "_range_start";
const RANGE_END: &str = "_range_end";

/// The form.
#[derive(Debug)]
pub(super) struct Strict {
    prefix: String,
    conversion: Conversion,
    source: SourceStruct,
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
        Strict { prefix: settings.prefix.clone(), conversion, source: SourceStruct::new(settings) }
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
            Columns::Written(row) => match row.columns.iter().find(|data| data.name() == column.name) {
                Some(ColumnData::Simple(cell)) => cell::simple(&self.conversion, &column.cql_type, cell),
                Some(ColumnData::Complex(data)) => cell::complex(&self.conversion, &column.cql_type, data),
                None => Value::Null,
            },
        }
    }
}

impl Shape for Strict {
    fn key_schema(&self, table: &TableMetadata) -> Schema {
        Schema::of_struct(self.name(table, "Key"), PrimaryKey::fields(table, &self.conversion))
    }

    fn value_schema(&self, table: &TableMetadata) -> Schema {
        let column = |column: &ColumnMetadata| Field::new(column.name.as_str(), cell::schema(&self.conversion, &column.cql_type));
        let bounds = [RANGE_START, RANGE_END].map(|name| Field::new(name, bound_schema(name)));
        let after = Schema::of_struct("after", table.columns().map(column).chain(bounds).collect()).version(1);
        let fields = vec![
            Field::new("ts_ms", Schema::new(Kind::Int64)),
            Field::new("op", Schema::new(Kind::String)),
            Field::new("source", source_struct::schema("source", Kind::Int32)),
            Field::new("after", after),
        ];
        Schema::of_struct(self.name(table, "Envelope"), fields)
    }

    fn key(&self, event: &ChangeEvent<'_>) -> Value {
        Value::Struct(PrimaryKey::of(event).connect(&self.conversion, &Value::Null))
    }

    fn value(&self, event: &ChangeEvent<'_>, moment: &Moment<'_>) -> Value {
        let op = event.change.operation().letter();
        Value::Struct(vec![Value::Int(moment.ts_ms), Value::text(op), self.source.value(event, moment.file), self.after(event)])
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

fn bound_schema(name: &'static str) -> Schema {
    let text = |name: &str| Field::new(name, Schema::new(Kind::String));
    let value = Schema::of_struct("clustering_value", vec![text("name"), text("value"), text("type")]).version(1);
    let values = Schema::new(Kind::Array(Arc::new(value))).named("clustering_values").version(1);
    Schema::of_struct(name, vec![text("method"), Field::new("values", values)]).version(1).optional()
}

/// One side of a deleted range: names as CQL quotes them, values as the marshal type prints them, in the order of Debezium's hash map.
fn bound(table: &TableMetadata, bound: &ClusteringBound<'_>) -> Value {
    let mut values: Vec<(String, Value)> = table
        .clustering
        .iter()
        .zip(&bound.values)
        .map(|(column, bytes)| {
            let text = bytes.map_or_else(|| "null".to_owned(), |bytes| cql::get_string(&column.cql_type, bytes).unwrap_or_default());
            let (name, class) = (quoted_name(&column.name), cql::marshal_class(&column.cql_type, column.reversed));
            (name.clone(), Value::Struct(vec![Value::String(name), Value::String(text), Value::String(class)]))
        })
        .collect();
    let buckets = buckets_for(values.len());
    values.sort_by_key(|(name, _)| bucket(name, buckets));
    let values = values.into_iter().map(|(_, value)| value).collect();
    Value::Struct(vec![Value::text(bound.kind.name()), Value::Array(values)])
}

/// How many buckets a `java.util.HashMap` has that so many entries were put into: 16, and twice as many whenever three quarters are exceeded.
fn buckets_for(entries: usize) -> u32 {
    let mut buckets: u32 = 16;
    while entries > buckets as usize * 3 / 4 {
        buckets *= 2;
    }
    buckets
}

/// Where a `java.util.HashMap` keeps a text: `String.hashCode`, its upper half mixed into the lower.
fn bucket(text: &str, buckets: u32) -> u32 {
    let hash = text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    (hash ^ (hash >> 16)) & (buckets - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lie_where_javas_hash_map_has_them() {
        // In Java: "a".hashCode() is 97, "Aa" and "BB" are both 2112.
        assert_eq!((bucket("a", 16), bucket("Aa", 16), bucket("BB", 16)), (1, 0, 0));
        let order = |names: [&'static str; 2]| {
            let mut names = names;
            names.sort_by_key(|name| bucket(name, 16));
            names
        };
        assert_eq!(order(["day", "hour"]), ["hour", "day"]);
        assert_eq!(order(["ts", "id"]), ["id", "ts"]);
        assert_eq!(order(["b", "a"]), ["a", "b"]);
        assert_eq!([buckets_for(12), buckets_for(13), buckets_for(25)], [16, 32, 64]);
    }
}
