//! Fixed-width integers and runs of bytes.

use super::{CodecError, PResult};
use nom::number::complete as number;

macro_rules! fixed {
    ($(#[$doc:meta] $name:ident: $type:ty = $parser:path, $what:literal, $size:literal;)*) => {$(
        #[$doc]
        pub fn $name(input: &[u8]) -> PResult<'_, $type> {
            $parser(input).map_err(|_: nom::Err<CodecError<'_>>| CodecError::truncated(input, $what, $size))
        }
    )*};
}

fixed! {
    /// One byte.
    u8: u8 = number::be_u8, "byte", 1;
    /// A two-byte unsigned integer.
    be_u16: u16 = number::be_u16, "16-bit integer", 2;
    /// A two-byte signed integer.
    be_i16: i16 = number::be_i16, "16-bit integer", 2;
    /// A four-byte unsigned integer.
    be_u32: u32 = number::be_u32, "32-bit integer", 4;
    /// A four-byte signed integer.
    be_i32: i32 = number::be_i32, "32-bit integer", 4;
    /// An eight-byte unsigned integer.
    be_u64: u64 = number::be_u64, "64-bit integer", 8;
    /// An eight-byte signed integer.
    be_i64: i64 = number::be_i64, "64-bit integer", 8;
}

/// The next `length` bytes, borrowed. `what` names them in the error.
///
/// # Errors
/// [`Kind::Truncated`](super::Kind::Truncated) if there are fewer.
pub fn take<'a>(input: &'a [u8], length: u64, what: &'static str) -> PResult<'a, &'a [u8]> {
    match usize::try_from(length).ok().and_then(|n| input.split_at_checked(n)) {
        Some((bytes, rest)) => Ok((rest, bytes)),
        None => Err(CodecError::truncated(input, what, length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Kind;

    #[test]
    fn integers_are_big_endian() {
        assert_eq!(be_u32(&[0, 0, 1, 2, 9]), Ok((&[9u8][..], 258)));
        assert_eq!(be_i16(&[0xff, 0xfe]), Ok((&[][..], -2)));
    }

    #[test]
    fn a_short_input_says_what_was_read() {
        let input = [1, 2, 3];
        let error = CodecError::from_nom(be_u64(&input).unwrap_err());

        assert_eq!(error.kind, Kind::Truncated { what: "64-bit integer", need: 8, have: 3 });
    }

    #[test]
    fn take_refuses_a_length_that_does_not_fit() {
        assert!(take(&[1, 2], 3, "key").is_err());
        assert!(take(&[1, 2], u64::MAX, "key").is_err());
        assert_eq!(take(&[1, 2], 1, "key"), Ok((&[2u8][..], &[1u8][..])));
    }
}
