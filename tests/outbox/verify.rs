//! Compares what came with what the application did.

use super::application::{CORRECTED, Change};
use super::support::consumer::Seen;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Batches that the node acknowledged.
    pub acknowledged: usize,
    /// Batches that it did not.
    pub unacknowledged: usize,
    /// Of those, how many came all the same, whole.
    pub came_unacknowledged: usize,
    /// Messages and events of state that had come before.
    pub repeats: usize,
    /// Every promise that did not hold, a sentence each.
    pub problems: Vec<String>,
}

/// What came of one batch.
#[derive(Default)]
struct Arrived<'a> {
    state: Option<&'a Seen>,
    message: Option<&'a Seen>,
}

impl Report {
    /// Compares. `records` are in the order of each Kafka partition.
    pub fn of(changes: &[Change], records: &[Seen]) -> Report {
        let mut report = Report::default();
        let known: HashMap<String, &Change> = changes.iter().map(|change| (change.event_id.to_string(), change)).collect();
        let mut arrived: HashMap<String, Arrived<'_>> = HashMap::new();
        let mut last: HashMap<&str, (i32, i64)> = HashMap::new();
        for record in records {
            let is_message = header(record, "id").is_some();
            let Some((id, change)) = event_id(record).and_then(|id| Some((id.clone(), *known.get(&id)?))) else {
                report.problems.push(format!("{} on {}: of no batch", record.id, record.topic));
                continue;
            };
            let batch = arrived.entry(id.clone()).or_default();
            let place = if is_message { &mut batch.message } else { &mut batch.state };
            if let Some(first) = place {
                // A consumer that knows the id can drop it: the event, the key and the value are the same.
                report.repeats += 1;
                if first.id != record.id || (is_message && (&first.key, &first.value) != (&record.key, &record.value)) {
                    report.problems.push(format!("{id}: came twice and differs, as {} and {}", first.id, record.id));
                }
                continue;
            }
            *place = Some(record);
            if is_message {
                report.problems.extend(wrong(change, record).map(|what| format!("{id}: {what}")));
                let before = last.insert(&change.aggregate_id, (record.partition, change.sequence));
                if before.is_some_and(|(partition, sequence)| partition != record.partition || sequence >= change.sequence) {
                    report.problems.push(format!("{id}: {} is out of order in its aggregate", change.sequence));
                }
            }
        }
        for change in changes {
            report.batch(change, arrived.get(&change.event_id.to_string()));
        }
        report
    }

    fn batch(&mut self, change: &Change, arrived: Option<&Arrived<'_>>) {
        let id = change.event_id;
        self.acknowledged += usize::from(change.acknowledged);
        self.unacknowledged += usize::from(!change.acknowledged);
        match arrived.map(|arrived| (arrived.state, arrived.message)) {
            Some((Some(state), Some(message))) => {
                self.came_unacknowledged += usize::from(!change.acknowledged);
                if entry(state).is_none() || entry(state) != entry(message) {
                    self.problems.push(format!("{id}: state and message are of different entries: {} and {}", state.id, message.id));
                }
            }
            Some((state, _)) => self.problems.push(format!("{id}: only the {} came", if state.is_some() { "state" } else { "message" })),
            None if change.acknowledged => self.problems.push(format!("{id}: acknowledged, and nothing came")),
            None => {}
        }
    }
}

/// What is not as it should be of a message.
fn wrong(change: &Change, record: &Seen) -> Option<String> {
    let found = (record.topic.as_str(), text(&record.key), text(&record.value), header(record, "eventType"));
    let topic = format!("outbox.event.{}", change.aggregate_type);
    let expected = (topic.as_str(), change.aggregate_id.clone(), change.payload(), Some(change.event_type()));
    (found != expected || found.2 == CORRECTED).then(|| format!("expected {expected:?}, found {found:?}"))
}

/// The batch that a record is of: a message's header, or what the order holds.
fn event_id(record: &Seen) -> Option<String> {
    if let Some(id) = header(record, "id") {
        return Some(id.to_owned());
    }
    let value: Value = serde_json::from_slice(&record.value).ok()?;
    Some(value["after"]["last_event"]["value"].as_str()?.to_owned())
}

fn header<'a>(record: &'a Seen, name: &str) -> Option<&'a str> {
    record.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Segment and position of the commit-log entry.
fn entry(record: &Seen) -> Option<&str> {
    header(record, "ringtail.batch")?.split(';').next()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "acknowledged batches: {}", self.acknowledged)?;
        writeln!(f, "unacknowledged batches: {}, of which came: {}", self.unacknowledged, self.came_unacknowledged)?;
        writeln!(f, "repeated records: {}", self.repeats)?;
        write!(f, "problems: {}", self.problems.len())
    }
}
