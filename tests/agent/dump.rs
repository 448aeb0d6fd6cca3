//! `ringtail dump`.

use super::place::{Ended, OUTBOX_MUTATIONS, Place, SEGMENT, lines};
use super::support::process::{output, ringtail};
use super::support::{Fixture, root};
use std::fs;
use std::process::Stdio;

/// Runs with nobody on the other side of standard output.
pub fn with_a_closed_pipe(arguments: &[&str]) -> Ended {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let child = ringtail(arguments).stdout(writer).stderr(Stdio::piped()).spawn().expect("the binary starts");
    drop(reader);
    Ended::of(&child.wait_with_output().expect("our own child"))
}

pub fn quickstart() -> String {
    root().join("fixtures/quickstart").display().to_string()
}

pub fn schema() -> String {
    format!("{}/schema.cql", quickstart())
}

#[test]
fn the_json_form_is_one_object_a_line_and_ends_with_the_sum() {
    let ended = Ended::of(&output(["dump", "--json", "--schema", &schema(), &quickstart()]));

    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let lines = lines(&ended.out);
    assert_eq!((&lines[0]["kind"], &lines[0]["segment"]), (&"segment".into(), &SEGMENT.into()));
    assert_eq!(lines[lines.len() - 1]["kind"], "summary");
    assert!(lines.iter().filter(|line| line["kind"] == "update").count() > 100);
}

#[test]
fn both_forms_of_a_schema_and_both_forms_of_a_segment_give_the_same() {
    let packed = root().join("fixtures/4.1.6/all_types");
    let plain = Fixture::unpack("4.1.6/all_types");
    let dump = |schema: &str, path: &std::path::Path| {
        let ended =
            Ended::of(&output(["dump", "--json", "--schema", &plain.file(schema).display().to_string(), &path.display().to_string()]));
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{schema}");
        ended.out
    };

    let from_cql = dump("schema.cql", plain.path());

    assert!(from_cql.lines().count() > 100);
    assert_eq!(dump("schema_columns.json", plain.path()), from_cql);
    // The lines tell the size of the segment, not of its archive.
    assert_eq!(dump("schema.cql", &packed), from_cql);
}

#[test]
fn without_a_schema_the_tables_that_the_log_creates_are_known() {
    let alone = Ended::of(&output(["dump", "--json", &quickstart()]));
    let with_file = Ended::of(&output(["dump", "--json", "--schema", &schema(), &quickstart()]));

    assert_eq!((alone.code, alone.err.as_str()), (Some(0), ""));
    assert!(alone.out.matches("\"table\":\"outbox\"").count() == OUTBOX_MUTATIONS);
    assert_eq!(alone.out, with_file.out);
}

/// The second segment of a set whose tables are created in the first.
fn without_its_beginning() -> (Fixture, String) {
    let set = Fixture::unpack("4.1.6/operations");
    let second = set.segments()[1].display().to_string();
    (set, second)
}

#[test]
fn without_a_schema_tables_that_are_older_than_the_log_are_named() {
    let (_set, second) = without_its_beginning();

    let ended = Ended::of(&output(["dump", &second]));

    assert_eq!(ended.code, Some(65));
    assert_eq!(ended.err.matches("unknown table id").count(), ended.err.lines().count(), "a line for each table:\n{}", ended.err);
    assert!(ended.out.contains("unknown table id") && ended.out.contains("  ops.toggle  "), "{}", ended.out);
}

#[test]
fn a_segment_that_cannot_be_read_as_a_file_is_named() {
    let place = Place::new();
    fs::remove_file(place.segment()).expect("the segment");
    fs::write(place.cdc_raw().join(format!("{SEGMENT}.zst")), "no archive").expect("a file");

    let ended = Ended::of(&output(["dump", &place.cdc_raw().display().to_string()]));

    assert_eq!(ended.code, Some(74));
    let message = "not compressed as its name says: expected zstd, found neither zstd nor gzip";
    assert_eq!(ended.err, format!("ringtail: {}.zst: {message}\n", place.segment().display()));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for arguments in [
        &["dump", "--schema", &schema(), &quickstart()][..],
        &["dump", "--json", "--schema", &schema(), &quickstart()],
        &["completions", "bash"],
        &["--help"],
    ] {
        let ended = with_a_closed_pipe(arguments);

        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn nobody_on_standard_error_is_no_failure() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);

    let (_set, second) = without_its_beginning();

    let ended = Ended::of(&ringtail(["dump", &second]).stderr(writer).output().expect("the binary starts"));

    assert_eq!(ended.code, Some(65));
}
