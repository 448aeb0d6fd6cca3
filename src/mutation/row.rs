//! Rows and range tombstone markers (`UnfilteredSerializer`).
//!
//! Only the messaging form stands in the log: no sizes of rows.

use super::cell::{cell, complex_column};
use super::clustering::{bound, clustering};
use super::columns::subset;
use super::deletion::deletion_time;
use super::header::SerializationHeader;
use super::types::{ColumnData, HeaderColumn, LivenessInfo, RangeTombstoneMarker, Row, RowDeletion, Unfiltered};
use crate::codec::{self, CodecError, PResult};

const END_OF_PARTITION: u8 = 0x01;
const IS_MARKER: u8 = 0x02;
const HAS_TIMESTAMP: u8 = 0x04;
const HAS_TTL: u8 = 0x08;
const HAS_DELETION: u8 = 0x10;
const HAS_ALL_COLUMNS: u8 = 0x20;
const HAS_COMPLEX_DELETION: u8 = 0x40;
const EXTENSION_FLAG: u8 = 0x80;

const IS_STATIC: u8 = 0x01;
const HAS_SHADOWABLE_DELETION: u8 = 0x02;

/// The next row or marker; `None` at the end of the partition.
pub fn unfiltered<'a>(input: &'a [u8], header: &SerializationHeader<'a>) -> PResult<'a, Option<Unfiltered<'a>>> {
    let (rest, flags) = codec::u8(input)?;
    match flags {
        END_OF_PARTITION => Ok((rest, None)),
        IS_MARKER => marker(rest, header).map(|(rest, marker)| (rest, Some(Unfiltered::RangeTombstoneMarker(marker)))),
        flags if flags & (END_OF_PARTITION | IS_MARKER) != 0 => {
            Err(CodecError::invalid(input, "flags", "a row, a marker (2) or the end (1)", i64::from(flags)))
        }
        flags => {
            let (rest, extended) = extended_flags(rest, flags)?;
            if extended & IS_STATIC != 0 {
                return Err(CodecError::invalid(input, "extended flags", "no static row among the rows", i64::from(extended)));
            }
            let (rest, clustering) = clustering(rest, header.table)?;
            let (rest, row) = body(rest, flags, extended, header, &header.regulars, clustering)?;
            Ok((rest, Some(Unfiltered::Row(row))))
        }
    }
}

/// The static row, which stands before the others and has no clustering.
pub fn static_row<'a>(input: &'a [u8], header: &SerializationHeader<'a>) -> PResult<'a, Row<'a>> {
    let (rest, flags) = codec::u8(input)?;
    let (rest, extended) = extended_flags(rest, flags)?;
    if extended & IS_STATIC == 0 || flags & (END_OF_PARTITION | IS_MARKER) != 0 {
        return Err(CodecError::invalid(input, "flags of the static row", "a row with the static bit", i64::from(flags)));
    }
    body(rest, flags, extended, header, &header.statics, Vec::new())
}

fn extended_flags(input: &[u8], flags: u8) -> PResult<'_, u8> {
    if flags & EXTENSION_FLAG == 0 {
        return Ok((input, 0));
    }
    let (rest, extended) = codec::u8(input)?;
    if extended & !(IS_STATIC | HAS_SHADOWABLE_DELETION) != 0 {
        return Err(CodecError::invalid(input, "extended flags", "static or shadowable", i64::from(extended)));
    }
    Ok((rest, extended))
}

fn body<'a>(
    mut input: &'a [u8],
    flags: u8,
    extended: u8,
    header: &SerializationHeader<'a>,
    all_columns: &[HeaderColumn<'a>],
    clustering: Vec<Option<&'a [u8]>>,
) -> PResult<'a, Row<'a>> {
    let mut row = Row { clustering, ..Row::default() };
    if flags & HAS_TIMESTAMP != 0 {
        let liveness;
        (input, liveness) = self::liveness(input, flags, header)?;
        row.liveness = Some(liveness);
    }
    if flags & HAS_DELETION != 0 {
        let time;
        (input, time) = deletion_time(input, &header.stats)?;
        row.deletion = Some(RowDeletion { time, shadowable: extended & HAS_SHADOWABLE_DELETION != 0 });
    }
    if flags & HAS_ALL_COLUMNS != 0 {
        return columns(input, flags, header, all_columns, row);
    }
    let (input, present) = subset(input, all_columns)?;
    columns(input, flags, header, &present, row)
}

fn columns<'a>(
    mut input: &'a [u8],
    flags: u8,
    header: &SerializationHeader<'a>,
    present: &[HeaderColumn<'a>],
    mut row: Row<'a>,
) -> PResult<'a, Row<'a>> {
    let has_deletion = flags & HAS_COMPLEX_DELETION != 0;
    row.columns.reserve_exact(present.len());
    for column in present {
        let data;
        (input, data) = if column.column.cql_type.is_multi_cell() {
            complex_column(input, *column, has_deletion, header, row.liveness)
                .map(|(rest, complex)| (rest, ColumnData::Complex(complex)))?
        } else {
            cell(input, *column, false, header, row.liveness).map(|(rest, cell)| (rest, ColumnData::Simple(cell)))?
        };
        row.columns.push(data);
    }
    Ok((input, row))
}

/// A row's marker: the TTL comes before the expiration time here, and after it in cells.
fn liveness<'a>(input: &'a [u8], flags: u8, header: &SerializationHeader<'a>) -> PResult<'a, LivenessInfo> {
    let (input, timestamp) = header.stats.timestamp(input)?;
    if flags & HAS_TTL == 0 {
        return Ok((input, LivenessInfo { timestamp, expiry: None }));
    }
    let (input, ttl) = header.stats.ttl(input)?;
    let (input, expires) = header.stats.local_deletion_time(input)?;
    Ok((input, LivenessInfo { timestamp, expiry: Some((ttl, expires)) }))
}

/// A boundary carries two deletion times, that of the closing range first.
fn marker<'a>(input: &'a [u8], header: &SerializationHeader<'a>) -> PResult<'a, RangeTombstoneMarker<'a>> {
    let (input, bound) = bound(input, header.table)?;
    let (input, first) = deletion_time(input, &header.stats)?;
    if bound.kind.is_boundary() {
        let (input, second) = deletion_time(input, &header.stats)?;
        return Ok((input, RangeTombstoneMarker { bound, close: Some(first), open: Some(second) }));
    }
    let (close, open) = if bound.kind.is_start() { (None, Some(first)) } else { (Some(first), None) };
    Ok((input, RangeTombstoneMarker { bound, close, open }))
}
