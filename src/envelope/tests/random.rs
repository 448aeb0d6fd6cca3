//! Whatever a mutation holds, its records are well formed.

use super::*;
use crate::event::testing::*;
use crate::mutation::{BoundKind, ClusteringBound, RangeTombstoneMarker};
use crate::schema::TableMetadata;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;

/// Columns of primary key, in order.
fn key_names(table: &TableMetadata) -> Vec<&str> {
    table.partition_key.iter().chain(&table.clustering).map(|column| column.name.as_str()).collect()
}

proptest! {
#[test]
fn records_are_valid_json_with_every_column(shapes in mutation_shapes(), dropped_at in proptest::option::of(any::<i64>())) {
    let tables = [ks_t(), everything_table()];
    let mutation = build(&shapes, &tables, dropped_at);
    let projection = project(at(), &mutation).unwrap();
    let mut envelope = envelope();

    for event in &projection.events {
        let record = envelope.encode(event, FILE, TS_MS).unwrap().remove(0);
        let key: serde_json::Map<String, Value> = serde_json::from_slice(&record.key).unwrap();
        let value: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();

        let table = event.update.table;
        prop_assert_eq!(key.len(), key_names(table).len());
        prop_assert!(key_names(table).iter().all(|name| key.contains_key(*name)));
        let after = value["after"].as_object().unwrap();
        let columns = table.columns().map(|column| column.name.as_str());
        let expected: BTreeSet<_> = columns.chain(["_range_start", "_range_end"]).collect();
        prop_assert_eq!(after.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);
        prop_assert_eq!(&value["ringtail"]["id"], &Value::from(format!("n1/1759999999000/4711/{}", event.ordinal)));
    }
}

#[test]
fn encoding_twice_gives_the_same_bytes(shapes in mutation_shapes()) {
    let tables = [ks_t(), everything_table()];
    let mutation = build(&shapes, &tables, None);

    prop_assert_eq!(records(&mutation), records(&mutation));
}}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn different_bytes_give_different_events((one, two) in two_values()) {
        let tables = [ks_t(), everything_table()];
        for table in &tables {
            for place in 0..places(table) {
                let (one, two) = (with_bytes(table, place, &one), with_bytes(table, place, &two));
                prop_assert_ne!(encoded(one), encoded(two), "place {}", place);
            }
        }
    }
}

/// Two values that differ, often in a way that a printed form could hide.
fn two_values() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        proptest::collection::vec(0_u8..3, 0..20),
        proptest::collection::vec(any::<u8>(), 4),
        proptest::collection::vec(any::<u8>(), 8),
        proptest::collection::vec(any::<u8>(), 16),
    ];
    (bytes, any::<proptest::sample::Index>(), 0..5, any::<u8>()).prop_filter_map("equal", |(one, at, how, byte)| {
        let mut two = one.clone();
        match how {
            0 => two.push(byte % 2),
            1 => two.insert(0, byte % 2),
            2 => two.insert(0, 0xff),
            3 if !two.is_empty() => two[at.index(one.len())] = byte,
            _ => two.truncate(byte.into()),
        }
        (one != two).then_some((one, two))
    })
}

/// Where bytes can stand in an update of a table: as a value of a column, as a path of a complex one, as a value of the
/// first clustering column, as the partition key, in a bound.
fn places(table: &TableMetadata) -> usize {
    2 * table.regulars.len() + 3
}

fn with_bytes<'a>(table: &'a TableMetadata, place: usize, bytes: &'a [u8]) -> PartitionUpdate<'a> {
    let clustering = || vec![Some(int(1)); table.clustering.len()];
    let row = |columns, clustering| vec![Unfiltered::Row(Row { liveness: Some(liveness(1)), columns, clustering, deletion: None })];
    let columns = 2 * table.regulars.len();
    let (partition_key, unfiltereds) = if let Some(column) = table.regulars.get(place / 2) {
        let data = match (column.cql_type.is_multi_cell(), place % 2) {
            (false, _) => live(table, &column.name, bytes, 1),
            (true, 0) => complex(table, &column.name, None, vec![(&[0, 1], Some(bytes), 1)]),
            (true, _) => complex(table, &column.name, None, vec![(bytes, Some(b""), 1)]),
        };
        (int(1), row(vec![data], clustering()))
    } else if place == columns {
        (bytes, row(vec![], clustering()))
    } else if place == columns + 1 {
        (int(1), row(vec![], [vec![Some(bytes)], clustering()].concat()))
    } else {
        let bound = |kind| ClusteringBound { kind, values: vec![Some(bytes)] };
        let open = RangeTombstoneMarker { bound: bound(BoundKind::InclStartBound), close: None, open: Some(deletion(1)) };
        let close = RangeTombstoneMarker { bound: bound(BoundKind::ExclEndBound), close: Some(deletion(1)), open: None };
        (int(1), [open, close].map(Unfiltered::RangeTombstoneMarker).into())
    };
    PartitionUpdate { partition_key, unfiltereds, ..update(table) }
}
