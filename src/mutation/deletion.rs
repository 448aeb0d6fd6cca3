//! Deletion times (`DeletionTime`, `SerializationHeader.readDeletionTime`).

use super::header::{EncodingStats, SerializationHeader};
use super::types::DeletionTime;
use crate::codec::PResult;

/// Reads a deletion time: timestamp, then local deletion time.
pub fn deletion_time<'a>(input: &'a [u8], stats: &EncodingStats) -> PResult<'a, DeletionTime> {
    let (input, marked_for_delete_at) = stats.timestamp(input)?;
    let (input, local_deletion_time) = stats.local_deletion_time(input)?;
    Ok((input, DeletionTime { marked_for_delete_at, local_deletion_time }))
}

/// Reads a deletion time that may be `DeletionTime.LIVE`, which stands where a row has complex deletions but not of this
/// column.
///
/// Only the timestamp tells: the local deletion time of LIVE differs between 4.x and 5.0 under one descriptor version.
pub fn deletion_time_or_live<'a>(input: &'a [u8], header: &SerializationHeader<'_>) -> PResult<'a, Option<DeletionTime>> {
    let (input, deletion) = deletion_time(input, &header.stats)?;
    if deletion.marked_for_delete_at.0 != i64::MIN {
        return Ok((input, Some(deletion)));
    }
    header.live.set(Some(deletion.local_deletion_time));
    Ok((input, None))
}
