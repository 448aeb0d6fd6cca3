//! Reads the last committed positions record of this node, and makes the topic of these records if it is missing.
//!
//! A `read_committed` reader sees nothing behind the first transaction that is open in a partition, whoever's it is. So it is not
//! enough to read until nothing more comes: what we committed last could stand behind another node's open transaction. The end of the
//! partition is asked for first, and the reader waits until everything before it is decided.

use super::config::{Properties, client_error};
use super::murmur2::partition;
use crate::envelope::Topic;
use crate::sink::Positions;
use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a broker has for one answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long one reading may take; the next one begins anew.
const READING: Duration = Duration::from_secs(30);
/// Between two looks at whether other transactions have ended.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How much of the end of a partition is read first. If there is no record of ours in it, more is.
const READ_BACK: i64 = 500;

/// Where the records are, and which are ours.
#[derive(Clone, Debug)]
pub struct TransactionSettings {
    /// `transactional.id`: the same for every process of this node, and for no other node.
    pub transactional_id: String,
    /// The topic of positions records.
    pub positions: Topic,
    /// The key of ours: the node's id.
    pub node: String,
}

/// Why there is no answer: to be tried again.
#[derive(Debug)]
pub(super) struct Unanswered(pub(super) String);

/// The reader of one topic.
pub(super) struct Recovery<'a> {
    properties: Properties,
    settings: &'a TransactionSettings,
    ended: &'a AtomicBool,
}

/// Consumers say the same things of connections that the producer says.
#[derive(Debug, Default)]
struct Quiet {
    cause: Mutex<Option<String>>,
}

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", facility, "{message}");
    }

    fn error(&self, _: KafkaError, reason: &str) {
        *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }
}

impl ConsumerContext for Quiet {}

type Reader = BaseConsumer<Quiet>;

impl<'a> Recovery<'a> {
    /// With the operator's properties as far as a reader has them too.
    pub(super) fn new(properties: &Properties, settings: &'a TransactionSettings, ended: &'a AtomicBool) -> Recovery<'a> {
        Recovery { properties: properties.of_a_reader(&settings.transactional_id), settings, ended }
    }

    /// The last committed record; `None` if there never was one.
    pub(super) fn last(&self) -> Result<Option<Positions>, Unanswered> {
        let until = Instant::now() + READING;
        let reader = self.reader("read_committed")?;
        let partitions = self.partitions(&reader)?;
        let ends = self.decided_ends(&reader, partitions, until)?;
        let home = partition(self.settings.node.as_bytes(), partitions);
        // Where the key's partition has changed, the newer records are in its present one.
        let others = (0..partitions).filter(|other| *other != home);
        let mut last: Option<Positions> = None;
        for (searched, at) in std::iter::once(home).chain(others).enumerate() {
            let Some((low, high)) = ends.get(usize::try_from(at).unwrap_or_default()).copied() else { continue };
            let found = self.search(&reader, at, low, high, until)?;
            if searched == 0 && found.is_some() {
                return Ok(found);
            }
            last = match (last, found) {
                (Some(last), Some(found)) if found.seq > last.seq => Some(found),
                (last, found) => last.or(found),
            };
        }
        Ok(last)
    }

    fn reader(&self, isolation: &str) -> Result<Reader, Unanswered> {
        let config = self.properties.with("isolation.level", isolation).client_config();
        config.create_with_context(Quiet::default()).map_err(|error| Unanswered(client_error(&error).to_string()))
    }

    /// How many partitions the topic has; makes it if it is missing.
    fn partitions(&self, reader: &Reader) -> Result<i32, Unanswered> {
        let topic = &*self.settings.positions;
        let metadata = reader.fetch_metadata(Some(topic), ANSWER).map_err(|error| self.unanswered(reader, &error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let error = found.and_then(rdkafka::metadata::MetadataTopic::error).map(RDKafkaErrorCode::from);
        match (found, error) {
            (Some(found), None) if !found.partitions().is_empty() => {
                i32::try_from(found.partitions().len()).map_err(|_| Unanswered(format!("topic {topic} has too many partitions")))
            }
            (Some(_), Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition)) | (None, _) => {
                self.create()?;
                Err(Unanswered(format!("topic {topic} was created; waiting for it to appear")))
            }
            (_, Some(error)) => Err(Unanswered(format!("topic {topic} of positions: {error}"))),
            _ => Err(Unanswered(format!("topic {topic} of positions has no leader"))),
        }
    }

    fn create(&self) -> Result<(), Unanswered> {
        let topic = &*self.settings.positions;
        let help = format!(
            "topic {topic} of positions does not exist and could not be created: create it with cleanup.policy=compact, and the \
             replication of the other topics"
        );
        let config = self.properties.client_config();
        let admin: AdminClient<Quiet> =
            config.create_with_context(Quiet::default()).map_err(|error| Unanswered(client_error(&error).to_string()))?;
        // The brokers' own partition count and replication factor. Small segments, so that compaction keeps the topic small.
        let new = NewTopic::new(topic, -1, TopicReplication::Fixed(-1))
            .set("cleanup.policy", "compact")
            .set("segment.bytes", "16777216")
            .set("min.cleanable.dirty.ratio", "0.1");
        let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
        let created = block_on(admin.create_topics(&[new], &options)).map_err(|error| Unanswered(format!("{help} ({error})")))?;
        match created.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, error))) => Err(Unanswered(format!("{help} ({error})"))),
            Some(Ok(_)) | None => {
                tracing::info!(%topic, "the topic of positions was created");
                Ok(())
            }
        }
    }

    /// The ends of every partition, once every transaction before them is decided.
    fn decided_ends(&self, reader: &Reader, partitions: i32, until: Instant) -> Result<Vec<(i64, i64)>, Unanswered> {
        let everything = self.reader("read_uncommitted")?;
        let topic = &*self.settings.positions;
        let ends = |of: &Reader, partition| of.fetch_watermarks(topic, partition, ANSWER).map_err(|error| self.unanswered(of, &error));
        let mut decided = Vec::new();
        for partition in 0..partitions {
            let (low, high) = ends(&everything, partition)?;
            while ends(reader, partition)?.1 < high {
                if self.ended.load(Ordering::Acquire) || Instant::now() >= until {
                    return Err(Unanswered(format!(
                        "another producer's transaction is open in partition {partition} of topic {topic}, and the last positions may stand \
                         behind it: it ends by its own timeout, or as a hanging transaction by kafka-transactions.sh"
                    )));
                }
                thread::sleep(LOOK_AGAIN);
            }
            decided.push((low, high));
        }
        Ok(decided)
    }

    /// The last record of ours in one partition, from its end backwards.
    fn search(&self, reader: &Reader, partition: i32, low: i64, high: i64, until: Instant) -> Result<Option<Positions>, Unanswered> {
        let mut back = READ_BACK;
        let mut end = high;
        while end > low {
            let start = high.saturating_sub(back).max(low);
            if let Some(found) = self.scan(reader, partition, (start, end), until)? {
                return Ok(Some(found));
            }
            end = start;
            back = back.saturating_mul(20);
        }
        Ok(None)
    }

    /// The last record of ours between two offsets.
    fn scan(&self, reader: &Reader, partition: i32, (start, end): (i64, i64), until: Instant) -> Result<Option<Positions>, Unanswered> {
        let mut only = TopicPartitionList::new();
        only.add_partition_offset(&self.settings.positions, partition, Offset::Offset(start))
            .and_then(|()| reader.assign(&only))
            .map_err(|error| self.unanswered(reader, &error))?;
        let mut last = None;
        loop {
            if self.ended.load(Ordering::Acquire) || Instant::now() >= until {
                return Err(Unanswered(format!("the positions in topic {} could not be read in time", self.settings.positions)));
            }
            match reader.poll(Duration::from_millis(100)) {
                None => {}
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) => tracing::debug!(%error, "reading positions"),
                Some(Ok(message)) if message.offset() >= end => break,
                Some(Ok(message)) if message.key() == Some(self.settings.node.as_bytes()) => {
                    last = message.payload().map(<[u8]>::to_vec);
                }
                Some(Ok(_)) => {}
            }
        }
        last.map(|value| Positions::decode(&value)).transpose().map_err(|error| {
            Unanswered(format!("topic {} partition {partition}, key {}: {error}", self.settings.positions, self.settings.node))
        })
    }

    fn unanswered(&self, reader: &Reader, error: &KafkaError) -> Unanswered {
        let cause = reader.context().cause.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        Unanswered(format!("the positions in topic {} cannot be read: {error}{cause}", self.settings.positions))
    }
}
