//! Ringtail reads Apache Cassandra's commit log: from the bytes of a segment to change events.

pub mod codec;
pub mod commitlog;
pub mod cql;
pub mod envelope;
pub mod event;
#[cfg(feature = "encryption")]
pub mod keystore;
pub mod mutation;
pub mod position;
pub mod schema;
