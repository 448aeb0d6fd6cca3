//! The agent beside a real Cassandra whose tables change all the time: every write comes with the columns that its table had.
//!
//! `cargo test --test ddl -- --ignored --nocapture`. `RINGTAIL_DDL_STATEMENTS` (40), `RINGTAIL_DDL_KILLS` (2), `RINGTAIL_DDL_RELEASE` (4.1.6),
//! `RINGTAIL_DDL_SEED` (1) and `RINGTAIL_DDL_PORT` (19760, and the fifteen after it) change the run; logs stay in `target/lab/run/ddl-<release>`.
//!
//! Two thirds of the statements are made while the agent can ask the node for its schema and is killed now and then; the last third while it
//! cannot, because the port that it asks is closed. Then the port is opened again, and all that had to wait must come.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

#[path = "ddl/changes.rs"]
mod changes;
#[path = "ddl/definition.rs"]
mod definition;
#[path = "ddl/proxy.rs"]
mod proxy;
#[path = "ddl/random.rs"]
mod random;
#[path = "ddl/slot.rs"]
mod slot;
mod support;
#[path = "ddl/told.rs"]
mod told;
#[path = "ddl/values.rs"]
mod values;
#[path = "ddl/verify.rs"]
mod verify;
#[path = "ddl/verify_tests.rs"]
mod verify_tests;
#[path = "ddl/writer.rs"]
mod writer;

use changes::Changes;
use definition::KEYSPACE;
use proxy::Proxy;
use random::Random;
use scylla::client::session_builder::SessionBuilder;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::agent::{Agent, WINDOW, left_in, setting, state_dir};
use support::consumer::{self, Consumer};
use support::lab::{Cassandra, Kafka, empty_folder};
use support::node::names;
use support::process::Running;
use tokio::task::JoinHandle;
use verify::Report;
use writer::{Shared, Write, Writer};

const KAFKA: &str = "3.6.1";
const PREFIX: &str = "ddl";
/// Between two writes of a writer.
const WRITE_PAUSE: Duration = Duration::from_millis(60);
/// Between two DDL statements, on average.
const DDL_PAUSE: Duration = Duration::from_millis(400);

/// What waits in `parked/`: the notes beside the entries.
fn parked(state: &Path) -> Vec<String> {
    let folder = state.join("parked");
    if !folder.is_dir() {
        return vec![];
    }
    let notes = names(&folder).into_iter().filter(|name| name.ends_with(".json"));
    notes.map(|name| format!("{name}: {}", std::fs::read_to_string(folder.join(&name)).unwrap_or_default())).collect()
}

/// Every slot has a careful writer and another one; one more writes batches over two of them.
fn start_writers(shared: &Arc<Shared>, seed: u64) -> Vec<JoinHandle<Vec<Write>>> {
    let writer = |slot, number, careful| Writer::new(Arc::clone(shared), slot, number, careful, seed);
    let all = (0..changes::SLOTS).flat_map(|slot| [writer(slot, 0, true), writer(slot, 1, false)]);
    let mut tasks: Vec<_> = all.map(|writer| tokio::spawn(writer.run(WRITE_PAUSE))).collect();
    tasks.push(tokio::spawn(writer(0, 2, true).run_batches(WRITE_PAUSE)));
    tasks
}

/// Kills the agent and starts it again, a moment later.
fn kill(agent: &Agent, node: &Cassandra, running: Running, random: &mut Random) -> Running {
    running.kill();
    if random.once_in(2) {
        // A flush discards segments from the commit log while nobody watches.
        node.nodetool(&["flush"]);
    }
    std::thread::sleep(Duration::from_millis(random.below(1500) as u64));
    agent.start(&[])
}

#[test]
#[ignore = "needs a real Cassandra and Kafka: minutes"]
fn every_write_comes_with_the_columns_that_its_table_had_whatever_becomes_of_the_table() {
    let (statements, kills) = (setting("RINGTAIL_DDL_STATEMENTS", 40) as usize, setting("RINGTAIL_DDL_KILLS", 2) as usize);
    let (seed, port) = (u64::from(setting("RINGTAIL_DDL_SEED", 1)), setting("RINGTAIL_DDL_PORT", 19760) as u16);
    let release = std::env::var("RINGTAIL_DDL_RELEASE").unwrap_or_else(|_| "4.1.6".into());
    let folder = empty_folder(&format!("ddl-{release}"));
    let broker = Kafka::start(KAFKA, &folder.join("kafka"), port + 10, &[]);
    let node = Cassandra::start(&release, &folder.join("cassandra"), port, &[]);
    let proxy = Proxy::start(port + 15, node.contact_point());
    let (runtime, start) = (tokio::runtime::Runtime::new().expect("a runtime"), Instant::now());
    let session = runtime.block_on(SessionBuilder::new().known_node(node.contact_point()).build()).expect("the node answers");
    let shared = Arc::new(runtime.block_on(changes::create(session, seed)));
    let mut topics: Vec<String> = shared.slots.iter().map(|slot| format!("{PREFIX}.{KEYSPACE}.{}", slot.name)).collect();
    topics.push(format!("{PREFIX}.schema"));
    runtime.block_on(consumer::create_topics(&broker.bootstrap(), &topics));
    let consumer = Consumer::start(&broker.bootstrap(), &topics, start);
    let more = format!("http: {{ listen: \"127.0.0.1:{}\" }}", port + 14);
    let schema = format!("cql: {{ contact_points: [\"{}\"] }}, wait: 2s", proxy.contact_point());
    let agent = Agent::configure(&folder, &node, &broker, &schema, PREFIX, &more);

    let mut random = Random::new(seed);
    let mut running = agent.start(&[]);
    let count = Arc::new(AtomicUsize::new(0));
    let writers = runtime.block_on(async { start_writers(&shared, seed) });
    let mut changes = Changes::new(Arc::clone(&shared), seed, Arc::clone(&count));
    // The agent has seen the schema once when an event has come.
    consumer.wait_for(1, Duration::from_secs(60));
    let reachable = statements * 2 / 3;
    let changing = runtime.spawn(async move {
        changes.run(reachable, DDL_PAUSE).await;
        changes
    });
    for killed in 0..kills {
        let at = (killed * 2 + 1) * reachable / (kills * 2);
        while count.load(Ordering::Relaxed) < at && !changing.is_finished() {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(random.below(800) as u64));
        assert!(running.is_running(), "the agent ended by itself: {}", agent.log.display());
        running = kill(&agent, &node, running, &mut random);
        eprintln!("kill {} of {kills}: {} writes", killed + 1, shared.acknowledged.load(Ordering::Relaxed));
    }
    changes = runtime.block_on(changing).expect("the changes do not panic");

    proxy.close();
    eprintln!("the port is closed");
    runtime.block_on(changes.run(statements, DDL_PAUSE));
    running = kill(&agent, &node, running, &mut random);
    runtime.block_on(changes.run(statements + 3, DDL_PAUSE));
    std::thread::sleep(Duration::from_secs(3));
    let waiting = parked(&state_dir(&node));
    proxy.open();
    eprintln!("the port is open again; {} entries are parked", waiting.len());

    shared.stop.store(true, Ordering::Relaxed);
    let mut writes = vec![];
    for writer in writers {
        writes.extend(runtime.block_on(writer).expect("a writer does not panic"));
    }
    let events = shared.events.load(Ordering::Relaxed);
    consumer.wait_for(events, Duration::from_secs(30));
    let alive = running.is_running();
    let stopped = running.stop(Duration::from_secs(10));
    node.stop();
    let drained = agent.start(&["--drain"]).wait(Duration::from_secs(120));
    consumer.wait_for(events, Duration::from_secs(3));
    let (of_schema, of_tables): (Vec<_>, Vec<_>) = consumer.finish().into_iter().partition(|record| record.topic.ends_with(".schema"));
    let report = Report::of(&writes, &shared.slots, &of_tables, PREFIX);

    let made = count.load(Ordering::Relaxed);
    println!(
        "DDL test: Cassandra {release}, Kafka {KAFKA}, {} s, seed {seed}, kills of the agent: {}",
        start.elapsed().as_secs(),
        kills + 1
    );
    println!(
        "DDL statements: {made}: {:?}\n{report}\nparked while the port was closed: {}\nrecords on the schema topic: {}",
        changes.made,
        waiting.len(),
        of_schema.len()
    );
    let untold = told::problems(&changes.told, &of_schema);
    let still = parked(&state_dir(&node));
    for (what, list) in [
        ("missing", &report.missing),
        ("cdc off", &report.uncalled),
        ("problem", &report.problems),
        ("parked", &still),
        ("schema topic", &untold),
    ] {
        for problem in list.iter().take(15) {
            println!("  {what}: {problem}");
        }
    }
    assert!(made >= statements, "only {made} DDL statements were made");
    assert_eq!(report.missing.len(), 0, "events are missing; see {}", agent.log.display());
    assert_eq!(report.problems.len(), 0, "see above and {}", agent.log.display());
    // What was written with cdc off may come where the node says meanwhile that it is on: rather an event more than one fewer.
    assert!(report.uncalled.len() * 20 < report.acknowledged, "{} events of tables with cdc off", report.uncalled.len());
    assert_eq!(untold.len(), 0, "the schema topic does not tell what was done");
    assert_eq!(still.len(), 0, "entries are parked at the end");
    let bound = (kills + 2) * WINDOW;
    assert!(report.repeats <= bound, "{} repeats, more than {bound}: {WINDOW} for each kill and the stop", report.repeats);
    assert!(alive, "the agent ended by itself; see {}", agent.log.display());
    assert_eq!(stopped.code(), Some(0), "the end after SIGTERM");
    assert_eq!(drained.code(), Some(0), "the end of run --drain");
    assert_eq!(left_in(&node.cdc_raw()), Vec::<String>::new(), "left in cdc_raw after a drain");
}
