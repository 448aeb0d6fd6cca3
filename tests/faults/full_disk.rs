//! The binary on a small disk of its own: a tmpfs in its own mount namespace, reached from outside through `/proc`.

use super::scene::{Scene, Template};
use crate::support::process::{Running, ringtail};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// What is left when it is full: enough for the segments, not enough for saves.
const LEFT: u64 = 8 << 20;

/// Whether a disk of our own can be mounted here.
pub fn can_be_made() -> bool {
    let tried = Command::new("unshare").args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]).status();
    tried.is_ok_and(|status| status.success())
}

pub struct FullDisk {
    scene: Scene,
    running: Running,
    bytes: u64,
}

impl FullDisk {
    /// Starts the agent on an empty disk of so many bytes.
    pub fn start(bytes: u64) -> FullDisk {
        let scene = Scene::new(&Template::new());
        let volume = scene.path("volume");
        fs::create_dir(&volume).expect("a writable folder");
        let config = fs::read_to_string(scene.path("ringtail.yaml")).expect("the configuration");
        let (root, volume) = (scene.path("").display().to_string(), volume.display().to_string());
        let root = root.trim_end_matches('/');
        let config =
            ["cdc_raw", "state"].iter().fold(config, |text, name| text.replace(&format!("{root}/{name}"), &format!("{volume}/{name}")));
        let path = scene.path("volume.yaml");
        fs::write(&path, config).expect("a writable folder");
        let agent = ringtail(["run", "--config", path.to_str().expect("text")]);
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c"]);
        command.arg(format!("mount -t tmpfs -o size={bytes} tmpfs {volume} && mkdir {volume}/cdc_raw && exec \"$@\"")).arg("sh");
        command.arg(agent.get_program()).args(agent.get_args());
        let running = Running::start(command, &scene.path("log"));
        FullDisk { scene, running, bytes }
    }

    /// A path on the disk, as it is seen from here.
    fn path(&self, name: &str) -> PathBuf {
        let inside = self.scene.path("volume").join(name);
        PathBuf::from(format!("/proc/{}/root{}", self.running.id(), inside.display()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.scene.path("log")).unwrap_or_default()
    }

    /// Waits for a line of the log with this text.
    pub fn wait_for(&self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < end, "not said: {text}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Fills the disk up.
    pub fn fill(&self) {
        let mut filler = File::create(self.path("filler")).expect("a file on the disk");
        let space = rustix::fs::fstatvfs(&filler).expect("a disk");
        let free = space.f_bavail * space.f_frsize;
        assert!(free <= self.bytes, "its own disk");
        filler.write_all(&vec![1; (free - LEFT) as usize]).expect("room until it is full");
    }

    pub fn make_room(&self) {
        fs::remove_file(self.path("filler")).expect("the filler");
    }

    /// The node finishes its segments.
    pub fn put_segments(&self) {
        for name in fs::read_dir(self.scene.path("cdc_raw")).expect("the segments") {
            let name = name.expect("a readable folder");
            fs::copy(name.path(), self.path("cdc_raw").join(name.file_name())).expect("room for the segments");
        }
    }

    pub fn events(&self) -> usize {
        fs::read_to_string(self.scene.path("events.jsonl")).unwrap_or_default().lines().count()
    }

    /// Waits until everything has arrived and the names in `cdc_raw` and the spool are gone.
    pub fn wait_for_events(&self) {
        let end = Instant::now() + PATIENCE;
        let count = |folder: &str| fs::read_dir(self.path(folder)).map_or(0, Iterator::count);
        let left = || count("cdc_raw") + count("state/spool");
        while self.events() < 24 || left() > 0 {
            assert!(Instant::now() < end, "{} events, {} names left\n{}", self.events(), left(), self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// SIGTERM; the code it ends with, and its log.
    pub fn stop(self) -> (Option<i32>, String) {
        let status = self.running.stop(PATIENCE);
        (status.code(), fs::read_to_string(self.scene.path("log")).expect("its log"))
    }
}
