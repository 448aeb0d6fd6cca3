//! A folder with segments, one of them damaged, some of their tables unknown; and the binary with the shim before it.

use crate::support::process::{Running, ringtail};
use crate::support::root;
use crate::support::segment::reidentify;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

const RECORDED: &str = "CommitLog-7-1795374647657";
const FIRST: u64 = 1_795_374_647_657;
/// `shop.outbox`, which the scene's schema does not know.
const OUTBOX: &str = "6f78fbd0-e6a8-11f1-b4b3-d375b5977eb1";
const SEGMENTS: u64 = 3;
/// How long a run may take; a save that hangs ends it after 30 s.
const PATIENCE: Duration = Duration::from_secs(90);
/// An offset within an entry of the recorded segment.
const IN_AN_ENTRY: usize = 60_000;

/// One call of the binary: which, about what, and the how many-th of its like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effect {
    pub call: String,
    pub path: String,
    pub nth: usize,
}

/// What a run without faults does and leaves.
pub struct Template {
    pub effects: Vec<Effect>,
    left: Left,
}

/// What a drain leaves.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    /// Id and content of each event, without the time of sending, repeats left out, in the order of their first coming.
    events: Vec<(String, String)>,
    parked: BTreeSet<String>,
    quarantined: BTreeSet<String>,
    in_cdc_raw: BTreeSet<String>,
    spooled: BTreeSet<String>,
}

/// What a run ended with.
pub struct Ended {
    pub code: Option<i32>,
    pub err: String,
    /// Whether the fault has happened.
    pub met: bool,
}

pub struct Scene {
    dir: TempDir,
}

/// The shim, compiled once.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}.so", std::process::id()));
        let source = root().join("tests/faults/shim.c");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&path).arg(source).arg("-ldl");
        let status = compile.status().expect("a C compiler, which the build needs too");
        assert!(status.success(), "the shim compiles");
        path
    })
}

impl Template {
    /// Runs the scene once without faults, and lists what was done.
    pub fn new() -> Template {
        let scene = Scene::empty();
        scene.fill();
        let log = scene.path("calls");
        let ended = scene.run_with(&[("FAULT_LOG", log.to_str().expect("text"))]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let left = scene.left();
        assert_eq!(left.quarantined.len(), 1, "{left:?}");
        assert!(!left.parked.is_empty() && left.events.len() > 20, "{left:?}");
        assert_eq!((left.in_cdc_raw.len(), left.spooled.len()), (0, 0), "{left:?}");

        let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
        for line in fs::read_to_string(log).expect("the list of calls").lines() {
            let (call, path) = line.split_once(' ').expect("a call and its path");
            // What is not ours, and what the scene itself needs.
            if !path.is_empty() && !["/calls", "/log", "/ringtail.yaml"].contains(&path) {
                *counts.entry((call.to_owned(), class(path).to_owned())).or_default() += 1;
            }
        }
        let mut effects = Vec::new();
        for ((call, path), count) in counts {
            let nths: BTreeSet<usize> = [1, 2, 3, count / 2, count].into_iter().filter(|nth| (1..=count).contains(nth)).collect();
            effects.extend(nths.into_iter().map(|nth| Effect { call: call.clone(), path: path.clone(), nth }));
        }
        Template { effects, left }
    }
}

/// Files of a folder with many are told by the folder.
fn class(path: &str) -> &str {
    ["/cdc_raw/", "/state/spool/", "/state/parked/", "/state/quarantine/"]
        .into_iter()
        .find(|folder| path.starts_with(folder))
        .unwrap_or(path)
}

impl Scene {
    /// A scene as it is before the first run.
    pub fn new(_: &Template) -> Scene {
        let scene = Scene::empty();
        scene.fill();
        scene
    }

    fn empty() -> Scene {
        Scene { dir: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder") }
    }

    /// A path in the scene's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn fill(&self) {
        let quickstart = root().join("fixtures/quickstart");
        let recorded = fs::read(quickstart.join(format!("{RECORDED}.log"))).expect("the quick start's segment");
        let index = fs::read(quickstart.join(format!("{RECORDED}_cdc.idx"))).expect("its index");
        fs::create_dir(self.path("cdc_raw")).expect("a writable folder");
        for n in 0..SEGMENTS {
            let mut bytes = reidentify(&recorded, FIRST + n);
            if n == 1 {
                bytes[IN_AN_ENTRY] ^= 1;
            }
            let name = self.path("cdc_raw").join(format!("CommitLog-7-{}", FIRST + n));
            fs::write(name.with_extension("log"), bytes).expect("a writable folder");
            fs::write(format!("{}_cdc.idx", name.display()), &index).expect("a writable folder");
        }
        let schema = fs::read_to_string(quickstart.join("schema.cql")).expect("the schema");
        fs::write(self.path("schema.cql"), schema.replace(OUTBOX, "00000000-e6a8-11f1-b4b3-d375b5977eb1")).expect("a writable folder");
        let root = self.dir.path().display();
        let config = format!(
            "node: {{ id: n1 }}\n\
             source: {{ cdc_raw: {root}/cdc_raw, rescan: 100ms }}\n\
             state: {{ dir: {root}/state }}\n\
             schema: {{ file: {root}/schema.cql, log: false }}\n\
             sink: {{ file: {{ path: {root}/events.jsonl }}, window: 20 }}\n\
             topics: {{ prefix: shop }}\n\
             http: {{ listen: \"127.0.0.1:0\" }}\n\
             log: {{ format: text }}\n"
        );
        fs::write(self.path("ringtail.yaml"), config).expect("a writable folder");
    }

    /// Drains the scene under the shim.
    pub fn run_with(&self, fault: &[(&str, &str)]) -> Ended {
        let (config, log, met) = (self.path("ringtail.yaml"), self.path("log"), self.path("met"));
        for file in [&log, &met] {
            fs::remove_file(file).unwrap_or_default();
        }
        let mut command = ringtail(["run", "--config", config.to_str().expect("text"), "--drain", "--timeout", "60s"]);
        command.env("LD_PRELOAD", shim()).env("FAULT_UNDER", self.dir.path()).env("FAULT_MET", &met).envs(fault.iter().copied());
        let status = Running::start(command, &log).wait(PATIENCE);
        Ended { code: status.code(), err: fs::read_to_string(log).expect("its log"), met: met.exists() }
    }

    fn left(&self) -> Left {
        let names = |folder: &str| -> BTreeSet<String> {
            let entries = fs::read_dir(self.path(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
            entries.map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned()).collect()
        };
        let text = fs::read_to_string(self.path("events.jsonl")).expect("the sink's file");
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        let mut events = Vec::new();
        for line in text.lines() {
            let mut event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let id = event["value"]["ringtail"]["id"].as_str().expect("an id").to_owned();
            event["value"].as_object_mut().expect("a value").remove("ts_ms").expect("ts_ms");
            let content = event.to_string();
            match seen.get(&id) {
                Some(before) => assert_eq!(*before, content, "an event that comes again is the same"),
                None => {
                    seen.insert(id.clone(), content.clone());
                    events.push((id, content));
                }
            }
        }
        Left {
            events,
            parked: names("state/parked"),
            quarantined: names("state/quarantine"),
            in_cdc_raw: names("cdc_raw"),
            spooled: names("state/spool"),
        }
    }

    /// The events, in order, and what is kept aside are those of a run without faults.
    pub fn assert_as_if_nothing_had_happened(&self, template: &Template, what: &str) {
        let (found, expected) = (self.left(), &template.left);
        let ids = |left: &Left| left.events.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&found), ids(expected), "{what}");
        assert_eq!(found, *expected, "{what}");
    }
}
