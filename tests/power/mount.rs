//! The disk under a mount point, and a switch that takes its power away.
//!
//! Every `write` arrives here as it is made: there is no writeback cache before it. `sync_file_range` does not arrive at all, so it makes
//! nothing durable. What this very process does can be durable at once ([`State::trusts_this_process`]): then it plays the node, whose
//! commit log is not under test. What any other process does is durable when it was synced.

use super::calls::{self, Calls};
use super::disk::{Disk, Rule};
use fuser::{BackgroundSession, Config, MountOption, Request};
use ringtail::sink::faults::Choices;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What changes the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Write,
    Resize,
    Sync,
    Make,
    Link,
    Remove,
    Rename,
}

/// When the power goes by itself: at the `nth` call of this kind from now on, before or after it is done.
#[derive(Clone, Copy, Debug)]
pub struct Trigger {
    pub call: Call,
    pub nth: u64,
    pub after: bool,
}

/// The disk and its power.
pub struct State {
    pub disk: Disk,
    /// When another process last changed something, or tried to make it durable.
    last: Option<Instant>,
    /// Whether what this process does is durable at once.
    pub trusts_this_process: bool,
    trigger: Option<Trigger>,
    is_off: bool,
}

/// The state, for those who answer the kernel and for the test.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn new(rule: Rule) -> Shared {
        Shared(Arc::new(Mutex::new(State { disk: Disk::new(rule), last: None, trusts_this_process: true, trigger: None, is_off: false })))
    }

    /// The state, for a moment.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call, unless the power is away: then it fails, and whoever asked is dead or about to be. The second says whether it is
    /// the node's.
    pub fn begin<R>(&self, request: &Request, call: Option<Call>, reply: R) -> Option<(MutexGuard<'_, State>, bool, R)> {
        let is_node = Path::new("/proc/self/task").join(request.pid().to_string()).exists();
        let mut state = self.state();
        if is_node {
            let is_trusted = state.trusts_this_process;
            return Some((state, is_trusted, reply));
        }
        if call.is_some() {
            state.last = Some(Instant::now());
        }
        let goes = !state.is_off && call.is_some_and(|call| state.count(call));
        let is_late = goes && state.trigger.take().is_some_and(|trigger| trigger.after);
        if goes {
            state.is_off = true;
            // It dies before it can see any answer; answers are given all the same, or whoever waits for the same file would wait for ever.
            kill(request.pid());
        }
        (!state.is_off || is_late).then_some((state, false, reply))
    }
}

/// SIGKILL, to the process of this thread. One that is gone has no need of it.
fn kill(thread: u32) {
    if let Some(pid) = i32::try_from(thread).ok().and_then(Pid::from_raw) {
        kill_process(pid, Signal::KILL).unwrap_or_default();
    }
}

impl State {
    /// Counts a call; true if the power goes with it.
    fn count(&mut self, call: Call) -> bool {
        let Some(trigger) = self.trigger.as_mut().filter(|trigger| trigger.call == call) else { return false };
        trigger.nth = trigger.nth.saturating_sub(1);
        trigger.nth == 0
    }
}

/// A disk that is mounted.
pub struct Mount {
    /// Where.
    pub path: PathBuf,
    shared: Shared,
    session: Option<BackgroundSession>,
}

impl Mount {
    /// Mounts an empty disk there.
    pub fn new(path: &Path, rule: Rule) -> io::Result<Mount> {
        // One that a killed test left behind answers nobody any more.
        if std::fs::metadata(path).is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {
            unmount(path);
        }
        std::fs::create_dir_all(path)?;
        let shared = Shared::new(rule);
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("lossy".into()), MountOption::DefaultPermissions];
        let session = fuser::spawn_mount(Calls::new(shared.clone()), path, &config)?;
        Ok(Mount { path: path.to_owned(), shared, session: Some(session) })
    }

    /// The disk and its power.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// From now on the power goes by itself.
    pub fn arm(&self, trigger: Trigger) {
        self.state().trigger = Some(trigger);
    }

    /// Whether it has gone.
    pub fn is_off(&self) -> bool {
        self.state().is_off
    }

    /// Since when no other process has changed anything; none if none ever did since the last cut.
    pub fn idle(&self) -> Option<Duration> {
        self.state().last.map(|last| last.elapsed())
    }

    /// Takes the power away now; what runs is killed by the caller.
    pub fn turn_off(&self) {
        self.state().is_off = true;
    }

    /// What the disk would be if the power went now.
    pub fn image(&self, choices: &mut Choices) -> Disk {
        let mut disk = self.state().disk.clone();
        disk.cut(choices);
        disk
    }

    /// The power comes back, when all processes are gone: what was not durable is lost in part. How much is.
    pub fn cut(&self, choices: &mut Choices, rule: Rule) -> usize {
        let mut state = self.state();
        state.trigger = None;
        state.is_off = false;
        state.last = None;
        let lost = state.disk.cut(choices);
        state.disk.rule = rule;
        lost
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Some(Err(_)) = self.session.take().map(BackgroundSession::umount_and_join) {
            unmount(&self.path);
        }
        // It stays if somebody is still in it.
        std::fs::remove_dir(&self.path).unwrap_or_default();
    }
}

/// Takes a mount away that is still in use or whose process is gone.
fn unmount(path: &Path) {
    let status = Command::new("umount").arg("--lazy").arg(path).stderr(std::process::Stdio::null()).status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("{} was not mounted", path.display());
    }
}

/// Why nothing can be mounted here, if so.
pub fn missing() -> Option<String> {
    let device = File::options().read(true).write(true).open("/dev/fuse");
    let why = match device {
        Ok(_) if rustix::process::geteuid().is_root() || calls::has_fusermount() => return None,
        Ok(_) => "neither root nor fusermount, so that /dev/fuse is of no use".to_owned(),
        Err(error) => format!("/dev/fuse: {error}"),
    };
    assert!(std::env::var_os("RINGTAIL_REQUIRE_FUSE").is_none(), "RINGTAIL_REQUIRE_FUSE is set, but there is {why}");
    Some(why)
}
