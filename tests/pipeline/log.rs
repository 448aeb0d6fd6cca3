//! What the named tests write: recorded entries, chosen by what they hold.

use crate::rig::Rig;
use crate::support::expected::{self, Event, Expected, Reader, compare};
use crate::support::recorded::Recorded;
use crate::support::segment;
use ringtail::event;
use ringtail::mutation;
use ringtail::position::{CommitLogPosition, LogicalPosition, SegmentId};
use ringtail::schema::{Catalog, TableId};
use std::sync::OnceLock;

/// A recorded entry and what is in it.
#[derive(Clone)]
pub struct Entry {
    /// Its bytes, with the frame.
    pub frame: Vec<u8>,
    /// The table of each of its events that are published.
    pub published: Vec<TableId>,
}

/// The catalog of all recordings.
pub fn catalog() -> &'static Catalog {
    &recorded().0.catalog
}

/// The recordings.
pub fn recorded() -> &'static (Recorded, Vec<Entry>) {
    static RECORDED: OnceLock<(Recorded, Vec<Entry>)> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let recorded = Recorded::all();
        let frames = recorded.segments.iter().flat_map(|recording| segment::entries(&recording.bytes));
        let entries = frames.filter_map(|frame| Some(Entry { published: published(&recorded.catalog, &frame)?, frame })).collect();
        (recorded, entries)
    })
}

/// `None` if it cannot be decoded.
fn published(catalog: &Catalog, frame: &[u8]) -> Option<Vec<TableId>> {
    let mutation = mutation::decode(&frame[8..frame.len() - 4], catalog).ok()?;
    let at = CommitLogPosition { segment: SegmentId(1), position: LogicalPosition(1) };
    let events = event::project(at, &mutation).ok()?.events;
    Some(events.iter().filter(|event| event.update.table.is_published()).map(|event| event.update.table.id).collect())
}

/// The first so many entries that give events.
pub fn entries(count: usize) -> Vec<Vec<u8>> {
    let giving = recorded().1.iter().filter(|entry| !entry.published.is_empty());
    let frames: Vec<Vec<u8>> = giving.take(count).map(|entry| entry.frame.clone()).collect();
    assert_eq!(frames.len(), count, "so many are recorded");
    frames
}

/// The first entry of which this holds.
pub fn entry(is: impl Fn(&Entry) -> bool) -> Entry {
    recorded().1.iter().find(|entry| is(entry)).expect("such an entry is recorded").clone()
}

/// Room behind the last section.
pub const ROOM: usize = 200;

/// A plain segment of these entries, five in a section.
pub fn plain(id: u64, entries: &[Vec<u8>]) -> Vec<u8> {
    let sections: Vec<Vec<Vec<u8>>> = entries.chunks(5).map(<[Vec<u8>]>::to_vec).collect();
    let length = segment::plain(id, &sections, 0).len();
    segment::plain(id, &sections, length + ROOM)
}

/// What the segment gives under a catalog.
pub fn expected_under(catalog: &Catalog, id: u64, bytes: &[u8]) -> Expected {
    Reader::new(catalog, &|_| false).read(expected::name(id), bytes).expect("a readable segment")
}

/// What the segment gives.
pub fn expected(id: u64, bytes: &[u8]) -> Expected {
    expected_under(catalog(), id, bytes)
}

/// Checks that these events arrived and no others, each partition in order; answers how many arrived again.
pub fn assert_arrived(rig: &Rig, events: &[Event]) -> usize {
    let verdict = compare(events, &rig.events());
    assert!(verdict.problems.is_empty(), "{}", verdict.problems[..verdict.problems.len().min(10)].join("\n"));
    assert!(!events.is_empty(), "nothing was to arrive");
    verdict.repeats
}
