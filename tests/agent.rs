//! The binary as people meet it: its help, its exit codes, what it prints, its endpoints, and what it says of bad input.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

mod support;

#[path = "agent/audit.rs"]
mod audit;
#[path = "agent/bad_files.rs"]
mod bad_files;
#[path = "agent/bad_segments.rs"]
mod bad_segments;
#[path = "agent/check.rs"]
mod check;
#[path = "agent/documents.rs"]
mod documents;
#[path = "agent/dump.rs"]
mod dump;
#[path = "agent/dump_filters.rs"]
mod dump_filters;
#[path = "agent/dump_forms.rs"]
mod dump_forms;
#[path = "agent/dump_sources.rs"]
mod dump_sources;
#[path = "agent/endpoints.rs"]
mod endpoints;
#[path = "agent/gaps.rs"]
mod gaps;
#[path = "agent/import.rs"]
mod import;
#[path = "agent/metrics.rs"]
mod metrics;
#[path = "agent/outbox.rs"]
mod outbox;
#[path = "agent/parked.rs"]
mod parked;
#[path = "agent/place.rs"]
mod place;
#[path = "agent/quarantine.rs"]
mod quarantine;
#[path = "agent/registry.rs"]
mod registry;
#[path = "agent/replay.rs"]
mod replay;
#[path = "agent/running.rs"]
mod running;
#[path = "agent/schema.rs"]
mod schema;
#[path = "agent/usage.rs"]
mod usage;
