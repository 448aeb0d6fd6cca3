//! Deleted rows, partitions and ranges.

use super::*;
use crate::cql::CqlType;
use crate::event::testing::*;
use crate::mutation::{BoundKind, ClusteringBound, RangeTombstoneMarker, RowDeletion};
use crate::schema::{ColumnKind, TableMetadata};

const TS: i64 = 1_760_000_000_100_000;

#[test]
fn a_deleted_row_lists_its_regular_columns_but_not_the_static_ones() {
    let table = ks_t();
    let row = Row { deletion: Some(row_deletion(TS)), ..row(1) };

    let events = encoded(PartitionUpdate { unfiltereds: vec![Unfiltered::Row(row)], ..update(&table) });

    let expected = lines(
        r#"{"ts_ms":1760000000123,"op":"d",
            "source":{"version":"1.2.3","connector":"cassandra","name":"shop","ts_ms":1760000000100,"snapshot":"false","db":"NULL",
            "sequence":null,"ts_us":1760000000100000,"ts_ns":1760000000100000000,"cluster":"c1",
            "file":"CommitLog-7-1759999999000.log","pos":4711,"keyspace":"ks","table":"t"},
            "after":{"p":{"value":7,"deletion_ts":null,"set":true},"c":{"value":1,"deletion_ts":null,"set":true},
            "note":{"value":null,"deletion_ts":1760000000100000,"set":true},
            "tags":{"value":null,"deletion_ts":1760000000100000,"set":true},
            "total":{"value":null,"deletion_ts":1760000000100000,"set":true},
            "s":null,"_range_start":null,"_range_end":null},
            "ringtail":{"v":1,"id":"n1/1759999999000/4711/0","kind":"row_delete","n":0,"of":1,
            "table_id":"00000000-0000-0000-0000-000000001234","schema":"0000000000000000",
            "deletion":{"ts":1760000000100000,"deleted":1760000000}}}"#,
    );
    assert_eq!(events, [(r#"{"p":7,"c":1}"#.into(), expected)]);
}

#[test]
fn a_row_deleted_and_written_again_is_two_events_with_their_own_times() {
    let table = ks_t();
    let row = Row {
        deletion: Some(row_deletion(TS)),
        liveness: Some(liveness(TS + 5)),
        columns: vec![live(&table, "note", b"x", TS + 5)],
        ..row(1)
    };

    let events = encoded(PartitionUpdate { unfiltereds: vec![Unfiltered::Row(row)], ..update(&table) });

    assert_eq!(events.len(), 2);
    assert!(events[0].1.contains(r#""op":"d""#) && events[0].1.contains(r#""ts_us":1760000000100000"#));
    assert!(events[1].1.contains(r#""op":"i""#) && events[1].1.contains(r#""ts_us":1760000000100005"#));
    assert_eq!(after(&events[0].1, "note"), r#"{"value":null,"deletion_ts":1760000000100000,"set":true}"#);
    assert!(ringtail(&events[1].1).ends_with(r#""liveness":{"ts":1760000000100005}}"#));
    assert!(ringtail(&events[1].1).contains("4711/1"));
}

#[test]
fn a_shadowable_deletion_is_marked() {
    let table = ks_t();
    let row = Row { deletion: Some(RowDeletion { shadowable: true, ..row_deletion(TS) }), ..row(1) };

    let value = encoded_row(update(&table), row);

    assert!(ringtail(&value).ends_with(r#""deletion":{"ts":1760000000100000,"deleted":1760000000,"shadowable":true}}"#));
}

#[test]
fn a_deleted_partition_deletes_every_column_but_its_key() {
    let table = ks_t();

    let events = encoded(PartitionUpdate { partition_deletion: Some(deletion(TS)), ..update(&table) });

    let expected = lines(
        r#""after":{"p":{"value":7,"deletion_ts":null,"set":true},
            "c":{"value":null,"deletion_ts":1760000000100000,"set":true},
            "note":{"value":null,"deletion_ts":1760000000100000,"set":true},
            "tags":{"value":null,"deletion_ts":1760000000100000,"set":true},
            "total":{"value":null,"deletion_ts":1760000000100000,"set":true},
            "s":{"value":null,"deletion_ts":1760000000100000,"set":true},"_range_start":null,"_range_end":null},
            "ringtail":{"v":1,"id":"n1/1759999999000/4711/0","kind":"partition_delete","n":0,"of":1,
            "table_id":"00000000-0000-0000-0000-000000001234","schema":"0000000000000000",
            "deletion":{"ts":1760000000100000,"deleted":1760000000}}}"#,
    );
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].0, r#"{"p":7,"c":null}"#);
    assert!(events[0].1.contains(r#""op":"d""#) && events[0].1.ends_with(&expected), "{}", events[0].1);
}

#[test]
fn a_deleted_range_has_both_forms() {
    let table = TableMetadata { clustering: vec![descending("c")], ..ks_t() };
    let markers = vec![start(Some(9), TS), marker(BoundKind::ExclEndBound, Some(5), Some(TS), None)];

    let events = encoded(PartitionUpdate { unfiltereds: markers, ..update(&table) });

    let expected = lines(
        r#""after":{"p":{"value":7,"deletion_ts":null,"set":true},"c":null,"note":null,"tags":null,"total":null,"s":null,
            "_range_start":{"method":"INCL_START_BOUND","values":[{"name":"c","value":"9",
            "type":"org.apache.cassandra.db.marshal.ReversedType(org.apache.cassandra.db.marshal.Int32Type)"}]},
            "_range_end":{"method":"EXCL_END_BOUND","values":[{"name":"c","value":"5",
            "type":"org.apache.cassandra.db.marshal.ReversedType(org.apache.cassandra.db.marshal.Int32Type)"}]}},
            "ringtail":{"v":1,"id":"n1/1759999999000/4711/0","kind":"range_delete","n":0,"of":1,
            "table_id":"00000000-0000-0000-0000-000000001234","schema":"0000000000000000",
            "deletion":{"ts":1760000000100000,"deleted":1760000000},
            "range":{"start":{"kind":"INCL_START_BOUND","values":{"c":9}},"end":{"kind":"EXCL_END_BOUND","values":{"c":5}}}}}"#,
    );
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].0, r#"{"p":7,"c":null}"#);
    assert!(events[0].1.contains(r#""op":"r""#) && events[0].1.ends_with(&expected), "{}", events[0].1);
}

#[test]
fn an_open_side_has_no_values() {
    let table = ks_t();

    let events = encoded(PartitionUpdate { unfiltereds: vec![start(None, TS), end(Some(5), TS)], ..update(&table) });

    assert_eq!(after(&events[0].1, "_range_start"), r#"{"method":"INCL_START_BOUND","values":[]}"#);
    assert!(
        ringtail(&events[0].1)
            .ends_with(r#""range":{"start":{"kind":"INCL_START_BOUND","values":{}},"end":{"kind":"INCL_END_BOUND","values":{"c":5}}}}"#)
    );
}

#[test]
fn a_boundary_is_two_ranges_that_meet_and_ranges_come_before_rows() {
    let table = ks_t();
    let markers = vec![
        Unfiltered::Row(Row { liveness: Some(liveness(TS)), ..row(0) }),
        start(Some(1), TS),
        boundary(BoundKind::ExclEndInclStartBoundary, 3, TS, TS + 1),
        end(Some(8), TS + 1),
    ];

    let events = encoded(PartitionUpdate { unfiltereds: markers, ..update(&table) });

    let ranges: Vec<_> =
        events.iter().map(|(_, value)| ringtail(value).split_once(r#""deletion""#).map(|(_, tail)| tail.to_string())).collect();
    let one = r#":{"ts":1760000000100000,"deleted":1760000000},"range":{"start":{"kind":"INCL_START_BOUND","values":{"c":1}},"end":{"kind":"EXCL_END_BOUND","values":{"c":3}}}}"#;
    let two = r#":{"ts":1760000000100001,"deleted":1760000000},"range":{"start":{"kind":"INCL_START_BOUND","values":{"c":3}},"end":{"kind":"INCL_END_BOUND","values":{"c":8}}}}"#;
    assert_eq!(ranges, [Some(one.to_string()), Some(two.to_string()), None]);
}

#[test]
fn bounds_tell_null_and_raw_values() {
    let kind = ColumnKind::Clustering;
    let table = table("t", &[("p", CqlType::Int, ColumnKind::PartitionKey), ("c", CqlType::Int, kind), ("d", CqlType::Text, kind)]);
    let bound = |kind, values| ClusteringBound { kind, values };
    let markers = [
        RangeTombstoneMarker { bound: bound(BoundKind::InclStartBound, vec![Some(&b""[..]), None]), close: None, open: Some(deletion(TS)) },
        RangeTombstoneMarker {
            bound: bound(BoundKind::InclEndBound, vec![Some(int(1)), Some(b"\xff")]),
            close: Some(deletion(TS)),
            open: None,
        },
    ];
    let unfiltereds = markers.map(Unfiltered::RangeTombstoneMarker).into();

    let events = encoded(PartitionUpdate { unfiltereds, ..update(&table) });

    assert!(ringtail(&events[0].1).ends_with(&lines(
        r#""range":{"start":{"kind":"INCL_START_BOUND","values":{"c":null,"d":null},"raw":{"c":""}},
            "end":{"kind":"INCL_END_BOUND","values":{"c":1,"d":"�"},"raw":{"d":"ff"}}}}"#
    )));
}
