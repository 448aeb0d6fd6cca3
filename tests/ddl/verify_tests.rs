//! The verification notices each thing that it is there for.

use super::definition::{Column, Definition, key};
use super::slot::{Slot, Span};
use super::support::consumer::Seen;
use super::values::{Cell, Type};
use super::verify::Report;
use super::writer::{Expected, Write};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn column(name: &str, kind: Type) -> Column {
    Column { name: name.into(), kind, is_static: false }
}

/// A table that first has the column `old`, then `new` in its place, then `cdc` off, then nothing.
fn slots() -> Vec<Slot> {
    let slot = Slot::new("t0".into());
    let definition = |name: &str, cdc: bool| Definition {
        table: "t0".into(),
        incarnation: 0,
        partition: vec![column("p", Type::Bigint)],
        clustering: vec![column("c", Type::Bigint)],
        descending: false,
        columns: vec![column("seq", Type::Bigint), column(name, Type::Int)],
        dropped: vec![],
        cdc,
        fields: Arc::from([]),
    };
    for state in [Some(definition("old", true)), Some(definition("new", true)), Some(definition("new", false)), None] {
        slot.changed(state);
    }
    vec![slot]
}

fn write(first: usize, last: usize) -> Write {
    let event = Expected {
        kind: "row",
        op: "i",
        partition: vec![key(Type::Bigint, 1)],
        clustering: vec![key(Type::Bigint, 2)],
        columns: vec![(column("seq", Type::Bigint), Cell::plain("10".into(), json!(10)))],
        range: None,
    };
    Write { timestamp: 10, slot: 0, span: Span { first, last }, acknowledged: true, statement: "INSERT".into(), events: vec![event] }
}

fn value(column: &str) -> Value {
    json!({"ts_ms": 5, "op": "i", "source": {"table": "t0"},
        "after": {"p": {"value": 1}, "c": {"value": 2}, "seq": {"value": 10, "set": true, "ts": 10}, column: null,
            "_range_start": null, "_range_end": null},
        "ringtail": {"kind": "row", "liveness": {"ts": 10}}})
}

fn record(value: &Value) -> Seen {
    Seen {
        topic: "t.ddl.t0".into(),
        partition: 3,
        received: Duration::ZERO,
        id: "node/1/100/0".into(),
        key: br#"{"p":1,"c":2}"#.to_vec(),
        value: value.to_string().into_bytes(),
        headers: Vec::new(),
    }
}

fn report(write: Write, records: &[Seen]) -> [usize; 3] {
    let report = Report::of(&[write], &slots(), records, "t");
    [report.missing.len(), report.uncalled.len(), report.problems.len()]
}

#[test]
fn an_event_with_the_columns_of_its_time_is_right() {
    assert_eq!(report(write(1, 1), &[record(&value("old"))]), [0, 0, 0]);
    assert_eq!(report(write(2, 2), &[record(&value("new"))]), [0, 0, 0]);
}

#[test]
fn the_columns_of_another_time_are_noticed() {
    assert_eq!(report(write(1, 1), &[record(&value("new"))]), [0, 0, 1]);
    assert_eq!(report(write(2, 2), &[record(&value("old"))]), [0, 0, 1]);
}

#[test]
fn a_write_during_a_change_may_come_with_either() {
    assert_eq!(report(write(1, 2), &[record(&value("old"))]), [0, 0, 0]);
    assert_eq!(report(write(1, 2), &[record(&value("new"))]), [0, 0, 0]);
}

#[test]
fn an_event_that_does_not_come_is_missing_unless_cdc_was_off() {
    assert_eq!(report(write(2, 2), &[]), [1, 0, 0]);
    assert_eq!(report(write(2, 3), &[]), [0, 0, 0]);
    assert_eq!(report(write(3, 3), &[]), [0, 0, 0]);
    assert_eq!(report(write(3, 3), &[record(&value("new"))]), [0, 1, 0]);
}

#[test]
fn an_event_of_a_table_that_is_gone_is_missing_all_the_same() {
    assert_eq!(report(Write { span: Span { first: 1, last: 1 }, ..write(1, 4) }, &[]), [1, 0, 0]);
}

#[test]
fn every_wrong_value_is_noticed() {
    for (pointer, to) in [
        ("/op", json!("u")),
        ("/source/table", json!("t1")),
        ("/after/p/value", json!(2)),
        ("/after/c", Value::Null),
        ("/after/seq/value", json!(11)),
        ("/after/seq/dropped", json!(true)),
        ("/after/old", json!({"value": 1, "set": true, "ts": 10})),
        ("/after/more", Value::Null),
        ("/ringtail/kind", json!("static")),
    ] {
        let mut changed = value("old");
        let (parent, member) = pointer.rsplit_once('/').expect("a path");
        changed.pointer_mut(parent).expect("the path exists")[member] = to;

        assert_eq!(report(write(1, 1), &[record(&changed)])[2], 1, "{pointer} was not noticed");
    }
}

#[test]
fn order_and_repeats_are_looked_at() {
    let again = Seen { id: "node/1/200/0".into(), ..record(&value("old")) };
    assert_eq!(report(write(1, 1), &[record(&value("old")), record(&value("old"))]), [0, 0, 0]);
    assert_eq!(report(write(1, 1), &[record(&value("old")), again]), [0, 0, 1], "the same write under another id");
    assert_eq!(report(write(1, 1), &[record(&value("old")), record(&value("new"))]), [0, 0, 1], "a repeat with another content");
}
