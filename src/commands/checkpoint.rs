//! `ringtail checkpoint`: the positions, looked at and moved.

use super::import::{self, ImportArgs};
use super::ledger::{self, Source};
use super::{ConfigArg, Exit, configure, fail, print, tell};
use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use ringtail::audit::{Listed, columns, table};
use ringtail::checkpoint::{Ledger, LedgerError, Moved, SegmentKey, StateDir, StoreError, UnixMillis};
use ringtail::config::{self, Config};
use ringtail::position::{LogicalPosition, SegmentId};
use ringtail::telemetry::NodeName;
use std::str::FromStr;
use std::time::SystemTime;

#[derive(Debug, Subcommand)]
pub enum CheckpointCommand {
    /// Print how far each unfinished segment is delivered; also while an agent runs
    Show(ShowArgs),
    /// Take positions back: what lies behind them is delivered again, with the same ids
    Rewind(RewindArgs),
    /// Give up what lies between the position and this one: it is never delivered, and stays on record as lost and acknowledged
    Skip(SkipArgs),
    /// Go on where a Debezium connector has stopped: take over the offsets that it keeps in a folder
    Import(ImportArgs),
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// JSON Lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct RewindArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// A segment's id, and the position behind which it is delivered again; without one all of it is
    #[arg(value_name = "SEGMENT[:POSITION]", required_unless_present = "all_unfinished", conflicts_with = "all_unfinished")]
    places: Vec<At>,
    /// Every segment that is not finished, from its beginning. Begins a ledger where the old one is gone
    #[arg(long)]
    all_unfinished: bool,
    /// Why; it stays on record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, Args)]
pub struct SkipArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// A segment's id, and the position up to which nothing of it is delivered any more; without one the file is put into quarantine
    #[arg(value_name = "SEGMENT[:POSITION]")]
    place: At,
    /// Why; it stays on record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Yes, these bytes are given up
    #[arg(long)]
    yes: bool,
}

/// A segment, and perhaps a position in it.
#[derive(Clone, Copy, Debug)]
struct At {
    id: SegmentId,
    position: Option<LogicalPosition>,
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<At, String> {
        let wrong = || format!("{text:?} is no place in the log: expected SEGMENT or SEGMENT:POSITION, as 1795374647657:4711");
        let (id, position) = match text.split_once(':') {
            None => (text, None),
            Some((id, position)) => (id, Some(LogicalPosition(position.parse().map_err(|_| wrong())?))),
        };
        Ok(At { id: SegmentId(id.parse().map_err(|_| wrong())?), position })
    }
}

pub fn run(command: &CheckpointCommand) -> Exit {
    let file = match command {
        CheckpointCommand::Show(ShowArgs { config, .. })
        | CheckpointCommand::Rewind(RewindArgs { config, .. })
        | CheckpointCommand::Skip(SkipArgs { config, .. })
        | CheckpointCommand::Import(ImportArgs { config, .. }) => &config.config,
    };
    let config = match configure(file, NodeName::default()) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let done = match command {
        CheckpointCommand::Show(args) => show(&config, args),
        CheckpointCommand::Rewind(args) => rewind(&config, args),
        CheckpointCommand::Skip(args) => skip(&config, args),
        CheckpointCommand::Import(args) => import::import(&config, args),
    };
    done.unwrap_or_else(|error| {
        let exit = match error.downcast_ref() {
            Some(offsets) => import::exit_of(offsets),
            None if error.is::<Refused>() => Exit::Data,
            None => ledger::exit_of(&error),
        };
        fail(exit, &error)
    })
}

/// What is asked for cannot be done with the segment as it is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

fn show(config: &Config, args: &ShowArgs) -> anyhow::Result<Exit> {
    let source = Source::open(config)?;
    let mut unfinished: Vec<Listed> = Vec::new();
    let mut head = String::new();
    source.for_each_page(|page| {
        if head.is_empty() {
            let node = page.node.as_deref().unwrap_or("not known yet");
            head = format!("node {node}, {} events delivered, {} changes by hand or repair on record", page.events, page.trail.len());
        }
        unfinished.extend(page.segments.iter().filter(|listed| !listed.record.is_ended()).cloned());
        Ok(())
    })?;
    if args.json {
        let lines = unfinished.iter().map(|listed| serde_json::to_string(listed).map(|line| line + "\n"));
        return Ok(print(lines.collect::<Result<String, _>>()?.as_bytes()));
    }
    let rows: Vec<Vec<String>> = std::iter::once(columns(None)).chain(unfinished.iter().map(|listed| columns(Some(listed)))).collect();
    // Name, state, length, and how far it is delivered.
    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| [0, 1, 2, 8].iter().filter_map(|at| row.get(*at).cloned()).collect()).collect();
    let text = if unfinished.is_empty() { "every segment on record is at its end\n".to_owned() } else { table(&rows) };
    Ok(print(format!("{text}{head}\n").as_bytes()))
}

fn rewind(config: &Config, args: &RewindArgs) -> anyhow::Result<Exit> {
    let now = UnixMillis::from(SystemTime::now());
    let state = StateDir::open(&config.state.dir)?;
    let mut ledger = match Ledger::open(&state) {
        Err(LedgerError::Store(StoreError::Gone { .. })) if args.all_unfinished => {
            let begun = Ledger::begin_anew(&state, &args.reason)?;
            tell("a new ledger is begun; what was left of the old one is kept beside it");
            begun.ledger
        }
        opened => opened?.ledger,
    };
    let places: Vec<(SegmentKey, LogicalPosition)> = match args.all_unfinished {
        true => ledger.unfinished().map(|key| (key, LogicalPosition(0))).collect(),
        false => args
            .places
            .iter()
            .map(|at| Ok((newest(&ledger, at.id)?, at.position.unwrap_or(LogicalPosition(0)))))
            .collect::<anyhow::Result<_>>()?,
    };
    let mut lines = Vec::new();
    for (key, to) in places {
        let name = file_of(&ledger, key)?;
        match ledger.rewind(key, to, &args.reason, now)? {
            Moved::From(from) => lines.push(format!("{name}: what lies behind {to} is delivered again; it was delivered to {from}")),
            Moved::Not(why) => bail!(Refused(format!("{name}: {why}: nothing was changed"))),
        }
    }
    ledger.save()?;
    if lines.is_empty() {
        tell("no segment on record is unfinished; what is in cdc_raw and not on record is delivered by the next run");
    }
    lines.iter().for_each(|line| tell(line));
    Ok(Exit::Done)
}

fn skip(config: &Config, args: &SkipArgs) -> anyhow::Result<Exit> {
    let now = UnixMillis::from(SystemTime::now());
    let state = StateDir::open(&config.state.dir)?;
    let mut ledger = Ledger::open(&state)?.ledger;
    let key = newest(&ledger, args.place.id)?;
    let name = file_of(&ledger, key)?;
    let from = ledger.find(key)?.map_or(LogicalPosition(0), |record| record.delivered_to.position);
    let what = match args.place.position {
        Some(to) => format!("{name}: what lies between {from} and {to} is never delivered"),
        None => format!("{name}: what lies behind {from} is never delivered, and the file is kept in quarantine"),
    };
    if !args.yes {
        return Ok(fail(Exit::Usage, &anyhow!("{what}: say --yes to do it")));
    }
    let moved = match args.place.position {
        Some(to) => ledger.skip(key, to, &args.reason, now)?,
        None => {
            let removes = config.source.finished != config::Finished::Keep;
            ledger.give_up(&state, &config.source.cdc_raw, removes, key, &args.reason, now)?
        }
    };
    if let Moved::Not(why) = moved {
        bail!(Refused(format!("{name}: {why}: nothing was changed")));
    }
    ledger.save()?;
    tell(&what);
    Ok(Exit::Done)
}

fn newest(ledger: &Ledger, id: SegmentId) -> anyhow::Result<SegmentKey> {
    let found = ledger.newest(id)?.map(|(key, _)| key);
    found.ok_or_else(|| Refused(format!("segment {id} is not on record")).into())
}

fn file_of(ledger: &Ledger, key: SegmentKey) -> anyhow::Result<String> {
    Ok(ledger.find(key)?.map_or_else(|| key.to_string(), |record| record.file))
}
