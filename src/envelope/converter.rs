//! From keys and values that know their schema to bytes (Kafka Connect's `Converter`).

use super::error::EncodeError;
use super::record::Topic;
use crate::connect::{self, Schema, Value};
use std::fmt;

/// Which part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Its key.
    Key,
    /// Its value.
    Value,
}

/// How parts of records become bytes.
pub trait Converter: fmt::Debug + Send {
    /// What writes this part of the records of a topic, under one schema. Asked for once per topic, table and version of the table.
    fn writer(&self, topic: &Topic, part: Part, schema: Schema) -> Box<dyn PartWriter>;
}

/// Writes one part of the records of one topic, under one schema.
pub trait PartWriter: fmt::Debug + Send {
    /// Whether it can write now. Does not wait: asked again and again until it can.
    ///
    /// # Errors
    /// [`EncodeError::Waiting`]: something outside has to answer first.
    fn ready(&mut self) -> Result<(), EncodeError> {
        Ok(())
    }

    /// The bytes of a value of its schema.
    ///
    /// # Errors
    /// [`EncodeError::Refused`]: there are none of this value.
    fn write(&self, value: &Value) -> Result<Vec<u8>, EncodeError>;
}

/// JSON as Kafka Connect's converter writes it.
#[derive(Debug)]
pub(super) struct JsonConverter {
    /// Whether each message carries its schema.
    pub with_schemas: bool,
}

impl Converter for JsonConverter {
    fn writer(&self, _topic: &Topic, _part: Part, schema: Schema) -> Box<dyn PartWriter> {
        let schema_json = self.with_schemas.then(|| connect::schema_json(&schema));
        Box::new(JsonWriter { schema, schema_json })
    }
}

#[derive(Debug)]
struct JsonWriter {
    schema: Schema,
    /// The schema as JSON, if each message carries it.
    schema_json: Option<String>,
}

impl PartWriter for JsonWriter {
    fn write(&self, value: &Value) -> Result<Vec<u8>, EncodeError> {
        let mut json = String::new();
        match &self.schema_json {
            Some(schema_json) => connect::with_schema(&mut json, schema_json, &self.schema, value),
            None => connect::write_value(&mut json, &self.schema, value),
        }
        Ok(json.into_bytes())
    }
}
