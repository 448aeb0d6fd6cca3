//! Around the loop: signals, the runtime, the schema over CQL.

use ringtail::config;
use ringtail::history::Reading;
use ringtail::pipeline::Exchange;
use ringtail::schema::SchemaRows;
use ringtail::schema::live::{self, CqlConfig, CqlTls, LiveSchema, NodeIdentity};
use ringtail::telemetry::with_causes;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// How long a failed look at the node's schema is followed by another; it doubles up to the maximum.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(10);
/// How often the schema is read although nobody asked.
const REFRESH: Duration = Duration::from_secs(60);
/// The exit code of a process that a second SIGTERM ends: 128 + 15.
const KILLED: i32 = 143;

/// Set by the first SIGTERM or SIGINT.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether it is time to leave.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Raises the limit of open files to what the system allows us: a segment that is read stays open until it is delivered, and there
/// can be more of them than the 1024 that a process usually begins with.
pub fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, files = limit.current, "the limit of open files stays as it is");
    }
}

/// A runtime for everything that is not the loop.
pub fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("shell").enable_all().build()
}

/// Listens for SIGTERM and SIGINT: the first asks the loop to leave, the second ends the process at once.
pub fn listen_for_stop(runtime: &Runtime) -> std::io::Result<Stop> {
    let stop = Stop::default();
    let _inside = runtime.enter();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let stop = stop.clone();
        runtime.spawn(async move {
            while signals.recv().await.is_some() {
                if stop.0.swap(true, Ordering::Relaxed) {
                    std::process::exit(KILLED);
                }
                tracing::info!("asked to stop: waiting for what is in flight, at most 4 s");
            }
        });
    }
    Ok(stop)
}

/// Reads the schema of the node, now and whenever somebody wishes for a newer one, and publishes it.
pub fn follow_schema(runtime: &Runtime, cql: &config::Cql, exchange: Arc<Exchange>) -> Arc<OnceLock<NodeIdentity>> {
    let identity = Arc::new(OnceLock::new());
    let (node, config) = (identity.clone(), cql_config(cql));
    runtime.spawn(async move {
        let mut retry = RETRY_MIN;
        let mut told = Told::default();
        loop {
            let folds = exchange.folds();
            match live::read(&config).await {
                Ok(schema) => {
                    retry = RETRY_MIN;
                    told.read(&schema);
                    // The first answer tells who the node is; a node does not change its id.
                    node.set(schema.node).ok();
                    exchange.publish_reading(Reading::new(schema.catalog, schema.rows), folds);
                    tokio::select! {
                        () = exchange.wished() => {}
                        () = tokio::time::sleep(REFRESH) => {}
                    }
                }
                Err(error) => {
                    told.failed(with_causes(&error));
                    tokio::time::sleep(retry).await;
                    retry = (retry * 2).min(RETRY_MAX);
                }
            }
        }
    });
    identity
}

/// What the log says of the schema so far: each change once, however often it is read.
#[derive(Default)]
struct Told {
    rows: Option<SchemaRows>,
    error: Option<String>,
}

impl Told {
    fn read(&mut self, schema: &LiveSchema) {
        let LiveSchema { node, rows, catalog, problems } = schema;
        if self.error.take().is_none() && self.rows.as_ref() == Some(rows) {
            return;
        }
        for problem in problems {
            tracing::warn!("table definition that cannot be used: {problem}");
        }
        let published = catalog.tables().filter(|table| table.is_published()).count();
        let (node_id, release) = (node.host_id, &node.release_version);
        tracing::info!(tables = catalog.len(), published, %node_id, release, "schema read from Cassandra");
        self.rows = Some(rows.clone());
    }

    fn failed(&mut self, error: String) {
        if self.error.as_ref() != Some(&error) {
            tracing::warn!("{error}; Cassandra is asked again");
            self.error = Some(error);
        }
    }
}

/// The configuration's words in the driver's.
pub fn cql_config(cql: &config::Cql) -> CqlConfig {
    CqlConfig {
        contact_points: cql.contact_points.clone(),
        username: cql.login.as_ref().map(|login| login.username.clone()),
        password: cql.login.as_ref().map(|login| login.password.expose().to_owned()),
        tls: cql.tls.as_ref().map(|tls| CqlTls {
            ca: tls.ca.clone(),
            cert: tls.identity.as_ref().map(|(cert, _)| cert.clone()),
            key: tls.identity.as_ref().map(|(_, key)| key.clone()),
        }),
        local_dc: cql.local_dc.clone(),
    }
}
