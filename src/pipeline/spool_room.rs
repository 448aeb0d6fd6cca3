//! Room: names in `cdc_raw` that go early, the spool's limit, the share of the disk that stays free.
//!
//! Counted against `state.spool.limit` are bytes whose only name is ours. Early release makes them so; with `full: hold` it stops at the
//! limit, so that the node comes to its own limit and decides; with `drop_oldest` the oldest segment that is not delivered goes, and
//! is on record as lost before it does.

use super::Pipeline;
use super::error::Fatal;
use crate::cdc_raw::{Finality, Finished, Presence};
use crate::checkpoint::{LossCause, NamePresence, SegmentKey, SegmentState, free_space};
use crate::config::{Full, Release};
use crate::disk;
use crate::position::CommitLogPosition;
use crate::telemetry::with_causes;

impl Pipeline {
    /// Whether the disk has the share free that `state.spool.min_free` wants. Without it nothing new is linked: what only we hold would
    /// fill the disk, Cassandra's too.
    pub(super) fn watch_free_space(&mut self) -> Result<(), Fatal> {
        let share = u64::from(self.settings.spool.min_free);
        let dir = self.parked.dir().to_owned();
        let space = free_space(&dir).map_err(|source| Fatal::Io { action: "ask for the free space of", path: dir, source })?;
        self.disk_free = space.free;
        let is_short = space.free / 100 < space.total / 10_000 * share;
        let why = is_short.then(|| {
            format!("less than {share} % of the disk is free (state.spool.min_free), {} bytes: no new segment is linked", space.free)
        });
        if let (Some(why), None) = (&why, &self.short_of_space) {
            tracing::error!("{why}; what the node removes meanwhile is lost");
            self.status.note_error(why.clone());
        } else if why.is_none() && self.short_of_space.is_some() {
            tracing::info!("the disk has room again: segments are linked");
        }
        self.inventory.link_new_ones(why.is_none());
        self.short_of_space = why;
        Ok(())
    }

    /// Releases the names of what could not be brought to its end in this turn, and drops what is too much. The ledger was saved in it.
    pub(super) fn make_room(&mut self) -> Result<(), Fatal> {
        let mut held = self.held_alone();
        if self.settings.spool.release == Release::Early && self.finished != Finished::Keep {
            held = self.release_early(held)?;
        }
        if self.settings.spool.full == Full::DropOldest {
            self.drop_oldest(held)?;
        }
        Ok(())
    }

    /// Bytes whose only name is ours.
    fn held_alone(&self) -> u64 {
        let ours = self.inventory.segments().filter(|segment| segment.is_ours_alone());
        ours.map(|segment| self.length_of(segment.key())).sum()
    }

    fn length_of(&self, key: SegmentKey) -> u64 {
        let file = self.inventory.spooled_path(key).and_then(|path| disk::metadata(&path).ok());
        file.map_or(0, |file| file.length)
    }

    fn release_early(&mut self, mut held: u64) -> Result<u64, Fatal> {
        let may_go = |key: &SegmentKey| {
            let segment = self.inventory.get(*key)?;
            let record = self.ledger.get(*key)?;
            let is_due = segment.finality() != Finality::Open && segment.presence() == Presence::Present;
            let is_at_work = matches!(record.state(), SegmentState::Open | SegmentState::Final) && record.cdc_raw == NamePresence::Present;
            (is_due && is_at_work && !self.unreadable.contains_key(key)).then_some(())
        };
        let due: Vec<SegmentKey> = self.inventory.segments().map(|segment| segment.key()).filter(|key| may_go(key).is_some()).collect();
        let mut released = false;
        for key in due {
            let length = self.length_of(key);
            let is_full = held.saturating_add(length) > self.settings.spool.limit;
            if is_full && self.settings.spool.full == Full::Hold {
                if !std::mem::replace(&mut self.spool_full, true) {
                    let why = "the spool is full (state.spool.limit): names stay in cdc_raw, where the node counts them";
                    tracing::warn!(held, "{why}");
                    self.status.note_error(why);
                }
                break;
            }
            self.spool_full = false;
            if let Err(error) = self.inventory.release(key) {
                // It is tried again at the next look; the segment is delivered all the same.
                let text = with_causes(&error);
                if self.release_error.as_ref() != Some(&text) {
                    tracing::error!("{text}");
                    self.status.note_error(text.clone());
                    self.release_error = Some(text);
                }
                break;
            }
            self.release_error = None;
            self.ledger.update(key, |record| record.cdc_raw = NamePresence::Released)?;
            tracing::debug!(segment = self.file_of(key), "released: the name in cdc_raw is gone, the link in the spool stays");
            held += length;
            released = true;
        }
        if released {
            self.ledger.save()?;
        }
        Ok(held)
    }

    fn drop_oldest(&mut self, mut held: u64) -> Result<(), Fatal> {
        while held > self.settings.spool.limit {
            let is_undelivered = |key: &SegmentKey| {
                self.ledger.get(*key).is_some_and(|record| matches!(record.state(), SegmentState::Open | SegmentState::Final))
            };
            let mut ours = self.inventory.segments().filter(|segment| segment.is_ours_alone()).map(|segment| segment.key());
            let Some(key) = ours.find(is_undelivered) else { return Ok(()) };
            drop(ours);
            let length = self.length_of(key);
            self.drop_segment(key, length)?;
            held = held.saturating_sub(length.max(1));
        }
        Ok(())
    }

    /// The loss is on disk before the bytes are gone: a crash in between leaves a segment that has come back.
    fn drop_segment(&mut self, key: SegmentKey, length: u64) -> Result<(), Fatal> {
        let Some(record) = self.ledger.get(key) else { return Ok(()) };
        let file = record.file.clone();
        let from = CommitLogPosition { segment: key.id, position: record.delivered_to.position };
        let cause = format!("dropped because the spool was full (state.spool.full: drop_oldest); delivered up to {from}");
        tracing::error!(segment = file, delivered_to = %from, bytes = length, "segment lost: dropped because the spool is full");
        self.status.note_error(format!("{file} is lost: {cause}"));
        self.ledger.update(key, |record| {
            record.cause = Some(cause);
            record.bytes.file.length = length;
        })?;
        if self.pending.as_ref().is_some_and(|pending| pending.key == key) {
            self.pending = None;
            self.obstacle = None;
        }
        self.lose(key, LossCause::Dropped, length)?;
        self.ledger.save()?;
        Ok(self.inventory.give_up(key)?)
    }
}
