//! Tables.

use super::types::{cql_type, key_type};
use super::{Result, maybe, several};
use arbitrary::Unstructured;
use ringtail::cql::CqlType;
use ringtail::schema::{ColumnKind, ColumnMetadata, DroppedColumn, TableId, TableKind, TableMetadata};
use uuid::Uuid;

/// The tables of one keyspace, one to three. All have the same partition key, so that one mutation can write to each.
pub fn schema(u: &mut Unstructured<'_>) -> Result<Vec<TableMetadata>> {
    let mut key = several(u, 2, key_type)?;
    key.push(key_type(u)?);
    let count = u.int_in_range(1..=3)?;
    (0..count).map(|index| table(u, index, &key)).collect()
}

/// A table with a partition key of these types.
pub fn table(u: &mut Unstructured<'_>, index: u128, key: &[CqlType]) -> Result<TableMetadata> {
    let is_counter = u.ratio(1, 10)?;
    let column_type = |u: &mut Unstructured<'_>| if is_counter { Ok(CqlType::Counter) } else { cql_type(u) };
    let clustering_count = *u.choose(&[1, 0, 2, 3, 4, 31, 32, 33, 40])?;
    let regular_count = *u.choose(&[3, 0, 1, 2, 5, 8, 63, 64, 70])?;
    let static_count = if clustering_count == 0 { 0 } else { *u.choose(&[0, 1, 2, 65])? };

    let mut clustering = columns(u, ColumnKind::Clustering, clustering_count, key_type)?;
    for column in &mut clustering {
        column.reversed = u.arbitrary()?;
    }
    let partition_key = key.iter().enumerate().map(|(index, cql_type)| column(ColumnKind::PartitionKey, index, cql_type.clone()));
    let mut table = TableMetadata {
        id: TableId(Uuid::from_u128(0x1000_8000_0000_0000_0001 + index)),
        keyspace: "ks".into(),
        name: format!("t\"{index}"),
        kind: TableKind::Table,
        cdc: u.arbitrary()?,
        partition_key: partition_key.collect(),
        clustering,
        statics: columns(u, ColumnKind::Static, static_count, column_type)?,
        regulars: columns(u, ColumnKind::Regular, regular_count, column_type)?,
        dropped: Default::default(),
        version: Default::default(),
    };
    add_dropped(u, &mut table)?;
    Ok(table)
}

/// Columns that are no more, and one that was dropped and added again.
fn add_dropped(u: &mut Unstructured<'_>, table: &mut TableMetadata) -> Result<()> {
    let gone = several(u, 2, cql_type)?.into_iter().enumerate();
    let mut dropped: Vec<_> = gone.map(|(index, cql_type)| column(ColumnKind::Regular, 900 + index, cql_type)).collect();
    dropped.extend(maybe(u, |_| Ok(table.regulars.first().cloned()))?.flatten());
    for column in dropped {
        let dropped_at_micros = super::mutation::timestamp(u)?.0;
        table.dropped.insert(column.name.clone(), DroppedColumn { column, dropped_at_micros });
    }
    Ok(())
}

/// Columns with names in order. Beyond eight all are of one type, so that wide tables do not use up all choices.
fn columns(
    u: &mut Unstructured<'_>,
    kind: ColumnKind,
    count: usize,
    mut one: impl FnMut(&mut Unstructured<'_>) -> Result<CqlType>,
) -> Result<Vec<ColumnMetadata>> {
    let mut types = Vec::with_capacity(count);
    for index in 0..count {
        types.push(if index < 8 { one(u)? } else { CqlType::clone(&types[7]) });
    }
    let named = types.into_iter().enumerate().map(|(index, cql_type)| column(kind, index, cql_type));
    Ok(named.collect())
}

fn column(kind: ColumnKind, index: usize, cql_type: CqlType) -> ColumnMetadata {
    let letter = match kind {
        ColumnKind::PartitionKey => "p",
        ColumnKind::Clustering => "c",
        ColumnKind::Static => "sé",
        ColumnKind::Regular => "r\"",
    };
    ColumnMetadata { name: format!("{letter}{index:03}"), cql_type, kind, reversed: false }
}
