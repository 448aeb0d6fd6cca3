//! One segment that is being read.

use crate::checkpoint::{Entries, SkippedRange};
use crate::commitlog::{Damage, ENTRY_OVERHEAD, Horizon, Item, Keys, SegmentError, SegmentName, SegmentReader};
use crate::disk::File;
use crate::mutant::{Mutant, mutant};
use crate::position::{CommitLogPosition, LogicalPosition};
use crate::progress::DeliveredTo;
use std::io;
use std::path::PathBuf;

/// A segment, how far it was read, and what became of what was read.
#[derive(Debug)]
pub struct Tail {
    name: SegmentName,
    file_name: String,
    path: PathBuf,
    state: State,
    /// How far everything had arrived before this reading began.
    resume: DeliveredTo,
    /// Bytes of the entries read so far, by what became of them.
    pub fates: Fates,
    /// What could not be read so far.
    pub damages: Vec<Damage>,
    /// What somebody has decided not to deliver.
    skipped: Vec<SkippedRange>,
}

#[derive(Debug)]
enum State {
    /// The header is not there yet, or cannot be read.
    Unopened,
    Reading(Box<SegmentReader<File>>),
}

/// What became of the entries of a segment, in logical bytes (decided once per entry, by the strongest that applies).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Something of the entry was published.
    pub delivered: u64,
    /// Nothing of the entry is to be published.
    pub filtered: u64,
    /// The entry is parked.
    pub parked: u64,
    /// Something of the entry was discarded.
    pub lost: u64,
    /// How many entries there were, and what became of them.
    pub entries: Entries,
    /// The position of the first of them.
    pub first: Option<u32>,
    /// CRC32C over their body checksums.
    pub content_crc: u32,
}

/// What is counted of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    at: LogicalPosition,
    bytes: u64,
    crc: [u8; 4],
}

/// What became of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Something of it was published.
    Delivered,
    /// Nothing of it is to be published.
    Filtered,
    /// It is parked.
    Parked,
    /// Something of it was discarded.
    Lost,
}

/// What comes next.
#[derive(Debug)]
pub enum Next<'a> {
    /// An entry.
    Entry(Arrival<'a>),
    /// A range that could not be read.
    Damage(Damage),
    /// The segment as a whole cannot be read.
    Unreadable(SegmentError),
    /// Nothing more for now.
    CaughtUp,
    /// Everything was read.
    Ended,
}

/// An entry that was read.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its position.
    pub at: CommitLogPosition,
    /// The first of its events that did not arrive before; `None` if all of them did.
    pub from: Option<u32>,
    /// Its frame as it stands in the log.
    pub frame: &'a [u8],
}

impl Arrival<'_> {
    /// The serialized mutation.
    pub fn body(&self) -> &[u8] {
        self.frame.get(8..self.frame.len().saturating_sub(4)).unwrap_or_default()
    }

    /// What is counted of it.
    pub fn counted(&self) -> Counted {
        let crc = self.frame.last_chunk::<4>().copied().unwrap_or_default();
        Counted { at: self.at.position, bytes: (self.frame.len() as u64).max(ENTRY_OVERHEAD), crc }
    }
}

impl Fates {
    /// Counts an entry, the next in the order of the log.
    pub fn count(&mut self, fate: Fate, entry: Counted) {
        self.entries.seen += 1;
        self.first.get_or_insert(entry.at.0);
        self.content_crc = crc32c::crc32c_append(self.content_crc, &entry.crc);
        self.add(fate, entry.bytes);
    }

    /// An entry that was counted as parked has come to its end.
    pub fn unpark(&mut self, fate: Fate, bytes: u64) {
        self.parked = self.parked.saturating_sub(bytes);
        self.entries.parked = self.entries.parked.saturating_sub(1);
        self.add(fate, bytes);
    }

    fn add(&mut self, fate: Fate, added: u64) {
        let (bytes, entries) = match fate {
            Fate::Delivered => (&mut self.delivered, &mut self.entries.published),
            Fate::Filtered => (&mut self.filtered, &mut self.entries.filtered),
            Fate::Parked => (&mut self.parked, &mut self.entries.parked),
            Fate::Lost => (&mut self.lost, &mut self.entries.lost),
        };
        *bytes += added;
        *entries += 1;
    }
}

impl Tail {
    /// A segment to be read from its header on. What lies at or below `resume` is read, so that its bytes are accounted for, but
    /// is not sent again. The file is opened when it is first read, so a backlog costs no descriptors.
    pub fn new(name: SegmentName, path: PathBuf, resume: DeliveredTo) -> Tail {
        Tail {
            name,
            file_name: name.log(),
            path,
            state: State::Unopened,
            resume,
            fates: Fates::default(),
            damages: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// The same, with ranges that count as given up.
    pub fn skipping(self, skipped: &[SkippedRange]) -> Tail {
        Tail { skipped: skipped.to_vec(), ..self }
    }

    /// Counts an entry, the next in the order of the log.
    pub fn count(&mut self, fate: Fate, entry: Counted) {
        let is_skipped = self.skipped.iter().any(|range| range.from < entry.at.0 && entry.at.0 <= range.to);
        self.fates.count(if is_skipped { Fate::Lost } else { fate }, entry);
    }

    /// The segment's file name, as events carry it.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Reads on below `horizon`, an encrypted segment with its key out of `keys`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn next(&mut self, horizon: Horizon, keys: &Keys) -> io::Result<Next<'_>> {
        let opened = match self.open(keys) {
            // Somebody has removed our link. The next look finds that out, and says what is lost.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Next::CaughtUp),
            opened => opened?,
        };
        match opened {
            None => {}
            // A file is linked before its header is written: not yet.
            Some(SegmentError::Empty { .. } | SegmentError::HeaderTruncated { .. }) if horizon != Horizon::Final => {
                return Ok(Next::CaughtUp);
            }
            Some(error) => return Ok(Next::Unreadable(error)),
        }
        let State::Reading(reader) = &mut self.state else { return Ok(Next::CaughtUp) };
        Ok(match reader.next(horizon)? {
            Item::Entry(entry) => {
                let at = CommitLogPosition { segment: self.name.id, position: entry.end };
                // The ordinal speaks of the first entry behind the position, and of no other.
                let begins = if mutant(Mutant::ResumeTooFar) { entry.start } else { entry.end };
                let from = (begins > self.resume.position).then(|| std::mem::take(&mut self.resume.ordinal));
                Next::Entry(Arrival { at, from, frame: entry.frame })
            }
            Item::Damage(damage) => {
                self.damages.push(damage.clone());
                Next::Damage(damage)
            }
            Item::CaughtUp => Next::CaughtUp,
            Item::End => Next::Ended,
        })
    }

    /// Where the damage ends, if it takes an entry of which some events had arrived before this reading began: how many speaks of that
    /// entry and of none behind the damage. Asked once, when the damage is found.
    pub fn forgets_half_an_entry(&mut self, damage: &Damage) -> Option<LogicalPosition> {
        let end = damage.logical.end;
        let takes_it = self.resume.ordinal > 0 && end > self.resume.position.max(damage.logical.start);
        takes_it.then(|| {
            self.resume.ordinal = 0;
            end
        })
    }

    /// Opens the segment if that was not done: the reason if it cannot be.
    fn open(&mut self, keys: &Keys) -> io::Result<Option<SegmentError>> {
        // Nothing was read of a segment whose key is not proved, so nothing is forgotten when it is opened again.
        if self.reader().is_some_and(|reader| reader.is_key_proved() || reader.is_at_end()) {
            return Ok(None);
        }
        match SegmentReader::open_with(File::open(&self.path)?, Some(self.name), keys) {
            Ok(reader) => {
                self.state = State::Reading(Box::new(reader));
                Ok(None)
            }
            Err(SegmentError::Io(error)) => Err(error),
            Err(error) => Ok(Some(error)),
        }
    }

    /// Whether everything in the segment was read.
    pub fn has_ended(&self) -> bool {
        self.reader().is_some_and(SegmentReader::is_at_end)
    }

    /// Whether reading waits in front of something that does not verify.
    ///
    /// # Errors
    /// What the file system says.
    pub fn is_in_doubt(&self, horizon: Horizon) -> io::Result<bool> {
        self.reader().map_or(Ok(false), |reader| reader.is_in_doubt(horizon))
    }

    /// The reader, once the header could be read.
    pub fn reader(&self) -> Option<&SegmentReader<File>> {
        match &self.state {
            State::Unopened => None,
            State::Reading(reader) => Some(reader),
        }
    }

    /// Whether the segment shows at least this many sections with entries, looked at without reading on. A file that is not open
    /// yet is not kept open for this.
    ///
    /// # Errors
    /// What the file system says.
    pub fn shows_sections(&self, at_least: u32, keys: &Keys) -> io::Result<bool> {
        let shows = |reader: &SegmentReader<File>| Ok(reader.sections_with_entries(at_least)? >= at_least);
        if let State::Reading(reader) = &self.state {
            return shows(reader);
        }
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        match SegmentReader::open_with(file, Some(self.name), keys) {
            Ok(reader) => shows(&reader),
            Err(SegmentError::Io(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::SegmentId;

    #[test]
    fn a_file_that_is_gone_before_it_was_opened_is_left_to_the_next_look() {
        let name = SegmentName { id: SegmentId(1), version: 7 };
        let mut tail = Tail::new(name, "/nowhere/CommitLog-7-1.log".into(), DeliveredTo::default());

        assert!(matches!(tail.next(Horizon::Final, &Keys::default()).unwrap(), Next::CaughtUp));
        assert!(!tail.shows_sections(1, &Keys::default()).unwrap());
        assert!(!tail.has_ended());
    }
}
