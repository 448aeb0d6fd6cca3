//! `events.envelope: flat`.

use super::*;
use crate::connect::{Kind, Schema, Value as Connected};
use crate::envelope::Form;
use crate::envelope::shape::{Moment, Shape};
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

#[test]
fn a_value_that_cannot_be_shown_is_named_in_a_header() {
    let table = ks_t();
    let mut update = update(&table);
    update.unfiltereds =
        vec![Unfiltered::Row(Row { columns: vec![live(&table, "note", b"x", 5), live(&table, "total", b"\x01", 5)], ..row(1) })];

    let record = flat(update.clone());
    assert_eq!(parsed(record.value.as_deref().unwrap())["total"], Value::Null);
    assert_eq!(header(&record, "ringtail.raw"), Some(r#"["total"]"#));

    update.partition_key = b"\x01";
    assert_eq!(header(&flat(update), "ringtail.raw"), Some(r#"["p","total"]"#));
}

#[test]
fn what_was_added_to_a_collection_is_told_from_all_of_it() {
    let table = ks_t();
    let of = |reset| {
        let mut update = update(&table);
        update.unfiltereds =
            vec![Unfiltered::Row(Row { columns: vec![complex(&table, "tags", reset, vec![(b"a", Some(b""), 5)])], ..row(1) })];
        let record = flat(update);
        let value = parsed(record.value.as_deref().unwrap());
        (value["tags"].clone(), header(&record, "ringtail.partial").map(str::to_owned))
    };

    assert_eq!(of(None), (json!(["a"]), Some(r#"["tags"]"#.into())));
    assert_eq!(of(Some(deletion(4))), (json!(["a"]), None));
}

#[test]
fn a_column_that_the_table_has_no_more_is_only_named() {
    let (table, gone) = (ks_t(), dropped_column("gone", crate::cql::CqlType::Int));
    let mut update = update(&table);
    update.unfiltereds = vec![Unfiltered::Row(Row { columns: vec![dropped(&gone, int(4), 5)], ..row(1) })];

    let record = flat(update);
    assert_eq!(parsed(record.value.as_deref().unwrap()), json!({ "p": 7, "c": 1 }));
    assert_eq!(header(&record, "ringtail.columns"), Some(r#"["gone"]"#));
}

/// Whether a value is one of its schema.
fn fits(schema: &Schema, value: &Connected) -> bool {
    match (value, &schema.kind) {
        (Connected::Null | Connected::Absent, _) => schema.optional,
        (Connected::Array(values), Kind::Array(item)) => values.iter().all(|value| fits(item, value)),
        (Connected::Map(entries), Kind::Map(keys, values)) => entries.iter().all(|(key, value)| fits(keys, key) && fits(values, value)),
        (Connected::Struct(values), Kind::Struct(fields)) => {
            values.len() == fields.len() && fields.iter().zip(values).all(|(field, value)| fits(&field.schema, value))
        }
        (Connected::Boolean(_), kind) => *kind == Kind::Boolean,
        (Connected::Int(_), kind) => matches!(kind, Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64),
        (Connected::Float32(_), kind) => *kind == Kind::Float32,
        (Connected::Float64(_), kind) => *kind == Kind::Float64,
        (Connected::String(_), kind) => *kind == Kind::String,
        (Connected::Bytes(_), kind) => *kind == Kind::Bytes,
        _ => false,
    }
}

proptest::proptest! {
    #[test]
    fn keys_and_values_fit_their_schemas(shapes in mutation_shapes(), dropped_at in proptest::option::of(proptest::prelude::any::<i64>())) {
        let tables = [ks_t(), everything_table()];
        let mutation = build(&shapes, &tables, dropped_at);
        let shape = crate::envelope::flat::Flat::new("shop", crate::connect::Conversion::default());
        for event in &project(at(), &mutation).unwrap().events {
            let table = event.update.table;
            let moment = Moment { id: "", file: FILE, ts_ms: TS_MS };
            let (key, value) = (shape.key(event), shape.value(event, &moment));
            proptest::prop_assert!(fits(&shape.key_schema(table), &key), "{:?}", key);
            proptest::prop_assert!(fits(&shape.value_schema(table), &value), "{:?}", value);
            shape.headers(event);
        }
    }
}
