//! Arbitrary types, values and bytes for tests.

use super::{CounterShard, CqlType, CqlValue, ShardKind, UserType, encode};
use num_bigint::BigInt;
use proptest::collection::vec;
use proptest::prelude::*;
use std::borrow::Cow;
use uuid::Uuid;

/// Any type but counters, which stand alone, `empty`, and custom types.
pub(crate) fn cql_type() -> impl Strategy<Value = CqlType> {
    scalar_type().prop_recursive(3, 16, 4, |inner| {
        let frozen = |cql_type: CqlType| CqlType::Frozen(cql_type.into());
        prop_oneof![
            inner.clone().prop_map(move |element| frozen(CqlType::List(element.into()))),
            inner.clone().prop_map(|element| CqlType::Set(element.into())),
            (inner.clone(), inner.clone()).prop_map(move |(key, value)| frozen(CqlType::Map(key.into(), value.into()))),
            vec(inner.clone(), 1..4).prop_map(|types| CqlType::Tuple(types.into())),
            vec((field_name(), inner.clone()), 1..4).prop_map(|fields| CqlType::Udt(
                UserType { keyspace: "ks".to_owned(), name: "Type".to_owned(), fields: unique(fields) }.into()
            )),
            (inner, 1_u16..4).prop_map(|(element, dimension)| CqlType::Vector(element.into(), dimension)),
        ]
    })
}

/// A type and a value of it that Cassandra could have written and whose print loses nothing.
pub(crate) fn typed_value() -> impl Strategy<Value = (CqlType, CqlValue<'static>)> {
    prop_oneof![9 => cql_type(), 1 => Just(CqlType::Counter)].prop_flat_map(|cql_type| {
        let value = value(&cql_type);
        (Just(cql_type), value)
    })
}

/// A type and bytes that are a value of it, or nearly.
pub(crate) fn damaged_bytes() -> impl Strategy<Value = (CqlType, Vec<u8>)> {
    let damage = prop_oneof![
        Just(Damage::None),
        any::<prop::sample::Index>().prop_map(Damage::Truncate),
        vec(any::<u8>(), 1..5).prop_map(Damage::Append),
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        vec(any::<u8>(), 0..40).prop_map(Damage::Other),
    ];
    (typed_value(), damage).prop_map(|((cql_type, value), damage)| {
        let mut bytes = encode(&cql_type, &value).unwrap();
        match damage {
            Damage::None => {}
            Damage::Truncate(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Damage::Append(more) => bytes.extend(more),
            Damage::Replace(_, _) if bytes.is_empty() => {}
            Damage::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            Damage::Other(other) => bytes = other,
        }
        (cql_type, bytes)
    })
}

#[derive(Clone, Debug)]
enum Damage {
    None,
    Truncate(prop::sample::Index),
    Append(Vec<u8>),
    Replace(prop::sample::Index, u8),
    Other(Vec<u8>),
}

/// A value of the type.
pub(crate) fn value(cql_type: &CqlType) -> BoxedStrategy<CqlValue<'static>> {
    match cql_type {
        CqlType::Frozen(inner) => value(inner),
        CqlType::List(element) => vec(nullable(element), 0..4).prop_map(CqlValue::List).boxed(),
        CqlType::Set(element) => vec(nullable(element), 0..4).prop_map(CqlValue::Set).boxed(),
        CqlType::Map(key, value) => vec((nullable(key), nullable(value)), 0..4).prop_map(CqlValue::Map).boxed(),
        CqlType::Tuple(types) => types.iter().map(nullable).collect::<Vec<_>>().prop_map(CqlValue::Tuple).boxed(),
        CqlType::Udt(udt) => udt.fields.iter().map(|(_, cql_type)| nullable(cql_type)).collect::<Vec<_>>().prop_map(CqlValue::Udt).boxed(),
        CqlType::Vector(element, dimension) => vec(value(element), usize::from(*dimension)).prop_map(CqlValue::Vector).boxed(),
        scalar => scalar_value(scalar),
    }
}

fn nullable(cql_type: &CqlType) -> BoxedStrategy<Option<CqlValue<'static>>> {
    prop_oneof![1 => Just(None), 4 => value(cql_type).prop_map(Some)].boxed()
}

fn scalar_type() -> impl Strategy<Value = CqlType> {
    prop::sample::select(vec![
        CqlType::Ascii,
        CqlType::Bigint,
        CqlType::Blob,
        CqlType::Boolean,
        CqlType::Date,
        CqlType::Decimal,
        CqlType::Double,
        CqlType::Duration,
        CqlType::Float,
        CqlType::Inet,
        CqlType::Int,
        CqlType::Smallint,
        CqlType::Text,
        CqlType::Time,
        CqlType::Timestamp,
        CqlType::Timeuuid,
        CqlType::Tinyint,
        CqlType::Uuid,
        CqlType::Varint,
    ])
}

fn scalar_value(cql_type: &CqlType) -> BoxedStrategy<CqlValue<'static>> {
    match cql_type {
        CqlType::Ascii => "[ -~]{0,8}".prop_map(|text| CqlValue::Text(Cow::Owned(text))).boxed(),
        CqlType::Text => any::<String>().prop_map(|text| CqlValue::Text(Cow::Owned(text))).boxed(),
        // Leaked, so that values borrow from nothing; tests are short.
        CqlType::Blob => vec(any::<u8>(), 0..20).prop_map(|bytes| CqlValue::Blob(bytes.leak())).boxed(),
        CqlType::Boolean => any::<bool>().prop_map(CqlValue::Boolean).boxed(),
        CqlType::Tinyint => any::<i8>().prop_map(CqlValue::Tinyint).boxed(),
        CqlType::Smallint => any::<i16>().prop_map(CqlValue::Smallint).boxed(),
        CqlType::Int => any::<i32>().prop_map(CqlValue::Int).boxed(),
        CqlType::Bigint => any::<i64>().prop_map(CqlValue::Bigint).boxed(),
        CqlType::Float => float().prop_map(|number| CqlValue::Float(number as f32)).boxed(),
        CqlType::Double => float().prop_map(CqlValue::Double).boxed(),
        CqlType::Timestamp => any::<i64>().prop_map(CqlValue::Timestamp).boxed(),
        CqlType::Date => any::<i32>().prop_map(CqlValue::Date).boxed(),
        CqlType::Time => (0..86_400_000_000_000_i64).prop_map(CqlValue::Time).boxed(),
        CqlType::Duration => duration(),
        CqlType::Uuid => any::<u128>().prop_map(|bits| CqlValue::Uuid(Uuid::from_u128(bits))).boxed(),
        CqlType::Timeuuid => any::<u128>().prop_map(|bits| CqlValue::Uuid(version_1(bits))).boxed(),
        CqlType::Inet => any::<std::net::IpAddr>().prop_map(|address| CqlValue::Inet(address.to_canonical())).boxed(),
        CqlType::Varint => big_integer().prop_map(CqlValue::Varint).boxed(),
        CqlType::Decimal => (big_integer(), any::<i32>()).prop_map(|(unscaled, scale)| CqlValue::Decimal { unscaled, scale }).boxed(),
        CqlType::Counter => vec(shard(), 0..4).prop_map(CqlValue::Counter).boxed(),
        _ => Just(CqlValue::Empty).boxed(),
    }
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![8 => any::<f64>(), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(-0.0)]
}

fn duration() -> BoxedStrategy<CqlValue<'static>> {
    (0..=i32::MAX, 0..=i32::MAX, 0..=i64::MAX, prop::sample::select(vec![-1_i32, 1]))
        .prop_map(|(months, days, nanos, sign)| CqlValue::Duration {
            months: months * sign,
            days: days * sign,
            nanos: nanos * i64::from(sign),
        })
        .boxed()
}

fn big_integer() -> impl Strategy<Value = BigInt> {
    prop_oneof![any::<i64>().prop_map(BigInt::from), vec(any::<u8>(), 0..24).prop_map(|bytes| BigInt::from_signed_bytes_be(&bytes))]
}

fn shard() -> impl Strategy<Value = CounterShard> {
    let kind = prop::sample::select(vec![ShardKind::Global, ShardKind::Local, ShardKind::Remote]);
    (any::<u128>(), any::<i64>(), any::<i64>(), kind).prop_map(|(id, clock, count, kind)| CounterShard {
        id: Uuid::from_u128(id),
        clock,
        count,
        kind,
    })
}

fn version_1(bits: u128) -> Uuid {
    Uuid::from_u128(bits & !(0xf << 76) | 1 << 76)
}

fn field_name() -> impl Strategy<Value = String> {
    "[a-zA-Z\" ]{1,5}"
}

fn unique(fields: Vec<(String, CqlType)>) -> Vec<(String, CqlType)> {
    fields.into_iter().enumerate().map(|(index, (name, cql_type))| (format!("{name}{index}"), cql_type)).collect()
}
