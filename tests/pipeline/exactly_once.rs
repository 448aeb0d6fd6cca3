//! Batches of events and positions: what is seen once, what holds at start, and when nobody can tell.

use crate::log::{assert_arrived, catalog, entries, entry, expected, plain};
use crate::rig::{Rig, Setup};
use crate::support::expected as consumer;
use crate::support::node::{Content, Step};
use ringtail::checkpoint::{Ledger, MemoryStore, Moved, SegmentKey, UnixMillis};
use ringtail::pipeline::Fatal;
use ringtail::position::{LogicalPosition, SegmentId};
use ringtail::sink::Positions;
use std::fs;
use std::time::Duration;

const ID: u64 = 4000;

fn setup() -> Setup {
    Setup { exactly_once: true, ..Setup::default() }
}

/// A segment that the node still writes to, with all of `bytes`.
fn open_segment(setup: Setup, bytes: &[u8]) -> Rig {
    let mut rig = Rig::new(setup, catalog());
    let content = Content { name: consumer::name(ID), bytes: bytes.to_vec(), header: 20, grows: false, cdc: true };
    rig.contents.insert(ID, content);
    for step in [Step::Create(ID), Step::Link(ID), Step::Write(ID, 0..bytes.len())] {
        rig.perform(&step);
    }
    rig
}

fn committed(rig: &Rig) -> Vec<Positions> {
    let mut all = Vec::new();
    rig.committed(|committed| all.clone_from(committed));
    all
}

fn first_error(rig: &mut Rig) -> Fatal {
    for _ in 0..50 {
        if let Err(error) = rig.turn(Duration::from_millis(110)) {
            return error;
        }
    }
    panic!("nothing ended the process");
}

#[test]
fn the_first_batch_claims_and_the_events_of_an_entry_are_in_one() {
    // Several events, and a window for one.
    let many = entry(|entry| entry.published.len() > 2);
    let bytes = plain(ID, &[entries(5), vec![many.frame], entries(9)[5..].to_vec()].concat());
    let mut rig = open_segment(Setup { window: 1, ..setup() }, &bytes);

    rig.start();
    rig.settle();

    assert_eq!(assert_arrived(&rig, &expected(ID, &bytes).events), 0);
    let committed = committed(&rig);
    assert_eq!(committed[0].segments, [], "nothing was delivered before");
    assert!(committed.iter().map(|positions| positions.seq).eq(1..=committed.len() as u64), "{committed:?}");
    assert!(committed.iter().flat_map(|positions| &positions.segments).all(|listed| listed.delivered_to.ordinal == 0), "{committed:?}");
    assert!(committed.len() > 5, "a small window ends batches early");
}

#[test]
fn an_agent_with_nothing_to_send_commits_now_and_then() {
    let bytes = plain(ID, &entries(5));
    let mut rig = open_segment(setup(), &bytes);
    rig.start();
    rig.settle();
    let before = committed(&rig);
    rig.settle();
    assert_eq!(committed(&rig).len(), before.len(), "nothing to say");

    rig.turn(Duration::from_secs(61)).expect("a turn");
    rig.settle();

    let after = committed(&rig);
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after.last().expect("one").segments, before.last().expect("one").segments);
}

#[test]
fn records_that_are_gone_end_the_run_until_somebody_decides() {
    let bytes = plain(ID, &entries(20));
    let mut rig = open_segment(setup(), &bytes);
    rig.start();
    rig.settle();
    let before = rig.events().len();
    rig.crash();
    rig.store.reopen();
    rig.committed(|committed| committed.truncate(1));
    rig.start();

    let error = first_error(&mut rig);
    assert!(matches!(error, Fatal::Positions(_)), "{error}");
    assert!(error.to_string().contains("of batch 1") && error.to_string().contains("checkpoint rewind"), "{error}");
    rig.crash();
    rig.store.reopen();
    let mut ledger = Ledger::load(Box::new(rig.store.clone())).expect("a ledger");
    let to = LogicalPosition(committed_to(&ledger) / 2);
    let moved = ledger.rewind(SegmentKey::first(SegmentId(ID)), to, "the topic was made anew", UnixMillis(1)).expect("a ledger");
    assert!(matches!(moved, Moved::From(_)), "{moved:?}");
    ledger.save().expect("memory");
    drop(ledger);
    rig.store.reopen();
    rig.start();
    rig.settle();

    let events = rig.events();
    assert!(events.len() > before, "what lies behind the position is delivered again");
    assert!(events.len() < before * 2, "and what lies before it is not");
}

fn committed_to(ledger: &Ledger) -> u32 {
    ledger.get(SegmentKey::first(SegmentId(ID))).expect("a record").delivered_to.position.0
}

#[test]
fn a_lost_ledger_is_rebuilt_and_what_it_had_parked_is_named() {
    let bytes = plain(ID, &entries(30));
    let half = bytes.len() / 2;
    let mut rig = open_segment(setup(), &bytes[..half]);
    rig.contents.get_mut(&ID).expect("it").bytes = bytes.clone();
    rig.start();
    rig.settle();
    let before = rig.events().len();
    assert!(before > 0);
    rig.committed(|committed| {
        let last = committed.last_mut().expect("a batch");
        last.park(std::iter::once(ringtail::sink::ParkedPosition { segment: ID, position: 50, to: None, reason: "unknown_table".into() }));
    });

    rig.crash();
    rig.store = MemoryStore::new();
    fs::remove_dir_all(rig.folder("spool")).expect("a folder");
    fs::create_dir(rig.folder("spool")).expect("a folder");
    rig.perform(&Step::Write(ID, half..bytes.len()));
    rig.start();
    rig.settle();

    assert_eq!(assert_arrived(&rig, &expected(ID, &bytes).events), 0, "nothing again");
    assert!(rig.events().len() > before);
    let gaps = rig.pipeline().ledger().gaps();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(gaps[0].text.contains("4000:50 was parked (unknown_table)"), "{gaps:?}");
    assert!(rig.pipeline().has_lost());
}

#[test]
fn a_restored_copy_of_the_ledger_goes_on_where_kafka_is() {
    let bytes = plain(ID, &entries(30));
    let mut rig = open_segment(setup(), &bytes);
    rig.start();
    for _ in 0..200 {
        rig.turn(Duration::from_millis(1)).expect("a turn");
        // The last saves are lost with the copy.
        if committed(&rig).len() == 3 {
            break;
        }
    }
    rig.crash();
    rig.store.crash();
    rig.start();
    rig.settle();

    assert_eq!(assert_arrived(&rig, &expected(ID, &bytes).events), 0);
}
