//! Damage: a range that could not be read, and why. A value that the caller must look at.

use super::compress::CompressError;
use super::keys::CipherError;
use crate::position::{FileOffset, LogicalPosition, SegmentId};
use std::fmt;
use std::ops::Range;

/// A range of a segment that could not be read. What stands after it is read all the same.
///
/// Cassandra: where `CommitLogReader` calls `handleUnrecoverableError` and then gives the segment up or skips the section. It never tells
/// the range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub segment: SegmentId,
    /// The bytes of the file. In a compressed segment, the section around the damage.
    pub file: Range<FileOffset>,
    /// The logical bytes that are not available. Positions go on at its end: [`super::AFTER_GAP`] where nobody knows how many there were.
    pub logical: Range<LogicalPosition>,
    /// Why.
    pub cause: DamageCause,
}

/// Why a range could not be read. Holds offsets, lengths and checksums, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageCause {
    /// A marker's slot holds something else.
    #[error("sync marker checksum mismatch: expected {expected:#010x}, found {found:#010x}")]
    Marker {
        /// Computed.
        expected: u32,
        /// Stored.
        found: u32,
    },
    /// A marker's slot is zero although a valid marker follows later.
    #[error("sync marker is missing: expected a marker before the next valid one at {next}, found zeros")]
    MarkerZero {
        /// Where reading goes on.
        next: FileOffset,
    },
    /// A marker that was caught between its two stores and whose section does not verify.
    #[error("sync marker is torn and its section does not verify up to {next}")]
    MarkerTorn {
        /// Where it points.
        next: FileOffset,
    },
    /// A marker's checksum holds and it points where no section can end.
    #[error("sync marker points to {next}: expected an offset after the marker and at most {length}")]
    MarkerNext {
        /// Where it points.
        next: FileOffset,
        /// Length of the file.
        length: u64,
    },
    /// A marker points elsewhere than where its section's entries end; the entries themselves were read.
    #[error("sync marker points to {found}: the section's entries end at {entries_end}")]
    MarkerElsewhere {
        /// Where it points.
        found: FileOffset,
        /// Up to where entries were read.
        entries_end: FileOffset,
    },
    /// An entry's checksum does not hold; its size does, so the next entry is known.
    #[error("entry checksum mismatch: expected {expected:#010x}, found {found:#010x}")]
    EntryCrc {
        /// Computed.
        expected: u32,
        /// Stored.
        found: u32,
    },
    /// An entry's size cannot be trusted, so the next entry is not known.
    #[error("entry size checksum mismatch: expected {expected:#010x}, found {found:#010x}")]
    SizeCrc {
        /// Computed.
        expected: u32,
        /// Stored.
        found: u32,
    },
    /// A size that no mutation has.
    #[error("invalid entry size: expected at least 10, found {found}")]
    Size {
        /// The size.
        found: i32,
    },
    /// Zeros inside a section: a writer failed after it had reserved the room.
    #[error("entry of size 0 inside a section")]
    ZeroSize,
    /// An entry that does not fit into its section.
    #[error("entry does not fit its section: expected at most {left} bytes, found {need}")]
    PastSection {
        /// Bytes left in the section.
        left: u64,
        /// Bytes of the entry.
        need: u64,
    },
    /// The file ends inside what was being read.
    #[error("segment is cut short: expected {expected} bytes, found {found}")]
    Truncated {
        /// Bytes needed.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// A section's head does not fit.
    #[error("section is too short for its head: expected at least {expected} bytes, found {found}")]
    SectionHead {
        /// Bytes of a marker and a head.
        expected: u64,
        /// Bytes of the section.
        found: u64,
    },
    /// A section could not be decompressed.
    #[error("section cannot be decompressed: {0}")]
    Compression(#[from] CompressError),
    /// A section could not be decrypted, though others of the segment could.
    #[error("section cannot be decrypted: {0}")]
    Decryption(#[from] CipherError),
}

impl Damage {
    /// How many bytes of the file it takes. In a compressed segment the section around it, of which other entries can have been read.
    pub fn file_bytes(&self) -> u64 {
        self.file.end.since(self.file.start)
    }

    /// How many logical bytes it takes: those of entries that are not available.
    pub fn logical_bytes(&self) -> u64 {
        u64::from(self.logical.end.0.saturating_sub(self.logical.start.0))
    }
}

impl DamageCause {
    /// How much of the segment it takes, for metric labels and records: an entry, (the rest of) a section, or a marker.
    pub fn kind(&self) -> &'static str {
        match self {
            DamageCause::EntryCrc { .. } => "entry",
            DamageCause::Marker { .. }
            | DamageCause::MarkerZero { .. }
            | DamageCause::MarkerTorn { .. }
            | DamageCause::MarkerNext { .. }
            | DamageCause::MarkerElsewhere { .. } => "marker",
            DamageCause::SizeCrc { .. }
            | DamageCause::Size { .. }
            | DamageCause::ZeroSize
            | DamageCause::PastSection { .. }
            | DamageCause::Truncated { .. }
            | DamageCause::SectionHead { .. }
            | DamageCause::Compression(_)
            | DamageCause::Decryption(_) => "section",
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} in segment {} at file offsets {}..{} (positions {}..{})",
            self.cause, self.segment, self.file.start, self.file.end, self.logical.start, self.logical.end
        )
    }
}
