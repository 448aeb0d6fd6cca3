//! Ringtail reads Apache Cassandra's commit log: from the bytes of a segment to change events.

pub mod codec;
pub mod cql;
pub mod position;
pub mod schema;
