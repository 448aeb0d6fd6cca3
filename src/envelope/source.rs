//! The member `source`: where and when, field by field as Debezium's `SourceInfo`.

use super::json;
use crate::event::ChangeEvent;

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

    /// Writes the object. `file` is the name of the segment.
    pub(super) fn write(&self, out: &mut String, event: &ChangeEvent<'_>, file: &str) {
        let micros = event.timestamp.0;
        out.push_str(&self.head);
        // Rounded down, as Java's `Instant.toEpochMilli`.
        json::number_member(out, "ts_ms", micros.div_euclid(1000));
        out.push_str(",\"snapshot\":\"false\",\"db\":\"NULL\",\"sequence\":null");
        json::number_member(out, "ts_us", micros);
        json::number_member(out, "ts_ns", micros.saturating_mul(1000));
        json::member(out, "cluster");
        out.push_str(&self.cluster);
        json::member(out, "file");
        json::string(out, file);
        json::number_member(out, "pos", event.at.position.0);
        json::member(out, "keyspace");
        json::string(out, &event.update.table.keyspace);
        json::member(out, "table");
        json::string(out, &event.update.table.name);
        out.push('}');
    }
}
