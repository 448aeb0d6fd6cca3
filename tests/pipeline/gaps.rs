//! What is missing: each rule of `docs/gaps.md`, over real folders.

use crate::log::{catalog, entries, expected, plain};
use crate::rig::{Rig, Setup};
use crate::support::expected as consumer;
use crate::support::node::{Content, Step};
use ringtail::checkpoint::{Acknowledgement, Gap, Judgement, LossCause, SegmentState, UnixMillis};
use std::fs;
use std::time::Duration;

const ID: u64 = 4000;

fn rig(setup: Setup) -> Rig {
    Rig::new(setup, catalog())
}

/// So many seconds, a turn a second.
fn pass(rig: &mut Rig, seconds: u64) {
    (0..seconds).for_each(|_| rig.turn(Duration::from_secs(1)).expect("nothing that ends the process"));
}

/// A segment that the node still writes to: it stays in `cdc_raw`.
fn open(rig: &mut Rig, id: u64) {
    let content = Content { name: consumer::name(id), bytes: plain(id, &entries(2)), header: 20, grows: false, cdc: true };
    rig.contents.insert(id, content);
    for step in [Step::Create(id), Step::Link(id), Step::Write(id, 0..100_000)] {
        rig.perform(&step);
    }
}

fn gaps(rig: &mut Rig) -> Vec<Gap> {
    rig.pipeline().ledger().gaps()
}

fn counts(rig: &Rig) -> [u64; 2] {
    ["suspicious", "lost"].map(|judgement| rig.metric(&format!("ringtail_gaps{{judgement=\"{judgement}\"}}")))
}

fn acknowledge(rig: &mut Rig, name: &str) {
    let asked = Acknowledgement { names: vec![name.into()], reason: "looked at".into() };
    asked.apply(rig.pipeline().ledger_mut(), UnixMillis(1)).expect("a ledger");
}

#[test]
fn ids_that_are_missing_while_the_node_runs_are_suspicious_until_somebody_has_looked() {
    let mut rig = rig(Setup::default());
    open(&mut rig, ID);
    rig.start();
    pass(&mut rig, 3);
    open(&mut rig, ID + 3);

    pass(&mut rig, 59);
    assert_eq!((gaps(&mut rig), counts(&rig)), (Vec::new(), [0, 0]), "they may come late");
    pass(&mut rig, 70);

    let found = gaps(&mut rig);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].cause, found[0].judgement, found[0].ids), (LossCause::Unseen, Judgement::Suspicious, Some((ID + 1, ID + 2))));
    assert!(found[0].text.starts_with("segments 4001 to 4002 never came into sight: the node was running"), "{}", found[0].text);
    for _ in 0..2 {
        rig.restart();
        pass(&mut rig, 70);
        assert_eq!((gaps(&mut rig), counts(&rig)), (found.clone(), [1, 0]), "one record, however often it is looked");
        assert!(rig.errors().iter().any(|error| error.contains("gap:1: segments 4001 to 4002")), "{:?}", rig.errors());
    }
    acknowledge(&mut rig, "gap:1");
    pass(&mut rig, 2);
    assert_eq!(counts(&rig), [0, 0]);
    rig.restart();
    pass(&mut rig, 70);
    assert_eq!((gaps(&mut rig).len(), counts(&rig), rig.errors()), (1, [0, 0], Vec::new()));
}

#[test]
fn a_segment_that_is_linked_late_is_not_missing() {
    let mut rig = rig(Setup::default());
    open(&mut rig, ID);
    rig.start();
    pass(&mut rig, 3);
    open(&mut rig, ID + 2);
    pass(&mut rig, 30);

    open(&mut rig, ID + 1);
    pass(&mut rig, 120);

    assert_eq!(gaps(&mut rig), []);
    assert_eq!(rig.record(ID + 1).state(), SegmentState::Open);
}

#[test]
fn a_time_that_a_restart_cuts_in_two_goes_on() {
    let mut rig = rig(Setup::default());
    open(&mut rig, ID);
    rig.start();
    pass(&mut rig, 3);
    open(&mut rig, ID + 2);
    pass(&mut rig, 40);

    rig.restart();
    pass(&mut rig, 30);

    assert_eq!(gaps(&mut rig).iter().map(|gap| gap.ids).collect::<Vec<_>>(), [Some((ID + 1, ID + 1))], "the node was watched then");
}

#[test]
fn a_jump_of_the_ids_at_a_new_start_of_the_node_is_harmless() {
    let mut rig = rig(Setup::default());
    open(&mut rig, ID);
    rig.start();
    pass(&mut rig, 3);

    open(&mut rig, ID + 76_000);
    open(&mut rig, ID + 76_001);
    pass(&mut rig, 70);

    assert_eq!((gaps(&mut rig), counts(&rig)), (Vec::new(), [0, 0]));
    assert_eq!(rig.metric("ringtail_gaps{judgement=\"harmless\"}"), 1);
}

/// Ids that are missing after nobody has looked for a while; `anchored`: the older segment is still in `cdc_raw`.
fn after_a_downtime(anchored: bool, node_removes: Option<bool>) -> Rig {
    let mut rig = rig(Setup { node_removes, ..Setup::default() });
    open(&mut rig, ID);
    rig.start();
    pass(&mut rig, 3);
    rig.crash();
    rig.store.reopen();
    if !anchored {
        rig.perform(&Step::Unlink(ID));
    }
    open(&mut rig, ID + 5);

    rig.start();
    pass(&mut rig, 70);
    rig
}

#[test]
fn ids_that_are_missing_after_a_downtime_are_harmless_while_older_segments_are_there() {
    for node_removes in [None, Some(false), Some(true)] {
        let mut rig = after_a_downtime(true, node_removes);

        assert_eq!((gaps(&mut rig), counts(&rig)), (Vec::new(), [0, 0]), "{node_removes:?}");
    }
}

#[test]
fn ids_that_are_missing_after_a_downtime_are_harmless_if_the_node_removes_no_cdc_data() {
    let mut rig = after_a_downtime(false, Some(false));

    assert_eq!((gaps(&mut rig), counts(&rig)), (Vec::new(), [0, 0]));
}

#[test]
fn ids_that_are_missing_after_a_downtime_are_suspicious_if_the_node_may_have_removed_them() {
    for (node_removes, why) in [(Some(true), "cdc_block_writes: false"), (None, "source.cassandra_yaml")] {
        let mut rig = after_a_downtime(false, node_removes);

        let found = gaps(&mut rig);
        assert_eq!(found.iter().map(|gap| (gap.judgement, gap.ids)).collect::<Vec<_>>(), [(Judgement::Suspicious, Some((ID + 1, ID + 4)))]);
        assert!(found[0].text.contains(why), "{}", found[0].text);
        assert_eq!(counts(&rig), [1, 0]);
    }
}

#[test]
fn a_name_that_the_node_removes_is_harmless_as_long_as_our_link_is_there() {
    let bytes = plain(ID, &entries(10));
    let mut rig = rig(Setup { node_removes: Some(true), ..Setup::default() });
    rig.put(ID, bytes.clone());
    fs::remove_file(rig.node.index(&rig.contents[&ID])).expect("the index");
    fs::hard_link(rig.node.link(&rig.contents[&ID]), rig.node.commitlog().join("own")).expect("the node's own name");
    rig.start_without_sink();
    pass(&mut rig, 2);

    rig.perform(&Step::Unlink(ID));
    pass(&mut rig, 2);
    rig.begin();
    pass(&mut rig, 2);

    assert_eq!(rig.events().len(), expected(ID, &bytes).events.len());
    assert_eq!((gaps(&mut rig), counts(&rig)), (Vec::new(), [0, 0]));
    assert_eq!(rig.metric("ringtail_gaps{judgement=\"harmless\"}"), 1, "counted once");
}

#[test]
fn an_index_whose_segment_was_never_there_is_a_loss() {
    let mut rig = rig(Setup::default());
    open(&mut rig, ID);
    rig.start();
    pass(&mut rig, 3);

    fs::write(rig.node.cdc_raw().join(consumer::name(ID + 1).index()), "100").expect("a writable folder");
    open(&mut rig, ID + 2);
    pass(&mut rig, 70);

    assert!(rig.pipeline().has_lost());
    assert_eq!(rig.record(ID + 1).state(), SegmentState::Lost(LossCause::NeverLinked));
    assert_eq!((gaps(&mut rig), counts(&rig)), (Vec::new(), [0, 1]), "it is not missed once more as an id");
    rig.restart();
    pass(&mut rig, 70);
    assert_eq!((gaps(&mut rig), counts(&rig)), (Vec::new(), [0, 1]));
    assert!(rig.errors().iter().any(|error| error.contains("CommitLog-7-4001.log")), "{:?}", rig.errors());
    acknowledge(&mut rig, "4001");
    pass(&mut rig, 2);
    assert_eq!(counts(&rig), [0, 0]);
}

#[test]
fn ids_in_front_of_a_lone_index_that_came_while_nobody_looked_are_no_new_start_of_the_node() {
    let mut rig = rig(Setup { node_removes: Some(true), ..Setup::default() });
    open(&mut rig, ID);
    rig.start();
    pass(&mut rig, 3);
    rig.crash();
    rig.store.reopen();
    rig.perform(&Step::Unlink(ID));
    fs::write(rig.node.cdc_raw().join(consumer::name(ID + 5000).index()), "100\nCOMPLETED").expect("a writable folder");
    open(&mut rig, ID + 5002);

    rig.start();
    pass(&mut rig, 70);

    assert_eq!(rig.record(ID + 5000).state(), SegmentState::Lost(LossCause::NeverLinked));
    let found: Vec<_> = gaps(&mut rig).iter().map(|gap| (gap.judgement, gap.ids)).collect();
    let suspicious = |first, last| (Judgement::Suspicious, Some((first, last)));
    assert_eq!(found, [suspicious(ID + 1, ID + 4999), suspicious(ID + 5001, ID + 5001)]);
    assert_eq!(counts(&rig), [2, 1]);
}

#[test]
fn an_index_that_is_older_than_everything_on_record_is_harmless() {
    let mut rig = rig(Setup::default());
    fs::write(rig.node.cdc_raw().join(consumer::name(ID - 1).index()), "100\nCOMPLETED").expect("a writable folder");
    open(&mut rig, ID);
    rig.start();

    pass(&mut rig, 5);

    assert!(!rig.pipeline().has_lost());
    assert_eq!(counts(&rig), [0, 0]);
    assert_eq!(rig.metric("ringtail_gaps{judgement=\"harmless\"}"), 1);
}

/// The node makes a segment and does not link it.
fn unlinked(rig: &mut Rig, id: u64) {
    let content = Content { name: consumer::name(id), bytes: plain(id, &entries(2)), header: 20, grows: false, cdc: false };
    rig.contents.insert(id, content);
    rig.perform(&Step::Create(id));
}

#[test]
fn a_node_that_refuses_cdc_writes_is_said_as_long_as_it_does_and_stays_on_record() {
    let mut rig = rig(Setup { commitlog: true, ..Setup::default() });
    open(&mut rig, ID);
    rig.start();
    pass(&mut rig, 3);
    unlinked(&mut rig, ID + 1);
    pass(&mut rig, 10);
    assert_eq!(rig.metric("ringtail_node_refuses_cdc"), 0, "the spare one may be linked when it is written to");

    unlinked(&mut rig, ID + 2);
    pass(&mut rig, 1);
    assert_eq!(rig.metric("ringtail_node_refuses_cdc"), 0, "the link comes after the file");
    pass(&mut rig, 5);
    assert_eq!((rig.metric("ringtail_node_refuses_cdc"), counts(&rig)), (1, [1, 0]));
    rig.perform(&Step::Discard(ID + 1));
    unlinked(&mut rig, ID + 3);
    rig.restart();
    pass(&mut rig, 5);
    assert_eq!(rig.metric("ringtail_node_refuses_cdc"), 1);

    for id in [ID + 2, ID + 3] {
        rig.perform(&Step::Discard(id));
    }
    open(&mut rig, ID + 4);
    pass(&mut rig, 70);

    assert_eq!((rig.metric("ringtail_node_refuses_cdc"), counts(&rig)), (0, [1, 0]), "it stays on record");
    let found = gaps(&mut rig);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].cause, found[0].ids), (LossCause::Refused, Some((ID + 1, ID + 3))));
    assert!(found[0].text.starts_with("segments 4001 to 4003 were made without a name in cdc_raw: the node refused"), "{}", found[0].text);
    acknowledge(&mut rig, "gap:1");
    pass(&mut rig, 2);
    assert_eq!(counts(&rig), [0, 0]);
}

#[test]
fn a_node_that_removes_the_oldest_segments_refuses_nothing() {
    let mut rig = rig(Setup { commitlog: true, node_removes: Some(true), ..Setup::default() });
    open(&mut rig, ID);
    rig.start();
    pass(&mut rig, 3);

    unlinked(&mut rig, ID + 1);
    unlinked(&mut rig, ID + 2);
    pass(&mut rig, 10);

    assert_eq!((rig.metric("ringtail_node_refuses_cdc"), counts(&rig)), (0, [0, 0]));
}
