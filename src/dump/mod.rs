//! Segments as text: the commit log dump tool.
//!
//! Three forms. The readable one ([`Readable`]) is a line a mutation, for people. The lossless one ([`Lossless`]) is JSON Lines in the form
//! in which Cassandra's own `CommitLogReader` can be made to speak, so that the two can be compared line by line. [`Stats`] counts. All
//! need only files, and a [`Filter`] chooses for all of them.
//!
//! ```
//! use ringtail::commitlog::Keys;
//! use ringtail::dump::{self, Filter, Readable};
//! use ringtail::history::History;
//!
//! let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/quickstart");
//! let mut history = History::new(true); // which learns the tables from the log itself
//! let filter = Filter { tables: ringtail::config::TablePattern::parse("shop.outbox").into_iter().collect(), ..Filter::default() };
//!
//! let mut text = Vec::new();
//! let summary = dump::dump(&dump::find(&[folder.into()])?, &mut history, &Keys::NONE, &filter, &mut Readable::new(&mut text))?;
//!
//! assert_eq!((summary.mutations, summary.is_whole()), (11, true));
//! assert_eq!(String::from_utf8(text)?.lines().count(), 13); // with the segment and the sum
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod change_text;
mod filter;
mod input;
mod look;
mod lossless;
mod moment;
mod printer;
mod readable;
mod reader_order;
mod release;
mod stats;
mod stats_text;
mod summary;
mod tally;
mod unpack;

pub use archive::Archive;
pub use filter::{Filter, newest_write, parse_bound};
pub use input::find;
pub use look::Look;
pub use lossless::Lossless;
pub use moment::parse_moment;
pub use readable::Readable;
pub use release::Release;
pub use stats::Stats;
pub use summary::Summary;

use crate::commitlog::{Coverage, Damage, Descriptor, Entry, Horizon, Item, Keys, SectionSpan, SegmentError, SegmentReader};
use crate::history::History;
use crate::mutation::{self, DecodeError, Mutation};
use crate::position::{CommitLogPosition, FileOffset};
use std::io::{self, Write};

/// What a form of output is told about, in the order of the log.
pub trait Form {
    /// A segment begins; or cannot be read as a whole.
    ///
    /// # Errors
    /// The output's.
    fn segment(&mut self, stored: &Stored<'_>, header: Result<&Descriptor, &SegmentError>, filter: &Filter) -> io::Result<()>;

    /// A section begins.
    ///
    /// # Errors
    /// The output's.
    fn section(&mut self, _section: &SectionSpan, _stored: &Stored<'_>, _filter: &Filter) -> io::Result<()> {
        Ok(())
    }

    /// A mutation that could be decoded whole and that the filter takes; not all of its updates need be taken.
    ///
    /// # Errors
    /// The output's.
    fn mutation(&mut self, entry: &Entry<'_>, mutation: &Mutation<'_>, filter: &Filter) -> io::Result<()>;

    /// An entry of which the filter takes nothing.
    ///
    /// # Errors
    /// The output's.
    fn filtered(&mut self, _entry: &Entry<'_>) -> io::Result<()> {
        Ok(())
    }

    /// A mutation that could not be decoded. `leading` are the updates before the one that stopped it; [`Filter::takes_undecodable`] says
    /// whether to show it.
    ///
    /// # Errors
    /// The output's.
    fn undecodable(&mut self, entry: &Entry<'_>, leading: &Mutation<'_>, error: &DecodeError, filter: &Filter) -> io::Result<()>;

    /// A range that could not be read.
    ///
    /// # Errors
    /// The output's.
    fn damage(&mut self, damage: &Damage) -> io::Result<()>;

    /// A segment that could be opened ends; `coverage` says where each of its bytes went, shown or not.
    ///
    /// # Errors
    /// The output's.
    fn segment_end(&mut self, _stored: &Stored<'_>, _coverage: &Coverage) -> io::Result<()> {
        Ok(())
    }

    /// Everything was said.
    ///
    /// # Errors
    /// The output's.
    fn end(&mut self, summary: &Summary) -> io::Result<()>;
}

/// A segment and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Where it is.
    pub archive: &'a Archive,
    /// The whole file, decompressed if it was an archive.
    pub bytes: &'a [u8],
}

impl Stored<'_> {
    /// The checksum that stands in the marker at `marker`.
    pub fn marker_crc(&self, marker: FileOffset) -> u32 {
        let slot = usize::try_from(marker.0).ok().and_then(|at| self.bytes.get(at..)?.first_chunk::<8>());
        slot.map_or(0, |slot| u64::from_be_bytes(*slot) as u32)
    }
}

/// How the sections of a segment are stored: `plain`, the class of its compressor, or its cipher.
pub(super) fn kind(descriptor: &Descriptor) -> &str {
    match &descriptor.encryption {
        Some(encryption) => &encryption.cipher,
        None => descriptor.compression_class.as_deref().unwrap_or("plain"),
    }
}

/// Dumps what `filter` takes of the segments, in order, encrypted ones with `keys`, under the tables that `history` knows. If it follows
/// the log it learns on the way, also from what is not shown. What could not be read is named on standard error; [`Summary::is_whole`]
/// says whether there was any.
///
/// # Errors
/// Reading a file or writing the output failed.
pub fn dump(archives: &[Archive], history: &mut History, keys: &Keys, filter: &Filter, form: &mut dyn Form) -> io::Result<Summary> {
    let mut dump = Dump { history, keys, filter, form, summary: Summary::default() };
    for archive in archives {
        if archive.name.is_none_or(|name| filter.takes_segment(name.id)) {
            dump.segment(archive)?;
        } else if dump.history.follows_log() {
            dump.learn_all(archive)?;
        }
    }
    dump.form.end(&dump.summary)?;
    Ok(dump.summary)
}

struct Dump<'d> {
    history: &'d mut History,
    keys: &'d Keys,
    filter: &'d Filter,
    form: &'d mut dyn Form,
    summary: Summary,
}

impl Dump<'_> {
    fn segment(&mut self, archive: &Archive) -> io::Result<()> {
        self.summary.segments += 1;
        let bytes = archive.read()?;
        let stored = Stored { archive, bytes: &bytes };
        let mut reader = match SegmentReader::open_with(bytes.as_slice(), archive.name, self.keys) {
            Ok(reader) => reader,
            Err(SegmentError::Io(error)) => return Err(error),
            Err(error) => {
                self.form.segment(&stored, Err(&error), self.filter)?;
                if !matches!(error, SegmentError::Empty { .. }) {
                    self.summary.errors += 1;
                    tell(archive, &error);
                }
                return Ok(());
            }
        };
        let segment = reader.descriptor().id;
        self.form.segment(&stored, Ok(reader.descriptor()), self.filter)?;
        let mut sections = Vec::new();
        loop {
            let item = reader.next_with(Horizon::Final, &mut |section| sections.push(section))?;
            for section in sections.drain(..) {
                self.form.section(&section, &stored, self.filter)?;
            }
            match item {
                Item::Entry(entry) if self.filter.takes_position(CommitLogPosition { segment, position: entry.end }) => {
                    self.entry(archive, CommitLogPosition { segment, position: entry.end }, &entry)?;
                }
                Item::Damage(damage) if self.filter.takes_damage(&damage) => {
                    self.summary.errors += 1;
                    tell(archive, &damage);
                    self.form.damage(&damage)?;
                }
                Item::Entry(entry) => {
                    self.learn(CommitLogPosition { segment, position: entry.end }, &entry);
                    self.form.filtered(&entry)?;
                }
                Item::Damage(_) => {}
                Item::CaughtUp | Item::End => break,
            }
        }
        if let Some(range) = reader.unmarked() {
            let bytes = range.end.since(range.start);
            let (from, to) = (range.start, range.end);
            tell(
                archive,
                &format!("{bytes} bytes at file offsets {from}..{to} stand behind the last sync marker: the node drops them too"),
            );
        }
        self.form.segment_end(&stored, reader.coverage())
    }

    /// Takes in what a segment tells of the schema, without showing anything of it. What cannot be read of it is nobody's question.
    fn learn_all(&mut self, archive: &Archive) -> io::Result<()> {
        let bytes = archive.read()?;
        let Ok(mut reader) = SegmentReader::open_with(bytes.as_slice(), archive.name, self.keys) else { return Ok(()) };
        let segment = reader.descriptor().id;
        loop {
            match reader.next(Horizon::Final)? {
                Item::Entry(entry) => self.learn(CommitLogPosition { segment, position: entry.end }, &entry),
                Item::Damage(_) => {}
                Item::CaughtUp | Item::End => return Ok(()),
            }
        }
    }

    fn learn(&mut self, at: CommitLogPosition, entry: &Entry<'_>) {
        if self.history.follows_log() {
            let catalog = self.history.catalog_at(at);
            if let Ok(mutation) = mutation::decode(entry.body(), &catalog) {
                self.history.apply(at, &mutation);
            }
        }
    }

    fn entry(&mut self, archive: &Archive, at: CommitLogPosition, entry: &Entry<'_>) -> io::Result<()> {
        let catalog = self.history.catalog_at(at);
        let decoded = mutation::decode(entry.body(), &catalog);
        if let Ok(mutation) = &decoded {
            self.history.apply(at, mutation);
        }
        let incomplete = match decoded {
            Ok(mutation) if self.filter.takes(&mutation) => {
                self.summary.count(&mutation, self.filter);
                return self.form.mutation(entry, &mutation, self.filter);
            }
            Ok(_) => return self.form.filtered(entry),
            Err(incomplete) => incomplete,
        };
        let (error, position) = (&incomplete.error, entry.end);
        match error {
            // A table can have any number of mutations: the first is named here, each of them in the output.
            DecodeError::UnknownTable { id, .. } => {
                let count = self.summary.skipped.entry(*id).or_default();
                *count += 1;
                if *count == 1 {
                    tell(archive, &format!("position {position}: {error}: expected a table of the schema (--schema FILE)"));
                }
            }
            _ => {
                self.summary.errors += 1;
                tell(archive, &format!("position {position}: {error}"));
            }
        }
        self.form.undecodable(entry, &incomplete.leading, error, self.filter)
    }
}

/// Names on standard error what could not be read. That nobody listens there is nobody's concern.
fn tell(archive: &Archive, what: &dyn std::fmt::Display) {
    writeln!(io::stderr(), "{archive}: {what}").ok();
}
