//! What is configured of an outbox table.

use super::OutboxTopic;

/// One of `outbox.tables`: which of its columns are what. The names that are the default are those of Debezium's router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxTable {
    /// Its keyspace.
    pub keyspace: String,
    /// Its name.
    pub table: String,
    /// `id`: the column of the message's id. Without it, or where a row does not set it, the event's own id stands for it.
    pub id: Option<String>,
    /// `aggregate_type`: the column that says which topic.
    pub aggregate_type: String,
    /// `aggregate_id`: the column that is the key.
    pub aggregate_id: String,
    /// `event_type`: the column of the header `eventType`.
    pub event_type: Option<String>,
    /// `payload`: the column that is the value.
    pub payload: String,
    /// `timestamp`: the column of the record's timestamp.
    pub timestamp: Option<String>,
    /// `traceparent`: the column of the header of that name.
    pub traceparent: Option<String>,
    /// `headers`: further columns and the headers that they become.
    pub headers: Vec<(String, String)>,
    /// `topic`: the name of the topic.
    pub topic: OutboxTopic,
    /// `tombstone_on_empty`: whether a row without a payload is a record without a value.
    pub tombstone_on_empty: bool,
    /// `on_update`: what an updated row is.
    pub on_update: OnChange,
    /// `on_delete`: what a deleted row is.
    pub on_delete: OnChange,
}

/// What becomes of a change of an outbox table that is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// It is counted and passed over.
    Ignore,
    /// That, and the log says so.
    Warn,
    /// Reading stops in front of it.
    Halt,
}

impl OutboxTable {
    /// A table with the documented defaults.
    pub fn new(keyspace: &str, table: &str) -> OutboxTable {
        OutboxTable {
            keyspace: keyspace.into(),
            table: table.into(),
            id: Some("id".into()),
            aggregate_type: "aggregatetype".into(),
            aggregate_id: "aggregateid".into(),
            event_type: Some("type".into()),
            payload: "payload".into(),
            timestamp: None,
            traceparent: None,
            headers: Vec::new(),
            topic: OutboxTopic::default(),
            tombstone_on_empty: false,
            on_update: OnChange::Warn,
            on_delete: OnChange::Ignore,
        }
    }

    /// `keyspace.table`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.keyspace, self.table)
    }

    /// Every configured column, and the key it stands under.
    pub(super) fn columns(&self) -> Vec<(&'static str, &str)> {
        let required = [("aggregate_type", &self.aggregate_type), ("aggregate_id", &self.aggregate_id), ("payload", &self.payload)];
        let optional =
            [("id", &self.id), ("event_type", &self.event_type), ("timestamp", &self.timestamp), ("traceparent", &self.traceparent)];
        let optional = optional.iter().filter_map(|(key, column)| Some((*key, column.as_deref()?)));
        let headers = self.headers.iter().map(|(column, _)| ("headers", column.as_str()));
        required.iter().map(|(key, column)| (*key, column.as_str())).chain(optional).chain(headers).collect()
    }
}
