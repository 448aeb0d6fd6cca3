//! Cells (`Cell.Serializer`).
//!
//! ```text
//! flags u8 [uv timestamp] [uv local deletion time] [uv ttl] [path: uv length, bytes] [value]
//! ```
//!
//! A value of a simple column of a fixed-length type stands bare; every other value has its length in front, in
//! complex columns whatever the element's type.

use super::deletion::deletion_time_or_live;
use super::header::SerializationHeader;
use super::types::{Cell, CellPath, ComplexColumnData, HeaderColumn, LivenessInfo};
use crate::codec::{self, CodecError, PResult};

const IS_DELETED: u8 = 0x01;
const IS_EXPIRING: u8 = 0x02;
const HAS_EMPTY_VALUE: u8 = 0x04;
const USE_ROW_TIMESTAMP: u8 = 0x08;
const USE_ROW_TTL: u8 = 0x10;
const KNOWN: u8 = 0x1f;

/// One cell. `liveness` is the row's, for cells that share its timestamp or TTL.
pub fn cell<'a>(
    input: &'a [u8],
    column: HeaderColumn<'a>,
    complex: bool,
    header: &SerializationHeader<'a>,
    liveness: Option<LivenessInfo>,
) -> PResult<'a, Cell<'a>> {
    let (mut rest, flags) = codec::u8(input)?;
    let (deleted, expiring) = (flags & IS_DELETED != 0, flags & IS_EXPIRING != 0);
    if flags & !KNOWN != 0 || deleted && expiring {
        return Err(CodecError::invalid(input, "cell flags", "known bits, not both deleted and expiring", i64::from(flags)));
    }
    let no_row = || CodecError::invalid(input, "cell flags", "no use of the row's times where the row has none", i64::from(flags));

    let timestamp = if flags & USE_ROW_TIMESTAMP != 0 {
        liveness.ok_or_else(no_row)?.timestamp
    } else {
        let timestamp;
        (rest, timestamp) = header.stats.timestamp(rest)?;
        timestamp
    };
    let (mut ttl, mut local_deletion_time) = (None, None);
    if flags & USE_ROW_TTL != 0 && expiring {
        let (row_ttl, expires) = liveness.and_then(|liveness| liveness.expiry).ok_or_else(no_row)?;
        (ttl, local_deletion_time) = (Some(row_ttl), Some(expires));
    } else if deleted || expiring {
        let time;
        (rest, time) = header.stats.local_deletion_time(rest)?;
        local_deletion_time = Some(time);
        if expiring {
            let seconds;
            (rest, seconds) = header.stats.ttl(rest)?;
            ttl = Some(seconds);
        }
    }

    let mut path = None;
    if complex {
        let bytes;
        (rest, bytes) = codec::vint_bytes(rest, "cell path")?;
        path = Some(CellPath(bytes));
    }
    let mut value: &[u8] = &[];
    if flags & HAS_EMPTY_VALUE == 0 {
        (rest, value) = self::value(rest, column, complex)?;
    }
    if deleted && !value.is_empty() {
        return Err(CodecError::invalid(input, "deleted cell", "no value", value.len() as i64));
    }
    let value = (!deleted).then_some(value);
    Ok((rest, Cell { column, path, value, timestamp, ttl, local_deletion_time }))
}

fn value<'a>(input: &'a [u8], column: HeaderColumn<'a>, complex: bool) -> PResult<'a, &'a [u8]> {
    match column.column.cql_type.fixed_length().filter(|_| !complex) {
        Some(length) => codec::take(input, length as u64, "cell value"),
        None => codec::vint_bytes(input, "cell value"),
    }
}

/// A complex column: its deletion where the row has any, then its cells.
pub fn complex_column<'a>(
    mut input: &'a [u8],
    column: HeaderColumn<'a>,
    has_deletion: bool,
    header: &SerializationHeader<'a>,
    liveness: Option<LivenessInfo>,
) -> PResult<'a, ComplexColumnData<'a>> {
    let mut deletion = None;
    if has_deletion {
        (input, deletion) = deletion_time_or_live(input, header)?;
    }
    let count;
    (input, count) = codec::unsigned_vint(input)?;
    let mut cells = Vec::with_capacity(codec::capacity(count, 2, input).min(1 << 12));
    for _ in 0..count {
        let cell;
        (input, cell) = self::cell(input, column, true, header, liveness)?;
        cells.push(cell);
    }
    Ok((input, ComplexColumnData { column, deletion, cells }))
}
