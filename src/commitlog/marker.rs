//! Sync markers: where a section ends (`CommitLogSegment.writeSyncMarker`).
//!
//! ```text
//! offset m    next   i32     file offset of the next marker, which is the end of this section
//! offset m+4  crc    crc32   over the low half of the segment id, the high half, and m
//! ```
//!
//! The checksum covers the segment and the marker's own place, **not** `next`: it proves that a marker of
//! this segment was set here, nothing about where it points.

use crate::position::{FileOffset, SegmentId};
use crc32fast::Hasher;

/// Size of a marker on disk, in bytes (`CommitLogSegment.SYNC_MARKER_SIZE`).
pub const MARKER_SIZE: u64 = 8;

/// What stands in a marker's slot (`CommitLogSegmentReader.readSyncMarker`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMarker {
    /// Eight zero bytes: not written yet, or the end.
    Zero,
    /// The checksum holds. Where it points must still be checked.
    Valid {
        /// File offset of the next marker.
        next: FileOffset,
    },
    /// `next` is written and the checksum is still zero: two separate stores, caught or left between them.
    Torn {
        /// File offset of the next marker.
        next: FileOffset,
    },
    /// Neither zero nor a marker.
    Invalid {
        /// Computed.
        expected: u32,
        /// Stored.
        found: u32,
    },
}

impl SyncMarker {
    /// Reads the eight bytes of the slot at `at`.
    pub fn parse(bytes: [u8; 8], segment: SegmentId, at: FileOffset) -> SyncMarker {
        let word = u64::from_be_bytes(bytes);
        let (next, found) = ((word >> 32) as u32, word as u32);
        if word == 0 {
            return SyncMarker::Zero;
        }
        let expected = checksum(segment, at);
        if found == expected {
            SyncMarker::Valid { next: FileOffset(u64::from(next)) }
        } else if found == 0 {
            SyncMarker::Torn { next: FileOffset(u64::from(next)) }
        } else {
            SyncMarker::Invalid { expected, found }
        }
    }
}

/// The checksum of a marker at `at`.
pub fn checksum(segment: SegmentId, at: FileOffset) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&(segment.0 as u32).to_be_bytes());
    hasher.update(&((segment.0 >> 32) as u32).to_be_bytes());
    hasher.update(&(at.0 as u32).to_be_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first marker of an empty segment that Cassandra 3.11.19 wrote.
    const RECORDED: SegmentId = SegmentId(0x0000_01a2_0410_2089);

    #[test]
    fn a_recorded_marker_is_valid_at_its_own_place_only() {
        let bytes = [0, 0, 0, 0x1c, 0x88, 0xef, 0x47, 0x31];

        assert_eq!(SyncMarker::parse(bytes, RECORDED, FileOffset(20)), SyncMarker::Valid { next: FileOffset(28) });
        assert!(matches!(SyncMarker::parse(bytes, RECORDED, FileOffset(28)), SyncMarker::Invalid { .. }));
        assert!(matches!(SyncMarker::parse(bytes, SegmentId(1), FileOffset(20)), SyncMarker::Invalid { .. }));
    }

    #[test]
    fn a_slot_between_the_two_stores_is_torn() {
        assert_eq!(SyncMarker::parse([0, 0, 0, 0x1c, 0, 0, 0, 0], RECORDED, FileOffset(20)), SyncMarker::Torn { next: FileOffset(28) });
        assert_eq!(SyncMarker::parse([0; 8], RECORDED, FileOffset(20)), SyncMarker::Zero);
    }
}
