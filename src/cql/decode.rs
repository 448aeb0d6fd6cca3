//! Bytes and a type to a value.

use super::elements::{Elements, VectorElements};
use super::error::check_depth;
use super::{CqlType, CqlValue, UserType, ValueError, counter, inet};
use crate::codec;
use num_bigint::BigInt;
use std::sync::Arc;
use uuid::Uuid;

/// Reads one serialized value: a simple cell's value, a clustering or key component, an element.
///
/// Zero bytes are [`CqlValue::Empty`], except for text, blobs and custom types, which have an empty form
/// of their own, and for tuples and user-defined types, where they mean that every field is absent.
///
/// What Cassandra itself can read is read, even if Cassandra would not write it: bytes behind the last
/// element, short tuples, text that is not UTF-8, a boolean other than 0 and 1. [`super::is_canonical`] tells.
///
/// # Errors
/// [`ValueError::Bytes`] if a length is wrong or the bytes end within an element.
///
/// Cassandra: `AbstractType.compose`, `serializers.*Serializer.deserialize`.
///
/// ```
/// use ringtail::cql::{CqlType, CqlValue, decode};
///
/// assert_eq!(decode(&CqlType::Date, &[0x80, 0, 0, 1])?, CqlValue::Date(1)); // 1970-01-02
/// assert_eq!(decode(&CqlType::Int, &[])?, CqlValue::Empty); // not null, which has no bytes at all
/// assert!(decode(&CqlType::Int, &[0]).is_err());
/// # Ok::<(), ringtail::cql::ValueError>(())
/// ```
pub fn decode<'a>(cql_type: &CqlType, bytes: &'a [u8]) -> Result<CqlValue<'a>, ValueError> {
    decode_at(cql_type, bytes, 0)
}

fn decode_at<'a>(cql_type: &CqlType, bytes: &'a [u8], depth: u32) -> Result<CqlValue<'a>, ValueError> {
    match cql_type {
        CqlType::Ascii | CqlType::Text => Ok(CqlValue::Text(String::from_utf8_lossy(bytes))),
        CqlType::Blob => Ok(CqlValue::Blob(bytes)),
        CqlType::Custom(_) => Ok(CqlValue::Custom(bytes)),
        CqlType::Frozen(_) | CqlType::Tuple(_) | CqlType::Udt(_) => decode_nested(cql_type, bytes, depth),
        _ if bytes.is_empty() => Ok(CqlValue::Empty),
        CqlType::List(_) | CqlType::Set(_) | CqlType::Map(..) | CqlType::Vector(..) => decode_nested(cql_type, bytes, depth),
        _ => decode_scalar(cql_type, bytes),
    }
}

fn decode_scalar<'a>(cql_type: &CqlType, bytes: &'a [u8]) -> Result<CqlValue<'a>, ValueError> {
    Ok(match cql_type {
        CqlType::Boolean => CqlValue::Boolean(fixed::<1>(cql_type, bytes, "1")? != [0]),
        CqlType::Tinyint => CqlValue::Tinyint(i8::from_be_bytes(fixed(cql_type, bytes, "1")?)),
        CqlType::Smallint => CqlValue::Smallint(i16::from_be_bytes(fixed(cql_type, bytes, "2")?)),
        CqlType::Int => CqlValue::Int(i32::from_be_bytes(fixed(cql_type, bytes, "4")?)),
        CqlType::Bigint => CqlValue::Bigint(i64::from_be_bytes(fixed(cql_type, bytes, "8")?)),
        CqlType::Float => CqlValue::Float(f32::from_be_bytes(fixed(cql_type, bytes, "4")?)),
        CqlType::Double => CqlValue::Double(f64::from_be_bytes(fixed(cql_type, bytes, "8")?)),
        CqlType::Timestamp => CqlValue::Timestamp(i64::from_be_bytes(fixed(cql_type, bytes, "8")?)),
        CqlType::Date => CqlValue::Date(days(fixed(cql_type, bytes, "4")?)),
        CqlType::Time => CqlValue::Time(i64::from_be_bytes(fixed(cql_type, bytes, "8")?)),
        CqlType::Uuid | CqlType::Timeuuid => CqlValue::Uuid(Uuid::from_bytes(fixed(cql_type, bytes, "16")?)),
        CqlType::Inet => match inet::address(bytes) {
            Some(address) => CqlValue::Inet(address),
            None => return Err(ValueError::invalid(cql_type, "length", "4 or 16", length(bytes))),
        },
        CqlType::Varint => CqlValue::Varint(BigInt::from_signed_bytes_be(bytes)),
        CqlType::Decimal => {
            let (unscaled, scale) = decimal(cql_type, bytes)?;
            CqlValue::Decimal { unscaled, scale }
        }
        CqlType::Duration => {
            let (months, days, nanos) = duration(cql_type, bytes)?;
            CqlValue::Duration { months, days, nanos }
        }
        CqlType::Counter => CqlValue::Counter(counter::shards(cql_type, bytes)?),
        _ => return Err(ValueError::invalid(cql_type, "length", "0", length(bytes))),
    })
}

fn decode_nested<'a>(cql_type: &CqlType, bytes: &'a [u8], depth: u32) -> Result<CqlValue<'a>, ValueError> {
    check_depth(cql_type, depth)?;
    let depth = depth + 1;
    match cql_type {
        CqlType::Frozen(inner) => decode_at(inner, bytes, depth),
        CqlType::List(element) => Ok(CqlValue::List(decode_elements(cql_type, element, bytes, depth)?)),
        CqlType::Set(element) => Ok(CqlValue::Set(decode_elements(cql_type, element, bytes, depth)?)),
        CqlType::Map(key, value) => decode_map(cql_type, key, value, bytes, depth),
        CqlType::Tuple(types) => Ok(CqlValue::Tuple(decode_fields(cql_type, types.iter(), bytes, depth)?)),
        CqlType::Udt(udt) => Ok(CqlValue::Udt(decode_fields(cql_type, field_types(udt), bytes, depth)?)),
        CqlType::Vector(element, dimension) => decode_vector(cql_type, element, *dimension, bytes, depth),
        _ => decode_scalar(cql_type, bytes),
    }
}

fn decode_elements<'a>(
    cql_type: &CqlType,
    element: &CqlType,
    bytes: &'a [u8],
    depth: u32,
) -> Result<Vec<Option<CqlValue<'a>>>, ValueError> {
    let (count, mut elements) = collection(cql_type, bytes)?;
    let mut values = Vec::with_capacity(codec::capacity(count, 4, elements.rest()));
    for _ in 0..count {
        values.push(decode_element(element, elements.next(cql_type)?, depth)?);
    }
    Ok(values)
}

fn decode_map<'a>(cql_type: &CqlType, key: &CqlType, value: &CqlType, bytes: &'a [u8], depth: u32) -> Result<CqlValue<'a>, ValueError> {
    let (count, mut elements) = collection(cql_type, bytes)?;
    let mut entries = Vec::with_capacity(codec::capacity(count, 8, elements.rest()));
    for _ in 0..count {
        let key = decode_element(key, elements.next(cql_type)?, depth)?;
        let value = decode_element(value, elements.next(cql_type)?, depth)?;
        entries.push((key, value));
    }
    Ok(CqlValue::Map(entries))
}

fn decode_fields<'a, 't>(
    cql_type: &CqlType,
    types: impl ExactSizeIterator<Item = &'t CqlType>,
    bytes: &'a [u8],
    depth: u32,
) -> Result<Vec<Option<CqlValue<'a>>>, ValueError> {
    let mut elements = Elements::of_tuple(bytes);
    let mut fields = Vec::with_capacity(codec::capacity(types.len() as u64, 4, bytes));
    for field in types {
        if elements.rest().is_empty() {
            break;
        }
        fields.push(decode_element(field, elements.next(cql_type)?, depth)?);
    }
    Ok(fields)
}

fn decode_vector<'a>(
    cql_type: &CqlType,
    element: &Arc<CqlType>,
    dimension: u16,
    bytes: &'a [u8],
    depth: u32,
) -> Result<CqlValue<'a>, ValueError> {
    let mut elements = VectorElements::new(cql_type, element, bytes)?;
    let mut values = Vec::with_capacity(codec::capacity(u64::from(dimension), elements.bytes_each(), bytes));
    for _ in 0..dimension {
        values.push(decode_at(element, elements.next(cql_type)?, depth)?);
    }
    Ok(CqlValue::Vector(values))
}

fn decode_element<'a>(cql_type: &CqlType, bytes: Option<&'a [u8]>, depth: u32) -> Result<Option<CqlValue<'a>>, ValueError> {
    bytes.map(|bytes| decode_at(cql_type, bytes, depth)).transpose()
}

/// The number of elements of a collection, and the elements.
fn collection<'a>(cql_type: &CqlType, bytes: &'a [u8]) -> Result<(u64, Elements<'a>), ValueError> {
    let (count, elements) = Elements::of_collection(cql_type, bytes)?;
    match u64::try_from(count) {
        Ok(count) => Ok((count, elements)),
        Err(_) => Err(ValueError::invalid(cql_type, "number of elements", "0 or more", i64::from(count))),
    }
}

/// The types of a user-defined type's fields, in order.
pub(super) fn field_types(udt: &UserType) -> impl ExactSizeIterator<Item = &CqlType> {
    udt.fields.iter().map(|(_, cql_type)| cql_type)
}

/// Unscaled value and scale of a decimal (`DecimalSerializer`).
pub(super) fn decimal(cql_type: &CqlType, bytes: &[u8]) -> Result<(BigInt, i32), ValueError> {
    match bytes.split_first_chunk::<4>() {
        Some((scale, unscaled)) if !unscaled.is_empty() => Ok((BigInt::from_signed_bytes_be(unscaled), i32::from_be_bytes(*scale))),
        _ => Err(ValueError::truncated(cql_type, "unscaled value", 5, bytes.len())),
    }
}

/// Months, days and nanoseconds of a duration (`DurationSerializer`).
pub(super) fn duration(cql_type: &CqlType, bytes: &[u8]) -> Result<(i32, i32, i64), ValueError> {
    let (rest, months) = codec::vint(bytes).map_err(|e| ValueError::codec(cql_type, e))?;
    let (rest, days) = codec::vint(rest).map_err(|e| ValueError::codec(cql_type, e))?;
    let (_, nanos) = codec::vint(rest).map_err(|e| ValueError::codec(cql_type, e))?;
    let whole = |number: i64, what| i32::try_from(number).map_err(|_| ValueError::invalid(cql_type, what, "a 32-bit integer", number));
    Ok((whole(months, "months")?, whole(days, "days")?, nanos))
}

/// Days since 1970; the bytes count from 2^31 days earlier (`SimpleDateSerializer`).
pub(super) fn days(bytes: [u8; 4]) -> i32 {
    (u32::from_be_bytes(bytes) ^ 0x8000_0000) as i32
}

fn fixed<const N: usize>(cql_type: &CqlType, bytes: &[u8], expected: &'static str) -> Result<[u8; N], ValueError> {
    bytes.try_into().map_err(|_| ValueError::invalid(cql_type, "length", expected, length(bytes)))
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}
