//! Records in Confluent's wire format.
//!
//! ```text
//! 0x00   id of the schema (4 bytes, big-endian)   the value in Avro's binary encoding
//! ```

use super::ids::{Ids, Registration};
use super::subject::subject;
use crate::avro;
use crate::config::SubjectName;
use crate::connect::{Schema, Value};
use crate::envelope::{Converter, EncodeError, Part, PartWriter, Topic};
use std::sync::Arc;

const MAGIC: u8 = 0;

/// Avro, with schemas in a registry.
#[derive(Debug)]
pub struct AvroConverter {
    ids: Arc<Ids>,
    strategy: SubjectName,
}

impl AvroConverter {
    /// A converter that asks for ids there.
    pub fn new(ids: Ids, strategy: SubjectName) -> AvroConverter {
        AvroConverter { ids: Arc::new(ids), strategy }
    }
}

/// What is registered for a schema.
pub fn registration(strategy: SubjectName, topic: &str, part: Part, schema: &Schema) -> Registration {
    Registration { subject: subject(strategy, topic, part, schema).into(), schema: avro::schema_json(schema).into() }
}

impl Converter for AvroConverter {
    fn writer(&self, topic: &Topic, part: Part, schema: Schema) -> Box<dyn PartWriter> {
        let registration = registration(self.strategy, topic, part, &schema);
        Box::new(AvroWriter { ids: self.ids.clone(), registration, schema, id: None })
    }
}

#[derive(Debug)]
struct AvroWriter {
    ids: Arc<Ids>,
    registration: Registration,
    schema: Schema,
    id: Option<u32>,
}

impl PartWriter for AvroWriter {
    fn ready(&mut self) -> Result<(), EncodeError> {
        if self.id.is_none() {
            self.id = Some(self.ids.id(&self.registration)?);
        }
        Ok(())
    }

    fn write(&self, value: &Value) -> Result<Vec<u8>, EncodeError> {
        let id = self.id.map_or_else(|| self.ids.id(&self.registration), Ok)?;
        let mut bytes = vec![MAGIC];
        bytes.extend(id.to_be_bytes());
        let subject = &self.registration.subject;
        avro::encode(&self.schema, value, &mut bytes)
            .map_err(|mismatch| EncodeError::Refused(format!("no Avro of subject {subject}: {mismatch}")))?;
        Ok(bytes)
    }
}
