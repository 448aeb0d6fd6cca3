//! The entry point: a mutation and its partition updates.

use super::deletion::deletion_time;
use super::error::{DecodeError, Incomplete};
use super::header::{SerializationHeader, header_columns, stats};
use super::row::{static_row, unfiltered};
use super::types::{LocalDeletionTime, Mutation, PartitionUpdate};
use crate::codec::{self, CodecError, PResult};
use crate::schema::{Catalog, ColumnKind, TableId, TableMetadata};
use std::cell::Cell;
use uuid::Uuid;

const IS_EMPTY: u8 = 0x01;
const IS_REVERSED: u8 = 0x02;
const HAS_PARTITION_DELETION: u8 = 0x04;
const HAS_STATIC_ROW: u8 = 0x08;
const HAS_ROW_ESTIMATE: u8 = 0x10;

/// Decodes the body of an entry (`Mutation.MutationSerializer.deserialize`).
///
/// All of `body` must be used: bytes left over mean that the schema is not the writer's.
///
/// # Errors
/// [`Incomplete`]: the updates before the first that could not be decoded, and why. None is left out silently.
pub fn decode<'a>(body: &'a [u8], catalog: &'a Catalog) -> Result<Mutation<'a>, Box<Incomplete<'a>>> {
    let mut mutation = Mutation::default();
    match updates(body, catalog, &mut mutation) {
        Ok(()) => Ok(mutation),
        Err(error) => Err(Box::new(Incomplete { leading: mutation, error })),
    }
}

fn updates<'a>(body: &'a [u8], catalog: &'a Catalog, mutation: &mut Mutation<'a>) -> Result<(), DecodeError> {
    let malformed = |error| DecodeError::malformed(&"the mutation", CodecError::from_nom(error), body);
    let (mut rest, count) = codec::unsigned_vint32(body).map_err(malformed)?;
    if count == 0 {
        return Err(malformed(CodecError::invalid(body, "number of partition updates", "at least 1", 0)));
    }
    mutation.declared_updates = count;
    for _ in 0..count {
        let (after_id, id) = table_id(rest).map_err(malformed)?;
        let offset = body.len() - rest.len();
        let table = catalog.table(id).ok_or(DecodeError::UnknownTable { id, offset })?;
        let (after, update, live) = partition_update(after_id, table, body)?;
        mutation.updates.push(update);
        mutation.live_deletion_time = mutation.live_deletion_time.or(live);
        rest = after;
    }
    if rest.is_empty() {
        return Ok(());
    }
    Err(malformed(CodecError::invalid(rest, "end of the mutation", "no more bytes", rest.len() as i64)))
}

fn table_id(input: &[u8]) -> PResult<'_, TableId> {
    let (input, high) = codec::be_u64(input)?;
    let (input, low) = codec::be_u64(input)?;
    Ok((input, TableId(Uuid::from_u64_pair(high, low))))
}

/// What is left, the update, and what its writer put as the time of no deletion.
type Decoded<'a> = (&'a [u8], PartitionUpdate<'a>, Option<LocalDeletionTime>);

fn partition_update<'a>(input: &'a [u8], table: &'a TableMetadata, body: &'a [u8]) -> Result<Decoded<'a>, DecodeError> {
    let malformed = |error| DecodeError::malformed(table, CodecError::from_nom(error), body);
    let (input, partition_key) = codec::vint_bytes(input, "partition key").map_err(malformed)?;
    let (mut input, flags) = flags(input).map_err(malformed)?;
    let mut update = PartitionUpdate { table, partition_key, partition_deletion: None, static_row: None, unfiltereds: Vec::new() };
    if flags & IS_EMPTY != 0 {
        return Ok((input, update, None));
    }

    let stats;
    (input, stats) = self::stats(input).map_err(malformed)?;
    let mut header = SerializationHeader { stats, table, statics: Vec::new(), regulars: Vec::new(), live: Cell::default() };
    if flags & HAS_STATIC_ROW != 0 {
        (input, header.statics) = header_columns(input, table, ColumnKind::Static, body)?;
    }
    (input, header.regulars) = header_columns(input, table, ColumnKind::Regular, body)?;

    let (rest, ()) = content(input, flags, &header, &mut update).map_err(malformed)?;
    Ok((rest, update, header.live.get()))
}

fn flags(input: &[u8]) -> PResult<'_, u8> {
    const KNOWN: u8 = IS_EMPTY | HAS_PARTITION_DELETION | HAS_STATIC_ROW | HAS_ROW_ESTIMATE;
    let (rest, flags) = codec::u8(input)?;
    if flags & !KNOWN & !IS_REVERSED != 0 || flags & IS_REVERSED != 0 {
        return Err(CodecError::invalid(input, "flags of the partition update", "only known bits, not reversed", i64::from(flags)));
    }
    Ok((rest, flags))
}

fn content<'a>(mut input: &'a [u8], flags: u8, header: &SerializationHeader<'a>, update: &mut PartitionUpdate<'a>) -> PResult<'a, ()> {
    if flags & HAS_PARTITION_DELETION != 0 {
        let deletion;
        (input, deletion) = deletion_time(input, &header.stats)?;
        update.partition_deletion = Some(deletion);
    }
    if flags & HAS_STATIC_ROW != 0 {
        let row;
        (input, row) = static_row(input, header)?;
        update.static_row = (!row.is_empty()).then_some(row);
    }
    if flags & HAS_ROW_ESTIMATE != 0 {
        // A hint for the reader's allocation. We do not trust it with ours.
        (input, _) = codec::unsigned_vint(input)?;
    }
    loop {
        let next;
        (input, next) = unfiltered(input, header)?;
        match next {
            Some(unfiltered) => update.unfiltereds.push(unfiltered),
            None => return Ok((input, ())),
        }
    }
}
