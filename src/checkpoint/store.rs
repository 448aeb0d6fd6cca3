//! Where the ledger is kept: the trait, and how a record looks as bytes.
//!
//! ```text
//! key     segment id, u64 big-endian │ incarnation, u8           (meta: the name, UTF-8)
//! value   version, u8 = 1 │ CRC32C of the body, u32 big-endian │ body, JSON
//! ```
//!
//! [`Encoded`] is a batch in that form: every store takes it, so that a record is written as JSON once and all copies are equal.

use super::record::{SegmentKey, SegmentRecord};
use crate::position::SegmentId;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Keeps records and a few named values.
///
/// One thread owns a store. A save is all or nothing, and durable when it returns: it survives the power going off.
pub trait CheckpointStore: Send {
    /// Shows every record, by key, until told to stop.
    ///
    /// # Errors
    /// A record that cannot be read is an error that names its segment.
    fn visit(&self, visitor: &mut dyn FnMut(SegmentKey, SegmentRecord) -> ControlFlow<()>) -> Result<(), StoreError>;

    /// One record.
    ///
    /// # Errors
    /// As [`CheckpointStore::visit`].
    fn get(&self, key: SegmentKey) -> Result<Option<SegmentRecord>, StoreError>;

    /// The newest record of a segment: the one with the highest incarnation.
    ///
    /// # Errors
    /// As [`CheckpointStore::visit`].
    fn newest(&self, id: SegmentId) -> Result<Option<(SegmentKey, SegmentRecord)>, StoreError>;

    /// All named values.
    ///
    /// # Errors
    /// As [`CheckpointStore::visit`].
    fn meta(&self) -> Result<BTreeMap<String, serde_json::Value>, StoreError>;

    /// Writes a batch and returns when it is durable.
    ///
    /// # Errors
    /// After an error it is unknown whether the batch is on disk; the process must end and read again what is.
    fn save(&mut self, batch: &Batch) -> Result<(), StoreError>;
}

/// What one checkpoint changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// New or changed records.
    pub records: Vec<(SegmentKey, SegmentRecord)>,
    /// Records that go.
    pub removed: Vec<SegmentKey>,
    /// New or changed named values.
    pub meta: Vec<(String, serde_json::Value)>,
}

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bytes of a record are not what was written.
    #[error("ledger record of {what} is damaged: {problem}")]
    Damaged {
        /// Which segment or named value.
        what: String,
        /// Expected and found.
        problem: String,
    },
    /// Written by a newer release.
    #[error("ledger record of {what} has version {found}; this release reads version {RECORD_VERSION} (use the newer release)")]
    NewerRecord {
        /// Which segment or named value.
        what: String,
        /// The version.
        found: u8,
    },
    /// A key that is not one of ours.
    #[error("ledger key {0:02x?} is not a segment id and incarnation")]
    Key(Vec<u8>),
    /// The store itself.
    #[error("cannot {action} the ledger in {place}")]
    Sled {
        /// What was being done.
        action: &'static str,
        /// Where.
        place: String,
        /// Why.
        source: ::sled::Error,
    },
    /// The file system.
    #[error("cannot {action} {place}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// Neither the store nor its shadow can be read, in a folder that was used.
    #[error(
        "the ledger in {place} is gone: {store}; {shadow}. Nothing begins anew by itself: what is in cdc_raw and in the spool can be \
         delivered again, from its start and with the same ids, by \"ringtail checkpoint rewind --all-unfinished --reason TEXT --config FILE\""
    )]
    Gone {
        /// The state folder.
        place: String,
        /// What is wrong with the store.
        store: String,
        /// What is wrong with the shadow.
        shadow: String,
    },
    /// A record that cannot be written as JSON.
    #[error("cannot encode the ledger record of {what}")]
    Encode {
        /// Which.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// The version of a value that this release writes.
const RECORD_VERSION: u8 = 1;

impl Batch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.removed.is_empty() && self.meta.is_empty()
    }
}

/// The bytes of a record's key.
pub(super) type Key = [u8; 9];

/// A batch as bytes.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    /// New or changed records, and whether they are at their end.
    pub records: Vec<(Key, Vec<u8>, bool)>,
    /// Records that go.
    pub removed: Vec<Key>,
    /// New or changed named values.
    pub meta: Vec<(String, Vec<u8>)>,
}

impl Batch {
    pub(super) fn encode(&self) -> Result<Encoded, StoreError> {
        let record = |(key, record): &(SegmentKey, SegmentRecord)| {
            Ok((encode_key(*key), encode_value(&segment_name(*key), record)?, record.is_ended()))
        };
        let meta = |(name, value): &(String, serde_json::Value)| Ok((name.clone(), encode_value(&meta_name(name), value)?));
        Ok(Encoded {
            records: self.records.iter().map(record).collect::<Result<_, StoreError>>()?,
            removed: self.removed.iter().map(|key| encode_key(*key)).collect(),
            meta: self.meta.iter().map(meta).collect::<Result<_, StoreError>>()?,
        })
    }
}

pub(super) fn encode_key(key: SegmentKey) -> Key {
    let mut bytes = [key.incarnation; 9];
    for (to, from) in bytes.iter_mut().zip(key.id.0.to_be_bytes()) {
        *to = from;
    }
    bytes
}

pub(super) fn decode_key(bytes: &[u8]) -> Result<SegmentKey, StoreError> {
    let split = bytes.split_first_chunk::<8>().and_then(|(id, rest)| match rest {
        [incarnation] => Some((id, *incarnation)),
        _ => None,
    });
    let (id, incarnation) = split.ok_or_else(|| StoreError::Key(bytes.to_vec()))?;
    Ok(SegmentKey { id: SegmentId(u64::from_be_bytes(*id)), incarnation })
}

pub(super) fn encode_value(what: &dyn Fn() -> String, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let body = serde_json::to_vec(value).map_err(|source| StoreError::Encode { what: what(), source })?;
    let mut bytes = Vec::with_capacity(body.len() + 5);
    bytes.push(RECORD_VERSION);
    bytes.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

pub(super) fn decode_value<T: DeserializeOwned>(what: &dyn Fn() -> String, bytes: &[u8]) -> Result<T, StoreError> {
    let damaged = |problem: String| StoreError::Damaged { what: what(), problem };
    let (version, rest) = bytes.split_first().ok_or_else(|| damaged("expected a version, found nothing".into()))?;
    if *version > RECORD_VERSION {
        return Err(StoreError::NewerRecord { what: what(), found: *version });
    }
    if *version == 0 {
        return Err(damaged("expected version 1, found 0".into()));
    }
    let (crc, body) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("expected a checksum, found the end".into()))?;
    let (expected, found) = (u32::from_be_bytes(*crc), crc32c::crc32c(body));
    if expected != found {
        return Err(damaged(format!("checksum mismatch: expected {expected:#010x}, found {found:#010x}")));
    }
    serde_json::from_slice(body).map_err(|error| damaged(format!("its checksum holds, but its body does not parse: {error}")))
}

pub(super) fn segment_name(key: SegmentKey) -> impl Fn() -> String {
    move || format!("segment {key}")
}

pub(super) fn meta_name(name: &str) -> impl Fn() -> String {
    move || format!("meta value {name}")
}
