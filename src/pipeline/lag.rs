//! How long the oldest bytes that are not durably delivered have been waiting.
//!
//! Each time the status is written, the marked end of every segment is noted with the time. A note goes when the reader has
//! passed that offset and a durable checkpoint covers what it had read by then; the oldest note that is left says how far we
//! are behind. So a busy node with nothing older than a checkpoint shows a lag of a fraction of a second, and bytes that stand in
//! the log while Kafka is away count from when they came, not from when they were read.

use crate::checkpoint::SegmentKey;
use crate::position::{FileOffset, LogicalPosition};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Most notes of one segment. Beyond it neighbours are joined, the earlier time with the later end.
const NOTES_MAX: usize = 256;

/// What is seen of a segment at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// Where its data begins.
    pub begin: FileOffset,
    /// How far it was read.
    pub read_to: FileOffset,
    /// How far it is marked.
    pub marked_end: FileOffset,
    /// The end of the last entry that was read; 0 if there was none.
    pub read_end: LogicalPosition,
    /// How far a durable checkpoint covers it.
    pub delivered_to: LogicalPosition,
    /// How long ago it was written to, by its file. Only the first sight goes by this: bytes that were there before us.
    pub age: Duration,
}

/// The notes of all segments that are being read.
#[derive(Debug, Default)]
pub(super) struct Lags(BTreeMap<SegmentKey, Notes>);

#[derive(Debug)]
struct Notes {
    end: FileOffset,
    notes: Vec<Note>,
}

#[derive(Clone, Copy, Debug)]
struct Note {
    since: Instant,
    end: FileOffset,
    /// What has to be delivered for this note to go; known once the reader has passed `end`.
    read_end: Option<LogicalPosition>,
}

impl Lags {
    /// Notes what is new in a segment, and drops what is delivered.
    pub fn see(&mut self, key: SegmentKey, now: Instant, sight: Sight) {
        let known = self.0.contains_key(&key);
        let seen = self.0.entry(key).or_insert(Notes { end: sight.begin, notes: Vec::new() });
        if sight.marked_end > seen.end {
            let since = if known { now } else { now.checked_sub(sight.age).unwrap_or(now) };
            seen.end = sight.marked_end;
            seen.notes.push(Note { since, end: sight.marked_end, read_end: None });
        }
        for note in seen.notes.iter_mut().filter(|note| note.read_end.is_none() && note.end <= sight.read_to) {
            note.read_end = Some(sight.read_end);
        }
        seen.notes.retain(|note| note.read_end.is_none_or(|end| end > sight.delivered_to));
        if seen.notes.len() > NOTES_MAX {
            seen.notes = seen.notes.chunks(2).filter_map(joined).collect();
        }
    }

    /// Forgets segments that are no longer read.
    pub fn retain(&mut self, is_read: impl Fn(&SegmentKey) -> bool) {
        self.0.retain(|key, _| is_read(key));
    }

    /// Since when the oldest bytes wait; `None` if everything is delivered.
    pub fn oldest(&self) -> Option<Instant> {
        self.0.values().filter_map(|seen| seen.notes.first()).map(|note| note.since).min()
    }
}

fn joined(pair: &[Note]) -> Option<Note> {
    Some(Note { since: pair.first()?.since, ..*pair.last()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::SegmentId;

    const KEY: SegmentKey = SegmentKey { id: SegmentId(7), incarnation: 0 };

    fn sight(read_to: u64, marked_end: u64, delivered_to: u32) -> Sight {
        Sight {
            begin: FileOffset(20),
            read_to: FileOffset(read_to),
            marked_end: FileOffset(marked_end),
            read_end: LogicalPosition(if read_to > 20 { read_to as u32 } else { 0 }),
            delivered_to: LogicalPosition(delivered_to),
            age: Duration::from_secs(60),
        }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_busy_segment_that_is_delivered_as_it_grows_is_not_behind() {
        let (mut lags, start) = (Lags::default(), Instant::now());
        lags.see(KEY, start, sight(20, 20, 0));

        for second in 1..=600 {
            let end = 20 + second * 100;
            lags.see(KEY, start + seconds(second), sight(end, end, (end - 100) as u32));

            let oldest = lags.oldest().unwrap();
            assert_eq!(oldest, start + seconds(second), "only what came last waits");
        }
    }

    #[test]
    fn what_is_not_read_waits_since_it_was_first_seen() {
        let (mut lags, start) = (Lags::default(), Instant::now());
        lags.see(KEY, start, sight(20, 20, 0));

        // Nothing can be sent for ten minutes, then a part of it.
        (1..=600).for_each(|second| lags.see(KEY, start + seconds(second), sight(20, 20 + second * 100, 0)));
        assert_eq!(lags.oldest(), Some(start + seconds(1)));
        lags.see(KEY, start + seconds(601), sight(30_020, 60_020, 30_020));

        // Notes were joined, so the figure may be too high by a little, and never too low.
        let left = (start + seconds(601)) - lags.oldest().unwrap();
        assert!(left >= seconds(300) && left < seconds(310), "{left:?}");
        lags.see(KEY, start + seconds(602), sight(60_020, 60_020, 60_020));
        assert_eq!(lags.oldest(), None);
    }

    #[test]
    fn what_stood_there_before_us_waits_since_it_was_written() {
        let (mut lags, now) = (Lags::default(), Instant::now() + seconds(3600));

        lags.see(KEY, now, sight(20, 500, 0));

        assert_eq!(lags.oldest(), Some(now - seconds(60)));
    }

    #[test]
    fn a_segment_without_entries_is_not_behind() {
        let (mut lags, now) = (Lags::default(), Instant::now());

        lags.see(KEY, now, sight(20, 20, 0));
        assert_eq!(lags.oldest(), None);
        // A section without entries, read.
        lags.see(KEY, now, Sight { read_end: LogicalPosition(0), ..sight(28, 28, 0) });

        assert_eq!(lags.oldest(), None);
    }

    #[test]
    fn a_segment_that_is_no_longer_read_is_forgotten() {
        let (mut lags, now) = (Lags::default(), Instant::now());
        lags.see(KEY, now, sight(20, 500, 0));

        lags.retain(|_| false);

        assert_eq!(lags.oldest(), None);
    }

    #[test]
    fn reading_again_from_the_header_does_not_make_bytes_younger() {
        let (mut lags, start) = (Lags::default(), Instant::now());
        lags.see(KEY, start, sight(20, 20, 0));
        lags.see(KEY, start + seconds(1), sight(500, 500, 0));

        lags.see(KEY, start + seconds(30), sight(20, 500, 0));

        assert_eq!(lags.oldest(), Some(start + seconds(1)));
    }
}
