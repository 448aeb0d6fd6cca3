//! Segments as text: the commit log dump tool.
//!
//! Two forms. The readable one is a line per mutation for people. The lossless one is JSON Lines in the form in which
//! Cassandra's own `CommitLogReader` can be made to speak, so that the two can be compared line by line. Both need only
//! files.

mod input;
mod lossless;
mod printer;
mod readable;
mod reader_order;
mod release;
mod summary;

pub use input::{Archive, find};
pub use lossless::Lossless;
pub use readable::Readable;
pub use release::Release;
pub use summary::Summary;

use crate::commitlog::{Damage, Descriptor, Entry, Horizon, Item, Keys, SegmentError, SegmentReader};
use crate::mutation::{self, DecodeError, Mutation};
use crate::schema::Catalog;
use std::io::{self, Write};

/// What a form of output is told about, in the order of the log.
pub trait Form {
    /// A segment begins; or cannot be read as a whole.
    ///
    /// # Errors
    /// The output's.
    fn segment(&mut self, archive: &Archive, header: Result<&Descriptor, &SegmentError>) -> io::Result<()>;

    /// A mutation that could be decoded whole.
    ///
    /// # Errors
    /// The output's.
    fn mutation(&mut self, entry: &Entry<'_>, mutation: &Mutation<'_>) -> io::Result<()>;

    /// A mutation that could not. `leading` are the updates before the one that stopped it.
    ///
    /// # Errors
    /// The output's.
    fn undecodable(&mut self, entry: &Entry<'_>, leading: &Mutation<'_>, error: &DecodeError) -> io::Result<()>;

    /// A range that could not be read.
    ///
    /// # Errors
    /// The output's.
    fn damage(&mut self, damage: &Damage) -> io::Result<()>;

    /// Everything was said.
    ///
    /// # Errors
    /// The output's.
    fn end(&mut self, summary: &Summary) -> io::Result<()>;
}

/// Dumps the segments in order, encrypted ones with `keys`. What could not be read is named on standard error; [`Summary::is_whole`] says whether
/// there was any.
///
/// # Errors
/// Reading a file or writing the output failed.
pub fn dump(archives: &[Archive], catalog: &Catalog, keys: &Keys, form: &mut dyn Form) -> io::Result<Summary> {
    let mut summary = Summary::default();
    for archive in archives {
        segment(archive, catalog, keys, form, &mut summary)?;
    }
    form.end(&summary)?;
    Ok(summary)
}

fn segment(archive: &Archive, catalog: &Catalog, keys: &Keys, form: &mut dyn Form, summary: &mut Summary) -> io::Result<()> {
    summary.segments += 1;
    let bytes = archive.read()?;
    let mut reader = match SegmentReader::open_with(bytes.as_slice(), Some(archive.name), keys) {
        Ok(reader) => reader,
        Err(SegmentError::Io(error)) => return Err(error),
        Err(error) => {
            form.segment(archive, Err(&error))?;
            if !matches!(error, SegmentError::Empty { .. }) {
                summary.errors += 1;
                tell(archive, &error);
            }
            return Ok(());
        }
    };
    form.segment(archive, Ok(reader.descriptor()))?;
    loop {
        match reader.next(Horizon::Final)? {
            Item::Entry(entry) => mutation(archive, &entry, catalog, form, summary)?,
            Item::Damage(damage) => {
                summary.errors += 1;
                tell(archive, &damage);
                form.damage(&damage)?;
            }
            Item::CaughtUp | Item::End => break,
        }
    }
    if let Some(range) = reader.unmarked() {
        let bytes = range.end.since(range.start);
        let (from, to) = (range.start, range.end);
        tell(archive, &format!("{bytes} bytes at file offsets {from}..{to} stand behind the last sync marker: the node drops them too"));
    }
    Ok(())
}

fn mutation(archive: &Archive, entry: &Entry<'_>, catalog: &Catalog, form: &mut dyn Form, summary: &mut Summary) -> io::Result<()> {
    match mutation::decode(entry.body(), catalog) {
        Ok(mutation) => {
            summary.count(&mutation);
            form.mutation(entry, &mutation)
        }
        Err(incomplete) => {
            let error = &incomplete.error;
            let position = entry.end;
            match error {
                // A table can have any number of mutations: the first is named here, each of them in the output.
                DecodeError::UnknownTable { id, .. } => {
                    let count = summary.skipped.entry(*id).or_default();
                    *count += 1;
                    if *count == 1 {
                        tell(archive, &format!("position {position}: {error}: expected a table of the schema (--schema FILE)"));
                    }
                }
                _ => {
                    summary.errors += 1;
                    tell(archive, &format!("position {position}: {error}"));
                }
            }
            form.undecodable(entry, &incomplete.leading, error)
        }
    }
}

/// Names on standard error what could not be read. That nobody listens there is nobody's concern.
fn tell(archive: &Archive, what: &dyn std::fmt::Display) {
    writeln!(io::stderr(), "{}: {what}", archive.path.display()).ok();
}
