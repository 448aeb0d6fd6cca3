//! A change event as the record that leaves: topic, key, value, headers.
//!
//! The value of the default envelope, members in this order:
//!
//! ```text
//! ts_ms, op, source {…}, after {column: cell…, _range_start, _range_end}, ringtail {…}
//! ```
//!
//! [`Envelope`] writes it; `source`, `after`, `cell`, `complex`, `range` and `ringtail` each draw their part.

mod after;
mod cell;
mod complex;
mod converter;
mod encoder;
mod error;
mod flat;
mod headers;
mod json;
mod key;
mod lossless;
mod outbox;
mod range;
mod record;
mod ringtail;
mod schema_change;
mod serializer;
mod shape;
mod source;
mod source_struct;
mod strict;
mod template;
#[cfg(test)]
mod tests;
mod topic;
mod value;

pub use converter::{Converter, Part, PartWriter};
pub use encoder::{Envelope, EnvelopeSettings, Form};
pub use error::EncodeError;
pub use headers::{HeaderTemplate, HeaderTemplateError};
pub use outbox::{NOT_OUTBOX, OUTBOX_DELETE, OUTBOX_UPDATE, OnChange, Outbox, OutboxTable, OutboxTopic, OutboxTopicError};
pub use record::{PartitionBy, Record, Topic};
pub use topic::{TopicTemplate, TopicTemplateError};
