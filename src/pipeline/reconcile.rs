//! What holds at start under exactly once: the last committed record of positions, or the ledger.
//!
//! A batch is committed first and saved in the ledger after that, and the next one begins only then. So the ledger is at most one
//! batch behind what is committed, unless it was restored from a copy, and it is never ahead, unless somebody has taken committed
//! records away: then going on would repeat or leave out what is between, and only a person can know which.

use super::Pipeline;
use super::error::Fatal;
use super::park::{Place, read_note};
use super::tail::Fate;
use crate::checkpoint::{Gap, Judgement, LossCause, META_MOVED, SegmentKey, SegmentState};
use crate::position::{CommitLogPosition, LogicalPosition, SegmentId};
use crate::progress::DeliveredTo;
use crate::sink::{ParkedPosition, Positions, RetriedPosition, SegmentPosition};
use std::collections::BTreeSet;

/// What the ledger knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    /// The last batch that it has heard of, by its number.
    pub seq: Option<u64>,
    /// Whether anything was ever delivered, by what it says.
    pub has_positions: bool,
    /// Whether somebody has moved a position by hand since the last start.
    pub moved: bool,
}

/// What holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The ledger: there is no record yet.
    Seed,
    /// The ledger: it knows of the same batch, and of entries without events behind it.
    Ledger,
    /// The record: its batch was committed and not saved.
    Record,
    /// The record, because the ledger is gone.
    Rebuild,
    /// Neither.
    Refuse(String),
}

/// Which of the two holds.
pub(super) fn judge(record: Option<&Positions>, saved: Saved) -> Verdict {
    let decide = "decide with checkpoint rewind or skip";
    match (record.map(|record| record.seq), saved.seq) {
        (None, None) => Verdict::Seed,
        (None, Some(_)) if saved.moved || !saved.has_positions => Verdict::Seed,
        (None, Some(seq)) => Verdict::Refuse(format!(
            "the ledger says that batch {seq} was committed, and there is no positions record of this node in kafka: it was deleted, or \
             this is another cluster or topic; {decide} whether the ledger holds"
        )),
        (Some(_), None) if !saved.has_positions && !saved.moved => Verdict::Rebuild,
        (Some(_), None) => Verdict::Record,
        (Some(record), Some(seq)) if record > seq => Verdict::Record,
        (Some(record), Some(seq)) if record < seq && !saved.moved => Verdict::Refuse(format!(
            "the ledger says that batch {seq} was committed, and the last positions record of this node in kafka is of batch {record}: \
             committed records are gone, or this is another cluster or topic; {decide} whether the ledger holds"
        )),
        (Some(_), Some(_)) => Verdict::Ledger,
    }
}

impl Pipeline {
    /// Brings the ledger to what holds.
    ///
    /// # Errors
    /// [`Fatal::Positions`] if that cannot be told.
    pub(super) fn reconcile(&mut self, found: Option<Positions>) -> Result<(), Fatal> {
        let moved = moved_by_hand(self);
        let has_positions =
            self.ledger.live().any(|(_, record)| record.delivered_to != DeliveredTo::default()) || self.ledger.ended().any(|(_, n)| n > 0);
        let saved = Saved { seq: self.saved_seq(), has_positions, moved: !moved.is_empty() };
        let verdict = judge(found.as_ref(), saved);
        let record = found.unwrap_or_else(|| Positions::new(0, ""));
        match verdict {
            Verdict::Refuse(why) => return Err(Fatal::Positions(why)),
            Verdict::Seed => tracing::info!("positions are kept in kafka from now on; they begin with those of the ledger"),
            // It was saved, and the process may have died before the files of what came out of parking went.
            Verdict::Ledger if saved.seq == Some(record.seq) && !saved.moved => self.forget_retried(&record.retried)?,
            Verdict::Ledger => {}
            Verdict::Record => {
                tracing::info!(batch = record.seq, "a batch was committed and not saved: its positions are taken over");
                self.take_over(&record, &moved)?;
                self.forget_retried(&record.retried)?;
            }
            Verdict::Rebuild => self.rebuild(&record)?,
        }
        self.keep_seq(record.seq);
        self.ledger.set_meta(META_MOVED, serde_json::Value::Null);
        Ok(self.ledger.save()?)
    }

    /// Takes the ledger forward to the record, all but what somebody has moved.
    fn take_over(&mut self, record: &Positions, moved: &BTreeSet<u64>) -> Result<(), Fatal> {
        let keys: Vec<SegmentKey> = self.ledger.live().map(|(key, _)| key).collect();
        for key in keys.into_iter().filter(|key| !moved.contains(&key.id.0)) {
            if let Some(listed) = record.of(key.id, key.incarnation) {
                self.advance_to(key, listed)?;
            }
        }
        Ok(())
    }

    fn advance_to(&mut self, key: SegmentKey, listed: &SegmentPosition) -> Result<(), Fatal> {
        let is_behind = |saved: DeliveredTo| saved < listed.delivered_to;
        let may = |state| matches!(state, SegmentState::Open | SegmentState::Final);
        if self.ledger.get(key).is_some_and(|record| is_behind(record.delivered_to) && may(record.state())) {
            self.ledger.advance(key, listed.delivered_to)?;
            if self.tails.contains_key(&key) {
                self.open_tail(key)?;
            }
        }
        Ok(())
    }

    /// What the last batch published of the parked entries does not wait any more.
    fn forget_retried(&mut self, retried: &[RetriedPosition]) -> Result<(), Fatal> {
        let dir = self.parked.dir().to_owned();
        let mut gone = Vec::new();
        for one in retried {
            let at = CommitLogPosition { segment: SegmentId(one.segment), position: LogicalPosition(one.position) };
            let place = Place { at, ordinal: one.ordinal };
            if self.parked.get(place).is_none() {
                continue;
            }
            match (one.update, read_note(&dir, place)) {
                (None, _) => gone.push((place, Fate::Delivered)),
                (Some(update), Some(mut note)) => {
                    note.first_update = note.first_update.max(update);
                    self.rewrite(place, &note)?;
                }
                (Some(_), None) => {}
            }
        }
        self.let_these_go(&gone)?;
        self.forget_retries();
        Ok(())
    }

    /// The ledger is gone: what the record lists is where we go on, and what it lists and is nowhere is named.
    fn rebuild(&mut self, record: &Positions) -> Result<(), Fatal> {
        tracing::warn!(
            batch = record.seq,
            segments = record.segments.len(),
            "the ledger is empty, and this node has delivered before: it goes on where kafka says"
        );
        self.status.note_error("the ledger was empty: positions were taken from kafka");
        for listed in &record.segments {
            let later = record.segments.iter().any(|other| other.id == listed.id && other.incarnation > listed.incarnation);
            let key = SegmentKey::first(SegmentId(listed.id));
            if later {
                continue;
            }
            match self.ledger.get(key) {
                Some(_) => self.advance_to(key, listed)?,
                None if listed.end.is_some_and(|end| listed.delivered_to.position.0 >= end) => {
                    self.batch.unseen.insert(key, listed.delivered_to);
                }
                None => {
                    self.batch.unseen.insert(key, listed.delivered_to);
                    let to = listed.delivered_to.position;
                    let text = format!(
                        "segment {} was delivered up to {to}, and it is in neither cdc_raw nor the spool: what it held behind that is lost",
                        listed.id
                    );
                    self.note_missing(listed.id, text);
                }
            }
        }
        for parked in &record.parked {
            self.note_missing(parked.segment, missing(parked));
        }
        Ok(())
    }

    fn note_missing(&mut self, segment: u64, text: String) {
        tracing::error!(segment, "{text}");
        self.status.note_error(text.clone());
        self.lost = true;
        let (at, ids) = (self.schedule.unix, Some((segment, segment)));
        self.ledger.note_gap(Gap { at, cause: LossCause::StateLost, judgement: Judgement::Lost, ids, text, acknowledged: None });
    }
}

fn missing(parked: &ParkedPosition) -> String {
    let ParkedPosition { segment, position, to, reason } = parked;
    match to {
        None => format!("the entry at {segment}:{position} was parked ({reason}), and its bytes went with the state folder"),
        Some(to) => format!("entries from {segment}:{position} to {to} were parked ({reason}), and their bytes went with the state folder"),
    }
}

/// The segments whose positions somebody has moved since the last start.
fn moved_by_hand(pipeline: &Pipeline) -> BTreeSet<u64> {
    let moved = pipeline.ledger.meta(META_MOVED).and_then(serde_json::Value::as_array);
    moved.into_iter().flatten().filter_map(serde_json::Value::as_u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(seq: Option<u64>, has_positions: bool, moved: bool) -> Saved {
        Saved { seq, has_positions, moved }
    }

    #[test]
    fn what_holds_at_start() {
        let refused = Verdict::Refuse(String::new());
        for (what, record, saved, expected) in [
            ("a first start", None, saved(None, false, false), Verdict::Seed),
            ("a first start after at least once", None, saved(None, true, false), Verdict::Seed),
            ("a clean stop", Some(5), saved(Some(5), true, false), Verdict::Ledger),
            ("a kill before anything was committed", None, saved(Some(0), false, false), Verdict::Seed),
            ("a kill between commit and save", Some(6), saved(Some(5), true, false), Verdict::Record),
            ("the same, and a rewind by hand", Some(6), saved(Some(5), true, true), Verdict::Record),
            ("a rewind by hand", Some(5), saved(Some(5), true, true), Verdict::Ledger),
            ("a restored copy of the ledger", Some(90), saved(Some(5), true, false), Verdict::Record),
            ("a restored copy from before exactly once", Some(90), saved(None, true, false), Verdict::Record),
            ("a lost state folder", Some(5), saved(None, false, false), Verdict::Rebuild),
            ("records that are gone", Some(4), saved(Some(5), true, false), refused.clone()),
            ("a topic that is gone", None, saved(Some(5), true, false), refused.clone()),
            ("records that are gone, and somebody has decided", Some(4), saved(Some(5), true, true), Verdict::Ledger),
            ("a topic that is gone, and somebody has decided", None, saved(Some(5), true, true), Verdict::Seed),
        ] {
            let record = record.map(|seq| Positions::new(seq, "a"));
            match (judge(record.as_ref(), saved), expected) {
                (Verdict::Refuse(why), Verdict::Refuse(_)) => {
                    assert!(why.contains("batch 5") && why.contains("checkpoint"), "{what}: {why}")
                }
                (found, expected) => assert_eq!(found, expected, "{what}"),
            }
        }
    }
}
