//! What the agent is doing now: written by the pipeline, read over HTTP and by `ringtail status`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A main loop that has not ticked for this long is stuck: `/livez` fails, and the process may be restarted.
pub const LIVE_WITHIN: Duration = Duration::from_secs(30);

/// How many errors are remembered.
const ERRORS_MAX: usize = 20;

/// The state of one agent, as `/status` writes it. Holds no value of any cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The node's id, once known.
    pub node: Option<String>,
    /// The cluster's name, once known.
    pub cluster: Option<String>,
    /// Version of this binary.
    pub version: String,
    /// When the process started, in milliseconds since the epoch.
    pub started_ms: u64,
    /// Whether it can make progress or has nothing to do.
    pub ready: bool,
    /// Why it is not ready.
    pub reason: Option<String>,
    /// How far behind.
    pub lag: Lag,
    /// Events that arrived since the start.
    #[serde(default)]
    pub delivered: u64,
    /// How fast it goes.
    #[serde(default)]
    pub rates: Rates,
    /// The circuit breaker before the sink: `closed`, `open` or `half_open`.
    #[serde(default)]
    pub breaker: String,
    /// Events sent and not yet covered by a saved checkpoint.
    pub in_flight: u64,
    /// Seconds since the checkpoint was last saved; `None` before the first.
    pub checkpoint_age: Option<f64>,
    /// The spool.
    pub spool: Spool,
    /// Bytes of the segments in `cdc_raw`.
    pub cdc_raw_bytes: u64,
    /// The node's `cdc_total_space` in bytes, where it is known.
    pub cdc_raw_limit_bytes: Option<u64>,
    /// In how many seconds that is reached if `cdc_raw` grows as it did in the last ten minutes.
    #[serde(default)]
    pub cdc_raw_full_in_seconds: Option<f64>,
    /// What is missing.
    #[serde(default)]
    pub gaps: Gaps,
    /// What is parked, by class and reason.
    pub parked: Vec<ParkedCount>,
    /// Bytes of what is parked.
    pub parked_bytes: u64,
    /// Segments on record by state, finished ones too.
    pub segments_by_state: BTreeMap<String, u64>,
    /// The segments that are not finished, by id.
    pub segments: Vec<SegmentStatus>,
    /// The latest errors, newest last, at most 20.
    pub errors: Vec<ErrorNote>,
}

/// How far delivery is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// Age of the oldest bytes that are not durably acknowledged, since this agent first saw them.
    pub seconds: f64,
    /// Bytes seen and not durably acknowledged.
    pub bytes: u64,
    /// Segments with such bytes.
    pub segments: u64,
}

/// How fast delivery went in the last ten seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Events that arrived, per second.
    pub events: f64,
    /// Bytes of the log that were durably delivered, filtered or parked, per second.
    pub log_bytes: f64,
}

/// The hard links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spool {
    /// Bytes whose only name is ours.
    pub bytes: u64,
    /// `state.spool.limit`.
    pub limit_bytes: u64,
    /// In how many seconds the limit is reached if the spool grows as it did in the last ten minutes; 0 if it is reached.
    #[serde(default)]
    pub full_in_seconds: Option<f64>,
    /// Bytes that are free on its disk.
    #[serde(default)]
    pub disk_free_bytes: u64,
}

/// What should have been there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gaps {
    /// Judged harmless since the start.
    pub harmless: u64,
    /// Gaps on record that somebody should look at, and nobody has acknowledged.
    pub suspicious: u64,
    /// Lost segments, and gaps, that nobody has acknowledged.
    pub lost: u64,
    /// Whether the node refuses CDC writes now, as far as `source.commitlog` shows.
    pub node_refuses: bool,
}

/// How many entries are parked for one reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ParkedCount {
    /// `waiting` or `refused`.
    pub class: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// One segment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SegmentStatus {
    /// Its id.
    pub id: u64,
    /// Its file name.
    pub file: String,
    /// Its state in the ledger.
    pub state: String,
    /// How far it may be read now, as a logical position.
    pub boundary: Option<u32>,
    /// How far everything is delivered and saved, as a logical position.
    pub delivered_to: u32,
    /// Length of the file.
    pub bytes: u64,
    /// Bytes seen and not durably acknowledged.
    pub lag_bytes: u64,
}

/// An error that was survived.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorNote {
    /// When, in milliseconds since the epoch.
    pub at_ms: u64,
    /// What, as the log says it.
    pub message: String,
}

/// The status as the pipeline and its readers share it. Clones are the same status.
#[derive(Clone, Debug)]
pub struct SharedStatus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    status: Mutex<Status>,
    origin: Instant,
    /// Milliseconds from `origin` to the last tick.
    ticked_ms: AtomicU64,
}

impl SharedStatus {
    /// A fresh status: not ready, `starting`.
    pub fn new(version: &str) -> SharedStatus {
        let status = Status { version: version.to_owned(), started_ms: epoch_ms(), reason: Some("starting".into()), ..Status::default() };
        SharedStatus(Arc::new(Inner { status: Mutex::new(status), origin: Instant::now(), ticked_ms: AtomicU64::new(0) }))
    }

    /// Changes the status. `change` must be quick: a scrape waits for it.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.lock());
    }

    /// A copy.
    pub fn snapshot(&self) -> Status {
        self.lock().clone()
    }

    /// Says whether progress is possible, and if not, why not.
    pub fn set_ready(&self, ready: Result<(), String>) {
        self.update(|status| {
            status.ready = ready.is_ok();
            status.reason = ready.err();
        });
    }

    /// Remembers an error among the latest ones. `message` holds no value of any cell.
    pub fn note_error(&self, message: impl Into<String>) {
        let note = ErrorNote { at_ms: epoch_ms(), message: message.into() };
        self.update(|status| {
            if status.errors.len() >= ERRORS_MAX {
                status.errors.remove(0);
            }
            status.errors.push(note);
        });
    }

    /// Says that the main loop is alive. Called at every turn of it, idle ones too.
    pub fn tick(&self) {
        self.0.ticked_ms.store(millis(self.0.origin.elapsed()), Ordering::Relaxed);
    }

    /// Time since the last tick, or since the start if there was none.
    pub fn since_tick(&self) -> Duration {
        self.since_tick_at(Instant::now())
    }

    /// [`SharedStatus::since_tick`] as of `now`.
    fn since_tick_at(&self, now: Instant) -> Duration {
        now.duration_since(self.0.origin).saturating_sub(Duration::from_millis(self.0.ticked_ms.load(Ordering::Relaxed)))
    }

    /// Whether the main loop is alive; `Err` says since when it is not.
    ///
    /// # Errors
    /// The main loop has not ticked within [`LIVE_WITHIN`].
    pub fn live(&self) -> Result<(), String> {
        live(self.since_tick())
    }

    /// A status update never leaves the status half written, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Status> {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn live(since_tick: Duration) -> Result<(), String> {
    if since_tick <= LIVE_WITHIN {
        return Ok(());
    }
    Err(format!("the main loop has not turned for {} s", since_tick.as_secs()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn epoch_ms() -> u64 {
    millis(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_agent_is_alive_and_not_ready_and_says_why() {
        let shared = SharedStatus::new("1.2.3");

        let status = shared.snapshot();

        assert_eq!((status.ready, status.reason.as_deref(), status.version.as_str()), (false, Some("starting"), "1.2.3"));
        assert!(status.started_ms > 1_700_000_000_000);
        assert_eq!(shared.live(), Ok(()));
    }

    #[test]
    fn a_loop_that_stands_still_is_not_alive() {
        assert_eq!(live(LIVE_WITHIN), Ok(()));
        assert_eq!(live(Duration::from_secs(31)), Err("the main loop has not turned for 31 s".into()));
    }

    #[test]
    fn a_tick_begins_the_time_anew() {
        let shared = SharedStatus::new("1");
        let later = Instant::now() + Duration::from_secs(40);
        assert!(shared.since_tick_at(later) >= Duration::from_secs(40));

        shared.0.ticked_ms.store(35_000, Ordering::Relaxed);

        assert!(shared.since_tick_at(later) < Duration::from_secs(6));
    }

    #[test]
    fn readiness_carries_its_reason_and_loses_it() {
        let shared = SharedStatus::new("1");

        shared.set_ready(Err("kafka: no broker answers".into()));
        assert_eq!(shared.snapshot().reason.as_deref(), Some("kafka: no broker answers"));

        shared.set_ready(Ok(()));
        assert_eq!((shared.snapshot().ready, shared.snapshot().reason), (true, None));
    }

    #[test]
    fn only_the_latest_errors_are_kept() {
        let shared = SharedStatus::new("1");

        (0..25).for_each(|n| shared.note_error(format!("error {n}")));

        let errors = shared.snapshot().errors;
        assert_eq!(errors.len(), 20);
        assert_eq!((errors[0].message.as_str(), errors[19].message.as_str()), ("error 5", "error 24"));
    }

    #[test]
    fn a_status_survives_the_way_through_json() {
        let shared = SharedStatus::new("1");
        shared.update(|status| {
            status.segments.push(SegmentStatus { id: 1759999999000, boundary: Some(77), ..SegmentStatus::default() });
            status.segments_by_state.insert("open".into(), 1);
        });

        let text = serde_json::to_string(&shared.snapshot()).unwrap();

        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), shared.snapshot());
    }
}
