use super::*;
use crate::envelope::Record;
use crate::progress::Ticket;
use crate::sink::{DeliveryReport, SendError, SinkError};

/// Somebody who is asked, and answers when the test says so.
#[derive(Default)]
struct Asked {
    probes: usize,
    answered: bool,
}

impl Sink for Asked {
    fn send(&mut self, _: &Record, _: Ticket) -> Result<(), SendError> {
        Ok(())
    }

    fn poll(&mut self, _: Duration, _: &mut Vec<DeliveryReport>) -> Result<(), SinkError> {
        Ok(())
    }

    fn reset(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn probe(&mut self) {
        self.probes += 1;
    }

    fn answered_probe(&self) -> bool {
        self.answered
    }
}

/// A breaker with its clock and the other side.
struct Bench {
    breaker: Breaker,
    now: Instant,
    sink: Asked,
}

const STEP: Duration = Duration::from_millis(100);
const IDLE: Seen = Seen { delivered: 0, failed: false, in_flight: 0, reachable: Ok(()) };
const STUCK: Seen = Seen { in_flight: 5, ..IDLE };
const FLOWS: Seen = Seen { delivered: 3, ..STUCK };
const FAILS: Seen = Seen { failed: true, ..STUCK };

impl Bench {
    fn new() -> Bench {
        Bench { breaker: Breaker::new(config::Breaker::default()), now: Instant::now(), sink: Asked::default() }
    }

    fn turn(&mut self, seen: &Seen) {
        self.now += STEP;
        self.breaker.turn(self.now, seen, &mut self.sink);
    }

    fn turns(&mut self, seen: &Seen, time: Duration) {
        for _ in 0..time.as_millis() / STEP.as_millis() {
            self.turn(seen);
        }
    }

    /// How long this is seen until the breaker is no longer closed.
    fn until_open(&mut self, seen: &Seen) -> Duration {
        let begun = self.now;
        while self.breaker.state() == "closed" {
            assert!(self.now - begun < Duration::from_secs(60), "it never opens");
            self.turn(seen);
        }
        self.now - begun
    }

    fn unreachable() -> Seen {
        Seen { reachable: Err("no broker answers at k:9092".into()), ..STUCK }
    }
}

#[test]
fn while_records_arrive_or_nothing_is_sent_it_stays_closed() {
    let mut bench = Bench::new();

    bench.turns(&FLOWS, Duration::from_secs(60));
    bench.turns(&IDLE, Duration::from_secs(60));

    assert_eq!(bench.breaker.state(), "closed");
    assert_eq!(bench.breaker.holds(5), None);
    assert_eq!(bench.sink.probes, 0);
}

#[test]
fn no_delivery_within_the_timeout_opens_it_once_half_of_the_requests_are_errors() {
    let mut bench = Bench::new();
    bench.turns(&FLOWS, Duration::from_secs(10));

    let time = bench.until_open(&STUCK);

    assert!((Duration::from_secs(7)..Duration::from_secs(9)).contains(&time), "{time:?}");
    assert_eq!(bench.breaker.holds(0).unwrap(), "the circuit breaker is open: 5 of the last 10 requests were errors");
}

#[test]
fn one_failure_among_many_deliveries_does_not_open_it() {
    let mut bench = Bench::new();

    for _ in 0..20 {
        bench.turns(&FLOWS, Duration::from_secs(2));
        bench.turn(&FAILS);
    }

    assert_eq!(bench.breaker.state(), "closed");
}

#[test]
fn failures_request_after_request_open_it() {
    let mut bench = Bench::new();

    let time = bench.until_open(&FAILS);

    assert!(time < Duration::from_secs(8), "{time:?}");
}

#[test]
fn nobody_there_opens_it_at_once_and_it_asks_at_its_interval() {
    let mut bench = Bench::new();

    bench.turn(&Bench::unreachable());
    assert_eq!(bench.breaker.holds(0).unwrap(), "the circuit breaker is open: no broker answers at k:9092");
    bench.turns(&Bench::unreachable(), Duration::from_secs(10));

    assert!((5..=6).contains(&bench.sink.probes), "{}", bench.sink.probes);
}

#[test]
fn a_probe_that_is_answered_lets_one_turn_through_and_its_arrival_closes_it() {
    let mut bench = Bench::new();
    bench.turn(&Bench::unreachable());

    bench.sink.answered = true;
    bench.turn(&IDLE);
    assert_eq!(bench.breaker.state(), "half_open");
    assert_eq!(bench.breaker.holds(0), None, "some may go");
    assert!(bench.breaker.holds(3).is_some(), "not more, before that has arrived");
    bench.turn(&FLOWS);

    assert_eq!(bench.breaker.state(), "closed");
}

#[test]
fn a_half_open_breaker_opens_again_when_what_it_let_through_does_not_arrive() {
    for bad in [STUCK, FAILS, Bench::unreachable()] {
        let mut bench = Bench::new();
        bench.turn(&Bench::unreachable());
        bench.sink.answered = true;
        bench.turn(&IDLE);

        bench.sink.answered = false;
        bench.turns(&bad, Duration::from_secs(6));

        assert_eq!(bench.breaker.state(), "open", "{bad:?}");
    }
}

#[test]
fn with_nothing_to_send_a_half_open_breaker_closes_after_the_timeout() {
    let mut bench = Bench::new();
    bench.turn(&Bench::unreachable());
    bench.sink.answered = true;

    bench.turns(&IDLE, Duration::from_secs(6));

    assert_eq!(bench.breaker.state(), "closed");
}

#[test]
fn what_was_in_flight_when_it_opened_closes_it_by_arriving() {
    let mut bench = Bench::new();
    bench.turn(&Bench::unreachable());

    bench.turn(&FLOWS);

    assert_eq!(bench.breaker.state(), "closed");
}
