//! A non-frozen collection or user-defined type as a member of `after`.
//!
//! ```text
//! column   {"value","deletion_ts":null,"set":true,"elements":[element…] [,"reset":{"ts","deleted" [,"dropped"]}]}
//! element  {"path" [,"field"] [,"value"],"ts" [,"ttl","expires"] [,"deleted"] [,"empty"] [,"dropped"] [,"raw"] [,"path_raw"]}
//! ```
//!
//! `value` is the collection of the live elements of this mutation, never null; `elements` is everything that was
//! written, in the order of the log, and is always there. An element without `value` is a removal, or belongs to a
//! set, whose elements are paths. `reset` deletes what was there before. `path_raw` are the path's bytes where `path`
//! does not give them back. Elements that were dropped with their column count as live, as simple cells do: an
//! event does not change when a column is dropped later.

use super::cell::{SET, write_marks, write_times};
use super::json;
use super::value::Value;
use crate::cql::{CqlType, UserType};
use crate::mutation::{Cell, ComplexColumnData};

/// What the paths and values of a complex column's cells are.
#[derive(Clone, Copy)]
enum Form<'a> {
    List(&'a CqlType),
    Set(&'a CqlType),
    Map(&'a CqlType, &'a CqlType),
    Udt(&'a UserType),
    /// A type that has no complex form: a schema older than the bytes.
    Unknown,
}

/// The column.
pub(super) fn write_complex(out: &mut String, data: &ComplexColumnData<'_>) {
    let form = Form::of(&data.column.column.cql_type);
    out.push_str("{\"value\":");
    form.write_value(out, &data.cells);
    out.push_str(SET);
    out.push_str(",\"elements\":[");
    for cell in &data.cells {
        json::comma(out);
        form.write_element(out, cell);
    }
    out.push(']');
    if let Some(reset) = data.deletion {
        out.push_str(",\"reset\":{\"ts\":");
        json::number(out, reset.marked_for_delete_at.0);
        json::number_member(out, "deleted", reset.local_deletion_time.0);
        if data.is_deletion_dropped() {
            out.push_str(",\"dropped\":true");
        }
        out.push('}');
    }
    out.push('}');
}

/// The collection of its live elements.
pub(super) fn write_live(out: &mut String, data: &ComplexColumnData<'_>) {
    Form::of(&data.column.column.cql_type).write_value(out, &data.cells);
}

impl<'a> Form<'a> {
    fn of(cql_type: &'a CqlType) -> Self {
        match cql_type.unfrozen() {
            CqlType::List(element) => Form::List(element),
            CqlType::Set(element) => Form::Set(element),
            CqlType::Map(key, value) => Form::Map(key, value),
            CqlType::Udt(udt) => Form::Udt(udt),
            _ => Form::Unknown,
        }
    }

    /// The live elements as one collection.
    fn write_value(self, out: &mut String, cells: &[Cell<'_>]) {
        let live = cells.iter().filter(|cell| !cell.is_tombstone());
        match self {
            Form::List(element) => write_array(out, live, |out, cell| print(out, element, cell.value)),
            Form::Set(element) => write_array(out, live, |out, cell| print(out, element, path(cell))),
            Form::Map(key, value) if matches!(key.unfrozen(), CqlType::Text | CqlType::Ascii) => {
                out.push('{');
                for cell in live {
                    json::comma(out);
                    print_text(out, key, path(cell));
                    out.push(':');
                    print(out, value, cell.value);
                }
                out.push('}');
            }
            Form::Map(key, value) => write_array(out, live, |out, cell| {
                out.push_str("{\"key\":");
                print(out, key, path(cell));
                out.push_str(",\"value\":");
                print(out, value, cell.value);
                out.push('}');
            }),
            Form::Udt(udt) => write_fields(out, udt, cells),
            Form::Unknown => out.push_str("null"),
        }
    }

    fn write_element(self, out: &mut String, cell: &Cell<'_>) {
        out.push_str("{\"path\":");
        let path_raw = self.write_path(out, cell);
        let value = cell.value.and_then(|bytes| match self {
            // A set's elements have no value; bytes that stand there all the same are told raw.
            Form::Set(_) if bytes.is_empty() => None,
            Form::Set(_) => Some(Value::new(&CqlType::Empty, bytes)),
            _ => Some(Value::new(self.value_type(cell), bytes)),
        });
        if let Some(value) = &value {
            json::member(out, "value");
            value.print(out);
        }
        write_times(out, cell);
        write_marks(out, cell, value.as_ref());
        if let Some(bytes) = path_raw {
            json::member(out, "path_raw");
            json::hex(out, bytes);
        }
        out.push('}');
    }

    /// Writes the path, and a field's name; returns the path's bytes if that does not give them back.
    fn write_path<'p>(self, out: &mut String, cell: &Cell<'p>) -> Option<&'p [u8]> {
        let path_type = match self {
            Form::List(_) => &CqlType::Timeuuid,
            Form::Set(element) => element,
            Form::Map(key, _) => key,
            Form::Udt(udt) => return write_field(out, udt, cell),
            Form::Unknown => {
                out.push_str("null");
                return path(cell);
            }
        };
        let Some(bytes) = path(cell) else {
            out.push_str("null");
            return None;
        };
        let value = Value::new(path_type, bytes);
        value.print(out);
        value.raw_or_empty().map(|_| bytes)
    }

    fn value_type(self, cell: &Cell<'_>) -> &'a CqlType {
        // Of a type unknown, any type that takes no bytes shows them raw.
        const UNKNOWN: &CqlType = &CqlType::Empty;
        match self {
            Form::List(element) => element,
            Form::Map(_, value) => value,
            Form::Udt(udt) => field(udt, cell).map_or(UNKNOWN, |(_, cql_type)| cql_type),
            Form::Set(_) | Form::Unknown => UNKNOWN,
        }
    }
}

/// A field's index and name.
fn write_field<'p>(out: &mut String, udt: &UserType, cell: &Cell<'p>) -> Option<&'p [u8]> {
    let index = field_index(cell);
    match index {
        Some(index) => json::number(out, index),
        None => out.push_str("null"),
    }
    json::member(out, "field");
    match field(udt, cell) {
        Some((name, _)) => json::string(out, name),
        None => out.push_str("null"),
    }
    if index.is_some() { None } else { path(cell) }
}

/// Every field, null when it is not live.
fn write_fields(out: &mut String, udt: &UserType, cells: &[Cell<'_>]) {
    out.push('{');
    for (index, (name, cql_type)) in udt.fields.iter().enumerate() {
        json::named(out, name);
        let cell = cells.iter().find(|cell| field_index(cell).map(usize::from) == Some(index));
        print(out, cql_type, cell.and_then(|cell| cell.value));
    }
    out.push('}');
}

fn path<'a>(cell: &Cell<'a>) -> Option<&'a [u8]> {
    cell.path.map(|path| path.0)
}

/// The field that a cell's path names.
fn field<'a>(udt: &'a UserType, cell: &Cell<'_>) -> Option<&'a (String, CqlType)> {
    udt.fields.get(usize::from(field_index(cell)?))
}

fn field_index(cell: &Cell<'_>) -> Option<u16> {
    path(cell)?.try_into().ok().map(u16::from_be_bytes)
}

fn write_array<'c, 'v: 'c>(out: &mut String, cells: impl Iterator<Item = &'c Cell<'v>>, write: impl Fn(&mut String, &Cell<'v>)) {
    out.push('[');
    for cell in cells {
        json::comma(out);
        write(out, cell);
    }
    out.push(']');
}

fn print(out: &mut String, cql_type: &CqlType, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => Value::new(cql_type, bytes).print(out),
        None => out.push_str("null"),
    }
}

/// A text as the name of a member, which cannot be null.
fn print_text(out: &mut String, cql_type: &CqlType, bytes: Option<&[u8]>) {
    let from = out.len();
    print(out, cql_type, bytes);
    if !out.get(from..).is_some_and(|text| text.starts_with('"')) {
        out.truncate(from);
        out.push_str("\"\"");
    }
}
