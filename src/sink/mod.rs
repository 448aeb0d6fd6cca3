//! Where records go: Kafka, standard output, a file.
//!
//! [`memory`] and [`faults`] are the model that tests put in their place.

pub mod faults;
mod file;
pub mod kafka;
mod line;
pub mod memory;
mod memory_batches;
mod positions;
mod stdout;
mod transactions;

pub use file::FileSink;
pub use kafka::KafkaSink;
pub use memory::MemorySink;
pub use positions::{ParkedPosition, Positions, PositionsError, RetriedPosition, SegmentPosition};
pub use stdout::StdoutSink;
pub use transactions::Transactions;

use crate::envelope::{Record, Topic};
use crate::progress::Ticket;
use std::time::Duration;

/// Takes records in order and says, per record, when it is durable at the other side.
///
/// One thread owns a sink. A sink never gives up on a record by itself: it reports a failure, and the pipeline
/// rewinds to the durable checkpoint and calls [`Sink::reset`].
pub trait Sink {
    /// Hands a record over. Does not block.
    ///
    /// # Errors
    /// [`SendError::Full`] when the sink cannot take more now, or needs what is in flight to arrive first: poll,
    /// then hand over the same record again.
    fn send(&mut self, record: &Record, ticket: Ticket) -> Result<(), SendError>;

    /// Appends what has become of records since the last call; waits up to `wait` if nothing has.
    ///
    /// May come back early without a report, when something else has changed and a record that was
    /// [`SendError::Full`] may now be taken.
    ///
    /// # Errors
    /// Only what ends the process: a broken pipe, a full disk under the file sink, a fenced producer.
    fn poll(&mut self, wait: Duration, reports: &mut Vec<DeliveryReport>) -> Result<(), SinkError>;

    /// Forgets everything in flight and begins anew. Reports of what was in flight never come.
    ///
    /// # Errors
    /// As [`Sink::poll`].
    fn reset(&mut self) -> Result<(), SinkError>;

    /// What a checkpoint must remember of the sink itself, true as of the last report. Opaque to everybody else.
    fn state(&self) -> Option<serde_json::Value> {
        None
    }

    /// Whether the other side answers; `Err` says why not, for readiness. A sink that does not get an answer keeps
    /// asking in the background, so this turns good again without a record being sent.
    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether anybody is there, whatever they say of topics and rights: what the circuit breaker goes by.
    ///
    /// # Errors
    /// Why it is known that nobody is.
    fn reachable(&self) -> Result<(), String> {
        Ok(())
    }

    /// Asks the other side whether it is there. Does not wait for the answer: see [`Sink::answered_probe`].
    fn probe(&mut self) {}

    /// Whether the other side has answered since the last [`Sink::probe`]. Where there is nobody to ask, it has.
    fn answered_probe(&self) -> bool {
        true
    }

    /// The batches that this sink makes visible as a whole; `None` if every record stands for itself.
    fn transactions(&mut self) -> Option<&mut dyn Transactions> {
        None
    }
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryReport {
    /// Which.
    pub ticket: Ticket,
    /// Durable at the other side, or not.
    pub result: Result<(), DeliveryFailure>,
}

/// Why a record did not arrive. Whether it did all the same is unknown: it will be sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryFailure {
    /// The other side will never take this record: too large, invalid.
    #[error("record refused: {0}")]
    Refused(String),
    /// Anything else; sending it again later can work.
    #[error("delivery failed: {0}")]
    Transient(String),
}

/// Why a record could not be handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No room now.
    #[error("the sink is full")]
    Full,
    /// The topic does not exist (and is not created on demand).
    #[error("topic {0} does not exist")]
    UnknownTopic(Topic),
    /// The topic does not exist and could not be made (`topics.create`); waits until it is there.
    #[error("topic {topic} does not exist and could not be created: {reason}")]
    NotCreated {
        /// The topic.
        topic: Topic,
        /// Why.
        reason: String,
    },
    /// Not allowed; waits, unready, until it is.
    #[error("not authorised: {0}")]
    Unauthorized(String),
    /// The record can never be sent: too large for the producer, invalid.
    #[error("record refused: {0}")]
    Refused(String),
}

/// What ends the process.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The other side of a pipe or file is gone.
    #[error("cannot write to {what}")]
    Io {
        /// Which sink.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// Another process holds the file. Exit code 75, as for [`SinkError::Fenced`].
    #[error("{0} is locked by another process")]
    Locked(String),
    /// Another producer holds our transactional id.
    #[error("another instance has taken over: {0}")]
    Fenced(String),
    /// The producer cannot go on and a new one could not be made.
    #[error("kafka producer: {0}")]
    Producer(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sink_can_move_to_the_thread_that_owns_it() {
        fn moves<S: Sink + Send>() {}

        moves::<FileSink>();
        moves::<KafkaSink>();
        moves::<MemorySink>();
        moves::<StdoutSink>();
    }
}
