//! The end of a segment: its names go, in an order that a crash may interrupt anywhere.
//!
//! ```text
//! (archive ─► fsynced) ─► .log in cdc_raw ─► index in cdc_raw ─► our link ─► both folders fsynced ─► (caller) ledger: finished
//! ```
//!
//! Early release takes only the names in `cdc_raw`, once, while the segment is still to be delivered: our link and the ledger's record
//! are on disk by then, so the bytes are ours and no longer count against the node's `cdc_total_space`.
//!
//! The log goes before its index: a log without an index would look like a segment that has no CDC data yet. Our own link goes
//! last, so that after a crash the segment is found in the spool, and its end is done again. Each step that was done already is no
//! error. Only after the names are durably gone does the ledger say so; a name that came back would else be read again.

use super::archive;
use super::inventory::{Inventory, Presence, Segment};
use super::scan::{FileId, SegmentName};
use super::spool::{SpooledName, remove_if_there};
use crate::checkpoint::{Covered, Ending, SegmentKey};
use crate::disk::{self, sync_folder};
use std::io;
use std::path::PathBuf;

/// What happens to a finished segment's name in `cdc_raw` (`source.finished`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finished {
    /// It is removed.
    #[default]
    Delete,
    /// Nothing in `cdc_raw` is ever removed; only our link goes.
    Keep,
    /// It is linked or copied into [`super::Folders::archive`], then removed.
    Archive,
}

/// Why a segment could not be brought to its end. Doing it again later is always right.
#[derive(Debug, thiserror::Error)]
pub enum ReclaimError {
    /// Not in the inventory.
    #[error("segment {0} is not in the inventory")]
    Unknown(SegmentKey),
    /// The proof is about another file of this name.
    #[error("segment {key} is inode {found}, but what is recorded as delivered is inode {covered}")]
    OtherFile {
        /// Which segment.
        key: SegmentKey,
        /// The inode that the proof covers.
        covered: u64,
        /// The inode of our link.
        found: u64,
    },
    /// A step failed.
    #[error("cannot {step} of {name}")]
    Step {
        /// Which step.
        step: &'static str,
        /// Of which segment.
        name: SegmentName,
        /// Why.
        source: io::Error,
    },
}

/// One step. Each may be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Archive,
    MoveToQuarantine,
    SyncQuarantine,
    UnlinkLog,
    UnlinkIndex,
    UnlinkSpooled,
    SyncCdcRaw,
    SyncSpool,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::Archive => "put the file into source.archive",
            Step::MoveToQuarantine => "move the file to quarantine",
            Step::SyncQuarantine => "make the name in quarantine durable",
            Step::UnlinkLog => "remove the name in cdc_raw",
            Step::UnlinkIndex => "remove the index",
            Step::UnlinkSpooled => "remove the link",
            Step::SyncCdcRaw => "make the removal from cdc_raw durable",
            Step::SyncSpool => "make the removal from the spool durable",
        }
    }
}

impl Inventory {
    /// Removes the names of a delivered segment. When it returns, they are durably gone, and the record may enter
    /// [`crate::checkpoint::SegmentState::Finished`] with this ending.
    ///
    /// Takes the proof that a durable record covers the segment's end: the last link may be ours (I3).
    ///
    /// # Errors
    /// The segment stays in the inventory; do it again.
    pub fn reclaim(&mut self, covered: Covered) -> Result<Ending, ReclaimError> {
        let segment = self.claim(&covered)?;
        self.run(&segment, self.reclaim_steps())?;
        self.segments.remove(&covered.key());
        if self.folders.finished == Finished::Keep {
            self.kept.insert(segment.name(), segment.file);
        }
        Ok(match self.folders.finished {
            Finished::Delete => Ending::Deleted,
            Finished::Keep => Ending::Kept,
            Finished::Archive => Ending::Archived,
        })
    }

    /// Removes the names in `cdc_raw` of a final segment that is still to be delivered. The caller has made the record of it durable, with
    /// the last value of its index: the index goes too.
    ///
    /// # Errors
    /// The segment stays as it is; do it again.
    pub fn release(&mut self, key: SegmentKey) -> Result<(), ReclaimError> {
        let segment = self.segments.get(&key).cloned().ok_or(ReclaimError::Unknown(key))?;
        // Somebody may have removed our link since the last look: then the name in cdc_raw is the last.
        if FileId::at(&self.spool.path(segment.spooled)).ok().flatten() != Some(segment.file) {
            return Err(ReclaimError::Unknown(key));
        }
        self.run(&segment, &[Step::UnlinkLog, Step::UnlinkIndex, Step::SyncCdcRaw])?;
        if let Some(segment) = self.segments.get_mut(&key) {
            segment.presence = Presence::Gone;
        }
        Ok(())
    }

    /// Removes our link to a segment of which a durable record says that it is given up.
    ///
    /// # Errors
    /// The segment stays; do it again.
    pub fn give_up(&mut self, key: SegmentKey) -> Result<(), ReclaimError> {
        let segment = self.segments.get(&key).cloned().ok_or(ReclaimError::Unknown(key))?;
        self.run(&segment, &[Step::UnlinkSpooled, Step::SyncSpool])?;
        self.segments.remove(&key);
        Ok(())
    }

    /// Keeps the whole file in `quarantine/` and takes its other names away. Removes no last link, so it needs no proof. When it
    /// returns, the record may enter [`crate::checkpoint::SegmentState::Quarantined`].
    ///
    /// # Errors
    /// As [`Inventory::reclaim`].
    pub fn quarantine(&mut self, key: SegmentKey) -> Result<PathBuf, ReclaimError> {
        let segment = self.segments.get(&key).cloned().ok_or(ReclaimError::Unknown(key))?;
        self.run(&segment, self.quarantine_steps())?;
        self.segments.remove(&key);
        if self.folders.finished == Finished::Keep {
            self.kept.insert(segment.name(), segment.file);
        }
        Ok(self.quarantine_path(segment.spooled))
    }

    /// The segment that the proof is about.
    pub(super) fn claim(&self, covered: &Covered) -> Result<Segment, ReclaimError> {
        let key = covered.key();
        let segment = self.segments.get(&key).cloned().ok_or(ReclaimError::Unknown(key))?;
        let (covered, found) = (covered.inode(), segment.file.inode);
        if covered != found {
            return Err(ReclaimError::OtherFile { key, covered, found });
        }
        Ok(segment)
    }

    pub(super) fn reclaim_steps(&self) -> &'static [Step] {
        match self.folders.finished {
            Finished::Delete => &[Step::UnlinkLog, Step::UnlinkIndex, Step::UnlinkSpooled, Step::SyncCdcRaw, Step::SyncSpool],
            Finished::Keep => &[Step::UnlinkSpooled, Step::SyncSpool],
            Finished::Archive => {
                &[Step::Archive, Step::UnlinkLog, Step::UnlinkIndex, Step::UnlinkSpooled, Step::SyncCdcRaw, Step::SyncSpool]
            }
        }
    }

    pub(super) fn quarantine_steps(&self) -> &'static [Step] {
        match self.folders.finished {
            Finished::Delete | Finished::Archive => {
                &[Step::MoveToQuarantine, Step::SyncQuarantine, Step::SyncSpool, Step::UnlinkLog, Step::UnlinkIndex, Step::SyncCdcRaw]
            }
            Finished::Keep => &[Step::MoveToQuarantine, Step::SyncQuarantine, Step::SyncSpool],
        }
    }

    pub(super) fn quarantine_path(&self, name: SpooledName) -> PathBuf {
        self.folders.quarantine.join(name.file_name())
    }

    fn run(&self, segment: &Segment, steps: &[Step]) -> Result<(), ReclaimError> {
        steps.iter().try_for_each(|step| {
            let failed = |source| ReclaimError::Step { step: step.name(), name: segment.name(), source };
            self.perform(segment, *step).map_err(failed)
        })
    }

    pub(super) fn perform(&self, segment: &Segment, step: Step) -> io::Result<()> {
        let log = self.folders.cdc_raw.join(segment.name().log());
        match step {
            Step::Archive => {
                archive::put(&self.spool.path(segment.spooled), &self.folders.archive, &segment.spooled.file_name()).map(|_| ())
            }
            Step::MoveToQuarantine => self.move_to_quarantine(segment),
            Step::SyncQuarantine => sync_folder(&self.folders.quarantine),
            Step::UnlinkLog => match FileId::at(&log)? {
                Some(file) if file == segment.file => remove_if_there(&log),
                // Gone, or the name of other content by now.
                _ => Ok(()),
            },
            Step::UnlinkIndex => match FileId::at(&log)? {
                None => remove_if_there(&self.folders.cdc_raw.join(segment.name().index())),
                // The index is that of the content which has the name.
                Some(_) => Ok(()),
            },
            Step::UnlinkSpooled => remove_if_there(&self.spool.path(segment.spooled)),
            Step::SyncCdcRaw => match sync_folder(&self.folders.cdc_raw) {
                // With the folder, its names are gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                synced => synced,
            },
            Step::SyncSpool => sync_folder(self.spool.dir()),
        }
    }

    fn move_to_quarantine(&self, segment: &Segment) -> io::Result<()> {
        let (from, to) = (self.spool.path(segment.spooled), self.quarantine_path(segment.spooled));
        match FileId::at(&to)? {
            // Done before, and the node has linked the segment again since. A rename between two links of a file does nothing.
            Some(file) if file == segment.file => remove_if_there(&from),
            Some(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "another file of this name is in quarantine")),
            None => disk::rename(&from, &to),
        }
    }
}
