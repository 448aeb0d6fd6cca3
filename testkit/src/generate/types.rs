//! CQL types.

use super::{Result, several};
use arbitrary::Unstructured;
use ringtail::cql::{CqlType, UserType};

const SCALARS: [CqlType; 19] = [
    CqlType::Int,
    CqlType::Text,
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
    CqlType::Smallint,
    CqlType::Time,
    CqlType::Timestamp,
    CqlType::Timeuuid,
    CqlType::Tinyint,
    CqlType::Uuid,
    CqlType::Varint,
];

/// The type of a column: any but counters, which are alone in their table. Collections and user-defined types are frozen
/// or not; inside of others they always are.
pub fn cql_type(u: &mut Unstructured<'_>) -> Result<CqlType> {
    let found = nested(u, 3)?;
    Ok(match found {
        CqlType::Frozen(inner) if u.arbitrary()? => CqlType::clone(&inner),
        other => other,
    })
}

/// A type that a key column can have: frozen, and no duration, which has no order.
pub fn key_type(u: &mut Unstructured<'_>) -> Result<CqlType> {
    let found = nested(u, 1)?;
    Ok(if contains_duration(&found) { CqlType::Int } else { found })
}

fn contains_duration(cql_type: &CqlType) -> bool {
    match cql_type {
        CqlType::Duration => true,
        CqlType::Frozen(inner) | CqlType::List(inner) | CqlType::Set(inner) | CqlType::Vector(inner, _) => contains_duration(inner),
        CqlType::Map(key, value) => contains_duration(key) || contains_duration(value),
        CqlType::Tuple(members) => members.iter().any(contains_duration),
        CqlType::Udt(udt) => udt.fields.iter().any(|(_, field)| contains_duration(field)),
        _ => false,
    }
}

fn nested(u: &mut Unstructured<'_>, depth: usize) -> Result<CqlType> {
    let form = if depth == 0 { 0 } else { u.int_in_range(0..=15)? };
    Ok(match form {
        9 => CqlType::List(nested(u, depth - 1)?.into()).freeze(),
        10 => CqlType::Set(nested(u, depth - 1)?.into()).freeze(),
        11 => CqlType::Map(nested(u, depth - 1)?.into(), nested(u, depth - 1)?.into()).freeze(),
        12 => CqlType::Tuple(members(u, depth)?.into()),
        13 => {
            let fields = members(u, depth)?.into_iter().enumerate().map(|(index, field)| (format!("f\"{index}"), field)).collect();
            CqlType::Udt(UserType { keyspace: "ks".into(), name: "Type".into(), fields }.into()).freeze()
        }
        14 => CqlType::Vector(nested(u, depth - 1)?.into(), u.int_in_range(1..=3)?),
        15 => CqlType::Custom("org.acme.OddType".into()),
        _ => u.choose(&SCALARS)?.clone(),
    })
}

fn members(u: &mut Unstructured<'_>, depth: usize) -> Result<Vec<CqlType>> {
    let mut members = several(u, 2, |u| nested(u, depth - 1))?;
    members.push(nested(u, depth - 1)?);
    Ok(members)
}
