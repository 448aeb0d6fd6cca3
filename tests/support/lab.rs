//! A real Cassandra node, a real Kafka broker and a real schema registry, started by the scripts in `tests/lab` and killed when they go out of scope.

use super::fixture::root;
#[cfg(feature = "agent")]
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// The release of Kafka that a test starts: `RINGTAIL_KAFKA`, or 3.6.1.
pub fn kafka_release() -> String {
    std::env::var("RINGTAIL_KAFKA").unwrap_or_else(|_| "3.6.1".to_owned())
}

/// Runs a script of `tests/lab` and fails with what it printed unless it ends with 0.
pub fn script(name: &str, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } =
        Command::new("bash").arg(root().join("tests/lab").join(name)).args(arguments).output().expect("bash starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{name} {}: {status}\n{stdout}{stderr}", arguments.join(" "));
    stdout.into_owned()
}

/// A folder under `target/lab/run`, empty. It stays after the test, so that a failure can be looked into.
pub fn empty_folder(name: &str) -> PathBuf {
    let folder = root().join("target/lab/run").join(name);
    if folder.is_dir() {
        // What a killed test run left behind is ended by its own pid file before the file goes.
        for (process, tool) in [("cassandra", "cassandra.sh"), ("kafka", "kafka.sh"), ("registry", "registry.sh")] {
            let left = folder.join(process);
            if left.join("pid").is_file() {
                script(tool, &["kill", "left-over", &left.display().to_string()]);
            }
        }
        std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    }
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    folder
}

/// A Cassandra node.
pub struct Cassandra {
    version: String,
    dir: PathBuf,
    port: u16,
    settings: Vec<String>,
}

impl Cassandra {
    /// Starts a node with CQL on `port` (and other things on the three ports after it) in `dir`; `settings` as `cassandra.sh` takes
    /// them, on top of 1 MiB segments and a heap of 700 MiB.
    pub fn start(version: &str, dir: &Path, port: u16, settings: &[&str]) -> Cassandra {
        let ports = [format!("NATIVE_PORT={port}"), format!("STORAGE_PORT={}", port + 1), format!("JMX_PORT={}", port + 3)];
        let settings = ports.into_iter().chain(settings.iter().map(|setting| (*setting).to_owned())).collect();
        let node = Cassandra { version: version.to_owned(), dir: dir.to_owned(), port, settings };
        node.start_again();
        node
    }

    /// Starts the same node again after it was stopped or killed.
    pub fn start_again(&self) {
        let dir = self.dir.display().to_string();
        let fixed = ["start", &self.version, &dir];
        script("cassandra.sh", &fixed.into_iter().chain(self.settings.iter().map(String::as_str)).collect::<Vec<_>>());
    }

    /// SIGTERM: the node drains and ends.
    pub fn stop(&self) {
        script("cassandra.sh", &["stop", &self.version, &self.dir.display().to_string()]);
    }

    /// SIGKILL.
    pub fn kill(&self) {
        script("cassandra.sh", &["kill", &self.version, &self.dir.display().to_string()]);
    }

    /// Runs a command of nodetool.
    pub fn nodetool(&self, arguments: &[&str]) {
        let dir = self.dir.display().to_string();
        let fixed = ["nodetool", &self.version, &dir];
        script("cassandra.sh", &fixed.into_iter().chain(arguments.iter().copied()).collect::<Vec<_>>());
    }

    /// Where CQL answers.
    pub fn contact_point(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its `cdc_raw`.
    pub fn cdc_raw(&self) -> PathBuf {
        self.dir.join("cdc_raw")
    }

    /// Its commit log.
    pub fn commitlog(&self) -> PathBuf {
        self.dir.join("commitlog")
    }

    /// The folder of everything it has.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Cassandra {
    fn drop(&mut self) {
        end("cassandra.sh", &self.version, &self.dir);
    }
}

/// A Kafka broker.
pub struct Kafka {
    version: String,
    dir: PathBuf,
    port: u16,
}

impl Kafka {
    /// Starts a broker on `port` (and its controller on the next) in `dir`.
    pub fn start(version: &str, dir: &Path, port: u16, settings: &[&str]) -> Kafka {
        let broker = Kafka { version: version.to_owned(), dir: dir.to_owned(), port };
        let (dir, port) = (dir.display().to_string(), port.to_string());
        let fixed = ["start", version, &dir, &port];
        script("kafka.sh", &fixed.into_iter().chain(settings.iter().copied()).collect::<Vec<_>>());
        broker
    }

    /// Starts the same broker again after it was stopped or killed.
    pub fn start_again(&self, settings: &[&str]) {
        let (dir, port) = (self.dir.display().to_string(), self.port.to_string());
        let fixed = ["start", &self.version, &dir, &port];
        script("kafka.sh", &fixed.into_iter().chain(settings.iter().copied()).collect::<Vec<_>>());
    }

    /// SIGTERM.
    pub fn stop(&self) {
        script("kafka.sh", &["stop", &self.version, &self.dir.display().to_string()]);
    }

    /// SIGKILL.
    pub fn kill(&self) {
        script("kafka.sh", &["kill", &self.version, &self.dir.display().to_string()]);
    }

    /// Sends a signal to the broker's process.
    #[cfg(feature = "agent")]
    pub fn signal(&self, signal: Signal) {
        let pid: i32 = std::fs::read_to_string(self.dir.join("pid")).expect("a pid").trim().parse().expect("a number");
        kill_process(Pid::from_raw(pid).expect("a process"), signal).expect("a running broker");
    }

    /// SIGSTOP, and SIGCONT after `time`.
    #[cfg(feature = "agent")]
    pub fn stand_still(&self, time: Duration) {
        self.signal(Signal::STOP);
        std::thread::sleep(time);
        self.signal(Signal::CONT);
    }

    /// `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        end("kafka.sh", &self.version, &self.dir);
    }
}

/// A schema registry with Confluent's API.
pub struct Registry {
    version: String,
    dir: PathBuf,
    port: u16,
}

impl Registry {
    /// Starts a registry without any schema on `port` in `dir`.
    pub fn start(version: &str, dir: &Path, port: u16) -> Registry {
        script("registry.sh", &["start", version, &dir.display().to_string(), &port.to_string()]);
        Registry { version: version.to_owned(), dir: dir.to_owned(), port }
    }

    /// Where its API is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// Sets the compatibility level of a subject.
    #[cfg(feature = "agent")]
    pub fn set_level(&self, subject: &str, level: &str) {
        let request = agent().put(format!("{}/config/{subject}", self.url())).content_type("application/vnd.schemaregistry.v1+json");
        request.send(format!("{{\"compatibility\":\"{level}\"}}")).expect("the registry takes the level");
    }

    /// How many versions a subject has.
    #[cfg(feature = "agent")]
    pub fn versions(&self, subject: &str) -> usize {
        let answer = agent().get(format!("{}/subjects/{subject}/versions", self.url())).call().expect("the registry answers");
        let text = answer.into_body().read_to_string().expect("text");
        serde_json::from_str::<Vec<u32>>(&text).expect("a list of versions").len()
    }
}

/// A client that asks nobody in between.
#[cfg(feature = "agent")]
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).build().into()
}

impl Drop for Registry {
    fn drop(&mut self) {
        end("registry.sh", &self.version, &self.dir);
    }
}

/// Ends a process without a panic, since a test may be on its way out with one.
fn end(tool: &str, version: &str, dir: &Path) {
    let status = Command::new("bash").arg(root().join("tests/lab").join(tool)).args(["kill", version]).arg(dir).status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("{tool} could not end the process of {}", dir.display());
    }
}
