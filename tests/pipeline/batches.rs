//! Batches: several tables, several partitions, known and not.

use crate::log::{assert_arrived, expected_under, plain};
use crate::rig::{Rig, Setup, assert_adds_up};
use crate::support::expected::{Event, parked};
use crate::tables::{PLAIN, Write, all, entry, id, without};
use serde_json::Value;

const ID: u64 = 4000;

/// Runs a segment of these entries under a catalog that never changes.
fn run(known: &ringtail::schema::Catalog, entries: &[Vec<u8>]) -> Rig {
    let mut rig = Rig::new(Setup::default(), known);
    rig.put(ID, plain(ID, entries));
    rig.start();
    rig.settle();
    assert_eq!(rig.left(), Vec::<String>::new());
    assert_adds_up(ID, &rig.record(ID));
    rig
}

fn topics(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.topic.as_str()).collect()
}

fn batch(event: &Event) -> &str {
    std::str::from_utf8(&event.content[2]).expect("text")
}

/// A member of the events' values.
fn each(rig: &Rig, pointer: &str) -> Vec<Value> {
    let records = rig.arrived.records();
    let values = records.iter().map(|record| serde_json::from_slice::<Value>(record.value.as_deref().expect("a value")).expect("JSON"));
    values.map(|value| value.pointer(pointer).expect("the member").clone()).collect()
}

#[test]
fn batch_two_cdc_tables_gives_the_events_of_both_in_order_with_one_batch_id() {
    let rig = run(&all(), &[entry(1, 10, &[("orders", Write::Row(1)), ("items", Write::Row(2))])]);

    let events = rig.events();
    assert_eq!(topics(&events), ["shop.ks.orders", "shop.ks.items"]);
    let id = batch(&events[0]).split(';').next().expect("an id");
    assert_eq!([batch(&events[0]), batch(&events[1])], [format!("{id};0/2"), format!("{id};1/2")]);
}

#[test]
fn batch_mixed_cdc_noncdc_gives_the_part_of_the_cdc_tables_and_loses_nothing_behind_the_other() {
    let writes = [("orders", Write::Row(1)), (PLAIN, Write::Row(2)), ("items", Write::Row(3))];

    let rig = run(&all(), &[entry(1, 10, &writes), entry(1, 11, &[(PLAIN, Write::Row(4))])]);

    let events = rig.events();
    assert_eq!(topics(&events), ["shop.ks.orders", "shop.ks.items"]);
    assert!(events[1].id.ends_with("/2"), "the event of the other table has its number too: {}", events[1].id);
    assert_eq!(parked(&rig.folder("parked")).len(), 0);
    assert_eq!(rig.metric("ringtail_filtered_total{rule=\"cdc\"}"), 2);
}

#[test]
fn batch_unknown_table_id_publishes_the_known_part_and_parks_the_rest_with_its_bytes() {
    let known = without(&["items"]);
    let writes = [("orders", Write::Row(1)), ("items", Write::Row(2)), ("prices", Write::Row(3))];
    let bytes = entry(1, 10, &writes);

    let rig = run(&known, std::slice::from_ref(&bytes));

    assert_eq!(topics(&rig.events()), ["shop.ks.orders"]);
    let [(segment, position, None)] = parked(&rig.folder("parked")).into_iter().collect::<Vec<_>>()[..] else { panic!("one is parked") };
    let file = |kind: &str| std::fs::read(rig.folder("parked").join(format!("{segment}-{position}.{kind}"))).expect("a file");
    assert_eq!(file("entry"), bytes);
    let note: Value = serde_json::from_slice(&file("json")).expect("a note");
    assert_eq!((&note["first_update"], &note["class"], &note["reason"]), (&1.into(), &"waiting".into(), &"unknown_table".into()));
    assert_eq!(note["table_id"], id("items").to_string());
    assert_eq!(rig.metric("ringtail_parked{class=\"waiting\",reason=\"unknown_table\"}"), 1);
    assert_eq!(rig.metric("ringtail_parked_bytes"), bytes.len() as u64);
}

#[test]
fn batch_unlogged_multi_partition_gives_an_entry_and_its_events_per_partition() {
    let entries: Vec<Vec<u8>> = (1..=3).map(|key| entry(key, 10, &[("orders", Write::Row(1)), ("orders", Write::Row(2))])).collect();
    let bytes = plain(ID, &entries);

    let rig = run(&all(), &entries);

    assert_arrived(&rig, &expected_under(&all(), ID, &bytes).events);
    let batches: std::collections::BTreeSet<String> =
        rig.events().iter().map(|event| batch(event).split(';').next().expect("an id").to_owned()).collect();
    assert_eq!((rig.events().len(), batches.len()), (6, 3));
}

#[test]
fn batch_partition_delete_plus_rows_gives_the_deletion_and_then_the_rows() {
    let rig = run(&all(), &[entry(1, 10, &[("orders", Write::DeleteAndRow(1)), ("items", Write::DeleteAndRow(2))])]);

    assert_eq!(each(&rig, "/ringtail/kind"), ["partition_delete", "row", "partition_delete", "row"]);
    assert_eq!(each(&rig, "/op"), ["d", "i", "d", "i"]);
}
