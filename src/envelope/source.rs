//! The member `source`: where and when, field by field as Debezium's `SourceInfo`.

use super::json;
use crate::event::ChangeEvent;
use crate::position::LogicalPosition;

/// What is equal in the `source` of every event, escaped once.
#[derive(Debug)]
pub(super) struct Source {
    /// From the opening bracket to `name`.
    head: String,
    /// The cluster's name as a JSON string.
    cluster: String,
}

impl Source {
    pub(super) fn new(version: &str, prefix: &str, cluster: &str) -> Self {
        let mut head = String::from("{\"version\":");
        json::string(&mut head, version);
        head.push_str(",\"connector\":\"cassandra\",\"name\":");
        json::string(&mut head, prefix);
        let mut quoted = String::new();
        json::string(&mut quoted, cluster);
        Source { head, cluster: quoted }
    }

    /// Writes the object.
    pub(super) fn write(&self, out: &mut String, place: &Place<'_>) {
        let micros = place.micros;
        out.push_str(&self.head);
        // Rounded down, as Java's `Instant.toEpochMilli`.
        json::number_member(out, "ts_ms", micros.div_euclid(1000));
        out.push_str(",\"snapshot\":\"false\",\"db\":\"NULL\",\"sequence\":null");
        json::number_member(out, "ts_us", micros);
        json::number_member(out, "ts_ns", micros.saturating_mul(1000));
        json::member(out, "cluster");
        out.push_str(&self.cluster);
        json::member(out, "file");
        json::string(out, place.file);
        json::number_member(out, "pos", place.position.0);
        json::member(out, "keyspace");
        json::string(out, place.keyspace);
        json::member(out, "table");
        match place.table {
            Some(table) => json::string(out, table),
            None => out.push_str("null"),
        }
        out.push('}');
    }
}

/// What differs from event to event.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub micros: i64,
    /// The name of the segment.
    pub file: &'a str,
    pub position: LogicalPosition,
    pub keyspace: &'a str,
    pub table: Option<&'a str>,
}

impl<'a> Place<'a> {
    pub(super) fn of(event: &ChangeEvent<'a>, file: &'a str) -> Self {
        let table = event.update.table;
        Place { micros: event.timestamp.0, file, position: event.at.position, keyspace: &table.keyspace, table: Some(&table.name) }
    }
}
