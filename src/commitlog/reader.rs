//! The walk along the markers of one segment (`CommitLogSegmentReader`, `CommitLogReader.readSection`).

use super::coding::Coding;
mod at_marker;
mod in_section;

use super::coverage::Coverage;
use super::damage::{Damage, DamageCause};
use super::descriptor::{Descriptor, SegmentError};
use super::entry::{ENTRY_OVERHEAD, Entry, EntryHead, frame_mismatch};
use super::keys::{KeyProblem, Keys};
use super::marker::{MARKER_SIZE, SyncMarker};
use super::name::SegmentName;
use super::read_at::ReadAt;
use super::search::Search;
use super::section::{Buffer, Layout, Section, SectionSpan};
use crate::position::{FileOffset, LogicalPosition};
use std::io;
use std::ops::Range;

/// The length of its plain bytes, in front of a compressed or encrypted section.
const HEAD: u64 = 4;

/// Where positions go on in a compressed or encrypted segment behind a gap of which nobody knows how many logical bytes it held.
///
/// A guess could be a position that an entry in front of the gap or inside it had, and then what stands behind it would pass for delivered
/// after a restart. No node writes there: `commitlog_segment_size` would have to be above 1 GiB. Behind a second gap positions go on
/// as if it held nothing.
pub const AFTER_GAP: LogicalPosition = LogicalPosition(1 << 30);

/// How far a segment may be read at this moment. It may change from call to call, upwards only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Horizon {
    /// The file may still grow: up to its newest valid marker (`read: marked`).
    Marked,
    /// The file may still grow: sections that end at or below this position (`read: synced`).
    Synced(LogicalPosition),
    /// The file does not grow any more: to the end of the chain, and what cannot be read is damage.
    Final,
}

/// What comes next in a segment.
#[derive(Debug)]
pub enum Item<'a> {
    /// An entry whose two checksums held.
    Entry(Entry<'a>),
    /// A range that could not be read. Reading goes on behind it.
    Damage(Damage),
    /// Nothing more below the horizon. Ask again when it has moved.
    CaughtUp,
    /// The segment is final and everything in it has been handed out.
    End,
}

/// Reads one segment, from its header on.
///
/// The reader keeps its place between calls, so a growing segment is read by asking again. While the segment is not
/// final, whatever does not verify is taken for *not yet*; only a final segment has damage.
#[derive(Debug)]
pub struct SegmentReader<R> {
    file: R,
    descriptor: Descriptor,
    coding: Coding,
    is_key_proved: bool,
    place: Place,
    buffer: Buffer,
    coverage: Coverage,
    entries: u32,
    chain_end: LogicalPosition,
    first_entry_crc: Option<u32>,
    unmarked: Option<Range<FileOffset>>,
    /// Whether the last section that was opened is empty.
    ends_empty: bool,
    /// Logical bytes of the compressed section at the current marker that were handed out before it had to be waited for.
    handed_out: u64,
}

#[derive(Clone, Debug)]
enum Place {
    Marker { at: FileOffset, position: LogicalPosition },
    Section(Section),
    End,
}

/// What one step found; an entry only as its place in the buffer, so that a step can be followed by another.
enum Step {
    Again,
    Entry { index: u32, start: LogicalPosition, end: LogicalPosition, frame: Range<usize> },
    Damage(Damage),
    CaughtUp,
    End,
}

impl<R: ReadAt> SegmentReader<R> {
    /// Opens a segment that is not encrypted. `name`, if known, must agree with the header.
    ///
    /// # Errors
    /// [`SegmentError`]: the segment as a whole cannot be read.
    pub fn open(file: R, name: Option<SegmentName>) -> Result<Self, SegmentError> {
        Self::open_with(file, name, &Keys::NONE)
    }

    /// Opens a segment, with the key that its header names if it is encrypted.
    ///
    /// The key is tried on the sections that are there; see [`SegmentReader::is_key_proved`].
    ///
    /// # Errors
    /// [`SegmentError`]: the segment as a whole cannot be read. [`SegmentError::waits_for_key`] says whether a key would help.
    pub fn open_with(file: R, name: Option<SegmentName>, keys: &Keys) -> Result<Self, SegmentError> {
        let descriptor = Descriptor::read(&file, name)?;
        let coding = Coding::of(&descriptor, keys)?;
        let at = descriptor.header_end;
        let position = LogicalPosition(at.0 as u32);
        let mut reader = SegmentReader {
            file,
            coding,
            is_key_proved: true,
            place: Place::Marker { at, position },
            buffer: Buffer::default(),
            coverage: Coverage { header: at.0, ..Coverage::default() },
            entries: 0,
            chain_end: position,
            first_entry_crc: None,
            unmarked: None,
            ends_empty: false,
            handed_out: 0,
            descriptor,
        };
        reader.prove_key()?;
        Ok(reader)
    }

    /// Whether the key decrypts what it should. `false` only if the segment had nothing to try it on when it was opened: such a
    /// segment is opened again before it is read on, so that a wrong key is not taken for damage.
    pub fn is_key_proved(&self) -> bool {
        self.is_key_proved
    }

    /// Tries the key on one section after the other, until one opens.
    fn prove_key(&mut self) -> Result<(), SegmentError> {
        if !self.coding.has_key() {
            return Ok(());
        }
        let mut tried = false;
        let mut at = self.descriptor.header_end;
        while let Some(next) = self.section_end(at)? {
            if self.section_has_entries(at, next)? {
                let blocks = self.payload(at, next)?;
                tried = true;
                if self.coding.opens(blocks.get(HEAD as usize..).unwrap_or_default()) == Some(true) {
                    return Ok(());
                }
            }
            at = next;
        }
        self.is_key_proved = false;
        match &self.descriptor.encryption {
            Some(encryption) if tried => Err(SegmentError::Key { alias: encryption.alias.clone(), problem: KeyProblem::NoSection }),
            _ => Ok(()),
        }
    }

    /// The next entry, damage, or why there is none.
    ///
    /// # Errors
    /// Only what the file system says; the reader's place does not move then.
    pub fn next(&mut self, horizon: Horizon) -> io::Result<Item<'_>> {
        self.next_with(horizon, &mut |_| ())
    }

    /// The same, and `entered` is told each section that reading goes into, before anything in it is handed out: also those without
    /// entries, as the one that closes a segment. Sections that cannot be opened are damage and are not told.
    ///
    /// # Errors
    /// As [`SegmentReader::next`].
    pub fn next_with(&mut self, horizon: Horizon, entered: &mut dyn FnMut(SectionSpan)) -> io::Result<Item<'_>> {
        loop {
            let step = match self.place.clone() {
                Place::Marker { at, position } => {
                    let step = self.at_marker(at, position, horizon)?;
                    if let Place::Section(section) = &self.place {
                        entered(section.span());
                    }
                    step
                }
                Place::Section(section) => self.in_section(section, horizon)?,
                Place::End => Step::End,
            };
            match step {
                Step::Again => {}
                Step::Entry { index, start, end, frame } => {
                    return Ok(Item::Entry(Entry { index, start, end, frame: self.buffer.slice(frame) }));
                }
                Step::Damage(damage) => return Ok(Item::Damage(damage)),
                Step::CaughtUp => {
                    self.buffer.release();
                    return Ok(Item::CaughtUp);
                }
                Step::End => {
                    self.buffer.release();
                    return Ok(Item::End);
                }
            }
        }
    }

    /// Whether everything in the segment was handed out, and it is final.
    pub fn is_at_end(&self) -> bool {
        matches!(self.place, Place::End)
    }

    /// Whether everything up to the newest marker was handed out, and the last section is empty: the node has closed the
    /// segment and writes to it no more.
    ///
    /// `CommitLogSegment.sync` does nothing where nothing was written since the last marker, unless it closes the segment; so
    /// only closing writes an empty section. It does where everything had been marked before, as in a segment that was never used.
    pub fn is_closed(&self) -> bool {
        self.ends_empty && matches!(self.place, Place::Marker { .. })
    }

    /// Whether something below `horizon` that the node has written does not verify, so that reading waits in front of it: an entry or
    /// a section under a valid marker, or a marker that is neither valid nor zero. As long as the node writes, it may be just being written.
    ///
    /// # Errors
    /// What the file system says.
    pub fn is_in_doubt(&self, horizon: Horizon) -> io::Result<bool> {
        let Place::Marker { at, .. } = &self.place else { return Ok(matches!(&self.place, Place::Section(section) if section.left() > 0)) };
        Ok(match self.marker(*at)? {
            None | Some(SyncMarker::Zero) => false,
            // A section above the horizon waits for the horizon.
            Some(SyncMarker::Valid { .. }) => horizon == Horizon::Marked,
            Some(SyncMarker::Torn { .. } | SyncMarker::Invalid { .. }) => true,
        })
    }

    /// What the header says: version, id, compression, encryption.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// What the segment is read from, as it was given.
    pub fn file(&self) -> &R {
        &self.file
    }

    /// Where the bytes went so far; complete at [`Item::End`].
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The chain's logical end so far: the end of the last entry handed out, or the header's end.
    pub fn chain_end(&self) -> LogicalPosition {
        self.chain_end
    }

    /// The file offset up to which everything was handed out. A compressed section counts when all of it was.
    pub fn read_to(&self) -> FileOffset {
        match &self.place {
            Place::Marker { at, .. } => *at,
            Place::Section(section) if section.left() == 0 => section.next,
            Place::Section(section) if section.layout == Layout::Coded => section.marker,
            Place::Section(section) => section.offset(),
            Place::End => FileOffset(self.coverage.file_sum()),
        }
    }

    /// The file offset up to which sections are marked in the file now, whatever was read.
    ///
    /// # Errors
    /// What the file system says.
    pub fn marked_end(&self) -> io::Result<FileOffset> {
        let mut at = match &self.place {
            Place::Marker { at, .. } => *at,
            Place::Section(section) => section.next,
            Place::End => return Ok(self.read_to()),
        };
        while let Some(next) = self.section_end(at)? {
            at = next;
        }
        Ok(at)
    }

    /// The checksum of the first entry, once it was read: with that of the header it tells one use of a segment id from another.
    pub fn first_entry_crc(&self) -> Option<u32> {
        self.first_entry_crc
    }

    /// At [`Item::End`]: the bytes that are not zero behind the last marker. The node's own replay drops them too.
    pub fn unmarked(&self) -> Option<Range<FileOffset>> {
        self.unmarked.clone()
    }

    /// How many sections that hold entries are marked in the file now, counted up to `at_most`, whatever was read.
    ///
    /// # Errors
    /// What the file system says.
    pub fn sections_with_entries(&self, at_most: u32) -> io::Result<u32> {
        let mut at = self.descriptor.header_end;
        let mut found = 0;
        while found < at_most {
            let Some(next) = self.section_end(at)? else { break };
            found += u32::from(self.section_has_entries(at, next)?);
            at = next;
        }
        Ok(found)
    }

    /// Where the section of a valid marker at `at` ends.
    fn section_end(&self, at: FileOffset) -> io::Result<Option<FileOffset>> {
        let length = self.file.length()?;
        Ok(match self.marker(at)? {
            Some(SyncMarker::Valid { next }) if next >= at.plus(MARKER_SIZE) && next.0 <= length => Some(next),
            _ => None,
        })
    }

    /// The bytes between two markers.
    fn payload(&self, at: FileOffset, next: FileOffset) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; next.since(at).saturating_sub(MARKER_SIZE) as usize];
        let read = self.file.read_at(at.plus(MARKER_SIZE), &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn section_has_entries(&self, at: FileOffset, next: FileOffset) -> io::Result<bool> {
        if self.is_plain() {
            return Ok(next > at.plus(MARKER_SIZE));
        }
        let mut length = [0; 4];
        let read = self.file.read_at(at.plus(MARKER_SIZE), &mut length)?;
        Ok(read == length.len() && length != [0; 4])
    }

    fn marker(&self, at: FileOffset) -> io::Result<Option<SyncMarker>> {
        let mut slot = [0; MARKER_SIZE as usize];
        let whole = self.file.read_at(at, &mut slot)? == slot.len();
        Ok(whole.then(|| SyncMarker::parse(slot, self.descriptor.id, at)))
    }

    fn search(&self) -> io::Result<Search<'_, R>> {
        Search::new(&self.file, self.descriptor.id, self.is_plain())
    }

    fn is_plain(&self) -> bool {
        self.coding.is_plain()
    }

    /// The file's bytes of a logical range: the range itself in a plain section, the whole section otherwise.
    fn file_range(&self, section: &Section, start: LogicalPosition, end: LogicalPosition) -> Range<FileOffset> {
        match section.layout {
            Layout::Coded => section.marker..section.next,
            Layout::Plain | Layout::Unbounded => FileOffset(u64::from(start.0))..FileOffset(u64::from(end.0)),
        }
    }

    fn damage(&self, file: Range<FileOffset>, logical: Range<LogicalPosition>, cause: DamageCause) -> Step {
        Step::Damage(Damage { segment: self.descriptor.id, file, logical, cause })
    }
}

/// In a plain segment a position is a file offset; this is the one place that says so.
fn logical(at: FileOffset) -> LogicalPosition {
    LogicalPosition(u32::try_from(at.0).unwrap_or(u32::MAX))
}

/// A plain section whose end nobody knows: entries from `data` on, as long as they verify.
fn unbounded(marker: FileOffset, data: FileOffset, file_length: u64) -> Section {
    Section {
        marker,
        next: FileOffset(file_length),
        start: logical(data),
        length: FileOffset(file_length).since(data),
        read: 0,
        layout: Layout::Unbounded,
    }
}
