//! The end of segments: when everything of one is durable, and only then, its names go.

use super::Pipeline;
use super::error::Fatal;
use super::ship::Shipper;
use crate::cdc_raw::Finality;
use crate::checkpoint::{SegmentKey, SegmentState};
use crate::commitlog::ReadAt;
use crate::mutant::{Mutant, mutant};

impl Pipeline {
    /// Brings to their end the segments that are final, read and durable.
    pub(super) fn finish(&mut self) -> Result<(), Fatal> {
        self.keep_unreadable()?;
        let read: Vec<SegmentKey> = self.tails.iter().filter(|(_, tail)| tail.has_ended()).map(|(key, _)| *key).collect();
        let mut covered = Vec::new();
        for key in read {
            if self.enter_delivered(key)? {
                covered.push(key);
            }
        }
        if covered.is_empty() {
            return Ok(());
        }
        // One save for all of them: only a durable record gives leave to remove a last link (I3).
        if !mutant(Mutant::EarlyReclaim) {
            self.ledger.save()?;
        }
        for key in covered {
            self.remove(key)?;
        }
        Ok(self.ledger.save()?)
    }

    /// Takes a record to `delivered` if everything up to its end has durably arrived.
    fn enter_delivered(&mut self, key: SegmentKey) -> Result<bool, Fatal> {
        let Some(record) = self.ledger.get(key) else { return Ok(false) };
        if !record.is_covered() || self.shipper.as_ref().is_some_and(|shipper| !shipper.window.is_durable(key.id)) {
            return Ok(false);
        }
        if record.state() == SegmentState::Open {
            self.ledger.enter(key, SegmentState::Final, self.schedule.unix)?;
        }
        if self.ledger.get(key).is_some_and(|record| record.state() == SegmentState::Final) {
            self.ledger.enter(key, SegmentState::Delivered, self.schedule.unix)?;
        }
        // Before the file is moved: a crash after that leaves a record that says why.
        self.ledger.update(key, |record| match record.damage.len() {
            0 => {}
            1 => record.cause = Some("one damaged range".into()),
            ranges => record.cause = Some(format!("{ranges} damaged ranges")),
        })?;
        Ok(true)
    }

    fn remove(&mut self, key: SegmentKey) -> Result<(), Fatal> {
        let Some(record) = self.ledger.get(key) else { return Ok(()) };
        let file = record.file.clone();
        // Somebody has removed our link: the next look makes it anew, or finds that there is nothing left to remove.
        if !self.inventory.is_there(key)? {
            return Ok(());
        }
        if record.damage.is_empty() {
            let Some(covered) = self.ledger.covered(key) else { return Ok(()) };
            let ending = self.inventory.reclaim(covered)?;
            self.end(key, SegmentState::Finished(ending))?;
            tracing::info!(segment = file, "segment finished");
        } else {
            let ranges = record.damage.len();
            let path = self.inventory.quarantine(key)?;
            self.end(key, SegmentState::Quarantined)?;
            tracing::warn!(segment = file, ranges, path = %path.display(), "everything readable was delivered; the damaged file is in quarantine");
        }
        self.forget(key);
        Ok(())
    }

    /// Segments that cannot be read as a whole and will not change any more: the file is kept, the names go.
    fn keep_unreadable(&mut self) -> Result<(), Fatal> {
        let keys: Vec<SegmentKey> = self.unreadable.keys().filter(|key| self.tails.contains_key(key)).copied().collect();
        for key in keys {
            if !self.inventory.is_there(key)? {
                continue;
            }
            let cause = self.unreadable.get(&key).cloned().unwrap_or_default();
            let length = self.inventory.open_file(key).and_then(|file| file.length()).unwrap_or(0);
            self.ledger.update(key, |record| {
                record.cause = Some(cause.clone());
                record.bytes.file.length = length;
                record.bytes.file.damaged = length;
            })?;
            // As above.
            self.ledger.save()?;
            let path = self.inventory.quarantine(key)?;
            let file = self.file_of(key);
            tracing::error!(segment = file, path = %path.display(), "{cause}; nothing of the segment was read, the file is in quarantine");
            self.status.note_error(format!("{file}: {cause}"));
            self.metrics.damaged("segment", length);
            self.end(key, SegmentState::Quarantined)?;
            self.forget(key);
            self.ledger.save()?;
        }
        Ok(())
    }

    /// Drops what is remembered of a segment that is at its end.
    fn forget(&mut self, key: SegmentKey) {
        self.tails.remove(&key);
        self.succeeding.remove(&key);
        self.unreadable.remove(&key);
        self.doubtful.remove(&key);
        self.read_after_look.remove(&key);
        if let Some(Shipper { window, .. }) = &mut self.shipper {
            window.forget(key.id);
        }
    }

    /// Whether everything that [`Pipeline::drain`] found is delivered, and what was final of it finished.
    pub fn is_drained(&self) -> bool {
        let Some(found) = self.drain.as_ref().filter(|_| self.read_all && self.schedule.looks > 2) else { return false };
        let at_rest = self.pending.is_none()
            && self.retries.is_at_rest()
            && self.accounts.are_sent()
            && self.shipper.as_ref().is_some_and(|shipper| shipper.window.is_empty());
        // A folder that cannot be looked at, a segment that cannot be linked: that is not all there is.
        at_rest
            && self.folder_obstacle.is_none()
            && !self.ledger.is_changed()
            && found.iter().all(|key| self.is_open(*key) || self.inventory.get(*key).is_none())
    }

    /// Of what [`Pipeline::drain`] found: the names of the segments that the node may still write to.
    pub fn kept_open(&self) -> Vec<String> {
        let found = self.drain.iter().flatten().filter(|key| self.is_open(**key));
        found.filter_map(|key| Some(self.inventory.get(*key)?.name().to_string())).collect()
    }

    fn is_open(&self, key: SegmentKey) -> bool {
        self.inventory.get(key).is_some_and(|segment| segment.finality() == Finality::Open)
    }
}
