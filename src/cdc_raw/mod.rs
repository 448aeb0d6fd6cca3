//! The folder `cdc_raw`: which segments are there, which are final, and their end.
//!
//! ```text
//! commitlog/CommitLog-7-ID.log ──┐ the node's name: written through it
//! cdc_raw/CommitLog-7-ID.log ────┤ the node's link for us; a full disk or a discard may take it away
//! spool/CommitLog-7-ID.log ──────┘ our link, made on first sight: what we read
//! cdc_raw/CommitLog-7-ID_cdc.idx   how far the node has synced, and COMPLETED
//! ```
//!
//! A listing is the truth; events of the file system only make it come sooner. Memory-mapped writes cause no events at all, and a
//! file has its full size from the beginning, so neither says anything about data.
//!
//! What is removed, and when, hangs on two things: [`Finality`], for nothing goes that the node may still write to, and
//! [`crate::checkpoint::Covered`], the proof that a durable record says that everything has arrived (I3).

mod archive;
mod finality;
pub mod gaps;
mod index;
mod inventory;
mod look;
mod reclaim;
mod scan;
mod spool;
#[cfg(test)]
mod tests;
mod watch;

pub use finality::{FinalReason, Finality};
pub use index::{CdcIndex, IndexState};
pub use inventory::{Folders, Found, Inventory, Presence, Segment};
pub use look::{LookError, LookReport};
pub use reclaim::{Finished, ReclaimError};
pub use scan::{FileId, Listed, Listing, ScanError, SegmentName, list};
pub use spool::{Probe, Spool, SpoolError, SpooledName};
pub use watch::Watch;
