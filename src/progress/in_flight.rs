//! The window: every event that a durable checkpoint does not cover yet, in the order of sending.

use super::{DeliveredTo, Mark, Progress, Ticket, watermark::Watermark};
use crate::mutant::{Mutant, mutant};
use crate::position::{LogicalPosition, SegmentId};
use std::collections::VecDeque;

/// How much may be in the window at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events (`sink.window`).
    pub events: usize,
    /// Bytes of records.
    pub bytes: u64,
}

/// The bytes that a window holds at most, whatever `sink.window` says.
const WINDOW_BYTES: u64 = 16 * 1024 * 1024;

impl Limits {
    /// `sink.window` events and 16 MiB.
    pub fn events(events: usize) -> Limits {
        Limits { events, bytes: WINDOW_BYTES }
    }
}

/// Where an event stands and what it weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPlace {
    /// The segment.
    pub segment: SegmentId,
    /// The end of the event's entry.
    pub position: LogicalPosition,
    /// The event's number within its entry, over all events that the entry projects to, sent or not.
    pub ordinal: u32,
    /// Size of its record.
    pub bytes: u64,
}

/// The events between the reader and the durable checkpoint.
///
/// Owned by one thread. Misuse (a ticket acknowledged twice, an entry issued out of order) is a programmer's error and panics:
/// going on could save a checkpoint that promises what did not arrive.
#[derive(Debug)]
pub struct Window {
    limits: Limits,
    bytes: u64,
    /// The ticket of `slots[0]`.
    first: u64,
    slots: VecDeque<Slot>,
    /// How many of `slots`, from the front, are behind the watermark.
    arrived: usize,
    /// Which part of the arrived prefix each mark that is being saved covers: the first ticket not covered.
    taken: VecDeque<(Mark, u64)>,
    end_of_entries: Watermark,
}

#[derive(Debug)]
struct Slot {
    segment: SegmentId,
    to: DeliveredTo,
    bytes: u64,
    acknowledged: bool,
    /// It moves no segment: its segment is gone, or it stands below what was read.
    abandoned: bool,
    /// Entries without events that were read after this event: the last of each segment stands for those before it.
    passed: Vec<(SegmentId, DeliveredTo)>,
}

impl Window {
    /// An empty window.
    pub fn new(limits: Limits) -> Window {
        Window {
            limits,
            bytes: 0,
            first: 0,
            slots: VecDeque::new(),
            arrived: 0,
            taken: VecDeque::new(),
            end_of_entries: Watermark::default(),
        }
    }

    /// Tells where a segment begins that a former run, or a rewind, left half way. A segment that begins at its header needs no call.
    pub fn resume(&mut self, segment: SegmentId, at: DeliveredTo) {
        assert!(!self.holds(segment), "a segment is resumed before anything of it is sent: {segment}");
        self.end_of_entries.resume(segment, at);
    }

    /// Whether a record of this size may be issued now. An empty window takes a record of any size.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.slots.is_empty() || (self.slots.len() < self.limits.events && self.bytes.saturating_add(bytes) <= self.limits.bytes)
    }

    /// The ticket that the next event will have.
    pub fn next_ticket(&self) -> Ticket {
        Ticket(self.first + self.slots.len() as u64)
    }

    /// Gives the next event its ticket. The caller has asked [`Window::has_room`].
    ///
    /// # Panics
    /// If the event does not come after the one issued before it in its segment.
    pub fn issue(&mut self, event: EventPlace) -> Ticket {
        let to = self.reach(&event);
        self.end_of_entries.issue(event.segment, to);
        let ticket = self.next_ticket();
        self.bytes += event.bytes;
        self.slots.push_back(Slot {
            segment: event.segment,
            to,
            bytes: event.bytes,
            acknowledged: false,
            abandoned: false,
            passed: Vec::new(),
        });
        ticket
    }

    /// Gives an event its ticket that was read before and held back: it has its place in the order of sending, and moves no segment. The
    /// caller has asked [`Window::has_room`].
    pub fn issue_aside(&mut self, bytes: u64) -> Ticket {
        let ticket = self.next_ticket();
        self.bytes += bytes;
        let (segment, to) = (SegmentId(0), DeliveredTo::default());
        self.slots.push_back(Slot { segment, to, bytes, acknowledged: false, abandoned: true, passed: Vec::new() });
        ticket
    }

    /// The first ticket that is still in the window, or the next one: what was issued before has arrived, and a durable checkpoint
    /// covers everything that stood before it. True until the next [`Window::reset`].
    pub fn first(&self) -> Ticket {
        Ticket(self.first)
    }

    /// How far a segment was taken in.
    pub fn issued(&self, segment: SegmentId) -> DeliveredTo {
        self.end_of_entries.issued(segment)
    }

    /// Notes that an entry, and all before it, needs no further event: all that are sent of it were issued.
    /// `position` is the entry's end. Nothing new about it is no error.
    pub fn passed(&mut self, segment: SegmentId, position: LogicalPosition) {
        let to = DeliveredTo { position, ordinal: 0 };
        let issued = self.end_of_entries.issued(segment);
        if to == issued {
            return;
        }
        self.end_of_entries.issue(segment, to);
        let waits = self.unarrived() > 0;
        match self.slots.back_mut().filter(|_| waits) {
            None => self.end_of_entries.arrive(segment, to),
            Some(slot) => match slot.passed.iter_mut().find(|(s, _)| *s == segment) {
                Some(known) => known.1 = to,
                None => slot.passed.push((segment, to)),
            },
        }
    }

    /// The event is durable at the other side.
    ///
    /// # Panics
    /// If the ticket was acknowledged before, was never issued, or is from before a reset.
    pub fn acknowledge(&mut self, ticket: Ticket) {
        let slot = ticket.0.checked_sub(self.first).and_then(|i| self.slots.get_mut(usize::try_from(i).ok()?));
        let slot = slot.unwrap_or_else(|| panic!("an acknowledged ticket is in the window (I2): {ticket:?}, first is {}", self.first));
        assert!(!slot.acknowledged || mutant(Mutant::HighestAck), "a ticket is acknowledged once (I2): {ticket:?}");
        slot.acknowledged = true;
        if mutant(Mutant::HighestAck) {
            self.slots.iter_mut().take((ticket.0 - self.first) as usize).for_each(|slot| slot.acknowledged = true);
        }
        self.advance();
    }

    /// How far everything has arrived since the last call, per segment.
    pub fn take_progress(&mut self) -> Progress {
        let progress = self.end_of_entries.take();
        self.taken.push_back((progress.mark, self.first + self.arrived as u64));
        progress
    }

    /// A checkpoint that covers this mark is durable: its tickets leave the window.
    ///
    /// # Panics
    /// If the mark was durable before, or is from before a reset.
    pub fn durable(&mut self, mark: Mark) {
        self.end_of_entries.durable(mark);
        while let Some((_, up_to)) = self.taken.front().copied().filter(|(taken, _)| *taken <= mark) {
            self.taken.pop_front();
            while self.first < up_to {
                let slot = self.slots.pop_front().expect("the durable prefix is part of the arrived prefix");
                self.bytes -= slot.bytes;
                self.first += 1;
                self.arrived -= 1;
            }
        }
    }

    /// Forgets everything in flight: the reader goes back to the durable checkpoint. No checkpoint may be under way. Tickets go
    /// on with new numbers.
    pub fn reset(&mut self) {
        self.first += self.slots.len() as u64;
        self.slots.clear();
        self.taken.clear();
        self.arrived = 0;
        self.bytes = 0;
        self.end_of_entries.reset();
    }

    /// Drops what is remembered of a segment that is finished.
    ///
    /// # Panics
    /// If something of it is not durable.
    pub fn forget(&mut self, segment: SegmentId) {
        assert!(!self.holds(segment), "nothing of a finished segment is in flight: {segment}");
        self.end_of_entries.forget(segment);
    }

    /// Forgets a segment that is gone: what is in flight of it may arrive, and moves nothing any more.
    pub fn abandon(&mut self, segment: SegmentId) {
        for slot in &mut self.slots {
            slot.abandoned |= slot.segment == segment;
            slot.passed.retain(|(passed, _)| *passed != segment);
        }
        self.end_of_entries.abandon(segment);
    }

    /// Whether a durable checkpoint covers everything that was taken in of a segment.
    pub fn is_durable(&self, segment: SegmentId) -> bool {
        !self.holds(segment) && self.end_of_entries.is_durable(segment)
    }

    /// Events that no durable checkpoint covers.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether a durable checkpoint covers every event. Entries without events may still wait for one.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes of those events.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Events whose acknowledgement is outstanding, or that stand behind one that is.
    pub fn unarrived(&self) -> usize {
        self.slots.len() - self.arrived
    }

    /// Whether half of the window is used, which is when a checkpoint is due before its time.
    pub fn half_full(&self) -> bool {
        self.slots.len() >= self.limits.events.div_ceil(2) || self.bytes >= self.limits.bytes / 2
    }

    /// How far a segment has arrived once this event has. That its entry is through is said by [`Window::passed`].
    fn reach(&self, event: &EventPlace) -> DeliveredTo {
        let before = self.end_of_entries.issued(event.segment);
        assert!(event.position > before.position, "an event's entry ends after the last finished one (I1): {event:?} after {before:?}");
        DeliveredTo { position: before.position, ordinal: event.ordinal.saturating_add(1) }
    }

    /// Moves the watermark over the acknowledged prefix (I2).
    fn advance(&mut self) {
        while let Some(slot) = self.slots.get_mut(self.arrived).filter(|slot| slot.acknowledged) {
            if !slot.abandoned {
                self.end_of_entries.arrive(slot.segment, slot.to);
            }
            for (segment, to) in slot.passed.drain(..) {
                self.end_of_entries.arrive(segment, to);
            }
            self.arrived += 1;
        }
    }

    fn holds(&self, segment: SegmentId) -> bool {
        self.slots.iter().any(|slot| slot.segment == segment && !slot.abandoned || slot.passed.iter().any(|(s, _)| *s == segment))
    }
}
