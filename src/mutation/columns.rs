//! Which of the header's columns a row has (`Columns.Serializer.deserializeSubset`).
//!
//! Below 64 columns a bitmap of the *missing* ones. From 64 on the number of missing ones, then the indexes of
//! whichever list is shorter, present or missing.

use super::types::HeaderColumn;
use crate::codec::{self, CodecError, PResult};

/// The columns of `all` that the row has, in their order.
pub fn subset<'a, 'c>(input: &'a [u8], all: &[HeaderColumn<'c>]) -> PResult<'a, Vec<HeaderColumn<'c>>> {
    let (rest, encoded) = codec::unsigned_vint(input)?;
    if encoded == 0 {
        return Ok((rest, all.to_vec()));
    }
    if all.len() < 64 {
        return bitmap(input, rest, encoded, all);
    }
    let missing = usize::try_from(encoded).ok().filter(|missing| *missing <= all.len());
    let missing =
        missing.ok_or_else(|| CodecError::invalid(input, "number of missing columns", "at most the header's columns", encoded as i64))?;
    let present = all.len() - missing;
    if present < all.len() / 2 {
        let (rest, indexes) = indexes(rest, present, all.len())?;
        return Ok((rest, indexes.iter().filter_map(|index| all.get(*index).copied()).collect()));
    }
    let (rest, indexes) = indexes(rest, missing, all.len())?;
    let mut skip = indexes.iter().peekable();
    let columns = all.iter().enumerate().filter(|(index, _)| skip.next_if_eq(&index).is_none()).map(|(_, column)| *column).collect();
    Ok((rest, columns))
}

fn bitmap<'a, 'c>(input: &'a [u8], rest: &'a [u8], missing: u64, all: &[HeaderColumn<'c>]) -> PResult<'a, Vec<HeaderColumn<'c>>> {
    if missing >> all.len() != 0 {
        return Err(CodecError::invalid(input, "bitmap of missing columns", "no bits beyond the header's columns", missing as i64));
    }
    Ok((rest, all.iter().enumerate().filter(|(index, _)| missing >> index & 1 == 0).map(|(_, column)| *column).collect()))
}

fn indexes(mut input: &[u8], count: usize, limit: usize) -> PResult<'_, Vec<usize>> {
    let mut indexes: Vec<usize> = Vec::with_capacity(codec::capacity(count as u64, 1, input));
    for _ in 0..count {
        let (rest, index) = codec::unsigned_vint(input)?;
        let valid = usize::try_from(index).ok().filter(|index| *index < limit && indexes.last().is_none_or(|last| last < index));
        let Some(index) = valid else {
            return Err(CodecError::invalid(input, "column index", "ascending, below the number of columns", index as i64));
        };
        indexes.push(index);
        input = rest;
    }
    Ok((input, indexes))
}
