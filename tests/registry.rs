//! The schema registry: everything that one can answer, and nothing at all; what is ignored asks a real one.
#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "registry/client.rs"]
mod client;
#[path = "registry/ids.rs"]
mod ids;
#[path = "registry/live.rs"]
mod live;
#[path = "registry/records.rs"]
mod records;
mod support;
