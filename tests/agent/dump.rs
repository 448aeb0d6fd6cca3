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
fn without_a_schema_the_tables_of_the_system_are_known_and_the_others_named() {
    let ended = Ended::of(&output(["dump", &quickstart()]));

    assert_eq!(ended.code, Some(65));
    assert_eq!(ended.err.lines().count(), 2, "a line for each table that is not known:\n{}", ended.err);
    assert!(ended.out.contains("  system.local  "));
    assert!(ended.out.matches("unknown table id 6f78fbd0-").count() == OUTBOX_MUTATIONS);
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

    let ended = Ended::of(&ringtail(["dump", &quickstart()]).stderr(writer).output().expect("the binary starts"));

    assert_eq!(ended.code, Some(65));
}
