//! The partition key's bytes, split into the values of its columns.
//!
//! ```text
//! one column       the value
//! several columns  for each: u16 length, value, 0x00
//! ```

use crate::codec::{CodecError, PResult, be_u16, take, u8};
use crate::schema::TableMetadata;

/// The values of the partition key columns, in the table's order. Joining them again gives `key`.
///
/// # Errors
/// If the table has several partition key columns and `key` is not exactly that many components.
///
/// Cassandra: `TableMetadata.partitionKeyType`, `CompositeType.split`.
pub fn split_partition_key<'a>(table: &TableMetadata, key: &'a [u8]) -> Result<Vec<&'a [u8]>, CodecError<'a>> {
    if table.partition_key.len() == 1 {
        return Ok(vec![key]);
    }
    let mut values = Vec::with_capacity(table.partition_key.len());
    let mut rest = key;
    for _ in &table.partition_key {
        let value;
        (rest, value) = component(rest).map_err(CodecError::from_nom)?;
        values.push(value);
    }
    if rest.is_empty() {
        Ok(values)
    } else {
        let found = i64::try_from(rest.len()).unwrap_or(i64::MAX);
        Err(CodecError::from_nom(CodecError::invalid(rest, "bytes after the last partition key component", "0", found)))
    }
}

/// The key of these values, as [`split_partition_key`] takes it apart. A value of more than 65535 bytes is none and is cut.
pub fn join_partition_key(values: &[&[u8]]) -> Vec<u8> {
    if let [value] = values {
        return value.to_vec();
    }
    let mut key = Vec::new();
    for value in values {
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        key.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        key.extend_from_slice(value);
        key.push(0);
    }
    key
}

/// One component. The byte behind it is other than 0 only in the bounds of queries.
fn component(input: &[u8]) -> PResult<'_, &[u8]> {
    let (rest, length) = be_u16(input)?;
    let (rest, value) = take(rest, length.into(), "partition key component")?;
    match u8(rest)? {
        (rest, 0) => Ok((rest, value)),
        (_, found) => Err(CodecError::invalid(rest, "end of a partition key component", "0", found.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::CqlType;
    use crate::event::testing::{ks_t, table};
    use crate::schema::ColumnKind;

    fn two() -> TableMetadata {
        table("two", &[("a", CqlType::Text, ColumnKind::PartitionKey), ("b", CqlType::Int, ColumnKind::PartitionKey)])
    }

    #[test]
    fn a_single_column_takes_the_whole_key() {
        assert_eq!(split_partition_key(&ks_t(), b"\0\x02").unwrap(), [b"\0\x02"]);
        assert_eq!(split_partition_key(&ks_t(), b"").unwrap(), [b""]);
    }

    #[test]
    fn components_carry_their_length() {
        let key = b"\0\x02hi\0\0\x04\0\0\0\x07\0";

        assert_eq!(split_partition_key(&two(), key).unwrap(), [&b"hi"[..], b"\0\0\0\x07"]);
        assert_eq!(split_partition_key(&two(), b"\0\0\0\0\0\0").unwrap(), [b"", b""]);
    }

    #[test]
    fn a_key_of_another_shape_is_an_error() {
        for key in [&b""[..], b"\0\x02hi\0", b"\0\x02hi\0\0\x04\0\0", b"\0\x02hi\x01\0\0\0", b"\0\0\0\0\0\0\0", b"\0\0\0\0\0"] {
            assert!(split_partition_key(&two(), key).is_err(), "{key:?}");
        }
    }
}
