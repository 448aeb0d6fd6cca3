//! `events.serializer: avro`, with a schema registry that is played.

use super::place::{EVENTS, PATIENCE, Place};
use super::support::registry::{Mood, Server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

fn place(server: &Server, more: &str) -> Place {
    let registry = format!("{{ url: \"{}\"{more} }}", server.url());
    Place::new().with("events", &format!("{{ envelope: flat, serializer: avro, registry: {registry} }}"))
}

/// The ids of the schemas that keys and values name.
fn schema_ids(events: &[Value]) -> Vec<u32> {
    let fields = events.iter().flat_map(|event| [&event["key_base64"], &event["value_base64"]]);
    let messages = fields.map(|text| BASE64.decode(text.as_str().expect("bytes")).expect("base64"));
    messages
        .map(|message| {
            assert_eq!(message[0], 0);
            u32::from_be_bytes(message[1..5].try_into().expect("four bytes"))
        })
        .collect()
}

#[test]
fn records_of_tables_are_avro_and_the_schema_topic_stays_json() {
    let server = Server::start();
    let place = place(&server, "").with("topics", "{ prefix: shop }");

    let drained = place.drain();

    assert_eq!(drained.code, Some(0), "{}", drained.err);
    let (tables, others): (Vec<Value>, Vec<Value>) = place.events().into_iter().partition(|event| event["topic"] != "shop.schema");
    assert_eq!(tables.len(), EVENTS);
    assert!(!others.is_empty() && others.iter().all(|event| event["value"].is_object()), "{others:?}");
    let ids = schema_ids(&tables);
    assert!(ids.iter().all(|id| (1..=4).contains(id)) && ids.contains(&4), "{ids:?}");
    let state = server.state();
    assert_eq!(
        state.subjects.keys().collect::<Vec<_>>(),
        [
            "shop.shop.orders_by_customer_and_date-key",
            "shop.shop.orders_by_customer_and_date-value",
            "shop.shop.outbox-key",
            "shop.shop.outbox-value"
        ]
    );
}

#[test]
fn replay_writes_the_same_records_as_a_run() {
    let server = Server::start();
    let place = place(&server, "");
    let segment = place.path("copy");
    std::fs::create_dir(&segment).unwrap();
    std::fs::copy(place.segment(), segment.join(super::place::SEGMENT)).unwrap();
    assert_eq!(place.drain().code, Some(0));
    let events = place.events();
    std::fs::remove_file(place.path("events.jsonl")).unwrap();

    let replayed = place.run("replay", &[&segment.display().to_string()]);

    assert_eq!(replayed.code, Some(0), "{}", replayed.err);
    assert_eq!(place.events(), events);
}

#[test]
fn a_registry_that_refuses_stops_reading_and_readiness_says_why() {
    let server = Server::start();
    server.state().mood = Mood::Says(422, r#"{"error_code":42201,"message":"not today"}"#.into());
    let place = place(&server, ", username: u, password: geheim");
    let mut agent = place.start();
    agent.wait_for("reading stops: the schema registry refuses the schema of subject shop.shop.");

    let status = agent.wait_until("it waits", |status| status["reason"].as_str().is_some_and(|why| why.contains("not today")));

    let (code, why) = agent.get("/readyz");
    assert_eq!(code, 503);
    assert!(why.contains("as invalid: not today"), "{why}");
    assert_eq!((&status["ready"], &status["parked"]), (&false.into(), &serde_json::json!([])));
    assert!(!agent.log().contains("geheim"), "{}", agent.log());
    assert_eq!(agent.stop().0, Some(0));
    server.state().mood = Mood::Well;
    assert_eq!(place.drain().code, Some(0));
    assert_eq!(place.events().len(), EVENTS, "nothing was skipped");
}

#[test]
fn check_says_how_the_schemas_of_each_table_stand() {
    let server = Server::start();
    let place = place(&server, "");

    let check = place.check();

    assert_eq!(check.code, Some(0), "{}", check.out);
    for line in [
        "ok    schema registry: it answers and lets us in; where a subject has no level of its own, compatibility is BACKWARD",
        "ok    schemas of shop.orders_by_customer_and_date: shop.shop.orders_by_customer_and_date-key is new, shop.shop.orders_by_customer_and_date-value is new",
        "ok    schemas of shop.outbox: shop.shop.outbox-key is new, shop.shop.outbox-value is new",
    ] {
        assert!(check.out.lines().any(|found| found == line), "{line}\n{}", check.out);
    }
    assert_eq!(server.state().schemas.len(), 0, "nothing is registered");
    {
        let mut state = server.state();
        state.schemas.push(r#"{"type":"record","name":"Value","fields":[]}"#.into());
        state.subjects.insert("shop.shop.orders_by_customer_and_date-value".into(), vec![1]);
        state.refuses = Some("READER_FIELD_MISSING_DEFAULT_VALUE".into());
    }
    let check = place.check();
    assert_eq!(check.code, Some(69), "{}", check.out);
    let line = "FAIL  schemas of shop.orders_by_customer_and_date: the schema registry refuses the schema of subject shop.shop.orders_by_customer_and_date-value as incompatible: \
                READER_FIELD_MISSING_DEFAULT_VALUE";
    assert!(check.out.contains(line), "{}", check.out);
}

#[test]
fn check_ends_with_69_when_the_registry_is_away_or_lets_nobody_in() {
    let server = Server::start();
    server.state().mood = Mood::Says(401, r#"{"error_code":401,"message":"Unauthorized"}"#.into());
    let place = place(&server, ", token: geheim, timeout: 1s");

    let check = place.check();
    assert_eq!(check.code, Some(69), "{}", check.out);
    assert!(check.out.contains("FAIL  schema registry: schema registry http://127.0.0.1:"), "{}", check.out);
    assert!(check.out.contains(" does not let us in (401): Unauthorized (events.registry."), "{}", check.out);
    assert!(!check.out.contains("geheim") && !check.err.contains("geheim"), "{}", check.out);

    drop(server);
    let begun = std::time::Instant::now();
    let check = place.check();
    assert_eq!(check.code, Some(69), "{}", check.out);
    assert!(check.out.contains(" does not answer: "), "{}", check.out);
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn without_leave_to_register_check_names_what_is_missing() {
    let server = Server::start();
    let place = place(&server, ", auto_register: false");

    let check = place.check();

    assert_eq!(check.code, Some(69), "{}", check.out);
    let line = "FAIL  schemas of shop.outbox: the schema registry does not know the schema of subject shop.shop.outbox-key: register it, \
                or set events.registry.auto_register = true";
    assert!(check.out.contains(line), "{}", check.out);
}
