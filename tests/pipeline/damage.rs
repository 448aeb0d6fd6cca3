//! Damage costs what it takes and nothing more: it is named, counted, kept, and the rest is delivered.

use crate::log::{assert_arrived, catalog, entries, entry, expected, plain};
use crate::rig::{Rig, Setup, assert_adds_up};
use crate::support::expected::Event;
use crate::support::node::{Content, Step};
use crate::support::segment::{self, Layout};
use crate::support::{self};
use ringtail::cdc_raw::Finished;
use ringtail::checkpoint::SegmentState;
use ringtail::position::SegmentId;
use std::fs;
use std::time::Duration;

const ID: u64 = 4000;

/// Delivers a damaged segment and a whole one behind it; answers the rig and what the damaged one could still give.
fn deliver(harm: impl FnOnce(&mut Vec<u8>, &Layout)) -> (Rig, Vec<Event>) {
    let mut bytes = plain(ID, &entries(20));
    let layout = Layout::of(&bytes);
    harm(&mut bytes, &layout);
    let whole = plain(ID + 1, &entries(12));
    let mut rig = Rig::new(Setup::default(), catalog());
    rig.put(ID, bytes.clone());
    rig.put(ID + 1, whole.clone());

    rig.start();
    rig.settle();

    let readable = support::expected::Reader::new(catalog(), &|_| false).read(support::expected::name(ID), &bytes);
    let readable = readable.map(|expected| expected.events).unwrap_or_default();
    assert_arrived(&rig, &[readable.clone(), expected(ID + 1, &whole).events].concat());
    assert_eq!(rig.left(), Vec::<String>::new());
    assert_eq!(rig.record(ID).state(), SegmentState::Quarantined);
    assert_eq!(rig.record(ID + 1).state(), SegmentState::Finished(ringtail::checkpoint::Ending::Deleted));
    assert_eq!(fs::read(rig.folder("quarantine").join(format!("CommitLog-7-{ID}.log"))).expect("the whole file"), bytes);
    assert_adds_up(ID, &rig.record(ID));
    (rig, readable)
}

fn all() -> usize {
    expected(ID, &plain(ID, &entries(20))).events.len()
}

#[test]
fn i5_a_flipped_byte_in_an_entry_costs_that_entry() {
    let (rig, readable) = deliver(|bytes, layout| bytes[layout.sections[1].start + 8 + 12] ^= 0x40);

    assert!(readable.len() < all());
    let record = rig.record(ID);
    let [range] = &record.damage[..] else { panic!("{:?}", record.damage) };
    assert_eq!((range.kind.as_str(), range.bytes), ("entry", record.bytes.file.damaged));
    assert_eq!(record.bytes.logical.damaged, record.bytes.file.damaged);
    assert_eq!(rig.metric("ringtail_damaged_bytes_total{kind=\"entry\"}"), range.bytes);
    let error = &rig.errors()[0];
    assert!(
        error.starts_with("entry checksum mismatch: expected 0x") && error.contains(&format!("in segment {ID} at file offsets")),
        "{error}"
    );
}

#[test]
fn i5_a_flipped_byte_in_a_marker_is_damage_where_it_stands() {
    let (rig, readable) = deliver(|bytes, layout| bytes[layout.sections[2].start + 5] ^= 1);

    assert!(readable.len() < all(), "the section behind the marker cannot be trusted");
    let record = rig.record(ID);
    assert_eq!(record.damage.iter().map(|range| range.kind.as_str()).collect::<Vec<_>>(), ["marker"]);
    assert_eq!(rig.metric("ringtail_damaged_bytes_total{kind=\"marker\"}"), record.bytes.file.damaged);
    assert!(rig.errors()[0].starts_with("sync marker checksum mismatch: expected 0x"), "{:?}", rig.errors());
}

#[test]
fn i5_a_segment_that_is_cut_short_gives_what_is_there() {
    let (rig, readable) = deliver(|bytes, layout| bytes.truncate(layout.sections[2].start + 8 + 20));

    assert!(!readable.is_empty() && readable.len() < all());
    // The marker that points behind the end, and the entry that is not whole.
    assert_eq!(rig.record(ID).damage.len(), 2);
    assert_eq!(rig.errors().len(), 2, "{:?}", rig.errors());
}

#[test]
fn i5_a_wrong_header_keeps_the_whole_file_and_the_next_segment_goes_on() {
    let (rig, readable) = deliver(|bytes, _| bytes[6] ^= 1);

    assert_eq!(readable, []);
    let record = rig.record(ID);
    assert_eq!(record.bytes.file.damaged, record.bytes.file.length);
    assert!(record.cause.as_deref().is_some_and(|cause| cause.starts_with("segment header checksum mismatch")), "{:?}", record.cause);
    assert_eq!(rig.metric("ringtail_damaged_bytes_total{kind=\"segment\"}"), record.bytes.file.length);
    assert_eq!(rig.errors().len(), 1, "{:?}", rig.errors());
}

#[test]
fn an_unknown_version_is_never_guessed_at() {
    let (rig, readable) = deliver(|bytes, layout| bytes[..layout.header].copy_from_slice(&segment::header(9, ID, "{}")));

    assert_eq!(readable, []);
    let cause = rig.record(ID).cause.expect("a cause");
    assert!(cause.starts_with("descriptor version 9 is not supported"), "{cause}");
}

#[test]
fn a_segment_that_cannot_be_read_is_an_error_only_when_the_node_is_done_with_it() {
    let mut bytes = plain(ID, &entries(5));
    bytes[6] ^= 1;
    let mut rig = Rig::new(Setup::default(), catalog());
    let name = support::expected::name(ID);
    rig.contents.insert(ID, Content { name, bytes, header: 20, grows: false, cdc: true });
    rig.perform(&Step::Create(ID));
    rig.perform(&Step::Link(ID));
    rig.start();

    rig.settle();
    assert_eq!(rig.errors(), Vec::<String>::new());
    assert_eq!(rig.record(ID).state(), SegmentState::Open, "the node may still write to it");
    rig.perform(&Step::Discard(ID));
    rig.settle();

    assert_eq!(rig.errors().len(), 1, "{:?}", rig.errors());
    assert_eq!(rig.record(ID).state(), SegmentState::Quarantined);
}

#[test]
fn i10_a_segment_in_quarantine_is_reported_in_every_run() {
    let (mut rig, _) = deliver(|bytes, layout| bytes[layout.sections[1].start + 8 + 12] ^= 0x40);
    let events = rig.events();

    for _ in 0..2 {
        rig.restart();
        rig.settle();
        assert_eq!(rig.metric("ringtail_segments{state=\"quarantined\"}"), 1);
        assert!(rig.errors().iter().any(|error| error.contains(&ID.to_string()) && error.contains("quarantine")), "{:?}", rig.errors());
    }
    assert_eq!(rig.events(), events, "nothing of it is sent again");
    assert_eq!(rig.metric("ringtail_damaged_bytes_total{kind=\"entry\"}"), rig.record(ID).bytes.file.damaged, "counted once");
}

#[test]
fn a_damaged_file_that_is_kept_where_it_was_is_not_delivered_again() {
    let mut bytes = plain(ID, &entries(20));
    let layout = Layout::of(&bytes);
    bytes[layout.sections[1].start + 8 + 12] ^= 0x40;
    let mut rig = Rig::new(Setup { finished: Finished::Keep, ..Setup::default() }, catalog());
    rig.put(ID, bytes.clone());
    rig.start();
    rig.settle();

    rig.restart();
    rig.settle();

    let readable = expected(ID, &bytes).events;
    assert_eq!(assert_arrived(&rig, &readable), 0);
    assert_eq!(rig.record(ID).state(), SegmentState::Quarantined);
    assert_eq!(rig.node.left().len(), 2, "nothing in cdc_raw is removed");
    assert_eq!(fs::read_dir(rig.folder("spool")).expect("a folder").count(), 0);
}

#[test]
fn damage_in_a_compressed_section_that_grows_costs_the_same_as_in_a_final_one() {
    // One section of many entries, and a literal byte of it flipped: it decompresses, and one entry does not verify.
    let frames = entries(12);
    let mut damaged = frames.clone();
    damaged[6][20] ^= 1;
    let bytes = segment::lz4(ID, &[damaged]);
    let readable = expected(ID, &bytes);
    assert_eq!((readable.entries, readable.damages), (11, 1));
    let mut rig = Rig::new(Setup::default(), catalog());
    let layout = Layout::of(&bytes);
    let content = Content { name: support::expected::name(ID), header: layout.header, bytes: bytes.clone(), grows: true, cdc: true };
    assert_eq!(content.name.id, SegmentId(ID));
    rig.contents.insert(ID, content);
    let end = bytes.len();
    for step in [Step::Create(ID), Step::Link(ID), Step::Write(ID, layout.header..end), Step::Index(ID, "5000".into())] {
        rig.perform(&step);
    }
    rig.start();
    rig.turn(Duration::from_millis(10)).expect("a turn");
    rig.turn(Duration::from_millis(10)).expect("a turn");

    rig.perform(&Step::Index(ID, "5000\nCOMPLETED".into()));
    rig.settle();

    assert_arrived(&rig, &readable.events);
}

#[test]
fn told_to_halt_it_reads_nothing_behind_the_damage_until_it_is_started_with_quarantine() {
    let mut bytes = plain(ID, &entries(20));
    let layout = Layout::of(&bytes);
    bytes[layout.sections[1].start + 8 + 12] ^= 0x40;
    let before = expected(ID, &segment::cut(&bytes, 1)).events;
    let readable = expected(ID, &bytes).events;
    let whole = plain(ID + 1, &entries(12));
    let mut rig = Rig::new(Setup { halt_on_damage: true, ..Setup::default() }, catalog());
    rig.put(ID, bytes);
    rig.put(ID + 1, whole.clone());

    for _ in 0..2 {
        rig.start();
        for _ in 0..50 {
            rig.turn(Duration::from_millis(10)).expect("a turn");
        }
        assert_arrived(&rig, &before);
        let obstacle = rig.obstacle().expect("it is not ready");
        assert!(obstacle.contains("entry checksum mismatch") && obstacle.contains("source.on_damage is halt"), "{obstacle}");
        assert!(rig.pipeline().halted().is_some());
        assert_eq!(rig.record(ID + 1).state(), SegmentState::Open, "linked, not read");
        rig.crash();
    }
    rig.halt_on_damage(false);
    rig.start();
    rig.settle();

    assert_arrived(&rig, &[readable, expected(ID + 1, &whole).events].concat());
    assert_eq!(rig.record(ID).state(), SegmentState::Quarantined);
}

#[test]
fn told_to_halt_it_leaves_a_segment_that_cannot_be_read_at_all_where_it_is() {
    let mut bytes = plain(ID, &entries(20));
    bytes[5] ^= 1;
    let mut rig = Rig::new(Setup { halt_on_damage: true, ..Setup::default() }, catalog());
    rig.put(ID, bytes);

    rig.start();
    for _ in 0..50 {
        rig.turn(Duration::from_millis(10)).expect("a turn");
    }

    assert!(rig.obstacle().is_some_and(|obstacle| obstacle.contains("source.on_damage is halt")));
    assert_eq!(rig.left(), [format!("CommitLog-7-{ID}.log")]);
    assert_eq!(fs::read_dir(rig.folder("quarantine")).expect("a folder").count(), 0);
}

/// Holds that everything that the damaged segment can give arrived, whatever arrived before it was damaged.
fn assert_all_arrived(rig: &Rig, bytes: &[u8]) {
    let arrived = rig.events();
    let readable = expected(ID, bytes);
    assert!(readable.damages > 0 && !readable.events.is_empty());
    for event in &readable.events {
        assert!(arrived.contains(event), "{} did not arrive", event.id);
    }
}

#[test]
fn i5_a_section_that_is_lost_between_two_runs_takes_nothing_behind_it_along() {
    let frames = entries(20);
    let sections: Vec<Vec<Vec<u8>>> = frames.chunks(4).map(<[Vec<u8>]>::to_vec).collect();
    let mut bytes = segment::lz4(ID, &sections);
    let layout = Layout::of(&bytes);
    let mut rig = Rig::new(Setup::default(), catalog());
    let content = Content { name: support::expected::name(ID), header: layout.header, bytes: bytes.clone(), grows: true, cdc: true };
    rig.contents.insert(ID, content);
    for step in [Step::Create(ID), Step::Link(ID), Step::Write(ID, layout.header..layout.sections[2].end), Step::Index(ID, "5000".into())] {
        rig.perform(&step);
    }
    rig.start();
    rig.settle();
    let before = rig.events();
    assert!(!before.is_empty());
    let delivered_to = rig.record(ID).delivered_to.position;
    rig.crash();

    // A marker that was read already, and the rest of the segment.
    bytes[layout.sections[1].start + 5] ^= 1;
    rig.contents.get_mut(&ID).expect("it is there").bytes = bytes.clone();
    rig.perform(&Step::Write(ID, layout.header..bytes.len()));
    rig.perform(&Step::Index(ID, "5000\nCOMPLETED".into()));
    rig.store.reopen();
    rig.start();
    rig.settle();

    assert_all_arrived(&rig, &bytes);
    assert_eq!(rig.record(ID).state(), SegmentState::Quarantined);
    assert!(rig.record(ID).delivered_to.position > delivered_to);
    assert_adds_up(ID, &rig.record(ID));
}

#[test]
fn i5_damage_to_a_mutation_that_is_half_delivered_takes_no_event_of_the_next() {
    let large = entry(|entry| entry.published.len() > 12);
    let frames = [entries(3), vec![large.frame.clone()], entries(6)].concat();
    let mut bytes = plain(ID, &frames);
    let mut rig = Rig::new(Setup { window: 3, ..Setup::default() }, catalog());
    rig.put(ID, bytes.clone());
    for _ in 0..100 {
        rig.start();
        (0..3).for_each(|_| rig.turn(Duration::from_millis(10)).expect("a turn"));
        rig.crash();
        rig.store.reopen();
        rig.start();
        if rig.record(ID).delivered_to.ordinal > 2 {
            break;
        }
        rig.crash();
    }
    assert!(rig.record(ID).delivered_to.ordinal > 2, "half of it has arrived");
    rig.crash();

    let at = bytes.windows(large.frame.len()).position(|window| window == large.frame).expect("it stands there");
    bytes[at + 12] ^= 1;
    // Only our own link is left.
    fs::write(rig.folder("spool").join(format!("CommitLog-7-{ID}.log")), &bytes).expect("a writable file");
    rig.store.reopen();
    rig.start();
    rig.settle();

    assert_all_arrived(&rig, &bytes);
    assert_eq!(rig.record(ID).state(), SegmentState::Quarantined);
    assert_adds_up(ID, &rig.record(ID));
}
