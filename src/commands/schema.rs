//! `ringtail schema`: the schema of a running node as a file; what the agent knows, with its history.

use super::{Exit, SchemaExportArgs, SchemaShowArgs, fail, print, shell};
use anyhow::{Context, anyhow};
use ringtail::checkpoint::StateDir;
use ringtail::config::{self, Config};
use ringtail::history::{BEGINNING, History, Source, TableHistory};
use ringtail::position::CommitLogPosition;
use ringtail::schema::{ColumnMetadata, SchemaRows, TableMetadata, live};
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

/// How long the node has to answer.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn export(args: &SchemaExportArgs) -> Exit {
    let config = match config::load(&args.config.config, &config::environment()) {
        Ok(config) => config,
        Err(error) => return fail(Exit::Usage, &error.into()),
    };
    if config.schema.cql.contact_points.is_empty() {
        return fail(Exit::Usage, &anyhow!("config: schema.cql.contact_points is empty: there is no node to ask"));
    }
    let rows = match read(&config) {
        Ok(rows) => rows,
        Err(error) => return fail(Exit::Unavailable, &error),
    };
    let text = match form(&rows, args.json) {
        Ok(text) => text,
        Err(error) => return fail(Exit::Io, &error),
    };
    match &args.out {
        None => print(text.as_bytes()),
        Some(path) => match fs::write(path, text).with_context(|| format!("cannot write {}", path.display())) {
            Ok(()) => Exit::Done,
            Err(error) => fail(Exit::Io, &error),
        },
    }
}

fn read(config: &Config) -> anyhow::Result<SchemaRows> {
    let cql = shell::cql_config(&config.schema.cql);
    let answer = shell::runtime()?.block_on(async { tokio::time::timeout(PATIENCE, live::read(&cql)).await });
    let schema = answer.map_err(|_| anyhow!("no answer within {} s", PATIENCE.as_secs()))?;
    Ok(schema.context("cannot read the schema")?.rows)
}

fn form(rows: &SchemaRows, json: bool) -> anyhow::Result<String> {
    Ok(if json { serde_json::to_string_pretty(rows)? + "\n" } else { rows.to_cql() })
}

pub fn show(args: &SchemaShowArgs) -> Exit {
    let config = match config::load(&args.config.config, &config::environment()) {
        Ok(config) => config,
        Err(error) => return fail(Exit::Usage, &error.into()),
    };
    let path = StateDir::schema(&config.state.dir);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let why = "nothing is known of the schema there yet: an agent writes it as soon as it knows a table";
            return fail(Exit::Data, &anyhow!("{} does not exist: {why}", path.display()));
        }
        Err(error) => return fail(Exit::Io, &anyhow!(error).context(format!("cannot read {}", path.display()))),
    };
    if args.json {
        return print(format!("{text}\n").as_bytes());
    }
    match page(&text, args.table.as_deref()).with_context(|| format!("cannot use {}", path.display())) {
        Ok(Some(page)) => print(page.as_bytes()),
        Ok(None) => {
            let table = args.table.as_deref().unwrap_or_default();
            fail(Exit::Data, &anyhow!("no table {table} is known: expected keyspace.table as it stands in {}", path.display()))
        }
        Err(error) => fail(Exit::Data, &error),
    }
}

/// What a person reads; `None` if a table is asked for that is not known.
fn page(text: &str, wanted: Option<&str>) -> anyhow::Result<Option<String>> {
    let history = History::from_json(text, true)?;
    let name = |table: &TableHistory| table.latest().map(|version| version.table.to_string()).unwrap_or_default();
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
    let mut tables: Vec<&TableHistory> = history.tables().map(|(_, table)| table).filter(|table| is_wanted(&name(table))).collect();
    tables.sort_by_key(|table| (name(table), table.latest().map(|version| version.from)));
    if wanted.is_some() && tables.is_empty() {
        return Ok(None);
    }
    let mut page = String::new();
    for table in &tables {
        write_table(&mut page, table)?;
    }
    let changes: Vec<_> = history.changes().filter(|(_, change)| is_wanted(&change.key())).collect();
    if !changes.is_empty() {
        writeln!(page, "changes in the log")?;
    }
    for (at, change) in changes {
        let (time, what, key) = (change.time(), &change.change, change.key());
        let name = change.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        writeln!(page, "  {time}  {at}  {what} {key}{name}  {}", change.version.as_deref().unwrap_or(""))?;
    }
    Ok(Some(page))
}

fn write_table(page: &mut String, table: &TableHistory) -> anyhow::Result<()> {
    let Some(latest) = table.latest() else { return Ok(()) };
    let definition = &latest.table;
    let cdc = if definition.cdc { "cdc" } else { "no cdc" };
    let dropped = table.dropped.map(|at| format!("  dropped at {at}")).unwrap_or_default();
    writeln!(page, "{definition}  {}  {cdc}  version {}{dropped}", definition.id, definition.version)?;
    write_columns(page, definition)?;
    for version in table.versions() {
        let cdc = if version.table.cdc { "cdc" } else { "no cdc" };
        writeln!(page, "  version {}  {cdc}  from {}  told by {}", version.table.version, place(version.from), source(version.source))?;
    }
    Ok(writeln!(page)?)
}

fn write_columns(page: &mut String, table: &TableMetadata) -> anyhow::Result<()> {
    let order = |column: &ColumnMetadata| if column.reversed { " desc" } else { "" };
    for column in table.columns() {
        writeln!(page, "    {} {}  {}{}", column.name, column.cql_type, column.kind.as_str(), order(column))?;
    }
    for (name, gone) in &table.dropped {
        writeln!(page, "    {name} {}  dropped, written up to {} µs", gone.column.cql_type, gone.dropped_at_micros)?;
    }
    Ok(())
}

fn place(from: CommitLogPosition) -> String {
    if from == BEGINNING { "the beginning".to_owned() } else { from.to_string() }
}

fn source(source: Source) -> &'static str {
    match source {
        Source::File => "the schema file",
        Source::Cql => "the node",
        Source::Log => "the log",
    }
}
