//! The loop, single-threaded, over real folders: what arrives, what is kept, what is finished, whatever goes wrong.
//!
//! `RINGTAIL_SEEDS` (200) says how many seeds are run; `RINGTAIL_SEED` runs one.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

#[path = "pipeline/accounts.rs"]
mod accounts;
#[path = "pipeline/batches.rs"]
mod batches;
#[path = "pipeline/damage.rs"]
mod damage;
#[path = "pipeline/ending.rs"]
mod ending;
#[path = "pipeline/exactly_once.rs"]
mod exactly_once;
#[path = "pipeline/flow.rs"]
mod flow;
#[path = "pipeline/gaps.rs"]
mod gaps;
#[path = "pipeline/log.rs"]
mod log;
#[path = "pipeline/model.rs"]
mod model;
#[path = "pipeline/parking.rs"]
mod parking;
#[path = "pipeline/registry.rs"]
mod registry;
#[path = "pipeline/rig.rs"]
mod rig;
#[path = "pipeline/room.rs"]
mod room;
#[path = "pipeline/schema.rs"]
mod schema;
mod support;
#[path = "pipeline/tables.rs"]
mod tables;
#[path = "pipeline/tombstones.rs"]
mod tombstones;
#[path = "pipeline/unparking.rs"]
mod unparking;

use std::panic::{AssertUnwindSafe, catch_unwind};
use support::recorded::Recorded;
use support::segment;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

#[test]
fn i8_every_seed_ends_with_everything_where_it_belongs() {
    let tally = every_seed("i8_every_seed", false);
    if let Some(tally) = tally {
        tally.assert_complete();
    }
}

#[test]
fn no_seed_shows_an_event_twice_under_exactly_once() {
    if let Some(tally) = every_seed("no_seed", true) {
        println!("{tally:?}");
    }
}

/// Runs the seeds; the tally, if there were many.
fn every_seed(test: &str, exactly_once: bool) -> Option<model::Tally> {
    let recorded = Recorded::all();
    let pool: Vec<Vec<Vec<u8>>> = recorded.segments.iter().map(|recording| segment::entries(&recording.bytes)).collect();
    let seeds = match setting("RINGTAIL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("RINGTAIL_SEEDS").unwrap_or(200),
    };
    assert!(!seeds.is_empty());
    let many = seeds.end - seeds.start >= 100;
    let (mut failed, mut tally) = (Vec::new(), model::Tally::default());
    for seed in seeds {
        if catch_unwind(AssertUnwindSafe(|| model::run(seed, &recorded, &pool, exactly_once, &mut tally))).is_err() {
            println!("failed: RINGTAIL_SEED={seed} cargo test --test pipeline {test}");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "failed seeds: {failed:?}");
    many.then_some(tally)
}
