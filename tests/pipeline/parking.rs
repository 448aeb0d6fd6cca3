//! What cannot be published is kept with its reason; the rest goes on, or stops where going on would break a promise.

use crate::log::{assert_arrived, catalog, entries, entry, expected, expected_under, plain};
use crate::rig::{Rig, Setup};
use crate::support::expected::Event;
use crate::support::node::names;
use ringtail::schema::{Catalog, TableId};
use ringtail::sink::faults::{Fault, Faults};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

const ID: u64 = 4000;

/// Ten entries, and in their middle one whose last update is of a table that the returned catalog lacks.
fn with_an_unknown_table() -> (Vec<u8>, Catalog, TableId) {
    let other = |tables: &[TableId]| tables.iter().position(|table| *table != tables[0]);
    let two = entry(|entry| !entry.published.is_empty() && other(&entry.published).is_some());
    let unknown = two.published[other(&two.published).expect("two tables")];
    let known_only =
        |frame: &Vec<u8>| !crate::log::recorded().1.iter().any(|entry| entry.frame == *frame && entry.published.contains(&unknown));
    let mut frames: Vec<Vec<u8>> = entries(30).into_iter().filter(known_only).take(10).collect();
    frames.insert(5, two.frame);
    let mut known = catalog().clone();
    known.remove(unknown);
    (plain(ID, &frames), known, unknown)
}

fn notes(rig: &Rig) -> Vec<Value> {
    let names = names(&rig.folder("parked")).into_iter().filter(|name| name.ends_with(".json"));
    names.map(|name| serde_json::from_slice(&fs::read(rig.folder("parked").join(name)).expect("a file")).expect("a note")).collect()
}

#[test]
fn an_unknown_table_is_parked_at_once_without_a_live_schema_and_the_updates_before_it_are_published() {
    let (bytes, known, unknown) = with_an_unknown_table();
    let expected = expected_under(&known, ID, &bytes);
    let mut rig = Rig::new(Setup::default(), &known);
    rig.put(ID, bytes);

    rig.start();
    rig.settle();

    assert_arrived(&rig, &expected.events);
    assert_eq!(expected.parked.len(), 1);
    let notes = notes(&rig);
    assert_eq!(notes.len(), 1);
    assert_eq!((&notes[0]["class"], &notes[0]["reason"]), (&"waiting".into(), &"unknown_table".into()));
    assert_eq!(notes[0]["table_id"], unknown.to_string());
    assert!(notes[0]["first_update"].as_u64().expect("a number") > 0, "the updates before it were published");
    assert_eq!(rig.left(), Vec::<String>::new());
    assert_eq!(rig.record(ID).bytes.logical.parked, expected.bytes[2]);
}

#[test]
fn an_unknown_table_is_waited_for_and_everything_behind_it_too() {
    let (bytes, known, _) = with_an_unknown_table();
    let schema = (true, Duration::from_secs(30));
    let mut rig = Rig::new(Setup { schema, ..Setup::default() }, &known);
    rig.put(ID, bytes.clone());
    rig.start();

    rig.settle();
    let before = rig.events();
    assert!(rig.obstacle().expect("not ready").starts_with("waiting for a newer schema: unknown table id"), "{:?}", rig.obstacle());
    assert!(before.len() < expected(ID, &bytes).events.len());
    rig.exchange.publish(catalog().clone());
    rig.settle();

    assert_arrived(&rig, &expected(ID, &bytes).events);
    assert_eq!(notes(&rig), Vec::<Value>::new());
    assert_eq!(rig.obstacle(), None);
}

#[test]
fn an_unknown_table_is_parked_after_the_wait_and_later_ones_of_it_at_once() {
    let (bytes, known, unknown) = with_an_unknown_table();
    let schema = (true, Duration::from_secs(30));
    let mut rig = Rig::new(Setup { schema, ..Setup::default() }, &known);
    rig.put(ID, bytes.clone());
    let again = entry(|entry| entry.published.contains(&unknown));
    let second = plain(ID + 1, &[again.frame]);
    rig.put(ID + 1, second.clone());
    rig.start();

    rig.turn(Duration::from_secs(1)).expect("a turn");
    rig.turn(Duration::from_secs(28)).expect("a turn");
    assert_eq!(notes(&rig).len(), 0);
    rig.turn(Duration::from_secs(2)).expect("a turn");
    rig.turn(Duration::from_secs(1)).expect("a turn");
    assert_eq!(notes(&rig).len(), 2, "both, without a second wait");
    rig.settle();

    let events: Vec<Event> = [expected_under(&known, ID, &bytes).events, expected_under(&known, ID + 1, &second).events].concat();
    assert_arrived(&rig, &events);
    assert_eq!(rig.left(), Vec::<String>::new());
}

#[test]
fn at_the_limit_of_parked_bytes_the_reader_stops_and_drops_nothing() {
    let (bytes, known, _) = with_an_unknown_table();
    let expected = expected_under(&known, ID, &bytes);
    let mut rig = Rig::new(Setup { parked_limit: 10, ..Setup::default() }, &known);
    rig.put(ID, bytes);
    rig.start();

    rig.settle();

    assert_eq!(rig.obstacle().as_deref(), Some("the folder of parked entries is full (state.parked.limit)"));
    assert!(rig.events().len() < expected.events.len(), "nothing behind it was read");
    assert_eq!(rig.left().len(), 1, "the segment stays");
    assert_eq!(notes(&rig).len(), 0);

    rig.crash();
    rig.store.reopen();
    rig.allow_parked(1 << 20);
    rig.start();
    rig.settle();
    assert_arrived(&rig, &expected.events);
    assert_eq!(notes(&rig).len(), 1);
    assert_eq!(rig.left(), Vec::<String>::new());
}

#[test]
fn a_schema_that_comes_while_parking_has_no_room_loses_no_event_and_repeats_none() {
    let (bytes, known, _) = with_an_unknown_table();
    let mut rig = Rig::new(Setup { parked_limit: 10, schema: (true, Duration::ZERO), ..Setup::default() }, &known);
    rig.put(ID, bytes.clone());
    rig.start();
    rig.settle();
    assert!(rig.obstacle().is_some());

    rig.exchange.publish(catalog().clone());
    rig.settle();

    assert_eq!(assert_arrived(&rig, &expected(ID, &bytes).events), 0);
    assert_eq!(notes(&rig).len(), 0);
}

#[test]
fn a_refused_event_is_parked_and_the_rest_is_delivered() {
    let bytes = plain(ID, &entries(20));
    let events = expected(ID, &bytes).events;
    let refused = [events[3].clone(), events[11].clone()];
    let rest: Vec<Event> = events.into_iter().filter(|event| !refused.contains(event)).collect();
    let never = refused.clone();
    let refuses = move |record: &ringtail::envelope::Record| never.contains(&Event::from(record));
    let faults = Faults { refuses: Some(Box::new(refuses)), ..Faults::default() };
    let mut rig = Rig::new(Setup { faults, ..Setup::default() }, catalog());
    rig.put(ID, bytes);

    rig.start();
    rig.settle();
    rig.settle();

    assert_arrived(&rig, &rest);
    let notes = notes(&rig);
    let places: BTreeSet<String> = notes.iter().map(|note| format!("n1/{ID}/{}/{}", note["position"], note["ordinal"])).collect();
    assert_eq!(places, refused.iter().map(|event| event.id.clone()).collect());
    assert!(notes.iter().all(|note| (&note["class"], &note["reason"]) == (&"refused".into(), &"refused_by_sink".into())), "{notes:?}");
    assert_eq!(rig.left(), Vec::<String>::new());
}

#[test]
fn a_missing_topic_is_waited_for_and_said() {
    let bytes = plain(ID, &entries(5));
    let script: BTreeMap<u64, Fault> = (2..400).map(|send| (send, Fault::UnknownTopic("shop.ks.t".into()))).collect();
    let mut rig = Rig::new(Setup { faults: Faults { script, ..Faults::default() }, ..Setup::default() }, catalog());
    rig.put(ID, bytes.clone());
    rig.start();

    rig.settle();
    assert_eq!(rig.obstacle().as_deref(), Some("topic shop.ks.t does not exist: create it, or allow the broker to"));
    for _ in 0..10 {
        rig.settle();
    }

    assert_eq!(assert_arrived(&rig, &expected(ID, &bytes).events), 0);
    assert_eq!(rig.obstacle(), None);
}
