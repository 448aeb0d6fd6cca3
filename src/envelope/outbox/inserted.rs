//! What an insert gives, column by column.

use crate::cql::{self, CqlType, CqlValue};
use crate::envelope::complex;
use crate::envelope::key::PrimaryKey;
use crate::event::ChangeEvent;
use crate::mutation::{Cell, ColumnData, ComplexColumnData, Row};
use crate::schema::{ColumnMetadata, TableMetadata};

/// An inserted row.
pub(super) struct Inserted<'a> {
    table: &'a TableMetadata,
    key: PrimaryKey<'a>,
    row: &'a Row<'a>,
}

/// What the row holds of a column.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    /// The table has no such column, or only one that is static.
    NoColumn,
    /// Nothing, or null.
    Unset,
    /// A value.
    Value(&'a CqlType, &'a [u8]),
    /// Elements of a collection that is not frozen.
    Elements(&'a ComplexColumnData<'a>),
}

impl<'a> Inserted<'a> {
    pub fn new(event: &ChangeEvent<'a>, row: &'a Row<'a>) -> Inserted<'a> {
        Inserted { table: event.update.table, key: PrimaryKey::of(event), row }
    }

    /// What the row holds of the column of this name.
    pub fn get(&self, name: &str) -> Found<'a> {
        let place = |columns: &'a [ColumnMetadata]| columns.iter().enumerate().find(|(_, column)| column.name == name);
        let found =
            |column: &'a ColumnMetadata, bytes: Option<&'a [u8]>| bytes.map_or(Found::Unset, |bytes| Found::Value(&column.cql_type, bytes));
        if let Some((index, column)) = place(&self.table.partition_key) {
            return found(column, self.key.partition().and_then(|values| values.get(index).copied()));
        }
        if let Some((index, column)) = place(&self.table.clustering) {
            return found(column, self.row.clustering.get(index).copied().flatten());
        }
        let Some((_, column)) = place(&self.table.regulars) else { return Found::NoColumn };
        match self.row.columns.iter().find(|data| data.name() == name) {
            Some(ColumnData::Simple(cell)) if !cell.is_dropped() => found(column, cell.value),
            Some(ColumnData::Complex(data)) if data.cells.iter().any(is_live) => Found::Elements(data),
            _ => Found::Unset,
        }
    }
}

fn is_live(cell: &Cell<'_>) -> bool {
    !cell.is_tombstone() && !cell.is_dropped()
}

impl Found<'_> {
    /// The value as text: text as it is, anything else as its JSON, where that is a string without the quotes. `None` where nothing is
    /// set, or the bytes are none of the type.
    pub fn text(self) -> Option<String> {
        let Found::Value(cql_type, bytes) = self else { return self.json() };
        match cql::decode(cql_type, bytes).ok()? {
            CqlValue::Text(text) => Some(text.into_owned()),
            CqlValue::Empty => None,
            value => {
                let json = json(cql_type, &value);
                // Only text needs escapes.
                let inner = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
                Some(inner.map_or_else(|| json.clone(), str::to_owned))
            }
        }
    }

    /// The value as JSON. `None` as for [`Found::text`].
    pub fn json(self) -> Option<String> {
        match self {
            Found::NoColumn | Found::Unset => None,
            Found::Value(cql_type, bytes) => {
                let value = cql::decode(cql_type, bytes).ok()?;
                (value != CqlValue::Empty).then(|| json(cql_type, &value))
            }
            Found::Elements(data) => {
                let mut out = String::new();
                complex::write_live(&mut out, data);
                Some(out)
            }
        }
    }
}

fn json(cql_type: &CqlType, value: &CqlValue<'_>) -> String {
    let mut out = String::new();
    cql::event_json(cql_type, value, &mut out);
    out
}
