//! Numbers instead of lines: what the log holds, by table, and where its bytes are.

use super::stats_text;
use super::tally::{Bytes, DamageTally, SectionTally, SegmentTally, Tally};
use super::{Filter, Form, Look, Stored, Summary, kind};
use crate::codec::put_unsigned_vint;
use crate::commitlog::{Coverage, Damage, Descriptor, Entry, SectionSpan, SegmentError};
use crate::mutation::{DecodeError, Mutation, PartitionUpdate};
use std::io::{self, Write};

/// Bytes of a table's id in front of each update.
const TABLE_ID: usize = 16;

/// Counts, and writes the counts at the end: as text, or as one JSON object.
///
/// Every byte is counted once, in two sums (`commitlog::Coverage`): those of the file add up to its length, and the entries in it are those
/// of tables, of unknown tables, undecodable and filtered ones.
#[derive(Debug)]
pub struct Stats<W> {
    out: W,
    json: bool,
    look: Look,
    tally: Tally,
    /// The segment's log name and kind.
    segment: (String, String),
}

impl<W: Write> Stats<W> {
    /// Writes to `out`, JSON if `json`, else text that looks like `look`.
    pub fn new(out: W, json: bool, look: Look) -> Self {
        Stats { out, json, look, tally: Tally::default(), segment: Default::default() }
    }
}

impl<W: Write> Form for Stats<W> {
    fn segment(&mut self, stored: &Stored<'_>, header: Result<&Descriptor, &SegmentError>, _: &Filter) -> io::Result<()> {
        let name = stored.archive.log();
        let length = stored.bytes.len() as u64;
        match header {
            Ok(descriptor) => self.segment = (name, kind(descriptor).to_owned()),
            Err(error) => {
                let mut bytes = Bytes { file_size: length, ..Bytes::default() };
                if matches!(error, SegmentError::Empty { .. }) {
                    bytes.file.padding = length;
                } else {
                    bytes.file.damaged = length;
                    let cause = error.to_string();
                    self.tally.damage.push(DamageTally {
                        segment: name.clone(),
                        reason: "segment",
                        cause,
                        file: [0, length],
                        positions: None,
                    });
                }
                self.tally.bytes += bytes;
                self.tally.segments.push(SegmentTally { segment: name, kind: None, bytes });
            }
        }
        Ok(())
    }

    fn section(&mut self, section: &SectionSpan, _: &Stored<'_>, _: &Filter) -> io::Result<()> {
        let SectionTally { sections, empty, bytes } = self.tally.sections.entry(self.segment.1.clone()).or_default();
        *sections += 1;
        *empty += u64::from(section.length == Some(0));
        *bytes += section.next.map_or(0, |next| next.since(section.marker));
        Ok(())
    }

    fn mutation(&mut self, entry: &Entry<'_>, mutation: &Mutation<'_>, filter: &Filter) -> io::Result<()> {
        let mut seen = Vec::new();
        for (update, bytes) in mutation.updates.iter().zip(shares(entry, mutation)) {
            if !filter.takes_update(update) {
                self.tally.filtered.bytes += bytes;
                continue;
            }
            let table = self.tally.tables.entry(update.table.to_string()).or_default();
            table.count(update, bytes);
            if !seen.contains(&update.table.id) {
                seen.push(update.table.id);
                table.mutations += 1;
            }
        }
        Ok(())
    }

    fn filtered(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        self.tally.filtered.add(entry.frame.len() as u64);
        Ok(())
    }

    fn undecodable(&mut self, entry: &Entry<'_>, _: &Mutation<'_>, error: &DecodeError, _: &Filter) -> io::Result<()> {
        let bytes = entry.frame.len() as u64;
        match error {
            DecodeError::UnknownTable { id, .. } => self.tally.unknown_tables.entry(id.to_string()).or_default().add(bytes),
            _ => self.tally.undecodable.add(bytes),
        }
        Ok(())
    }

    fn damage(&mut self, damage: &Damage) -> io::Result<()> {
        self.tally.damage.push(DamageTally {
            segment: self.segment.0.clone(),
            reason: damage.cause.kind(),
            cause: damage.cause.to_string(),
            file: [damage.file.start.0, damage.file.end.0],
            positions: Some([damage.logical.start.0, damage.logical.end.0]),
        });
        Ok(())
    }

    fn segment_end(&mut self, _: &Stored<'_>, coverage: &Coverage) -> io::Result<()> {
        let bytes = Bytes::from(coverage);
        self.tally.bytes += bytes;
        let (segment, kind) = std::mem::take(&mut self.segment);
        self.tally.segments.push(SegmentTally { segment, kind: Some(kind), bytes });
        Ok(())
    }

    fn end(&mut self, _: &Summary) -> io::Result<()> {
        if self.json {
            serde_json::to_writer(&mut self.out, &self.tally)?;
            self.out.write_all(b"\n")?;
        } else {
            stats_text::write(&mut self.out, &self.tally, &self.look)?;
        }
        self.out.flush()
    }
}

/// How many bytes of the entry each update takes. There are no lengths around updates, so each goes to where the next begins.
fn shares<'a>(entry: &'a Entry<'_>, mutation: &'a Mutation<'_>) -> impl Iterator<Item = u64> + 'a {
    let frame = entry.frame.len();
    let starts = mutation.updates.iter().map(move |update| start(entry, update).min(frame));
    let ends = starts.clone().skip(1).chain([frame]);
    starts.enumerate().zip(ends).map(|((index, start), end)| end.saturating_sub(if index == 0 { 0 } else { start }) as u64)
}

/// Where in the frame an update begins: its table id and the length of its partition key stand before the key.
fn start(entry: &Entry<'_>, update: &PartitionUpdate<'_>) -> usize {
    let mut length = Vec::new();
    put_unsigned_vint(&mut length, update.partition_key.len() as u64);
    let key = (update.partition_key.as_ptr() as usize).saturating_sub(entry.frame.as_ptr() as usize);
    key.saturating_sub(length.len() + TABLE_ID)
}
