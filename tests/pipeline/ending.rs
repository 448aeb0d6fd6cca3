//! When a segment is finished, and what happens to those that vanish, or come back.

use crate::log::{assert_arrived, catalog, entries, expected, plain};
use crate::rig::{Rig, Setup, assert_adds_up};
use crate::support::expected::{self as consumer, Event};
use crate::support::node::{Content, Step, names};
use crate::support::segment;
use ringtail::checkpoint::{Ending, Fault as StoreFault, LossCause, SegmentState};
use ringtail::pipeline::Fatal;
use ringtail::sink::faults::{Fault, Faults};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

const ID: u64 = 4000;
const DELETED: SegmentState = SegmentState::Finished(Ending::Deleted);

#[test]
fn everything_is_delivered_once_and_the_segment_goes() {
    let bytes = plain(ID, &entries(40));
    let mut rig = Rig::new(Setup::default(), catalog());
    rig.put(ID, bytes.clone());
    rig.start();

    rig.settle();

    assert_eq!(assert_arrived(&rig, &expected(ID, &bytes).events), 0);
    assert_eq!(rig.left(), Vec::<String>::new());
    assert_eq!(names(&rig.folder("spool")), Vec::<String>::new());
    assert_eq!(rig.record(ID).state(), DELETED);
    assert_adds_up(ID, &rig.record(ID));
}

#[test]
fn i3_a_segment_stays_as_long_as_one_event_of_it_has_not_arrived() {
    let bytes = plain(ID, &entries(10));
    let last = expected(ID, &bytes).events.len() as u64 - 1;
    let script = BTreeMap::from([(last, Fault::Silent)]);
    let mut rig = Rig::new(Setup { faults: Faults { script, ..Faults::default() }, ..Setup::default() }, catalog());
    rig.put(ID, bytes.clone());
    rig.start();

    rig.settle();

    assert_eq!(rig.left().len(), 1, "the report of the last event never came");
    assert_eq!(names(&rig.folder("spool")).len(), 1);
    assert_eq!(rig.record(ID).state(), SegmentState::Open);
    rig.restart();
    rig.settle();
    assert_eq!(assert_arrived(&rig, &expected(ID, &bytes).events), 1, "only what was not known to have arrived comes again");
    assert_eq!(rig.record(ID).state(), DELETED);
}

#[test]
fn i3_a_segment_stays_when_the_ledger_cannot_be_saved() {
    for fault in [StoreFault::BeforeWrite, StoreFault::BeforeDurable, StoreFault::AfterDurable] {
        for turns in 0..6 {
            let bytes = plain(ID, &entries(10));
            let mut rig = Rig::new(Setup::default(), catalog());
            rig.put(ID, bytes.clone());
            rig.start();
            (0..turns).for_each(|_| rig.turn(Duration::from_millis(110)).expect("a turn"));
            let was_there = !rig.left().is_empty();
            rig.store.fail_next(fault);

            let failed = (0..3).map(|_| rig.turn(Duration::from_millis(110))).find(Result::is_err);

            if let Some(failed) = failed {
                assert!(matches!(failed, Err(Fatal::Ledger(_))), "{failed:?}");
                assert!(!was_there || !rig.left().is_empty() || fault == StoreFault::AfterDurable || turns > 0, "{fault:?} after {turns}");
            }
            rig.crash();
            rig.store.crash();
            rig.start();
            rig.settle();
            assert_arrived(&rig, &expected(ID, &bytes).events);
            assert_eq!(rig.record(ID).state(), DELETED);
        }
    }
}

#[test]
fn a_header_without_entries_is_finished_whenever_the_process_dies() {
    for turns in 1..8 {
        let mut rig = Rig::new(Setup::default(), catalog());
        rig.put(ID, segment::plain(ID, &[], 1000));
        rig.start();

        (0..turns).for_each(|_| rig.turn(Duration::from_millis(1)).expect("a turn"));
        rig.restart();
        rig.settle();

        assert_eq!(rig.left(), Vec::<String>::new(), "killed after {turns} turns");
        assert_eq!(rig.record(ID).state(), DELETED);
    }
}

#[test]
fn a_header_without_entries_is_finished_after_a_failed_delivery_too() {
    let bytes = plain(ID + 1, &entries(10));
    let faults = Faults { script: BTreeMap::from([(3, Fault::Lost)]), ..Faults::default() };
    let mut rig = Rig::new(Setup { faults, ..Setup::default() }, catalog());
    rig.put(ID, segment::plain(ID, &[], 1000));
    rig.put(ID + 1, bytes.clone());
    rig.start();

    rig.settle();
    rig.settle();

    assert_arrived(&rig, &expected(ID + 1, &bytes).events);
    assert_eq!(rig.left(), Vec::<String>::new());
}

#[test]
fn i10_a_vanished_segment_is_lost_and_reported_in_every_run() {
    let bytes = plain(ID, &entries(10));
    let length = bytes.len() as u64;
    let mut rig = Rig::new(Setup::default(), catalog());
    rig.put(ID, bytes);
    rig.start_without_sink();
    rig.turn(Duration::from_millis(10)).expect("a turn");
    fs::remove_file(rig.folder("spool").join(format!("CommitLog-7-{ID}.log"))).expect("its only name");

    rig.begin();
    rig.settle();

    assert!(rig.pipeline().has_lost());
    assert_eq!(rig.record(ID).state(), SegmentState::Lost(LossCause::Vanished));
    assert_eq!(rig.metric("ringtail_lost_segments_total{cause=\"vanished\"}"), 1);
    assert_eq!(rig.metric("ringtail_lost_bytes_total{cause=\"vanished\"}"), length);
    for _ in 0..2 {
        rig.restart();
        rig.settle();
        assert_eq!(rig.metric("ringtail_segments{state=\"lost\"}"), 1);
        assert!(rig.errors().iter().any(|error| error.contains(&ID.to_string()) && error.contains("lost")), "{:?}", rig.errors());
        assert_eq!(rig.metric("ringtail_lost_segments_total{cause=\"vanished\"}"), 1, "counted in the run that found it");
    }
}

#[test]
fn a_lost_segment_that_is_brought_back_is_delivered() {
    let bytes = plain(ID, &entries(10));
    let mut rig = Rig::new(Setup::default(), catalog());
    rig.put(ID, bytes.clone());
    rig.start_without_sink();
    rig.turn(Duration::from_millis(10)).expect("a turn");
    fs::remove_file(rig.folder("spool").join(format!("CommitLog-7-{ID}.log"))).expect("its only name");
    rig.begin();
    rig.settle();
    assert_eq!(rig.record(ID).state(), SegmentState::Lost(LossCause::Vanished));

    rig.put(ID, bytes.clone());
    rig.settle();

    assert_arrived(&rig, &expected(ID, &bytes).events);
    assert_eq!(rig.record(ID).state(), DELETED);
}

/// A node that has closed a segment and still has its own name for it.
fn with_a_name_of_the_node(bytes: Vec<u8>) -> Rig {
    let mut rig = Rig::new(Setup::default(), catalog());
    rig.contents.insert(ID, Content { name: consumer::name(ID), bytes, header: 20, grows: false, cdc: true });
    for step in [Step::Create(ID), Step::Link(ID), Step::Write(ID, 0..100_000), Step::Index(ID, "100\nCOMPLETED".into())] {
        rig.perform(&step);
    }
    rig
}

#[test]
fn a_finished_segment_that_a_replay_links_again_is_not_delivered_again() {
    let bytes = plain(ID, &entries(10));
    let mut rig = with_a_name_of_the_node(bytes.clone());
    rig.start();
    rig.settle();
    assert_eq!(rig.record(ID).state(), DELETED);

    for step in [Step::Link(ID), Step::EmptyIndex(ID), Step::Index(ID, format!("{}\nCOMPLETED", bytes.len())), Step::Discard(ID)] {
        rig.perform(&step);
        rig.turn(Duration::from_millis(10)).expect("a turn");
    }
    rig.settle();

    assert_eq!(assert_arrived(&rig, &expected(ID, &bytes).events), 0);
    assert_eq!(rig.left(), Vec::<String>::new());
    assert_eq!(rig.record(ID).state(), DELETED);
    assert_adds_up(ID, &rig.record(ID));
}

#[test]
fn a_finished_segment_that_comes_back_longer_gives_the_rest() {
    let (short, long) = (plain(ID, &entries(10)), plain(ID, &entries(25)));
    let mut rig = Rig::new(Setup::default(), catalog());
    rig.put(ID, short);
    rig.start();
    rig.settle();
    assert_eq!(rig.record(ID).state(), DELETED);

    rig.put(ID, long.clone());
    rig.settle();

    assert_eq!(assert_arrived(&rig, &expected(ID, &long).events), 0);
    assert_eq!(rig.record(ID).state(), DELETED);
    assert_eq!(rig.left(), Vec::<String>::new());
}

#[test]
fn a_finished_id_that_comes_back_with_other_content_is_read_from_its_start() {
    let (first, second) = (plain(ID, &entries(10)), plain(ID, &entries(30)[10..]));
    let mut rig = Rig::new(Setup::default(), catalog());
    rig.put(ID, first.clone());
    rig.start();
    rig.settle();
    let before = rig.events().len();

    rig.put(ID, second.clone());
    rig.settle();

    let after: Vec<Event> = rig.events().split_off(before);
    assert_eq!(after, expected(ID, &second).events);
    assert_eq!(rig.left(), Vec::<String>::new());
    assert!(rig.errors().iter().any(|error| error.contains("other content")), "{:?}", rig.errors());
}

#[test]
fn a_stop_waits_for_what_is_in_flight_so_that_nothing_is_sent_again() {
    let bytes = plain(ID, &entries(60));
    let faults = Faults { late_per_mille: 700, seed: 3, ..Faults::default() };
    let mut rig = Rig::new(Setup { faults, window: 30, ..Setup::default() }, catalog());
    rig.put(ID, bytes.clone());
    for _ in 0..6 {
        rig.start();
        rig.turn(Duration::from_millis(1)).expect("a turn");
        rig.pipeline().stop().expect("a stop");
        rig.crash();
        rig.store.reopen();
    }
    rig.start();
    rig.settle();

    assert_eq!(assert_arrived(&rig, &expected(ID, &bytes).events), 0);
}
