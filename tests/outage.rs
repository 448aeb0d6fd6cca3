//! Everything around the agent fails while a real node is written to: the broker is away for minutes and dies, the node dies, the agent
//! dies again and again; once with a node that refuses writes when `cdc_total_space` is full, once with one that removes segments then,
//! and once under exactly once, with pauses of the broker too.
//!
//! `cargo test --release --test outage -- --ignored --nocapture --test-threads 1`. `RINGTAIL_OUTAGE_SECONDS` (600 of writing),
//! `RINGTAIL_OUTAGE_AWAY` (180 without a broker), `RINGTAIL_OUTAGE_KILLS` (20), `RINGTAIL_SEED`, `RINGTAIL_KAFKA` (3.6.1) and `RINGTAIL_OUTAGE_PORT`
//! (19780, and the fourteen after it) change the run; logs stay in `target/lab/run/outage-*`.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

mod support;
#[path = "live/tables.rs"]
mod tables;
#[path = "live/verify.rs"]
mod verify;
#[path = "live/workload.rs"]
mod workload;

use ringtail::sink::faults::Choices;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::agent::{Agent, WINDOW, left_in, setting};
use support::audit::assert_adds_up;
use support::consumer::{self, Consumer};
use support::lab::{Cassandra, Kafka, empty_folder, kafka_release};
use support::process::Running;
use verify::Report;
use workload::Workload;

const CASSANDRA: &str = "4.1.6";
const PREFIX: &str = "outage";
const WRITERS: u32 = 8;
/// Longer than a delivery may take before the breaker counts it.
const PAUSE: Duration = Duration::from_secs(7);
/// Of `commitlog_segment_size` 1 MiB: full within the outage.
const CDC_TOTAL_SPACE: &str = "cdc_total_space=16MiB";

/// One form of the test.
#[derive(Clone, Copy, Debug)]
struct Form {
    name: &'static str,
    block_writes: &'static str,
    /// `sink.delivery`.
    delivery: &'static str,
    /// How often the broker stands still for a while.
    pauses: u32,
}

/// What happens, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    AgentDies,
    BrokerGoes,
    BrokerComes,
    BrokerDies,
    BrokerStandsStill,
    NodeDies,
}

/// Blows over the time of writing, in order.
fn schedule(seconds: u32, away: u32, kills: u32, pauses: u32, seed: u64) -> Vec<(Duration, Blow)> {
    let mut choices = Choices::new(seed);
    let at = |share: u32| Duration::from_secs(u64::from(seconds)) * share / 100;
    let gone = at(30);
    let mut blows = vec![
        (gone, Blow::BrokerGoes),
        (gone + Duration::from_secs(u64::from(away)), Blow::BrokerComes),
        (at(75), Blow::NodeDies),
        (at(90), Blow::BrokerDies),
    ];
    blows.extend((0..kills).map(|_| (Duration::from_millis(choices.below(u64::from(seconds) * 1000)), Blow::AgentDies)));
    blows.extend((0..pauses).map(|_| (Duration::from_millis(choices.below(u64::from(seconds) * 1000)), Blow::BrokerStandsStill)));
    blows.sort_by_key(|(when, _)| *when);
    blows
}

/// The scene.
struct Scene {
    broker: Kafka,
    node: Cassandra,
    agent: Agent,
    running: Option<Running>,
}

impl Scene {
    fn strike(&mut self, blow: Blow) {
        match blow {
            Blow::AgentDies => {
                let mut running = self.running.take().expect("an agent");
                assert!(running.is_running(), "the agent ended by itself: {}", self.agent.log.display());
                running.kill();
                self.running = Some(self.agent.start(&[]));
            }
            Blow::BrokerGoes => self.broker.stop(),
            Blow::BrokerStandsStill => self.broker.stand_still(PAUSE),
            Blow::BrokerComes => self.broker.start_again(&[]),
            Blow::BrokerDies => {
                self.broker.kill();
                self.broker.start_again(&[]);
            }
            Blow::NodeDies => {
                self.node.kill();
                self.node.start_again();
            }
        }
    }
}

fn nothing_is_missing(form: Form) {
    let Form { name, block_writes, delivery, pauses } = form;
    let port = u16::try_from(setting("RINGTAIL_OUTAGE_PORT", 19780)).expect("a port");
    let kafka = kafka_release();
    let (seconds, away, kills) =
        (setting("RINGTAIL_OUTAGE_SECONDS", 600), setting("RINGTAIL_OUTAGE_AWAY", 180), setting("RINGTAIL_OUTAGE_KILLS", 20));
    let seed = u64::from(setting("RINGTAIL_SEED", 1));
    let folder = empty_folder(name);
    let broker = Kafka::start(&kafka, &folder.join("kafka"), port + 10, &[]);
    // What a node that dies had acknowledged and not marked is dropped by its own replay; with batch sync there is no such write.
    let settings = [CDC_TOTAL_SPACE, block_writes, "commitlog_sync=batch", "commitlog_sync_period="];
    let node = Cassandra::start(CASSANDRA, &folder.join("cassandra"), port, &settings);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let start = Instant::now();
    let workload = Arc::new(runtime.block_on(Workload::create(&node.contact_point(), start)));
    let topics: Vec<String> = tables::TABLES.iter().map(|table| tables::topic(PREFIX, table.name)).collect();
    runtime.block_on(consumer::create_topics(&broker.bootstrap(), &topics));
    let consumer = Consumer::start(&broker.bootstrap(), &topics, start);
    let more = format!("http: {{ listen: \"127.0.0.1:{}\" }}", port + 14);
    let schema = format!("cql: {{ contact_points: [\"{}\"] }}", node.contact_point());
    let agent = Agent::configure_as(&folder, &node, &broker, &schema, PREFIX, &more, delivery);
    let running = Some(agent.start(&[]));
    let mut scene = Scene { broker, node, agent, running };

    let writers = runtime.spawn(Arc::clone(&workload).run(WRITERS, setting("RINGTAIL_LIVE_RATE", 500)));
    let begun = Instant::now();
    for (when, blow) in schedule(seconds, away, kills, pauses, seed) {
        std::thread::sleep(when.saturating_sub(begun.elapsed()));
        println!("{:4} s, {} writes: {blow:?}", begun.elapsed().as_secs(), workload.acknowledged.load(Ordering::Relaxed));
        scene.strike(blow);
    }
    std::thread::sleep(Duration::from_secs(u64::from(seconds)).saturating_sub(begun.elapsed()));
    workload.stop.store(true, Ordering::Relaxed);
    let writes = runtime.block_on(writers).expect("the writers do not panic");
    let Scene { broker: _broker, node, agent, running } = scene;
    consumer.wait_for(workload.events.load(Ordering::Relaxed), Duration::from_secs(60));
    let stopped = running.expect("an agent").stop(Duration::from_secs(10));
    node.stop();
    let drained = agent.start(&["--drain"]).wait(Duration::from_secs(300));
    consumer.wait_for(workload.events.load(Ordering::Relaxed), Duration::from_secs(10));
    let report = Report::of(&writes, &consumer.finish(), PREFIX);

    println!(
        "outage test: {block_writes}, {delivery}, seed {seed}, Cassandra {CASSANDRA}, Kafka {kafka}, {} s, {kills} kills of the agent, {away} s \
         without a broker, {pauses} pauses of it\n{report}",
        start.elapsed().as_secs()
    );
    for problem in report.problems.iter().take(20) {
        println!("  {problem}");
    }
    assert!(report.acknowledged > 1000, "only {} writes were acknowledged", report.acknowledged);
    assert_eq!(report.missing, 0, "acknowledged writes are missing; see {}", agent.log.display());
    assert_eq!(report.problems.len(), 0, "see above and {}", agent.log.display());
    let bound = if delivery == "exactly_once" { 0 } else { (kills as usize + 4) * WINDOW };
    assert!(report.repeats <= bound, "{} repeats, more than {bound}", report.repeats);
    assert_eq!(stopped.code(), Some(0), "the end after SIGTERM");
    assert_eq!(drained.code(), Some(0), "the end of run --drain; see {}", agent.log.display());
    assert_eq!(left_in(&node.cdc_raw()), Vec::<String>::new(), "left in cdc_raw after a drain");
    let audit = assert_adds_up(&agent.config, name);
    println!("audit: {}", audit.report["message"]);
}

#[test]
#[ignore = "needs a real Cassandra and Kafka: a quarter of an hour"]
fn nothing_is_missing_when_the_node_refuses_writes_while_everything_fails() {
    nothing_is_missing(Form { name: "outage-block", block_writes: "cdc_block_writes=true", delivery: "at_least_once", pauses: 0 });
}

#[test]
#[ignore = "needs a real Cassandra and Kafka: a quarter of an hour"]
fn nothing_is_missing_when_the_node_removes_segments_while_everything_fails() {
    nothing_is_missing(Form { name: "outage-remove", block_writes: "cdc_block_writes=false", delivery: "at_least_once", pauses: 0 });
}

#[test]
#[ignore = "needs a real Cassandra and Kafka: a quarter of an hour"]
fn each_event_is_seen_once_while_everything_fails() {
    nothing_is_missing(Form { name: "outage-once", block_writes: "cdc_block_writes=true", delivery: "exactly_once", pauses: 4 });
}
