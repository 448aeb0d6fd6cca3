//! What librdkafka calls back into: reports and errors, handed on without work.

use super::health::Health;
use super::topics::Answer;
use super::transaction::Told;
use crate::envelope::Topic;
use crate::progress::Ticket;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// What a record is remembered by while librdkafka has it.
#[derive(Debug)]
pub(super) struct Sent {
    /// None of the record of positions.
    pub(super) ticket: Option<Ticket>,
    pub(super) topic: Topic,
}

/// What the threads of a producer tell the sink.
#[derive(Debug)]
pub(super) enum Signal {
    /// What became of a record.
    Delivered(Box<Sent>, Result<(), RDKafkaErrorCode>),
    /// What a broker says of a topic.
    Topic(Topic, Answer),
    /// How a transaction goes.
    Transaction(Told),
}

/// The callbacks of one producer.
pub(super) struct Context {
    pub(super) signals: Sender<Signal>,
    pub(super) health: Arc<Health>,
}

impl ClientContext for Context {
    /// librdkafka says each failed connection here and again through [`ClientContext::error`], on every retry;
    /// [`Health`] says it once. What it says of the configuration comes only here.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            // The producer has stopped itself, which a reset mends.
            RDKafkaLogLevel::Emerg if facility == "FATAL" => tracing::warn!(target: "librdkafka", "{message}"),
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", facility, "{message}");
            }
            // That it is experimental is known; it decides nothing but what happens after an error.
            RDKafkaLogLevel::Warning if facility == "CONFWARN" && !message.contains("enable.gapless.guarantee") => {
                tracing::warn!(target: "librdkafka", facility, "{message}");
            }
            _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    /// Comes twice for each error (rdkafka 0.39), so nothing here counts.
    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => self.health.all_disconnected(),
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::SSL
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::UnsupportedSASLMechanism
                | RDKafkaErrorCode::IllegalSASLState,
            ) => self.health.connection_failed(reason),
            // A fatal one among them is found by asking the client.
            _ => tracing::debug!(target: "librdkafka", %error, "{reason}"),
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        let result = match result {
            Ok(_) => {
                self.health.answered();
                Ok(())
            }
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        // Nobody listens once the sink has given the producer up: these are the purged records.
        self.signals.send(Signal::Delivered(sent, result)).ok();
    }
}
