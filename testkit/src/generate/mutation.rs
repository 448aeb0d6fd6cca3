//! Mutations.

use super::values::{timeuuid, value_bytes};
use super::{Result, maybe, several};
use crate::described::{Cell, Column, ColumnData, Header, Marker, Mutation, PartitionUpdate, Row, Stats, Unfiltered};
use crate::encode::NO_STATS;
use arbitrary::Unstructured;
use ringtail::cql::CqlType;
use ringtail::mutation::{BoundKind, DeletionTime, LivenessInfo, LocalDeletionTime, RowDeletion, Ttl, WriteTimestamp};
use ringtail::schema::{ColumnKind, ColumnMetadata, TableMetadata};
use std::collections::BTreeMap;

/// A mutation of one partition, with an update of one or more of the tables.
pub fn mutation(u: &mut Unstructured<'_>, tables: &[TableMetadata]) -> Result<Mutation> {
    let partition_key = partition_key(u, &tables[0].partition_key)?;
    let mut updates = Vec::new();
    for table in tables {
        // The last table takes its turn if no other did: a mutation has at least one update.
        if u.arbitrary()? || (updates.is_empty() && table.id == tables[tables.len() - 1].id) {
            updates.push(update(u, table, &partition_key)?);
        }
    }
    Ok(Mutation { updates })
}

fn partition_key(u: &mut Unstructured<'_>, columns: &[ColumnMetadata]) -> Result<Vec<u8>> {
    if let [column] = columns {
        return value_bytes(u, &column.cql_type);
    }
    let mut key = Vec::new();
    for column in columns {
        let value = value_bytes(u, &column.cql_type)?;
        key.extend((value.len() as u16).to_be_bytes());
        key.extend(value);
        key.push(0);
    }
    Ok(key)
}

fn update(u: &mut Unstructured<'_>, table: &TableMetadata, partition_key: &[u8]) -> Result<PartitionUpdate> {
    let statics = columns_of(table, ColumnKind::Static);
    let regulars = columns_of(table, ColumnKind::Regular);
    let static_row = if statics.is_empty() { None } else { maybe(u, |u| columns(u, &statics, None))? };
    let static_row = static_row.filter(|columns| !columns.is_empty()).map(|columns| Row { columns, ..Row::default() });
    let more = several(u, 3, |u| Ok(u.choose_iter([&statics[..], &regulars[..]].concat()).ok()))?;
    Ok(PartitionUpdate {
        table: table.id,
        partition_key: partition_key.to_vec(),
        partition_deletion: if u.ratio(1, 5)? { Some(deletion(u)?) } else { None },
        static_row,
        unfiltereds: unfiltereds(u, table, &regulars)?,
        header: Header { stats: stats(u)?, more_columns: more.into_iter().flatten().map(|column| column.name.clone()).collect() },
    })
}

/// The columns that a row can have: the table's and those it has no more.
fn columns_of(table: &TableMetadata, kind: ColumnKind) -> Vec<&ColumnMetadata> {
    let mut columns: BTreeMap<&str, &ColumnMetadata> = BTreeMap::new();
    columns.extend(table.dropped.values().map(|dropped| (dropped.column.name.as_str(), &dropped.column)));
    columns.extend(table.statics.iter().chain(&table.regulars).map(|column| (column.name.as_str(), column)));
    columns.into_values().filter(|column| column.kind == kind).collect()
}

fn stats(u: &mut Unstructured<'_>) -> Result<Option<Stats>> {
    Ok(match u.int_in_range(0..=5)? {
        4 => Some(NO_STATS),
        5 => Some(Stats { min_timestamp: u.arbitrary()?, min_local_deletion_time: u.arbitrary()?, min_ttl: u.arbitrary()? }),
        _ => None,
    })
}

/// Rows and, in tables with clustering columns, ranges around and between them. Ranges are opened and closed in turn.
fn unfiltereds(u: &mut Unstructured<'_>, table: &TableMetadata, columns: &[&ColumnMetadata]) -> Result<Vec<Unfiltered>> {
    let mut unfiltereds = Vec::new();
    let mut open: Option<DeletionTime> = None;
    if table.clustering.is_empty() {
        // A partition of one row, or none.
        return Ok(maybe(u, |u| row(u, table, columns))?.into_iter().map(Unfiltered::Row).collect());
    }
    for _ in 0..u.int_in_range(0..=5)? {
        if u.ratio(2, 3)? {
            unfiltereds.push(Unfiltered::Row(row(u, table, columns)?));
            continue;
        }
        let next = if open.is_none() || u.arbitrary()? { Some(deletion(u)?) } else { None };
        unfiltereds.push(Unfiltered::Marker(marker(u, table, open, next)?));
        open = next;
    }
    if open.is_some() {
        unfiltereds.push(Unfiltered::Marker(marker(u, table, open, None)?));
    }
    Ok(unfiltereds)
}

fn marker(u: &mut Unstructured<'_>, table: &TableMetadata, close: Option<DeletionTime>, open: Option<DeletionTime>) -> Result<Marker> {
    let kinds = match (close, open) {
        (Some(_), Some(_)) => [BoundKind::ExclEndInclStartBoundary, BoundKind::InclEndExclStartBoundary],
        (Some(_), None) => [BoundKind::InclEndBound, BoundKind::ExclEndBound],
        _ => [BoundKind::InclStartBound, BoundKind::ExclStartBound],
    };
    let kind = *u.choose(&kinds)?;
    // A boundary always has values: at an end of the partition there is nothing on the other side.
    let least = usize::from(kind.is_boundary());
    let count = u.int_in_range(least..=table.clustering.len())?;
    Ok(Marker { kind, values: clustering(u, &table.clustering[..count])?, close, open })
}

fn row(u: &mut Unstructured<'_>, table: &TableMetadata, all: &[&ColumnMetadata]) -> Result<Row> {
    let clustering = clustering(u, &table.clustering)?;
    let liveness = maybe(u, |u| Ok(LivenessInfo { timestamp: timestamp(u)?, expiry: maybe(u, expiry)? }))?;
    let deletion = if u.ratio(1, 4)? { Some(RowDeletion { time: deletion(u)?, shadowable: u.ratio(1, 8)? }) } else { None };
    Ok(Row { clustering, liveness, deletion, columns: columns(u, all, liveness)? })
}

/// Values of clustering columns; now and then an empty one, or null as in COMPACT STORAGE tables.
fn clustering(u: &mut Unstructured<'_>, columns: &[ColumnMetadata]) -> Result<Vec<Option<Vec<u8>>>> {
    let value = |column: &ColumnMetadata| {
        Ok(match u.int_in_range(0..=15)? {
            14 => Some(Vec::new()),
            15 => None,
            _ => Some(value_bytes(u, &column.cql_type)?),
        })
    };
    columns.iter().map(value).collect()
}

/// None, all, or some of the columns.
fn columns(u: &mut Unstructured<'_>, all: &[&ColumnMetadata], row: Option<LivenessInfo>) -> Result<Vec<Column>> {
    let sevenths = u.int_in_range(0..=7)?;
    let mut columns = Vec::new();
    for column in all {
        if u.int_in_range(1..=7)? <= sevenths {
            columns.push(Column { name: column.name.clone(), data: column_data(u, &column.cql_type, row)? });
        }
    }
    Ok(columns)
}

fn column_data(u: &mut Unstructured<'_>, cql_type: &CqlType, row: Option<LivenessInfo>) -> Result<ColumnData> {
    if !cql_type.is_multi_cell() {
        let value = value_bytes(u, cql_type)?;
        return Ok(ColumnData::Simple(cell(u, None, value, row)?));
    }
    let deletion = if u.ratio(1, 3)? { Some(deletion(u)?) } else { None };
    let mut cells = BTreeMap::new();
    for _ in 0..u.int_in_range(0..=3)? {
        let path = path(u, cql_type)?;
        let (_, value_type) = cql_type.cell_types(&path).expect("a multi-cell type has cells");
        let value = value_bytes(u, &value_type)?;
        cells.insert(path.clone(), cell(u, Some(path), value, row)?);
    }
    Ok(ColumnData::Complex { deletion, cells: cells.into_values().collect() })
}

fn path(u: &mut Unstructured<'_>, cql_type: &CqlType) -> Result<Vec<u8>> {
    match cql_type {
        CqlType::List(_) => Ok(timeuuid(u)?.as_bytes().to_vec()),
        CqlType::Set(element) => value_bytes(u, element),
        CqlType::Map(key, _) => value_bytes(u, key),
        CqlType::Udt(udt) => Ok((u.choose_index(udt.fields.len())? as u16).to_be_bytes().to_vec()),
        other => panic!("{other} has no cells"),
    }
}

/// A live, expiring, deleted or empty cell, often with the times of its row.
fn cell(u: &mut Unstructured<'_>, path: Option<Vec<u8>>, value: Vec<u8>, row: Option<LivenessInfo>) -> Result<Cell> {
    let timestamp = match row {
        Some(row) if u.ratio(3, 4)? => row.timestamp,
        _ => timestamp(u)?,
    };
    let cell = Cell { path, value: Some(value), timestamp, ttl: None, local_deletion_time: None };
    Ok(match u.int_in_range(0..=5)? {
        3 => {
            let of_row = row.and_then(|row| row.expiry);
            let (ttl, expires) = if let (Some(expiry), true) = (of_row, u.ratio(3, 4)?) { expiry } else { expiry(u)? };
            Cell { ttl: Some(ttl), local_deletion_time: Some(expires), ..cell }
        }
        4 => Cell { value: None, local_deletion_time: Some(local_deletion_time(u)?), ..cell },
        5 if u.arbitrary()? => Cell { value: Some(Vec::new()), ..cell },
        _ => cell,
    })
}

fn deletion(u: &mut Unstructured<'_>) -> Result<DeletionTime> {
    Ok(DeletionTime { marked_for_delete_at: timestamp(u)?, local_deletion_time: local_deletion_time(u)? })
}

fn expiry(u: &mut Unstructured<'_>) -> Result<(Ttl, LocalDeletionTime)> {
    Ok((Ttl(u.int_in_range(1..=630_720_000)?), local_deletion_time(u)?))
}

/// Mostly of these years; sometimes before 2015, negative, or extreme. `i64::MIN` means none and is never written.
pub(super) fn timestamp(u: &mut Unstructured<'_>) -> Result<WriteTimestamp> {
    Ok(WriteTimestamp(match u.int_in_range(0..=7)? {
        5 => u.int_in_range(-10..=1_000_000)?,
        6 => *u.choose(&[0, -5, i64::MIN + 1, i64::MAX])?,
        7 => u.arbitrary::<i64>()?.max(i64::MIN + 1),
        _ => 1_700_000_000_000_000 + u.int_in_range(0..=100_000_000_000_i64)?,
    }))
}

/// Up to the last second that 5.0 writes.
fn local_deletion_time(u: &mut Unstructured<'_>) -> Result<LocalDeletionTime> {
    Ok(LocalDeletionTime(match u.int_in_range(0..=7)? {
        6 => u.int_in_range(0..=4_294_967_293)?,
        7 => *u.choose(&[0, i32::MAX as u32, 3_000_000_000, 4_294_967_293])?,
        _ => 1_700_000_000 + u.int_in_range(0..=100_000)?,
    }))
}
