//! Everything around the agent fails while a real node is written to: the broker is away for minutes and dies, the node dies, the agent
//! dies again and again; once with a node that refuses writes when `cdc_total_space` is full, once with one that removes segments then.
//!
//! `cargo test --release --test outage -- --ignored --nocapture --test-threads 1`. `RINGTAIL_OUTAGE_SECONDS` (600 of writing),
//! `RINGTAIL_OUTAGE_AWAY` (180 without a broker), `RINGTAIL_OUTAGE_KILLS` (20), `RINGTAIL_SEED` and `RINGTAIL_OUTAGE_PORT` (19780, and the
//! fourteen after it) change the run; logs stay in `target/lab/run/outage-*`.
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
use support::lab::{Cassandra, Kafka, empty_folder};
use support::process::Running;
use verify::Report;
use workload::Workload;

const CASSANDRA: &str = "4.1.6";
const KAFKA: &str = "3.6.1";
const PREFIX: &str = "outage";
const WRITERS: u32 = 8;
/// Of `commitlog_segment_size` 1 MiB: full within the outage.
const CDC_TOTAL_SPACE: &str = "cdc_total_space=16MiB";

/// What happens, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    AgentDies,
    BrokerGoes,
    BrokerComes,
    BrokerDies,
    NodeDies,
}

/// Blows over the time of writing, in order.
fn schedule(seconds: u32, away: u32, kills: u32, seed: u64) -> Vec<(Duration, Blow)> {
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

fn nothing_is_missing(name: &str, block_writes: &str, port: u16) {
    let (seconds, away, kills) =
        (setting("RINGTAIL_OUTAGE_SECONDS", 600), setting("RINGTAIL_OUTAGE_AWAY", 180), setting("RINGTAIL_OUTAGE_KILLS", 20));
    let seed = u64::from(setting("RINGTAIL_SEED", 1));
    let folder = empty_folder(name);
    let broker = Kafka::start(KAFKA, &folder.join("kafka"), port + 10, &[]);
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
    let agent = Agent::configure(&folder, &node, &broker, &schema, PREFIX, &more);
    let running = Some(agent.start(&[]));
    let mut scene = Scene { broker, node, agent, running };

    let writers = runtime.spawn(Arc::clone(&workload).run(WRITERS, setting("RINGTAIL_LIVE_RATE", 500)));
    let begun = Instant::now();
    for (when, blow) in schedule(seconds, away, kills, seed) {
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
        "outage test: {block_writes}, seed {seed}, Cassandra {CASSANDRA}, Kafka {KAFKA}, {} s, {kills} kills of the agent, {away} s without a \
         broker\n{report}",
        start.elapsed().as_secs()
    );
    for problem in report.problems.iter().take(20) {
        println!("  {problem}");
    }
    assert!(report.acknowledged > 1000, "only {} writes were acknowledged", report.acknowledged);
    assert_eq!(report.missing, 0, "acknowledged writes are missing; see {}", agent.log.display());
    assert_eq!(report.problems.len(), 0, "see above and {}", agent.log.display());
    let bound = (kills as usize + 4) * WINDOW;
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
    nothing_is_missing("outage-block", "cdc_block_writes=true", u16::try_from(setting("RINGTAIL_OUTAGE_PORT", 19780)).expect("a port"));
}

#[test]
#[ignore = "needs a real Cassandra and Kafka: a quarter of an hour"]
fn nothing_is_missing_when_the_node_removes_segments_while_everything_fails() {
    nothing_is_missing("outage-remove", "cdc_block_writes=false", u16::try_from(setting("RINGTAIL_OUTAGE_PORT", 19780)).expect("a port"));
}
