//! How fast it goes.

use crate::telemetry::Rates;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Rates are those of this time.
const SPAN: Duration = Duration::from_secs(10);

/// Sums as they were at moments of the last ten seconds.
#[derive(Debug, Default)]
pub(super) struct Pace(VecDeque<(Instant, u64, u64)>);

impl Pace {
    /// Notes how much there is by now, and answers how fast it came.
    pub fn note(&mut self, now: Instant, events: u64, log_bytes: u64) -> Rates {
        self.0.push_back((now, events, log_bytes));
        // One older than the span stays, so that a rate is that of at least the span once there was time for it.
        while self.0.get(1).is_some_and(|(at, ..)| now.saturating_duration_since(*at) >= SPAN) {
            self.0.pop_front();
        }
        let Some((since, events_then, bytes_then)) = self.0.front() else { return Rates::default() };
        let seconds = now.saturating_duration_since(*since).as_secs_f64();
        if seconds == 0.0 {
            return Rates::default();
        }
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        Rates { events: rate(events, *events_then), log_bytes: rate(log_bytes, *bytes_then) }
    }
}

/// How a folder grows: a forecast looks at this time …
const GROWTH_SPAN: Duration = Duration::from_secs(600);
/// … by figures this far apart …
const GROWTH_STEP: Duration = Duration::from_secs(5);
/// … and says nothing before there were so many seconds of them.
const GROWTH_LEAST: Duration = Duration::from_secs(30);

/// Bytes in a folder, the spool or `cdc_raw`, as they were at moments of the last ten minutes.
#[derive(Debug, Default)]
pub(super) struct Growth(VecDeque<(Instant, u64)>);

impl Growth {
    /// Notes how full it is, and answers in how many seconds it is at its limit if it goes on like this, 0 if it is there. `None` if it
    /// does not grow, or nothing can be said yet.
    pub fn note(&mut self, now: Instant, bytes: u64, limit: u64) -> Option<f64> {
        if self.0.back().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= GROWTH_STEP) {
            self.0.push_back((now, bytes));
        }
        while self.0.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > GROWTH_SPAN) {
            self.0.pop_front();
        }
        if bytes >= limit {
            return Some(0.0);
        }
        let (since, then) = self.0.front()?;
        let time = now.saturating_duration_since(*since);
        let grown = bytes.saturating_sub(*then);
        if time < GROWTH_LEAST || grown == 0 {
            return None;
        }
        Some((limit - bytes) as f64 / (grown as f64 / time.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_that_grows_is_full_when_it_goes_on_like_this() {
        let (mut growth, start) = (Growth::default(), Instant::now());

        for second in 0..=29_u64 {
            assert_eq!(growth.note(start + Duration::from_secs(second), second * 10, 1000), None, "too early to say");
        }
        assert_eq!(growth.note(start + Duration::from_secs(30), 300, 1000), Some(70.0));
        assert_eq!(growth.note(start + Duration::from_secs(40), 1200, 1000), Some(0.0), "over its limit");

        assert_eq!(growth.note(start + Duration::from_secs(700), 1200, 1000), Some(0.0), "it does not grow any more, and is full");
        assert_eq!(growth.note(start + Duration::from_secs(701), 900, 1000), None, "it does not grow any more");
    }

    #[test]
    fn the_rate_is_that_of_the_last_ten_seconds() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.note(start, 0, 0), Rates::default());

        for second in 1..=60_u64 {
            pace.note(start + Duration::from_secs(second), second * 100, second * 5000);
        }
        assert_eq!(pace.note(start + Duration::from_secs(61), 6100, 305_000), Rates { events: 100.0, log_bytes: 5000.0 });

        assert_eq!(pace.note(start + Duration::from_secs(90), 6100, 305_000), Rates { events: 0.0, log_bytes: 0.0 }, "nothing came since");
        assert!(pace.0.len() < 15);
    }
}
