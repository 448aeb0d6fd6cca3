//! Why bytes are not a value of a type, or a value not one of a type.

use super::{CqlType, CqlValue};
use crate::codec::{CodecError, Kind};

/// Why a value could not be decoded or encoded. Never holds a value, only lengths and counts (invariant I9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The bytes are not a value of the type.
    #[error("{cql_type}: {kind}")]
    Bytes {
        /// The type, without its parameters.
        cql_type: &'static str,
        /// What was wrong, what was expected, what was found.
        kind: Kind,
    },
    /// A value of another type was given to encode.
    #[error("invalid value: expected {cql_type}, found {found}")]
    Mismatch {
        /// The type, without its parameters.
        cql_type: &'static str,
        /// The kind of value found.
        found: &'static str,
    },
}

impl ValueError {
    /// A number that the type does not allow.
    pub(super) fn invalid(cql_type: &CqlType, what: &'static str, expected: &'static str, found: i64) -> Self {
        ValueError::Bytes { cql_type: type_name(cql_type), kind: Kind::Invalid { what, expected, found } }
    }

    /// Bytes that end too early.
    pub(super) fn truncated(cql_type: &CqlType, what: &'static str, need: usize, have: usize) -> Self {
        ValueError::Bytes { cql_type: type_name(cql_type), kind: Kind::Truncated { what, need: need as u64, have: have as u64 } }
    }

    /// A failure of the codec inside a value of this type.
    pub(super) fn codec(cql_type: &CqlType, error: nom::Err<CodecError<'_>>) -> Self {
        ValueError::Bytes { cql_type: type_name(cql_type), kind: CodecError::from_nom(error).kind }
    }

    /// A value that is not one of this type.
    pub(super) fn mismatch(cql_type: &CqlType, value: &CqlValue<'_>) -> Self {
        ValueError::Mismatch { cql_type: type_name(cql_type), found: value_name(value) }
    }
}

/// How deep types may nest. Far beyond what anybody writes, far below what a stack can hold.
pub(super) const MAX_DEPTH: u32 = 64;

/// Refuses a type that nests too deep, so that recursion over types is bounded.
pub(super) fn check_depth(cql_type: &CqlType, depth: u32) -> Result<(), ValueError> {
    if depth > MAX_DEPTH {
        return Err(ValueError::invalid(cql_type, "nesting of types", "at most 64 levels", i64::from(depth)));
    }
    Ok(())
}

/// The type's name without parameters.
pub(super) fn type_name(cql_type: &CqlType) -> &'static str {
    match cql_type {
        CqlType::Ascii => "ascii",
        CqlType::Bigint => "bigint",
        CqlType::Blob => "blob",
        CqlType::Boolean => "boolean",
        CqlType::Counter => "counter",
        CqlType::Date => "date",
        CqlType::Decimal => "decimal",
        CqlType::Double => "double",
        CqlType::Duration => "duration",
        CqlType::Empty => "empty",
        CqlType::Float => "float",
        CqlType::Inet => "inet",
        CqlType::Int => "int",
        CqlType::Smallint => "smallint",
        CqlType::Text => "text",
        CqlType::Time => "time",
        CqlType::Timestamp => "timestamp",
        CqlType::Timeuuid => "timeuuid",
        CqlType::Tinyint => "tinyint",
        CqlType::Uuid => "uuid",
        CqlType::Varint => "varint",
        CqlType::List(_) => "list",
        CqlType::Set(_) => "set",
        CqlType::Map(..) => "map",
        CqlType::Tuple(_) => "tuple",
        CqlType::Udt(_) => "user-defined type",
        CqlType::Vector(..) => "vector",
        CqlType::Frozen(_) => "frozen type",
        CqlType::Custom(_) => "custom type",
    }
}

/// The kind of a value.
fn value_name(value: &CqlValue<'_>) -> &'static str {
    match value {
        CqlValue::Empty => "empty value",
        CqlValue::Text(_) => "text",
        CqlValue::Blob(_) => "blob",
        CqlValue::Boolean(_) => "boolean",
        CqlValue::Tinyint(_) => "tinyint",
        CqlValue::Smallint(_) => "smallint",
        CqlValue::Int(_) => "int",
        CqlValue::Bigint(_) => "bigint",
        CqlValue::Varint(_) => "varint",
        CqlValue::Decimal { .. } => "decimal",
        CqlValue::Float(_) => "float",
        CqlValue::Double(_) => "double",
        CqlValue::Timestamp(_) => "timestamp",
        CqlValue::Date(_) => "date",
        CqlValue::Time(_) => "time",
        CqlValue::Duration { .. } => "duration",
        CqlValue::Uuid(_) => "uuid",
        CqlValue::Inet(_) => "inet",
        CqlValue::Counter(_) => "counter",
        CqlValue::List(_) => "list",
        CqlValue::Set(_) => "set",
        CqlValue::Map(_) => "map",
        CqlValue::Tuple(_) => "tuple",
        CqlValue::Udt(_) => "user-defined type",
        CqlValue::Vector(_) => "vector",
        CqlValue::Custom(_) => "custom type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::decode;

    #[test]
    fn errors_name_type_what_expected_and_found() {
        let error = decode(&CqlType::Int, &[1, 2, 3, 4, 5]).unwrap_err();

        assert_eq!(error.to_string(), "int: invalid length: expected 4, found 5");
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let mut cql_type = CqlType::Int;
        for _ in 0..200 {
            cql_type = CqlType::Frozen(CqlType::List(cql_type.into()).into());
        }
        let bytes = [0, 0, 0, 1, 0, 0, 0, 4].repeat(200);

        assert!(decode(&cql_type, &bytes).is_err());
        assert_eq!(crate::cql::select_json(&cql_type, &bytes), None);
    }
}
