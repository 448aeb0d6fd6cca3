//! What is missing between segments: said, on record, acknowledged.

use super::place::{Ended, Place};
use super::support::process::ringtail;
use std::fs;

/// An id behind the segment of the quick start.
const LATER: u64 = 1_795_374_647_660;

fn ask(place: &Place, words: &[&str], arguments: &[&str]) -> Ended {
    let config = place.config().display().to_string();
    let fixed = words.iter().copied().chain(["--config", &config]);
    Ended::of(&ringtail(fixed.chain(arguments.iter().copied())).output().expect("the binary starts"))
}

#[track_caller]
fn assert_audit(place: &Place, code: i32, text: &str) {
    let ended = ask(place, &["audit"], &[]);
    assert_eq!(ended.code, Some(code), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains(text), "expected: {text}\nfound:\n{}", ended.out);
}

#[test]
fn i10_a_refusal_of_the_node_ends_every_audit_with_65_until_it_is_acknowledged() {
    let place = Place::new().with("source", "{ cdc_raw: @/cdc_raw, commitlog: @/commitlog, rescan: 100ms }");
    fs::create_dir(place.path("commitlog")).expect("a folder");
    let name = |id: u64| place.path("commitlog").join(format!("CommitLog-7-{id}.log"));
    let mut agent = place.start();
    agent.wait_for("segment finished");
    assert_audit(&place, 0, "nothing is lost, nothing is set aside");

    [LATER, LATER + 1].iter().for_each(|id| fs::write(name(*id), b"").expect("a segment"));

    let said = format!("segments {LATER} to {} were made without a name in cdc_raw: the node refused CDC writes", LATER + 1);
    agent.wait_for(&said);
    let screen = ask(&place, &["status"], &[]);
    agent.wait_until("the state is shown", |status| status["gaps"]["node_refuses"].as_bool() == Some(true));
    assert!(ask(&place, &["status"], &[]).out.contains("missing     the node REFUSES CDC writes; "), "{}", screen.out);
    assert_audit(&place, 65, &format!("gap:1      suspicious (refused): {said}"));
    assert_eq!(agent.stop().0, Some(0));
    [LATER, LATER + 1].iter().for_each(|id| fs::remove_file(name(*id)).expect("a segment"));
    assert_audit(&place, 65, "nothing is lost; set aside: 0 parked entries, 0 quarantined segments, 1 gaps to look at");

    let mut agent = place.start();
    agent.wait_for("found in a former run, and not acknowledged");
    let status = agent.wait_until("it stays on record", |status| status["gaps"]["suspicious"].as_u64() == Some(1));
    assert_eq!(status["gaps"]["node_refuses"].as_bool(), Some(false), "the state is over");
    let noted = ask(&place, &["audit", "acknowledge"], &["gap:1", "--reason", "cdc_total_space was raised"]);
    assert_eq!(noted.code, Some(0), "{}", noted.err);
    assert_audit(&place, 0, "nothing is lost, nothing is set aside");
    assert_eq!(agent.stop().0, Some(0));
    assert_audit(&place, 0, ": cdc_total_space was raised\n");
}

#[test]
fn i10_an_index_without_a_segment_ends_every_audit_with_70_until_it_is_acknowledged() {
    let place = Place::new();
    let mut agent = place.start();
    agent.wait_for("segment finished");

    fs::write(place.cdc_raw().join(format!("CommitLog-7-{LATER}_cdc.idx")), b"4711").expect("an index");

    agent.wait_for("segment lost: its index is there and it is not");
    assert_audit(&place, 70, "LOST and not acknowledged: 1 segments, 0 gaps");
    assert_eq!(agent.stop().0, Some(0));
    assert_audit(&place, 70, &format!("lost (never_linked) CommitLog-7-{LATER}.log: its index is there and it is not"));
    let mut agent = place.start();
    agent.wait_for("lost in a former run, and not acknowledged");
    agent.wait_until("it is counted", |status| status["gaps"]["lost"].as_u64() == Some(1));

    let noted = ask(&place, &["audit", "acknowledge"], &[&LATER.to_string(), "--reason", "the table was rebuilt"]);

    assert_eq!(noted.code, Some(0), "{}", noted.err);
    assert_audit(&place, 0, "nothing is lost, nothing is set aside");
    assert_eq!(agent.stop().0, Some(0));
    let mut agent = place.start();
    agent.wait_until("it is not reported any more", |status| status["ready"].as_bool() == Some(true));
    assert!(!agent.log().contains("lost"), "{}", agent.log());
    assert_eq!(agent.stop().0, Some(0));
}
