//! A value to bytes.

use super::decode::field_types;
use super::error::check_depth;
use super::{CqlType, CqlValue, ValueError, counter};
use crate::codec;
use num_bigint::BigInt;
use std::net::IpAddr;

/// The bytes that Cassandra writes for the value as [`super::event_json()`] prints it.
///
/// What does not show in print is not in the bytes: NaN has no payload, an empty element of a collection
/// prints as null and is written as null, absent trailing fields are written as null, a duration has one
/// sign. So the bytes of a value that was read can differ from those it was read from;
/// [`super::is_canonical`] says whether they do.
///
/// # Errors
/// [`ValueError::Mismatch`] if the value is not one of the type, [`ValueError::Bytes`] if a type nests too deep.
pub fn encode(cql_type: &CqlType, value: &CqlValue<'_>) -> Result<Vec<u8>, ValueError> {
    let mut out = Vec::new();
    put(cql_type, value, &mut out, 0)?;
    Ok(out)
}

fn put(cql_type: &CqlType, value: &CqlValue<'_>, out: &mut Vec<u8>, depth: u32) -> Result<(), ValueError> {
    check_depth(cql_type, depth)?;
    let depth = depth + 1;
    match (cql_type, value) {
        (CqlType::Frozen(inner), _) => put(inner, value, out, depth),
        (_, CqlValue::Empty) => Ok(()),
        (CqlType::List(element), CqlValue::List(elements)) | (CqlType::Set(element), CqlValue::Set(elements)) => {
            put_count(cql_type, elements.len(), out)?;
            elements.iter().try_for_each(|value| put_element(element, value.as_ref(), out, depth))
        }
        (CqlType::Map(key_type, value_type), CqlValue::Map(entries)) => {
            put_count(cql_type, entries.len(), out)?;
            entries.iter().try_for_each(|(key, value)| {
                put_element(key_type, key.as_ref(), out, depth)?;
                put_element(value_type, value.as_ref(), out, depth)
            })
        }
        (CqlType::Tuple(types), CqlValue::Tuple(fields)) => put_fields(cql_type, types.iter(), fields, value, out, depth),
        (CqlType::Udt(udt), CqlValue::Udt(fields)) => put_fields(cql_type, field_types(udt), fields, value, out, depth),
        (CqlType::Vector(element, dimension), CqlValue::Vector(elements)) if elements.len() == usize::from(*dimension) => {
            let fixed = element.fixed_length();
            elements.iter().try_for_each(|value| put_vector_element(element, fixed, value, out, depth))
        }
        _ => put_scalar(cql_type, value, out),
    }
}

fn put_scalar(cql_type: &CqlType, value: &CqlValue<'_>, out: &mut Vec<u8>) -> Result<(), ValueError> {
    match (cql_type, value) {
        (CqlType::Text, CqlValue::Text(text)) => out.extend(text.as_bytes()),
        // Java's encoder writes a question mark for what ASCII does not have.
        (CqlType::Ascii, CqlValue::Text(text)) => out.extend(text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' })),
        (CqlType::Blob, CqlValue::Blob(bytes)) | (CqlType::Custom(_), CqlValue::Custom(bytes)) => out.extend(*bytes),
        (CqlType::Boolean, CqlValue::Boolean(number)) => out.push(u8::from(*number)),
        (CqlType::Tinyint, CqlValue::Tinyint(number)) => out.extend(number.to_be_bytes()),
        (CqlType::Smallint, CqlValue::Smallint(number)) => out.extend(number.to_be_bytes()),
        (CqlType::Int, CqlValue::Int(number)) => out.extend(number.to_be_bytes()),
        (CqlType::Bigint, CqlValue::Bigint(number))
        | (CqlType::Timestamp, CqlValue::Timestamp(number))
        | (CqlType::Time, CqlValue::Time(number)) => out.extend(number.to_be_bytes()),
        (CqlType::Date, CqlValue::Date(days)) => out.extend((*days as u32 ^ 0x8000_0000).to_be_bytes()),
        (CqlType::Float, CqlValue::Float(number)) => out.extend(float_bytes(*number)),
        (CqlType::Double, CqlValue::Double(number)) => out.extend(double_bytes(*number)),
        (CqlType::Uuid | CqlType::Timeuuid, CqlValue::Uuid(uuid)) => out.extend(uuid.as_bytes()),
        (CqlType::Inet, CqlValue::Inet(address)) => put_address(*address, out),
        (CqlType::Varint, CqlValue::Varint(number)) => put_big_integer(number, out),
        (CqlType::Decimal, CqlValue::Decimal { unscaled, scale }) => {
            out.extend(scale.to_be_bytes());
            put_big_integer(unscaled, out);
        }
        (CqlType::Duration, CqlValue::Duration { months, days, nanos }) => put_duration(*months, *days, *nanos, out),
        (CqlType::Counter, CqlValue::Counter(shards)) => counter::put(cql_type, shards, out)?,
        _ => return Err(ValueError::mismatch(cql_type, value)),
    }
    Ok(())
}

/// The bytes of a float; every NaN has the same ones.
pub(super) fn float_bytes(number: f32) -> [u8; 4] {
    if number.is_nan() { 0x7fc0_0000_u32.to_be_bytes() } else { number.to_be_bytes() }
}

/// The bytes of a double; every NaN has the same ones.
pub(super) fn double_bytes(number: f64) -> [u8; 8] {
    if number.is_nan() { 0x7ff8_0000_0000_0000_u64.to_be_bytes() } else { number.to_be_bytes() }
}

/// Appends a duration with the sign that its text has.
pub(super) fn put_duration(months: i32, days: i32, nanos: i64, out: &mut Vec<u8>) {
    let negative = months < 0 || days < 0 || nanos < 0;
    let signed = |number: i64| if negative { number.wrapping_abs().wrapping_neg() } else { number };
    for number in [i64::from(months), i64::from(days), nanos] {
        codec::put_vint(out, signed(number));
    }
}

fn put_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => out.extend(address.octets()),
        IpAddr::V6(address) => out.extend(address.octets()),
    }
}

fn put_big_integer(number: &BigInt, out: &mut Vec<u8>) {
    out.extend(number.to_signed_bytes_be());
}

fn put_count(cql_type: &CqlType, count: usize, out: &mut Vec<u8>) -> Result<(), ValueError> {
    out.extend(length(cql_type, count)?.to_be_bytes());
    Ok(())
}

fn put_element(cql_type: &CqlType, value: Option<&CqlValue<'_>>, out: &mut Vec<u8>, depth: u32) -> Result<(), ValueError> {
    let Some(value) = value.filter(|value| **value != CqlValue::Empty) else {
        out.extend((-1_i32).to_be_bytes());
        return Ok(());
    };
    let start = out.len();
    out.extend([0; 4]);
    put(cql_type, value, out, depth)?;
    let length = length(cql_type, out.len() - start - 4)?.to_be_bytes();
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length);
    }
    Ok(())
}

fn put_fields<'t>(
    cql_type: &CqlType,
    types: impl ExactSizeIterator<Item = &'t CqlType>,
    fields: &[Option<CqlValue<'_>>],
    value: &CqlValue<'_>,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), ValueError> {
    if fields.len() > types.len() {
        return Err(ValueError::mismatch(cql_type, value));
    }
    let present = fields.iter().map(Option::as_ref).chain(std::iter::repeat(None));
    types.zip(present).try_for_each(|(cql_type, value)| put_element(cql_type, value, out, depth))
}

fn put_vector_element(
    cql_type: &CqlType,
    fixed: Option<usize>,
    value: &CqlValue<'_>,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), ValueError> {
    if let Some(fixed) = fixed {
        let start = out.len();
        put(cql_type, value, out, depth)?;
        // Without lengths, an element of another size would shift all that follow.
        return if out.len() - start == fixed { Ok(()) } else { Err(ValueError::mismatch(cql_type, value)) };
    }
    let mut element = Vec::new();
    put(cql_type, value, &mut element, depth)?;
    codec::put_unsigned_vint(out, element.len() as u64);
    out.extend(element);
    Ok(())
}

fn length(cql_type: &CqlType, length: usize) -> Result<i32, ValueError> {
    i32::try_from(length)
        .map_err(|_| ValueError::invalid(cql_type, "length", "at most 2147483647", i64::try_from(length).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::{arbitrary, decode};
    use proptest::prelude::*;

    #[test]
    fn a_short_tuple_is_written_with_nulls() {
        let cql_type = CqlType::Tuple([CqlType::Int, CqlType::Text].into());

        let bytes = encode(&cql_type, &CqlValue::Tuple(vec![Some(CqlValue::Int(7))])).unwrap();

        assert_eq!(bytes, [0, 0, 0, 4, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        let error = encode(&CqlType::Int, &CqlValue::Bigint(1)).unwrap_err();

        assert_eq!(error.to_string(), "invalid value: expected int, found bigint");
        assert!(encode(&CqlType::Vector(CqlType::Int.into(), 2), &CqlValue::Vector(vec![CqlValue::Int(1)])).is_err());
        assert!(encode(&CqlType::Vector(CqlType::Int.into(), 1), &CqlValue::Vector(vec![CqlValue::Empty])).is_err());
    }

    proptest! {
        #[test]
        fn values_round_trip((cql_type, value) in arbitrary::typed_value()) {
            let bytes = encode(&cql_type, &value).unwrap();
            let read = decode(&cql_type, &bytes).unwrap();

            // NaN is not equal to itself, but its Debug text is.
            prop_assert_eq!(format!("{read:?}"), format!("{value:?}"));
        }
    }
}
