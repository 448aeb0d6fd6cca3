//! Parked entries come out again, in order.
//!
//! A *pass* goes through everything that waits, first come first, between two reads: the reader stands still from the moment when a
//! newer catalog may help until all that can be published is in the sink's hands. It begins only when a durable checkpoint covers
//! everything that was read: then no failed delivery can send the reader back before a parked entry, and what has to come first
//! has come first. Events go through the same window as any others, so their files go when they, and all before them, are
//! durable. A failed delivery in between makes a new pass, before anything is read.

use super::again::{Rest, Retried};
use super::asked::Asked;
use super::entry::{Aside, Desk};
use super::error::Fatal;
use super::let_go::{Moved, let_go};
use super::park::{Class, Note, Outcome, Place, Requests, read_frame, read_note};
use super::tables::Definitions;
use super::tail::Fate;
use super::{Pipeline, key_of};
use crate::checkpoint::SegmentState;
use crate::position::{CommitLogPosition, LogicalPosition, SegmentId};
use crate::progress::Ticket;
use crate::schema::TableId;
use crate::sink::RetriedPosition;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Instant;

/// What waits, what is under way, and who asked for it.
#[derive(Debug)]
pub(super) struct Retries {
    /// What was known when everything was last tried.
    tried: Option<(u64, u64)>,
    /// What it said of the tables that are waited for.
    definitions: HashMap<TableId, Definitions>,
    pass: Option<UnderWay>,
    /// Handed over, and their files still there.
    sent: VecDeque<HandedOver>,
    pub asked: Option<Asked>,
    pub requests: Option<Requests>,
    pub next_request: Option<Instant>,
    /// Whether nothing is to be read: what is asked for is all there is to do.
    pub is_alone: bool,
}

/// A pass: what is left of it, and the first event of the first of these that is not in the sink's hands.
#[derive(Debug)]
struct UnderWay {
    todo: VecDeque<Place>,
    from: u32,
    /// What was known when it began.
    stamp: (u64, u64),
}

/// An entry of which everything, or a part, is in the sink's hands.
#[derive(Debug)]
struct HandedOver {
    place: Place,
    /// It has durably arrived once this is the first ticket in the window.
    until: Ticket,
    then: Then,
}

#[derive(Debug)]
enum Then {
    /// It goes.
    Go(Fate),
    /// This is its note.
    Note(Box<Note>),
}

/// Whether the reader may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It may.
    Read,
    /// There is more to hand over, and room for it.
    More,
    /// It waits.
    Wait,
}

/// How far the reader has come with a parked entry's segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// It is read again, and that has not come to the entry.
    Unread,
    /// Read, and not yet durable.
    Read,
    /// A durable checkpoint covers the entry.
    Durable,
}

impl Retries {
    pub fn new(requests: Option<PathBuf>) -> Retries {
        Retries {
            tried: None,
            definitions: HashMap::new(),
            pass: None,
            sent: VecDeque::new(),
            asked: None,
            requests: requests.map(Requests::new),
            next_request: None,
            is_alone: false,
        }
    }

    /// Whether nothing is under way.
    pub fn is_at_rest(&self) -> bool {
        self.is_idle() && self.asked.is_none()
    }

    /// Whether no parked entry is in anybody's hands.
    pub fn is_idle(&self) -> bool {
        self.pass.is_none() && self.sent.is_empty()
    }

    /// What is in the sink's hands, as a record of positions lists it.
    pub fn handed_over(&self) -> Vec<RetriedPosition> {
        let listed = |sent: &HandedOver| RetriedPosition {
            segment: sent.place.at.segment.0,
            position: sent.place.at.position.0,
            ordinal: sent.place.ordinal,
            update: match &sent.then {
                Then::Go(_) => None,
                Then::Note(note) => Some(note.first_update),
            },
        };
        self.sent.iter().map(listed).collect()
    }

    /// Everything that waits is to be tried again.
    pub fn try_all(&mut self) {
        self.tried = None;
    }

    fn note(&mut self, place: Place, outcome: Outcome) {
        if let Some(asked) = &mut self.asked {
            asked.note(place, outcome);
        }
    }
}

impl Pipeline {
    /// Hands over what waits, if a pass is due or under way.
    pub(super) fn retry(&mut self, until: Instant) -> Result<Turn, Fatal> {
        if self.retries.pass.is_none() {
            if !self.is_pass_due() {
                return Ok(Turn::Read);
            }
            if !self.retries.sent.is_empty() {
                return Ok(Turn::Wait);
            }
            let reach = self.reached();
            match reach.values().min() {
                _ if self.retries.is_alone => {}
                Some(Reach::Unread) => return Ok(Turn::Read),
                Some(Reach::Read) => return Ok(Turn::Wait),
                Some(Reach::Durable) | None => {}
            }
            self.begin_pass(&reach)?;
        }
        while let Some(place) = self.retries.pass.as_ref().and_then(|pass| pass.todo.front().copied()) {
            if self.schedule.clock.now() >= until {
                return Ok(Turn::More);
            }
            if !self.retry_one(place)? {
                return Ok(Turn::Wait);
            }
        }
        self.end_pass();
        Ok(Turn::Read)
    }

    /// Whether there is something that may come out now.
    fn is_pass_due(&mut self) -> bool {
        if !self.tables.is_known() {
            return false;
        }
        let stamp = self.tables.stamp();
        if self.retries.asked.as_mut().is_some_and(|asked| asked.is_due(stamp.0, self.schedule.now)) {
            return true;
        }
        if self.parked.queue().next().is_none() {
            self.retries.tried = Some(stamp);
        }
        if self.retries.tried.is_some_and(|tried| tried != stamp) {
            let (known, tables) = (&self.retries.definitions, &mut self.tables);
            let is_same = |id: TableId| known.get(&id).is_some_and(|was| *was == tables.definitions(id));
            self.retries.tried = self.parked.blocked_tables().all(is_same).then_some(stamp);
        }
        self.retries.tried.is_none()
    }

    /// How far each segment has been read of which something is parked.
    fn reached(&self) -> BTreeMap<SegmentId, Reach> {
        let unfinished = self.unfinished();
        self.parked.last_of_segments().into_iter().map(|at| (at.segment, self.reach(&unfinished, at))).collect()
    }

    fn reach(&self, unfinished: &BTreeMap<SegmentId, LogicalPosition>, at: CommitLogPosition) -> Reach {
        let issued = self.shipper.as_ref().map(|shipper| shipper.window.issued(at.segment).position);
        match unfinished.get(&at.segment) {
            Some(durable) if *durable >= at.position => Reach::Durable,
            Some(_) if issued >= Some(at.position) => Reach::Read,
            Some(_) => Reach::Unread,
            None => Reach::Durable,
        }
    }

    /// How far everything has durably arrived of the segments that are still read.
    fn unfinished(&self) -> BTreeMap<SegmentId, LogicalPosition> {
        let is_read = |state: SegmentState| matches!(state, SegmentState::Open | SegmentState::Final);
        let read = self.ledger.live().filter(|(_, record)| is_read(record.state()));
        read.map(|(key, record)| (key.id, record.delivered_to.position)).collect()
    }

    fn begin_pass(&mut self, reach: &BTreeMap<SegmentId, Reach>) -> Result<(), Fatal> {
        let refused = self.retries.asked.iter().flat_map(Asked::to_retry);
        let refused = refused.filter(|place| self.parked.get(*place).is_some_and(|item| item.class == Class::Refused));
        let todo: VecDeque<Place> = self.parked.queue().chain(refused).collect();
        self.parked.unblock_all();
        self.retries.pass = Some(UnderWay { todo, from: 0, stamp: self.tables.stamp() });
        if self.retries.is_alone {
            self.leave_to_the_reader(reach);
        }
        Ok(())
    }

    /// Without a reader, what a crash left between two checkpoints stays where it is, and what waits behind it.
    fn leave_to_the_reader(&mut self, reach: &BTreeMap<SegmentId, Reach>) {
        let Some(pass) = &mut self.retries.pass else { return };
        let is_left = |place: &Place| reach.get(&place.at.segment).is_some_and(|reach| *reach != Reach::Durable);
        let (left, todo): (VecDeque<Place>, VecDeque<Place>) = pass.todo.drain(..).partition(is_left);
        pass.todo = todo;
        for place in left {
            self.parked.block(place);
            self.retries.note(place, Outcome::Kept("the segment is still being read: start the agent, it goes on in order".into()));
        }
    }

    /// Tries the first of the pass; false if something is in the way.
    fn retry_one(&mut self, place: Place) -> Result<bool, Fatal> {
        let from = self.retries.pass.as_ref().map_or(0, |pass| pass.from);
        let dir = self.parked.dir().to_owned();
        let frame = match read_frame(&dir, place) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                tracing::error!(%place, "a parked entry is gone, somebody has removed its file");
                self.next_of_pass(place, Outcome::NotParked);
                return Ok(true);
            }
            frame => frame.map_err(|source| Fatal::Io { action: "read from", path: dir.clone(), source })?,
        };
        let (Some(note), Some(shipper)) = (read_note(&dir, place), &mut self.shipper) else {
            self.next_of_pass(place, Outcome::Kept("its note cannot be read".into()));
            return Ok(true);
        };
        let mut desk = Desk {
            shipper,
            tables: &mut self.tables,
            aside: Aside::Park(&mut self.parked),
            now: self.schedule.now,
            ts_ms: Some(self.schedule.unix.0 as i64),
        };
        let retried = desk.enter_again(Rest { place, note: &note, frame: &frame, from })?;
        let until = shipper.window.next_ticket();
        match retried {
            Retried::Blocked { ordinal, why } => {
                if let Some(pass) = &mut self.retries.pass {
                    pass.from = ordinal;
                }
                self.obstacle = why;
                return Ok(false);
            }
            Retried::Sent(fate) => {
                self.retries.sent.push_back(HandedOver { place, until, then: Then::Go(fate) });
                self.skip_of_pass();
            }
            Retried::Partly(note) => {
                self.parked.block_as(place, &note);
                self.next_of_pass(place, Outcome::Kept(format!("a part of it was published; {}", note.message)));
                self.retries.sent.push_back(HandedOver { place, until, then: Then::Note(Box::new(note)) });
            }
            Retried::Kept(today) => {
                if today != note {
                    self.rewrite(place, &today)?;
                }
                self.parked.block(place);
                self.next_of_pass(place, Outcome::Kept(today.message));
            }
        }
        self.obstacle = None;
        Ok(true)
    }

    fn next_of_pass(&mut self, place: Place, outcome: Outcome) {
        self.retries.note(place, outcome);
        self.skip_of_pass();
    }

    fn skip_of_pass(&mut self) {
        if let Some(pass) = &mut self.retries.pass {
            pass.todo.pop_front();
            pass.from = 0;
        }
    }

    pub(super) fn rewrite(&mut self, place: Place, note: &Note) -> Result<(), Fatal> {
        let path = self.parked.dir().to_owned();
        self.parked.rewrite(place, note).map_err(|source| Fatal::Io { action: "write into", path, source })
    }

    fn end_pass(&mut self) {
        let begun = self.retries.pass.take().map(|pass| pass.stamp);
        // What has come meanwhile may help those that were tried before it came.
        self.retries.tried = Some(self.tables.stamp()).filter(|now| begun == Some(*now));
        let defined = |id: TableId| (id, self.tables.definitions(id));
        self.retries.definitions = self.parked.blocked_tables().map(defined).collect();
        let (handed_over, left) = (self.retries.sent.len(), self.parked.queue().count());
        if handed_over > 0 {
            tracing::info!(handed_over, waiting = left.saturating_sub(handed_over), "parked entries are sent, in the order of the log");
        }
    }

    /// A checkpoint is durable: what it covers of the parked entries leaves the folder.
    pub(super) fn let_arrived_go(&mut self) -> Result<(), Fatal> {
        let Some(first) = self.shipper.as_ref().map(|shipper| shipper.window.first()) else { return Ok(()) };
        let mut gone = Vec::new();
        while self.retries.sent.front().is_some_and(|sent| sent.until <= first) {
            let Some(arrived) = self.retries.sent.pop_front() else { break };
            match arrived.then {
                Then::Go(fate) => gone.push((arrived.place, fate)),
                Then::Note(note) => self.rewrite(arrived.place, &note)?,
            }
        }
        self.let_these_go(&gone)
    }

    /// These were delivered, or gave nothing: their files go.
    pub(super) fn let_these_go(&mut self, gone: &[(Place, Fate)]) -> Result<(), Fatal> {
        if !gone.is_empty() {
            let moved = let_go(&mut self.ledger, &mut self.parked, gone)?;
            self.count_moved(&moved);
            for (place, _) in gone {
                self.retries.note(*place, Outcome::Delivered);
            }
        }
        Ok(())
    }

    /// What was counted as parked when its segment was read counts as something else now.
    pub(super) fn count_moved(&mut self, moved: &[Moved]) {
        for one in moved {
            let tail = key_of(&self.tails, one.at.segment).and_then(|key| self.tails.get_mut(&key));
            let is_counted = |tail: &super::tail::Tail| tail.reader().is_some_and(|reader| reader.chain_end() >= one.at.position);
            if let Some(tail) = tail.filter(|tail| is_counted(tail)) {
                tail.fates.unpark(one.fate, one.bytes);
            }
        }
    }

    /// Everything in flight is forgotten, or nothing was sent yet: what waits is tried again before anything is read, and only what
    /// was read so far blocks what comes.
    pub(super) fn forget_retries(&mut self) {
        self.retries.pass = None;
        self.retries.sent.clear();
        self.retries.try_all();
        self.block_again();
    }

    /// Blocks what stands behind the entries that the reader has come past.
    pub(super) fn block_again(&mut self) {
        let unfinished = self.unfinished();
        let past: Vec<Place> = self.parked.queue().filter(|place| self.reach(&unfinished, place.at) != Reach::Unread).collect();
        self.parked.unblock_all();
        past.into_iter().for_each(|place| self.parked.block(place));
    }
}
