//! Cassandra's variable-length integers (`VIntCoding`).
//!
//! The number of leading one bits of the first byte is the number of bytes that follow it; the rest of
//! the first byte are the highest bits of the value:
//!
//! ```text
//! 0xxxxxxx                             7 bits
//! 10xxxxxx xxxxxxxx                   14 bits
//! 110xxxxx xxxxxxxx xxxxxxxx          21 bits
//! …
//! 11111111 then eight bytes           64 bits
//! ```
//!
//! The writer uses the shortest form; longer ones are accepted. This is neither LEB128 nor protobuf.

use super::{CodecError, PResult, take, u8};

/// An unsigned vint of up to 64 bits, one to nine bytes.
///
/// # Errors
/// If the input ends within it. Every run of bytes that is long enough is a number.
///
/// Cassandra: `VIntCoding.readUnsignedVInt`.
///
/// ```
/// use ringtail::codec::unsigned_vint;
///
/// assert_eq!(unsigned_vint(&[0x81, 0x00, 0x2a]), Ok((&[0x2a][..], 256)));
/// ```
pub fn unsigned_vint(input: &[u8]) -> PResult<'_, u64> {
    let (rest, first) = u8(input)?;
    let extra = first.leading_ones();
    if extra == 0 {
        return Ok((rest, u64::from(first)));
    }
    let (rest, bytes) = take(rest, u64::from(extra), "vint").map_err(|_| CodecError::truncated(input, "vint", u64::from(extra) + 1))?;
    let top = u64::from(first) & (0xff_u64 >> extra.min(8));
    Ok((rest, bytes.iter().fold(top, |value, byte| value << 8 | u64::from(*byte))))
}

/// The low 32 bits of an unsigned vint.
///
/// Cassandra widens an `int` with its sign before writing it, so a negative delta is a nine-byte
/// vint; truncating gives it back, a range check would refuse it.
pub fn unsigned_vint32(input: &[u8]) -> PResult<'_, u32> {
    let (rest, value) = unsigned_vint(input)?;
    Ok((rest, value as u32))
}

/// A signed vint: zigzag over an unsigned one, so that small negative numbers are short too.
///
/// # Errors
/// As [`unsigned_vint`].
///
/// Cassandra: `VIntCoding.readVInt`.
pub fn vint(input: &[u8]) -> PResult<'_, i64> {
    let (rest, value) = unsigned_vint(input)?;
    Ok((rest, (value >> 1) as i64 ^ -((value & 1) as i64)))
}

/// A run of bytes with its length in front as an unsigned vint, borrowed. `what` names them in the error.
///
/// # Errors
/// If the input ends within the length or the bytes.
///
/// Cassandra: `ByteBufferUtil.readWithVIntLength`.
pub fn vint_bytes<'a>(input: &'a [u8], what: &'static str) -> PResult<'a, &'a [u8]> {
    let (rest, length) = unsigned_vint(input)?;
    take(rest, length, what)
}

/// Appends `value` as an unsigned vint in its shortest form (`VIntCoding.writeUnsignedVInt`).
pub fn put_unsigned_vint(out: &mut Vec<u8>, value: u64) {
    let bits = 64 - (value | 1).leading_zeros();
    let extra = if bits > 56 { 8 } else { (bits - 1) / 7 };
    let bytes = value.to_be_bytes();
    if extra == 8 {
        out.push(0xff);
        out.extend_from_slice(&bytes);
        return;
    }
    let mask = !(0xff_u32 >> extra) as u8;
    for (i, byte) in bytes.iter().skip(7 - extra as usize).enumerate() {
        out.push(if i == 0 { byte | mask } else { *byte });
    }
}

/// Appends `value` as a signed vint in its shortest form (`VIntCoding.writeVInt`).
pub fn put_vint(out: &mut Vec<u8>, value: i64) {
    put_unsigned_vint(out, ((value << 1) ^ (value >> 63)) as u64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_unsigned_vint(&mut out, value);
        out
    }

    #[test]
    fn known_values() {
        for (value, bytes) in [
            (0, vec![0x00]),
            (127, vec![0x7f]),
            (128, vec![0x80, 0x80]),
            (300, vec![0x81, 0x2c]),
            (16383, vec![0xbf, 0xff]),
            (16384, vec![0xc0, 0x40, 0x00]),
            (1 << 28, vec![0xf0, 0x10, 0, 0, 0]),
            ((1 << 56) - 1, vec![0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            (1 << 56, vec![0xff, 0x01, 0, 0, 0, 0, 0, 0, 0]),
            (u64::MAX, vec![0xff; 9]),
        ] {
            assert_eq!(encoded(value), bytes, "{value}");
            assert_eq!(unsigned_vint(&bytes), Ok((&[][..], value)));
        }
    }

    #[test]
    fn known_signed_values() {
        for (value, bytes) in [(0, vec![0x00]), (1, vec![0x02]), (-1, vec![0x01]), (127, vec![0x80, 0xfe]), (i64::MIN, vec![0xff; 9])] {
            assert_eq!(vint(&bytes), Ok((&[][..], value)));
            let mut out = Vec::new();
            put_vint(&mut out, value);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn a_negative_int_comes_back_from_nine_bytes() {
        let bytes = encoded((-5_i64) as u64);

        assert_eq!(bytes.len(), 9);
        assert_eq!(unsigned_vint32(&bytes), Ok((&[][..], -5_i32 as u32)));
    }

    #[test]
    fn longer_forms_than_needed_are_accepted() {
        assert_eq!(unsigned_vint(&[0x80, 0x05]), Ok((&[][..], 5)));
        assert_eq!(unsigned_vint(&[0xff, 0, 0, 0, 0, 0, 0, 0, 7]), Ok((&[][..], 7)));
    }

    proptest! {
        #[test]
        fn unsigned_vints_round_trip(value: u64) {
            let bytes = encoded(value);
            prop_assert_eq!(unsigned_vint(&bytes), Ok((&[][..], value)));
        }

        #[test]
        fn any_bytes_are_harmless(bytes: Vec<u8>) {
            unsigned_vint(&bytes).ok();
            vint_bytes(&bytes, "value").ok();
        }
    }
}
