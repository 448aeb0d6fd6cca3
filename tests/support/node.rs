//! Cassandra's part: what a node does in `commitlog` and `cdc_raw`, one small step at a time, in its own order.
//!
//! Steps are planned beforehand ([`super::plan`]) and carried out by whoever drives the test.

use ringtail::commitlog::SegmentName;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// One thing that a node does.
#[derive(Clone, Debug)]
pub enum Step {
    /// The file in `commitlog`, with its header; a plain one has its full length from the start.
    Create(u64),
    /// The link in `cdc_raw`, unless it is there.
    Link(u64),
    /// These bytes of the segment.
    Write(u64, Range<usize>),
    /// The index is truncated.
    EmptyIndex(u64),
    /// The index is written.
    Index(u64, String),
    /// The node's own name goes.
    Discard(u64),
    /// The link goes, as it does without CDC data.
    Unlink(u64),
}

/// A segment as it is in the end.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its name.
    pub name: SegmentName,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where the first marker stands.
    pub header: usize,
    /// Whether the file grows with each sync.
    pub grows: bool,
    /// Whether it holds CDC data, so that its link is the consumer's to remove.
    pub cdc: bool,
}

impl Content {
    /// These bytes, as far as there are any: one that is to be cut short never gets the rest.
    fn part(&self, range: Range<usize>) -> &[u8] {
        let length = self.bytes.len();
        &self.bytes[range.start.min(length)..range.end.min(length)]
    }
}

/// The two folders.
#[derive(Clone, Debug)]
pub struct Node {
    root: PathBuf,
}

impl Node {
    /// Makes the folders in `root`.
    pub fn new(root: &Path) -> Node {
        let node = Node { root: root.to_owned() };
        fs::create_dir_all(node.commitlog()).expect("a writable folder");
        fs::create_dir_all(node.cdc_raw()).expect("a writable folder");
        node
    }

    /// `cdc_raw_directory`.
    pub fn cdc_raw(&self) -> PathBuf {
        self.root.join("cdc_raw")
    }

    /// `commitlog_directory`.
    pub fn commitlog(&self) -> PathBuf {
        self.root.join("commitlog")
    }

    /// Everything in `cdc_raw`.
    pub fn left(&self) -> Vec<String> {
        names(&self.cdc_raw())
    }

    /// Does one thing.
    pub fn perform(&self, contents: &BTreeMap<u64, Content>, step: &Step) {
        let done = match step {
            Step::Create(id) => self.create(&contents[id]),
            Step::Link(id) => match fs::hard_link(self.log(&contents[id]), self.link(&contents[id])) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            },
            Step::Write(id, range) => self.write(&contents[id], range.clone()),
            Step::EmptyIndex(id) => File::create(self.index(&contents[id])).map(drop),
            Step::Index(id, text) => fs::write(self.index(&contents[id]), text),
            Step::Discard(id) => fs::remove_file(self.log(&contents[id])),
            Step::Unlink(id) => match fs::remove_file(self.link(&contents[id])) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            },
        };
        done.unwrap_or_else(|error| panic!("{step:?}: {error}"));
    }

    fn create(&self, content: &Content) -> io::Result<()> {
        let file = File::create_new(self.log(content))?;
        if !content.grows {
            file.set_len(content.bytes.len() as u64)?;
        }
        file.write_all_at(content.part(0..content.header), 0)
    }

    fn write(&self, content: &Content, range: Range<usize>) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.log(content))?;
        file.write_all_at(content.part(range.clone()), range.start as u64)
    }

    fn log(&self, content: &Content) -> PathBuf {
        self.commitlog().join(content.name.log())
    }

    /// The segment's name in `cdc_raw`.
    pub fn link(&self, content: &Content) -> PathBuf {
        self.cdc_raw().join(content.name.log())
    }

    /// Its index.
    pub fn index(&self, content: &Content) -> PathBuf {
        self.cdc_raw().join(content.name.index())
    }
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a readable folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
