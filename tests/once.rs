//! Exactly once, against a real broker.
//!
//! `cargo test --test once -- --ignored --nocapture --test-threads 1`. `RINGTAIL_ONCE_KILLS` (20), `RINGTAIL_SEED`,
//! `RINGTAIL_KAFKA` (3.6.1) and `RINGTAIL_ONCE_PORT` (19840, and the one after it) change the run; logs stay in `target/lab/run/once-*`.
#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "once/kills.rs"]
mod kills;
#[path = "once/scene.rs"]
mod scene;
#[path = "once/sink.rs"]
mod sink;
mod support;

use support::agent::setting;
use support::lab::{Kafka, empty_folder, kafka_release};

#[test]
#[ignore = "starts a Kafka broker"]
fn transactions_of_the_sink_hold_on_a_real_broker() {
    let folder = empty_folder("once-sink");
    let port = u16::try_from(setting("RINGTAIL_ONCE_PORT", 19840)).expect("a port");
    let kafka = Kafka::start(&kafka_release(), &folder.join("kafka"), port, &[]);

    sink::all(&kafka.bootstrap());
}

#[test]
#[ignore = "starts a Kafka broker, and takes a second for each kill"]
fn each_event_is_seen_once_across_kills() {
    kills::each_event_is_seen_once();
}
