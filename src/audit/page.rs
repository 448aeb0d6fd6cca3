//! The ledger in pages: what an agent serves at `/ledger`, and what is read when none runs.

use crate::checkpoint::{Change, Gap, META_GAPS, META_PRUNED, META_TRAIL, Pruned, Reader, SegmentKey, SegmentRecord, StoreError};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// How many records a page holds: one fits into a few MiB, however many segments there were.
const RECORDS_MAX: usize = 500;

/// A part of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Which node it is of, as the agent has kept it. On the first page only, as the three behind it.
    pub node: Option<String>,
    /// Events that arrived in all runs.
    pub events: u64,
    /// What people and repairs have changed.
    pub trail: Vec<Change>,
    /// What is missing and no record tells of.
    pub gaps: Vec<Gap>,
    /// The sums of records that were removed because they were old.
    pub pruned: Pruned,
    /// Records, by key.
    pub segments: Vec<Listed>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

/// One record with its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// The segment's id.
    pub id: u64,
    /// Which content under this id: 0 for the first.
    pub incarnation: u8,
    /// The record.
    pub record: SegmentRecord,
}

/// Why a page cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The ledger.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was asked for.
    #[error("no page begins behind {0:?}")]
    NoSuchPage(String),
    /// A named value that is not in its form.
    #[error("the ledger's {name} cannot be read")]
    Value {
        /// Which.
        name: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl Page {
    /// Reads a page: the first one, or that which [`Page::next`] of the one before names.
    ///
    /// # Errors
    /// The ledger's.
    pub fn read(reader: &Reader, after: Option<&str>) -> Result<Page, ReadError> {
        let key = after.map(|text| text.parse::<SegmentKey>().map_err(|_| ReadError::NoSuchPage(text.to_owned()))).transpose()?;
        let records = reader.page(key, RECORDS_MAX)?;
        let next = records.last().filter(|_| records.len() == RECORDS_MAX).map(|(key, _)| format!("{}.{}", key.id.0, key.incarnation));
        let listed = |(key, record): (SegmentKey, SegmentRecord)| Listed { id: key.id.0, incarnation: key.incarnation, record };
        let page = Page { segments: records.into_iter().map(listed).collect(), next, ..Page::default() };
        if after.is_some() {
            return Ok(page);
        }
        let node: Option<serde_json::Value> = value(reader, "node")?;
        Ok(Page {
            node: node.and_then(|node| node.get("id").and_then(|id| id.as_str().map(str::to_owned))),
            events: value(reader, "events")?,
            trail: value(reader, META_TRAIL)?,
            gaps: value(reader, META_GAPS)?,
            pruned: value(reader, META_PRUNED)?,
            ..page
        })
    }
}

fn value<T: DeserializeOwned + Default>(reader: &Reader, name: &'static str) -> Result<T, ReadError> {
    let Some(value) = reader.meta(name)? else { return Ok(T::default()) };
    serde_json::from_value(value).map_err(|source| ReadError::Value { name, source })
}
