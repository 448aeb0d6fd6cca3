//! A node that writes, the real binary beside it, and a real broker.

use crate::support::consumer::{Consumer, Seen};
use crate::support::expected::{Event, Expected, NODE, PREFIX, Reader, compare, without_time};
use crate::support::lab::Kafka;
use crate::support::node::{Node, names};
use crate::support::plan::{Ending, Plan};
use crate::support::process::{Running, ringtail};
use crate::support::recorded::{Recorded, Recording};
use crate::support::segment::Layout;
use ringtail::sink::faults::Choices;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long anything is waited for that must come.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// All that the node does: the recordings again and again, with other choices each time.
pub fn plan(recorded: &Recorded, seed: u64, rounds: u64) -> Plan<'_> {
    let mut choices = Choices::new(seed ^ 0x5eed);
    let mut plan = Plan::new(&recorded.catalog, seed, 1_800_000_000_000);
    let sequence: Vec<&Recording> = (0..rounds).flat_map(|_| &recorded.segments).collect();
    for (i, recording) in sequence.iter().enumerate() {
        let next = sequence.get(i + 1).unwrap_or(recording);
        let sections = Layout::of(&recording.bytes).sections.len() as u64;
        let ending = match choices.below(4) {
            _ if recording.name.contains("unclean") => Ending::Kill(sections as usize - choices.below(3) as usize),
            0 => Ending::Kill(choices.below(sections + 1) as usize),
            1 => Ending::Stop,
            _ => Ending::Full,
        };
        plan.segment(&recording.bytes, ending, &next.bytes);
    }
    plan.end();
    plan
}

/// What each segment must give, in the order of their ids.
pub fn expect(recorded: &Recorded, plan: &Plan<'_>) -> Expected {
    let none = |_: &Event| false;
    let mut reader = Reader::new(&recorded.catalog, &none);
    let mut all = Expected::default();
    for content in plan.contents.values() {
        let one = reader.read(content.name, &content.bytes).expect("a readable segment");
        all.events.extend(one.events);
        all.parked.extend(one.parked);
    }
    all
}

/// The topics of these events.
pub fn topics(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.topic.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The scene of one test.
pub struct Scene<'c> {
    root: PathBuf,
    node: Node,
    bootstrap: String,
    /// What the node does.
    pub plan: Plan<'c>,
    /// What chance decides.
    pub choices: Choices,
}

impl<'c> Scene<'c> {
    pub fn new(root: &Path, broker: &Kafka, seed: u64, recorded: &Recorded, plan: Plan<'c>) -> Scene<'c> {
        fs::write(root.join("schema.cql"), &recorded.schema).expect("a writable folder");
        let node = Node::new(root);
        Scene { root: root.to_owned(), node, bootstrap: broker.bootstrap(), plan, choices: Choices::new(seed) }
    }

    /// A folder of the agent.
    pub fn state(&self, name: &str) -> PathBuf {
        self.root.join("state").join(name)
    }

    pub fn log(&self) -> PathBuf {
        self.root.join("ringtail.log")
    }

    /// Starts it with this state folder, and more of `source` and `sink`.
    pub fn start_as(&self, state: &str, source: &str, sink: &str, more: &[&str]) -> Running {
        let (root, bootstrap) = (self.root.display(), &self.bootstrap);
        let config = format!(
            "node: {{ id: {NODE} }}\n\
             source: {{ cdc_raw: {root}/cdc_raw, rescan: 100ms {source} }}\n\
             state: {{ dir: {root}/{state} }}\n\
             schema: {{ file: {root}/schema.cql, log: false }}\n\
             sink: {{ kafka: {{ bootstrap.servers: \"{bootstrap}\", reconnect.backoff.max.ms: 500 {sink} }}, delivery: exactly_once, window: 200, commit_interval: 20ms }}\n\
             topics: {{ prefix: {PREFIX} }}\n\
             http: {{ listen: \"127.0.0.1:0\" }}\n\
             log: {{ format: text }}\n"
        );
        let path = self.root.join(format!("ringtail-{state}.yaml"));
        fs::write(&path, config).expect("a writable folder");
        let path = path.display().to_string();
        let fixed = ["run", "--config", &path];
        let log = if state == "state" { self.log() } else { self.root.join(format!("ringtail-{state}.log")) };
        Running::start(ringtail(fixed.into_iter().chain(more.iter().copied())), &log)
    }

    /// One thing that the node does; false if there is none left.
    pub fn step(&mut self) -> bool {
        let step = self.plan.steps.pop_front();
        step.iter().for_each(|step| self.node.perform(&self.plan.contents, step));
        step.is_some()
    }

    /// The node goes on until then, with at most so many steps.
    pub fn write(&mut self, steps: &mut usize, time: Duration) {
        let until = Instant::now() + time;
        loop {
            if *steps > 0 && self.step() {
                *steps -= 1;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(Duration::from_micros(self.choices.below(4000))));
        }
    }

    /// Waits until nothing is left in `cdc_raw` or the spool.
    pub fn finish(&mut self, running: &mut Running) {
        while self.step() {}
        let begun = Instant::now();
        let left = |scene: &Scene<'_>| [scene.node.left(), names(&scene.state("spool"))].concat();
        while !left(self).is_empty() {
            if begun.elapsed() > PATIENCE || !running.is_running() {
                self.fail(&format!("left in cdc_raw and the spool: {:?}", left(self)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Fails with the end of the agent's log.
    pub fn fail(&self, what: &str) -> ! {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(25).collect();
        panic!("{what}; {}\nthe last lines of its log, newest first:\n{}", self.root.display(), last.join("\n"));
    }
}

/// A `read_committed` consumer saw each event once, in order, and nothing else.
pub fn assert_each_once(expected: &Expected, consumer: Consumer) -> Vec<Seen> {
    let seen = consumer.finish();
    let by_id: BTreeMap<&str, &Event> = expected.events.iter().map(|event| (event.id.as_str(), event)).collect();
    let arrived: Vec<Event> = seen
        .iter()
        .map(|seen| {
            let expected = by_id.get(seen.id.as_str());
            Event {
                id: seen.id.clone(),
                topic: seen.topic.clone(),
                // What a record does not say is taken as expected.
                partition: expected.map(|event| event.partition.clone()).unwrap_or_default(),
                content: [seen.key.clone(), without_time(&seen.value), expected.map(|event| event.content[2].clone()).unwrap_or_default()],
            }
        })
        .collect();
    let verdict = compare(&expected.events, &arrived);
    let first: Vec<&str> = verdict.problems.iter().take(20).map(String::as_str).collect();
    assert!(verdict.problems.is_empty(), "{} problems:\n{}", verdict.problems.len(), first.join("\n"));
    let mut once = BTreeSet::new();
    let again: Vec<&str> = arrived.iter().map(|event| event.id.as_str()).filter(|id| !once.insert(*id)).collect();
    assert_eq!(verdict.repeats, 0, "arrived again, from {:?} to {:?}", again.first(), again.last());
    let mut partitions: BTreeMap<(&str, &[u8]), i32> = BTreeMap::new();
    for (event, seen) in arrived.iter().zip(&seen) {
        let known = *partitions.entry((&event.topic, &event.partition)).or_insert(seen.partition);
        assert_eq!(known, seen.partition, "one Cassandra partition is in one of Kafka's");
    }
    seen
}
