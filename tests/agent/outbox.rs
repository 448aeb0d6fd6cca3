//! Rows of outbox tables as messages: the example under `deploy`, what is passed over, what stops, what is parked.

use super::place::{EVENTS, Ended, OUTBOX_MUTATIONS, Place, lines};
use super::support::process::{output, ringtail};
use super::support::root;
use serde_json::{Value, json};
use std::fs;

/// The recorded outbox under its own names.
const OUTBOX: &str =
    "{ tables: { shop.outbox: { id: event_id, aggregate_type: aggregate_type, aggregate_id: aggregate_id, event_type: event_type } } }";
/// Inserts into it that the segment holds, and range deletes.
const MESSAGES: usize = 9;
const DELETES: usize = 2;

/// The orders, which are updated and deleted as no outbox should be, as one; `more` are further keys of the table.
pub fn orders_as_outbox(more: &str) -> Place {
    Place::new().with("events", "{ envelope: outbox }").with("outbox", &orders(&format!("payload: placed_at, {more}")))
}

fn orders(more: &str) -> String {
    let columns = "id: null, aggregate_type: currency, aggregate_id: order_id, event_type: status";
    format!("{{ tables: {{ shop.orders_by_customer_and_date: {{ {columns}, {more} }} }} }}")
}

/// A command about what is parked.
fn parked(place: &Place, command: &str, argument: &str) -> Ended {
    let config = place.config().display().to_string();
    Ended::of(&output(["parked", command, argument, "--config", &config]))
}

fn is_message(line: &Value) -> bool {
    line["topic"] == "outbox.event.order"
}

#[test]
fn the_outbox_example_prints_the_recorded_messages() {
    let state = tempfile::tempdir_in(root().join("target")).expect("a folder under target");
    let mut command = ringtail(["run", "--config", "deploy/outbox.yaml", "--drain"]);
    command.current_dir(root()).env("RINGTAIL_STATE__DIR", state.path()).env("RINGTAIL_LOG__FORMAT", "text");

    let ended = Ended::of(&command.output().expect("the binary starts"));

    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let golden = root().join("tests/agent/golden/outbox.jsonl");
    let expected = fs::read_to_string(&golden).expect("the golden file");
    assert_eq!(ended.out, expected, "{} is not what came", golden.display());
    assert_eq!(lines(&ended.out).len(), MESSAGES);
}

#[test]
fn messages_stand_among_the_events_of_other_tables_and_a_replay_gives_them_too() {
    let place = Place::new().with("outbox", OUTBOX);

    let drained = place.drain();
    let events = place.events();

    assert_eq!(drained.code, Some(0), "{}", drained.err);
    assert_eq!(OUTBOX_MUTATIONS, MESSAGES + DELETES);
    assert_eq!((events.len(), events.iter().filter(|line| is_message(line)).count()), (EVENTS - DELETES, MESSAGES));
    // State and message of one batch have the same entry.
    let entry = |line: &Value| line["headers"]["ringtail.batch"].as_str().and_then(|batch| Some(batch.split(';').next()?.to_owned()));
    assert_eq!((is_message(&events[0]), entry(&events[0])), (true, entry(&events[1])));
    let stdout = Place::new().with("outbox", OUTBOX).with("sink", "{ stdout: {} }");
    let replayed = stdout.run("replay", &[&stdout.cdc_raw().display().to_string()]);
    let messages = |lines: Vec<Value>| lines.into_iter().filter(is_message).collect::<Vec<_>>();
    assert_eq!((replayed.code, messages(lines(&replayed.out))), (Some(0), messages(events)), "{}", replayed.err);
}

#[test]
fn updates_and_deletes_are_passed_over_and_the_log_says_so_without_a_value() {
    let place = orders_as_outbox("on_update: warn, on_delete: warn");

    let ended = place.drain();

    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let (updated, deleted) = ("a row of the outbox was updated", "rows of the outbox were deleted");
    for what in [updated, deleted] {
        let said =
            ended.err.lines().filter(|line| line.contains(&format!("shop.orders_by_customer_and_date: {what}, which is no message")));
        // The first, and the tenth.
        assert_eq!(said.count(), if what == updated { 2 } else { 1 }, "{}", ended.err);
    }
    for value in ["Ada", "OrderPaid", "auth-55012", "5d2a1000-3f9b-11f0-8000-00000000000a"] {
        assert!(!ended.err.contains(value), "{}", ended.err);
    }
    let messages = place.events();
    assert!(messages.len() >= 7, "{}", messages.len());
    assert!(messages.iter().all(|message| message["value"].is_number()), "placed_at is ms: {messages:?}");
    assert!(messages.iter().all(|message| message["headers"]["id"] == message["headers"]["ringtail.id"]), "{messages:?}");
}

#[test]
fn halt_stops_reading_in_front_of_a_delete_and_says_where() {
    let mut place = orders_as_outbox("on_update: ignore, on_delete: halt");
    let mut agent = place.start();

    let status = agent.wait_until("it has stopped", |status| status["reason"].as_str().is_some_and(|why| why.ends_with("of it is halt")));

    let reason = status["reason"].as_str().expect("text");
    assert!(reason.contains("shop.orders_by_customer_and_date: rows of the outbox were deleted (1795374647657:"), "{reason}");
    assert_eq!((&status["ready"], agent.get("/readyz").0), (&false.into(), 503));
    assert_eq!(agent.stop().0, Some(0));
    let before = place.events();
    // The way on is another word.
    place.set("outbox", &orders("payload: placed_at, on_update: ignore, on_delete: warn"));
    assert_eq!(place.drain().code, Some(0));
    let undisturbed = orders_as_outbox("on_update: ignore");
    assert_eq!(undisturbed.drain().code, Some(0));
    let all = undisturbed.events();
    assert!(!before.is_empty() && before.len() < all.len() && all.starts_with(&before), "{before:?}");
    assert_eq!(place.events(), all);
}

#[test]
fn a_row_without_a_payload_is_parked_with_its_reason_and_the_rest_goes_on() {
    // Some orders have no quantities.
    let mut place = Place::new().with("events", "{ envelope: outbox }").with("outbox", &orders("payload: quantities"));

    let ended = place.drain();
    let kept = lines(&parked(&place, "list", "--json").out);

    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(place.events()[0]["value"], json!({"book-1815": 1, "book-1843": 1, "lamp-07": 1}));
    assert_eq!((place.events().len(), kept.len()), (2, 5));
    for one in &kept {
        assert_eq!((&one["class"], &one["reason"]), (&"refused".into(), &"not_encodable".into()));
        assert_eq!(one["message"], "a row of shop.orders_by_customer_and_date is no message: payload (column quantities) is not set");
    }
    // Without a payload they can be tombstones.
    place.set("outbox", &orders("payload: quantities, tombstone_on_empty: true"));
    let retried = parked(&place, "retry", "--all");
    assert_eq!(retried.code, Some(0), "{}", retried.err);
    assert_eq!(place.drain().code, Some(0));
    let tombstones: Vec<_> = place.events().into_iter().filter(|event| event["value"].is_null()).collect();
    assert_eq!(tombstones.len(), 5);
    assert!(tombstones.iter().all(|event| event["headers"]["ringtail.late"] == "not_encodable"), "{tombstones:?}");
}

#[test]
fn columns_and_tables_that_do_not_exist_are_found_by_check_and_named_by_a_run() {
    let place = Place::new().with("outbox", "{ tables: { shop.outbox: { payload: paylod }, shop.outbux: {} } }");

    let check = place.check();
    let mut agent = place.start();
    let waits = "shop.outbox has no column aggregatetype (outbox.tables.shop.outbox.aggregate_type)";
    let status = agent.wait_until("it waits", |status| status["reason"] == waits);

    assert_eq!(check.code, Some(64), "{}", check.out);
    let problems = [
        "column aggregatetype of shop.outbox does not exist (outbox.tables.shop.outbox.aggregate_type)",
        "column paylod of shop.outbox does not exist (outbox.tables.shop.outbox.payload)",
        "outbox.tables names shop.outbux, which is no table that is known",
    ];
    for problem in problems {
        assert!(check.out.contains(&format!("FAIL  outbox: {problem}\n")), "{}", check.out);
        assert!(agent.log().contains(problem), "{}", agent.log());
    }
    assert_eq!(status["ready"], false);
    assert_eq!(agent.stop().0, Some(0));
    let good = Place::new().with("outbox", OUTBOX).check();
    assert!(good.code == Some(0) && good.out.contains("ok    outbox: shop.outbox can be read as messages\n"), "{}", good.out);
    let excluded = Place::new().with("outbox", OUTBOX).with("tables", "{ exclude: [\"shop.outbox\"] }").check();
    assert!(excluded.out.contains("FAIL  outbox: shop.outbox is left out by tables.include or tables.exclude\n"), "{}", excluded.out);
}
