//! Exactly once: events are sent in batches, each with what it says of the log, and a batch counts as a whole.
//!
//! ```text
//! begin, rewind ─► recovering ── reconcile ─► ending ── committed, saved ─► open ── due ─► ending
//!                      ▲                        │                            │
//!                      └──── a new producer ◄───┴──── failed, not known ◄────┘
//! ```
//!
//! The first batch of a producer holds positions only: from then on whoever reads them knows who delivers. A batch ends between two
//! entries, so the events of a mutation are never in two; while one ends, nothing is sent, and reading goes on until something has
//! to be.

use super::error::Fatal;
use super::ship::Shipper;
use super::{Pipeline, SegmentKey};
use crate::cdc_raw::Finished;
use crate::checkpoint::{Ending, NamePresence, SegmentRecord, SegmentState};
use crate::progress::DeliveredTo;
use crate::sink::{ParkedPosition, Positions, SegmentPosition, SendError};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Positions that moved without an event are committed this often: what is lost with the state folder is then read again, and gives
/// nothing.
const REFRESH: Duration = Duration::from_secs(10);
/// A record is committed this often whatever has happened: an agent that has nothing to send hears that it was replaced, and the brokers do
/// not forget its transactional id.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How long an entry that is sent in part may keep a batch open. Less than a transaction may last.
const STUCK: Duration = Duration::from_secs(25);
/// How many segments that were left in `cdc_raw` a record lists at most, the newest.
const KEPT_MAX: usize = 1000;
/// Meta value: the number of the last batch that was committed, as far as the ledger has heard.
const META_BATCH: &str = "batch";

/// The batch under way.
#[derive(Debug)]
pub(super) struct Batch {
    stage: Stage,
    /// How long a batch takes events.
    interval: Duration,
    /// The number of the last batch that was committed.
    seq: u64,
    /// The same, until the ledger is saved with what the batch covers: never one without the other, and on a full disk neither.
    heard: Option<u64>,
    /// When the first event of this one was sent.
    since: Option<Instant>,
    /// What the last one said.
    committed: Vec<SegmentPosition>,
    committed_at: Option<Instant>,
    /// Segments at their end that were left in `cdc_raw`, and how many there were when this was last looked up.
    kept: (u64, BTreeMap<SegmentKey, SegmentPosition>),
    /// After the ledger was lost: segments that were delivered in part and have not been seen since.
    pub(super) unseen: BTreeMap<SegmentKey, DeliveredTo>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// The sink has no batches.
    Off,
    /// What was committed last is not known yet.
    Recovering,
    /// Known; the first batch has not ended yet.
    Claiming,
    /// Events can be sent.
    Open,
    /// It is being committed.
    Ending(Vec<SegmentPosition>),
}

impl Batch {
    pub(super) fn new(interval: Duration) -> Batch {
        let kept = (0, BTreeMap::new());
        let unseen = BTreeMap::new();
        Batch { stage: Stage::Off, interval, seq: 0, heard: None, since: None, committed: Vec::new(), committed_at: None, kept, unseen }
    }

    /// A new producer begins.
    pub(super) fn begin(&mut self, shipper: &mut Shipper) {
        self.since = None;
        // What it covers left the window unsaved: the record of positions tells of it.
        self.heard = None;
        self.committed_at = None;
        self.stage = if shipper.sink_mut().transactions().is_some() { Stage::Recovering } else { Stage::Off };
    }

    /// Why nothing can be sent yet.
    pub(super) fn holds(&self) -> Option<&'static str> {
        match self.stage {
            Stage::Recovering => Some("waiting for the positions that were committed last"),
            Stage::Claiming => Some("waiting for the first commit"),
            Stage::Ending(_) if self.committed_at.is_none() => Some("waiting for the first commit"),
            Stage::Off | Stage::Open | Stage::Ending(_) => None,
        }
    }
}

impl Pipeline {
    /// Takes in how the batch goes; what fails calls for a rewind.
    pub(super) fn attend_batch(&mut self) -> Result<Option<String>, Fatal> {
        let Some(transactions) = self.shipper.as_mut().and_then(|shipper| shipper.sink_mut().transactions()) else { return Ok(None) };
        match transactions.outcome() {
            Some(Err(why)) => return Ok(Some(why)),
            Some(Ok(seq)) => self.committed(seq)?,
            None => {}
        }
        // What lies in the folder is known first: if the ledger is gone, that decides what is missing.
        if self.batch.stage == Stage::Recovering && (self.schedule.looks > 0 || self.retries.is_alone) {
            let found = self.shipper.as_mut().and_then(|shipper| shipper.sink_mut().transactions()?.recovered());
            if let Some(found) = found {
                self.reconcile(found)?;
                self.batch.stage = Stage::Claiming;
            }
        }
        if self.batch.stage == Stage::Claiming {
            self.commit()?;
        }
        Ok(None)
    }

    /// Committed, so saved at once: the next batch begins only then, and the ledger is never more than one behind.
    fn committed(&mut self, seq: u64) -> Result<(), Fatal> {
        if let Stage::Ending(positions) = std::mem::replace(&mut self.batch.stage, Stage::Open) {
            self.batch.committed = positions;
        }
        self.batch.seq = seq;
        self.batch.since = None;
        self.batch.committed_at = Some(self.schedule.now);
        self.batch.heard = Some(seq);
        self.save()
    }

    /// Ends the batch if that is due, or whatever it holds if `now`.
    pub(super) fn end_batch(&mut self, now: bool) -> Result<(), Fatal> {
        if self.batch.stage != Stage::Open {
            return Ok(());
        }
        let Some(shipper) = &self.shipper else { return Ok(()) };
        let at = self.schedule.now;
        if shipper.window.unarrived() == 0 {
            let age = self.batch.committed_at.map_or(HEARTBEAT, |last| at.saturating_duration_since(last));
            let is_due = age >= HEARTBEAT || (age >= REFRESH && self.positions() != self.batch.committed);
            return if is_due { self.commit() } else { Ok(()) };
        }
        let age = at.saturating_duration_since(*self.batch.since.get_or_insert(at));
        if shipper.is_within_entry() {
            return if age >= STUCK { self.rewind("a mutation could not be sent as a whole") } else { Ok(()) };
        }
        let is_full = self.pending.is_some() && self.obstacle.is_none();
        if now || is_full || age >= self.batch.interval { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), Fatal> {
        let segments = self.positions();
        let Some(transactions) = self.shipper.as_mut().and_then(|shipper| shipper.sink_mut().transactions()) else { return Ok(()) };
        let mut positions = Positions::new(self.batch.seq + 1, &transactions.instance());
        positions.segments.clone_from(&segments);
        let reason = |place| self.parked.get(place).map_or_else(String::new, |item| item.reason.to_string());
        positions.park(self.parked.places().map(|place| ParkedPosition {
            segment: place.at.segment.0,
            position: place.at.position.0,
            to: None,
            reason: reason(place),
        }));
        positions.retried = self.retries.handed_over();
        match transactions.commit(&positions) {
            Ok(()) => self.batch.stage = Stage::Ending(segments),
            Err(SendError::Full) => {}
            Err(SendError::UnknownTopic(topic)) => self.obstacle = Some(format!("topic {topic} of positions does not exist")),
            Err(error) => self.obstacle = Some(error.to_string()),
        }
        Ok(())
    }

    /// How far everything was handed over.
    fn positions(&mut self) -> Vec<SegmentPosition> {
        self.look_up_kept();
        let mut all = self.batch.kept.1.clone();
        for (key, record) in self.ledger.live() {
            if !matches!(record.state(), SegmentState::Open | SegmentState::Final | SegmentState::Delivered) {
                continue;
            }
            let issued = self.shipper.as_ref().filter(|_| self.tails.contains_key(&key)).map(|shipper| shipper.window.issued(key.id));
            let delivered_to = record.delivered_to.max(issued.unwrap_or_default());
            if delivered_to != DeliveredTo::default() {
                all.insert(key, listed(key, record, delivered_to));
            }
        }
        all.into_values().collect()
    }

    /// Segments that were left in `cdc_raw` are listed too: without the ledger they would look new.
    fn look_up_kept(&mut self) {
        let is_kept = |state| state == SegmentState::Finished(Ending::Kept);
        let count = self.ledger.ended().filter(|(state, _)| is_kept(*state)).map(|(_, count)| count).sum();
        if self.finished != Finished::Keep || self.batch.kept.0 == count {
            return;
        }
        let mut kept = BTreeMap::new();
        let visited = self.ledger.visit(&mut |key, record| {
            if is_kept(record.state()) && record.cdc_raw == NamePresence::Present {
                kept.insert(key, listed(key, &record, record.delivered_to));
                if kept.len() > KEPT_MAX {
                    kept.pop_first();
                }
            }
            ControlFlow::Continue(())
        });
        if visited.is_ok() {
            self.batch.kept = (count, kept);
        }
    }

    /// The number of the last batch that the ledger has heard of.
    pub(super) fn saved_seq(&self) -> Option<u64> {
        self.ledger.meta(META_BATCH).and_then(serde_json::Value::as_u64)
    }

    /// Notes the batch that was committed, with what it covers.
    pub(super) fn keep_heard(&mut self) {
        if let Some(seq) = self.batch.heard.take() {
            self.keep_seq(seq);
        }
    }

    /// Notes a batch as committed; the next save makes it durable, together with what it covers.
    pub(super) fn keep_seq(&mut self, seq: u64) {
        self.batch.seq = seq;
        self.ledger.set_meta(META_BATCH, seq.into());
    }
}

fn listed(key: SegmentKey, record: &SegmentRecord, delivered_to: DeliveredTo) -> SegmentPosition {
    let end = record.end().map(|end| end.0).filter(|end| delivered_to.position.0 >= *end);
    SegmentPosition { id: key.id.0, incarnation: key.incarnation, delivered_to, end }
}
