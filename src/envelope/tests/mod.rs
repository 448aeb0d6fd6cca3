//! The envelope against decision tables, against Debezium's own records, and against anything.

mod debezium;
mod deletes;
mod elements;
mod flat;
mod headers;
mod lossless;
mod outbox;
mod random;
mod rows;

use crate::envelope::{Envelope, EnvelopeSettings, Record};
use crate::event::project;
use crate::event::testing::{at, mutation};
use crate::mutation::{Mutation, PartitionUpdate, Row, Unfiltered};

const FILE: &str = "CommitLog-7-1759999999000.log";
const TS_MS: i64 = 1_760_000_000_123;

fn settings() -> EnvelopeSettings {
    EnvelopeSettings {
        node: "n1".into(),
        prefix: "shop".into(),
        cluster: "c1".into(),
        version: "1.2.3".into(),
        ..EnvelopeSettings::default()
    }
}

fn envelope() -> Envelope {
    Envelope::new(settings())
}

fn records(mutation: &Mutation<'_>) -> Vec<Record> {
    let mut envelope = envelope();
    let projection = project(at(), mutation).unwrap();
    projection.events.iter().flat_map(|event| envelope.encode(event, FILE, TS_MS).unwrap()).collect()
}

fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).unwrap().into()
}

/// Key and value of each record.
fn encoded(update: PartitionUpdate<'_>) -> Vec<(String, String)> {
    let records = records(&mutation(vec![update]));
    records.iter().map(|record| (text(&record.key), text(record.value.as_ref().unwrap()))).collect()
}

/// The value of a single row's single event.
fn encoded_row(update: PartitionUpdate<'_>, row: Row<'_>) -> String {
    let [(_, value)] = encoded(PartitionUpdate { unfiltereds: vec![Unfiltered::Row(row)], ..update }).try_into().unwrap();
    value
}

/// An expected text without its line breaks and indents.
fn lines(expected: &str) -> String {
    expected.lines().map(str::trim).collect()
}

/// The text of one member of `after`.
fn after(value: &str, name: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        after: std::collections::BTreeMap<String, &'a serde_json::value::RawValue>,
    }
    serde_json::from_str::<Event<'_>>(value).unwrap().after[name].get().into()
}

/// The text of `ringtail`.
fn ringtail(value: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        ringtail: &'a serde_json::value::RawValue,
    }
    serde_json::from_str::<Event<'_>>(value).unwrap().ringtail.get().into()
}
