//! Reading the ledger beside the thread that owns it.

use super::record::{SegmentKey, SegmentRecord};
use super::store::{StoreError, decode_key, decode_value, encode_key, segment_name};
use std::ops::Bound;

/// Reads records in pages: nothing is held up, and a ledger of many thousands is never in memory at once.
///
/// What it sees is what was written last, which may be one save ahead of what is durable.
#[derive(Clone, Debug)]
pub struct Reader {
    segments: ::sled::Tree,
    meta: ::sled::Tree,
}

impl Reader {
    pub(super) fn new(segments: ::sled::Tree, meta: ::sled::Tree) -> Reader {
        Reader { segments, meta }
    }

    /// At most `limit` records behind this key, in the order of the keys.
    ///
    /// # Errors
    /// A record that cannot be read is an error that names its segment.
    pub fn page(&self, after: Option<SegmentKey>, limit: usize) -> Result<Vec<(SegmentKey, SegmentRecord)>, StoreError> {
        let start = after.map_or(Bound::Unbounded, |key| Bound::Excluded(encode_key(key).to_vec()));
        let range = self.segments.range::<Vec<u8>, _>((start, Bound::Unbounded));
        range
            .take(limit)
            .map(|item| {
                let (key, value) = item.map_err(failed)?;
                let key = decode_key(&key)?;
                Ok((key, decode_value(&segment_name(key), &value)?))
            })
            .collect()
    }

    /// A named value.
    ///
    /// # Errors
    /// As [`Reader::page`].
    pub fn meta(&self, name: &str) -> Result<Option<serde_json::Value>, StoreError> {
        let value = self.meta.get(name).map_err(failed)?;
        value.map(|value| decode_value(&super::store::meta_name(name), &value)).transpose()
    }
}

fn failed(source: ::sled::Error) -> StoreError {
    StoreError::Sled { action: "read", place: "its folder".into(), source }
}
