//! What every sink is given.

use std::borrow::Cow;
use std::sync::Arc;

/// A topic name: letters, digits, `.`, `_` and `-`, at most 249 of them.
pub type Topic = Arc<str>;

/// One record, ready to leave: what becomes one message of Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it goes.
    pub topic: Topic,
    /// The serialized key, JSON or Avro: the primary key's columns; clustering columns are null for changes of partitions, ranges and
    /// static rows.
    pub key: Vec<u8>,
    /// The serialized value, JSON or Avro; `None` is a tombstone record.
    pub value: Option<Vec<u8>>,
    /// Headers in order, UTF-8 values: `ringtail.id` is `node/segment/position/ordinal`, `ringtail.batch` is `segment:position;n/of`.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The record's timestamp in ms since 1970; `None` is the time of produce.
    pub timestamp: Option<i64>,
    /// The Cassandra partition key as it stands in the log: what the Kafka partition is chosen by where the
    /// table has clustering columns.
    pub partition_key: Vec<u8>,
    /// The bytes whose hash chooses the Kafka partition.
    pub partition_by: PartitionBy,
}

/// Which bytes of a record choose its Kafka partition (`topics.partition_by`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionBy {
    /// The record key's bytes: what Java's default partitioner hashes.
    RecordKey,
    /// The Cassandra partition key's bytes, so that a range delete stays with the rows it covers.
    PartitionKey,
    /// What chose it before a column of the primary key was hidden: `partition_key`, which is told to nobody. No setting.
    Hidden,
}

impl Record {
    /// The bytes whose murmur2 hash chooses the partition.
    pub fn partition_bytes(&self) -> &[u8] {
        match self.partition_by {
            PartitionBy::RecordKey => &self.key,
            PartitionBy::PartitionKey | PartitionBy::Hidden => &self.partition_key,
        }
    }
}
