//! What somebody has decided to do without, for ever on record.

use super::ledger::Ledger;
use super::record::UnixMillis;
use super::trail::{Change, Deed};
use serde::{Deserialize, Serialize};

/// Meta value: what was discarded.
const META_DISCARDED: &str = "discarded";

/// A parked entry, or one event of it, that was given up: when, by which reason, and what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discarded {
    /// When.
    pub at: UnixMillis,
    /// Why, in the words of whoever decided it.
    pub reason: String,
    /// File name of the segment.
    pub file: String,
    /// The segment's id.
    pub segment: u64,
    /// The entry's position.
    pub position: u32,
    /// The event, if only one of the entry was given up.
    pub ordinal: Option<u32>,
    /// The first partition update that was not published.
    pub first_update: u32,
    /// The bytes of the entry.
    pub bytes: u64,
    /// Why it was parked.
    pub parked_for: String,
}

impl Ledger {
    /// Everything that was discarded, in the order of the decisions. One that cannot be read is left out here and stays on record.
    pub fn discarded(&self) -> Vec<Discarded> {
        let all = self.meta(META_DISCARDED).and_then(serde_json::Value::as_array);
        all.into_iter().flatten().filter_map(|one| Discarded::deserialize(one).ok()).collect()
    }

    /// Puts decisions on record, in the trail too; the next save makes them durable.
    pub fn discard(&mut self, decisions: impl IntoIterator<Item = Discarded>) {
        let decisions: Vec<Discarded> = decisions.into_iter().collect();
        for one in &decisions {
            let event = one.ordinal.map(|ordinal| format!("/{ordinal}")).unwrap_or_default();
            self.note_change(Change {
                at: one.at,
                what: Deed::Discarded,
                segment: Some(one.segment.to_string()),
                from: Some(format!("position {}{event}, parked: {}, {} bytes", one.position, one.parked_for, one.bytes)),
                to: None,
                reason: one.reason.clone(),
            });
        }
        let mut all = self.meta(META_DISCARDED).and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
        // A struct of plain members always has a JSON form.
        all.extend(decisions.into_iter().filter_map(|one| serde_json::to_value(one).ok()));
        self.set_meta(META_DISCARDED, all.into());
    }
}
