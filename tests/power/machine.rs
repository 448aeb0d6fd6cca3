//! A machine with a node and the real binary, whose power goes again and again.

use super::disk::Rule;
use super::mount::{Call, Mount, Trigger};
use super::outlet::Outlet;
use crate::support::audit::Audit;
use crate::support::expected::{Expected, NODE, PREFIX};
use crate::support::node::{Node, Step, names};
use crate::support::plan::Plan;
use crate::support::process::{Running, ringtail};
use ringtail::sink::faults::Choices;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `sink.window`: what one cut may repeat.
pub const WINDOW: usize = 200;
/// How long anything is waited for that must come.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long a run lasts at most, and how long it does nothing before the power goes all the same.
const RUN_MAX: Duration = Duration::from_secs(8);
const IDLE: Duration = Duration::from_millis(500);

/// What the agent says before it sends anything.
const BEGINS: &str = "sending begins";

/// What happened, for the record.
#[derive(Debug, Default)]
pub struct Tally {
    /// How often the power went.
    pub cuts: usize,
    /// Those that came with a call: just before it was done, or just after.
    pub at_a_call: BTreeMap<Call, usize>,
    /// Those that came after events had begun to go out.
    pub sending: usize,
    /// Cuts that took anything away.
    pub lossy: usize,
    /// Files and names that were not as a process had last seen them.
    pub lost: usize,
    /// Audits between two runs.
    pub audits: usize,
}

/// The machine. Its disk is mounted; configuration, log and broker are elsewhere.
pub struct Machine<'c> {
    pub mount: Mount,
    node: Node,
    pub plan: Plan<'c>,
    expected: &'c BTreeMap<u64, Expected>,
    pub outlet: Outlet,
    /// What stays when a test fails.
    pub root: PathBuf,
    seed: u64,
    choices: Choices,
    pub tally: Tally,
    /// Segments whose link the node has made and not taken back.
    linked: BTreeSet<u64>,
    /// What did not hold between two runs.
    pub problems: Vec<String>,
    /// Whether finished segments go to an archive.
    pub archives: bool,
}

impl<'c> Machine<'c> {
    /// A new machine, with an empty disk.
    pub fn new(name: &str, seed: u64, schema: &str, plan: Plan<'c>, expected: &'c BTreeMap<u64, Expected>) -> Machine<'c> {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{seed}"));
        fs::create_dir_all(&root).expect("a writable folder");
        let mount = Mount::new(&root.join("disk"), Rule::Strict).unwrap_or_else(|error| panic!("cannot mount {}: {error}", root.display()));
        fs::write(root.join("schema.cql"), schema).expect("a writable folder");
        fs::remove_file(root.join("ringtail.log")).unwrap_or_default();
        let outlet = Outlet::file(mount.path.join("events.jsonl"));
        let (node, choices, tally) = (Node::new(&mount.path), Choices::new(seed), Tally::default());
        Machine {
            mount,
            node,
            plan,
            expected,
            outlet,
            root,
            seed,
            choices,
            tally,
            linked: BTreeSet::new(),
            problems: Vec::new(),
            archives: false,
        }
    }

    /// A part of the agent's state folder.
    pub fn state(&self, name: &str) -> PathBuf {
        self.mount.path.join("var/ringtail").join(name)
    }

    fn log(&self) -> PathBuf {
        self.root.join("ringtail.log")
    }

    /// Writes a configuration with settings that differ each time where they may, and answers its path.
    fn configure(&mut self) -> PathBuf {
        let (disk, root) = (self.mount.path.display(), self.root.display());
        let read = if self.choices.happens(300) { "synced" } else { "marked" };
        let commitlog = if self.choices.happens(500) { format!(", commitlog: {disk}/commitlog") } else { String::new() };
        let release = if self.choices.happens(500) { "early" } else { "delivered" };
        let finished =
            if self.archives { format!(", finished: archive, archive: {disk}/old/{}/archive", self.tally.cuts) } else { String::new() };
        // The log is put together from the logs of several nodes, whose tables share names: it tells no history.
        let config = format!(
            "node: {{ id: {NODE} }}\n\
             source: {{ cdc_raw: {disk}/cdc_raw, read: {read}, rescan: 100ms{commitlog}{finished} }}\n\
             state: {{ dir: {disk}/var/ringtail, spool: {{ release: {release} }} }}\n\
             schema: {{ file: {root}/schema.cql, log: false }}\n\
             sink: {{ {}, window: {WINDOW} }}\n\
             topics: {{ prefix: {PREFIX} }}\n\
             http: {{ listen: \"127.0.0.1:0\" }}\n",
            self.outlet.config()
        );
        let path = self.root.join("ringtail.yaml");
        fs::write(&path, config).expect("a writable folder");
        path
    }

    fn start(&mut self, more: &[&str]) -> Running {
        let config = self.configure().display().to_string();
        let fixed = ["run", "--config", &config];
        Running::start(ringtail(fixed.into_iter().chain(more.iter().copied())), &self.log())
    }

    /// Fails with the end of the agent's log.
    pub fn fail(&self, what: &str) -> ! {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(15).collect();
        let (seed, cuts, root) = (self.seed, self.tally.cuts, self.root.display());
        panic!("{what}; RINGTAIL_SEED={seed}, after {cuts} cuts, {root}\nthe last lines of its log, newest first:\n{}", last.join("\n"));
    }

    /// One thing that the node does; false if there is none left.
    fn step(&mut self) -> bool {
        let Some(step) = self.plan.steps.pop_front() else { return false };
        self.node.perform(&self.plan.contents, &step);
        match step {
            Step::Link(id) => self.linked.insert(id),
            Step::Unlink(id) => self.linked.remove(&id),
            _ => true,
        };
        true
    }

    /// The node goes on until then, with at most so many steps, or until the power goes.
    fn write(&mut self, steps: &mut usize, time: Duration) {
        let until = Instant::now() + time;
        while !self.mount.is_off() {
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

    /// One run of the agent that ends with the power, while the node takes so many steps.
    ///
    /// Two runs in three are cut after events have begun to go out; the others at any moment from the start on.
    pub fn run_and_cut(&mut self, mut steps: usize) {
        let trigger = self.trigger();
        let mut waits = self.choices.happens(650);
        let mut kept_back = if waits { steps / 2 } else { 0 };
        if let Some(trigger) = trigger.filter(|_| !waits) {
            self.mount.arm(trigger);
        }
        // Without a call to wait for, the power goes when this has passed; with one, when nothing happens any more, at the latest.
        let time = Duration::from_micros(self.choices.below(600_000));
        let (said, mut running) = (self.said(BEGINS), self.start(&[]));
        let (begun, mut since) = (Instant::now(), Instant::now());
        while !self.mount.is_off() && begun.elapsed() < RUN_MAX {
            let mut now = steps - kept_back;
            let before = now;
            self.write(&mut now, Duration::from_millis(5));
            steps -= before - now;
            let is_idle = self.mount.idle().is_some_and(|idle| idle > IDLE);
            if waits && self.said(BEGINS) > said {
                (waits, kept_back, since) = (false, 0, Instant::now());
                trigger.into_iter().for_each(|trigger| self.mount.arm(trigger));
            } else if !waits && (if trigger.is_some() { is_idle && since.elapsed() > IDLE } else { since.elapsed() > time }) {
                break;
            }
        }
        if let Some(trigger) = trigger.filter(|_| self.mount.is_off()) {
            *self.tally.at_a_call.entry(trigger.call).or_default() += 1;
        }
        self.tally.sending += usize::from(self.said(BEGINS) > said);
        self.cut(&mut running);
        drop(running);
        self.outlet.look();
        self.check();
        // What is left is done while nobody watches.
        while steps > 0 && self.step() {
            steps -= 1;
        }
    }

    /// Three times in four the power goes with a call: just before it, or when it was done and nobody was told.
    fn trigger(&mut self) -> Option<Trigger> {
        if !self.choices.happens(750) {
            return None;
        }
        let (call, most) = match self.choices.below(8) {
            0..3 => (Call::Sync, 60),
            3 => (Call::Write, 120),
            4 => (Call::Link, 3),
            5 => (Call::Remove, 3),
            6 => (Call::Rename, 3),
            _ => (Call::Make, 6),
        };
        Some(Trigger { call, nth: 1 + self.choices.below(most), after: self.choices.happens(500) })
    }

    /// The power goes, and comes back.
    fn cut(&mut self, running: &mut Running) {
        if !self.mount.is_off() && !running.is_running() {
            self.fail("the agent ended by itself");
        }
        // Killed before the disk answers with errors: it sees none of them.
        let pid = Pid::from_raw(running.id() as i32).expect("a process id");
        if running.is_running() {
            kill_process(pid, Signal::KILL).expect("our own child");
        }
        self.mount.turn_off();
        while running.is_running() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let rule = if self.choices.happens(330) { Rule::Ordered } else { Rule::Strict };
        let lost = self.mount.cut(&mut self.choices, rule);
        self.tally.cuts += 1;
        self.tally.lossy += usize::from(lost > 0);
        self.tally.lost += lost;
    }

    /// What must hold whenever the power comes back: whatever counts as delivered has arrived, and nothing else was given up.
    fn check(&mut self) {
        let spool = self.state("spool");
        let spooled = if spool.is_dir() { names(&spool) } else { Vec::new() };
        let in_cdc_raw = self.node.left();
        for id in self.linked.clone() {
            let name = self.plan.contents[&id].name.log();
            if !in_cdc_raw.contains(&name) && !spooled.iter().any(|link| link.starts_with(&name)) {
                self.expect_arrived(id, u32::MAX, "its names are gone");
                self.expect_archived(id);
            }
        }
        if self.choices.happens(500) {
            self.audit();
        }
    }

    fn expect_arrived(&mut self, segment: u64, up_to: u32, why: &str) {
        let expected = self.expected.get(&segment).map_or(&[][..], |expected| &expected.events);
        let missing = expected.iter().filter(|event| position(&event.id) <= up_to && !self.outlet.ids.contains(&event.id)).count();
        if missing > 0 {
            self.problems.push(format!("{missing} events of segment {segment} have not arrived, although {why}"));
        }
    }

    /// Under `source.finished: archive` the last name goes when the archive has the whole file. Each run has a new one.
    fn expect_archived(&mut self, segment: u64) {
        let content = &self.plan.contents[&segment];
        let has_events = self.expected.get(&segment).is_some_and(|expected| !expected.events.is_empty());
        let archive = |cut| self.mount.path.join(format!("old/{cut}/archive")).join(content.name.log());
        let is_there = || (0..=self.tally.cuts).any(|cut| fs::read(archive(cut)).is_ok_and(|bytes| bytes == content.bytes));
        if self.archives && has_events && !is_there() {
            self.problems.push(format!("segment {segment} is not in the archive, although its names are gone"));
        }
    }

    /// `ringtail audit` finds nothing lost, and what it calls delivered has arrived. Nothing where there is no state yet.
    pub fn audit(&mut self) -> Option<Audit> {
        let audit = Audit::of(&self.configure())?;
        self.problems.extend(audit.problems());
        for record in audit.records() {
            let file = record["file"].as_str().expect("a name");
            let id = file.trim_end_matches(".log").rsplit('-').next().and_then(|id| id.parse().ok()).expect("an id");
            let up_to = record["delivered_to"]["position"].as_u64().expect("a position") as u32;
            self.expect_arrived(id, up_to, &format!("the ledger says that it is delivered up to {up_to}"));
        }
        self.tally.audits += 1;
        Some(audit)
    }

    /// The node comes to its end, and the agent to the end of its work.
    pub fn finish(&mut self) {
        let mut running = self.start(&[]);
        let mut steps = self.plan.steps.len();
        self.write(&mut steps, Duration::from_millis(100));
        while self.step() {}
        while !self.node.left().is_empty() {
            // However long it takes: as long as something happens.
            if self.mount.idle().is_some_and(|idle| idle > PATIENCE) || !running.is_running() {
                self.fail(&format!("left in cdc_raw: {:?}", self.node.left()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let stopped = running.stop(PATIENCE);
        self.outlet.look();
        let drained = self.start(&["--drain"]).wait(PATIENCE);
        if (stopped.code(), drained.code()) != (Some(0), Some(0)) {
            self.fail(&format!("the ends after SIGTERM and of --drain: {:?}", (stopped, drained)));
        }
        self.outlet.look();
    }

    /// How often the agent said this, over all its runs.
    pub fn said(&self, what: &str) -> usize {
        fs::read_to_string(self.log()).map_or(0, |log| log.matches(what).count())
    }
}

/// The position in `node/segment/position/ordinal`.
fn position(id: &str) -> u32 {
    id.split('/').nth(2).and_then(|position| position.parse().ok()).expect("a position")
}
