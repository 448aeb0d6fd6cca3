//! `ringtail parked`, with and without a running agent.

use super::place::{BEHIND_OUTBOX, EVENTS, Ended, OUTBOX, OUTBOX_MUTATIONS, Place, QUEUED, SEGMENT, expected_ids, ids, lines, quickstart};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// All that is parked while the outbox is not known.
const PARKED: usize = OUTBOX_MUTATIONS + QUEUED;
/// Another id than `shop.outbox` has.
const OTHER: &str = "00000000-e6a8-11f1-b4b3-d375b5977eb1";

fn parked(place: &Place, command: &str, arguments: &[&str]) -> Ended {
    let config = place.config().display().to_string();
    let fixed = ["parked", command, "--config", &config];
    Ended::of(&super::support::process::ringtail(fixed.into_iter().chain(arguments.iter().copied())).output().expect("the binary starts"))
}

fn know(place: &Place, outbox: &str) {
    let schema = String::from_utf8(quickstart("schema.cql")).expect("text");
    fs::write(place.path("schema.cql"), schema.replace(OUTBOX, outbox)).expect("a writable folder");
}

/// The schema does not know the outbox, and everything else is delivered.
fn with_parked_entries() -> Place {
    // The log of the segment tells of the outbox too.
    let place = Place::new().with("schema", "{ file: @/schema.cql, log: false }");
    know(&place, OTHER);
    let ended = place.drain();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    place
}

fn list(place: &Place) -> Vec<Value> {
    let ended = parked(place, "list", &["--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    lines(&ended.out)
}

fn positions(place: &Place) -> Vec<String> {
    list(place).iter().map(|one| one["position"].as_str().expect("a position").to_owned()).collect()
}

fn last_line(ended: &Ended) -> &str {
    ended.err.lines().last().expect("a line")
}

#[test]
fn where_nothing_was_ever_parked_every_command_says_so() {
    let place = Place::new();

    for (command, arguments, code, said) in [
        ("list", &[][..], 0, "ringtail: nothing is parked"),
        ("list", &["--json"], 0, ""),
        ("show", &["5:900"], 65, "ringtail: 5:900 is not parked"),
        ("retry", &["--all"], 0, "ringtail: nothing is parked"),
        ("retry", &["5:900"], 65, "ringtail: 5:900: is not parked\nringtail: 1 left as they were"),
        ("discard", &["5:900", "--reason", "x", "--yes"], 65, "ringtail: 5:900: is not parked\nringtail: 1 left as they were"),
    ] {
        let ended = parked(&place, command, arguments);
        assert_eq!((ended.code, ended.err.trim_end()), (Some(code), said), "{command} {arguments:?}");
        assert_eq!(ended.out, "");
    }
    assert!(!place.path("state").exists(), "looking makes nothing");
}

#[test]
fn the_list_says_what_is_parked_and_why_and_no_value() {
    let place = with_parked_entries();

    let ended = parked(&place, "list", &[]);
    let rows: Vec<Vec<&str>> = ended.out.lines().map(|line| line.split_whitespace().collect()).collect();
    let json = list(&place);

    assert_eq!(ended.code, Some(0));
    assert_eq!(rows[0], ["POSITION", "CLASS", "REASON", "TABLE", "BYTES", "AGE", "TRIES"]);
    assert_eq!((rows.len() - 1, json.len()), (PARKED, PARKED));
    let bytes: u64 = json.iter().map(|one| one["bytes"].as_u64().expect("a number")).sum();
    assert_eq!(last_line(&ended), format!("ringtail: {PARKED} parked, {bytes} bytes"));
    assert_eq!(json.iter().filter(|one| one["reason"] == "unknown_table").count(), 2, "one of each key");
    for (row, one) in rows[1..].iter().zip(&json) {
        let table = one["table"].as_str().or(one["table_id"].as_str()).expect("text");
        assert_eq!(row[..4], [one["position"].as_str().expect("text"), "waiting", one["reason"].as_str().expect("text"), table]);
        assert_eq!((row[4], row[6]), (&*one["bytes"].to_string(), &*one["tries"].to_string()));
        assert_eq!((&one["segment"], &one["class"], &one["first_update"]), (&SEGMENT.into(), &"waiting".into(), &0.into()));
        if one["reason"] == "unknown_table" {
            assert_eq!((&one["table_id"], &one["table"]), (&OUTBOX.into(), &Value::Null));
            assert_eq!(one["message"], format!("unknown table id {OUTBOX} at byte 1 of the mutation"));
        } else {
            assert_eq!(
                (&one["reason"], &one["message"]),
                (&"queued".into(), &"an earlier entry of the same partition key is parked".into())
            );
        }
    }
}

#[test]
fn show_says_what_an_entry_is_made_of_as_far_as_the_schema_tells() {
    let place = with_parked_entries();
    let position = &positions(&place)[0];

    let unknown = parked(&place, "show", &[position]);
    know(&place, OUTBOX);
    let known = parked(&place, "show", &[position]);

    let members: BTreeMap<&str, &str> = unknown.out.lines().filter(|line| !line.starts_with(' ')).map(|line| line.split_at(10)).collect();
    let of = |name: &str| members.get(format!("{name:10}").as_str()).copied();
    assert_eq!((unknown.code, of("position"), of("segment")), (Some(0), Some(position.as_str()), Some(SEGMENT)));
    assert_eq!((of("class"), of("reason"), of("published")), (Some("waiting"), Some("unknown_table"), Some("nothing of it")));
    assert_eq!(of("updates"), Some("2"));
    assert!(of("key").expect("a line").ends_with(" bytes"), "{}", unknown.out);
    assert!(unknown.out.ends_with(&format!("  0  unknown table id {OUTBOX} at byte 1 of the mutation\n")), "{}", unknown.out);
    assert!(known.out.contains(&format!("  0  shop.outbox ({OUTBOX}): event 0\n  1  shop.")), "{}", known.out);
}

#[test]
fn without_an_agent_retry_publishes_with_the_schema_of_today_and_reads_nothing() {
    let place = with_parked_entries();
    let positions = positions(&place);
    let before = ids(&place.events());

    let in_vain = parked(&place, "retry", &[&positions[0]]);
    assert_eq!(in_vain.code, Some(65), "{}", in_vain.err);
    let why = format!("unknown table id {OUTBOX} at byte 1 of the mutation");
    in_vain.says(&format!("ringtail: {}: stays parked: {why}\n", positions[0]));
    assert_eq!(last_line(&in_vain), "ringtail: 1 left as they were");
    assert_eq!(list(&place).len(), PARKED);
    know(&place, OUTBOX);
    let segment = fs::read(place.path("schema.cql")).expect("a file");
    fs::write(place.cdc_raw().join("CommitLog-7-1795374647999.log"), segment).expect("a folder");
    let ended = parked(&place, "retry", &["--all"]);

    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for position in &positions {
        ended.says(&format!("ringtail: {position}: delivered\n"));
    }
    assert_eq!(last_line(&ended), format!("ringtail: {PARKED} delivered"));
    let arrived = ids(&place.events());
    assert_eq!((arrived.len(), &arrived[..before.len()]), (EVENTS, &before[..]));
    let expected = expected_ids();
    let late: Vec<&String> = expected.iter().filter(|id| !before.contains(id)).collect();
    assert_eq!(arrived[before.len()..].iter().collect::<Vec<_>>(), late, "in the order of the log, under the same ids");
    assert!(place.events().iter().all(|event| event["headers"].get("ringtail.late").is_none()), "what has waited is not late");
    assert_eq!((place.kept("parked").len(), place.kept("requests").len()), (0, 0));
    assert!(place.cdc_raw().join("CommitLog-7-1795374647999.log").exists(), "nothing is read");
}

#[test]
fn the_agent_publishes_what_it_waited_for_when_it_starts_with_a_schema_that_knows_it() {
    let place = with_parked_entries();
    know(&place, OUTBOX);

    let ended = place.drain();

    assert_eq!((ended.code, place.events().len(), place.kept("parked").len()), (Some(0), EVENTS, 0), "{}", ended.err);
    assert_eq!(last_line(&ended), format!("ringtail: {BEHIND_OUTBOX} events delivered"));
}

#[test]
fn a_discard_says_what_it_gives_up_and_does_it_only_if_asked_twice() {
    let place = with_parked_entries();
    let listed = list(&place);
    let (position, bytes) = (listed[0]["position"].as_str().expect("text"), &listed[0]["bytes"]);

    let without_reason = parked(&place, "discard", &[position, "--yes"]);
    let not_sure = parked(&place, "discard", &[position, "--reason", "a test"]);
    assert_eq!((without_reason.code, not_sure.code), (Some(64), Some(64)));
    assert_eq!(last_line(&not_sure), format!("ringtail: this gives up 1 parked entries, {bytes} bytes, for ever: say --yes to do it"));
    assert_eq!(list(&place).len(), PARKED);
    let sure = parked(&place, "discard", &[position, "--reason", "a test", "--yes"]);

    assert_eq!(sure.code, Some(0), "{}", sure.err);
    sure.says(&format!("ringtail: {position}: discarded, {bytes} bytes\nringtail: 1 discarded\n"));
    assert_eq!(list(&place).len(), PARKED - 1);
    know(&place, OUTBOX);
    assert_eq!(place.drain().code, Some(0));
    assert!(place.events().len() < EVENTS && !ids(&place.events()).iter().any(|id| id.contains(&position.replace(':', "/"))));
}

#[test]
fn a_running_agent_does_what_it_is_asked_for_and_the_command_says_what_came_of_it() {
    let place = with_parked_entries();
    let positions = positions(&place);
    let mut agent = place.start();
    agent.wait_for("ready");

    let retried = parked(&place, "retry", &["--all"]);
    assert_eq!(retried.code, Some(65), "{}\n{}", retried.err, agent.log());
    assert_eq!(last_line(&retried), format!("ringtail: {PARKED} left as they were"));
    let discarded = parked(&place, "discard", &[&positions[3], "1:2", "--reason", "a test", "--yes"]);
    assert_eq!(discarded.code, Some(65), "{}", discarded.err);
    discarded.says(&format!("ringtail: {}: discarded, ", positions[3]));
    discarded.says("ringtail: 1:2: is not parked\nringtail: 1 discarded, 1 left as they were\n");

    let parked_now =
        |status: &Value| status["parked"].as_array().expect("a list").iter().map(|one| one["count"].as_u64().unwrap_or(0)).sum::<u64>();
    agent.wait_until("one less", |status| parked_now(status) == PARKED as u64 - 1);
    assert_eq!(list(&place).len(), PARKED - 1);
    assert!(agent.log().contains("parked entry discarded: it is never published"), "{}", agent.log());
    assert_eq!(agent.stop().0, Some(0));
    assert_eq!(place.kept("requests"), Vec::<String>::new());
}

#[test]
fn a_folder_that_is_held_by_nobody_who_answers_is_said_and_nothing_is_done() {
    let place = with_parked_entries();
    let lock = fs::File::options().write(true).open(place.path("state/LOCK")).expect("the lock");
    lock.try_lock().expect("nobody holds it");

    let ended = parked(&place, "retry", &["--all"]);

    assert_eq!(ended.code, Some(75), "{}", ended.err);
    ended.says("nothing was done: no request was taken within 5s (see the agent's /readyz): another instance holds the state folder ");
    assert_eq!(place.kept("requests"), Vec::<String>::new(), "and nothing is done later");
    assert_eq!(list(&place).len(), PARKED, "it can be looked at");
}
