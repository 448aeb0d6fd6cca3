//! `ringtail check`: a line each, nothing left behind, 0 only if a run would work.

use super::place::{INDEX, Place, SEGMENT, names};
use std::fs;
use std::os::unix::fs::MetadataExt;

#[test]
fn check_prints_a_line_each_and_leaves_cdc_raw_as_it_was() {
    let place = Place::new();
    let before = fs::metadata(place.segment()).expect("the segment");

    let check = place.check();

    assert_eq!((check.code, check.err.as_str()), (Some(0), ""), "{}", check.out);
    let state = place.path("state");
    for line in [
        format!("ok    configuration: {}", place.path("ringtail.yaml").display()),
        format!("ok    state folder: {} can be written, no other instance holds it, the ledger is whole", state.display()),
        format!("ok    cdc_raw: {SEGMENT} could be linked into the state folder"),
        format!("ok    schema file: {} was read", place.path("schema.cql").display()),
        "ok    node.id: local".into(),
        "ok    tables: 2 published".into(),
        format!("ok    sink.file: {} can be written", place.path("events.jsonl").display()),
        "ok    http.listen: 127.0.0.1:0 is free".into(),
    ] {
        assert!(check.out.lines().any(|found| found == line), "{line}\n{}", check.out);
    }
    let after = fs::metadata(place.segment()).expect("the segment");
    assert_eq!((before.nlink(), before.modified().ok(), before.ino()), (after.nlink(), after.modified().ok(), after.ino()));
    assert_eq!(names(&place.cdc_raw()), [SEGMENT, INDEX]);
    assert_eq!(place.kept("spool"), Vec::<String>::new());
    assert!(!place.path("events.jsonl").exists());
}

#[test]
fn check_says_whether_a_run_works_beside_it() {
    let place = Place::new().with("http", "{ listen: \"127.0.0.1:0\" }");
    let mut agent = place.start();

    let check = place.check();

    assert_eq!(check.code, Some(75), "{}", check.out);
    let state = place.path("state");
    let line = format!("FAIL  state folder: another instance holds the state folder {} (process {})\n", state.display(), agent.id());
    assert!(check.out.contains(&line), "{}", check.out);
    assert_eq!(agent.stop().0, Some(0));
    assert_eq!(place.check().code, Some(0));
}

#[test]
fn check_ends_with_69_when_the_broker_or_the_node_does_not_answer() {
    let kafka = Place::new().with("sink", "{ kafka: { bootstrap.servers: \"127.0.0.1:1\" } }").with("node", "{ id: n1 }");
    let check = kafka.check();
    assert_eq!(check.code, Some(69), "{}", check.out);
    assert!(check.out.contains("FAIL  Kafka: no broker answers at 127.0.0.1:1: "), "{}", check.out);

    let cassandra = Place::new().with("schema", "{ cql: { contact_points: [\"127.0.0.1:1\"] } }");
    let check = cassandra.check();
    assert_eq!(check.code, Some(69), "{}", check.out);
    assert!(check.out.contains("FAIL  Cassandra: no contact point gave the schema: 127.0.0.1:1: cannot connect"), "{}", check.out);
}

#[test]
fn check_compares_the_nodes_own_settings() {
    let place = Place::new().with("source", "{ cdc_raw: @/cdc_raw, cassandra_yaml: @/cassandra.yaml }");
    let yaml = place.path("cassandra.yaml");
    let check = |text: &str| {
        fs::write(&yaml, text).expect("a file");
        place.check()
    };

    let good = check(&format!("cdc_enabled: true\ncdc_raw_directory: {}\ncdc_block_writes: false\n", place.cdc_raw().display()));
    assert_eq!(good.code, Some(0), "{}", good.out);
    assert!(good.out.contains("ok    cassandra.yaml: at cdc_total_space the node removes the oldest segments"), "{}", good.out);

    let off = check("cdc_enabled: false\n");
    assert_eq!(off.code, Some(64));
    assert!(off.out.contains("FAIL  cassandra.yaml: cdc_enabled is not true: the node writes no CDC data\n"), "{}", off.out);

    let other = check("cdc_enabled: true\ncdc_raw_directory: /elsewhere\n");
    assert!(other.out.contains("cdc_raw_directory is /elsewhere; expected source.cdc_raw, which is "), "{}", other.out);
}

#[test]
fn check_without_any_schema_says_what_would_come_of_it() {
    let check = Place::new().with("schema", "{}").check();

    assert_eq!(check.code, Some(0));
    assert!(check.out.contains(
        "note  tables: neither schema.cql.contact_points nor schema.file is set: only tables that the log itself creates are known"
    ));
}

#[test]
fn a_reader_that_has_seen_enough_of_a_check_is_no_failure() {
    let place = Place::new();
    let config = place.config().display().to_string();
    let ended = super::dump::with_a_closed_pipe(&["check", "-c", &config]);

    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
}
