//! A store in memory that can crash between writing and being durable.

use super::record::{SegmentKey, SegmentRecord};
use super::store::{Batch, CheckpointStore, Encoded, Key, StoreError, decode_key, decode_value, encode_key, meta_name, segment_name};
use crate::position::SegmentId;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps the encoded bytes in memory: for tests, and for runs that keep nothing.
///
/// Clones share their content, so that a test keeps one while the ledger owns the other.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
}

/// Where the next save fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Before anything is written.
    BeforeWrite,
    /// After writing, before it is durable.
    BeforeDurable,
    /// After it is durable, before the caller hears of it.
    AfterDurable,
}

#[derive(Debug, Default)]
struct Inner {
    written: Content,
    durable: Content,
    saves: u64,
    durables: u64,
    fault: Option<Fault>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    segments: BTreeMap<Key, Vec<u8>>,
    meta: BTreeMap<String, Vec<u8>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Saves that were asked for.
    pub fn saves(&self) -> u64 {
        self.lock().saves
    }

    /// Saves that became durable.
    pub fn durables(&self) -> u64 {
        self.lock().durables
    }

    /// Makes the next save fail.
    pub fn fail_next(&self, fault: Fault) {
        self.lock().fault = Some(fault);
    }

    /// Takes back a fault that no save has met.
    pub fn clear_fault(&self) {
        self.lock().fault = None;
    }

    /// What the machine finds after a crash: only what is durable.
    pub fn crash(&self) {
        let mut inner = self.lock();
        inner.written = inner.durable.clone();
        inner.fault = None;
    }

    /// What another process finds that opens the store after the first one was killed: all that was written, and it is durable now,
    /// because opening a store makes it so.
    pub fn reopen(&self) {
        let mut inner = self.lock();
        inner.durable = inner.written.clone();
        inner.fault = None;
    }

    /// The durable record of a segment, whatever a ledger believes.
    ///
    /// # Errors
    /// As [`CheckpointStore::visit`].
    pub fn durable_record(&self, key: SegmentKey) -> Result<Option<SegmentRecord>, StoreError> {
        self.lock().durable.segments.get(&encode_key(key)).map(|bytes| decode_value(&segment_name(key), bytes)).transpose()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn apply(&mut self, batch: &Encoded) {
        self.segments.extend(batch.records.iter().map(|(key, value, _)| (*key, value.clone())));
        batch.removed.iter().for_each(|key| {
            self.segments.remove(key);
        });
        self.meta.extend(batch.meta.iter().cloned());
    }
}

impl CheckpointStore for MemoryStore {
    fn visit(&self, visitor: &mut dyn FnMut(SegmentKey, SegmentRecord) -> ControlFlow<()>) -> Result<(), StoreError> {
        for (key, value) in &self.lock().written.segments {
            let key = decode_key(key)?;
            if visitor(key, decode_value(&segment_name(key), value)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn get(&self, key: SegmentKey) -> Result<Option<SegmentRecord>, StoreError> {
        self.lock().written.segments.get(&encode_key(key)).map(|value| decode_value(&segment_name(key), value)).transpose()
    }

    fn newest(&self, id: SegmentId) -> Result<Option<(SegmentKey, SegmentRecord)>, StoreError> {
        let inner = self.lock();
        let (low, high) = (encode_key(SegmentKey::first(id)), encode_key(SegmentKey { id, incarnation: u8::MAX }));
        let Some((key, value)) = inner.written.segments.range(low..=high).next_back() else { return Ok(None) };
        let key = decode_key(key)?;
        Ok(Some((key, decode_value(&segment_name(key), value)?)))
    }

    fn meta(&self) -> Result<BTreeMap<String, serde_json::Value>, StoreError> {
        let inner = self.lock();
        let values = inner.written.meta.iter();
        values.map(|(name, bytes)| Ok((name.clone(), decode_value(&meta_name(name), bytes)?))).collect()
    }

    fn save(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut inner = self.lock();
        inner.saves += 1;
        let fault = inner.fault.take();
        if fault != Some(Fault::BeforeWrite) {
            inner.written.apply(&batch.encode()?);
        }
        if fault.is_none() || fault == Some(Fault::AfterDurable) {
            inner.durable = inner.written.clone();
            inner.durables += 1;
        }
        match fault {
            None => Ok(()),
            Some(fault) => Err(StoreError::Io {
                action: "save",
                place: "the store in memory".into(),
                source: std::io::Error::other(format!("made to fail {fault:?}")),
            }),
        }
    }
}
