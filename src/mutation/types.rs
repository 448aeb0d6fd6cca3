//! The shape of a mutation, in Cassandra's words (`db.Mutation`, `db.partitions.PartitionUpdate`, `db.rows`).
//!
//! Everything borrows: values from the entry's bytes, columns and tables from the catalog.

use crate::schema::{ColumnMetadata, TableMetadata};

/// What a client wrote to one partition, possibly of several tables of one keyspace (`db.Mutation`).
#[derive(Clone, Debug, Default)]
pub struct Mutation<'a> {
    /// How many updates the entry declares. `updates` holds fewer when one of them could not be decoded.
    pub declared_updates: u32,
    /// The updates, in the order of the bytes.
    pub updates: Vec<PartitionUpdate<'a>>,
    /// What the writer put as the time of no deletion, where it had to (`DeletionTime.LIVE`): `0x7fffffff` up to 4.1, `0xffffffff`
    /// from 5.0 on, under one descriptor version. Says nothing of the data.
    pub live_deletion_time: Option<LocalDeletionTime>,
}

/// The part of a mutation that is about one table (`PartitionUpdate`): a partition key, and what was written or deleted in that partition.
#[derive(Clone, Debug)]
pub struct PartitionUpdate<'a> {
    /// The table.
    pub table: &'a TableMetadata,
    /// The partition key as it stands in the log.
    pub partition_key: &'a [u8],
    /// A deletion of the whole partition.
    pub partition_deletion: Option<DeletionTime>,
    /// The static row, if anything was written to it.
    pub static_row: Option<Row<'a>>,
    /// Rows and range tombstone markers in clustering order.
    pub unfiltereds: Vec<Unfiltered<'a>>,
}

/// A row or one end of a range tombstone (`db.rows.Unfiltered`).
#[derive(Clone, Debug)]
pub enum Unfiltered<'a> {
    /// A row.
    Row(Row<'a>),
    /// One end of a range tombstone, or the point where one ends and the next begins.
    RangeTombstoneMarker(RangeTombstoneMarker<'a>),
}

/// A row as it was written, which is seldom all of it: only the cells that the statement named (`db.rows.Row`).
#[derive(Clone, Debug, Default)]
pub struct Row<'a> {
    /// The clustering values; empty for the static row and for tables without clustering columns.
    pub clustering: Clustering<'a>,
    /// The row marker that an INSERT writes and an UPDATE does not.
    pub liveness: Option<LivenessInfo>,
    /// A deletion of the whole row.
    pub deletion: Option<RowDeletion>,
    /// Per column in the order of the bytes: simple columns first, then complex ones, each by name.
    pub columns: Vec<ColumnData<'a>>,
}

/// The values of the clustering columns, or of a prefix of them; `None` is null, an empty slice is empty.
pub type Clustering<'a> = Vec<Option<&'a [u8]>>;

/// What a row holds for one column (`db.rows.ColumnData`).
#[derive(Clone, Debug)]
pub enum ColumnData<'a> {
    /// A column of one cell.
    Simple(Cell<'a>),
    /// A non-frozen collection or user-defined type.
    Complex(ComplexColumnData<'a>),
}

/// The cells of a non-frozen collection or user-defined type (`ComplexColumnData`).
#[derive(Clone, Debug)]
pub struct ComplexColumnData<'a> {
    /// The column.
    pub column: HeaderColumn<'a>,
    /// A deletion of everything the column held before; an overwrite writes one just below its own timestamp.
    pub deletion: Option<DeletionTime>,
    /// Its cells, in the order of their paths.
    pub cells: Vec<Cell<'a>>,
}

/// A column as an update's header names it (`SerializationHeader.columns`).
#[derive(Clone, Copy, Debug)]
pub struct HeaderColumn<'a> {
    /// Its definition: the current one, or the dropped one if there is no current one.
    pub column: &'a ColumnMetadata,
    /// When a column of this name was dropped, in µs: what was written at or before is dropped too.
    pub dropped_at_micros: Option<i64>,
}

/// One cell: a value or a tombstone, with its write time (`db.rows.Cell`).
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// The column.
    pub column: HeaderColumn<'a>,
    /// The element's path in a complex column.
    pub path: Option<CellPath<'a>>,
    /// The serialized value. `None` for a tombstone; an empty slice is a live, empty value.
    pub value: Option<&'a [u8]>,
    /// When it was written.
    pub timestamp: WriteTimestamp,
    /// Its time to live, if it expires.
    pub ttl: Option<Ttl>,
    /// Tombstones: when it was deleted. Expiring cells: when it expires. Otherwise none.
    pub local_deletion_time: Option<LocalDeletionTime>,
}

/// Which element of a complex column a cell is (`db.rows.CellPath`): list a timeuuid, set the element, map the
/// key, user-defined type a two-byte field index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellPath<'a>(pub &'a [u8]);

/// The row marker (`db.LivenessInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivenessInfo {
    /// When the row was inserted.
    pub timestamp: WriteTimestamp,
    /// Time to live and expiry, if the row expires.
    pub expiry: Option<(Ttl, LocalDeletionTime)>,
}

/// A deletion of a partition, a row, a range or a collection (`db.DeletionTime`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletionTime {
    /// Everything written at or before this is deleted.
    pub marked_for_delete_at: WriteTimestamp,
    /// The coordinator's clock at the deletion.
    pub local_deletion_time: LocalDeletionTime,
}

/// A deletion of a row (`Row.Deletion`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowDeletion {
    /// The deletion.
    pub time: DeletionTime,
    /// Of an old materialized view: shadowed by a newer row marker.
    pub shadowable: bool,
}

/// One end of a range tombstone (`RangeTombstoneMarker`).
#[derive(Clone, Debug)]
pub struct RangeTombstoneMarker<'a> {
    /// Where in the partition.
    pub bound: ClusteringBound<'a>,
    /// The deletion of the range that ends here.
    pub close: Option<DeletionTime>,
    /// The deletion of the range that begins here.
    pub open: Option<DeletionTime>,
}

/// A bound or boundary (`ClusteringBoundOrBoundary`): a kind and a prefix of clustering values.
#[derive(Clone, Debug)]
pub struct ClusteringBound<'a> {
    /// Its kind.
    pub kind: BoundKind,
    /// The prefix; empty means before all or after all rows.
    pub values: Clustering<'a>,
}

/// Kinds of bounds, by the byte that stands in the log (`ClusteringPrefix.Kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundKind {
    /// The range ends before the prefix.
    ExclEndBound,
    /// The range begins at the prefix.
    InclStartBound,
    /// One range ends before the prefix, the next begins at it.
    ExclEndInclStartBoundary,
    /// One range ends after the prefix, the next begins after it.
    InclEndExclStartBoundary,
    /// The range ends after the prefix.
    InclEndBound,
    /// The range begins after the prefix.
    ExclStartBound,
}

/// When a cell was written, in µs since 1970; chosen by the client or coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteTimestamp(pub i64);

/// Seconds since 1970, unsigned 32 bits (to 2106): the time of a deletion or of an expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalDeletionTime(pub u32);

/// A time to live in seconds, from the write on (`Cell.ttl`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(pub u32);

impl Cell<'_> {
    /// Whether the cell deletes (`Cell.isTombstone`). An expired cell does not: expiry is for the reader to judge.
    pub fn is_tombstone(&self) -> bool {
        self.value.is_none()
    }

    /// Whether the cell was dropped with its column: Cassandra's own reader leaves such cells out.
    pub fn is_dropped(&self) -> bool {
        self.column.drops(self.timestamp)
    }
}

impl HeaderColumn<'_> {
    /// Whether what was written at `timestamp` went with a drop of the column.
    pub fn drops(&self, timestamp: WriteTimestamp) -> bool {
        self.dropped_at_micros.is_some_and(|dropped| timestamp.0 <= dropped)
    }
}

impl ColumnData<'_> {
    /// The name of the column.
    pub fn name(&self) -> &str {
        match self {
            ColumnData::Simple(cell) => &cell.column.column.name,
            ColumnData::Complex(complex) => &complex.column.column.name,
        }
    }
}

impl ComplexColumnData<'_> {
    /// Whether the deletion was dropped with its column: Cassandra's own reader leaves such deletions out.
    pub fn is_deletion_dropped(&self) -> bool {
        self.deletion.is_some_and(|deletion| self.column.drops(deletion.marked_for_delete_at))
    }
}

impl Row<'_> {
    /// Whether the row says nothing: neither marker nor deletion nor cells. Legal on the wire after a column
    /// was dropped.
    pub fn is_empty(&self) -> bool {
        self.liveness.is_none() && self.deletion.is_none() && self.columns.is_empty()
    }
}

impl BoundKind {
    /// The name that Cassandra gives it (`ClusteringPrefix.Kind`).
    pub fn name(self) -> &'static str {
        match self {
            BoundKind::ExclEndBound => "EXCL_END_BOUND",
            BoundKind::InclStartBound => "INCL_START_BOUND",
            BoundKind::ExclEndInclStartBoundary => "EXCL_END_INCL_START_BOUNDARY",
            BoundKind::InclEndExclStartBoundary => "INCL_END_EXCL_START_BOUNDARY",
            BoundKind::InclEndBound => "INCL_END_BOUND",
            BoundKind::ExclStartBound => "EXCL_START_BOUND",
        }
    }

    /// Whether a range ends here and the next begins.
    pub fn is_boundary(self) -> bool {
        matches!(self, BoundKind::ExclEndInclStartBoundary | BoundKind::InclEndExclStartBoundary)
    }

    /// For a bound: whether it starts a range.
    pub fn is_start(self) -> bool {
        matches!(self, BoundKind::InclStartBound | BoundKind::ExclStartBound)
    }

    /// The bound that closes the earlier range at a boundary; the kind itself for an end.
    pub fn closing(self) -> BoundKind {
        match self {
            BoundKind::ExclEndInclStartBoundary => BoundKind::ExclEndBound,
            BoundKind::InclEndExclStartBoundary => BoundKind::InclEndBound,
            bound => bound,
        }
    }

    /// The bound that opens the later range at a boundary; the kind itself for a start.
    pub fn opening(self) -> BoundKind {
        match self {
            BoundKind::ExclEndInclStartBoundary => BoundKind::InclStartBound,
            BoundKind::InclEndExclStartBoundary => BoundKind::ExclStartBound,
            bound => bound,
        }
    }
}
