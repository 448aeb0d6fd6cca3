//! Records to Kafka, by an idempotent librdkafka producer.
//!
//! ```text
//! send ──▶ Topics ──▶ murmur2 ──▶ Producer ──▶ librdkafka ──▶ brokers
//!           ▲  │ ask                 ▲                           │
//!           │  └──▶ kafka-metadata ──┼──────── metadata ─────────┤
//! poll ◀── signals ◀── kafka-poll ◀──┴──── delivery reports ─────┘
//! ```
//!
//! Nothing here retries or gives up: librdkafka retries for ever (`message.timeout.ms=0`), and what it reports as
//! failed is reported on. The pipeline answers with [`Sink::reset`], which makes a new producer.
//!
//! With transactions a third thread leads them (`transaction`), and a record counts as delivered when its batch is committed.

mod batch;
mod check;
mod config;
mod context;
mod create;
mod failure;
mod health;
mod isolation;
mod murmur2;
mod producer;
mod recover;
mod topics;
mod transaction;

pub use check::{BrokerCheck, TopicCheck, TopicFound, check};
pub use create::NewTopics;
pub use murmur2::{murmur2, partition};
pub use recover::TransactionSettings;

use super::{DeliveryFailure, DeliveryReport, Positions, SendError, Sink, SinkError, Transactions};
use crate::envelope::{Record, Topic};
use crate::progress::Ticket;
use batch::Batch;
use config::Properties;
use context::{Sent, Signal};
use create::Creator;
use failure::{Class, class, is_too_large};
use health::Health;
use producer::Producer;
use rdkafka::error::RDKafkaErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use topics::Topics;

/// Batches are not made smaller than this: the brokers' smallest sensible `max.message.bytes`.
const BATCH_SIZE_MIN: u32 = 16_384;

/// The Kafka sink. Chooses the partition of every record itself and holds at most `window` records.
pub struct KafkaSink {
    properties: Properties,
    window: usize,
    health: Arc<Health>,
    /// `None` only after a new one could not be made.
    producer: Option<Producer>,
    topics: Topics,
    in_flight: usize,
    /// Records that failed before librdkafka took them.
    failed_at_once: Vec<DeliveryReport>,
    /// `batch.size` from the next producer on.
    batch_size: u32,
    /// A broker has refused a batch for its size. If every record of it arrives in the end, batches must be smaller.
    batch_too_large: bool,
    /// How many answers there were when the last probe was sent.
    answers_before_probe: Option<u64>,
    /// How missing topics are made; `None`: they are waited for.
    create: Option<NewTopics>,
    /// `None` without transactions.
    batch: Option<Batch>,
    /// A delivery failed because another producer has our transactional id.
    is_fenced: bool,
}

impl KafkaSink {
    /// Makes a producer with the operator's librdkafka properties over ours. It connects by itself; whether a
    /// broker answers is for [`Sink::health`] to say.
    ///
    /// `window` is the number of records in flight at which [`Sink::send`] answers [`SendError::Full`].
    ///
    /// # Errors
    /// [`SinkError::Producer`] if `bootstrap.servers` is missing or librdkafka does not accept a property.
    pub fn new(properties: &BTreeMap<String, String>, window: u32) -> Result<KafkaSink, SinkError> {
        KafkaSink::open(properties, window, None, None)
    }

    /// As [`KafkaSink::new`], with transactions: every batch holds its events and a record of positions, or nothing of it counts.
    ///
    /// # Errors
    /// As [`KafkaSink::new`].
    pub fn transactional(
        properties: &BTreeMap<String, String>,
        window: u32,
        settings: TransactionSettings,
    ) -> Result<KafkaSink, SinkError> {
        KafkaSink::open(properties, window, Some(settings), None)
    }

    /// As [`KafkaSink::new`] or [`KafkaSink::transactional`]. With `create` topics that do not exist are made, and brokers make none of
    /// ours on demand.
    ///
    /// # Errors
    /// As [`KafkaSink::new`].
    pub fn open(
        properties: &BTreeMap<String, String>,
        window: u32,
        transactions: Option<TransactionSettings>,
        create: Option<NewTopics>,
    ) -> Result<KafkaSink, SinkError> {
        let mut properties = Properties::new(properties, window)?;
        if create.is_some() {
            properties = properties.with("allow.auto.create.topics", "false");
        }
        if let Some(settings) = &transactions {
            properties = properties.transactional(&settings.transactional_id);
        }
        let batch = transactions.map(|settings| Batch::new(settings, properties.clone()));
        let health = Arc::new(Health::new(properties.servers()));
        let mut sink = KafkaSink {
            window: window.max(1) as usize,
            producer: None,
            create,
            batch,
            is_fenced: false,
            topics: Topics::new(properties.refresh()),
            batch_size: properties.batch_size(),
            batch_too_large: false,
            answers_before_probe: None,
            in_flight: 0,
            failed_at_once: Vec::new(),
            properties,
            health,
        };
        sink.producer = Some(sink.producer()?);
        Ok(sink)
    }

    fn producer(&self) -> Result<Producer, SinkError> {
        let config = self.properties.with("batch.size", &self.batch_size.to_string()).client_config();
        let identity = self.batch.as_ref().map(|batch| &batch.identity);
        let creator = self.create.as_ref().map(|topics| Creator::new(topics, &self.properties, &self.health));
        Producer::new(&config, &self.health, identity, creator)
    }

    fn take(&mut self, signal: Signal, reports: &mut Vec<DeliveryReport>) {
        match signal {
            Signal::Topic(topic, answer) => self.topics.learned(&topic, answer, Instant::now()),
            Signal::Delivered(sent, Ok(())) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                if self.topics.arrived(&sent.topic) {
                    self.shrink_batches();
                }
                // With transactions it has arrived when its batch is committed.
                if let Some(ticket) = sent.ticket.filter(|_| self.batch.is_none()) {
                    reports.push(DeliveryReport { ticket, result: Ok(()) });
                }
            }
            Signal::Delivered(sent, Err(code)) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                let failure = self.failed(&sent.topic, code);
                match (sent.ticket, &mut self.batch) {
                    (Some(ticket), _) => reports.push(DeliveryReport { ticket, result: Err(failure) }),
                    (None, Some(batch)) => batch.failed(failure.to_string()),
                    (None, None) => {}
                }
            }
            Signal::Transaction(told) => {
                if let Some(batch) = &mut self.batch {
                    batch.take(told, reports);
                }
            }
        }
    }

    /// What a failed delivery means, and what it teaches about the topic.
    ///
    /// A broker refuses a whole batch for one record, or for the batch's own size. So only a record that was alone
    /// is refused; the others fail as if for a passing reason, and go in smaller groups when they are sent again.
    fn failed(&mut self, topic: &Topic, code: RDKafkaErrorCode) -> DeliveryFailure {
        let alone = self.topics.failed(topic);
        match class(code) {
            Class::Refused if alone => {
                self.topics.found(topic);
                self.batch_too_large = false;
                return DeliveryFailure::Refused(code.to_string());
            }
            Class::Refused => {
                self.topics.suspect(topic);
                self.batch_too_large |= is_too_large(code);
            }
            Class::Unauthorized => self.topics.denied(topic, code.to_string(), Instant::now()),
            Class::UnknownTopic => self.topics.forget(topic),
            Class::Fenced | Class::Transient => {}
        }
        self.is_fenced |= class(code) == Class::Fenced || self.producer.as_ref().is_some_and(|producer| producer.fenced().is_some());
        DeliveryFailure::Transient(format!("topic {topic}: {code}"))
    }

    /// All records of a refused batch have arrived in smaller ones: from the next producer on, no batch is that
    /// large. There is no hurry: the next one that is too large makes the pipeline reset us.
    fn shrink_batches(&mut self) {
        if std::mem::take(&mut self.batch_too_large) {
            self.batch_size = (self.batch_size / 4).max(BATCH_SIZE_MIN.min(self.batch_size));
            tracing::warn!(bytes = self.batch_size, "a broker refused a batch as too large; batches will be smaller");
        }
    }

    fn hand_over(&mut self, record: &Record, ticket: Option<Ticket>) -> Result<(), SendError> {
        let Some(producer) = &self.producer else { return Err(SendError::Full) };
        if self.in_flight + self.failed_at_once.len() >= self.window {
            return Err(SendError::Full);
        }
        let admission = self.topics.admit(&record.topic, Instant::now());
        if admission.ask {
            producer.ask(&record.topic);
        }
        let partition = partition(record.partition_bytes(), admission.partitions?);
        match producer.send(record, partition, Sent { ticket, topic: record.topic.clone() }) {
            Ok(()) => {
                self.topics.sent(&record.topic);
                self.in_flight += 1;
                if let (Some(ticket), Some(batch)) = (ticket, &mut self.batch) {
                    batch.sent(ticket);
                }
                Ok(())
            }
            Err(code) => self.not_taken(record, ticket, code),
        }
    }

    /// librdkafka did not take the record.
    fn not_taken(&mut self, record: &Record, ticket: Option<Ticket>, code: RDKafkaErrorCode) -> Result<(), SendError> {
        match code {
            RDKafkaErrorCode::QueueFull if self.in_flight > 0 => return Err(SendError::Full),
            RDKafkaErrorCode::QueueFull => return Err(SendError::Refused("larger than queue.buffering.max.kbytes".into())),
            _ => {}
        }
        match class(code) {
            Class::Refused => return Err(SendError::Refused(code.to_string())),
            Class::UnknownTopic => {
                self.topics.forget(&record.topic);
                return Err(SendError::Full);
            }
            Class::Unauthorized | Class::Fenced | Class::Transient => {}
        }
        // A producer that cannot go on: the pipeline learns it as of any other failed delivery, and resets.
        match (ticket, &mut self.batch) {
            (Some(ticket), _) => {
                let result = Err(DeliveryFailure::Transient(code.to_string()));
                self.failed_at_once.push(DeliveryReport { ticket, result });
            }
            (None, Some(batch)) => batch.failed(code.to_string()),
            (None, None) => {}
        }
        Ok(())
    }
}

impl Sink for KafkaSink {
    fn send(&mut self, record: &Record, ticket: Ticket) -> Result<(), SendError> {
        if self.batch.as_ref().is_some_and(|batch| !batch.is_open()) {
            return Err(SendError::Full);
        }
        self.hand_over(record, Some(ticket))
    }

    fn poll(&mut self, wait: Duration, reports: &mut Vec<DeliveryReport>) -> Result<(), SinkError> {
        let mut wait = if self.failed_at_once.is_empty() { wait } else { Duration::ZERO };
        reports.append(&mut self.failed_at_once);
        while let Some(signal) = self.producer.as_ref().and_then(|producer| producer.next(wait)) {
            wait = Duration::ZERO;
            self.take(signal, reports);
        }
        match self.batch.as_ref().map(|batch| (batch, batch.fenced())) {
            Some((_, Some(why))) => Err(SinkError::Fenced(why.clone())),
            Some((batch, None)) if self.is_fenced => {
                let why = self.producer.as_ref().and_then(Producer::fenced).unwrap_or_else(|| "its transactions were ended".into());
                Err(SinkError::Fenced(format!("{}: {why}", batch.identity.settings.transactional_id)))
            }
            _ => Ok(()),
        }
    }

    fn reset(&mut self) -> Result<(), SinkError> {
        // The old one's connections are closed before the new one sends, so that nothing old comes in between.
        self.producer = None;
        self.in_flight = 0;
        self.failed_at_once.clear();
        self.topics.reset();
        if let Some(batch) = &mut self.batch {
            batch.reset();
        }
        self.producer = Some(self.producer()?);
        Ok(())
    }

    fn health(&self) -> Result<(), String> {
        if let Some(reason) = self.producer.as_ref().and_then(Producer::fatal_error) {
            return Err(format!("kafka producer: {reason}"));
        }
        self.health.report()?;
        if let Some(why) = self.batch.as_ref().and_then(|batch| batch.identity.obstacle()) {
            return Err(why);
        }
        self.topics.unauthorized().map_or(Ok(()), Err)
    }

    fn reachable(&self) -> Result<(), String> {
        self.health.reachable()
    }

    fn probe(&mut self) {
        self.answers_before_probe = Some(self.health.answers());
        if let Some(producer) = &self.producer {
            producer.probe();
        }
    }

    fn answered_probe(&self) -> bool {
        self.answers_before_probe.is_some_and(|before| self.health.answers() > before)
    }

    fn transactions(&mut self) -> Option<&mut dyn Transactions> {
        match self.batch {
            Some(_) => Some(self),
            None => None,
        }
    }
}

impl Transactions for KafkaSink {
    fn recovered(&mut self) -> Option<Option<Positions>> {
        self.batch.as_mut().and_then(Batch::recovered)
    }

    fn instance(&self) -> String {
        self.batch.as_ref().map(|batch| batch.identity.instance.clone()).unwrap_or_default()
    }

    fn commit(&mut self, positions: &Positions) -> Result<(), SendError> {
        let Some(batch) = self.batch.as_mut().filter(|batch| batch.is_open()) else { return Err(SendError::Full) };
        let record = batch.record(positions);
        self.hand_over(&record, None)?;
        if let Some(batch) = self.batch.as_mut().filter(|batch| batch.is_open()) {
            batch.ends(positions.seq);
            self.producer.iter().for_each(Producer::commit);
        }
        Ok(())
    }

    fn outcome(&mut self) -> Option<Result<u64, String>> {
        self.batch.as_mut().and_then(Batch::outcome)
    }
}
