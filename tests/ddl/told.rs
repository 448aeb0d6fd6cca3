//! What the schema topic says, against the statements that were made.

use super::support::consumer::Seen;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// A statement: the key of its record, and what it did (`create_table` and so on).
pub type Told = (String, &'static str);

/// What is wrong: a sentence per key under which not all statements were told, in their order, and for two tellings of one that differ.
///
/// More may be told than was made: a change of a type changes every table that uses it. Keyspace and type were made before the agent came.
pub fn problems(made: &[Told], records: &[Seen]) -> Vec<String> {
    let mut problems = vec![];
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, change) in made {
        expected.entry(key.clone()).or_default().push((*change).to_owned());
    }
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut first: HashMap<&str, Value> = HashMap::new();
    for record in records {
        let mut value: Value = serde_json::from_slice(&record.value).unwrap_or_default();
        value["ts_ms"] = Value::Null;
        match first.get(record.id.as_str()) {
            Some(before) if *before == value => continue,
            Some(before) => problems.push(format!("{} is told again with another content: first {before}, now {value}", record.id)),
            None => {
                let text = |member: &str| value[member].as_str().unwrap_or_default().to_owned();
                let key = match value["table"].as_str() {
                    Some(table) => format!("{}.{table}", text("keyspace")),
                    None => text("keyspace"),
                };
                found.entry(key).or_default().push(text("change"));
                first.insert(&record.id, value);
            }
        }
    }
    for key in expected.keys().chain(found.keys().filter(|key| !expected.contains_key(*key))) {
        let [expected, found] = [&expected, &found].map(|map| map.get(key).cloned().unwrap_or_default());
        let mut told = found.iter();
        let before_us = ["create_keyspace", "create_type"];
        let is_told =
            expected.iter().filter(|change| !before_us.contains(&change.as_str())).all(|change| told.any(|found| found == change));
        if !is_told {
            problems.push(format!("{key}: made {expected:?}, told {found:?}"));
        }
    }
    problems
}
