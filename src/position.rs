//! Where a thing stands: segments, file offsets, logical positions, and the identity of an event.
//!
//! Two kinds of number look alike and must not be mixed (invariant I7). A *file offset* is what sync
//! markers speak and what their checksum covers. A *logical position* counts as if nothing in the
//! segment were compressed; it is what Cassandra's `CommitLogPosition` and a live `_cdc.idx` speak.
//! In a plain segment they are equal, in a compressed one they are not, so they are different types
//! and no conversion between them exists outside the reader that walks the sections:
//!
//! ```compile_fail
//! use ringtail::position::{FileOffset, LogicalPosition};
//! assert!(FileOffset(20) < LogicalPosition(28)); // I7: does not compile
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The id of one commit log segment (`CommitLogDescriptor.id`).
///
/// Ids ascend, and gaps are normal: segments without CDC data are removed by the node, and a restart
/// jumps to the current milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u64);

/// A byte offset in a segment file, from its first byte. In a plain segment equal to the position, in others not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileOffset(pub u64);

/// A byte position in the uncompressed coordinates of a segment (`CommitLogPosition.position`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogicalPosition(pub u32);

/// A position in the whole log: segment first, then the logical position inside it.
///
/// The position of an entry is that of its *end*, after its last checksum; it is what Cassandra hands
/// to a `CommitLogReadHandler` as `entryLocation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitLogPosition {
    /// The segment.
    pub segment: SegmentId,
    /// The position inside the segment.
    pub position: LogicalPosition,
}

/// The identity of one event: equal whenever the same bytes are read again, so a consumer can
/// recognise a repeated event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventId {
    /// The node that wrote the log (`node.id`).
    pub node: Arc<str>,
    /// The entry's position.
    pub at: CommitLogPosition,
    /// Number of the event within its entry, from 0, over all events that the entry projects to.
    pub ordinal: u32,
}

impl FileOffset {
    /// The offset `bytes` further on; the largest there is, if that is beyond it.
    pub fn plus(self, bytes: u64) -> FileOffset {
        FileOffset(self.0.saturating_add(bytes))
    }

    /// How many bytes lie between `earlier` and this offset; 0 if `earlier` is not earlier.
    pub fn since(self, earlier: FileOffset) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl LogicalPosition {
    /// The position `bytes` further on. A segment is smaller than 2 GiB, so nothing saturates in practice.
    pub fn plus(self, bytes: u32) -> LogicalPosition {
        LogicalPosition(self.0.saturating_add(bytes))
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for FileOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LogicalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CommitLogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment, self.position)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.node, self.at.segment, self.at.position, self.ordinal)
    }
}

impl FromStr for SegmentId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(SegmentId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_order_by_segment_first() {
        let at = |segment, position| CommitLogPosition { segment: SegmentId(segment), position: LogicalPosition(position) };

        assert!(at(1, 900) < at(2, 20));
        assert!(at(2, 20) < at(2, 21));
    }

    #[test]
    fn event_id_prints_node_segment_position_ordinal() {
        let id = EventId {
            node: "n1".into(),
            at: CommitLogPosition { segment: SegmentId(1759999999000), position: LogicalPosition(4711) },
            ordinal: 2,
        };

        assert_eq!(id.to_string(), "n1/1759999999000/4711/2");
    }
}
