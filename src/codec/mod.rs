//! The primitive encodings that everything in a segment is made of.
//!
//! Everything is big-endian. All readers are nom parsers over `&[u8]`: they return the rest of the
//! input and the value, never panic, and never allocate more than the input they were given could
//! fill (invariant I6).

mod error;
mod int;
mod vint;

pub use error::{CodecError, Kind, PResult};
pub use int::{be_i16, be_i32, be_i64, be_u16, be_u32, be_u64, take, u8};
pub use vint::{put_unsigned_vint, put_vint, unsigned_vint, unsigned_vint32, vint, vint_bytes};

/// How many items to reserve room for when the input claims `count` of them and each needs at least
/// `bytes_each` bytes: never more than the rest of the input can hold.
pub fn capacity(count: u64, bytes_each: usize, rest: &[u8]) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).min(rest.len() / bytes_each.max(1))
}
