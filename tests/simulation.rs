//! The whole pipeline among models of its directory, clock, store and broker, single-threaded, from a seed.
//!
//! `cargo test` runs as many seeds as two seconds hold. `RINGTAIL_SEEDS=N` runs so many, `RINGTAIL_SEEDS=forever` all night, on all
//! cores, `RINGTAIL_DELIVERY` those of one way of delivery; `RINGTAIL_SEED=N` runs one and prints its trace. What once failed stands in `tests/simulation/regressions.txt` and is run
//! first. `docs/simulation.md` says what is modelled and what is not.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

#[path = "simulation/broker.rs"]
mod broker;
#[path = "simulation/checks.rs"]
mod checks;
#[path = "simulation/coordinator.rs"]
mod coordinator;
#[path = "simulation/disk.rs"]
mod disk;
#[path = "simulation/entries.rs"]
mod entries;
#[path = "simulation/model.rs"]
mod model;
#[path = "simulation/node.rs"]
mod node;
mod support;
#[path = "simulation/world.rs"]
mod world;

use model::Tells;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use world::Tally;

/// What `cargo test` gives it.
const SHORT: Duration = Duration::from_secs(2);

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number(name: &str) -> Option<u64> {
    setting(name).map(|text| text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// Seeds that once failed.
fn regressions() -> Vec<u64> {
    let lines = include_str!("simulation/regressions.txt").lines();
    let lines = lines.filter_map(|line| line.split('#').next()?.split_whitespace().next());
    lines.map(|seed| seed.parse().expect("a seed in regressions.txt is a number")).collect()
}

/// The seed number `index`: every other one is delivered exactly once, or all or none of them (`RINGTAIL_DELIVERY`).
fn seed_of(index: u64, delivery: Option<&str>) -> u64 {
    match delivery {
        None if index.is_multiple_of(2) => index / 2,
        None => world::EXACTLY_ONCE + index / 2,
        Some("at_least_once") => index,
        Some("exactly_once") => world::EXACTLY_ONCE + index,
        Some(other) => panic!("RINGTAIL_DELIVERY={other}; expected at_least_once or exactly_once"),
    }
}

/// Runs seeds from number `first` on, on all cores, until the time is over or so many are run; the first that fails, with what it says.
fn run(first: u64, count: u64, time: Duration) -> (Result<Tally, (u64, String)>, u64) {
    let delivery = setting("RINGTAIL_DELIVERY");
    let (next, failed, done) = (AtomicU64::new(first), AtomicBool::new(false), AtomicU64::new(0));
    let result = Mutex::new(Ok(Tally::default()));
    let begun = Instant::now();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut sum = Tally::default();
                while !failed.load(Ordering::Relaxed) && begun.elapsed() < time {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index - first >= count {
                        break;
                    }
                    let seed = seed_of(index, delivery.as_deref());
                    match world::run(seed) {
                        Ok(tally) => sum += tally,
                        Err(what) => {
                            failed.store(true, Ordering::Relaxed);
                            *result.lock().expect("no panic") = Err((seed, what));
                        }
                    }
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if done.is_multiple_of(10_000) {
                        println!("{done} seeds in {} s", begun.elapsed().as_secs());
                    }
                }
                if let Ok(total) = &mut *result.lock().expect("no panic") {
                    *total += sum;
                }
            });
        }
    });
    (result.into_inner().expect("no panic"), done.into_inner())
}

fn report(result: Result<Tally, (u64, String)>, done: u64, begun: Instant) -> Tally {
    match result {
        Err((seed, what)) => {
            panic!("{what}\nseed {seed} fails: RINGTAIL_SEED={seed} cargo test --test simulation i8_every_seed -- --nocapture")
        }
        Ok(tally) => {
            let seconds = begun.elapsed().as_secs_f64();
            println!("{done} seeds in {seconds:.1} s, {:.0} per second: {tally:?}", done as f64 / seconds);
            tally
        }
    }
}

#[test]
fn i8_every_seed_comes_to_its_end_with_everything_where_it_belongs() {
    if let Some(seed) = number("RINGTAIL_SEED") {
        // The agent's own words stand between the effects.
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).without_time().with_writer(std::io::stdout).init();
        let tally = world::run_and_tell(seed, Tells::All).unwrap_or_else(|what| panic!("{what}"));
        println!("{tally:?}");
        return;
    }
    for seed in regressions() {
        world::run(seed).unwrap_or_else(|what| panic!("{what}\na seed of regressions.txt fails"));
    }
    let first = number("RINGTAIL_FIRST_SEED").unwrap_or(1);
    let (count, time) = match setting("RINGTAIL_SEEDS").as_deref() {
        None => (u64::MAX, number("RINGTAIL_SECONDS").map_or(SHORT, Duration::from_secs)),
        Some("forever") => (u64::MAX, Duration::MAX),
        Some(_) => (number("RINGTAIL_SEEDS").expect("set"), Duration::MAX),
    };
    let begun = Instant::now();
    let (result, done) = run(first, count, time);
    let tally = report(result, done, begun);
    assert!(done > 0, "no seed was run");
    if done >= 500 {
        let of_one_way = setting("RINGTAIL_DELIVERY").is_some();
        let text = format!("{tally:?}");
        let text = if of_one_way { text.replace("exactly_once: 0, unknown_commits: 0, ", "") } else { text };
        assert!(!text.contains(": 0,") && !text.contains(": 0 "), "something never happened: {text}");
    }
}

/// What `RINGTAIL_SECONDS` is for each mutant.
#[cfg(feature = "mutants")]
const CAUGHT_WITHIN: Duration = Duration::from_secs(120);

/// Each deliberate fault on the way back is seen within two minutes, and without one nothing is.
#[test]
#[cfg(feature = "mutants")]
fn every_mutant_is_caught() {
    use ringtail::mutant::MUTANTS;
    let test = "i8_every_seed_comes_to_its_end_with_everything_where_it_belongs";
    let mut survived = Vec::new();
    for mutant in 1..=MUTANTS {
        let begun = Instant::now();
        let run = std::process::Command::new(std::env::current_exe().expect("a test is a file"))
            .args([test, "--exact", "--nocapture"])
            .env("RINGTAIL_MUTANT", mutant.to_string())
            .env("RINGTAIL_SECONDS", CAUGHT_WITHIN.as_secs().to_string())
            .env("RUST_BACKTRACE", "0")
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&run.stderr).into_owned();
        let what = text.lines().find(|line| line.starts_with('I') || line.starts_with("the p")).unwrap_or("nothing").to_owned();
        println!("mutant {mutant}, {:.1} s: {}", begun.elapsed().as_secs_f64(), what.chars().take(200).collect::<String>());
        if run.status.success() {
            survived.push(mutant);
        }
    }
    assert!(survived.is_empty(), "these were not seen: {survived:?}");
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in (1..6).flat_map(|seed| [seed, world::EXACTLY_ONCE + seed]) {
        let runs: Vec<String> = (0..2).map(|_| format!("{:?}", world::run(seed))).collect();
        assert_eq!(runs[0], runs[1]);
    }
}
