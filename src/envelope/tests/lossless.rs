//! The default form with its schema says what it says as JSON.

use super::*;
use crate::connect::{self, Conversion, Kind, Schema};
use crate::envelope::lossless::Lossless;
use crate::envelope::shape::{Moment, Shape};
use crate::event::ChangeEvent;
use crate::event::testing::*;
use proptest::prelude::*;
use serde_json::{Map, Value};

fn with_schema(shape: &Lossless, event: &ChangeEvent<'_>, id: &str) -> [Value; 2] {
    let table = event.update.table;
    let moment = Moment { id, file: FILE, ts_ms: TS_MS };
    let parts = [(shape.key_schema(table), shape.key(event)), (shape.value_schema(table), shape.value(event, &moment))];
    parts.map(|(schema, value)| {
        assert!(fits(&schema, &value), "{schema:?} {value:?}");
        let mut json = String::new();
        connect::write_value(&mut json, &schema, &value);
        serde_json::from_str(&json).unwrap()
    })
}

/// Whether a value is one of its schema, every struct with all of its fields.
fn fits(schema: &Schema, value: &connect::Value) -> bool {
    use connect::Value::*;
    match (value, &schema.kind) {
        (Null | Absent, _) => schema.optional,
        (Array(values), Kind::Array(item)) => values.iter().all(|value| fits(item, value)),
        (Map(entries), Kind::Map(keys, values)) => entries.iter().all(|(key, value)| fits(keys, key) && fits(values, value)),
        (Struct(values), Kind::Struct(fields)) => {
            values.len() == fields.len() && fields.iter().zip(values).all(|(field, value)| fits(&field.schema, value))
        }
        (Boolean(_), kind) => *kind == Kind::Boolean,
        (Int(_), kind) => matches!(kind, Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64),
        (Float32(_), kind) => *kind == Kind::Float32,
        (Float64(_), kind) => *kind == Kind::Float64,
        (String(_), kind) => *kind == Kind::String,
        (Bytes(_), kind) => *kind == Kind::Bytes,
        _ => false,
    }
}

/// What stands in `ringtail.others` goes back to its columns, the one field of a type's struct to its element.
fn as_written(mut value: Value) -> Value {
    let others = value["ringtail"].as_object_mut().unwrap().remove("others");
    let after = value["after"].as_object_mut().unwrap();
    for cell in after.values_mut() {
        for element in cell.get_mut("elements").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(name) = element.get("field").cloned() else { continue };
            let of_struct =
                |value: &Map<std::string::String, Value>| name.as_str().and_then(|name| value.get(name).cloned()).unwrap_or(Value::Null);
            if let Some(only) = element.get("value").and_then(Value::as_object).map(of_struct) {
                element["value"] = only;
            }
        }
    }
    for other in others.iter().flat_map(|others| others.as_array().unwrap()) {
        let cell = serde_json::from_str(other["cell"].as_str().unwrap()).unwrap();
        after.insert(other["name"].as_str().unwrap().to_owned(), cell);
    }
    value
}

proptest! {
    #[test]
    fn with_a_schema_the_default_form_says_the_same(shapes in mutation_shapes(), dropped_at in any::<Option<i64>>()) {
        let tables = [ks_t(), everything_table()];
        let mutation = build(&shapes, &tables, dropped_at);
        let (mut direct, shape) = (envelope(), Lossless::new(&settings()));
        for event in &project(at(), &mutation).unwrap().events {
            let record = direct.encode(event, FILE, TS_MS).unwrap().remove(0);
            let id = record.headers[0].1.clone();
            let [key, value] = with_schema(&shape, event, &id);

            prop_assert_eq!(key, serde_json::from_slice::<Value>(&record.key).unwrap());
            let written: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
            prop_assert_eq!(as_written(value), written);
        }
    }
}

#[test]
fn a_message_can_carry_its_schema() {
    let table = ks_t();
    let mut update = update(&table);
    update.unfiltereds = vec![Unfiltered::Row(Row { columns: vec![live(&table, "note", b"x", 5)], ..row(1) })];
    let mutation = mutation(vec![update]);
    let mut envelope = Envelope::new(EnvelopeSettings { schemas: true, conversion: Conversion::default(), ..settings() });

    let record = envelope.encode(&project(at(), &mutation).unwrap().events[0], FILE, TS_MS).unwrap().remove(0);

    let value: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
    assert_eq!(value["schema"]["name"], "shop.ks.t.Envelope");
    assert_eq!(value["payload"]["after"]["note"]["value"], "x");
    assert_eq!(value["payload"]["ringtail"]["id"], "n1/1759999999000/4711/0");
}
