//! Prints the events of a segment, a JSON object a line: `cargo run --example mutations -- SEGMENT SCHEMA`.

use ringtail::{Catalog, CommitLogPosition, Envelope, Horizon, Item, SegmentReader, event, mutation, schema};
use std::io::Write;

/// Reads the segment at `path` with the schema file at `schema`, and writes to `out`.
pub fn print(path: &str, schema: &str, out: &mut dyn Write) -> Result<(), Box<dyn std::error::Error>> {
    let catalog = Catalog::from_loaded(&schema::file::load(&std::fs::read_to_string(schema)?)?);
    let mut segment = SegmentReader::open(std::fs::File::open(path)?, None)?;
    let (name, mut envelope) = (segment.descriptor().name(), Envelope::default());
    loop {
        match segment.next(Horizon::Final)? {
            Item::Entry(entry) => match mutation::decode(entry.body(), &catalog) {
                Ok(mutation) => {
                    for event in event::project(CommitLogPosition { segment: name.id, position: entry.end }, &mutation)?.events {
                        for record in envelope.encode(&event, &name.log(), event.timestamp.0 / 1000)? {
                            writeln!(out, "{}", String::from_utf8(record.value.unwrap_or_default())?)?;
                        }
                    }
                }
                Err(incomplete) => eprintln!("position {}: {}", entry.end, incomplete.error),
            },
            Item::Damage(damage) => eprintln!("{damage}"),
            Item::CaughtUp | Item::End => return Ok(()),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [segment, schema] = arguments.as_slice() else { return Err("usage: mutations SEGMENT SCHEMA".into()) };
    print(segment, schema, &mut std::io::stdout().lock())
}
