use super::*;
use crate::position::{LogicalPosition, SegmentId};
use proptest::prelude::*;
use std::collections::BTreeMap;

const A: SegmentId = SegmentId(1760000000001);
const B: SegmentId = SegmentId(1760000000002);

fn at(position: u32, ordinal: u32) -> DeliveredTo {
    DeliveredTo { position: LogicalPosition(position), ordinal }
}

/// An event, and whether it is the last that is sent of its entry.
fn event(segment: SegmentId, position: u32, ordinal: u32, last: bool) -> (EventPlace, bool) {
    (EventPlace { segment, position: LogicalPosition(position), ordinal, bytes: 10 }, last)
}

fn issue(window: &mut Window, (place, last): (EventPlace, bool)) -> Ticket {
    let ticket = window.issue(place);
    if last {
        window.passed(place.segment, place.position);
    }
    ticket
}

fn window() -> Window {
    Window::new(Limits { events: 4, bytes: 100 })
}

/// Takes and makes durable, as a checkpoint does.
fn checkpoint(window: &mut Window) -> Vec<(SegmentId, DeliveredTo)> {
    let progress = window.take_progress();
    window.durable(progress.mark);
    progress.segments
}

#[test]
fn i2_the_watermark_waits_for_the_oldest_event() {
    let mut window = window();
    let first = issue(&mut window, event(A, 100, 0, true));
    let second = issue(&mut window, event(A, 200, 0, true));

    window.acknowledge(second);
    assert_eq!(checkpoint(&mut window), []);

    window.acknowledge(first);
    assert_eq!(checkpoint(&mut window), [(A, at(200, 0))]);
}

#[test]
fn a_ticket_leaves_when_a_durable_checkpoint_covers_it_not_when_acknowledged() {
    let mut window = window();
    let tickets: Vec<_> = (0..4).map(|i| issue(&mut window, event(A, 100 + i, 0, true))).collect();
    assert!(!window.has_room(10));

    tickets[..3].iter().for_each(|t| window.acknowledge(*t));
    let progress = window.take_progress();
    window.acknowledge(tickets[3]);
    assert!(!window.has_room(10), "acknowledged is not durable");
    window.durable(progress.mark);

    assert_eq!((window.len(), window.bytes()), (1, 10), "what was acknowledged after the progress was taken stays");
    assert!(window.has_room(10));
}

#[test]
fn the_window_bounds_bytes_too_but_takes_one_large_record() {
    let mut window = window();
    assert!(window.has_room(1_000_000));

    let ticket = window.issue(EventPlace { bytes: 1_000_000, ..event(A, 100, 0, true).0 });
    assert!(!window.has_room(1));

    window.acknowledge(ticket);
    checkpoint(&mut window);
    assert!(window.has_room(1));
}

#[test]
fn a_mutation_with_more_events_than_the_window_makes_progress_by_ordinals() {
    let mut window = window();
    let mut seen = Vec::new();
    for ordinal in 0..10 {
        if !window.has_room(10) {
            seen.extend(checkpoint(&mut window));
        }
        let ticket = issue(&mut window, event(A, 500, ordinal, ordinal == 9));
        window.acknowledge(ticket);
    }
    seen.extend(checkpoint(&mut window));

    assert_eq!(seen, [(A, at(0, 4)), (A, at(0, 8)), (A, at(500, 0))]);
}

#[test]
fn passed_ends_an_entry_whose_last_events_were_not_sent() {
    let mut window = window();
    let ticket = issue(&mut window, event(A, 500, 0, false));
    window.passed(A, LogicalPosition(500));

    assert_eq!(checkpoint(&mut window), []);
    window.acknowledge(ticket);
    assert_eq!(checkpoint(&mut window), [(A, at(500, 0))]);
}

#[test]
fn a_million_filtered_entries_take_no_room() {
    let mut window = window();
    for i in 1..=1_000_000 {
        window.passed(A, LogicalPosition(i));
    }
    assert_eq!(checkpoint(&mut window), [(A, at(1_000_000, 0))]);

    let ticket = issue(&mut window, event(A, 1_000_001, 0, true));
    for i in 1_000_002..=2_000_000 {
        window.passed(A, LogicalPosition(i));
    }
    assert_eq!(window.len(), 1);
    assert_eq!(checkpoint(&mut window), []);
    window.acknowledge(ticket);
    assert_eq!(checkpoint(&mut window), [(A, at(2_000_000, 0))]);
}

#[test]
fn i2_reset_goes_back_to_what_is_durable() {
    let mut window = window();
    let first = issue(&mut window, event(A, 100, 0, true));
    window.acknowledge(first);
    checkpoint(&mut window);
    let second = issue(&mut window, event(A, 200, 0, true));
    let third = issue(&mut window, event(A, 300, 0, true));
    window.acknowledge(second);

    window.reset();
    assert_eq!((window.len(), window.bytes()), (0, 0));
    assert_eq!(checkpoint(&mut window), []);
    let again = issue(&mut window, event(A, 200, 0, true));
    assert!(again > third, "ticket numbers are never used twice");
    window.acknowledge(again);
    assert_eq!(checkpoint(&mut window), [(A, at(200, 0))]);
}

#[test]
fn a_segment_resumes_in_the_middle_of_an_entry() {
    let mut window = window();
    window.resume(A, at(100, 5));

    let ticket = issue(&mut window, event(A, 200, 5, false));
    window.acknowledge(ticket);

    assert_eq!(checkpoint(&mut window), [(A, at(100, 6))]);
}

#[test]
fn two_segments_progress_side_by_side() {
    let mut window = window();
    let a = issue(&mut window, event(A, 100, 0, true));
    let b = issue(&mut window, event(B, 50, 0, true));
    window.passed(A, LogicalPosition(150));
    window.acknowledge(a);
    assert_eq!(checkpoint(&mut window), [(A, at(100, 0))]);

    window.acknowledge(b);
    assert_eq!(checkpoint(&mut window), [(A, at(150, 0)), (B, at(50, 0))]);
    window.forget(A);
    window.forget(B);
}

#[test]
#[should_panic(expected = "a ticket is acknowledged once")]
fn acknowledging_twice_is_a_programmers_error() {
    let mut window = window();
    let ticket = issue(&mut window, event(A, 100, 0, true));
    issue(&mut window, event(A, 200, 0, true));
    window.acknowledge(ticket);
    window.acknowledge(ticket);
}

#[test]
#[should_panic(expected = "in the window (I2)")]
fn acknowledging_a_ticket_from_before_a_reset_is_a_programmers_error() {
    let mut window = window();
    let ticket = issue(&mut window, event(A, 100, 0, true));
    window.reset();
    window.acknowledge(ticket);
}

#[test]
#[should_panic(expected = "ends after the last finished one (I1)")]
fn issuing_backwards_is_a_programmers_error() {
    let mut window = window();
    issue(&mut window, event(A, 200, 0, true));
    issue(&mut window, event(A, 100, 0, true));
}

#[test]
#[should_panic(expected = "none is saved across a reset")]
fn a_checkpoint_that_ends_after_a_reset_is_a_programmers_error() {
    let mut window = window();
    let ticket = issue(&mut window, event(A, 100, 0, true));
    window.acknowledge(ticket);
    let progress = window.take_progress();
    window.reset();
    window.durable(progress.mark);
}

#[test]
#[should_panic(expected = "nothing of a finished segment is in flight")]
fn forgetting_what_is_in_flight_is_a_programmers_error() {
    let mut window = window();
    issue(&mut window, event(A, 100, 0, true));
    window.forget(A);
}

/// The window as one would write it without a thought for speed: all entries and events in one list, looked through each time.
#[derive(Default)]
struct Naive {
    items: Vec<(SegmentId, DeliveredTo, Option<Ticket>, bool)>,
    durable: BTreeMap<SegmentId, DeliveredTo>,
}

impl Naive {
    fn arrived(&self) -> BTreeMap<SegmentId, DeliveredTo> {
        let prefix = self.items.iter().take_while(|(_, _, ticket, acknowledged)| ticket.is_none() || *acknowledged);
        let mut arrived = self.durable.clone();
        arrived.extend(prefix.map(|(segment, to, ..)| (*segment, *to)));
        arrived
    }
}

#[derive(Clone, Debug)]
enum Action {
    Entry { segment: u8, events: u8 },
    Filtered { segment: u8, tail: bool },
    Acknowledge(prop::sample::Index),
    Take,
    Durable,
    Reset,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..3u8, 1..6u8).prop_map(|(segment, events)| Action::Entry { segment, events }),
        3 => (0..3u8, any::<bool>()).prop_map(|(segment, tail)| Action::Filtered { segment, tail }),
        12 => any::<prop::sample::Index>().prop_map(Action::Acknowledge),
        3 => Just(Action::Take),
        3 => Just(Action::Durable),
        1 => Just(Action::Reset),
    ]
}

#[test]
fn an_event_that_was_held_back_moves_no_segment_and_holds_up_what_comes_after_it() {
    let mut window = Window::new(Limits { events: 10, bytes: 1_000 });
    window.passed(SegmentId(1), LogicalPosition(50));
    let progress = window.take_progress();
    window.durable(progress.mark);
    let late = window.issue_aside(7);
    let next = window.issue(EventPlace { segment: SegmentId(1), position: LogicalPosition(60), ordinal: 0, bytes: 5 });
    window.passed(SegmentId(1), LogicalPosition(60));

    window.acknowledge(next);
    assert_eq!((window.take_progress().segments, window.len(), window.bytes()), (vec![], 2, 12));
    assert!(window.first() <= late);
    window.acknowledge(late);
    let progress = window.take_progress();
    assert_eq!(progress.segments, [(SegmentId(1), at(60, 0))]);
    assert!(window.first() <= late, "it has arrived, and no checkpoint is durable that says so");
    window.durable(progress.mark);

    assert!(late < window.first() && window.is_empty());
    assert_eq!(window.issued(SegmentId(1)), at(60, 0));
}

struct Driver {
    window: Window,
    naive: Naive,
    position: BTreeMap<SegmentId, DeliveredTo>,
    outstanding: Vec<Ticket>,
    taken: Vec<(Mark, BTreeMap<SegmentId, DeliveredTo>)>,
    saved: BTreeMap<SegmentId, DeliveredTo>,
}

impl Driver {
    fn act(&mut self, action: Action) {
        match action {
            Action::Entry { segment, events } => self.entry(SegmentId(segment.into()), events),
            Action::Filtered { segment, tail } => self.filtered(SegmentId(segment.into()), tail),
            Action::Acknowledge(which) => self.acknowledge(which),
            Action::Take => self.take(),
            Action::Durable => self.durable(),
            Action::Reset => self.reset(),
        }
    }

    /// One entry, from where its segment stands; left half way when the window is full.
    fn entry(&mut self, segment: SegmentId, events: u8) {
        let from = self.position.get(&segment).copied().unwrap_or_default();
        let end = from.position.plus(10);
        for ordinal in from.ordinal..u32::from(events).max(from.ordinal + 1) {
            if !self.window.has_room(10) {
                return;
            }
            let last = ordinal + 1 >= u32::from(events);
            let to = if last { at(end.0, 0) } else { DeliveredTo { position: from.position, ordinal: ordinal + 1 } };
            let ticket = issue(&mut self.window, (EventPlace { segment, position: end, ordinal, bytes: 10 }, last));
            self.naive.items.push((segment, to, Some(ticket), false));
            self.outstanding.push(ticket);
            self.position.insert(segment, to);
        }
    }

    fn filtered(&mut self, segment: SegmentId, tail: bool) {
        let from = self.position.get(&segment).copied().unwrap_or_default();
        if from.ordinal > 0 && !tail {
            return;
        }
        let to = DeliveredTo { position: from.position.plus(10), ordinal: 0 };
        self.window.passed(segment, to.position);
        self.naive.items.push((segment, to, None, false));
        self.position.insert(segment, to);
    }

    fn acknowledge(&mut self, which: prop::sample::Index) {
        if self.outstanding.is_empty() {
            return;
        }
        let ticket = self.outstanding.swap_remove(which.index(self.outstanding.len()));
        self.window.acknowledge(ticket);
        self.naive.items.iter_mut().filter(|item| item.2 == Some(ticket)).for_each(|item| item.3 = true);
    }

    fn take(&mut self) {
        let progress = self.window.take_progress();
        for (segment, to) in &progress.segments {
            let before = self.saved.insert(*segment, *to);
            assert!(before < Some(*to), "progress only goes forward");
        }
        assert_eq!(self.saved, self.naive.arrived(), "the watermark is the contiguous prefix");
        self.taken.push((progress.mark, self.saved.clone()));
    }

    fn durable(&mut self) {
        if self.taken.is_empty() {
            return;
        }
        let (mark, saved) = self.taken.remove(0);
        self.window.durable(mark);
        self.naive.items.retain(|(segment, to, ..)| saved.get(segment).is_none_or(|durable| to > durable));
        self.naive.durable = saved;
        let in_window = self.naive.items.iter().filter(|item| item.2.is_some()).count();
        assert_eq!(self.window.len(), in_window);
    }

    fn reset(&mut self) {
        self.window.reset();
        self.naive.items.clear();
        self.outstanding.clear();
        self.taken.clear();
        self.saved = self.naive.durable.clone();
        self.position = self.saved.clone();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn i2_the_watermark_never_passes_an_unacknowledged_event(actions in prop::collection::vec(action(), 1..120)) {
        let mut driver = Driver {
            window: Window::new(Limits { events: 16, bytes: 1_000 }),
            naive: Naive::default(),
            position: BTreeMap::new(),
            outstanding: Vec::new(),
            taken: Vec::new(),
            saved: BTreeMap::new(),
        };

        actions.into_iter().for_each(|action| driver.act(action));
        while let Some(ticket) = driver.outstanding.pop() {
            driver.window.acknowledge(ticket);
            driver.naive.items.iter_mut().for_each(|item| item.3 |= item.2 == Some(ticket));
        }
        driver.take();

        prop_assert_eq!(&driver.saved, &driver.position, "all arrived, so all is covered");
    }
}
