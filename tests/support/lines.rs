//! The events in the file of a file sink.

use super::expected::{Event, without_time};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The lines of the file, and where each of them begins.
pub fn lines(path: &Path) -> Vec<(u64, Event)> {
    let text = fs::read_to_string(path).expect("whole lines of text");
    let mut at = 0;
    text.split_inclusive('\n')
        .map(|line| {
            let start = at;
            at += line.len() as u64;
            (start, parse(line).unwrap_or_else(|error| panic!("byte {start} of the sink's file: {error}")))
        })
        .collect()
}

/// One line.
pub fn parse(line: &str) -> Result<Event, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Line<'a> {
        topic: String,
        partition_key: String,
        #[serde(borrow)]
        key: &'a RawValue,
        #[serde(borrow)]
        value: &'a RawValue,
        headers: BTreeMap<String, String>,
    }
    let line: Line<'_> = serde_json::from_str(line)?;
    let byte = |at: usize| u8::from_str_radix(&line.partition_key[at..at + 2], 16).expect("hex");
    Ok(Event {
        id: line.headers["ringtail.id"].clone(),
        topic: line.topic,
        partition: (0..line.partition_key.len()).step_by(2).map(byte).collect(),
        content: [
            line.key.get().as_bytes().to_vec(),
            without_time(line.value.get().as_bytes()),
            line.headers["ringtail.batch"].clone().into_bytes(),
        ],
    })
}

/// How many events each run repeated that stood in the file when it began. `runs` are the file's lengths at those moments.
pub fn repeats_per_run(lines: &[(u64, Event)], runs: &[u64]) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let mut repeats = vec![0; runs.len()];
    for (start, event) in lines {
        let run = runs.partition_point(|length| length <= start) - 1;
        if !seen.insert(&event.id) {
            repeats[run] += 1;
        }
    }
    repeats
}
