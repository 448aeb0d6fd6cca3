//! The power goes, again and again, one disk over all of it: the real binary loses nothing that it had called delivered.
//!
//! The disk is a file system of our own ([`disk`] says what it promises and what it forgets), mounted through `/dev/fuse`: where that
//! device is absent these tests are skipped and say so, unless `RINGTAIL_REQUIRE_FUSE` is set. `RINGTAIL_CUTS` (12) and `RINGTAIL_SEED`
//! change the run. A failure prints the seed; what the threads of the binary do between two cuts is not chosen by it.
//!
//! The broker is real and has a disk of its own: `cargo test --test power -- --include-ignored`; `RINGTAIL_POWER_PORT` (19860, and the
//! next).
#![cfg(all(feature = "agent", target_os = "linux"))]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

#[path = "power/calls.rs"]
mod calls;
#[path = "power/content.rs"]
mod content;
#[path = "power/disk.rs"]
mod disk;
#[path = "power/lossy.rs"]
mod lossy;
#[path = "power/machine.rs"]
mod machine;
#[path = "power/mount.rs"]
mod mount;
#[path = "power/outlet.rs"]
mod outlet;
#[path = "power/requests.rs"]
mod requests;
mod support;

use machine::{Machine, WINDOW};
use outlet::Outlet;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::time::SystemTime;
use support::agent::setting;
use support::consumer;
use support::expected::{Expected, compare, parked};
use support::lab::{Kafka, empty_folder};
use support::node::names;
use support::recorded::Recorded;
use support::story::{self, together};

/// Cuts for each time that the node writes all recordings.
const CUTS_PER_ROUND: u64 = 25;

/// Says, past the capture of the test runner, that a test did nothing.
fn skipped(test: &str) -> bool {
    let Some(why) = mount::missing() else { return false };
    writeln!(std::io::stderr(), "skipped: {test}: {why}").expect("standard error");
    true
}

fn seed() -> u64 {
    let time = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_micros() as u64 % 1_000_000_000;
    std::env::var("RINGTAIL_SEED")
        .map_or_else(|_| time(), |text| text.parse().unwrap_or_else(|error| panic!("RINGTAIL_SEED={text}: {error}")))
}

fn cuts() -> u32 {
    setting("RINGTAIL_CUTS", 12)
}

/// The cuts, the end of the work, and everything that must be true then.
fn nothing_is_lost(name: &str, cuts: u32, archives: bool, outlet: impl FnOnce(&BTreeMap<u64, Expected>) -> Option<Outlet>) {
    let (cuts, seed) = (u64::from(cuts), seed());
    println!("RINGTAIL_SEED={seed} RINGTAIL_CUTS={cuts}");
    let recorded = Recorded::all();
    let plan = story::plan(&recorded, seed, cuts.div_ceil(CUTS_PER_ROUND).max(2));
    let by_segment = story::expect(&recorded, &plan);
    let expected = together(&by_segment);
    let mut machine = Machine::new(name, seed, &recorded.schema, plan, &by_segment);
    if let Some(outlet) = outlet(&by_segment) {
        machine.outlet = outlet;
    }
    machine.archives = archives;
    let steps = machine.plan.steps.len().div_ceil(cuts as usize + 1);
    for _ in 0..cuts {
        machine.run_and_cut(steps);
        if !machine.problems.is_empty() {
            machine.fail(&machine.problems.join("\n"));
        }
    }
    machine.finish();

    let verdict = compare(&expected.events, &machine.outlet.events);
    let (repeats, tally) = (&machine.outlet.repeats, &machine.tally);
    println!(
        "{} cuts, {} of them while events went out, {:?} at a call, {} took something away ({} files and names were not as last seen); {} segments, {} events, \
         {} arrived again, at most {} in one run; {} audits between runs; {} times the ledger was made again out of its shadow, {} times \
         the shadow was renewed",
        tally.cuts,
        tally.sending,
        tally.at_a_call,
        tally.lossy,
        tally.lost,
        machine.plan.contents.len(),
        expected.events.len(),
        verdict.repeats,
        repeats.iter().max().unwrap_or(&0),
        tally.audits,
        machine.said("made again out of its shadow"),
        machine.said("shadow of the ledger was written anew"),
    );
    if !verdict.problems.is_empty() {
        let first: Vec<&str> = verdict.problems.iter().take(20).map(String::as_str).collect();
        machine.fail(&format!("{} problems:\n{}", verdict.problems.len(), first.join("\n")));
    }
    assert!(repeats.iter().all(|repeats| *repeats <= WINDOW), "more than {WINDOW} repeats: {repeats:?}; RINGTAIL_SEED={seed}");
    assert!(tally.cuts < 12 || tally.lossy * 12 >= tally.cuts, "only {} of {} cuts took anything away", tally.lossy, tally.cuts);
    for folder in ["spool", "quarantine"] {
        assert_eq!(names(&machine.state(folder)), Vec::<String>::new(), "{folder}, RINGTAIL_SEED={seed}");
    }
    assert_eq!(parked(&machine.state("parked")), expected.parked, "RINGTAIL_SEED={seed}");
    let audit = machine.audit().expect("there is state");
    assert_eq!(machine.problems, Vec::<String>::new(), "RINGTAIL_SEED={seed}");
    let sums = &audit.report["sums"];
    assert_eq!(sums["by_state"].as_object().expect("states").keys().collect::<Vec<_>>(), ["finished"], "{sums:#}");
    let root = machine.root.clone();
    drop(machine);
    fs::remove_dir_all(root).expect("our own folder");
}

#[test]
fn i8_nothing_is_lost_across_power_cuts_in_front_of_a_file() {
    if !skipped("i8_nothing_is_lost_across_power_cuts_in_front_of_a_file") {
        nothing_is_lost("power-file", cuts(), false, |_| None);
    }
}

#[test]
fn i3_what_an_archive_takes_is_in_it_across_power_cuts() {
    if !skipped("i3_what_an_archive_takes_is_in_it_across_power_cuts") {
        nothing_is_lost("power-archive", cuts() / 2, true, |_| None);
    }
}

#[test]
#[ignore = "needs a real Kafka"]
fn i8_nothing_is_lost_across_power_cuts_in_front_of_a_real_broker() {
    if skipped("i8_nothing_is_lost_across_power_cuts_in_front_of_a_real_broker") {
        return;
    }
    let port = u16::try_from(setting("RINGTAIL_POWER_PORT", 19860)).expect("a port");
    let broker = Kafka::start("3.6.1", &empty_folder("power").join("kafka"), port, &[]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    nothing_is_lost("power-kafka", cuts(), false, |expected| {
        let events = || expected.values().flat_map(|one| &one.events);
        let topics: BTreeSet<&String> = events().map(|event| &event.topic).collect();
        let topics: Vec<String> = topics.into_iter().cloned().collect();
        runtime.block_on(consumer::create_topics(&broker.bootstrap(), &topics));
        Some(Outlet::kafka(&broker.bootstrap(), &topics, events()))
    });
}
