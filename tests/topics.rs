//! Topics that are made, and events that a broker refuses, against a real broker that makes none by itself.
//!
//! `cargo test --test topics -- --ignored --nocapture --test-threads 1`. `RINGTAIL_TOPICS_PORT` (20300, and the one after it) changes the
//! run; logs stay in `target/lab/run/topics-*`.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

#[path = "topics/scene.rs"]
mod scene;
mod support;

use scene::Scene;

#[test]
#[ignore = "starts a Kafka broker"]
fn missing_topics_are_made_as_asked_for_and_check_says_so_before() {
    let scene = Scene::new("create", &["auto.create.topics.enable=false"]);
    let create = "create: { partitions: 3, replication_factor: 1, config: { retention.ms: 86400000 } }, audit: \"{prefix}.audit\"";

    let check = scene.ringtail(&["check"], create);
    assert!(check.contains("0 of 4 topics exist; a run would create shop."), "{check}");
    let run = scene.ringtail(&["run", "--drain", "--timeout", "60s"], create);
    assert!(run.contains("was created (topics.create)"), "{run}");

    for topic in ["shop.shop.outbox", "shop.audit"] {
        assert_eq!(scene.partitions(topic), 3, "{topic}");
        assert_eq!(scene.setting(topic, "retention.ms").as_deref(), Some("86400000"), "{topic}");
    }
    let outbox = scene.records("shop.shop.outbox");
    assert!(outbox.iter().all(|record| record.headers["from"] == "n1/shop.outbox" && record.value.is_some()), "{outbox:?}");
    assert_eq!(outbox.len() + scene.records("shop.shop.orders_by_customer_and_date").len(), 42);
    let check = scene.ringtail(&["check"], create);
    assert!(!check.contains("would create"), "{check}");
}

#[test]
#[ignore = "starts a Kafka broker"]
fn a_topic_that_cannot_be_made_is_named_and_waited_for() {
    let scene = Scene::new("refused", &["auto.create.topics.enable=false", "num.partitions=5"]);

    let run = scene.ringtail(&["run", "--drain", "--timeout", "10s"], "create: { replication_factor: 3 }");

    assert!(run.contains("the topic does not exist and could not be created (topics.create)"), "{run}");
    assert!(run.contains("InvalidReplicationFactor") || run.contains("replication"), "{run}");
    let run = scene.ringtail(&["run", "--drain", "--timeout", "60s"], "create: {}");
    assert!(run.contains("was created (topics.create)"), "{run}");
    assert_eq!(scene.partitions("shop.shop.outbox"), 5, "the broker's own number");
}
