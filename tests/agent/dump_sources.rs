//! Where `dump` takes segments from: standard input, compressed files, tars.

use super::dump::{quickstart, schema};
use super::place::{Ended, INDEX, Place, SEGMENT};
use super::support::process::{output, ringtail};
use super::support::root;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

fn segment() -> Vec<u8> {
    fs::read(root().join("fixtures/quickstart").join(SEGMENT)).expect("the segment")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory can be written")
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).expect("memory can be written");
    }
    builder.into_inner().expect("memory can be written")
}

/// A copy of the segment under another id has a header that says otherwise; two recorded ones are of different ids.
fn two_segments() -> Vec<u8> {
    let other = root().join("fixtures/4.0.19/all_types/CommitLog-7-1795366489568.log.zst");
    let other = fs::read(other).expect("a recorded segment");
    tar(&[
        ("backup/", b""),
        (&format!("backup/{SEGMENT}"), &segment()),
        (&format!("backup/{INDEX}"), b"62379\nCOMPLETED"),
        ("backup/CommitLog-7-1795366489568.log.zst", &other),
        ("backup/notes.txt", b"not a segment"),
    ])
}

fn dump(more: &[&str]) -> Ended {
    let schema = schema();
    Ended::of(&output(["dump", "--schema", &schema].into_iter().chain(more.iter().copied())))
}

fn from_stdin(bytes: &[u8], more: &[&str]) -> Ended {
    let schema = schema();
    let arguments = ["dump", "--schema", &schema, "-"].into_iter().chain(more.iter().copied());
    let mut child =
        ringtail(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let bytes = bytes.to_vec();
    // In small pieces, and from a thread of its own: a pipe is smaller than what the other side prints.
    let writer = std::thread::spawn(move || bytes.chunks(1000).try_for_each(|piece| stdin.write_all(piece)));
    let output = child.wait_with_output().expect("our own child");
    writer.join().expect("the writer").expect("all of it was read");
    Ended::of(&output)
}

#[track_caller]
fn assert_whole(ended: &Ended, expected: &Ended) {
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out == expected.out, "{}", ended.out);
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a writable folder");
    path.display().to_string()
}

#[test]
fn a_segment_on_standard_input_is_named_by_its_header() {
    let expected = dump(&[&quickstart()]);

    for bytes in [segment(), gzip(&segment()), zstd(&segment())] {
        assert_whole(&from_stdin(&bytes, &[]), &expected);
    }

    let json = from_stdin(&segment(), &["--json"]);
    let by_name = dump(&["--json", &quickstart()]);
    let without_idx = |text: &str| text.replacen("\"idx\":\"62379\\nCOMPLETED\"", "\"idx\":null", 1);
    assert!(json.out == without_idx(&by_name.out), "the same but for the index, which is a file beside it");
}

#[test]
fn standard_input_without_a_header_has_no_name() {
    let mut bytes = segment();
    bytes[5] ^= 1;

    let ended = from_stdin(&bytes, &[]);

    let message = "segment header checksum mismatch at file offset 16: expected 0x";
    assert_eq!(ended.code, Some(65));
    assert!(ended.err.starts_with(&format!("standard input: {message}")), "{}", ended.err);
    assert!(ended.out.starts_with(&format!("standard input  {message}")), "{}", ended.out);
}

#[test]
fn nothing_on_standard_input_is_an_empty_segment() {
    let ended = from_stdin(b"", &[]);

    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(
        ended.out.starts_with("standard input  segment is empty: expected a header at file offset 0, found no bytes\n"),
        "{}",
        ended.out
    );
}

#[test]
fn compressed_files_are_read_whatever_their_name() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let expected = dump(&[&quickstart()]);

    for (name, bytes) in
        [(format!("{SEGMENT}.gz"), gzip(&segment())), (format!("{SEGMENT}.zst"), zstd(&segment())), (SEGMENT.to_owned(), gzip(&segment()))]
    {
        let path = write(place.path(), &name, &bytes);
        assert_whole(&dump(&[&path]), &expected);
        assert_whole(&dump(&[&place.path().display().to_string()]), &expected);
        fs::remove_file(path).expect("the file");
    }
}

#[test]
fn tars_hold_segments_and_whatever_else() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let loose = tempfile::tempdir().expect("a temporary folder");
    write(loose.path(), SEGMENT, &segment());
    fs::copy(
        root().join("fixtures/4.0.19/all_types/CommitLog-7-1795366489568.log.zst"),
        loose.path().join("CommitLog-7-1795366489568.log.zst"),
    )
    .expect("a copy");
    let expected = dump(&[&loose.path().display().to_string()]);
    assert!(expected.out.starts_with("CommitLog-7-1795366489568.log  "), "by id, whatever the order in the tar");

    for (name, bytes) in [
        ("a.tar", two_segments()),
        ("a.tar.gz", gzip(&two_segments())),
        ("a.tar.zst", zstd(&two_segments())),
        ("a.tgz", gzip(&two_segments())),
    ] {
        assert_whole(&dump(&[&write(place.path(), name, &bytes)]), &expected);
        assert_whole(&from_stdin(&bytes, &[]), &expected);
    }
}

#[test]
fn archives_that_are_not_whole_are_named() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let tar_bytes = two_segments();
    let cut = write(place.path(), "cut.tar", &tar_bytes[..600_000]);
    let none = write(place.path(), "none.tar", &tar(&[("notes.txt", b"not a segment")]));
    let other = write(place.path(), "other.gz", &gzip(b"something else"));
    let name = format!("{SEGMENT}.gz");
    let half = write(place.path(), &name, &gzip(&segment())[..5000]);

    for (path, message) in [
        (&cut, format!("ringtail: {cut}: {SEGMENT}: tar is cut short: expected 1048576 bytes, found 598976\n")),
        (
            &none,
            format!(
                "ringtail: cannot list segments: {none}: no segments in this tar: expected members named CommitLog-<version>-<id>.log\n"
            ),
        ),
        (&other, format!("ringtail: cannot list segments: {other}: not a segment: expected CommitLog-<version>-<id>.log\n")),
    ] {
        let ended = dump(&[path]);
        assert_eq!((ended.code, ended.err.as_str()), (Some(74), message.as_str()));
    }
    let ended = dump(&[&half]);
    assert_eq!(ended.code, Some(74));
    assert!(ended.err.starts_with(&format!("ringtail: {half}: ")), "{}", ended.err);
}

#[test]
fn damage_in_a_tar_is_named_with_its_member() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let mut damaged = segment();
    damaged[56_000] ^= 1;
    let path = write(place.path(), "a.tar", &tar(&[(SEGMENT, &damaged)]));

    let ended = dump(&[&path]);

    assert_eq!(ended.code, Some(65));
    assert!(ended.err.starts_with(&format!("{path}: {SEGMENT}: entry checksum mismatch: expected 0x")), "{}", ended.err);
}

#[test]
fn replay_reads_the_same_sources() {
    let place = Place::new();
    let path = write(&place.path("."), "a.tar.gz", &gzip(&two_segments()));

    let ended = place.run("replay", &[&path]);

    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(place.events().len(), super::place::EVENTS);
}
