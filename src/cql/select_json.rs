//! The text of `SELECT JSON`, from the bytes (`AbstractType.toJSONString`).

use super::elements::{Elements, VectorElements};
use super::error::check_depth;
use super::get_string::known_class;
use super::number::{big_integer, decimal, integer, java_double, java_float};
use super::text::{escape, hex, json_string};
use super::validate::is_valid;
use super::{CqlType, UserType, counter, inet, time};
use num_bigint::BigInt;
use uuid::Uuid;

/// Whose text: the releases differ in dates and timestamps far from today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SelectStyle {
    /// 3.0 and 3.11: no + before long years, Julian timestamps before 1582-10-15.
    Cassandra3,
    /// 4.0 and later.
    #[default]
    Cassandra4,
}

/// What `SELECT JSON` of Cassandra 4.0 and later prints for these bytes; `None` where Cassandra throws.
///
/// Cassandra reads more leniently here than it validates: bytes behind a number or a collection are
/// ignored, so they are here. A counter prints as the sum of its shards, which is what a client sees.
///
/// Cassandra: `AbstractType.toJSONString`.
///
/// ```
/// use ringtail::cql::{CqlType, select_json};
///
/// assert_eq!(select_json(&CqlType::Int, &[0, 0, 0, 7]).as_deref(), Some("7"));
/// assert_eq!(select_json(&CqlType::Timestamp, &[0; 8]).as_deref(), Some("\"1970-01-01 00:00:00.000Z\""));
/// assert_eq!(select_json(&CqlType::Int, &[7]), None);
/// ```
pub fn select_json(cql_type: &CqlType, bytes: &[u8]) -> Option<String> {
    select_json_as(SelectStyle::Cassandra4, cql_type, bytes)
}

/// As [`select_json`], in the style of a release.
pub fn select_json_as(style: SelectStyle, cql_type: &CqlType, bytes: &[u8]) -> Option<String> {
    let mut out = String::new();
    Printer { style, out: &mut out }.value(cql_type, bytes, 0)?;
    Some(out)
}

struct Printer<'o> {
    style: SelectStyle,
    out: &'o mut String,
}

impl Printer<'_> {
    fn value(&mut self, cql_type: &CqlType, bytes: &[u8], depth: u32) -> Option<()> {
        check_depth(cql_type, depth).ok()?;
        let depth = depth + 1;
        match cql_type {
            CqlType::Frozen(inner) => self.value(inner, bytes, depth),
            CqlType::List(element) | CqlType::Set(element) => self.list(cql_type, element, bytes, depth),
            CqlType::Map(key, value) => self.map(cql_type, key, value, bytes, depth),
            CqlType::Tuple(types) => self.tuple(cql_type, types, bytes, depth),
            CqlType::Udt(udt) => self.udt(cql_type, udt, bytes, depth),
            CqlType::Vector(element, dimension) => self.vector(cql_type, element, *dimension, bytes, depth),
            _ => self.scalar(cql_type, bytes),
        }
    }

    fn scalar(&mut self, cql_type: &CqlType, bytes: &[u8]) -> Option<()> {
        match cql_type {
            CqlType::Ascii if !bytes.is_ascii() => return None,
            CqlType::Ascii | CqlType::Text => json_string(std::str::from_utf8(bytes).ok()?, self.out),
            CqlType::Blob => {
                self.out.push_str("\"0x");
                hex(bytes, self.out);
                self.out.push('"');
            }
            CqlType::Counter => integer(counter::total(&counter::shards(cql_type, bytes).ok()?), self.out),
            CqlType::Custom(class) => return self.custom(class, bytes),
            _ if bytes.is_empty() => self.out.push_str(empty(cql_type)?),
            _ if stands_bare(cql_type) => return self.bare(cql_type, bytes),
            _ => return self.quoted(cql_type, bytes),
        }
        Some(())
    }

    /// Numbers and booleans.
    fn bare(&mut self, cql_type: &CqlType, bytes: &[u8]) -> Option<()> {
        match cql_type {
            CqlType::Boolean => self.out.push_str(if first(bytes)? == [0] { "false" } else { "true" }),
            CqlType::Tinyint => integer(i8::from_be_bytes(first(bytes)?), self.out),
            CqlType::Smallint => integer(i16::from_be_bytes(first(bytes)?), self.out),
            CqlType::Int => integer(i32::from_be_bytes(first(bytes)?), self.out),
            CqlType::Bigint => integer(i64::from_be_bytes(first(bytes)?), self.out),
            CqlType::Varint => big_integer(&BigInt::from_signed_bytes_be(bytes), self.out),
            CqlType::Decimal => {
                let (unscaled, scale) = super::decode::decimal(cql_type, bytes).ok()?;
                decimal(&unscaled, scale, self.out);
            }
            CqlType::Float => match f32::from_be_bytes(first(bytes)?) {
                number if number.is_finite() => java_float(number, self.out),
                _ => self.out.push_str("null"),
            },
            CqlType::Double => match f64::from_be_bytes(first(bytes)?) {
                number if number.is_finite() => java_double(number, self.out),
                _ => self.out.push_str("null"),
            },
            _ => return None,
        }
        Some(())
    }

    /// Types whose text stands in quotes and needs no escapes.
    fn quoted(&mut self, cql_type: &CqlType, bytes: &[u8]) -> Option<()> {
        self.out.push('"');
        match cql_type {
            CqlType::Uuid => self.uuid(Uuid::from_bytes(first(bytes)?)),
            CqlType::Timeuuid => self.uuid(time_uuid(first(bytes)?)),
            CqlType::Inet => inet::host_address(inet::address(bytes)?, self.out),
            CqlType::Timestamp => time::timestamp(i64::from_be_bytes(first(bytes)?), ' ', self.style, self.out),
            CqlType::Date => time::date(super::decode::days(first(bytes)?), self.style, self.out),
            CqlType::Time => time::time(i64::from_be_bytes(first(bytes)?), self.out),
            CqlType::Duration => {
                let (months, days, nanos) = super::decode::duration(cql_type, bytes).ok()?;
                time::java_duration(months, days, nanos, self.out);
            }
            CqlType::Empty => {}
            _ => return None,
        }
        self.out.push('"');
        Some(())
    }

    fn uuid(&mut self, uuid: Uuid) {
        self.out.push_str(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    }

    fn custom(&mut self, class: &str, bytes: &[u8]) -> Option<()> {
        match known_class(class)? {
            // DateType, unlike TimestampType, has no text for an empty value.
            CqlType::Timestamp if bytes.is_empty() => None,
            known => self.scalar(&known, bytes),
        }
    }

    fn list(&mut self, cql_type: &CqlType, element: &CqlType, bytes: &[u8], depth: u32) -> Option<()> {
        let (count, mut elements) = Elements::of_collection(cql_type, bytes).ok()?;
        self.out.push('[');
        for index in 0..count {
            self.comma(index > 0);
            self.element(element, elements.next(cql_type).ok()?, depth)?;
        }
        self.out.push(']');
        Some(())
    }

    fn map(&mut self, cql_type: &CqlType, key: &CqlType, value: &CqlType, bytes: &[u8], depth: u32) -> Option<()> {
        let (count, mut elements) = Elements::of_collection(cql_type, bytes).ok()?;
        self.out.push('{');
        for index in 0..count {
            self.comma(index > 0);
            self.key(key, elements.next(cql_type).ok()?, depth)?;
            self.out.push_str(": ");
            self.element(value, elements.next(cql_type).ok()?, depth)?;
        }
        self.out.push('}');
        Some(())
    }

    /// An element of a collection. Of all types only decimals print null, as if it were empty.
    fn element(&mut self, cql_type: &CqlType, bytes: Option<&[u8]>, depth: u32) -> Option<()> {
        match bytes {
            None if *cql_type != CqlType::Decimal => None,
            bytes => self.value(cql_type, bytes.unwrap_or_default(), depth),
        }
    }

    /// A map's key: its text, made a string if it is none.
    fn key(&mut self, key: &CqlType, bytes: Option<&[u8]>, depth: u32) -> Option<()> {
        let mut text = String::new();
        Printer { style: self.style, out: &mut text }.element(key, bytes, depth)?;
        if text.starts_with('"') {
            self.out.push_str(&text);
        } else {
            json_string(&text, self.out);
        }
        Some(())
    }

    /// A tuple; Cassandra cannot print one with absent fields.
    fn tuple(&mut self, cql_type: &CqlType, types: &[CqlType], bytes: &[u8], depth: u32) -> Option<()> {
        let mut elements = Elements::of_tuple(bytes);
        self.out.push('[');
        for (index, field) in types.iter().enumerate() {
            self.comma(index > 0);
            self.field(field, elements.next(cql_type).ok()?, depth)?;
        }
        self.out.push(']');
        Some(())
    }

    /// A user-defined type; absent fields are null, further ones an error.
    fn udt(&mut self, cql_type: &CqlType, udt: &UserType, bytes: &[u8], depth: u32) -> Option<()> {
        let mut elements = Elements::of_tuple(bytes);
        self.out.push('{');
        for (index, (name, field)) in udt.fields.iter().enumerate() {
            self.comma(index > 0);
            self.field_name(name);
            let value = if elements.rest().is_empty() { None } else { elements.next(cql_type).ok()? };
            self.field(field, value, depth)?;
        }
        self.out.push('}');
        elements.rest().is_empty().then_some(())
    }

    /// A name with capitals is printed with CQL's quotes, but quotes within it are not doubled.
    fn field_name(&mut self, name: &str) {
        let quotes = if name == name.to_lowercase() { "" } else { "\\\"" };
        self.out.extend(["\"", quotes]);
        escape(name, self.out);
        self.out.extend([quotes, "\": "]);
    }

    fn field(&mut self, cql_type: &CqlType, bytes: Option<&[u8]>, depth: u32) -> Option<()> {
        match bytes {
            Some(bytes) => self.value(cql_type, bytes, depth),
            None => {
                self.out.push_str("null");
                Some(())
            }
        }
    }

    /// A vector; its elements are validated, and nothing may follow them.
    fn vector(&mut self, cql_type: &CqlType, element: &CqlType, dimension: u16, bytes: &[u8], depth: u32) -> Option<()> {
        let mut elements = VectorElements::new(cql_type, element, bytes).ok()?;
        self.out.push('[');
        for index in 0..dimension {
            self.comma(index > 0);
            let bytes = elements.next(cql_type).ok()?;
            self.value(element, bytes, depth)?;
            if !is_valid(element, bytes) {
                return None;
            }
        }
        self.out.push(']');
        elements.rest().is_empty().then_some(())
    }

    fn comma(&mut self, needed: bool) {
        if needed {
            self.out.push_str(", ");
        }
    }
}

/// Whether values of the type stand without quotes.
fn stands_bare(cql_type: &CqlType) -> bool {
    matches!(
        cql_type,
        CqlType::Boolean
            | CqlType::Tinyint
            | CqlType::Smallint
            | CqlType::Int
            | CqlType::Bigint
            | CqlType::Varint
            | CqlType::Decimal
            | CqlType::Float
            | CqlType::Double
    )
}

/// The text of an empty value, for the types that have one.
fn empty(cql_type: &CqlType) -> Option<&'static str> {
    match cql_type {
        CqlType::Boolean | CqlType::Tinyint => None,
        CqlType::Time => Some("\"null\""),
        _ => Some("\"\""),
    }
}

/// The first bytes; what follows them is ignored.
fn first<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.first_chunk().copied()
}

/// A timeuuid as Cassandra prints it: with the bit of version 1 set, whatever the bytes say (`utils.TimeUUID`).
fn time_uuid(mut bytes: [u8; 16]) -> Uuid {
    if let Some(version) = bytes.get_mut(6) {
        *version |= 0x10;
    }
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::arbitrary;
    use crate::cql::text::tests::unhex;
    use proptest::prelude::*;

    fn check(cql_type: &CqlType, cases: &[(&str, Option<&str>)]) {
        for (digits, text) in cases {
            assert_eq!(select_json(cql_type, &unhex(digits)).as_deref(), *text, "{cql_type:?} {digits}");
        }
    }

    fn list(element: CqlType) -> CqlType {
        CqlType::Frozen(CqlType::List(element.into()).into())
    }

    fn map(key: CqlType, value: CqlType) -> CqlType {
        CqlType::Frozen(CqlType::Map(key.into(), value.into()).into())
    }

    fn udt(fields: &[(&str, CqlType)]) -> CqlType {
        let fields = fields.iter().map(|(name, cql_type)| ((*name).to_owned(), cql_type.clone())).collect();
        CqlType::Frozen(CqlType::Udt(UserType { keyspace: "ks".to_owned(), name: "t".to_owned(), fields }.into()).into())
    }

    #[test]
    fn scalars_print_as_recorded_from_cassandra() {
        check(&CqlType::Ascii, &[("69742773", Some("\"it's\"")), ("c3a9", None)]);
        check(&CqlType::Text, &[("", Some("\"\"")), ("22c3a9", Some("\"\\\"é\"")), ("ff", None)]);
        check(&CqlType::Blob, &[("", Some("\"0x\"")), ("00ff", Some("\"0x00ff\""))]);
        check(&CqlType::Boolean, &[("00", Some("false")), ("02", Some("true"))]);
        check(&CqlType::Tinyint, &[("80", Some("-128"))]);
        check(&CqlType::Smallint, &[("bd64", Some("-17052"))]);
        check(&CqlType::Int, &[("80000000", Some("-2147483648"))]);
        check(&CqlType::Bigint, &[("8000000000000000", Some("-9223372036854775808"))]);
        check(&CqlType::Varint, &[("01080f161d242b3239", Some("19027451265080308281")), ("ffffff", Some("-1"))]);
        check(&CqlType::Decimal, &[("000000026e", Some("1.10")), ("ffffff9c01", Some("1E+100")), ("00000000", None)]);
        check(&CqlType::Float, &[("496e8f05", Some("977136.3")), ("7fc00000", Some("null")), ("ff800000", Some("null"))]);
        check(&CqlType::Double, &[("ffe1ccf385ebc8a0", Some("-1.0E308")), ("7ff0000000000000", Some("null"))]);
        check(&CqlType::Timestamp, &[("0000018df4dc5495", Some("\"2024-02-29 12:34:56.789Z\""))]);
        check(&CqlType::Date, &[("80004d46", Some("\"2024-02-29\"")), ("00000000", Some("\"-5877641-06-23\""))]);
        check(&CqlType::Time, &[("00004e94914effff", Some("\"23:59:59.999999999\""))]);
        check(&CqlType::Duration, &[("1c32fc2168cdf9d664", Some("\"1y2mo25d5h6m7s8ms9us10ns\"")), ("000000", Some("\"\""))]);
        check(&CqlType::Duration, &[("0000", None), ("00ffffffffffffffffff00", None)]);
        check(&CqlType::Uuid, &[("123e4567e89b42d3a456426614174000", Some("\"123e4567-e89b-42d3-a456-426614174000\""))]);
        check(&CqlType::Timeuuid, &[("00112233445546778899aabbccddeeff", Some("\"00112233-4455-5677-8899-aabbccddeeff\""))]);
        check(&CqlType::Inet, &[("63450de1", Some("\"99.69.13.225\"")), ("0102030405", None)]);
        check(&CqlType::Counter, &[("00018000240cd17d4d0e40aa9562f423e0c7ff80000660e016361d90fffffffffffffffd", Some("-3"))]);
        check(&CqlType::Empty, &[("", Some("\"\"")), ("01", Some("\"\""))]);
    }

    #[test]
    fn empty_values_print_as_each_type_has_it() {
        for cql_type in [CqlType::Boolean, CqlType::Tinyint, CqlType::Counter, list(CqlType::Int)] {
            check(&cql_type, &[("", None)]);
        }
        for cql_type in [CqlType::Int, CqlType::Smallint, CqlType::Decimal, CqlType::Duration, CqlType::Date, CqlType::Inet, CqlType::Uuid]
        {
            check(&cql_type, &[("", Some("\"\""))]);
        }
        check(&CqlType::Time, &[("", Some("\"null\""))]);
    }

    #[test]
    fn bytes_behind_a_number_are_ignored() {
        check(&CqlType::Int, &[("01080f161d", Some("17305366")), ("01080f", None)]);
        check(&CqlType::Date, &[("80004d46ff", Some("\"2024-02-29\""))]);
    }

    #[test]
    fn collections_print_as_cassandra_does() {
        check(
            &list(CqlType::Int),
            &[
                ("00000000", Some("[]")),
                ("ffffffff", Some("[]")),
                ("0000000200000004000013c00000000400004cf2", Some("[5056, 19698]")),
                ("0000000100000000", Some("[\"\"]")),
                ("00000001000000040000000700", Some("[7]")),
                ("00000001ffffffff", None),
                ("000000020000000400000001", None),
            ],
        );
        check(&list(CqlType::Decimal), &[("00000001ffffffff", Some("[\"\"]"))]);
        check(&map(CqlType::Int, CqlType::Text), &[("0000000100000004000000070000000161", Some("{\"7\": \"a\"}"))]);
    }

    #[test]
    fn keys_that_are_not_strings_are_quoted() {
        let nested = map(map(CqlType::Double, CqlType::Double), list(CqlType::Date));
        let key = "00000001000000087ff8000000000000000000084000000000000000";
        let value = "000000010000000480000000";
        let digits = format!("000000010000001c{key}0000000c{value}");
        check(&nested, &[(&digits, Some("{\"{\\\"null\\\": 2.0}\": [\"1970-01-01\"]}"))]);
    }

    #[test]
    fn a_tuple_with_absent_fields_cannot_be_printed() {
        let tuple = CqlType::Tuple([CqlType::Int, CqlType::Text].into());
        check(
            &tuple,
            &[
                ("00000004000000070000000161", Some("[7, \"a\"]")),
                ("0000000400000007ffffffff", Some("[7, null]")),
                ("0000000400000007000000016199", Some("[7, \"a\"]")),
                ("0000000400000007", None),
                ("", None),
            ],
        );
    }

    #[test]
    fn user_defined_types_print_every_field() {
        check(
            &udt(&[("aBc", CqlType::Int), ("\"", CqlType::Text)]),
            &[
                ("00000004000000070000000161", Some("{\"\\\"aBc\\\"\": 7, \"\\\"\": \"a\"}")),
                ("0000000400000007", Some("{\"\\\"aBc\\\"\": 7, \"\\\"\": null}")),
                ("", Some("{\"\\\"aBc\\\"\": null, \"\\\"\": null}")),
                ("0000000400000007000000016199", None),
            ],
        );
    }

    #[test]
    fn vectors_hold_valid_elements_and_nothing_else() {
        check(
            &CqlType::Vector(CqlType::Float.into(), 2),
            &[("3f8000007fc00000", Some("[1.0, null]")), ("3f8000007fc0000000", None), ("", None)],
        );
        check(&CqlType::Vector(CqlType::Text.into(), 2), &[("01610162", Some("[\"a\", \"b\"]")), ("0161016200", None)]);
        check(&CqlType::Vector(CqlType::Smallint.into(), 1), &[("020007", Some("[7]")), ("00", None)]);
    }

    #[test]
    fn classes_without_a_cql_name_print_if_their_values_are_known() {
        let date = CqlType::Custom("org.apache.cassandra.db.marshal.DateType".into());
        check(&date, &[("0000018df4dc5495", Some("\"2024-02-29 12:34:56.789Z\"")), ("", None)]);
        check(&CqlType::Custom("com.example.Point".into()), &[("00", None)]);
    }

    proptest! {
        #[test]
        fn what_prints_is_json((cql_type, bytes) in arbitrary::damaged_bytes()) {
            if let Some(text) = select_json(&cql_type, &bytes) {
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{text}");
            }
        }
    }
}
