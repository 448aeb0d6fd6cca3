//! A folder with everything that an agent needs: segments in `cdc_raw`, a schema, a configuration.

use super::support::process::{Running, ringtail};
use super::support::root;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

/// The segment of the quick start, and how many events it gives.
pub const SEGMENT: &str = "CommitLog-7-1795374647657.log";
pub const INDEX: &str = "CommitLog-7-1795374647657_cdc.idx";
pub const EVENTS: usize = 42;
/// `shop.outbox` and how many of its mutations the segment holds.
pub const OUTBOX: &str = "6f78fbd0-e6a8-11f1-b4b3-d375b5977eb1";
pub const OUTBOX_MUTATIONS: usize = 11;
/// How many others come behind one of them in its partition, and how many events those and the outbox's have.
pub const QUEUED: usize = 16;
pub const BEHIND_OUTBOX: usize = 34;

/// How long anything here may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Place {
    dir: tempfile::TempDir,
    sections: BTreeMap<&'static str, String>,
}

/// What a command printed and ended with.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    pub fn of(output: &Output) -> Ended {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the output is text");
        Ended { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The lines of the log, and other lines on standard error, without time and module.
    #[track_caller]
    pub fn says(&self, text: &str) {
        assert!(self.err.contains(text), "expected on standard error: {text}\nfound:\n{}", self.err);
    }
}

impl Place {
    /// The segment of the quick start with its index, its schema, a file sink.
    pub fn new() -> Place {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(dir.path().join("cdc_raw")).expect("a writable folder");
        let mut place = Place { dir, sections: BTreeMap::new() };
        for name in [SEGMENT, INDEX] {
            fs::write(place.cdc_raw().join(name), quickstart(name)).expect("a writable folder");
        }
        fs::write(place.path("schema.cql"), quickstart("schema.cql")).expect("a writable folder");
        let path = |name: &str| place.path(name).display().to_string();
        let sections = [
            ("source", format!("{{ cdc_raw: {}, rescan: 100ms }}", path("cdc_raw"))),
            ("state", format!("{{ dir: {} }}", path("state"))),
            ("schema", format!("{{ file: {} }}", path("schema.cql"))),
            ("sink", format!("{{ file: {{ path: {} }} }}", path("events.jsonl"))),
            ("topics", "{ prefix: shop, schema: null }".into()),
            ("http", "{ listen: \"127.0.0.1:0\" }".into()),
            ("log", "{ format: text }".into()),
        ];
        place.sections = sections.into();
        place
    }

    /// The same with another section of the configuration; `@` stands for the folder.
    pub fn with(mut self, section: &'static str, text: &str) -> Place {
        self.set(section, text);
        self
    }

    pub fn set(&mut self, section: &'static str, text: &str) {
        self.sections.insert(section, text.replace('@', &self.dir.path().display().to_string()));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn cdc_raw(&self) -> PathBuf {
        self.path("cdc_raw")
    }

    pub fn segment(&self) -> PathBuf {
        self.cdc_raw().join(SEGMENT)
    }

    /// The segment as long as the node may still write to it: another name, no index that says COMPLETED, and no empty section at its
    /// end, which says the same.
    pub fn open_segment(&self) -> PathBuf {
        let name = self.path(SEGMENT);
        fs::hard_link(self.segment(), &name).expect("a link");
        fs::remove_file(self.cdc_raw().join(INDEX)).expect("the index");
        let bytes = fs::read(self.segment()).expect("the segment");
        let markers = markers(&bytes);
        let [.., last, end] = markers[..] else { panic!("{markers:?}") };
        assert_eq!(end, last + 8, "the recorded segment is closed");
        let file = fs::File::options().write(true).open(self.segment()).expect("the segment");
        file.write_all_at(&[0; 8], last as u64).expect("a writable segment");
        name
    }

    /// Flips one bit of the byte at this offset of the segment.
    pub fn flip(&self, offset: usize) {
        let mut bytes = fs::read(self.segment()).expect("the segment");
        bytes[offset] ^= 1;
        fs::write(self.segment(), bytes).expect("a writable segment");
    }

    pub fn cut(&self, length: u64) {
        fs::File::options().write(true).open(self.segment()).and_then(|file| file.set_len(length)).expect("a writable segment");
    }

    /// Writes the configuration and returns its path.
    pub fn config(&self) -> PathBuf {
        let text: String = self.sections.iter().map(|(name, section)| format!("{name}: {section}\n")).collect();
        let path = self.path("ringtail.yaml");
        fs::write(&path, text).expect("a writable folder");
        path
    }

    /// Runs a command that takes `--config`, to its end.
    pub fn run(&self, command: &str, arguments: &[&str]) -> Ended {
        let config = self.config().display().to_string();
        let fixed = [command, "--config", &config];
        Ended::of(&ringtail(fixed.into_iter().chain(arguments.iter().copied())).output().expect("the binary starts"))
    }

    pub fn drain(&self) -> Ended {
        self.run("run", &["--drain"])
    }

    pub fn check(&self) -> Ended {
        self.run("check", &[])
    }

    /// Starts the agent and waits until its endpoints answer.
    pub fn start(&self) -> Agent {
        let log = self.path("log");
        fs::remove_file(&log).unwrap_or_default();
        let config = self.config().display().to_string();
        let running = Running::start(ringtail(["run", "--config", &config]), &log);
        let mut agent = Agent { running: Some(running), log, address: String::new() };
        let line = agent.wait_for("endpoints listen");
        agent.address = line.rsplit("address=").next().expect("an address").trim().to_owned();
        agent
    }

    /// The lines of the file sink.
    pub fn events(&self) -> Vec<Value> {
        lines(&fs::read_to_string(self.path("events.jsonl")).unwrap_or_default())
    }

    /// What lies in a folder of the state, sorted.
    pub fn kept(&self, folder: &str) -> Vec<String> {
        names(&self.path("state").join(folder))
    }
}

/// A running agent. Its standard output and error go to one file.
pub struct Agent {
    running: Option<Running>,
    log: PathBuf,
    address: String,
}

impl Agent {
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log")
    }

    /// Waits for a line of the log that holds this text.
    pub fn wait_for(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            // The last line may be half written.
            let whole = log.rfind('\n').map_or("", |at| &log[..at]);
            if let Some(line) = whole.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            let runs = self.running.as_mut().is_some_and(Running::is_running);
            assert!(runs && Instant::now() < end, "not said: {text}\n{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Status code and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(&self.address).expect("the endpoints listen");
        write!(socket, "GET {path} HTTP/1.1\r\nHost: ringtail\r\nConnection: close\r\n\r\n").expect("a socket");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
        (head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code"), body.to_owned())
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status").1).expect("JSON")
    }

    /// Asks for the status until it is as wanted.
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < end, "not so: {what}\n{status:#}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn id(&self) -> u32 {
        self.running.as_ref().map(Running::id).expect("it runs")
    }

    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(Running::is_running)
    }

    /// SIGTERM; answers the exit code and how long it took.
    pub fn stop(&mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        let status = self.running.take().expect("it runs").stop(PATIENCE);
        (status.code(), begun.elapsed())
    }

    pub fn wait(&mut self) -> Option<i32> {
        self.running.take().expect("it runs").wait(PATIENCE).code()
    }
}

/// Where the markers of a plain segment stand, the empty slot of the next one too.
pub fn markers(bytes: &[u8]) -> Vec<usize> {
    let next = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
    let mut found = vec![20];
    while next(found[found.len() - 1]) != 0 {
        found.push(next(found[found.len() - 1]));
    }
    found
}

pub fn quickstart(name: &str) -> Vec<u8> {
    fs::read(root().join("fixtures/quickstart").join(name)).expect("a file of the quick start")
}

pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// `ringtail.id` of each event, in order.
pub fn ids(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["value"]["ringtail"]["id"].as_str().expect("an id").to_owned()).collect()
}

/// Events without the time at which they were sent.
pub fn timeless(events: &[Value]) -> Vec<Value> {
    let mut events = events.to_vec();
    for event in &mut events {
        event["value"].as_object_mut().expect("a value").remove("ts_ms").expect("ts_ms");
    }
    events
}

/// The ids of every event of the segment, as a replay without any state gives them.
pub fn expected_ids() -> Vec<String> {
    let place = Place::new().with("sink", "{ stdout: {} }");
    let ended = place.run("replay", &[&place.cdc_raw().display().to_string()]);
    let found = ids(&lines(&ended.out));
    assert_eq!((ended.code, found.len()), (Some(0), EVENTS), "{}", ended.err);
    found
}
