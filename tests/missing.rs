//! What a real node leaves out of `cdc_raw` when `cdc_total_space` is full, and what the agent makes of it (`docs/gaps.md`).
//!
//! `cargo test --test missing -- --ignored --nocapture --test-threads 1`. `RINGTAIL_MISSING_RELEASE` (4.1.6; from 4.1 on) and
//! `RINGTAIL_MISSING_PORT` (19830, and the four after it) change the run; logs stay in `target/lab/run/missing-*`.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

mod support;

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::agent::setting;
use support::lab::{Cassandra, empty_folder};
use support::process::{Running, output, ringtail};
use tokio::runtime::Runtime;

struct Scene {
    folder: PathBuf,
    port: u16,
    node: Cassandra,
    runtime: Runtime,
    session: Session,
    rows: i32,
}

impl Scene {
    /// A node whose `cdc_raw` is full with four segments of 1 MiB, and a table with CDC.
    fn new(name: &str, settings: &[&str]) -> Scene {
        let port = u16::try_from(setting("RINGTAIL_MISSING_PORT", 19830)).expect("a port");
        let folder = empty_folder(name);
        let settings: Vec<&str> = settings.iter().copied().chain(["cdc_total_space=4MiB"]).collect();
        let release = std::env::var("RINGTAIL_MISSING_RELEASE").unwrap_or_else(|_| "4.1.6".into());
        println!("Cassandra {release}");
        let node = Cassandra::start(&release, &folder.join("cassandra"), port, &settings);
        let runtime = Runtime::new().expect("a runtime");
        let session = runtime.block_on(SessionBuilder::new().known_node(node.contact_point()).build()).expect("the node answers");
        let scene = Scene { folder, port, node, runtime, session, rows: 0 };
        for text in [
            "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "CREATE TABLE ks.t (id int PRIMARY KEY, body text) WITH cdc = true",
        ] {
            scene.runtime.block_on(scene.session.query_unpaged(text, ())).expect("the schema is made");
        }
        scene
    }

    /// Rows of 16 KiB, until so many are written or the node refuses one.
    fn write(&mut self, rows: i32) -> bool {
        let body = "x".repeat(16 << 10);
        for _ in 0..rows {
            let insert = self.session.query_unpaged("INSERT INTO ks.t (id, body) VALUES (?, ?)", (self.rows, body.as_str()));
            if self.runtime.block_on(insert).is_err() {
                return false;
            }
            self.rows += 1;
        }
        true
    }

    /// Starts an agent. One that `takes` delivers into a file; one that does not has no broker, and releases no names.
    fn start(&self, takes: bool) -> Running {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let sink = if takes {
            format!("{{ file: {{ path: {} }} }}", path("events.jsonl"))
        } else {
            "{ kafka: { bootstrap.servers: \"127.0.0.1:1\" } }".into()
        };
        let text = format!(
            "source: {{ cdc_raw: {cdc_raw}, commitlog: {commitlog}, cassandra_yaml: {yaml}, rescan: 500ms }}\n\
             state: {{ dir: {state}, spool: {{ release: delivered }} }}\n\
             schema: {{ cql: {{ contact_points: [\"{cql}\"] }} }}\ntopics: {{ prefix: shop, schema: null }}\nsink: {sink}\n\
             http: {{ listen: \"127.0.0.1:{port}\" }}\n",
            cdc_raw = self.node.cdc_raw().display(),
            commitlog = self.node.commitlog().display(),
            yaml = path("cassandra/conf/cassandra.yaml"),
            state = path("cassandra/ringtail"),
            cql = self.node.contact_point(),
            port = self.port + 4,
        );
        fs::write(self.config(), text).expect("a writable folder");
        Running::start(ringtail(["run", "--config", &self.config()]), &self.folder.join("ringtail.log"))
    }

    fn config(&self) -> String {
        self.folder.join("ringtail.yaml").display().to_string()
    }

    fn status(&self) -> Option<Value> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port + 4)).ok()?;
        socket.write_all(b"GET /status HTTP/1.1\r\nHost: ringtail\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    fn wait_until(&self, what: &str, seconds: u64, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let status = self.status();
            if let Some(status) = status.as_ref().filter(|status| wanted(status)) {
                return status.clone();
            }
            assert!(begun.elapsed() < Duration::from_secs(seconds), "not so: {what}\n{status:#?}\n{}", self.folder.display());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ids between the first and the last on record of which nothing is said.
    fn unnamed(&self) -> Vec<u64> {
        let ended = output(["audit", "--json", "--config", &self.config()]);
        let report: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
        let number = |value: &Value| value.as_u64().expect("a number");
        let ids: Vec<u64> = report["segments"].as_array().expect("segments").iter().map(|segment| number(&segment["id"])).collect();
        let gaps = report["sums"]["gaps"].as_array().expect("gaps").iter();
        let gaps: Vec<(u64, u64)> = gaps.map(|gap| (number(&gap["ids"][0]), number(&gap["ids"][1]))).collect();
        let is_named = |id: &u64| ids.contains(id) || gaps.iter().any(|(first, last)| (first..=last).contains(&id));
        assert!(ids.len() > 3 && !gaps.is_empty(), "{report:#}");
        (ids[0]..ids[ids.len() - 1]).filter(|id| !is_named(id)).collect()
    }

    /// The exit code of an audit, and what it prints.
    fn audit(&self) -> (Option<i32>, String) {
        let ended = output(["audit", "--config", &self.config()]);
        (ended.status.code(), String::from_utf8(ended.stdout).expect("text"))
    }
}

fn refuses(status: &Value) -> bool {
    status["gaps"]["node_refuses"].as_bool() == Some(true)
}

#[test]
#[ignore = "needs a real Cassandra: two minutes"]
fn a_real_node_that_refuses_cdc_writes_is_said_until_it_links_again() {
    let mut scene = Scene::new("missing-refused", &["cdc_block_writes=true"]);
    let agent = scene.start(false);
    scene.wait_until("the agent looks", 60, |status| !status["segments"].as_array().is_none_or(Vec::is_empty));
    assert!(!scene.write(2000), "the node refuses once cdc_raw is full");
    scene.wait_until("the refusal is said", 15, refuses);
    assert_eq!(agent.stop(Duration::from_secs(10)).code(), Some(0));

    let agent = scene.start(true);
    scene.wait_until("everything is delivered", 60, |status| status["delivered"].as_i64() >= Some(i64::from(scene.rows)));
    let begun = Instant::now();
    while !scene.write(100) {
        assert!(begun.elapsed() < Duration::from_secs(60), "there is space again");
        std::thread::sleep(Duration::from_millis(500));
    }
    scene.wait_until("the refusal is over", 15, |status| !refuses(status));
    // So long a missing id has to come.
    std::thread::sleep(Duration::from_secs(65));

    let status = scene.wait_until("everything is delivered", 60, |status| status["delivered"].as_i64() >= Some(i64::from(scene.rows)));
    assert_eq!((status["gaps"]["suspicious"].as_i64(), status["gaps"]["lost"].as_i64()), (Some(1), Some(0)), "{status:#}");
    let (code, text) = scene.audit();
    println!("{text}");
    assert_eq!(code, Some(65));
    assert!(text.contains("gap:1      suspicious (refused): segments "), "{text}");
    assert_eq!(agent.stop(Duration::from_secs(10)).code(), Some(0));
}

#[test]
#[ignore = "needs a real Cassandra: two minutes"]
fn what_a_real_node_removes_while_nobody_looks_is_a_gap() {
    let mut scene = Scene::new("missing-removed", &["cdc_block_writes=false"]);
    let agent = scene.start(true);
    assert!(scene.write(200));
    scene.wait_until("everything is delivered", 60, |status| status["delivered"].as_i64() >= Some(i64::from(scene.rows)));
    assert_eq!(agent.stop(Duration::from_secs(10)).code(), Some(0));
    assert_eq!(scene.audit().0, Some(0));

    assert!(scene.write(1000), "the node refuses nothing");
    let agent = scene.start(true);
    scene.wait_until("the gap is on record", 120, |status| status["gaps"]["suspicious"].as_i64() > Some(0));

    let (code, text) = scene.audit();
    println!("{text}");
    // The node may have written the index of a removed segment again, which proves a loss.
    let is_lost = text.contains("lost (never_linked)");
    assert_eq!(code, Some(if is_lost { 70 } else { 65 }));
    assert!(text.contains("(cdc_block_writes: false)") && !text.contains("the node was running"), "{text}");
    let unnamed = scene.unnamed();
    assert!(unnamed.is_empty(), "neither on record nor in a gap: {unnamed:?}");
    assert_eq!(agent.stop(Duration::from_secs(10)).code(), Some(0));
}
