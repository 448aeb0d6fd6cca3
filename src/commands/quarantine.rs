//! `ringtail quarantine`: whole segments that were kept because something in them could not be read.

use super::ledger::{self, Source};
use super::{ConfigArg, Exit, complain, configure, fail, print, tell};
use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use ringtail::audit::{Listed, table};
use ringtail::checkpoint::{Ledger, Moved, SegmentKey, StateDir, UnixMillis};
use ringtail::config::Config;
use ringtail::position::SegmentId;
use ringtail::telemetry::NodeName;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What retries leave on record as their reason.
const REASON: &str = "taken out of quarantine to be read again";

#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// Print what is in quarantine and why, also while an agent runs
    List(ListArgs),
    /// Print the damaged ranges of one file; never a value
    Show(ShowArgs),
    /// Copy files out, each compared with the original
    Export(ExportArgs),
    /// Read files again at the next start, from their first damage on; no agent may run
    Retry(RetryArgs),
}

#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// JSON Lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// As `quarantine list` prints it, or its id
    #[arg(value_name = "SEGMENT")]
    name: String,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    which: Which,
    /// The folder that takes the copies
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

#[derive(Debug, Args)]
pub struct RetryArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Which {
    /// As `quarantine list` prints them, or their ids
    #[arg(value_name = "SEGMENT", required_unless_present = "all", conflicts_with = "all")]
    names: Vec<String>,
    /// Everything in quarantine
    #[arg(long)]
    all: bool,
}

/// A file in quarantine.
struct Kept {
    /// Its name in the folder.
    name: String,
    bytes: u64,
    /// What the ledger says of it, as long as it does.
    record: Option<Listed>,
}

/// A name that means none of the files.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not in quarantine")]
struct Unknown(String);

pub fn run(command: &QuarantineCommand) -> Exit {
    let file = match command {
        QuarantineCommand::List(args) => &args.config,
        QuarantineCommand::Show(args) => &args.config,
        QuarantineCommand::Export(args) => &args.config,
        QuarantineCommand::Retry(args) => &args.config,
    };
    let config = match configure(&file.config, NodeName::default()) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let done = match command {
        QuarantineCommand::List(args) => list(&config, args),
        QuarantineCommand::Show(args) => show(&config, args),
        QuarantineCommand::Export(args) => export(&config, args),
        QuarantineCommand::Retry(args) => retry(&config, args),
    };
    done.unwrap_or_else(|error| {
        let exit = if error.is::<Unknown>() { Exit::Data } else { ledger::exit_of(&error) };
        fail(exit, &error)
    })
}

fn folder(config: &Config) -> PathBuf {
    config.state.dir.join("quarantine")
}

/// The files, by name.
fn kept(config: &Config) -> anyhow::Result<Vec<Kept>> {
    let mut records: BTreeMap<String, Listed> = BTreeMap::new();
    Source::open(config)?.for_each_page(|page| {
        records.extend(page.segments.iter().map(|listed| (file_name(listed), listed.clone())));
        Ok(())
    })?;
    let mut found = Vec::new();
    let folder = folder(config);
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        found.push(Kept { bytes: entry.metadata()?.len(), record: records.remove(&name), name });
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// The name in the folder of a record's file.
fn file_name(listed: &Listed) -> String {
    match listed.incarnation {
        0 => listed.record.file.clone(),
        n => format!("{}.{n}", listed.record.file),
    }
}

impl Kept {
    fn is(&self, name: &str) -> bool {
        self.name == name || self.record.as_ref().is_some_and(|listed| listed.id.to_string() == name)
    }

    fn state(&self) -> String {
        self.record.as_ref().map_or_else(|| "not on record".to_owned(), |listed| listed.record.state().to_string())
    }

    fn cause(&self) -> &str {
        self.record.as_ref().and_then(|listed| listed.record.cause.as_deref()).unwrap_or("?")
    }
}

impl Which {
    fn select(&self, kept: Vec<Kept>) -> anyhow::Result<Vec<Kept>> {
        if let Some(name) = self.names.iter().find(|name| !kept.iter().any(|one| one.is(name))) {
            return Err(Unknown(name.clone()).into());
        }
        Ok(kept.into_iter().filter(|one| self.all || self.names.iter().any(|name| one.is(name))).collect())
    }
}

fn list(config: &Config, args: &ListArgs) -> anyhow::Result<Exit> {
    let kept = kept(config)?;
    if args.json {
        return Ok(print(kept.iter().map(|one| format!("{}\n", as_json(one))).collect::<String>().as_bytes()));
    }
    if kept.is_empty() {
        tell("nothing is in quarantine");
        return Ok(Exit::Done);
    }
    let head = ["SEGMENT", "STATE", "BYTES", "DAMAGED", "CAUSE"].map(str::to_owned).to_vec();
    let rows = kept.iter().map(|one| {
        let damaged = one.record.as_ref().map_or_else(|| "?".to_owned(), |listed| listed.record.bytes.file.damaged.to_string());
        vec![one.name.clone(), one.state(), one.bytes.to_string(), damaged, one.cause().to_owned()]
    });
    Ok(print(table(&std::iter::once(head).chain(rows).collect::<Vec<_>>()).as_bytes()))
}

fn as_json(one: &Kept) -> serde_json::Value {
    let record = one.record.as_ref().map(|listed| &listed.record);
    json!({
        "segment": one.name,
        "state": one.state(),
        "bytes": one.bytes,
        "cause": one.cause(),
        "damage": record.map(|record| &record.damage),
        "delivered_to": record.map(|record| record.delivered_to.position.0),
    })
}

fn show(config: &Config, args: &ShowArgs) -> anyhow::Result<Exit> {
    let kept = kept(config)?;
    let one = kept.iter().find(|one| one.is(&args.name)).ok_or_else(|| Unknown(args.name.clone()))?;
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| writeln!(text, "{name:13}{value}");
    line("segment", &one.name)?;
    line("state", &one.state())?;
    line("cause", &one.cause())?;
    line("bytes", &one.bytes)?;
    if let Some(Listed { record, .. }) = &one.record {
        line("delivered to", &record.delivered_to.position)?;
        for range in &record.damage {
            let position = range.position.map_or_else(|| "not known".to_owned(), |position| position.to_string());
            let end = range.file_offset.saturating_add(range.bytes);
            line("damage", &format!("{} of bytes {} to {end} of the file, position {position}", range.kind, range.file_offset))?;
        }
    }
    line("file", &folder(config).join(&one.name).display())?;
    Ok(print(text.as_bytes()))
}

fn export(config: &Config, args: &ExportArgs) -> anyhow::Result<Exit> {
    let chosen = args.which.select(kept(config)?)?;
    fs::create_dir_all(&args.to).with_context(|| format!("cannot make {}", args.to.display()))?;
    for one in &chosen {
        let (from, to) = (folder(config).join(&one.name), args.to.join(&one.name));
        let crc = copy(&from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        tell(&format!("{}: {} bytes, crc32c {crc:08x}", to.display(), one.bytes));
    }
    File::open(&args.to)?.sync_all()?;
    tell(&format!("{} files copied", chosen.len()));
    Ok(Exit::Done)
}

/// Copies a file and reads both again. What has the name already stays, and must be the same.
fn copy(from: &Path, to: &Path) -> anyhow::Result<u32> {
    let crc = checksum(from)?;
    if !fs::exists(to)? {
        let partial = to.with_extension("partial");
        fs::copy(from, &partial)?;
        File::open(&partial)?.sync_all()?;
        fs::rename(partial, to)?;
    }
    let (length, copied) = (fs::metadata(from)?.len(), fs::metadata(to)?.len());
    ensure!(length == copied && checksum(to)? == crc, "the copy is not the same; remove it and try again");
    Ok(crc)
}

fn checksum(path: &Path) -> anyhow::Result<u32> {
    let (mut file, mut crc, mut window) = (File::open(path)?, 0, vec![0; 1 << 20]);
    loop {
        match file.read(&mut window) {
            Ok(0) => return Ok(crc),
            Ok(read) => crc = crc32c::crc32c_append(crc, window.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn retry(config: &Config, args: &RetryArgs) -> anyhow::Result<Exit> {
    let chosen = args.which.select(kept(config)?)?;
    let now = UnixMillis::from(SystemTime::now());
    let state = StateDir::open(&config.state.dir)?;
    let mut ledger = Ledger::open(&state)?.ledger;
    let mut exit = Exit::Done;
    for one in &chosen {
        let key = one.record.as_ref().map(|listed| SegmentKey { id: SegmentId(listed.id), incarnation: listed.incarnation });
        let moved = match key {
            Some(key) => ledger.retry(&state, key, REASON, now)?,
            None => Moved::Not("it is not on record any more (ringtail replay delivers a file again)".into()),
        };
        match moved {
            Moved::From(from) => tell(&format!("{}: the next run reads it again from {from} on", one.name)),
            Moved::Not(why) => {
                complain(&format!("{}: {why}", one.name));
                exit = Exit::Data;
            }
        }
    }
    ledger.save()?;
    if chosen.is_empty() {
        tell("nothing is in quarantine");
    }
    Ok(exit)
}
