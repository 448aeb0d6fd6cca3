//! The framing inside frozen collections, tuples and vectors (`CollectionSerializer`, `TupleType.split`, `VectorType`).

use super::{CqlType, ValueError};
use crate::codec;

/// The elements of a list, set, map, tuple or user-defined type: each an i32 length, then bytes.
///
/// A negative length is null.
pub(super) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// The fields of a tuple or user-defined type: nothing stands before them.
    pub(super) fn of_tuple(bytes: &'a [u8]) -> Self {
        Elements { rest: bytes }
    }

    /// The elements of a collection, and the i32 count in front of them, which can be negative.
    pub(super) fn of_collection(cql_type: &CqlType, bytes: &'a [u8]) -> Result<(i32, Self), ValueError> {
        let (rest, count) = codec::be_i32(bytes).map_err(|e| ValueError::codec(cql_type, e))?;
        Ok((count, Elements { rest }))
    }

    /// The next element.
    pub(super) fn next(&mut self, cql_type: &CqlType) -> Result<Option<&'a [u8]>, ValueError> {
        Ok(self.next_framed(cql_type)?.1)
    }

    /// The next element and its length as it stands in the bytes.
    pub(super) fn next_framed(&mut self, cql_type: &CqlType) -> Result<(i32, Option<&'a [u8]>), ValueError> {
        let (rest, length) = codec::be_i32(self.rest).map_err(|e| ValueError::codec(cql_type, e))?;
        self.rest = rest;
        let Ok(needed) = u64::try_from(length) else { return Ok((length, None)) };
        let (rest, bytes) = codec::take(rest, needed, "element").map_err(|e| ValueError::codec(cql_type, e))?;
        self.rest = rest;
        Ok((length, Some(bytes)))
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// The elements of a vector: back to back if their type has a fixed length, else each with its length as an unsigned vint.
pub(super) struct VectorElements<'a> {
    rest: &'a [u8],
    length: Option<usize>,
}

impl<'a> VectorElements<'a> {
    /// The elements of `cql_type`, a vector of `element`.
    ///
    /// # Errors
    /// If the elements have no bytes at all: a few bytes could then claim any number of them.
    pub(super) fn new(cql_type: &CqlType, element: &CqlType, bytes: &'a [u8]) -> Result<Self, ValueError> {
        let length = element.fixed_length();
        if length == Some(0) {
            return Err(ValueError::invalid(cql_type, "element length", "at least 1", 0));
        }
        Ok(VectorElements { rest: bytes, length })
    }

    /// The fewest bytes that an element takes.
    pub(super) fn bytes_each(&self) -> usize {
        self.length.unwrap_or(1)
    }

    /// The next element.
    pub(super) fn next(&mut self, cql_type: &CqlType) -> Result<&'a [u8], ValueError> {
        let taken = match self.length {
            Some(length) => codec::take(self.rest, length as u64, "element"),
            None => codec::vint_bytes(self.rest, "element"),
        };
        let (rest, bytes) = taken.map_err(|e| ValueError::codec(cql_type, e))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}
