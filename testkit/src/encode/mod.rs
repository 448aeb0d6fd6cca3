//! Mutations to bytes, as `Mutation.MutationSerializer` and what it calls write them.
//!
//! Written from the serializers' side and not from the decoder's, so that the two hold each other: minima are collected,
//! flags are derived from the data, the shorter list of a column subset is chosen.

mod cell;
mod clustering;
mod row;
mod stats;
mod subset;

pub use stats::NO_STATS;

use crate::described::{ColumnData, Mutation, PartitionUpdate, Unfiltered};
use ringtail::codec::put_unsigned_vint;
use ringtail::schema::{Catalog, ColumnKind, ColumnMetadata, TableMetadata};
use std::collections::BTreeSet;

/// Which release writes. It shows in one place only, and not in the descriptor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// 3.0 to 4.1: `DeletionTime.LIVE` has a local deletion time of 2147483647.
    V4,
    /// 5.0, also when it writes descriptor version 7: 4294967295.
    V5,
}

const IS_EMPTY: u8 = 0x01;
const HAS_PARTITION_DELETION: u8 = 0x04;
const HAS_STATIC_ROW: u8 = 0x08;
const HAS_ROW_ESTIMATE: u8 = 0x10;

const IS_MARKER: u8 = 0x02;
const END_OF_PARTITION: u8 = 0x01;

/// The body of an entry.
///
/// # Panics
/// If the mutation does not fit its tables: an unknown table or column, a value of another length than its type has.
pub fn mutation(mutation: &Mutation, catalog: &Catalog, release: Release) -> Vec<u8> {
    let mut out = Vec::new();
    put_unsigned_vint(&mut out, mutation.updates.len() as u64);
    for update in &mutation.updates {
        let table = catalog.table(update.table).expect("the described table is in the catalog");
        partition_update(update, table, release, &mut out);
    }
    out
}

/// What rows of one update are written with (`SerializationHeader`).
struct Header<'a> {
    table: &'a TableMetadata,
    statics: Vec<&'a ColumnMetadata>,
    regulars: Vec<&'a ColumnMetadata>,
    bases: stats::Bases,
}

fn partition_update(update: &PartitionUpdate, table: &TableMetadata, release: Release, out: &mut Vec<u8>) {
    out.extend(update.table.0.as_bytes());
    put_bytes(&update.partition_key, out);
    if update.is_empty() {
        out.push(IS_EMPTY);
        return;
    }
    let mut flags = HAS_ROW_ESTIMATE;
    flags |= if update.partition_deletion.is_some() { HAS_PARTITION_DELETION } else { 0 };
    flags |= if update.static_row.is_some() { HAS_STATIC_ROW } else { 0 };
    out.push(flags);

    let header = Header::of(update, table, release);
    header.bases.put_header(out);
    if update.static_row.is_some() {
        put_columns(&header.statics, out);
    }
    put_columns(&header.regulars, out);

    if let Some(deletion) = update.partition_deletion {
        header.bases.put_deletion(deletion, out);
    }
    if let Some(row) = &update.static_row {
        row::put_static(row, &header, out);
    }
    let rows = update.unfiltereds.iter().filter(|unfiltered| matches!(unfiltered, Unfiltered::Row(_))).count();
    put_unsigned_vint(out, rows as u64);
    for unfiltered in &update.unfiltereds {
        match unfiltered {
            Unfiltered::Row(row) => row::put(row, &header, out),
            Unfiltered::Marker(marker) => {
                out.push(IS_MARKER);
                clustering::put_bound(marker.kind, &marker.values, table, out);
                for deletion in marker.close.iter().chain(&marker.open) {
                    header.bases.put_deletion(*deletion, out);
                }
            }
        }
    }
    out.push(END_OF_PARTITION);
}

impl<'a> Header<'a> {
    fn of(update: &PartitionUpdate, table: &'a TableMetadata, release: Release) -> Header<'a> {
        let statics = update.static_row.iter().flat_map(|row| &row.columns);
        let regulars = update.unfiltereds.iter().filter_map(|unfiltered| match unfiltered {
            Unfiltered::Row(row) => Some(&row.columns),
            Unfiltered::Marker(_) => None,
        });
        let is = |name: &str, kind| find(table, name, kind).is_some_and(|column| column.kind == kind);
        let more = |kind| update.header.more_columns.iter().map(String::as_str).filter(move |name| is(name, kind));
        let statics = statics.map(|column| column.name.as_str()).chain(more(ColumnKind::Static));
        let regulars = regulars.flatten().map(|column| column.name.as_str()).chain(more(ColumnKind::Regular));
        Header {
            statics: ordered(table, statics.collect(), ColumnKind::Static),
            regulars: ordered(table, regulars.collect(), ColumnKind::Regular),
            bases: stats::Bases::of(update, release),
            table,
        }
    }
}

/// The columns as a header lists them: simple ones first, then complex ones, each by the bytes of the name
/// (`ColumnMetadata.compareTo`).
fn ordered<'a>(table: &'a TableMetadata, names: BTreeSet<&str>, kind: ColumnKind) -> Vec<&'a ColumnMetadata> {
    let found = names.into_iter().map(|name| find(table, name, kind).expect("the described column is in the table"));
    let (complex, mut simple): (Vec<_>, Vec<_>) = found.partition(|column| column.cql_type.is_multi_cell());
    simple.extend(complex);
    simple
}

/// The table's column, or the one that it has no more.
fn find<'a>(table: &'a TableMetadata, name: &str, kind: ColumnKind) -> Option<&'a ColumnMetadata> {
    table.cell_column(name, kind).or_else(|| table.dropped.get(name).map(|dropped| &dropped.column))
}

fn put_columns(columns: &[&ColumnMetadata], out: &mut Vec<u8>) {
    put_unsigned_vint(out, columns.len() as u64);
    columns.iter().for_each(|column| put_bytes(column.name.as_bytes(), out));
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_unsigned_vint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// A value whose length its type gives stands bare, any other with its length in front (`AbstractType.writeValue`).
fn put_value(column: &ColumnMetadata, value: &[u8], out: &mut Vec<u8>) {
    match column.cql_type.fixed_length() {
        Some(length) => {
            assert_eq!(value.len(), length, "a value of column {}", column.name);
            out.extend(value);
        }
        None => put_bytes(value, out),
    }
}

/// Whether some complex column of the row was deleted: then every complex column says whether it was.
fn has_complex_deletion(columns: &[crate::described::Column]) -> bool {
    columns.iter().any(|column| matches!(column.data, ColumnData::Complex { deletion: Some(_), .. }))
}
