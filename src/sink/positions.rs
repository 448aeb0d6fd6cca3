//! The positions record: what a transaction says of the log beside the events that it holds.
//!
//! It is the value of a record in a compacted topic, its key the node's id. Together with the events it becomes visible or does
//! not, so what it says of the log is true of exactly the events that a `read_committed` consumer sees.

use crate::position::SegmentId;
use crate::progress::DeliveredTo;
use serde::{Deserialize, Serialize};

/// The version of the record that this release writes. It reads this one and no newer one.
const VERSION: u32 = 1;

/// How far everything had been delivered when a batch ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// The version of the form.
    v: u32,
    /// Counts the batches of a node, over all of its processes: the ledger holds the last that it has heard of.
    pub seq: u64,
    /// Which process has written it: no two have the same name.
    pub instance: String,
    /// Every segment that is not at its end, and those at their end whose files were left in `cdc_raw`.
    pub segments: Vec<SegmentPosition>,
    /// What had been set aside.
    #[serde(default)]
    pub parked: Vec<ParkedPosition>,
    /// What of the parked entries this batch publishes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retried: Vec<RetriedPosition>,
}

/// How far one segment had been delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentPosition {
    /// The id in the file's name.
    pub id: u64,
    /// Which content under this id, from 0 on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub incarnation: u8,
    /// How far everything of it was delivered, passed over, or set aside.
    pub delivered_to: DeliveredTo,
    /// Its end, a logical position, once that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u32>,
}

/// An entry that was set aside, or a range of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedPosition {
    /// The id of the segment.
    pub segment: u64,
    /// The end of the first entry in it, a logical position.
    pub position: u32,
    /// The end of the last, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// Why, by its short name.
    pub reason: String,
}

/// A parked entry that a batch publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetriedPosition {
    /// The id of the segment.
    pub segment: u64,
    /// The end of the entry, a logical position.
    pub position: u32,
    /// The event that was refused, if only that was parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<u32>,
    /// The first partition update that is still to be published; none if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<u32>,
}

/// Why a record cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub enum PositionsError {
    /// It is not in the form that this release writes.
    #[error("the positions record cannot be read: {0}")]
    Form(#[from] serde_json::Error),
    /// A newer release wrote it.
    #[error("the positions record has version {found}, this release knows up to {VERSION}")]
    Newer {
        /// Its version.
        found: u32,
    },
}

impl Positions {
    /// The most entries in [`Positions::parked`] that stand for themselves. More become ranges.
    pub const PARKED_LIMIT: usize = 200;

    /// A record of the batch `seq` by `instance`.
    pub fn new(seq: u64, instance: &str) -> Positions {
        Positions { v: VERSION, seq, instance: instance.to_owned(), ..Positions::default() }
    }

    /// How far a segment had been delivered; `None` if it is not listed.
    pub fn of(&self, id: SegmentId, incarnation: u8) -> Option<&SegmentPosition> {
        self.segments.iter().find(|listed| listed.id == id.0 && listed.incarnation == incarnation)
    }

    /// Lists what is set aside, in the order of the log. Many entries are told as one range for each run of a segment and reason: what
    /// a record may weigh is bounded by the brokers.
    pub fn park(&mut self, all: impl Iterator<Item = ParkedPosition>) {
        self.parked = all.collect();
        if self.parked.len() <= Self::PARKED_LIMIT {
            return;
        }
        let mut ranges: Vec<ParkedPosition> = Vec::new();
        for one in self.parked.drain(..) {
            match ranges.last_mut().filter(|last| last.segment == one.segment && last.reason == one.reason) {
                Some(last) => last.to = Some(one.to.unwrap_or(one.position)),
                None => ranges.push(one),
            }
        }
        if ranges.len() > Self::PARKED_LIMIT {
            ranges = by_segment(ranges);
        }
        self.parked = ranges;
    }

    /// The record's value: JSON.
    pub fn encode(&self) -> Vec<u8> {
        // Numbers, words and lists of them always have a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// [`PositionsError`]; the bytes are not repeated.
    pub fn decode(value: &[u8]) -> Result<Positions, PositionsError> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let Version { v } = serde_json::from_slice(value)?;
        if v > VERSION {
            return Err(PositionsError::Newer { found: v });
        }
        Ok(serde_json::from_slice(value)?)
    }
}

/// One range for each segment, whatever the reasons.
fn by_segment(ranges: Vec<ParkedPosition>) -> Vec<ParkedPosition> {
    let mut segments: Vec<ParkedPosition> = Vec::new();
    for one in ranges {
        match segments.last_mut().filter(|last| last.segment == one.segment) {
            Some(last) => {
                last.to = Some(one.to.unwrap_or(one.position));
                last.reason = "several".into();
            }
            None => segments.push(one),
        }
    }
    segments
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(n: &u8) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::LogicalPosition;

    fn position(id: u64, position: u32) -> SegmentPosition {
        let delivered_to = DeliveredTo { position: LogicalPosition(position), ordinal: 0 };
        SegmentPosition { id, incarnation: 0, delivered_to, end: None }
    }

    fn parked(segment: u64, position: u32, reason: &str) -> ParkedPosition {
        ParkedPosition { segment, position, to: None, reason: reason.into() }
    }

    #[test]
    fn record_is_what_the_documentation_shows() {
        let mut positions = Positions::new(7, "1-5f");
        positions.segments = vec![position(11, 4711), SegmentPosition { incarnation: 1, end: Some(99), ..position(12, 99) }];
        positions.park([parked(11, 300, "unknown_table")].into_iter());
        positions.retried = vec![RetriedPosition { segment: 11, position: 200, ordinal: None, update: Some(1) }];

        let bytes = positions.encode();

        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            concat!(
                r#"{"v":1,"seq":7,"instance":"1-5f","segments":[{"id":11,"delivered_to":{"position":4711,"ordinal":0}},"#,
                r#"{"id":12,"incarnation":1,"delivered_to":{"position":99,"ordinal":0},"end":99}],"#,
                r#""parked":[{"segment":11,"position":300,"reason":"unknown_table"}],"#,
                r#""retried":[{"segment":11,"position":200,"update":1}]}"#
            )
        );
        assert_eq!(Positions::decode(&bytes).unwrap(), positions);
        assert_eq!(positions.of(SegmentId(12), 1).unwrap().end, Some(99));
        assert_eq!(positions.of(SegmentId(12), 0), None);
    }

    #[test]
    fn record_of_a_newer_release_is_refused_and_unknown_members_are_not() {
        let newer = Positions::decode(br#"{"v":2,"anything":1}"#).unwrap_err();
        assert_eq!(newer.to_string(), "the positions record has version 2, this release knows up to 1");

        assert!(Positions::decode(br#"{"v":1,"seq":1,"instance":"a","segments":[],"more":true}"#).is_ok());
        assert!(matches!(Positions::decode(b"{"), Err(PositionsError::Form(_))));
        assert!(matches!(Positions::decode(b""), Err(PositionsError::Form(_))));
    }

    #[test]
    fn many_parked_entries_become_ranges_that_cover_all_of_them() {
        let mut positions = Positions::new(1, "a");

        positions.park((0..1000).map(|n| parked(n / 500, 10 + n as u32, if n < 250 { "queued" } else { "unknown_table" })));

        let ranges: Vec<_> = positions.parked.iter().map(|one| (one.segment, one.position, one.to, one.reason.as_str())).collect();
        assert_eq!(ranges, [(0, 10, Some(259), "queued"), (0, 260, Some(509), "unknown_table"), (1, 510, Some(1009), "unknown_table")]);
    }

    #[test]
    fn reasons_that_alternate_become_one_range_for_each_segment() {
        let mut positions = Positions::new(1, "a");

        positions.park((0..1000).map(|n| parked(n / 500, n as u32, if n % 2 == 0 { "queued" } else { "unknown_table" })));

        let ranges: Vec<_> = positions.parked.iter().map(|one| (one.segment, one.position, one.to, one.reason.as_str())).collect();
        assert_eq!(ranges, [(0, 0, Some(499), "several"), (1, 500, Some(999), "several")]);
    }
}
