//! The names are a contract: they are listed here literally.

use super::*;
use crate::telemetry::{Gaps, Lag, ParkedCount, Spool};
use std::collections::BTreeSet;

fn full_status() -> Status {
    Status {
        ready: true,
        started_ms: 1_760_000_000_500,
        lag: Lag { seconds: 1.5, bytes: 100, segments: 2 },
        breaker: "open".into(),
        in_flight: 7,
        checkpoint_age: Some(0.25),
        spool: Spool { bytes: 10, limit_bytes: 20, full_in_seconds: Some(90.5), ..Spool::default() },
        cdc_raw_bytes: 30,
        cdc_raw_limit_bytes: Some(40),
        gaps: Gaps { harmless: 5, suspicious: 2, lost: 1, node_refuses: true },
        parked: vec![ParkedCount { class: "waiting".into(), reason: "schema".into(), count: 3 }],
        parked_bytes: 50,
        segments_by_state: [("open".to_owned(), 2)].into(),
        ..Status::default()
    }
}

#[test]
fn the_names_are_the_documented_ones() {
    let metrics = Metrics::new("1.2.3");
    metrics.event("ks", "t", "i", 5);
    let text = metrics.scrape(&full_status()).unwrap();

    let found: BTreeSet<&str> =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(['{', ' ']).next().unwrap()).collect();
    let documented = BTreeSet::from([
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "ringtail_breaker_state",
        "ringtail_build_info",
        "ringtail_cdc_raw_bytes",
        "ringtail_cdc_raw_full_seconds",
        "ringtail_cdc_raw_limit_bytes",
        "ringtail_checkpoint_age_seconds",
        "ringtail_damaged_bytes_total",
        "ringtail_event_bytes_total",
        "ringtail_events_total",
        "ringtail_filtered_total",
        "ringtail_gaps",
        "ringtail_in_flight_events",
        "ringtail_lag_bytes",
        "ringtail_lag_seconds",
        "ringtail_lag_segments",
        "ringtail_lost_bytes_total",
        "ringtail_lost_segments_total",
        "ringtail_node_refuses_cdc",
        "ringtail_parked",
        "ringtail_parked_bytes",
        "ringtail_ready",
        "ringtail_segments",
        "ringtail_spool_bytes",
        "ringtail_spool_full_seconds",
        "ringtail_spool_limit_bytes",
    ]);
    assert_eq!(found, documented);
}

#[test]
fn the_gauges_say_what_the_status_says() {
    let metrics = Metrics::new("1.2.3");

    let text = metrics.scrape(&full_status()).unwrap();
    for line in [
        "ringtail_build_info{version=\"1.2.3\"} 1",
        "ringtail_lag_seconds 1.5",
        "ringtail_lag_bytes 100",
        "ringtail_lag_segments 2",
        "ringtail_in_flight_events 7",
        "ringtail_breaker_state{state=\"open\"} 1",
        "ringtail_breaker_state{state=\"closed\"} 0",
        "ringtail_checkpoint_age_seconds{} 0.25",
        "ringtail_spool_bytes 10",
        "ringtail_spool_limit_bytes 20",
        "ringtail_spool_full_seconds 90.5",
        "ringtail_cdc_raw_full_seconds inf",
        "ringtail_cdc_raw_bytes 30",
        "ringtail_cdc_raw_limit_bytes{} 40",
        "ringtail_gaps{judgement=\"harmless\"} 5",
        "ringtail_gaps{judgement=\"suspicious\"} 2",
        "ringtail_gaps{judgement=\"lost\"} 1",
        "ringtail_node_refuses_cdc 1",
        "ringtail_parked{class=\"waiting\",reason=\"schema\"} 3",
        "ringtail_parked{class=\"refused\",reason=\"none\"} 0",
        "ringtail_parked_bytes 50",
        "ringtail_segments{state=\"open\"} 2",
        "ringtail_segments{state=\"lost\"} 0",
        "ringtail_ready 1",
        "process_start_time_seconds 1760000000.5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn a_number_that_is_not_known_has_no_sample() {
    let metrics = Metrics::new("1");

    let text = metrics.scrape(&Status::default()).unwrap();
    assert!(!text.contains("\nringtail_cdc_raw_limit_bytes{"), "{text}");
    assert!(!text.contains("\nringtail_checkpoint_age_seconds{"), "{text}");
}

#[test]
fn what_is_no_longer_parked_disappears() {
    let metrics = Metrics::new("1");
    assert!(metrics.scrape(&full_status()).unwrap().contains("reason=\"schema\""));

    assert!(!metrics.scrape(&Status::default()).unwrap().contains("reason=\"schema\""));
}

#[test]
fn known_causes_begin_at_zero() {
    let text = Metrics::new("1").scrape(&Status::default()).unwrap();

    for line in LOSS_CAUSES.map(|cause| format!("ringtail_lost_bytes_total{{cause=\"{cause}\"}} 0")) {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(text.contains("ringtail_lost_segments_total{cause=\"vanished\"} 0"));
    assert!(text.contains("ringtail_damaged_bytes_total{kind=\"entry\"} 0"));
    assert!(text.contains("ringtail_filtered_total{rule=\"empty\"} 0"));
}

#[test]
fn a_table_that_is_seen_begins_at_zero_for_every_operation() {
    let metrics = Metrics::new("1");

    metrics.table_seen("shop", "orders");

    let text = metrics.scrape(&Status::default()).unwrap();
    for op in OPERATIONS {
        let line = format!("ringtail_events_total{{keyspace=\"shop\",table=\"orders\",op=\"{op}\"}} 0");
        assert!(text.contains(&line), "{line}\n{text}");
    }
}

#[test]
fn events_count_by_table_and_operation() {
    let metrics = Metrics::new("1");

    metrics.event("shop", "orders", "i", 100);
    metrics.event("shop", "orders", "i", 50);
    metrics.event("shop", "orders", "d", 5);
    metrics.lost("removed", 1, 4096);

    let text = metrics.scrape(&Status::default()).unwrap();
    assert!(text.contains("ringtail_events_total{keyspace=\"shop\",table=\"orders\",op=\"i\"} 2"), "{text}");
    assert!(text.contains("ringtail_events_total{keyspace=\"shop\",table=\"orders\",op=\"d\"} 1"));
    assert!(text.contains("ringtail_event_bytes_total{keyspace=\"shop\",table=\"orders\"} 155"));
    assert!(text.contains("ringtail_lost_bytes_total{cause=\"removed\"} 4096"));
}

#[test]
fn tables_beyond_the_limit_are_counted_together() {
    let metrics = Metrics::new("1");

    for n in 0..TABLES_MAX + 10 {
        metrics.event("ks", &format!("t{n}"), "u", 1);
    }
    metrics.event("ks", "t0", "u", 1);

    let text = metrics.scrape(&Status::default()).unwrap();
    assert!(text.contains("ringtail_events_total{keyspace=\"other\",table=\"other\",op=\"u\"} 10"));
    assert!(text.contains("ringtail_events_total{keyspace=\"ks\",table=\"t0\",op=\"u\"} 2"));
    assert_eq!(text.matches("ringtail_event_bytes_total{").count(), TABLES_MAX + 1);
}
