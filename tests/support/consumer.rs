//! A consumer that reads along while the agent writes, and notes when each record came.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many partitions each topic has.
pub const PARTITIONS: i32 = 4;

/// A record as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its topic.
    pub topic: String,
    /// Its Kafka partition.
    pub partition: i32,
    /// When it came, since the test began.
    pub received: Duration,
    /// The header `ringtail.id`; empty if there is none.
    pub id: String,
    /// The record key.
    pub key: Vec<u8>,
    /// The record value.
    pub value: Vec<u8>,
    /// Every header, as text.
    pub headers: Vec<(String, String)>,
}

/// The running consumer.
pub struct Consumer {
    stop: Arc<AtomicBool>,
    distinct: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<Seen>>,
}

/// Creates these topics.
pub async fn create_topics(bootstrap: &str, names: &[String]) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("an admin client");
    let topics: Vec<NewTopic<'_>> = names.iter().map(|name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1))).collect();
    for result in admin.create_topics(&topics, &AdminOptions::new()).await.expect("the broker answers") {
        result.expect("the topic is created");
    }
}

impl Consumer {
    /// Begins to read every partition of these topics from its beginning.
    pub fn start(bootstrap: &str, topics: &[String], start: Instant) -> Consumer {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", "test")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "10")
            .create()
            .expect("a consumer");
        let mut all = TopicPartitionList::new();
        for topic in topics {
            for partition in 0..PARTITIONS {
                all.add_partition_offset(topic, partition, Offset::Beginning).expect("a valid offset");
            }
        }
        consumer.assign(&all).expect("the partitions can be assigned");
        let (stop, distinct) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopping, counting) = (Arc::clone(&stop), Arc::clone(&distinct));
        let thread = std::thread::spawn(move || read(&consumer, start, &stopping, &counting));
        Consumer { stop, distinct, thread }
    }

    /// How many different events have come.
    pub fn distinct(&self) -> usize {
        self.distinct.load(Ordering::Relaxed)
    }

    /// Waits until `events` different ones have come, or none came for `idle`.
    pub fn wait_for(&self, events: usize, idle: Duration) {
        let (mut last, mut since) = (self.distinct(), Instant::now());
        while last < events && since.elapsed() < idle {
            std::thread::sleep(Duration::from_millis(100));
            if self.distinct() > last {
                (last, since) = (self.distinct(), Instant::now());
            }
        }
    }

    /// Ends, after a second without a record, with all that came, in the order of each Kafka partition.
    pub fn finish(self) -> Vec<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the consumer does not panic")
    }
}

fn read(consumer: &BaseConsumer, start: Instant, stop: &AtomicBool, distinct: &AtomicUsize) -> Vec<Seen> {
    let (mut records, mut ids) = (Vec::new(), HashSet::new());
    loop {
        let stopping = stop.load(Ordering::Relaxed);
        match consumer.poll(if stopping { Duration::from_secs(1) } else { Duration::from_millis(50) }) {
            Some(Ok(message)) => {
                let record = seen(&message, start.elapsed());
                if ids.insert(record.id.clone()) {
                    distinct.fetch_add(1, Ordering::Relaxed);
                }
                records.push(record);
            }
            Some(Err(error)) => eprintln!("consumer: {error}"),
            None if stopping => return records,
            None => {}
        }
    }
}

fn seen(message: &BorrowedMessage<'_>, received: Duration) -> Seen {
    let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let headers: Vec<_> = headers.map(|header| (header.key.to_owned(), text(header.value))).collect();
    let id = headers.iter().find(|(name, _)| name == "ringtail.id").map(|(_, id)| id.clone());
    Seen {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        received,
        id: id.unwrap_or_default(),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().unwrap_or_default().to_vec(),
        headers,
    }
}
