//! Entries: the frame around one mutation (`CommitLog.add`, `CommitLogReader.readSection`).
//!
//! ```text
//! offset e        size       i32     length n of the payload
//! offset e+4      size crc   crc32   over the four size bytes
//! offset e+8      payload    n bytes
//! offset e+8+n    crc        crc32   continued over size bytes and payload
//! ```
//!
//! One checksum runs over the size, is stored, goes on over the payload and is stored again; the stored size
//! checksum itself is not hashed.

use crate::position::LogicalPosition;
use crc32fast::Hasher;

/// Bytes of a frame around its payload: two checksums and the size, four bytes each (`CommitLogSegment.ENTRY_OVERHEAD_SIZE`).
pub const ENTRY_OVERHEAD: u64 = 12;
/// No mutation is shorter (CASSANDRA-2128).
const SIZE_MIN: i32 = 10;

/// One entry whose two checksums held: the frame around one mutation. Borrows from the reader until the next call.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Number of the entry in its segment, from 0, among those whose checksums held.
    pub index: u32,
    /// Where its frame begins.
    pub start: LogicalPosition,
    /// Where its frame ends: the position that Cassandra reports for the mutation.
    pub end: LogicalPosition,
    /// The frame as it stands in the log, with both checksums.
    pub frame: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The serialized mutation, without the frame: what [`crate::mutation::decode`] takes.
    pub fn body(&self) -> &'a [u8] {
        let end = self.frame.len().saturating_sub(4);
        self.frame.get(8..end).unwrap_or_default()
    }

    /// The checksum over the four bytes of the size, as stored behind them.
    pub fn size_crc(&self) -> u32 {
        self.frame.get(4..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    /// The checksum over size and body, as stored behind the body.
    pub fn crc(&self) -> u32 {
        self.frame.last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }
}

/// What the first eight bytes of an entry say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryHead {
    /// The size checksum holds; the whole frame has this many bytes.
    Frame(u64),
    /// A size of zero, as the bytes after the last entry have.
    Zero,
    /// The size checksum holds over a size that no mutation has.
    Size(i32),
    /// The size checksum does not hold: where the next entry begins is not known.
    SizeCrc {
        /// Computed.
        expected: u32,
        /// Stored.
        found: u32,
    },
}

impl EntryHead {
    /// Reads the first eight bytes of an entry.
    pub fn parse(bytes: [u8; 8]) -> EntryHead {
        let [a, b, c, d, crc @ ..] = bytes;
        let size_bytes = [a, b, c, d];
        let (size, found) = (i32::from_be_bytes(size_bytes), u32::from_be_bytes(crc));
        if size == 0 {
            return EntryHead::Zero;
        }
        let expected = crc32fast::hash(&size_bytes);
        if expected != found {
            return EntryHead::SizeCrc { expected, found };
        }
        if size < SIZE_MIN {
            return EntryHead::Size(size);
        }
        EntryHead::Frame(size as u64 + ENTRY_OVERHEAD)
    }
}

/// Compares the checksum at the end of a frame with what it covers: `(expected, found)` when they differ.
pub fn frame_mismatch(frame: &[u8]) -> Option<(u32, u32)> {
    let (rest, stored) = frame.split_last_chunk::<4>()?;
    let (size, body) = (rest.get(..4)?, rest.get(8..)?);
    let mut hasher = Hasher::new();
    hasher.update(size);
    hasher.update(body);
    let (expected, found) = (hasher.finalize(), u32::from_be_bytes(*stored));
    (expected != found).then_some((expected, found))
}

#[cfg(test)]
pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    let size = (body.len() as i32).to_be_bytes();
    let mut bytes = size.to_vec();
    bytes.extend(crc32fast::hash(&size).to_be_bytes());
    bytes.extend(body);
    let mut hasher = Hasher::new();
    hasher.update(&size);
    hasher.update(body);
    bytes.extend(hasher.finalize().to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(bytes: &[u8]) -> EntryHead {
        EntryHead::parse(bytes[..8].try_into().unwrap())
    }

    #[test]
    fn the_body_checksum_continues_the_size_checksum() {
        // A partition deletion that Cassandra 5.0.9 wrote.
        let recorded = "0000002814f177e6010000000000001000800000000000000104000000071400000000fce9d96a43c000ef53570000015e475612";
        let bytes: Vec<u8> = (0..recorded.len()).step_by(2).map(|i| u8::from_str_radix(&recorded[i..i + 2], 16).unwrap()).collect();

        assert_eq!(head(&bytes), EntryHead::Frame(52));
        assert_eq!(frame_mismatch(&bytes), None);
    }

    #[test]
    fn each_flipped_bit_is_noticed() {
        let good = frame(b"0123456789ab");
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let noticed = head(&bytes) != EntryHead::Frame(good.len() as u64) || frame_mismatch(&bytes).is_some();
            assert!(noticed, "bit {bit}");
        }
    }

    #[test]
    fn a_size_that_no_mutation_has_is_told_from_a_bad_checksum() {
        assert_eq!(head(&frame(b"short")), EntryHead::Size(5));
        assert_eq!(head(&[0; 8]), EntryHead::Zero);
        assert!(matches!(head(&[0, 0, 0, 20, 0, 0, 0, 0]), EntryHead::SizeCrc { .. }));
    }
}
