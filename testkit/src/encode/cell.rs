//! Cells (`Cell.Serializer`).

use super::stats::Bases;
use super::{put_bytes, put_value};
use crate::described::Cell;
use ringtail::mutation::LivenessInfo;
use ringtail::schema::ColumnMetadata;

const IS_DELETED: u8 = 0x01;
const IS_EXPIRING: u8 = 0x02;
const HAS_EMPTY_VALUE: u8 = 0x04;
const USE_ROW_TIMESTAMP: u8 = 0x08;
const USE_ROW_TTL: u8 = 0x10;

/// Appends a cell; what it shares with the row's marker is not repeated.
pub fn put(cell: &Cell, column: &ColumnMetadata, row: Option<LivenessInfo>, bases: &Bases, out: &mut Vec<u8>) {
    assert_eq!(cell.path.is_some(), column.cql_type.is_multi_cell(), "a path in complex columns only");
    let value = cell.value.as_deref().unwrap_or_default();
    let is_tombstone = cell.value.is_none();
    let expiry = cell.ttl.zip(cell.local_deletion_time).filter(|_| !is_tombstone);
    let row_timestamp = row.is_some_and(|row| row.timestamp == cell.timestamp);
    let row_ttl = expiry.is_some() && row.is_some_and(|row| row.expiry == expiry);

    let flag = |holds, flag| if holds { flag } else { 0 };
    out.push(
        flag(is_tombstone, IS_DELETED)
            | flag(expiry.is_some(), IS_EXPIRING)
            | flag(value.is_empty(), HAS_EMPTY_VALUE)
            | flag(row_timestamp, USE_ROW_TIMESTAMP)
            | flag(row_ttl, USE_ROW_TTL),
    );
    if !row_timestamp {
        bases.put_timestamp(cell.timestamp, out);
    }
    if !row_ttl {
        // The other way round than in a row's marker: the expiry first, then the time to live.
        cell.local_deletion_time.into_iter().for_each(|time| bases.put_local_deletion_time(time, out));
        expiry.into_iter().for_each(|(ttl, _)| bases.put_ttl(ttl, out));
    }
    if let Some(path) = &cell.path {
        put_bytes(path, out);
    }
    match cell.path {
        _ if value.is_empty() => {}
        Some(_) => put_bytes(value, out),
        None => put_value(column, value, out),
    }
}
