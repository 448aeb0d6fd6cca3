//! `events`: the shape and the bytes of records.

use super::error::ConfigError;
use super::raw::{Raw, show};
use super::registry::{self, Registry};
use crate::connect::{Conversion, DecimalMode, VarintMode};
use crate::envelope::HeaderTemplate;
use serde_json::Value;
use std::time::Duration;

/// `events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// The shape of the value.
    pub envelope: EnvelopeKind,
    /// Exactly what Debezium writes.
    pub strict: bool,
    /// How key and value become bytes.
    pub serializer: SerializerKind,
    /// Each JSON message carries its schema.
    pub schemas: bool,
    /// A record without a value after each delete.
    pub tombstones: bool,
    /// How decimals and varints are written.
    pub conversion: Conversion,
    /// Time between heartbeat records; zero: none.
    pub heartbeat: Duration,
    /// Headers that the operator adds, by name.
    pub headers: Vec<HeaderTemplate>,
    /// The schema registry.
    pub registry: Registry,
}

/// `events.envelope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeKind {
    /// As the Debezium connector, and what makes it lossless.
    Debezium,
    /// The row as plain columns.
    Flat,
    /// Only the rows of outbox tables.
    Outbox,
}

/// `events.serializer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerializerKind {
    /// JSON.
    Json,
    /// Avro, by way of a schema registry.
    Avro,
}

/// Reads the section.
pub(super) fn events(raw: &Raw) -> Result<Events, ConfigError> {
    let envelopes = [("debezium", EnvelopeKind::Debezium), ("flat", EnvelopeKind::Flat), ("outbox", EnvelopeKind::Outbox)];
    let serializers = [("json", SerializerKind::Json), ("avro", SerializerKind::Avro)];
    let decimals = [("string", DecimalMode::String), ("double", DecimalMode::Double), ("precise", DecimalMode::Precise)];
    let varints = [("string", VarintMode::String), ("long", VarintMode::Long), ("precise", VarintMode::Precise)];
    Ok(Events {
        envelope: raw.choice("events.envelope", &envelopes)?,
        strict: raw.flag("events.strict")?,
        serializer: raw.choice("events.serializer", &serializers)?,
        schemas: raw.flag("events.schemas")?,
        tombstones: raw.flag("events.tombstones")?,
        conversion: Conversion {
            decimal: raw.choice("events.decimal", &decimals)?,
            varint: raw.choice("events.varint", &varints)?,
            debezium: false,
        },
        heartbeat: raw.duration("events.heartbeat", "0s", "1d")?,
        headers: headers(raw)?,
        registry: registry::registry(raw)?,
    })
}

fn headers(raw: &Raw) -> Result<Vec<HeaderTemplate>, ConfigError> {
    let key = "events.headers";
    let header = |(name, value): (&String, &Value)| match value.as_str() {
        Some(text) => HeaderTemplate::parse(name, text).map_err(|error| ConfigError::at(key, error.to_string())),
        None => Err(ConfigError::at(key, format!("has {} in header {name:?}; expected text, in quotes", show(value)))),
    };
    raw.map(key).into_iter().flatten().map(header).collect()
}

/// What of the section contradicts another part of it.
pub(super) fn check(events: &Events) -> Result<(), ConfigError> {
    if events.serializer != SerializerKind::Avro {
        return Ok(());
    }
    let refuse = |key: &str, problem: &str| Err(ConfigError::at(key, problem));
    match events.envelope {
        _ if events.registry.urls.is_empty() => refuse("events.registry.url", "is missing; events.serializer = avro needs it"),
        _ if events.schemas => refuse("events.schemas", "is true, but with events.serializer = avro schemas stand in the registry"),
        EnvelopeKind::Outbox => refuse("events.serializer", "is \"avro\", but what an outbox holds is sent as it is"),
        EnvelopeKind::Debezium | EnvelopeKind::Flat => Ok(()),
    }
}
