//! The member `source`, as Debezium's `SourceInfo`.

use crate::connect::{self, Field, Kind, Schema};
use crate::envelope::EnvelopeSettings;
use crate::event::ChangeEvent;

/// What is equal in every event.
#[derive(Debug)]
pub(super) struct Source {
    version: String,
    name: String,
    cluster: String,
}

/// Its schema.
pub(super) fn schema() -> Schema {
    let text = |name: &str| Field::new(name, Schema::new(Kind::String));
    let long = |name: &str| Field::new(name, Schema::new(Kind::Int64).optional());
    let snapshot = Schema::new(Kind::String)
        .optional()
        .named("io.debezium.data.Enum")
        .version(1)
        .parameter("allowed", "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental")
        .default_value(connect::Value::text("false"));
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
        Field::new("pos", Schema::new(Kind::Int64)),
        text("keyspace"),
        text("table"),
    ];
    Schema::of_struct("ringtail.Source", fields).version(1)
}

impl Source {
    pub fn new(settings: &EnvelopeSettings) -> Source {
        Source { version: settings.version.clone(), name: settings.prefix.clone(), cluster: settings.cluster.clone() }
    }

    /// Its value.
    pub fn value(&self, event: &ChangeEvent<'_>, file: &str) -> connect::Value {
        let (micros, table) = (event.timestamp.0, event.update.table);
        connect::Value::Struct(vec![
            connect::Value::text(self.version.as_str()),
            connect::Value::text("cassandra"),
            connect::Value::text(self.name.as_str()),
            // Rounded down, as Java's `Instant.toEpochMilli`.
            connect::Value::Int(micros.div_euclid(1000)),
            connect::Value::text("false"),
            connect::Value::text("NULL"),
            connect::Value::Null,
            connect::Value::Int(micros),
            connect::Value::Int(micros.saturating_mul(1000)),
            connect::Value::text(self.cluster.as_str()),
            connect::Value::text(file),
            connect::Value::Int(event.at.position.0.into()),
            connect::Value::text(table.keyspace.as_str()),
            connect::Value::text(table.name.as_str()),
        ])
    }
}
