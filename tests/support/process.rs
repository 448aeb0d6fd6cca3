//! Runs the binary.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// The built binary with these arguments, its environment free of `RINGTAIL_*`.
pub fn ringtail<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringtail"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RINGTAIL_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs the binary to its end and returns what it printed.
pub fn output<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    ringtail(arguments).output().expect("the binary starts")
}

/// A running binary that is killed when it goes out of scope.
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts the command, with both outputs appended to `log`.
    pub fn start(mut command: Command, log: &Path) -> Running {
        let out = File::options().create(true).append(true).open(log).expect("a writable log");
        let err = out.try_clone().expect("a second handle");
        Running { child: command.stdout(out).stderr(err).spawn().expect("the binary starts") }
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill(mut self) {
        // A process that has ended by itself cannot be killed; the wait tells.
        self.child.kill().unwrap_or_default();
        self.child.wait().expect("our own child");
    }

    /// SIGTERM, then waits for the end.
    pub fn stop(self, wait: Duration) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a running process");
        self.wait(wait)
    }

    /// Waits for the end by itself; fails when it does not come in time.
    pub fn wait(mut self, wait: Duration) -> ExitStatus {
        let end = Instant::now() + wait;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("process {} did not end within {wait:?}", self.child.id());
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}
