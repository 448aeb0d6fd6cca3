//! The CDC index: how far the node has synced a segment, and whether it has closed it.
//!
//! ```text
//! <decimal logical position>               while open
//! <decimal logical position>\nCOMPLETED    once closed
//! ```
//!
//! The node truncates the file and writes it anew, without fsync, so a reader can catch it empty. After a replay the number is
//! the *length of the file*: another unit for a compressed segment, and less than what was there before. So the number is a fence
//! only while the segment is open, and the fence never goes back.

use crate::disk;
use crate::position::LogicalPosition;
use std::io;
use std::path::Path;

/// What a CDC index says.
///
/// Cassandra: `CommitLogSegment.writeCDCIndexFile`, `CommitLogReplayer.handleCDCReplayCompletion`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CdcIndex {
    /// Everything before it is on the node's disk. Means nothing once `completed`.
    pub synced: LogicalPosition,
    /// The node has closed the segment.
    pub completed: bool,
}

impl CdcIndex {
    /// Parses the file. `None` is no news: empty, half-written, or nothing that the node writes.
    pub fn parse(bytes: &[u8]) -> Option<CdcIndex> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (number, completed) = match text.split_once('\n') {
            None => (text, false),
            Some((number, "COMPLETED" | "COMPLETED\n")) => (number, true),
            Some(_) => return None,
        };
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        // A Java int. What is larger was not written by a node, unless as the length of a file, and then it does not matter.
        let position = number.parse().ok().filter(|n: &u32| i32::try_from(*n).is_ok());
        match position {
            None if !completed => None,
            position => Some(CdcIndex { synced: LogicalPosition(position.unwrap_or_default()), completed }),
        }
    }
}

/// What is known of a segment's CDC index after all the looks at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexState {
    known: Option<CdcIndex>,
}

impl IndexState {
    /// Goes on from what the ledger knows.
    pub fn resume(known: Option<CdcIndex>) -> IndexState {
        IndexState { known }
    }

    /// The largest position seen while open, and whether it is closed; `None` before the first index.
    pub fn get(&self) -> Option<CdcIndex> {
        self.known
    }

    /// Takes two readings of the file, one after the other, and says whether there is news. The second is only asked for when
    /// the first says COMPLETED: that counts when both are equal.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn observe(&mut self, mut read: impl FnMut() -> io::Result<Option<Vec<u8>>>) -> io::Result<bool> {
        if self.known.is_some_and(|known| known.completed) {
            return Ok(false);
        }
        let Some(first) = read()? else { return Ok(false) };
        let Some(new) = CdcIndex::parse(&first) else { return Ok(false) };
        if new.completed && read()?.as_ref() != Some(&first) {
            return Ok(false);
        }
        let before = self.known;
        let synced = before.map(|known| known.synced).unwrap_or_default();
        self.known = Some(match new.completed {
            true => CdcIndex { synced, completed: true },
            false => CdcIndex { synced: new.synced.max(synced), completed: false },
        });
        Ok(self.known != before)
    }
}

/// Reads an index; `None` if there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match disk::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => bytes.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(synced: u32, completed: bool) -> Option<CdcIndex> {
        Some(CdcIndex { synced: LogicalPosition(synced), completed })
    }

    /// Observes a sequence of readings.
    fn observe(state: &mut IndexState, readings: &[&str]) -> bool {
        let mut readings = readings.iter();
        state.observe(|| Ok(readings.next().map(|text| text.as_bytes().to_vec()))).unwrap()
    }

    #[test]
    fn what_the_node_writes_is_read() {
        assert_eq!(CdcIndex::parse(b"52657"), index(52657, false));
        assert_eq!(CdcIndex::parse(b"1014608\nCOMPLETED"), index(1014608, true));
    }

    #[test]
    fn empty_or_half_written_is_no_news() {
        for text in ["", "\n", "1014608\n", "1014608\nCOMPLE", "1014608\nCOMPLETED\nx", "-1", "+1", "12 ", "x", "2147483648", "\nCOMPLETED"]
        {
            assert_eq!(CdcIndex::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(CdcIndex::parse(&[0xff, 0x31]), None);
        assert_eq!(CdcIndex::parse(b"99999999999\nCOMPLETED"), index(0, true), "the number is ignored");
    }

    #[test]
    fn the_fence_never_goes_back() {
        let mut state = IndexState::default();

        assert!(observe(&mut state, &["700"]));
        assert!(!observe(&mut state, &["70"]));
        assert!(!observe(&mut state, &[""]));
        assert_eq!(state.get(), index(700, false));
        assert!(observe(&mut state, &["701"]));
    }

    #[test]
    fn completed_counts_when_read_twice_equal_and_its_number_does_not() {
        let mut state = IndexState::resume(index(761216, false));

        assert!(!observe(&mut state, &["3606\nCOMPLETED", ""]));
        assert!(!observe(&mut state, &["3606\nCOMPLETED", "3607\nCOMPLETED"]));
        assert!(!observe(&mut state, &["3606\nCOMPLETED"]), "gone at the second look");
        assert!(observe(&mut state, &["3606\nCOMPLETED", "3606\nCOMPLETED"]));
        assert_eq!(state.get(), index(761216, true), "after a replay the number is the file's length");
        assert!(!observe(&mut state, &["5"]), "closed is closed");
        assert_eq!(state.get(), index(761216, true));
    }
}
