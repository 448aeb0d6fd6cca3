//! The ledger on disk, in sled.
//!
//! sled 0.34's `flush` ends in `sync_file_range`, which is no barrier when the power goes off: so each save is followed by
//! `fdatasync` on sled's one data file, and the files' names and `conf` are fsynced once, at open. Flushing in the background is
//! off: what is not saved by us has no claim to be on disk.
//!
//! A page beyond 128 KiB goes to a file of its own (`blobs/`), which sled never fsyncs. A page holds up to 17 values and ours are a
//! few KiB at most, so there should be none; those that appear all the same are fsynced before the flush that refers to them.

use super::reader::Reader;
use super::record::{SegmentKey, SegmentRecord};
use super::store::{Batch, CheckpointStore, Encoded, Key, StoreError, decode_key, decode_value, encode_key, meta_name, segment_name};
use crate::position::SegmentId;
use ::sled::Transactional;
use ::sled::transaction::{ConflictableTransactionError, TransactionError};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// sled's page cache. The ledger is read once, at start, and by key when a segment appears.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// How long a store that this process has just closed may hold its lock: sled's threads let go of it a little later.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The name of the number of the last save. No named value begins with a zero.
const SEQUENCE: &[u8] = b"\0sequence";

/// Keeps the ledger in a folder (`db/` of the state folder).
#[derive(Debug)]
pub struct SledStore {
    dir: PathBuf,
    db: ::sled::Db,
    segments: ::sled::Tree,
    meta: ::sled::Tree,
    /// sled's data file, for the barrier that sled lacks.
    data: File,
    /// Files in `blobs/` that are known to be on disk.
    synced_blobs: BTreeSet<OsString>,
}

impl SledStore {
    /// Opens or creates the store in `dir`.
    ///
    /// # Errors
    /// A damaged store is an error: nothing is repaired, nothing begins anew.
    pub fn open(dir: &Path) -> Result<SledStore, StoreError> {
        remove_unfinished_snapshots(dir).map_err(|source| io_error("tidy", dir, source))?;
        let config = ::sled::Config::new().path(dir).mode(::sled::Mode::LowSpace).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let sled_error = |source| StoreError::Sled { action: "open", place: dir.display().to_string(), source };
        let db = open_when_free(&config).map_err(sled_error)?;
        let segments = db.open_tree("segments").map_err(sled_error)?;
        let meta = db.open_tree("meta").map_err(sled_error)?;
        let data = File::open(dir.join("db")).map_err(|source| io_error("open", &dir.join("db"), source))?;
        let mut store = SledStore { dir: dir.to_owned(), db, segments, meta, data, synced_blobs: BTreeSet::new() };
        // Also after a crash of the process alone: what is found now was perhaps never on disk, and I3 is about to rely on it.
        store.barrier()?;
        sync(&dir.join("conf"))?;
        sync(dir)?;
        Ok(store)
    }

    /// Returns when everything written is durable.
    pub(super) fn barrier(&mut self) -> Result<(), StoreError> {
        self.sync_blobs().map_err(|source| io_error("sync", &self.dir.join("blobs"), source))?;
        self.db.flush().map_err(|source| self.sled_error("flush", source))?;
        self.data.sync_data().map_err(|source| io_error("sync", &self.dir.join("db"), source))
    }

    fn sync_blobs(&mut self) -> io::Result<()> {
        let folder = self.dir.join("blobs");
        let mut present = BTreeSet::new();
        for entry in fs::read_dir(&folder)? {
            present.insert(entry?.file_name());
        }
        let mut new = false;
        for name in present.difference(&self.synced_blobs) {
            // sled removes blobs by itself; one that has gone has nothing left to lose.
            match File::open(folder.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                file => file?.sync_all()?,
            }
            new = true;
        }
        self.synced_blobs = present;
        if new { File::open(folder)?.sync_all() } else { Ok(()) }
    }

    /// Writes without the barrier, and the number of this save with it: by that the shadow is compared.
    pub(super) fn write(&self, batch: &Encoded) -> Result<u64, StoreError> {
        let mut segments = ::sled::Batch::default();
        for (key, record, _) in &batch.records {
            segments.insert(key, record.as_slice());
        }
        for key in &batch.removed {
            segments.remove(key);
        }
        let mut meta = ::sled::Batch::default();
        for (name, value) in &batch.meta {
            meta.insert(name.as_bytes(), value.as_slice());
        }
        let sequence = self.sequence()? + 1;
        meta.insert(SEQUENCE, &sequence.to_be_bytes());
        let written =
            (&self.segments, &self.meta).transaction(|(segment_tree, meta_tree)| -> Result<(), ConflictableTransactionError<()>> {
                segment_tree.apply_batch(&segments)?;
                meta_tree.apply_batch(&meta)?;
                Ok(())
            });
        match written {
            Ok(()) => Ok(sequence),
            Err(TransactionError::Storage(source)) => Err(self.sled_error("write", source)),
            Err(TransactionError::Abort(())) => Err(io_error("write", &self.dir, io::Error::other("the transaction was aborted"))),
        }
    }

    /// [`SledStore::write`] and the barrier; the number of the save.
    pub(super) fn save_encoded(&mut self, batch: &Encoded) -> Result<u64, StoreError> {
        let sequence = self.write(batch)?;
        self.barrier()?;
        Ok(sequence)
    }

    /// The number of the last save; 0 before the first.
    pub(super) fn sequence(&self) -> Result<u64, StoreError> {
        let value = self.meta.get(SEQUENCE).map_err(|source| self.sled_error("read", source))?;
        let Some(value) = value else { return Ok(0) };
        let bytes = <[u8; 8]>::try_from(&*value);
        let problem = || format!("expected 8 bytes, found {}", value.len());
        bytes.map(u64::from_be_bytes).map_err(|_| StoreError::Damaged { what: "the number of the last save".into(), problem: problem() })
    }

    /// Goes on counting from there: for a store that is filled from a copy.
    pub(super) fn set_sequence(&self, sequence: u64) -> Result<(), StoreError> {
        let set = self.meta.insert(SEQUENCE, &sequence.to_be_bytes());
        set.map(|_| ()).map_err(|source| self.sled_error("write", source))
    }

    /// Every named value as bytes.
    pub(super) fn raw_meta(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut values = Vec::new();
        for item in &self.meta {
            let (name, value) = item.map_err(|source| self.sled_error("read", source))?;
            if &*name != SEQUENCE {
                values.push((String::from_utf8_lossy(&name).into_owned(), value.to_vec()));
            }
        }
        Ok(values)
    }

    /// Every record that is not at its end, as bytes, in the order of the keys. Reads all of them.
    pub(super) fn raw_live(&self) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        let mut values = Vec::new();
        for item in &self.segments {
            let (bytes, value) = item.map_err(|source| self.sled_error("read", source))?;
            let key = decode_key(&bytes)?;
            let record: SegmentRecord = decode_value(&segment_name(key), &value)?;
            if !record.is_ended() {
                values.push((encode_key(key), value.to_vec()));
            }
        }
        Ok(values)
    }

    /// Reads beside the thread that owns the store.
    pub(super) fn reader(&self) -> Reader {
        Reader::new(self.segments.clone(), self.meta.clone())
    }

    fn sled_error(&self, action: &'static str, source: ::sled::Error) -> StoreError {
        StoreError::Sled { action, place: self.dir.display().to_string(), source }
    }

    #[cfg(test)]
    pub(super) fn put_raw(&mut self, key: &[u8], value: &[u8]) {
        self.segments.insert(key, value).expect("insert");
        self.barrier().expect("barrier");
    }
}

impl CheckpointStore for SledStore {
    fn visit(&self, visitor: &mut dyn FnMut(SegmentKey, SegmentRecord) -> ControlFlow<()>) -> Result<(), StoreError> {
        for item in &self.segments {
            let (key, value) = item.map_err(|source| self.sled_error("read", source))?;
            let key = decode_key(&key)?;
            if visitor(key, decode_value(&segment_name(key), &value)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn get(&self, key: SegmentKey) -> Result<Option<SegmentRecord>, StoreError> {
        let value = self.segments.get(encode_key(key)).map_err(|source| self.sled_error("read", source))?;
        value.map(|value| decode_value(&segment_name(key), &value)).transpose()
    }

    fn newest(&self, id: SegmentId) -> Result<Option<(SegmentKey, SegmentRecord)>, StoreError> {
        let last = self.segments.scan_prefix(id.0.to_be_bytes()).next_back();
        let Some((key, value)) = last.transpose().map_err(|source| self.sled_error("read", source))? else { return Ok(None) };
        let key = decode_key(&key)?;
        Ok(Some((key, decode_value(&segment_name(key), &value)?)))
    }

    fn meta(&self) -> Result<BTreeMap<String, serde_json::Value>, StoreError> {
        let decode = |(name, bytes): (String, Vec<u8>)| {
            let value = decode_value(&meta_name(&name), &bytes)?;
            Ok((name, value))
        };
        self.raw_meta()?.into_iter().map(decode).collect()
    }

    fn save(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.save_encoded(&batch.encode()?).map(|_| ())
    }
}

/// A snapshot that was being written when the process died would be taken for the newest one, and sled would refuse to open. The
/// one before it is only removed once the new one has its name, so nothing is lost with it.
fn remove_unfinished_snapshots(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Other processes are kept out by the lock of the state folder; sled's own can only be that of a store closed a moment ago.
fn open_when_free(config: &::sled::Config) -> ::sled::Result<::sled::Db> {
    let begun = Instant::now();
    loop {
        match config.open() {
            Err(::sled::Error::Io(error)) if begun.elapsed() < LOCK_WAIT && error.to_string().starts_with("could not acquire lock") => {
                std::thread::sleep(Duration::from_millis(10));
            }
            opened => return opened,
        }
    }
}

fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|source| io_error("sync", path, source))
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { action, place: path.display().to_string(), source }
}
