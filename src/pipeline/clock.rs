//! The time, as the loop sees it.

use crate::checkpoint::UnixMillis;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The machine's clock, or one that a test holds in its hand.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Manual>>);

#[derive(Debug)]
struct Manual {
    origin: Instant,
    /// What one look at the clock takes.
    look_us: u64,
    elapsed_us: AtomicU64,
    /// By how much somebody has set the time of day.
    jumped_ms: AtomicI64,
}

/// Where a manual clock begins: in 2025.
const MANUAL_ORIGIN_MS: u64 = 1_760_000_000_000;

impl Clock {
    /// A clock that moves by `look` each time it is looked at, and by [`Clock::advance`]: the same run takes the same time again.
    ///
    /// Under it the folder is not watched either, because events of the file system come when they like: it is looked at when the
    /// clock says so.
    pub fn manual(look: Duration) -> Clock {
        let manual = Manual { origin: Instant::now(), look_us: micros(look), elapsed_us: AtomicU64::new(0), jumped_ms: AtomicI64::new(0) };
        Clock(Some(Arc::new(manual)))
    }

    /// Moves a manual clock; the machine's moves by itself.
    pub fn advance(&self, by: Duration) {
        if let Some(manual) = &self.0 {
            manual.elapsed_us.fetch_add(micros(by), Ordering::Relaxed);
        }
    }

    /// Sets the time of day of a manual clock, forward or back; time goes on as before.
    pub fn jump(&self, by_ms: i64) {
        if let Some(manual) = &self.0 {
            manual.jumped_ms.fetch_add(by_ms, Ordering::Relaxed);
        }
    }

    /// Whether a test holds it.
    pub(super) fn is_manual(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn now(&self) -> Instant {
        match &self.0 {
            None => Instant::now(),
            Some(manual) => {
                let elapsed = manual.elapsed_us.fetch_add(manual.look_us, Ordering::Relaxed);
                manual.origin + Duration::from_micros(elapsed)
            }
        }
    }

    pub(super) fn unix(&self) -> UnixMillis {
        match &self.0 {
            None => SystemTime::now().into(),
            Some(manual) => {
                let elapsed = manual.elapsed_us.load(Ordering::Relaxed) / 1000;
                UnixMillis((MANUAL_ORIGIN_MS + elapsed).saturating_add_signed(manual.jumped_ms.load(Ordering::Relaxed)))
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
