//! Mutations built by hand, and at random, for the tests of events and envelopes.

use crate::cql::{CqlType, UserType};
use crate::mutation::*;
use crate::position::{CommitLogPosition, LogicalPosition, SegmentId};
use crate::schema::{ColumnKind, ColumnMetadata, TableId, TableKind, TableMetadata};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

/// The position of the examples.
pub fn at() -> CommitLogPosition {
    CommitLogPosition { segment: SegmentId(1759999999000), position: LogicalPosition(4711) }
}

pub fn column(name: &str, cql_type: CqlType, kind: ColumnKind) -> ColumnMetadata {
    ColumnMetadata { name: name.into(), cql_type, kind, reversed: false }
}

/// A clustering column of `int`s, greatest first.
pub fn descending(name: &str) -> ColumnMetadata {
    ColumnMetadata { reversed: true, ..column(name, CqlType::Int, ColumnKind::Clustering) }
}

/// A table of keyspace `ks`; columns of each kind in the order given.
pub fn table(name: &str, columns: &[(&str, CqlType, ColumnKind)]) -> TableMetadata {
    let of = |kind| {
        let mut columns: Vec<_> = columns.iter().filter(|it| it.2 == kind).map(|it| column(it.0, it.1.clone(), kind)).collect();
        if matches!(kind, ColumnKind::Regular | ColumnKind::Static) {
            columns.sort_by(|a, b| a.name.cmp(&b.name));
        }
        columns
    };
    TableMetadata {
        id: TableId(Uuid::from_u128(0x1234)),
        keyspace: "ks".into(),
        name: name.into(),
        kind: TableKind::Table,
        cdc: true,
        partition_key: of(ColumnKind::PartitionKey),
        clustering: of(ColumnKind::Clustering),
        statics: of(ColumnKind::Static),
        regulars: of(ColumnKind::Regular),
        dropped: Default::default(),
        version: Default::default(),
    }
}

/// `ks.t (p int, c int, note text, tags set<text>, total decimal, s text static, PRIMARY KEY (p, c))`.
pub fn ks_t() -> TableMetadata {
    table(
        "t",
        &[
            ("p", CqlType::Int, ColumnKind::PartitionKey),
            ("c", CqlType::Int, ColumnKind::Clustering),
            ("note", CqlType::Text, ColumnKind::Regular),
            ("tags", CqlType::Set(CqlType::Text.into()), ColumnKind::Regular),
            ("total", CqlType::Decimal, ColumnKind::Regular),
            ("s", CqlType::Text, ColumnKind::Static),
        ],
    )
}

pub fn addr() -> CqlType {
    let fields = vec![("street".into(), CqlType::Text), ("zip".into(), CqlType::Int)];
    CqlType::Udt(UserType { keyspace: "ks".into(), name: "addr".into(), fields }.into())
}

/// A table with a column of every type, under names that need escaping.
pub fn everything_table() -> TableMetadata {
    use CqlType::*;
    let scalars = [
        Ascii, Bigint, Blob, Boolean, Counter, Date, Decimal, Double, Duration, Empty, Float, Inet, Int, Smallint, Text, Time, Timestamp,
        Timeuuid, Tinyint, Uuid, Varint,
    ];
    let composed = [
        List(Int.into()),
        Set(Text.into()),
        Set(Double.into()),
        Map(Text.into(), Int.into()),
        Map(Int.into(), Text.into()),
        addr(),
        Frozen(addr().into()),
        Frozen(List(Varint.into()).into()),
        Frozen(Map(Inet.into(), Double.into()).into()),
        Tuple(vec![Int, Text].into()),
        Vector(Float.into(), 2),
        Vector(Text.into(), 2),
        Custom("org.example.OddType".into()),
    ];
    let mut columns = vec![
        ("a\"", Text, ColumnKind::PartitionKey),
        ("b\n", Int, ColumnKind::PartitionKey),
        ("c\u{1}", Timestamp, ColumnKind::Clustering),
        ("d\\", Text, ColumnKind::Clustering),
        ("_range_start", Text, ColumnKind::Regular),
        ("", Empty, ColumnKind::Regular),
        ("static", addr(), ColumnKind::Static),
        ("static2", Varint, ColumnKind::Static),
    ];
    let names: Vec<String> = (0..scalars.len() + composed.len()).map(|n| format!("r\"{n}")).collect();
    let types = scalars.into_iter().chain(composed);
    columns.extend(names.iter().zip(types).map(|(name, cql_type)| (name.as_str(), cql_type, ColumnKind::Regular)));
    let mut table = table("Odd \"table\"", &columns);
    table.clustering[0].reversed = true;
    table
}

pub fn mutation(updates: Vec<PartitionUpdate<'_>>) -> Mutation<'_> {
    Mutation { declared_updates: updates.len() as u32, updates, live_deletion_time: None }
}

/// An update of the partition `p = 7`.
pub fn update(table: &TableMetadata) -> PartitionUpdate<'_> {
    PartitionUpdate { table, partition_key: b"\0\0\0\x07", partition_deletion: None, static_row: None, unfiltereds: vec![] }
}

/// The serialized `int`s from 0 to 9.
pub fn int(value: u8) -> &'static [u8] {
    const INTS: [[u8; 4]; 10] = {
        let mut ints = [[0; 4]; 10];
        let mut i = 0;
        while i < 10 {
            ints[i][3] = i as u8;
            i += 1;
        }
        ints
    };
    &INTS[usize::from(value)]
}

/// A row `c = value` that says nothing.
pub fn row(c: u8) -> Row<'static> {
    Row { clustering: vec![Some(int(c))], ..Row::default() }
}

pub fn liveness(timestamp: i64) -> LivenessInfo {
    LivenessInfo { timestamp: WriteTimestamp(timestamp), expiry: None }
}

/// A deletion; its clock says 1760000000.
pub fn deletion(timestamp: i64) -> DeletionTime {
    DeletionTime { marked_for_delete_at: WriteTimestamp(timestamp), local_deletion_time: LocalDeletionTime(1_760_000_000) }
}

pub fn row_deletion(timestamp: i64) -> RowDeletion {
    RowDeletion { time: deletion(timestamp), shadowable: false }
}

pub fn marker(kind: BoundKind, c: Option<u8>, close: Option<i64>, open: Option<i64>) -> Unfiltered<'static> {
    let values = c.into_iter().map(|c| Some(int(c))).collect();
    let bound = ClusteringBound { kind, values };
    Unfiltered::RangeTombstoneMarker(RangeTombstoneMarker { bound, close: close.map(deletion), open: open.map(deletion) })
}

/// `INCL_START_BOUND` at `c`.
pub fn start(c: Option<u8>, timestamp: i64) -> Unfiltered<'static> {
    marker(BoundKind::InclStartBound, c, None, Some(timestamp))
}

/// `INCL_END_BOUND` at `c`.
pub fn end(c: Option<u8>, timestamp: i64) -> Unfiltered<'static> {
    marker(BoundKind::InclEndBound, c, Some(timestamp), None)
}

pub fn boundary(kind: BoundKind, c: u8, close: i64, open: i64) -> Unfiltered<'static> {
    marker(kind, Some(c), Some(close), Some(open))
}

/// The table's regular or static column of this name.
pub fn header<'a>(table: &'a TableMetadata, name: &str) -> HeaderColumn<'a> {
    let column = table.regulars.iter().chain(&table.statics).find(|column| column.name == name).unwrap();
    HeaderColumn { column, dropped_at_micros: None }
}

/// A live cell of a column.
pub fn cell<'a>(column: HeaderColumn<'a>, value: Option<&'a [u8]>, timestamp: i64) -> Cell<'a> {
    let local_deletion_time = if value.is_none() { Some(LocalDeletionTime(1_760_000_000)) } else { None };
    Cell { column, path: None, value, timestamp: WriteTimestamp(timestamp), ttl: None, local_deletion_time }
}

pub fn live<'a>(table: &'a TableMetadata, name: &str, value: &'a [u8], timestamp: i64) -> ColumnData<'a> {
    ColumnData::Simple(cell(header(table, name), Some(value), timestamp))
}

pub fn tombstone<'a>(table: &'a TableMetadata, name: &str, timestamp: i64) -> ColumnData<'a> {
    ColumnData::Simple(cell(header(table, name), None, timestamp))
}

/// A live cell with `ttl` seconds that expires at 1760000060.
pub fn expiring<'a>(table: &'a TableMetadata, name: &str, value: &'a [u8], timestamp: i64, ttl: u32) -> ColumnData<'a> {
    ColumnData::Simple(expire(cell(header(table, name), Some(value), timestamp), ttl))
}

pub fn expire(cell: Cell<'_>, ttl: u32) -> Cell<'_> {
    Cell { ttl: Some(Ttl(ttl)), local_deletion_time: Some(LocalDeletionTime(1_760_000_060)), ..cell }
}

/// An element: path, value (none: tombstone) and timestamp.
pub type Written<'a> = (&'a [u8], Option<&'a [u8]>, i64);

/// A complex column of these elements.
pub fn complex<'a>(table: &'a TableMetadata, name: &str, deletion: Option<DeletionTime>, cells: Vec<Written<'a>>) -> ColumnData<'a> {
    let column = header(table, name);
    let cells = cells.into_iter().map(|(path, value, timestamp)| Cell { path: Some(CellPath(path)), ..cell(column, value, timestamp) });
    ColumnData::Complex(ComplexColumnData { column, deletion, cells: cells.collect() })
}

pub fn dropped_column(name: &str, cql_type: CqlType) -> ColumnMetadata {
    column(name, cql_type, ColumnKind::Regular)
}

/// A cell of a column that the table has no more.
pub fn dropped<'a>(column: &'a ColumnMetadata, value: &'a [u8], timestamp: i64) -> ColumnData<'a> {
    ColumnData::Simple(cell(HeaderColumn { column, dropped_at_micros: Some(i64::MAX) }, Some(value), timestamp))
}

/// What an update is built from, apart from its table.
#[derive(Clone, Debug)]
pub struct UpdateShape {
    second_table: bool,
    partition_key: Vec<u8>,
    partition_deletion: Option<i64>,
    static_cells: Option<Vec<CellShape>>,
    rows: Vec<RowShape>,
    ranges: Vec<([Option<Vec<u8>>; 2], i64)>,
}

#[derive(Clone, Debug)]
struct RowShape {
    clustering: Vec<Option<Vec<u8>>>,
    liveness: Option<(i64, Option<(u32, u32)>)>,
    deletion: Option<(i64, bool)>,
    cells: Vec<CellShape>,
}

#[derive(Clone, Debug)]
struct CellShape {
    column: usize,
    path: Vec<u8>,
    value: Option<Vec<u8>>,
    timestamp: i64,
    ttl: Option<u32>,
    local_deletion_time: Option<u32>,
    complex_deletion: Option<i64>,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..24), vec(any::<u8>(), 4), vec(any::<u8>(), 8), "[a-z\"\\\\]{0,6}".prop_map(String::into_bytes)]
}

fn cell_shape() -> impl Strategy<Value = CellShape> {
    let path = prop_oneof![bytes(), vec(0_u8..3, 2), vec(any::<u8>(), 16)];
    let deletion_time = option::of(any::<u32>());
    (any::<usize>(), path, option::weighted(0.8, bytes()), any::<i64>(), option::of(any::<u32>()), deletion_time, option::of(any::<i64>()))
        .prop_map(|(column, path, value, timestamp, ttl, local_deletion_time, complex_deletion)| CellShape {
            column,
            path,
            value,
            timestamp,
            ttl,
            local_deletion_time,
            complex_deletion,
        })
}

fn row_shape() -> impl Strategy<Value = RowShape> {
    let clustering = vec(option::weighted(0.9, bytes()), 0..4);
    let liveness = option::of((any::<i64>(), option::of(any::<(u32, u32)>())));
    (clustering, liveness, option::of(any::<(i64, bool)>()), vec(cell_shape(), 0..6))
        .prop_map(|(clustering, liveness, deletion, cells)| RowShape { clustering, liveness, deletion, cells })
}

/// Updates of two tables with values that can be anything.
pub fn mutation_shapes() -> impl Strategy<Value = Vec<UpdateShape>> {
    let composite = "[a-z]{0,9}".prop_map(|a| [&[0, a.len() as u8], a.as_bytes(), &[0, 0, 4, 0, 0, 0, 9, 0]].concat());
    let key = prop_oneof![bytes(), composite];
    let ranges = vec((any::<[Option<Vec<u8>>; 2]>(), any::<i64>()), 0..3);
    let update = (any::<bool>(), key, option::of(any::<i64>()), option::of(vec(cell_shape(), 0..3)), vec(row_shape(), 0..4), ranges);
    let update = update.prop_map(|(second_table, partition_key, partition_deletion, static_cells, rows, ranges)| UpdateShape {
        second_table,
        partition_key,
        partition_deletion,
        static_cells,
        rows,
        ranges,
    });
    vec(update, 0..4)
}

/// The same shapes with other values: each byte of a value, a path or a key of one column is another.
#[cfg(feature = "agent")]
pub fn with_other_values(shapes: &[UpdateShape]) -> Vec<UpdateShape> {
    let other = |bytes: &mut Vec<u8>| bytes.iter_mut().for_each(|byte| *byte ^= 0x15);
    let mut shapes = shapes.to_vec();
    for shape in &mut shapes {
        // Of several columns the bytes say how long each is.
        if !shape.second_table {
            other(&mut shape.partition_key);
        }
        shape.ranges.iter_mut().flat_map(|(values, _)| values.iter_mut().flatten()).for_each(other);
        shape.rows.iter_mut().flat_map(|row| row.clustering.iter_mut().flatten()).for_each(other);
        let cells = shape.rows.iter_mut().flat_map(|row| &mut row.cells).chain(shape.static_cells.iter_mut().flatten());
        for cell in cells {
            other(&mut cell.path);
            cell.value.iter_mut().for_each(other);
        }
    }
    shapes
}

/// The mutation of these shapes. With `dropped_at`, every column has been dropped then.
pub fn build<'a>(shapes: &'a [UpdateShape], tables: &'a [TableMetadata; 2], dropped_at: Option<i64>) -> Mutation<'a> {
    let updates = shapes.iter().map(|shape| {
        let table = &tables[usize::from(shape.second_table)];
        let rows = shape.rows.iter().map(|row| {
            let row = Row {
                clustering: row.clustering.iter().map(Option::as_deref).collect(),
                liveness: row.liveness.map(|(timestamp, expiry)| LivenessInfo {
                    timestamp: WriteTimestamp(timestamp),
                    expiry: expiry.map(|(ttl, expires)| (Ttl(ttl), LocalDeletionTime(expires))),
                }),
                deletion: row.deletion.map(|(timestamp, shadowable)| RowDeletion { time: deletion(timestamp), shadowable }),
                columns: build_columns(&row.cells, &table.regulars, dropped_at),
            };
            Unfiltered::Row(row)
        });
        let markers = shape.ranges.iter().flat_map(|(values, timestamp)| {
            let [start, end] = values.each_ref().map(|value| value.iter().map(|value| Some(value.as_slice())).collect());
            let start = ClusteringBound { kind: BoundKind::ExclStartBound, values: start };
            let end = ClusteringBound { kind: BoundKind::ExclEndBound, values: end };
            let open = RangeTombstoneMarker { bound: start, close: None, open: Some(deletion(*timestamp)) };
            let close = RangeTombstoneMarker { bound: end, close: Some(deletion(*timestamp)), open: None };
            [open, close].map(Unfiltered::RangeTombstoneMarker)
        });
        PartitionUpdate {
            table,
            partition_key: &shape.partition_key,
            partition_deletion: shape.partition_deletion.map(deletion),
            static_row: shape
                .static_cells
                .as_ref()
                .map(|cells| Row { columns: build_columns(cells, &table.statics, dropped_at), ..Row::default() }),
            unfiltereds: markers.chain(rows).collect(),
        }
    });
    mutation(updates.collect())
}

fn build_columns<'a>(cells: &'a [CellShape], columns: &'a [ColumnMetadata], dropped_at: Option<i64>) -> Vec<ColumnData<'a>> {
    let mut picked = std::collections::BTreeMap::new();
    for shape in cells {
        let column = HeaderColumn { column: &columns[shape.column % columns.len()], dropped_at_micros: dropped_at };
        let cell = Cell {
            column,
            path: column.column.cql_type.is_multi_cell().then_some(CellPath(&shape.path)),
            value: shape.value.as_deref(),
            timestamp: WriteTimestamp(shape.timestamp),
            ttl: shape.ttl.map(Ttl),
            local_deletion_time: shape.local_deletion_time.map(LocalDeletionTime),
        };
        let data = if column.column.cql_type.is_multi_cell() {
            ColumnData::Complex(ComplexColumnData { column, deletion: shape.complex_deletion.map(deletion), cells: vec![cell] })
        } else {
            ColumnData::Simple(cell)
        };
        picked.insert(&column.column.name, data);
    }
    picked.into_values().collect()
}
