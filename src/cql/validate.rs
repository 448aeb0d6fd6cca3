//! What Cassandra accepts as a value when it is written (`TypeSerializer.validate`).

use super::decode::{duration, field_types};
use super::elements::{Elements, VectorElements};
use super::{CqlType, ValueError};

/// Whether Cassandra 5.0 accepts the bytes as a value of the type. Stricter than [`super::decode()`].
pub(super) fn is_valid(cql_type: &CqlType, bytes: &[u8]) -> bool {
    let length = bytes.len();
    match cql_type {
        CqlType::Frozen(inner) => is_valid(inner, bytes),
        CqlType::List(element) | CqlType::Set(element) => is_valid_collection(cql_type, &[element], bytes).is_ok_and(|valid| valid),
        CqlType::Map(key, value) => is_valid_collection(cql_type, &[key, value], bytes).is_ok_and(|valid| valid),
        CqlType::Tuple(types) => is_valid_tuple(cql_type, types.iter(), bytes).is_ok_and(|valid| valid),
        CqlType::Udt(udt) => is_valid_tuple(cql_type, field_types(udt), bytes).is_ok_and(|valid| valid),
        CqlType::Vector(element, dimension) => is_valid_vector(cql_type, element, *dimension, bytes).is_ok_and(|valid| valid),
        CqlType::Ascii => bytes.is_ascii(),
        CqlType::Text => std::str::from_utf8(bytes).is_ok(),
        CqlType::Empty => length == 0,
        CqlType::Tinyint => length == 1,
        CqlType::Smallint => length == 2,
        CqlType::Date => length == 4,
        CqlType::Time => length == 8,
        CqlType::Boolean => matches!(length, 0 | 1),
        CqlType::Int | CqlType::Float => matches!(length, 0 | 4),
        CqlType::Bigint | CqlType::Double | CqlType::Timestamp | CqlType::Counter => matches!(length, 0 | 8),
        CqlType::Uuid => matches!(length, 0 | 16),
        CqlType::Timeuuid => length == 0 || length == 16 && bytes.get(6).is_some_and(|version| version >> 4 == 1),
        CqlType::Inet => matches!(length, 0 | 4 | 16),
        CqlType::Decimal => length == 0 || length >= 4,
        CqlType::Duration => duration(cql_type, bytes).is_ok_and(|(months, days, nanos)| {
            let numbers = [i64::from(months), i64::from(days), nanos];
            numbers.iter().all(|number| *number >= 0) || numbers.iter().all(|number| *number <= 0)
        }),
        CqlType::Blob | CqlType::Varint | CqlType::Custom(_) => true,
    }
}

/// A collection whose entries consist of `types`. None may be null, nothing may follow.
fn is_valid_collection(cql_type: &CqlType, types: &[&CqlType], bytes: &[u8]) -> Result<bool, ValueError> {
    let (count, mut elements) = Elements::of_collection(cql_type, bytes)?;
    for _ in 0..count {
        for element in types {
            if !elements.next(cql_type)?.is_some_and(|bytes| is_valid(element, bytes)) {
                return Ok(false);
            }
        }
    }
    Ok(elements.rest().is_empty())
}

/// A tuple or user-defined type. Fields may be null or absent, nothing may follow.
fn is_valid_tuple<'t>(cql_type: &CqlType, types: impl Iterator<Item = &'t CqlType>, bytes: &[u8]) -> Result<bool, ValueError> {
    let mut elements = Elements::of_tuple(bytes);
    for field in types {
        if elements.rest().is_empty() {
            break;
        }
        if !elements.next(cql_type)?.is_none_or(|bytes| is_valid(field, bytes)) {
            return Ok(false);
        }
    }
    Ok(elements.rest().is_empty())
}

fn is_valid_vector(cql_type: &CqlType, element: &CqlType, dimension: u16, bytes: &[u8]) -> Result<bool, ValueError> {
    let mut elements = VectorElements::new(cql_type, element, bytes)?;
    for _ in 0..dimension {
        if !is_valid(element, elements.next(cql_type)?) {
            return Ok(false);
        }
    }
    Ok(elements.rest().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::text::tests::unhex;

    #[test]
    fn collections_are_whole_and_hold_no_null() {
        let list = CqlType::List(CqlType::Int.into());
        assert!(is_valid(&list, &unhex("000000010000000400000007")));
        assert!(is_valid(&list, &unhex("ffffffff")));
        assert!(!is_valid(&list, &unhex("00000001ffffffff")));
        assert!(!is_valid(&list, &unhex("00000001000000040000000700")));
        assert!(!is_valid(&list, &[]));
    }

    #[test]
    fn tuples_may_be_short_and_hold_null() {
        let tuple = CqlType::Tuple([CqlType::Int, CqlType::Text].into());
        assert!(is_valid(&tuple, &[]));
        assert!(is_valid(&tuple, &unhex("0000000400000007")));
        assert!(is_valid(&tuple, &unhex("0000000400000007ffffffff")));
        assert!(!is_valid(&tuple, &unhex("0000000400000007ffffffff00")));
        assert!(!is_valid(&tuple, &unhex("000000030000000700")));
    }

    #[test]
    fn a_duration_has_one_sign_and_a_timeuuid_a_version() {
        assert!(is_valid(&CqlType::Duration, &[1, 1, 0]));
        assert!(!is_valid(&CqlType::Duration, &[1, 2, 0]));
        assert!(is_valid(&CqlType::Timeuuid, &unhex("00112233445516778899aabbccddeeff")));
        assert!(!is_valid(&CqlType::Timeuuid, &unhex("00112233445526778899aabbccddeeff")));
    }
}
