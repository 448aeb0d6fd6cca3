//! Exactly once, against a real broker.
#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "once/sink.rs"]
mod sink;
mod support;

use support::agent::setting;
use support::lab::{Kafka, empty_folder};

const KAFKA: &str = "3.6.1";

#[test]
#[ignore = "starts a Kafka broker"]
fn transactions_of_the_sink_hold_on_a_real_broker() {
    let folder = empty_folder("once-sink");
    let port = u16::try_from(setting("RINGTAIL_ONCE_PORT", 19840)).expect("a port");
    let kafka = Kafka::start(KAFKA, &folder.join("kafka"), port, &[]);

    sink::all(&kafka.bootstrap());
}
