//! What a dump counts, as [`Stats`](super::Stats) print it.

use super::summary::{is_left_with_nothing, kept_cells};
use crate::commitlog::Coverage;
use crate::mutation::{ColumnData, PartitionUpdate, Row, Unfiltered};
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that was counted, over all segments.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// A segment each.
    pub segments: Vec<SegmentTally>,
    /// By `keyspace.table`: what of the entries could be decoded and is not left out.
    pub tables: BTreeMap<String, TableTally>,
    /// Mutations that hold a table that is not known, by the table's id.
    pub unknown_tables: BTreeMap<String, Share>,
    /// Other mutations that could not be decoded.
    pub undecodable: Share,
    /// What filters leave out of entries.
    pub filtered: Share,
    /// Sections that could be opened, by how they are stored.
    pub sections: BTreeMap<String, SectionTally>,
    /// Every range that could not be read, in the order of the log.
    pub damage: Vec<DamageTally>,
    /// The sum over the segments.
    pub bytes: Bytes,
}

/// One segment.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentTally {
    /// Name of its file.
    pub segment: String,
    /// How its sections are stored; none if its header cannot be read.
    pub kind: Option<String>,
    /// Where its bytes went.
    #[serde(flatten)]
    pub bytes: Bytes,
}

/// Where bytes went: two sums, as of [`Coverage`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// Length of the file: the sum of the members of `file`.
    pub file_size: u64,
    /// Bytes of the file.
    pub file: FileBytes,
    /// Length of all sections, decompressed: the sum of the members of `log`.
    pub section_bytes: u64,
    /// Bytes in sections, decompressed.
    pub log: LogBytes,
}

/// Bytes of a file, each once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileBytes {
    /// The header.
    pub header: u64,
    /// Sync markers.
    pub markers: u64,
    /// The lengths in front of compressed and encrypted sections.
    pub section_heads: u64,
    /// Sections, as they stand in the file.
    pub payload: u64,
    /// Zeros behind the last section.
    pub padding: u64,
    /// Bytes behind the last marker, which the node drops too.
    pub unmarked: u64,
    /// What cannot be read.
    pub damaged: u64,
}

/// Bytes in sections, each once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogBytes {
    /// Entries whose checksums hold: tables, unknown tables, undecodable and filtered together.
    pub entries: u64,
    /// What cannot be read.
    pub damaged: u64,
}

/// Mutations and the bytes of their entries, or of parts of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Mutations; of the filtered ones those of which nothing is shown.
    pub mutations: u64,
    /// Bytes in sections.
    pub bytes: u64,
}

/// One table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableTally {
    /// Mutations that hold an update of it.
    pub mutations: u64,
    /// Rows, without static ones.
    pub rows: u64,
    /// Cells, with those of static rows and those that delete.
    pub cells: u64,
    /// What was deleted.
    pub deletions: Deletions,
    /// Bytes of its updates in sections. The frame of an entry and the number of its updates count with the first of them.
    pub bytes: u64,
}

/// Deletions by what they delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Deletions {
    /// Whole partitions.
    pub partitions: u64,
    /// Ranges of rows: the points where one begins.
    pub ranges: u64,
    /// Rows.
    pub rows: u64,
    /// Whole collections and user-defined types; overwriting one deletes it first.
    pub collections: u64,
    /// Cells.
    pub cells: u64,
}

/// Sections stored in one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SectionTally {
    /// All of them.
    pub sections: u64,
    /// Those without entries.
    pub empty: u64,
    /// Bytes of the file from their markers to the next ones.
    pub bytes: u64,
}

/// A range that could not be read.
#[derive(Clone, Debug, Serialize)]
pub struct DamageTally {
    /// Name of the segment's file.
    pub segment: String,
    /// How much it takes: `entry`, `section`, `marker`, or `segment` for a whole file.
    pub reason: &'static str,
    /// Why.
    pub cause: String,
    /// File offsets, the end excluded. In a compressed segment, the section around the damage.
    pub file: [u64; 2],
    /// Positions; none of a whole file.
    pub positions: Option<[u32; 2]>,
}

impl Deletions {
    /// All of them.
    pub fn sum(&self) -> u64 {
        self.partitions + self.ranges + self.rows + self.collections + self.cells
    }
}

impl From<&Coverage> for Bytes {
    fn from(coverage: &Coverage) -> Bytes {
        let Coverage { header, markers, section_heads, payload, padding, unmarked, damaged, section_bytes, entries, damaged_logical } =
            *coverage;
        Bytes {
            file_size: coverage.file_sum(),
            file: FileBytes { header, markers, section_heads, payload, padding, unmarked, damaged },
            section_bytes,
            log: LogBytes { entries, damaged: damaged_logical },
        }
    }
}

impl std::ops::AddAssign for Bytes {
    fn add_assign(&mut self, other: Bytes) {
        self.file_size += other.file_size;
        self.section_bytes += other.section_bytes;
        for (sum, bytes) in [
            (&mut self.file.header, other.file.header),
            (&mut self.file.markers, other.file.markers),
            (&mut self.file.section_heads, other.file.section_heads),
            (&mut self.file.payload, other.file.payload),
            (&mut self.file.padding, other.file.padding),
            (&mut self.file.unmarked, other.file.unmarked),
            (&mut self.file.damaged, other.file.damaged),
            (&mut self.log.entries, other.log.entries),
            (&mut self.log.damaged, other.log.damaged),
        ] {
            *sum += bytes;
        }
    }
}

impl Share {
    /// One more mutation.
    pub fn add(&mut self, bytes: u64) {
        self.mutations += 1;
        self.bytes += bytes;
    }
}

impl TableTally {
    /// Counts an update of `bytes` bytes. What went with dropped columns is left out, as everywhere.
    pub fn count(&mut self, update: &PartitionUpdate<'_>, bytes: u64) {
        self.bytes += bytes;
        self.deletions.partitions += u64::from(update.partition_deletion.is_some());
        if let Some(row) = &update.static_row {
            self.row(row);
        }
        for unfiltered in &update.unfiltereds {
            match unfiltered {
                Unfiltered::Row(row) if is_left_with_nothing(row) => {}
                Unfiltered::Row(row) => {
                    self.rows += 1;
                    self.row(row);
                }
                Unfiltered::RangeTombstoneMarker(marker) => self.deletions.ranges += u64::from(marker.open.is_some()),
            }
        }
    }

    fn row(&mut self, row: &Row<'_>) {
        self.cells += kept_cells(row);
        self.deletions.rows += u64::from(row.deletion.is_some());
        for data in &row.columns {
            let cells = match data {
                ColumnData::Simple(cell) => std::slice::from_ref(cell),
                ColumnData::Complex(complex) => {
                    self.deletions.collections += u64::from(complex.deletion.is_some() && !complex.is_deletion_dropped());
                    &complex.cells
                }
            };
            self.deletions.cells += cells.iter().filter(|cell| cell.is_tombstone() && !cell.is_dropped()).count() as u64;
        }
    }
}
