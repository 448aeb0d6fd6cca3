//! `ringtail schema`, and a run that has neither a node nor a file to ask.

use super::place::{EVENTS, OUTBOX, Place, SEGMENT, lines};
use super::support::Fixture;
use std::fs;

#[test]
fn what_is_known_is_shown_while_the_agent_runs_and_afterwards() {
    let place = Place::new();
    let mut agent = place.start();
    agent.wait_until("delivered and kept", |_| place.events().len() == EVENTS && place.path("state/schema.json").exists());
    let running = show(&place, &["shop.outbox"]);
    agent.stop();
    let afterwards = show(&place, &["shop.outbox"]);

    for shown in [&running.0, &afterwards.0] {
        assert!(shown.starts_with(&format!("shop.outbox  {OUTBOX}  cdc  version ")), "{shown}");
        assert!(shown.contains("    customer_id uuid  partition_key\n"), "{shown}");
    }
    assert!(afterwards.0.contains("create_table shop.outbox"), "{}", afterwards.0);
    assert!(show(&place, &[]).0.contains("shop.orders_by_customer_and_date"));
    assert_eq!(show(&place, &["shop.nowhere"]).1, Some(65));
    let json: serde_json::Value = serde_json::from_str(&show(&place, &["--json"]).0).expect("JSON");
    assert!(json["tables"][OUTBOX]["versions"].is_array());
}

/// What `schema show` prints and ends with.
fn show(place: &Place, arguments: &[&str]) -> (String, Option<i32>) {
    let config = place.config().display().to_string();
    let fixed = ["schema", "show", "--config", &config];
    let output = super::support::process::output(fixed.iter().chain(arguments).copied());
    let ended = super::place::Ended::of(&output);
    (ended.out, ended.code)
}

#[test]
fn nothing_known_yet_is_said() {
    let place = Place::new();

    let (out, code) = show(&place, &[]);

    assert_eq!((out.as_str(), code), ("", Some(65)));
}

#[test]
fn an_export_needs_a_node_that_answers() {
    let export = |place: &Place| {
        let config = place.config().display().to_string();
        super::place::Ended::of(&super::support::process::output(["schema", "export", "--config", &config]))
    };

    let nobody = export(&Place::new());
    let silent = export(&Place::new().with("schema", "{ cql: { contact_points: [\"127.0.0.1:1\"] } }"));

    assert_eq!(nobody.code, Some(64));
    nobody.says("schema.cql.contact_points is empty: there is no node to ask");
    assert_eq!(silent.code, Some(69));
    silent.says("no contact point gave the schema");
}

#[test]
fn with_neither_node_nor_file_the_log_is_enough_for_the_tables_that_it_creates() {
    let place = Place::new().with("schema", "{}");

    let ended = place.drain();

    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ended.says("only tables that the log itself creates are known");
    assert_eq!(place.events().len(), EVENTS);
    assert_eq!(place.kept("parked"), Vec::<String>::new());
}

#[test]
fn a_replay_with_a_schema_takes_the_file_for_all_there_is() {
    let set = Fixture::unpack("4.1.6/operations");
    let place = Place::new().with("sink", "{ stdout: {} }").with("schema", "{}").with("topics", "{ prefix: shop }");
    let (path, file) = (set.path().display().to_string(), set.file("schema.cql").display().to_string());

    let by_log = lines(&place.run("replay", &[&path]).out);
    let by_file = lines(&place.run("replay", &[&path, "--schema", &file]).out);

    let first_key = |events: &[serde_json::Value]| {
        let of_evolve = |event: &&serde_json::Value| event["topic"] == "shop.ops.evolve";
        events.iter().find(of_evolve).expect("an event")["key"].clone()
    };
    assert_eq!(first_key(&by_log), serde_json::json!({"p": 1}), "as of the write");
    assert_eq!(first_key(&by_file), serde_json::json!({"pk": 1}), "as the file says");
    let of_schema = |events: &[serde_json::Value]| events.iter().filter(|event| event["topic"] == "shop.schema").count();
    assert!(of_schema(&by_log) > 30);
    assert_eq!(of_schema(&by_file), 0);
}

#[test]
fn a_restart_decodes_with_what_a_former_run_has_learnt() {
    let set = Fixture::unpack("4.1.6/operations");
    let segments = set.segments();
    let place = Place::new().with("schema", "{}");
    for name in [SEGMENT, super::place::INDEX] {
        fs::remove_file(place.cdc_raw().join(name)).expect("the segment");
    }
    let put = |path: &std::path::Path| fs::copy(path, place.cdc_raw().join(path.file_name().expect("a name"))).expect("a copy");
    put(&segments[0]);
    assert_eq!(place.drain().code, Some(0));
    let before = place.events().len();

    put(&segments[1]);
    let second = place.drain();

    assert_eq!(second.code, Some(0), "{}", second.err);
    assert_eq!(place.kept("parked"), Vec::<String>::new(), "{}", second.err);
    assert!(place.events()[before..].iter().any(|event| event["topic"] == "shop.ops.simple"), "its CREATE is in the first segment");
}
