//! What a node will do, chosen by a seed.
//!
//! What was observed of real nodes and holds here:
//!
//! - A segment is made and linked with only its header, and the next one is made before it is used. Where `cdc_raw` is full the link
//!   comes late, but before the first CDC mutation.
//! - A sync writes the data first, then the marker, in two stores, then the index, which is truncated and written anew. The index first
//!   appears at the first sync after the first CDC mutation.
//! - A discard removes the node's name, and the link too if there was no CDC data.
//! - A clean stop leaves a link without an index behind.
//! - After a kill the replay links again what the consumer has removed already, and writes the file's length into the index.

use super::node::{Content, Step};
use super::segment::{self, Layout, MARKER};
use ringtail::commitlog::SegmentName;
use ringtail::mutation;
use ringtail::position::SegmentId;
use ringtail::schema::Catalog;
use ringtail::sink::faults::Choices;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter;
use std::ops::Range;

/// How a segment comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is full: the next one follows.
    Full,
    /// The node is stopped cleanly and started again.
    Stop,
    /// The node is killed after this many sections, and started again.
    Kill(usize),
}

/// Everything that a node will do.
pub struct Plan<'c> {
    catalog: &'c Catalog,
    choices: Choices,
    next_id: u64,
    /// What is to be done, in order.
    pub steps: VecDeque<Step>,
    /// Every segment, as it will be.
    pub contents: BTreeMap<u64, Content>,
    /// The pre-allocated segment, with its kind.
    spare: Option<(u64, bool)>,
    /// Closed segments that the node still has: they are discarded some time later.
    closed: VecDeque<u64>,
    /// Segments without a link yet: there was no room for them in `cdc_raw` when they were made.
    unlinked: BTreeSet<u64>,
}

impl<'c> Plan<'c> {
    /// A plan whose choices come from `seed`. Segments get ids from `first_id` on.
    pub fn new(catalog: &'c Catalog, seed: u64, first_id: u64) -> Plan<'c> {
        Plan {
            catalog,
            choices: Choices::new(seed),
            next_id: first_id,
            steps: VecDeque::new(),
            contents: BTreeMap::new(),
            spare: None,
            closed: VecDeque::new(),
            unlinked: BTreeSet::new(),
        }
    }

    /// Writes a segment, section by section; answers its id. `next` says of which kind the next segment is.
    pub fn segment(&mut self, recorded: &[u8], ending: Ending, next: &[u8]) -> u64 {
        self.damaged_segment(recorded, ending, next, |_| {})
    }

    /// The same; `damage` changes what will be in the file. Without CDC data nothing is changed, because then the node may take the
    /// segment back before anybody has seen it.
    pub fn damaged_segment(&mut self, recorded: &[u8], ending: Ending, next: &[u8], damage: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let compressed = Layout::of(recorded).compressed;
        let id = self.open(compressed, recorded.len());
        let bytes = segment::reidentify(recorded, id);
        let layout = Layout::of(&bytes);
        let ends = layout.logical_ends(&bytes);
        let count = if let Ending::Kill(count) = ending { count.min(ends.len()) } else { ends.len() };
        let cdc = self.sections_with_cdc(&bytes, &ends[..count]);
        let is_cdc = cdc.contains(&true);
        let mut content = segment::cut(&bytes, count);
        let unsynced = match ending {
            Ending::Kill(_) if !compressed => self.unsynced(&bytes, layout.sections.get(count), layout.end(), is_cdc),
            _ => Vec::new(),
        };
        unsynced.iter().for_each(|range| content[range.clone()].copy_from_slice(&bytes[range.clone()]));
        if is_cdc {
            damage(&mut content);
        }
        self.contents.insert(id, Content { bytes: content, cdc: is_cdc, ..self.contents[&id].clone() });
        self.spare(next);

        let mut indexed = false;
        for (section, has_cdc) in cdc.into_iter().enumerate() {
            // Without a link no CDC mutation is accepted.
            if has_cdc && self.unlinked.remove(&id) {
                self.push(Step::Link(id));
            }
            self.sync(id, &layout, section);
            indexed |= has_cdc;
            if indexed {
                self.index(id, ends[section].to_string());
            }
        }
        unsynced.into_iter().for_each(|range| self.push(Step::Write(id, range)));
        let end = ends[..count].last().copied().unwrap_or(layout.header);
        match ending {
            Ending::Full => self.close(id, end),
            Ending::Stop => self.stop(id, end, next),
            Ending::Kill(_) => self.kill(id, next),
        }
        id
    }

    /// The node stops for good.
    pub fn end(&mut self) {
        while self.discard_one() {}
        if let Some((spare, _)) = self.spare.take() {
            self.push(Step::Discard(spare));
        }
    }

    /// What a kill leaves behind the last marker: some of the next section, perhaps with half of its marker, or what the recording has
    /// there.
    fn unsynced(&mut self, bytes: &[u8], next: Option<&Range<usize>>, end: usize, may_tear: bool) -> Vec<Range<usize>> {
        let Some(next) = next else {
            let behind = bytes[end..].iter().rposition(|byte| *byte != 0).map_or(end, |last| end + last + 1);
            return iter::once((end + MARKER).min(behind)..behind).collect();
        };
        let data = next.start + MARKER;
        if may_tear && self.choices.happens(300) {
            return vec![data..next.end, next.start..next.start + 4];
        }
        let some = self.choices.below((next.end - data) as u64 + 1) as usize;
        iter::once(data..data + some).collect()
    }

    fn push(&mut self, step: Step) {
        self.steps.push_back(step);
        if self.choices.happens(100) {
            self.discard_one();
        }
    }

    /// The pre-allocated segment if it is of this kind, else a new one.
    fn open(&mut self, compressed: bool, length: usize) -> u64 {
        match self.spare.take() {
            Some((id, kind)) if kind == compressed => id,
            other => {
                self.spare = other;
                self.make(compressed, length)
            }
        }
    }

    fn make(&mut self, compressed: bool, length: usize) -> u64 {
        self.next_id += 1 + self.choices.below(3);
        let id = self.next_id;
        let bytes = if compressed { segment::lz4(id, &[]) } else { segment::plain(id, &[], length) };
        let header = Layout::of(&bytes).header;
        let name = SegmentName { id: SegmentId(id), version: 7 };
        self.contents.insert(id, Content { name, bytes, header, grows: compressed, cdc: false });
        self.steps.push_back(Step::Create(id));
        if self.choices.happens(150) {
            self.unlinked.insert(id);
        } else {
            self.steps.push_back(Step::Link(id));
        }
        id
    }

    fn spare(&mut self, like: &[u8]) {
        if self.spare.is_none() {
            let compressed = Layout::of(like).compressed;
            self.spare = Some((self.make(compressed, like.len()), compressed));
        }
    }

    /// One sync: data first, in pieces and in any order, then the two halves of the marker.
    fn sync(&mut self, id: u64, layout: &Layout, section: usize) {
        let Range { start, end } = layout.sections[section];
        let data = start + MARKER;
        if layout.compressed {
            // One write, which a reader can see half of.
            let half = start + self.choices.below((end - start) as u64) as usize;
            self.push(Step::Write(id, start..half));
            return self.push(Step::Write(id, half..end));
        }
        let mut pieces = vec![data, end];
        for _ in 0..self.choices.below(3) {
            pieces.push(data + self.choices.below((end - data) as u64 + 1) as usize);
        }
        pieces.sort_unstable();
        let mut pieces: Vec<Range<usize>> = pieces.windows(2).map(|piece| piece[0]..piece[1]).collect();
        while !pieces.is_empty() {
            let piece = pieces.swap_remove(self.choices.below(pieces.len() as u64) as usize);
            self.push(Step::Write(id, piece));
        }
        if self.choices.happens(500) {
            self.push(Step::Write(id, start..start + 4));
        }
        self.push(Step::Write(id, start..data));
    }

    fn index(&mut self, id: u64, text: String) {
        self.push(Step::EmptyIndex(id));
        self.push(Step::Index(id, text));
    }

    /// The segment is full. Its name in `commitlog` goes some time later, when its tables are flushed.
    fn close(&mut self, id: u64, end: usize) {
        if self.contents[&id].cdc {
            self.index(id, format!("{end}\nCOMPLETED"));
        }
        self.closed.push_back(id);
    }

    fn discard_one(&mut self) -> bool {
        let Some(id) = self.closed.pop_front() else { return false };
        self.steps.push_back(Step::Discard(id));
        if !self.contents[&id].cdc {
            self.steps.push_back(Step::Unlink(id));
        }
        true
    }

    /// A clean stop: the pre-allocated segment loses its name in `commitlog`, but not its link.
    fn stop(&mut self, id: u64, end: usize, next: &[u8]) {
        self.close(id, end);
        self.end();
        self.restart(next);
    }

    /// A kill and the replay at the next start.
    fn kill(&mut self, id: u64, next: &[u8]) {
        let spare = self.spare.take();
        let mut replayed: Vec<u64> = self.closed.drain(..).collect();
        replayed.push(id);
        self.restart(next);
        for id in replayed {
            if self.contents[&id].cdc {
                self.push(Step::Link(id));
                let length = self.contents[&id].bytes.len();
                self.index(id, format!("{length}\nCOMPLETED"));
            }
            self.push(Step::Discard(id));
            if !self.contents[&id].cdc {
                self.push(Step::Unlink(id));
            }
        }
        if let Some((spare, _)) = spare {
            self.push(Step::Discard(spare));
            self.push(Step::Unlink(spare));
        }
    }

    /// Two segments of another time.
    fn restart(&mut self, next: &[u8]) {
        self.next_id += 1000;
        self.spare(next);
    }

    /// Which sections hold a mutation of a table with `cdc = true`, by where they end.
    fn sections_with_cdc(&self, bytes: &[u8], ends: &[usize]) -> Vec<bool> {
        let mut found = vec![false; ends.len()];
        for (end, frame) in segment::entries_with_ends(bytes) {
            let body = &frame[8..frame.len() - 4];
            let updates =
                mutation::decode(body, self.catalog).map_or_else(|incomplete| incomplete.leading.updates, |mutation| mutation.updates);
            let section = ends.partition_point(|section_end| *section_end < end as usize);
            if let Some(found) = found.get_mut(section) {
                *found |= updates.iter().any(|update| update.table.cdc);
            }
        }
        found
    }
}
