//! Encrypted segments through the binary: the key is asked for, waited for, and used.
#![cfg(feature = "agent")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};
use support::process::{Running, output, ringtail};
use support::{Fixture, oracle};

const SET: &str = "4.1.6/encrypted";

fn path(file: &Path) -> &str {
    file.to_str().expect("a path that is text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn dump_needs_the_keystore_and_says_so() {
    let set = Fixture::unpack(SET);
    let (schema, keystore) = (set.file("schema.cql"), set.file("keystore.jceks"));
    let (right, wrong) = (set.path().join("right"), set.path().join("wrong"));
    fs::write(&right, "cassandra\n").expect("a writable folder");
    fs::write(&wrong, "nonsense").expect("a writable folder");
    let dump = |more: &[&str]| {
        let mut arguments = vec!["dump", "--json", "--schema", path(&schema)];
        arguments.extend(more);
        arguments.push(path(set.path()));
        output(arguments)
    };
    let with = |password: &Path| dump(&["--keystore", path(&keystore), "--keystore-password-file", path(password)]);

    let (without, refused, opened) = (dump(&[]), with(&wrong), with(&right));

    assert_eq!(without.status.code(), Some(65));
    assert!(stderr(&without).contains("under key alias testing:1: expected that key, found none"), "{}", stderr(&without));
    assert_eq!(refused.status.code(), Some(64));
    assert!(stderr(&refused).contains("store password is wrong"), "{}", stderr(&refused));
    assert_eq!(opened.status.code(), Some(0), "{}", stderr(&opened));
    let oracle = fs::read(set.file("oracle.jsonl")).expect("the oracle's lines");
    assert!(oracle::assert_equal(opened.stdout.as_slice(), oracle.as_slice()).updates > 500);
}

fn logs_in(folder: &Path) -> usize {
    let names = fs::read_dir(folder).expect("a readable folder").map(|entry| entry.expect("a readable folder").file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".log")).count()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_run_links_encrypted_segments_waits_for_their_key_and_then_delivers_them() {
    let set = Fixture::unpack(SET);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (cdc_raw, log) = (dir.path().join("cdc_raw"), dir.path().join("log"));
    fs::create_dir(&cdc_raw).expect("a writable folder");
    for file in fs::read_dir(set.path()).expect("a readable folder").map(|entry| entry.expect("a readable folder").path()) {
        let name = file.file_name().expect("a name");
        if name.to_string_lossy().starts_with("CommitLog-") {
            fs::copy(&file, cdc_raw.join(name)).expect("a writable folder");
        }
    }
    let config = format!(
        "node: {{ id: n1 }}\nsource:\n  cdc_raw: {root}/cdc_raw\n  encryption: {{ keystore: {root}/keystore.jceks, type: jceks, store_password: cassandra }}\n\
         state: {{ dir: {root}/state }}\nschema: {{ file: {schema} }}\nsink: {{ file: {{ path: {root}/events.jsonl }} }}\nhttp: {{ listen: \"127.0.0.1:0\" }}\nlog: {{ format: text }}\n",
        root = dir.path().display(),
        schema = set.file("schema.cql").display(),
    );
    fs::write(dir.path().join("ringtail.yaml"), config).expect("a writable folder");
    let said = || fs::read_to_string(&log).expect("the log");

    let config = dir.path().join("ringtail.yaml");
    let run = Running::start(ringtail(["run", "--drain", "--timeout", "60s", "--config", path(&config)]), &log);
    wait_until("the complaint", || said().contains("waits for its key"));
    assert!(said().contains("under key alias testing:1"), "{}", said());
    assert_eq!(logs_in(&dir.path().join("state/spool")), 2, "both are linked, and stay");
    fs::copy(set.file("keystore.jceks"), dir.path().join("keystore.jceks")).expect("a writable folder");
    let status = run.wait(Duration::from_secs(60));

    assert_eq!(status.code(), Some(0), "{}", said());
    let events = fs::read_to_string(dir.path().join("events.jsonl")).expect("the events");
    assert!(events.lines().count() > 300, "{} events", events.lines().count());
    assert_eq!(logs_in(&cdc_raw), 0, "{}", said());
}
