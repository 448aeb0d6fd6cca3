//! The verification notices each thing that it is there for.

use super::support::consumer::Seen;
use super::verify::Report;
use super::workload::{Expected, Write};
use serde_json::{Value, json};
use std::time::Duration;

const PREFIX: &str = "t";

fn write(timestamp: i64) -> Write {
    let event = Expected {
        table: "clustered",
        kind: "row",
        op: "u",
        key: json!({"tenant": "a", "day": 1, "c": 2}),
        columns: vec![("seq", json!(timestamp))],
        range: None,
        ordered: true,
    };
    Write { timestamp, acknowledged: Some(Duration::from_millis(1)), events: vec![event] }
}

fn record(timestamp: i64, position: u64) -> Seen {
    let id = format!("node/1/{position}/0");
    let column = |value: Value| json!({"value": value, "deletion_ts": null, "set": true});
    let value = json!({"ts_ms": 5, "op": "u", "source": {"table": "clustered"},
        "after": {"tenant": column(json!("a")), "day": column(json!(1)), "c": column(json!(2)), "body": null,
            "seq": {"value": timestamp, "deletion_ts": null, "set": true, "ts": timestamp}},
        "ringtail": {"id": id, "kind": "row"}});
    Seen {
        topic: "t.live.clustered".into(),
        partition: 3,
        received: Duration::from_millis(4),
        id,
        key: br#"{"tenant":"a","day":1,"c":2}"#.to_vec(),
        value: value.to_string().into_bytes(),
        headers: Vec::new(),
    }
}

fn changed(pointer: &str, to: Value) -> Seen {
    let mut record = record(10, 100);
    let mut value: Value = serde_json::from_slice(&record.value).expect("JSON");
    *value.pointer_mut(pointer).expect("the path exists") = to;
    record.value = value.to_string().into_bytes();
    record
}

fn problems(writes: &[Write], records: &[Seen]) -> Vec<String> {
    Report::of(writes, records, PREFIX).problems
}

#[test]
fn what_was_written_and_came_in_order_is_no_problem() {
    let report = Report::of(&[write(10), write(11)], &[record(10, 100), record(11, 200)], PREFIX);

    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!((report.acknowledged, report.missing, report.repeats), (2, 0, 0));
    assert_eq!(report.percentile(50), Duration::from_millis(3));
}

#[test]
fn a_missing_acknowledged_write_is_noticed_and_an_unacknowledged_one_is_not_missed() {
    let unacknowledged = Write { acknowledged: None, ..write(12) };
    let report = Report::of(&[write(10), write(11), unacknowledged], &[record(10, 100)], PREFIX);

    assert_eq!(report.missing, 1);
    assert_eq!(report.problems, ["missing: row of clustered at 11"]);
}

#[test]
fn repeats_are_counted_and_may_differ_in_the_time_of_emission_only() {
    let (first, second) = (record(10, 100), changed("/ts_ms", json!(6)));

    let report = Report::of(&[write(10)], &[first.clone(), second], PREFIX);
    let other = problems(&[write(10)], &[first, changed("/after/seq/value", json!(99))]);

    assert_eq!((report.repeats, report.problems.len()), (1, 0));
    assert_eq!(other, ["node/1/100/0 (t.live.clustered): repeated with another content"]);
}

#[test]
fn a_repeat_behind_later_events_does_not_count_as_disorder() {
    let records = [record(10, 100), record(11, 200), record(10, 100), record(11, 200)];

    assert_eq!(problems(&[write(10), write(11)], &records), Vec::<String>::new());
}

#[test]
fn disorder_in_the_log_and_between_writes_is_noticed() {
    assert_eq!(problems(&[write(10), write(11)], &[record(11, 200), record(10, 100)]).len(), 1);
    assert_eq!(problems(&[write(10), write(11)], &[record(11, 100), record(10, 200)]).len(), 1);
}

#[test]
fn a_second_kafka_partition_and_a_second_id_are_noticed() {
    let elsewhere = Seen { partition: 2, ..record(11, 200) };

    assert_eq!(problems(&[write(10), write(11)], &[record(10, 100), elsewhere]).len(), 1);
    assert_eq!(problems(&[write(10)], &[record(10, 100), record(10, 200)]).len(), 1);
}

#[test]
fn every_wrong_value_is_noticed() {
    for (pointer, to) in [
        ("/op", json!("i")),
        ("/after/tenant/value", json!("b")),
        ("/after/c", Value::Null),
        ("/after/seq/value", json!(9)),
        ("/after/seq/set", json!(false)),
        ("/after/seq", Value::Null),
        ("/after/body", json!({"value": null, "set": true, "ts": 10})),
        ("/ringtail/id", json!("node/1/100/1")),
        ("/ringtail/kind", json!("static")),
        ("/source/table", json!("plain")),
    ] {
        let found = problems(&[write(10)], &[changed(pointer, to)]);

        assert!(!found.is_empty(), "{pointer} was not noticed");
    }
}

#[test]
fn an_event_with_a_wrong_value_has_come_all_the_same() {
    let wrong = changed("/after/seq/value", json!(9));

    let report = Report::of(&[write(10)], &[wrong.clone(), wrong], PREFIX);

    assert_eq!((report.missing, report.problems.len(), report.repeats), (0, 1, 1));
}

#[test]
fn an_event_that_nobody_wrote_is_noticed() {
    assert_eq!(problems(&[write(10)], &[record(10, 100), record(12, 200)]).len(), 1);
}
