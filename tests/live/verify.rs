//! Compares what came with what was written.

use super::support::consumer::{PARTITIONS, Seen};
use super::tables::{SEQUENCE, STATIC_SEQUENCE, Table};
use super::workload::{Expected, Write};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Writes that the node acknowledged.
    pub acknowledged: usize,
    /// Writes that it did not.
    pub unacknowledged: usize,
    /// Records that came.
    pub records: usize,
    /// Records whose event had come before.
    pub repeats: usize,
    /// Acknowledged writes of which an event did not come.
    pub missing: usize,
    /// Every promise that did not hold, one sentence each.
    pub problems: Vec<String>,
    /// From the acknowledgement of a write to its event's arrival at the consumer, ascending.
    latencies: Vec<Duration>,
}

/// How the sentence about a missing event begins.
const MISSING: &str = "missing";

/// Where an event stands in the log: segment, position, ordinal.
type LogPosition = (u64, u64, u64);

/// What an event says it is: table, kind, timestamp of the write.
type Name = (String, String, i64);

impl Report {
    /// Compares. `records` are in the order of each Kafka partition; `prefix` is that of the topics.
    pub fn of(writes: &[Write], records: &[Seen], prefix: &str) -> Report {
        let mut report = Report { records: records.len(), ..Report::default() };
        let mut checker = Checker { expected: HashMap::new(), first: HashMap::new(), arrived: HashMap::new(), partitions: HashMap::new() };
        for write in writes {
            report.acknowledged += usize::from(write.acknowledged.is_some());
            report.unacknowledged += usize::from(write.acknowledged.is_none());
            for event in &write.events {
                checker.expected.insert((event.table.to_owned(), event.kind.to_owned(), write.timestamp), event);
            }
        }
        for record in records {
            match checker.check(record, prefix) {
                Ok(Arrival::New) => {}
                Ok(Arrival::Repeat) => report.repeats += 1,
                Err(problem) => report.problems.push(format!("{} ({}): {problem}", record.id, record.topic)),
            }
        }
        for write in writes.iter().filter(|write| write.acknowledged.is_some()) {
            report.arrival(write, &checker.arrived);
        }
        report.latencies.sort_unstable();
        report
    }

    fn arrival(&mut self, write: &Write, arrived: &HashMap<Name, Duration>) {
        let Some(acknowledged) = write.acknowledged else { return };
        let mut missing = false;
        for event in &write.events {
            match arrived.get(&(event.table.to_owned(), event.kind.to_owned(), write.timestamp)) {
                Some(received) => self.latencies.push(received.saturating_sub(acknowledged)),
                None => {
                    missing = true;
                    self.problems.push(format!("{MISSING}: {} of {} at {}", event.kind, event.table, write.timestamp));
                }
            }
        }
        self.missing += usize::from(missing);
    }

    /// The latency that this share of events, in percent, does not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let index = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "acknowledged writes: {}", self.acknowledged)?;
        writeln!(f, "unacknowledged writes: {}", self.unacknowledged)?;
        writeln!(f, "records seen: {}", self.records)?;
        writeln!(f, "duplicates: {}", self.repeats)?;
        writeln!(f, "missing writes: {}", self.missing)?;
        let others = self.problems.iter().filter(|problem| !problem.starts_with(MISSING)).count();
        writeln!(f, "other problems: {others}")?;
        let millis = |percent| self.percentile(percent).as_secs_f64() * 1e3;
        write!(f, "latency, acknowledgement to consumer: p50 {:.1} ms, p99 {:.1} ms", millis(50), millis(99))
    }
}

enum Arrival {
    New,
    Repeat,
}

struct Checker<'a> {
    expected: HashMap<Name, &'a Expected>,
    /// By event id: the key and the value without its time of emission.
    first: HashMap<String, (Value, Value)>,
    /// By name: when it first came.
    arrived: HashMap<Name, Duration>,
    /// By Cassandra partition: the Kafka partition, the last position, the last write.
    partitions: HashMap<String, (i32, LogPosition, i64)>,
}

impl Checker<'_> {
    fn check(&mut self, record: &Seen, prefix: &str) -> Result<Arrival, String> {
        let key: Value = serde_json::from_slice(&record.key).map_err(|error| format!("key: {error}"))?;
        let mut value: Value = serde_json::from_slice(&record.value).map_err(|error| format!("value: {error}"))?;
        if value["ringtail"]["id"] != record.id.as_str() {
            return Err(format!("the value's id is {}", value["ringtail"]["id"]));
        }
        // Repeats are emitted later; nothing else may differ.
        value["ts_ms"] = Value::Null;
        if let Some((first_key, first_value)) = self.first.get(&record.id) {
            let same = *first_key == key && *first_value == value;
            return if same { Ok(Arrival::Repeat) } else { Err("repeated with another content".into()) };
        }
        let table = Table::named(value["source"]["table"].as_str().unwrap_or_default()).ok_or("an unknown table")?;
        if record.topic != super::tables::topic(prefix, table.name) {
            return Err(format!("{} on another table's topic", table.name));
        }
        let name = (table.name.to_owned(), text(&value["ringtail"]["kind"]), timestamp(&value)?);
        let Some(expected) = self.expected.get(&name) else { return Err(format!("nobody wrote {name:?}")) };
        if self.arrived.contains_key(&name) {
            return Err(format!("{name:?} came before under another id"));
        }
        // It has come, whatever is wrong with it: one wrong value is one problem.
        let expected = *expected;
        self.arrived.insert(name.clone(), record.received);
        self.first.insert(record.id.clone(), (key.clone(), value.clone()));
        content(table, expected, &key, &value, name.2)?;
        if table.clustering.is_empty() && record.partition != placement(&record.key) {
            return Err(format!("in partition {}, not where Java's default partitioner puts it", record.partition));
        }
        self.order(format!("{}{}", table.name, table.partition_of(&key)), record, name.2, expected.ordered)?;
        Ok(Arrival::New)
    }

    fn order(&mut self, partition: String, record: &Seen, timestamp: i64, ordered: bool) -> Result<(), String> {
        let position = log_position(&record.id).ok_or("the id is not node/segment/position/ordinal")?;
        let now = (record.partition, position, timestamp);
        let Some(last) = self.partitions.insert(partition.clone(), now) else { return Ok(()) };
        if last.0 != now.0 {
            return Err(format!("{partition} is in Kafka partitions {} and {}", last.0, now.0));
        }
        if now.1 <= last.1 {
            return Err(format!("{partition}: came behind {:?}", last.1));
        }
        if ordered && now.2 < last.2 {
            return Err(format!("{partition}: the write {} came behind {}", now.2, last.2));
        }
        Ok(())
    }
}

/// The timestamp of the write that an event comes from.
fn timestamp(value: &Value) -> Result<i64, String> {
    let holder = match value["ringtail"]["kind"].as_str() {
        Some("row") => &value["after"][SEQUENCE],
        Some("static") => &value["after"][STATIC_SEQUENCE],
        _ => &value["ringtail"]["deletion"],
    };
    holder["ts"].as_i64().ok_or_else(|| "no timestamp where its kind has it".to_owned())
}

/// Every column of the event against what was written.
fn content(table: &Table, expected: &Expected, key: &Value, value: &Value, timestamp: i64) -> Result<(), String> {
    let differs = |what: &str, expected: &dyn fmt::Display, found: &Value| Err(format!("{what}: expected {expected}, found {found}"));
    if value["op"] != expected.op {
        return differs("op", &expected.op, &value["op"]);
    }
    if *key != expected.key {
        return differs("key", &expected.key, key);
    }
    for column in table.partition_key.iter().chain(table.clustering) {
        let found = &value["after"][*column];
        let found = if found.is_object() { &found["value"] } else { found };
        if *found != expected.key[*column] {
            return differs(column, &expected.key[*column], found);
        }
    }
    // What a deletion takes is shown as taken, each column with the time of the deletion. No table under test has both static columns
    // and deletions.
    let untouched = match expected.kind {
        "row_delete" | "partition_delete" => json!({ "value": null, "deletion_ts": timestamp, "set": true }),
        _ => Value::Null,
    };
    for column in table.columns {
        let found = &value["after"][*column];
        match expected.columns.iter().find(|(name, _)| name == column) {
            None if *found == untouched => {}
            None => return differs(column, &untouched, found),
            Some((_, written)) if found["value"] != *written || found["set"] != true => return differs(column, written, found),
            // A collection's elements have timestamps of their own.
            Some((_, written)) if !written.is_array() && !written.is_object() && found["ts"] != timestamp => {
                return differs(column, &timestamp, &found["ts"]);
            }
            Some(_) => {}
        }
    }
    let Some([from, to]) = expected.range else { return Ok(()) };
    let range = &value["ringtail"]["range"];
    let column = table.clustering[0];
    if range["start"]["kind"] != "INCL_START_BOUND" || range["start"]["values"][column] != from {
        return differs("range start", &from, &range["start"]);
    }
    if range["end"]["kind"] != "EXCL_END_BOUND" || range["end"]["values"][column] != to {
        return differs("range end", &to, &range["end"]);
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Segment, position and ordinal of `node/segment/position/ordinal`.
fn log_position(id: &str) -> Option<LogPosition> {
    let mut parts = id.rsplit('/').map(|part| part.parse().ok());
    let (ordinal, position, segment) = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().map(|_| (segment, position, ordinal))
}

/// The partition that Java's default partitioner gives a key: `toPositive(murmur2(key)) % partitions`.
fn placement(key: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c_u32 ^ key.len() as u32;
    let mut chunks = key.chunks_exact(4);
    for chunk in &mut chunks {
        let mut word = u32::from_le_bytes(chunk.try_into().expect("four bytes")).wrapping_mul(M);
        word = (word ^ (word >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^= hash >> 15;
    (hash & 0x7fff_ffff) as i32 % PARTITIONS
}
