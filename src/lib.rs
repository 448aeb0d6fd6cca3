//! Ringtail reads Apache Cassandra's commit log: from the bytes of a segment to change events.

#[cfg(feature = "agent")]
pub mod cdc_raw;
#[cfg(feature = "agent")]
pub mod checkpoint;
pub mod codec;
pub mod commitlog;
#[cfg(feature = "agent")]
pub mod config;
pub mod cql;
pub mod envelope;
pub mod event;
#[cfg(feature = "agent")]
pub mod http;
#[cfg(feature = "encryption")]
pub mod keystore;
pub mod mutation;
pub mod position;
#[cfg(feature = "agent")]
pub mod progress;
pub mod schema;
#[cfg(feature = "agent")]
pub mod sink;
#[cfg(feature = "agent")]
pub mod telemetry;
