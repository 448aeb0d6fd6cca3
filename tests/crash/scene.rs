//! A node that writes, and the real binary that is started and killed beside it.

use crate::support::expected::{NODE, PREFIX};
use crate::support::node::{Node, names};
use crate::support::plan::Plan;
use crate::support::process::{Running, ringtail};
use crate::support::recorded::Recorded;
use ringtail::sink::faults::Choices;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `sink.window`: what one kill may repeat.
pub const WINDOW: usize = 200;
/// No line is longer.
const LINE_MAX: u64 = 1 << 20;
/// How long anything is waited for that must come.
const PATIENCE: Duration = Duration::from_secs(90);

/// The agent's folder, and what it printed.
pub struct Agent {
    /// Everything of it.
    pub root: PathBuf,
    seed: u64,
    choices: Choices,
}

impl Agent {
    /// The sink's file.
    pub fn out(&self) -> PathBuf {
        self.root.join("events.jsonl")
    }

    fn log(&self) -> PathBuf {
        self.root.join("ringtail.log")
    }

    /// A part of its state folder.
    pub fn state(&self, name: &str) -> PathBuf {
        self.root.join("state").join(name)
    }

    /// Starts it with settings that differ each time where they may.
    fn start(&mut self, more: &[&str]) -> Running {
        let root = self.root.display();
        let read = if self.choices.happens(300) { "synced" } else { "marked" };
        let commitlog = if self.choices.happens(500) { format!(", commitlog: {root}/commitlog") } else { String::new() };
        // The log is put together from the logs of several nodes, whose tables share names: it tells no history.
        let config = format!(
            "node: {{ id: {NODE} }}\n\
             source: {{ cdc_raw: {root}/cdc_raw, read: {read}, rescan: 100ms{commitlog} }}\n\
             state: {{ dir: {root}/state }}\n\
             schema: {{ file: {root}/schema.cql, log: false }}\n\
             sink: {{ file: {{ path: {root}/events.jsonl }}, window: {WINDOW} }}\n\
             topics: {{ prefix: {PREFIX} }}\n\
             http: {{ listen: \"127.0.0.1:0\" }}\n"
        );
        let path = self.root.join("ringtail.yaml");
        fs::write(&path, config).expect("a writable folder");
        let path = path.display().to_string();
        let fixed = ["run", "--config", &path];
        Running::start(ringtail(fixed.into_iter().chain(more.iter().copied())), &self.log())
    }

    fn written(&self) -> u64 {
        fs::metadata(self.out()).map_or(0, |file| file.len())
    }

    /// The same without a line that a kill tore: the next run cuts it off.
    fn whole_lines(&self) -> u64 {
        let Ok(mut file) = fs::File::open(self.out()) else { return 0 };
        let length = self.written();
        let behind = length.saturating_sub(LINE_MAX);
        file.seek(SeekFrom::Start(behind)).expect("a file");
        let mut tail = Vec::new();
        file.read_to_end(&mut tail).expect("a readable file");
        tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| behind + last as u64 + 1)
    }

    /// How a failure is told: what to paste, and where to look.
    pub fn name(&self) -> String {
        format!("RINGTAIL_SEED={}, {}", self.seed, self.root.display())
    }

    /// Fails with the end of its log.
    pub fn fail(&self, what: &str) -> ! {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(15).collect();
        panic!("{what}; {}\nthe last lines of its log, newest first:\n{}", self.name(), last.join("\n"));
    }
}

/// The scene of one test, in a folder of its own that stays when it fails.
pub struct Scene<'c> {
    node: Node,
    /// What the node does.
    pub plan: Plan<'c>,
    /// The agent.
    pub agent: Agent,
    choices: Choices,
    /// The length of the sink's file at the end of each run.
    pub runs: Vec<u64>,
}

impl<'c> Scene<'c> {
    /// An empty folder for this seed.
    pub fn new(seed: u64, recorded: &Recorded, plan: Plan<'c>) -> Scene<'c> {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crash-{seed}"));
        if root.is_dir() {
            fs::remove_dir_all(&root).expect("the folder of a former run");
        }
        fs::create_dir_all(&root).expect("a writable folder");
        fs::write(root.join("schema.cql"), &recorded.schema).expect("a writable folder");
        let agent = Agent { root: root.clone(), seed, choices: Choices::new(seed.wrapping_add(1)) };
        Scene { node: Node::new(&root), plan, agent, choices: Choices::new(seed), runs: vec![0] }
    }

    /// One thing that the node does; false if there is none left.
    fn step(&mut self) -> bool {
        let step = self.plan.steps.pop_front();
        step.iter().for_each(|step| self.node.perform(&self.plan.contents, step));
        step.is_some()
    }

    /// The node goes on until then, with at most so many steps.
    fn write(&mut self, steps: &mut usize, time: Duration) {
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

    /// One run of the agent that ends by SIGKILL, while the node takes so many steps.
    pub fn run_and_kill(&mut self, mut steps: usize) {
        let mut running = self.agent.start(&[]);
        // One kill in four comes at any moment from the start on, the others while events go out.
        let waits = self.choices.happens(750);
        let (before, begun) = (self.agent.written(), Instant::now());
        while waits && self.agent.written() == before && begun.elapsed() < Duration::from_secs(3) {
            self.write(&mut steps, Duration::from_millis(10));
        }
        let time = Duration::from_micros(self.choices.below(400_000));
        self.write(&mut steps, time);
        if !running.is_running() {
            self.agent.fail("the agent ended by itself");
        }
        running.kill();
        self.runs.push(self.agent.whole_lines());
        // What is left is done while nobody watches.
        while steps > 0 && self.step() {
            steps -= 1;
        }
    }

    /// The node comes to its end, and the agent to the end of its work.
    pub fn finish(&mut self) {
        let mut running = self.agent.start(&[]);
        let mut steps = self.plan.steps.len();
        self.write(&mut steps, Duration::from_millis(100));
        while self.step() {}
        // Names leave `cdc_raw` before their bytes are delivered: it is through when nothing is spooled any more.
        let left = |scene: &Scene<'_>| [scene.node.left(), names(&scene.agent.state("spool"))].concat();
        let (mut fewest, mut moved) = (usize::MAX, Instant::now());
        loop {
            let left = left(self);
            if left.is_empty() {
                break;
            }
            if left.len() < fewest {
                (fewest, moved) = (left.len(), Instant::now());
            }
            if moved.elapsed() > PATIENCE || !running.is_running() {
                self.agent.fail(&format!("left in cdc_raw and in the spool: {left:?}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let stopped = running.stop(PATIENCE);
        self.runs.push(self.agent.whole_lines());
        let drained = self.agent.start(&["--drain"]).wait(PATIENCE);
        assert_eq!((stopped.code(), drained.code()), (Some(0), Some(0)), "the ends after SIGTERM and of --drain; {}", self.agent.name());
    }
}
