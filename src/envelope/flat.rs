//! `events.envelope: flat`: the row as plain columns, for people who just want rows.
//!
//! ```text
//! key    {"p":7,"c":1}
//! value  {"p":7,"c":1,"note":"x","total":null}
//! ```
//!
//! A column that the statement did not touch is absent, one that was set to null or deleted is null. Of a collection that is not frozen
//! stands what was written and lives: all of it after an overwrite, only the new elements after an addition. A delete holds the key alone.
//! What else there is to say stands in headers:
//!
//! | header | |
//! |---|---|
//! | `ringtail.op`, `ringtail.kind` | as `op` and `ringtail.kind` of the default envelope |
//! | `ringtail.ts` | the write time in µs since 1970 |
//! | `ringtail.columns` | the columns that were written, a JSON array of names: where every column has its place, this tells absent from null |
//! | `ringtail.partial` | those of them that are collections of which only some elements were written |
//! | `ringtail.raw` | the columns of which some value is null here because its bytes are none of its type |
//! | `ringtail.range` | range deletes: both bounds, as `ringtail.range` of the default envelope |

use super::key::PrimaryKey;
use super::shape::{Moment, Shape};
use super::{json, range};
use crate::connect::{Conversion, Field, Schema, Value};
use crate::cql::{self, CqlType};
use crate::event::{Change, ChangeEvent};
use crate::mutation::{Cell, ColumnData, ComplexColumnData, Row};
use crate::schema::{ColumnMetadata, TableMetadata};

/// The form.
#[derive(Debug)]
pub(super) struct Flat {
    prefix: String,
    conversion: Conversion,
}

impl Flat {
    pub fn new(prefix: &str, conversion: Conversion) -> Flat {
        Flat { prefix: prefix.to_owned(), conversion }
    }

    fn named(&self, table: &TableMetadata, part: &str, fields: Vec<Field>) -> Schema {
        Schema::of_struct(format!("{}.{}.{}.{part}", self.prefix, table.keyspace, table.name), fields)
    }

    fn field(&self, column: &ColumnMetadata) -> Field {
        Field::new(column.name.as_str(), self.conversion.schema(&column.cql_type))
    }

    fn decoded(&self, cql_type: &CqlType, bytes: Option<&[u8]>) -> Value {
        let decoded = bytes.and_then(|bytes| cql::decode(cql_type, bytes).ok());
        decoded.map_or(Value::Null, |value| self.conversion.value(cql_type, &value))
    }

    fn column(&self, column: &ColumnMetadata, row: Option<&Row<'_>>) -> Value {
        match row.and_then(|row| row.columns.iter().find(|data| data.name() == column.name)) {
            None => Value::Absent,
            Some(ColumnData::Simple(cell)) => self.decoded(&column.cql_type, cell.value),
            Some(ColumnData::Complex(data)) => self.complex(&column.cql_type, data),
        }
    }

    /// What was written and lives; null if nothing does.
    fn complex(&self, cql_type: &CqlType, data: &ComplexColumnData<'_>) -> Value {
        let live: Vec<&Cell<'_>> = data.cells.iter().filter(|cell| cell.value.is_some()).collect();
        let path = |cell: &Cell<'_>, cql_type| self.decoded(cql_type, cell.path.map(|path| path.0));
        if live.is_empty() {
            return Value::Null;
        }
        match cql_type.unfrozen() {
            CqlType::List(element) => Value::Array(live.iter().map(|cell| self.decoded(element, cell.value)).collect()),
            CqlType::Set(element) => Value::Array(live.iter().map(|cell| path(cell, element)).collect()),
            CqlType::Map(key, value) => {
                let entries = live.iter().map(|cell| (map_key(key, path(cell, key)), self.decoded(value, cell.value))).collect();
                self.conversion.map_value(key, entries)
            }
            CqlType::Udt(udt) => Value::Struct(
                (0_u16..)
                    .zip(&udt.fields)
                    .map(|(index, (_, field))| {
                        let cell = live.iter().find(|cell| cell.path.is_some_and(|path| path.0 == index.to_be_bytes()));
                        cell.map_or(Value::Null, |cell| self.decoded(field, cell.value))
                    })
                    .collect(),
            ),
            _ => Value::Null,
        }
    }
}

impl Shape for Flat {
    fn key_schema(&self, table: &TableMetadata) -> Schema {
        self.named(table, "Key", PrimaryKey::fields(table, &self.conversion))
    }

    fn value_schema(&self, table: &TableMetadata) -> Schema {
        self.named(table, "Value", table.columns().map(|column| self.field(column)).collect())
    }

    fn key(&self, event: &ChangeEvent<'_>) -> Value {
        Value::Struct(PrimaryKey::of(event).connect(&self.conversion, &Value::Null))
    }

    fn value(&self, event: &ChangeEvent<'_>, _moment: &Moment<'_>) -> Value {
        let table = event.update.table;
        let (regulars, statics) = match event.change {
            Change::Row(row) => (Some(row), None),
            Change::Static(row) => (None, Some(row)),
            Change::PartitionDelete(_) | Change::RangeDelete(_) | Change::RowDelete(..) => (None, None),
        };
        let mut values = PrimaryKey::of(event).connect(&self.conversion, &Value::Absent);
        values.extend(table.regulars.iter().map(|column| self.column(column, regulars)));
        values.extend(table.statics.iter().map(|column| self.column(column, statics)));
        Value::Struct(values)
    }

    fn headers(&self, event: &ChangeEvent<'_>) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("ringtail.op", event.change.operation().letter().to_owned()),
            ("ringtail.kind", event.change.kind().to_owned()),
            ("ringtail.ts", event.timestamp.0.to_string()),
        ];
        let mut raw = undecodable_keys(event);
        match &event.change {
            Change::Row(row) | Change::Static(row) => {
                headers.push(("ringtail.columns", names(row, |_| true)));
                if row.columns.iter().any(is_partial) {
                    headers.push(("ringtail.partial", names(row, is_partial)));
                }
                raw.extend(row.columns.iter().filter(|data| is_undecodable(data)).map(ColumnData::name));
            }
            Change::RangeDelete(range) => {
                let mut bounds = String::new();
                range::write_range(&mut bounds, event.update.table, range);
                headers.push(("ringtail.range", bounds));
            }
            Change::PartitionDelete(_) | Change::RowDelete(..) => {}
        }
        if !raw.is_empty() {
            headers.push(("ringtail.raw", array(raw.into_iter())));
        }
        headers
    }
}

/// Whether only some elements of the column were written: what it held before still holds.
fn is_partial(data: &ColumnData<'_>) -> bool {
    matches!(data, ColumnData::Complex(data) if data.deletion.is_none())
}

/// The key columns whose bytes are none of their types.
fn undecodable_keys<'a>(event: &ChangeEvent<'a>) -> Vec<&'a str> {
    let (key, table) = (PrimaryKey::of(event), event.update.table);
    let partition = table.partition_key.iter().enumerate().filter(|(index, column)| {
        let bytes = key.partition().and_then(|values| values.get(*index).copied());
        bytes.is_none_or(|bytes| cql::decode(&column.cql_type, bytes).is_err())
    });
    let clustering = table.clustering.iter().enumerate().filter(|(index, column)| {
        let bytes = key.clustering().and_then(|values| values.get(*index).copied().flatten());
        bytes.is_some_and(|bytes| cql::decode(&column.cql_type, bytes).is_err())
    });
    partition.chain(clustering).map(|(_, column)| column.name.as_str()).collect()
}

/// Whether some value of the column is not one of its type.
fn is_undecodable(data: &ColumnData<'_>) -> bool {
    let is_none_of = |cql_type: &CqlType, bytes: Option<&[u8]>| bytes.is_some_and(|bytes| cql::decode(cql_type, bytes).is_err());
    match data {
        ColumnData::Simple(cell) => is_none_of(&cell.column.column.cql_type, cell.value),
        ColumnData::Complex(data) => data.cells.iter().filter(|cell| cell.value.is_some()).any(|cell| {
            let path = cell.path.map_or(&[][..], |path| path.0);
            match data.column.column.cql_type.unfrozen().cell_types(path) {
                Some((path_type, value_type)) => is_none_of(&path_type, Some(path)) || is_none_of(&value_type, cell.value),
                None => true,
            }
        }),
    }
}

/// A text that is the name of a member cannot be null.
fn map_key(key: &CqlType, value: Value) -> Value {
    match value {
        Value::Null if matches!(key.unfrozen(), CqlType::Text | CqlType::Ascii) => Value::text(""),
        value => value,
    }
}

fn names(row: &Row<'_>, which: impl Fn(&ColumnData<'_>) -> bool) -> String {
    array(row.columns.iter().filter(|data| which(data)).map(ColumnData::name))
}

/// Names as a JSON array.
fn array<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for name in names {
        json::comma(&mut out);
        json::string(&mut out, name);
    }
    out.push(']');
    out
}
