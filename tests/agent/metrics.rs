//! Every metric exists and moves: each is seen with two values, or is one that never changes.

use super::outbox::orders_as_outbox;
use super::place::{Agent, OUTBOX, Place, SEGMENT};
use rdkafka::mocking::MockCluster;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

/// Names that are a contract, and for each what has to move: a series by part of its labels. None: it has one value for ever.
pub const METRICS: &[(&str, &[&str])] = &[
    ("process_resident_memory_bytes", &[""]),
    ("process_start_time_seconds", &[""]),
    ("ringtail_breaker_state", &["state=\"open\"", "state=\"closed\""]),
    ("ringtail_build_info", &[]),
    ("ringtail_cdc_raw_bytes", &[""]),
    ("ringtail_cdc_raw_full_seconds", &[""]),
    ("ringtail_cdc_raw_limit_bytes", &[""]),
    ("ringtail_checkpoint_age_seconds", &[""]),
    ("ringtail_damaged_bytes_total", &["entry", "marker", "section", "segment"]),
    ("ringtail_event_bytes_total", &["table=\"outbox\"", "table=\"orders_by_customer_and_date\""]),
    ("ringtail_events_total", &["op=\"i\"", "op=\"u\"", "op=\"d\"", "op=\"r\""]),
    ("ringtail_filtered_total", &["system", "cdc", "tables", "not_outbox", "outbox_update", "outbox_delete"]),
    ("ringtail_gaps", &["harmless", "suspicious", "lost"]),
    ("ringtail_in_flight_events", &[""]),
    ("ringtail_lag_bytes", &[""]),
    ("ringtail_lag_seconds", &[""]),
    ("ringtail_lag_segments", &[""]),
    ("ringtail_lost_bytes_total", &["vanished"]),
    ("ringtail_lost_segments_total", &["vanished"]),
    ("ringtail_node_refuses_cdc", &[""]),
    ("ringtail_parked", &["reason=\"unknown_table\""]),
    ("ringtail_parked_bytes", &[""]),
    ("ringtail_ready", &[""]),
    ("ringtail_segments", &["open", "final", "finished", "quarantined", "lost"]),
    ("ringtail_spool_bytes", &[""]),
    ("ringtail_spool_full_seconds", &[""]),
    ("ringtail_spool_limit_bytes", &[""]),
];

/// Every value that was seen of every series.
#[derive(Default)]
struct Seen(BTreeMap<String, BTreeSet<String>>);

impl Seen {
    fn scrape(&mut self, agent: &Agent) -> String {
        let (code, text) = agent.get("/metrics");
        assert_eq!(code, 200);
        assert!(text.ends_with("# EOF\n"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            self.0.entry(series.to_owned()).or_default().insert(value.to_owned());
        }
        text
    }

    /// Scrapes until a series of this form has this kind of value.
    fn wait_for(&mut self, agent: &Agent, series: &str, wanted: impl Fn(f64) -> bool) {
        let end = Instant::now() + super::place::PATIENCE;
        loop {
            let text = self.scrape(agent);
            let values = text.lines().filter(|line| line.starts_with(series)).filter_map(|line| line.rsplit(' ').next()?.parse().ok());
            if values.into_iter().any(&wanted) {
                return;
            }
            assert!(Instant::now() < end, "{series} is not as wanted\n{text}\n{}", agent.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn names(&self) -> BTreeSet<&str> {
        self.0.keys().filter_map(|series| series.split('{').next()).collect()
    }

    /// Whether a series of this metric with these labels had more than one value. Reasons for parking come and go with what is parked.
    fn moved(&self, metric: &str, labels: &str) -> bool {
        let of = |series: &&String| series.split('{').next() == Some(metric) && series.contains(labels);
        let values_min = if metric == "ringtail_parked" { 1 } else { 2 };
        self.0.iter().filter(|(series, _)| of(series)).any(|(_, values)| values.len() >= values_min)
    }
}

/// Kafka is away: everything waits, is linked, and what is removed behind our back is lost.
fn nothing_arrives(seen: &mut Seen) {
    let place = Place::new()
        .with("source", "{ cdc_raw: @/cdc_raw, rescan: 100ms, cassandra_yaml: @/cassandra.yaml }")
        .with("state", "{ dir: @/state, spool: { limit: 1MiB } }")
        .with("sink", "{ kafka: { bootstrap.servers: \"127.0.0.1:1\" } }")
        .with("node", "{ id: n1 }");
    fs::write(place.path("cassandra.yaml"), "cdc_enabled: true\ncdc_total_space: 1MiB\n").expect("a file");
    let other_name = place.open_segment();
    let mut agent = place.start();

    seen.wait_for(&agent, "ringtail_segments{state=\"open\"}", |open| open == 1.0);
    seen.wait_for(&agent, "ringtail_ready", |ready| ready == 0.0);
    seen.wait_for(&agent, "ringtail_breaker_state{state=\"open\"}", |open| open == 1.0);
    seen.wait_for(&agent, "ringtail_lag_seconds", |lag| lag > 0.0);
    seen.wait_for(&agent, "ringtail_lag_segments", |lag| lag == 1.0);
    seen.wait_for(&agent, "ringtail_lag_bytes", |lag| lag > 0.0);
    seen.wait_for(&agent, "ringtail_cdc_raw_bytes", |bytes| bytes == 1_048_576.0);
    seen.wait_for(&agent, "ringtail_cdc_raw_limit_bytes", |bytes| bytes == 1_048_576.0);
    seen.wait_for(&agent, "ringtail_cdc_raw_full_seconds", |seconds| seconds == 0.0);
    seen.wait_for(&agent, "ringtail_spool_full_seconds", f64::is_infinite);
    // The node is done with it and removes it: our link is the only one.
    fs::remove_file(other_name).expect("the node's name");
    fs::remove_file(place.segment()).expect("the segment");
    seen.wait_for(&agent, "ringtail_spool_bytes", |bytes| bytes == 1_048_576.0);
    seen.wait_for(&agent, "ringtail_spool_full_seconds", |seconds| seconds == 0.0);
    seen.wait_for(&agent, "ringtail_segments{state=\"final\"}", |count| count == 1.0);
    fs::remove_file(place.path("state/spool").join(SEGMENT)).expect("our link");
    seen.wait_for(&agent, "ringtail_lost_bytes_total{cause=\"vanished\"}", |bytes| bytes == 1_048_576.0);
    seen.wait_for(&agent, "ringtail_segments{state=\"lost\"}", |count| count == 1.0);
    assert_eq!(agent.stop().0, Some(0));
}

/// Kafka takes its time: events are in flight, then delivered.
fn everything_arrives_late(seen: &mut Seen) {
    let broker = MockCluster::new(1).expect("a mock cluster");
    for table in ["outbox", "orders_by_customer_and_date"] {
        broker.create_topic(&format!("shop.shop.{table}"), 3, 1).expect("a topic");
    }
    let place = Place::new()
        .with("sink", &format!("{{ kafka: {{ bootstrap.servers: \"{}\", linger.ms: 3000 }} }}", broker.bootstrap_servers()))
        .with("source", "{ cdc_raw: @/cdc_raw, cassandra_yaml: @/cassandra.yaml }")
        .with("node", "{ id: n1 }");
    fs::write(place.path("cassandra.yaml"), "cdc_enabled: true\ncdc_total_space_in_mb: 4096\n").expect("a file");
    let mut agent = place.start();

    seen.wait_for(&agent, "ringtail_in_flight_events", |events| events > 0.0);
    seen.wait_for(&agent, "ringtail_ready", |ready| ready == 1.0);
    seen.wait_for(&agent, "ringtail_events_total{keyspace=\"shop\",table=\"outbox\",op=\"i\"}", |events| events > 0.0);
    seen.wait_for(&agent, "ringtail_segments{state=\"finished\"}", |count| count == 1.0);
    seen.wait_for(&agent, "ringtail_in_flight_events", |events| events == 0.0);
    seen.wait_for(&agent, "ringtail_lag_seconds", |lag| lag == 0.0);
    assert_eq!(agent.stop().0, Some(0));
}

/// Runs an agent until a series is above 0 and the segment has come to this state.
fn until(seen: &mut Seen, place: &Place, series: &str, state: &str) {
    let mut agent = place.start();
    seen.wait_for(&agent, series, |value| value > 0.0);
    seen.wait_for(&agent, &format!("ringtail_segments{{state=\"{state}\"}}"), |segments| segments == 1.0);
    assert_eq!(agent.stop().0, Some(0));
}

fn what_is_damaged(seen: &mut Seen) {
    // The header, an entry's body, a marker's checksum, the size of the first entry.
    for (kind, offset) in [("segment", 5), ("entry", 60_000), ("marker", 25), ("section", 30)] {
        let place = Place::new();
        place.flip(offset);
        until(seen, &place, &format!("ringtail_damaged_bytes_total{{kind=\"{kind}\"}}"), "quarantined");
    }
}

fn what_is_left_out(seen: &mut Seen) {
    let schema = |from: &str, to: &str| {
        let place = Place::new().with("schema", "{ file: @/schema.cql, log: false }");
        let text = fs::read_to_string(place.path("schema.cql")).expect("text");
        fs::write(place.path("schema.cql"), text.replace(from, to)).expect("a file");
        place
    };
    let unknown = schema(OUTBOX, "00000000-e6a8-11f1-b4b3-d375b5977eb1");
    until(seen, &unknown, "ringtail_parked{class=\"waiting\",reason=\"unknown_table\"}", "finished");
    until(seen, &schema("cdc = true", "cdc = false"), "ringtail_filtered_total{rule=\"cdc\"}", "finished");
    until(seen, &Place::new().with("tables", "{ exclude: [\"shop.outbox\"] }"), "ringtail_filtered_total{rule=\"tables\"}", "finished");
    until(seen, &Place::new(), "ringtail_filtered_total{rule=\"system\"}", "finished");
    until(seen, &orders_as_outbox("on_update: ignore"), "ringtail_filtered_total{rule=\"outbox_update\"}", "finished");
}

/// The node's newest segments are not linked; an index comes without a segment; a name goes that the spool holds.
fn what_is_missing(seen: &mut Seen) {
    let place = Place::new().with("source", "{ cdc_raw: @/cdc_raw, commitlog: @/commitlog, rescan: 100ms }");
    fs::create_dir(place.path("commitlog")).expect("a folder");
    let names = [1_795_374_647_660_u64, 1_795_374_647_661].map(|id| place.path(&format!("commitlog/CommitLog-7-{id}.log")));
    place.open_segment();
    let mut agent = place.start();

    seen.wait_for(&agent, "ringtail_segments{state=\"open\"}", |count| count == 1.0);
    names.iter().for_each(|name| fs::write(name, b"").expect("a segment"));
    seen.wait_for(&agent, "ringtail_node_refuses_cdc", |refuses| refuses == 1.0);
    seen.wait_for(&agent, "ringtail_gaps{judgement=\"suspicious\"}", |gaps| gaps == 1.0);
    names.iter().for_each(|name| fs::remove_file(name).expect("a segment"));
    seen.wait_for(&agent, "ringtail_node_refuses_cdc", |refuses| refuses == 0.0);
    fs::remove_file(place.segment()).expect("the name in cdc_raw");
    seen.wait_for(&agent, "ringtail_gaps{judgement=\"harmless\"}", |gaps| gaps == 1.0);
    fs::write(place.cdc_raw().join("CommitLog-7-1795374647662_cdc.idx"), b"4711").expect("an index");
    seen.wait_for(&agent, "ringtail_gaps{judgement=\"lost\"}", |gaps| gaps == 1.0);
    assert_eq!(agent.stop().0, Some(0));
}

#[test]
fn every_metric_moves() {
    let mut seen = Seen::default();

    nothing_arrives(&mut seen);
    everything_arrives_late(&mut seen);
    what_is_damaged(&mut seen);
    what_is_left_out(&mut seen);
    what_is_missing(&mut seen);

    assert_eq!(seen.names(), METRICS.iter().map(|(name, _)| *name).collect());
    for (metric, series) in METRICS {
        for labels in *series {
            assert!(seen.moved(metric, labels), "{metric} {labels} did not move: {:#?}", seen.0);
        }
    }
}
