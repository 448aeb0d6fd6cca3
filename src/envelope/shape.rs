//! What a form of records has to say so that any serializer can write it: schemas and values of Connect's model.

use crate::connect::{Schema, Value};
use crate::event::ChangeEvent;
use crate::schema::TableMetadata;

/// A form of records. One that has none of the optional parts says nothing about them.
pub(super) trait Shape: std::fmt::Debug + Send {
    /// The schema of the keys of a table's records.
    fn key_schema(&self, table: &TableMetadata) -> Schema;

    /// The schema of the values of a table's records.
    fn value_schema(&self, table: &TableMetadata) -> Schema;

    /// The key: a value of [`Shape::key_schema`].
    fn key(&self, event: &ChangeEvent<'_>) -> Value;

    /// The value: one of [`Shape::value_schema`].
    fn value(&self, event: &ChangeEvent<'_>, moment: &Moment<'_>) -> Value;

    /// The rule by which an event is not sent in this form, if it is not: the label of `ringtail_filtered_total`.
    fn leaves_out(&self, _event: &ChangeEvent<'_>) -> Option<&'static str> {
        None
    }

    /// Headers besides those that every record has.
    fn headers(&self, _event: &ChangeEvent<'_>) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// What a record says that is not in its event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    /// The event's identity.
    pub id: &'a str,
    /// The segment's file name.
    pub file: &'a str,
    /// When it was handled, in ms since 1970.
    pub ts_ms: i64,
}
