//! Records in Avro, over everything that was recorded: each is read by another implementation with the schema that its id names, and says
//! what the same event says in JSON.

use crate::support::recorded::Recorded;
use crate::support::registry::{Server, settings};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Read;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ringtail::avro::adjusted;
use ringtail::commitlog::{Horizon, Item, SegmentReader};
use ringtail::config::SubjectName;
use ringtail::envelope::{EncodeError, Envelope, EnvelopeSettings, Form, Record};
use ringtail::event::{self, ChangeEvent};
use ringtail::mutation;
use ringtail::position::CommitLogPosition;
use ringtail::registry::{AvroConverter, Client, Ids, Patience};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn flat() -> EnvelopeSettings {
    EnvelopeSettings { form: Form::Flat, prefix: "my-shop".into(), tombstones: true, ..EnvelopeSettings::default() }
}

fn avro(server: &Server, settings_of_records: EnvelopeSettings, subjects: SubjectName) -> Envelope {
    let client = Client::new(&settings(&[&server.url()])).unwrap();
    let ids = Ids::start(client, true, Patience::default()).unwrap();
    Envelope::with_converter(settings_of_records, Box::new(AvroConverter::new(ids, subjects)))
}

/// Encodes, waiting for the registry as long as it takes.
fn encoded(envelope: &mut Envelope, event: &ChangeEvent<'_>, file: &str) -> Vec<Record> {
    for _ in 0..1000 {
        match envelope.encode(event, file, 0) {
            Ok(records) => return records,
            Err(EncodeError::Waiting(_)) => std::thread::sleep(Duration::from_millis(5)),
            Err(EncodeError::Refused(why)) => panic!("{why}"),
        }
    }
    panic!("the registry does not answer");
}

/// Takes a message apart: its value, by the schema that its id names.
fn read(server: &Server, message: &[u8]) -> Read {
    assert_eq!(message[0], 0, "the magic byte");
    let id = u32::from_be_bytes(message[1..5].try_into().unwrap());
    let schema = server.state().schemas[id as usize - 1].clone();
    let parsed = apache_avro::Schema::parse_str(&schema).unwrap();
    let mut rest = &message[5..];
    let value = GenericDatumReader::builder(&parsed).build().unwrap().read_value(&mut rest).unwrap();
    assert_eq!(rest, b"");
    value
}

/// A plain value as Connect's JSON converter would write it.
fn as_json(value: &Read) -> Value {
    let float = |text: &str, number: f64| if number.is_finite() { serde_json::from_str(text).unwrap() } else { named(number) };
    match value {
        Read::Null => Value::Null,
        Read::Boolean(value) => json!(value),
        Read::Int(number) => json!(number),
        Read::Long(number) => json!(number),
        // Of several shortest texts of a number, the one that JSON is written with.
        Read::Float(number) => float(zmij::Buffer::new().format(*number), f64::from(*number)),
        Read::Double(number) => float(zmij::Buffer::new().format(*number), *number),
        Read::String(text) => json!(text),
        Read::Uuid(uuid) => json!(uuid.to_string()),
        Read::Bytes(bytes) => json!(BASE64.encode(bytes)),
        other => panic!("{other:?}"),
    }
}

fn named(number: f64) -> Value {
    let text = if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    json!(text)
}

/// Whether what was read says what JSON says: fields under the names that Avro takes, absent and null ones as one; keys of maps as they are.
fn assert_says(json: &Value, read: &Read) {
    match (read, json) {
        (Read::Union(_, read), json) => assert_says(json, read),
        (Read::Record(fields), Value::Object(members)) => {
            let members: BTreeMap<String, &Value> = members.iter().map(|(name, value)| (adjusted(name).to_string(), value)).collect();
            for (name, value) in fields {
                assert_says(members.get(name).unwrap_or(&&Value::Null), value);
            }
            let is_read = |name: &String| fields.iter().any(|(field, _)| field == name);
            let missing: Vec<_> = members.iter().filter(|(name, value)| !value.is_null() && !is_read(name)).collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
        // An entry of a map whose keys are no text: in JSON a pair.
        (Read::Record(fields), Value::Array(pair)) => {
            assert_eq!((fields.len(), pair.len()), (2, 2));
            pair.iter().zip(fields).for_each(|(item, (_, value))| assert_says(item, value));
        }
        (Read::Map(entries), Value::Object(members)) => {
            assert_eq!(entries.keys().collect::<BTreeSet<_>>(), members.keys().collect());
            entries.iter().for_each(|(key, value)| assert_says(&members[key], value));
        }
        (Read::Array(values), Value::Array(items)) => {
            assert_eq!(values.len(), items.len());
            items.iter().zip(values).for_each(|(item, value)| assert_says(item, value));
        }
        (read, json) => assert_eq!(*json, as_json(read)),
    }
}

#[test]
fn every_recorded_event_says_in_avro_what_it_says_in_json() {
    compare(&EnvelopeSettings { form: Form::Lossless, ..flat() });
}

#[test]
fn every_recorded_event_says_in_avro_what_debezium_says_in_json() {
    compare(&EnvelopeSettings { form: Form::Strict, ..flat() });
}

#[test]
fn every_recorded_row_says_in_avro_what_it_says_in_json() {
    compare(&flat());
}

fn compare(settings: &EnvelopeSettings) {
    let server = Server::start();
    let recorded = Recorded::all();
    let json = EnvelopeSettings { schemas: true, ..settings.clone() };
    let (mut avro, mut plain) = (avro(&server, settings.clone(), SubjectName::Topic), Envelope::new(json));
    let (mut compared, mut tombstones, mut tables) = (0, 0, BTreeSet::new());
    for recording in &recorded.segments {
        let mut reader = SegmentReader::open(recording.bytes.as_slice(), None).unwrap();
        let name = reader.descriptor().name();
        while let Item::Entry(entry) = reader.next(Horizon::Final).unwrap() {
            let at = CommitLogPosition { segment: name.id, position: entry.end };
            let Ok(mutation) = mutation::decode(entry.body(), &recorded.catalog) else { continue };
            for event in event::project(at, &mutation).unwrap().events.iter().filter(|event| event.update.table.is_published()) {
                let (json, avro) = (encoded(&mut plain, event, ""), encoded(&mut avro, event, ""));
                assert_eq!(json.len(), avro.len());
                for (json, avro) in json.iter().zip(&avro) {
                    assert_eq!((&json.headers, &json.topic, &json.partition_key), (&avro.headers, &avro.topic, &avro.partition_key));
                    same(&server, &json.key, &avro.key);
                    match (&json.value, &avro.value) {
                        (Some(json), Some(avro)) => same(&server, json, avro),
                        (None, None) => tombstones += 1,
                        other => panic!("{other:?}"),
                    }
                }
                tables.insert(event.update.table.id);
                compared += 1;
            }
        }
    }

    assert!(compared > 500 && tables.len() > 10 && tombstones > 10, "{compared} events of {} tables, {tombstones}", tables.len());
    let asked = server.asked("POST");
    assert!(asked <= 2 * tables.len(), "{asked} requests for {} tables", tables.len());
}

fn same(server: &Server, json: &[u8], avro: &[u8]) {
    let json: Value = serde_json::from_slice(json).unwrap();
    assert_says(&json["payload"], &read(server, avro));
}

#[test]
fn subjects_follow_the_strategy() {
    let recorded = Recorded::all();
    let table = recorded.catalog.tables().find(|table| table.is_published()).unwrap();
    let topic = format!("my-shop.{}.{}", table.keyspace, table.name);
    let record = format!("my_u002dshop.{}.{}", table.keyspace, table.name);
    for (strategy, expected) in [
        (SubjectName::Topic, [format!("{topic}-key"), format!("{topic}-value")]),
        (SubjectName::Record, [format!("{record}.Key"), format!("{record}.Value")]),
        (SubjectName::TopicRecord, [format!("{topic}-{record}.Key"), format!("{topic}-{record}.Value")]),
    ] {
        let server = Server::start();
        let mut envelope = avro(&server, flat(), strategy);
        let found = recorded.segments.iter().any(|recording| {
            let mut reader = SegmentReader::open(recording.bytes.as_slice(), None).unwrap();
            let id = reader.descriptor().id;
            while let Item::Entry(entry) = reader.next(Horizon::Final).unwrap() {
                let Ok(mutation) = mutation::decode(entry.body(), &recorded.catalog) else { continue };
                let events = event::project(CommitLogPosition { segment: id, position: entry.end }, &mutation).unwrap().events;
                if let Some(event) = events.iter().find(|event| event.update.table.id == table.id) {
                    encoded(&mut envelope, event, "");
                    return true;
                }
            }
            false
        });

        assert!(found, "no event of {topic} is recorded");
        assert_eq!(server.state().subjects.keys().cloned().collect::<Vec<_>>(), expected);
    }
}
