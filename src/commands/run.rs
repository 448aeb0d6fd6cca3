//! `ringtail run`: the agent.

use super::identity::{Identity, NoIdentity, WrongNode};
use super::shell::{self, Stop};
use super::{Exit, RunArgs, complain, configure, fail, schema_file, sinks, tell};
use anyhow::{Context, anyhow};
use ringtail::audit::Page;
use ringtail::cdc_raw::{Finished, Folders};
use ringtail::checkpoint::{CheckpointStore, Ledger, LedgerError, Opened, OpenedLedger, StateDir, StateError, StoreError, Watched};
use ringtail::config::{self, Config, NodeSettings, SinkTo};
use ringtail::history::{Additive, BEGINNING, History, Reading, SavedError, Source};
use ringtail::http::{HttpServer, LedgerPages};
use ringtail::pipeline::park::{Answer, Request};
use ringtail::pipeline::{Clock, Exchange, Fatal, META_HISTORY, META_SINK, Parts, Pipeline, Settings, Tables};
use ringtail::schema::live::NodeIdentity;
use ringtail::sink::SinkError;
use ringtail::telemetry::{Metrics, NodeName, SharedStatus, with_causes};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How often the copy of the schema history is written at most.
const COPY_INTERVAL: Duration = Duration::from_secs(1);
/// Cassandra's `commitlog_sync_period` as it comes.
const SYNC_PERIOD: Duration = Duration::from_secs(10);
/// How long a save of the ledger may take. A disk under a busy node can be slow; one that takes longer does not answer.
const SAVE_MAX: Duration = Duration::from_secs(30);

/// What to expect with neither.
pub const NO_SCHEMA: &str = "neither schema.cql.contact_points nor schema.file is set: only tables that the log itself creates are known, \
                             mutations of all others will be parked";

pub fn run(args: &RunArgs) -> Exit {
    let node = NodeName::default();
    let config = match configure(&args.config.config, node.clone()) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    introduce(&config);
    shell::allow_many_files();
    let tables = match schema_file::configured(&config) {
        Ok(tables) => tables,
        Err(error) => return fail(Exit::Usage, &error),
    };
    match Agent::start(config, tables, node, true).and_then(|agent| agent.run(args)) {
        Ok(exit) => exit,
        Err(error) => fail(exit_of(&error), &error),
    }
}

/// The first lines of the log: what runs, between what, and what it does not do.
fn introduce(config: &Config) {
    let (cdc_raw, state) = (config.source.cdc_raw.display(), config.state.dir.display());
    let sink = match &config.sink.to {
        SinkTo::Stdout => "standard output".to_owned(),
        SinkTo::File(path) => path.display().to_string(),
        SinkTo::Kafka(properties) => {
            let servers = properties.iter().find(|(name, _)| *name == "bootstrap.servers").map_or("", |(_, servers)| servers);
            format!("kafka {servers}")
        }
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %cdc_raw, %state, sink, "ringtail starts");
    if config.knows_no_table() {
        tracing::warn!("{NO_SCHEMA}");
    }
}

/// What was wrong with the ledger, and has been mended.
pub fn repaired(opened: &Opened) -> Option<String> {
    match opened {
        Opened::New | Opened::Whole => None,
        Opened::NewAfterCrash { why, aside } => {
            let aside = aside.as_ref().map(|aside| aside.display().to_string()).unwrap_or_default();
            Some(format!("a first start was interrupted, and nothing was delivered before; what it left is in {aside}: {why}"))
        }
        Opened::ShadowRenewed(why) => Some(format!("the shadow of the ledger was written anew: {why}")),
        Opened::Rebuilt { why, aside } => {
            let aside = aside.as_ref().map(|aside| format!("; what was there is in {}", aside.display())).unwrap_or_default();
            Some(format!("the ledger was made again out of its shadow: {why}{aside}"))
        }
    }
}

/// Which promise, or whose fault: what the process ends with.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(error) = error.downcast_ref::<StateError>() {
        return match error {
            StateError::Held { .. } => Exit::Held,
            StateError::Newer { .. } => Exit::Usage,
            StateError::NoVersion { .. } => Exit::Promise,
            StateError::Io { .. } => Exit::Io,
        };
    }
    let fatal = error.downcast_ref::<Fatal>();
    if let Some(Fatal::Positions(_)) = fatal {
        return Exit::Promise;
    }
    let sink = fatal.and_then(|fatal| if let Fatal::Sink(sink) = fatal { Some(sink) } else { None });
    if let Some(SinkError::Locked(_) | SinkError::Fenced(_)) = sink.or(error.downcast_ref()) {
        return Exit::Held;
    }
    let ledger = fatal.and_then(|fatal| if let Fatal::Ledger(ledger) = fatal { Some(ledger) } else { None });
    let ledger = ledger.or(error.downcast_ref()).and_then(|ledger| if let LedgerError::Store(store) = ledger { Some(store) } else { None });
    match ledger.or(error.downcast_ref()) {
        Some(StoreError::Damaged { .. } | StoreError::Key(_) | StoreError::Gone { .. }) => return Exit::Promise,
        Some(StoreError::Sled { source: sled::Error::Corruption { .. }, .. }) => return Exit::Promise,
        Some(StoreError::NewerRecord { .. }) => return Exit::Usage,
        Some(StoreError::Sled { .. } | StoreError::Io { .. } | StoreError::Encode { .. }) | None => {}
    }
    match error.downcast_ref::<SavedError>() {
        Some(SavedError::Newer(_)) => return Exit::Usage,
        Some(_) => return Exit::Promise,
        None => {}
    }
    match error {
        error if error.is::<WrongNode>() => Exit::Promise,
        error if error.is::<NoIdentity>() => Exit::Usage,
        _ => Exit::Io,
    }
}

pub struct Agent {
    config: Config,
    runtime: Runtime,
    stop: Stop,
    pipeline: Pipeline,
    metrics: Arc<Metrics>,
    status: SharedStatus,
    node: NodeName,
    identity: Arc<OnceLock<NodeIdentity>>,
    /// Which revision of the schema history was copied, and when.
    copied: (u64, Instant),
    /// None for a command that is soon through.
    http: Option<HttpServer>,
    /// Held for as long as the process lives.
    state: StateDir,
}

impl Agent {
    /// Takes the state folder and puts everything together; nothing is sent yet.
    pub fn start(config: Config, file: Option<Reading>, node: NodeName, has_endpoints: bool) -> anyhow::Result<Agent> {
        let version = env!("CARGO_PKG_VERSION");
        let (metrics, status) = (Arc::new(Metrics::new(version)), SharedStatus::new(version));
        let runtime = shell::runtime().context("cannot start the runtime")?;
        let stop = shell::listen_for_stop(&runtime).context("cannot listen for signals")?;
        // The lock goes before the port: a second instance with the same file is to hear that there is a first one.
        let state = StateDir::open(&config.state.dir)?;
        let pages = LedgerPages::default();
        let listen = || HttpServer::start(config.http.listen, runtime.handle(), status.clone(), metrics.clone(), pages.clone());
        let http = has_endpoints.then(listen).transpose()?;
        if let Some(http) = &http {
            tracing::info!(address = %http.address(), "endpoints listen");
            state.note_address(http.address())?;
        }
        let OpenedLedger { ledger, reader, opened } = Ledger::open_with(&state, watched)?;
        if let Some(repair) = repaired(&opened) {
            tracing::error!("{repair}");
            status.note_error(repair);
        }
        pages.set(move |after| {
            let page = Page::read(&reader, after).map_err(|error| with_causes(&error))?;
            serde_json::to_string(&page).map_err(|error| error.to_string())
        });
        let exchange = Exchange::new(None);
        let (tables, identity) = follow_schema(&config, file.as_ref(), ledger.meta(META_HISTORY), &runtime, &exchange)?;
        let settings_of_node = node_settings(&config);
        status.update(|status| status.cdc_raw_limit_bytes = settings_of_node.cdc_total_space);
        let parts = Parts {
            ledger,
            folders: folders(&config, &state, settings_of_node.sync_period.unwrap_or(SYNC_PERIOD)),
            parked: (state.parked(), config.state.parked_limit),
            requests: Some(state.requests()),
            tables,
            keystore: config.source.encryption.clone(),
            metrics: metrics.clone(),
            status: status.clone(),
            clock: Clock::default(),
        };
        let pipeline = Pipeline::new(settings(&config, &settings_of_node), parts)?;
        Ok(Agent { config, runtime, stop, pipeline, metrics, status, node, identity, copied: (0, Instant::now()), http, state })
    }

    fn run(mut self, args: &RunArgs) -> anyhow::Result<Exit> {
        let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
        if args.drain {
            self.pipeline.drain()?;
        }
        let exit = loop {
            if self.stop.is_asked() {
                break Exit::Done;
            }
            if !self.pipeline.has_begun() && self.pipeline.has_room()? {
                self.begin_if_known()?;
            }
            self.pipeline.turn()?;
            self.copy_history(false)?;
            if self.pipeline.is_drained() {
                break self.drained();
            }
            if self.pipeline.halted().is_some() && args.drain {
                // What it says goes before: the last line is why.
                self.pipeline.stop()?;
                let why = self.pipeline.halted().unwrap_or_default();
                break fail(Exit::Data, &anyhow!("{} events delivered; {why}", self.pipeline.delivered()));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break self.out_of_time();
            }
        };
        self.pipeline.stop()?;
        self.copy_history(true)?;
        if self.stop.is_asked() {
            tracing::info!(
                delivered = self.pipeline.delivered(),
                "ringtail ends: what has arrived is saved, the rest stays in its segments"
            );
        }
        if let Some(http) = self.http {
            self.runtime.block_on(http.stop());
        }
        self.runtime.shutdown_background();
        Ok(exit)
    }

    /// Publishes parked entries and reads nothing. `None` if that took too long, or somebody has stopped it: what was not delivered
    /// stays parked.
    pub fn retry(mut self, request: &Request, timeout: Duration) -> anyhow::Result<Option<Answer>> {
        let deadline = Instant::now() + timeout;
        let mut is_asked = false;
        let answer = loop {
            if self.stop.is_asked() || Instant::now() >= deadline {
                break None;
            }
            if !self.pipeline.has_begun() && self.pipeline.has_room()? {
                self.begin_if_known()?;
            }
            if !self.pipeline.has_begun() {
                std::thread::sleep(self.config.source.poll_min);
                continue;
            }
            if !is_asked {
                self.pipeline.retry_only(request).map_err(|error| anyhow!(error))?;
                is_asked = true;
            }
            self.pipeline.turn()?;
            if let Some(answer) = self.pipeline.answer() {
                break Some(answer);
            }
        };
        self.pipeline.stop()?;
        let answer = answer.or_else(|| self.pipeline.answer());
        self.runtime.shutdown_background();
        Ok(answer)
    }

    /// What is known of the schema lies in the state folder as plain text too, for `schema show`: the ledger is locked while we run.
    fn copy_history(&mut self, now: bool) -> anyhow::Result<()> {
        let revision = self.pipeline.history().revision();
        if self.copied.0 == revision || (!now && self.copied.0 > 0 && self.copied.1.elapsed() < COPY_INTERVAL) {
            return Ok(());
        }
        self.state.write_schema(self.pipeline.history().to_json()?.as_bytes())?;
        self.copied = (revision, Instant::now());
        Ok(())
    }

    /// Begins to send as soon as it is known who the node is: events carry its id.
    fn begin_if_known(&mut self) -> anyhow::Result<()> {
        let live = self.identity.get().map(Identity::of);
        let Some(identity) = Identity::decide(&self.config, live, Identity::stored(self.pipeline.ledger()))? else { return Ok(()) };
        identity.store(self.pipeline.ledger_mut());
        let Identity { node, cluster } = identity;
        let sink = sinks::open(&self.config, &node, self.pipeline.ledger().meta(META_SINK))?;
        let shipper = sinks::shipper(&self.config, sink, &node, &cluster, self.metrics.clone())?;
        self.node.set(&node);
        self.pipeline.begin(shipper)?;
        let read = if self.config.source.read == config::ReadMode::Synced {
            "synced, up to the node's last sync"
        } else {
            "marked, about 100 ms behind a write"
        };
        tracing::info!(cluster = Some(cluster.as_str()).filter(|name| !name.is_empty()), read, "sending begins");
        self.status.update(|status| {
            status.node = Some(node);
            status.cluster = Some(cluster);
        });
        Ok(())
    }

    /// Says what the drain leaves behind.
    fn drained(&self) -> Exit {
        let (delivered, before) = (self.pipeline.delivered(), self.pipeline.delivered_ever());
        for name in self.pipeline.kept_open() {
            tell(&format!("{name}.log is still written to: delivered up to what it shows, and kept"));
        }
        if delivered == 0 && before > 0 {
            let dir = self.config.state.dir.display();
            tell(&format!("nothing new: {before} events were delivered before; remove {dir} to see them again"));
        } else {
            tell(&format!("{delivered} events delivered"));
        }
        let (parked, quarantined) = self.pipeline.set_aside();
        if parked > 0 || quarantined > 0 {
            let dir = self.config.state.dir.display();
            complain(&format!("kept aside in {dir}: {parked} parked entries, {quarantined} quarantined segments"));
        }
        if self.pipeline.has_lost() {
            return fail(Exit::Promise, &anyhow!("bytes are lost: the log above names the segments"));
        }
        Exit::Done
    }

    /// Says why the drain did not come to its end.
    fn out_of_time(&self) -> Exit {
        let status = self.status.snapshot();
        let (delivered, why) = (self.pipeline.delivered(), status.reason.unwrap_or_else(|| "there was too much for it".into()));
        fail(Exit::Unavailable, &anyhow!("--timeout has passed: {delivered} events delivered, the rest stays in its segments ({why})"))
    }
}

/// A save that never returns ends the process: a supervisor starts it again, and everything since the last save is sent again.
fn watched(store: Box<dyn CheckpointStore>) -> Box<dyn CheckpointStore> {
    let watched = Watched::new(store, SAVE_MAX, || {
        let why = anyhow!(
            "a save of the ledger has taken {} s: its disk does not answer, or an error left the store waiting",
            SAVE_MAX.as_secs()
        );
        std::process::exit(fail(Exit::Io, &why) as i32);
    });
    Box::new(watched)
}

/// What the node's own configuration says, if it may be read. The node decides; that it differs from ours is only said.
fn node_settings(config: &Config) -> NodeSettings {
    let Some(path) = &config.source.cassandra_yaml else { return NodeSettings::default() };
    let file = path.display();
    match NodeSettings::load(path) {
        Ok(settings) => {
            if let Some(problem) = settings.problem(&config.source.cdc_raw) {
                tracing::warn!(%file, "{problem}");
            }
            settings
        }
        Err(error) => {
            tracing::warn!(%file, "source.cassandra_yaml is not compared with: {}", with_causes(&error));
            NodeSettings::default()
        }
    }
}

/// What is known at start: what former runs knew, and over it the file. The node adds to it as soon as it answers.
fn follow_schema(
    config: &Config,
    file: Option<&Reading>,
    kept: Option<&serde_json::Value>,
    runtime: &Runtime,
    exchange: &Arc<Exchange>,
) -> anyhow::Result<(Tables, Arc<OnceLock<NodeIdentity>>)> {
    let live = !config.schema.cql.contact_points.is_empty();
    let is_known = file.is_some() || kept.is_some() || !live;
    let mut history = match kept.and_then(|kept| kept.as_str()) {
        Some(text) => History::from_json(text, config.schema.log)?,
        None => History::new(config.schema.log),
    };
    if let Some(file) = file {
        history.take(Source::File, file, BEGINNING, Additive::NotInLog);
    }
    let identity = if live { shell::follow_schema(runtime, &config.schema.cql, exchange.clone()) } else { Arc::default() };
    Ok((Tables::new(exchange.clone(), live, config.schema.wait).with_history(history, is_known), identity))
}

fn folders(config: &Config, state: &StateDir, sync_period: Duration) -> Folders {
    Folders {
        cdc_raw: config.source.cdc_raw.clone(),
        spool: state.spool(),
        quarantine: state.quarantine(),
        commitlog: config.source.commitlog.clone(),
        finished: match config.source.finished {
            config::Finished::Delete => Finished::Delete,
            config::Finished::Keep => Finished::Keep,
            config::Finished::Archive => Finished::Archive,
        },
        archive: config.source.archive.clone().unwrap_or_default(),
        sync_period,
    }
}

fn settings(config: &Config, node: &NodeSettings) -> Settings {
    Settings {
        synced: config.source.read == config::ReadMode::Synced,
        poll_min: config.source.poll_min,
        breaker: config.sink.breaker,
        halt_on_damage: config.source.on_damage == config::OnDamage::Halt,
        poll_max: config.source.poll_max,
        rescan: config.source.rescan,
        spool: config.state.spool,
        accounts: config.topics.audit.is_some(),
        // A file that is silent means the default; without the file nothing is known.
        node_removes: node.cdc_enabled.map(|_| node.cdc_block_writes == Some(false)),
        commit_interval: config.sink.commit_interval,
    }
}
