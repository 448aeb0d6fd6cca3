//! Names in `cdc_raw` that go early, the spool's limit, the share of the disk that stays free, the archive.

use crate::log::{assert_arrived, catalog, entries, expected, plain};
use crate::rig::{Rig, Setup, assert_adds_up};
use crate::support::node::names;
use ringtail::cdc_raw::Finished;
use ringtail::checkpoint::{Ending, LossCause, NamePresence, SegmentState};
use ringtail::config::{Full, Release, Spool};
use std::fs;
use std::time::Duration;

const ID: u64 = 4000;
const DELETED: SegmentState = SegmentState::Finished(Ending::Deleted);
const EARLY: Spool = Spool { limit: 1 << 40, full: Full::Hold, release: Release::Early, min_free: 0 };

fn file(id: u64) -> String {
    format!("CommitLog-7-{id}.log")
}

/// Three final segments that are seen, and nobody to send to.
fn seen(spool: Spool) -> (Rig, Vec<Vec<u8>>) {
    let contents: Vec<Vec<u8>> = [10, 12, 14].into_iter().map(|count| plain(ID, &entries(count))).collect();
    let contents: Vec<Vec<u8>> =
        contents.into_iter().zip(ID..).map(|(bytes, id)| crate::support::segment::reidentify(&bytes, id)).collect();
    let mut rig = Rig::new(Setup { spool, ..Setup::default() }, catalog());
    for (bytes, id) in contents.iter().zip(ID..) {
        rig.put(id, bytes.clone());
    }
    rig.start_without_sink();
    (0..3).for_each(|_| rig.turn(Duration::from_millis(10)).expect("a turn"));
    (rig, contents)
}

fn assert_all_delivered(rig: &Rig, contents: &[Vec<u8>]) {
    let events: Vec<_> = contents.iter().zip(ID..).flat_map(|(bytes, id)| expected(id, bytes).events).collect();
    assert_arrived(rig, &events);
    for id in ID..ID + contents.len() as u64 {
        assert_eq!(rig.record(id).state(), DELETED);
        assert_adds_up(id, &rig.record(id));
    }
    assert_eq!(rig.left(), Vec::<String>::new());
}

#[test]
fn names_of_what_waits_to_be_delivered_go_early_and_the_bytes_are_ours() {
    let (mut rig, contents) = seen(EARLY);

    assert_eq!(rig.node.left(), Vec::<String>::new(), "the node has its room again");
    assert_eq!(names(&rig.folder("spool")), [file(ID), file(ID + 1), file(ID + 2)]);
    for id in ID..ID + 3 {
        assert_eq!((rig.record(id).state(), rig.record(id).cdc_raw), (SegmentState::Open, NamePresence::Released), "segment {id}");
        assert!(rig.record(id).idx.is_some(), "the index is gone, and its value on record");
    }
    let held = contents.iter().map(Vec::len).sum::<usize>() as u64;
    assert_eq!(rig.metric("ringtail_spool_bytes"), held);

    rig.restart();
    rig.settle();
    assert_all_delivered(&rig, &contents);
}

#[test]
fn told_to_wait_for_delivery_no_name_goes_before() {
    let (mut rig, contents) = seen(Spool { release: Release::Delivered, ..EARLY });

    assert_eq!(rig.node.left().len(), 6);
    assert_eq!(rig.metric("ringtail_spool_bytes"), 0, "the node has a name for all of it");

    rig.begin();
    rig.settle();
    assert_all_delivered(&rig, &contents);
}

#[test]
fn a_segment_that_the_node_may_still_write_to_is_not_released() {
    let bytes = plain(ID, &entries(10));
    let mut rig = Rig::new(Setup { spool: EARLY, ..Setup::default() }, catalog());
    rig.put(ID, bytes.clone());
    let name = rig.node.link(&rig.contents[&ID]);
    fs::hard_link(&name, rig.node.commitlog().join(file(ID))).expect("the node's own name");
    fs::write(rig.node.index(&rig.contents[&ID]), "20").expect("an index that is not complete");
    rig.start_without_sink();
    (0..5).for_each(|_| rig.turn(Duration::from_millis(10)).expect("a turn"));

    assert_eq!(rig.node.left().len(), 2);
    assert_eq!(rig.record(ID).cdc_raw, NamePresence::Present);
}

#[test]
fn i3_a_crash_at_any_save_of_an_early_release_loses_nothing() {
    use ringtail::checkpoint::Fault;
    for fault in [Fault::BeforeWrite, Fault::BeforeDurable, Fault::AfterDurable] {
        for turns in 0..4 {
            let bytes = plain(ID, &entries(10));
            let mut rig = Rig::new(Setup { spool: EARLY, ..Setup::default() }, catalog());
            rig.put(ID, bytes.clone());
            rig.start_without_sink();
            (0..turns).for_each(|_| rig.turn(Duration::from_millis(10)).expect("a turn"));
            rig.store.fail_next(fault);
            (0..3).find(|_| rig.turn(Duration::from_millis(10)).is_err());
            rig.crash();
            rig.store.crash();

            rig.start();
            rig.settle();
            assert_all_delivered(&rig, &[bytes]);
        }
    }
}

#[test]
fn at_its_limit_the_spool_holds_and_names_stay_where_the_node_counts_them() {
    let first = plain(ID, &entries(10)).len() as u64;
    let (mut rig, contents) = seen(Spool { limit: first + 10, ..EARLY });

    assert_eq!(rig.node.left().len(), 4, "one is released, two are not: {:?}", rig.node.left());
    assert_eq!(names(&rig.folder("spool")).len(), 3, "all are linked");
    assert!(rig.errors().iter().any(|error| error.contains("state.spool.limit")), "{:?}", rig.errors());
    assert_eq!(rig.metric("ringtail_spool_limit_bytes"), first + 10);
    assert_eq!(rig.metric("ringtail_spool_bytes"), first);

    rig.begin();
    rig.settle();
    assert_all_delivered(&rig, &contents);
}

#[test]
fn i10_told_to_drop_the_oldest_it_records_what_is_lost() {
    let lengths: Vec<u64> = [10, 12, 14].into_iter().map(|count| plain(ID, &entries(count)).len() as u64).collect();
    let (mut rig, contents) = seen(Spool { limit: lengths[1] + lengths[2], full: Full::DropOldest, ..EARLY });

    assert_eq!(names(&rig.folder("spool")), [file(ID + 1), file(ID + 2)]);
    let record = rig.record(ID);
    assert_eq!(record.state(), SegmentState::Lost(LossCause::Dropped));
    assert!(record.cause.as_deref().is_some_and(|cause| cause.contains("drop_oldest") && cause.contains(&format!("{ID}:0"))), "{record:?}");
    assert_eq!(rig.metric("ringtail_lost_segments_total{cause=\"dropped\"}"), 1);
    assert_eq!(rig.metric("ringtail_lost_bytes_total{cause=\"dropped\"}"), lengths[0]);
    assert!(rig.pipeline().has_lost());
    assert!(rig.errors().iter().any(|error| error.contains("is lost")), "{:?}", rig.errors());

    rig.restart();
    rig.settle();
    let events: Vec<_> = contents.iter().zip(ID..).skip(1).flat_map(|(bytes, id)| expected(id, bytes).events).collect();
    assert_arrived(&rig, &events);
    assert_eq!(rig.metric("ringtail_segments{state=\"lost\"}"), 1, "until somebody acknowledges it");
}

#[test]
fn i3_a_crash_while_the_oldest_is_dropped_leaves_it_lost_or_whole() {
    use ringtail::checkpoint::Fault;
    let bytes = plain(ID, &entries(10));
    for fault in [Fault::BeforeWrite, Fault::BeforeDurable, Fault::AfterDurable] {
        for saves in 0..3 {
            let spool = Spool { limit: 10, full: Full::DropOldest, ..EARLY };
            let mut rig = Rig::new(Setup { spool: Spool { limit: 1 << 40, ..spool }, ..Setup::default() }, catalog());
            rig.put(ID, bytes.clone());
            rig.start_without_sink();
            (0..3).for_each(|_| rig.turn(Duration::from_millis(10)).expect("a turn"));
            rig.crash();
            rig.set_spool(spool);
            rig.start_without_sink();
            (0..saves).for_each(|_| rig.store.fail_next(fault));
            (0..3).find(|_| rig.turn(Duration::from_millis(10)).is_err());
            rig.crash();
            rig.store.crash();

            rig.set_spool(EARLY);
            rig.start();
            rig.settle();
            match rig.record(ID).state() {
                SegmentState::Lost(LossCause::Dropped) => assert_eq!(rig.events().len(), 0),
                _ => assert_all_delivered(&rig, std::slice::from_ref(&bytes)),
            }
        }
    }
}

#[test]
fn with_too_little_of_the_disk_free_nothing_new_is_linked_and_what_the_node_then_removes_is_lost() {
    let (mut rig, contents) = seen(Spool { min_free: 100, ..EARLY });

    assert_eq!(names(&rig.folder("spool")), Vec::<String>::new());
    assert!(rig.obstacle().is_some_and(|obstacle| obstacle.contains("state.spool.min_free")), "{:?}", rig.obstacle());
    let removed = rig.contents[&ID].clone();
    for name in [rig.node.link(&removed), rig.node.index(&removed)] {
        fs::remove_file(name).expect("the node's name");
    }
    rig.turn(Duration::from_millis(10)).expect("a turn");

    assert_eq!(rig.record(ID).state(), SegmentState::Lost(LossCause::NoSpace));
    assert_eq!(rig.metric("ringtail_lost_bytes_total{cause=\"no_space\"}"), contents[0].len() as u64);
    rig.crash();
    rig.store.reopen();
    rig.set_spool(EARLY);
    rig.start();
    rig.settle();
    let events: Vec<_> = contents.iter().zip(ID..).skip(1).flat_map(|(bytes, id)| expected(id, bytes).events).collect();
    assert_arrived(&rig, &events);
}

#[test]
fn finished_segments_go_to_the_archive_whole() {
    let bytes = plain(ID, &entries(10));
    let mut rig = Rig::new(Setup { finished: Finished::Archive, ..Setup::default() }, catalog());
    rig.put(ID, bytes.clone());
    rig.start();
    rig.settle();

    assert_arrived(&rig, &expected(ID, &bytes).events);
    assert_eq!(rig.record(ID).state(), SegmentState::Finished(Ending::Archived));
    assert_eq!(rig.left(), Vec::<String>::new());
    assert_eq!(fs::read(rig.folder("archive").join(file(ID))).expect("the archived segment"), bytes);
}

#[test]
fn told_to_keep_names_nothing_is_released() {
    let bytes = plain(ID, &entries(10));
    let mut rig = Rig::new(Setup { finished: Finished::Keep, spool: EARLY, ..Setup::default() }, catalog());
    rig.put(ID, bytes);
    rig.start_without_sink();
    (0..3).for_each(|_| rig.turn(Duration::from_millis(10)).expect("a turn"));

    assert_eq!(rig.node.left().len(), 2);
    rig.begin();
    rig.settle();
    assert_eq!(rig.node.left().len(), 2);
}
