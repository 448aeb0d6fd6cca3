//! Real folders and real links; the node is played by [`Node`].

mod ending;
mod lifecycle;
mod model;

use super::*;
use crate::checkpoint::{Ledger, MemoryStore, SegmentKey, SegmentRecord, SegmentState, UnixMillis};
use crate::commitlog::ReadAt;
use crate::disk;
use crate::position::{FileOffset, LogicalPosition, SegmentId};
use crate::progress::DeliveredTo;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const NOW: UnixMillis = UnixMillis(1760000000000);

/// A segment in these tests: four bytes that stand for the header's CRC, then ones as far as it is written, then zeros.
const HEADER: usize = 4;
const SIZE: usize = 64;

/// The two folders of a node, and its habits.
struct Node {
    root: PathBuf,
}

impl Node {
    fn new(root: &Path) -> Node {
        fs::create_dir(root.join("commitlog")).unwrap();
        fs::create_dir(root.join("cdc_raw")).unwrap();
        Node { root: root.to_owned() }
    }

    fn name(id: u64) -> SegmentName {
        SegmentName { id: SegmentId(id), version: 7 }
    }

    fn commitlog(&self, id: u64) -> PathBuf {
        self.root.join("commitlog").join(Node::name(id).log())
    }

    fn cdc_raw(&self, id: u64) -> PathBuf {
        self.root.join("cdc_raw").join(Node::name(id).log())
    }

    fn index(&self, id: u64) -> PathBuf {
        self.root.join("cdc_raw").join(Node::name(id).index())
    }

    fn create(&self, id: u64, header: u32) {
        let mut content = vec![0; SIZE];
        content[..HEADER].copy_from_slice(&header.to_be_bytes());
        fs::write(self.commitlog(id), content).unwrap();
    }

    fn link(&self, id: u64) {
        fs::hard_link(self.commitlog(id), self.cdc_raw(id)).unwrap();
    }

    fn create_and_link(&self, id: u64) {
        self.create(id, 0x1000 + id as u32);
        self.link(id);
    }

    /// Writes ones up to `to`, through the node's own name.
    fn append(&self, id: u64, to: usize) {
        let file = OpenOptions::new().write(true).open(self.commitlog(id)).unwrap();
        file.write_all_at(&vec![1; to], HEADER as u64).unwrap();
    }

    fn write_index(&self, id: u64, text: &str) {
        fs::write(self.index(id), text).unwrap();
    }

    fn discard(&self, id: u64) {
        fs::remove_file(self.commitlog(id)).unwrap();
        if !self.index(id).exists() && self.cdc_raw(id).exists() {
            fs::remove_file(self.cdc_raw(id)).unwrap();
        }
    }

    /// What a node does with one segment after a crash: the index gets the file's length.
    fn replay(&self, id: u64, cdc: bool) {
        if cdc {
            if !self.cdc_raw(id).exists() {
                self.link(id);
            }
            self.write_index(id, &format!("{SIZE}\nCOMPLETED"));
        }
        self.discard(id);
    }
}

/// A node and what an agent holds.
struct Rig {
    _dir: Option<TempDir>,
    node: Node,
    folders: Folders,
    store: MemoryStore,
    ledger: Ledger,
    inventory: Inventory,
}

fn folders(root: &Path) -> Folders {
    Folders {
        cdc_raw: root.join("cdc_raw"),
        spool: root.join("spool"),
        quarantine: root.join("quarantine"),
        commitlog: None,
        finished: Finished::Delete,
        archive: root.join("archive"),
        sync_period: Duration::from_secs(10),
    }
}

impl Rig {
    fn new() -> Rig {
        Rig::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Folders)) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::new(dir.path());
        let mut folders = folders(dir.path());
        fs::create_dir(&folders.spool).unwrap();
        fs::create_dir(&folders.quarantine).unwrap();
        change(&mut folders);
        let store = MemoryStore::new();
        let ledger = Ledger::load(Box::new(store.clone())).unwrap();
        let (inventory, found) = Inventory::open(folders.clone(), &ledger).unwrap();
        assert_eq!(found, []);
        Rig { _dir: Some(dir), node, folders, store, ledger, inventory }
    }

    fn look(&mut self) -> LookReport {
        let report = self.inventory.look(&self.ledger, &mut header_crc).unwrap();
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        report
    }

    /// Looks, and gives every new segment a record.
    fn take_in(&mut self) -> LookReport {
        let report = self.look();
        report.found.iter().filter(|found| found.known.is_none()).for_each(|found| insert(&mut self.ledger, found));
        self.ledger.save().unwrap();
        report
    }

    /// Another process, after a crash.
    fn restart(&mut self) -> Vec<Found> {
        self.store.crash();
        self.ledger = Ledger::load(Box::new(self.store.clone())).unwrap();
        let (inventory, found) = Inventory::open(self.folders.clone(), &self.ledger).unwrap();
        self.inventory = inventory;
        found
    }

    fn segment(&self, id: u64) -> &Segment {
        self.inventory.get(key(id)).unwrap()
    }

    /// Delivers all there is and says so durably.
    fn deliver(&mut self, id: u64) {
        let end = written(&self.inventory.open_file(key(id)).unwrap());
        self.ledger.enter(key(id), SegmentState::Final, NOW).unwrap();
        self.ledger.update(key(id), |record| record.end = Some(end)).unwrap();
        self.ledger.advance(key(id), at(end)).unwrap();
        self.ledger.enter(key(id), SegmentState::Delivered, NOW).unwrap();
        self.ledger.save().unwrap();
    }

    /// Delivers and ends a segment.
    fn finish(&mut self, id: u64) {
        self.deliver(id);
        let ending = self.inventory.reclaim(self.ledger.covered(key(id)).unwrap()).unwrap();
        self.ledger.enter(key(id), SegmentState::Finished(ending), NOW).unwrap();
        self.ledger.save().unwrap();
    }
}

fn key(id: u64) -> SegmentKey {
    SegmentKey::first(SegmentId(id))
}

fn at(position: u32) -> DeliveredTo {
    DeliveredTo { position: LogicalPosition(position), ordinal: 0 }
}

fn header_crc(file: &disk::File) -> Option<u32> {
    let mut header = [0; HEADER];
    let read = ReadAt::read_at(file, FileOffset(0), &mut header).ok()?;
    (read == HEADER).then(|| u32::from_be_bytes(header))
}

/// How far a segment is written.
fn written(file: &disk::File) -> u32 {
    let mut content = vec![0; SIZE - HEADER];
    assert_eq!(ReadAt::read_at(file, FileOffset(HEADER as u64), &mut content).unwrap(), content.len());
    content.iter().take_while(|byte| **byte != 0).count() as u32
}

fn insert(ledger: &mut Ledger, found: &Found) {
    let mut record = SegmentRecord::new(found.name.log(), found.name.version, found.file.inode, NOW);
    record.bytes.file.length = found.length;
    ledger.insert(found.key, record).unwrap();
}

fn links(path: &Path) -> u64 {
    fs::metadata(path).unwrap().nlink()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
