//! Schemas, written as JSON. The members of every object stand in one order whatever else is built in, so that the same table gives the
//! same text, and a registry no second version of it.
//!
//! ```text
//! record   {"type":"record","name":"Value","namespace":"shop.ks.t","fields":[{"name":n,"type":t [,"default":d] [,"connect.name":n]}…]
//!           [,"connect.version":v] [,"connect.parameters":{…}] [,"connect.default":d] [,"connect.name":n]}
//! array    {"type":"array","items":t}
//! map      {"type":"map","values":t}
//! other    "int", or {"type":"int" [,"connect.type":"int8"] …} with the properties of a record
//! union    ["null",t] or, where the default is not null, [t,"null"]
//! again    "shop.ks.t.Value": a record that stands before
//! ```

use super::name::{adjusted, adjusted_full};
use crate::connect::{Field, Kind, Schema, Value};
use serde_json::Value as Json;
use std::collections::HashMap;

/// What Confluent's converter takes for structs without any name.
const DEFAULT_NAME: &str = "io.confluent.connect.avro.ConnectDefault";
/// The precision that it gives to decimals, of which Connect knows only the scale.
const DECIMAL_PRECISION: u32 = 64;
const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
const UUID: &str = "io.debezium.data.Uuid";

/// The Avro schema of a Connect schema.
pub fn schema_json(schema: &Schema) -> String {
    let mut writer = Writer { out: String::new(), records: HashMap::new() };
    writer.schema(schema, None);
    writer.out
}

/// Where a struct stands: in which record, under which field. Arrays and maps in between do not count, there is one struct at most.
#[derive(Clone, Copy)]
struct Place<'p> {
    record: &'p str,
    field: &'p str,
}

struct Writer<'s> {
    out: String,
    /// What has been written, by full name.
    records: HashMap<String, &'s Schema>,
}

impl<'s> Writer<'s> {
    fn schema(&mut self, schema: &'s Schema, place: Option<Place<'_>>) {
        match (schema.optional, &schema.default) {
            (false, _) => self.base(schema, place),
            (true, None) => {
                self.out.push_str("[\"null\",");
                self.base(schema, place);
                self.out.push(']');
            }
            (true, Some(_)) => {
                self.out.push('[');
                self.base(schema, place);
                self.out.push_str(",\"null\"]");
            }
        }
    }

    /// Without the null.
    fn base(&mut self, schema: &'s Schema, place: Option<Place<'_>>) {
        match &schema.kind {
            Kind::Struct(fields) => return self.record(schema, fields, place),
            Kind::Array(item) => {
                self.out.push_str("{\"type\":\"array\",\"items\":");
                self.schema(item, place);
            }
            Kind::Map(keys, values) if keys.kind == Kind::String => {
                self.out.push_str("{\"type\":\"map\",\"values\":");
                self.schema(values, place);
            }
            Kind::Map(keys, values) => {
                self.out.push_str("{\"type\":\"array\",\"items\":");
                self.entry(keys, values, place);
            }
            kind if has_properties(schema) => {
                self.out.push_str("{\"type\":");
                self.text(primitive(kind));
            }
            kind => return self.text(primitive(kind)),
        }
        self.properties(schema);
        self.out.push('}');
    }

    fn record(&mut self, schema: &'s Schema, fields: &'s [Field], place: Option<Place<'_>>) {
        let Some(name) = self.new_name(schema, place) else { return };
        self.begin_record(&name);
        for (index, field) in fields.iter().enumerate() {
            self.field(index, &field.name, &field.schema, &name);
        }
        self.out.push(']');
        self.properties(schema);
        self.out.push('}');
    }

    /// The record of a key and its value: of a map whose keys are no strings.
    fn entry(&mut self, keys: &'s Schema, values: &'s Schema, place: Option<Place<'_>>) {
        let name = self.unused(&at(place));
        self.begin_record(&name);
        self.field(0, "key", keys, &name);
        self.field(1, "value", values, &name);
        self.out.push_str("],\"connect.internal.type\":\"MapEntry\"}");
    }

    fn begin_record(&mut self, name: &str) {
        let (namespace, simple) = name.rsplit_once('.').unwrap_or(("", name));
        self.out.push_str("{\"type\":\"record\",\"name\":");
        self.text(simple);
        if !namespace.is_empty() {
            self.member("namespace");
            self.text(namespace);
        }
        self.out.push_str(",\"fields\":[");
    }

    fn field(&mut self, index: usize, name: &str, schema: &'s Schema, record: &str) {
        if index > 0 {
            self.out.push(',');
        }
        let field = adjusted(name);
        self.out.push_str("{\"name\":");
        self.text(&field);
        self.member("type");
        self.schema(schema, Some(Place { record, field: &field }));
        if let Some(default) = schema.default.as_ref().and_then(default_json).or_else(|| schema.optional.then_some(Json::Null)) {
            self.member("default");
            self.out.push_str(&default.to_string());
        }
        if field != name {
            self.member("connect.name");
            self.text(name);
        }
        self.out.push('}');
    }

    /// The full name of a record that is to be written now; `None` if it stands before, and is referred to.
    fn new_name(&mut self, schema: &'s Schema, place: Option<Place<'_>>) -> Option<String> {
        let own = match (&schema.name, place) {
            (Some(name), None) => adjusted_full(name),
            (Some(name), Some(_)) if name.contains('.') => adjusted_full(name),
            (None, None) | (_, Some(_)) => at(place),
        };
        // A name is free, or has been given to the same: otherwise another one is found for what differs.
        let name = match self.records.get(&own) {
            Some(before) if is_same_record(before, schema) => {
                self.text(&own);
                return None;
            }
            Some(_) => self.unused(&at(place)),
            None => own,
        };
        self.records.insert(name.clone(), schema);
        Some(name)
    }

    /// This name, or the first free one that begins with it.
    fn unused(&self, name: &str) -> String {
        let numbered = (2..).map(|number: u32| format!("{name}_{number}"));
        std::iter::once(name.to_owned()).chain(numbered).find(|name| !self.records.contains_key(name)).unwrap_or_default()
    }

    fn properties(&mut self, schema: &Schema) {
        match (&schema.kind, schema.name.as_deref()) {
            (Kind::Bytes, Some(DECIMAL)) => {
                let scale = schema.parameters.iter().find(|(name, _)| *name == "scale").and_then(|(_, scale)| scale.parse::<i32>().ok());
                self.out.push_str(&format!(
                    ",\"logicalType\":\"decimal\",\"precision\":{DECIMAL_PRECISION},\"scale\":{}",
                    scale.unwrap_or_default()
                ));
            }
            (Kind::String, Some(UUID)) => self.out.push_str(",\"logicalType\":\"uuid\""),
            _ => {}
        }
        if let Some(narrow) = narrow(&schema.kind) {
            self.member("connect.type");
            self.text(narrow);
        }
        if let Some(version) = schema.version {
            self.member("connect.version");
            self.out.push_str(&version.to_string());
        }
        if !schema.parameters.is_empty() {
            self.member("connect.parameters");
            for (index, (name, value)) in schema.parameters.iter().enumerate() {
                self.out.push(if index == 0 { '{' } else { ',' });
                self.text(name);
                self.out.push(':');
                self.text(value);
            }
            self.out.push('}');
        }
        if let Some(default) = schema.default.as_ref().and_then(default_json) {
            self.member("connect.default");
            self.out.push_str(&default.to_string());
        }
        if let Some(name) = &schema.name {
            self.member("connect.name");
            self.text(name);
        }
    }

    fn member(&mut self, name: &str) {
        self.out.push(',');
        self.text(name);
        self.out.push(':');
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(&Json::from(text).to_string());
    }
}

/// The name of what has none that is its own.
fn at(place: Option<Place<'_>>) -> String {
    place.map_or_else(|| DEFAULT_NAME.to_owned(), |place| format!("{}_{}", place.record, place.field))
}

/// Whether the record of the one is that of the other: null and default do not stand in it.
fn is_same_record(one: &Schema, other: &Schema) -> bool {
    let content = |schema: &Schema| (schema.kind.clone(), schema.name.clone(), schema.version, schema.parameters.clone());
    std::ptr::eq(one, other) || content(one) == content(other)
}

fn has_properties(schema: &Schema) -> bool {
    schema.name.is_some()
        || schema.version.is_some()
        || schema.default.is_some()
        || !schema.parameters.is_empty()
        || narrow(&schema.kind).is_some()
}

/// What Avro has no type for.
fn narrow(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Int8 => Some("int8"),
        Kind::Int16 => Some("int16"),
        _ => None,
    }
}

fn primitive(kind: &Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Int8 | Kind::Int16 | Kind::Int32 => "int",
        Kind::Int64 => "long",
        Kind::Float32 => "float",
        Kind::Float64 => "double",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        // Handled by their callers.
        Kind::Array(_) | Kind::Map(..) | Kind::Struct(_) => "null",
    }
}

/// A default as Avro writes it. Only plain ones are given by what we know.
fn default_json(value: &Value) -> Option<Json> {
    match value {
        Value::Boolean(value) => Some((*value).into()),
        Value::Int(value) => Some((*value).into()),
        Value::Float32(value) => Some((*value).into()),
        Value::Float64(value) => Some((*value).into()),
        Value::String(value) => Some(value.as_str().into()),
        Value::Null | Value::Absent | Value::Bytes(_) | Value::Array(_) | Value::Map(_) | Value::Struct(_) => None,
    }
}
