//! Our own links to segments.
//!
//! A hard link keeps the bytes whatever the node does with its names, costs no space while the node has one, and needs what a
//! copy would not: one file system *and one mount*, and for files of another user the right to write them
//! (`fs.protected_hardlinks`). Both have their own sentence, because both look fine until the first link.

use super::scan::{FileId, Listed, SegmentName, list, regular};
use crate::checkpoint::SegmentKey;
use crate::disk::{self, sync_folder};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The folder `spool/` of the state folder.
#[derive(Clone, Debug)]
pub struct Spool {
    dir: PathBuf,
}

/// The name of a link in the spool: that of the segment, and behind it the incarnation if it is not the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpooledName {
    /// The segment's name in `cdc_raw`.
    pub name: SegmentName,
    /// Which content under this id.
    pub incarnation: u8,
}

/// What a probe could show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// This segment could be linked: nothing is in the way.
    Segment(SegmentName),
    /// There is no segment yet, so the owner of the files could not be tried; the mount could.
    OwnFile,
}

/// Why a link could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// EXDEV.
    #[error(
        "cannot link {} to {}: they are not under one mount (two mounts of one volume, or a subPath, do not do: put state.dir and cdc_raw \
         under the same mount)",
        from.display(),
        to.display()
    )]
    OtherMount {
        /// The existing name.
        from: PathBuf,
        /// The new one.
        to: PathBuf,
    },
    /// EPERM.
    #[error(
        "cannot link {} to {}: the kernel does not allow links to files of another user (fs.protected_hardlinks), or the file system has no \
         hard links (run the agent with the user id of Cassandra)",
        from.display(),
        to.display()
    )]
    NotPermitted {
        /// The existing name.
        from: PathBuf,
        /// The new one.
        to: PathBuf,
    },
    /// No key is free.
    #[error("cannot link {0}: there are 256 different contents of this segment already")]
    TooMany(SegmentName),
    /// Anything else.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The name of the file that probes make, in both folders. The node and our own listing ignore it.
const PROBE: &str = ".ringtail-probe";

impl SpooledName {
    /// The key of its ledger record.
    pub fn key(&self) -> SegmentKey {
        SegmentKey { id: self.name.id, incarnation: self.incarnation }
    }

    /// The file name in the spool.
    pub fn file_name(&self) -> String {
        match self.incarnation {
            0 => self.name.log(),
            n => format!("{}.{n}", self.name.log()),
        }
    }

    /// The inverse of [`SpooledName::file_name`].
    pub fn parse(file: &str) -> Option<SpooledName> {
        let first = SegmentName::parse_log(file).map(|name| SpooledName { name, incarnation: 0 });
        first.or_else(|| {
            let (log, incarnation) = file.rsplit_once('.')?;
            let spooled = SpooledName { name: SegmentName::parse_log(log)?, incarnation: incarnation.parse().ok()? };
            (spooled.file_name() == file).then_some(spooled)
        })
    }
}

impl Spool {
    /// The spool in an existing folder.
    pub fn new(dir: &Path) -> Spool {
        Spool { dir: dir.to_owned() }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a link is, or would be.
    pub fn path(&self, name: SpooledName) -> PathBuf {
        self.dir.join(name.file_name())
    }

    /// Links a file into the spool and says which file the link holds; `None` if its name was gone. The link is durable after
    /// [`Spool::sync`].
    ///
    /// A link that is there already stays, whatever it holds: it is all that we have of that file.
    ///
    /// # Errors
    /// [`SpoolError::OtherMount`] and [`SpoolError::NotPermitted`] will not go away by themselves.
    pub fn link(&self, from: &Path, name: SpooledName) -> Result<Option<Listed>, SpoolError> {
        let to = self.path(name);
        if !link(from, &to)? {
            return Ok(None);
        }
        let made = regular(&to).map_err(|source| SpoolError::Io { action: "look at", path: to, source })?;
        Ok(made.as_ref().map(Listed::of))
    }

    /// Makes the names in the folder durable.
    ///
    /// # Errors
    /// The file system's.
    pub fn sync(&self) -> Result<(), SpoolError> {
        sync_folder(&self.dir).map_err(|source| SpoolError::Io { action: "sync", path: self.dir.clone(), source })
    }

    /// All links.
    ///
    /// # Errors
    /// The file system's.
    pub fn list(&self) -> Result<Vec<(SpooledName, Listed)>, SpoolError> {
        let failed = |source| SpoolError::Io { action: "list", path: self.dir.clone(), source };
        let mut links = Vec::new();
        for file in disk::names(&self.dir).map_err(failed)? {
            let Some(name) = file.to_str().and_then(SpooledName::parse) else { continue };
            let Some(metadata) = regular(&self.dir.join(&file)).map_err(failed)? else { continue };
            links.push((name, Listed::of(&metadata)));
        }
        links.sort_unstable_by_key(|(name, _)| *name);
        Ok(links)
    }

    /// Makes and removes real links: a file of ours in both folders if we are to remove names in `cdc_raw` later, and a segment in
    /// the spool if there is one.
    ///
    /// # Errors
    /// What a `run` would meet.
    pub fn probe(&self, cdc_raw: &Path, removes: bool) -> Result<Probe, SpoolError> {
        let (here, there) = (self.dir.join(PROBE), cdc_raw.join(PROBE));
        let tidy = || [&here, &there].into_iter().try_for_each(|path| remove(path));
        tidy()?;
        let segment = list(cdc_raw).ok().and_then(|listing| listing.segments.last_key_value().map(|(name, _)| *name));
        let linked = match segment {
            Some(name) => link(&cdc_raw.join(name.log()), &here).map(|made| made.then_some(name)),
            None => Ok(None),
        };
        let linked = linked.and_then(|linked| {
            if removes || linked.is_none() {
                remove(&here)?;
                File::create(&here).map_err(|source| SpoolError::Io { action: "write", path: here.clone(), source })?;
                link(&here, &there)?;
            }
            Ok(linked)
        });
        let tidied = tidy();
        let linked = linked?;
        tidied?;
        Ok(linked.map_or(Probe::OwnFile, Probe::Segment))
    }
}

/// Links; false if `from` is gone. That the new name exists already is no error here.
fn link(from: &Path, to: &Path) -> Result<bool, SpoolError> {
    match disk::hard_link(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound && matches!(FileId::at(from), Ok(None)) => Ok(false),
        Err(error) => Err(refused(from, to, error)),
    }
}

pub(super) fn refused(from: &Path, to: &Path, source: io::Error) -> SpoolError {
    let (from, to) = (from.to_owned(), to.to_owned());
    // EACCES is of the same kind as EPERM, but is about a folder, and its own sentence is right.
    let permission = Some(Errno::PERM.raw_os_error());
    match source.kind() {
        io::ErrorKind::CrossesDevices => SpoolError::OtherMount { from, to },
        io::ErrorKind::Unsupported => SpoolError::NotPermitted { from, to },
        _ if source.raw_os_error() == permission => SpoolError::NotPermitted { from, to },
        _ => SpoolError::Io { action: "make the link", path: to, source },
    }
}

fn remove(path: &Path) -> Result<(), SpoolError> {
    remove_if_there(path).map_err(|source| SpoolError::Io { action: "remove", path: path.to_owned(), source })
}

/// Removes a name; that it is gone already is no error.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match disk::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
