//! What waits behind what: by partition key, and by table.

use crate::codec;
use crate::schema::TableId;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// Keys and tables that something waits for, so that everything later of them waits too.
///
/// Keys are remembered by a hash: two keys of one hash wait for each other, which delays and never reorders.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    keys: HashSet<u64>,
    tables: HashSet<TableId>,
    hasher: RandomState,
}

impl Blocks {
    /// The number that stands for the partition key of a serialized mutation; 0 if it has none.
    pub fn key(&self, body: &[u8]) -> u64 {
        partition_key(body).map_or(0, |key| self.hasher.hash_one(key))
    }

    /// Everything later of the key, and of the table, waits.
    pub fn add(&mut self, key: u64, table: Option<TableId>) {
        self.keys.insert(key);
        self.tables.extend(table);
    }

    /// Nothing waits.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.tables.clear();
    }

    /// Whether an entry of this key has to wait.
    pub fn blocks_key(&self, key: u64) -> bool {
        self.keys.contains(&key)
    }

    /// Whether an update of this table has to wait.
    pub fn blocks_table(&self, table: TableId) -> bool {
        self.tables.contains(&table)
    }

    /// The tables that something waits for.
    pub fn tables(&self) -> impl Iterator<Item = TableId> {
        self.tables.iter().copied()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// The key of the partition that a serialized mutation writes to. It stands before anything that needs a schema, and all updates of a
/// mutation are of one key (`db.Mutation.key`).
pub fn partition_key(body: &[u8]) -> Option<&[u8]> {
    let (rest, _) = codec::unsigned_vint32(body).ok()?;
    let (_, key) = codec::vint_bytes(rest.get(16..)?, "partition key").ok()?;
    Some(key)
}

/// The table of a serialized mutation's first update.
pub fn first_table(body: &[u8]) -> Option<TableId> {
    let (rest, _) = codec::unsigned_vint32(body).ok()?;
    let id: [u8; 16] = rest.get(..16)?.try_into().ok()?;
    Some(TableId(uuid::Uuid::from_bytes(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_without_a_schema() {
        let mut body = vec![1];
        body.extend([7; 16]);
        body.extend([3, b'a', b'b', b'c', 0x99]);

        assert_eq!(partition_key(&body), Some(&b"abc"[..]));
        assert_eq!(first_table(&body), Some(TableId(uuid::Uuid::from_bytes([7; 16]))));
        assert_eq!(partition_key(&body[..19]), None);
        assert_eq!(partition_key(&[]), None);
    }

    #[test]
    fn later_entries_of_a_key_or_table_wait() {
        let mut blocks = Blocks::default();
        let table = TableId(uuid::Uuid::from_u128(7));

        blocks.add(11, Some(table));

        assert!(blocks.blocks_key(11) && !blocks.blocks_key(12) && blocks.blocks_table(table));
        blocks.clear();
        assert!(blocks.is_empty() && !blocks.blocks_key(11) && !blocks.blocks_table(table));
    }
}
