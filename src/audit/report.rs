//! The sums, and what they come to.

use super::page::{Listed, Page};
use crate::checkpoint::{Bytes, Change, Entries, Gap, Judgement, SegmentRecord, SegmentState};
use serde::Serialize;
use std::collections::BTreeMap;

/// What all records of a ledger come to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Which node it is of.
    pub node: Option<String>,
    /// Events that arrived in all runs.
    pub events: u64,
    /// Segments on record by state, pruned ones not among them.
    pub by_state: BTreeMap<String, u64>,
    /// The bytes of all segments that were read to their end, of lost ones, and of those whose records were pruned.
    pub bytes: Bytes,
    /// Their entries.
    pub entries: Entries,
    /// Segments whose records were removed because they were finished long ago; they are in the sums.
    pub pruned: u64,
    /// What is not in the sums yet.
    pub unfinished: Unfinished,
    /// Segments whose sums do not add up, by file name.
    pub inconsistent: Vec<String>,
    /// Lost segments that nobody has taken note of, by file name.
    pub lost: Vec<String>,
    /// Quarantined segments that nobody has taken note of, by file name.
    pub quarantined: Vec<String>,
    /// Why, for each of those two.
    pub causes: Vec<Cause>,
    /// What is parked.
    pub parked: Aside,
    /// What is missing and no record tells of.
    pub gaps: Vec<Gap>,
    /// What people and repairs have changed.
    pub trail: Vec<Change>,
}

/// Segments that were not read to their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// How many.
    pub segments: u64,
    /// The lengths of their files, as first seen.
    pub bytes: u64,
    /// Logical bytes of them that are delivered.
    pub delivered: u64,
}

/// Why a segment is lost or quarantined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Its file name.
    pub segment: String,
    /// What has become of it.
    pub state: String,
    /// Why, in words.
    pub why: String,
}

/// What lies in the folder of parked entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Aside {
    /// Entries.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Whether the promise holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything is delivered, left out by a rule, on its way, or acknowledged.
    Whole,
    /// Nothing is lost; something is kept aside, or somebody should look.
    Aside,
    /// Something is lost that nobody has taken note of, or the sums are wrong.
    Lost,
}

impl Report {
    /// Adds a page.
    pub fn add(&mut self, page: &Page) {
        if page.node.is_some() {
            self.node.clone_from(&page.node);
        }
        self.events += page.events;
        self.trail.extend_from_slice(&page.trail);
        self.gaps.extend_from_slice(&page.gaps);
        self.pruned += page.pruned.segments;
        self.bytes += page.pruned.bytes;
        self.entries += page.pruned.entries;
        page.segments.iter().for_each(|listed| self.add_segment(listed));
    }

    fn add_segment(&mut self, listed: &Listed) {
        let record = &listed.record;
        *self.by_state.entry(record.state().name().to_owned()).or_default() += 1;
        match record.state() {
            SegmentState::Lost(_) => self.lost.push(record.file.clone()),
            SegmentState::Quarantined => self.quarantined.push(record.file.clone()),
            _ => {}
        }
        if matches!(record.state(), SegmentState::Lost(_) | SegmentState::Quarantined) {
            let why = record.cause.clone().unwrap_or_else(|| "no cause on record".into());
            self.causes.push(Cause { segment: record.file.clone(), state: record.state().to_string(), why });
        }
        if !is_summed(record) {
            self.unfinished.segments += 1;
            self.unfinished.bytes += record.bytes.file.length;
            self.unfinished.delivered += u64::from(record.delivered_to.position.0);
            return;
        }
        self.bytes += record.bytes;
        self.entries += record.entries;
        if !adds_up(record) {
            self.inconsistent.push(record.file.clone());
        }
    }

    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        let is_open = |judgement: Judgement| self.gaps.iter().any(|gap| gap.is_open() && gap.judgement == judgement);
        if !self.lost.is_empty() || !self.inconsistent.is_empty() || is_open(Judgement::Lost) {
            Verdict::Lost
        } else if self.parked.entries > 0 || !self.quarantined.is_empty() || is_open(Judgement::Suspicious) {
            Verdict::Aside
        } else {
            Verdict::Whole
        }
    }
}

/// Whether its sums are made.
pub(super) fn is_summed(record: &SegmentRecord) -> bool {
    record.end.is_some() || !matches!(record.state(), SegmentState::Open | SegmentState::Final | SegmentState::Delivered)
}

/// Whether both sums are what they should be. Of a file that was never read there is only one number.
fn adds_up(record: &SegmentRecord) -> bool {
    let (file, logical) = (&record.bytes.file, &record.bytes.logical);
    let is_read = record.end.is_some();
    (!is_read || file.sum() == file.length) && logical.sum() == logical.sections && record.entries.sum() == record.entries.seen
}
