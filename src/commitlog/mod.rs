//! A commit log segment: from a file to entries, with every byte accounted for.
//!
//! ```text
//! | header | marker | section | marker | section | … | 8 zero bytes | zeros |
//!          ^H       ^H+8      ^next0                 ^end of the last section
//!
//! section, plain:       entry entry entry …
//! section, compressed:  uncompressed length u32 | compressed bytes of entry entry entry …
//! section, encrypted:   uncompressed length u32 | block block …                (see `cipher`)
//! ```
//!
//! One call of `CommitLogSegment.sync` closes one section: it waits for every writer that had reserved room, sets
//! the slot of the next marker to zero, and only then points the previous marker at it. So a valid marker implies
//! that all entries of its section are complete, that they abut, and that the last one ends exactly where the
//! marker points.
//!
//! [`SegmentReader`] walks that chain. It keeps these promises:
//!
//! - nothing above the chosen [`Horizon`] is handed out (I4);
//! - every byte of the file is counted once (I5, [`Coverage`]);
//! - no bytes make it panic, loop, or allocate more than the file could fill (I6);
//! - what cannot be read is a [`Damage`] with its range and cause, and reading goes on behind it.

#[cfg(feature = "encryption")]
mod cipher;
mod coding;
mod compress;
mod coverage;
mod damage;
mod descriptor;
mod entry;
mod keys;
#[cfg(feature = "agent")]
mod mapped;
mod marker;
mod name;
mod read_at;
mod reader;
mod search;
mod section;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use compress::{CompressError, Compressor};
pub use coverage::Coverage;
pub use damage::{Damage, DamageCause};
pub use descriptor::{Descriptor, Encryption, SUPPORTED_VERSIONS, SegmentError};
pub use entry::{ENTRY_OVERHEAD, Entry};
pub use keys::{CipherError, KeyProblem, Keys};
#[cfg(feature = "agent")]
pub use mapped::MappedSegment;
pub use marker::{MARKER_SIZE, SyncMarker};
pub use name::SegmentName;
pub use read_at::ReadAt;
pub use reader::{AFTER_GAP, Horizon, Item, SegmentReader};
pub use section::SectionSpan;
