//! Every metric, by name. The names are a contract with dashboards and alerts; a test lists them.
//!
//! Series whose labels are known exist from the start at 0, and those of a table from when it is first seen: `increase()` does
//! not see a series that begins at 1.

use super::process;
use super::status::{Gaps, Status};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// The media type of what [`Metrics::scrape`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Most pairs of keyspace and table that get series of their own; the rest is counted under `other`.
pub const TABLES_MAX: usize = 500;

/// The operations of `ringtail_events_total{op}`, as events name them.
pub const OPERATIONS: [&str; 4] = ["i", "u", "d", "r"];
/// The rules of `ringtail_filtered_total{rule}`: a table without `cdc = true`, a system table or view, `tables.include` and
/// `tables.exclude`, a row without content, no outbox table under `events.envelope: outbox`, a row of an outbox table updated or deleted.
pub const FILTER_RULES: [&str; 8] = ["cdc", "system", "tables", "empty", "not_outbox", "outbox_update", "outbox_delete", "strict"];
/// The classes of `ringtail_parked{class}`.
pub const PARKED_CLASSES: [&str; 2] = ["waiting", "refused"];
/// The kinds of `ringtail_damaged_bytes_total{kind}`: how much of a file the damage takes.
pub const DAMAGE_KINDS: [&str; 4] = ["entry", "section", "marker", "segment"];
/// The causes of `ringtail_lost_…_total{cause}`: it has vanished from the spool, the node removed it before it was linked, there was
/// no space for a link, we dropped it because the spool was full, the state that knew of it is gone.
pub const LOSS_CAUSES: [&str; 5] = ["vanished", "never_linked", "no_space", "dropped", "state_lost"];
/// The judgements of `ringtail_gaps{judgement}`.
pub const GAP_JUDGEMENTS: [&str; 3] = ["harmless", "suspicious", "lost"];
/// The states of `ringtail_breaker_state{state}`.
pub const BREAKER_STATES: [&str; 3] = ["closed", "open", "half_open"];
/// The states of `ringtail_segments{state}`.
pub const SEGMENT_STATES: [&str; 7] = ["open", "final", "delivered", "finished", "quarantined", "lost", "acknowledged"];

type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;
type Gauges = Family<Labels, Gauge>;
type Seconds = Gauge<f64, AtomicU64>;

/// All metrics of one agent.
pub struct Metrics {
    registry: Registry,
    tables: RwLock<Tables>,
    events: Counters,
    event_bytes: Counters,
    filtered: Counters,
    damaged_bytes: Counters,
    lost_bytes: Counters,
    lost_segments: Counters,
    gauges: StatusGauges,
    scraping: Mutex<()>,
}

/// What is copied from [`Status`] at each scrape. The families without labels have no sample until there is a value.
#[derive(Default)]
struct StatusGauges {
    lag_seconds: Seconds,
    lag_bytes: Gauge,
    lag_segments: Gauge,
    parked: Gauges,
    parked_bytes: Gauge,
    segments: Gauges,
    spool_bytes: Gauge,
    spool_limit_bytes: Gauge,
    spool_full_seconds: Seconds,
    cdc_raw_bytes: Gauge,
    cdc_raw_limit_bytes: Gauges,
    cdc_raw_full_seconds: Seconds,
    gaps: Gauges,
    node_refuses_cdc: Gauge,
    checkpoint_age_seconds: Family<Labels, Seconds>,
    in_flight_events: Gauge,
    breaker_state: Gauges,
    ready: Gauge,
    resident_bytes: Gauges,
    start_time_seconds: Seconds,
}

/// The series of tables, found without allocating.
#[derive(Default)]
struct Tables {
    by_keyspace: HashMap<String, HashMap<String, Arc<TableCounters>>>,
    count: usize,
    other: Option<Arc<TableCounters>>,
}

struct TableCounters {
    operations: [Counter; OPERATIONS.len()],
    bytes: Counter,
}

impl Metrics {
    /// Every metric, at 0. `version` goes into `ringtail_build_info`.
    pub fn new(version: &str) -> Metrics {
        let mut registry = Registry::default();
        let build = Info::new(vec![("version", version.to_owned())]);
        registry.register("ringtail_build", "The version of this binary", build);
        let metrics = Metrics {
            tables: RwLock::default(),
            events: counters(&mut registry, "ringtail_events", "Events delivered, by table and operation"),
            event_bytes: counters(&mut registry, "ringtail_event_bytes", "Bytes of key and value of delivered events"),
            filtered: counters(&mut registry, "ringtail_filtered", "Changes that a rule left out"),
            damaged_bytes: counters(&mut registry, "ringtail_damaged_bytes", "Bytes of segments that could not be read, kept aside"),
            lost_bytes: counters(&mut registry, "ringtail_lost_bytes", "Bytes of segments that are lost"),
            lost_segments: counters(&mut registry, "ringtail_lost_segments", "Segments of which something is lost"),
            gauges: StatusGauges::register(&mut registry),
            scraping: Mutex::new(()),
            registry,
        };
        metrics.start_at_zero();
        metrics
    }

    fn start_at_zero(&self) {
        FILTER_RULES.iter().for_each(|rule| self.filtered(rule, 0));
        DAMAGE_KINDS.iter().for_each(|kind| self.damaged(kind, 0));
        LOSS_CAUSES.iter().for_each(|cause| self.lost(cause, 0, 0));
    }

    /// Makes the series of a table exist at 0: called when its definition becomes known.
    pub fn table_seen(&self, keyspace: &str, table: &str) {
        self.table(keyspace, table);
    }

    /// Counts a delivered event. `op` is one of [`OPERATIONS`], `bytes` the length of key and value.
    pub fn event(&self, keyspace: &str, table: &str, op: &str, bytes: u64) {
        let counters = self.table(keyspace, table);
        if let Some((_, counter)) = OPERATIONS.iter().zip(&counters.operations).find(|(name, _)| **name == op) {
            counter.inc();
        }
        counters.bytes.inc_by(bytes);
    }

    /// Counts the bytes of a record that another one of the same event follows.
    pub fn event_bytes(&self, keyspace: &str, table: &str, bytes: u64) {
        self.table(keyspace, table).bytes.inc_by(bytes);
    }

    /// Counts changes that a rule left out; see [`FILTER_RULES`].
    pub fn filtered(&self, rule: &'static str, changes: u64) {
        self.filtered.get_or_create(&vec![("rule", rule.to_owned())]).inc_by(changes);
    }

    /// Counts bytes that could not be read and were kept aside; see [`DAMAGE_KINDS`].
    pub fn damaged(&self, kind: &'static str, bytes: u64) {
        self.damaged_bytes.get_or_create(&vec![("kind", kind.to_owned())]).inc_by(bytes);
    }

    /// Counts what is lost; see [`LOSS_CAUSES`].
    pub fn lost(&self, cause: &'static str, segments: u64, bytes: u64) {
        let labels = vec![("cause", cause.to_owned())];
        self.lost_segments.get_or_create(&labels).inc_by(segments);
        self.lost_bytes.get_or_create(&labels).inc_by(bytes);
    }

    /// All series in the OpenMetrics text form, the gauges as `status` says.
    ///
    /// # Errors
    /// Never in practice: writing into a string does not fail.
    pub fn scrape(&self, status: &Status) -> Result<String, std::fmt::Error> {
        // Gauges whose reason is gone are removed and set anew, which another scrape must not see half done.
        let _one_at_a_time = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        self.gauges.observe(status);
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }

    fn table(&self, keyspace: &str, table: &str) -> Arc<TableCounters> {
        let known = self.tables.read().unwrap_or_else(PoisonError::into_inner).find(keyspace, table);
        known.unwrap_or_else(|| self.add_table(keyspace, table))
    }

    fn add_table(&self, keyspace: &str, table: &str) -> Arc<TableCounters> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        if tables.count >= TABLES_MAX {
            return tables.other.get_or_insert_with(|| Arc::new(self.table_counters("other", "other"))).clone();
        }
        if let Some(added_meanwhile) = tables.find(keyspace, table) {
            return added_meanwhile;
        }
        let counters = Arc::new(self.table_counters(keyspace, table));
        tables.by_keyspace.entry(keyspace.to_owned()).or_default().insert(table.to_owned(), counters.clone());
        tables.count += 1;
        counters
    }

    fn table_counters(&self, keyspace: &str, table: &str) -> TableCounters {
        let labels = vec![("keyspace", keyspace.to_owned()), ("table", table.to_owned())];
        let operation = |op: &str| {
            let mut labels = labels.clone();
            labels.push(("op", op.to_owned()));
            self.events.get_or_create_owned(&labels)
        };
        TableCounters { operations: OPERATIONS.map(operation), bytes: self.event_bytes.get_or_create_owned(&labels) }
    }
}

impl Tables {
    fn find(&self, keyspace: &str, table: &str) -> Option<Arc<TableCounters>> {
        self.by_keyspace.get(keyspace)?.get(table).cloned()
    }
}

impl StatusGauges {
    fn register(registry: &mut Registry) -> StatusGauges {
        let gauges = StatusGauges::default();
        add(registry, "ringtail_lag_seconds", "Age of the oldest bytes not durably acknowledged, since first seen", &gauges.lag_seconds);
        add(registry, "ringtail_lag_bytes", "Bytes seen and not durably acknowledged", &gauges.lag_bytes);
        add(registry, "ringtail_lag_segments", "Segments with bytes not durably acknowledged", &gauges.lag_segments);
        add(registry, "ringtail_parked", "Entries that are parked", &gauges.parked);
        add(registry, "ringtail_parked_bytes", "Bytes of parked entries", &gauges.parked_bytes);
        add(registry, "ringtail_segments", "Segments on record", &gauges.segments);
        add(registry, "ringtail_spool_bytes", "Bytes held only by hard links of the spool", &gauges.spool_bytes);
        add(registry, "ringtail_spool_limit_bytes", "The limit of the spool", &gauges.spool_limit_bytes);
        add(registry, "ringtail_spool_full_seconds", "Time until the spool is at its limit; inf: not growing", &gauges.spool_full_seconds);
        add(registry, "ringtail_cdc_raw_bytes", "Bytes of the segments in cdc_raw", &gauges.cdc_raw_bytes);
        add(registry, "ringtail_cdc_raw_limit_bytes", "The node's cdc_total_space, where known", &gauges.cdc_raw_limit_bytes);
        add(
            registry,
            "ringtail_cdc_raw_full_seconds",
            "Time until cdc_raw is at cdc_total_space; inf: not growing, or unknown",
            &gauges.cdc_raw_full_seconds,
        );
        add(registry, "ringtail_gaps", "What is missing: harmless since the start, suspicious or lost until acknowledged", &gauges.gaps);
        add(registry, "ringtail_node_refuses_cdc", "1 while the node's newest segments have no name in cdc_raw", &gauges.node_refuses_cdc);
        add(registry, "ringtail_checkpoint_age_seconds", "Time since the checkpoint was last saved", &gauges.checkpoint_age_seconds);
        add(registry, "ringtail_in_flight_events", "Events sent and not covered by a saved checkpoint", &gauges.in_flight_events);
        add(registry, "ringtail_breaker_state", "1 for the state that the circuit breaker is in", &gauges.breaker_state);
        add(registry, "ringtail_ready", "1 if progress is possible or nothing is to be done", &gauges.ready);
        add(registry, "process_resident_memory_bytes", "Resident memory, file pages included", &gauges.resident_bytes);
        add(registry, "process_start_time_seconds", "Start of the process since the epoch", &gauges.start_time_seconds);
        gauges
    }

    fn observe(&self, status: &Status) {
        self.lag_seconds.set(status.lag.seconds);
        self.lag_bytes.set(signed(status.lag.bytes));
        self.lag_segments.set(signed(status.lag.segments));
        self.parked_bytes.set(signed(status.parked_bytes));
        self.spool_bytes.set(signed(status.spool.bytes));
        self.spool_limit_bytes.set(signed(status.spool.limit_bytes));
        self.spool_full_seconds.set(status.spool.full_in_seconds.unwrap_or(f64::INFINITY));
        self.cdc_raw_bytes.set(signed(status.cdc_raw_bytes));
        self.cdc_raw_full_seconds.set(status.cdc_raw_full_in_seconds.unwrap_or(f64::INFINITY));
        self.in_flight_events.set(signed(status.in_flight));
        self.node_refuses_cdc.set(i64::from(status.gaps.node_refuses));
        let Gaps { harmless, suspicious, lost, .. } = status.gaps;
        for (judgement, count) in GAP_JUDGEMENTS.into_iter().zip([harmless, suspicious, lost]) {
            self.gaps.get_or_create(&vec![("judgement", judgement.to_owned())]).set(signed(count));
        }
        self.ready.set(i64::from(status.ready));
        self.start_time_seconds.set(Duration::from_millis(status.started_ms).as_secs_f64());
        set_if_known(&self.cdc_raw_limit_bytes, status.cdc_raw_limit_bytes);
        set_if_known(&self.resident_bytes, process::resident_bytes());
        if let Some(age) = status.checkpoint_age {
            self.checkpoint_age_seconds.get_or_create(&Labels::new()).set(age);
        }
        for state in BREAKER_STATES {
            self.breaker_state.get_or_create(&vec![("state", state.to_owned())]).set(i64::from(status.breaker == state));
        }
        self.observe_segments(status);
        self.observe_parked(status);
    }

    fn observe_segments(&self, status: &Status) {
        let unknown = status.segments_by_state.keys().map(String::as_str).filter(|state| !SEGMENT_STATES.contains(state));
        for state in SEGMENT_STATES.into_iter().chain(unknown) {
            let count = status.segments_by_state.get(state).copied().unwrap_or_default();
            self.segments.get_or_create(&vec![("state", state.to_owned())]).set(signed(count));
        }
    }

    /// A reason that nothing is parked for any more disappears, except that each class keeps a series.
    fn observe_parked(&self, status: &Status) {
        self.parked.clear();
        for class in PARKED_CLASSES {
            self.parked.get_or_create(&parked_labels(class, "none")).set(0);
        }
        for parked in &status.parked {
            self.parked.get_or_create(&parked_labels(&parked.class, &parked.reason)).set(signed(parked.count));
        }
    }
}

fn parked_labels(class: &str, reason: &str) -> Labels {
    vec![("class", class.to_owned()), ("reason", reason.to_owned())]
}

fn counters(registry: &mut Registry, name: &str, help: &str) -> Counters {
    let family = Counters::default();
    registry.register(name, help, family.clone());
    family
}

fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: &M) {
    registry.register(name, help, metric.clone());
}

fn set_if_known(gauge: &Gauges, value: Option<u64>) {
    if let Some(value) = value {
        gauge.get_or_create(&Labels::new()).set(signed(value));
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
