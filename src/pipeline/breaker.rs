//! The circuit breaker before the sink: while the other side takes nothing, nothing more is read for it.
//!
//! ```text
//!            errors ≥ the share, over so many requests; or nobody there
//!   closed ─────────────────────────────────────────────────────────────► open ◄──┐ failed, or no answer in time
//!     ▲                                                                   │  ▲    │
//!     │ a delivery                                     a probe is answered│  └── half-open
//!     └───────────────────────────────────────────────────────────────────┴───────┘
//! ```
//!
//! A *request* is the deliveries expected in half a second. It is an error if one of them is reported as failed, or if the
//! oldest has waited longer than the timeout while nothing arrived. A probe is a metadata request. Open means that reading pauses:
//! segments are still linked, what is in flight stays in flight and closes the breaker if it arrives. Half-open lets one turn's
//! reading through, whose deliveries decide.

use crate::config;
use crate::sink::Sink;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The deliveries expected in this time are one request.
const REQUEST: Duration = Duration::from_millis(500);

/// What a turn has seen of the sink.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Deliveries reported as arrived.
    pub delivered: usize,
    /// Whether one was reported as failed.
    pub failed: bool,
    /// Records handed over and not reported.
    pub in_flight: usize,
    /// Whether anybody is there.
    pub reachable: Result<(), String>,
}

/// The breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: config::Breaker,
    state: State,
    /// Whether each of the last requests was an error.
    requests: VecDeque<bool>,
    request: Option<Request>,
    /// Since when deliveries are expected and none has come.
    waiting_since: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Closed,
    Open { why: String, next_probe: Instant },
    HalfOpen { why: String, since: Instant },
}

/// The request that is under way.
#[derive(Debug)]
struct Request {
    end: Instant,
    delivered: bool,
    failed: bool,
}

impl Breaker {
    /// Closed.
    pub(super) fn new(settings: config::Breaker) -> Breaker {
        Breaker { settings, state: State::Closed, requests: VecDeque::new(), request: None, waiting_since: None }
    }

    /// The state, as the metric's label names it.
    pub(super) fn state(&self) -> &'static str {
        match self.state {
            State::Closed => "closed",
            State::Open { .. } => "open",
            State::HalfOpen { .. } => "half_open",
        }
    }

    /// Why nothing may be read now.
    pub(super) fn holds(&self, in_flight: usize) -> Option<String> {
        match &self.state {
            State::Open { why, .. } => Some(format!("the circuit breaker is open: {why}")),
            State::HalfOpen { why, .. } if in_flight > 0 => Some(format!("the circuit breaker tries whether it can close: {why}")),
            State::HalfOpen { .. } | State::Closed => None,
        }
    }

    /// Takes in what a turn has seen, and asks the sink whether it is there when that is due.
    pub(super) fn turn(&mut self, now: Instant, seen: &Seen, sink: &mut dyn Sink) {
        if seen.delivered > 0 || seen.in_flight == 0 {
            self.waiting_since = None;
        }
        if seen.in_flight > 0 {
            self.waiting_since.get_or_insert(now);
        }
        match &self.state {
            State::Closed => self.turn_closed(now, seen),
            State::Open { .. } if seen.delivered > 0 => self.close(),
            State::Open { .. } => self.turn_open(now, sink),
            State::HalfOpen { .. } => self.turn_half_open(now, seen),
        }
    }

    fn turn_closed(&mut self, now: Instant, seen: &Seen) {
        self.count(now, seen);
        if let Err(why) = &seen.reachable {
            return self.open(now, why.clone());
        }
        let errors = self.requests.iter().filter(|error| **error).count();
        if self.requests.len() >= self.settings.of && errors * 100 >= self.requests.len() * usize::from(self.settings.errors) {
            self.open(now, format!("{errors} of the last {} requests were errors", self.requests.len()));
        }
    }

    fn turn_open(&mut self, now: Instant, sink: &mut dyn Sink) {
        let State::Open { why, next_probe } = &mut self.state else { return };
        if sink.answered_probe() {
            tracing::info!("the circuit breaker is half-open: the other side answers a probe");
            self.state = State::HalfOpen { why: std::mem::take(why), since: now };
            self.waiting_since = None;
        } else if now >= *next_probe {
            *next_probe = now + self.settings.probe;
            sink.probe();
        }
    }

    fn turn_half_open(&mut self, now: Instant, seen: &Seen) {
        let State::HalfOpen { why, since } = &mut self.state else { return };
        let waited = self.waiting_since.is_some_and(|begun| now.saturating_duration_since(begun.max(*since)) >= self.settings.timeout);
        let idle = seen.in_flight == 0 && now.saturating_duration_since(*since) >= self.settings.timeout;
        if seen.failed || waited {
            let why = std::mem::take(why);
            self.open(now, why);
        } else if let Err(why) = &seen.reachable {
            self.open(now, why.clone());
        } else if seen.delivered > 0 || idle {
            self.close();
        }
    }

    /// Ends the request that is under way when its time is over, and begins the next if deliveries are expected.
    fn count(&mut self, now: Instant, seen: &Seen) {
        if let Some(request) = &mut self.request {
            request.delivered |= seen.delivered > 0;
            request.failed |= seen.failed;
            if now < request.end {
                return;
            }
            let late = self.waiting_since.is_some_and(|since| now.saturating_duration_since(since) >= self.settings.timeout);
            let error = request.failed || (late && !request.delivered);
            // Neither failed nor arrived nor late: it belongs to the next one.
            if error || request.delivered {
                self.requests.push_back(error);
            }
            while self.requests.len() > self.settings.of {
                self.requests.pop_front();
            }
            self.request = None;
        }
        if seen.in_flight > 0 || seen.failed {
            self.request = Some(Request { end: now + REQUEST, delivered: false, failed: false });
        }
    }

    fn open(&mut self, now: Instant, why: String) {
        if matches!(self.state, State::Closed) {
            tracing::warn!("the circuit breaker is open, reading pauses, segments are still linked: {why}");
        }
        self.state = State::Open { why, next_probe: now };
    }

    fn close(&mut self) {
        tracing::info!("the circuit breaker is closed: records arrive");
        self.state = State::Closed;
        self.requests.clear();
        self.request = None;
    }
}

#[cfg(test)]
mod tests;
