//! Rows, static rows, simple cells, headers.

use super::*;
use crate::cql::CqlType;
use crate::event::testing::*;
use crate::mutation::{ColumnData, LivenessInfo, LocalDeletionTime, Ttl, WriteTimestamp};
use crate::schema::{ColumnKind, TableMetadata};

const TS: i64 = 1_760_000_000_100_000;

/// The decimal 9.50.
const TOTAL: &[u8] = b"\0\0\0\x02\x03\xb6";

/// The table of the envelope's example.
fn example() -> TableMetadata {
    table(
        "t",
        &[
            ("p", CqlType::Int, ColumnKind::PartitionKey),
            ("c", CqlType::Int, ColumnKind::Clustering),
            ("note", CqlType::Text, ColumnKind::Regular),
            ("total", CqlType::Decimal, ColumnKind::Regular),
            ("untouched", CqlType::Text, ColumnKind::Regular),
        ],
    )
}

#[test]
fn an_insert_is_the_example_of_the_documents() {
    let table = example();
    let expiry = Some((Ttl(60), LocalDeletionTime(1_760_000_060)));
    let columns = vec![tombstone(&table, "note", TS), expiring(&table, "total", TOTAL, TS, 60)];
    let row = Row { liveness: Some(LivenessInfo { timestamp: WriteTimestamp(TS), expiry }), columns, ..row(1) };

    let events = encoded(PartitionUpdate { unfiltereds: vec![Unfiltered::Row(row)], ..update(&table) });

    let expected = lines(
        r#"{"ts_ms":1760000000123,"op":"i",
            "source":{"version":"1.2.3","connector":"cassandra","name":"shop","ts_ms":1760000000100,"snapshot":"false","db":"NULL",
            "sequence":null,"ts_us":1760000000100000,"ts_ns":1760000000100000000,"cluster":"c1",
            "file":"CommitLog-7-1759999999000.log","pos":4711,"keyspace":"ks","table":"t"},
            "after":{"p":{"value":7,"deletion_ts":null,"set":true},"c":{"value":1,"deletion_ts":null,"set":true},
            "note":{"value":null,"deletion_ts":null,"set":true,"ts":1760000000100000,"deleted":1760000000},
            "total":{"value":"9.50","deletion_ts":1760000060000000,"set":true,"ts":1760000000100000,"ttl":60,"expires":1760000060},
            "untouched":null,"_range_start":null,"_range_end":null},
            "ringtail":{"v":1,"id":"n1/1759999999000/4711/0","kind":"row","n":0,"of":1,
            "table_id":"00000000-0000-0000-0000-000000001234","schema":"0000000000000000",
            "liveness":{"ts":1760000000100000,"ttl":60,"expires":1760000060}}}"#,
    );
    assert_eq!(events, [(r#"{"p":7,"c":1}"#.into(), expected)]);
}

#[test]
fn an_update_has_no_liveness() {
    let table = example();

    let value = encoded_row(update(&table), Row { columns: vec![live(&table, "note", b"x", TS)], ..row(1) });

    assert!(value.starts_with(r#"{"ts_ms":1760000000123,"op":"u","source":{"#));
    assert_eq!(
        ringtail(&value),
        lines(
            r#"{"v":1,"id":"n1/1759999999000/4711/0","kind":"row","n":0,"of":1,
                "table_id":"00000000-0000-0000-0000-000000001234","schema":"0000000000000000"}"#
        )
    );
}

#[test]
fn a_static_row_is_its_own_event_before_the_rows() {
    let table = ks_t();
    let update = PartitionUpdate {
        static_row: Some(Row { columns: vec![live(&table, "s", b"x", TS)], ..Row::default() }),
        unfiltereds: vec![Unfiltered::Row(Row { liveness: Some(liveness(TS)), ..row(1) })],
        ..update(&table)
    };

    let events = encoded(update);

    let expected = lines(
        r#""after":{"p":{"value":7,"deletion_ts":null,"set":true},"c":null,"note":null,"tags":null,"total":null,
            "s":{"value":"x","deletion_ts":null,"set":true,"ts":1760000000100000},"_range_start":null,"_range_end":null},
            "ringtail":{"v":1,"id":"n1/1759999999000/4711/0","kind":"static","n":0,"of":1,
            "table_id":"00000000-0000-0000-0000-000000001234","schema":"0000000000000000"}}"#,
    );
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].0, r#"{"p":7,"c":null}"#);
    assert!(events[0].1.contains(r#""op":"u""#) && events[0].1.ends_with(&expected), "{}", events[0].1);
    assert_eq!(events[1].0, r#"{"p":7,"c":1}"#);
    assert_eq!(after(&events[1].1, "s"), "null");
}

#[test]
fn headers_name_the_event_and_its_entry() {
    let table = example();
    let one = || PartitionUpdate { unfiltereds: vec![Unfiltered::Row(Row { liveness: Some(liveness(TS)), ..row(1) })], ..update(&table) };

    let records = records(&mutation(vec![one(), one()]));

    let id = ("ringtail.id".into(), "n1/1759999999000/4711/1".to_string());
    assert_eq!(records[1].headers, [id, ("ringtail.batch".into(), "1759999999000:4711;1/2".into())]);
    assert_eq!(&*records[1].topic, "shop.ks.t");
    assert_eq!(records[1].partition_key, b"\0\0\0\x07");
}

#[test]
fn the_record_key_places_rows_only_where_it_is_the_partition_key() {
    let plain = table("plain", &[("p", CqlType::Int, ColumnKind::PartitionKey), ("v", CqlType::Int, ColumnKind::Regular)]);
    let row = |clustering| Unfiltered::Row(Row { liveness: Some(liveness(TS)), clustering, ..Row::default() });
    let first = |table, row| records(&mutation(vec![PartitionUpdate { unfiltereds: vec![row], ..update(table) }])).remove(0);

    assert_eq!(first(&plain, row(vec![])).partition_bytes(), br#"{"p":7}"#);
    assert_eq!(first(&example(), row(vec![Some(int(1))])).partition_bytes(), b"\0\0\0\x07");
}

#[test]
fn write_times_round_down_and_saturate() {
    let table = example();
    let source = |ts| {
        let value = encoded_row(update(&table), Row { columns: vec![live(&table, "note", b"x", ts)], ..row(1) });
        let source = serde_json::from_str::<serde_json::Value>(&value).unwrap()["source"].take();
        [source["ts_ms"].as_i64().unwrap(), source["ts_us"].as_i64().unwrap(), source["ts_ns"].as_i64().unwrap()]
    };

    assert_eq!(source(-1), [-1, -1, -1000]);
    assert_eq!(source(i64::MAX), [i64::MAX / 1000, i64::MAX, i64::MAX]);
    assert_eq!(source(i64::MIN), [i64::MIN / 1000 - 1, i64::MIN, i64::MIN]);
}

#[test]
fn an_empty_value_of_a_type_without_one_is_marked() {
    let table = ks_t();
    let cells = vec![live(&table, "note", b"", TS), live(&table, "total", b"", TS)];

    let value = encoded_row(update(&table), Row { columns: cells, ..row(1) });

    assert_eq!(after(&value, "note"), r#"{"value":"","deletion_ts":null,"set":true,"ts":1760000000100000}"#);
    assert_eq!(after(&value, "total"), r#"{"value":null,"deletion_ts":null,"set":true,"ts":1760000000100000,"empty":true}"#);
}

#[test]
fn bytes_that_the_printed_form_does_not_give_back_are_raw() {
    let table = ks_t();
    // A decimal shorter than its scale; text that is not UTF-8; then a decimal with a byte too many.
    let broken = vec![live(&table, "note", b"a\xff", TS), live(&table, "total", b"\0\0", TS)];
    let padded = vec![live(&table, "total", b"\0\0\0\x02\0\x01", TS)];

    let broken = encoded_row(update(&table), Row { columns: broken, ..row(1) });
    let padded = encoded_row(update(&table), Row { columns: padded, ..row(1) });

    assert_eq!(after(&broken, "note"), r#"{"value":"a�","deletion_ts":null,"set":true,"ts":1760000000100000,"raw":"61ff"}"#);
    assert_eq!(after(&broken, "total"), r#"{"value":null,"deletion_ts":null,"set":true,"ts":1760000000100000,"raw":"0000"}"#);
    assert_eq!(after(&padded, "total"), r#"{"value":"0.01","deletion_ts":null,"set":true,"ts":1760000000100000,"raw":"000000020001"}"#);
}

#[test]
fn a_counter_shows_its_shards_and_their_sum() {
    let kind = ColumnKind::Regular;
    let table = table("t", &[("p", CqlType::Int, ColumnKind::PartitionKey), ("n", CqlType::Counter, kind)]);
    let shard = |id: u8, clock: u8, count: u8| [&[0; 15][..], &[id], &[0; 7], &[clock], &[0; 7], &[count]].concat();
    let context = [&b"\0\x01\x80\0"[..], &shard(1, 2, 40), &shard(2, 3, 2)].concat();

    let value = encoded_row(update(&table), Row { columns: vec![live(&table, "n", &context, TS)], ..Row::default() });

    assert_eq!(
        after(&value, "n"),
        lines(
            r#"{"value":42,"deletion_ts":null,"set":true,"ts":1760000000100000,"shards":[
                {"id":"00000000-0000-0000-0000-000000000001","clock":2,"count":40,"kind":"global"},
                {"id":"00000000-0000-0000-0000-000000000002","clock":3,"count":2,"kind":"remote"}]}"#
        )
    );
}

#[test]
fn a_dropped_column_stands_behind_the_columns_of_its_kind() {
    let table = ks_t();
    let gone = dropped_column("alas", CqlType::Int);
    let row = Row { columns: vec![dropped(&gone, int(3), TS), live(&table, "note", b"x", TS)], ..row(1) };

    let value = encoded_row(update(&table), row);

    let expected = lines(
        r#""total":null,"alas":{"value":3,"deletion_ts":null,"set":true,"ts":1760000000100000,"dropped":true},
            "s":null,"_range_start":null,"_range_end":null}"#,
    );
    assert!(value.contains(&expected), "{value}");
}

#[test]
fn what_a_column_of_this_name_held_before_it_was_dropped_is_marked() {
    let table = ks_t();
    let mut cell = cell(header(&table, "note"), Some(b"x"), TS);
    cell.column.dropped_at_micros = Some(TS);

    let value = encoded_row(update(&table), Row { columns: vec![ColumnData::Simple(cell)], ..row(1) });

    assert_eq!(after(&value, "note"), r#"{"value":"x","deletion_ts":null,"set":true,"ts":1760000000100000,"dropped":true}"#);
}

#[test]
fn key_columns_tell_null_empty_and_raw_apart() {
    let kind = ColumnKind::PartitionKey;
    let clustering = ColumnKind::Clustering;
    let table = table(
        "t",
        &[("a", CqlType::Text, kind), ("b", CqlType::Int, kind), ("c", CqlType::Int, clustering), ("d", CqlType::Text, clustering)],
    );
    let row = || Row { liveness: Some(liveness(TS)), clustering: vec![Some(b""), None], ..Row::default() };
    let of = |partition_key| {
        let update = PartitionUpdate { partition_key, unfiltereds: vec![Unfiltered::Row(row())], ..update(&table) };
        encoded(update).remove(0)
    };

    let (key, value) = of(b"\0\x01x\0\0\x04\0\0\0\x07\0");
    assert_eq!(key, r#"{"a":"x","b":7,"c":null,"d":null}"#);
    assert_eq!(after(&value, "b"), r#"{"value":7,"deletion_ts":null,"set":true}"#);
    assert_eq!(after(&value, "c"), r#"{"value":null,"deletion_ts":null,"set":true,"empty":true}"#);
    assert_eq!(after(&value, "d"), r#"{"value":null,"deletion_ts":null,"set":true}"#);

    let (key, value) = of(b"\0\x01x\0\0\x04\0\0");
    assert_eq!(key, r#"{"a":null,"b":null,"c":null,"d":null}"#);
    assert_eq!(after(&value, "a"), r#"{"value":null,"deletion_ts":null,"set":true,"raw":"0001780000040000"}"#);
}

#[test]
fn a_column_called_like_our_own_member_keeps_its_place() {
    let kind = ColumnKind::Regular;
    let table = table("t", &[("p", CqlType::Int, ColumnKind::PartitionKey), ("_range_start", CqlType::Text, kind)]);
    let row = Row { columns: vec![live(&table, "_range_start", b"x", TS)], ..Row::default() };

    let value = encoded_row(update(&table), row);

    let expected = r#""_range_start":{"value":"x","deletion_ts":null,"set":true,"ts":1760000000100000},"_range_end":null},"ringtail""#;
    assert!(value.contains(expected), "{value}");
}
