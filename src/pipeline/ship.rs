//! One entry on its way out: from a decoded mutation to records in the sink's hands.

use crate::columns::{Columns, Key};
use crate::config::TableFilter;
use crate::envelope::{EncodeError, Envelope, Record, Topic};
use crate::event::{self, ChangeEvent, Operation, ProjectError};
use crate::mutant::{Mutant, mutant};
use crate::mutation::Mutation;
use crate::position::{CommitLogPosition, LogicalPosition, SegmentId};
use crate::progress::{EventPlace, Ticket, Window};
use crate::schema::{Catalog, SchemaChange, TableId, TableKind, TableMetadata};
use crate::sink::{DeliveryFailure, DeliveryReport, SendError, Sink, SinkError};
use crate::telemetry::Metrics;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Header of an event that later ones of its partition may have overtaken, with the reason.
const LATE: &str = "ringtail.late";
/// Why an event is parked: the other side will never take its record, or it has none.
const REFUSED_BY_SINK: &str = "refused_by_sink";
const NOT_ENCODABLE: &str = "not_encodable";

/// Where an event stands: what a refusal is remembered by across a rewind.
pub type EventKey = (CommitLogPosition, u32);

/// What an entry has to say.
#[derive(Debug)]
pub enum Cargo<'a> {
    /// Changes of data.
    Mutation(&'a Mutation<'a>),
    /// Changes of the schema. An entry with those has no data that is published, so its ordinals are theirs.
    Changes(&'a [SchemaChange]),
}

/// What of a mutation is to be sent, and as what.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// The entry.
    pub at: CommitLogPosition,
    /// The file that events name.
    pub file: &'a str,
    /// The first event.
    pub from: u32,
    /// The time that events carry; theirs if `None`.
    pub ts_ms: Option<i64>,
    /// How, if the entry was parked.
    pub again: Option<Again<'a>>,
}

/// An entry that was read before and held back: it moves no segment.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// Events that came later were sent before it: the reason, for the header `ringtail.late`.
    pub late: Option<&'a str>,
    /// Only this event; the others were sent.
    pub only: Option<u32>,
}

/// What has become of the events of a mutation.
#[derive(Debug)]
pub enum Shipped {
    /// All that are published are in the sink's hands.
    Done {
        /// Whether the mutation had an event to publish.
        published: bool,
        /// How many events it has, published or not.
        events: u32,
    },
    /// The sink or the window has no room. Go on with this ordinal.
    Blocked {
        /// The first event not handed over.
        ordinal: u32,
        /// Why.
        why: Blocked,
    },
    /// The other side will never take this event. It has to be parked, then go on with the next.
    Refused {
        /// The event.
        ordinal: u32,
        /// Its table.
        table: (Option<TableId>, String),
        /// Who refuses it: `refused_by_sink` or `not_encodable`.
        cause: &'static str,
        /// Why.
        reason: String,
    },
}

/// Why nothing more can be handed over now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// The window or the sink is full: what is in flight has to arrive first.
    Full,
    /// The topic does not exist.
    UnknownTopic(Topic),
    /// The topic does not exist, and could not be made: in words.
    NotCreated(String),
    /// Not allowed.
    Unauthorized(String),
    /// It cannot be encoded before something outside has answered.
    Encoder(String),
}

/// What reports have told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Events that arrived.
    pub delivered: usize,
    /// The first failure that calls for a rewind, if there was one.
    pub failed: Option<DeliveryFailure>,
}

/// Takes decoded mutations to the sink.
pub struct Shipper {
    sink: Box<dyn Sink>,
    /// What is on its way.
    pub window: Window,
    envelope: Envelope,
    columns: Columns,
    filter: TableFilter,
    metrics: Arc<Metrics>,
    in_flight: HashMap<Ticket, InFlight>,
    refused: HashMap<EventKey, String>,
    parked: HashSet<EventKey>,
    arrived: u64,
    reports: Vec<DeliveryReport>,
    /// Whether what is sent counts in batches, and the events of an entry are never in two.
    in_batches: bool,
    /// Whether some events of an entry are in the sink's hands and others are not.
    within_entry: bool,
    /// How many events were left out against what was expected.
    warned: HashMap<(TableId, &'static str), u64>,
    /// What was told to be wrong with the configured tables.
    problems: Vec<String>,
    /// How many records of an event of several are in the sink's hands, while others are not: of the entry that is blocked, and of one that
    /// comes out of parking meanwhile.
    begun: HashMap<EventKey, usize>,
}

#[derive(Clone)]
struct InFlight {
    key: EventKey,
    /// None of a change of the schema.
    id: Option<TableId>,
    keyspace: String,
    table: String,
    /// None of a change of the schema.
    operation: Option<Operation>,
    bytes: u64,
    content: Content,
}

/// What a record is to those who count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// An event, or the last record of one.
    Event,
    /// A record of an event that another one follows.
    Part,
    /// The account of an ended segment, which is no event.
    Account,
}

impl InFlight {
    fn name(&self) -> (Option<TableId>, String) {
        (self.id, format!("{}.{}", self.keyspace, self.table))
    }
}

impl Shipper {
    /// Ships into `sink`.
    pub fn new(mut sink: Box<dyn Sink>, window: Window, envelope: Envelope, filter: TableFilter, metrics: Arc<Metrics>) -> Self {
        let in_batches = sink.transactions().is_some();
        Shipper {
            sink,
            window,
            envelope,
            columns: Columns::default(),
            filter,
            metrics,
            in_flight: HashMap::new(),
            refused: HashMap::new(),
            parked: HashSet::new(),
            arrived: 0,
            reports: Vec::new(),
            in_batches,
            within_entry: false,
            warned: HashMap::new(),
            problems: Vec::new(),
            begun: HashMap::new(),
        }
    }

    /// The same, with rules for columns.
    #[must_use]
    pub fn with_columns(mut self, columns: Columns) -> Self {
        self.columns = columns;
        self
    }

    /// Whether some events of an entry are in the sink's hands and others are not.
    pub fn is_within_entry(&self) -> bool {
        self.within_entry
    }

    /// Hands over the events of an entry from the first to be sent on.
    ///
    /// # Errors
    /// [`ProjectError`]: the mutation cannot be taken apart into events.
    pub fn ship(&mut self, sending: Sending<'_>, cargo: &Cargo<'_>) -> Result<Shipped, ProjectError> {
        let shipped = match cargo {
            Cargo::Mutation(mutation) => self.mutation(sending, mutation)?,
            Cargo::Changes(changes) => self.changes(sending, changes),
        };
        self.within_entry &= !matches!(shipped, Shipped::Done { .. });
        Ok(shipped)
    }

    /// Whether changes of the schema are published.
    pub fn publishes_changes(&self, changes: &[SchemaChange]) -> bool {
        !changes.is_empty() && self.envelope.has_schema_topic()
    }

    fn changes(&mut self, sending: Sending<'_>, changes: &[SchemaChange]) -> Shipped {
        for (ordinal, change) in (0..).zip(changes) {
            if self.is_left(sending, ordinal) {
                continue;
            }
            let ts_ms = sending.ts_ms.unwrap_or(change.ts.div_euclid(1000));
            let Some(record) = self.envelope.encode_change(change, sending.at, ordinal, sending.file, ts_ms) else { continue };
            let flight = InFlight {
                key: (sending.at, ordinal),
                id: None,
                keyspace: change.keyspace.clone(),
                table: change.table.clone().unwrap_or_default(),
                operation: None,
                bytes: 0,
                content: Content::Event,
            };
            if let Some(stopped) = self.record(record, flight, sending.again) {
                return stopped;
            }
        }
        Shipped::Done { published: true, events: u32::try_from(changes.len()).unwrap_or(u32::MAX) }
    }

    fn mutation(&mut self, sending: Sending<'_>, mutation: &Mutation<'_>) -> Result<Shipped, ProjectError> {
        let Sending { at, from, .. } = sending;
        let projection = event::project(at, mutation)?;
        if from == 0 && projection.empty_rows > 0 {
            self.metrics.filtered("empty", u64::from(projection.empty_rows));
        }
        let mut published = false;
        for event in &projection.events {
            if let Some(rule) = self.leaves_out(event) {
                if event.ordinal >= from {
                    self.metrics.filtered(rule, 1);
                    self.warn(event, rule);
                }
                continue;
            }
            published = true;
            if self.is_left(sending, event.ordinal) {
                continue;
            }
            if let Some(stopped) = self.event(event, sending) {
                return Ok(stopped);
            }
        }
        Ok(Shipped::Done { published, events: u32::try_from(projection.events.len()).unwrap_or(u32::MAX) })
    }

    /// Tells the first event that is left out against what was expected, and the tenth, the hundredth and so on.
    fn warn(&mut self, event: &ChangeEvent<'_>, rule: &'static str) {
        let Some(warning) = self.envelope.warning(event) else { return };
        let count = self.warned.entry((event.update.table.id, rule)).or_default();
        *count += 1;
        if 10_u64.checked_pow(count.ilog10()) == Some(*count) {
            tracing::warn!(segment = event.at.segment.0, position = event.at.position.0, count = *count, "{warning}");
        }
    }

    /// Whether an event is not to be sent now.
    fn is_left(&self, sending: Sending<'_>, ordinal: u32) -> bool {
        let only = sending.again.and_then(|again| again.only);
        ordinal < sending.from || only.is_some_and(|only| only != ordinal) || self.parked.contains(&(sending.at, ordinal))
    }

    /// Begins the series of every table that is published, and tells what does not fit the tables that are known.
    pub fn show_tables(&mut self, catalog: &Catalog) {
        for table in catalog.tables().filter(|table| self.left_out(table).is_none()) {
            self.metrics.table_seen(&table.keyspace, &table.name);
        }
        let problems = self.envelope.problems(catalog);
        for problem in problems.iter().filter(|problem| !self.problems.contains(problem)) {
            tracing::warn!("{problem}");
        }
        self.problems = problems;
    }

    /// Whether `mutation` has an event that is published.
    pub fn publishes(&self, at: CommitLogPosition, mutation: &Mutation<'_>) -> bool {
        event::project(at, mutation).is_ok_and(|projection| projection.events.iter().any(|event| self.leaves_out(event).is_none()))
    }

    /// The rule that leaves the table out, if any does: the label of `ringtail_filtered_total`.
    fn left_out(&self, table: &TableMetadata) -> Option<&'static str> {
        if table.is_system() || table.kind == TableKind::View {
            Some("system")
        } else if !table.cdc {
            Some("cdc")
        } else if !self.filter.allows(&table.keyspace, &table.name) {
            Some("tables")
        } else {
            self.envelope.leaves_out_table(table)
        }
    }

    /// The rule that leaves the event out, if any does.
    fn leaves_out(&self, event: &ChangeEvent<'_>) -> Option<&'static str> {
        self.left_out(event.update.table).or_else(|| self.envelope.leaves_out(event))
    }

    fn event(&mut self, event: &ChangeEvent<'_>, sending: Sending<'_>) -> Option<Shipped> {
        let key = (event.at, event.ordinal);
        let (table, operation) = (event.update.table, Some(event.change.operation()));
        let (keyspace, name) = (table.keyspace.clone(), table.name.clone());
        let flight = InFlight { key, id: Some(table.id), keyspace, table: name, operation, bytes: 0, content: Content::Event };
        if self.refused.contains_key(&key) {
            return self.refusal(&flight);
        }
        match self.encode(event, sending) {
            Ok(records) => self.records(records, &flight, sending.again),
            Err(EncodeError::Waiting(why)) => Some(Shipped::Blocked { ordinal: event.ordinal, why: Blocked::Encoder(why) }),
            Err(EncodeError::Refused(reason)) => {
                Some(Shipped::Refused { ordinal: event.ordinal, table: flight.name(), cause: NOT_ENCODABLE, reason })
            }
        }
    }

    /// The records of an event, as the rules for columns leave it.
    fn encode(&mut self, event: &ChangeEvent<'_>, sending: Sending<'_>) -> Result<Vec<Record>, EncodeError> {
        let ts_ms = sending.ts_ms.unwrap_or(event.timestamp.0.div_euclid(1000));
        let envelope = &mut self.envelope;
        self.columns.apply(event, |shown, key| {
            let mut records = envelope.encode(shown, sending.file, ts_ms)?;
            if key == Key::Hidden {
                envelope.hide_partition(&mut records, event);
            }
            Ok(records)
        })
    }

    /// Hands over the records of an event; `None` if all are in the sink's hands. Those before the last move no segment, so the event has
    /// arrived with the last one.
    fn records(&mut self, records: Vec<Record>, flight: &InFlight, again: Option<Again<'_>>) -> Option<Shipped> {
        let sent = self.begun.remove(&flight.key).unwrap_or(0);
        let last = records.len().saturating_sub(1);
        for (index, record) in records.into_iter().enumerate().skip(sent) {
            let content = if index == last { Content::Event } else { Content::Part };
            if let Some(stopped) = self.record(record, InFlight { content, ..flight.clone() }, again) {
                if index > 0 && matches!(stopped, Shipped::Blocked { .. }) {
                    self.begun.insert(flight.key, index);
                }
                return Some(stopped);
            }
        }
        None
    }

    /// The event was refused before.
    fn refusal(&self, flight: &InFlight) -> Option<Shipped> {
        let reason = self.refused.get(&flight.key)?.clone();
        Some(Shipped::Refused { ordinal: flight.key.1, table: flight.name(), cause: REFUSED_BY_SINK, reason })
    }

    /// Hands over one record; `None` if it is in the sink's hands.
    fn record(&mut self, mut record: Record, mut flight: InFlight, again: Option<Again<'_>>) -> Option<Shipped> {
        let (at, ordinal) = flight.key;
        if let Some(refusal) = self.refusal(&flight) {
            return Some(refusal);
        }
        if let Some(reason) = again.and_then(|again| again.late) {
            record.headers.push((LATE.into(), reason.to_owned()));
        }
        let bytes = record_bytes(&record);
        flight.bytes = bytes;
        let blocked = |why| Some(Shipped::Blocked { ordinal, why });
        // A batch takes the rest of an entry whatever the window says: it ends only behind it.
        let is_rest = self.in_batches && self.within_entry;
        if !is_rest && !self.window.has_room(bytes) {
            return blocked(Blocked::Full);
        }
        let ticket = self.window.next_ticket();
        match self.sink.send(&record, ticket) {
            Ok(()) => {}
            Err(SendError::Full) => return blocked(Blocked::Full),
            Err(SendError::UnknownTopic(topic)) => return blocked(Blocked::UnknownTopic(topic)),
            Err(error @ SendError::NotCreated { .. }) => return blocked(Blocked::NotCreated(error.to_string())),
            Err(SendError::Unauthorized(reason)) => return blocked(Blocked::Unauthorized(reason)),
            Err(SendError::Refused(reason)) => {
                return Some(Shipped::Refused { ordinal, table: flight.name(), cause: REFUSED_BY_SINK, reason });
            }
        }
        match again.is_some() || flight.content == Content::Part {
            false => self.window.issue(EventPlace { segment: at.segment, position: at.position, ordinal, bytes }),
            true => self.window.issue_aside(bytes),
        };
        self.in_flight.insert(ticket, flight);
        self.within_entry = true;
        None
    }

    /// Hands over the account of an ended segment. It moves no segment: that it has arrived is told by [`Window::first`].
    ///
    /// # Errors
    /// It has to wait, and for what; it was not handed over.
    pub fn account(&mut self, account: Vec<u8>) -> Result<Option<Ticket>, SendError> {
        let Some(record) = self.envelope.encode_account(account) else { return Ok(None) };
        let bytes = record_bytes(&record);
        if !self.window.has_room(bytes) {
            return Err(SendError::Full);
        }
        let ticket = self.window.next_ticket();
        self.sink.send(&record, ticket)?;
        self.window.issue_aside(bytes);
        let key = (CommitLogPosition { segment: SegmentId(0), position: LogicalPosition(0) }, 0);
        let (keyspace, table) = (String::new(), String::new());
        self.in_flight.insert(ticket, InFlight { key, id: None, keyspace, table, operation: None, bytes, content: Content::Account });
        Ok(Some(ticket))
    }

    /// `node.id`.
    pub fn node(&self) -> &str {
        self.envelope.node()
    }

    /// The entry that ends here needs no further event.
    pub fn passed(&mut self, at: CommitLogPosition) {
        self.window.passed(at.segment, at.position);
    }

    /// The event lies in `parked/`, durable: it is not sent any more.
    pub fn parked(&mut self, key: EventKey) {
        self.refused.remove(&key);
        self.parked.insert(key);
    }

    /// The event is taken out of `parked/` to be sent.
    pub fn unpark(&mut self, key: EventKey) {
        self.refused.remove(&key);
        self.parked.remove(&key);
    }

    /// Takes in what has arrived, waiting up to `wait` if nothing has.
    ///
    /// # Errors
    /// What ends the process.
    pub fn poll(&mut self, wait: Duration) -> Result<Arrivals, SinkError> {
        let mut reports = std::mem::take(&mut self.reports);
        let result = self.sink.poll(wait, &mut reports);
        let mut arrivals = Arrivals::default();
        for report in reports.drain(..) {
            self.report(report, &mut arrivals);
        }
        self.reports = reports;
        result.map(|()| arrivals)
    }

    fn report(&mut self, report: DeliveryReport, arrivals: &mut Arrivals) {
        let Some(flight) = self.in_flight.remove(&report.ticket) else { return };
        match report.result {
            Ok(()) if flight.content == Content::Account => self.window.acknowledge(report.ticket),
            Ok(()) if flight.content == Content::Part => {
                self.window.acknowledge(report.ticket);
                self.metrics.event_bytes(&flight.keyspace, &flight.table, flight.bytes);
            }
            // It stands in the ledger, and will never be taken: nothing waits for it.
            Err(DeliveryFailure::Refused(reason)) if flight.content == Content::Account => {
                tracing::error!(reason, "the account of a segment is refused (topics.audit)");
                self.window.acknowledge(report.ticket);
            }
            Ok(()) => {
                arrivals.delivered += 1;
                self.arrived += 1;
                self.window.acknowledge(report.ticket);
                if let Some(operation) = flight.operation {
                    self.metrics.event(&flight.keyspace, &flight.table, operation.letter(), flight.bytes);
                }
            }
            Err(_) if mutant(Mutant::FailureCountsAsAck) => self.window.acknowledge(report.ticket),
            Err(failure) => {
                if let DeliveryFailure::Refused(reason) = &failure {
                    self.refused.insert(flight.key, reason.clone());
                }
                arrivals.failed.get_or_insert(failure);
            }
        }
    }

    /// Forgets everything in flight. The reader goes back to the durable checkpoint and sends it again; what was refused is
    /// remembered and will be parked instead.
    ///
    /// # Errors
    /// What ends the process.
    pub fn rewind(&mut self) -> Result<(), SinkError> {
        self.in_flight.clear();
        self.within_entry = false;
        self.begun.clear();
        self.window.reset();
        self.sink.reset()
    }

    /// How many events have arrived since this was last asked.
    pub fn take_arrived(&mut self) -> u64 {
        std::mem::take(&mut self.arrived)
    }

    /// The sink.
    pub fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    /// The sink, to ask it something.
    pub fn sink_mut(&mut self) -> &mut dyn Sink {
        &mut *self.sink
    }
}

fn record_bytes(record: &Record) -> u64 {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    (record.key.len() + record.value.as_ref().map_or(0, Vec::len) + headers) as u64
}
