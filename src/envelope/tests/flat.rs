//! `events.envelope: flat`.

use super::*;
use crate::envelope::Form;
use crate::event::testing::*;
use serde_json::{Value, json};

fn encoded(settings: EnvelopeSettings, update: PartitionUpdate<'_>) -> Vec<Record> {
    let mutation = mutation(vec![update]);
    let mut envelope = Envelope::new(settings);
    let projection = project(at(), &mutation).unwrap();
    projection.events.iter().flat_map(|event| envelope.encode(event, FILE, TS_MS).unwrap()).collect()
}

fn flat(update: PartitionUpdate<'_>) -> Record {
    encoded(EnvelopeSettings { form: Form::Flat, ..EnvelopeSettings::default() }, update).remove(0)
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn header<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[test]
fn absent_null_and_deleted_stay_apart() {
    let table = ks_t();
    let written = Row { columns: vec![live(&table, "note", b"x", 5), tombstone(&table, "total", 5)], ..row(1) };
    let mut update = update(&table);
    update.unfiltereds = vec![Unfiltered::Row(written)];
    let record = flat(update.clone());
    let value = parsed(record.value.as_deref().unwrap());
    assert_eq!((&value["note"], &value["total"]), (&json!("x"), &Value::Null));
    assert!(value.get("total").is_some() && value.get("tags").is_none(), "{value}");
    assert_eq!(header(&record, "ringtail.columns"), Some(r#"["note","total"]"#));

    update.unfiltereds = vec![Unfiltered::Row(Row { deletion: Some(row_deletion(6)), ..row(1) })];
    let record = flat(update);
    assert_eq!(parsed(record.value.as_deref().unwrap()), parsed(&record.key), "a delete holds the key alone");
    assert_eq!((header(&record, "ringtail.op"), header(&record, "ringtail.kind")), (Some("d"), Some("row_delete")));
}

#[test]
fn a_delete_is_followed_by_a_tombstone_where_that_is_asked_for() {
    let table = ks_t();
    let mut update = update(&table);
    update.partition_deletion = Some(deletion(6));
    update.unfiltereds = vec![Unfiltered::Row(Row { columns: vec![live(&table, "note", b"x", 7)], ..row(1) })];

    let records = encoded(EnvelopeSettings { tombstones: true, ..EnvelopeSettings::default() }, update);

    let values: Vec<bool> = records.iter().map(|record| record.value.is_some()).collect();
    assert_eq!(values, [true, false, true]);
    assert_eq!(records[1], Record { value: None, ..records[0].clone() });
}
