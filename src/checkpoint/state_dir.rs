//! The state folder: its lock, its version, its sub-folders.

use super::record::UnixMillis;
use crate::disk::{make_folder, sync_folder};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What stands in `VERSION` before the time since when the folder is used.
const USED: &str = "used since";

/// The version of everything in the state folder. Version n reads n − 1.
pub const STATE_VERSION: u32 = 1;

/// The state folder, locked for as long as this value lives.
///
/// ```text
/// LOCK         locked by the running instance; its process id, and where its endpoints listen
/// VERSION      the version of the folder, written before anything else; since when it is used, once there is a ledger
/// db/          the ledger
/// schema.json  what is known of the schema, a copy for people and for other commands
/// shadow       a second copy of what the ledger must not lose
/// spool/       our links to segments
/// parked/      entries that wait or were refused
/// quarantine/  whole files that could not be read
/// requests/    what commands ask of the running agent
/// ```
#[derive(Debug)]
pub struct StateDir {
    dir: PathBuf,
    /// The kernel lets the lock go when the process ends, however it ends.
    lock: File,
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another instance has it (exit code 75).
    #[error("another instance holds the state folder {}{}", dir.display(), pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Held {
        /// The folder.
        dir: PathBuf,
        /// The other process, if it could be read.
        pid: Option<u32>,
        /// Where its endpoints listen, once they do.
        address: Option<SocketAddr>,
    },
    /// Written by a newer release.
    #[error(
        "the state folder {} has version {found}, this release knows versions up to {STATE_VERSION}: use the newer release, a downgrade would \
         lose what it wrote",
        dir.display()
    )]
    Newer {
        /// The folder.
        dir: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The version cannot be read although there is state.
    #[error("the state folder {} holds state, but its VERSION is {found}: expected a number (folders of this release have {STATE_VERSION})", dir.display())]
    NoVersion {
        /// The folder.
        dir: PathBuf,
        /// What was there instead.
        found: String,
    },
    /// The file system.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StateDir {
    /// Opens or creates the folder, takes the lock, checks the version.
    ///
    /// # Errors
    /// [`StateError::Held`] at once if another instance runs; [`StateError::Newer`] after a downgrade.
    pub fn open(dir: &Path) -> Result<StateDir, StateError> {
        make_folder(dir, 0o700).map_err(io_error("create", dir))?;
        make_private(dir)?;
        let lock = take_lock(dir)?;
        check_version(dir)?;
        let state = StateDir { dir: dir.to_owned(), lock };
        for sub in [state.db(), state.spool(), state.parked(), state.quarantine(), state.requests()] {
            make_private(&sub)?;
        }
        sync(dir)?;
        Ok(state)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Where the copy of the schema history is.
    pub fn schema(dir: &Path) -> PathBuf {
        dir.join("schema.json")
    }

    /// Writes the copy of the schema history: whoever reads it finds the old one or the new one, whole.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn write_schema(&self, text: &[u8]) -> Result<(), StateError> {
        let (path, new) = (StateDir::schema(&self.dir), self.dir.join("schema.json.new"));
        let options = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
        let written = options.and_then(|mut file| {
            file.write_all(text)?;
            file.sync_all()
        });
        written.map_err(io_error("write", &new))?;
        fs::rename(&new, &path).map_err(io_error("write", &path))?;
        sync(&self.dir)
    }

    /// Where the ledger is.
    pub fn db(&self) -> PathBuf {
        self.dir.join("db")
    }

    /// Where the second copy of the ledger is.
    pub fn shadow(&self) -> PathBuf {
        self.dir.join("shadow")
    }

    /// Tells commands where the endpoints of this instance listen.
    ///
    /// # Errors
    /// The file system's.
    pub fn note_address(&self, address: SocketAddr) -> Result<(), StateError> {
        write_lock(&self.lock, Some(address)).map_err(io_error("write", &self.dir.join("LOCK")))
    }

    /// Whether there was a ledger in this folder once: then one that is missing is lost, and not new.
    pub(super) fn is_used(&self) -> Result<bool, StateError> {
        let path = self.dir.join("VERSION");
        let text = fs::read_to_string(&path).map_err(io_error("read", &path))?;
        Ok(text.lines().nth(1).is_some_and(|line| line.starts_with(USED)) || holds_work(&self.dir)?)
    }

    /// Notes that there is a ledger now. Done once.
    pub(super) fn mark_used(&self) -> Result<(), StateError> {
        let path = self.dir.join("VERSION");
        let text = fs::read_to_string(&path).map_err(io_error("read", &path))?;
        if text.lines().nth(1).is_some_and(|line| line.starts_with(USED)) {
            return Ok(());
        }
        let since = UnixMillis::from(SystemTime::now());
        write_version(&self.dir, &path, &format!("{STATE_VERSION}\n{USED} {}\n", since.0))
    }

    /// Where our links to segments are.
    pub fn spool(&self) -> PathBuf {
        self.dir.join("spool")
    }

    /// Where parked entries are.
    pub fn parked(&self) -> PathBuf {
        self.dir.join("parked")
    }

    /// Where unreadable files are kept.
    pub fn quarantine(&self) -> PathBuf {
        self.dir.join("quarantine")
    }

    /// Where commands leave what they ask of the running agent.
    pub fn requests(&self) -> PathBuf {
        self.dir.join("requests")
    }
}

/// Its files are as sensitive as the commit log.
fn make_private(dir: &Path) -> Result<(), StateError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error("create", dir))?;
    let mode = fs::metadata(dir).map_err(io_error("look at", dir))?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(io_error("set the mode 0700 of", dir))?;
    }
    Ok(())
}

fn take_lock(dir: &Path) -> Result<File, StateError> {
    let path = dir.join("LOCK");
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = options.map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let (pid, address) = holder(&mut file);
            return Err(StateError::Held { dir: dir.to_owned(), pid, address });
        }
        Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
    }
    write_lock(&file, None).map_err(io_error("write", &path))?;
    Ok(file)
}

/// Written over in place, and read only by those who cannot have the lock: half of it is a number that is too short, at worst.
fn write_lock(lock: &File, address: Option<SocketAddr>) -> io::Result<()> {
    let address = address.map(|address| format!("{address}\n")).unwrap_or_default();
    lock.set_len(0)?;
    lock.write_all_at(format!("{}\n{address}", std::process::id()).as_bytes(), 0)
}

fn holder(lock: &mut File) -> (Option<u32>, Option<SocketAddr>) {
    let mut text = String::new();
    // What cannot be read is not known.
    lock.take(128).read_to_string(&mut text).unwrap_or_default();
    let mut lines = text.lines();
    (lines.next().and_then(|pid| pid.trim().parse().ok()), lines.next().and_then(|address| address.trim().parse().ok()))
}

/// An empty folder gets our version, before anything that would need it.
fn check_version(dir: &Path) -> Result<(), StateError> {
    let path = dir.join("VERSION");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        text => Some(text.map_err(io_error("read", &path))?),
    };
    match text.as_deref().map(|text| (text, text.lines().next().unwrap_or_default().trim().parse::<u32>())) {
        Some((_, Ok(found))) if found > STATE_VERSION => Err(StateError::Newer { dir: dir.to_owned(), found }),
        Some((_, Ok(STATE_VERSION))) => Ok(()),
        None if !holds_state(dir)? => write_version(dir, &path, &format!("{STATE_VERSION}\n")),
        None => Err(StateError::NoVersion { dir: dir.to_owned(), found: "missing".into() }),
        Some((text, _)) => {
            Err(StateError::NoVersion { dir: dir.to_owned(), found: format!("{:?}", text.chars().take(20).collect::<String>()) })
        }
    }
}

/// Whether a former run has left anything.
fn holds_state(dir: &Path) -> Result<bool, StateError> {
    let shadow = dir.join("shadow");
    let has_shadow = shadow.try_exists().map_err(io_error("look at", &shadow))?;
    Ok(has_shadow || !is_empty(&dir.join("db"))? || holds_work(dir)?)
}

/// Whether there is something that only a ledger explains.
fn holds_work(dir: &Path) -> Result<bool, StateError> {
    for folder in ["spool", "parked", "quarantine"] {
        if !is_empty(&dir.join(folder))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_empty(folder: &Path) -> Result<bool, StateError> {
    match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound) => Ok(true),
        // A file in its place is something, too.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory) => Ok(false),
        entries => Ok(entries.map_err(io_error("list", folder))?.next().is_none()),
    }
}

fn write_version(dir: &Path, path: &Path, text: &str) -> Result<(), StateError> {
    let new = dir.join("VERSION.new");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(io_error("write", &new))?;
    fs::rename(&new, path).map_err(io_error("write", path))?;
    sync(dir)
}

fn sync(dir: &Path) -> Result<(), StateError> {
    sync_folder(dir).map_err(io_error("sync", dir))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    move |source| StateError::Io { action, path: path.to_owned(), source }
}
