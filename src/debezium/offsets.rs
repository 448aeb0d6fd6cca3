//! The two offset files (`FileOffsetWriter`): Java properties, a line for each table.
//!
//! ```text
//! #Tue Dec 01 12:00:00 UTC 2026
//! shop.orders=CommitLog-7-1795374647657.log\:55833
//! ```
//!
//! Debezium truncates a file and writes it anew after each acknowledged event, and does not wait for the disk. One that it was killed
//! over is empty or ends in the middle of a line. Tables that are missing from it count as never delivered, so a file that lost whole
//! lines repeats more and loses nothing; one that lost a part of a line is refused.

use crate::commitlog::SegmentName;
use crate::position::LogicalPosition;
use java_properties::PropertiesIter;
use rustix::fs::{FlockOperation, fcntl_lock};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Per table the last mutation that a broker acknowledged.
pub const COMMITLOG_OFFSETS: &str = "commitlog_offset.properties";
/// The tables whose snapshot is done.
pub const SNAPSHOT_OFFSETS: &str = "snapshot_offset.properties";
/// Far more than the tables of any cluster need.
const MAX_BYTES: u64 = 64 << 20;

/// How far Debezium has come, by table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// By `keyspace.table`: the segment, and the end of the mutation in it.
    tables: BTreeMap<String, (SegmentName, LogicalPosition)>,
    newest: SegmentName,
    snapshots: Vec<String>,
}

/// Why the files cannot be taken for what they should be.
#[derive(Debug, thiserror::Error)]
pub enum OffsetsError {
    /// One of them cannot be read.
    #[error("cannot read {}: expected the folder that offset.backing.store.dir names", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connector runs (exit code 75).
    #[error("Debezium still runs: it holds the lock of {}; stop it first", .0.display())]
    Held(PathBuf),
    /// Nothing stands in it.
    #[error(
        "{} is empty: Debezium truncates it before it writes it, and was ended at that moment, or it has never delivered anything. There is \
         nothing to take over: use an earlier copy of the folder, or start without an import, and everything in cdc_raw is delivered",
        .0.display()
    )]
    Empty(PathBuf),
    /// Its last line has no end.
    #[error(
        "{} ends in the middle of a line: Debezium was ended while it wrote it. Use an earlier copy of the folder, or start without an import, \
         and everything in cdc_raw is delivered",
        .0.display()
    )]
    Torn(PathBuf),
    /// It is not what Debezium writes.
    #[error("{} is no offset file of Debezium: {found}; expected keyspace.table=CommitLog-<version>-<id>.log:<position>", path.display())]
    Garbled {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
    },
}

impl Offsets {
    /// Reads both files of a folder. There need not be one of snapshots.
    ///
    /// # Errors
    /// Also while the connector runs: what it writes is not to be taken for what it has written.
    pub fn read(folder: &Path) -> Result<Offsets, OffsetsError> {
        let path = folder.join(COMMITLOG_OFFSETS);
        let lines = lines(&path, &load(&path)?)?;
        let mut tables = BTreeMap::new();
        for (table, offset) in lines {
            let place = place(&offset).filter(|_| is_table(&table));
            let place = place.ok_or_else(|| garbled(&path, format!("{table}={offset}")))?;
            if tables.insert(table.clone(), place).is_some() {
                return Err(garbled(&path, format!("{table} twice")));
            }
        }
        let Some(newest) = tables.values().map(|(segment, _)| *segment).max() else { return Err(OffsetsError::Empty(path)) };
        Ok(Offsets { tables, newest, snapshots: snapshots(&folder.join(SNAPSHOT_OFFSETS))? })
    }

    /// The newest segment that anything was delivered of.
    pub fn newest(&self) -> SegmentName {
        self.newest
    }

    /// The end of the last mutation of a table that was acknowledged, if that lies in the newest segment.
    pub fn in_newest(&self, table: &str) -> Option<LogicalPosition> {
        self.tables.get(table).filter(|(segment, _)| *segment == self.newest).map(|(_, position)| *position)
    }

    /// All of it: table, segment, position.
    pub fn tables(&self) -> impl Iterator<Item = (&str, SegmentName, LogicalPosition)> {
        self.tables.iter().map(|(table, (segment, position))| (table.as_str(), *segment, *position))
    }

    /// The tables whose snapshot is done.
    pub fn snapshots(&self) -> &[String] {
        &self.snapshots
    }
}

/// A file, whole, if nobody writes it.
fn load(path: &Path) -> Result<Vec<u8>, OffsetsError> {
    let failed = |source| OffsetsError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // The connector holds Java's FileLock, a lock of the process, for as long as it lives.
    // A file system without locks tells nothing.
    if let Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) = fcntl_lock(&file, FlockOperation::NonBlockingLockShared) {
        return Err(OffsetsError::Held(path.to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Keys and values, with Java's escapes undone.
fn lines(path: &Path, bytes: &[u8]) -> Result<Vec<(String, String)>, OffsetsError> {
    match bytes.last() {
        None => return Err(OffsetsError::Empty(path.to_owned())),
        Some(b'\n' | b'\r') => {}
        Some(_) => return Err(OffsetsError::Torn(path.to_owned())),
    }
    let mut lines = Vec::new();
    let read = PropertiesIter::new(bytes).read_into(|key, value| lines.push((key, value)));
    read.map_err(|error| garbled(path, error.to_string()))?;
    Ok(lines)
}

/// `CommitLog-7-1795374647657.log:55833` (`OffsetPosition.serialize`).
fn place(offset: &str) -> Option<(SegmentName, LogicalPosition)> {
    let (file, position) = offset.split_once(':')?;
    let position = position.parse().ok().filter(|position: &u32| i32::try_from(*position).is_ok())?;
    Some((SegmentName::parse_log(file)?, LogicalPosition(position)))
}

fn is_table(name: &str) -> bool {
    name.split_once('.').is_some_and(|(keyspace, table)| !keyspace.is_empty() && !table.is_empty() && !table.contains('.'))
}

/// Nothing is taken over of snapshots, so only the names count, and an empty file says that there was none.
fn snapshots(path: &Path) -> Result<Vec<String>, OffsetsError> {
    let bytes = match load(path) {
        Err(OffsetsError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        bytes => bytes?,
    };
    match lines(path, &bytes) {
        Err(OffsetsError::Empty(_)) => Ok(Vec::new()),
        lines => Ok(lines?.into_iter().map(|(table, _)| table).collect()),
    }
}

fn garbled(path: &Path, found: String) -> OffsetsError {
    OffsetsError::Garbled { path: path.to_owned(), found }
}
