//! The header of a partition update: the bases of all deltas, and the columns it uses
//! (`SerializationHeader.Serializer.deserializeForMessaging`).

use super::error::DecodeError;
use super::types::{HeaderColumn, LocalDeletionTime, Ttl, WriteTimestamp};
use crate::codec::{self, CodecError, PResult};
use crate::schema::{ColumnKind, TableMetadata};
use std::cell::Cell;

/// 2015-09-22T00:00:00Z: what the minima are deltas to (`EncodingStats`).
const TIMESTAMP_EPOCH_MICROS: u64 = 1_442_880_000_000_000;
const DELETION_TIME_EPOCH_SECONDS: u32 = 1_442_880_000;

/// The bases that every delta in the update is added to (`EncodingStats`). They need not be true minima.
#[derive(Clone, Copy, Debug)]
pub struct EncodingStats {
    min_timestamp: u64,
    min_local_deletion_time: u32,
    min_ttl: u32,
}

/// What rows of the update need to be read (`SerializationHeader`).
#[derive(Clone, Debug)]
pub struct SerializationHeader<'a> {
    pub stats: EncodingStats,
    pub table: &'a TableMetadata,
    pub statics: Vec<HeaderColumn<'a>>,
    pub regulars: Vec<HeaderColumn<'a>>,
    /// The local deletion time of `DeletionTime.LIVE`, once one was met.
    pub live: Cell<Option<LocalDeletionTime>>,
}

/// Reads the three minima. The arithmetic wraps: a timestamp before the epoch is a negative delta.
pub fn stats(input: &[u8]) -> PResult<'_, EncodingStats> {
    let (input, timestamp) = codec::unsigned_vint(input)?;
    let (input, deletion_time) = codec::unsigned_vint32(input)?;
    let (input, min_ttl) = codec::unsigned_vint32(input)?;
    let stats = EncodingStats {
        min_timestamp: timestamp.wrapping_add(TIMESTAMP_EPOCH_MICROS),
        min_local_deletion_time: deletion_time.wrapping_add(DELETION_TIME_EPOCH_SECONDS),
        min_ttl,
    };
    Ok((input, stats))
}

impl EncodingStats {
    /// A write timestamp.
    pub fn timestamp<'a>(&self, input: &'a [u8]) -> PResult<'a, WriteTimestamp> {
        let (input, delta) = codec::unsigned_vint(input)?;
        Ok((input, WriteTimestamp(self.min_timestamp.wrapping_add(delta) as i64)))
    }

    /// A local deletion or expiration time.
    pub fn local_deletion_time<'a>(&self, input: &'a [u8]) -> PResult<'a, LocalDeletionTime> {
        let (input, delta) = codec::unsigned_vint32(input)?;
        Ok((input, LocalDeletionTime(self.min_local_deletion_time.wrapping_add(delta))))
    }

    /// A time to live.
    pub fn ttl<'a>(&self, input: &'a [u8]) -> PResult<'a, Ttl> {
        let (input, delta) = codec::unsigned_vint32(input)?;
        Ok((input, Ttl(self.min_ttl.wrapping_add(delta))))
    }
}

/// Reads the names of one list of columns and finds them in the table, or among its dropped columns
/// (`Columns.Serializer.deserialize`). Their order is that of the bytes.
pub fn header_columns<'a>(
    input: &'a [u8],
    table: &'a TableMetadata,
    kind: ColumnKind,
    body: &'a [u8],
) -> Result<(&'a [u8], Vec<HeaderColumn<'a>>), DecodeError> {
    let malformed = |error| DecodeError::malformed(table, CodecError::from_nom(error), body);
    let (mut input, count) = codec::unsigned_vint(input).map_err(malformed)?;
    let mut columns: Vec<HeaderColumn<'a>> = Vec::with_capacity(codec::capacity(count, 2, input));
    for _ in 0..count {
        let offset = body.len() - input.len();
        let (rest, name) = codec::vint_bytes(input, "column name").map_err(malformed)?;
        let column = find(table, name, kind).ok_or_else(|| DecodeError::UnknownColumn {
            id: table.id,
            table: table.to_string(),
            column: String::from_utf8_lossy(name).into_owned(),
            offset,
        })?;
        // Twice in the header would be twice in a row, and twice in its event.
        if let Some(earlier) = columns.iter().position(|other| std::ptr::eq(other.column, column.column)) {
            return Err(malformed(CodecError::invalid(input, "column name", "each column once", earlier as i64)));
        }
        columns.push(column);
        input = rest;
    }
    Ok((input, columns))
}

fn find<'a>(table: &'a TableMetadata, name: &[u8], kind: ColumnKind) -> Option<HeaderColumn<'a>> {
    let name = str::from_utf8(name).ok()?;
    let dropped = table.dropped.get(name);
    let column = table.cell_column(name, kind).or(dropped.map(|dropped| &dropped.column))?;
    Some(HeaderColumn { column, dropped_at_micros: dropped.map(|dropped| dropped.dropped_at_micros) })
}
