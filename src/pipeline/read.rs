//! Reading: which segment is next, and how far.

use super::entry::{Aside, Desk, Entered, Pending};
use super::error::Fatal;
use super::retry::Turn;
use super::tail::{Fates, Next};
use super::{Pipeline, Schedule};
use crate::cdc_raw::Finality;
use crate::checkpoint::{Bytes, DamageRecord, FileBytes, LogicalBytes, SegmentKey, SegmentState};
use crate::commitlog::{Coverage, Damage, Horizon, SegmentError};
use crate::position::{CommitLogPosition, LogicalPosition};
use crate::progress::DeliveredTo;
use std::time::{Duration, Instant};

/// How long one turn reads before it looks at everything else again.
const READ_TIME: Duration = Duration::from_millis(20);

/// How long after the last entry the loop still looks for the next one as often as it may.
const BUSY_FOR: Duration = Duration::from_secs(1);

/// How a turn's reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// Everything below the horizon was read.
    Complete,
    /// There is more, and room for it.
    More,
    /// There is more, and something is in the way.
    Blocked,
}

/// How one segment's reading ended.
enum Drained {
    /// At its horizon or its end.
    Complete {
        moved: bool,
    },
    More,
    Blocked,
}

impl Pipeline {
    /// Reads on, segment by segment in the order of their ids.
    ///
    /// A growing segment does not hold up the next one: the node closes a section of it before it sets the first marker of the next,
    /// so when a later one shows a section, one more look at this one gives all that was written before.
    pub(super) fn read(&mut self) -> Result<Pass, Fatal> {
        if self.is_held_back() {
            return Ok(Pass::Blocked);
        }
        if self.pending.is_none() {
            self.obstacle = None;
        }
        let until = self.schedule.clock.now() + READ_TIME;
        match self.retry(until)? {
            Turn::Read if self.retries.is_alone => return Ok(Pass::Blocked),
            Turn::Read => {}
            Turn::More => return Ok(Pass::More),
            Turn::Wait => return Ok(Pass::Blocked),
        }
        if let Some(pending) = self.pending.take()
            && !self.go_on_with(pending)?
        {
            return Ok(Pass::Blocked);
        }
        while self.looks_before_it_begins()? {}
        let keys: Vec<SegmentKey> = self.tails.keys().copied().collect();
        let mut moved = false;
        for (i, key) in keys.iter().enumerate() {
            // Our link to it is gone, or a link to one before it could not be made: the next look decides, and until then nothing that
            // stands behind it goes first.
            if self.unlinked.is_some_and(|unlinked| unlinked < key.id) {
                break;
            }
            let Some(horizon) = self.horizon(*key) else {
                match self.ledger.get(*key).map(|record| record.state()) {
                    Some(SegmentState::Open | SegmentState::Final) => break,
                    _ => continue,
                }
            };
            match self.drain_segment(*key, horizon, until)? {
                Drained::Complete { moved: some } => moved |= some,
                Drained::More => return Ok(Pass::More),
                Drained::Blocked => return Ok(Pass::Blocked),
            }
            let ended = self.tails.get(key).is_some_and(|tail| tail.has_ended()) || self.unreadable.contains_key(key);
            if ended {
                continue;
            }
            if !self.later_shows_data(keys.get(i + 1..).unwrap_or_default())? {
                break;
            }
            // The node syncs its segments in their order, so this one is on its disk up to its last marker, whatever was seen of its index:
            // that may have been looked at too early, or be gone.
            let horizon = if horizon == Horizon::Final { horizon } else { Horizon::Marked };
            match self.drain_segment(*key, horizon, until)? {
                Drained::Complete { moved: some } => moved |= some,
                Drained::More => return Ok(Pass::More),
                Drained::Blocked => return Ok(Pass::Blocked),
            }
            if horizon != Horizon::Final && self.is_in_doubt(*key)? {
                break;
            }
        }
        self.schedule.pace(moved, self.settings.poll_min, self.settings.poll_max);
        Ok(Pass::Complete)
    }

    /// Looks at the folder once more before the first entry of a segment is read, after it has shown data: one before it may have been
    /// linked since the last look, which the node does late where `cdc_raw` was full, but before it writes CDC data to the next. Answers
    /// whether it has looked.
    fn looks_before_it_begins(&mut self) -> Result<bool, Fatal> {
        let keys: Vec<SegmentKey> = self.tails.keys().copied().collect();
        for key in keys {
            let has_begun = self.ledger.get(key).is_none_or(|record| record.delivered_to != DeliveredTo::default());
            if has_begun || self.read_after_look.contains(&key) || !self.later_shows_data(&[key])? {
                continue;
            }
            // What is final by now showed all that it has before this look.
            let is_final = |key: &SegmentKey| self.inventory.get(*key).is_some_and(|segment| segment.finality() != Finality::Open);
            let shown: Vec<SegmentKey> = self.tails.keys().copied().filter(|other| *other == key || is_final(other)).collect();
            self.read_after_look.extend(shown);
            self.look()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether something in a segment that is not final does not verify. The node has gone on, so it is damage, most likely; but only a
    /// final segment has damage, and what stands behind it comes before what is in later segments. The later ones make it final soon. Of
    /// one whose header cannot be read nothing comes, so nobody waits for it.
    fn is_in_doubt(&mut self, key: SegmentKey) -> Result<bool, Fatal> {
        let Some(tail) = self.tails.get(&key) else { return Ok(false) };
        let path = tail.file_name().to_owned();
        let is_entry =
            tail.is_in_doubt(Horizon::Marked).map_err(|source| Fatal::Io { action: "read", path: path.clone().into(), source })?;
        if is_entry && self.waits_at.as_ref() != Some(&key) {
            tracing::warn!(segment = path, "something in it does not verify, and it may not be final yet: later segments wait for that");
            self.waits_at = Some(key);
        }
        Ok(is_entry)
    }

    /// How long the turn may wait for reports after such a pass.
    pub(super) fn wait_after(&self, pass: Pass) -> Duration {
        let in_flight = self.shipper.as_ref().is_some_and(|shipper| shipper.window.unarrived() > 0);
        match pass {
            Pass::More => Duration::ZERO,
            Pass::Blocked => self.settings.poll_min,
            Pass::Complete if in_flight => self.settings.poll_min,
            Pass::Complete => self.schedule.pause,
        }
    }

    /// Whether nothing can be read now at all.
    fn is_held_back(&mut self) -> bool {
        if self.schedule.retry_at.is_some_and(|at| self.schedule.now < at) {
            return true;
        }
        self.schedule.retry_at = None;
        if self.halted.is_some() {
            self.obstacle = self.halted.clone();
            return true;
        }
        let in_flight = self.shipper.as_ref().map_or(0, |shipper| shipper.window.unarrived());
        if let Some(why) = self.breaker.holds(in_flight) {
            self.obstacle = Some(why);
            return true;
        }
        if let Some(why) = self.batch.holds() {
            self.obstacle = Some(why.into());
            return true;
        }
        if self.keyring.is_waiting(self.schedule.now) {
            return true;
        }
        if !self.tables.is_known() {
            self.obstacle = Some("waiting for the schema".into());
            return true;
        }
        self.shipper.is_none()
    }

    fn drain_segment(&mut self, key: SegmentKey, horizon: Horizon, until: Instant) -> Result<Drained, Fatal> {
        let mut moved = false;
        loop {
            if self.schedule.clock.now() >= until {
                return Ok(Drained::More);
            }
            let Some(tail) = self.tails.get_mut(&key) else { return Ok(Drained::Complete { moved }) };
            let file = tail.file_name().to_owned();
            let next = tail.next(horizon, self.keyring.keys()).map_err(|source| Fatal::Io {
                action: "read",
                path: file.clone().into(),
                source,
            })?;
            match next {
                Next::Entry(arrival) => {
                    moved = true;
                    let Some(shipper) = &mut self.shipper else { return Ok(Drained::Blocked) };
                    let mut desk = Desk {
                        shipper,
                        tables: &mut self.tables,
                        aside: Aside::Park(&mut self.parked),
                        now: self.schedule.now,
                        ts_ms: Some(self.schedule.unix.0 as i64),
                    };
                    let counted = arrival.counted();
                    match desk.enter(&file, arrival)? {
                        Entered::Done(fate) => {
                            tail.count(fate, counted);
                            self.obstacle = None;
                        }
                        Entered::Blocked { ordinal, why } => {
                            self.pending = Some(Pending { key, at: arrival.at, frame: arrival.frame.to_vec(), ordinal });
                            self.obstacle = why;
                            return Ok(Drained::Blocked);
                        }
                    }
                }
                Next::Damage(damage) => {
                    moved = true;
                    let lost = tail.forgets_half_an_entry(&damage);
                    self.note_damage(key, &damage)?;
                    if self.settings.halt_on_damage {
                        self.halt(&damage.to_string());
                        return Ok(Drained::Blocked);
                    }
                    if let (Some(position), Some(shipper)) = (lost, &mut self.shipper) {
                        shipper.passed(CommitLogPosition { segment: key.id, position });
                    }
                }
                Next::Unreadable(error) if error.waits_for_key() => {
                    self.note_missing_key(key, &error);
                    return Ok(Drained::Blocked);
                }
                Next::Unreadable(error) if self.settings.halt_on_damage && horizon == Horizon::Final => {
                    self.halt(&error.to_string());
                    return Ok(Drained::Blocked);
                }
                Next::Unreadable(error) => {
                    self.note_unreadable(key, &error.to_string(), horizon);
                    return Ok(Drained::Complete { moved });
                }
                Next::CaughtUp => {
                    self.note_identity(key)?;
                    if self.tails.get(&key).and_then(|tail| tail.reader()).is_some_and(|reader| reader.is_closed()) {
                        self.inventory.closed(key);
                    }
                    return Ok(Drained::Complete { moved });
                }
                Next::Ended => {
                    self.note_identity(key)?;
                    self.note_end(key)?;
                    return Ok(Drained::Complete { moved });
                }
            }
        }
    }

    /// How far the segment may be read now; `None` if that is not known yet.
    fn horizon(&self, key: SegmentKey) -> Option<Horizon> {
        let segment = self.inventory.get(key)?;
        if segment.finality() != Finality::Open {
            return Some(Horizon::Final);
        }
        if !self.settings.synced {
            return Some(Horizon::Marked);
        }
        Some(Horizon::Synced(segment.index().map_or(LogicalPosition(0), |index| index.synced)))
    }

    /// Whether one of these shows that the node has gone on to it, or is done with it. Not only the next: what a clean stop leaves has
    /// a header and nothing else for ever.
    fn later_shows_data(&mut self, keys: &[SegmentKey]) -> Result<bool, Fatal> {
        for key in keys {
            let is_final = self.inventory.get(*key).is_some_and(|segment| segment.finality() != Finality::Open);
            if is_final || self.shows_data(*key)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the segment shows data below the horizon of its mode.
    fn shows_data(&mut self, key: SegmentKey) -> Result<bool, Fatal> {
        if self.settings.synced && self.inventory.get(key).is_some_and(|segment| segment.index().is_none()) {
            return Ok(false);
        }
        let Some(tail) = self.tails.get(&key) else { return Ok(false) };
        let path = tail.file_name().to_owned();
        tail.shows_sections(1, self.keyring.keys()).map_err(|source| Fatal::Io { action: "read", path: path.into(), source })
    }

    fn note_damage(&mut self, key: SegmentKey, damage: &Damage) -> Result<(), Fatal> {
        let covers = |range: &DamageRecord| {
            range.file_offset <= damage.file.start.0 && damage.file.end.0 <= range.file_offset.saturating_add(range.bytes)
        };
        if self.ledger.get(key).is_some_and(|record| record.damage.iter().any(covers)) {
            return Ok(());
        }
        let file = self.file_of(key);
        tracing::error!(segment = file, bytes = damage.file_bytes(), "{damage}; everything else is delivered and the file is kept");
        self.status.note_error(damage.to_string());
        self.metrics.damaged(damage.cause.kind(), damage.file_bytes());
        let range = DamageRecord {
            file_offset: damage.file.start.0,
            bytes: damage.file_bytes(),
            position: Some(damage.logical.start.0),
            kind: damage.cause.kind().to_owned(),
        };
        Ok(self.ledger.update(key, |record| record.add_damage(range))?)
    }

    /// Ends reading for as long as this process lives.
    fn halt(&mut self, damage: &str) {
        let why = format!("{damage}; reading has ended here (source.on_damage is halt): start with quarantine to go on behind it");
        tracing::error!("{why}");
        self.status.note_error(why.clone());
        self.obstacle = Some(why.clone());
        self.halted = Some(why);
    }

    /// A segment cannot be read as a whole. One that is final is kept aside, and named there; one that is not may be only half there.
    fn note_unreadable(&mut self, key: SegmentKey, error: &str, horizon: Horizon) {
        if horizon == Horizon::Final {
            self.unreadable.insert(key, error.to_owned());
        } else if self.doubtful.insert(key) {
            tracing::warn!(segment = self.file_of(key), "{error}; the node may still write to it: waiting");
        }
    }

    /// An encrypted segment without its key: it waits, and so do later ones, which need it too.
    fn note_missing_key(&mut self, key: SegmentKey, error: &SegmentError) {
        let why = format!("{} waits for its key: {}", self.file_of(key), self.keyring.missed(error, self.schedule.now));
        if self.missing_key.as_ref() != Some(&why) {
            tracing::error!("{why}");
            self.status.note_error(why.clone());
            self.missing_key = Some(why.clone());
        }
        self.obstacle = Some(why);
    }

    /// The segment's name as a person looks for it.
    pub(super) fn file_of(&self, key: SegmentKey) -> String {
        self.ledger.get(key).map_or_else(|| key.to_string(), |record| record.file.clone())
    }

    /// Everything in a final segment was read: its end and its sums go into the ledger. That is done at each reading of it: what an
    /// earlier one counted as delivered may have been refused since.
    fn note_end(&mut self, key: SegmentKey) -> Result<(), Fatal> {
        let (Some(tail), Some(record)) = (self.tails.get(&key), self.ledger.get(key)) else { return Ok(()) };
        let Some(reader) = tail.reader() else { return Ok(()) };
        let (delivered_to, chain_end) = (record.delivered_to, reader.chain_end());
        // What was delivered and is not in the file any more, after a power loss, does not come back.
        let end = chain_end.max(delivered_to.position);
        let bytes = bytes_of(reader.coverage(), tail.fates);
        // No entry takes the watermark past the header.
        if reader.first_entry_crc().is_none()
            && delivered_to.position < end
            && let Some(shipper) = &mut self.shipper
        {
            shipper.passed(CommitLogPosition { segment: key.id, position: end });
        }
        let Fates { entries, first, content_crc, .. } = tail.fates;
        if record.end() == Some(end) && record.bytes == bytes && record.entries == entries {
            return Ok(());
        }
        if let Some(range) = reader.unmarked().filter(|_| record.end.is_none()) {
            let bytes = range.end.since(range.start);
            let from = range.start;
            tracing::warn!(
                segment = record.file,
                bytes,
                "bytes from file offset {from} on stand behind the last sync marker: the node drops them too"
            );
        }
        Ok(self.ledger.update(key, |record| {
            record.end = Some(end.0);
            record.bytes = bytes;
            record.entries = entries;
            record.first = first;
            record.content_crc = Some(content_crc);
        })?)
    }

    /// The checksums that tell this content of the segment's id from another, once they can be read.
    fn note_identity(&mut self, key: SegmentKey) -> Result<(), Fatal> {
        let Some(reader) = self.tails.get(&key).and_then(|tail| tail.reader()) else { return Ok(()) };
        let (header, first) = (Some(reader.descriptor().header_crc), reader.first_entry_crc());
        let known =
            self.ledger.get(key).is_none_or(|record| record.header_crc == header && (record.first_entry_crc == first || first.is_none()));
        if known {
            return Ok(());
        }
        Ok(self.ledger.update(key, |record| {
            record.header_crc = header;
            record.first_entry_crc = first.or(record.first_entry_crc);
        })?)
    }
}

fn bytes_of(coverage: &Coverage, fates: Fates) -> Bytes {
    Bytes {
        file: FileBytes {
            length: coverage.file_sum(),
            header: coverage.header,
            markers: coverage.markers,
            section_heads: coverage.section_heads,
            section_payload: coverage.payload,
            padding: coverage.padding,
            unmarked: coverage.unmarked,
            damaged: coverage.damaged,
        },
        logical: LogicalBytes {
            sections: coverage.section_bytes,
            delivered: fates.delivered,
            filtered: fates.filtered,
            parked: fates.parked,
            lost: fates.lost,
            damaged: coverage.damaged_logical,
            ..LogicalBytes::default()
        },
    }
}

impl Schedule {
    /// Polls often while something comes, and more and more seldom once nothing has come for a while: the node marks what it wrote
    /// every 100 ms, so a pause between two markers is no idleness.
    fn pace(&mut self, moved: bool, min: Duration, max: Duration) {
        if moved {
            self.moved_at = self.now;
        }
        let idle = self.now.saturating_duration_since(self.moved_at) > BUSY_FOR;
        self.pause = if idle { (self.pause * 2).clamp(min, max) } else { min };
    }
}
