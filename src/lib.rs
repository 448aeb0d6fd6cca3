//! Ringtail reads Apache Cassandra's commit log: from the bytes of a segment to change events.
//!
//! Without features this is a decoder and nothing else: no runtime, no store, no clock. The agent (`ringtail run`) lies
//! behind the feature `agent`, which is on by default.
//!
//! # A tour
//!
//! **Open a segment.** A reader takes a file, or bytes in memory; both are [`commitlog::ReadAt`]. The header says what it is.
//!
//! ```
//! use ringtail::SegmentReader;
//!
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/quickstart");
//! let file = std::fs::File::open(format!("{folder}/CommitLog-7-1795374647657.log"))?;
//! let segment = SegmentReader::open(file, None)?;
//!
//! assert_eq!(segment.descriptor().version, 7); // 4.0 to 5.0
//! assert_eq!(segment.descriptor().id.0, 1795374647657);
//! assert!(segment.descriptor().compression.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Walk its entries.** Marker by marker; each entry that is handed out has passed both of its checksums. What cannot be read is a value
//! too, and reading goes on behind it. Ask with [`Horizon::Marked`] while the node still writes the file: [`Item::CaughtUp`] is then not
//! the end.
//!
//! ```
//! use ringtail::{Horizon, Item, SegmentReader};
//!
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/quickstart");
//! let mut bytes = std::fs::read(format!("{folder}/CommitLog-7-1795374647657.log"))?;
//! bytes[56_000] ^= 1;
//! let mut segment = SegmentReader::open(bytes.as_slice(), None)?;
//! let (mut entries, mut damaged) = (0, 0);
//! loop {
//!     match segment.next(Horizon::Final)? {
//!         Item::Entry(_) => entries += 1,
//!         Item::Damage(damage) => damaged += damage.file_bytes(),
//!         Item::CaughtUp | Item::End => break,
//!     }
//! }
//! assert_eq!((entries, damaged), (130, 477));
//! // Every byte of the file is accounted for.
//! assert_eq!(segment.coverage().file_sum(), bytes.len() as u64);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Decode with a schema.** The log does not say what its bytes mean: a [`Catalog`] does. It has the tables of the system, and those of a
//! schema file. A mutation borrows from the entry and the catalog; it has Cassandra's own shape, down to cells and their write times.
//!
//! ```
//! use ringtail::{Catalog, Horizon, Item, SegmentReader, mutation, schema};
//!
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/quickstart");
//! let schema = schema::file::load(&std::fs::read_to_string(format!("{folder}/schema.cql"))?)?;
//! let catalog = Catalog::from_loaded(&schema);
//!
//! # let file = std::fs::File::open(format!("{folder}/CommitLog-7-1795374647657.log"))?;
//! let mut segment = SegmentReader::open(file, None)?;
//! let mut updates = 0;
//! while let Item::Entry(entry) = segment.next(Horizon::Final)? {
//!     // What stopped the decoder, if something did, is in the error, and so are the updates before it.
//!     let mutation = mutation::decode(entry.body(), &catalog).map_err(|incomplete| incomplete.error)?;
//!     updates += mutation.updates.iter().filter(|update| update.table.name == "outbox").count();
//! }
//! assert_eq!(updates, 11);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Take events, print JSON.** A mutation becomes a list of changes in log order, each with its identity, and an [`Envelope`] makes
//! records of them: what the agent sends.
//!
//! ```
//! use ringtail::{Catalog, CommitLogPosition, Envelope, Horizon, Item, SegmentReader, event, mutation, schema};
//!
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/quickstart");
//! # let catalog = Catalog::from_loaded(&schema::file::load(&std::fs::read_to_string(format!("{folder}/schema.cql"))?)?);
//! # let file = std::fs::File::open(format!("{folder}/CommitLog-7-1795374647657.log"))?;
//! let mut segment = SegmentReader::open(file, None)?;
//! let name = segment.descriptor().name();
//! let mut envelope = Envelope::default();
//! let mut records = Vec::new();
//! while let Item::Entry(entry) = segment.next(Horizon::Final)? {
//!     let at = CommitLogPosition { segment: name.id, position: entry.end };
//!     let mutation = mutation::decode(entry.body(), &catalog).map_err(|incomplete| incomplete.error)?;
//!     for event in event::project(at, &mutation)?.events.iter().filter(|event| event.update.table.is_published()) {
//!         records.extend(envelope.encode(event, &name.log(), event.timestamp.0 / 1000)?);
//!     }
//! }
//! assert_eq!(records.len(), 42);
//! assert_eq!(&*records[0].topic, "ringtail.shop.outbox");
//! assert_eq!(records[0].headers[0].1, "local/1795374647657/55833/0");
//! let value: serde_json::Value = serde_json::from_slice(records[0].value.as_deref().unwrap_or_default())?;
//! assert_eq!((&value["op"], &value["after"]["event_type"]["value"]), (&"i".into(), &"OrderPlaced".into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/mutations.rs` is all of it in one place. From here: [`schema`] for where tables come from, [`history`] for the schema as of
//! each write, [`cql`] for values and their texts, `dump` for segments as text, [`position`] for why a file offset is no position.
//!
#![doc = include_str!("architecture.md")]

#[cfg(feature = "agent")]
pub mod audit;
pub mod avro;
#[cfg(feature = "agent")]
pub mod cdc_raw;
#[cfg(feature = "agent")]
pub mod checkpoint;
pub mod codec;
#[cfg(feature = "agent")]
pub mod columns;
pub mod commitlog;
#[cfg(feature = "agent")]
pub mod config;
pub mod connect;
pub mod cql;
#[cfg(feature = "agent")]
pub mod debezium;
#[cfg(feature = "agent")]
pub mod disk;
#[cfg(feature = "agent")]
pub mod dump;
pub mod envelope;
pub mod event;
pub mod history;
#[cfg(feature = "agent")]
pub mod http;
#[cfg(feature = "encryption")]
pub mod keystore;
#[cfg(feature = "agent")]
pub mod mutant;
pub mod mutation;
#[cfg(feature = "agent")]
pub mod pipeline;
pub mod position;
#[cfg(feature = "agent")]
pub mod progress;
#[cfg(feature = "agent")]
pub mod registry;
pub mod schema;
#[cfg(feature = "agent")]
pub mod sink;
#[cfg(feature = "agent")]
pub mod telemetry;

pub use commitlog::{Damage, Entry, Horizon, Item, Keys, SegmentError, SegmentName, SegmentReader};
pub use envelope::{Envelope, Record};
pub use event::{Change, ChangeEvent};
pub use mutation::Mutation;
pub use position::{CommitLogPosition, FileOffset, LogicalPosition, SegmentId};
pub use schema::Catalog;
