//! The default form in Connect's model, for messages that carry their schema and for serializers that need one.
//!
//! It says what the default form says as JSON, member for member; what that leaves out is absent here, and null where every field has its
//! place. Two things have no place of their own in a schema and are told in another way:
//!
//! - the `value` of an element of a user-defined type is the type's struct with that one field;
//! - a column that the table has no more, or whose type does not fit what was written, stands in `ringtail.others` as
//!   `{"name","kind","cell"}`, the cell as JSON text.

mod cell;
mod complex;
mod range;
mod ringtail;

use super::EnvelopeSettings;
use super::key::PrimaryKey;
use super::shape::{Moment, Shape};
use super::source_struct::{self, SourceStruct};
use crate::connect::{self, Conversion, Field, Kind, Schema};
use crate::event::{Change, ChangeEvent};
use crate::mutation::{ColumnData, Row, WriteTimestamp};
use crate::schema::{ColumnMetadata, TableMetadata};

pub(super) const RANGE_START: &str = "_range_start";
pub(super) const RANGE_END: &str = "_range_end";

/// The form.
#[derive(Debug)]
pub(super) struct Lossless {
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

impl Lossless {
    pub fn new(settings: &EnvelopeSettings) -> Lossless {
        Lossless { prefix: settings.prefix.clone(), conversion: settings.conversion, source: SourceStruct::new(settings) }
    }

    /// The name of a part of a table's records.
    fn name(&self, table: &TableMetadata, part: &str) -> String {
        format!("{}.{}.{}.{part}", self.prefix, table.keyspace, table.name)
    }

    fn after_schema(&self, table: &TableMetadata) -> Schema {
        let keys = table.partition_key.iter().chain(&table.clustering);
        let keys = keys.map(|column| self.column_field(table, column, cell::key_fields(&self.conversion, column)));
        let others = table.regulars.iter().chain(&table.statics);
        let others = others.map(|column| self.column_field(table, column, self.written_fields(table, column)));
        let mut fields: Vec<Field> = keys.chain(others).collect();
        for name in [RANGE_START, RANGE_END] {
            if !table.columns().any(|column| column.name == name) {
                fields.push(Field::new(name, range::bound_schema().optional()));
            }
        }
        Schema::of_struct(self.name(table, "After"), fields)
    }

    fn column_field(&self, table: &TableMetadata, column: &ColumnMetadata, fields: Vec<Field>) -> Field {
        let name = self.name(table, &format!("{}.Cell", column.name));
        Field::new(column.name.as_str(), Schema::of_struct(name, fields).optional())
    }

    fn written_fields(&self, table: &TableMetadata, column: &ColumnMetadata) -> Vec<Field> {
        if column.cql_type.is_multi_cell() {
            let name = self.name(table, &format!("{}.Element", column.name));
            return complex::fields(&self.conversion, &column.cql_type, name);
        }
        cell::simple_fields(&self.conversion, &column.cql_type)
    }

    fn after(&self, event: &ChangeEvent<'_>) -> connect::Value {
        let (key, table) = (PrimaryKey::of(event), event.update.table);
        let (clustering, regulars, statics) = match &event.change {
            Change::Row(row) => (Columns::Untouched, Columns::Written(row), Columns::Untouched),
            Change::Static(row) => (Columns::Untouched, Columns::Untouched, Columns::Written(row)),
            Change::RowDelete(_, deletion) => {
                (Columns::Untouched, Columns::Deleted(deletion.time.marked_for_delete_at), Columns::Untouched)
            }
            Change::PartitionDelete(deletion) => {
                let deleted = Columns::Deleted(deletion.marked_for_delete_at);
                (deleted, deleted, deleted)
            }
            Change::RangeDelete(_) => (Columns::Untouched, Columns::Untouched, Columns::Untouched),
        };
        let mut values: Vec<connect::Value> = table
            .partition_key
            .iter()
            .enumerate()
            .map(|(index, column)| match key.partition().and_then(|values| values.get(index).copied()) {
                Some(bytes) => cell::key(&self.conversion, column, Some(bytes)),
                None => cell::raw_key(event.update.partition_key),
            })
            .collect();
        values.extend(table.clustering.iter().enumerate().map(|(index, column)| match (key.clustering(), clustering) {
            (Some(values), _) => cell::key(&self.conversion, column, values.get(index).copied().flatten()),
            (None, Columns::Deleted(at)) => cell::deleted_key(at),
            (None, _) => connect::Value::Null,
        }));
        values.extend(table.regulars.iter().map(|column| self.column(column, regulars)));
        values.extend(table.statics.iter().map(|column| self.column(column, statics)));
        let bounds = match &event.change {
            Change::RangeDelete(range) => [Some(&range.start), Some(&range.end)],
            _ => [None, None],
        };
        for (name, bound) in [RANGE_START, RANGE_END].into_iter().zip(bounds) {
            if !table.columns().any(|column| column.name == name) {
                values.push(bound.map_or(connect::Value::Null, |bound| range::bound(table, bound)));
            }
        }
        connect::Value::Struct(values)
    }

    fn column(&self, column: &ColumnMetadata, columns: Columns<'_>) -> connect::Value {
        match columns {
            Columns::Untouched => connect::Value::Null,
            Columns::Deleted(at) if column.cql_type.is_multi_cell() => cell::deleted(at, 2),
            Columns::Deleted(at) => cell::deleted(at, cell::times().len() + cell::marks(&column.cql_type).len()),
            Columns::Written(row) => match row.columns.iter().find(|data| data.name() == column.name && fits(column, data)) {
                Some(ColumnData::Simple(cell)) => cell::simple(&self.conversion, cell),
                Some(ColumnData::Complex(data)) => complex::complex(&self.conversion, &column.cql_type, data),
                None => connect::Value::Null,
            },
        }
    }
}

impl Shape for Lossless {
    fn key_schema(&self, table: &TableMetadata) -> Schema {
        Schema::of_struct(self.name(table, "Key"), PrimaryKey::fields(table, &self.conversion))
    }

    fn value_schema(&self, table: &TableMetadata) -> Schema {
        let fields = vec![
            Field::new("ts_ms", Schema::new(Kind::Int64)),
            Field::new("op", Schema::new(Kind::String)),
            Field::new("source", source_struct::schema("ringtail.Source", Kind::Int64)),
            Field::new("after", self.after_schema(table)),
            Field::new("ringtail", ringtail::schema(&self.conversion, table, &|part| self.name(table, part))),
        ];
        Schema::of_struct(self.name(table, "Envelope"), fields)
    }

    fn key(&self, event: &ChangeEvent<'_>) -> connect::Value {
        connect::Value::Struct(PrimaryKey::of(event).connect(&self.conversion, &connect::Value::Null))
    }

    fn value(&self, event: &ChangeEvent<'_>, moment: &Moment<'_>) -> connect::Value {
        connect::Value::Struct(vec![
            connect::Value::Int(moment.ts_ms),
            connect::Value::text(event.change.operation().letter()),
            self.source.value(event, moment.file),
            self.after(event),
            ringtail::value(&self.conversion, event, moment.id),
        ])
    }
}

/// Whether what was written has the form that the table's column has.
fn fits(column: &ColumnMetadata, data: &ColumnData<'_>) -> bool {
    let (cql_type, is_complex) = match data {
        ColumnData::Simple(cell) => (&cell.column.column.cql_type, false),
        ColumnData::Complex(complex) => (&complex.column.column.cql_type, true),
    };
    *cql_type == column.cql_type && is_complex == column.cql_type.is_multi_cell()
}

/// Whether the table has a place for what was written.
pub(super) fn has_place(table: &TableMetadata, data: &ColumnData<'_>) -> bool {
    table.regulars.iter().chain(&table.statics).any(|column| column.name == data.name() && fits(column, data))
}
