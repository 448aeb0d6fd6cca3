//! `ringtail checkpoint import`: the offsets of Debezium.

use super::place::{EVENTS, Ended, Place, SEGMENT, expected_ids, ids, lines};
use super::support::process::{output, ringtail};
use std::collections::BTreeSet;
use std::fs;

const OFFSETS: &str = "commitlog_offset.properties";

fn checkpoint(place: &Place, command: &str, arguments: &[&str]) -> Ended {
    let config = place.config().display().to_string();
    let fixed = ["checkpoint", command, "--config", &config];
    Ended::of(&ringtail(fixed.into_iter().chain(arguments.iter().copied())).output().expect("the binary starts"))
}

fn import(place: &Place, arguments: &[&str]) -> Ended {
    let folder = place.path("offsets").display().to_string();
    let fixed = [&*folder, "--in-flight", "0B"];
    checkpoint(place, "import", &fixed.into_iter().chain(arguments.iter().copied()).collect::<Vec<_>>())
}

/// What Debezium leaves: every table of the segment at this position of it.
fn offsets(place: &Place, segment: &str, position: u32) {
    let replayed = Place::new().with("sink", "{ stdout: {} }");
    let ended = replayed.run("replay", &[&replayed.cdc_raw().display().to_string()]);
    let table = |event: &serde_json::Value| {
        let source = &event["value"]["source"];
        format!("{}.{}", source["keyspace"].as_str().expect("a keyspace"), source["table"].as_str().expect("a table"))
    };
    let tables: BTreeSet<String> = lines(&ended.out).iter().map(table).collect();
    assert!(tables.len() > 1, "{tables:?}");
    write(place, &tables.iter().map(|table| format!("{table}={segment}\\:{position}\n")).collect::<String>());
}

fn write(place: &Place, text: &str) {
    fs::create_dir_all(place.path("offsets")).expect("a writable folder");
    fs::write(place.path("offsets").join(OFFSETS), text).expect("a writable folder");
}

fn position(id: &str) -> u32 {
    id.split('/').nth(2).and_then(|position| position.parse().ok()).expect("a position")
}

/// The position of an event in the middle of the segment.
fn middle() -> u32 {
    position(&expected_ids()[EVENTS / 2])
}

#[test]
fn the_next_run_delivers_what_debezium_has_not_and_nothing_before_it() {
    let (place, at) = (Place::new(), middle());
    offsets(&place, SEGMENT, at);

    let imported = import(&place, &[]);
    let audit = place.run("audit", &[]);
    let drained = place.drain();

    assert_eq!(imported.code, Some(0), "{}", imported.err);
    imported.says("mutations up to");
    imported.says("taken over: what lies behind these positions is delivered by the next run");
    assert!(audit.out.contains(&format!("change     imported {SEGMENT} from 0 to")), "{}", audit.out);
    assert_eq!(drained.code, Some(0), "{}", drained.err);
    let expected: Vec<String> = expected_ids().into_iter().filter(|id| position(id) >= at).collect();
    assert!(expected.len() > 5 && expected.len() < EVENTS);
    assert_eq!(ids(&place.events()), expected);
    assert_eq!(place.run("audit", &[]).code, Some(0));

    let again = import(&place, &[]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert_eq!(place.drain().code, Some(0));
    assert_eq!(place.events().len(), expected.len());
}

#[test]
fn a_dry_run_says_the_same_and_makes_nothing() {
    let place = Place::new();
    offsets(&place, SEGMENT, middle());

    let dry = import(&place, &["--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}", dry.err);
    assert!(!place.path("state").exists());
    dry.says("nothing was changed (--dry-run)");
    let wet = import(&place, &[]);

    let all_but_last =
        |ended: &Ended| ended.err.lines().filter(|line| line.starts_with("ringtail: CommitLog")).map(str::to_owned).collect();
    let (dry, wet): (Vec<String>, Vec<String>) = (all_but_last(&dry), all_but_last(&wet));
    assert_eq!((dry.len(), &dry), (1, &wet));
}

#[test]
fn a_segment_that_debezium_should_have_moved_away_is_delivered_whole() {
    let place = Place::new();
    offsets(&place, "CommitLog-7-1795374647658.log", 4711);

    let imported = import(&place, &[]);

    assert_eq!(imported.code, Some(0), "{}", imported.err);
    imported.says(&format!(
        "{SEGMENT}: delivered from its beginning (Debezium moves away what it has read to the end, and this is still here)"
    ));
    imported.says("CommitLog-7-1795374647658.log: not in cdc_raw any more");
    assert_eq!(place.drain().code, Some(0));
    assert_eq!(ids(&place.events()), expected_ids());
}

#[test]
fn offsets_that_cannot_be_trusted_are_refused_with_what_to_do() {
    let place = Place::new();
    for (text, said) in [
        ("", "is empty: Debezium truncates it before it writes it"),
        ("#\n", "is empty: Debezium truncates it before it writes it"),
        ("shop.outbox=CommitLog-7-1795374647657.log\\:558", "ends in the middle of a line"),
        ("shop.outbox=55833\n", "expected keyspace.table=CommitLog-<version>-<id>.log:<position>"),
    ] {
        write(&place, text);

        let ended = import(&place, &[]);

        assert_eq!(ended.code, Some(65), "{text:?}: {}", ended.err);
        ended.says(said);
    }
    fs::remove_file(place.path("offsets").join(OFFSETS)).expect("the file");
    let ended = import(&place, &[]);
    assert_eq!(ended.code, Some(74), "{}", ended.err);
    ended.says("expected the folder that offset.backing.store.dir names");
    assert!(!place.path("state").exists(), "nothing was begun");
}

#[test]
fn nothing_is_imported_under_a_running_agent() {
    let place = Place::new();
    offsets(&place, SEGMENT, middle());
    let mut agent = place.start();

    let ended = import(&place, &[]);

    assert_eq!(ended.code, Some(75), "{}", ended.err);
    agent.stop();
}

#[test]
fn what_lies_in_the_relocation_folder_is_named() {
    let place = Place::new();
    offsets(&place, SEGMENT, middle());
    for part in ["archive", "error"] {
        fs::create_dir_all(place.path("relocation").join(part)).expect("a writable folder");
    }
    fs::write(place.path("relocation/error/CommitLog-7-1795374647650.log"), "").expect("a writable folder");
    let folder = place.path("relocation").display().to_string();

    let ended = import(&place, &["--relocation", &folder, "--dry-run"]);

    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ended.says("error: CommitLog-7-1795374647650.log (records of them failed; ringtail replay");
    assert!(!ended.err.contains("/archive:"), "{}", ended.err);
}

#[test]
fn import_explains_itself() {
    let ended = Ended::of(&output(["checkpoint", "import", "--help"]));

    assert_eq!(ended.code, Some(0));
    for part in ["<FOLDER>", "--in-flight <SIZE>", "1MiB", "--relocation <FOLDER>", "--dry-run", "offset.backing.store.dir"] {
        assert!(ended.out.contains(part), "{part}\n{}", ended.out);
    }
}
