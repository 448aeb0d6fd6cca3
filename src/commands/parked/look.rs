//! `ringtail parked list` and `show`: reading the folder.

use super::{folder, open};
use crate::commands::{Exit, ParkedListArgs, ParkedShowArgs, fail, print, schema_file, tell};
use anyhow::{Context, anyhow};
use ringtail::checkpoint::StateDir;
use ringtail::config::Config;
use ringtail::event;
use ringtail::history::{Additive, BEGINNING, History, Source};
use ringtail::mutation::{self, Mutation, PartitionUpdate};
use ringtail::pipeline::park::{self, Listed, Note};
use ringtail::schema::Catalog;
use serde_json::json;
use std::fmt::Write;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub fn list(args: &ParkedListArgs) -> Exit {
    let (_, listed) = match open(&args.config.config) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    if args.json {
        return print(listed.iter().map(|one| format!("{}\n", as_json(one))).collect::<String>().as_bytes());
    }
    if listed.is_empty() {
        tell("nothing is parked");
        return Exit::Done;
    }
    let exit = print(table(&listed).as_bytes());
    let bytes: u64 = listed.iter().map(|one| one.bytes).sum();
    tell(&format!("{} parked, {bytes} bytes", listed.len()));
    exit
}

fn table(listed: &[Listed]) -> String {
    let head = ["POSITION", "CLASS", "REASON", "TABLE", "BYTES", "AGE", "TRIES"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(listed.iter().map(row)).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn row(one: &Listed) -> [String; 7] {
    let (place, bytes) = (one.place.to_string(), one.bytes.to_string());
    let Some(note) = &one.note else {
        return [place, "refused".into(), "unknown".into(), "?".into(), bytes, "?".into(), "?".into()];
    };
    let table = note.table.clone().or_else(|| note.table_id.clone()).unwrap_or_else(|| "?".into());
    [place, note.class.name().into(), note.reason.clone(), table, bytes, age(note), note.tries.to_string()]
}

fn as_json(one: &Listed) -> serde_json::Value {
    let note = one.note.as_ref();
    json!({
        "position": one.place.to_string(),
        "segment": note.map(|note| &note.segment),
        "class": note.map_or("refused", |note| note.class.name()),
        "reason": note.map_or("unknown", |note| &note.reason),
        "message": note.map(|note| &note.message),
        "table_id": note.and_then(|note| note.table_id.as_ref()),
        "table": note.and_then(|note| note.table.as_ref()),
        "first_update": note.map(|note| note.first_update),
        "bytes": one.bytes,
        "parked_at_ms": note.map(|note| note.parked_at.0),
        "tries": note.map(|note| note.tries),
    })
}

/// In the greatest unit of which there are two.
fn age(note: &Note) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = now.saturating_sub(Duration::from_millis(note.parked_at.0)).as_secs();
    match seconds {
        _ if note.parked_at.0 == 0 => "?".to_owned(),
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

pub fn show(args: &ParkedShowArgs) -> Exit {
    let (config, listed) = match open(&args.config.config) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let found: Vec<&Listed> = listed.iter().filter(|one| one.place == args.place || is_part(one, args)).collect();
    if found.is_empty() {
        return fail(Exit::Data, &anyhow!("{} is not parked", args.place));
    }
    let texts = found.iter().map(|one| text(&config, one)).collect::<anyhow::Result<Vec<String>>>();
    match texts {
        Ok(texts) => print(texts.join("\n").as_bytes()),
        Err(error) => fail(Exit::Io, &error),
    }
}

/// A position without an event means all that is parked of the entry.
fn is_part(one: &Listed, args: &ParkedShowArgs) -> bool {
    args.place.ordinal.is_none() && one.place.at == args.place.at
}

fn text(config: &Config, one: &Listed) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| writeln!(text, "{name:10}{value}");
    line("position", &one.place)?;
    if let Some(note) = &one.note {
        line("segment", &note.segment)?;
        line("class", &note.class.name())?;
        line("reason", &note.reason)?;
        line("message", &note.message)?;
        line("age", &age(note))?;
        line("tries", &note.tries)?;
        let published = match (one.place.ordinal, note.first_update) {
            (Some(ordinal), _) => format!("all but event {ordinal}"),
            (None, 0) => "nothing of it".to_owned(),
            (None, first) => format!("updates before update {first}"),
        };
        line("published", &published)?;
    }
    line("bytes", &one.bytes)?;
    let dir = folder(config);
    let frame = park::read_frame(&dir, one.place).with_context(|| format!("cannot read {} from {}", one.place, dir.display()))?;
    let body = frame.get(8..frame.len().saturating_sub(4)).unwrap_or_default();
    let catalog = catalog(config, one)?;
    text.push_str(&shape(one, body, &catalog));
    Ok(text)
}

/// The tables as of the entry: what the agent knows, and over it the schema file.
fn catalog(config: &Config, one: &Listed) -> anyhow::Result<Arc<Catalog>> {
    let kept = fs::read_to_string(StateDir::schema(&config.state.dir)).ok();
    let kept = kept.and_then(|text| History::from_json(&text, config.schema.log).ok());
    let mut history = kept.unwrap_or_else(|| History::new(config.schema.log));
    if let Some(file) = schema_file::configured(config)? {
        history.take(Source::File, &file, BEGINNING, Additive::NotInLog);
    }
    Ok(history.catalog_at(one.place.at))
}

/// Updates, tables and lengths, as far as the schema tells; never a value.
fn shape(one: &Listed, body: &[u8], catalog: &Catalog) -> String {
    let (mutation, error) = match mutation::decode(body, catalog) {
        Ok(mutation) => (mutation, None),
        Err(incomplete) => (incomplete.leading, Some(incomplete.error)),
    };
    let key = park::partition_key(body).map_or_else(|| "not readable".to_owned(), |key| format!("{} bytes", key.len()));
    let mut text = format!("key       {key}\nupdates   {}\n", mutation.declared_updates);
    for (number, update) in mutation.updates.iter().enumerate() {
        let events = events(one, &mutation, number);
        text.push_str(&format!("  {number}  {} {}: {events}\n", update.table, contents(update)));
    }
    if let Some(error) = error {
        text.push_str(&format!("  {}  {error}\n", mutation.updates.len()));
    }
    text
}

fn contents(update: &PartitionUpdate<'_>) -> String {
    let id = update.table.id;
    if update.table.cdc { format!("({id})") } else { format!("({id}, without CDC)") }
}

fn events(one: &Listed, mutation: &Mutation<'_>, number: usize) -> String {
    match event::project(one.place.at, mutation) {
        Ok(projection) => {
            let of = projection.events.iter().filter(|event| event.update_index as usize == number);
            let ordinals: Vec<u32> = of.map(|event| event.ordinal).collect();
            match ordinals[..] {
                [] => "no events".to_owned(),
                [one] => format!("event {one}"),
                [first, .., last] => format!("events {first} to {last}"),
            }
        }
        Err(error) => error.to_string(),
    }
}
