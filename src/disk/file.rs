//! A file that is open for reading.

use super::{Disk, played};
use crate::commitlog::ReadAt;
use crate::position::FileOffset;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A file that is open for reading: the machine's, or one of a disk that a test plays.
pub struct File(Inner);

enum Inner {
    Real(fs::File),
    Played { disk: Arc<dyn Disk>, inode: u64 },
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(path: &Path) -> io::Result<File> {
        Ok(File(match played() {
            None => Inner::Real(fs::File::open(path)?),
            Some(disk) => Inner::Played { inode: disk.open(path)?, disk },
        }))
    }
}

impl ReadAt for File {
    fn length(&self) -> io::Result<u64> {
        match &self.0 {
            Inner::Real(file) => file.length(),
            Inner::Played { disk, inode } => disk.length(*inode),
        }
    }

    fn read_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(file) => ReadAt::read_at(file, offset, buffer),
            Inner::Played { disk, inode } => disk.read_at(*inode, offset, buffer),
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Real(file) => file.fmt(f),
            Inner::Played { inode, .. } => write!(f, "File({inode})"),
        }
    }
}
