//! Where the events go: a file on the disk that loses its power, or a real broker whose disk does not.

use crate::support::consumer::PARTITIONS;
use crate::support::expected::{Event, without_time};
use crate::support::lines::parse;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

/// How long nothing must come before a look at the broker is over.
const QUIET: Duration = Duration::from_millis(250);

/// Everything that has arrived, read a bit more after each run.
pub struct Outlet {
    kind: Kind,
    /// In the order of arrival.
    pub events: Vec<Event>,
    /// Their ids.
    pub ids: HashSet<String>,
    /// How many of each run had arrived before.
    pub repeats: Vec<usize>,
}

enum Kind {
    /// A file, and how much of it was read.
    File { path: PathBuf, read: u64 },
    /// A broker. Records do not hold the Cassandra partition: it is looked up by id.
    Kafka { bootstrap: String, consumer: BaseConsumer, partitions: BTreeMap<String, Vec<u8>> },
}

impl Outlet {
    /// A file sink's file.
    pub fn file(path: PathBuf) -> Outlet {
        Outlet::of(Kind::File { path, read: 0 })
    }

    /// A broker with these topics; `expected` are the events that can come.
    pub fn kafka<'e>(bootstrap: &str, topics: &[String], expected: impl IntoIterator<Item = &'e Event>) -> Outlet {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", "power")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "10")
            .create()
            .expect("a consumer");
        let mut all = TopicPartitionList::new();
        for (topic, partition) in topics.iter().flat_map(|topic| (0..PARTITIONS).map(move |partition| (topic, partition))) {
            all.add_partition_offset(topic, partition, Offset::Beginning).expect("a valid offset");
        }
        consumer.assign(&all).expect("the partitions can be assigned");
        let partitions = expected.into_iter().map(|event| (event.id.clone(), event.partition.clone())).collect();
        Outlet::of(Kind::Kafka { bootstrap: bootstrap.to_owned(), consumer, partitions })
    }

    fn of(kind: Kind) -> Outlet {
        Outlet { kind, events: Vec::new(), ids: HashSet::new(), repeats: Vec::new() }
    }

    /// The section `sink`, but for its braces.
    pub fn config(&self) -> String {
        match &self.kind {
            Kind::File { path, .. } => format!("file: {{ path: {} }}", path.display()),
            Kind::Kafka { bootstrap, .. } => format!("kafka: {{ bootstrap.servers: \"{bootstrap}\" }}"),
        }
    }

    /// Reads what has arrived since the last look: one run ends here.
    pub fn look(&mut self) {
        let new = match &mut self.kind {
            Kind::File { path, read } => whole_lines(path, read),
            Kind::Kafka { consumer, partitions, .. } => {
                std::iter::from_fn(|| consumer.poll(QUIET)).map(|message| event(&message.expect("a record"), partitions)).collect()
            }
        };
        let repeats = new.iter().filter(|event| !self.ids.insert(event.id.clone())).count();
        self.repeats.push(repeats);
        self.events.extend(new);
    }
}

/// The lines up to the first that a cut tore: that and what stands behind it was never reported, and the next run cuts it off.
fn whole_lines(path: &PathBuf, read: &mut u64) -> Vec<Event> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        file => file.expect("a readable file"),
    };
    let length = file.metadata().expect("a file").len();
    assert!(length >= *read, "the sink's file has {length} bytes, {read} were whole lines before");
    file.seek(SeekFrom::Start(*read)).expect("a file");
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("a readable file");
    let mut events = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let event = std::str::from_utf8(line).ok().filter(|line| line.ends_with('\n')).and_then(|line| parse(line).ok());
        let Some(event) = event else { break };
        events.push(event);
        *read += line.len() as u64;
    }
    events
}

fn event(message: &BorrowedMessage<'_>, partitions: &BTreeMap<String, Vec<u8>>) -> Event {
    let header = |name: &str| {
        let mut headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        let value = headers.find(|header| header.key == name).and_then(|header| header.value);
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    };
    let id = header("ringtail.id");
    Event {
        topic: message.topic().to_owned(),
        // One that is not expected is found by its id.
        partition: partitions.get(&id).cloned().unwrap_or_default(),
        content: [
            message.key().unwrap_or_default().to_vec(),
            without_time(message.payload().unwrap_or_default()),
            header("ringtail.batch").into_bytes(),
        ],
        id,
    }
}
