//! `ringtail checkpoint import`: where a Debezium connector has stopped, Ringtail goes on.

use super::{ConfigArg, Exit, complain, schema_file, shell, size, tell};
use anyhow::Context;
use clap::Args;
use ringtail::cdc_raw::{Listed, list};
use ringtail::checkpoint::{Ledger, Moved, SegmentKey, SegmentRecord, StateDir, UnixMillis};
use ringtail::commitlog::{SegmentName, SegmentReader};
use ringtail::config::Config;
use ringtail::debezium::{Offsets, OffsetsError, Reach, Stopped, reach};
use ringtail::history::{Additive, BEGINNING, History, Reading, Source};
use ringtail::schema::live;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    pub config: ConfigArg,
    /// Debezium's offset.backing.store.dir, or a copy of it. Debezium must have ended
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Bytes of the log before Debezium's last position that are sent again, because Kafka acknowledges partitions in any order: 5 requests
    /// times batch.size times the partitions of one broker
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = size)]
    in_flight: u64,
    /// Debezium's commit.log.relocation.dir: names the segments that lie there
    #[arg(long, value_name = "FOLDER")]
    relocation: Option<PathBuf>,
    /// Say what would be set, and set nothing
    #[arg(long)]
    dry_run: bool,
}

/// What an error here ends with, if it is one of the offset files.
pub fn exit_of(error: &OffsetsError) -> Exit {
    match error {
        OffsetsError::Io { .. } => Exit::Io,
        OffsetsError::Held(_) => Exit::Held,
        OffsetsError::Empty(_) | OffsetsError::Torn(_) | OffsetsError::Garbled { .. } => Exit::Data,
    }
}

pub fn import(config: &Config, args: &ImportArgs) -> anyhow::Result<Exit> {
    let offsets = Offsets::read(&args.folder)?;
    // The lock is taken first: no agent may read while a position changes under it.
    let state = if args.dry_run { None } else { Some(StateDir::open(&config.state.dir)?) };
    let mut ledger = state.as_ref().map(Ledger::open).transpose()?.map(|opened| opened.ledger);
    offsets.tables().for_each(|(table, segment, position)| tell(&format!("{table}: Debezium has come to {position} of {segment}.log")));
    let segments = list(&config.source.cdc_raw)?.segments;
    for (name, listed) in &segments {
        match name.id.cmp(&offsets.newest().id) {
            std::cmp::Ordering::Less => tell(&format!(
                "{}: delivered from its beginning (Debezium moves away what it has read to the end, and this is still here)",
                name.log()
            )),
            std::cmp::Ordering::Greater => tell(&format!("{}: delivered from its beginning (behind every offset)", name.log())),
            std::cmp::Ordering::Equal => {
                let found = walk(config, *name, &offsets, args.in_flight)?;
                tell(&sentence(*name, &found));
                if let Some(ledger) = &mut ledger {
                    take_over(ledger, *name, *listed, &found, &args.folder)?;
                }
            }
        }
    }
    if !segments.contains_key(&offsets.newest()) {
        let name = offsets.newest().log();
        tell(&format!("{name}: not in cdc_raw any more, Debezium has read it to its end: nothing to set"));
    }
    if let Some(ledger) = &mut ledger {
        ledger.save()?;
    }
    if let Some(folder) = &args.relocation {
        name_relocated(folder)?;
    }
    if !offsets.snapshots().is_empty() {
        let tables = offsets.snapshots().join(", ");
        tell(&format!("snapshots that Debezium has finished are not repeated: {tables}"));
    }
    tell(if args.dry_run {
        "nothing was changed (--dry-run)"
    } else {
        "taken over: what lies behind these positions is delivered by the next run"
    });
    Ok(Exit::Done)
}

fn walk(config: &Config, name: SegmentName, offsets: &Offsets, in_flight: u64) -> anyhow::Result<Reach> {
    let path = config.source.cdc_raw.join(name.log());
    let keys = config.source.encryption.as_ref().map(|keystore| keystore.load().context("cannot open source.encryption.keystore"));
    let keys = keys.transpose()?.unwrap_or_default();
    let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut reader = SegmentReader::open_with(file, Some(name), &keys).with_context(|| format!("cannot read {}", path.display()))?;
    let publishes = |table: &ringtail::schema::TableMetadata| table.is_published() && config.tables.allows(&table.keyspace, &table.name);
    let found = reach(&mut reader, &mut history(config)?, offsets, &publishes, in_flight);
    found.with_context(|| format!("cannot read {}", path.display()))
}

/// What is known of the schema before the log is read.
fn history(config: &Config) -> anyhow::Result<History> {
    let mut history = History::new(config.schema.log);
    if let Some(file) = schema_file::configured(config)? {
        history.take(Source::File, &file, BEGINNING, Additive::NotInLog);
    }
    if !config.schema.cql.contact_points.is_empty() {
        let live = shell::runtime()?.block_on(live::read(&shell::cql_config(&config.schema.cql))).context("cannot read the schema")?;
        history.take(Source::Cql, &Reading::new(live.catalog, live.rows), BEGINNING, Additive::NotInLog);
    }
    Ok(history)
}

fn sentence(name: SegmentName, found: &Reach) -> String {
    let Reach { to, delivered, in_flight, stopped } = found;
    let why = match stopped {
        Stopped::AtEnd => "every mutation in it has an offset behind it".to_owned(),
        Stopped::Table(table, at) => format!("{table} has no offset behind its mutation at {at}"),
        Stopped::Undecodable(error, at) => format!("the mutation at {at} cannot be decoded: {error}"),
        Stopped::Damaged(damage) => format!("it is damaged: {damage}"),
    };
    format!(
        "{}: {delivered} mutations up to {to} count as delivered, what lies behind that is delivered ({why}; {in_flight} before it may have been in \
         flight)",
        name.log()
    )
}

fn take_over(ledger: &mut Ledger, name: SegmentName, listed: Listed, found: &Reach, folder: &Path) -> anyhow::Result<()> {
    if found.delivered == 0 {
        return Ok(());
    }
    let now = UnixMillis::from(SystemTime::now());
    let mut record = SegmentRecord::new(name.log(), name.version, listed.file.inode, now);
    record.bytes.file.length = listed.length;
    let reason = format!("Debezium's offsets in {}", folder.display());
    if let Moved::Not(why) = ledger.take_over(SegmentKey::first(name.id), record, found.to, &reason, now)? {
        complain(&format!("{}: {why}: its position stays", name.log()));
    }
    Ok(())
}

/// Segments that Debezium took out of `cdc_raw`: what it could not read or send of them is nowhere else.
fn name_relocated(folder: &Path) -> anyhow::Result<()> {
    for part in ["archive", "error"] {
        let path = folder.join(part);
        let names: Vec<String> = list(&path)?.segments.keys().map(SegmentName::log).collect();
        if !names.is_empty() {
            let what = if part == "error" {
                "records of them failed"
            } else {
                "read to their end; mutations that it could not handle are not sent"
            };
            complain(&format!(
                "{}: {} ({what}; ringtail replay {} sends all of them again)",
                path.display(),
                names.join(", "),
                path.display()
            ));
        }
    }
    Ok(())
}
