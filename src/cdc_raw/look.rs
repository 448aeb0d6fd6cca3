//! One look at everything: what came, what moved, what went.

use super::finality;
use super::gaps;
use super::index;
use super::inventory::{Found, Inventory, Presence, Segment};
use super::reclaim::Finished;
use super::scan::{FileId, Listed, Listing, ScanError, SegmentName, list};
use super::spool::{SpoolError, SpooledName, remove_if_there};
use crate::checkpoint::{Ending, Ledger, LedgerError, SegmentKey, SegmentRecord, SegmentState};
use crate::disk::File;
use crate::mutant::{Mutant, mutant};
use std::collections::BTreeSet;
use std::io;

/// What a look found. Everything in it needs somebody: nothing is only logged.
#[derive(Debug, Default)]
pub struct LookReport {
    /// New in the inventory; their links are durable.
    pub found: Vec<Found>,
    /// Whose index, presence or finality changed.
    pub changed: Vec<SegmentKey>,
    /// Listed, and gone before a link could be made; and whether there was an index, so CDC data. Without one the node may
    /// remove a segment at any time.
    pub never_linked: Vec<(SegmentName, bool)>,
    /// Not linked because the disk had too little room, and gone now; whether there was an index, so CDC data, and the file's length.
    pub no_space: Vec<(SegmentName, bool, u64)>,
    /// Could not be linked, looked at or swept; tried again at the next look.
    pub failed: Vec<(SegmentName, SpoolError)>,
    /// Open or final by the ledger, and neither in the spool nor in `cdc_raw`: lost.
    pub missing: Vec<SegmentKey>,
    /// Delivered by the ledger, and gone: a reclaim was interrupted before its last step. To be entered as finished.
    pub reclaimed: Vec<SegmentKey>,
    /// Open, final or delivered by the ledger, and in `quarantine/`: a quarantine was interrupted before its last step.
    pub quarantined: Vec<SegmentKey>,
    /// Indexes without a segment, of ids that the ledger does not know, each reported once: writes that never reach CDC.
    pub orphan_indexes: Vec<SegmentName>,
    /// Indexes of ended segments that were removed.
    pub swept: Vec<SegmentName>,
    /// Other files in `cdc_raw`.
    pub foreign: usize,
    /// Bytes of the segments in `cdc_raw`.
    pub bytes: u64,
    /// The segments in `cdc_raw`, by id.
    pub listed: Vec<SegmentName>,
    /// The newest segments of the commit log, first and last, if the node refuses CDC writes: they have no name in `cdc_raw`.
    pub unlinked: Option<(u64, u64)>,
}

/// Why a look failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// `cdc_raw` cannot be listed. [`ScanError::Missing`] is waited for.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No such segment in the inventory.
    #[error("segment {0} is not in the inventory")]
    Unknown(SegmentKey),
}

impl Inventory {
    /// Lists `cdc_raw`, links what is new, re-reads indexes, counts names.
    ///
    /// `header_crc` reads the stored CRC of a segment's header; it is asked only for files that may be ones that were finished and
    /// kept.
    ///
    /// # Errors
    /// The inventory stays as it was or has less news than it could have: look again.
    pub fn look(&mut self, ledger: &Ledger, header_crc: &mut dyn FnMut(&File) -> Option<u32>) -> Result<LookReport, LookError> {
        let listing = list(&self.folders.cdc_raw)?;
        // What a look that failed half way has already found is handed over by the next one.
        let mut report = std::mem::take(&mut self.unreported);
        report.foreign = listing.foreign;
        report.bytes = listing.segments.values().map(|listed| listed.length).sum();
        report.listed = listing.segments.keys().copied().collect();
        match self.look_into(&listing, ledger, header_crc, &mut report) {
            Ok(()) => {
                report.changed.sort_unstable();
                report.changed.dedup();
                Ok(report)
            }
            Err(error) => {
                self.unreported = report;
                Err(error)
            }
        }
    }

    fn look_into(
        &mut self,
        listing: &Listing,
        ledger: &Ledger,
        header_crc: &mut dyn FnMut(&File) -> Option<u32>,
        report: &mut LookReport,
    ) -> Result<(), LookError> {
        self.link_new(listing, ledger, header_crc, report)?;
        self.observe(listing, report);
        self.look_at_commitlog(report);
        report.unlinked = self.unlinked(listing, ledger)?;
        self.find_missing(listing, ledger, report);
        self.look_at_lone_indexes(listing, ledger, report)
    }

    /// Links every file that we have no link to. They count as found once the links are durable.
    fn link_new(
        &mut self,
        listing: &Listing,
        ledger: &Ledger,
        header_crc: &mut dyn FnMut(&File) -> Option<u32>,
        report: &mut LookReport,
    ) -> Result<(), LookError> {
        self.kept.retain(|name, file| listing.segments.get(name).is_some_and(|listed| listed.file == *file));
        for (name, listed) in &listing.segments {
            let held = self.segments_of(name.id).any(|(_, segment)| segment.file == listed.file);
            let is_linked = self.unsynced.iter().any(|(spooled, _)| spooled.name == *name);
            if held || is_linked || self.kept.contains_key(name) {
                continue;
            }
            if self.is_kept(*name, listed, ledger, header_crc)? {
                self.kept.insert(*name, listed.file);
                continue;
            }
            if self.holds_off {
                self.unlinked.insert(*name, (listing.indexes.contains(name), listed.length));
                continue;
            }
            match self.link(*name, ledger)? {
                Ok(Some(new)) => self.unsynced.push(new),
                Ok(None) => report.never_linked.push((*name, listing.indexes.contains(name))),
                Err(error) => report.failed.push((*name, error)),
            }
        }
        let had = std::mem::take(&mut self.unlinked);
        for (name, (had_data, length)) in had {
            let is_linked = self.unsynced.iter().any(|(spooled, _)| spooled.name == name);
            match listing.segments.contains_key(&name) {
                true if !is_linked && self.holds_off => {
                    self.unlinked.insert(name, (had_data, length));
                }
                true => {}
                false => report.no_space.push((name, had_data, length)),
            }
        }
        if !self.unsynced.is_empty() && !mutant(Mutant::LinkNotSynced) {
            self.spool.sync()?;
        }
        // Their names may have left cdc_raw since they were linked, if this failed before.
        for (name, listed) in std::mem::take(&mut self.unsynced) {
            report.found.push(self.take_in(name, listed, ledger)?);
        }
        Ok(())
    }

    /// The inner result is about this segment only.
    #[allow(clippy::type_complexity)]
    fn link(&self, name: SegmentName, ledger: &Ledger) -> Result<Result<Option<(SpooledName, Listed)>, SpoolError>, LookError> {
        let newest = ledger.newest(name.id)?.map(|(key, _)| key);
        let linked = self.key_for(name, newest).and_then(|spooled| {
            let listed = self.spool.link(&self.folders.cdc_raw.join(name.log()), spooled)?;
            Ok(listed.map(|listed| (spooled, listed)))
        });
        Ok(linked)
    }

    /// Whether the file was finished and stays where it is. One that cannot be opened is linked, and fails where it is read.
    fn is_kept(
        &self,
        name: SegmentName,
        listed: &Listed,
        ledger: &Ledger,
        header_crc: &mut dyn FnMut(&File) -> Option<u32>,
    ) -> Result<bool, LookError> {
        let Some((_, record)) = ledger.newest(name.id)? else { return Ok(false) };
        // Under `keep` the name also stays when the file was put into quarantine.
        let stays = match record.state() {
            SegmentState::Finished(Ending::Kept) => record.header_crc.is_some(),
            SegmentState::Quarantined | SegmentState::Acknowledged => self.folders.finished == Finished::Keep,
            _ => false,
        };
        let alike = stays && record.inode == listed.file.inode && record.bytes.file.length == listed.length;
        if !alike {
            return Ok(false);
        }
        let file = File::open(&self.folders.cdc_raw.join(name.log()));
        Ok(file.is_ok_and(|file| header_crc(&file) == record.header_crc))
    }

    /// Presence, index, names of others.
    fn observe(&mut self, listing: &Listing, report: &mut LookReport) {
        let (cdc_raw, spool) = (&self.folders.cdc_raw, &self.spool);
        let mut gone = Vec::new();
        for (key, segment) in &mut self.segments {
            let name = segment.name();
            let before = (segment.presence, segment.index.get(), segment.finality);
            // For a later content the index may still be that of the former one; its end shows without it.
            if key.incarnation == 0 && listing.indexes.contains(&name) {
                let path = cdc_raw.join(name.index());
                if let Err(source) = segment.index.observe(|| index::read(&path)) {
                    report.failed.push((name, SpoolError::Io { action: "read", path, source }));
                }
            }
            match finality::look(&cdc_raw.join(name.log()), &spool.path(segment.spooled), segment.file) {
                Ok(names) => {
                    segment.others = names.map(|names| names.others);
                    let present = names.map_or(segment.presence == Presence::Present, |names| names.present);
                    segment.presence = if present { Presence::Present } else { Presence::Gone };
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => gone.push(*key),
                Err(source) => {
                    report.failed.push((name, SpoolError::Io { action: "look at", path: spool.path(segment.spooled), source }));
                }
            }
            segment.judge();
            if before != (segment.presence, segment.index.get(), segment.finality) {
                report.changed.push(*key);
            }
        }
        // Our link was removed by somebody. If the name is still in cdc_raw the next look links it again, else the ledger misses it.
        self.segments.retain(|key, _| !gone.contains(key));
    }

    /// A segment whose name has gone from the commit-log folder is final, if that is the folder: which the name of another segment
    /// of ours proves, in the same look. A folder that is not mounted, or another node's, lacks every name.
    fn look_at_commitlog(&mut self, report: &mut LookReport) {
        let Some(folder) = &self.folders.commitlog else { return };
        let open = |segment: &&mut Segment| segment.finality == finality::Finality::Open;
        let mut proven = false;
        let mut absent = BTreeSet::new();
        for segment in self.segments.values_mut().filter(open) {
            match FileId::at(&folder.join(segment.name().log())) {
                Ok(Some(file)) => proven |= file == segment.file,
                Ok(None) => {
                    absent.insert(segment.key());
                }
                Err(_) => return,
            }
        }
        for segment in self.segments.values_mut().filter(|segment| proven && absent.contains(&segment.key())) {
            segment.conclude(finality::FinalReason::GoneFromCommitLog);
            report.changed.push(segment.key());
        }
    }

    /// Whether the commit log goes on without `cdc_raw`. A folder that cannot be listed tells nothing.
    fn unlinked(&self, listing: &Listing, ledger: &Ledger) -> Result<Option<(u64, u64)>, LookError> {
        let Some(Ok(commitlog)) = self.folders.commitlog.as_deref().map(list) else { return Ok(None) };
        let mut known = BTreeSet::new();
        for name in commitlog.segments.keys() {
            let is_ours = listing.segments.contains_key(name) || self.segments_of(name.id).next().is_some();
            if is_ours || ledger.newest(name.id)?.is_some() {
                known.insert(*name);
            }
        }
        Ok(gaps::refused(&commitlog.segments.into_keys().collect(), |name| known.contains(&name)))
    }

    /// What the ledger knows and we do not have.
    fn find_missing(&self, listing: &Listing, ledger: &Ledger, report: &mut LookReport) {
        (report.missing, report.reclaimed, report.quarantined) = Default::default();
        for (key, record) in ledger.live() {
            let at_work = matches!(record.state(), SegmentState::Open | SegmentState::Final | SegmentState::Delivered);
            let listed = |(name, listed): (&SegmentName, &Listed)| name.id == key.id && listed.file.inode == record.inode;
            let failed = report.failed.iter().any(|(name, _)| name.id == key.id);
            // What is listed and not linked is linked by the next look.
            if !at_work || self.segments.contains_key(&key) || failed || listing.segments.iter().any(listed) {
                continue;
            }
            if self.is_in_quarantine(key, record) {
                report.quarantined.push(key);
            } else if record.state() == SegmentState::Delivered {
                report.reclaimed.push(key);
            } else if !mutant(Mutant::LossForgotten) {
                report.missing.push(key);
            }
        }
    }

    fn is_in_quarantine(&self, key: SegmentKey, record: &SegmentRecord) -> bool {
        let name = SegmentName::parse_log(&record.file);
        let path = name.map(|name| self.quarantine_path(SpooledName { name, incarnation: key.incarnation }));
        path.and_then(|path| FileId::at(&path).ok()?).is_some_and(|file| file.inode == record.inode)
    }

    /// Indexes whose segment is not there. The node writes one after the end of a segment that we finished early, or after somebody
    /// removed the segment; or it writes to a segment that it never linked, and those writes are lost to CDC.
    fn look_at_lone_indexes(&mut self, listing: &Listing, ledger: &Ledger, report: &mut LookReport) -> Result<(), LookError> {
        let mut lone = BTreeSet::new();
        for name in listing.indexes.iter().filter(|name| !listing.segments.contains_key(name)) {
            if self.segments_of(name.id).next().is_some() || report.never_linked.iter().any(|(gone, _)| gone == name) {
                continue;
            }
            match ledger.newest(name.id)?.map(|(_, record)| record.state()) {
                None => {
                    lone.insert(*name);
                }
                Some(SegmentState::Open | SegmentState::Final | SegmentState::Delivered | SegmentState::Finished(Ending::Kept)) => {}
                Some(_) if self.folders.finished == Finished::Keep => {}
                Some(_) => {
                    let path = self.folders.cdc_raw.join(name.index());
                    match remove_if_there(&path) {
                        Ok(()) => report.swept.push(*name),
                        Err(source) => report.failed.push((*name, SpoolError::Io { action: "remove", path, source })),
                    }
                }
            }
        }
        // The segment may have gone, or come, while the folder was being listed: only the second time counts.
        let twice: Vec<_> = lone.intersection(&self.suspects).filter(|name| !self.orphans.contains(name)).copied().collect();
        self.orphans.retain(|name| lone.contains(name));
        self.orphans.extend(&twice);
        report.orphan_indexes.extend(twice);
        self.suspects = lone;
        Ok(())
    }
}
