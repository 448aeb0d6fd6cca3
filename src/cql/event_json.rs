//! A value as events carry it.

use super::number::{big_integer, decimal, event_float, integer};
use super::text::json_string;
use super::{CqlType, CqlValue, UserType, counter, inet, time};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Appends `value` as JSON.
///
/// | type | JSON |
/// |---|---|
/// | ascii, text, uuid, timeuuid, inet, duration, decimal, varint | string |
/// | blob, custom | base64 string |
/// | tinyint, smallint, int, bigint, counter (the sum of its shards) | number |
/// | timestamp, date, time | number of ms since 1970, days since 1970, ns since midnight |
/// | float, double | number; NaN, Infinity and -Infinity are strings |
/// | list, set, vector | array |
/// | map | object if the keys are ascii or text, else an array of `{"key":…,"value":…}` |
/// | tuple | object `field1`, `field2` … |
/// | user-defined type | object with every field of the type, null where absent |
/// | null, empty | null |
///
/// `cql_type` must be the type that the value was decoded with; it gives the names of fields. Appends to `out` and never fails.
///
/// ```
/// use ringtail::cql::{CqlType, CqlValue, event_json};
///
/// let mut out = String::new();
/// event_json(&CqlType::Map(CqlType::Int.into(), CqlType::Text.into()), &CqlValue::Map(vec![(Some(CqlValue::Int(1)), None)]), &mut out);
/// assert_eq!(out, r#"[{"key":1,"value":null}]"#);
/// ```
pub fn event_json(cql_type: &CqlType, value: &CqlValue<'_>, out: &mut String) {
    match value {
        CqlValue::Empty => out.push_str("null"),
        CqlValue::Text(text) => json_string(text, out),
        CqlValue::Blob(bytes) | CqlValue::Custom(bytes) => quoted(out, |out| BASE64.encode_string(bytes, out)),
        CqlValue::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        CqlValue::Tinyint(number) => integer(*number, out),
        CqlValue::Smallint(number) => integer(*number, out),
        CqlValue::Int(number) | CqlValue::Date(number) => integer(*number, out),
        CqlValue::Bigint(number) | CqlValue::Timestamp(number) | CqlValue::Time(number) => integer(*number, out),
        CqlValue::Float(number) => event_float(*number, out),
        CqlValue::Double(number) => event_float(*number, out),
        CqlValue::Varint(number) => quoted(out, |out| big_integer(number, out)),
        CqlValue::Decimal { unscaled, scale } => quoted(out, |out| decimal(unscaled, *scale, out)),
        CqlValue::Duration { months, days, nanos } => quoted(out, |out| time::duration(*months, *days, *nanos, out)),
        CqlValue::Uuid(uuid) => quoted(out, |out| out.push_str(uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))),
        CqlValue::Inet(address) => quoted(out, |out| inet::host_address(*address, out)),
        CqlValue::Counter(shards) => integer(counter::total(shards), out),
        CqlValue::List(_) | CqlValue::Set(_) | CqlValue::Map(_) | CqlValue::Tuple(_) | CqlValue::Udt(_) | CqlValue::Vector(_) => {
            nested(cql_type.unfrozen(), value, out);
        }
    }
}

fn nested(cql_type: &CqlType, value: &CqlValue<'_>, out: &mut String) {
    match (cql_type, value) {
        (CqlType::List(element), CqlValue::List(values)) | (CqlType::Set(element), CqlValue::Set(values)) => {
            separated('[', ']', values, out, |value, out| nullable(element, value.as_ref(), out));
        }
        (CqlType::Vector(element, _), CqlValue::Vector(values)) => {
            separated('[', ']', values, out, |value, out| event_json(element, value, out));
        }
        (CqlType::Map(key, value), CqlValue::Map(entries)) => map(key, value, entries, out),
        (CqlType::Tuple(types), CqlValue::Tuple(fields)) => {
            separated('{', '}', types.iter().enumerate(), out, |(index, cql_type), out| {
                out.push_str("\"field");
                integer(index + 1, out);
                out.push_str("\":");
                nullable(cql_type, fields.get(index).and_then(Option::as_ref), out);
            });
        }
        (CqlType::Udt(udt), CqlValue::Udt(fields)) => user_type(udt, fields, out),
        // Not a value of this type. Decoding does not make such.
        _ => out.push_str("null"),
    }
}

fn map(key_type: &CqlType, value_type: &CqlType, entries: &[(Option<CqlValue<'_>>, Option<CqlValue<'_>>)], out: &mut String) {
    // A null key, which only a malformed map has, has no place in an object.
    if matches!(key_type.unfrozen(), CqlType::Ascii | CqlType::Text) && entries.iter().all(|(key, _)| key.is_some()) {
        separated('{', '}', entries, out, |(key, value), out| {
            nullable(key_type, key.as_ref(), out);
            out.push(':');
            nullable(value_type, value.as_ref(), out);
        });
    } else {
        separated('[', ']', entries, out, |(key, value), out| {
            out.push_str("{\"key\":");
            nullable(key_type, key.as_ref(), out);
            out.push_str(",\"value\":");
            nullable(value_type, value.as_ref(), out);
            out.push('}');
        });
    }
}

fn user_type(udt: &UserType, values: &[Option<CqlValue<'_>>], out: &mut String) {
    separated('{', '}', udt.fields.iter().enumerate(), out, |(index, (name, cql_type)), out| {
        json_string(name, out);
        out.push(':');
        nullable(cql_type, values.get(index).and_then(Option::as_ref), out);
    });
}

fn nullable(cql_type: &CqlType, value: Option<&CqlValue<'_>>, out: &mut String) {
    match value {
        Some(value) => event_json(cql_type, value, out),
        None => out.push_str("null"),
    }
}

fn quoted(out: &mut String, put: impl FnOnce(&mut String)) {
    out.push('"');
    put(out);
    out.push('"');
}

fn separated<T>(open: char, close: char, items: impl IntoIterator<Item = T>, out: &mut String, mut put: impl FnMut(T, &mut String)) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        put(item, out);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::text::tests::unhex;
    use crate::cql::{arbitrary, decode};
    use proptest::prelude::*;

    fn json(cql_type: &CqlType, digits: &str) -> String {
        let bytes = unhex(digits);
        let mut out = String::new();
        event_json(cql_type, &decode(cql_type, &bytes).unwrap(), &mut out);
        out
    }

    #[test]
    fn scalars_are_numbers_where_json_can_hold_them() {
        for (cql_type, digits, text) in [
            (CqlType::Text, "22c3a90a", r#""\"é\n""#),
            (CqlType::Blob, "00ff10", r#""AP8Q""#),
            (CqlType::Custom("com.example.Point".into()), "", r#""""#),
            (CqlType::Boolean, "02", "true"),
            (CqlType::Bigint, "7fffffffffffffff", "9223372036854775807"),
            (CqlType::Varint, "7fffffffffffffff", r#""9223372036854775807""#),
            (CqlType::Decimal, "000000026e", r#""1.10""#),
            (CqlType::Float, "3dcccccd", "0.1"),
            (CqlType::Double, "7ff8000000000000", r#""NaN""#),
            (CqlType::Timestamp, "ffffffffffffffff", "-1"),
            (CqlType::Date, "80004d46", "19782"),
            (CqlType::Time, "00004e94914effff", "86399999999999"),
            (CqlType::Duration, "010000", r#""-1mo""#),
            (CqlType::Uuid, "123e4567e89b42d3a456426614174000", r#""123e4567-e89b-42d3-a456-426614174000""#),
            (CqlType::Inet, "00000000000000000000000000000001", r#""0:0:0:0:0:0:0:1""#),
            (CqlType::Counter, "00018000240cd17d4d0e40aa9562f423e0c7ff80000660e016361d90fffffffffffffffd", "-3"),
            (CqlType::Int, "", "null"),
            (CqlType::Empty, "", "null"),
        ] {
            assert_eq!(json(&cql_type, digits), text, "{cql_type:?}");
        }
    }

    #[test]
    fn nested_values_are_arrays_and_objects() {
        let fields = vec![("Street".to_owned(), CqlType::Text), ("zip".to_owned(), CqlType::Int)];
        let udt = CqlType::Udt(UserType { keyspace: "ks".to_owned(), name: "address".to_owned(), fields }.into());
        for (cql_type, digits, text) in [
            (CqlType::List(CqlType::Int.into()), "000000020000000400000007ffffffff", "[7,null]"),
            (CqlType::Set(CqlType::Text.into()), "00000000", "[]"),
            (CqlType::Map(CqlType::Text.into(), CqlType::Int.into()), "0000000100000001610000000400000007", r#"{"a":7}"#),
            (CqlType::Map(CqlType::Int.into(), CqlType::Text.into()), "0000000100000004000000070000000161", r#"[{"key":7,"value":"a"}]"#),
            (CqlType::Map(CqlType::Text.into(), CqlType::Int.into()), "00000001ffffffffffffffff", r#"[{"key":null,"value":null}]"#),
            (CqlType::Tuple([CqlType::Int, CqlType::Text].into()), "0000000400000007", r#"{"field1":7,"field2":null}"#),
            (CqlType::Frozen(udt.into()), "0000000161", r#"{"Street":"a","zip":null}"#),
            (CqlType::Vector(CqlType::Float.into(), 2), "3f8000007f800000", r#"[1.0,"Infinity"]"#),
        ] {
            assert_eq!(json(&cql_type, digits), text, "{cql_type:?}");
        }
    }

    proptest! {
        #[test]
        fn every_value_is_json((cql_type, bytes) in arbitrary::damaged_bytes()) {
            if let Ok(value) = decode(&cql_type, &bytes) {
                let mut out = String::new();
                event_json(&cql_type, &value, &mut out);
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&out).is_ok(), "{out}");
            }
        }
    }
}
