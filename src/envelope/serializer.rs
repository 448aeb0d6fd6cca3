//! From keys and values with their schemas to bytes.

use super::converter::{Converter, Part, PartWriter};
use super::error::EncodeError;
use super::record::Topic;
use super::shape::{Moment, Shape};
use crate::event::ChangeEvent;
use crate::schema::{SchemaVersion, TableId};
use std::collections::HashMap;

/// Serializes what a [`Shape`] says. Keeps what writes the records of the tables that it has met.
#[derive(Debug)]
pub(super) struct Serializer {
    converter: Box<dyn Converter>,
    known: HashMap<(Topic, TableId, SchemaVersion), Writers>,
}

/// What writes the records of a table.
#[derive(Debug)]
struct Writers {
    key: Box<dyn PartWriter>,
    value: Box<dyn PartWriter>,
}

impl Serializer {
    pub fn new(converter: Box<dyn Converter>) -> Serializer {
        Serializer { converter, known: HashMap::new() }
    }

    /// Key and value of an event.
    ///
    /// # Errors
    /// [`EncodeError`]: there can be no record now, or not of this event.
    pub fn serialize(
        &mut self,
        topic: &Topic,
        shape: &dyn Shape,
        event: &ChangeEvent<'_>,
        moment: &Moment<'_>,
    ) -> Result<(Vec<u8>, Vec<u8>), EncodeError> {
        let (converter, table) = (&self.converter, event.update.table);
        let writers = self.known.entry((topic.clone(), table.id, table.version)).or_insert_with(|| Writers {
            key: converter.writer(topic, Part::Key, shape.key_schema(table)),
            value: converter.writer(topic, Part::Value, shape.value_schema(table)),
        });
        // Both are asked before one of them is waited for.
        let (key, value) = (writers.key.ready(), writers.value.ready());
        key.and(value)?;
        Ok((writers.key.write(&shape.key(event))?, writers.value.write(&shape.value(event, moment))?))
    }
}
