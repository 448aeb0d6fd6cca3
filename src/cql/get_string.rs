//! The text that Cassandra logs, from the bytes (`AbstractType.getString`).

use super::elements::Elements;
use super::error::check_depth;
use super::number::{big_integer, decimal, integer, java_double, java_float};
use super::select_json::SelectStyle;
use super::text::hex;
use super::validate::is_valid;
use super::{CqlType, CqlValue, decode, inet, time};

/// What `AbstractType.getString` gives for these bytes: the text in Debezium's range bounds. `None` where
/// Cassandra throws.
///
/// Collections, vectors, counters and blobs print as hexadecimal digits, tuples and user-defined types as
/// their fields with `:` between them and `@` for null.
///
/// Cassandra: `AbstractType.getString`, `TupleType.getString`.
pub fn get_string(cql_type: &CqlType, bytes: &[u8]) -> Option<String> {
    let mut out = String::new();
    put(cql_type, bytes, &mut out, 0)?;
    Some(out)
}

fn put(cql_type: &CqlType, bytes: &[u8], out: &mut String, depth: u32) -> Option<()> {
    check_depth(cql_type, depth).ok()?;
    match cql_type {
        CqlType::Frozen(inner) => put(inner, bytes, out, depth + 1),
        CqlType::Blob | CqlType::Counter | CqlType::List(_) | CqlType::Set(_) | CqlType::Map(..) | CqlType::Vector(..) => {
            hex(bytes, out);
            Some(())
        }
        CqlType::Tuple(types) => put_fields(cql_type, types.iter(), bytes, out, depth + 1),
        CqlType::Udt(udt) => put_fields(cql_type, super::decode::field_types(udt), bytes, out, depth + 1),
        CqlType::Empty => Some(()),
        CqlType::Custom(class) => put_scalar(&known_class(class)?, bytes, out),
        _ => put_scalar(cql_type, bytes, out),
    }
}

fn put_scalar(cql_type: &CqlType, bytes: &[u8], out: &mut String) -> Option<()> {
    if !is_valid(cql_type, bytes) {
        return None;
    }
    match decode(cql_type, bytes).ok()? {
        CqlValue::Empty => {}
        CqlValue::Text(text) => out.push_str(&text),
        CqlValue::Boolean(value) => out.push_str(if value { "true" } else { "false" }),
        CqlValue::Tinyint(number) => integer(number, out),
        CqlValue::Smallint(number) => integer(number, out),
        CqlValue::Int(number) => integer(number, out),
        CqlValue::Bigint(number) => integer(number, out),
        CqlValue::Varint(number) => big_integer(&number, out),
        CqlValue::Decimal { unscaled, scale } => decimal(&unscaled, scale, out),
        CqlValue::Float(number) => java_float(number, out),
        CqlValue::Double(number) => java_double(number, out),
        CqlValue::Timestamp(ms) => time::timestamp(ms, 'T', SelectStyle::Cassandra4, out),
        CqlValue::Date(days) => time::date(days, SelectStyle::Cassandra4, out),
        CqlValue::Time(nanos) => time::time(nanos, out),
        CqlValue::Duration { months, days, nanos } => time::java_duration(months, days, nanos, out),
        CqlValue::Uuid(uuid) => out.push_str(uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())),
        CqlValue::Inet(address) => inet::host_address(address, out),
        _ => return None,
    }
    Some(())
}

fn put_fields<'t>(cql_type: &CqlType, types: impl Iterator<Item = &'t CqlType>, bytes: &[u8], out: &mut String, depth: u32) -> Option<()> {
    let mut elements = Elements::of_tuple(bytes);
    for (index, field) in types.enumerate() {
        if elements.rest().is_empty() {
            return Some(());
        }
        if index > 0 {
            out.push(':');
        }
        match elements.next(cql_type).ok()? {
            Some(bytes) => put_field(field, bytes, out, depth)?,
            None => out.push('@'),
        }
    }
    Some(())
}

/// A field, with the characters escaped that separate fields and mean null.
fn put_field(cql_type: &CqlType, bytes: &[u8], out: &mut String, depth: u32) -> Option<()> {
    let mut text = String::new();
    put(cql_type, bytes, &mut text, depth)?;
    for character in text.chars() {
        if matches!(character, ':' | '@') {
            out.push('\\');
        }
        out.push(character);
    }
    Some(())
}

/// The CQL type whose values a class without a CQL name has, if it has one.
pub(super) fn known_class(class: &str) -> Option<CqlType> {
    match class.rsplit('.').next()? {
        "DateType" => Some(CqlType::Timestamp),
        "LexicalUUIDType" => Some(CqlType::Uuid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::arbitrary;
    use crate::cql::text::tests::unhex;
    use proptest::prelude::*;

    fn check(cql_type: &CqlType, cases: &[(&str, Option<&str>)]) {
        for (digits, text) in cases {
            assert_eq!(get_string(cql_type, &unhex(digits)).as_deref(), *text, "{cql_type:?} {digits}");
        }
    }

    #[test]
    fn scalars_print_without_quotes() {
        check(&CqlType::Text, &[("226100", Some("\"a\0")), ("ff", None)]);
        check(&CqlType::Int, &[("00000001", Some("1")), ("", Some("")), ("0000000100", None)]);
        check(&CqlType::Blob, &[("00ff", Some("00ff"))]);
        check(&CqlType::Timestamp, &[("0000018cc251f400", Some("2024-01-01T00:00:00.000Z"))]);
        check(&CqlType::Float, &[("7f800000", Some("Infinity"))]);
        check(&CqlType::Timeuuid, &[("00112233445546778899aabbccddeeff", None)]);
        check(&CqlType::Duration, &[("010002", None), ("010000", Some("-1mo")), ("", None)]);
        check(&CqlType::Inet, &[("00000000000000000000000000000001", Some("0:0:0:0:0:0:0:1"))]);
        check(&CqlType::Custom("org.apache.cassandra.db.marshal.LexicalUUIDType".into()), &[("", Some("")), ("00", None)]);
    }

    #[test]
    fn collections_print_their_bytes() {
        check(&CqlType::List(CqlType::Int.into()), &[("00000001ff", Some("00000001ff"))]);
        check(&CqlType::Vector(CqlType::Float.into(), 2), &[("0102", Some("0102"))]);
    }

    #[test]
    fn fields_of_a_tuple_are_escaped() {
        let tuple = CqlType::Tuple([CqlType::Text, CqlType::Text].into());
        check(
            &tuple,
            &[
                ("000000013a000000024061", Some("\\::\\@a")),
                ("00000001610000000162", Some("a:b")),
                ("0000000161ffffffff", Some("a:@")),
                ("0000000161", Some("a")),
                ("", Some("")),
                ("00000002", None),
            ],
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_harmless((cql_type, bytes) in arbitrary::damaged_bytes()) {
            get_string(&cql_type, &bytes);
        }
    }
}
