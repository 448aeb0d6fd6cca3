//! The agent beside a real Cassandra, in front of a real Kafka: nothing acknowledged is lost, order holds, repeats are equal.
//!
//! `cargo test --test live -- --ignored --nocapture`. `RINGTAIL_LIVE_SECONDS` (60), `RINGTAIL_LIVE_RATE` (500 writes a second),
//! `RINGTAIL_LIVE_KILLS` (2) and `RINGTAIL_LIVE_PORT` (19700, and the fourteen after it) change the run; logs stay in `target/lab/run/live`.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

mod support;
#[path = "live/tables.rs"]
mod tables;
#[path = "live/verify.rs"]
mod verify;
#[path = "live/verify_tests.rs"]
mod verify_tests;
#[path = "live/workload.rs"]
mod workload;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::agent::{Agent, WINDOW, left_in, setting};
use support::consumer::{self, Consumer};
use support::lab::{Cassandra, Kafka, empty_folder};
use verify::Report;
use workload::Workload;

const CASSANDRA: &str = "4.1.6";
const KAFKA: &str = "3.6.1";
const PREFIX: &str = "live";
const WRITERS: u32 = 8;
const WRITES_MIN: usize = 20_000;

/// Sleeps through one part of the run, then waits until that share of the writes is made, however slow the machine is.
fn write_for(workload: &Workload, part: Duration, writes: usize) {
    let begun = Instant::now();
    while begun.elapsed() < part || workload.acknowledged.load(Ordering::Relaxed) < writes {
        assert!(begun.elapsed() < part * 10 + Duration::from_secs(60), "the node takes almost no writes");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "needs a real Cassandra and Kafka: minutes"]
fn nothing_acknowledged_is_lost_across_kills_and_a_drain_leaves_cdc_raw_empty() {
    let kills = setting("RINGTAIL_LIVE_KILLS", 2);
    let seconds = setting("RINGTAIL_LIVE_SECONDS", 60);
    let port = u16::try_from(setting("RINGTAIL_LIVE_PORT", 19700)).expect("a port");
    let folder = empty_folder("live");
    let broker = Kafka::start(KAFKA, &folder.join("kafka"), port + 10, &[]);
    let node = Cassandra::start(CASSANDRA, &folder.join("cassandra"), port, &[]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let start = Instant::now();
    let workload = Arc::new(runtime.block_on(Workload::create(&node.contact_point(), start)));
    let topics: Vec<String> = tables::TABLES.iter().map(|table| tables::topic(PREFIX, table.name)).collect();
    runtime.block_on(consumer::create_topics(&broker.bootstrap(), &topics));
    let consumer = Consumer::start(&broker.bootstrap(), &topics, start);
    let more = format!("http: {{ listen: \"127.0.0.1:{}\" }}", port + 14);
    let schema = format!("cql: {{ contact_points: [\"{}\"] }}", node.contact_point());
    let agent = Agent::configure(&folder, &node, &broker, &schema, PREFIX, &more);

    let mut running = agent.start(&[]);
    let writers = runtime.spawn(Arc::clone(&workload).run(WRITERS, setting("RINGTAIL_LIVE_RATE", 500)));
    let part = Duration::from_secs(u64::from(seconds)) / (kills + 1);
    for killed in 0..kills {
        write_for(&workload, part, 0);
        assert!(running.is_running(), "the agent ended by itself: {}", agent.log.display());
        running.kill();
        // A flush discards the segments from the commit log while nobody watches.
        node.nodetool(&["flush"]);
        running = agent.start(&[]);
        eprintln!("kill {} of {kills}: {} writes", killed + 1, workload.acknowledged.load(Ordering::Relaxed));
    }
    write_for(&workload, part, WRITES_MIN);
    workload.stop.store(true, Ordering::Relaxed);
    let writes = runtime.block_on(writers).expect("the writers do not panic");
    let events = workload.events.load(Ordering::Relaxed);
    consumer.wait_for(events, Duration::from_secs(30));
    let alive = running.is_running();
    let stopped = running.stop(Duration::from_secs(10));
    node.stop();
    let drained = agent.start(&["--drain"]).wait(Duration::from_secs(120));
    consumer.wait_for(events, Duration::from_secs(5));
    let report = Report::of(&writes, &consumer.finish(), PREFIX);

    println!("live test: Cassandra {CASSANDRA}, Kafka {KAFKA}, {} s, kills of the agent: {kills}\n{report}", start.elapsed().as_secs());
    for problem in report.problems.iter().take(20) {
        println!("  {problem}");
    }
    assert!(report.acknowledged >= WRITES_MIN, "only {} writes were acknowledged", report.acknowledged);
    assert_eq!(report.missing, 0, "acknowledged writes are missing; see {}", agent.log.display());
    assert_eq!(report.problems.len(), 0, "see above and {}", agent.log.display());
    let bound = (kills as usize + 1) * WINDOW;
    assert!(report.repeats <= bound, "{} repeats, more than {bound}: {WINDOW} for each kill and the stop", report.repeats);
    assert!(alive, "the agent ended by itself; see {}", agent.log.display());
    assert_eq!(stopped.code(), Some(0), "the end after SIGTERM");
    assert_eq!(drained.code(), Some(0), "the end of run --drain");
    assert_eq!(left_in(&node.cdc_raw()), Vec::<String>::new(), "left in cdc_raw after a drain");
}
