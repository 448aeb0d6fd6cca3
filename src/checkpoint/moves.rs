//! Positions that somebody moves by hand, while no agent runs. Each move is on record, with what was there before.

use super::ledger::{Ledger, LedgerError};
use super::record::{Bytes, Ending, FileBytes, LogicalBytes, SegmentKey, SegmentRecord, SegmentState, SkippedRange, UnixMillis};
use super::state_dir::StateDir;
use super::store::StoreError;
use super::trail::{Change, Deed};
use crate::position::LogicalPosition;
use crate::progress::DeliveredTo;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Meta value: the ids of the segments whose positions were moved by hand. What moved them holds against a record of positions elsewhere.
pub const META_MOVED: &str = "moved_by_hand";

/// What has become of a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is done; where the position was.
    From(LogicalPosition),
    /// It cannot be done, and nothing was changed; why.
    Not(String),
}

impl Ledger {
    /// The segments whose positions can be moved: those that are not delivered to their end.
    pub fn unfinished(&self) -> impl Iterator<Item = SegmentKey> {
        let is_unfinished = |record: &SegmentRecord| matches!(record.state(), SegmentState::Open | SegmentState::Final);
        self.live().filter(move |(_, record)| is_unfinished(record)).map(|(key, _)| key)
    }

    /// Takes a position back: everything behind `to` is delivered again. Opens a finished segment again whose file was kept. The caller
    /// saves.
    ///
    /// # Errors
    /// The ledger's.
    pub fn rewind(&mut self, key: SegmentKey, to: LogicalPosition, reason: &str, now: UnixMillis) -> Result<Moved, LedgerError> {
        let record = self.find(key)?.ok_or(LedgerError::Unknown(key))?;
        let from = record.delivered_to;
        let refused = match record.state() {
            SegmentState::Open | SegmentState::Final | SegmentState::Finished(Ending::Kept) if from.position < to => {
                Some(format!("it is delivered only up to {}", from.position))
            }
            SegmentState::Open | SegmentState::Final | SegmentState::Finished(Ending::Kept) => None,
            SegmentState::Delivered => Some("it is delivered, and the next run removes it".to_owned()),
            SegmentState::Quarantined => {
                Some("it is in quarantine, and everything readable of it was delivered (ringtail replay delivers a file again)".to_owned())
            }
            SegmentState::Lost(cause) => Some(format!("it is lost ({cause})")),
            SegmentState::Finished(_) | SegmentState::Acknowledged => {
                Some(format!("it is {}, its file is not in the spool any more (ringtail replay delivers a copy again)", record.state()))
            }
        };
        if let Some(why) = refused {
            return Ok(Moved::Not(why));
        }
        if record.state() != SegmentState::Open {
            self.reopen(key, now)?;
        }
        self.update(key, |record| {
            record.delivered_to = DeliveredTo { position: to, ordinal: 0 };
            record.end = None;
            record.skipped.retain(|range| range.to <= to.0);
        })?;
        self.note_moved(key);
        self.moved(Deed::Rewound, &record, from.position, to.to_string(), reason, now);
        Ok(Moved::From(from.position))
    }

    /// Takes a position forward: what lies between is never delivered, and counts as lost and acknowledged. The caller saves.
    ///
    /// # Errors
    /// The ledger's.
    pub fn skip(&mut self, key: SegmentKey, to: LogicalPosition, reason: &str, now: UnixMillis) -> Result<Moved, LedgerError> {
        let record = self.find(key)?.ok_or(LedgerError::Unknown(key))?;
        let from = record.delivered_to.position;
        if let Some(why) = not_skippable(&record) {
            return Ok(Moved::Not(why));
        }
        if to <= from {
            return Ok(Moved::Not(format!("it is delivered up to {from} already")));
        }
        self.update(key, |record| {
            record.delivered_to = DeliveredTo { position: to, ordinal: 0 };
            record.skipped.push(SkippedRange { from: from.0, to: to.0, at: now });
        })?;
        self.note_moved(key);
        self.moved(Deed::Skipped, &record, from, to.to_string(), reason, now);
        Ok(Moved::From(from))
    }

    /// Gives up the rest of a segment: its file goes to quarantine whole, and its name in `cdc_raw` if names there may be removed. The
    /// caller saves; a crash before that leaves a segment that is quarantined and not acknowledged.
    ///
    /// # Errors
    /// The ledger's, the file system's.
    pub fn give_up(
        &mut self,
        state: &StateDir,
        cdc_raw: &Path,
        removes: bool,
        key: SegmentKey,
        reason: &str,
        now: UnixMillis,
    ) -> Result<Moved, LedgerError> {
        let record = self.find(key)?.ok_or(LedgerError::Unknown(key))?;
        if let Some(why) = not_skippable(&record) {
            return Ok(Moved::Not(why));
        }
        let from = record.delivered_to.position;
        let moved = put_into_quarantine(state, cdc_raw, removes, key, &record);
        let length = match moved {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Moved::Not("its file is not in the spool".into())),
            moved => moved.map_err(|source| StoreError::Io { action: "put into quarantine", place: record.file.clone(), source })?,
        };
        self.enter(key, SegmentState::Quarantined, now)?;
        self.update(key, |record| {
            let lost = length.saturating_sub(u64::from(from.0));
            record.cause = Some(format!("given up from {from} on: {reason}"));
            record.bytes.file.length = length;
            record.bytes.logical = LogicalBytes { sections: lost, lost, ..LogicalBytes::default() };
        })?;
        self.enter(key, SegmentState::Acknowledged, now)?;
        self.note_moved(key);
        self.moved(Deed::Skipped, &record, from, "its end".into(), reason, now);
        Ok(Moved::From(from))
    }

    /// Puts a segment out of quarantine back into the spool: the next run reads it again and delivers what stands behind the first damage,
    /// or behind where it was given up. What was delivered from there on comes again, with the same ids. Answers that position. The caller
    /// saves; a crash before that leaves a segment that is read again, and nothing delivered twice.
    ///
    /// # Errors
    /// The ledger's, the file system's.
    pub fn retry(&mut self, state: &StateDir, key: SegmentKey, reason: &str, now: UnixMillis) -> Result<Moved, LedgerError> {
        let record = self.find(key)?.ok_or(LedgerError::Unknown(key))?;
        if !matches!(record.state(), SegmentState::Quarantined | SegmentState::Acknowledged) {
            return Ok(Moved::Not(format!("it is {}", record.state())));
        }
        if self.newest(key.id)?.is_some_and(|(newest, _)| newest != key) {
            return Ok(Moved::Not("its id has come with other content since (ringtail replay delivers a file again)".into()));
        }
        let (from, to) = (state.quarantine().join(file_name(key, &record)), state.spool().join(file_name(key, &record)));
        if to.exists() {
            return Ok(Moved::Not("a file of this name is in the spool".into()));
        }
        let moved = fs::rename(&from, &to).and_then(|()| sync([state.spool(), state.quarantine()]));
        moved.map_err(|source| StoreError::Io { action: "take out of quarantine", place: record.file.clone(), source })?;
        let delivered = record.delivered_to.position;
        let first = record.damage.iter().map(|range| LogicalPosition(range.position.unwrap_or(0))).min();
        let back = first.map_or(delivered, |first| first.min(delivered));
        self.reopen(key, now)?;
        self.update(key, |record| {
            if back < delivered {
                record.delivered_to = DeliveredTo { position: back, ordinal: 0 };
            }
            (record.end, record.cause) = (None, None);
            record.damage.clear();
            // Until it was read, nothing is known of its bytes but how many they are.
            record.bytes = Bytes { file: FileBytes { length: record.bytes.file.length, ..FileBytes::default() }, ..Bytes::default() };
        })?;
        self.note_moved(key);
        self.moved(Deed::Rewound, &record, delivered, back.to_string(), reason, now);
        Ok(Moved::From(back))
    }

    pub(super) fn note_moved(&mut self, key: SegmentKey) {
        let mut moved = self.meta(META_MOVED).and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
        moved.push(key.id.0.into());
        self.set_meta(META_MOVED, moved.into());
    }

    pub(super) fn moved(&mut self, what: Deed, record: &SegmentRecord, from: LogicalPosition, to: String, reason: &str, now: UnixMillis) {
        let (segment, from) = (Some(record.file.clone()), Some(from.to_string()));
        self.note_change(Change { at: now, what, segment, from, to: Some(to), reason: reason.to_owned() });
    }
}

fn not_skippable(record: &SegmentRecord) -> Option<String> {
    match record.state() {
        SegmentState::Open | SegmentState::Final => None,
        state => Some(format!("it is {state}, so nothing of it is still to be delivered")),
    }
}

/// The name of a segment's file in our folders.
fn file_name(key: SegmentKey, record: &SegmentRecord) -> String {
    match key.incarnation {
        0 => record.file.clone(),
        n => format!("{}.{n}", record.file),
    }
}

fn sync(folders: [PathBuf; 2]) -> io::Result<()> {
    folders.iter().try_for_each(|folder| File::open(folder)?.sync_all())
}

/// Moves our link, and takes the names in `cdc_raw` away if they mean the same file. Answers its length.
fn put_into_quarantine(state: &StateDir, cdc_raw: &Path, removes: bool, key: SegmentKey, record: &SegmentRecord) -> io::Result<u64> {
    let name = file_name(key, record);
    let (from, to) = (state.spool().join(&name), state.quarantine().join(&name));
    let file = fs::metadata(&from)?;
    fs::rename(&from, &to)?;
    sync([state.quarantine(), state.spool()])?;
    let log = cdc_raw.join(&record.file);
    let is_same = fs::metadata(&log).is_ok_and(|named| (named.dev(), named.ino()) == (file.dev(), file.ino()));
    if removes && is_same {
        fs::remove_file(&log)?;
        let index = cdc_raw.join(record.file.replace(".log", "_cdc.idx"));
        match fs::remove_file(index) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        File::open(cdc_raw)?.sync_all()?;
    }
    Ok(file.len())
}
