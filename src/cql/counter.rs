//! Counter contexts (`CounterContext`).
//!
//! ```text
//! i16 e          number of header elements; negative marks "clear local shards"
//! e × i16        index of a local shard, or index − 32768 of a global one
//! shards         16-byte id, i64 clock, i64 count, each
//! ```

use super::{CounterShard, CqlType, ShardKind, ValueError};
use crate::codec::{self, CodecError, PResult};
use std::collections::HashMap;
use uuid::Uuid;

const SHARD: usize = 32;

/// The shards of a context.
pub(super) fn shards(cql_type: &CqlType, bytes: &[u8]) -> Result<Vec<CounterShard>, ValueError> {
    let (body, kinds) = header(bytes).map_err(|e| ValueError::codec(cql_type, e))?;
    if !body.len().is_multiple_of(SHARD) {
        let found = i64::try_from(body.len()).unwrap_or(i64::MAX);
        return Err(ValueError::invalid(cql_type, "length of the shards", "a multiple of 32", found));
    }
    let mut shards = Vec::with_capacity(body.len() / SHARD);
    let mut rest = body;
    while !rest.is_empty() {
        let kind = kinds.get(&shards.len()).copied().unwrap_or(ShardKind::Remote);
        let (tail, shard) = shard(rest, kind).map_err(|e| ValueError::codec(cql_type, e))?;
        shards.push(shard);
        rest = tail;
    }
    Ok(shards)
}

/// The sum over the shards, wrapping as Cassandra's does (`CounterContext.total`).
pub fn total(shards: &[CounterShard]) -> i64 {
    shards.iter().fold(0, |sum, shard| sum.wrapping_add(shard.count))
}

/// Appends the context of `shards`.
///
/// # Errors
/// If a marked shard's index does not fit into 15 bits.
pub(super) fn put(cql_type: &CqlType, shards: &[CounterShard], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let marked = shards.iter().enumerate().filter(|(_, shard)| shard.kind != ShardKind::Remote);
    let count = marked.clone().count();
    let too_many = |n: usize| ValueError::invalid(cql_type, "number of shards", "at most 32767", i64::try_from(n).unwrap_or(i64::MAX));
    out.extend(i16::try_from(count).map_err(|_| too_many(count))?.to_be_bytes());
    for (index, shard) in marked {
        let index = i16::try_from(index).map_err(|_| too_many(index))?;
        let element = if shard.kind == ShardKind::Global { index.wrapping_add(i16::MIN) } else { index };
        out.extend(element.to_be_bytes());
    }
    for shard in shards {
        out.extend(shard.id.as_bytes());
        out.extend(shard.clock.to_be_bytes());
        out.extend(shard.count.to_be_bytes());
    }
    Ok(())
}

/// Which shards, by index, the header marks as what.
fn header(bytes: &[u8]) -> PResult<'_, HashMap<usize, ShardKind>> {
    let (mut rest, count) = codec::be_i16(bytes)?;
    let count = count.unsigned_abs();
    if rest.len() < usize::from(count) * 2 {
        return Err(CodecError::truncated(rest, "counter header", u64::from(count) * 2));
    }
    let mut kinds = HashMap::with_capacity(usize::from(count));
    for _ in 0..count {
        let (tail, element) = codec::be_i16(rest)?;
        let kind = if element < 0 { ShardKind::Global } else { ShardKind::Local };
        kinds.insert(usize::from(element as u16 & 0x7fff), kind);
        rest = tail;
    }
    Ok((rest, kinds))
}

fn shard(input: &[u8], kind: ShardKind) -> PResult<'_, CounterShard> {
    let (rest, id) = codec::take(input, 16, "counter id")?;
    let (rest, clock) = codec::be_i64(rest)?;
    let (rest, count) = codec::be_i64(rest)?;
    let id = Uuid::from_slice(id).unwrap_or_default();
    Ok((rest, CounterShard { id, clock, count, kind }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::text::tests::unhex;

    #[test]
    fn the_leaders_shard_is_global() {
        let bytes = unhex("00018000816ef9acc7214521a9197412b0306cad000660e014722e40fffffffffffffffc");

        let shards = shards(&CqlType::Counter, &bytes).unwrap();

        assert_eq!(shards.len(), 1);
        assert_eq!(shards[0].id.to_string(), "816ef9ac-c721-4521-a919-7412b0306cad");
        assert_eq!((shards[0].clock, shards[0].count, shards[0].kind), (0x000660e014722e40, -4, ShardKind::Global));
        assert_eq!(total(&shards), -4);
    }

    #[test]
    fn a_header_tells_local_global_and_remote_shards_apart() {
        let mut bytes = unhex("000200008002");
        for count in 1..=3_i64 {
            bytes.extend([0; 24]);
            bytes.extend(count.to_be_bytes());
        }

        let shards = shards(&CqlType::Counter, &bytes).unwrap();

        let kinds: Vec<_> = shards.iter().map(|shard| shard.kind).collect();
        assert_eq!(kinds, [ShardKind::Local, ShardKind::Remote, ShardKind::Global]);
        assert_eq!(total(&shards), 6);
        let mut again = Vec::new();
        put(&CqlType::Counter, &shards, &mut again).unwrap();
        assert_eq!(again, bytes);
    }

    #[test]
    fn the_mark_to_clear_local_shards_is_not_a_length() {
        let bytes = [unhex("ffff8000"), vec![0; 24], 5_i64.to_be_bytes().to_vec()].concat();

        assert_eq!(total(&shards(&CqlType::Counter, &bytes).unwrap()), 5);
    }

    #[test]
    fn half_a_shard_is_refused() {
        assert!(shards(&CqlType::Counter, &[0, 0, 1]).is_err());
        assert!(shards(&CqlType::Counter, &[0x7f, 0xff, 1]).is_err());
        assert!(shards(&CqlType::Counter, &[0]).is_err());
    }
}
