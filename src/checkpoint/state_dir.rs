//! The state folder: its lock, its version, its sub-folders.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The version of everything in the state folder. Version n reads n − 1.
pub const STATE_VERSION: u32 = 1;

/// The state folder, locked for as long as this value lives.
///
/// ```text
/// LOCK         locked by the running instance; its process id
/// VERSION      the version of the folder, written before anything else
/// db/          the ledger
/// schema.json  what is known of the schema, a copy for people and for other commands
/// spool/       our links to segments
/// parked/      entries that wait or were refused
/// quarantine/  whole files that could not be read
/// ```
#[derive(Debug)]
pub struct StateDir {
    dir: PathBuf,
    /// Held, not read: the kernel lets the lock go when the process ends, however it ends.
    _lock: File,
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
    #[error("the state folder {} holds state, but its VERSION is {found}: expected a number", dir.display())]
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
        make_private(dir)?;
        let lock = take_lock(dir)?;
        check_version(dir)?;
        let state = StateDir { dir: dir.to_owned(), _lock: lock };
        for sub in [state.db(), state.spool(), state.parked(), state.quarantine()] {
            make_private(&sub)?;
        }
        sync(dir)?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync(parent)?;
        }
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
        Err(TryLockError::WouldBlock) => return Err(StateError::Held { dir: dir.to_owned(), pid: holder(&mut file) }),
        Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(io_error("write", &path))?;
    Ok(file)
}

fn holder(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// An empty folder gets our version, before anything that would need it.
fn check_version(dir: &Path) -> Result<(), StateError> {
    let path = dir.join("VERSION");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        text => Some(text.map_err(io_error("read", &path))?),
    };
    match text.as_deref().map(|text| (text, text.trim().parse::<u32>())) {
        Some((_, Ok(found))) if found > STATE_VERSION => Err(StateError::Newer { dir: dir.to_owned(), found }),
        Some((_, Ok(STATE_VERSION))) => Ok(()),
        None if !holds_state(dir)? => write_version(dir, &path),
        None => Err(StateError::NoVersion { dir: dir.to_owned(), found: "missing".into() }),
        Some((text, _)) => {
            Err(StateError::NoVersion { dir: dir.to_owned(), found: format!("{:?}", text.chars().take(20).collect::<String>()) })
        }
    }
}

fn holds_state(dir: &Path) -> Result<bool, StateError> {
    let db = dir.join("db");
    match fs::read_dir(&db) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        entries => Ok(entries.map_err(io_error("list", &db))?.next().is_some()),
    }
}

fn write_version(dir: &Path, path: &Path) -> Result<(), StateError> {
    let new = dir.join("VERSION.new");
    let written = File::create(&new).and_then(|mut file| {
        writeln!(file, "{STATE_VERSION}")?;
        file.sync_all()
    });
    written.map_err(io_error("write", &new))?;
    fs::rename(&new, path).map_err(io_error("write", path))?;
    sync(dir)
}

fn sync(dir: &Path) -> Result<(), StateError> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(io_error("sync", dir))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    move |source| StateError::Io { action, path: path.to_owned(), source }
}
