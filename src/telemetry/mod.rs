//! What an operator sees: numbers, state, log lines. Knows nothing of the rest of the crate.
//!
//! Two kinds of number. What only grows (events, bytes lost) is counted where it happens, by the methods of [`Metrics`]. What
//! goes up and down (lag, segments by state) stands in [`Status`], which the pipeline writes; gauges are copied from it
//! at each scrape, so `/metrics` and `/status` cannot disagree.

mod causes;
mod init;
mod metrics;
mod process;
mod status;

pub use causes::with_causes;
pub use init::{InitError, NodeName, init};
pub use metrics::{
    BREAKER_STATES, CONTENT_TYPE, DAMAGE_KINDS, FILTER_RULES, GAP_JUDGEMENTS, LOSS_CAUSES, Metrics, OPERATIONS, PARKED_CLASSES,
    SEGMENT_STATES, TABLES_MAX,
};
pub use status::{ErrorNote, Gaps, LIVE_WITHIN, Lag, ParkedCount, Rates, SegmentStatus, SharedStatus, Spool, Status};
