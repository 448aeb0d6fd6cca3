//! The bytes of one file: as every process sees them, and as they are on the disk.

use super::disk::Rule;
use ringtail::sink::faults::Choices;
use std::collections::BTreeSet;
use std::ops::Range;

/// What is written back at once, at best.
pub const PAGE: usize = 4096;
/// What a disk writes whole or not at all.
pub const SECTOR: usize = 512;

/// A file's bytes.
#[derive(Clone, Debug, Default)]
pub struct Content {
    live: Vec<u8>,
    disk: Vec<u8>,
    /// What was done since the last sync, in order.
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Change {
    /// Does it to a file.
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Change::Write { at, bytes } => {
                let end = at + bytes.len();
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[*at..end].copy_from_slice(bytes);
            }
            Change::Resize(length) => file.resize(*length, 0),
        }
    }

    /// Does it to one page of a file, which begins at `start`.
    fn apply_to_page(&self, page: &mut [u8], start: usize) {
        match self {
            Change::Write { at, bytes } => {
                let (from, to) = ((*at).max(start), (at + bytes.len()).min(start + page.len()));
                if from < to {
                    page[from - start..to - start].copy_from_slice(&bytes[from - at..to - at]);
                }
            }
            Change::Resize(length) => {
                let from = length.saturating_sub(start).min(page.len());
                page[from..].fill(0);
            }
        }
    }

    fn length_after(&self, before: usize) -> usize {
        match self {
            Change::Write { at, bytes } => before.max(at + bytes.len()),
            Change::Resize(length) => *length,
        }
    }

    /// The pages whose bytes it changes in a file that is `length` long.
    fn pages(&self, length: usize) -> Range<usize> {
        match self {
            Change::Write { at, bytes } => at / PAGE..(at + bytes.len()).div_ceil(PAGE),
            Change::Resize(new) => new / PAGE..length.div_ceil(PAGE),
        }
    }
}

impl Content {
    /// What a reader gets.
    pub fn live(&self) -> &[u8] {
        &self.live
    }

    /// Writes, for now only to where readers look.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        self.change(Change::Write { at, bytes: bytes.to_vec() });
    }

    /// Makes it shorter, or longer by zeros.
    pub fn resize(&mut self, length: usize) {
        if length != self.live.len() {
            self.change(Change::Resize(length));
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    /// `fsync`, `fdatasync`: everything written so far is on the disk.
    pub fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.disk);
        }
    }

    /// The power goes: what was not synced is there in part, and that is what readers find from now on. True if anything is lost.
    ///
    /// `late` of a thousand pages were written back as they were in the end. Each other page is as it was at some moment since the last
    /// sync, perhaps with sectors of two moments; the length is that of some moment too, and shows zeros where no data came.
    pub fn cut(&mut self, choices: &mut Choices, rule: Rule, late: u32) -> bool {
        let changes = std::mem::take(&mut self.pending);
        if changes.is_empty() {
            return false;
        }
        let lengths: Vec<usize> = std::iter::once(self.disk.len())
            .chain(changes.iter().scan(self.disk.len(), |length, change| {
                *length = change.length_after(*length);
                Some(*length)
            }))
            .collect();
        let moment = if choices.happens(late) { changes.len() } else { choices.below(lengths.len() as u64) as usize };
        let (before, length) = (self.disk.len(), lengths[moment]);
        let longest = lengths.iter().copied().max().unwrap_or_default();
        let touched: BTreeSet<usize> = changes.iter().flat_map(|change| change.pages(longest)).collect();
        let mut after = self.disk.clone();
        after.resize(longest.div_ceil(PAGE) * PAGE, 0);
        for page in touched.into_iter().filter(|page| page * PAGE < length) {
            let of_page: Vec<usize> = (0..changes.len()).filter(|n| changes[*n].pages(longest).contains(&page)).collect();
            // Nobody gets back what stood there before the file was made as short as it is now, and an ordered journal shows no length
            // before the data that it needs.
            let is_new = (page + 1) * PAGE > before;
            let must = |n: &&usize| **n < moment && (matches!(changes[**n], Change::Resize(_)) || (rule == Rule::Ordered && is_new));
            let least = of_page.iter().rposition(|n| must(&n)).map_or(0, |last| last + 1);
            let mut version =
                || if choices.happens(late) { of_page.len() } else { least + choices.below((of_page.len() + 1 - least) as u64) as usize };
            let versions = [version(), version()];
            let torn = choices.happens(250);
            let start = page * PAGE;
            let [one, other] = versions.map(|version| {
                let mut bytes = after[start..start + PAGE].to_vec();
                of_page[..version].iter().for_each(|n| changes[*n].apply_to_page(&mut bytes, start));
                bytes
            });
            for sector in (0..PAGE).step_by(SECTOR) {
                let from = if torn && choices.happens(500) { &other } else { &one };
                after[start + sector..start + sector + SECTOR].copy_from_slice(&from[sector..sector + SECTOR]);
            }
        }
        after.truncate(length);
        after.resize(length, 0);
        let lost = after != self.live;
        self.live.clone_from(&after);
        self.disk = after;
        lost
    }
}
