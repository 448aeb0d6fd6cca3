//! The order in which a reader hands out the updates of one mutation.

use super::Release;
use crate::mutation::{Mutation, PartitionUpdate};
use crate::schema::TableId;

/// The updates of a mutation as the reader of `release` iterates over them.
///
/// From 4.0 on that is the order of the bytes. 3.x puts them into a `HashMap` by table id first (`Mutation.MutationSerializer.
/// deserialize`, `new HashMap<>(size)`), whose order is not that of the writer's map, which is what the bytes have.
pub fn updates<'m, 'a>(release: Release, mutation: &'m Mutation<'a>) -> Vec<&'m PartitionUpdate<'a>> {
    let mut updates: Vec<_> = mutation.updates.iter().collect();
    if release == Release::Cassandra3 {
        let buckets = buckets(updates.len());
        // A bucket keeps the order in which it was filled, and so does a stable sort.
        updates.sort_by_key(|update| hash(update.table.id) & (buckets - 1));
    }
    updates
}

/// How many buckets `new HashMap<>(size)` has after as many entries were put: it doubles when it is filled beyond three quarters.
fn buckets(size: usize) -> u32 {
    let capacity = size.next_power_of_two();
    let buckets = if size > capacity * 3 / 4 { capacity * 2 } else { capacity };
    u32::try_from(buckets).unwrap_or(1 << 31)
}

/// `UUID.hashCode`, spread as `HashMap.hash` does.
fn hash(id: TableId) -> u32 {
    let (high, low) = id.0.as_u64_pair();
    let both = high ^ low;
    let hash = (both >> 32) as u32 ^ both as u32;
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_has_as_many_buckets_as_in_java() {
        // Read out of Java 17's `HashMap.table` after as many puts.
        let java = [2, 4, 4, 8, 8, 8, 16, 16, 16, 16, 16, 16, 32, 32, 32, 32, 32, 32, 32, 32];
        for (size, found) in (1..).zip(java) {
            assert_eq!(buckets(size), found, "{size}");
        }
    }

    #[test]
    fn a_table_id_hashes_as_in_java() {
        // `UUID.fromString("afddfb9d-bc1e-3068-8056-eed6c302ba09").hashCode()`, spread.
        let id = TableId("afddfb9d-bc1e-3068-8056-eed6c302ba09".parse().unwrap());

        assert_eq!(hash(id), 0x5097_cfbd);
    }
}
