//! A mutation as plain owned data: what is to be written, and what was read.
//!
//! The words are those of `ringtail::mutation`; columns are names and tables ids, so that a description needs no catalog
//! to exist and two descriptions can be compared.

use ringtail::mutation::{self, BoundKind, DeletionTime, LivenessInfo, LocalDeletionTime, RowDeletion, Ttl, WriteTimestamp};
use ringtail::schema::TableId;

/// A mutation: its partition updates in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mutation {
    /// At least one.
    pub updates: Vec<PartitionUpdate>,
}

/// An update of one partition of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionUpdate {
    /// The table.
    pub table: TableId,
    /// The serialized partition key.
    pub partition_key: Vec<u8>,
    /// A deletion of the whole partition.
    pub partition_deletion: Option<DeletionTime>,
    /// The static row; one that says nothing is none.
    pub static_row: Option<Row>,
    /// Rows and markers in the order of the bytes.
    pub unfiltereds: Vec<Unfiltered>,
    /// What the header says beyond what the rows need. Not read back: [`PartitionUpdate::of`] leaves it empty.
    pub header: Header,
}

/// What a writer may choose in the header of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The minima; collected from the update when none are given.
    pub stats: Option<Stats>,
    /// Static and regular columns that the header lists although no row has them.
    pub more_columns: Vec<String>,
}

/// The bases of all deltas of an update (`EncodingStats`). They need not be true minima.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// µs since 1970.
    pub min_timestamp: i64,
    /// Seconds since 1970.
    pub min_local_deletion_time: u32,
    /// Seconds.
    pub min_ttl: u32,
}

/// A row or a range tombstone marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfiltered {
    /// A row.
    Row(Row),
    /// One end of a range tombstone, or a boundary.
    Marker(Marker),
}

/// A row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// One value per clustering column; empty in the static row.
    pub clustering: Vec<Option<Vec<u8>>>,
    /// The row marker.
    pub liveness: Option<LivenessInfo>,
    /// The row deletion.
    pub deletion: Option<RowDeletion>,
    /// The columns, each at most once.
    pub columns: Vec<Column>,
}

/// What a row holds for one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// Its cells.
    pub data: ColumnData,
}

/// The cells of one column of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnData {
    /// A column of one cell.
    Simple(Cell),
    /// A non-frozen collection or user-defined type.
    Complex {
        /// A deletion of what was there before.
        deletion: Option<DeletionTime>,
        /// The elements.
        cells: Vec<Cell>,
    },
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The element's path, in complex columns only.
    pub path: Option<Vec<u8>>,
    /// The value; none for a tombstone.
    pub value: Option<Vec<u8>>,
    /// When it was written.
    pub timestamp: WriteTimestamp,
    /// Its time to live.
    pub ttl: Option<Ttl>,
    /// Tombstones and expiring cells only.
    pub local_deletion_time: Option<LocalDeletionTime>,
}

/// A range tombstone marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Its kind.
    pub kind: BoundKind,
    /// A prefix of the clustering.
    pub values: Vec<Option<Vec<u8>>>,
    /// The deletion of the range that ends here.
    pub close: Option<DeletionTime>,
    /// The deletion of the range that begins here.
    pub open: Option<DeletionTime>,
}

impl Mutation {
    /// The description of what was decoded.
    pub fn of(mutation: &mutation::Mutation<'_>) -> Mutation {
        Mutation { updates: mutation.updates.iter().map(PartitionUpdate::of).collect() }
    }

    /// The mutation without what is not read back, to be compared with what was read.
    pub fn content(&self) -> Mutation {
        let mut mutation = self.clone();
        for update in &mut mutation.updates {
            update.header = Header::default();
            update.sort_columns();
        }
        mutation
    }
}

impl PartitionUpdate {
    /// The description of what was decoded.
    pub fn of(update: &mutation::PartitionUpdate<'_>) -> PartitionUpdate {
        let mut described = PartitionUpdate {
            table: update.table.id,
            partition_key: update.partition_key.to_vec(),
            partition_deletion: update.partition_deletion,
            static_row: update.static_row.as_ref().map(Row::of),
            unfiltereds: update.unfiltereds.iter().map(Unfiltered::of).collect(),
            header: Header::default(),
        };
        described.sort_columns();
        described
    }

    /// Every row, the static one first.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        let rows = self.unfiltereds.iter().filter_map(|unfiltered| match unfiltered {
            Unfiltered::Row(row) => Some(row),
            Unfiltered::Marker(_) => None,
        });
        self.static_row.iter().chain(rows)
    }

    /// Every range tombstone marker.
    pub fn markers(&self) -> impl Iterator<Item = &Marker> {
        self.unfiltereds.iter().filter_map(|unfiltered| match unfiltered {
            Unfiltered::Row(_) => None,
            Unfiltered::Marker(marker) => Some(marker),
        })
    }

    /// Whether nothing at all is said, which has a form of its own on the wire.
    pub fn is_empty(&self) -> bool {
        self.partition_deletion.is_none() && self.static_row.is_none() && self.unfiltereds.is_empty()
    }

    fn sort_columns(&mut self) {
        let rows = self.unfiltereds.iter_mut().filter_map(|unfiltered| match unfiltered {
            Unfiltered::Row(row) => Some(row),
            Unfiltered::Marker(_) => None,
        });
        for row in self.static_row.iter_mut().chain(rows) {
            row.columns.sort_by(|a, b| a.name.cmp(&b.name));
        }
    }
}

impl Unfiltered {
    fn of(unfiltered: &mutation::Unfiltered<'_>) -> Unfiltered {
        match unfiltered {
            mutation::Unfiltered::Row(row) => Unfiltered::Row(Row::of(row)),
            mutation::Unfiltered::RangeTombstoneMarker(marker) => Unfiltered::Marker(Marker {
                kind: marker.bound.kind,
                values: owned(&marker.bound.values),
                close: marker.close,
                open: marker.open,
            }),
        }
    }
}

impl Row {
    fn of(row: &mutation::Row<'_>) -> Row {
        Row {
            clustering: owned(&row.clustering),
            liveness: row.liveness,
            deletion: row.deletion,
            columns: row.columns.iter().map(Column::of).collect(),
        }
    }
}

impl Column {
    fn of(data: &mutation::ColumnData<'_>) -> Column {
        match data {
            mutation::ColumnData::Simple(cell) => {
                Column { name: cell.column.column.name.clone(), data: ColumnData::Simple(Cell::of(cell)) }
            }
            mutation::ColumnData::Complex(complex) => Column {
                name: complex.column.column.name.clone(),
                data: ColumnData::Complex { deletion: complex.deletion, cells: complex.cells.iter().map(Cell::of).collect() },
            },
        }
    }
}

impl ColumnData {
    /// The cells.
    pub fn cells(&self) -> &[Cell] {
        match self {
            ColumnData::Simple(cell) => std::slice::from_ref(cell),
            ColumnData::Complex { cells, .. } => cells,
        }
    }
}

impl Cell {
    fn of(cell: &mutation::Cell<'_>) -> Cell {
        Cell {
            path: cell.path.map(|path| path.0.to_vec()),
            value: cell.value.map(<[u8]>::to_vec),
            timestamp: cell.timestamp,
            ttl: cell.ttl,
            local_deletion_time: cell.local_deletion_time,
        }
    }

    /// A live cell of a simple column.
    pub fn live(value: &[u8], timestamp: i64) -> Cell {
        let timestamp = WriteTimestamp(timestamp);
        Cell { path: None, value: Some(value.to_vec()), timestamp, ttl: None, local_deletion_time: None }
    }

    /// A live element.
    pub fn element(path: &[u8], value: &[u8], timestamp: i64) -> Cell {
        Cell { path: Some(path.to_vec()), ..Cell::live(value, timestamp) }
    }

    /// The cell with a time to live.
    pub fn expiring(self, ttl: u32, expires: u32) -> Cell {
        Cell { ttl: Some(Ttl(ttl)), local_deletion_time: Some(LocalDeletionTime(expires)), ..self }
    }
}

fn owned(values: &[Option<&[u8]>]) -> Vec<Option<Vec<u8>>> {
    values.iter().map(|value| value.map(<[u8]>::to_vec)).collect()
}
