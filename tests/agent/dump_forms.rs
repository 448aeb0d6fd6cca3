//! What `dump` prints, to the letter: `golden/` holds it. When a form changes, print it again with the command that the failed test names,
//! and read the difference.

use super::dump::{quickstart, schema};
use super::place::{Ended, Place, SEGMENT, lines};
use super::support::process::{output, ringtail};
use super::support::{Fixture, root};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

/// Compares with `golden/<name>`.
#[track_caller]
fn assert_golden(name: &str, arguments: &[&str], printed: &str) {
    let golden = fs::read_to_string(root().join("tests/agent/golden").join(name)).unwrap_or_default();
    let different = golden.lines().zip(printed.lines()).position(|(expected, found)| expected != found);
    assert!(
        golden == printed,
        "ringtail {} > tests/agent/golden/{name}\ndiffers at line {:?}; found:\n{printed}",
        arguments.join(" "),
        different.map(|index| index + 1)
    );
}

/// Everything can be read, and what is printed is golden.
#[track_caller]
fn assert_prints(name: &str, arguments: &[&str]) {
    let ended = Ended::of(&output(arguments));
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{arguments:?}");
    assert_golden(name, arguments, &ended.out);
}

#[test]
fn the_readable_form_has_a_line_per_mutation_and_a_sum() {
    assert_prints("readable.txt", &["dump", "--schema", &schema(), "--filter", "shop.*", &quickstart()]);

    let all = Ended::of(&output(["dump", "--schema", &schema(), &quickstart()]));
    let json = Ended::of(&output(["dump", "--json", "--schema", &schema(), &quickstart()]));
    let mutations = lines(&json.out).last().expect("a summary")["mutations"].as_u64();
    assert_eq!(Some(all.out.lines().count() as u64 - 2), mutations, "a line each, between the segment and the sum");
}

#[test]
fn the_raw_form_has_offsets_markers_and_checksums() {
    assert_prints("raw.txt", &["dump", "--raw", "--schema", &schema(), "--filter", "shop.outbox", &quickstart()]);

    let set = root().join("fixtures/5.0.9/shop_lz4_scm_none").display().to_string();
    let unpacked = Fixture::unpack("5.0.9/shop_lz4_scm_none");
    let schema = unpacked.file("schema.cql").display().to_string();
    assert_prints("raw-lz4.txt", &["dump", "--raw", "--schema", &schema, "--filter", "shop.outbox", &set]);
}

#[test]
fn without_a_filter_the_raw_form_shows_every_section_and_every_entry_once() {
    let ended = Ended::of(&output(["dump", "--raw", "--schema", &schema(), &quickstart()]));
    let starting = |prefix: &str| ended.out.lines().filter(|line| line.starts_with(prefix)).collect::<Vec<_>>();

    let (sections, entries) = (starting("  section "), starting("  entry "));
    assert_eq!((sections.len(), entries.len()), (25, 131));
    let ends = |line: &str| {
        let (from, to) = line.split_whitespace().nth(1).expect("a range").split_once("..").expect("a range");
        (from.to_owned(), to.to_owned())
    };
    for pair in sections.windows(2) {
        assert_eq!(ends(pair[0]).1, ends(pair[1]).0, "a section begins where the one before it ends");
    }
    assert!(ended.out.contains("\n  header   0..20                  id 1795374647657  params {}  crc 0x"));
    assert!(ended.out.contains("\n  end      ..1048576              986197 bytes of padding, 0 behind the last marker\n"));
}

#[test]
fn stats_count_tables_sections_and_every_byte() {
    assert_prints("stats.txt", &["dump", "--stats", "--schema", &schema(), &quickstart()]);
}

#[test]
fn stats_of_a_damaged_segment_name_every_range_and_end_with_65() {
    let place = Place::new();
    place.flip(56_000);
    let arguments = ["dump", "--stats", "--schema", &schema(), &place.segment().display().to_string()];

    let ended = Ended::of(&output(arguments));

    assert_eq!(ended.code, Some(65));
    assert_golden("stats-damaged.txt", &["dump --stats of the quick start's segment with bit 0 of byte 56000 flipped"], &ended.out);
}

/// The object that `--stats --json` prints.
fn stats(path: &Path, more: &[&str]) -> Value {
    let path = path.display().to_string();
    let arguments = ["dump", "--stats", "--json", &path].into_iter().chain(more.iter().copied());
    let ended = Ended::of(&output(arguments));
    assert!(matches!(ended.code, Some(0 | 65)), "{ended:?}");
    let lines = lines(&ended.out);
    assert_eq!(lines.len(), 1, "one object");
    lines[0].clone()
}

fn sum(object: &Value, field: &str) -> u64 {
    let members: Vec<&Value> = object.as_object().expect("an object").values().collect();
    members
        .into_iter()
        .map(|member| if field.is_empty() { member } else { &member[field] })
        .map(|number| number.as_u64().expect("a number"))
        .sum()
}

#[track_caller]
fn assert_sums(stats: &Value, file_sizes: &[u64]) {
    let segments = stats["segments"].as_array().expect("segments");
    let sizes: Vec<u64> = segments.iter().map(|segment| segment["file_size"].as_u64().expect("a number")).collect();
    assert_eq!(sizes, file_sizes);
    for bytes in segments.iter().chain([&stats["bytes"]]) {
        assert_eq!(sum(&bytes["file"], ""), bytes["file_size"].as_u64().expect("a number"), "{bytes}");
        assert_eq!(sum(&bytes["log"], ""), bytes["section_bytes"].as_u64().expect("a number"), "{bytes}");
    }
    let counted = sum(&stats["tables"], "bytes")
        + sum(&stats["unknown_tables"], "bytes")
        + [&stats["undecodable"], &stats["filtered"]].map(|share| share["bytes"].as_u64().expect("a number")).iter().sum::<u64>();
    assert_eq!(counted, stats["bytes"]["log"]["entries"].as_u64().expect("a number"), "{stats}");
}

#[test]
fn i5_the_sums_of_stats_are_the_length_of_the_files() {
    for set in ["3.11.19/operations", "4.1.6/ranges", "4.1.6/unclean", "4.1.6/unclean_lz4", "5.0.9/shop_zstd_scm_none"] {
        let fixture = Fixture::unpack(set);
        let sizes: Vec<u64> = fixture.segments().iter().map(|path| fs::metadata(path).expect("a file").len()).collect();
        let schema = fixture.file("schema.cql").display().to_string();

        for more in [&["--schema", &schema][..], &[], &["--schema", &schema, "--filter", "system*.*"], &["--until", "0"]] {
            assert_sums(&stats(fixture.path(), more), &sizes);
        }
    }
}

#[test]
fn i5_the_sums_hold_whatever_is_damaged() {
    let length = fs::read(root().join("fixtures/quickstart").join(SEGMENT)).expect("the segment").len() as u64;
    for offset in [3, 17, 22, 27, 30, 375, 449, 62_372, 700_000] {
        let place = Place::new();
        place.flip(offset);
        let stats = stats(&place.segment(), &["--schema", &schema()]);

        assert_sums(&stats, &[length]);
        let damaged = stats["bytes"]["file"]["damaged"].as_u64().expect("a number");
        let (ranges, unmarked) = (stats["damage"].as_array().expect("ranges"), stats["bytes"]["file"]["unmarked"].as_u64());
        assert!(!ranges.is_empty() || unmarked != Some(0), "byte {offset}: {stats}");
        let in_ranges: u64 =
            ranges.iter().map(|range| range["file"][1].as_u64().expect("an end") - range["file"][0].as_u64().expect("a start")).sum();
        assert!(damaged <= in_ranges, "byte {offset}: {stats}");
    }
    let place = Place::new();
    place.cut(60_000);
    assert_sums(&stats(&place.segment(), &["--schema", &schema()]), &[60_000]);
}

#[test]
fn the_page_of_dump_shows_lines_that_are_printed() {
    let page = fs::read_to_string(root().join("docs/dump.md")).expect("text");
    let golden =
        ["readable.txt", "raw.txt"].map(|name| fs::read_to_string(root().join("tests/agent/golden").join(name)).expect("text")).concat();
    let blocks = page.split("```text\n").skip(1).map(|part| part.split("\n```").next().expect("a block ends"));
    let shown: Vec<&str> = blocks.flat_map(str::lines).collect();

    assert_eq!(shown.len(), 7);
    for line in shown {
        assert!(golden.lines().any(|printed| printed == line), "{line}");
    }
}

const ESCAPE: char = '\u{1b}';

#[test]
fn colours_are_for_terminals() {
    let dump = |more: &[&str]| {
        let schema = schema();
        let quickstart = quickstart();
        let arguments = ["dump", "--schema", &schema, "--filter", "shop.*", &quickstart].map(str::to_owned).into_iter();
        ringtail(arguments.chain(more.iter().map(|more| (*more).to_owned())))
    };
    let out = |command: &mut Command| Ended::of(&command.output().expect("the binary starts")).out;

    let plain = out(&mut dump(&[]));
    assert!(!plain.contains(ESCAPE));
    assert_eq!(out(&mut dump(&["--color", "never"])), plain);
    assert_eq!(out(dump(&[]).env("CLICOLOR_FORCE", "1")), plain, "never in a pipe");
    let coloured = out(dump(&["--color", "always"]).env("NO_COLOR", "1"));
    assert!(coloured.contains("\u{1b}[1m\u{1b}[36mshop.outbox\u{1b}[0m"), "{coloured}");
    assert_eq!(without_colours(&coloured), plain);

    assert!(!out(dump(&["--stats"]).env("CLICOLOR_FORCE", "1")).contains(ESCAPE));
    assert!(out(&mut dump(&["--stats", "--color", "always"])).contains(ESCAPE));
    assert!(!out(&mut dump(&["--json", "--color", "always"])).contains(ESCAPE));
}

fn without_colours(text: &str) -> String {
    let mut parts = text.split(ESCAPE);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').expect("the end of a colour").1)
}

/// What the command prints on a terminal.
fn on_a_terminal(environment: &[(&str, &str)]) -> String {
    let (binary, schema, quickstart) = (env!("CARGO_BIN_EXE_ringtail"), schema(), quickstart());
    let command = format!("'{binary}' dump --schema '{schema}' --filter shop.outbox '{quickstart}'");
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).stdin(Stdio::null()).env("TERM", "xterm");
    // What else speaks about colours, where the tests run.
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        script.env_remove(name);
    }
    script.envs(environment.iter().copied());
    let output = script.output().expect("script (of util-linux) gives a command a terminal");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_terminal_has_colours_unless_it_does_not_want_them() {
    assert!(on_a_terminal(&[]).contains("\u{1b}[36mshop.outbox"));
    for environment in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let text = on_a_terminal(&[environment]);
        assert!(text.contains("shop.outbox") && !text.contains(ESCAPE), "{environment:?}: {text}");
    }
}

#[test]
fn a_reader_that_takes_a_line_and_leaves_is_no_failure() {
    for more in [&["--schema"][..], &["--raw", "--schema"], &["--json", "--schema"]] {
        let (schema, quickstart) = (schema(), quickstart());
        let arguments = ["dump"].iter().chain(more).copied().chain([schema.as_str(), &quickstart]);
        let mut child = ringtail(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let mut out = BufReader::with_capacity(64, child.stdout.take().expect("a pipe"));
        let mut line = String::new();

        out.read_line(&mut line).expect("a line");
        drop(out);

        assert!(line.contains(SEGMENT), "{line}");
        let mut err = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut err).expect("text");
        assert_eq!((child.wait().expect("our own child").code(), err.as_str()), (Some(0), ""), "{more:?}");
    }
}
