//! Clustering values and bounds (`ClusteringPrefix.Serializer`, `ClusteringBoundOrBoundary.Serializer`).
//!
//! Values come in groups of 32: a header of two bits per value (`01` empty, `10` null, `00` present), then the values
//! that are present. A present value of a fixed-length type stands bare, any other with its length in front.

use super::types::{BoundKind, Clustering, ClusteringBound};
use crate::codec::{self, CodecError, PResult};
use crate::schema::{ColumnMetadata, TableMetadata};

const GROUP: usize = 32;

/// The clustering of a row: one value per clustering column.
pub fn clustering<'a>(input: &'a [u8], table: &TableMetadata) -> PResult<'a, Clustering<'a>> {
    prefix(input, &table.clustering)
}

/// A bound or boundary: its kind, the length of its prefix, the values.
pub fn bound<'a>(input: &'a [u8], table: &TableMetadata) -> PResult<'a, ClusteringBound<'a>> {
    let (rest, kind) = codec::u8(input)?;
    let kind = kind_of(kind).ok_or_else(|| CodecError::invalid(input, "kind of bound", "0 to 3 or 5 to 7, no clustering", kind.into()))?;
    let (rest_values, size) = codec::be_u16(rest)?;
    let columns = table
        .clustering
        .get(..usize::from(size))
        .ok_or_else(|| CodecError::invalid(rest, "size of bound", "at most the number of clustering columns", size.into()))?;
    let (input, values) = prefix(rest_values, columns)?;
    Ok((input, ClusteringBound { kind, values }))
}

fn kind_of(byte: u8) -> Option<BoundKind> {
    Some(match byte {
        0 => BoundKind::ExclEndBound,
        1 => BoundKind::InclStartBound,
        2 => BoundKind::ExclEndInclStartBoundary,
        5 => BoundKind::InclEndExclStartBoundary,
        6 => BoundKind::InclEndBound,
        7 => BoundKind::ExclStartBound,
        _ => return None,
    })
}

fn prefix<'a>(mut input: &'a [u8], columns: &[ColumnMetadata]) -> PResult<'a, Clustering<'a>> {
    let mut values = Vec::with_capacity(columns.len());
    for group in columns.chunks(GROUP) {
        let mut header;
        (input, header) = codec::unsigned_vint(input)?;
        for column in group {
            let value;
            (input, value) = match header & 0b11 {
                0b00 => present(input, column).map(|(rest, value)| (rest, Some(value)))?,
                0b01 => (input, Some(&[][..])),
                _ => (input, None),
            };
            values.push(value);
            header >>= 2;
        }
    }
    Ok((input, values))
}

fn present<'a>(input: &'a [u8], column: &ColumnMetadata) -> PResult<'a, &'a [u8]> {
    match column.cql_type.fixed_length() {
        Some(length) => codec::take(input, length as u64, "clustering value"),
        None => codec::vint_bytes(input, "clustering value"),
    }
}
