//! What is missing: judged by the rules of [`crate::cdc_raw::gaps`], on record once, said in each run until somebody takes note of it.

use super::Pipeline;
use super::error::Fatal;
use crate::cdc_raw::SegmentName;
use crate::cdc_raw::gaps::{Ids, Jump, Seen, Verdict, WATCHED, judge};
use crate::checkpoint::{Gap, Judgement, Ledger, LossCause, SegmentState};
use crate::telemetry::Gaps;
use serde::Deserialize;
use std::time::{Duration, Instant};

/// Meta value: [`Ids`].
const META_IDS: &str = "ids";
/// How long the node's newest segments must have been without a link before that counts: it makes the link after the file.
const UNLINKED_FOR: Duration = Duration::from_secs(2);

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Watching {
    ids: Ids,
    /// Whether the node removes segments by itself, where that is known.
    node_removes: Option<bool>,
    looked_at: Option<Instant>,
    /// Whether the last look, and the one before it, came a short time after another.
    watched: (bool, bool),
    /// Since when the node's newest segments have not been linked.
    unlinked_since: Option<Instant>,
    refuses: bool,
    /// What was missing in this run and harmless.
    harmless: u64,
}

impl Watching {
    /// Goes on where the ledger says.
    pub fn resume(ledger: &Ledger, node_removes: Option<bool>) -> Watching {
        let ids = ledger.meta(META_IDS).and_then(|value| Ids::deserialize(value).ok()).unwrap_or_default();
        Watching { ids, node_removes, ..Watching::default() }
    }
}

impl Pipeline {
    /// Takes in which segments a look has listed, and judges the ids that are missing.
    pub(super) fn watch_ids(&mut self, listed: &[SegmentName], unlinked: Option<(u64, u64)>) {
        let (now, unix) = (self.schedule.now, self.schedule.unix);
        let watching = &mut self.watching;
        let watched = watching.looked_at.replace(now).is_some_and(|before| now.saturating_duration_since(before) <= WATCHED);
        watching.watched = (watched, watching.watched.0);
        watching.ids.see(listed, watched, unix);
        self.watch_links(unlinked);
        for jump in self.watching.ids.missing(self.watching.node_removes, unix) {
            self.note_jump(jump);
        }
        // Plain members always have a JSON form.
        self.ledger.set_meta(META_IDS, serde_json::to_value(&self.watching.ids).unwrap_or_default());
    }

    fn note_jump(&mut self, jump: Jump) {
        let jump = Jump { unlinked: self.is_on_record(jump.ids), ..jump };
        let (first, last) = jump.ids;
        let (verdict, why) = judge(Seen::Ids(jump));
        if verdict == Verdict::Harmless {
            self.watching.harmless += 1;
            return tracing::info!(first, last, "segment ids are missing, which is harmless: {why}");
        }
        self.note_gap(LossCause::Unseen, jump.ids, format!("segments {} never came into sight: {why}", range(jump.ids)));
    }

    /// Whether these ids are those that the node did not link.
    fn is_on_record(&self, ids: (u64, u64)) -> bool {
        let refused = |gap: &Gap| gap.cause == LossCause::Refused && gap.ids.is_some_and(|(first, last)| first <= ids.0 && ids.1 <= last);
        self.ledger.gaps().iter().any(refused)
    }

    /// Whether the node's newest segments are linked. Where it removes the oldest instead, it refuses nothing.
    fn watch_links(&mut self, unlinked: Option<(u64, u64)>) {
        let now = self.schedule.now;
        let watching = &mut self.watching;
        let Some((first, last)) = unlinked.filter(|_| watching.node_removes != Some(true)) else {
            (watching.unlinked_since, watching.ids.unlinked) = (None, None);
            if std::mem::take(&mut watching.refuses) {
                tracing::info!("the node links its segments into cdc_raw again");
            }
            return;
        };
        let since = *watching.unlinked_since.get_or_insert(now);
        if !watching.refuses && now.saturating_duration_since(since) < UNLINKED_FOR {
            return;
        }
        watching.refuses = true;
        // The first of them is discarded before the last is made: it is one gap as long as it goes on.
        let first = watching.ids.unlinked.map_or(first, |(known, _)| known.min(first));
        watching.ids.unlinked = Some((first, last));
        let (_, why) = judge(Seen::Unlinked);
        self.note_gap(
            LossCause::Refused,
            (first, last),
            format!("segments {} were made without a name in cdc_raw: {why}", range((first, last))),
        );
    }

    fn note_gap(&mut self, cause: LossCause, ids: (u64, u64), text: String) {
        let gap =
            Gap { at: self.schedule.unix, cause, judgement: Judgement::Suspicious, ids: Some(ids), text: text.clone(), acknowledged: None };
        if self.ledger.note_growing_gap(gap) {
            let number = self.ledger.gaps().len();
            tracing::error!(gap = number, "{text}");
            self.status.note_error(text);
        }
    }

    /// Judges an index without a segment.
    pub(super) fn note_lone_index(&mut self, name: SegmentName) -> Result<(), Fatal> {
        let (verdict, why) = judge(Seen::LoneIndex { is_older: self.watching.ids.is_older(name.id) });
        if verdict == Verdict::Harmless {
            self.watching.harmless += 1;
            tracing::info!(index = name.index(), "an index without a segment, which is harmless: {why}");
            return Ok(());
        }
        self.note_never_held(name, LossCause::NeverLinked, 0, why)?;
        // Not missed once more as an id. An index is reported by the look after the one that first saw it.
        self.watching.ids.account(name, self.watching.watched.1, self.schedule.unix);
        Ok(())
    }

    /// Counts something that is missing, and harmless.
    pub(super) fn note_harmless(&mut self, name: SegmentName, seen: Seen) {
        self.watching.harmless += 1;
        tracing::debug!(segment = name.log(), "gone, which is harmless: {}", judge(seen).1);
    }

    /// What is missing, as the endpoints say it.
    pub(super) fn gaps(&self) -> Gaps {
        let gaps = self.ledger.gaps();
        let open = |judgement| gaps.iter().filter(|gap| gap.is_open() && gap.judgement == judgement).count() as u64;
        let lost = self.ledger.live().filter(|(_, record)| matches!(record.state(), SegmentState::Lost(_))).count() as u64;
        Gaps {
            harmless: self.watching.harmless,
            suspicious: open(Judgement::Suspicious),
            lost: lost + open(Judgement::Lost),
            node_refuses: self.watching.refuses,
        }
    }

    /// What former runs have found is said in each until somebody takes note of it (I10).
    pub(super) fn name_open_gaps(&self) {
        for (number, gap) in (1..).zip(self.ledger.gaps()).filter(|(_, gap)| gap.is_open()) {
            tracing::error!(gap = number, "found in a former run, and not acknowledged: {}", gap.text);
            self.status.note_error(format!("gap:{number}: {}", gap.text));
        }
    }
}

fn range((first, last): (u64, u64)) -> String {
    if first == last { first.to_string() } else { format!("{first} to {last}") }
}
