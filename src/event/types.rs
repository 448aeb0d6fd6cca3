//! What an event says, before any output format.

use crate::mutation::{ClusteringBound, DeletionTime, PartitionUpdate, Row, RowDeletion, WriteTimestamp};
use crate::position::CommitLogPosition;

/// One change of one row, partition or range, which borrows from its mutation.
#[derive(Clone, Debug)]
pub struct ChangeEvent<'a> {
    /// The entry it came from.
    pub at: CommitLogPosition,
    /// Number of the event within the entry, from 0, over all events of all updates of the entry.
    pub ordinal: u32,
    /// Index of its partition update within the entry.
    pub update_index: u32,
    /// How many updates the entry declares.
    pub declared_updates: u32,
    /// The update it came from: table, partition key.
    pub update: &'a PartitionUpdate<'a>,
    /// When it was written, as Debezium counts it: the time of the deletion for a deleted row or range, the
    /// greatest timestamp of the update for everything else.
    pub timestamp: WriteTimestamp,
    /// What changed.
    pub change: Change<'a>,
}

/// What changed. In order within an update: partition, static row, ranges, rows.
#[derive(Clone, Debug)]
pub enum Change<'a> {
    /// The partition was deleted.
    PartitionDelete(DeletionTime),
    /// The static row was written.
    Static(&'a Row<'a>),
    /// A range of rows was deleted.
    RangeDelete(RangeTombstone<'a>),
    /// A row was deleted.
    RowDelete(&'a Row<'a>, RowDeletion),
    /// A row was inserted or updated: it has a row marker or cells.
    Row(&'a Row<'a>),
}

/// A closed range tombstone: the pair of markers (`db.RangeTombstone`). Either side can be open: then its bound has no values.
#[derive(Clone, Debug)]
pub struct RangeTombstone<'a> {
    /// Where it begins, in storage order.
    pub start: ClusteringBound<'a>,
    /// Where it ends, in storage order.
    pub end: ClusteringBound<'a>,
    /// The deletion.
    pub deletion: DeletionTime,
}

/// The operation as Debezium's Cassandra connector names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `i`: a row with a row marker.
    Insert,
    /// `u`: cells without a row marker.
    Update,
    /// `d`: a row or a partition was deleted.
    Delete,
    /// `r`: a range was deleted.
    RangeDelete,
}

impl Change<'_> {
    /// The operation it is published under, as `op`.
    pub fn operation(&self) -> Operation {
        match self {
            Change::PartitionDelete(_) | Change::RowDelete(..) => Operation::Delete,
            Change::RangeDelete(_) => Operation::RangeDelete,
            Change::Row(row) if row.liveness.is_some() => Operation::Insert,
            Change::Static(_) | Change::Row(_) => Operation::Update,
        }
    }

    /// The kind as events name it, in `ringtail.kind`: it tells a static row and the three ways of deleting apart, which `op` does not.
    pub fn kind(&self) -> &'static str {
        match self {
            Change::PartitionDelete(_) => "partition_delete",
            Change::Static(_) => "static",
            Change::RangeDelete(_) => "range_delete",
            Change::RowDelete(..) => "row_delete",
            Change::Row(_) => "row",
        }
    }
}

impl Operation {
    /// The letter of `op` in events: `i`, `u`, `d` or `r`.
    pub fn letter(self) -> &'static str {
        match self {
            Operation::Insert => "i",
            Operation::Update => "u",
            Operation::Delete => "d",
            Operation::RangeDelete => "r",
        }
    }
}
