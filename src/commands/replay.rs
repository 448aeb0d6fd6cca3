//! `ringtail replay`: the events of segments anywhere.

use super::dump::find;
use super::{Exit, ReplayArgs, complain, configure, fail, schema_file, shell, sinks, tell};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use ringtail::config::Config;
use ringtail::history::{Additive, BEGINNING, History, Reading, Source};
use ringtail::pipeline::{Exchange, Replayed, Tables};
use ringtail::schema::live::{self, LiveSchemaError};
use ringtail::sink::SinkError;
use ringtail::telemetry::{Metrics, NodeName};
use ringtail::{dump, pipeline};
use std::io::IsTerminal;
use std::sync::Arc;

pub fn run(args: &ReplayArgs) -> Exit {
    let config = match configure(&args.config.config, NodeName::default()) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let file = match &args.schema {
        Some(path) => schema_file::read(path).map(Some),
        None => schema_file::configured(&config),
    };
    let file = match file {
        Ok(file) => file,
        Err(error) => return fail(Exit::Usage, &error),
    };
    match replay(args, &config, file) {
        Ok(Replayed { events, left_out: 0 }) => {
            tell(&format!("{events} events sent"));
            Exit::Done
        }
        Ok(Replayed { events, left_out }) => {
            complain(&format!("{events} events sent; {left_out} mutations, ranges or segments were left out, named above"));
            Exit::Data
        }
        Err(error) => fail(exit_of(&error), &error),
    }
}

fn exit_of(error: &anyhow::Error) -> Exit {
    match error.downcast_ref() {
        Some(SinkError::Locked(_)) => Exit::Held,
        _ if error.is::<LiveSchemaError>() => Exit::Unavailable,
        _ => Exit::Io,
    }
}

fn replay(args: &ReplayArgs, config: &Config, file: Option<Reading>) -> anyhow::Result<Replayed> {
    let archives = find(&args.paths)?;
    let keys = config.source.encryption.as_ref().map(|keystore| keystore.load().context("cannot open source.encryption.keystore"));
    let keys = keys.transpose()?.unwrap_or_default();
    let (history, identity) = history(args, config, file)?;
    let (node, cluster) = match (&config.node.id, identity) {
        (Some(id), identity) => (id.clone(), identity.map(|(_, cluster)| cluster).unwrap_or_default()),
        (None, Some(identity)) => identity,
        (None, None) => ("local".to_owned(), String::new()),
    };
    let sink = sinks::open_plain(config, None)?;
    let mut shipper = sinks::shipper(config, sink, &node, &cluster, Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"))))?;
    let mut tables = Tables::new(Exchange::new(None), false, config.schema.wait).with_history(history, true);
    let names: Option<Vec<_>> = archives.iter().map(|archive| archive.name).collect();
    let names = names.context("standard input is not a segment: its header cannot be read")?;
    let bar = progress_bar(archives.iter().map(dump::Archive::length).sum());
    let mut load = |i: usize| archives.get(i).map_or_else(|| Ok(Vec::new()), dump::Archive::read);
    let replayed = pipeline::replay(&names, &mut load, &keys, &mut shipper, &mut tables, &mut |bytes| bar.inc(bytes))?;
    bar.finish_and_clear();
    Ok(replayed)
}

/// What is known of the schema before the log is read, and who the node is if it was asked. With `--schema` nothing is learnt besides.
fn history(args: &ReplayArgs, config: &Config, file: Option<Reading>) -> anyhow::Result<(History, Option<(String, String)>)> {
    let mut history = History::new(config.schema.log && args.schema.is_none());
    if let Some(file) = file {
        history.take(Source::File, &file, BEGINNING, Additive::NotInLog);
    }
    if config.schema.cql.contact_points.is_empty() {
        return Ok((history, None));
    }
    let live = shell::runtime()?.block_on(live::read(&shell::cql_config(&config.schema.cql))).context("cannot read the schema")?;
    if args.schema.is_none() {
        history.take(Source::Cql, &Reading::new(live.catalog, live.rows), BEGINNING, Additive::NotInLog);
    }
    Ok((history, Some((live.node.host_id.to_string(), live.node.cluster_name))))
}

/// On a terminal only: elsewhere it would fill a log.
fn progress_bar(bytes: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
