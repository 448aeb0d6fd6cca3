//! The history written down, and read back.
//!
//! ```text
//! {"v":1,"tables":{id:{"dropped":[segment,position]|null,"versions":[{"from","source","rows"}]}},"store":[…],"whole":[[keyspace,table]],
//!  "changes":[[[segment,position],[…]]],"folded":[[segment,position]]}
//! ```

use super::known::History;
use super::store::Store;
use super::versions::{Saved, TableHistory, numbers, position};
use crate::position::{LogicalPosition, SegmentId};
use crate::schema::{SchemaChange, TableId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Written {
    v: u32,
    tables: BTreeMap<String, Saved>,
    store: Value,
    whole: BTreeSet<(String, String)>,
    changes: Vec<((u64, u32), Vec<SchemaChange>)>,
    folded: Vec<(u64, u32)>,
}

/// Why a history that was written down cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It is not what this program writes.
    #[error("the schema history is not in the form that this release writes")]
    Json(#[from] serde_json::Error),
    /// A newer release wrote it.
    #[error("the schema history has version {0}, this release reads version {VERSION}")]
    Newer(u32),
    /// A table's id is none.
    #[error("the schema history names a table id that is no UUID")]
    Id(#[from] uuid::Error),
}

impl History {
    /// Everything as one JSON text.
    ///
    /// # Errors
    /// None that anything in it could cause.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let written = Written {
            v: VERSION,
            tables: self.tables.iter().map(|(id, table)| (id.to_string(), table.to_saved())).collect(),
            store: self.store.to_json()?,
            whole: self.whole.clone(),
            changes: self.changes.iter().map(|(at, changes)| (numbers(*at), changes.clone())).collect(),
            folded: self.folded.iter().map(|(segment, to)| (segment.0, to.0)).collect(),
        };
        serde_json::to_string(&written)
    }

    /// Out of [`History::to_json`].
    ///
    /// # Errors
    /// [`SavedError`].
    pub fn from_json(text: &str, follows_log: bool) -> Result<History, SavedError> {
        let written: Written = serde_json::from_str(text)?;
        if written.v > VERSION {
            return Err(SavedError::Newer(written.v));
        }
        let mut history = History::new(follows_log);
        for (id, saved) in written.tables {
            if let Some(table) = TableHistory::from_saved(saved) {
                history.tables.insert(TableId(Uuid::try_parse(&id)?), table);
            }
        }
        history.store = Store::from_json(written.store)?;
        history.whole = written.whole;
        history.changes = written.changes.into_iter().map(|(at, changes)| (position(at), changes)).collect();
        history.folded = written.folded.into_iter().map(|(segment, to)| (SegmentId(segment), LogicalPosition(to))).collect();
        Ok(history)
    }
}
