//! Compares decoded segments with what Cassandra's own reader says of them.
//!
//! Equal means: the same lines in the same order and every field of each, after removing from ours the cells and
//! complex deletions of dropped columns (which the reader leaves out) and rows left with nothing. Floats in the
//! printed forms are compared as numbers, since Java prints more digits than needed; messages of errors are ours.

use super::text;
use serde_json::{Map, Value};
use std::io::BufRead;

/// How many differences are told before the rest is only counted.
const TOLD: usize = 10;

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Lines, the summary included.
    pub lines: usize,
    /// Lines that are a partition update.
    pub updates: usize,
}

/// Panics with the first differences unless `ours` says what `oracle` says.
pub fn assert_equal(ours: impl BufRead, oracle: impl BufRead) -> Compared {
    match compare(ours, oracle) {
        Ok(compared) => compared,
        Err(differences) => panic!("{} differences from the oracle\n{}", differences.len(), told(&differences)),
    }
}

fn told(differences: &[String]) -> String {
    differences.iter().take(TOLD).cloned().collect::<Vec<_>>().join("\n")
}

/// As [`assert_equal`], with the differences as a value.
///
/// # Errors
/// One sentence per difference: line (from 1), path to the field, what was expected and found.
pub fn compare(ours: impl BufRead, oracle: impl BufRead) -> Result<Compared, Vec<String>> {
    let mut differences = Differences::default();
    let mut compared = Compared::default();
    let mut ours = ours.lines().map(|line| line.expect("our output is readable"));
    for line in oracle.lines() {
        let line = line.expect("the oracle is readable");
        compared.lines += 1;
        differences.line = compared.lines;
        let expected: Value = serde_json::from_str(&line).expect("the oracle's lines are JSON");
        compared.updates += usize::from(expected["kind"] == "update");
        let Some(found) = ours.next() else {
            differences.add("", "the line is missing");
            break;
        };
        match serde_json::from_str::<Value>(&found) {
            Ok(mut found) => {
                without_dropped(&mut found);
                differences.members(&expected, &found);
            }
            Err(error) => differences.add("", format!("not JSON: {error}")),
        }
    }
    let more = ours.count();
    if more > 0 {
        differences.add("", format!("{more} lines follow that the oracle does not have"));
    }
    if compared.updates == 0 {
        differences.add("", "the oracle holds no update: nothing was compared");
    }
    if differences.found.is_empty() { Ok(compared) } else { Err(differences.found) }
}

/// Removes what the reader leaves out, and counts `rows_before` anew.
fn without_dropped(line: &mut Value) {
    if line.get("static_row").is_some_and(|row| !row.is_null()) && !keep_row(&mut line["static_row"]) {
        line["static_row"] = Value::Null;
    }
    let Some(rows) = line.get_mut("rows").and_then(Value::as_array_mut) else { return };
    let kept: Vec<bool> = rows.iter_mut().map(keep_row).collect();
    let mut keep = kept.iter();
    rows.retain(|_| *keep.next().expect("one flag a row"));
    for marker in line.get_mut("range_tombstone_markers").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(before) = marker.get("rows_before").and_then(Value::as_u64) {
            let left = kept.iter().take(before as usize).filter(|kept| **kept).count();
            marker["rows_before"] = left.into();
        }
    }
}

/// Removes the dropped from one row; `false` if nothing of it is left.
fn keep_row(row: &mut Value) -> bool {
    let mut left = !row["liveness"].is_null() || !row["row_deletion"].is_null();
    for list in ["cells", "complex_deletions"] {
        if let Some(list) = row.get_mut(list).and_then(Value::as_array_mut) {
            list.retain(|one| one.get("dropped") != Some(&Value::Bool(true)));
            left |= !list.is_empty();
        }
    }
    left
}

#[derive(Default)]
struct Differences {
    line: usize,
    found: Vec<String>,
}

impl Differences {
    fn add(&mut self, path: &str, what: impl AsRef<str>) {
        self.found.push(format!("line {}{path}: {}", self.line, what.as_ref()));
    }

    /// The members of a whole line.
    fn members(&mut self, expected: &Value, found: &Value) {
        let is_error = expected["kind"] == "error";
        let Some(members) = expected.as_object() else { return self.add("", "the oracle's line is no object") };
        for (name, value) in members.iter().filter(|(name, _)| !(is_error && *name == "message")) {
            self.member("", name, value, members, found);
        }
    }

    fn member(&mut self, path: &str, name: &str, expected: &Value, siblings: &Map<String, Value>, found: &Value) {
        let path = format!("{path}.{name}");
        match (found.get(name), hex_of(name, siblings)) {
            (None, _) => self.add(&path, "the field is missing"),
            // The oracle prints null where its type cannot say.
            (Some(_), Some(_)) if expected.is_null() => {}
            (Some(Value::String(found)), Some(hex)) if expected.is_string() => {
                let expected = expected.as_str().unwrap_or_default();
                if !text::equal(expected, found, hex) {
                    self.add(&path, format!("expected {expected}, found {found} ({hex})"));
                }
            }
            (Some(found), _) => self.value(&path, name, expected, found),
        }
    }

    fn value(&mut self, path: &str, name: &str, expected: &Value, found: &Value) {
        match (expected, found) {
            (Value::Object(expected), Value::Object(have)) => {
                for (name, value) in expected {
                    self.member(path, name, value, expected, found);
                }
                // A field may be added to ours, but not a column.
                if matches!(name, "partition_key" | "clustering" | "skipped_by_table_id") {
                    for name in have.keys().filter(|name| !expected.contains_key(*name)) {
                        self.add(path, format!("has {name}, which the oracle does not have"));
                    }
                }
            }
            (Value::Array(expected), Value::Array(found)) => {
                if expected.len() != found.len() {
                    self.add(path, format!("expected {} elements, found {}", expected.len(), found.len()));
                }
                for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                    self.value(&format!("{path}[{index}]"), "", expected, found);
                }
            }
            _ if expected == found => {}
            _ => self.add(path, format!("expected {expected}, found {found}")),
        }
    }
}

/// The serialized value whose printed form the member `name` is, if it is one.
fn hex_of<'a>(name: &str, siblings: &'a Map<String, Value>) -> Option<&'a str> {
    let bytes = match name {
        "text" if siblings.contains_key("hex") => siblings.get("hex"),
        "path_text" => siblings.get("path"),
        _ => return None,
    };
    Some(bytes.and_then(Value::as_str).unwrap_or_default())
}
