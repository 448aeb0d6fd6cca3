//! Where every byte of a segment went (invariant I5).
//!
//! Two sums, because a compressed segment has two lengths. At the end of a segment
//!
//! ```text
//! header + markers + section_heads + payload + padding + unmarked + damaged = file length
//! entries + damaged_logical                                                  = section_bytes
//! ```
//!
//! What became of the entries (delivered, filtered, parked, lost) is counted by whoever takes them; those
//! counts add up to `entries`.

/// Byte counts of one segment, so far; at [`Item::End`](super::Item::End) of all of it, and both sums of the module hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Coverage {
    /// The segment header.
    pub header: u64,
    /// Sync markers.
    pub markers: u64,
    /// The fields between a marker and compressed bytes.
    pub section_heads: u64,
    /// Bytes of sections that were read, as they stand in the file.
    pub payload: u64,
    /// Zeros, after the last section and in the slot of the marker that was never written.
    pub padding: u64,
    /// Bytes behind the last marker that no marker covers: what the node's own replay drops too.
    pub unmarked: u64,
    /// Bytes of the file that could not be read.
    pub damaged: u64,
    /// Logical length of all sections together.
    pub section_bytes: u64,
    /// Logical bytes of the entries that were handed out.
    pub entries: u64,
    /// Logical bytes of sections that could not be read.
    pub damaged_logical: u64,
}

impl Coverage {
    /// Sum of everything that is counted in bytes of the file: its length, once the segment was read to its end.
    pub fn file_sum(&self) -> u64 {
        self.header + self.markers + self.section_heads + self.payload + self.padding + self.unmarked + self.damaged
    }

    /// Sum of everything that is counted in logical bytes: `section_bytes`, once the segment was read to its end.
    pub fn logical_sum(&self) -> u64 {
        self.entries + self.damaged_logical
    }
}
