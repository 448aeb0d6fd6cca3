//! The recorded sets are whole, and the comparison with the oracle notices differences in them.

#[path = "support/oracle_tests.rs"]
mod oracle_tests;
mod support;

use std::fs;
use support::{Fixture, oracle, root, sets};

/// Sets of every recorded version.
fn all_sets() -> Vec<String> {
    let versions = fs::read_dir(root().join("fixtures")).expect("fixtures").map(|entry| entry.expect("a readable folder"));
    let named = |name: &str| name.starts_with(|first: char| first.is_ascii_digit());
    let names = versions.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| named(name)).flat_map(|version| sets(&version)).collect()
}

#[test]
fn every_set_has_a_description_of_three_lines_a_schema_and_an_oracle() {
    for set in all_sets() {
        let fixture = Fixture::unpack(&set);

        let description = fs::read_to_string(fixture.file("README.md")).expect("text");
        assert_eq!(description.lines().count(), 3, "{set}/README.md");
        assert!(fixture.file("schema.cql").is_file());
        assert!(fixture.file("oracle.jsonl").is_file());
    }
}

#[test]
fn every_oracle_equals_itself_and_names_every_segment_of_its_set() {
    for set in all_sets() {
        let fixture = Fixture::unpack(&set);
        let lines = fs::read_to_string(fixture.file("oracle.jsonl")).expect("text");

        let compared = oracle::assert_equal(lines.as_bytes(), lines.as_bytes());

        assert!(compared.updates > 0);
        for segment in fixture.segments() {
            let name = segment.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(lines.contains(&format!("{{\"kind\":\"segment\",\"segment\":\"{name}\"")), "{set}: the oracle does not name {name}");
        }
    }
}

#[test]
fn a_changed_digit_anywhere_in_an_oracle_line_is_noticed() {
    let fixture = Fixture::unpack("4.1.6/operations");
    let lines = fs::read_to_string(fixture.file("oracle.jsonl")).expect("text");
    let mut noticed = 0;

    for (number, line) in lines.lines().filter(|line| line.contains("\"kind\":\"update\"")).enumerate() {
        // One digit of each line, at another place every time.
        let digits: Vec<usize> = line.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).collect();
        let at = digits[number * 37 % digits.len()];
        let mut changed = line.to_owned();
        changed.replace_range(at..=at, if line.as_bytes()[at] == b'5' { "6" } else { "5" });
        if serde_json::from_str::<serde_json::Value>(&changed).is_err() {
            continue;
        }

        let differences = oracle::compare(changed.as_bytes(), line.as_bytes());

        assert!(differences.is_err(), "not noticed: {}", &changed[at.saturating_sub(60)..(at + 20).min(changed.len())]);
        noticed += 1;
    }
    assert!(noticed > 500, "only {noticed} changes were tried");
}
