//! The ledger: the records at work, and which part of them is durable.

use super::durable::{DurableStore, Opened};
use super::reader::Reader;
use super::record::{LossCause, SegmentKey, SegmentRecord, SegmentState, TransitionError, UnixMillis};
use super::state_dir::StateDir;
use super::store::{Batch, CheckpointStore, StoreError};
use super::trail::{Change, Deed, Gap, Judgement};
use crate::mutant::{Mutant, mutant};
use crate::position::{LogicalPosition, SegmentId};
use crate::progress::DeliveredTo;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

/// How long records that came to their end are kept: as long as a node may plausibly bring a segment back.
const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How many records one pruning removes at most, so that its save stays short.
const PRUNED_AT_ONCE: usize = 10_000;

/// All records of segments that are not at their end, in memory; those that are, in the store.
///
/// Changes are collected until [`Ledger::save`], which is the checkpoint.
pub struct Ledger {
    store: Box<dyn CheckpointStore>,
    live: BTreeMap<SegmentKey, Live>,
    meta: BTreeMap<String, serde_json::Value>,
    changed: BTreeSet<SegmentKey>,
    changed_meta: BTreeSet<String>,
    removed: Vec<SegmentKey>,
    /// How many records are at their end, by how they ended.
    ended: Vec<(SegmentState, u64)>,
    broken: bool,
}

struct Live {
    record: SegmentRecord,
    /// The end up to which everything has arrived by what is on disk, and of which file, once that says delivered.
    durable: Option<(LogicalPosition, u64)>,
}

impl Live {
    fn new(record: SegmentRecord) -> Live {
        Live { record, durable: None }
    }

    /// What the record says is on disk now.
    fn saved(&mut self) {
        let delivered = self.record.state() == SegmentState::Delivered && self.record.is_covered();
        self.durable = self.record.end().filter(|_| delivered).map(|end| (end, self.record.inode));
    }
}

/// Proof that a durable record says that everything up to the segment's end has arrived (I3).
///
/// Only [`Ledger::covered`] makes one. It is used up by the removal that it allows.
///
/// ```compile_fail
/// use ringtail::checkpoint::{Covered, SegmentKey};
/// use ringtail::position::SegmentId;
/// let forged = Covered { key: SegmentKey::first(SegmentId(1)), inode: 1 }; // I3: does not compile
/// ```
#[derive(Debug)]
pub struct Covered {
    key: SegmentKey,
    inode: u64,
}

/// A ledger, and how it was found.
pub struct OpenedLedger {
    /// The ledger.
    pub ledger: Ledger,
    /// For reading it from another thread.
    pub reader: Reader,
    /// How it was found.
    pub opened: Opened,
}

/// Why the ledger refuses.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A step that a record cannot take.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// No such record among those that are not at their end.
    #[error("the ledger has no unfinished record of segment {0}")]
    Unknown(SegmentKey),
    /// There is one already.
    #[error("the ledger already has a record of segment {0}")]
    Exists(SegmentKey),
    /// A save has failed, so what is on disk is unknown.
    #[error("the ledger cannot be used after a save has failed")]
    Broken,
}

impl Covered {
    /// The segment that may go.
    pub fn key(&self) -> SegmentKey {
        self.key
    }

    /// The inode that the durable record speaks of. Another file under the same name is not covered.
    pub fn inode(&self) -> u64 {
        self.inode
    }
}

impl Ledger {
    /// Reads everything. What it finds is durable: a store makes it so before it answers.
    ///
    /// # Errors
    /// Any record that cannot be read, by its name.
    pub fn load(store: Box<dyn CheckpointStore>) -> Result<Ledger, LedgerError> {
        let mut live = BTreeMap::new();
        let mut ended = Vec::new();
        store.visit(&mut |key, record| {
            if record.is_ended() {
                count(&mut ended, record.state(), 1);
            } else {
                let mut entry = Live::new(record);
                entry.saved();
                live.insert(key, entry);
            }
            ControlFlow::Continue(())
        })?;
        let meta = store.meta()?;
        Ok(Ledger { store, live, meta, changed: BTreeSet::new(), changed_meta: BTreeSet::new(), removed: Vec::new(), ended, broken: false })
    }

    /// Opens the ledger of a state folder, in both its copies. What was repaired is put on record and durable.
    ///
    /// # Errors
    /// As [`DurableStore::open`], and [`Ledger::load`].
    pub fn open(state: &StateDir) -> Result<OpenedLedger, LedgerError> {
        Ledger::open_with(state, |store| store)
    }

    /// [`Ledger::open`], with something between the ledger and its store.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_with(
        state: &StateDir,
        wrap: impl FnOnce(Box<dyn CheckpointStore>) -> Box<dyn CheckpointStore>,
    ) -> Result<OpenedLedger, LedgerError> {
        let (store, opened) = DurableStore::open(state)?;
        let reader = store.reader();
        let mut ledger = Ledger::load(wrap(Box::new(store)))?;
        if let Opened::Rebuilt { why, aside } = &opened {
            ledger.note_change(Change {
                at: SystemTime::now().into(),
                what: Deed::Rebuilt,
                segment: None,
                from: aside.as_ref().map(|aside| aside.display().to_string()),
                to: None,
                reason: why.clone(),
            });
            ledger.save()?;
        }
        Ok(OpenedLedger { ledger, reader, opened })
    }

    /// Begins a ledger without anything in it in a folder whose own is gone, because somebody has decided to. Where the remains are is
    /// on record, and that segments may have been lost with it.
    ///
    /// # Errors
    /// The machine's.
    pub fn begin_anew(state: &StateDir, reason: &str) -> Result<OpenedLedger, LedgerError> {
        let (store, aside) = DurableStore::begin_anew(state)?;
        let reader = store.reader();
        let mut ledger = Ledger::load(Box::new(store))?;
        let now = UnixMillis::from(SystemTime::now());
        let from = aside.as_ref().map(|aside| aside.display().to_string());
        ledger.note_change(Change { at: now, what: Deed::BegunAnew, segment: None, from, to: None, reason: reason.to_owned() });
        ledger.note_gap(Gap {
            at: now,
            cause: LossCause::StateLost,
            judgement: Judgement::Suspicious,
            ids: None,
            text: "the ledger was gone: segments that it knew and that are in neither cdc_raw nor the spool are lost unnamed".into(),
            acknowledged: None,
        });
        ledger.save()?;
        Ok(OpenedLedger { ledger, reader, opened: Opened::New })
    }

    /// Records that are not at their end, by key.
    pub fn live(&self) -> impl Iterator<Item = (SegmentKey, &SegmentRecord)> {
        self.live.iter().map(|(key, live)| (*key, &live.record))
    }

    /// How many saved records are at their end, by how they ended.
    pub fn ended(&self) -> impl Iterator<Item = (SegmentState, u64)> {
        self.ended.iter().copied()
    }

    /// A record that is not at its end.
    pub fn get(&self, key: SegmentKey) -> Option<&SegmentRecord> {
        self.live.get(&key).map(|live| &live.record)
    }

    /// The newest record of a segment, at its end or not.
    ///
    /// # Errors
    /// The store.
    pub fn newest(&self, id: SegmentId) -> Result<Option<(SegmentKey, SegmentRecord)>, LedgerError> {
        let range = SegmentKey::first(id)..=SegmentKey { id, incarnation: u8::MAX };
        let live = self.live.range(range).next_back().map(|(key, live)| (*key, live.record.clone()));
        let saved = self.store.newest(id)?.filter(|(key, _)| !self.removed.contains(key));
        Ok(match (live, saved) {
            (Some(live), Some(saved)) if saved.0 > live.0 => Some(saved),
            (live, saved) => live.or(saved),
        })
    }

    /// A record, at its end or not.
    ///
    /// # Errors
    /// The store.
    pub fn find(&self, key: SegmentKey) -> Result<Option<SegmentRecord>, LedgerError> {
        match self.get(key) {
            Some(record) => Ok(Some(record.clone())),
            None => Ok(self.store.get(key)?.filter(|_| !self.removed.contains(&key))),
        }
    }

    /// Shows every saved record, also those at their end.
    ///
    /// # Errors
    /// The store.
    pub fn visit(&self, visitor: &mut dyn FnMut(SegmentKey, SegmentRecord) -> ControlFlow<()>) -> Result<(), LedgerError> {
        Ok(self.store.visit(visitor)?)
    }

    /// A new segment.
    ///
    /// # Errors
    /// [`LedgerError::Exists`].
    pub fn insert(&mut self, key: SegmentKey, record: SegmentRecord) -> Result<(), LedgerError> {
        if self.newest(key.id)?.is_some_and(|(newest, _)| newest >= key) {
            return Err(LedgerError::Exists(key));
        }
        self.live.insert(key, Live::new(record));
        self.changed.insert(key);
        Ok(())
    }

    /// Changes what a record says, all but its state.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`].
    pub fn update(&mut self, key: SegmentKey, change: impl FnOnce(&mut SegmentRecord)) -> Result<(), LedgerError> {
        let live = self.live.get_mut(&key).ok_or(LedgerError::Unknown(key))?;
        change(&mut live.record);
        self.changed.insert(key);
        Ok(())
    }

    /// Corrects what a record says, all but its state, also if it is at its end. Nothing happens if there is no such record any more.
    ///
    /// # Errors
    /// The store.
    pub fn amend(&mut self, key: SegmentKey, change: impl FnOnce(&mut SegmentRecord)) -> Result<(), LedgerError> {
        if !self.live.contains_key(&key) {
            let Some(record) = self.find(key)? else { return Ok(()) };
            count(&mut self.ended, record.state(), -1);
            self.live.insert(key, Live::new(record));
        }
        self.update(key, change)
    }

    /// Notes how far everything has arrived.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`].
    ///
    /// # Panics
    /// If that is less far than before.
    pub fn advance(&mut self, key: SegmentKey, to: DeliveredTo) -> Result<(), LedgerError> {
        self.update(key, |record| {
            assert!(to >= record.delivered_to, "progress only goes forward (I2): segment {key} {to:?} after {:?}", record.delivered_to);
            record.delivered_to = to;
        })
    }

    /// Takes a record to another state.
    ///
    /// # Errors
    /// [`LedgerError::Transition`] if there is no such step, or if everything has not arrived.
    pub fn enter(&mut self, key: SegmentKey, state: SegmentState, now: UnixMillis) -> Result<(), LedgerError> {
        let live = self.live.get_mut(&key).ok_or(LedgerError::Unknown(key))?;
        live.record.enter(key, state, now)?;
        self.changed.insert(key);
        Ok(())
    }

    /// Opens a record again that was at its end, quarantined or lost, because its file is back.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`] if it is not the newest of its segment, [`LedgerError::Transition`] if it is at work already.
    pub fn reopen(&mut self, key: SegmentKey, now: UnixMillis) -> Result<(), LedgerError> {
        if !self.live.contains_key(&key) {
            let (_, record) = self.newest(key.id)?.filter(|(newest, _)| *newest == key).ok_or(LedgerError::Unknown(key))?;
            count(&mut self.ended, record.state(), -1);
            self.live.insert(key, Live::new(record));
        }
        self.enter(key, SegmentState::Open, now)
    }

    /// A named value: the node's id, the sink's state, topics.
    pub fn meta(&self, name: &str) -> Option<&serde_json::Value> {
        self.meta.get(name)
    }

    /// Changes a named value.
    pub fn set_meta(&mut self, name: &str, value: serde_json::Value) {
        if self.meta.get(name) != Some(&value) {
            self.meta.insert(name.to_owned(), value);
            self.changed_meta.insert(name.to_owned());
        }
    }

    /// Whether a save would write something.
    pub fn is_changed(&self) -> bool {
        !self.changed.is_empty() || !self.changed_meta.is_empty() || !self.removed.is_empty()
    }

    /// The checkpoint: writes all changes at once; they are durable when it returns.
    ///
    /// # Errors
    /// After an error nothing can be saved any more: what is on disk is unknown until it is loaded again.
    pub fn save(&mut self) -> Result<(), LedgerError> {
        if self.broken {
            return Err(LedgerError::Broken);
        }
        let batch = self.batch();
        if batch.is_empty() {
            return Ok(());
        }
        let ends = |(_, record): &(SegmentKey, SegmentRecord)| record.state() == SegmentState::Delivered;
        if mutant(Mutant::SaveNotFlushed) && batch.records.iter().any(ends) {
            self.settle();
            return Ok(());
        }
        self.broken = true;
        self.store.save(&batch)?;
        self.broken = false;
        self.settle();
        Ok(())
    }

    /// Proof that the segment may be removed: its durable record says that everything up to its end has arrived (I3). `None` as
    /// long as that is not on disk.
    pub fn covered(&self, key: SegmentKey) -> Option<Covered> {
        let live = self.live.get(&key)?;
        // Compared with the end as it is believed now: a segment found to be longer is not covered by what was saved before.
        if mutant(Mutant::EarlyReclaim) {
            return Some(Covered { key, inode: live.record.inode });
        }
        let (end, inode) = live.durable?;
        (Some(end) >= live.record.end()).then_some(Covered { key, inode })
    }

    /// Removes records that came to their end more than 90 days ago; the next save makes it so. To be called now and then.
    ///
    /// Keys ascend with time, so it stops at the first younger one: one that lies behind goes some days later.
    ///
    /// # Errors
    /// The store.
    pub fn prune(&mut self, now: UnixMillis) -> Result<usize, LedgerError> {
        let mut old = Vec::new();
        self.store.visit(&mut |key, record| match record.ended() {
            Some(ended) if now.since(ended) <= KEPT => ControlFlow::Break(()),
            Some(_) if old.len() >= PRUNED_AT_ONCE => ControlFlow::Break(()),
            Some(_) => {
                old.push((key, record));
                ControlFlow::Continue(())
            }
            None => ControlFlow::Continue(()),
        })?;
        old.retain(|(key, _)| !self.live.contains_key(key) && !self.removed.contains(key));
        if old.is_empty() {
            return Ok(0);
        }
        for (key, record) in &old {
            count(&mut self.ended, record.state(), -1);
            self.removed.push(*key);
        }
        let count = old.len();
        self.note_pruned(&old.into_iter().map(|(_, record)| record).collect::<Vec<_>>());
        Ok(count)
    }

    fn batch(&self) -> Batch {
        let records = self.changed.iter().filter_map(|key| Some((*key, self.live.get(key)?.record.clone())));
        let meta = self.changed_meta.iter().filter_map(|name| Some((name.clone(), self.meta.get(name)?.clone())));
        Batch { records: records.collect(), removed: self.removed.clone(), meta: meta.collect() }
    }

    /// What was changed is durable now.
    fn settle(&mut self) {
        for key in std::mem::take(&mut self.changed) {
            let Some(live) = self.live.get_mut(&key) else { continue };
            live.saved();
            if live.record.is_ended() {
                count(&mut self.ended, live.record.state(), 1);
                self.live.remove(&key);
            }
        }
        self.changed_meta.clear();
        self.removed.clear();
    }
}

fn count(counts: &mut Vec<(SegmentState, u64)>, state: SegmentState, by: i64) {
    match counts.iter_mut().find(|(known, _)| *known == state) {
        Some((_, count)) => *count = count.saturating_add_signed(by),
        None => counts.push((state, by.unsigned_abs())),
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("live", &self.live.len()).field("changed", &self.changed).finish_non_exhaustive()
    }
}
