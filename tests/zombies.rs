//! Two agents of one identity: the older is stopped in the middle of its work, the newer takes over, the older goes on. It has to end
//! with 75, and nothing of it may come behind the newer's first commit.
//!
//! `cargo test --test zombies -- --ignored --nocapture`. `RINGTAIL_ZOMBIES` (5 rounds), `RINGTAIL_SEED` and `RINGTAIL_ZOMBIES_PORT`
//! (19850, and the one after it) change the run; logs stay in `target/lab/run/zombies`.
#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[allow(dead_code)]
#[path = "once/scene.rs"]
mod scene;
mod support;

use rustix::process::{Pid, Signal, kill_process};
use scene::{PATIENCE, Scene, assert_each_once, expect, plan, topics};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};
use support::agent::setting;
use support::consumer::{Consumer, create_topics};
use support::expected::{Event, PREFIX, Reader, name};
use support::lab::{Kafka, empty_folder, kafka_release};
use support::process::Running;
use support::recorded::Recorded;

/// Names stay in `cdc_raw`, so that both see the same segments: each has a state folder, as after a volume was restored.
const SOURCE: &str = ", finished: keep";

fn signal(process: &Running, signal: Signal) {
    kill_process(Pid::from_raw(process.id() as i32).expect("a process"), signal).expect("our own child");
}

/// The state folder as it is now, as a snapshot of the volume would hold it: what is in the spool are links to the node's files.
fn copy(from: &Path, to: &Path) {
    let cp = |options: &str, from: &Path, to: &Path| {
        let done = Command::new("cp").arg(options).arg(from).arg(to).status().expect("cp starts");
        assert!(done.success(), "{} could not be copied", from.display());
    };
    cp("-a", from, to);
    fs::remove_dir_all(to.join("spool")).expect("a copied spool");
    cp("-al", &from.join("spool"), &to.join("spool"));
}

/// The recorded sets of which nothing is parked.
fn without_parking() -> Recorded {
    let parks = |set: &str| {
        let recorded = Recorded::unpack(&[set]);
        let none = |_: &Event| false;
        let mut reader = Reader::new(&recorded.catalog, &none);
        let name = |bytes: &[u8]| name(u64::from_be_bytes(bytes[4..12].try_into().expect("an id")));
        recorded.segments.iter().any(|one| !reader.read(name(&one.bytes), &one.bytes).expect("a readable segment").parked.is_empty())
    };
    let sets = ["4.1.6/all_types", "4.1.6/operations", "4.1.6/unclean", "4.1.6/compressed_lz4"];
    Recorded::unpack(&sets.into_iter().filter(|set| !parks(set)).collect::<Vec<_>>())
}

/// Waits until the agent with this log has committed its first batch.
fn wait_until_ready(scene: &mut Scene<'_>, log: &Path, steps: &mut usize) {
    let begun = Instant::now();
    while !fs::read_to_string(log).unwrap_or_default().contains("pipeline::report: ready") {
        assert!(begun.elapsed() < PATIENCE, "not ready: {}", log.display());
        scene.write(steps, Duration::from_millis(10));
    }
}

/// The instances in the order in which they committed, each once for each run of its records.
fn instances(bootstrap: &str) -> Vec<String> {
    let consumer = Consumer::start(bootstrap, &[format!("{PREFIX}.ringtail.positions")], Instant::now());
    std::thread::sleep(Duration::from_secs(2));
    let records = consumer.finish();
    let partitions: std::collections::BTreeSet<i32> = records.iter().map(|record| record.partition).collect();
    assert_eq!(partitions.len(), 1, "one key is in one partition");
    let mut instances: Vec<String> = records
        .iter()
        .map(|record| serde_json::from_slice::<serde_json::Value>(&record.value).unwrap()["instance"].as_str().unwrap().to_owned())
        .collect();
    instances.dedup();
    instances
}

#[test]
#[ignore = "starts a Kafka broker, and takes some seconds for each round"]
fn the_older_ends_with_75_and_nothing_of_it_comes_after_the_newer() {
    let rounds = setting("RINGTAIL_ZOMBIES", 5) as usize;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_micros() as u32 % 1_000_000_000;
    let seed = u64::from(setting("RINGTAIL_SEED", now));
    println!("RINGTAIL_SEED={seed} RINGTAIL_ZOMBIES={rounds}");
    let folder = empty_folder("zombies");
    let port = u16::try_from(setting("RINGTAIL_ZOMBIES_PORT", 19850)).expect("a port");
    let kafka = Kafka::start(&kafka_release(), &folder.join("kafka"), port, &[]);
    // Nothing in them is parked: that would be lost with the state folder.
    let recorded = without_parking();
    let plan = plan(&recorded, seed, (rounds as u64).div_ceil(5).max(2));
    let expected = expect(&recorded, &plan);
    assert!(expected.parked.is_empty(), "{:?}", expected.parked);
    let topics = topics(&expected.events);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(create_topics(&kafka.bootstrap(), &topics));
    let mut scene = Scene::new(&folder, &kafka, seed, &recorded, plan);
    let consumer = Consumer::start(&kafka.bootstrap(), &topics, Instant::now());
    let share = scene.plan.steps.len().div_ceil(rounds + 1);

    let mut older = scene.start_as("a0", SOURCE, "", &[]);
    wait_until_ready(&mut scene, &folder.join("ringtail-a0.log"), &mut 0);
    let (mut copied, mut asleep) = (0, Duration::ZERO);
    for round in 0..rounds {
        let mut steps = share;
        let (mine, next) = (folder.join(format!("a{round}")), format!("a{}", round + 1));
        let (before, begun) = (consumer.distinct(), Instant::now());
        while consumer.distinct() == before && begun.elapsed() < Duration::from_secs(3) {
            scene.write(&mut steps, Duration::from_millis(5));
        }
        let time = Duration::from_micros(scene.choices.below(60_000));
        scene.write(&mut steps, time);
        signal(&older, Signal::STOP);
        let stopped = Instant::now();
        // What the newer finds: a copy of the older's state folder as it is, or none.
        if scene.choices.happens(600) {
            copy(&mine, &folder.join(&next));
            copied += 1;
        }
        let newer = scene.start_as(&next, SOURCE, "", &[]);
        wait_until_ready(&mut scene, &folder.join(format!("ringtail-{next}.log")), &mut steps);
        let time = Duration::from_micros(scene.choices.below(200_000));
        scene.write(&mut steps, time);
        asleep = asleep.max(stopped.elapsed());
        signal(&older, Signal::CONT);
        while steps > 0 {
            scene.write(&mut steps, Duration::from_millis(5));
        }
        let status = older.wait(PATIENCE);
        let log = fs::read_to_string(folder.join(format!("ringtail-a{round}.log"))).unwrap();
        assert_eq!(status.code(), Some(75), "round {round}:\n{log}");
        assert!(log.lines().last().unwrap().contains("another instance has taken over"), "round {round}:\n{log}");
        fs::remove_dir_all(mine).expect("its state folder");
        older = newer;
    }
    while scene.step() {}
    consumer.wait_for(expected.events.len(), Duration::from_secs(20));
    assert_eq!(older.stop(PATIENCE).code(), Some(0));

    let seen = assert_each_once(&expected, consumer);
    let instances = instances(&kafka.bootstrap());
    let mut once = instances.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), instances.len(), "an instance committed again after another had: {instances:?}");
    assert_eq!(instances.len(), rounds + 1);
    println!(
        "{rounds} rounds, {copied} with a copy of the older's state and the others with none; asleep for up to {:.1} s; {} events, each seen \
         once; every older one ended with 75",
        asleep.as_secs_f64(),
        seen.len()
    );
}
