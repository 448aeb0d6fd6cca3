//! Bytes that Cassandra 5.0.9 wrote, against the encoder and the decoder alike. Where only a part was recorded (markers, subsets,
//! the negative timestamp), the update around it is the plainest one.

use ringtail::cql::CqlType;
use ringtail::mutation::{self, BoundKind, DeletionTime, LivenessInfo, LocalDeletionTime, WriteTimestamp};
use ringtail::schema::{Catalog, ColumnKind, ColumnMetadata, TableId, TableKind, TableMetadata};
use ringtail_testkit::described::{Cell, Column, ColumnData, Header, Marker, Mutation, PartitionUpdate, Row, Unfiltered};
use ringtail_testkit::encode::{self, NO_STATS, Release};
use ringtail_testkit::segment::frame;
use uuid::Uuid;

/// 1700000000 s, in µs.
const AT: i64 = 1_700_000_000_000_000;
const TABLE: TableId = TableId(Uuid::from_u128(0x1000_8000_0000_0000_0001));

fn column(kind: ColumnKind, name: &str, cql_type: CqlType) -> ColumnMetadata {
    ColumnMetadata { name: name.into(), cql_type, kind, reversed: kind == ColumnKind::Clustering }
}

/// `pk int, c int DESC, s text static, a int, d date, m map<int,int>, n list<int>, vec vector<float,2>`.
fn catalog() -> Catalog {
    let regular = |name, cql_type| column(ColumnKind::Regular, name, cql_type);
    let mut catalog = Catalog::new();
    catalog.insert(TableMetadata {
        id: TABLE,
        keyspace: "ks".into(),
        name: "t".into(),
        kind: TableKind::Table,
        cdc: true,
        partition_key: vec![column(ColumnKind::PartitionKey, "pk", CqlType::Int)],
        clustering: vec![column(ColumnKind::Clustering, "c", CqlType::Int)],
        statics: vec![column(ColumnKind::Static, "s", CqlType::Text)],
        regulars: vec![
            regular("a", CqlType::Int),
            regular("d", CqlType::Date),
            regular("m", CqlType::Map(CqlType::Int.into(), CqlType::Int.into())),
            regular("n", CqlType::List(CqlType::Int.into())),
            regular("vec", CqlType::Vector(CqlType::Float.into(), 2)),
        ],
        dropped: Default::default(),
        version: Default::default(),
    });
    catalog
}

fn update() -> PartitionUpdate {
    PartitionUpdate {
        table: TABLE,
        partition_key: vec![0, 0, 0, 7],
        partition_deletion: None,
        static_row: None,
        unfiltereds: Vec::new(),
        header: Header { stats: Some(NO_STATS), more_columns: Vec::new() },
    }
}

fn deletion(timestamp: i64, local_deletion_time: u32) -> DeletionTime {
    DeletionTime { marked_for_delete_at: WriteTimestamp(timestamp), local_deletion_time: LocalDeletionTime(local_deletion_time) }
}

/// Hex with spaces and line breaks.
fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Encoding gives the bytes, and decoding the bytes the description.
fn assert_both_ways(update: PartitionUpdate, release: Release, recorded: &[u8]) {
    let (described, catalog) = (Mutation { updates: vec![update] }, catalog());

    assert_eq!(hex(&encode::mutation(&described, &catalog, release)), hex(recorded));
    let decoded = mutation::decode(recorded, &catalog).unwrap();
    assert_eq!(Mutation::of(&decoded), described.content());
}

#[test]
fn a_partition_deletion_in_its_entry() {
    let recorded = unhex(
        "00000028 14f177e6 01 00000000000010008000000000000001 04 00000007 14 00 00 00 00
         fce9d96a43c000 ef535700 00 01 5e475612",
    );

    assert_both_ways(
        PartitionUpdate { partition_deletion: Some(deletion(AT, 1_700_000_000)), ..update() },
        Release::V5,
        &recorded[8..recorded.len() - 4],
    );
    assert_eq!(hex(&frame(&recorded[8..recorded.len() - 4])), hex(&recorded));
}

fn everything() -> PartitionUpdate {
    let simple = |name: &str, cell| Column { name: name.into(), data: ColumnData::Simple(cell) };
    let complex = |name: &str, deletion, cells| Column { name: name.into(), data: ColumnData::Complex { deletion, cells } };
    let path = unhex("50554d6e29bb11e5b345feff819cdc9f");
    let row = Row {
        clustering: vec![Some(vec![0, 0, 0, 5])],
        liveness: Some(LivenessInfo { timestamp: WriteTimestamp(AT), expiry: None }),
        deletion: None,
        columns: vec![
            simple("a", Cell::live(&[0, 0, 0, 3], AT).expiring(600, 1_700_000_600)),
            simple("d", Cell::live(&[0x80, 0, 0, 0], AT)),
            complex("m", Some(deletion(AT - 1, 1_700_000_000)), vec![Cell::element(&[0, 0, 0, 1], &[0, 0, 0, 9], AT)]),
            complex("n", None, vec![Cell::element(&path, &[0, 0, 0, 8], AT)]),
            simple("vec", Cell::live(&unhex("3f80000040000000"), AT)),
        ],
    };
    PartitionUpdate { unfiltereds: vec![Unfiltered::Row(row)], ..update() }
}

/// All of it but the local deletion time of LIVE.
fn everything_recorded(live: &str) -> Vec<u8> {
    unhex(&format!(
        "01 00000000000010008000000000000001 04 00000007 10 00 00 00
         05 01 61 01 64 03 766563 01 6d 01 6e
         01
         64
         00 00000005
         fce9d96a43c000
         0a ef535958 8258 00000003
         08 04 80000000
         08 3f800000 40000000
         fce9d96a43bfff ef535700
         01 08 04 00000001 04 00000009
         ff7ffadfb552258000 {live}
         01 08 10 50554d6e29bb11e5b345feff819cdc9f 04 00000008
         01"
    ))
}

#[test]
fn a_row_with_everything_in_both_forms_of_live() {
    assert_both_ways(everything(), Release::V5, &everything_recorded("ffffffffffa9ff65ff"));
    assert_both_ways(everything(), Release::V4, &everything_recorded("f029ff65ff"));
}

#[test]
fn two_overlapping_ranges_meet_in_a_boundary() {
    let marker = |kind, c: Option<u8>, close, open| {
        Unfiltered::Marker(Marker { kind, values: c.into_iter().map(|c| Some(vec![0, 0, 0, c])).collect(), close, open })
    };
    let (first, second) = (deletion(AT, 1_700_000_000), deletion(AT + 1, 1_700_000_003));
    let unfiltereds = vec![
        marker(BoundKind::InclStartBound, Some(9), None, Some(first)),
        marker(BoundKind::ExclEndInclStartBoundary, Some(5), Some(first), Some(second)),
        marker(BoundKind::InclEndBound, None, Some(second), None),
    ];
    let recorded = unhex(
        "01 00000000000010008000000000000001 04 00000007 10 fce9d96a43c000 ef535700 00 00 00
         02 01 0001 00 00000009 00 00
         02 02 0001 00 00000005 00 00 01 03
         02 06 0000 01 03
         01",
    );

    // The minima are collected here.
    assert_both_ways(PartitionUpdate { unfiltereds, header: Header::default(), ..update() }, Release::V5, &recorded);
}

#[test]
fn a_negative_timestamp_is_a_delta_of_nine_bytes() {
    let row = Row {
        clustering: vec![Some(vec![0, 0, 0, 5])],
        columns: vec![Column { name: "a".into(), data: ColumnData::Simple(Cell::live(&[0, 0, 0, 3], -5)) }],
        ..Row::default()
    };
    let recorded = unhex(
        "01 00000000000010008000000000000001 04 00000007 10 00 00 00 01 01 61 01
         20 00 00000005 00 fffffadfb552257ffb 00000003 01",
    );

    assert_both_ways(PartitionUpdate { unfiltereds: vec![Unfiltered::Row(row)], ..update() }, Release::V4, &recorded);
}

#[test]
fn a_header_that_names_a_column_twice_is_refused() {
    let body = unhex(
        "01 00000000000010008000000000000001 04 00000007 10 00 00 00 02 01 61 01 61
         20 00 00000005 00 08 00000003 08 00000004 01",
    );

    let error = mutation::decode(&body, &catalog()).unwrap_err().error;

    assert_eq!(error.to_string(), "cannot decode ks.t at byte 29 of the mutation: invalid column name: expected each column once, found 0");
}

/// Rows of a table with `columns` regular columns of type `int`, of which they have those of `has`.
fn wide(columns: usize, has: impl Fn(usize) -> bool) -> (Catalog, Mutation) {
    let name = |index: usize| format!("v{index:02}");
    let mut catalog = Catalog::new();
    let mut table = TableMetadata::clone(self::catalog().table(TABLE).unwrap());
    table.clustering.clear();
    table.regulars = (0..columns).map(|index| column(ColumnKind::Regular, &name(index), CqlType::Int)).collect();
    catalog.insert(table);
    let cells = (0..columns).filter(|index| has(*index));
    let columns_of_row = cells.map(|index| Column { name: name(index), data: ColumnData::Simple(Cell::live(&[0, 0, 0, 1], AT)) });
    let row = Row {
        liveness: Some(LivenessInfo { timestamp: WriteTimestamp(AT), expiry: None }),
        columns: columns_of_row.collect(),
        ..Row::default()
    };
    let header = Header { stats: Some(NO_STATS), more_columns: (0..columns).map(name).collect() };
    let update = PartitionUpdate { unfiltereds: vec![Unfiltered::Row(row)], header, ..update() };
    (catalog, Mutation { updates: vec![update] })
}

#[test]
fn subsets_of_wide_rows_take_the_shorter_list() {
    // Behind the row's flags and timestamp; HAS_TIMESTAMP is 04, HAS_ALL_COLUMNS 20.
    for (columns, has, subset) in [
        (70, 0..3, "04 fce9d96a43c000 43 00 01 02"),
        (70, 0..60, "04 fce9d96a43c000 0a 3c 3d 3e 3f 40 41 42 43 44 45"),
        (70, 0..70, "24 fce9d96a43c000"),
        (3, 1..2, "04 fce9d96a43c000 05"),
    ] {
        let (catalog, described) = wide(columns, |index| has.contains(&index));

        let body = encode::mutation(&described, &catalog, Release::V5);

        // One cell is its flags and four bytes.
        let cells = [8, 0, 0, 0, 1].repeat(has.len());
        assert!(hex(&body).ends_with(&hex(&[unhex(subset), cells, vec![1]].concat())), "{columns} columns, {has:?}: {}", hex(&body));
        assert_eq!(Mutation::of(&mutation::decode(&body, &catalog).unwrap()), described.content());
    }
}
