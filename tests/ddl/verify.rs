//! Compares what came with what was written, under the definition that it was written under.

use super::definition::{Column, Definition, KEYSPACE, key, names};
use super::slot::{Slot, State};
use super::support::consumer::Seen;
use super::writer::{Expected, Write};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Writes that the node acknowledged.
    pub acknowledged: usize,
    /// Writes that it did not.
    pub unacknowledged: usize,
    /// Records of tables that came.
    pub records: usize,
    /// Records whose event had come before.
    pub repeats: usize,
    /// Events of acknowledged writes that did not come though `cdc` was on.
    pub missing: Vec<String>,
    /// Events that came though `cdc` was off when they were written.
    pub uncalled: Vec<String>,
    /// Everything else that was wrong, a sentence each.
    pub problems: Vec<String>,
}

/// Where an event stands in the log: segment, position, ordinal.
type LogPosition = (u64, u64, u64);

impl Report {
    /// Compares. `records` are in the order of each Kafka partition.
    pub fn of(writes: &[Write], slots: &[Slot], records: &[Seen], prefix: &str) -> Report {
        let mut report = Report::default();
        let states: Vec<Vec<State>> = slots.iter().map(Slot::states).collect();
        let mut checker = Checker { prefix, slots, states, ..Checker::default() };
        for write in writes {
            report.acknowledged += usize::from(write.acknowledged);
            report.unacknowledged += usize::from(!write.acknowledged);
            checker.writes.insert(write.timestamp, write);
        }
        for record in records {
            report.records += 1;
            match checker.check(record) {
                Ok(Arrival::New) => {}
                Ok(Arrival::Repeat) => report.repeats += 1,
                Ok(Arrival::Uncalled) => report.uncalled.push(format!("{} ({})", record.id, record.topic)),
                Err(problem) => report.problems.push(format!("{} ({}): {problem}", record.id, record.topic)),
            }
        }
        for write in writes.iter().filter(|write| write.acknowledged) {
            for event in &write.events {
                if checker.cdc(write).all(|cdc| cdc) && !checker.arrived.contains(&(write.timestamp, event.kind)) {
                    let how = if write.span.first == write.span.last { "" } else { " (the table was being changed)" };
                    report.missing.push(format!("{}{how}: {}", event.kind, write.statement));
                }
            }
        }
        report
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "acknowledged writes: {}", self.acknowledged)?;
        writeln!(f, "unacknowledged writes: {}", self.unacknowledged)?;
        writeln!(f, "records seen: {}", self.records)?;
        writeln!(f, "duplicates: {}", self.repeats)?;
        writeln!(f, "missing events: {}", self.missing.len())?;
        writeln!(f, "events of tables with cdc off: {}", self.uncalled.len())?;
        write!(f, "other problems: {}", self.problems.len())
    }
}

enum Arrival {
    New,
    Repeat,
    Uncalled,
}

#[derive(Default)]
struct Checker<'a> {
    prefix: &'a str,
    slots: &'a [Slot],
    states: Vec<Vec<State>>,
    writes: HashMap<i64, &'a Write>,
    /// By event id: the key and the value without its time of emission.
    first: HashMap<String, (Value, Value)>,
    arrived: HashSet<(i64, &'static str)>,
    /// By table and partition key: the Kafka partition, the last position, the last write.
    partitions: BTreeMap<String, (i32, LogPosition, i64)>,
}

impl<'a> Checker<'a> {
    /// The definitions that a write may have met.
    fn definitions(&self, write: &Write) -> Vec<Arc<Definition>> {
        let states = &self.states[write.slot];
        let last = write.span.last.min(states.len() - 1);
        states[write.span.first..=last].iter().flatten().cloned().collect()
    }

    /// Whether `cdc` was on in them.
    fn cdc(&self, write: &Write) -> impl Iterator<Item = bool> {
        self.definitions(write).into_iter().map(|definition| definition.cdc)
    }

    fn check(&mut self, record: &Seen) -> Result<Arrival, String> {
        let key: Value = serde_json::from_slice(&record.key).map_err(|error| format!("key: {error}"))?;
        let mut value: Value = serde_json::from_slice(&record.value).map_err(|error| format!("value: {error}"))?;
        value["ts_ms"] = Value::Null;
        if let Some((first_key, first_value)) = self.first.get(&record.id) {
            let same = *first_key == key && *first_value == value;
            return if same {
                Ok(Arrival::Repeat)
            } else {
                Err(format!("repeated with another content: first {first_key} {first_value}, now {key} {value}"))
            };
        }
        self.first.insert(record.id.clone(), (key.clone(), value.clone()));
        let timestamp = newest(&value["after"]).max(newest(&value["ringtail"])).ok_or("it has no timestamp")?;
        let write = *self.writes.get(&timestamp).ok_or_else(|| format!("nobody wrote at {timestamp}"))?;
        let kind = value["ringtail"]["kind"].as_str().unwrap_or_default();
        let event = write.events.iter().find(|event| event.kind == kind);
        let event = event.ok_or_else(|| format!("{kind} does not come of {}", write.statement))?;
        if !self.arrived.insert((timestamp, event.kind)) {
            return Err(format!("it came before under another id: {}", write.statement));
        }
        let topic = format!("{}.{KEYSPACE}.{}", self.prefix, self.slots[write.slot].name);
        if record.topic != topic {
            return Err(format!("on another table's topic: {}", write.statement));
        }
        let definitions = self.definitions(write);
        let mut wrong = vec![];
        for definition in &definitions {
            match content(definition, event, &key, &value, timestamp) {
                Ok(()) => {
                    wrong.clear();
                    break;
                }
                Err(difference) => wrong.push(difference),
            }
        }
        if !wrong.is_empty() {
            return Err(format!("{}: {}", write.statement, wrong.join("; or ")));
        }
        self.order(record, write, &key, event, timestamp)?;
        Ok(if self.cdc(write).any(|cdc| cdc) { Arrival::New } else { Arrival::Uncalled })
    }

    fn order(&mut self, record: &Seen, write: &Write, key: &Value, event: &Expected, timestamp: i64) -> Result<(), String> {
        let position = log_position(&record.id).ok_or("the id is not node/segment/position/ordinal")?;
        let now = (record.partition, position, timestamp);
        // A key column that is renamed changes the record key, and that decides on the Kafka partition where there is no clustering.
        let unclustered = self.definitions(write).first().is_some_and(|definition| definition.clustering.is_empty());
        let columns = if unclustered { key.to_string() } else { String::new() };
        let values: Vec<Value> = event.partition.iter().map(|cell| cell.json(&[])).collect();
        let incarnation = self.definitions(write).first().map(|definition| definition.incarnation);
        let partition = format!("{} {incarnation:?} {} {columns}", record.topic, Value::from(values));
        let Some(last) = self.partitions.insert(partition.clone(), now) else { return Ok(()) };
        if last.0 != now.0 {
            return Err(format!("{partition} is in Kafka partitions {} and {}", last.0, now.0));
        }
        if now.1 <= last.1 {
            return Err(format!("{partition}: came behind {:?}", last.1));
        }
        if now.2 < last.2 {
            return Err(format!("{partition}: the write {} came behind {}", now.2, last.2));
        }
        Ok(())
    }
}

/// The newest write time anywhere in it.
fn newest(value: &Value) -> Option<i64> {
    match value {
        Value::Object(members) => {
            let of_members = members.iter().map(|(name, value)| if name == "ts" { value.as_i64() } else { newest(value) });
            of_members.max().flatten()
        }
        Value::Array(elements) => elements.iter().filter_map(newest).max(),
        _ => None,
    }
}

/// An event against what was written, as it looks under this definition.
fn content(definition: &Definition, expected: &Expected, key: &Value, value: &Value, timestamp: i64) -> Result<(), String> {
    same("op", &json!(expected.op), &value["op"])?;
    same("table", &json!(definition.table), &value["source"]["table"])?;
    let mut found = value["after"].as_object().cloned().ok_or("no after")?;
    for bound in ["_range_start", "_range_end"] {
        found.remove(bound).ok_or_else(|| format!("no {bound}"))?;
    }
    let taken = json!({ "value": null, "deletion_ts": timestamp, "set": true });
    same("key", &record_key(definition, expected), key)?;
    for (column, cell) in definition.partition.iter().zip(&expected.partition) {
        same(&column.name, &cell.json(&[]), &take(&mut found, column)?["value"])?;
    }
    for (index, column) in definition.clustering.iter().enumerate() {
        let found = take(&mut found, column)?;
        match expected.clustering.get(index) {
            Some(cell) => same(&column.name, &cell.json(&[]), &found["value"])?,
            None if expected.kind == "partition_delete" => same(&column.name, &taken, &found)?,
            None => same(&column.name, &Value::Null, &found)?,
        }
    }
    for column in &definition.columns {
        let found = take(&mut found, column)?;
        let untouched = match expected.kind {
            "partition_delete" => &taken,
            "row_delete" if !column.is_static => &taken,
            _ => &Value::Null,
        };
        match expected.columns.iter().find(|(written, _)| written.name == column.name) {
            None => same(&column.name, untouched, &found)?,
            Some((written, cell)) => {
                same(&column.name, &cell.json(&definition.fields), &found["value"])?;
                same(&format!("{} set", column.name), &json!(true), &found["set"])?;
                same(&format!("{} dropped", column.name), &Value::Null, &found["dropped"])?;
                if !written.kind.is_multi_cell() {
                    same(&format!("{} ts", column.name), &json!(timestamp), &found["ts"])?;
                }
            }
        }
    }
    // A column that was dropped while it was written may be shown, as what it is.
    for (name, found) in found {
        let written = expected.columns.iter().find(|(written, _)| written.name == name);
        let (_, cell) = written.ok_or_else(|| format!("a column {name} that nobody wrote"))?;
        same(&name, &cell.json(&definition.fields), &found["value"])?;
    }
    range(definition, expected, value)
}

fn range(definition: &Definition, expected: &Expected, value: &Value) -> Result<(), String> {
    let Some(bounds) = expected.range else { return Ok(()) };
    let column = &definition.clustering[0];
    let [from, to] = bounds.map(|bound| json!({ column.name.clone(): key(column.kind, bound).json(&[]) }));
    let bound = |kind: &str, values: &Value| json!({ "kind": kind, "values": values });
    let (start, end) = match definition.descending {
        false => (bound("INCL_START_BOUND", &from), bound("EXCL_END_BOUND", &to)),
        true => (bound("EXCL_START_BOUND", &to), bound("INCL_END_BOUND", &from)),
    };
    same("range", &json!({ "start": start, "end": end }), &value["ringtail"]["range"])
}

fn take(found: &mut Map<String, Value>, column: &Column) -> Result<Value, String> {
    found.remove(&column.name).ok_or_else(|| format!("no column {}", column.name))
}

fn record_key(definition: &Definition, expected: &Expected) -> Value {
    let columns = names(&definition.partition).into_iter().chain(names(&definition.clustering));
    let cells = expected.partition.iter().chain(&expected.clustering).map(|cell| cell.json(&[]));
    columns.zip(cells.chain(std::iter::repeat(Value::Null))).collect::<Map<_, _>>().into()
}

fn same(what: &str, expected: &Value, found: &Value) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{what}: expected {expected}, found {found}")) }
}

/// Segment, position and ordinal of `node/segment/position/ordinal`.
fn log_position(id: &str) -> Option<LogPosition> {
    let mut parts = id.rsplit('/').map(|part| part.parse().ok());
    let (ordinal, position, segment) = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().map(|_| (segment, position, ordinal))
}
