//! One column as Debezium's `CellData`: `{"value","deletion_ts","set"}`.

use crate::connect::{Conversion, Field, Kind, Schema, Value};
use crate::cql::{self, CqlType};
use crate::mutation::{Cell, ComplexColumnData, WriteTimestamp};

/// The schema, under the one name that Debezium gives all of them.
pub(super) fn schema(conversion: &Conversion, cql_type: &CqlType) -> Schema {
    let fields = vec![
        Field::new("value", conversion.schema(cql_type)),
        Field::new("deletion_ts", Schema::new(Kind::Int64).optional()),
        Field::new("set", Schema::new(Kind::Boolean)),
    ];
    Schema::of_struct("cell_value", fields).version(1).optional()
}

/// A value of a type; null where there are no bytes, or none of the type.
pub(super) fn plain(conversion: &Conversion, cql_type: &CqlType, bytes: Option<&[u8]>) -> Value {
    let decoded = bytes.and_then(|bytes| cql::decode(cql_type, bytes).ok());
    decoded.map_or(Value::Null, |value| conversion.value(cql_type, &value))
}

/// A column that is set.
pub(super) fn set(value: Value) -> Value {
    Value::Struct(vec![value, Value::Null, Value::Boolean(true)])
}

/// A column that went with its row or partition.
pub(super) fn deleted(at: WriteTimestamp) -> Value {
    Value::Struct(vec![Value::Null, Value::Int(at.0), Value::Boolean(true)])
}

/// A column of one cell. `deletion_ts` is when it expires.
pub(super) fn simple(conversion: &Conversion, cql_type: &CqlType, cell: &Cell<'_>) -> Value {
    let expires = cell.local_deletion_time.filter(|_| cell.ttl.is_some());
    let expires = expires.map_or(Value::Null, |expires| Value::Int(i64::from(expires.0) * 1_000_000));
    Value::Struct(vec![plain(conversion, cql_type, cell.value), expires, Value::Boolean(true)])
}

/// A column of several cells: all of them, as if each were there. A removed element of a set stands in it, a removed key of a map has
/// what no bytes decode to, and so has a removed element of a list.
pub(super) fn complex(conversion: &Conversion, cql_type: &CqlType, data: &ComplexColumnData<'_>) -> Value {
    let bytes = |cell: &Cell<'_>, cql_type: &CqlType| plain(conversion, cql_type, Some(cell.value.unwrap_or_default()));
    let path = |cell: &Cell<'_>, cql_type: &CqlType| plain(conversion, cql_type, cell.path.map(|path| path.0));
    set(match cql_type.unfrozen() {
        CqlType::List(element) => Value::Array(data.cells.iter().map(|cell| bytes(cell, element)).collect()),
        CqlType::Set(element) => Value::Array(data.cells.iter().map(|cell| path(cell, element)).collect()),
        CqlType::Map(key, value) => {
            let entries = data.cells.iter().map(|cell| (path(cell, key), bytes(cell, value)));
            conversion.map_value(key, entries.collect())
        }
        CqlType::Udt(udt) => {
            let fields = (0_u16..).zip(&udt.fields);
            Value::Struct(
                fields
                    .map(|(index, (_, cql_type))| {
                        let cell = data.cells.iter().find(|cell| cell.path.is_some_and(|path| path.0 == index.to_be_bytes()));
                        plain(conversion, cql_type, cell.and_then(|cell| cell.value))
                    })
                    .collect(),
            )
        }
        _ => Value::Null,
    })
}
