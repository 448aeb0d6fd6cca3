//! `ringtail check`: tries everything that a run would need, changes nothing, and prints a line each.

use super::identity::Identity;
use super::run::{NO_SCHEMA, exit_of, repaired};
use super::{CheckArgs, Exit, check_kafka, check_registry, fail, print, schema_file, shell, sinks};
use anyhow::anyhow;
use ringtail::cdc_raw::{Probe, Spool};
use ringtail::checkpoint::{Ledger, StateDir};
use ringtail::config::{self, ColumnRule, Config, Finished, NodeSettings, SerializerKind, SinkTo};
use ringtail::envelope::OutboxTable;
use ringtail::keystore::Keystore;
use ringtail::schema::{Catalog, TableMetadata, live};
use ringtail::sink::SinkError;
use std::fs::{self, OpenOptions, TryLockError};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

/// How long the broker and the node have to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What came of one thing that was tried.
pub(super) type Tried = Result<String, (Exit, anyhow::Error)>;

pub fn run(args: &CheckArgs) -> Exit {
    let config = match config::load(&args.config.config, &config::environment()) {
        Ok(config) => config,
        Err(error) => return fail(Exit::Usage, &error.into()),
    };
    let mut page = Page { exit: Exit::Done };
    page.line("ok    configuration", &args.config.config.display());
    let mut catalog = Catalog::builtin();
    let stored = page.state(&config);
    page.add("cdc_raw", cdc_raw(&config));
    if let Some(path) = &config.source.cassandra_yaml {
        page.add("cassandra.yaml", cassandra_yaml(path, &config));
    }
    if let Some(store) = &config.source.encryption {
        page.add("keystore", keystore(store));
    }
    if let Some(file) = &config.schema.file {
        page.add("schema file", schema_file(file, &mut catalog));
    }
    let mut live = None;
    if !config.schema.cql.contact_points.is_empty() {
        page.add("Cassandra", cassandra(&config, &mut catalog, &mut live));
    }
    let silent = live.is_none() && !config.schema.cql.contact_points.is_empty();
    match Identity::decide(&config, live, stored) {
        Ok(Some(identity)) => page.add("node.id", Ok(identity.node)),
        Ok(None) if silent => {}
        Ok(None) => page.add("node.id", Err((Exit::Unavailable, anyhow!("is not known yet")))),
        Err(error) => page.add("node.id", Err((exit_of(&error), error))),
    }
    page.tables(&config, &catalog);
    if !config.outbox.is_empty() && !silent {
        page.outbox(&config, &catalog);
    }
    page.columns(&config, &catalog);
    match &config.sink.to {
        SinkTo::Kafka(properties) => {
            check_kafka::all(properties, &config, &catalog).into_iter().for_each(|(what, tried)| page.add(what, tried));
        }
        SinkTo::File(path) => page.add("sink.file", output(path)),
        SinkTo::Stdout => {}
    }
    if config.events.serializer == SerializerKind::Avro {
        check_registry::all(&config, &catalog).into_iter().for_each(|(what, tried)| page.add(&what, tried));
    }
    page.add("http.listen", listen(&config));
    page.exit
}

/// What was printed so far comes to.
struct Page {
    exit: Exit,
}

impl Page {
    fn add(&mut self, what: &str, tried: Tried) {
        match tried {
            Ok(text) => self.line(&format!("ok    {what}"), &text),
            Err((exit, error)) => {
                self.line(&format!("FAIL  {what}"), &format!("{error:#}"));
                self.exit = if self.exit == Exit::Done { exit } else { self.exit };
            }
        }
    }

    fn line(&mut self, what: &str, text: &dyn std::fmt::Display) {
        let printed = print(format!("{what}: {text}\n").as_bytes());
        self.exit = if self.exit == Exit::Done { printed } else { self.exit };
    }

    /// The state folder and the ledger in it; returns which node they are of.
    fn state(&mut self, config: &Config) -> Option<Identity> {
        let opened = StateDir::open(&config.state.dir).map_err(anyhow::Error::new).and_then(|state| {
            let opened = Ledger::open(&state)?;
            Ok((Identity::stored(&opened.ledger), repaired(&opened.opened), state))
        });
        let (stored, tried) = match opened {
            Ok((stored, repair, state)) => {
                let ledger = repair.unwrap_or_else(|| "the ledger is whole".into());
                (stored, Ok(format!("{} can be written, no other instance holds it, {ledger}", state.path().display())))
            }
            Err(error) => (None, Err((exit_of(&error), error))),
        };
        self.add("state folder", tried);
        stored
    }

    /// A line for each thing that is configured of the outbox and not there.
    fn outbox(&mut self, config: &Config, catalog: &Catalog) {
        let mut problems = sinks::outbox(config).problems(catalog);
        let left_out = config.outbox.iter().filter(|outbox| !config.tables.allows(&outbox.keyspace, &outbox.table));
        problems.extend(left_out.map(|outbox| format!("{} is left out by tables.include or tables.exclude", outbox.name())));
        if problems.is_empty() {
            let names: Vec<String> = config.outbox.iter().map(OutboxTable::name).collect();
            self.add("outbox", Ok(format!("{} can be read as messages", names.join(", "))));
        }
        problems.into_iter().for_each(|problem| self.add("outbox", Err((Exit::Usage, anyhow!("{problem}")))));
    }

    fn tables(&mut self, config: &Config, catalog: &Catalog) {
        let outbox = sinks::outbox(config);
        let is_sent = |table: &TableMetadata| {
            table.is_published() && config.tables.allows(&table.keyspace, &table.name) && !outbox.leaves_out_table(table)
        };
        let published = catalog.tables().filter(|table| is_sent(table)).count();
        match (published, config.knows_no_table()) {
            (0, true) => self.line("note  tables", &NO_SCHEMA),
            (0, false) => self.line("note  tables", &"no table with cdc = true is known yet: nothing is published"),
            (n, _) => self.line("ok    tables", &format!("{n} published")),
        }
    }

    /// A rule for columns that is about none is most likely misspelt, and what it was to hide is told.
    fn columns(&mut self, config: &Config, catalog: &Catalog) {
        let tables: Vec<_> = catalog.tables().filter(|table| !table.is_system()).collect();
        let is_about_one = |rule: &ColumnRule| {
            tables.iter().any(|table| {
                let dropped = table.dropped.values().map(|dropped| &dropped.column);
                table.columns().chain(dropped).any(|column| rule.is_about(&table.keyspace, &table.name, &column.name))
            })
        };
        for rule in config.columns.rules.iter().filter(|rule| !is_about_one(rule)) {
            self.line("note  tables.columns", &format!("{:?} is about no column that is known", rule.text()));
        }
    }
}

fn cdc_raw(config: &Config) -> Tried {
    let cdc_raw = &config.source.cdc_raw;
    if !cdc_raw.exists() {
        return Err((
            Exit::Io,
            anyhow!("{} does not exist (the node creates it when it starts with cdc_enabled: true)", cdc_raw.display()),
        ));
    }
    let spool = config.state.dir.join("spool");
    match Spool::new(&spool).probe(cdc_raw, config.source.finished != Finished::Keep) {
        Ok(Probe::Segment(name)) => Ok(format!("{} could be linked into the state folder", name.log())),
        Ok(Probe::OwnFile) => {
            Ok("a file could be linked into the state folder; there is no segment yet to try its owner's permissions".into())
        }
        Err(error) => Err((Exit::Io, error.into())),
    }
}

fn cassandra_yaml(path: &Path, config: &Config) -> Tried {
    let settings = NodeSettings::load(path).map_err(|error| (Exit::Io, error.into()))?;
    if let Some(problem) = settings.problem(&config.source.cdc_raw) {
        return Err((Exit::Usage, anyhow!("{problem}")));
    }
    Ok(match settings.cdc_block_writes {
        Some(false) => {
            "at cdc_total_space the node removes the oldest segments; those that are linked stay (cdc_block_writes: false)".into()
        }
        _ => "at cdc_total_space the node refuses writes to tables with CDC (cdc_block_writes: true)".into(),
    })
}

fn keystore(keystore: &Keystore) -> Tried {
    let keys = keystore.load().map_err(|error| (Exit::Usage, error.into()))?;
    Ok(format!("{} holds {}", keystore.path.display(), keys.aliases().collect::<Vec<_>>().join(", ")))
}

fn schema_file(file: &Path, catalog: &mut Catalog) -> Tried {
    catalog.merge(schema_file::read(file).map_err(|error| (Exit::Usage, error))?.catalog);
    Ok(format!("{} was read", file.display()))
}

fn cassandra(config: &Config, catalog: &mut Catalog, identity: &mut Option<Identity>) -> Tried {
    let runtime = shell::runtime().map_err(|error| (Exit::Io, error.into()))?;
    let cql = shell::cql_config(&config.schema.cql);
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, live::read(&cql)).await });
    let schema = answer
        .map_err(|_| (Exit::Unavailable, anyhow!("no answer within {} s", PATIENCE.as_secs())))?
        .map_err(|error| (Exit::Unavailable, error.into()))?;
    let node = schema.node;
    catalog.merge(schema.catalog);
    *identity = Some(Identity::of(&node));
    Ok(format!("node {} of cluster {:?} answers, Cassandra {}", node.host_id, node.cluster_name, node.release_version))
}

/// Opens the output as a run would, and leaves no file where there was none.
fn output(path: &Path) -> Tried {
    let failed = |error: std::io::Error| (Exit::Io, anyhow::Error::new(error).context(format!("cannot write to {}", path.display())));
    let existed = path.exists();
    let file = OpenOptions::new().append(true).create(true).open(path).map_err(failed)?;
    let locked = file.try_lock();
    if !existed {
        fs::remove_file(path).map_err(failed)?;
    }
    match locked {
        Ok(()) => Ok(format!("{} can be written", path.display())),
        Err(TryLockError::WouldBlock) => Err((Exit::Held, SinkError::Locked(path.display().to_string()).into())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn listen(config: &Config) -> Tried {
    let address = config.http.listen;
    TcpListener::bind(address)
        .map(|_| format!("{address} is free"))
        .map_err(|error| (Exit::Io, anyhow::Error::new(error).context(format!("cannot listen on {address} (http.listen)"))))
}
