//! Ringtail reads Apache Cassandra's commit log: from the bytes of a segment to change events.
//!
//! Without features this is a decoder and nothing else: no runtime, no store, no clock. The agent (`ringtail run`) lies
//! behind the feature `agent`, which is on by default.
//!
//! # The way of one mutation
//!
//! ```
//! use ringtail::commitlog::{Horizon, Item, SegmentReader};
//! use ringtail::position::CommitLogPosition;
//! use ringtail::schema::{Catalog, file};
//! use ringtail::{event, mutation};
//!
//! let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/quickstart");
//! let schema = std::fs::read_to_string(format!("{folder}/schema.cql"))?;
//! let catalog = Catalog::from_loaded(&file::load(&schema)?);
//!
//! let mut inserts = 0;
//! for file in std::fs::read_dir(folder)? {
//!     let path = file?.path();
//!     if path.extension().is_none_or(|extension| extension != "log") {
//!         continue;
//!     }
//!     // A file, or bytes in memory, is walked marker by marker; each entry's checksums held.
//!     let mut segment = SegmentReader::open(std::fs::File::open(path)?, None)?;
//!     let id = segment.descriptor().id;
//!     while let Item::Entry(entry) = segment.next(Horizon::Final)? {
//!         // The body becomes a mutation in Cassandra's own shape, which borrows from it …
//!         let mutation = mutation::decode(entry.body(), &catalog).map_err(|incomplete| incomplete.error)?;
//!         // … and the mutation a list of changes, in log order.
//!         let at = CommitLogPosition { segment: id, position: entry.end };
//!         for event in event::project(at, &mutation)?.events {
//!             if event.update.table.is_published() && event.change.operation() == event::Operation::Insert {
//!                 inserts += 1;
//!             }
//!         }
//!     }
//! }
//! assert!(inserts > 10);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![doc = include_str!("architecture.md")]

#[cfg(feature = "agent")]
pub mod cdc_raw;
#[cfg(feature = "agent")]
pub mod checkpoint;
pub mod codec;
pub mod commitlog;
#[cfg(feature = "agent")]
pub mod config;
pub mod cql;
#[cfg(feature = "agent")]
pub mod dump;
pub mod envelope;
pub mod event;
#[cfg(feature = "agent")]
pub mod http;
#[cfg(feature = "encryption")]
pub mod keystore;
pub mod mutation;
#[cfg(feature = "agent")]
pub mod pipeline;
pub mod position;
#[cfg(feature = "agent")]
pub mod progress;
pub mod schema;
#[cfg(feature = "agent")]
pub mod sink;
#[cfg(feature = "agent")]
pub mod telemetry;
