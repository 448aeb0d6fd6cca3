//! Where every byte of every segment went.
//!
//! Two sums per segment (I5): the bytes of the file, and the bytes inside its sections. Both are made when the segment was read to
//! its end; until then only how far it is delivered is known. What was lost before it could be read is counted by what did not
//! arrive of it.

mod page;
mod report;
mod text;

pub use page::{Listed, Page, ReadError};
pub use report::{Aside, Cause, Report, Verdict};
pub use text::{columns, table};
