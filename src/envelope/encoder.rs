//! The default envelope: Debezium's shape, and beside it all that the mutation says.

use super::converter::{Converter, JsonConverter};
use super::flat::Flat;
use super::key::PrimaryKey;
use super::lossless::Lossless;
use super::serializer::Serializer;
use super::shape::{Moment, Shape};
use super::source::{Place, Source};
use super::strict::Strict;
use super::{
    EncodeError, HeaderTemplate, NOT_OUTBOX, Outbox, PartitionBy, Record, Topic, TopicTemplate, after, json, outbox, ringtail,
    schema_change,
};
use crate::connect::{Conversion, Schema};
use crate::event::{ChangeEvent, Operation};
use crate::position::{CommitLogPosition, EventId};
use crate::schema::{Catalog, SchemaChange, TableId, TableMetadata};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Above this a buffer is given back after an event, so that one large event does not stay in memory for ever.
const BUFFER_KEPT: usize = 1 << 20;

/// What is configured of the envelope. All of it goes into records as it is.
#[derive(Clone, Debug)]
pub struct EnvelopeSettings {
    /// `node.id`: the first part of every event's id.
    pub node: Arc<str>,
    /// `topics.prefix`; Debezium's `topic.prefix`, and the `name` in `source`.
    pub prefix: String,
    /// `topics.name`.
    pub topic: TopicTemplate,
    /// The name of the cluster.
    pub cluster: String,
    /// The version of this program.
    pub version: String,
    /// `events.envelope`.
    pub form: Form,
    /// How decimals and varints are written, in forms that have schemas.
    pub conversion: Conversion,
    /// `events.schemas`: whether each message carries its schema.
    pub schemas: bool,
    /// `events.tombstones`: whether a record without a value follows a delete.
    pub tombstones: bool,
    /// `events.headers`.
    pub headers: Vec<HeaderTemplate>,
    /// `topics.partition_by`.
    pub partition_by: PartitionBy,
    /// `outbox.tables`, and whether nothing else is published.
    pub outbox: Outbox,
    /// `topics.schema`: where changes of the schema go, if anywhere.
    pub schema_topic: Option<Topic>,
    /// `topics.audit`: where accounts of ended segments go, if anywhere.
    pub audit_topic: Option<Topic>,
}

/// The node is `local`, the prefix `ringtail`, the cluster has no name: what `run` takes where nothing is configured and no node is asked.
impl Default for EnvelopeSettings {
    fn default() -> Self {
        EnvelopeSettings {
            node: "local".into(),
            prefix: "ringtail".into(),
            topic: TopicTemplate::default(),
            cluster: String::new(),
            version: env!("CARGO_PKG_VERSION").into(),
            form: Form::Lossless,
            conversion: Conversion::default(),
            schemas: false,
            tombstones: false,
            headers: Vec::new(),
            partition_by: PartitionBy::PartitionKey,
            outbox: Outbox::default(),
            schema_topic: None,
            audit_topic: None,
        }
    }
}

/// The form of a record's key and value (`events.envelope`, `events.strict`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Debezium's, and beside it all that the mutation says.
    Lossless,
    /// Debezium's, to the letter.
    Strict,
    /// The row as plain columns.
    Flat,
}

/// Turns events into records. The default one has the default settings.
#[derive(Debug)]
pub struct Envelope {
    settings: EnvelopeSettings,
    source: Source,
    /// None of the form that is written as JSON as it comes.
    shape: Option<Box<dyn Shape>>,
    serializer: Serializer,
    topics: HashMap<TableId, Topic>,
    /// Where JSON is written before a record takes a copy of just its length.
    buffer: String,
}

impl Default for Envelope {
    fn default() -> Self {
        Envelope::new(EnvelopeSettings::default())
    }
}

impl Envelope {
    /// An envelope of these settings that writes JSON. It keeps topics and a buffer, so one is used for many events.
    pub fn new(settings: EnvelopeSettings) -> Self {
        let converter = JsonConverter { with_schemas: settings.schemas };
        let is_as_it_comes = settings.form == Form::Lossless && !settings.schemas && settings.conversion == Conversion::default();
        Envelope::built(settings, Box::new(converter), is_as_it_comes)
    }

    /// The same; records of tables are written by `converter`.
    pub fn with_converter(settings: EnvelopeSettings, converter: Box<dyn Converter>) -> Self {
        Envelope::built(settings, converter, false)
    }

    fn built(settings: EnvelopeSettings, converter: Box<dyn Converter>, is_as_it_comes: bool) -> Self {
        let source = Source::new(&settings.version, &settings.prefix, &settings.cluster);
        let shape: Option<Box<dyn Shape>> = match settings.form {
            Form::Lossless if is_as_it_comes => None,
            Form::Lossless => Some(Box::new(Lossless::new(&settings))),
            Form::Strict => Some(Box::new(Strict::new(&settings))),
            Form::Flat => Some(Box::new(Flat::new(&settings.prefix, settings.conversion))),
        };
        let serializer = Serializer::new(converter);
        Envelope { settings, source, shape, serializer, topics: HashMap::new(), buffer: String::new() }
    }

    /// The records of an event. `file` is the name of the segment that it stands in; `ts_ms` the time of now, in ms
    /// since 1970, or of the event itself when a replay is to give the same bytes again.
    ///
    /// They are handed over in this order, and only with the last of them has the event arrived. A value that cannot be decoded is null,
    /// with its bytes beside it.
    ///
    /// # Errors
    /// [`EncodeError`]: there can be no record now, or not of this event.
    pub fn encode(&mut self, event: &ChangeEvent<'_>, file: &str, ts_ms: i64) -> Result<Vec<Record>, EncodeError> {
        let table = event.update.table;
        let id = EventId { node: self.settings.node.clone(), at: event.at, ordinal: event.ordinal }.to_string();
        let batch = format!("{};{}/{}", event.at, event.update_index, event.declared_updates);
        if let Some(outbox) = self.settings.outbox.of(table) {
            let headers = vec![("ringtail.id".into(), id.clone()), ("ringtail.batch".into(), batch)];
            let mut record = outbox::record(outbox, &self.settings.prefix, event, &id, headers)?;
            record.headers.extend(self.operators_headers(event));
            return Ok(vec![record]);
        }
        let moment = Moment { id: &id, file, ts_ms };
        let (key, value) = self.key_and_value(event, &moment)?;
        let mut headers = vec![("ringtail.id".into(), id), ("ringtail.batch".into(), batch)];
        let more = self.shape.iter().flat_map(|shape| shape.headers(event));
        headers.extend(more.map(|(name, value)| (name.into(), value)));
        headers.extend(self.operators_headers(event));
        let partition_key = event.update.partition_key.to_vec();
        let partition_by = self.partition_by(table);
        let record = Record { topic: self.topic(table), key, value: Some(value), headers, timestamp: None, partition_key, partition_by };
        let is_deleted = matches!(event.change.operation(), Operation::Delete | Operation::RangeDelete);
        let tombstone = (self.settings.tombstones && is_deleted).then(|| Record { value: None, ..record.clone() });
        Ok([record].into_iter().chain(tombstone).collect())
    }

    fn key_and_value(&mut self, event: &ChangeEvent<'_>, moment: &Moment<'_>) -> Result<(Vec<u8>, Vec<u8>), EncodeError> {
        let topic = self.topic(event.update.table);
        if let Some(shape) = &self.shape {
            return self.serializer.serialize(&topic, &**shape, event, moment);
        }
        let key = PrimaryKey::of(event);
        Ok((self.write(|_, out| key.write(out)), self.write(|envelope, out| envelope.write_value(out, event, &key, moment))))
    }

    /// Has records of an event whose key was hidden go to the partition that they would go to, `plain` being the event as it was: what
    /// chooses it is its key as plain JSON, or the Cassandra partition key.
    pub fn hide_partition(&self, records: &mut [Record], plain: &ChangeEvent<'_>) {
        let chooses = match self.partition_by(plain.update.table) {
            PartitionBy::RecordKey => {
                let mut key = String::new();
                PrimaryKey::of(plain).write(&mut key);
                key.into_bytes()
            }
            PartitionBy::PartitionKey | PartitionBy::Hidden => plain.update.partition_key.to_vec(),
        };
        for record in records {
            record.partition_by = PartitionBy::Hidden;
            record.partition_key.clone_from(&chooses);
        }
    }

    /// What `events.headers` gives.
    fn operators_headers(&self, event: &ChangeEvent<'_>) -> impl Iterator<Item = (Cow<'static, str>, String)> {
        let Self { settings: EnvelopeSettings { headers, prefix, node, .. }, .. } = self;
        headers.iter().filter_map(|header| Some((header.name().to_owned().into(), header.value(prefix, node, event)?)))
    }

    /// The schemas of key and value of a table's records; `None` of a form that has none.
    pub fn schemas(&self, table: &TableMetadata) -> Option<(Schema, Schema)> {
        self.shape.as_ref().map(|shape| (shape.key_schema(table), shape.value_schema(table)))
    }

    /// The rule by which an event is not sent in this form, if it is not: the label of `ringtail_filtered_total`.
    pub fn leaves_out(&self, event: &ChangeEvent<'_>) -> Option<&'static str> {
        if self.settings.outbox.of(event.update.table).is_some() {
            return self.settings.outbox.leaves_out(event);
        }
        self.leaves_out_table(event.update.table).or_else(|| self.shape.as_ref()?.leaves_out(event))
    }

    /// The rule by which nothing of a table is sent in this form, if that is so: the label of `ringtail_filtered_total`.
    pub fn leaves_out_table(&self, table: &TableMetadata) -> Option<&'static str> {
        self.settings.outbox.leaves_out_table(table).then_some(NOT_OUTBOX)
    }

    /// What the log is to say of an event that is left out, where that was asked for.
    pub fn warning(&self, event: &ChangeEvent<'_>) -> Option<String> {
        self.settings.outbox.warning(event)
    }

    /// What is configured of tables and does not fit those that are known, a sentence each.
    pub fn problems(&self, catalog: &Catalog) -> Vec<String> {
        self.settings.outbox.problems(catalog)
    }

    /// Whether changes of the schema go anywhere.
    pub fn has_schema_topic(&self) -> bool {
        self.settings.schema_topic.is_some()
    }

    /// The record of a change of the schema, the event number `ordinal` of the entry that ends at `at`; `None` if it goes nowhere.
    pub fn encode_change(&mut self, change: &SchemaChange, at: CommitLogPosition, ordinal: u32, file: &str, ts_ms: i64) -> Option<Record> {
        let topic = self.settings.schema_topic.clone()?;
        let id = EventId { node: self.settings.node.clone(), at, ordinal }.to_string();
        let key = self.write(|_, out| json::string(out, &change.key()));
        let place = Place { micros: change.ts, file, position: at.position, keyspace: &change.keyspace, table: change.table.as_deref() };
        Some(Record {
            topic,
            value: Some(self.write(|envelope, out| schema_change::write_value(out, change, &envelope.source, &place, &id, ts_ms))),
            headers: vec![("ringtail.id".into(), id)],
            timestamp: None,
            partition_key: key.clone(),
            partition_by: PartitionBy::RecordKey,
            key,
        })
    }

    /// The record of a segment's account, which is JSON; `None` if it goes nowhere. The key is the node.
    pub fn encode_account(&self, account: Vec<u8>) -> Option<Record> {
        let topic = self.settings.audit_topic.clone()?;
        let mut key = String::new();
        json::string(&mut key, &self.settings.node);
        let partition_by = PartitionBy::RecordKey;
        let key = key.into_bytes();
        Some(Record { topic, value: Some(account), headers: Vec::new(), timestamp: None, partition_key: key.clone(), partition_by, key })
    }

    /// `node.id`.
    pub fn node(&self) -> &str {
        &self.settings.node
    }

    /// The topic of a table. A table's names never change under its id.
    pub fn topic(&mut self, table: &TableMetadata) -> Topic {
        let settings = &self.settings;
        self.topics.entry(table.id).or_insert_with(|| settings.topic.topic(&settings.prefix, table)).clone()
    }

    /// Without clustering columns the record's key says no more than the partition key, and hashing it is what
    /// other producers do, so that joins by key work.
    fn partition_by(&self, table: &TableMetadata) -> PartitionBy {
        if table.clustering.is_empty() { PartitionBy::RecordKey } else { self.settings.partition_by }
    }

    fn write_value(&self, out: &mut String, event: &ChangeEvent<'_>, key: &PrimaryKey<'_>, moment: &Moment<'_>) {
        out.push_str("{\"ts_ms\":");
        json::number(out, moment.ts_ms);
        json::member(out, "op");
        json::string(out, event.change.operation().letter());
        json::member(out, "source");
        self.source.write(out, &Place::of(event, moment.file));
        json::member(out, "after");
        after::write_after(out, event, key);
        json::member(out, "ringtail");
        ringtail::write_ringtail(out, event, moment.id);
        out.push('}');
    }

    /// What `write` writes, by way of the buffer.
    fn write(&mut self, write: impl FnOnce(&Self, &mut String)) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.buffer);
        write(self, &mut buffer);
        let bytes = buffer.as_bytes().to_vec();
        buffer.clear();
        buffer.shrink_to(BUFFER_KEPT);
        self.buffer = buffer;
        bytes
    }
}
