//! What a running agent answers over HTTP.

use super::place::{EVENTS, Place, SEGMENT, names};
use std::fs;

#[test]
fn an_agent_at_rest_is_live_and_ready_and_shows_what_it_did() {
    let place = Place::new();
    let mut agent = place.start();
    agent.wait_for("segment finished");

    let status = agent.wait_until("at rest", |status| status["segments_by_state"]["finished"] == 1);

    assert_eq!(agent.get("/livez"), (200, "live\n".into()));
    assert_eq!(agent.get("/readyz"), (200, "ready\n".into()));
    let (code, verbose) = agent.get("/readyz?verbose");
    assert_eq!(code, 200);
    for line in ["ready\n", "main loop: turned ", "lag: 0.0 s, 0 bytes, 0 segments\n", "in flight: 0 events\n", "parked: 0 entries\n"] {
        assert!(verbose.contains(line), "{line}\n{verbose}");
    }
    assert_eq!((&status["node"], &status["ready"], &status["reason"]), (&"local".into(), &true.into(), &serde_json::Value::Null));
    assert_eq!(status["lag"], serde_json::json!({"seconds": 0.0, "bytes": 0, "segments": 0}));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["errors"], serde_json::json!([]));
    assert!(agent.get("/").1.contains("<title>Ringtail</title>"));
    assert_eq!(agent.get("/nothing").0, 404);
    assert_eq!(agent.stop().0, Some(0));
}

#[test]
fn a_growing_segment_is_shown_with_how_far_it_is_delivered() {
    let place = Place::new();
    place.open_segment();
    let mut agent = place.start();

    let status = agent.wait_until("delivered", |status| {
        let segment = &status["segments"][0];
        segment["boundary"].is_u64() && segment["lag_bytes"] == 0 && status["in_flight"] == 0
    });

    let segment = &status["segments"][0];
    assert_eq!((&segment["file"], &segment["state"], &segment["bytes"]), (&SEGMENT.into(), &"open".into(), &1_048_576.into()));
    // The last section holds no entry: its eight bytes are read, and nothing of them is to be delivered.
    assert_eq!(segment["boundary"], segment["delivered_to"]);
    assert_eq!(status["lag"]["seconds"], 0.0, "nothing waits: {status:#}");
    assert_eq!(status["segments_by_state"], serde_json::json!({"open": 1}));
    assert_eq!(agent.stop().0, Some(0));
    assert_eq!(place.events().len(), EVENTS);
}

#[test]
fn what_was_survived_is_among_the_errors_and_readiness_is_not_touched_by_it() {
    let place = Place::new();
    place.flip(60_000);
    let mut agent = place.start();
    agent.wait_for("in quarantine");

    let status = agent.wait_until("at rest", |status| status["segments_by_state"]["quarantined"] == 1);

    let message = status["errors"][0]["message"].as_str().expect("a message");
    assert!(message.starts_with("entry checksum mismatch: expected 0x2e7aee7f, found 0x47b61272"), "{message}");
    assert_eq!(status["ready"], true);
    assert_eq!(agent.stop().0, Some(0));
    // Until somebody acknowledges it, every run says so.
    let again = place.drain();
    again.says(&format!("in quarantine since a former run, and not acknowledged segment=\"{SEGMENT}\" cause=\"one damaged range\""));
}

#[test]
fn i10_a_lost_segment_is_named_in_every_run() {
    // Nothing is delivered, and then every name of the segment goes.
    let place = Place::new().with("sink", "{ kafka: { bootstrap.servers: \"127.0.0.1:1\" } }").with("node", "{ id: n1 }");
    let mut agent = place.start();
    agent.wait_for("segment seen");
    agent.wait_until("released", |_| names(&place.cdc_raw()).is_empty());
    fs::remove_file(place.path("state/spool").join(SEGMENT)).expect("our link");

    let line = agent.wait_for("segment lost");

    assert!(line.contains("ERROR") && line.contains("it is gone from cdc_raw and from the spool"), "{line}");
    assert!(line.contains(&format!("segment=\"{SEGMENT}\" delivered_to=1795374647657:")) && line.contains(" bytes=1048576"), "{line}");
    agent.wait_until("lost", |status| status["segments_by_state"]["lost"] == 1);
    assert_eq!(agent.stop().0, Some(0));
    let place = place.with("sink", "{ file: { path: @/events.jsonl } }");
    for _ in 0..2 {
        place.drain().says(&format!("ERROR ringtail::pipeline::report: lost in a former run, and not acknowledged segment=\"{SEGMENT}\""));
    }
}

#[test]
fn a_drain_that_finds_bytes_lost_ends_with_70() {
    let place = Place::new().with("sink", "{ kafka: { bootstrap.servers: \"127.0.0.1:1\" } }").with("node", "{ id: n1 }");
    let mut agent = place.start();
    agent.wait_until("released", |_| names(&place.cdc_raw()).is_empty());
    assert_eq!(agent.stop().0, Some(0));
    fs::remove_file(place.path("state/spool").join(SEGMENT)).expect("our link");

    let ended = place.with("sink", "{ file: { path: @/events.jsonl } }").drain();

    assert_eq!(ended.code, Some(70), "{}", ended.err);
    assert!(ended.err.ends_with("ringtail: bytes are lost: the log above names the segments\n"), "{}", ended.err);
}
