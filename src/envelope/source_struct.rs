//! The member `source` in Connect's model, as Debezium's `SourceInfoStructMaker` makes it. As JSON that comes as it is: `source`.

use super::EnvelopeSettings;
use crate::connect::{Field, Kind, Schema, Value};
use crate::event::ChangeEvent;

/// What is equal in every event.
#[derive(Debug)]
pub(super) struct SourceStruct {
    version: String,
    name: String,
    cluster: String,
}

/// Its schema, under this name; `position` is the type of `pos`.
pub(super) fn schema(name: &str, position: Kind) -> Schema {
    let text = |name: &str| Field::new(name, Schema::new(Kind::String));
    let long = |name: &str| Field::new(name, Schema::new(Kind::Int64).optional());
    let snapshot = Schema::new(Kind::String)
        .optional()
        .named("io.debezium.data.Enum")
        .version(1)
        .parameter("allowed", "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental")
        .default_value(Value::text("false"));
    let fields = vec![
        text("version"),
        text("connector"),
        text("name"),
        Field::new("ts_ms", Schema::new(Kind::Int64)),
        Field::new("snapshot", snapshot),
        text("db"),
        Field::new("sequence", Schema::new(Kind::String).optional()),
        long("ts_us"),
        long("ts_ns"),
        text("cluster"),
        text("file"),
        Field::new("pos", Schema::new(position)),
        text("keyspace"),
        text("table"),
    ];
    Schema::of_struct(name, fields).version(1)
}

impl SourceStruct {
    pub fn new(settings: &EnvelopeSettings) -> SourceStruct {
        SourceStruct { version: settings.version.clone(), name: settings.prefix.clone(), cluster: settings.cluster.clone() }
    }

    /// Its value.
    pub fn value(&self, event: &ChangeEvent<'_>, file: &str) -> Value {
        let (micros, table) = (event.timestamp.0, event.update.table);
        Value::Struct(vec![
            Value::text(self.version.as_str()),
            Value::text("cassandra"),
            Value::text(self.name.as_str()),
            // Rounded down, as Java's `Instant.toEpochMilli`.
            Value::Int(micros.div_euclid(1000)),
            Value::text("false"),
            Value::text("NULL"),
            Value::Null,
            Value::Int(micros),
            Value::Int(micros.saturating_mul(1000)),
            Value::text(self.cluster.as_str()),
            Value::text(file),
            Value::Int(event.at.position.0.into()),
            Value::text(table.keyspace.as_str()),
            Value::text(table.name.as_str()),
        ])
    }
}
