//! `ringtail status`: one screen from the running agent.

use super::ledger::{self, Source};
use super::{ConfigArg, Exit, configure, fail, print, tell};
use anyhow::Context;
use clap::Args;
use ringtail::audit::{Report, columns, table};
use ringtail::config::Config;
use ringtail::telemetry::{NodeName, Status};
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::time::Duration;

/// How often `--watch` looks.
const WATCH: Duration = Duration::from_secs(1);
/// Most segments on one screen.
const ROWS_MAX: usize = 40;

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Look again every second, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// As the agent serves it at /status
    #[arg(long)]
    json: bool,
}

pub fn run(args: &StatusArgs) -> Exit {
    let config = match configure(&args.config.config, NodeName::default()) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    loop {
        let shown = show(&config, args);
        match shown {
            Ok(Exit::Done) if args.watch => std::thread::sleep(WATCH),
            Ok(exit) => return exit,
            Err(error) => return fail(ledger::exit_of(&error), &error),
        }
    }
}

fn show(config: &Config, args: &StatusArgs) -> anyhow::Result<Exit> {
    let source = Source::open(config)?;
    if !source.is_agent() {
        return without_agent(&source, config, args.json);
    }
    let answer = source.ask("/status")?;
    if args.json {
        return Ok(print(format!("{}\n", answer.trim_end()).as_bytes()));
    }
    let status: Status = serde_json::from_str(&answer).context("the agent's answer is no status (is it of another release?)")?;
    // On a terminal each look stands where the one before stood.
    let begin = if args.watch && io::stdout().is_terminal() { "\x1b[H\x1b[2J" } else { "" };
    Ok(print(format!("{begin}{}", screen(&status)).as_bytes()))
}

/// What the ledger says.
fn without_agent(source: &Source, config: &Config, json: bool) -> anyhow::Result<Exit> {
    let mut report = Report { parked: ledger::parked(config)?, ..Report::default() };
    let mut rows = vec![columns(None)];
    source.for_each_page(|page| {
        report.add(page);
        let unfinished = page.segments.iter().filter(|listed| !listed.record.is_ended());
        rows.extend(unfinished.map(|listed| columns(Some(listed))));
        Ok(())
    })?;
    tell("no agent runs: this is what its ledger says");
    if json {
        return Ok(print(format!("{}\n", serde_json::to_string(&report)?).as_bytes()));
    }
    rows.truncate(ROWS_MAX + 1);
    let table = if rows.len() > 1 { table(&rows) + "\n" } else { String::new() };
    Ok(print(format!("{table}{}", report.text()).as_bytes()))
}

/// Everything that fits onto a screen.
fn screen(status: &Status) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    write_screen(status, &mut text).unwrap_or_default();
    text
}

fn write_screen(status: &Status, text: &mut String) -> std::fmt::Result {
    let node = status.node.as_deref().unwrap_or("not known yet");
    let cluster = status.cluster.as_deref().filter(|name| !name.is_empty()).map(|name| format!(" of {name}")).unwrap_or_default();
    writeln!(text, "node        {node}{cluster}, ringtail {}", status.version)?;
    match &status.reason {
        None => writeln!(text, "state       ready")?,
        Some(reason) => writeln!(text, "state       NOT READY: {reason}")?,
    }
    let lag = &status.lag;
    writeln!(text, "lag         {:.1} s, {}, {} segments", lag.seconds, size(lag.bytes), lag.segments)?;
    let rates = &status.rates;
    writeln!(
        text,
        "rate        {:.0} events/s, {}/s of log; {} events since the start",
        rates.events,
        size(rates.log_bytes as u64),
        status.delivered
    )?;
    let age = status.checkpoint_age.map_or_else(|| "none yet".to_owned(), |age| format!("{age:.1} s ago"));
    writeln!(text, "checkpoint  {age}; {} events in flight; breaker {}", status.in_flight, status.breaker)?;
    let full = forecast(status.spool.full_in_seconds);
    let (bytes, limit) = (size(status.spool.bytes), size(status.spool.limit_bytes));
    writeln!(text, "spool       {bytes} of {limit}{full}; {} free on its disk", size(status.spool.disk_free_bytes))?;
    let limit = status.cdc_raw_limit_bytes.map(|limit| format!(" of {}", size(limit))).unwrap_or_default();
    writeln!(text, "cdc_raw     {}{limit}{}", size(status.cdc_raw_bytes), forecast(status.cdc_raw_full_in_seconds))?;
    let parked: u64 = status.parked.iter().map(|parked| parked.count).sum();
    if parked > 0 {
        let reasons: Vec<String> = status.parked.iter().map(|one| format!("{} {}", one.count, one.reason)).collect();
        writeln!(text, "parked      {parked} entries, {} ({})", size(status.parked_bytes), reasons.join(", "))?;
    }
    let gaps = &status.gaps;
    if gaps.node_refuses || gaps.suspicious + gaps.lost > 0 {
        let refuses = if gaps.node_refuses { "the node REFUSES CDC writes; " } else { "" };
        writeln!(text, "missing     {refuses}{} lost, {} suspicious, not acknowledged (ringtail audit)", gaps.lost, gaps.suspicious)?;
    }
    let states: Vec<String> = status.segments_by_state.iter().filter(|(_, n)| **n > 0).map(|(state, n)| format!("{n} {state}")).collect();
    writeln!(text, "segments    {}", if states.is_empty() { "none".to_owned() } else { states.join(", ") })?;
    let head = ["SEGMENT", "STATE", "BYTES", "READABLE TO", "DELIVERED TO", "WAITING"].map(str::to_owned).to_vec();
    let rows = status.segments.iter().take(ROWS_MAX).map(|one| {
        let boundary = one.boundary.map_or_else(|| "-".to_owned(), |to| to.to_string());
        vec![one.file.clone(), one.state.clone(), one.bytes.to_string(), boundary, one.delivered_to.to_string(), one.lag_bytes.to_string()]
    });
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    if rows.len() > 1 {
        write!(text, "\n{}", table(&rows))?;
    }
    if status.segments.len() > ROWS_MAX {
        writeln!(text, "and {} more (--json has them all)", status.segments.len() - ROWS_MAX)?;
    }
    if let Some(error) = status.errors.last() {
        writeln!(text, "\nlast error  {}", error.message)?;
    }
    Ok(())
}

/// When a folder is full, if that can be said.
fn forecast(seconds: Option<f64>) -> String {
    match seconds {
        None => String::new(),
        Some(0.0) => ", FULL".to_owned(),
        Some(seconds) => format!(", full in {} if it goes on like this", time(seconds)),
    }
}

/// A number of bytes in the greatest unit of which there is one.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let name = units.get(unit).unwrap_or(&"B");
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {name}") }
}

/// A time in the greatest unit of which there are two.
fn time(seconds: f64) -> String {
    match seconds as u64 {
        n @ 0..120 => format!("{n} s"),
        n @ 120..7200 => format!("{} min", n / 60),
        n @ 7200..172_800 => format!("{} h", n / 3600),
        n => format!("{} d", n / 86_400),
    }
}
