//! What librdkafka's error codes mean for a record.

use rdkafka::error::RDKafkaErrorCode as Code;

/// What an error says about the record or its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The brokers will never take the record, or one that was in its batch.
    Refused,
    /// We may not write to the topic.
    Unauthorized,
    /// The topic or the partition is not, or no longer, there.
    UnknownTopic,
    /// Another producer has our transactional id.
    Fenced,
    /// Sending it again later can work.
    Transient,
}

/// The class of a delivery failure.
pub(super) fn class(code: Code) -> Class {
    match code {
        // What a broker answers to the whole batch; librdkafka has its own name for the records of an invalid
        // batch that were not the cause.
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidTimestamp
        | Code::InvalidRecord
        | Code::InvalidDifferentRecord
        | Code::PolicyViolation
        | Code::UnsupportedForMessageFormat => Class::Refused,
        Code::TopicAuthorizationFailed => Class::Unauthorized,
        Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition | Code::InvalidTopic => Class::UnknownTopic,
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => Class::Fenced,
        _ => Class::Transient,
    }
}

/// Whether a smaller batch may pass where this one did not.
pub(super) fn is_too_large(code: Code) -> bool {
    matches!(code, Code::MessageSizeTooLarge | Code::MessageBatchTooLarge)
}
