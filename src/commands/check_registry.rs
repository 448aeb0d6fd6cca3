//! What `ringtail check` asks of the schema registry.

use super::check::Tried;
use super::{Exit, sinks};
use anyhow::{Context, anyhow};
use ringtail::config::Config;
use ringtail::connect::Schema;
use ringtail::envelope::{Envelope, EnvelopeSettings, Part};
use ringtail::registry::{Client, Compatibility, Failure, registration};
use ringtail::schema::{Catalog, TableMetadata};
use std::sync::Arc;

/// Everything that a run would need of the registry, each with its name. Nothing is registered.
pub fn all(config: &Config, catalog: &Catalog) -> Vec<(String, Tried)> {
    let one = |tried| vec![("schema registry".to_owned(), tried)];
    let (client, mut envelope) = match opened(config) {
        Ok(opened) => opened,
        Err(error) => return one(Err((Exit::Usage, error))),
    };
    let level = match client.level() {
        Ok(level) => level,
        Err(failure) => return one(Err((Exit::Unavailable, failure.into()))),
    };
    let mut all = one(Ok(format!("it answers and lets us in; where a subject has no level of its own, compatibility is {level}")));
    let is_written = |table: &&Arc<TableMetadata>| {
        table.is_published() && config.tables.allows(&table.keyspace, &table.name) && sinks::outbox(config).of(table).is_none()
    };
    for table in catalog.tables().filter(is_written) {
        let schemas = envelope.schemas(table);
        let tried = schemas.ok_or_else(|| anyhow!("events.envelope has no schemas")).map_err(|error| (Exit::Usage, error));
        let tried = tried.and_then(|schemas| subjects(config, &client, &mut envelope, table, &schemas));
        all.push((format!("schemas of {}.{}", table.keyspace, table.name), tried));
    }
    all
}

fn opened(config: &Config) -> anyhow::Result<(Client, Envelope)> {
    let client = sinks::registry_client(&config.events.registry)?;
    let settings = sinks::envelope_settings(config, "", "").context("cannot build the envelope")?;
    // What is written as it comes has no schemas.
    Ok((client, Envelope::new(EnvelopeSettings { schemas: true, ..settings })))
}

/// How the two schemas of a table stand to those that are registered.
fn subjects(config: &Config, client: &Client, envelope: &mut Envelope, table: &TableMetadata, schemas: &(Schema, Schema)) -> Tried {
    let topic = envelope.topic(table);
    let mut said = Vec::new();
    for (part, schema) in [(Part::Key, &schemas.0), (Part::Value, &schemas.1)] {
        let registration = registration(config.events.registry.subject, &topic, part, schema);
        let found = stands(client, &registration.subject, &registration.schema, config.events.registry.auto_register);
        let found = found.map_err(|failure| (Exit::Unavailable, failure.into()))?;
        said.push(format!("{} {found}", registration.subject));
    }
    Ok(said.join(", "))
}

fn stands(client: &Client, subject: &str, schema: &str, register: bool) -> Result<&'static str, Failure> {
    if !register {
        return client.look_up(subject, schema).map(|_| "is registered");
    }
    Ok(match client.compare(subject, schema)? {
        Compatibility::New => "is new",
        Compatibility::Compatible => "is compatible with the latest version",
    })
}
