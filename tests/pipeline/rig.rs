//! The real loop over real folders, with a sink and a store in memory, a clock in the hand, and a node that is played.

use crate::support::expected::{self, Event};
use crate::support::node::names;
use crate::support::node::{Content, Node, Step};
use ringtail::cdc_raw::{Finished, Folders};
use ringtail::checkpoint::{CheckpointStore, Ledger, MemoryStore, SegmentKey, SegmentRecord};
use ringtail::config::{Breaker, Full, Release, Spool, SubjectName, TableFilter, TablePattern};
use ringtail::envelope::{Envelope, EnvelopeSettings};
use ringtail::history::History;
use ringtail::pipeline::{Clock, Exchange, Fatal, META_HISTORY, Parts, Pipeline, Settings, Shipper, Tables};
use ringtail::progress::{Limits, Ticket, Window};
use ringtail::schema::Catalog;
use ringtail::sink::faults::Faults;
use ringtail::sink::memory::Arrived;
use ringtail::sink::{DeliveryReport, MemorySink, Positions, SendError, Sink, SinkError, Transactions};
use ringtail::telemetry::{Metrics, SharedStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// What may differ from test to test.
pub struct Setup {
    /// `sink.window`.
    pub window: usize,
    /// `sink.delivery: exactly_once`.
    pub exactly_once: bool,
    /// What goes wrong with the sink.
    pub faults: Faults,
    /// `source.read: synced`.
    pub synced: bool,
    /// Whether `source.commitlog` is set.
    pub commitlog: bool,
    /// `source.finished`.
    pub finished: Finished,
    /// `state.parked.limit`.
    pub parked_limit: u64,
    /// Whether somebody answers wishes for a newer schema, and how long one is waited for.
    pub schema: (bool, Duration),
    /// Whether the log's schema mutations count, and are sent.
    pub log: bool,
    /// What a look at the clock takes: how much is read in one turn.
    pub look: Duration,
    /// `source.rescan`.
    pub rescan: Duration,
    /// `source.on_damage: halt`.
    pub halt_on_damage: bool,
    /// `state.spool`.
    pub spool: Spool,
    /// Whether accounts are sent (`topics.audit`).
    pub accounts: bool,
    /// `cdc_block_writes: false`, where that is known.
    pub node_removes: Option<bool>,
    /// `events.tombstones`.
    pub tombstones: bool,
    /// `events.serializer: avro`: the address of the registry, and the names of subjects.
    pub registry: Option<(String, SubjectName)>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            window: 50,
            exactly_once: false,
            faults: Faults::default(),
            synced: false,
            commitlog: false,
            finished: Finished::Delete,
            parked_limit: 1 << 30,
            schema: (false, Duration::from_secs(10)),
            log: false,
            look: Duration::from_micros(100),
            rescan: Duration::ZERO,
            halt_on_damage: false,
            spool: Spool { limit: 1 << 40, full: Full::Hold, release: Release::Early, min_free: 0 },
            accounts: false,
            node_removes: None,
            tombstones: false,
            registry: None,
        }
    }
}

/// Everything of one test.
pub struct Rig {
    dir: TempDir,
    setup: Setup,
    /// The node's folders.
    pub node: Node,
    /// The node's segments.
    pub contents: BTreeMap<u64, Content>,
    /// The ledger's store.
    pub store: MemoryStore,
    /// The other side.
    pub arrived: Arrived,
    sink: SharedSink,
    /// The loop's clock.
    pub clock: Clock,
    /// The catalog.
    pub exchange: Arc<Exchange>,
    /// Of all runs together.
    pub metrics: Arc<Metrics>,
    /// Of the present run.
    pub status: SharedStatus,
    pipeline: Option<Pipeline>,
}

impl Rig {
    /// Folders without a segment, and no loop yet.
    pub fn new(setup: Setup, catalog: &Catalog) -> Rig {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for name in ["spool", "quarantine", "parked", "requests"] {
            fs::create_dir(dir.path().join(name)).expect("a writable folder");
        }
        let mut setup = setup;
        let faults = std::mem::take(&mut setup.faults);
        let sink = if setup.exactly_once { MemorySink::transactional(1000, faults) } else { MemorySink::new(1000, faults) };
        Rig {
            node: Node::new(dir.path()),
            contents: BTreeMap::new(),
            store: MemoryStore::new(),
            arrived: sink.arrived(),
            sink: SharedSink(Arc::new(Mutex::new(sink))),
            clock: Clock::manual(setup.look),
            exchange: Exchange::new(Some(catalog.clone())),
            metrics: Arc::new(Metrics::new("test")),
            status: SharedStatus::new("test"),
            pipeline: None,
            dir,
            setup,
        }
    }

    /// One of `spool`, `quarantine`, `parked`, `requests`.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Every name in `cdc_raw` and in the spool.
    pub fn left(&self) -> Vec<String> {
        let names: BTreeSet<String> = names(&self.folder("spool")).into_iter().chain(self.node.left()).collect();
        names.into_iter().collect()
    }

    /// Changes `state.parked.limit` for the next start.
    pub fn allow_parked(&mut self, bytes: u64) {
        self.setup.parked_limit = bytes;
    }

    /// Changes `state.spool` for the next start.
    pub fn set_spool(&mut self, spool: Spool) {
        self.setup.spool = spool;
    }

    /// Changes `source.on_damage` for the next start.
    pub fn halt_on_damage(&mut self, halt: bool) {
        self.setup.halt_on_damage = halt;
    }

    /// Starts the loop, with somewhere to send to.
    pub fn start(&mut self) {
        self.start_without_sink();
        self.begin();
    }

    /// Starts the loop; nobody knows yet who the node is.
    pub fn start_without_sink(&mut self) {
        let ledger = Ledger::load(Box::new(self.store.clone())).expect("a readable ledger");
        let (live, wait) = self.setup.schema;
        let folders = Folders {
            cdc_raw: self.node.cdc_raw(),
            spool: self.folder("spool"),
            quarantine: self.folder("quarantine"),
            commitlog: self.setup.commitlog.then(|| self.node.commitlog()),
            finished: self.setup.finished,
            archive: self.folder("archive"),
            sync_period: Duration::from_secs(10),
        };
        self.status = SharedStatus::new("test");
        let tables = Tables::new(self.exchange.clone(), live, wait);
        let parts = Parts {
            ledger,
            folders,
            parked: (self.folder("parked"), self.setup.parked_limit),
            requests: Some(self.folder("requests")),
            tables: if self.setup.log { self.with_history(tables, live) } else { tables },
            keystore: None,
            metrics: self.metrics.clone(),
            status: self.status.clone(),
            clock: self.clock.clone(),
        };
        let settings = Settings {
            synced: self.setup.synced,
            poll_min: Duration::from_micros(10),
            breaker: Breaker::default(),
            halt_on_damage: self.setup.halt_on_damage,
            poll_max: Duration::from_micros(10),
            rescan: self.setup.rescan,
            spool: self.setup.spool,
            accounts: self.setup.accounts,
            node_removes: self.setup.node_removes,
            commit_interval: Duration::from_millis(100),
        };
        self.pipeline = Some(Pipeline::new(settings, parts).expect("a readable spool"));
    }

    /// What a former run has kept of the schema.
    fn with_history(&self, tables: Tables, live: bool) -> Tables {
        let meta = self.store.meta().expect("readable");
        let kept = meta.get(META_HISTORY).map(|kept| kept.as_str().expect("a text"));
        let history = kept.map_or(History::new(true), |text| History::from_json(text, true).expect("a history"));
        tables.with_history(history, kept.is_some() || !live)
    }

    /// Now it is known who the node is.
    pub fn begin(&mut self) {
        let every = TableFilter { include: vec![TablePattern::parse("*.*").expect("a pattern")], exclude: Vec::new() };
        let window = Window::new(Limits::events(self.setup.window));
        let audit = self.setup.accounts.then_some("shop.audit");
        let envelope = match &self.setup.registry {
            Some((url, subjects)) => expected::avro(url, *subjects),
            None => {
                let settings = expected::settings(self.setup.log.then_some("shop.schema"), audit);
                Envelope::new(EnvelopeSettings { tombstones: self.setup.tombstones, ..settings })
            }
        };
        let shipper = Shipper::new(Box::new(self.sink.clone()), window, envelope, every, self.metrics.clone());
        self.pipeline.as_mut().expect("a loop").begin(shipper).expect("a ledger that can be saved");
    }

    /// The loop.
    pub fn pipeline(&mut self) -> &mut Pipeline {
        self.pipeline.as_mut().expect("a loop")
    }

    /// Whether a loop runs.
    pub fn is_running(&self) -> bool {
        self.pipeline.is_some()
    }

    /// One turn, some time after the last.
    pub fn turn(&mut self, later: Duration) -> Result<(), Fatal> {
        self.clock.advance(later);
        self.pipeline().turn()
    }

    /// Turns until nothing more can change: some time passes with each.
    pub fn settle(&mut self) {
        for _ in 0..60 {
            self.turn(Duration::from_millis(110)).expect("nothing that ends the process");
        }
    }

    /// The process is gone. Of what was in flight some has arrived.
    pub fn crash(&mut self) {
        self.pipeline = None;
        self.sink.reset().expect("memory");
    }

    /// As [`Rig::crash`], and then the process is started again and finds what was written.
    pub fn restart(&mut self) {
        self.crash();
        self.store.reopen();
        self.start();
    }

    /// What the committed batches said.
    pub fn committed(&self, change: impl FnOnce(&mut Vec<Positions>)) {
        change(self.sink.0.lock().expect("one thread").committed().expect("a sink with batches"));
    }

    /// How often the sink began anew.
    pub fn resets(&self) -> usize {
        self.sink.0.lock().expect("one thread").resets() as usize
    }

    /// The node does one thing.
    pub fn perform(&self, step: &Step) {
        self.node.perform(&self.contents, step);
    }

    /// Puts a whole plain segment into `cdc_raw`, as a node leaves it that has closed it and removed its own name.
    pub fn put(&mut self, id: u64, bytes: Vec<u8>) {
        let content = Content { name: expected::name(id), bytes, header: 20, grows: false, cdc: true };
        fs::write(self.node.link(&content), &content.bytes).expect("a writable folder");
        fs::write(self.node.index(&content), format!("{}\nCOMPLETED", content.bytes.len())).expect("a writable folder");
        self.contents.insert(id, content);
    }

    /// What has arrived, as a consumer sees it.
    pub fn events(&self) -> Vec<Event> {
        self.arrived.records().iter().map(Event::from).collect()
    }

    /// Every durable record.
    pub fn records(&self) -> Vec<(SegmentKey, SegmentRecord)> {
        let mut records = Vec::new();
        let visited = self.store.visit(&mut |key, record| {
            records.push((key, record));
            ControlFlow::Continue(())
        });
        visited.expect("readable records");
        records
    }

    /// The record of a segment.
    pub fn record(&self, id: u64) -> SegmentRecord {
        let found = self.records().into_iter().rev().find(|(key, _)| key.id.0 == id);
        found.unwrap_or_else(|| panic!("no record of segment {id}")).1
    }

    /// Why it is not ready.
    pub fn obstacle(&self) -> Option<String> {
        self.status.snapshot().reason
    }

    /// The latest errors.
    pub fn errors(&self) -> Vec<String> {
        self.status.snapshot().errors.into_iter().map(|note| note.message).collect()
    }

    /// The sum of all series of a metric in `/metrics`.
    pub fn metric_sum(&self, name: &str) -> u64 {
        let text = self.metrics.scrape(&self.status.snapshot()).expect("text");
        let series = text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        series.map(|line| line.rsplit(' ').next().expect("a value").parse::<u64>().expect("a number")).sum()
    }

    /// The value of a series in `/metrics`.
    pub fn metric(&self, series: &str) -> u64 {
        let text = self.metrics.scrape(&self.status.snapshot()).expect("text");
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("no series {series} in\n{text}"));
        line.rsplit(' ').next().expect("a value").parse().expect("a number")
    }
}

/// The sink as the other side has it: it outlives the process.
#[derive(Clone, Debug)]
struct SharedSink(Arc<Mutex<MemorySink>>);

impl Sink for SharedSink {
    fn send(&mut self, record: &ringtail::envelope::Record, ticket: Ticket) -> Result<(), SendError> {
        self.0.lock().expect("one thread").send(record, ticket)
    }

    fn poll(&mut self, wait: Duration, reports: &mut Vec<DeliveryReport>) -> Result<(), SinkError> {
        self.0.lock().expect("one thread").poll(wait, reports)
    }

    fn reset(&mut self) -> Result<(), SinkError> {
        self.0.lock().expect("one thread").reset()
    }

    fn state(&self) -> Option<serde_json::Value> {
        Some("a sink in memory".into())
    }

    fn transactions(&mut self) -> Option<&mut dyn Transactions> {
        let has = self.0.lock().expect("one thread").transactions().is_some();
        if has { Some(self) } else { None }
    }
}

impl Transactions for SharedSink {
    fn recovered(&mut self) -> Option<Option<Positions>> {
        self.0.lock().expect("one thread").recovered()
    }

    fn instance(&self) -> String {
        self.0.lock().expect("one thread").instance()
    }

    fn commit(&mut self, positions: &Positions) -> Result<(), SendError> {
        self.0.lock().expect("one thread").commit(positions)
    }

    fn outcome(&mut self) -> Option<Result<u64, String>> {
        self.0.lock().expect("one thread").outcome()
    }
}

/// Checks both sums of a record (I5).
pub fn assert_adds_up(id: u64, record: &SegmentRecord) {
    let (file, logical) = (record.bytes.file, record.bytes.logical);
    let in_file = file.header + file.markers + file.section_heads + file.section_payload + file.padding + file.unmarked + file.damaged;
    assert_eq!(in_file, file.length, "segment {id}: {file:?}");
    let in_sections = logical.delivered + logical.filtered + logical.parked + logical.damaged + logical.lost + logical.padding;
    assert_eq!(in_sections, logical.sections, "segment {id}: {logical:?}");
}
