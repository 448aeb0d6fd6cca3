//! Cells of columns that are one cell, as structs.
//!
//! ```text
//! key column    value, deletion_ts, set, empty?, raw?
//! other column  value, deletion_ts, set, ts?, ttl?, expires?, deleted?, shards?, empty?, dropped?, raw?
//! ```

use crate::connect::{self, Conversion, Field, Kind, Schema};
use crate::cql::{self, CounterShard, CqlType, ShardKind};
use crate::envelope::value::Value;
use crate::mutation::{Cell, WriteTimestamp};
use crate::schema::ColumnMetadata;
use std::sync::Arc;

/// What comes behind `value` in every cell.
pub(super) fn head(value: Schema) -> Vec<Field> {
    vec![
        Field::new("value", value),
        Field::new("deletion_ts", Schema::new(Kind::Int64).optional()),
        Field::new("set", Schema::new(Kind::Boolean)),
    ]
}

/// The fields of a key column's cell.
pub(super) fn key_fields(conversion: &Conversion, column: &ColumnMetadata) -> Vec<Field> {
    let mut fields = head(conversion.schema(&column.cql_type));
    fields.extend([flag("empty"), text("raw")]);
    fields
}

/// The fields of a column's cell.
pub(super) fn simple_fields(conversion: &Conversion, cql_type: &CqlType) -> Vec<Field> {
    let mut fields = head(conversion.schema(cql_type));
    fields.extend(times());
    fields.extend(marks(cql_type));
    fields
}

/// `ts`, `ttl`, `expires`, `deleted`.
pub(super) fn times() -> Vec<Field> {
    ["ts", "ttl", "expires", "deleted"].map(number).into()
}

/// `shards` of counters, `empty`, `dropped`, `raw`.
pub(super) fn marks(cql_type: &CqlType) -> Vec<Field> {
    let shards = matches!(cql_type.unfrozen(), CqlType::Counter).then(|| {
        let fields = vec![
            Field::new("id", Schema::new(Kind::String)),
            Field::new("clock", Schema::new(Kind::Int64)),
            Field::new("count", Schema::new(Kind::Int64)),
            Field::new("kind", Schema::new(Kind::String)),
        ];
        Field::new("shards", Schema::new(Kind::Array(Arc::new(Schema::of_struct("ringtail.Shard", fields)))).optional())
    });
    shards.into_iter().chain([flag("empty"), flag("dropped"), text("raw")]).collect()
}

pub(super) fn number(name: &str) -> Field {
    Field::new(name, Schema::new(Kind::Int64).optional())
}

pub(super) fn text(name: &str) -> Field {
    Field::new(name, Schema::new(Kind::String).optional())
}

pub(super) fn flag(name: &str) -> Field {
    Field::new(name, Schema::new(Kind::Boolean).optional())
}

/// The cell of a key column.
pub(super) fn key(conversion: &Conversion, column: &ColumnMetadata, bytes: Option<&[u8]>) -> connect::Value {
    let value = bytes.map(|bytes| Value::new(&column.cql_type, bytes));
    let shown = value.as_ref().map_or(connect::Value::Null, |value| value.connect(conversion));
    let raw = value.as_ref().and_then(Value::raw).map_or(connect::Value::Absent, hex);
    set(shown, connect::Value::Null, vec![is(value.is_some_and(|value| value.is_empty())), raw])
}

/// The first column of a partition key that is none of this table: the whole of it.
pub(super) fn raw_key(bytes: &[u8]) -> connect::Value {
    set(connect::Value::Null, connect::Value::Null, vec![connect::Value::Absent, hex(bytes)])
}

/// A key column that went with its partition.
pub(super) fn deleted_key(at: WriteTimestamp) -> connect::Value {
    deleted(at, 2)
}

/// A column that went with its row or partition; `rest` more fields are absent.
pub(super) fn deleted(at: WriteTimestamp, rest: usize) -> connect::Value {
    set(connect::Value::Null, connect::Value::Int(at.0), vec![connect::Value::Absent; rest])
}

/// The cell of a column.
pub(super) fn simple(conversion: &Conversion, cell: &Cell<'_>) -> connect::Value {
    let cql_type = &cell.column.column.cql_type;
    let value = cell.value.map(|bytes| Value::new(cql_type, bytes));
    let shown = value.as_ref().map_or(connect::Value::Null, |value| value.connect(conversion));
    let expires = cell.local_deletion_time.filter(|_| cell.ttl.is_some());
    let expires = expires.map_or(connect::Value::Null, |expires| connect::Value::Int(i64::from(expires.0) * 1_000_000));
    let mut rest = time_values(cell);
    rest.extend(mark_values(cql_type, cell, value.as_ref()));
    set(shown, expires, rest)
}

/// The values of [`times`].
pub(super) fn time_values(cell: &Cell<'_>) -> Vec<connect::Value> {
    let seconds = |seconds: Option<u32>| seconds.map_or(connect::Value::Absent, |seconds| connect::Value::Int(seconds.into()));
    let local = cell.local_deletion_time.map(|time| time.0);
    vec![
        connect::Value::Int(cell.timestamp.0),
        seconds(cell.ttl.map(|ttl| ttl.0)),
        seconds(local.filter(|_| cell.ttl.is_some())),
        seconds(local.filter(|_| cell.is_tombstone())),
    ]
}

/// The values of [`marks`].
pub(super) fn mark_values(cql_type: &CqlType, cell: &Cell<'_>, value: Option<&Value<'_>>) -> Vec<connect::Value> {
    let shards = matches!(cql_type.unfrozen(), CqlType::Counter).then(|| {
        let shards = value.and_then(Value::shards);
        shards.map_or(connect::Value::Absent, |shards| connect::Value::Array(shards.iter().map(shard).collect()))
    });
    let raw = value.and_then(Value::raw).map_or(connect::Value::Absent, hex);
    shards.into_iter().chain([is(value.is_some_and(Value::is_empty)), is(cell.is_dropped()), raw]).collect()
}

fn shard(shard: &CounterShard) -> connect::Value {
    let kind = match shard.kind {
        ShardKind::Global => "global",
        ShardKind::Local => "local",
        ShardKind::Remote => "remote",
    };
    connect::Value::Struct(vec![
        connect::Value::text(shard.id.hyphenated().to_string()),
        connect::Value::Int(shard.clock),
        connect::Value::Int(shard.count),
        connect::Value::text(kind),
    ])
}

fn set(value: connect::Value, deletion_ts: connect::Value, rest: Vec<connect::Value>) -> connect::Value {
    let mut fields = vec![value, deletion_ts, connect::Value::Boolean(true)];
    fields.extend(rest);
    connect::Value::Struct(fields)
}

/// A mark that is there if it is true.
pub(super) fn is(mark: bool) -> connect::Value {
    if mark { connect::Value::Boolean(true) } else { connect::Value::Absent }
}

pub(super) fn hex(bytes: &[u8]) -> connect::Value {
    let mut digits = String::new();
    cql::hex(bytes, &mut digits);
    connect::Value::String(digits)
}
