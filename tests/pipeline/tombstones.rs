//! `events.tombstones`: an event of a delete is two records, and has arrived with the second.

use crate::log::{catalog, plain, recorded};
use crate::rig::{Rig, Setup};
use crate::support::expected;
use ringtail::commitlog::{Horizon, Item, SegmentReader};
use ringtail::envelope::{Envelope, EnvelopeSettings, Record};
use ringtail::event;
use ringtail::mutation;
use ringtail::position::CommitLogPosition;
use ringtail::sink::faults::{Choices, Faults};
use std::collections::BTreeMap;
use std::time::Duration;

const ID: u64 = 4000;
const SEEDS: u64 = 60;

/// Some of all recorded entries.
fn of_every_kind() -> Vec<Vec<u8>> {
    let giving = recorded().1.iter().filter(|entry| !entry.published.is_empty());
    let every = giving.clone().count() / 150;
    giving.step_by(every.max(1)).map(|entry| entry.frame.clone()).collect()
}

/// What a segment gives.
fn expected_records(bytes: &[u8]) -> Vec<Record> {
    let mut envelope = Envelope::new(EnvelopeSettings { tombstones: true, ..expected::settings(None, None) });
    let mut reader = SegmentReader::open(bytes, None).expect("a segment");
    let (name, mut records) = (reader.descriptor().name(), Vec::new());
    while let Item::Entry(entry) = reader.next(Horizon::Final).expect("memory") {
        let at = CommitLogPosition { segment: name.id, position: entry.end };
        let mutation = mutation::decode(entry.body(), catalog()).expect("a mutation");
        for event in event::project(at, &mutation).expect("events").events.iter().filter(|event| event.update.table.is_published()) {
            records.extend(envelope.encode(event, &name.log(), 0).expect("records"));
        }
    }
    records
}

/// Of each event, in the order of arrival, whether the record has a value.
fn by_event(records: &[Record]) -> BTreeMap<String, Vec<bool>> {
    let mut found: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for record in records {
        let (_, id) = record.headers.iter().find(|(name, _)| name == "ringtail.id").expect("an id");
        found.entry(id.clone()).or_default().push(record.value.is_some());
    }
    found
}

fn setup(seed: u64, exactly_once: bool) -> Setup {
    let faults = Faults { seed, fails_per_mille: 30, full_per_mille: 300, late_per_mille: 300, ..Faults::default() };
    Setup { window: 1 + seed as usize % 4, exactly_once, faults, tombstones: true, ..Setup::default() }
}

/// Runs until the segment is gone, with a death of the process now and then.
fn run_to_the_end(rig: &mut Rig, seed: u64) {
    let mut choices = Choices::new(seed);
    rig.start();
    for _ in 0..20_000 {
        if rig.left().is_empty() {
            return;
        }
        if choices.happens(10) {
            rig.restart();
        }
        rig.turn(Duration::from_millis(choices.below(200))).expect("nothing that ends the process");
    }
    panic!("seed {seed}: it does not come to an end: {:?}", rig.obstacle());
}

#[test]
fn a_tombstone_follows_its_delete_whatever_fills_fails_or_dies_in_between() {
    let bytes = plain(ID, &of_every_kind());
    let expected = by_event(&expected_records(&bytes));
    let deletes = expected.values().filter(|records| records.len() == 2).count();
    assert!(deletes > 10, "{deletes} deletes");
    let mut repeats = 0;
    for seed in 0..SEEDS {
        let exactly_once = seed % 2 == 1;
        let mut rig = Rig::new(setup(seed, exactly_once), catalog());
        rig.put(ID, bytes.clone());

        run_to_the_end(&mut rig, seed);

        let arrived = by_event(&rig.arrived.records());
        assert!(arrived.keys().eq(expected.keys()), "seed {seed}: other events arrived");
        for (id, records) in &arrived {
            let is_delete = expected[id].len() == 2;
            assert_eq!(records.last(), Some(&!is_delete), "seed {seed}: {id} ends as {records:?}");
            assert_eq!(records.contains(&false), is_delete, "seed {seed}: {id}");
            assert!(records[0], "seed {seed}: {id} begins with its tombstone");
            repeats += usize::from(records.len() > expected[id].len());
            assert!(!exactly_once || records == &expected[id], "seed {seed}: {id} is seen as {records:?} under exactly once");
        }
    }
    assert!(repeats > 0, "nothing was ever sent again");
}

#[test]
fn both_records_of_a_delete_count_as_bytes_and_as_one_event() {
    let bytes = plain(ID, &of_every_kind());
    let mut rig = Rig::new(Setup { tombstones: true, ..Setup::default() }, catalog());
    rig.put(ID, bytes);
    rig.start();
    rig.settle();

    let records = rig.arrived.records();
    assert!(records.iter().any(|record| record.value.is_none()));
    let size = |record: &Record| {
        let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        (record.key.len() + record.value.as_ref().map_or(0, Vec::len) + headers) as u64
    };
    assert_eq!(rig.metric_sum("ringtail_event_bytes_total"), records.iter().map(size).sum::<u64>());
    assert_eq!(rig.metric_sum("ringtail_events_total"), by_event(&records).len() as u64);
}
