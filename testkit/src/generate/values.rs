//! Values that Cassandra could have written and whose print loses nothing.

use super::{Result, maybe, several};
use arbitrary::Unstructured;
use num_bigint::BigInt;
use ringtail::cql::{CounterShard, CqlType, CqlValue, ShardKind, encode};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use uuid::Uuid;

/// The bytes of a value of the type.
pub fn value_bytes(u: &mut Unstructured<'_>, cql_type: &CqlType) -> Result<Vec<u8>> {
    let value = value(u, cql_type)?;
    Ok(encode(cql_type, &value).expect("the value is one of the type"))
}

/// A value of the type.
pub fn value<'a>(u: &mut Unstructured<'a>, cql_type: &CqlType) -> Result<CqlValue<'a>> {
    Ok(match cql_type {
        CqlType::Frozen(inner) => value(u, inner)?,
        CqlType::List(element) => CqlValue::List(several(u, 3, |u| value(u, element).map(Some))?),
        CqlType::Set(element) => CqlValue::Set(distinct(u, element)?.into_iter().map(Some).collect()),
        CqlType::Map(key, element) => {
            let entries = distinct(u, key)?.into_iter().map(|key| Ok((Some(key), Some(value(u, element)?))));
            CqlValue::Map(entries.collect::<Result<_>>()?)
        }
        CqlType::Tuple(members) => CqlValue::Tuple(members.iter().map(|member| maybe(u, |u| value(u, member))).collect::<Result<_>>()?),
        CqlType::Udt(udt) => CqlValue::Udt(udt.fields.iter().map(|(_, field)| maybe(u, |u| value(u, field))).collect::<Result<_>>()?),
        CqlType::Vector(element, dimension) => CqlValue::Vector((0..*dimension).map(|_| value(u, element)).collect::<Result<_>>()?),
        scalar => scalar_value(u, scalar)?,
    })
}

/// Values with different bytes, as a set's elements and a map's keys are, in the order of their bytes.
fn distinct<'a>(u: &mut Unstructured<'a>, cql_type: &CqlType) -> Result<Vec<CqlValue<'a>>> {
    let values = several(u, 3, |u| value(u, cql_type))?;
    let bytes = |value: &CqlValue<'_>| encode(cql_type, value).expect("the value is one of the type");
    Ok(values.into_iter().map(|value| (bytes(&value), value)).collect::<BTreeMap<_, _>>().into_values().collect())
}

fn scalar_value<'a>(u: &mut Unstructured<'a>, cql_type: &CqlType) -> Result<CqlValue<'a>> {
    Ok(match cql_type {
        CqlType::Ascii => CqlValue::Text(Cow::Owned(some_bytes(u)?.iter().map(|byte| char::from(byte & 0x7f)).collect())),
        CqlType::Text => CqlValue::Text(Cow::Owned(String::from_utf8_lossy(some_bytes(u)?).into_owned())),
        CqlType::Blob => CqlValue::Blob(some_bytes(u)?),
        CqlType::Custom(_) => CqlValue::Custom(some_bytes(u)?),
        CqlType::Boolean => CqlValue::Boolean(u.arbitrary()?),
        CqlType::Tinyint => CqlValue::Tinyint(u.arbitrary()?),
        CqlType::Smallint => CqlValue::Smallint(u.arbitrary()?),
        CqlType::Int => CqlValue::Int(u.arbitrary()?),
        CqlType::Bigint => CqlValue::Bigint(u.arbitrary()?),
        CqlType::Float => CqlValue::Float(plain_nan(u.arbitrary::<f32>()?, f32::is_nan, f32::NAN)),
        CqlType::Double => CqlValue::Double(plain_nan(u.arbitrary::<f64>()?, f64::is_nan, f64::NAN)),
        CqlType::Timestamp => CqlValue::Timestamp(u.arbitrary()?),
        CqlType::Date => CqlValue::Date(u.arbitrary()?),
        CqlType::Time => CqlValue::Time(u.int_in_range(0..=86_399_999_999_999)?),
        CqlType::Duration => duration(u)?,
        CqlType::Uuid => CqlValue::Uuid(Uuid::from_u128(u.arbitrary()?)),
        CqlType::Timeuuid => CqlValue::Uuid(timeuuid(u)?),
        CqlType::Inet => CqlValue::Inet(u.arbitrary::<IpAddr>()?.to_canonical()),
        CqlType::Varint => CqlValue::Varint(big_integer(u)?),
        CqlType::Decimal => CqlValue::Decimal { unscaled: big_integer(u)?, scale: u.arbitrary()? },
        CqlType::Counter => CqlValue::Counter(several(u, 3, shard)?),
        _ => CqlValue::Empty,
    })
}

/// A version 1 UUID, as the path of a list's element is.
pub fn timeuuid(u: &mut Unstructured<'_>) -> Result<Uuid> {
    let bits: u128 = u.arbitrary()?;
    Ok(Uuid::from_u128(bits & !(0xf << 76) | 1 << 76))
}

fn some_bytes<'a>(u: &mut Unstructured<'a>) -> Result<&'a [u8]> {
    let length = u.int_in_range(0..=20)?.min(u.len());
    u.bytes(length)
}

fn plain_nan<T: Copy>(number: T, is_nan: impl Fn(T) -> bool, nan: T) -> T {
    if is_nan(number) { nan } else { number }
}

fn duration(u: &mut Unstructured<'_>) -> Result<CqlValue<'static>> {
    let sign = *u.choose(&[1, -1])?;
    let (months, days) = (u.int_in_range(0..=i32::MAX)? * sign, u.int_in_range(0..=i32::MAX)? * sign);
    Ok(CqlValue::Duration { months, days, nanos: u.int_in_range(0..=i64::MAX)? * i64::from(sign) })
}

fn big_integer(u: &mut Unstructured<'_>) -> Result<BigInt> {
    Ok(BigInt::from_signed_bytes_be(some_bytes(u)?))
}

fn shard(u: &mut Unstructured<'_>) -> Result<CounterShard> {
    let kind = *u.choose(&[ShardKind::Global, ShardKind::Local, ShardKind::Remote])?;
    Ok(CounterShard { id: Uuid::from_u128(u.arbitrary()?), clock: u.arbitrary()?, count: u.arbitrary()?, kind })
}
