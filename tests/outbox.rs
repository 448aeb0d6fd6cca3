//! The outbox on a real Cassandra and Kafka: state and message in one batch arrive both or neither, in order, under kills; under exactly once each once.
//!
//! `cargo test --test outbox -- --ignored --nocapture --test-threads 1`. `RINGTAIL_OUTBOX_SECONDS` (40), `RINGTAIL_OUTBOX_KILLS` (4) and
//! `RINGTAIL_OUTBOX_PORT` (19720, and the fourteen after it) change the run; logs stay in `target/lab/run/outbox`.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

#[path = "outbox/application.rs"]
mod application;
mod support;
#[path = "outbox/verify.rs"]
mod verify;
#[path = "outbox/verify_tests.rs"]
mod verify_tests;

use application::{Application, TTL, TYPES};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::agent::{Agent, WINDOW, left_in, setting};
use support::consumer::{self, Consumer};
use support::lab::{Cassandra, Kafka, empty_folder};
use verify::Report;

const CASSANDRA: &str = "4.1.6";
const KAFKA: &str = "3.6.1";
const PREFIX: &str = "shop";
const TASKS: i32 = 8;
const BATCHES_MIN: usize = 2000;

const OUTBOX: &str = "outbox: { tables: { shop.outbox: { id: event_id, aggregate_type: aggregate_type, aggregate_id: aggregate_id, \
                      event_type: event_type, on_update: warn, on_delete: ignore } } }";

/// A counter of the running agent.
fn counter(port: u16, series: &str) -> f64 {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the endpoints listen");
    write!(socket, "GET /metrics HTTP/1.1\r\nHost: ringtail\r\nConnection: close\r\n\r\n").expect("a socket");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    let line = answer.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_else(|| panic!("no {series}\n{answer}"));
    line.trim().parse().expect("a number")
}

/// Until every row has expired.
fn wait_until_empty(runtime: &tokio::runtime::Runtime, application: &Application) {
    let begun = Instant::now();
    while runtime.block_on(application.rows()) > 0 {
        assert!(begun.elapsed() < Duration::from_secs(TTL + 30), "the rows of the outbox do not expire");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Waits for a part of the time, then until the application has made that share of its batches, however slow the machine is.
fn work(application: &Application, part: Duration, batches: usize) {
    let begun = Instant::now();
    while begun.elapsed() < part || application.acknowledged.load(Ordering::Relaxed) < batches {
        assert!(begun.elapsed() < part * 10 + Duration::from_secs(60), "the node takes almost no batches");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "needs a real Cassandra and Kafka: minutes"]
fn outbox_batch_with_business_row() {
    let (report, kills) = both_or_neither("outbox", "at_least_once");

    let bound = (kills as usize + 2) * WINDOW;
    assert!(report.repeats <= bound, "{} repeats, more than {bound}", report.repeats);
}

#[test]
#[ignore = "needs a real Cassandra and Kafka: minutes"]
fn outbox_batch_with_business_row_exactly_once() {
    let (report, _) = both_or_neither("outbox-once", "exactly_once");

    assert_eq!(report.repeats, 0, "a read_committed consumer sees each message once");
}

fn both_or_neither(name: &str, delivery: &str) -> (Report, u32) {
    let (kills, seconds) = (setting("RINGTAIL_OUTBOX_KILLS", 4), setting("RINGTAIL_OUTBOX_SECONDS", 40));
    let port = u16::try_from(setting("RINGTAIL_OUTBOX_PORT", 19720)).expect("a port");
    let folder = empty_folder(name);
    let broker = Kafka::start(KAFKA, &folder.join("kafka"), port + 10, &[]);
    // What a node that dies had acknowledged and not marked is dropped by its own replay; with batch sync there is no such write.
    let node = Cassandra::start(CASSANDRA, &folder.join("cassandra"), port, &["commitlog_sync=batch", "commitlog_sync_period="]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let application = Arc::new(runtime.block_on(Application::create(&node.contact_point())));
    let mut topics = vec![format!("{PREFIX}.{}.orders", application::KEYSPACE)];
    topics.extend(TYPES.iter().map(|name| format!("outbox.event.{name}")));
    runtime.block_on(consumer::create_topics(&broker.bootstrap(), &topics));
    let consumer = Consumer::start(&broker.bootstrap(), &topics, Instant::now());
    let more = format!("http: {{ listen: \"127.0.0.1:{}\" }}\n{OUTBOX}", port + 14);
    let schema = format!("cql: {{ contact_points: [\"{}\"] }}", node.contact_point());
    let agent = Agent::configure_as(&folder, &node, &broker, &schema, PREFIX, &more, delivery);

    let mut running = agent.start(&[]);
    let tasks = runtime.spawn(Arc::clone(&application).run(TASKS));
    let part = Duration::from_secs(u64::from(seconds)) / (kills + 2);
    for kill in 0..=kills {
        // Each of them while batches come, however slow the machine is.
        let share = application.acknowledged.load(Ordering::Relaxed) + BATCHES_MIN / (kills as usize + 2);
        work(&application, part, share);
        assert!(running.is_running(), "the agent ended by itself: {}", agent.log.display());
        if kill == kills / 2 {
            // Batches are under way: some of them are never answered.
            node.kill();
            node.start_again();
        } else {
            running.kill();
            running = agent.start(&[]);
        }
    }
    work(&application, part, BATCHES_MIN);
    application.stop.store(true, Ordering::Relaxed);
    let changes = runtime.block_on(tasks).expect("the tasks do not panic");
    // Of each batch two records, of which only the state says nothing of updates and deletes.
    consumer.wait_for(2 * application.acknowledged.load(Ordering::Relaxed), Duration::from_secs(20));
    wait_until_empty(&runtime, &application);
    let passed = ["outbox_update", "outbox_delete"].map(|rule| counter(port + 14, &format!("ringtail_filtered_total{{rule=\"{rule}\"}}")));
    let stopped = running.stop(Duration::from_secs(10));
    node.stop();
    let drained = agent.start(&["--drain"]).wait(Duration::from_secs(120));
    consumer.wait_for(2 * changes.len(), Duration::from_secs(5));
    let report = Report::of(&changes, &consumer.finish());

    println!(
        "outbox test, {delivery}: Cassandra {CASSANDRA}, Kafka {KAFKA}, {seconds} s, kills of the agent: {kills}, of the node: 1\n{report}"
    );
    let unwanted = application.unwanted.load(Ordering::Relaxed);
    println!("updates and deletes of the outbox: {unwanted}; passed over since the last start: {} and {}", passed[0], passed[1]);
    for problem in report.problems.iter().take(20) {
        println!("  {problem}");
    }
    assert!(report.acknowledged >= BATCHES_MIN, "only {} batches were acknowledged", report.acknowledged);
    assert!(report.unacknowledged > 0, "no batch was under way when the node died");
    assert_eq!(report.problems.len(), 0, "see above and {}", agent.log.display());
    assert!(passed.iter().all(|count| *count > 0.0), "updates and deletes were passed over, and counted: {passed:?}");
    let log = std::fs::read_to_string(&agent.log).expect("the log");
    assert!(log.contains("shop.outbox: a row of the outbox was updated, which is no message: ignored"), "{}", agent.log.display());
    assert!(!log.contains("rows of the outbox were deleted"), "a delete is ignored without a word: {}", agent.log.display());
    assert_eq!((stopped.code(), drained.code()), (Some(0), Some(0)), "the ends of both runs; see {}", agent.log.display());
    assert_eq!(left_in(&node.cdc_raw()), Vec::<String>::new(), "left in cdc_raw after a drain");
    (report, kills)
}
