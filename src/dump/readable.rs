//! The readable form: a line a mutation, for people.
//!
//! ```text
//! CommitLog-7-1795365411252.log  version 7, plain
//!     67470  2026-11-22T19:10:52.727579Z  ops.t  u  p=1 c1=2 c2="a"  v=null
//! ```
//!
//! A line is where the entry ends, the newest write time in it, and its changes. With [`Readable::raw`] the frames stand between the lines:
//!
//! ```text
//!   header   0..20           id 1795365411252  params {}  crc 0x3a5f1d02
//!   section  20..67474       marker 20  crc 0x88ef4731  next 67474  66.. bytes
//!   entry    67350..67470    size 108  size crc 0x14f177e6  crc 0x5e475612
//! ```

use super::change_text::{changes, separate};
use super::filter::{Filter, newest_write};
use super::{Form, Look, Stored, Summary, kind, moment};
use crate::commitlog::{Coverage, Damage, Descriptor, Entry, SectionSpan, SegmentError};
use crate::mutation::{DecodeError, Mutation};
use crate::position::{CommitLogPosition, SegmentId};
use std::io::{self, Write};

/// Writes the readable form.
#[derive(Debug)]
pub struct Readable<W> {
    out: W,
    look: Look,
    raw: bool,
    segment: SegmentId,
    /// What is said of a segment and a section only if something in it is shown: with a filter most have nothing.
    pending: Pending,
}

#[derive(Debug, Default)]
struct Pending {
    segment: Option<String>,
    section: Option<String>,
}

impl<W: Write> Readable<W> {
    /// Writes to `out`, without colours and frames.
    pub fn new(out: W) -> Self {
        Readable { out, look: Look::default(), raw: false, segment: SegmentId(0), pending: Pending::default() }
    }

    /// With colours.
    #[must_use]
    pub fn look(self, look: Look) -> Self {
        Readable { look, ..self }
    }

    /// With header, sections and frames of entries, if `raw`.
    #[must_use]
    pub fn raw(self, raw: bool) -> Self {
        Readable { raw, ..self }
    }

    fn say_pending(&mut self) -> io::Result<()> {
        for text in [self.pending.segment.take(), self.pending.section.take()].into_iter().flatten() {
            self.out.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    fn line(&mut self, entry: &Entry<'_>, mutation: &Mutation<'_>, text: &str) -> io::Result<()> {
        self.say_pending()?;
        let quiet = self.look.quiet;
        if self.raw {
            let (size, size_crc) = (entry.body().len(), entry.size_crc());
            let place = format!("{}..{}", entry.start, entry.end);
            writeln!(self.out, "{quiet}  entry    {place:<22} size {size}  size crc {size_crc:#010x}  crc {:#010x}{quiet:#}", entry.crc())?;
        }
        let written = newest_write(mutation).map_or_else(|| "-".into(), |at| moment::show(at.0));
        writeln!(self.out, "{quiet}{:>10}  {written:<27}{quiet:#}  {text}", entry.end)
    }

    fn text(&self, entry: &Entry<'_>, mutation: &Mutation<'_>, filter: &Filter) -> String {
        let at = CommitLogPosition { segment: self.segment, position: entry.end };
        changes(at, mutation, filter, &self.look)
    }

    fn header(&self, stored: &Stored<'_>, descriptor: &Descriptor) -> String {
        let end = descriptor.header_end;
        // The params stand behind 14 bytes and before the checksum; that they are JSON was found when the header was read.
        let params = stored.bytes.get(14..(end.0 as usize).saturating_sub(4)).unwrap_or_default();
        format!(
            "  header   {:<22} id {}  params {}  crc {:#010x}\n",
            format!("0..{end}"),
            descriptor.id,
            String::from_utf8_lossy(params),
            descriptor.header_crc
        )
    }
}

impl<W: Write> Form for Readable<W> {
    fn segment(&mut self, stored: &Stored<'_>, header: Result<&Descriptor, &SegmentError>, filter: &Filter) -> io::Result<()> {
        let (heading, quiet, error) = (self.look.heading, self.look.quiet, self.look.error);
        let mut text = format!("{heading}{}{heading:#}  ", stored.archive.log());
        match header {
            Ok(descriptor) => {
                self.segment = descriptor.id;
                text += &format!("{quiet}version {}, {}{quiet:#}\n", descriptor.version, kind(descriptor));
                if self.raw {
                    text += &format!("{quiet}{}{quiet:#}", self.header(stored, descriptor));
                }
            }
            Err(why) => text += &format!("{error}{why}{error:#}\n"),
        }
        self.pending = Pending { segment: Some(text), section: None };
        if filter.is_any() || header.is_err() { self.say_pending() } else { Ok(()) }
    }

    fn section(&mut self, section: &SectionSpan, stored: &Stored<'_>, filter: &Filter) -> io::Result<()> {
        if !self.raw {
            return Ok(());
        }
        let quiet = self.look.quiet;
        let next = section.next.map_or_else(|| "?".into(), |next| next.to_string());
        let crc = stored.marker_crc(section.marker);
        let length = section
            .length
            .map_or_else(|| "as many bytes as hold".into(), |length| format!("{length} bytes from position {}", section.start));
        let place = format!("{}..{next}", section.marker);
        self.pending.section =
            Some(format!("{quiet}  section  {place:<22} marker {}  crc {crc:#010x}  next {next}  {length}{quiet:#}\n", section.marker));
        if filter.is_any() { self.say_pending() } else { Ok(()) }
    }

    fn mutation(&mut self, entry: &Entry<'_>, mutation: &Mutation<'_>, filter: &Filter) -> io::Result<()> {
        let text = self.text(entry, mutation, filter);
        self.line(entry, mutation, &text)
    }

    fn undecodable(&mut self, entry: &Entry<'_>, leading: &Mutation<'_>, error: &DecodeError, filter: &Filter) -> io::Result<()> {
        if !filter.takes_undecodable(leading, error) {
            return Ok(());
        }
        let mut text = self.text(entry, leading, filter);
        separate(&mut text);
        let style = self.look.error;
        text += &format!("{style}{error} ({} bytes){style:#}", entry.body().len());
        self.line(entry, leading, &text)
    }

    fn damage(&mut self, damage: &Damage) -> io::Result<()> {
        self.say_pending()?;
        let style = self.look.error;
        writeln!(self.out, "{:>10}  {style}damage: {damage}{style:#}", damage.logical.start)
    }

    fn segment_end(&mut self, stored: &Stored<'_>, coverage: &Coverage) -> io::Result<()> {
        if self.raw && self.pending.segment.is_none() {
            let (quiet, Coverage { padding, unmarked, .. }) = (self.look.quiet, coverage);
            let place = format!("..{}", stored.bytes.len());
            writeln!(self.out, "{quiet}  end      {place:<22} {padding} bytes of padding, {unmarked} behind the last marker{quiet:#}")?;
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let Summary { segments, mutations, updates, rows, cells, errors, .. } = summary;
        let skipped: u64 = summary.skipped.values().sum();
        writeln!(
            self.out,
            "{segments} segment{}: {mutations} mutations, {updates} updates, {rows} rows, {cells} cells; {skipped} mutations of unknown tables, {errors} errors",
            if *segments == 1 { "" } else { "s" }
        )?;
        self.out.flush()
    }
}
