//! One commit log entry decoded into Cassandra's own shape, borrowing from the input.
//!
//! ```text
//! mutation          uv count (≥ 1), partition update × count
//! partition update  table id 16 bytes | uv length, partition key | flags u8
//!                   if not IS_EMPTY: header [partition deletion] [static row] [uv row estimate] unfiltered* 0x01
//! header            uv min timestamp, uv min local deletion time, uv min ttl     (each as a delta to an epoch)
//!                   [static columns] regular columns                             columns: uv n, n × (uv length, name)
//! unfiltered        row, or 0x02 range tombstone marker
//! row               flags u8 [extended flags u8] clustering [liveness] [deletion] [column subset] column data*
//! column data       cell, or [deletion] uv count cell*
//! ```
//!
//! `uv` is an unsigned vint. There are no lengths around updates and rows: what follows can only be found by decoding
//! what stands before, so an update of an unknown table makes the rest of its mutation unreadable.
//!
//! Written by `Mutation.MutationSerializer`, `PartitionUpdate.PartitionUpdateSerializer`,
//! `UnfilteredRowIteratorSerializer`, `UnfilteredSerializer`, `Cell.Serializer`. Messaging versions 10 to 13 (Cassandra
//! 3.0 to 5.0) have one and the same grammar.

mod cell;
mod clustering;
mod columns;
mod decode;
mod deletion;
mod error;
mod header;
mod partition_key;
mod row;
mod types;

pub use decode::decode;
pub use error::{DecodeError, Incomplete};
pub use partition_key::{join_partition_key, split_partition_key};
pub use types::*;
