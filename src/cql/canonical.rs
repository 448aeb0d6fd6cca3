//! Whether a value's bytes are the ones Cassandra writes for its printed form.

use super::decode::field_types;
use super::elements::{Elements, VectorElements};
use super::encode::{double_bytes, float_bytes, put_duration};
use super::{CqlType, CqlValue, counter};
use std::borrow::Cow;
use std::net::IpAddr;

/// Whether encoding `value`, which was decoded from `bytes`, gives `bytes` again.
///
/// Where it does not, an event that carries the value alone would lose something: a boolean other than 0
/// and 1, a NaN with a payload, a number with leading bytes, text that is not UTF-8, bytes behind the last
/// element, absent fields, an empty element that prints as null. Costs nothing for most types and never encodes
/// more than one scalar.
pub fn is_canonical(cql_type: &CqlType, bytes: &[u8], value: &CqlValue<'_>) -> bool {
    match (cql_type, value) {
        (CqlType::Frozen(inner), _) => is_canonical(inner, bytes, value),
        (_, CqlValue::Empty) => bytes.is_empty(),
        (CqlType::List(element), CqlValue::List(elements)) | (CqlType::Set(element), CqlValue::Set(elements)) => {
            let values = elements.iter().map(|value| (&**element, value.as_ref()));
            counted(cql_type, bytes, elements.len(), values)
        }
        (CqlType::Map(key_type, value_type), CqlValue::Map(entries)) => {
            let values = entries.iter().flat_map(|(key, value)| [(&**key_type, key.as_ref()), (&**value_type, value.as_ref())]);
            counted(cql_type, bytes, entries.len(), values)
        }
        (CqlType::Tuple(types), CqlValue::Tuple(fields)) => {
            types.len() == fields.len() && framed(cql_type, Elements::of_tuple(bytes), types.iter().zip(fields.iter().map(Option::as_ref)))
        }
        (CqlType::Udt(udt), CqlValue::Udt(fields)) => {
            let types = field_types(udt);
            types.len() == fields.len() && framed(cql_type, Elements::of_tuple(bytes), types.zip(fields.iter().map(Option::as_ref)))
        }
        (CqlType::Vector(element, _), CqlValue::Vector(elements)) => vector(cql_type, element, bytes, elements),
        _ => is_canonical_scalar(cql_type, bytes, value),
    }
}

fn is_canonical_scalar(cql_type: &CqlType, bytes: &[u8], value: &CqlValue<'_>) -> bool {
    match value {
        CqlValue::Text(_) if *cql_type == CqlType::Ascii => bytes.is_ascii(),
        CqlValue::Text(text) => matches!(text, Cow::Borrowed(_)) || text.as_bytes() == bytes,
        CqlValue::Boolean(_) => matches!(bytes, [0 | 1]),
        CqlValue::Float(number) => !number.is_nan() || float_bytes(*number) == bytes,
        CqlValue::Double(number) => !number.is_nan() || double_bytes(*number) == bytes,
        CqlValue::Varint(_) => is_minimal(bytes),
        CqlValue::Decimal { .. } => bytes.get(4..).is_some_and(is_minimal),
        CqlValue::Inet(IpAddr::V4(_)) => bytes.len() == 4,
        CqlValue::Duration { months, days, nanos } => {
            let mut again = Vec::with_capacity(bytes.len());
            put_duration(*months, *days, *nanos, &mut again);
            again == bytes
        }
        CqlValue::Counter(shards) => {
            let mut again = Vec::with_capacity(bytes.len());
            counter::put(cql_type, shards, &mut again).is_ok() && again == bytes
        }
        // The others have one form only, of a length that decoding has checked.
        _ => true,
    }
}

/// Whether a two's complement number has no byte that only repeats the sign of the next one.
fn is_minimal(bytes: &[u8]) -> bool {
    !matches!(bytes, [0x00, 0x00..=0x7f, ..] | [0xff, 0x80..=0xff, ..])
}

fn counted<'v>(
    cql_type: &CqlType,
    bytes: &[u8],
    count: usize,
    values: impl Iterator<Item = (&'v CqlType, Option<&'v CqlValue<'v>>)>,
) -> bool {
    match Elements::of_collection(cql_type, bytes) {
        Ok((found, elements)) => usize::try_from(found) == Ok(count) && framed(cql_type, elements, values),
        Err(_) => false,
    }
}

fn framed<'v>(
    cql_type: &CqlType,
    mut elements: Elements<'_>,
    mut values: impl Iterator<Item = (&'v CqlType, Option<&'v CqlValue<'v>>)>,
) -> bool {
    let all = values.all(|(element, value)| match (elements.next_framed(cql_type), value) {
        (Ok((length, None)), None) => length == -1,
        // An empty element prints as null, and null is another thing.
        (Ok((_, Some(_))), Some(CqlValue::Empty)) => false,
        (Ok((_, Some(bytes))), Some(value)) => is_canonical(element, bytes, value),
        _ => false,
    });
    all && elements.rest().is_empty()
}

fn vector(cql_type: &CqlType, element: &CqlType, bytes: &[u8], values: &[CqlValue<'_>]) -> bool {
    let Ok(mut elements) = VectorElements::new(cql_type, element, bytes) else { return false };
    let fixed = element.fixed_length().is_some();
    let mut written = 0;
    let all = values.iter().all(|value| match elements.next(cql_type) {
        Ok(bytes) => {
            written += bytes.len() + if fixed { 0 } else { vint_size(bytes.len()) };
            is_canonical(element, bytes, value)
        }
        Err(_) => false,
    });
    // Lengths that took more bytes than they need show in the sum.
    all && elements.rest().is_empty() && written == bytes.len()
}

fn vint_size(length: usize) -> usize {
    let mut out = Vec::with_capacity(9);
    crate::codec::put_unsigned_vint(&mut out, length as u64);
    out.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::text::tests::unhex;
    use crate::cql::{arbitrary, decode, encode};
    use proptest::prelude::*;

    fn canonical(cql_type: &CqlType, digits: &str) -> bool {
        let bytes = unhex(digits);
        is_canonical(cql_type, &bytes, &decode(cql_type, &bytes).unwrap())
    }

    #[test]
    fn what_print_would_lose_is_not_canonical() {
        let list = CqlType::Frozen(CqlType::List(CqlType::Int.into()).into());
        let tuple = CqlType::Tuple([CqlType::Int, CqlType::Int].into());
        for (cql_type, kept, lost) in [
            (CqlType::Boolean, "01", "02"),
            (CqlType::Float, "7fc00000", "7fc00001"),
            (CqlType::Double, "7ff8000000000000", "fff8000000000000"),
            (CqlType::Varint, "0080", "0001"),
            (CqlType::Varint, "ff7f", "ffff"),
            (CqlType::Decimal, "0000000100", "000000010000"),
            (CqlType::Text, "c3a9", "ff"),
            (CqlType::Ascii, "61", "c3a9"),
            (CqlType::Inet, "01020304", "00000000000000000000ffff01020304"),
            (CqlType::Duration, "010101", "010201"),
            (CqlType::Duration, "000002", "00000200"),
            (CqlType::Duration, "000002", "00008002"),
            (list.clone(), "000000010000000400000007", "00000001000000040000000700"),
            (list.clone(), "00000001ffffffff", "00000001fffffffe"),
            (list, "00000000", "0000000100000000"),
            (tuple, "0000000400000007ffffffff", "0000000400000007"),
            (CqlType::Vector(CqlType::Text.into(), 2), "01610162", "0161800162"),
            (CqlType::Vector(CqlType::Varint.into(), 2), "0000", "000000"),
        ] {
            assert!(canonical(&cql_type, kept), "{cql_type:?} {kept}");
            assert!(!canonical(&cql_type, lost), "{cql_type:?} {lost}");
        }
    }

    #[test]
    fn an_empty_value_is_canonical_by_itself() {
        assert!(canonical(&CqlType::Int, ""));
        assert!(canonical(&CqlType::Frozen(CqlType::Set(CqlType::Int.into()).into()), ""));
    }

    proptest! {
        #[test]
        fn canonical_means_that_encoding_gives_the_same_bytes((cql_type, bytes) in arbitrary::damaged_bytes()) {
            if let Ok(value) = decode(&cql_type, &bytes) {
                prop_assert_eq!(is_canonical(&cql_type, &bytes, &value), encode(&cql_type, &value).unwrap() == bytes);
            }
        }

        #[test]
        fn encoded_values_are_canonical((cql_type, value) in arbitrary::typed_value()) {
            let bytes = encode(&cql_type, &value).unwrap();
            prop_assert!(is_canonical(&cql_type, &bytes, &decode(&cql_type, &bytes).unwrap()));
        }
    }
}
