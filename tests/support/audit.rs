//! `ringtail audit`, and what must hold of its answer whatever was done to the agent before.

use super::process::ringtail;
use serde_json::Value;
use std::path::Path;

/// What must add up to the last of each row.
const SUMS: [(&str, &[&str], &str); 3] = [
    ("/bytes/file", &["header", "markers", "section_heads", "section_payload", "padding", "unmarked", "damaged"], "length"),
    ("/bytes/logical", &["delivered", "filtered", "parked", "damaged", "lost", "padding"], "sections"),
    ("/entries", &["published", "filtered", "parked", "lost"], "seen"),
];

/// Its answer.
#[derive(Debug)]
pub struct Audit {
    /// What it ended with.
    pub code: Option<i32>,
    /// What it complained of.
    pub err: String,
    /// What it printed.
    pub report: Value,
}

impl Audit {
    /// Runs it with this configuration; nothing where there is no state yet.
    pub fn of(config: &Path) -> Option<Audit> {
        let output =
            ringtail(["audit".as_ref(), "--json".as_ref(), "--config".as_ref(), config.as_os_str()]).output().expect("the binary starts");
        let (code, err) = (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned());
        if code == Some(64) && err.contains("there is no state") {
            return None;
        }
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {code:?} {err}"));
        Some(Audit { code, err, report })
    }

    /// The records of all segments.
    pub fn records(&self) -> impl Iterator<Item = &Value> {
        self.report["segments"].as_array().expect("segments").iter().map(|listed| &listed["record"])
    }

    /// What does not hold: bytes and entries add up, and nothing is lost.
    pub fn problems(&self) -> Vec<String> {
        let sums = &self.report["sums"];
        let mut problems: Vec<String> = self.records().filter(|record| record["end"].is_u64()).flat_map(not_adding_up).collect();
        problems.extend(not_adding_up(sums));
        for lost in ["/bytes/logical/lost", "/entries/lost"] {
            if sums.pointer(lost).and_then(Value::as_u64) != Some(0) {
                problems.push(format!("{lost} is not 0: {sums}"));
            }
        }
        for list in ["lost", "inconsistent"] {
            if sums[list].as_array().is_none_or(|list| !list.is_empty()) {
                problems.push(format!("{list}: {}", sums[list]));
            }
        }
        // What is suspicious may be: the nodes of these tests leave ids out.
        problems.extend(sums["gaps"].as_array().expect("gaps").iter().filter(|gap| gap["judgement"] != "suspicious").map(Value::to_string));
        let verdict = self.report["verdict"].as_str();
        if ![(Some(0), Some("whole")), (Some(65), Some("aside"))].contains(&(self.code, verdict)) {
            problems.push(format!("audit ended with {:?} and {verdict:?}: {}", self.code, self.err));
        }
        problems
    }
}

fn not_adding_up(record: &Value) -> Vec<String> {
    let number = |of: &Value, name: &str| of[name].as_u64().unwrap_or_else(|| panic!("{name} of {of}"));
    let mut problems = Vec::new();
    for (place, parts, whole) in SUMS {
        let of = record.pointer(place).unwrap_or_else(|| panic!("{place} of {record}"));
        let sum: u64 = parts.iter().map(|part| number(of, part)).sum();
        if sum != number(of, whole) {
            problems.push(format!("{} {place} comes to {sum}: {of}", record["file"]));
        }
    }
    problems
}

/// Fails if anything does not hold; `what` says after what.
pub fn assert_adds_up(config: &Path, what: &str) -> Audit {
    let audit = Audit::of(config).unwrap_or_else(|| panic!("{what}: there is no state"));
    let problems = audit.problems();
    assert!(problems.is_empty(), "{what}: {}", problems.join("\n"));
    audit
}
