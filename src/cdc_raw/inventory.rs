//! The segments we hold a link to, and what is known of each.

use super::finality::{self, FinalReason, Finality};
use super::index::{CdcIndex, IndexState};
use super::look::{LookError, LookReport};
use super::reclaim::Finished;
use super::scan::{FileId, Listed, SegmentName};
use super::spool::{Spool, SpoolError, SpooledName};
use crate::checkpoint::{IndexRecord, Ledger, SegmentKey, SegmentState};
use crate::disk::{self, File};
use crate::position::{LogicalPosition, SegmentId};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// Where things are, and what happens to a finished segment.
#[derive(Clone, Debug)]
pub struct Folders {
    /// `source.cdc_raw`.
    pub cdc_raw: PathBuf,
    /// `spool/` of the state folder.
    pub spool: PathBuf,
    /// `quarantine/` of the state folder.
    pub quarantine: PathBuf,
    /// `source.commitlog`, if configured.
    pub commitlog: Option<PathBuf>,
    /// `source.finished`.
    pub finished: Finished,
    /// `source.archive`; means something only under [`Finished::Archive`].
    pub archive: PathBuf,
    /// The node's `commitlog_sync_period`, or what it is by default.
    pub sync_period: Duration,
}

/// The segments that are not at their end, each with a link of ours.
///
/// Knows files and names only. What a segment holds is the reader's matter, what became of it the ledger's; the two are asked or
/// told by the caller.
#[derive(Debug)]
pub struct Inventory {
    pub(super) folders: Folders,
    pub(super) spool: Spool,
    pub(super) segments: BTreeMap<SegmentKey, Segment>,
    /// Files in `cdc_raw` that stay there and are finished: not linked again.
    pub(super) kept: BTreeMap<SegmentName, FileId>,
    /// Indexes without a segment, seen once; reported when seen again.
    pub(super) suspects: BTreeSet<SegmentName>,
    /// Those that were reported.
    pub(super) orphans: BTreeSet<SegmentName>,
    /// What a look that failed had found before.
    pub(super) unreported: LookReport,
    /// Links that were made and are not durable yet: a look that failed in between has left them.
    pub(super) unsynced: Vec<(SpooledName, Listed)>,
    /// Whether new segments are not linked now, because the disk has too little room for what the node then removes.
    pub(super) holds_off: bool,
    /// Segments that were not linked for that reason: whether they had an index, and how long they are.
    pub(super) unlinked: BTreeMap<SegmentName, (bool, u64)>,
}

/// One segment with a link of ours.
#[derive(Clone, Debug)]
pub struct Segment {
    pub(super) spooled: SpooledName,
    pub(super) file: FileId,
    pub(super) index: IndexState,
    pub(super) presence: Presence,
    pub(super) others: Option<u64>,
    pub(super) finality: Finality,
}

/// Whether the name in `cdc_raw` is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Not looked yet.
    Unknown,
    /// It is there and means our file.
    Present,
    /// It is not, or it means another file.
    Gone,
}

/// A segment that has come into the inventory.
///
/// If `known` is `None`, it needs a ledger record. If it is open, final or delivered, it goes on where the record says. In any
/// other state the file has come back (the node links it again after a crash): the caller compares the checksums of its header and
/// first entry, and its chain's end, with the record, and opens the record again or calls [`Inventory::rekey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The key of its record.
    pub key: SegmentKey,
    /// Its name.
    pub name: SegmentName,
    /// Its file. A known record with another inode, or of another length, is to be compared too.
    pub file: FileId,
    /// The file's length now.
    pub length: u64,
    /// When it was last written to, as the file system has it.
    pub modified: Option<SystemTime>,
    /// What the ledger knows.
    pub known: Option<SegmentState>,
}

impl Inventory {
    /// Takes in what is in the spool. Works without `cdc_raw`: what we hold can be delivered while the node's folder is missing.
    ///
    /// # Errors
    /// The spool cannot be listed, or the ledger cannot be read.
    pub fn open(folders: Folders, ledger: &Ledger) -> Result<(Inventory, Vec<Found>), LookError> {
        let spool = Spool::new(&folders.spool);
        // A link that a crash left behind may never have reached the disk, and the ledger is about to count on it.
        spool.sync()?;
        let links = spool.list()?;
        let mut inventory = Inventory {
            folders,
            spool,
            segments: BTreeMap::new(),
            kept: BTreeMap::new(),
            suspects: BTreeSet::new(),
            orphans: BTreeSet::new(),
            unreported: LookReport::default(),
            unsynced: Vec::new(),
            holds_off: false,
            unlinked: BTreeMap::new(),
        };
        let found = links.into_iter().map(|(name, listed)| inventory.take_in(name, listed, ledger)).collect::<Result<_, _>>()?;
        Ok((inventory, found))
    }

    /// Whether new segments are linked from now on.
    pub fn link_new_ones(&mut self, links: bool) {
        self.holds_off = !links;
    }

    /// The segments, by key.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.values()
    }

    /// One of them.
    pub fn get(&self, key: SegmentKey) -> Option<&Segment> {
        self.segments.get(&key)
    }

    /// Opens the segment's file, through our link. Read it by positioned reads as long as it is not final.
    ///
    /// # Errors
    /// `NotFound` if it is not in the inventory; the file system's.
    pub fn open_file(&self, key: SegmentKey) -> io::Result<File> {
        let segment = self.segments.get(&key).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "not in the inventory"))?;
        File::open(&self.spool.path(segment.spooled))
    }

    /// Whether our link to the segment is where it should be.
    ///
    /// # Errors
    /// The file system's.
    pub fn is_there(&self, key: SegmentKey) -> Result<bool, LookError> {
        let Some(segment) = self.segments.get(&key) else { return Ok(false) };
        let path = self.spool.path(segment.spooled);
        match FileId::at(&path) {
            Ok(file) => Ok(file == Some(segment.file)),
            Err(source) => Err(SpoolError::Io { action: "look at", path, source }.into()),
        }
    }

    /// Where our link to the segment is.
    pub fn spooled_path(&self, key: SegmentKey) -> Option<PathBuf> {
        self.segments.get(&key).map(|segment| self.spool.path(segment.spooled))
    }

    /// Tells that the segment's content says that the node has closed it.
    pub fn closed(&mut self, key: SegmentKey) {
        if let Some(segment) = self.segments.get_mut(&key) {
            segment.conclude(FinalReason::Closed);
        }
    }

    /// Tells that a newer segment has held two non-empty valid sections since `since`. True once that makes the segment final.
    pub fn succeeded(&mut self, key: SegmentKey, since: Instant, now: Instant) -> bool {
        let wait = finality::successor_wait(self.folders.sync_period);
        let Some(segment) = self.segments.get_mut(&key) else { return false };
        if finality::is_succeeded(since, now, wait) {
            segment.conclude(FinalReason::Succeeded);
        }
        segment.finality != Finality::Open
    }

    /// Gives a segment the next free key, because its content is not that of the record under its present one.
    ///
    /// # Errors
    /// [`SpoolError::TooMany`] after 256 contents of one id.
    pub fn rekey(&mut self, key: SegmentKey, ledger: &Ledger) -> Result<Found, LookError> {
        let Some(segment) = self.segments.get(&key).cloned() else { return Err(LookError::Unknown(key)) };
        let name = segment.spooled.name;
        let next = self.free_key(name, ledger.newest(key.id)?.map(|(newest, _)| newest.max(key)))?;
        let (from, to) = (self.spool.path(segment.spooled), self.spool.path(next));
        disk::rename(&from, &to).map_err(|source| SpoolError::Io { action: "rename", path: from, source })?;
        self.spool.sync()?;
        let metadata = disk::metadata(&to).map_err(|source| SpoolError::Io { action: "look at", path: to, source })?;
        self.segments.remove(&key);
        self.take_in(next, Listed::of(&metadata), ledger)
    }

    /// The key under which a new file goes: that of the newest record if we hold no link for it, else the next one.
    pub(super) fn key_for(&self, name: SegmentName, newest: Option<SegmentKey>) -> Result<SpooledName, SpoolError> {
        match newest {
            Some(key) if !self.segments.contains_key(&key) => Ok(SpooledName { name, incarnation: key.incarnation }),
            newest => self.free_key(name, newest),
        }
    }

    /// The first key after all that are in use.
    fn free_key(&self, name: SegmentName, newest: Option<SegmentKey>) -> Result<SpooledName, SpoolError> {
        let highest = self.segments_of(name.id).map(|(key, _)| *key).chain(newest).max();
        let next = match highest {
            None => Some(SegmentKey::first(name.id)),
            Some(key) => key.next(),
        };
        let key = next.ok_or(SpoolError::TooMany(name))?;
        Ok(SpooledName { name, incarnation: key.incarnation })
    }

    pub(super) fn segments_of(&self, id: SegmentId) -> impl Iterator<Item = (&SegmentKey, &Segment)> {
        self.segments.range(SegmentKey::first(id)..=SegmentKey { id, incarnation: u8::MAX })
    }

    pub(super) fn take_in(&mut self, spooled: SpooledName, listed: Listed, ledger: &Ledger) -> Result<Found, LookError> {
        let key = spooled.key();
        let record = ledger.find(key)?;
        let known = record.as_ref().map(|record| record.state());
        // What was read of the index before counts only for the file that it was about: a finished segment's went with it.
        let at_work = record.filter(|record| !record.is_ended() && record.inode == listed.file.inode);
        let is_final = at_work.as_ref().is_some_and(|record| matches!(record.state(), SegmentState::Final | SegmentState::Delivered));
        let index = IndexState::resume(at_work.and_then(|record| record.idx).map(CdcIndex::from));
        let mut segment =
            Segment { spooled, file: listed.file, index, presence: Presence::Unknown, others: None, finality: Finality::Open };
        segment.judge();
        if is_final {
            segment.conclude(FinalReason::Recorded);
        }
        self.segments.insert(key, segment);
        Ok(Found { key, name: spooled.name, file: listed.file, length: listed.length, modified: listed.modified, known })
    }
}

impl Segment {
    /// The key of its ledger record.
    pub fn key(&self) -> SegmentKey {
        self.spooled.key()
    }

    /// Its name.
    pub fn name(&self) -> SegmentName {
        self.spooled.name
    }

    /// Its file.
    pub fn file(&self) -> FileId {
        self.file
    }

    /// The last index read, also of former runs.
    pub fn index(&self) -> Option<CdcIndex> {
        self.index.get()
    }

    /// Whether its name is in `cdc_raw`.
    pub fn presence(&self) -> Presence {
        self.presence
    }

    /// How many names others have for it, the last time that could be told.
    pub fn others(&self) -> Option<u64> {
        self.others
    }

    /// Whether its only name is ours: then its bytes count against the spool's limit.
    pub fn is_ours_alone(&self) -> bool {
        self.presence == Presence::Gone && self.others == Some(0)
    }

    /// Whether it can still grow.
    pub fn finality(&self) -> Finality {
        self.finality
    }

    /// Concludes from its version, its index and its links.
    pub(super) fn judge(&mut self) {
        if finality::is_moved(self.spooled.name.version) {
            self.conclude(FinalReason::Moved);
        }
        if self.index.get().is_some_and(|index| index.completed) {
            self.conclude(FinalReason::Completed);
        }
        if self.others == Some(0) {
            self.conclude(FinalReason::OnlyOurs);
        }
    }

    /// What is final stays final: names that appear later are other people's links to a file that nobody writes to.
    pub(super) fn conclude(&mut self, reason: FinalReason) {
        if self.finality == Finality::Open {
            self.finality = Finality::Final(reason);
        }
    }
}

impl From<IndexRecord> for CdcIndex {
    fn from(record: IndexRecord) -> CdcIndex {
        CdcIndex { synced: LogicalPosition(record.synced), completed: record.completed }
    }
}

impl From<CdcIndex> for IndexRecord {
    fn from(index: CdcIndex) -> IndexRecord {
        IndexRecord { synced: index.synced.0, completed: index.completed }
    }
}
