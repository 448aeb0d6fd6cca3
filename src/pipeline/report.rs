//! What the endpoints say.

use super::Pipeline;
use super::lag::{Lags, Sight};
use super::rates::{Growth, Pace};
use crate::cdc_raw::Finality;
use crate::checkpoint::{SegmentKey, SegmentRecord, SegmentState};
use crate::disk;
use crate::position::LogicalPosition;
use crate::telemetry::{Lag, ParkedCount, SegmentStatus, Spool};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// How often the status is brought up to date. A scrape sees figures at most this old.
const REPORT_INTERVAL: Duration = Duration::from_millis(250);
/// … unless that would take more than this share of the time: with thousands of segments there is a file to look at for each.
const REPORT_SHARE: u32 = 50;

/// What has to be remembered from one report to the next.
#[derive(Debug, Default)]
pub(super) struct Reporting {
    lags: Lags,
    pace: Pace,
    spool_growth: Growth,
    cdc_raw_growth: Growth,
    /// The version of the catalog whose tables have their series.
    tables: Option<u64>,
    /// Why everything is being sent again.
    pub failure: String,
    /// What the log says of readiness so far.
    said_ready: Option<bool>,
}

/// What the file system says of a segment.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    length: u64,
    age: Duration,
}

impl Pipeline {
    /// What former runs could not deliver as a whole is named in each run until somebody acknowledges it (I10).
    pub(super) fn name_unacknowledged(&self) {
        for (_, record) in self.ledger.live() {
            let (segment, cause) = (&record.file, record.cause.as_deref().unwrap_or("no cause on record"));
            let what = match record.state() {
                SegmentState::Lost(_) => "lost in a former run, and not acknowledged",
                SegmentState::Quarantined => "in quarantine since a former run, and not acknowledged",
                _ => continue,
            };
            tracing::error!(segment, cause, "{what}");
            self.status.note_error(format!("{segment}: {what}: {cause}"));
        }
    }

    /// Brings the status up to date, if it is time.
    pub(super) fn report(&mut self, now: bool) {
        if !now && self.schedule.now < self.schedule.next_report {
            return;
        }
        let begun = self.schedule.clock.now();
        self.show_tables();
        let looks = self.looks();
        let ready = self.readiness();
        self.say(&ready);
        let segments = self.segments(&looks);
        let lag = self.lag(&segments, &looks);
        let by_state = self.segments_by_state();
        let gaps = self.gaps();
        let parked = self.parked.by_reason().map(|(class, reason, count)| ParkedCount {
            class: class.name().to_owned(),
            reason: reason.to_owned(),
            count,
        });
        let parked: Vec<ParkedCount> = parked.collect();
        let ours = self.inventory.segments().filter(|segment| segment.is_ours_alone());
        let spool: u64 = ours.filter_map(|segment| looks.get(&segment.key())).map(|look| look.length).sum();
        let limit = self.settings.spool.limit;
        let (now, cdc_raw) = (self.schedule.now, self.cdc_raw_bytes);
        let full_in = self.reporting.spool_growth.note(now, spool, limit);
        let cdc_raw_growth = &mut self.reporting.cdc_raw_growth;
        let rates = self.reporting.pace.note(self.schedule.now, self.delivered, self.passed);
        self.status.update(|status| {
            status.delivered = self.delivered;
            status.rates = rates;
            status.ready = ready.is_ok();
            status.reason = ready.err();
            status.segments = segments;
            status.segments_by_state = by_state;
            status.lag = lag;
            status.breaker = self.breaker.state().to_owned();
            status.in_flight = self.shipper.as_ref().map_or(0, |shipper| shipper.window.len() as u64);
            status.checkpoint_age = Some(self.schedule.now.duration_since(self.schedule.last_save).as_secs_f64());
            status.spool = Spool { bytes: spool, limit_bytes: limit, full_in_seconds: full_in, disk_free_bytes: self.disk_free };
            status.cdc_raw_bytes = cdc_raw;
            status.cdc_raw_full_in_seconds = status.cdc_raw_limit_bytes.and_then(|limit| cdc_raw_growth.note(now, cdc_raw, limit));
            status.gaps = gaps;
            status.parked = parked;
            status.parked_bytes = self.parked.bytes();
        });
        let took = self.schedule.clock.now().saturating_duration_since(begun);
        self.schedule.next_report = self.schedule.now + REPORT_INTERVAL.max(took * REPORT_SHARE);
    }

    /// Gives every published table its series before its first event, so that `increase()` sees that one too.
    fn show_tables(&mut self) {
        let (Some(catalog), Some(shipper)) = (self.tables.catalog(), &mut self.shipper) else { return };
        let version = Some(self.tables.version());
        if self.reporting.tables != version {
            self.reporting.tables = version;
            shipper.show_tables(&catalog);
        }
    }

    /// Writes to the log when readiness comes or goes.
    fn say(&mut self, ready: &Result<(), String>) {
        if self.reporting.said_ready == Some(ready.is_ok()) {
            return;
        }
        self.reporting.said_ready = Some(ready.is_ok());
        match ready {
            Ok(()) => tracing::info!("ready"),
            Err(reason) => tracing::info!(reason, "not ready"),
        }
    }

    /// Whether progress is possible, or why not.
    fn readiness(&mut self) -> Result<(), String> {
        if let Some(obstacle) = self.full_disk.as_ref().or(self.folder_obstacle.as_ref()) {
            return Err(obstacle.clone());
        }
        if let Some(why) = &self.short_of_space {
            return Err(why.clone());
        }
        if !self.tables.is_known() {
            return Err("waiting for the schema (schema.cql.contact_points)".into());
        }
        let Some(shipper) = &self.shipper else {
            return Err("waiting for Cassandra to say which node this is (schema.cql.contact_points)".into());
        };
        shipper.sink().health()?;
        if self.schedule.retry_at.is_some_and(|at| self.schedule.now < at) {
            return Err(format!("{}; trying again", self.reporting.failure));
        }
        self.obstacle.clone().map_or(Ok(()), Err)
    }

    /// One look at each file that we hold.
    fn looks(&self) -> BTreeMap<SegmentKey, Look> {
        let now = SystemTime::now();
        let look = |key: SegmentKey| {
            let file = disk::metadata(&self.inventory.spooled_path(key)?).ok()?;
            let age = file.modified.and_then(|at| now.duration_since(at).ok()).unwrap_or_default();
            Some((key, Look { length: file.length, age }))
        };
        self.inventory.segments().filter_map(|segment| look(segment.key())).collect()
    }

    fn segments_by_state(&self) -> BTreeMap<String, u64> {
        let mut by_state: BTreeMap<String, u64> = BTreeMap::new();
        let live = self.ledger.live().map(|(key, record)| (self.state_of(key, record), 1));
        for (state, count) in live.chain(self.ledger.ended()) {
            *by_state.entry(state.name().to_owned()).or_default() += count;
        }
        by_state
    }

    /// A record says `final` when everything up to the end has arrived; here it is said as soon as the node cannot write any more.
    fn state_of(&self, key: SegmentKey, record: &SegmentRecord) -> SegmentState {
        let is_final = self.inventory.get(key).is_some_and(|segment| segment.finality() != Finality::Open);
        if record.state() == SegmentState::Open && is_final { SegmentState::Final } else { record.state() }
    }

    fn segments(&self, looks: &BTreeMap<SegmentKey, Look>) -> Vec<SegmentStatus> {
        let status = |(key, tail): (&SegmentKey, &super::tail::Tail)| {
            let record = self.ledger.get(*key)?;
            let length = looks.get(key).map_or(0, |look| look.length);
            let delivered_to = record.delivered_to.position;
            let (boundary, lag_bytes) = match tail.reader() {
                // Not opened yet: it holds what its file can hold, unless everything below the horizon was read without it.
                None => (None, if self.read_all { 0 } else { length }),
                Some(reader) => {
                    let unread = reader.marked_end().map_or(0, |end| end.since(reader.read_to()));
                    let read = reader.first_entry_crc().map_or(LogicalPosition(0), |_| reader.chain_end());
                    let waiting = u64::from(read.0.saturating_sub(delivered_to.0));
                    (Some(reader.chain_end().plus(u32::try_from(unread).unwrap_or(u32::MAX)).0), waiting + unread)
                }
            };
            Some(SegmentStatus {
                id: key.id.0,
                file: record.file.clone(),
                state: self.state_of(*key, record).name().to_owned(),
                boundary,
                delivered_to: delivered_to.0,
                bytes: length,
                lag_bytes,
            })
        };
        self.tails.iter().filter_map(status).collect()
    }

    /// How far behind the log we are.
    fn lag(&mut self, segments: &[SegmentStatus], looks: &BTreeMap<SegmentKey, Look>) -> Lag {
        let now = self.schedule.now;
        let mut oldest_unopened = Duration::ZERO;
        for (key, tail) in &self.tails {
            let age = looks.get(key).map_or(Duration::ZERO, |look| look.age);
            let Some(reader) = tail.reader() else {
                oldest_unopened = oldest_unopened.max(age);
                continue;
            };
            let (Some(record), Ok(marked_end)) = (self.ledger.get(*key), reader.marked_end()) else { continue };
            let sight = Sight {
                begin: reader.descriptor().header_end,
                read_to: reader.read_to(),
                marked_end,
                read_end: reader.first_entry_crc().map_or(LogicalPosition(0), |_| reader.chain_end()),
                delivered_to: record.delivered_to.position,
                age,
            };
            self.reporting.lags.see(*key, now, sight);
        }
        let tails = &self.tails;
        self.reporting.lags.retain(|key| tails.contains_key(key));
        let waiting = self.reporting.lags.oldest().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let unopened = if self.read_all { Duration::ZERO } else { oldest_unopened };
        Lag {
            seconds: waiting.max(unopened).as_secs_f64(),
            bytes: segments.iter().map(|segment| segment.lag_bytes).sum(),
            segments: segments.iter().filter(|segment| segment.lag_bytes > 0).count() as u64,
        }
    }
}
