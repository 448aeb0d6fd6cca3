//! What is built from a configuration: every value checked, with its unit in its type.

use super::columns::ColumnRules;
use super::events::Events;
use super::kafka;
use super::secret::Secret;
use super::tables::TableFilter;
use crate::envelope::OutboxTable;
use crate::keystore::Keystore;
use crate::schema::TablePattern;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A configuration that can be run. Its `Debug` form holds no secret.
///
/// A setting whose only value today is its default is checked and has no field here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This node.
    pub node: Node,
    /// Where segments come from.
    pub source: Source,
    /// Where progress is kept.
    pub state: State,
    /// Where table definitions come from.
    pub schema: Schema,
    /// Which tables are published.
    pub tables: TableFilter,
    /// How their columns are told.
    pub columns: ColumnRules,
    /// The shape and the bytes of records.
    pub events: Events,
    /// Tables whose inserted rows are messages.
    pub outbox: Vec<OutboxTable>,
    /// Where events go within the sink.
    pub topics: Topics,
    /// Where events go.
    pub sink: Sink,
    /// The endpoints.
    pub http: Http,
    /// The log.
    pub log: Log,
}

/// `node`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The operator's name for this node; `None` for `auto`.
    pub id: Option<String>,
}

/// `source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Cassandra's `cdc_raw_directory`.
    pub cdc_raw: PathBuf,
    /// Cassandra's `commitlog_directory`.
    pub commitlog: Option<PathBuf>,
    /// The node's `cassandra.yaml`.
    pub cassandra_yaml: Option<PathBuf>,
    /// How far a growing segment is read.
    pub read: ReadMode,
    /// Shortest wait between two looks at a growing segment.
    pub poll_min: Duration,
    /// Longest wait, when nothing happens.
    pub poll_max: Duration,
    /// How often the folder is listed whatever the watcher said.
    pub rescan: Duration,
    /// What happens to a finished segment in `cdc_raw`.
    pub finished: Finished,
    /// The folder that takes finished segments under [`Finished::Archive`].
    pub archive: Option<PathBuf>,
    /// What happens at damaged bytes.
    pub on_damage: OnDamage,
    /// Where the keys of encrypted segments are.
    pub encryption: Option<Keystore>,
}

/// `source.read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// Up to the newest valid sync marker.
    Marked,
    /// Up to `_cdc.idx`.
    Synced,
}

/// `source.finished`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// Its names in `cdc_raw` are removed.
    Delete,
    /// Nothing in `cdc_raw` is ever removed.
    Keep,
    /// It is linked or copied into the archive, then its names in `cdc_raw` are removed.
    Archive,
}

/// `source.on_damage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDamage {
    /// They are kept aside and named, and reading goes on.
    Quarantine,
    /// Nothing behind them is read until a person has decided.
    Halt,
}

/// `state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The state folder.
    pub dir: PathBuf,
    /// The hard links.
    pub spool: Spool,
    /// Most bytes of parked entries.
    pub parked_limit: u64,
}

/// `state.spool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spool {
    /// Most bytes whose only name is ours.
    pub limit: u64,
    /// What happens at the limit.
    pub full: Full,
    /// When a final segment's name in `cdc_raw` goes.
    pub release: Release,
    /// Percent of the file system that stays free.
    pub min_free: u8,
}

/// `state.spool.full`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Early release stops.
    Hold,
    /// The oldest segment that is not delivered goes, and is recorded as lost.
    DropOldest,
}

/// `state.spool.release`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// As soon as our link and the ledger record are on disk.
    Early,
    /// When everything is delivered.
    Delivered,
}

/// `schema`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// How to ask Cassandra.
    pub cql: Cql,
    /// A schema file.
    pub file: Option<PathBuf>,
    /// Follow schema changes in the log.
    pub log: bool,
    /// How long an unknown table is waited for.
    pub wait: Duration,
}

/// `schema.cql`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cql {
    /// Nodes as `host:port`; empty if none is asked.
    pub contact_points: Vec<String>,
    /// User and password.
    pub login: Option<Login>,
    /// Certificates, if TLS is used.
    pub tls: Option<Tls>,
    /// The datacenter whose nodes are asked.
    pub local_dc: Option<String>,
}

/// `schema.cql.username` and `.password`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// `schema.cql.tls`; at least one part is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the authority; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// `topics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// The prefix; `ringtail` where none is required and none is given.
    pub prefix: String,
    /// Template of `{prefix}`, `{keyspace}`, `{table}`; everything else in it is valid in a topic name.
    pub name: String,
    /// The same for the tables of a pattern.
    pub tables: Vec<(TablePattern, String)>,
    /// Which bytes choose the Kafka partition.
    pub partition_by: PartitionBy,
    /// Whether a compacted topic is accepted.
    pub allow_compaction: bool,
    /// The topic for changes of the schema, if they go anywhere.
    pub schema: Option<String>,
    /// The topic for the accounts of ended segments, if they go anywhere.
    pub audit: Option<String>,
    /// The topic for positions under [`Delivery::ExactlyOnce`].
    pub positions: String,
    /// How missing topics are made; `None`: they are waited for.
    pub create: Option<CreateTopics>,
}

/// `topics.create`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateTopics {
    /// How many partitions; `None`: what the brokers take (`num.partitions`).
    pub partitions: Option<u32>,
    /// How many copies; `None`: what the brokers take (`default.replication.factor`).
    pub replication_factor: Option<u32>,
    /// Settings by Kafka's names, such as `retention.ms`.
    pub config: BTreeMap<String, String>,
}

/// `topics.partition_by`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionBy {
    /// Of a table with clustering columns the Cassandra partition key, else the record key.
    PartitionKey,
    /// Always the record key.
    RecordKey,
}

/// `sink`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// The one that was chosen.
    pub to: SinkTo,
    /// When reading pauses because the other side takes nothing.
    pub breaker: Breaker,
    /// Most events sent and not yet covered by a saved checkpoint.
    pub window: usize,
    /// How often an event can become visible.
    pub delivery: Delivery,
    /// How long a transaction takes events.
    pub commit_interval: Duration,
}

/// `sink.delivery`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// What was in flight at a crash is sent again, under the same ids.
    AtLeastOnce,
    /// Events and positions are in one Kafka transaction.
    ExactlyOnce,
}

/// `sink.breaker`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// The share of errors that opens it, in percent.
    pub errors: u8,
    /// Over how many requests.
    pub of: usize,
    /// How long a delivery may take.
    pub timeout: Duration,
    /// Between two probes of an open one.
    pub probe: Duration,
}

/// The documented ones.
impl Default for Breaker {
    fn default() -> Self {
        Breaker { errors: 50, of: 10, timeout: Duration::from_secs(5), probe: Duration::from_secs(2) }
    }
}

/// Which sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkTo {
    /// Standard output.
    Stdout,
    /// A file of JSON lines.
    File(PathBuf),
    /// Kafka.
    Kafka(KafkaProperties),
}

/// librdkafka properties by name. `Debug` leaves out what is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaProperties(pub(super) BTreeMap<String, String>);

impl KafkaProperties {
    /// Name and value of each, secrets included: for librdkafka only.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// One value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, if kafka::is_secret(name) { "***" } else { value }))).finish()
    }
}

/// `http`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where to listen; port 0 is any free one.
    pub listen: SocketAddr,
}

/// `log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// The least severity written.
    pub level: tracing::Level,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Whether lines are JSON, given whether standard error is a terminal.
    pub fn is_json(self, on_terminal: bool) -> bool {
        match self {
            LogFormat::Auto => !on_terminal,
            LogFormat::Text => false,
            LogFormat::Json => true,
        }
    }
}

impl Config {
    /// Whether there is nowhere to learn tables from that are older than the log: their mutations will be parked.
    pub fn knows_no_table(&self) -> bool {
        self.schema.file.is_none() && self.schema.cql.contact_points.is_empty()
    }
}
