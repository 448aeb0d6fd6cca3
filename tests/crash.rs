//! The real binary, killed at any moment, loses nothing: SIGKILL again and again while a node writes, one state folder over all of it.
//!
//! `RINGTAIL_KILLS` (50) and `RINGTAIL_SEED` change the run. A failure prints the seed; the kills still come when they come.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

#[path = "crash/scene.rs"]
mod scene;
mod support;

use ringtail::checkpoint::{Ending as Ended, Ledger, Opened, SegmentState, StateDir};
use scene::{Scene, WINDOW};
use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::SystemTime;
use support::audit::assert_adds_up;
use support::expected::{Event, Reader, compare, parked};
use support::lines::{lines, repeats_per_run};
use support::node::{Node, Step, names};
use support::plan::{Ending, Plan};
use support::recorded::Recorded;
use support::story::{self, together};

/// Kills for each time that the node writes all recordings.
const KILLS_PER_ROUND: u64 = 6;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

#[test]
fn the_recordings_hold_what_cassandras_own_reader_counted() {
    let recorded = Recorded::all();
    let none = |_: &Event| false;
    let mut reader = Reader::new(&recorded.catalog, &none);
    for recording in &recorded.segments {
        let name = support::expected::name(u64::from_be_bytes(recording.bytes[4..12].try_into().expect("an id")));
        let expected = reader.read(name, &recording.bytes).expect("a readable segment");

        let of = |event: &Event| {
            let batch = std::str::from_utf8(&event.content[2]).expect("text").split_once(';').expect("a position and an update");
            let position = batch.0.split_once(':').expect("segment and position").1.parse().expect("a number");
            (position, batch.1.split_once('/').expect("n of m").0.parse().expect("a number"))
        };
        // Whatever waits for a table that no schema knows.
        let events = expected.list.iter().flat_map(|entry| &entry.events);
        let found: BTreeSet<(u32, u32)> = events.map(|(_, _, event, _)| of(event)).collect();

        assert_eq!(found, recording.updates.iter().copied().collect(), "{}", recording.name);
    }
}

#[test]
fn i8_nothing_is_lost_or_disordered_and_little_is_repeated_across_kills() {
    let kills = setting("RINGTAIL_KILLS").unwrap_or(50);
    let time = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_micros() as u64 % 1_000_000_000;
    let seed = setting("RINGTAIL_SEED").unwrap_or_else(time);
    println!("RINGTAIL_SEED={seed} RINGTAIL_KILLS={kills}");
    let recorded = Recorded::all();
    let plan = story::plan(&recorded, seed, kills.div_ceil(KILLS_PER_ROUND).max(2));
    let expected = together(&story::expect(&recorded, &plan));
    let mut scene = Scene::new(seed, &recorded, plan);

    let steps = scene.plan.steps.len().div_ceil(kills as usize + 1);
    (0..kills).for_each(|_| scene.run_and_kill(steps));
    scene.finish();

    let agent = &scene.agent;
    let lines = lines(&agent.out());
    let verdict = compare(&expected.events, lines.iter().map(|(_, event)| event));
    let repeats = repeats_per_run(&lines, &scene.runs);
    println!(
        "{kills} kills, {} segments, {} events, {} arrived again, at most {} in one run",
        scene.plan.contents.len(),
        expected.events.len(),
        verdict.repeats,
        repeats.iter().max().unwrap_or(&0)
    );
    if !verdict.problems.is_empty() {
        let first: Vec<&str> = verdict.problems.iter().take(20).map(String::as_str).collect();
        agent.fail(&format!("{} problems:\n{}", verdict.problems.len(), first.join("\n")));
    }
    assert!(repeats.iter().all(|repeats| *repeats <= WINDOW), "more than {WINDOW} repeats: {repeats:?}; {}", agent.name());
    assert_eq!(names(&agent.state("spool")), Vec::<String>::new(), "{}", agent.name());
    assert_eq!(names(&agent.state("quarantine")), Vec::<String>::new(), "{}", agent.name());
    assert_eq!(parked(&agent.state("parked")), expected.parked, "{}", agent.name());
    assert_adds_up(&agent.root.join("ringtail.yaml"), &agent.name());
    assert_all_finished(&agent.root.join("state"), &agent.name());
    fs::remove_dir_all(&agent.root).expect("our own folder");
}

fn assert_all_finished(state: &Path, name: &str) {
    let state = StateDir::open(state).expect("nobody else holds it");
    let opened = Ledger::open(&state).expect("the ledger");
    assert_eq!(opened.opened, Opened::Whole, "no kill makes the two copies of the ledger differ; {name}");
    let mut records = 0;
    let visited = opened.ledger.visit(&mut |key, record| {
        records += 1;
        assert_eq!(record.state(), SegmentState::Finished(Ended::Deleted), "segment {key}; {name}");
        assert!(record.is_covered(), "segment {key}; {name}");
        ControlFlow::Continue(())
    });
    visited.expect("readable records");
    assert!(records > 0, "the ledger knows no segment");
}

#[test]
fn the_steps_of_a_segment_write_all_of_it() {
    let recorded = Recorded::unpack(&["4.1.6/operations"]);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let node = Node::new(dir.path());
    let mut plan = Plan::new(&recorded.catalog, 1, 5000);
    let id = plan.segment(&recorded.segments[0].bytes, Ending::Full, &recorded.segments[0].bytes);
    for step in std::mem::take(&mut plan.steps) {
        if !matches!(step, Step::Discard(_) | Step::Unlink(_)) {
            node.perform(&plan.contents, &step);
        }
    }

    let content = &plan.contents[&id];
    assert_eq!(fs::read(node.link(content)).expect("the link"), content.bytes);
    assert!(fs::read_to_string(node.index(content)).expect("the index").ends_with("\nCOMPLETED"));
}
