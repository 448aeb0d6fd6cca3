//! What a segment must give, read at once by the library, and the comparison with what arrived.

use super::node::names;
use super::registry;
use ringtail::codec;
use ringtail::commitlog::{Horizon, Item, SegmentError, SegmentName, SegmentReader};
use ringtail::config::SubjectName;
use ringtail::envelope::{Envelope, EnvelopeSettings, Form, PartitionBy, Record, TopicTemplate};
use ringtail::event::{self, ChangeEvent};
use ringtail::mutation;
use ringtail::position::{CommitLogPosition, SegmentId};
use ringtail::registry::{AvroConverter, Client, Ids, Patience};
use ringtail::schema::{Catalog, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// `topics.prefix` of all these tests.
pub const PREFIX: &str = "shop";
/// `node.id` of all these tests.
pub const NODE: &str = "n1";

/// The envelope that the agent under test is configured with.
pub fn envelope() -> Envelope {
    Envelope::new(settings(None, None))
}

/// Its settings, with topics for changes of the schema and for accounts of segments.
pub fn settings(schema_topic: Option<&str>, audit_topic: Option<&str>) -> EnvelopeSettings {
    EnvelopeSettings {
        node: NODE.into(),
        prefix: PREFIX.to_owned(),
        schema_topic: schema_topic.map(Into::into),
        audit_topic: audit_topic.map(Into::into),
        ..EnvelopeSettings::default()
    }
}

/// Rows as plain columns in Avro, with schemas in this registry.
pub fn avro(url: &str, subjects: SubjectName) -> Envelope {
    let settings = EnvelopeSettings { form: Form::Flat, ..settings(None, None) };
    let (soon_min, soon_max, later) = (Duration::from_millis(20), Duration::from_millis(80), Duration::from_millis(150));
    let client = Client::new(&registry::settings(&[url])).expect("no file is needed");
    let ids = Ids::start(client, true, Patience { soon_min, soon_max, later }).expect("a thread");
    Envelope::with_converter(settings, Box::new(AvroConverter::new(ids, subjects)))
}

/// An event as a consumer sees it. Equal ids mean equal events: all but the time of sending, which is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its identity.
    pub id: String,
    /// The topic.
    pub topic: String,
    /// The Cassandra partition key.
    pub partition: Vec<u8>,
    /// Key, value without the time of sending, and the second header.
    pub content: [Vec<u8>; 3],
}

impl From<&Record> for Event {
    fn from(record: &Record) -> Event {
        let header = |name: &str| record.headers.iter().find(|(known, _)| *known == name).expect("the header").1.clone();
        let value = record.value.as_deref().expect("a value");
        Event {
            id: header("ringtail.id"),
            topic: record.topic.to_string(),
            partition: record.partition_key.clone(),
            content: [record.key.clone(), without_time(value), header("ringtail.batch").into_bytes()],
        }
    }
}

/// The value without its first member, `ts_ms`: the time of sending.
pub fn without_time(value: &[u8]) -> Vec<u8> {
    assert!(value.starts_with(b"{\"ts_ms\":"), "a value begins with the time of sending");
    let comma = value.iter().position(|byte| *byte == b',').expect("more than one member");
    value[comma + 1..].to_vec()
}

/// What becomes of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The events that arrive, in order.
    pub events: Vec<Event>,
    /// The entries that are parked: segment, position, and the ordinal of the event that was refused.
    pub parked: BTreeSet<(u64, u32, Option<u32>)>,
    /// Logical bytes of entries: delivered, filtered, parked.
    pub bytes: [u64; 3],
    /// How many ranges cannot be read.
    pub damages: usize,
    /// How many entries can.
    pub entries: usize,
    /// Each of them.
    pub list: Vec<Entry>,
}

/// One entry, whatever waits before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Segment and position.
    pub at: (u64, u32),
    /// The bytes of its frame.
    pub length: u64,
    /// Its partition key.
    pub key: Vec<u8>,
    /// Its events that are published, with the updates that they are of, and whether the other side refuses them.
    pub events: Vec<(usize, u32, Event, bool)>,
    /// The tables of the updates that can be decoded.
    pub tables: Vec<TableId>,
    /// The table of the first update that cannot be.
    pub unknown: Option<Option<TableId>>,
}

/// Reads segments at once.
pub struct Reader<'c> {
    catalog: &'c Catalog,
    envelope: Envelope,
    refused: &'c dyn Fn(&Event) -> bool,
    /// What something waits for, so that everything later of it waits too.
    keys: BTreeSet<Vec<u8>>,
    tables: BTreeSet<uuid::Uuid>,
}

impl<'c> Reader<'c> {
    /// Decodes with `catalog`. `refused` says which events the other side never takes.
    pub fn new(catalog: &'c Catalog, refused: &'c dyn Fn(&Event) -> bool) -> Reader<'c> {
        Reader { catalog, envelope: envelope(), refused, keys: BTreeSet::new(), tables: BTreeSet::new() }
    }

    /// What becomes of the segment with this name and these bytes.
    pub fn read(&mut self, name: SegmentName, bytes: &[u8]) -> Result<Expected, SegmentError> {
        let mut reader = SegmentReader::open(bytes, Some(name))?;
        let mut expected = Expected::default();
        loop {
            match reader.next(Horizon::Final)? {
                Item::Entry(entry) => {
                    let at = CommitLogPosition { segment: name.id, position: entry.end };
                    self.entry(&name.log(), at, entry.body(), entry.frame.len() as u64, &mut expected);
                }
                Item::Damage(_) => expected.damages += 1,
                Item::CaughtUp => panic!("a final segment is never caught up"),
                Item::End => return Ok(expected),
            }
        }
    }

    fn entry(&mut self, file: &str, at: CommitLogPosition, body: &[u8], length: u64, expected: &mut Expected) {
        expected.entries += 1;
        let entry = self.look(file, at, body, length);
        // From this update on it waits.
        let waits = self.waits_from(&entry);
        let mut parked: BTreeSet<_> = waits.iter().map(|_| (at.segment.0, at.position.0, None)).collect();
        let mut published = false;
        for (_, ordinal, event, refused) in entry.events.iter().filter(|(update, ..)| waits.is_none_or(|waits| *update < waits)) {
            published = true;
            if *refused {
                parked.insert((at.segment.0, at.position.0, Some(*ordinal)));
            } else {
                expected.events.push(event.clone());
            }
        }
        let fate = if !parked.is_empty() { 2 } else { usize::from(!published) };
        expected.bytes[fate] += length;
        expected.parked.extend(parked);
        expected.list.push(entry);
    }

    fn look(&mut self, file: &str, at: CommitLogPosition, body: &[u8], length: u64) -> Entry {
        let (mutation, error) = match mutation::decode(body, self.catalog) {
            Ok(mutation) => (mutation, None),
            Err(incomplete) => (incomplete.leading, Some(incomplete.error)),
        };
        let published = event::project(at, &mutation).expect("recorded range deletions pair").events;
        let published = published.iter().filter(|event| event.update.table.is_published());
        let events = published.map(|event| {
            let arrives = self.envelope_of(file, event);
            let refused = (self.refused)(&arrives);
            (event.update_index as usize, event.ordinal, arrives, refused)
        });
        Entry {
            at: (at.segment.0, at.position.0),
            length,
            key: key(body),
            events: events.collect(),
            tables: mutation.updates.iter().map(|update| update.table.id).collect(),
            unknown: error.map(|error| error.table_id()),
        }
    }

    /// The first update of an entry that waits; what comes later of its key or that table waits behind it.
    fn waits_from(&mut self, entry: &Entry) -> Option<usize> {
        let says_something = !entry.events.is_empty() || entry.unknown.is_some();
        let behind_key = self.keys.contains(&entry.key).then_some(0);
        let behind_table = entry.tables.iter().position(|table| self.tables.contains(&table.0));
        let behind = behind_key.or(behind_table).filter(|_| says_something);
        let unknown = entry.unknown.map(|_| entry.tables.len());
        let from = [behind, unknown].into_iter().flatten().min()?;
        self.keys.insert(entry.key.clone());
        if unknown == Some(from) {
            self.tables.extend(entry.unknown.flatten().map(|table| table.0));
        }
        Some(from)
    }

    fn envelope_of(&mut self, file: &str, event: &ChangeEvent<'_>) -> Event {
        Event::from(&self.envelope.encode(event, file, 0).expect("a record")[0])
    }
}

/// The partition key of a serialized mutation: number of updates, table id, length, key.
pub fn key(body: &[u8]) -> Vec<u8> {
    let (rest, _) = codec::unsigned_vint32(body).expect("a number of updates");
    codec::vint_bytes(&rest[16..], "key").expect("a key").1.to_vec()
}

/// What lies in `parked/`, in the same form; each entry has its note.
pub fn parked(folder: &Path) -> BTreeSet<(u64, u32, Option<u32>)> {
    let mut found = BTreeSet::new();
    for name in names(folder) {
        if let Some(name) = name.strip_suffix(".entry") {
            assert!(folder.join(format!("{name}.json")).is_file(), "{name} has no note");
            let parts: Vec<u64> = name.split('-').map(|part| part.parse().expect("a number")).collect();
            found.insert((parts[0], parts[1] as u32, parts.get(2).map(|ordinal| *ordinal as u32)));
        }
    }
    found
}

/// What was wrong with what arrived, at most a few of each kind; and how many events came again.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Problems, in words.
    pub problems: Vec<String>,
    /// Events that arrived more than once, counted each time but the first.
    pub repeats: usize,
}

/// Compares what arrived, in the order of arrival, with what must have: each event at least once, equal to itself each time, and
/// per Cassandra partition in the order of the log once repeats are left out (I1, I8).
pub fn compare<'e>(expected: &[Event], arrived: impl IntoIterator<Item = &'e Event>) -> Verdict {
    let places: BTreeMap<&str, usize> = expected.iter().enumerate().map(|(place, event)| (event.id.as_str(), place)).collect();
    assert_eq!(places.len(), expected.len(), "an id names one event");
    let mut verdict = Verdict::default();
    let mut seen = vec![false; expected.len()];
    let mut last: BTreeMap<(&str, &[u8]), usize> = BTreeMap::new();
    for event in arrived {
        let Some(&place) = places.get(event.id.as_str()) else {
            verdict.problems.push(format!("{} was never written, or is not to be published", event.id));
            continue;
        };
        if *event != expected[place] {
            verdict.problems.push(format!("{} arrived with other content than it has", event.id));
        }
        if std::mem::replace(&mut seen[place], true) {
            verdict.repeats += 1;
            continue;
        }
        let before = last.insert((&event.topic, &event.partition), place);
        if let Some(before) = before.filter(|before| *before > place) {
            verdict.problems.push(format!("{} arrived after {} of the same partition", event.id, expected[before].id));
        }
    }
    let missing: Vec<&str> = expected.iter().zip(&seen).filter(|(_, seen)| !**seen).map(|(event, _)| event.id.as_str()).collect();
    if let (Some(first), Some(end)) = (missing.first(), missing.last()) {
        verdict.problems.push(format!("{} of {} events are missing, from {first} to {end}", missing.len(), expected.len()));
    }
    verdict
}

/// The name of a segment that Cassandra 4.0, 4.1 or 5.0 wrote.
pub fn name(id: u64) -> SegmentName {
    SegmentName { id: SegmentId(id), version: 7 }
}
