//! Columns that are not frozen: collections and user-defined types, as structs.
//!
//! ```text
//! column   value, deletion_ts, set, elements?, reset? {ts, deleted, dropped?}
//! element  path, field? (user-defined types), value?, ts, ttl?, expires?, deleted?, shards?, empty?, dropped?, raw?, path_raw?
//! ```

use super::cell;
use crate::connect::{self, Conversion, Field, Kind, Schema};
use crate::cql::{CqlType, UserType};
use crate::envelope::value::Value;
use crate::mutation::{Cell, ComplexColumnData};
use std::sync::Arc;

/// The fields of a column.
pub(super) fn fields(conversion: &Conversion, cql_type: &CqlType, element: String) -> Vec<Field> {
    let element = Schema::of_struct(element, element_fields(conversion, cql_type.unfrozen()));
    let reset = Schema::of_struct("ringtail.Reset", vec![required("ts"), required("deleted"), cell::flag("dropped")]);
    let mut fields = cell::head(conversion.schema(cql_type));
    fields.push(Field::new("elements", Schema::new(Kind::Array(Arc::new(element))).optional()));
    fields.push(Field::new("reset", reset.optional()));
    fields
}

fn required(name: &str) -> Field {
    Field::new(name, Schema::new(Kind::Int64))
}

fn element_fields(conversion: &Conversion, cql_type: &CqlType) -> Vec<Field> {
    let (path, value) = match cql_type {
        CqlType::List(element) => (conversion.schema(&CqlType::Timeuuid), conversion.schema(element)),
        CqlType::Set(element) => (conversion.schema(element), conversion.schema(&CqlType::Empty)),
        CqlType::Map(key, value) => (conversion.schema(key), conversion.schema(value)),
        _ => (Schema::new(Kind::Int32).optional(), conversion.schema(cql_type)),
    };
    let value_type = match cql_type {
        CqlType::List(value) | CqlType::Map(_, value) => value,
        _ => &CqlType::Empty,
    };
    let mut fields = vec![Field::new("path", path)];
    fields.extend(matches!(cql_type, CqlType::Udt(_)).then(|| cell::text("field")));
    fields.push(Field::new("value", value));
    fields.extend(cell::times());
    fields.extend(cell::marks(value_type));
    fields.push(cell::text("path_raw"));
    fields
}

/// What was written to a column of this type.
pub(super) fn complex(conversion: &Conversion, cql_type: &CqlType, data: &ComplexColumnData<'_>) -> connect::Value {
    let reset = data.deletion.map_or(connect::Value::Absent, |reset| {
        connect::Value::Struct(vec![
            connect::Value::Int(reset.marked_for_delete_at.0),
            connect::Value::Int(reset.local_deletion_time.0.into()),
            cell::is(data.is_deletion_dropped()),
        ])
    });
    let elements = data.cells.iter().map(|cell| element(conversion, cql_type.unfrozen(), cell)).collect();
    connect::Value::Struct(vec![
        live(conversion, cql_type.unfrozen(), &data.cells),
        connect::Value::Null,
        connect::Value::Boolean(true),
        connect::Value::Array(elements),
        reset,
    ])
}

/// The live elements as one value, never null.
fn live(conversion: &Conversion, cql_type: &CqlType, cells: &[Cell<'_>]) -> connect::Value {
    let alive = || cells.iter().filter(|cell| !cell.is_tombstone());
    let shown = |cql_type: &CqlType, bytes: Option<&[u8]>| {
        bytes.map_or(connect::Value::Null, |bytes| Value::new(cql_type, bytes).connect(conversion))
    };
    match cql_type {
        CqlType::List(element) => connect::Value::Array(alive().map(|cell| shown(element, cell.value)).collect()),
        CqlType::Set(element) => connect::Value::Array(alive().map(|cell| shown(element, path(cell))).collect()),
        CqlType::Map(key, value) => {
            // A key is never null; what is none of its type reads as empty where keys are texts.
            let text = matches!(key.unfrozen(), CqlType::Ascii | CqlType::Text);
            let key_of = |cell: &Cell<'_>| match shown(key, path(cell)) {
                connect::Value::Null if text => connect::Value::text(""),
                shown => shown,
            };
            conversion.map_value(key, alive().map(|cell| (key_of(cell), shown(value, cell.value))).collect())
        }
        CqlType::Udt(udt) => {
            let fields = (0_u16..).zip(&udt.fields);
            connect::Value::Struct(
                fields
                    .map(|(index, (_, cql_type))| {
                        let cell = cells.iter().find(|cell| path(cell) == Some(&index.to_be_bytes()));
                        shown(cql_type, cell.and_then(|cell| cell.value))
                    })
                    .collect(),
            )
        }
        _ => connect::Value::Null,
    }
}

fn element(conversion: &Conversion, cql_type: &CqlType, cell: &Cell<'_>) -> connect::Value {
    if let CqlType::Udt(udt) = cql_type {
        return field(conversion, udt, cell);
    }
    let (path_type, value_type) = match cql_type {
        CqlType::List(element) => (&CqlType::Timeuuid, &**element),
        CqlType::Set(element) => (&**element, &CqlType::Empty),
        CqlType::Map(key, value) => (&**key, &**value),
        _ => (&CqlType::Empty, &CqlType::Empty),
    };
    let shown = path(cell).map(|bytes| Value::new(path_type, bytes));
    // A set's elements have no value; bytes that stand there all the same are told raw.
    let is_nothing = matches!(cql_type, CqlType::Set(_)) && cell.value.is_some_and(<[u8]>::is_empty);
    let value = cell.value.filter(|_| !is_nothing).map(|bytes| Value::new(value_type, bytes));
    let mut fields = vec![
        shown.as_ref().map_or(connect::Value::Null, |path| path.connect(conversion)),
        value.as_ref().map_or(connect::Value::Absent, |value| value.connect(conversion)),
    ];
    fields.extend(cell::time_values(cell));
    fields.extend(cell::mark_values(value_type, cell, value.as_ref()));
    fields.push(shown.as_ref().and_then(Value::raw_or_empty).map_or(connect::Value::Absent, cell::hex));
    connect::Value::Struct(fields)
}

/// A field of a user-defined type.
fn field(conversion: &Conversion, udt: &UserType, cell: &Cell<'_>) -> connect::Value {
    let index: Option<u16> = path(cell).and_then(|path| path.try_into().ok()).map(u16::from_be_bytes);
    let named = index.and_then(|index| udt.fields.get(usize::from(index)));
    let value = cell.value.map(|bytes| Value::new(named.map_or(&CqlType::Empty, |(_, cql_type)| cql_type), bytes));
    let only = value.as_ref().map_or(connect::Value::Absent, |value| {
        let fields = (0_u16..).zip(&udt.fields);
        let of = |(number, _)| if Some(number) == index { value.connect(conversion) } else { connect::Value::Absent };
        connect::Value::Struct(fields.map(of).collect())
    });
    let mut fields = vec![
        index.map_or(connect::Value::Null, |index| connect::Value::Int(index.into())),
        named.map_or(connect::Value::Null, |(name, _)| connect::Value::text(name.as_str())),
        only,
    ];
    fields.extend(cell::time_values(cell));
    fields.extend(cell::mark_values(&CqlType::Empty, cell, value.as_ref()));
    fields.push(path(cell).filter(|_| index.is_none()).map_or(connect::Value::Absent, cell::hex));
    connect::Value::Struct(fields)
}

fn path<'a>(cell: &Cell<'a>) -> Option<&'a [u8]> {
    cell.path.map(|path| path.0)
}
