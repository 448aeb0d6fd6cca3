//! One segment, wherever its bytes are.

use super::unpack;
use crate::commitlog::{Descriptor, SegmentName};
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// One segment: a file, a member of a tar, or standard input; compressed or not.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Where it is; of a member the tar.
    pub path: PathBuf,
    /// What its file's name says. Standard input has no name: then what its header says, or none if that cannot be read.
    pub name: Option<SegmentName>,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    File,
    /// The number of its header in the tar.
    Member {
        tar: Arc<File>,
        index: usize,
        length: u64,
    },
    Memory(Arc<[u8]>),
}

impl Archive {
    pub(super) fn file(path: PathBuf, name: SegmentName) -> Archive {
        Archive { path, name: Some(name), content: Content::File }
    }

    pub(super) fn member(path: PathBuf, name: SegmentName, tar: Arc<File>, index: usize, length: u64) -> Archive {
        Archive { path, name: Some(name), content: Content::Member { tar, index, length } }
    }

    pub(super) fn memory(path: PathBuf, bytes: Vec<u8>) -> Archive {
        let name = Descriptor::parse(&bytes).ok().map(|descriptor| descriptor.name());
        Archive { path, name, content: Content::Memory(bytes.into()) }
    }

    /// The segment's bytes, decompressed.
    ///
    /// # Errors
    /// What the file system or the decompressor says. More than 2 GiB, which no segment has.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let bytes = match &self.content {
            Content::File => File::open(&self.path).and_then(|file| unpack::whole(file, self.path.extension().and_then(OsStr::to_str))),
            Content::Member { tar, index, .. } => unpack::member(tar, *index),
            Content::Memory(bytes) => Ok(bytes.to_vec()),
        };
        bytes.map_err(|error| at(self, error))
    }

    /// The content of the `_cdc.idx` beside it, if there is one. Only a file in a folder has one beside it.
    pub fn index(&self) -> Option<String> {
        match (&self.content, self.name) {
            (Content::File, Some(name)) => fs::read_to_string(self.path.with_file_name(name.index())).ok(),
            _ => None,
        }
    }

    /// How many bytes it takes where it is, for showing progress; 0 if that cannot be told.
    pub fn length(&self) -> u64 {
        match &self.content {
            Content::File => fs::metadata(&self.path).map_or(0, |file| file.len()),
            Content::Member { length, .. } => *length,
            Content::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// What the output calls it: the segment's file name, whatever it is stored as.
    pub fn log(&self) -> String {
        self.name.map_or_else(|| "standard input".into(), |name| name.log())
    }
}

/// Where it is, for messages.
impl fmt::Display for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.content, self.name) {
            (Content::Member { .. }, Some(name)) => write!(f, "{}: {}", self.path.display(), name.log()),
            _ => self.path.display().fmt(f),
        }
    }
}

/// The error with the place where it was met.
pub(super) fn at(place: &dyn fmt::Display, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{place}: {error}"))
}
