//! From the configuration to a sink and what is put before it.

use anyhow::Context;
use ringtail::columns::Columns;
use ringtail::config::{self, Config, Delivery, EnvelopeKind, SerializerKind, SinkTo};
use ringtail::envelope::{Envelope, EnvelopeSettings, Form, Outbox, PartitionBy, TopicTemplate, TopicTemplateError};
use ringtail::pipeline::Shipper;
use ringtail::progress::{Limits, Window};
use ringtail::registry::{AvroConverter, Client, Ids, Patience};
use ringtail::sink::kafka::{NewTopics, TransactionSettings};
use ringtail::sink::{FileSink, KafkaSink, Sink, SinkError, StdoutSink};
use ringtail::telemetry::Metrics;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Opens the configured sink for the agent of a node. `state` is what it asked to be remembered.
pub fn open(config: &Config, node: &str, state: Option<&serde_json::Value>) -> Result<Box<dyn Sink>, SinkError> {
    match (&config.sink.to, config.sink.delivery) {
        (SinkTo::Kafka(properties), Delivery::ExactlyOnce) => kafka(config, properties, Some(transactions(config, node))),
        _ => open_plain(config, state),
    }
}

fn kafka(
    config: &Config,
    properties: &config::KafkaProperties,
    transactions: Option<TransactionSettings>,
) -> Result<Box<dyn Sink>, SinkError> {
    Ok(Box::new(KafkaSink::open(&kafka_properties(properties), window(config), transactions, new_topics(config))?))
}

/// How missing topics are made, if they are.
fn new_topics(config: &Config) -> Option<NewTopics> {
    let config::CreateTopics { partitions, replication_factor, config } = config.topics.create.clone()?;
    Some(NewTopics { partitions, replication_factor, config })
}

/// Who a node is in transactions: the same over all its processes, and nobody else.
pub fn transactions(config: &Config, node: &str) -> TransactionSettings {
    TransactionSettings {
        transactional_id: format!("ringtail-{}-{node}", config.topics.prefix),
        positions: config.topics.positions.as_str().into(),
        node: node.to_owned(),
    }
}

/// Opens the configured sink without transactions, also where the agent has them: its positions are not moved.
pub fn open_plain(config: &Config, state: Option<&serde_json::Value>) -> Result<Box<dyn Sink>, SinkError> {
    Ok(match &config.sink.to {
        SinkTo::Stdout => Box::new(StdoutSink::stdout()),
        SinkTo::File(path) => Box::new(FileSink::open(path, state)?),
        SinkTo::Kafka(properties) => kafka(config, properties, None)?,
    })
}

/// Puts a sink behind the configured envelope and filter.
pub fn shipper(config: &Config, sink: Box<dyn Sink>, node: &str, cluster: &str, metrics: Arc<Metrics>) -> anyhow::Result<Shipper> {
    let settings = envelope_settings(config, node, cluster)?;
    let envelope = match config.events.serializer {
        SerializerKind::Json => Envelope::new(settings),
        SerializerKind::Avro => Envelope::with_converter(settings, Box::new(avro_converter(&config.events.registry)?)),
    };
    let window = Window::new(Limits::events(config.sink.window));
    Ok(Shipper::new(sink, window, envelope, config.tables.clone(), metrics).with_columns(Columns::new(&config.columns)))
}

/// Asks nothing of the registry yet.
fn avro_converter(registry: &config::Registry) -> anyhow::Result<AvroConverter> {
    let ids = Ids::start(registry_client(registry)?, registry.auto_register, Patience::default());
    let ids = ids.context("cannot start the thread of the schema registry")?;
    Ok(AvroConverter::new(ids, registry.subject))
}

/// A client of the configured registry.
pub fn registry_client(registry: &config::Registry) -> anyhow::Result<Client> {
    Client::new(registry).context("cannot read events.registry.tls.ca")
}

/// What is configured of the envelope.
pub fn envelope_settings(config: &Config, node: &str, cluster: &str) -> anyhow::Result<EnvelopeSettings> {
    Ok(EnvelopeSettings {
        node: node.into(),
        prefix: config.topics.prefix.clone(),
        topic: topic_template(&config.topics)?,
        cluster: cluster.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        form: form(&config.events),
        conversion: config.events.conversion,
        schemas: config.events.schemas,
        tombstones: config.events.tombstones,
        headers: config.events.headers.clone(),
        partition_by: match config.topics.partition_by {
            config::PartitionBy::PartitionKey => PartitionBy::PartitionKey,
            config::PartitionBy::RecordKey => PartitionBy::RecordKey,
        },
        outbox: outbox(config),
        schema_topic: config.topics.schema.as_deref().map(Into::into),
        audit_topic: config.topics.audit.as_deref().map(Into::into),
    })
}

/// Which tables are outboxes, and whether only they are published.
pub fn outbox(config: &Config) -> Outbox {
    Outbox { tables: config.outbox.clone(), only: config.events.envelope == EnvelopeKind::Outbox }
}

/// The names of tables' topics.
pub fn topic_template(topics: &config::Topics) -> Result<TopicTemplate, TopicTemplateError> {
    TopicTemplate::parse(&topics.name)?.with_tables(topics.tables.iter().map(|(pattern, text)| (pattern, text.as_str())))
}

/// The form of key and value.
fn form(events: &config::Events) -> Form {
    match events.envelope {
        EnvelopeKind::Debezium if events.strict => Form::Strict,
        EnvelopeKind::Flat => Form::Flat,
        EnvelopeKind::Debezium | EnvelopeKind::Outbox => Form::Lossless,
    }
}

/// librdkafka's properties as the sink takes them.
pub fn kafka_properties(properties: &config::KafkaProperties) -> BTreeMap<String, String> {
    properties.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn window(config: &Config) -> u32 {
    u32::try_from(config.sink.window).unwrap_or(u32::MAX)
}
