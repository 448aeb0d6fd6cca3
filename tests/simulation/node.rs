//! The node: it appends entries to its commit log, marks and syncs, links, closes, discards, dies and replays.
//!
//! What was observed of real nodes stands in `tests/support/plan.rs` and holds here too. There everything is planned beforehand; here
//! the node goes on with what it finds, so it may be stopped, and its machine switched off, at any moment.

use crate::disk::{CDC_RAW, COMMITLOG, Disk, SPOOL};
use crate::entries::{Pool, pool};
use crate::support::expected;
use crate::support::segment::{self, MARKER};
use ringtail::commitlog::SegmentName;
use ringtail::sink::faults::Choices;
use std::collections::VecDeque;

/// What has become of an entry at the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In the file or the buffer, not under a marker: the node's death takes it.
    Written,
    /// Under a marker: the machine's death may take it.
    Marked,
    /// On disk.
    Synced,
    /// Never under a marker.
    Dropped,
    /// It was under a marker, and the machine's death has taken it.
    Torn,
    /// Under a marker, and its bytes are not what was written.
    Damaged,
}

/// An entry where it was written.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// The end of its frame: its position.
    pub end: u32,
    /// Which.
    pub template: usize,
    /// What has become of it.
    pub standing: Standing,
}

impl Placed {
    /// Whether its events must arrive.
    pub fn is_due(&self) -> bool {
        matches!(self.standing, Standing::Marked | Standing::Synced)
    }
}

/// A segment, and what is true of it.
#[derive(Debug)]
pub struct Segment {
    /// Its name.
    pub name: SegmentName,
    /// Its file.
    pub inode: u64,
    /// Its entries, in order.
    pub entries: Vec<Placed>,
    /// Whether it holds CDC data.
    pub cdc: bool,
    /// Whether somebody has destroyed it before everything of it had arrived, and whether the agent's ledger knew it then.
    pub destroyed: Option<bool>,
    /// Whether somebody has removed our link.
    pub vandalized: bool,
    /// How many of its entries were found to be where a durable record says that they are.
    pub checked: usize,
    /// Up to where it is readable in the mode `synced`, as the index tells.
    pub indexed: u32,
    /// Whether nobody writes to it any more.
    pub closed: bool,
    compressed: bool,
    /// The offset and the logical position where the next marker stands, and which entry comes behind it.
    next: (usize, usize, usize),
    /// The same of each section.
    sections: Vec<(usize, usize, usize)>,
    /// Where the next entry is written, in logical bytes.
    write_at: usize,
    buffer: Vec<u8>,
    discarded: bool,
}

/// How this node is configured, and what it writes.
#[derive(Clone, Debug)]
pub struct Habits {
    /// Whether segments are compressed.
    pub compressed: bool,
    /// A segment's size.
    pub size: usize,
    /// How many segments `cdc_raw` holds.
    pub room: usize,
    /// `cdc_block_writes`: whether CDC writes are refused when it is full, or the oldest names go.
    pub blocks: bool,
    /// The entries that it writes.
    pub menu: Vec<usize>,
    /// How often in a thousand an entry rots on the disk.
    pub rots_per_mille: u32,
}

/// The node.
pub struct Node {
    /// Its segments, by id.
    pub segments: Vec<Segment>,
    habits: Habits,
    choices: Choices,
    next_id: u64,
    active: Option<usize>,
    spare: Option<usize>,
    alive: bool,
    /// Segments of before the last death, which the replay is still to end.
    replaying: VecDeque<usize>,
    /// An index that is truncated and not written.
    half_index: Option<(SegmentName, String)>,
    /// The rest of a section that is being written, and what comes when it is.
    half_section: Option<Vec<u8>>,
    /// What it has done last.
    pub said: String,
    /// Whether it says so.
    pub says: bool,
    /// How often somebody has removed a link of ours.
    pub vandalisms: u64,
}

impl Habits {
    /// Chosen by a seed.
    pub fn choose(choices: &mut Choices) -> Habits {
        let Pool { by_key, silent, .. } = pool();
        let mut menu = Vec::new();
        for _ in 0..1 + choices.below(5) {
            let of_key = &by_key[choices.below(by_key.len() as u64) as usize];
            for _ in 0..1 + choices.below(4) {
                menu.push(of_key[choices.below(of_key.len() as u64) as usize]);
            }
        }
        for _ in 0..choices.below(3) {
            menu.push(silent[choices.below(silent.len() as u64) as usize]);
        }
        Habits {
            compressed: choices.happens(300),
            size: 600 + choices.below(2500) as usize,
            room: 2 + choices.below(4) as usize,
            blocks: choices.happens(500),
            menu,
            rots_per_mille: if choices.happens(150) { 20 } else { 0 },
        }
    }
}

impl Segment {
    /// Whether anything of it must arrive.
    pub fn due(&self) -> impl Iterator<Item = &Placed> {
        self.entries.iter().filter(|placed| placed.is_due())
    }

    fn mark(&mut self, from: Standing, to: Standing) {
        self.entries.iter_mut().filter(|placed| placed.standing == from).for_each(|placed| placed.standing = to);
    }
}

impl Node {
    /// A node that was just started.
    pub fn new(seed: u64, habits: Habits, disk: &mut Disk) -> Node {
        let mut node = Node {
            segments: Vec::new(),
            habits,
            choices: Choices::new(seed),
            next_id: 1_000_000,
            active: None,
            spare: None,
            alive: true,
            replaying: VecDeque::new(),
            half_index: None,
            half_section: None,
            said: String::new(),
            says: false,
            vandalisms: 0,
        };
        node.spare = Some(node.make(disk));
        node
    }

    /// The segment of this id.
    pub fn segment(&self, id: u64) -> Option<&Segment> {
        self.segments.binary_search_by_key(&id, |segment| segment.name.id.0).ok().map(|i| &self.segments[i])
    }

    /// One thing.
    pub fn step(&mut self, disk: &mut Disk) {
        if let Some((name, text)) = self.half_index.take() {
            disk.node_writes(CDC_RAW, &name.index(), text.as_bytes());
            return self.say("writes the index", name);
        }
        if !self.alive {
            return self.start(disk);
        }
        if let Some(rest) = self.half_section.take() {
            return self.end_section(disk, &rest);
        }
        if let Some(old) = self.replaying.pop_front() {
            return self.replay(disk, old);
        }
        match self.choices.below(100) {
            0..50 => self.write(disk),
            50..70 => self.mark(disk, false),
            70..85 => self.mark(disk, true),
            85..92 => self.discard_one(disk),
            92..94 => self.kill(disk),
            94 => self.stop(disk),
            95 => self.vandalize(disk),
            _ => {}
        }
    }

    fn say(&mut self, what: &str, name: SegmentName) {
        if self.says {
            self.said = format!("node {what} of {}", name.id.0);
        }
    }

    fn make(&mut self, disk: &mut Disk) -> usize {
        self.next_id += 1 + self.choices.below(3);
        let id = self.next_id;
        let name = expected::name(id);
        let (bytes, header) = match self.habits.compressed {
            true => (segment::lz4_header(id), segment::lz4_header(id).len()),
            false => (segment::plain(id, &[], self.habits.size), segment::plain(id, &[], 0).len()),
        };
        let inode = disk.node_creates(COMMITLOG, &name.log(), bytes);
        self.segments.push(Segment {
            name,
            inode,
            entries: Vec::new(),
            cdc: false,
            destroyed: None,
            vandalized: false,
            checked: 0,
            indexed: 0,
            closed: false,
            compressed: self.habits.compressed,
            next: (header, header, 0),
            sections: Vec::new(),
            write_at: header + MARKER,
            buffer: Vec::new(),
            discarded: false,
        });
        // Where there is no room the link comes late.
        if !self.choices.happens(150) {
            disk.node_links(CDC_RAW, &name.log(), inode);
        }
        self.say("makes the file", name);
        self.segments.len() - 1
    }

    fn write(&mut self, disk: &mut Disk) {
        let active = match self.active {
            Some(active) => active,
            None => return self.advance(disk),
        };
        let place = self.habits.menu[self.choices.below(self.habits.menu.len() as u64) as usize];
        let template = &pool().templates[place];
        let end = self.segments[active].write_at + template.frame.len();
        if end + MARKER > self.habits.size.max(template.frame.len() + 200) {
            self.close(disk, active);
            return self.advance(disk);
        }
        if template.cdc && !self.may_write_cdc(disk, active) {
            return;
        }
        let rots = self.choices.happens(self.habits.rots_per_mille);
        let segment = &mut self.segments[active];
        let mut frame = template.frame.clone();
        if rots {
            let last = frame.len() - 5;
            frame[last] ^= 0x40;
        }
        if segment.compressed {
            segment.buffer.extend(&frame);
        } else {
            let bytes = disk.bytes_mut(segment.inode);
            // A segment is as long as its longest entry needs.
            if bytes.len() < end + MARKER {
                bytes.resize(end + MARKER, 0);
            }
            bytes[end - frame.len()..end].copy_from_slice(&frame);
        }
        segment.write_at = end;
        segment.cdc |= template.cdc;
        // It shows when it is under a marker.
        let standing = if rots { Standing::Damaged } else { Standing::Written };
        segment.entries.push(Placed { end: end as u32, template: place, standing });
        let name = segment.name;
        self.say("appends an entry", name);
    }

    /// Whether there is a link, or could be made one.
    fn may_write_cdc(&mut self, disk: &mut Disk, active: usize) -> bool {
        let name = self.segments[active].name;
        let is_linked = disk.names[CDC_RAW].contains_key(&name.log());
        if is_linked || self.segments[active].cdc {
            return true;
        }
        while disk.names[CDC_RAW].keys().filter(|name| name.ends_with(".log")).count() >= self.habits.room {
            if self.habits.blocks {
                return false;
            }
            // The oldest names go.
            let Some(oldest) = disk.names[CDC_RAW].keys().find(|name| name.ends_with(".log")).cloned() else { break };
            disk.node_unlinks(CDC_RAW, &oldest);
            disk.node_unlinks(CDC_RAW, &oldest.replace(".log", "_cdc.idx"));
        }
        disk.node_links(CDC_RAW, &name.log(), self.segments[active].inode);
        true
    }

    /// The spare becomes the active one.
    fn advance(&mut self, disk: &mut Disk) {
        let active = self.spare.take().unwrap_or_else(|| self.make(disk));
        self.active = Some(active);
        self.spare = Some(self.make(disk));
    }

    /// Sets a marker behind what was written; with `fsync` all of it is on disk, and the index says so.
    fn mark(&mut self, disk: &mut Disk, fsync: bool) {
        let Some(active) = self.active else { return };
        let segment = &mut self.segments[active];
        let (offset, position, first) = segment.next;
        if segment.compressed && !fsync {
            return;
        }
        if segment.entries.len() > first {
            segment.sections.push(segment.next);
            let section = if segment.compressed {
                let section = segment::lz4_section(&std::mem::take(&mut segment.buffer));
                let next = offset + MARKER + section.len();
                let bytes = disk.bytes_mut(segment.inode);
                let mut whole = segment::marker(segment.name.id.0, offset, next).to_vec();
                whole.extend(section);
                let half = self.choices.below(whole.len() as u64) as usize;
                bytes.extend(&whole[..half]);
                segment.next.0 = next;
                Some(whole.split_off(half))
            } else {
                let next = segment.write_at;
                let marker = segment::marker(segment.name.id.0, offset, next);
                disk.bytes_mut(segment.inode)[offset..offset + MARKER].copy_from_slice(&marker);
                segment.next.0 = next;
                None
            };
            segment.next = (segment.next.0, segment.write_at, segment.entries.len());
            segment.write_at += MARKER;
            debug_assert!(position < segment.write_at);
            segment.mark(Standing::Written, Standing::Marked);
            if let Some(rest) = section {
                self.half_section = Some(rest);
                let name = segment.name;
                return self.say("writes half a section", name);
            }
        }
        if fsync {
            self.synced(disk, active);
        }
        let name = self.segments[active].name;
        self.say(if fsync { "syncs the data" } else { "sets a marker" }, name);
    }

    fn end_section(&mut self, disk: &mut Disk, rest: &[u8]) {
        let Some(active) = self.active else { return };
        disk.bytes_mut(self.segments[active].inode).extend(rest);
        self.synced(disk, active);
        let name = self.segments[active].name;
        self.say("syncs the section", name);
    }

    fn synced(&mut self, disk: &mut Disk, active: usize) {
        let segment = &mut self.segments[active];
        segment.mark(Standing::Marked, Standing::Synced);
        if segment.cdc {
            segment.indexed = segment.next.1 as u32;
            let (name, text) = (segment.name, segment.indexed.to_string());
            self.index(disk, name, text);
        }
    }

    /// Truncated and written, which is two things.
    fn index(&mut self, disk: &mut Disk, name: SegmentName, text: String) {
        if self.half_index.is_none() && self.choices.happens(300) {
            disk.node_writes(CDC_RAW, &name.index(), b"");
            self.half_index = Some((name, text));
        } else {
            disk.node_writes(CDC_RAW, &name.index(), text.as_bytes());
        }
    }

    fn finish_halves(&mut self, disk: &mut Disk) {
        if let Some(rest) = self.half_section.take() {
            self.end_section(disk, &rest);
        }
        if let Some((name, text)) = self.half_index.take() {
            disk.node_writes(CDC_RAW, &name.index(), text.as_bytes());
        }
    }

    fn close(&mut self, disk: &mut Disk, active: usize) {
        self.finish_halves(disk);
        self.mark(disk, true);
        self.finish_halves(disk);
        let segment = &mut self.segments[active];
        segment.closed = true;
        if segment.cdc {
            let (name, text) = (segment.name, format!("{}\nCOMPLETED", segment.next.1));
            self.index(disk, name, text);
        }
        self.active = None;
    }

    /// Its tables are flushed: the node needs the segment no more.
    fn discard_one(&mut self, disk: &mut Disk) {
        let Some(i) = (0..self.segments.len()).find(|i| self.segments[*i].closed && !self.segments[*i].discarded) else { return };
        self.discard(disk, i);
    }

    fn discard(&mut self, disk: &mut Disk, i: usize) {
        let segment = &mut self.segments[i];
        segment.discarded = true;
        segment.closed = true;
        let name = segment.name;
        disk.node_unlinks(COMMITLOG, &name.log());
        if !segment.cdc && disk.names[CDC_RAW].get(&name.log()) == Some(&segment.inode) {
            disk.node_unlinks(CDC_RAW, &name.log());
        }
        self.say("discards the name", name);
    }

    /// A clean stop leaves the link of the spare segment behind.
    fn stop(&mut self, disk: &mut Disk) {
        self.finish_halves(disk);
        if let Some(active) = self.active {
            self.close(disk, active);
        }
        self.finish_halves(disk);
        while let Some(old) = self.replaying.pop_front() {
            self.replay(disk, old);
            self.finish_halves(disk);
        }
        for i in 0..self.segments.len() {
            if self.segments[i].closed && !self.segments[i].discarded {
                self.discard(disk, i);
            }
        }
        if let Some(spare) = self.spare.take() {
            let segment = &mut self.segments[spare];
            (segment.closed, segment.discarded) = (true, true);
            disk.node_unlinks(COMMITLOG, &segment.name.log());
        }
        self.alive = false;
        self.said = "node stops".into();
    }

    /// `kill -9`.
    pub fn kill(&mut self, disk: &mut Disk) {
        self.die(disk);
        self.said = "node is killed".into();
    }

    fn die(&mut self, disk: &mut Disk) {
        if let Some(active) = self.active.take() {
            let segment = &mut self.segments[active];
            if self.half_section.take().is_some() {
                // Half a section is none.
                let (offset, position, first) = segment.sections.pop().expect("the section");
                segment.next = (offset, position, first);
                segment.entries[first..].iter_mut().for_each(|placed| placed.standing = Standing::Written);
            }
            let first = segment.next.2;
            segment.entries[first..].iter_mut().for_each(|placed| placed.standing = Standing::Dropped);
        }
        self.half_section = None;
        // What was truncated stays empty.
        self.half_index = None;
        self.spare = None;
        self.alive = false;
        self.replaying.clear();
        let left: Vec<usize> = (0..self.segments.len()).filter(|i| !self.segments[*i].discarded).collect();
        left.iter().for_each(|i| self.segments[*i].closed = true);
        debug_assert!(disk.names[COMMITLOG].len() <= left.len());
        self.replaying.extend(left);
    }

    /// The machine dies with the node: what was not synced is gone from some section on.
    pub fn lose_power(&mut self, disk: &mut Disk) {
        self.die(disk);
        for i in self.replaying.clone() {
            let segment = &mut self.segments[i];
            let unsynced = segment.entries.iter().position(|placed| placed.standing == Standing::Marked);
            if let Some(first) = unsynced {
                let from = segment.sections.partition_point(|(.., entry)| *entry < first);
                let left = from + self.choices.below((segment.sections.len() - from) as u64 + 1) as usize;
                if let Some((offset, position, entry)) = segment.sections.get(left).copied() {
                    segment.sections.truncate(left);
                    segment.next = (offset, position, entry);
                    let torn = segment.entries[entry..].iter_mut().filter(|placed| placed.standing != Standing::Dropped);
                    torn.for_each(|placed| placed.standing = Standing::Torn);
                }
                segment.mark(Standing::Marked, Standing::Synced);
                segment.cdc = segment.entries[..segment.next.2].iter().any(|placed| pool().templates[placed.template].cdc);
            }
            let end = segment.next.0;
            let bytes = disk.bytes_mut(segment.inode);
            match segment.compressed {
                true => bytes.truncate(end),
                false => bytes[end..].fill(0),
            }
        }
        self.said = "the power goes off".into();
    }

    fn start(&mut self, disk: &mut Disk) {
        self.next_id += 1000;
        self.alive = true;
        self.spare = Some(self.make(disk));
        self.said = "node starts".into();
    }

    /// Links again what holds CDC data, whoever has removed it, and ends it.
    fn replay(&mut self, disk: &mut Disk, i: usize) {
        let segment = &mut self.segments[i];
        segment.mark(Standing::Marked, Standing::Synced);
        if segment.cdc {
            let (name, inode) = (segment.name, segment.inode);
            if !disk.names[CDC_RAW].contains_key(&name.log()) {
                disk.node_links(CDC_RAW, &name.log(), inode);
            }
            let text = format!("{}\nCOMPLETED", disk.bytes(inode).len());
            self.index(disk, name, text);
        }
        self.discard(disk, i);
        let name = self.segments[i].name;
        self.say("replays the file", name);
    }

    /// Somebody removes a file of ours.
    fn vandalize(&mut self, disk: &mut Disk) {
        if !self.choices.happens(150) {
            return;
        }
        let names: Vec<String> = disk.names[SPOOL].keys().cloned().collect();
        if names.is_empty() {
            return;
        }
        let name = &names[self.choices.below(names.len() as u64) as usize];
        let inode = disk.names[SPOOL][name];
        disk.node_unlinks(SPOOL, name);
        self.vandalisms += 1;
        if let Some(segment) = self.segments.iter_mut().find(|segment| segment.inode == inode) {
            segment.vandalized = true;
        }
        self.said = format!("somebody removes {name} from the spool");
    }

    /// The end of the story: everything is replayed and the node stops.
    pub fn end(&mut self, disk: &mut Disk) {
        self.finish_halves(disk);
        if !self.alive {
            self.start(disk);
        }
        self.stop(disk);
        // A node goes on writing, which proves the end of what nothing else proves it of.
        self.habits.room = usize::MAX;
        self.start(disk);
        for _ in 0..3 {
            self.write(disk);
            self.write(disk);
            self.mark(disk, true);
            self.finish_halves(disk);
        }
        self.stop(disk);
        self.finish_halves(disk);
    }
}
