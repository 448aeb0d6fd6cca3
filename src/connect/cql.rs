//! CQL types and values in Connect's model: the type table of Debezium's Cassandra connector (`CassandraTypeConverters`), and ours where
//! that one loses something.
//!
//! | CQL | Connect | name |
//! |---|---|---|
//! | ascii, text | string | |
//! | tinyint, smallint, int, bigint, counter | int8, int16, int32, int64, int64 | |
//! | varint | string, int64 or bytes | –, –, `org.apache.kafka.connect.data.Decimal` of scale 0 |
//! | decimal | string, double or struct | –, –, `io.debezium.data.VariableScaleDecimal` |
//! | float, double | float, double | |
//! | boolean | boolean | |
//! | blob, custom types | bytes | |
//! | date | int32, days since 1970 | `io.debezium.time.Date` |
//! | time | int64, ns since midnight | |
//! | timestamp | int64, ms since 1970 | `io.debezium.time.Timestamp` |
//! | uuid, timeuuid | string | `io.debezium.data.Uuid` |
//! | inet | string | |
//! | duration | string, CQL text | |
//! | list, set, vector | array | |
//! | map | map; where keys are no text, an array of structs `key`, `value` | |
//! | tuple | struct `field1`, `field2` … | the names of the members' types, and `Tuple` |
//! | user-defined type | struct of its fields | `keyspace.type` |
//!
//! Every schema is optional: an element, a field and a value of no bytes are null.

use super::{Field, Kind, Schema, Value};
use crate::cql::{self, CqlType, CqlValue, UserType};
use num_bigint::BigInt;
use std::sync::Arc;

/// How decimals are written (`decimal.handling.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecimalMode {
    /// Text: exact.
    #[default]
    String,
    /// A double: rounded.
    Double,
    /// Scale and unscaled value: exact.
    Precise,
}

/// How varints are written (`varint.handling.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VarintMode {
    /// Text: exact.
    #[default]
    String,
    /// 64 bits: what is larger loses its upper bits, as in Java's `BigInteger.longValue`.
    Long,
    /// The bytes of a decimal of scale 0: exact.
    Precise,
}

/// From CQL to Connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conversion {
    /// How decimals are written.
    pub decimal: DecimalMode,
    /// How varints are written.
    pub varint: VarintMode,
    /// Whether durations, addresses, decimals and maps are written as Debezium's connector does, whatever they lose: nanoseconds with months
    /// of 30 days, a slash before the address, digits without an exponent, keys of any type.
    pub debezium: bool,
}

impl Conversion {
    /// The schema of a column, element or field of this type.
    pub fn schema(&self, cql_type: &CqlType) -> Schema {
        match cql_type {
            CqlType::Duration if self.debezium => Schema::new(Kind::Int64).named("io.debezium.time.NanoDuration").version(1),
            CqlType::Ascii | CqlType::Text | CqlType::Inet | CqlType::Duration | CqlType::Empty => Schema::new(Kind::String),
            CqlType::Tinyint => Schema::new(Kind::Int8),
            CqlType::Smallint => Schema::new(Kind::Int16),
            CqlType::Int => Schema::new(Kind::Int32),
            CqlType::Bigint | CqlType::Counter | CqlType::Time => Schema::new(Kind::Int64),
            CqlType::Float => Schema::new(Kind::Float32),
            CqlType::Double => Schema::new(Kind::Float64),
            CqlType::Boolean => Schema::new(Kind::Boolean),
            CqlType::Blob | CqlType::Custom(_) => Schema::new(Kind::Bytes),
            CqlType::Date => Schema::new(Kind::Int32).named("io.debezium.time.Date").version(1),
            CqlType::Timestamp => Schema::new(Kind::Int64).named("io.debezium.time.Timestamp").version(1),
            CqlType::Uuid | CqlType::Timeuuid => Schema::new(Kind::String).named("io.debezium.data.Uuid").version(1),
            CqlType::Decimal => self.decimal_schema(),
            CqlType::Varint => self.varint_schema(),
            CqlType::List(element) | CqlType::Set(element) | CqlType::Vector(element, _) => self.array(element),
            CqlType::Map(key, value) if self.debezium || has_text_keys(key) => Schema::new(Kind::Map(self.shared(key), self.shared(value))),
            CqlType::Map(key, value) => {
                let entry =
                    Schema::new(Kind::Struct([Field::new("key", self.shared(key)), Field::new("value", self.shared(value))].into()));
                Schema::new(Kind::Array(Arc::new(entry)))
            }
            CqlType::Tuple(types) => self.tuple(types),
            CqlType::Udt(udt) => self.user_type(udt),
            CqlType::Frozen(inner) => return self.schema(inner),
        }
        .optional()
    }

    /// A value of this type; null if it has no bytes and its type no empty form.
    pub fn value(&self, cql_type: &CqlType, value: &CqlValue<'_>) -> Value {
        match value {
            CqlValue::Empty => Value::Null,
            CqlValue::Text(text) => Value::text(text.as_ref()),
            CqlValue::Blob(bytes) | CqlValue::Custom(bytes) => Value::Bytes(bytes.to_vec()),
            CqlValue::Boolean(value) => Value::Boolean(*value),
            CqlValue::Tinyint(number) => Value::Int((*number).into()),
            CqlValue::Smallint(number) => Value::Int((*number).into()),
            CqlValue::Int(number) | CqlValue::Date(number) => Value::Int((*number).into()),
            CqlValue::Bigint(number) | CqlValue::Timestamp(number) | CqlValue::Time(number) => Value::Int(*number),
            CqlValue::Float(number) => Value::Float32(*number),
            CqlValue::Double(number) => Value::Float64(*number),
            CqlValue::Varint(number) => self.varint_value(cql_type, value, number),
            CqlValue::Decimal { unscaled, scale } => self.decimal_value(cql_type, value, unscaled, *scale),
            CqlValue::Counter(shards) => Value::Int(cql::counter_total(shards)),
            CqlValue::Duration { months, days, nanos } if self.debezium => Value::Int(nanoseconds(*months, *days, *nanos)),
            CqlValue::Inet(_) if self.debezium => Value::String(format!("/{}", plain_text(cql_type, value))),
            CqlValue::Duration { .. } | CqlValue::Uuid(_) | CqlValue::Inet(_) => Value::String(plain_text(cql_type, value)),
            CqlValue::List(_) | CqlValue::Set(_) | CqlValue::Map(_) | CqlValue::Tuple(_) | CqlValue::Udt(_) | CqlValue::Vector(_) => {
                self.nested(cql_type.unfrozen(), value)
            }
        }
    }

    fn shared(&self, cql_type: &CqlType) -> Arc<Schema> {
        Arc::new(self.schema(cql_type))
    }

    fn array(&self, element: &CqlType) -> Schema {
        Schema::new(Kind::Array(self.shared(element)))
    }

    fn decimal_schema(&self) -> Schema {
        match self.decimal {
            DecimalMode::String => Schema::new(Kind::String),
            DecimalMode::Double => Schema::new(Kind::Float64),
            DecimalMode::Precise => {
                let fields = vec![Field::new("scale", Schema::new(Kind::Int32)), Field::new("value", Schema::new(Kind::Bytes))];
                Schema::of_struct("io.debezium.data.VariableScaleDecimal", fields).version(1)
            }
        }
    }

    fn varint_schema(&self) -> Schema {
        match self.varint {
            VarintMode::String => Schema::new(Kind::String),
            VarintMode::Long => Schema::new(Kind::Int64),
            VarintMode::Precise => {
                Schema::new(Kind::Bytes).named("org.apache.kafka.connect.data.Decimal").version(1).parameter("scale", "0")
            }
        }
    }

    fn decimal_value(&self, cql_type: &CqlType, value: &CqlValue<'_>, unscaled: &BigInt, scale: i32) -> Value {
        match self.decimal {
            DecimalMode::String if self.debezium => Value::String(plain_digits(unscaled, scale)),
            DecimalMode::String => Value::String(plain_text(cql_type, value)),
            // Java's text of a decimal is a number for Rust too.
            DecimalMode::Double => Value::Float64(plain_text(cql_type, value).parse().unwrap_or(f64::NAN)),
            DecimalMode::Precise => Value::Struct(vec![Value::Int(scale.into()), Value::Bytes(unscaled.to_signed_bytes_be())]),
        }
    }

    fn varint_value(&self, cql_type: &CqlType, value: &CqlValue<'_>, number: &BigInt) -> Value {
        match self.varint {
            VarintMode::String => Value::String(plain_text(cql_type, value)),
            VarintMode::Long => Value::Int(low_bits(number)),
            VarintMode::Precise => Value::Bytes(number.to_signed_bytes_be()),
        }
    }

    fn tuple(&self, types: &[CqlType]) -> Schema {
        let name: String = types.iter().map(tuple_part).chain(["Tuple".to_owned()]).collect();
        let fields = (1..).zip(types).map(|(number, cql_type): (usize, _)| Field::new(format!("field{number}"), self.shared(cql_type)));
        Schema::of_struct(name, fields.collect())
    }

    fn user_type(&self, udt: &UserType) -> Schema {
        let fields = udt.fields.iter().map(|(name, cql_type)| Field::new(name.as_str(), self.shared(cql_type))).collect();
        Schema::of_struct(format!("{}.{}", udt.keyspace, udt.name), fields)
    }

    fn nested(&self, cql_type: &CqlType, value: &CqlValue<'_>) -> Value {
        match (cql_type, value) {
            (CqlType::List(element), CqlValue::List(values)) | (CqlType::Set(element), CqlValue::Set(values)) => {
                Value::Array(values.iter().map(|value| self.nullable(element, value.as_ref())).collect())
            }
            (CqlType::Vector(element, _), CqlValue::Vector(values)) => {
                Value::Array(values.iter().map(|value| self.value(element, value)).collect())
            }
            (CqlType::Map(key, value), CqlValue::Map(entries)) => {
                let entries = entries.iter().map(|(k, v)| (self.nullable(key, k.as_ref()), self.nullable(value, v.as_ref())));
                self.map_value(key, entries.collect())
            }
            (CqlType::Tuple(types), CqlValue::Tuple(fields)) => {
                let types = types.iter().enumerate();
                Value::Struct(types.map(|(i, cql_type)| self.nullable(cql_type, fields.get(i).and_then(Option::as_ref))).collect())
            }
            (CqlType::Udt(udt), CqlValue::Udt(fields)) => {
                let types = udt.fields.iter().enumerate();
                Value::Struct(types.map(|(i, (_, cql_type))| self.nullable(cql_type, fields.get(i).and_then(Option::as_ref))).collect())
            }
            // Not a value of this type. Decoding does not make such.
            _ => Value::Null,
        }
    }

    /// The entries of a map whose keys are of this type.
    pub fn map_value(&self, key: &CqlType, entries: Vec<(Value, Value)>) -> Value {
        if self.debezium || has_text_keys(key) {
            return Value::Map(entries);
        }
        Value::Array(entries.into_iter().map(|(key, value)| Value::Struct(vec![key, value])).collect())
    }

    fn nullable(&self, cql_type: &CqlType, value: Option<&CqlValue<'_>>) -> Value {
        value.map_or(Value::Null, |value| self.value(cql_type, value))
    }
}

fn has_text_keys(key: &CqlType) -> bool {
    matches!(key.unfrozen(), CqlType::Ascii | CqlType::Text)
}

/// The text of a value that stands in JSON as a string without escapes.
fn plain_text(cql_type: &CqlType, value: &CqlValue<'_>) -> String {
    let mut json = String::new();
    cql::event_json(cql_type, value, &mut json);
    json.trim_matches('"').to_owned()
}

/// A duration in nanoseconds, a month having 30 days; what is too long wraps around.
fn nanoseconds(months: i32, days: i32, nanos: i64) -> i64 {
    const DAY: i64 = 86_400_000_000_000;
    let days = i64::from(months) * 30 + i64::from(days);
    days.wrapping_mul(DAY).wrapping_add(nanos)
}

/// Java's `BigDecimal.toPlainString`: digits without an exponent, for scales that leave that in hand.
fn plain_digits(unscaled: &BigInt, scale: i32) -> String {
    const MOST: usize = 4096;
    let text = unscaled.magnitude().to_string();
    let sign = if unscaled.sign() == num_bigint::Sign::Minus { "-" } else { "" };
    let Ok(scale) = usize::try_from(scale) else {
        let zeros = usize::try_from(scale.unsigned_abs()).unwrap_or(usize::MAX).min(MOST);
        return if text == "0" { text } else { format!("{sign}{text}{}", "0".repeat(zeros)) };
    };
    if scale == 0 {
        return format!("{sign}{text}");
    }
    let padded = format!("{text:0>width$}", width = scale.min(MOST) + 1);
    let (whole, fraction) = padded.split_at(padded.len().saturating_sub(scale.min(MOST)));
    format!("{sign}{whole}.{fraction}")
}

/// The lower 64 bits.
fn low_bits(number: &BigInt) -> i64 {
    let bytes = number.to_signed_bytes_be();
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().skip(bytes.len().saturating_sub(8)).fold(sign, |bits, byte| (bits << 8) | i64::from(*byte))
}

/// What a member adds to a tuple's name: its type's marshal class, without package and `Type`.
fn tuple_part(cql_type: &CqlType) -> String {
    let class = cql::marshal_class(cql_type, false);
    let simple = class.split('(').next().unwrap_or_default();
    let simple = simple.rsplit('.').next().unwrap_or_default();
    simple.strip_suffix("Type").unwrap_or(simple).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::{schema_json, write_value};
    use crate::cql::{arbitrary, decode};
    use proptest::prelude::*;

    fn decimal(unscaled: i64, scale: i32) -> CqlValue<'static> {
        CqlValue::Decimal { unscaled: unscaled.into(), scale }
    }

    #[test]
    fn decimals_and_varints_come_in_three_modes() {
        let precise = Conversion { decimal: DecimalMode::Precise, varint: VarintMode::Precise, debezium: false };
        let short = Conversion { decimal: DecimalMode::Double, varint: VarintMode::Long, debezium: false };
        let large: BigInt = "123456789012345678901234567890".parse().unwrap();

        assert_eq!(Conversion::default().value(&CqlType::Decimal, &decimal(950, 2)), Value::text("9.50"));
        assert_eq!(short.value(&CqlType::Decimal, &decimal(950, 2)), Value::Float64(9.5));
        assert_eq!(precise.value(&CqlType::Decimal, &decimal(-1, 2)), Value::Struct(vec![Value::Int(2), Value::Bytes(vec![0xff])]));
        assert_eq!(Conversion::default().value(&CqlType::Varint, &CqlValue::Varint(large.clone())), Value::text(large.to_string()));
        // What Debezium writes for it.
        assert_eq!(short.value(&CqlType::Varint, &CqlValue::Varint(large)), Value::Int(-4_362_896_299_872_285_998));
        assert_eq!(short.value(&CqlType::Varint, &CqlValue::Varint((-1).into())), Value::Int(-1));
        assert_eq!(precise.value(&CqlType::Varint, &CqlValue::Varint(256.into())), Value::Bytes(vec![1, 0]));
    }

    #[test]
    fn names_are_debeziums() {
        let conversion = Conversion::default();
        let named = |cql_type: &CqlType| conversion.schema(cql_type).name.map(|name| name.to_string());
        let udt = UserType { keyspace: "ks".into(), name: "addr".into(), fields: vec![("zip".into(), CqlType::Int)] };

        assert_eq!(named(&CqlType::Tuple([CqlType::Int, CqlType::Text].into())).as_deref(), Some("Int32UTF8Tuple"));
        assert_eq!(named(&CqlType::Frozen(Arc::new(CqlType::Udt(udt.into())))).as_deref(), Some("ks.addr"));
        assert_eq!(named(&CqlType::Timeuuid).as_deref(), Some("io.debezium.data.Uuid"));
        assert_eq!(named(&CqlType::Int), None);
    }

    /// Whether a value is one of its schema.
    fn fits(schema: &Schema, value: &Value) -> bool {
        match (value, &schema.kind) {
            (Value::Null | Value::Absent, _) => schema.optional,
            (Value::Array(values), Kind::Array(item)) => values.iter().all(|value| fits(item, value)),
            (Value::Map(entries), Kind::Map(keys, values)) => entries.iter().all(|(key, value)| fits(keys, key) && fits(values, value)),
            (Value::Struct(values), Kind::Struct(fields)) => {
                values.len() == fields.len() && fields.iter().zip(values).all(|(field, value)| fits(&field.schema, value))
            }
            (Value::Boolean(_), kind) => *kind == Kind::Boolean,
            (Value::Int(_), kind) => matches!(kind, Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64),
            (Value::Float32(_), kind) => *kind == Kind::Float32,
            (Value::Float64(_), kind) => *kind == Kind::Float64,
            (Value::String(_), kind) => *kind == Kind::String,
            (Value::Bytes(_), kind) => *kind == Kind::Bytes,
            _ => false,
        }
    }

    fn modes() -> impl Strategy<Value = Conversion> {
        let decimal = prop_oneof![Just(DecimalMode::String), Just(DecimalMode::Double), Just(DecimalMode::Precise)];
        let varint = prop_oneof![Just(VarintMode::String), Just(VarintMode::Long), Just(VarintMode::Precise)];
        (decimal, varint, any::<bool>()).prop_map(|(decimal, varint, debezium)| Conversion { decimal, varint, debezium })
    }

    proptest! {
        #[test]
        fn every_value_is_one_of_its_schema((cql_type, bytes) in arbitrary::damaged_bytes(), conversion in modes()) {
            if let Ok(decoded) = decode(&cql_type, &bytes) {
                let (schema, value) = (conversion.schema(&cql_type), conversion.value(&cql_type, &decoded));
                prop_assert!(fits(&schema, &value), "{schema:?} {value:?}");
                let mut json = String::new();
                write_value(&mut json, &schema, &value);
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok(), "{json}");
                prop_assert!(serde_json::from_str::<serde_json::Value>(&schema_json(&schema)).is_ok());
            }
        }
    }
}
