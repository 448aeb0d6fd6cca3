//! `ringtail audit`: where every byte of every segment went, and taking note of what is lost.

use super::ledger::{self, Source};
use super::{ConfigArg, Exit, complain, configure, fail, print, tell};
use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use ringtail::audit::{Listed, Report, Verdict, columns, table};
use ringtail::checkpoint::{Acknowledged, Acknowledgement, Ledger, StateDir, StateError, UnixMillis};
use ringtail::config::Config;
use ringtail::telemetry::NodeName;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::time::{Duration, Instant, SystemTime};

/// How long a running agent may take to acknowledge something.
const DONE_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked for its answer.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    /// Configuration file (YAML); RINGTAIL_SECTION__KEY in the environment goes before it
    #[arg(short, long, env = "RINGTAIL_CONFIG", value_name = "FILE", required = true)]
    config: Option<std::path::PathBuf>,
    /// Everything as one JSON object, each segment in it
    #[arg(long)]
    json: bool,
    /// A row for each segment, also where there is nothing to say
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Take note of lost or quarantined segments, or of gaps: they are not reported any more, and stay on record
    Acknowledge(AcknowledgeArgs),
}

#[derive(Debug, Args)]
struct AcknowledgeArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Segments by id or file name; gaps as gap:1
    #[arg(value_name = "SEGMENT", required = true)]
    names: Vec<String>,
    /// Why it is well so; it stays on record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub fn run(args: &AuditArgs) -> Exit {
    match (&args.command, &args.config) {
        (Some(AuditCommand::Acknowledge(args)), _) => acknowledge(args),
        (None, Some(file)) => match configure(file, NodeName::default()) {
            Ok(config) => report(&config, args).unwrap_or_else(|error| fail(ledger::exit_of(&error), &error)),
            Err(exit) => exit,
        },
        // clap asks for it.
        (None, None) => Exit::Usage,
    }
}

fn report(config: &Config, args: &AuditArgs) -> anyhow::Result<Exit> {
    let source = Source::open(config)?;
    let mut report = Report { parked: ledger::parked(config)?, ..Report::default() };
    let printed = if args.json { print_json(&source, &mut report)? } else { print_text(&source, &mut report, args.all)? };
    if printed != Exit::Done {
        return Ok(printed);
    }
    Ok(match report.verdict() {
        Verdict::Whole => Exit::Done,
        Verdict::Aside => Exit::Data,
        Verdict::Lost => Exit::Promise,
    })
}

fn print_text(source: &Source, report: &mut Report, all: bool) -> anyhow::Result<Exit> {
    let mut rows = vec![columns(None)];
    source.for_each_page(|page| {
        report.add(page);
        rows.extend(page.segments.iter().filter(|listed| all || Report::is_notable(listed)).map(|listed| columns(Some(listed))));
        Ok(())
    })?;
    let table = if rows.len() > 1 { table(&rows) + "\n" } else { String::new() };
    Ok(print(format!("{table}{}", report.text()).as_bytes()))
}

/// Page by page, so that a long ledger needs no long memory.
fn print_json(source: &Source, report: &mut Report) -> anyhow::Result<Exit> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = write_json(source, report, &mut out);
    match written.as_ref().err().and_then(|error| error.downcast_ref::<io::Error>()) {
        Some(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Done),
        _ => written.map(|()| Exit::Done),
    }
}

fn write_json(source: &Source, report: &mut Report, out: &mut impl Write) -> anyhow::Result<()> {
    write!(out, "{{\"segments\":[")?;
    let mut is_first = true;
    source.for_each_page(|page| {
        report.add(page);
        for listed in &page.segments {
            let comma = if std::mem::take(&mut is_first) { "\n" } else { ",\n" };
            write!(out, "{comma}{}", serde_json::to_string::<Listed>(listed)?)?;
        }
        Ok(())
    })?;
    let sums = serde_json::to_string(&report)?;
    let (verdict, text) = (serde_json::to_string(&report.verdict())?, serde_json::to_string(&report.verdict_text())?);
    writeln!(out, "],\n\"sums\":{sums},\n\"verdict\":{verdict},\"message\":{text}}}")?;
    Ok(out.flush()?)
}

fn acknowledge(args: &AcknowledgeArgs) -> Exit {
    let config = match configure(&args.config.config, NodeName::default()) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if args.reason.trim().is_empty() {
        return fail(Exit::Usage, &anyhow!("--reason is empty: it stays on record, so say why it is well so"));
    }
    let asked = Acknowledgement { names: args.names.clone(), reason: args.reason.clone() };
    match here(&config, &asked) {
        Ok(outcomes) => told(&outcomes),
        Err(error) if matches!(error.downcast_ref(), Some(StateError::Held { .. })) => by_the_agent(&config, &asked, error),
        Err(error) => fail(ledger::exit_of(&error), &error),
    }
}

fn here(config: &Config, asked: &Acknowledgement) -> anyhow::Result<Vec<(String, Acknowledged)>> {
    let state = StateDir::open(&config.state.dir)?;
    let mut ledger = Ledger::open(&state)?.ledger;
    let outcomes = asked.apply(&mut ledger, UnixMillis::from(SystemTime::now()))?;
    ledger.save()?;
    Ok(outcomes)
}

/// The folder is held: whoever holds it is asked to do it.
fn by_the_agent(config: &Config, asked: &Acknowledgement, held: anyhow::Error) -> Exit {
    let answer = match asked.ask(&config.state.dir.join("requests")).context("cannot ask the running agent") {
        Ok(answer) => answer,
        Err(error) => return fail(Exit::Io, &error),
    };
    let begun = Instant::now();
    while begun.elapsed() < DONE_WITHIN {
        std::thread::sleep(LOOK);
        match Acknowledgement::fetch(&answer).context("cannot read the agent's answer") {
            Ok(Some(outcomes)) => return told(&outcomes),
            Ok(None) => {}
            Err(error) => return fail(Exit::Io, &error),
        }
    }
    Acknowledgement::withdraw(&answer);
    fail(Exit::Held, &held.context(format!("nothing was done: no answer within {} s", DONE_WITHIN.as_secs())))
}

fn told(outcomes: &[(String, Acknowledged)]) -> Exit {
    let mut exit = Exit::Done;
    for (name, outcome) in outcomes {
        match outcome {
            Acknowledged::Done(what) => tell(&format!("{name}: acknowledged ({what})")),
            Acknowledged::Not(why) => {
                complain(&format!("{name}: {why}"));
                exit = Exit::Data;
            }
        }
    }
    exit
}
