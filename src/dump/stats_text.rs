//! The numbers as text.

use super::Look;
use super::tally::{DamageTally, Share, Tally};
use std::io::{self, Write};

/// The first column is at least as wide as this, so that the blocks stand under each other.
const NAME_WIDTH: usize = 14;

/// Writes the tally.
pub fn write(out: &mut dyn Write, tally: &Tally, look: &Look) -> io::Result<()> {
    tables(out, tally, look)?;
    sections(out, tally, look)?;
    bytes(out, tally, look)?;
    damage(out, &tally.damage, look)
}

fn tables(out: &mut dyn Write, tally: &Tally, look: &Look) -> io::Result<()> {
    let Look { heading, table, quiet, error, .. } = look;
    let names = tally.tables.keys().map(String::len).chain(tally.unknown_tables.keys().map(|id| id.len() + "unknown ".len()));
    let width = names.max().unwrap_or_default().max(NAME_WIDTH);
    writeln!(
        out,
        "{heading}{:width$}  {:>9}  {:>9}  {:>9}  {:>9}  {:>12}{heading:#}",
        "TABLE", "MUTATIONS", "ROWS", "CELLS", "DELETIONS", "BYTES"
    )?;
    for (name, of) in &tally.tables {
        let deletions = of.deletions.sum();
        writeln!(
            out,
            "{table}{name:width$}{table:#}  {:>9}  {:>9}  {:>9}  {deletions:>9}  {:>12}",
            of.mutations, of.rows, of.cells, of.bytes
        )?;
    }
    let share = |Share { mutations, bytes }: &Share| format!("  {mutations:>9}  {:>9}  {:>9}  {:>9}  {bytes:>12}", "", "", "");
    for (id, of) in &tally.unknown_tables {
        writeln!(out, "{error}{:width$}{error:#}{}", format!("unknown {id}"), share(of))?;
    }
    for (name, of, style) in [("undecodable", &tally.undecodable, error), ("filtered", &tally.filtered, quiet)] {
        if *of != Share::default() {
            writeln!(out, "{style}{name:width$}{style:#}{}", share(of))?;
        }
    }
    Ok(())
}

fn sections(out: &mut dyn Write, tally: &Tally, look: &Look) -> io::Result<()> {
    let heading = look.heading;
    let width = tally.sections.keys().map(String::len).max().unwrap_or_default().max(NAME_WIDTH);
    writeln!(out, "\n{heading}{:width$}  {:>9}  {:>9}  {:>12}{heading:#}", "SECTIONS", "COUNT", "EMPTY", "BYTES")?;
    for (kind, of) in &tally.sections {
        writeln!(out, "{kind:width$}  {:>9}  {:>9}  {:>12}", of.sections, of.empty, of.bytes)?;
    }
    Ok(())
}

fn bytes(out: &mut dyn Write, tally: &Tally, look: &Look) -> io::Result<()> {
    let (heading, bytes, file) = (look.heading, &tally.bytes, &tally.bytes.file);
    let segments = tally.segments.len();
    writeln!(out, "\n{heading}{:NAME_WIDTH$}  {:>12}{heading:#}", "BYTES", "IN FILES")?;
    for (name, number) in [
        ("header", file.header),
        ("markers", file.markers),
        ("section heads", file.section_heads),
        ("payload", file.payload),
        ("padding", file.padding),
        ("unmarked", file.unmarked),
        ("damaged", file.damaged),
    ] {
        writeln!(out, "{name:NAME_WIDTH$}  {number:>12}")?;
    }
    writeln!(out, "{:NAME_WIDTH$}  {:>12}  the length of all segments: {segments}", "sum", bytes.file_size)?;
    writeln!(out, "\n{heading}{:NAME_WIDTH$}  {:>12}{heading:#}", "BYTES", "IN SECTIONS")?;
    writeln!(out, "{:NAME_WIDTH$}  {:>12}  the tables above", "entries", bytes.log.entries)?;
    writeln!(out, "{:NAME_WIDTH$}  {:>12}", "damaged", bytes.log.damaged)?;
    writeln!(out, "{:NAME_WIDTH$}  {:>12}  the length of all sections, decompressed", "sum", bytes.section_bytes)
}

fn damage(out: &mut dyn Write, damage: &[DamageTally], look: &Look) -> io::Result<()> {
    let Look { heading, error, .. } = look;
    writeln!(out, "\n{heading}DAMAGE{heading:#}")?;
    if damage.is_empty() {
        writeln!(out, "none")?;
    }
    for DamageTally { segment, cause, file: [start, end], positions, .. } in damage {
        let bytes = end.saturating_sub(*start);
        let positions = positions.map(|[start, end]| format!(", positions {start}..{end}")).unwrap_or_default();
        writeln!(out, "{segment}  {start}..{end}  {bytes} bytes{positions}  {error}{cause}{error:#}")?;
    }
    Ok(())
}
