//! Durable progress and the segment ledger.
//!
//! The ledger has one record per segment that was ever seen, and says of each how far it was delivered and what became of it.
//! "Is this segment done?" is asked of its record only, never of an id comparison: a segment can be linked late with a lower id.
//! The checkpoint is the set of these records; there is no other position.
//!
//! Three invariants are kept here. A save is durable when it returns (I2 builds on it). [`Covered`], without which nothing is
//! removed from `cdc_raw` or the spool, comes only from records whose save has returned (I3). A record that cannot be read is an
//! error that names its segment, never a reason to start from the beginning (I10).

mod acknowledge;
#[cfg(test)]
mod copies_test;
mod decisions;
mod durable;
mod ledger;
mod memory;
mod moves;
mod reader;
mod record;
mod room;
mod shadow;
mod sled;
mod state_dir;
mod store;
mod taken_over;
#[cfg(test)]
mod taken_over_test;
#[cfg(test)]
mod tests;
mod trail;
mod watched;

pub use acknowledge::{Acknowledged, Acknowledgement};
pub use decisions::Discarded;
pub use durable::{DurableStore, Opened};
pub use ledger::{Covered, Ledger, LedgerError, OpenedLedger};
pub use memory::{Fault, MemoryStore};
pub use moves::{META_MOVED, Moved};
pub use reader::Reader;
pub use record::{
    Bytes, DamageRecord, Ending, Entries, FileBytes, IndexRecord, LogicalBytes, LossCause, NamePresence, ParkedCount, SegmentKey,
    SegmentRecord, SegmentState, SkippedRange, TransitionError, UnixMillis,
};
pub use room::{Space, free_space, room};
pub use state_dir::{STATE_VERSION, StateDir, StateError};
pub use store::{Batch, CheckpointStore, StoreError};
pub use trail::{Change, Deed, Gap, Judgement, META_GAPS, META_PRUNED, META_TRAIL, Pruned};
pub use watched::Watched;
