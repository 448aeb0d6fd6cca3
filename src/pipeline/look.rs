//! Looking at the folder: new segments into the ledger and onto the list of what is read.

use super::Pipeline;
use super::error::Fatal;
use super::tail::Tail;
use crate::cdc_raw::gaps::{Seen, Verdict, judge};
use crate::cdc_raw::{Finality, Finished, Found, LookError, LookReport, ScanError, SpoolError};
use crate::checkpoint::{Ending, IndexRecord, LogicalBytes, LossCause, NamePresence, SegmentKey, SegmentRecord, SegmentState};
use crate::commitlog::{Descriptor, Horizon, Item, SegmentName, SegmentReader};
use crate::disk::File;
use crate::position::CommitLogPosition;
use crate::progress::DeliveredTo;
use crate::telemetry::with_causes;
use std::time::Duration;

/// How often the folder is looked at while what is present is drained: finality shows between two looks.
const DRAIN_RESCAN: Duration = Duration::from_millis(50);

/// What tells one content of a segment's id from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Identity {
    header_crc: Option<u32>,
    first_entry_crc: Option<u32>,
}

impl Pipeline {
    /// Whether it is time, or something has changed.
    pub(super) fn is_look_due(&mut self) -> bool {
        self.woken.try_iter().count() > 0 || self.schedule.now >= self.schedule.next_look
    }

    /// Looks at the folder.
    pub(super) fn look(&mut self) -> Result<(), Fatal> {
        let rescan = if self.drain.is_some() { DRAIN_RESCAN } else { self.settings.rescan };
        self.schedule.next_look = self.schedule.now + rescan;
        if let Some(watch) = &mut self.watch {
            watch.renew();
        }
        self.watch_free_space()?;
        let report = match self.inventory.look(&self.ledger, &mut |file| identity(file).header_crc) {
            Ok(report) => report,
            Err(LookError::Ledger(error)) => return Err(error.into()),
            Err(error) => {
                let is_waited_for = matches!(error, LookError::Scan(ScanError::Missing(_)));
                self.note_obstacle(Some((with_causes(&error), is_waited_for)));
                return Ok(());
            }
        };
        let is_held = |name: &SegmentName| self.inventory.segments().any(|segment| segment.name() == *name);
        self.unlinked = report.failed.iter().map(|(name, _)| name).filter(|name| !is_held(name)).map(|name| name.id).min();
        self.note_obstacle(first_of(&report.failed).map(|text| (text, false)));
        self.schedule.looks += 1;
        self.take_in_report(report)?;
        self.judge_by_successors()?;
        self.open_tails()?;
        // First sight is on disk before anything is read, and before names go.
        self.ledger.save()?;
        Ok(())
    }

    /// Why the folder cannot be looked at, and whether that goes away by itself: said when it changes.
    fn note_obstacle(&mut self, obstacle: Option<(String, bool)>) {
        let text = obstacle.as_ref().map(|(text, _)| text);
        if self.folder_obstacle.as_ref() == text {
            return;
        }
        match &obstacle {
            Some((text, true)) => tracing::warn!("waiting: {text}"),
            Some((text, false)) => {
                tracing::error!("{text}; it is tried again");
                self.status.note_error(text);
            }
            None => tracing::info!("cdc_raw and the spool can be used again"),
        }
        self.folder_obstacle = obstacle.map(|(text, _)| text);
    }

    fn take_in_report(&mut self, report: LookReport) -> Result<(), Fatal> {
        self.cdc_raw_bytes = report.bytes;
        self.watch_ids(&report.listed, report.unlinked);
        for found in report.found {
            self.take_in(found)?;
        }
        for key in report.changed {
            self.note_change(key)?;
        }
        for key in report.missing {
            self.note_lost(key)?;
        }
        for (name, had_data) in report.never_linked {
            let seen = Seen::NeverLinked { had_index: had_data };
            match judge(seen) {
                (Verdict::Harmless, _) => self.note_harmless(name, seen),
                (_, why) => self.note_never_held(name, LossCause::NeverLinked, 0, why)?,
            }
        }
        for (name, had_data, length) in report.no_space {
            if had_data {
                let why = "removed from cdc_raw while no segment could be linked (state.spool.min_free)";
                self.note_never_held(name, LossCause::NoSpace, length, why)?;
            } else {
                self.note_harmless(name, Seen::NeverLinked { had_index: false });
            }
        }
        for key in report.reclaimed {
            let ending = match self.finished {
                Finished::Delete => Ending::Deleted,
                Finished::Keep => Ending::Kept,
                Finished::Archive => Ending::Archived,
            };
            self.end(key, SegmentState::Finished(ending))?;
        }
        for key in report.quarantined {
            self.end(key, SegmentState::Quarantined)?;
        }
        for name in report.orphan_indexes {
            self.note_lone_index(name)?;
        }
        Ok(())
    }

    /// A segment with CDC data has gone without ever being ours.
    pub(super) fn note_never_held(&mut self, name: SegmentName, cause: LossCause, length: u64, why: &str) -> Result<(), Fatal> {
        if self.ledger.newest(name.id)?.is_some() {
            return Ok(());
        }
        tracing::error!(segment = name.log(), bytes = length, "segment lost: {why}");
        self.status.note_error(format!("{} is lost: {why}", name.log()));
        let mut record = SegmentRecord::new(name.log(), name.version, 0, self.schedule.unix);
        record.cause = Some(why.to_owned());
        record.bytes.file.length = length;
        let key = SegmentKey::first(name.id);
        self.ledger.insert(key, record)?;
        self.lose(key, cause, length)
    }

    /// A segment has come into the inventory: into the ledger with it, or on from where its record says.
    pub(super) fn take_in(&mut self, found: Found) -> Result<(), Fatal> {
        match found.known {
            None => {
                let mut record = SegmentRecord::new(found.name.log(), found.name.version, found.file.inode, self.schedule.unix);
                // What is lost if it vanishes before its end was seen.
                record.bytes.file.length = found.length;
                if let Some(to) = self.batch.unseen.remove(&found.key) {
                    record.delivered_to = to;
                }
                self.ledger.insert(found.key, record)?;
                tracing::info!(segment = found.name.log(), bytes = found.length, "segment seen");
            }
            Some(SegmentState::Open | SegmentState::Final | SegmentState::Delivered) if !self.is_other_content(found)? => {
                // A restored volume brings the same content back under another inode.
                self.ledger.update(found.key, |record| record.inode = found.file.inode)?;
            }
            Some(SegmentState::Open | SegmentState::Final | SegmentState::Delivered) => self.take_in_other_content(found)?,
            // It was at its end and has come back: what is new in it is delivered, if it is what it was.
            Some(_) if !self.is_other_content(found)? => {
                tracing::warn!(segment = found.name.log(), "a segment that was finished has come back: what is new in it is delivered");
                self.ledger.reopen(found.key, self.schedule.unix)?;
                self.ledger.update(found.key, |record| {
                    record.end = None;
                    record.cause = None;
                    record.inode = found.file.inode;
                })?;
            }
            Some(_) => self.take_in_other_content(found)?,
        }
        self.note_change(found.key)
    }

    /// Whether the file is not the one that the record is about. What is not known yet on either side tells nothing.
    fn is_other_content(&self, found: Found) -> Result<bool, Fatal> {
        let Some((_, record)) = self.ledger.newest(found.key.id)? else { return Ok(false) };
        let file = self.inventory.open_file(found.key);
        let now = file.map(|file| identity(&file)).unwrap_or_default();
        let differ = |was: Option<u32>, is: Option<u32>| was.zip(is).is_some_and(|(was, is)| was != is);
        Ok(differ(record.header_crc, now.header_crc) || differ(record.first_entry_crc, now.first_entry_crc))
    }

    fn take_in_other_content(&mut self, found: Found) -> Result<(), Fatal> {
        tracing::error!(segment = found.name.log(), "a known segment id has come with other content: it is read from its start");
        self.status.note_error(format!("{} has come with other content than before", found.name.log()));
        self.tables.history_mut().forget_segment(found.key.id);
        let next = self.inventory.rekey(found.key, &self.ledger)?;
        self.take_in(next)
    }

    /// Copies what the look tells of a segment into its record.
    fn note_change(&mut self, key: SegmentKey) -> Result<(), Fatal> {
        let Some(segment) = self.inventory.get(key) else { return Ok(()) };
        let idx = segment.index().map(IndexRecord::from);
        let was_released = self.ledger.get(key).is_some_and(|record| record.cdc_raw == NamePresence::Released);
        let presence = match segment.presence() {
            crate::cdc_raw::Presence::Gone if was_released => NamePresence::Released,
            crate::cdc_raw::Presence::Gone => NamePresence::Gone,
            _ => NamePresence::Present,
        };
        let before = self.ledger.get(key).map(|record| (record.idx, record.cdc_raw));
        if presence == NamePresence::Gone && before.is_some_and(|(_, before)| before == NamePresence::Present) {
            let name = segment.name();
            self.note_harmless(name, Seen::NameGone);
        }
        if before.is_some_and(|before| before != (idx, presence)) {
            self.ledger.update(key, |record| {
                record.idx = idx;
                record.cdc_raw = presence;
            })?;
        }
        Ok(())
    }

    /// The ledger knows a segment that is nowhere any more, and not all of it had arrived.
    fn note_lost(&mut self, key: SegmentKey) -> Result<(), Fatal> {
        let Some(record) = self.ledger.get(key) else { return Ok(()) };
        let length = record.bytes.file.length;
        let from = CommitLogPosition { segment: key.id, position: record.delivered_to.position };
        let file = record.file.clone();
        tracing::error!(segment = file, delivered_to = %from, bytes = length, "segment lost: it is gone from cdc_raw and from the spool");
        self.status.note_error(format!("{file} is lost: it is gone from cdc_raw and from the spool; delivered up to {from}"));
        self.ledger.update(key, |record| record.cause = Some(format!("vanished; delivered up to {from}")))?;
        self.lose(key, LossCause::Vanished, length)
    }

    pub(super) fn lose(&mut self, key: SegmentKey, cause: LossCause, bytes: u64) -> Result<(), Fatal> {
        self.metrics.lost(cause.name(), 1, bytes);
        self.lost = true;
        self.tails.remove(&key);
        self.succeeding.remove(&key);
        self.unreadable.remove(&key);
        self.doubtful.remove(&key);
        self.read_after_look.remove(&key);
        if let Some(shipper) = &mut self.shipper {
            shipper.window.abandon(key.id);
        }
        // It was not read to its end: all that can be said of its bytes is how many did not arrive.
        self.ledger.update(key, |record| {
            let lost = record.bytes.file.length.saturating_sub(u64::from(record.delivered_to.position.0));
            record.bytes.logical = LogicalBytes { sections: lost, lost, ..LogicalBytes::default() };
        })?;
        self.end(key, SegmentState::Lost(cause))
    }

    /// A newer segment that has been written to for a while makes an older one final.
    fn judge_by_successors(&mut self) -> Result<(), Fatal> {
        let keys: Vec<SegmentKey> = self.tails.keys().rev().copied().collect();
        let mut since = None;
        for key in keys {
            let open = self.inventory.get(key).is_some_and(|segment| segment.finality() == Finality::Open);
            if let Some(since) = since.filter(|_| open) {
                self.inventory.succeeded(key, since, self.schedule.now);
            }
            let Some(tail) = self.tails.get(&key) else { continue };
            // The newest that shows them decides for all older ones: a backlog is not opened for this.
            let shows =
                self.succeeding.contains_key(&key) || (since.is_none() && tail.shows_sections(2, self.keyring.keys()).unwrap_or(false));
            if shows {
                let first = *self.succeeding.entry(key).or_insert(self.schedule.now);
                since = since.min(Some(first)).or(Some(first));
            }
        }
        Ok(())
    }

    fn open_tails(&mut self) -> Result<(), Fatal> {
        let keys: Vec<SegmentKey> = self.inventory.segments().map(|segment| segment.key()).collect();
        for key in keys {
            // Positions name the id only, so of two contents of one id the earlier one is brought to its end first.
            if !self.unreadable.contains_key(&key) && !self.tails.keys().any(|tail| tail.id == key.id) {
                self.open_tail(key)?;
            }
        }
        Ok(())
    }

    /// Begins to read a segment, from its header on.
    pub(super) fn open_tail(&mut self, key: SegmentKey) -> Result<(), Fatal> {
        let (Some(record), Some(segment)) = (self.ledger.get(key), self.inventory.get(key)) else { return Ok(()) };
        let Some(path) = self.inventory.spooled_path(key) else { return Ok(()) };
        self.tails.insert(key, Tail::new(segment.name(), path, record.delivered_to).skipping(&record.skipped));
        if let Some(shipper) = self.shipper.as_mut().filter(|_| record.delivered_to != DeliveredTo::default()) {
            shipper.window.resume(key.id, record.delivered_to);
        }
        Ok(())
    }
}

/// The first segment that something went wrong with, in words; the rest as a number.
fn first_of(failed: &[(SegmentName, SpoolError)]) -> Option<String> {
    let (name, error) = failed.first()?;
    let others = match failed.len() {
        1 => String::new(),
        n => format!(" (and {} more segments)", n - 1),
    };
    Some(format!("{}: {}{others}", name.log(), with_causes(error)))
}

/// The checksums of a segment's header and first entry, as far as they can be read now.
fn identity(file: &File) -> Identity {
    let mut identity =
        Identity { header_crc: Descriptor::read(file, None).ok().map(|descriptor| descriptor.header_crc), first_entry_crc: None };
    if let Ok(mut reader) = SegmentReader::open(file, None)
        && let Ok(Item::Entry(entry)) = reader.next(Horizon::Marked)
    {
        identity.first_entry_crc = Some(entry.crc());
    }
    identity
}
