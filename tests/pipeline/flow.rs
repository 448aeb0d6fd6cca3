//! How far is read, in which order, and what a failed delivery does.

use crate::log::{assert_arrived, catalog, entries, entry, expected, plain};
use crate::rig::{Rig, Setup};
use crate::support::expected as consumer;
use crate::support::node::{Content, Step};
use crate::support::segment::{self, Layout};
use ringtail::checkpoint::CheckpointStore;
use ringtail::sink::faults::{Fault, Faults};
use std::collections::BTreeMap;
use std::time::Duration;

const ID: u64 = 4000;

/// A rig with a segment of the node that has a header and nothing else yet.
fn growing(setup: Setup, bytes: &[u8]) -> Rig {
    let mut rig = Rig::new(setup, catalog());
    add(&mut rig, ID, bytes);
    rig
}

fn add(rig: &mut Rig, id: u64, bytes: &[u8]) {
    let content = Content { name: consumer::name(id), bytes: bytes.to_vec(), header: 20, grows: false, cdc: true };
    rig.contents.insert(id, content);
    rig.perform(&Step::Create(id));
    rig.perform(&Step::Link(id));
}

fn positions(rig: &Rig, id: u64) -> Vec<usize> {
    let place = |id: &str| id.split('/').nth(2).expect("a position").parse().expect("a number");
    rig.events().iter().filter(|event| event.id.contains(&format!("/{id}/"))).map(|event| place(&event.id)).collect()
}

#[test]
fn i4_marked_reads_up_to_the_newest_marker_and_not_further() {
    let bytes = plain(ID, &entries(30));
    let layout = Layout::of(&bytes);
    let mut rig = growing(Setup::default(), &bytes);
    rig.start();
    for section in &layout.sections {
        let before = rig.events().len();
        rig.perform(&Step::Write(ID, section.start + 8..section.end));
        rig.settle();
        assert_eq!(rig.events().len(), before, "the marker before it is not set");
        rig.perform(&Step::Write(ID, section.start..section.start + 4));
        rig.settle();
        assert_eq!(rig.events().len(), before, "half of the marker is");

        rig.perform(&Step::Write(ID, section.start..section.start + 8));
        rig.settle();

        assert_eq!(positions(&rig, ID).last(), Some(&section.end));
    }
    assert_eq!(assert_arrived(&rig, &expected(ID, &bytes).events), 0);
}

#[test]
fn i4_synced_never_passes_the_index() {
    let bytes = plain(ID, &entries(30));
    let layout = Layout::of(&bytes);
    let mut rig = growing(Setup { synced: true, ..Setup::default() }, &bytes);
    rig.start();
    rig.perform(&Step::Write(ID, 0..bytes.len()));
    rig.settle();
    assert_eq!(rig.events(), [], "no index");

    for section in &layout.sections {
        rig.perform(&Step::EmptyIndex(ID));
        rig.settle();
        rig.perform(&Step::Index(ID, section.end.to_string()));
        rig.settle();

        assert_eq!(positions(&rig, ID).last(), Some(&section.end));
        assert_eq!(positions(&rig, ID).iter().max(), Some(&section.end));
    }
    assert_eq!(assert_arrived(&rig, &expected(ID, &bytes).events), 0);
}

#[test]
fn a_segment_that_stays_open_does_not_hold_up_later_ones() {
    let (first, third) = (plain(ID, &entries(10)), plain(ID + 2, &entries(30)[10..]));
    for synced in [false, true] {
        let mut rig = growing(Setup { synced, ..Setup::default() }, &first);
        // A link that a clean stop left: a header, and nobody will ever write to it.
        add(&mut rig, ID + 1, &segment::plain(ID + 1, &[], 500));
        rig.perform(&Step::Discard(ID + 1));
        add(&mut rig, ID + 2, &third);
        rig.start();
        rig.settle();

        rig.perform(&Step::Write(ID + 2, 0..third.len()));
        rig.perform(&Step::Index(ID + 2, Layout::of(&third).end().to_string()));
        rig.settle();

        assert_arrived(&rig, &expected(ID + 2, &third).events);
    }
}

#[test]
fn a_segment_that_cannot_be_read_does_not_hold_up_later_ones() {
    let (first, third) = (plain(ID, &entries(10)), plain(ID + 2, &entries(30)[10..]));
    let mut rig = growing(Setup::default(), &first);
    let mut second = plain(ID + 1, &entries(10));
    second[6] ^= 1;
    add(&mut rig, ID + 1, &second);
    add(&mut rig, ID + 2, &third);
    rig.start();

    rig.perform(&Step::Write(ID + 2, 0..third.len()));
    rig.settle();

    assert_arrived(&rig, &expected(ID + 2, &third).events);
}

#[test]
fn i1_what_is_written_to_an_older_segment_before_a_newer_one_shows_data_goes_first() {
    let frames = entries(20);
    let (first, second) = (plain(ID, &frames), plain(ID + 1, &frames));
    let mut rig = growing(Setup::default(), &first);
    add(&mut rig, ID + 1, &second);
    rig.start();
    rig.settle();

    rig.perform(&Step::Write(ID, 0..first.len()));
    rig.perform(&Step::Write(ID + 1, 0..second.len()));
    rig.settle();

    assert_eq!(rig.events(), [expected(ID, &first).events, expected(ID + 1, &second).events].concat());
}

#[test]
fn a_mutation_with_more_events_than_the_window_is_delivered_across_crashes() {
    let large = entry(|entry| entry.published.len() > 12);
    let frames = [entries(3), vec![large.frame], entries(3)].concat();
    let bytes = plain(ID, &frames);
    for window in 1..5 {
        let mut rig = Rig::new(Setup { window, ..Setup::default() }, catalog());
        rig.put(ID, bytes.clone());
        let mut runs = 0;
        while !rig.left().is_empty() {
            runs += 1;
            assert!(runs < 100, "no progress with a window of {window}");
            rig.start();
            (0..3).for_each(|_| rig.turn(Duration::from_millis(10)).expect("a turn"));
            rig.crash();
            rig.store.reopen();
        }

        let repeats = assert_arrived(&rig, &expected(ID, &bytes).events);
        assert!(repeats <= runs * window, "{repeats} repeats in {runs} runs with a window of {window}");
    }
}

#[test]
fn a_start_behind_any_entry_sends_exactly_the_rest() {
    let each_in_its_section: Vec<Vec<Vec<u8>>> = entries(30).into_iter().map(|entry| vec![entry]).collect();
    let bytes = segment::plain(ID, &each_in_its_section, 0);
    let sections = Layout::of(&bytes).sections;
    assert_eq!(sections.len(), 30);
    let mut came_later = 0;
    for (n, section) in sections.iter().enumerate() {
        let mut rig = growing(Setup::default(), &bytes);
        rig.perform(&Step::Write(ID, 0..section.end));
        rig.start();
        rig.settle();
        let before = rig.events();
        rig.crash();
        rig.store.reopen();

        rig.perform(&Step::Write(ID, section.end..bytes.len()));
        rig.start();
        rig.settle();

        assert_eq!(rig.events(), expected(ID, &bytes).events, "killed behind entry {n}");
        assert!(rig.events().starts_with(&before), "what had come before entry {n} stays");
        came_later += usize::from(before.len() < rig.events().len());
    }
    assert!(came_later > 20, "only {came_later} starts had anything to send");
}

#[test]
fn a_failed_delivery_goes_back_to_the_durable_checkpoint() {
    for fault in [Fault::Lost, Fault::ArrivedAllTheSame] {
        let bytes = plain(ID, &entries(40));
        let faults = Faults { script: BTreeMap::from([(17, fault.clone())]), ..Faults::default() };
        let mut rig = Rig::new(Setup { faults, window: 10, ..Setup::default() }, catalog());
        rig.put(ID, bytes.clone());
        rig.start();

        rig.settle();

        let repeats = assert_arrived(&rig, &expected(ID, &bytes).events);
        assert!(repeats <= 10, "{repeats}");
        assert_eq!(rig.errors(), ["delivery failed: failed by the model"]);
        assert_eq!(rig.left(), Vec::<String>::new());
    }
}

#[test]
fn a_failed_delivery_is_tried_again_after_a_pause() {
    let bytes = plain(ID, &entries(4));
    let script: BTreeMap<u64, Fault> = (0..3).map(|send| (send, Fault::Lost)).collect();
    let mut rig = Rig::new(Setup { faults: Faults { script, ..Faults::default() }, window: 1, ..Setup::default() }, catalog());
    rig.put(ID, bytes.clone());
    rig.start();

    rig.turn(Duration::from_millis(1)).expect("a turn");
    for _ in 0..20 {
        rig.turn(Duration::from_millis(1)).expect("a turn");
    }
    assert!(rig.events().is_empty(), "it waits");
    rig.settle();

    assert_arrived(&rig, &expected(ID, &bytes).events);
    assert_eq!(rig.errors(), ["delivery failed: failed by the model"], "said when it begins, not at each attempt");
}

#[test]
fn what_the_sink_wants_remembered_is_saved_before_anything_is_sent() {
    let mut rig = Rig::new(Setup::default(), catalog());
    rig.put(ID, plain(ID, &entries(4)));

    rig.start();

    assert!(rig.store.meta().expect("readable").contains_key("sink"));
    assert_eq!(rig.arrived.count(), 0);
}
