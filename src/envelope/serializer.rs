//! From keys and values with their schemas to bytes.

use super::error::EncodeError;
use super::shape::{Moment, Shape};
use crate::connect::{self, Schema};
use crate::event::ChangeEvent;
use crate::schema::{SchemaVersion, TableId, TableMetadata};
use std::collections::HashMap;
use std::sync::Arc;

/// The schemas of a table's records.
#[derive(Debug)]
pub(super) struct Schemas {
    pub key: Part,
    pub value: Part,
}

/// One of the two.
#[derive(Debug)]
pub(super) struct Part {
    pub schema: Schema,
    /// As JSON.
    pub json: String,
}

/// Serializes what a [`Shape`] says. Keeps the schemas of the tables that it has met.
#[derive(Debug)]
pub(super) struct Serializer {
    /// Whether each JSON message carries its schema.
    with_schemas: bool,
    known: HashMap<(TableId, SchemaVersion), Arc<Schemas>>,
}

impl Serializer {
    /// JSON as Kafka Connect's converter writes it.
    pub fn json(with_schemas: bool) -> Serializer {
        Serializer { with_schemas, known: HashMap::new() }
    }

    /// Key and value of an event.
    pub fn serialize(
        &mut self,
        shape: &dyn Shape,
        event: &ChangeEvent<'_>,
        moment: &Moment<'_>,
    ) -> Result<(Vec<u8>, Vec<u8>), EncodeError> {
        let schemas = self.schemas(shape, event.update.table);
        let key = self.json_of(&schemas.key, &shape.key(event));
        Ok((key, self.json_of(&schemas.value, &shape.value(event, moment))))
    }

    fn schemas(&mut self, shape: &dyn Shape, table: &TableMetadata) -> Arc<Schemas> {
        let part = |schema: Schema| Part { json: connect::schema_json(&schema), schema };
        let make = || Arc::new(Schemas { key: part(shape.key_schema(table)), value: part(shape.value_schema(table)) });
        self.known.entry((table.id, table.version)).or_insert_with(make).clone()
    }

    fn json_of(&self, part: &Part, value: &connect::Value) -> Vec<u8> {
        let mut json = String::new();
        if self.with_schemas {
            connect::with_schema(&mut json, &part.json, &part.schema, value);
        } else {
            connect::write_value(&mut json, &part.schema, value);
        }
        json.into_bytes()
    }
}
