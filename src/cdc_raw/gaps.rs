//! What is missing, and what it means: the rules, each with what Cassandra does that it rests on (`docs/gaps.md`).
//!
//! A node gives ids one by one: `CommitLogSegment.idBase` is the time of its start in milliseconds, or one more than the highest id in its
//! commit log, and `getNextId` counts on from there. From 4.0 on each segment is linked into `cdc_raw` when it is made
//! (`CommitLogSegmentManagerCDC.createSegment`), unless CDC has no space left. So an id that never came into sight says something.

use super::finality::is_moved;
use super::scan::SegmentName;
use crate::checkpoint::UnixMillis;
use crate::position::SegmentId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a missing id may still come: a segment that was made while there was no space for CDC is linked with the first write after
/// there is some (`permitSegmentMaybe`).
pub const LATE: Duration = Duration::from_secs(60);

/// Looks further apart than this have not watched what lies between them.
pub const WATCHED: Duration = Duration::from_secs(30);

/// A jump of so many ids between two looks is a new start of the node: no node makes as many segments in [`WATCHED`].
const NEW_RUN: u64 = 1000;

/// Something that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The name in `cdc_raw` of a segment that the spool holds was removed, not by us.
    NameGone,
    /// A segment has gone before it was linked into the spool, and whether it had an index.
    NeverLinked {
        /// So whether it held CDC data.
        had_index: bool,
    },
    /// A segment that is not delivered is neither in the spool nor in `cdc_raw`.
    Vanished,
    /// An index without a segment, twice, of an id that is not on record.
    LoneIndex {
        /// Whether it is older than everything that this state folder knows of.
        is_older: bool,
    },
    /// Ids that never came into sight.
    Ids(Jump),
    /// The commit log has segments that are not linked.
    Unlinked,
}

/// Ids that never came into sight, though a higher one did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The first and the last of them.
    pub ids: (u64, u64),
    /// Of the segment behind them, as in its name.
    pub version: u32,
    /// Whether we were looking when they came and went.
    pub watched: bool,
    /// Whether an older segment was still in `cdc_raw` when the next one came into sight.
    pub anchored: bool,
    /// Whether the node removes segments by itself (`cdc_block_writes: false`), where that is known.
    pub node_removes: Option<bool>,
    /// Whether it is on record that the node did not link them.
    pub unlinked: bool,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is lost.
    Harmless,
    /// Nothing proves that something is lost, or that nothing is.
    Suspicious,
    /// Bytes that the node wrote will not be delivered.
    Lost,
}

/// What it means, and why, as the end of a sentence.
pub fn judge(seen: Seen) -> (Verdict, &'static str) {
    use Verdict::{Harmless, Lost, Suspicious};
    match seen {
        Seen::NameGone => (Harmless, "the link in the spool holds its bytes"),
        Seen::NeverLinked { had_index: false } => {
            (Harmless, "it never had an index, so no CDC data: the node removes such segments itself")
        }
        Seen::NeverLinked { had_index: true } => (Lost, "it had an index, so CDC data, and was removed before it was linked"),
        Seen::Vanished => (Lost, "it is gone from cdc_raw and from the spool"),
        Seen::LoneIndex { is_older: true } => {
            (Harmless, "it is older than everything on record: somebody else read and removed the segment")
        }
        Seen::LoneIndex { is_older: false } => {
            (Lost, "its index is there and it is not: it holds CDC data, and its name was removed before it was linked, or never made")
        }
        Seen::Unlinked => (Suspicious, "the node refused CDC writes, because cdc_total_space was full"),
        Seen::Ids(jump) => judge_ids(&jump),
    }
}

fn judge_ids(jump: &Jump) -> (Verdict, &'static str) {
    use Verdict::{Harmless, Suspicious};
    let count = jump.ids.1.saturating_sub(jump.ids.0).saturating_add(1);
    match jump {
        Jump { version, .. } if is_moved(*version) => (Harmless, "this release moves only segments with CDC data to cdc_raw"),
        Jump { unlinked: true, .. } => (Harmless, "it is on record that the node refused CDC writes"),
        Jump { watched: true, .. } if count >= NEW_RUN => (Harmless, "the node was started again: its ids go on at the time of its start"),
        Jump { watched: true, .. } => {
            (Suspicious, "the node was running: it refused CDC writes, or they were removed faster than they could be linked")
        }
        // By size the node removes the oldest first (`deleteOldLinkedCDCCommitLogSegment`).
        Jump { anchored: true, .. } => (Harmless, "older segments were still there, so those held no CDC data or never were"),
        Jump { node_removes: Some(false), .. } => (Harmless, "the node removes only segments without CDC data"),
        Jump { node_removes: Some(true), .. } => (
            Suspicious,
            "nobody was looking, and the node removes the oldest segments when cdc_total_space is full (cdc_block_writes: false)",
        ),
        Jump { node_removes: None, .. } => {
            (Suspicious, "nobody was looking, and nothing tells whether the node removes segments with CDC data (source.cassandra_yaml)")
        }
    }
}

/// Which ids came into sight, as far as that is not settled: kept in the ledger, so that a restart forgets nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// The lowest that this state folder knows of: what is older is not ours.
    first: Option<u64>,
    /// Every id up to this one was seen or judged.
    settled: u64,
    /// Those above it that were seen, ascending.
    sights: Vec<Sight>,
    /// The segments that the node does not link now, first and last.
    #[serde(default)]
    pub unlinked: Option<(u64, u64)>,
}

/// A segment that came into sight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sight {
    id: u64,
    version: u32,
    since: UnixMillis,
    watched: bool,
    anchored: bool,
}

impl Ids {
    /// Takes in what a look has listed, by id; `watched` says whether the look before it was a short time ago.
    pub fn see(&mut self, listed: &[SegmentName], watched: bool, now: UnixMillis) {
        let (Some(lowest), Some(highest)) = (listed.first(), listed.last()) else { return };
        if self.first.is_none() {
            (self.first, self.settled) = (Some(lowest.id.0), highest.id.0);
        }
        let settled = self.settled;
        for name in listed.iter().filter(|name| name.id.0 > settled) {
            self.sight(*name, watched, lowest.id < name.id, now);
        }
    }

    /// Takes in one that is accounted for though no look has listed it; `watched` is of the look that first saw something of it.
    pub fn account(&mut self, name: SegmentName, watched: bool, now: UnixMillis) {
        if name.id.0 > self.settled && self.first.is_some() {
            self.sight(name, watched, false, now);
        }
    }

    fn sight(&mut self, name: SegmentName, watched: bool, anchored: bool, now: UnixMillis) {
        let id = name.id.0;
        if let Err(at) = self.sights.binary_search_by_key(&id, |sight| sight.id) {
            self.sights.insert(at, Sight { id, version: name.version, since: now, watched, anchored });
        }
    }

    /// Whether a segment is older than all that were ever listed.
    pub fn is_older(&self, id: SegmentId) -> bool {
        self.first.is_none_or(|first| id.0 < first)
    }

    /// What is missing and has had its time to come. Each is told once.
    pub fn missing(&mut self, node_removes: Option<bool>, now: UnixMillis) -> Vec<Jump> {
        let mut found = Vec::new();
        let mut settled = self.settled;
        let mut done = 0;
        for sight in &self.sights {
            let is_next = sight.id == settled.saturating_add(1);
            if !is_next && now.since(sight.since) < LATE {
                break;
            }
            if !is_next {
                let ids = (settled.saturating_add(1), sight.id.saturating_sub(1));
                let Sight { version, watched, anchored, .. } = *sight;
                found.push(Jump { ids, version, watched, anchored, node_removes, unlinked: false });
            }
            settled = sight.id;
            done += 1;
        }
        self.sights.drain(..done);
        self.settled = settled;
        found
    }
}

/// The segments at the top of the commit log that are not linked, first and last, if that means that the node refuses CDC writes.
///
/// It writes to the last but one and keeps the last one ready (`AbstractCommitLogSegmentManager`): the last alone may have been made
/// while there was no space, and is linked when it is written to.
pub fn refused(commitlog: &BTreeSet<SegmentName>, is_known: impl Fn(SegmentName) -> bool) -> Option<(u64, u64)> {
    let unlinked: Vec<u64> =
        commitlog.iter().rev().take_while(|name| !is_moved(name.version) && !is_known(**name)).map(|name| name.id.0).collect();
    match unlinked[..] {
        [last, .., first] => Some((first, last)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Harmless, Lost, Suspicious};
    use super::*;

    /// A node that runs, seen by an agent that runs.
    const JUMP: Jump = Jump { ids: (11, 12), version: 7, watched: true, anchored: true, node_removes: None, unlinked: false };
    /// … and by one that did not.
    const BLIND: Jump = Jump { watched: false, anchored: false, ..JUMP };

    #[test]
    fn each_thing_that_is_missing_is_judged_by_its_rule() {
        for (seen, verdict) in [
            (Seen::NameGone, Harmless),
            (Seen::NeverLinked { had_index: false }, Harmless),
            (Seen::NeverLinked { had_index: true }, Lost),
            (Seen::Vanished, Lost),
            (Seen::LoneIndex { is_older: true }, Harmless),
            (Seen::LoneIndex { is_older: false }, Lost),
            (Seen::Unlinked, Suspicious),
            (Seen::Ids(JUMP), Suspicious),
            (Seen::Ids(Jump { version: 6, ..JUMP }), Harmless),
            (Seen::Ids(Jump { version: 6, ..BLIND }), Harmless),
            (Seen::Ids(Jump { unlinked: true, ..JUMP }), Harmless),
            (Seen::Ids(Jump { ids: (11, 1009), ..JUMP }), Suspicious),
            (Seen::Ids(Jump { ids: (11, 1010), ..JUMP }), Harmless),
            (Seen::Ids(Jump { ids: (11, 80_000), anchored: false, ..JUMP }), Harmless),
            (Seen::Ids(Jump { anchored: true, ..BLIND }), Harmless),
            (Seen::Ids(Jump { anchored: true, node_removes: Some(true), ..BLIND }), Harmless),
            (Seen::Ids(Jump { node_removes: Some(false), ..BLIND }), Harmless),
            (Seen::Ids(Jump { node_removes: Some(true), ..BLIND }), Suspicious),
            (Seen::Ids(Jump { ids: (11, 80_000), node_removes: Some(true), ..BLIND }), Suspicious),
            (Seen::Ids(BLIND), Suspicious),
        ] {
            assert_eq!(judge(seen).0, verdict, "{seen:?}");
        }
    }

    fn names(ids: &[u64]) -> Vec<SegmentName> {
        ids.iter().map(|id| SegmentName { id: SegmentId(*id), version: 7 }).collect()
    }

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(1_760_000_000_000 + seconds * 1000)
    }

    fn ranges(jumps: &[Jump]) -> Vec<(u64, u64)> {
        jumps.iter().map(|jump| jump.ids).collect()
    }

    #[test]
    fn what_was_there_before_the_first_look_is_not_missed() {
        let mut ids = Ids::default();
        assert!(ids.is_older(SegmentId(100)));

        ids.see(&names(&[3, 7, 9]), false, at(0));

        assert_eq!(ids.missing(None, at(1000)), []);
        assert!(ids.is_older(SegmentId(2)) && !ids.is_older(SegmentId(4)));
    }

    #[test]
    fn an_id_is_missed_once_it_has_had_its_time() {
        let mut ids = Ids::default();
        ids.see(&names(&[9, 10]), false, at(0));
        ids.see(&names(&[10, 12, 13, 15]), true, at(100));

        assert_eq!(ids.missing(None, at(159)), []);
        let reloaded = serde_json::from_value(serde_json::to_value(&ids).unwrap()).unwrap();
        assert_eq!(ids, reloaded, "a restart changes nothing");
        let missing = ids.missing(None, at(160));

        assert_eq!(ranges(&missing), [(11, 11), (14, 14)]);
        assert!(missing.iter().all(|jump| jump.watched && jump.anchored));
        ids.see(&names(&[10, 12, 13, 15]), true, at(200));
        assert_eq!(ids.missing(None, at(1000)), [], "once");
    }

    #[test]
    fn one_that_comes_late_is_not_missed() {
        let mut ids = Ids::default();
        ids.see(&names(&[10]), false, at(0));
        ids.see(&names(&[10, 12]), true, at(100));
        ids.see(&names(&[11, 12]), true, at(150));

        assert_eq!(ids.missing(None, at(1000)), []);
    }

    #[test]
    fn one_that_is_accounted_for_otherwise_is_not_missed() {
        let mut ids = Ids::default();
        ids.see(&names(&[10]), false, at(0));
        ids.account(names(&[11])[0], true, at(50));
        ids.see(&names(&[10, 12]), true, at(100));

        assert_eq!(ids.missing(None, at(1000)), []);
        ids.account(names(&[5000])[0], false, at(2000));
        let missing = ids.missing(Some(true), at(3000));
        assert_eq!(missing.iter().map(|jump| (jump.ids, jump.watched)).collect::<Vec<_>>(), [((13, 4999), false)]);
        assert_eq!(judge(Seen::Ids(missing[0])).0, Suspicious, "what went while nobody looked is no new start of the node");
    }

    #[test]
    fn it_is_told_whether_anything_older_was_still_there() {
        let mut ids = Ids::default();
        ids.see(&names(&[10]), false, at(0));
        ids.see(&names(&[20, 30]), false, at(100));

        let missing = ids.missing(Some(true), at(200));

        assert_eq!(missing.iter().map(|jump| (jump.ids, jump.anchored)).collect::<Vec<_>>(), [((11, 19), false), ((21, 29), true)]);
    }

    #[test]
    fn a_node_refuses_when_the_segment_it_writes_to_is_not_linked() {
        let commitlog = |ids: &[u64]| names(ids).into_iter().collect::<BTreeSet<_>>();
        let known = |ids: &'static [u64]| move |name: SegmentName| ids.contains(&name.id.0);

        assert_eq!(refused(&commitlog(&[]), known(&[])), None);
        assert_eq!(refused(&commitlog(&[1, 2, 3]), known(&[1, 2, 3])), None);
        assert_eq!(refused(&commitlog(&[1, 2, 3]), known(&[1, 2])), None, "the spare one");
        assert_eq!(refused(&commitlog(&[1, 2, 3, 4]), known(&[1, 3, 4])), None, "an older one");
        assert_eq!(refused(&commitlog(&[1, 2, 3]), known(&[1])), Some((2, 3)));
        assert_eq!(refused(&commitlog(&[2, 3, 4]), known(&[])), Some((2, 4)));
        let moved = names(&[1, 2]).into_iter().map(|name| SegmentName { version: 6, ..name }).collect();
        assert_eq!(refused(&moved, known(&[])), None, "before 4.0 nothing is linked");
    }
}
