//! What people and repairs have changed in the ledger, and gaps that no record of a segment tells of.
//!
//! Both are for ever on record: named values of the ledger, so that they are in its shadow too.

use super::ledger::{Ledger, LedgerError};
use super::record::{Bytes, Entries, LossCause, SegmentKey, SegmentRecord, SegmentState, UnixMillis};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Meta value: [`Change`]s, in their order.
pub const META_TRAIL: &str = "trail";
/// Meta value: [`Gap`]s, in their order.
pub const META_GAPS: &str = "gaps";
/// Meta value: [`Pruned`].
pub const META_PRUNED: &str = "pruned";

/// One change that did not come from reading segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub at: UnixMillis,
    /// What was done.
    pub what: Deed,
    /// To which segment, by its key's name; none if to the ledger as a whole.
    pub segment: Option<String>,
    /// What was there before, in words.
    pub from: Option<String>,
    /// What is there now, in words.
    pub to: Option<String>,
    /// Why, in the words of whoever decided it.
    pub reason: String,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// A position was taken back: what lies behind it is delivered again.
    Rewound,
    /// A position was taken forward: what lies between is not delivered.
    Skipped,
    /// A position was taken over from another connector: what lies before it was delivered by that one.
    Imported,
    /// Somebody has taken note of a loss.
    Acknowledged,
    /// Parked bytes were given up: they are never published.
    Discarded,
    /// The store was made again out of its shadow.
    Rebuilt,
    /// A ledger was begun because the old one was gone.
    BegunAnew,
}

/// Something that should have been there: no segment of ours, but a place where one is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// When it was found.
    pub at: UnixMillis,
    /// Why bytes are lost, or would be.
    pub cause: LossCause,
    /// How sure that is.
    pub judgement: Judgement,
    /// The ids that it is about, first and last.
    pub ids: Option<(u64, u64)>,
    /// What was found, in words.
    pub text: String,
    /// When and why somebody has taken note of it.
    pub acknowledged: Option<(UnixMillis, String)>,
}

/// How sure it is that something was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// Nothing proves it; somebody should look.
    Suspicious,
    /// Bytes that the node wrote will not be delivered.
    Lost,
}

/// The sums of records that were removed from the ledger because they were finished long ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// How many.
    pub segments: u64,
    /// Their bytes.
    pub bytes: Bytes,
    /// Their entries.
    pub entries: Entries,
}

impl Gap {
    /// Whether somebody still has to take note of it.
    pub fn is_open(&self) -> bool {
        self.acknowledged.is_none()
    }
}

impl Pruned {
    pub(super) fn add(&mut self, record: &SegmentRecord) {
        self.segments += 1;
        self.bytes += record.bytes;
        self.entries += record.entries;
    }
}

impl Ledger {
    /// All changes, in their order.
    pub fn trail(&self) -> Vec<Change> {
        list(self, META_TRAIL)
    }

    /// Puts a change on record; the next save makes it durable.
    pub fn note_change(&mut self, change: Change) {
        push(self, META_TRAIL, &change);
    }

    /// All gaps, in their order: the first is `gap:1`.
    pub fn gaps(&self) -> Vec<Gap> {
        list(self, META_GAPS)
    }

    /// Puts a gap on record, once for each cause and range. False if it was known.
    pub fn note_gap(&mut self, gap: Gap) -> bool {
        let is_known = self.gaps().iter().any(|known| (known.cause, known.ids, &known.text) == (gap.cause, gap.ids, &gap.text));
        if !is_known {
            push(self, META_GAPS, &gap);
        }
        !is_known
    }

    /// Puts a gap on record that may still grow at its end: once for each cause and first id. While it is open, its range and text are
    /// those that were noted last. False if it was known.
    pub fn note_growing_gap(&mut self, gap: Gap) -> bool {
        let begin = |gap: &Gap| gap.ids.map(|(first, _)| first);
        let mut gaps = self.gaps();
        let Some(known) = gaps.iter_mut().find(|known| (known.cause, begin(known)) == (gap.cause, begin(&gap))) else {
            push(self, META_GAPS, &gap);
            return true;
        };
        if known.is_open() && known.ids != gap.ids {
            (known.ids, known.text) = (gap.ids, gap.text);
            self.set_meta(META_GAPS, serde_json::to_value(gaps).unwrap_or_default());
        }
        false
    }

    /// Takes note of a segment that is lost or quarantined; it is not reported any more.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`] if no such record is at work or waits for it, [`LedgerError::Transition`] if nothing is to be taken note
    /// of.
    pub fn acknowledge(&mut self, key: SegmentKey, reason: &str, now: UnixMillis) -> Result<(), LedgerError> {
        let from = self.get(key).map(|record| match &record.cause {
            Some(cause) => format!("{}: {cause}", record.state()),
            None => record.state().to_string(),
        });
        self.enter(key, SegmentState::Acknowledged, now)?;
        let (segment, reason) = (Some(key.to_string()), reason.to_owned());
        self.note_change(Change { at: now, what: Deed::Acknowledged, segment, from, to: None, reason });
        Ok(())
    }

    /// Takes note of a gap by its number, from 1 on. False if there is none, or it was acknowledged before.
    pub fn acknowledge_gap(&mut self, number: usize, reason: &str, now: UnixMillis) -> bool {
        let mut gaps = self.gaps();
        let Some(gap) = number.checked_sub(1).and_then(|at| gaps.get_mut(at)).filter(|gap| gap.is_open()) else { return false };
        gap.acknowledged = Some((now, reason.to_owned()));
        let text = gap.text.clone();
        // Plain members always have a JSON form.
        self.set_meta(META_GAPS, serde_json::to_value(gaps).unwrap_or_default());
        self.note_change(Change {
            at: now,
            what: Deed::Acknowledged,
            segment: Some(format!("gap:{number}")),
            from: Some(text),
            to: None,
            reason: reason.to_owned(),
        });
        true
    }

    pub(super) fn note_pruned(&mut self, records: &[SegmentRecord]) {
        let mut pruned: Pruned = self.meta(META_PRUNED).and_then(|value| Pruned::deserialize(value).ok()).unwrap_or_default();
        records.iter().for_each(|record| pruned.add(record));
        self.set_meta(META_PRUNED, serde_json::to_value(pruned).unwrap_or_default());
    }
}

/// One that cannot be read is left out here and stays on record.
fn list<T: DeserializeOwned>(ledger: &Ledger, name: &str) -> Vec<T> {
    let all = ledger.meta(name).and_then(serde_json::Value::as_array);
    all.into_iter().flatten().filter_map(|one| T::deserialize(one).ok()).collect()
}

fn push(ledger: &mut Ledger, name: &str, one: &impl Serialize) {
    let mut all = ledger.meta(name).and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    all.extend(serde_json::to_value(one));
    ledger.set_meta(name, all.into());
}
