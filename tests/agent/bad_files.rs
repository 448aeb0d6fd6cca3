//! Configuration, schema, folders and services that are not as they should be: named, and nothing is lost by it.

use super::place::{EVENTS, Ended, Place, SEGMENT, names};
use super::support::process::{output, ringtail};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What was in `cdc_raw` is still there, and nothing was sent.
fn assert_untouched(place: &Place) {
    assert_eq!(names(&place.cdc_raw()).len(), 2);
    assert!(place.events().is_empty());
}

/// The bytes are ours, whatever the node does, and nothing was sent.
fn assert_held(place: &Place) {
    assert_eq!(place.kept("spool"), [SEGMENT]);
    assert!(place.events().is_empty());
}

#[test]
fn a_missing_configuration_is_named() {
    for command in [&["run", "-c"][..], &["check", "-c"], &["replay", "-c"]] {
        let ended =
            Ended::of(&output(command.iter().chain(&["/nowhere/ringtail.yaml"]).chain(&["x"][..usize::from(command[0] == "replay")])));

        assert_eq!(ended.code, Some(64));
        assert_eq!(ended.err, "ringtail: config: cannot read /nowhere/ringtail.yaml: No such file or directory (os error 2)\n");
    }
}

#[test]
fn an_unknown_setting_is_named_with_the_nearest_one() {
    let place = Place::new().with("source", "{ cdc_row: @/cdc_raw }");

    for command in ["run", "check"] {
        let ended = place.run(command, &[]);

        assert_eq!(ended.code, Some(64));
        assert_eq!(ended.err, "ringtail: config: source.cdc_row is not a setting; the nearest is source.cdc_raw\n");
    }
    assert!(!place.path("state").exists());
    assert_untouched(&place);
}

#[test]
fn a_refused_value_is_named_with_what_is_right() {
    for (section, text, message) in [
        ("source", "{ cdc_raw: @/cdc_raw, read: mark }", "source.read is \"mark\"; expected marked or synced"),
        (
            "source",
            "{ cdc_raw: @/cdc_raw, read: appended }",
            "source.read is \"appended\", which is not built yet (set source.read = marked)",
        ),
        ("sink", "{ kafka: { bootstrap.servers: k, acks: 1 } }", "sink.kafka.acks is \"1\""),
        ("http", "{ listen: \"9640\" }", "http.listen is \"9640\"; expected address:port, for example 127.0.0.1:9640"),
    ] {
        let place = Place::new().with(section, text);

        let ended = place.drain();

        assert_eq!(ended.code, Some(64), "{}", ended.err);
        assert!(ended.err.starts_with(&format!("ringtail: config: {message}")), "{}", ended.err);
        assert_untouched(&place);
    }
}

#[test]
fn kafka_without_anybody_to_ask_who_the_node_is_is_refused() {
    let place = Place::new().with("sink", "{ kafka: { bootstrap.servers: \"127.0.0.1:1\" } }");

    let ended = place.drain();

    assert_eq!(ended.code, Some(64));
    ended.says("ringtail: config: node.id is auto, and there is no schema.cql.contact_points to ask: set node.id, or contact points\n");
    assert_untouched(&place);
}

#[test]
fn a_missing_schema_file_is_named_and_nothing_is_touched() {
    let place = Place::new();
    fs::remove_file(place.path("schema.cql")).expect("the schema");
    let file = place.path("schema.cql").display().to_string();
    let cdc_raw = place.cdc_raw().display().to_string();
    let message = format!("ringtail: cannot read schema file {file}: No such file or directory (os error 2)\n");

    for ended in [place.drain(), place.run("replay", &[&cdc_raw]), Ended::of(&output(["dump", "--schema", &file, &cdc_raw]))] {
        assert_eq!(ended.code, Some(64), "{}", ended.err);
        ended.says(&message);
    }
    assert!(!place.path("state").exists());
    assert_untouched(&place);
}

#[test]
fn a_schema_file_that_is_none_is_named_with_its_line() {
    let place = Place::new();
    fs::write(place.path("schema.cql"), "CREATE KEYSPACE shop WITH replication = {};\nCREATE TABEL shop.t (p int PRIMARY KEY);\n")
        .expect("a file");

    let ended = place.drain();

    assert_eq!(ended.code, Some(64));
    let file = place.path("schema.cql");
    ended.says(&format!(
        "ringtail: cannot use schema file {}: line 2: expected TABLE, TYPE or another kind of definition, found TABEL\n",
        file.display()
    ));
    assert_untouched(&place);
}

#[test]
fn a_table_of_the_schema_file_without_an_id_is_named_and_its_mutations_are_parked() {
    let place = Place::new().with("schema", "{ file: @/schema.cql, log: false }");
    let schema = fs::read_to_string(place.path("schema.cql")).expect("text");
    fs::write(place.path("schema.cql"), schema.replace("WITH ID = 6f78fbd0-e6a8-11f1-b4b3-d375b5977eb1\n    AND", "WITH")).expect("a file");

    let ended = place.drain();

    let file = place.path("schema.cql");
    ended.says(&format!("ringtail: schema file {}: table shop.outbox has no ID, so its mutations are not recognised", file.display()));
    ended.says("27 parked entries");
}

#[test]
fn a_missing_cdc_raw_is_waited_for_and_its_segments_are_taken_when_it_comes() {
    let place = Place::new();
    fs::rename(place.cdc_raw(), place.path("later")).expect("a rename");
    let mut agent = place.start();

    let line = agent.wait_for("WARN");
    let reason = format!("{} does not exist (the node creates it when it starts with cdc_enabled: true)", place.cdc_raw().display());
    assert!(line.contains(&format!("waiting: {reason}")), "{line}");
    agent.wait_until("the reason", |status| status["reason"] == reason.as_str());
    assert_eq!(agent.get("/readyz"), (503, format!("not ready: {reason}\n")));
    assert_eq!(agent.get("/livez").0, 200);
    fs::rename(place.path("later"), place.cdc_raw()).expect("a rename");

    agent.wait_for("cdc_raw and the spool can be used again");
    agent.wait_for("segment finished");
    assert_eq!(agent.stop().0, Some(0));
    assert_eq!(place.events().len(), EVENTS);
}

#[test]
fn a_cdc_raw_that_cannot_be_listed_is_named_and_the_agent_stays_up() {
    let place = Place::new().with("source", "{ cdc_raw: @/schema.cql, rescan: 100ms }");
    let mut agent = place.start();

    let line = agent.wait_for("ERROR");
    let reason = format!("cannot list {}: Not a directory (os error 20)", place.path("schema.cql").display());
    assert!(line.contains(&format!("{reason}; it is tried again")), "{line}");
    agent.wait_until("the reason", |status| status["reason"] == reason.as_str());
    std::thread::sleep(std::time::Duration::from_millis(500));

    assert_eq!(agent.log().matches("cannot list").count(), 2, "said once, and once as readiness:\n{}", agent.log());
    assert_eq!(agent.stop().0, Some(0));
    let drained = place.run("run", &["--drain", "--timeout", "1s"]);
    assert_eq!(drained.code, Some(69));
    drained.says(&format!("ringtail: --timeout has passed: 0 events delivered, the rest stays in its segments ({reason})\n"));
}

/// Two file systems are needed: the temporary folder's and that of shared memory.
fn other_file_system(place: &Place) -> tempfile::TempDir {
    let device = |path: &Path| fs::metadata(path).expect("a folder").dev();
    let other = ["/dev/shm", "/run/user", "/var/tmp", "/tmp"]
        .map(Path::new)
        .into_iter()
        .find(|path| path.is_dir() && device(path) != device(&place.cdc_raw()) && tempfile::tempdir_in(path).is_ok());
    tempfile::tempdir_in(other.expect("a second file system that can be written to: without one this test shows nothing"))
        .expect("a folder")
}

#[test]
fn a_state_folder_on_another_file_system_is_named_and_nothing_is_lost() {
    let place = Place::new();
    let other = other_file_system(&place);
    let state = other.path().join("state");
    let place = place.with("state", &format!("{{ dir: {} }}", state.display()));
    let (from, to) = (place.segment(), state.join("spool").join(SEGMENT));
    let reason = |to: &Path| {
        format!(
            "cannot link {} to {}: they are not under one mount (two mounts of one volume, or a subPath, do not do: put state.dir and \
             cdc_raw under the same mount)",
            from.display(),
            to.display()
        )
    };

    let check = place.check();
    assert_eq!(check.code, Some(74));
    assert!(check.out.contains(&format!("FAIL  cdc_raw: {}\n", reason(&state.join("spool/.ringtail-probe")))), "{}", check.out);

    let mut agent = place.start();
    let line = agent.wait_for("ERROR");
    assert!(line.contains(&format!("{SEGMENT}: {}; it is tried again", reason(&to))), "{line}");
    agent.wait_until("the reason", |status| status["reason"] == format!("{SEGMENT}: {}", reason(&to)));
    assert_eq!(agent.get("/readyz").0, 503);
    assert_eq!(agent.stop().0, Some(0));

    let drained = place.run("run", &["--drain", "--timeout", "1s"]);
    assert_eq!(drained.code, Some(69), "a drain that could not take a segment is not done: {}", drained.err);
    assert_untouched(&place);
    let place = place.with("state", "{ dir: @/state }");
    assert_eq!(place.drain().code, Some(0));
    assert_eq!(place.events().len(), EVENTS);
}

#[test]
fn a_broker_that_is_away_at_start_is_named_and_segments_are_linked() {
    let place = Place::new().with("sink", "{ kafka: { bootstrap.servers: \"127.0.0.1:1\" } }").with("node", "{ id: n1 }");
    let mut agent = place.start();

    let line = agent.wait_for("WARN");
    assert!(line.contains("no broker answers") && line.contains("Connection refused") && line.contains("127.0.0.1:1"), "{line}");
    agent.wait_for("segment seen");
    let status =
        agent.wait_until("not ready", |status| status["reason"].as_str().is_some_and(|reason| reason.contains("Connection refused")));
    let reason = status["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.starts_with("no broker answers at 127.0.0.1:1: "), "{reason}");
    let (code, text) = agent.get("/readyz");
    assert!(code == 503 && text.starts_with("not ready: no broker answers at 127.0.0.1:1"), "{code} {text}");
    assert_eq!(agent.get("/livez").0, 200);
    assert_eq!(place.kept("spool"), [SEGMENT]);
    // The names in cdc_raw go, and the node has its room again; the spool keeps the bytes.
    agent.wait_until("released", |_| names(&place.cdc_raw()).is_empty());

    let (code, took) = agent.stop();
    assert_eq!(code, Some(0));
    assert!(took.as_secs() < 5, "{took:?}");
    let place = place.with("sink", "{ file: { path: @/events.jsonl } }");
    assert_eq!(place.drain().code, Some(0));
    assert_eq!(place.events().len(), EVENTS);
}

#[test]
fn a_cassandra_that_is_away_at_start_is_named_once_and_segments_are_linked() {
    let place = Place::new().with("schema", "{ cql: { contact_points: [\"127.0.0.1:1\"] } }");
    let mut agent = place.start();

    let line = agent.wait_for("WARN");
    assert!(
        line.contains("no contact point gave the schema: 127.0.0.1:1: cannot connect") && line.contains("Connection refused"),
        "{line}"
    );
    agent.wait_for("segment seen");
    agent.wait_until("the reason", |status| status["reason"] == "waiting for the schema (schema.cql.contact_points)");
    assert_eq!(place.kept("spool"), [SEGMENT]);
    std::thread::sleep(std::time::Duration::from_secs(2));

    assert_eq!(agent.log().matches("no contact point").count(), 1, "{}", agent.log());
    assert_eq!(agent.stop().0, Some(0));
    assert_held(&place);
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let place = Place::new()
        .with("sink", "{ file: { path: @/missing/events.jsonl } }")
        .with("state", "{ dir: @/state, spool: { release: delivered } }");
    let message =
        format!("ringtail: cannot write to {}: No such file or directory (os error 2)\n", place.path("missing/events.jsonl").display());

    for ended in [place.drain(), place.run("replay", &[&place.cdc_raw().display().to_string()])] {
        assert_eq!(ended.code, Some(74));
        ended.says(&message);
    }
    let place = place.with("sink", "{ stdout: {} }");
    let config = place.config().display().to_string();
    let full = fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let ended = Ended::of(&ringtail(["run", "--drain", "-c", &config]).stdout(full).output().expect("the binary starts"));
    assert_eq!(ended.code, Some(74));
    ended.says("ringtail: cannot write to standard output: No space left on device (os error 28)\n");
    assert_eq!(names(&place.cdc_raw()).len(), 2);
}

#[test]
fn segments_that_are_not_there_are_named() {
    let place = Place::new();
    let empty = place.path("empty");
    fs::create_dir(&empty).expect("a folder");
    let schema = place.path("schema.cql");

    for (path, message) in [
        (
            place.path("nowhere"),
            format!("cannot list segments: {}: No such file or directory (os error 2)", place.path("nowhere").display()),
        ),
        (empty.clone(), format!("no segments in {}: expected files named CommitLog-<version>-<id>.log", empty.display())),
        (schema.clone(), format!("cannot list segments: {}: not a segment: expected CommitLog-<version>-<id>.log", schema.display())),
    ] {
        let path = path.display().to_string();
        for ended in [place.run("replay", &[&path]), Ended::of(&output(["dump", &path]))] {
            assert_eq!((ended.code, ended.out.as_str()), (Some(74), ""));
            ended.says(&format!("ringtail: {message}\n"));
        }
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let place = Place::new().with("http", &format!("{{ listen: \"{address}\" }}"));
    let message = format!("cannot listen on {address} (http.listen): Address already in use (os error 98)\n");

    let ended = place.drain();
    let check = place.check();

    assert_eq!((ended.code, check.code), (Some(74), Some(74)));
    ended.says(&format!("ringtail: {message}"));
    assert!(check.out.contains(&format!("FAIL  http.listen: {message}")), "{}", check.out);
    assert_untouched(&place);
}

#[test]
fn a_state_folder_of_another_node_or_of_a_newer_release_is_refused() {
    let place = Place::new().with("node", "{ id: one }");
    assert_eq!(place.drain().code, Some(0));

    let other = place.with("node", "{ id: two }");
    let ended = other.drain();
    assert_eq!(ended.code, Some(70));
    ended.says("ringtail: the state folder is of node one, this node is two: expected the folder that this node has always had\n");
    assert_eq!(other.check().code, Some(70));

    fs::write(other.path("state/VERSION"), "99\n").expect("a writable folder");
    let ended = other.drain();
    assert_eq!(ended.code, Some(64));
    ended.says("has version 99, this release knows versions up to 1: use the newer release");
    fs::remove_file(other.path("state/VERSION")).expect("the file");
    let ended = other.drain();
    assert_eq!(ended.code, Some(70));
    ended.says("holds state, but its VERSION is missing: expected a number (folders of this release have 1)\n");
}

#[test]
fn a_ledger_that_does_not_open_is_moved_aside_and_made_again() {
    let place = Place::new();
    place.open_segment();
    assert_eq!(place.drain().code, Some(0));
    fs::write(place.path("state/db/conf"), b"what is this").expect("a writable folder");

    let ended = place.drain();

    assert_eq!((ended.code, place.events().len()), (Some(0), EVENTS), "nothing is sent twice: {}", ended.err);
    ended.says("ERROR ringtail::commands::run: the ledger was made again out of its shadow: ");
    let aside: Vec<String> = names(&place.path("state")).into_iter().filter(|name| name.starts_with("db.broken-")).collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    ended.says(&format!("; what was there is in {}\n", place.path("state").join(&aside[0]).display()));
}

#[test]
fn a_folder_whose_ledger_is_gone_is_refused_and_says_what_to_type() {
    let place = Place::new();
    assert_eq!(place.drain().code, Some(0));
    fs::remove_dir_all(place.path("state/db")).expect("the ledger");
    fs::write(place.path("state/shadow"), b"").expect("a writable folder");

    let ended = place.drain();

    assert_eq!(ended.code, Some(70));
    ended.says(&format!(
        "ringtail: the ledger in {} is gone: db is empty or missing; shadow is of no use: neither of its slots holds a whole copy. Nothing \
         begins anew by itself: what is in cdc_raw and in the spool can be delivered again, from its start and with the same ids, by \
         \"ringtail checkpoint rewind --all-unfinished --reason TEXT --config FILE\"\n",
        place.path("state").display()
    ));
    assert_eq!(place.check().code, Some(70));
    assert_eq!(place.drain().code, Some(70), "also the second time");
}
