//! A mutation as change events: what changed, in log order, with identity; no output format.

mod project;
mod range_tombstone;
#[cfg(test)]
pub(crate) mod testing;
mod timestamp;
mod types;

pub use project::{ProjectError, Projection, project};
pub use range_tombstone::{MalformedRange, range_tombstones};
pub use timestamp::max_timestamp;
pub use types::*;
