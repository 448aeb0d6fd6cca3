//! Schemas and values as Kafka Connect's JSON converter writes them (`org.apache.kafka.connect.json.JsonConverter`).
//!
//! ```text
//! schemas.enable=false   the value
//! schemas.enable=true    {"schema":{…},"payload":the value}
//!
//! struct    {"type":"struct","fields":[{…,"field":name}…],"optional":b [,"name"] [,"version"] [,"parameters"] [,"default"]}
//! array     {"type":"array","items":{…},"optional":b …}
//! map       {"type":"map","keys":{…},"values":{…},"optional":b …}
//! other     {"type":"int32","optional":b …}
//! ```
//!
//! Of values: bytes are base64, NaN and the infinities strings, structs and maps whose keys are all texts objects, other maps arrays of
//! `[key,value]`. A field that is absent is left out, which the converter reads as null.

use super::{Field, Kind, Schema, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value as Json, json};

/// Appends the value as JSON.
pub fn write_value(out: &mut String, schema: &Schema, value: &Value) {
    match (value, &schema.kind) {
        (Value::Null | Value::Absent, _) => out.push_str("null"),
        (Value::Boolean(value), _) => out.push_str(if *value { "true" } else { "false" }),
        (Value::Int(number), _) => out.push_str(itoa::Buffer::new().format(*number)),
        (Value::Float32(number), _) => float(out, f64::from(*number), || zmij::Buffer::new().format_finite(*number).to_owned()),
        (Value::Float64(number), _) => float(out, *number, || zmij::Buffer::new().format_finite(*number).to_owned()),
        (Value::String(text), _) => string(out, text),
        (Value::Bytes(bytes), _) => {
            out.push('"');
            BASE64.encode_string(bytes, out);
            out.push('"');
        }
        (Value::Array(values), Kind::Array(item)) => list(out, '[', ']', values, |out, value| write_value(out, item, value)),
        (Value::Map(entries), Kind::Map(keys, values)) => map(out, keys, values, entries),
        (Value::Struct(values), Kind::Struct(fields)) => list(out, '{', '}', present(fields, values), |out, (field, value)| {
            string(out, &field.name);
            out.push(':');
            write_value(out, &field.schema, value);
        }),
        // No value of this schema, which is our own mistake: there is nothing to show.
        (Value::Array(_) | Value::Map(_) | Value::Struct(_), _) => out.push_str("null"),
    }
}

/// Appends `{"schema":…,"payload":…}`. `schema_json` is what [`schema_json`] gave.
pub fn with_schema(out: &mut String, schema_json: &str, schema: &Schema, value: &Value) {
    out.push_str("{\"schema\":");
    out.push_str(schema_json);
    out.push_str(",\"payload\":");
    write_value(out, schema, value);
    out.push('}');
}

/// The schema as JSON.
pub fn schema_json(schema: &Schema) -> String {
    described(schema, None).to_string()
}

fn described(schema: &Schema, field: Option<&str>) -> Json {
    let mut members = Map::new();
    let mut put = |name: &str, value: Json| members.insert(name.to_owned(), value);
    put("type", type_name(&schema.kind).into());
    match &schema.kind {
        Kind::Struct(fields) => {
            put("fields", fields.iter().map(|field| described(&field.schema, Some(&field.name))).collect());
        }
        Kind::Array(item) => {
            put("items", described(item, None));
        }
        Kind::Map(keys, values) => {
            put("keys", described(keys, None));
            put("values", described(values, None));
        }
        _ => {}
    }
    put("optional", schema.optional.into());
    if let Some(name) = &schema.name {
        put("name", name.to_string().into());
    }
    if let Some(version) = schema.version {
        put("version", version.into());
    }
    if !schema.parameters.is_empty() {
        let parameters: Map<String, Json> =
            schema.parameters.iter().map(|(name, value)| ((*name).to_owned(), Json::String(value.clone()))).collect();
        put("parameters", parameters.into());
    }
    if let Some(default) = &schema.default {
        let mut text = String::new();
        write_value(&mut text, schema, default);
        put("default", serde_json::from_str(&text).unwrap_or(json!(null)));
    }
    if let Some(field) = field {
        put("field", field.into());
    }
    members.into()
}

fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Int8 => "int8",
        Kind::Int16 => "int16",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Float32 => "float",
        Kind::Float64 => "double",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Array(_) => "array",
        Kind::Map(..) => "map",
        Kind::Struct(_) => "struct",
    }
}

fn map(out: &mut String, keys: &Schema, values: &Schema, entries: &[(Value, Value)]) {
    if entries.iter().all(|(key, _)| matches!(key, Value::String(_))) && matches!(keys.kind, Kind::String) {
        return list(out, '{', '}', entries, |out, (key, value)| {
            write_value(out, keys, key);
            out.push(':');
            write_value(out, values, value);
        });
    }
    list(out, '[', ']', entries, |out, (key, value)| {
        out.push('[');
        write_value(out, keys, key);
        out.push(',');
        write_value(out, values, value);
        out.push(']');
    });
}

/// The fields that are there.
fn present<'a>(fields: &'a [Field], values: &'a [Value]) -> impl Iterator<Item = (&'a Field, &'a Value)> {
    fields.iter().zip(values).filter(|(_, value)| **value != Value::Absent)
}

fn float(out: &mut String, number: f64, finite: impl FnOnce() -> String) {
    match number {
        number if number.is_nan() => out.push_str("\"NaN\""),
        f64::INFINITY => out.push_str("\"Infinity\""),
        f64::NEG_INFINITY => out.push_str("\"-Infinity\""),
        _ => out.push_str(&finite()),
    }
}

fn string(out: &mut String, text: &str) {
    // A text is always JSON.
    out.push_str(&Json::from(text).to_string());
}

fn list<T>(out: &mut String, open: char, close: char, items: impl IntoIterator<Item = T>, mut put: impl FnMut(&mut String, T)) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        put(out, item);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn point() -> Schema {
        let number = || Schema::new(Kind::Int32).optional();
        let names = Kind::Map(Arc::new(Schema::new(Kind::String).optional()), Arc::new(number()));
        let mode = Schema::new(Kind::String).optional().named("io.debezium.data.Enum").version(1).parameter("allowed", "true,false");
        Schema::of_struct(
            "ks.point",
            vec![
                Field::new("x", number()),
                Field::new("tags", Schema::new(Kind::Array(Arc::new(number()))).optional()),
                Field::new("names", Schema::new(names).optional()),
                Field::new("mode", mode.default_value(Value::text("false"))),
            ],
        )
    }

    #[test]
    fn a_schema_is_described_as_the_json_converter_describes_it() {
        assert_eq!(
            serde_json::from_str::<Json>(&schema_json(&point())).unwrap(),
            json!({"type": "struct", "optional": false, "name": "ks.point", "fields": [
                {"type": "int32", "optional": true, "field": "x"},
                {"type": "array", "items": {"type": "int32", "optional": true}, "optional": true, "field": "tags"},
                {"type": "map", "keys": {"type": "string", "optional": true}, "values": {"type": "int32", "optional": true}, "optional": true, "field": "names"},
                {"type": "string", "optional": true, "name": "io.debezium.data.Enum", "version": 1, "parameters": {"allowed": "true,false"},
                 "default": "false", "field": "mode"},
            ]})
        );
    }

    #[test]
    fn a_value_stands_alone_or_behind_its_schema() {
        let value = Value::Struct(vec![
            Value::Int(-1),
            Value::Array(vec![Value::Null, Value::Int(7)]),
            Value::Map(vec![(Value::text("a\"é"), Value::Int(1))]),
            Value::Null,
        ]);
        let mut plain = String::new();
        write_value(&mut plain, &point(), &value);
        assert_eq!(plain, r#"{"x":-1,"tags":[null,7],"names":{"a\"é":1},"mode":null}"#);

        let mut wrapped = String::new();
        with_schema(&mut wrapped, "{}", &point(), &value);
        assert_eq!(wrapped, format!(r#"{{"schema":{{}},"payload":{plain}}}"#));
    }

    #[test]
    fn a_field_that_is_absent_is_left_out() {
        let mut json = String::new();
        write_value(&mut json, &point(), &Value::Struct(vec![Value::Absent, Value::Null, Value::Absent, Value::Absent]));
        assert_eq!(json, r#"{"tags":null}"#);
    }

    #[test]
    fn numbers_bytes_and_maps_that_json_has_no_form_for_have_connects() {
        let json = |kind: Kind, value: Value| {
            let mut out = String::new();
            write_value(&mut out, &Schema::new(kind), &value);
            out
        };
        assert_eq!(json(Kind::Float64, Value::Float64(f64::NAN)), r#""NaN""#);
        assert_eq!(json(Kind::Float32, Value::Float32(f32::NEG_INFINITY)), r#""-Infinity""#);
        assert_eq!(json(Kind::Float32, Value::Float32(0.1)), "0.1");
        assert_eq!(json(Kind::Bytes, Value::Bytes(vec![0, 255])), r#""AP8=""#);
        let numbers = || Arc::new(Schema::new(Kind::Int64));
        let map = Value::Map(vec![(Value::Int(1), Value::Int(2))]);
        assert_eq!(json(Kind::Map(numbers(), numbers()), map.clone()), "[[1,2]]");
        assert_eq!(json(Kind::Int64, map), "null");
    }
}
