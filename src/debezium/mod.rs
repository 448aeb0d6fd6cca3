//! What the Debezium connector for Cassandra has on disk, read when Ringtail takes its place.
//!
//! ```text
//! offset.backing.store.dir/
//!   commitlog_offset.properties   per table the last mutation that a broker acknowledged   Offsets
//!   snapshot_offset.properties    the tables whose snapshot is done                        Offsets
//! commit.log.relocation.dir/
//!   archive/  error/              segments that it has read to their end, taken out of cdc_raw
//! ```
//!
//! The positions are those of Cassandra's `CommitLogReader`, which are ours too: of the end of a mutation, logical where the segment is
//! compressed. What they prove, and what not, is told in [`reach()`].

mod offsets;
mod reach;
#[cfg(test)]
mod tests;

pub use offsets::{COMMITLOG_OFFSETS, Offsets, OffsetsError, SNAPSHOT_OFFSETS};
pub use reach::{Reach, Stopped, reach};
