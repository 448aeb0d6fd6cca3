//! `after`: every column of the table, and the bounds of a deleted range.
//!
//! Columns come in the order of `TableMetadata::columns`: partition key, clustering, regular, static. What was
//! written to a column that the table has no more stands behind the table's own columns of its kind, by name. A table
//! may have a column called `_range_start`; then that column stands there and our member of the name is left out,
//! since `ringtail.range` says the same.

use super::key::PrimaryKey;
use super::{cell, complex, json, range};
use crate::event::{Change, ChangeEvent};
use crate::mutation::{ClusteringBound, ColumnData, Row, WriteTimestamp};
use crate::schema::{ColumnMetadata, TableMetadata};

const RANGE_START: &str = "_range_start";
const RANGE_END: &str = "_range_end";

/// What an event says about the columns of one kind.
enum Columns<'a> {
    /// Nothing.
    Untouched,
    /// They went with their row or partition.
    Deleted(WriteTimestamp),
    /// What the row holds.
    Written(WrittenColumns<'a>),
}

/// Writes `after`.
pub(super) fn write_after(out: &mut String, event: &ChangeEvent<'_>, key: &PrimaryKey<'_>) {
    let table = event.update.table;
    let (clustering, regulars, statics) = match event.change {
        Change::Row(row) => (Columns::Untouched, Columns::written(row), Columns::Untouched),
        Change::Static(row) => (Columns::Untouched, Columns::Untouched, Columns::written(row)),
        Change::RowDelete(_, deletion) => (Columns::Untouched, Columns::Deleted(deletion.time.marked_for_delete_at), Columns::Untouched),
        Change::PartitionDelete(deletion) => {
            let deleted = || Columns::Deleted(deletion.marked_for_delete_at);
            (deleted(), deleted(), deleted())
        }
        Change::RangeDelete(_) => (Columns::Untouched, Columns::Untouched, Columns::Untouched),
    };
    out.push('{');
    write_partition_key(out, event, key);
    match key.clustering() {
        Some(values) => write_clustering(out, table, values),
        None => clustering.write(out, &table.clustering),
    }
    regulars.write(out, &table.regulars);
    statics.write(out, &table.statics);
    write_bounds(out, event);
    out.push('}');
}

fn write_partition_key(out: &mut String, event: &ChangeEvent<'_>, key: &PrimaryKey<'_>) {
    for (index, column) in event.update.table.partition_key.iter().enumerate() {
        json::named(out, &column.name);
        match key.partition().and_then(|values| values.get(index).copied()) {
            Some(value) => cell::write_key(out, &column.cql_type, Some(value)),
            None => cell::write_raw_key(out, event.update.partition_key),
        }
    }
}

fn write_clustering(out: &mut String, table: &TableMetadata, values: &[Option<&[u8]>]) {
    for (index, column) in table.clustering.iter().enumerate() {
        json::named(out, &column.name);
        cell::write_key(out, &column.cql_type, values.get(index).copied().flatten());
    }
}

fn write_bounds(out: &mut String, event: &ChangeEvent<'_>) {
    let table = event.update.table;
    let (start, end) = match &event.change {
        Change::RangeDelete(range) => (Some(&range.start), Some(&range.end)),
        _ => (None, None),
    };
    write_bound(out, table, RANGE_START, start);
    write_bound(out, table, RANGE_END, end);
}

fn write_bound(out: &mut String, table: &TableMetadata, name: &'static str, bound: Option<&ClusteringBound<'_>>) {
    if table.columns().any(|column| column.name == name) {
        return;
    }
    json::member(out, name);
    match bound {
        Some(bound) => range::write_bound(out, table, bound),
        None => out.push_str("null"),
    }
}

impl<'a> Columns<'a> {
    fn written(row: &'a Row<'a>) -> Self {
        Columns::Written(WrittenColumns::of(row))
    }

    fn write(self, out: &mut String, columns: &[ColumnMetadata]) {
        match self {
            Columns::Untouched => write_each(out, columns, |out| out.push_str("null")),
            Columns::Deleted(at) => write_each(out, columns, |out| cell::write_deleted(out, at)),
            Columns::Written(written) => written.write(out, columns),
        }
    }
}

fn write_each(out: &mut String, columns: &[ColumnMetadata], write: impl Fn(&mut String)) {
    for column in columns {
        json::named(out, &column.name);
        write(out);
    }
}

/// A row's columns by name. The row has simple columns first, then complex ones; `after` mixes them.
struct WrittenColumns<'a>(Vec<(&'a str, Option<&'a ColumnData<'a>>)>);

impl<'a> WrittenColumns<'a> {
    fn of(row: &'a Row<'a>) -> Self {
        let mut columns: Vec<_> = row.columns.iter().map(|data| (data.name(), Some(data))).collect();
        columns.sort_by_key(|(name, _)| *name);
        WrittenColumns(columns)
    }

    /// The table's columns, then the ones that it has no more.
    fn write(mut self, out: &mut String, columns: &[ColumnMetadata]) {
        for column in columns {
            json::named(out, &column.name);
            match self.take(&column.name) {
                Some(data) => write_column(out, data),
                None => out.push_str("null"),
            }
        }
        for (name, data) in self.0 {
            if let Some(data) = data {
                json::named(out, name);
                write_column(out, data);
            }
        }
    }

    fn take(&mut self, name: &str) -> Option<&'a ColumnData<'a>> {
        let index = self.0.binary_search_by_key(&name, |(name, _)| name).ok()?;
        self.0.get_mut(index)?.1.take()
    }
}

pub(super) fn write_column(out: &mut String, data: &ColumnData<'_>) {
    match data {
        ColumnData::Simple(cell) => cell::write_simple(out, cell),
        ColumnData::Complex(data) => complex::write_complex(out, data),
    }
}
