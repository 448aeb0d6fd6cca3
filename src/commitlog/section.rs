//! The bytes between two markers, plain or decoded, and where in them reading stands.

use super::read_at::ReadAt;
use crate::position::{FileOffset, LogicalPosition};
use std::io;
use std::ops::Range;

/// How much of a plain section is read at once. Larger reads are not faster, and an entry that is larger gets the
/// room it needs.
const WINDOW: u64 = 256 << 10;

/// A section as its marker announces it (`CommitLogSegmentReader.SyncSegment`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionSpan {
    /// File offset of its marker.
    pub marker: FileOffset,
    /// File offset of the next marker, which is its end; none if its marker points nowhere and its entries are read as long as they verify.
    pub next: Option<FileOffset>,
    /// Logical position of its first byte: behind the marker.
    pub start: LogicalPosition,
    /// Its logical length in bytes, as long as its end is known: what it takes in the file where it is neither compressed nor encrypted.
    pub length: Option<u64>,
}

/// One section and how far it was read.
#[derive(Clone, Debug)]
pub struct Section {
    /// Where its marker stands.
    pub marker: FileOffset,
    /// Where the next marker stands.
    pub next: FileOffset,
    /// Logical position of its first byte.
    pub start: LogicalPosition,
    /// Its logical length.
    pub length: u64,
    /// Logical bytes read so far.
    pub read: u64,
    /// How its bytes stand in the file.
    pub layout: Layout,
}

/// How a section's bytes stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As they are, up to the next marker.
    Plain,
    /// As they are, and nobody knows how far: the marker cannot be trusted, the entries can.
    Unbounded,
    /// Compressed or encrypted; the whole section is in the buffer, decoded.
    Coded,
}

impl Section {
    /// What is told of it.
    pub fn span(&self) -> SectionSpan {
        let known = self.layout != Layout::Unbounded;
        SectionSpan { marker: self.marker, next: known.then_some(self.next), start: self.start, length: known.then_some(self.length) }
    }

    /// Logical bytes not read yet.
    pub fn left(&self) -> u64 {
        self.length.saturating_sub(self.read)
    }

    /// Logical position of the next byte.
    pub fn position(&self) -> LogicalPosition {
        self.start.plus(u32::try_from(self.read).unwrap_or(u32::MAX))
    }

    /// Logical position of its end.
    pub fn end(&self) -> LogicalPosition {
        self.start.plus(u32::try_from(self.length).unwrap_or(u32::MAX))
    }

    /// For plain sections, where positions are file offsets: the file offset of the next byte.
    pub fn offset(&self) -> FileOffset {
        FileOffset(u64::from(self.position().0))
    }
}

/// Bytes in memory: a window of a plain section, or a whole decoded one.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// Plain sections: file offset of the first byte held.
    at: FileOffset,
}

impl Buffer {
    /// The `length` next bytes of `section`; fewer if the file ends first.
    pub fn fetch(&mut self, file: &impl ReadAt, section: &Section, length: u64) -> io::Result<Range<usize>> {
        if section.layout == Layout::Coded {
            let start = section.read as usize;
            return Ok(start..(start + length as usize).min(self.bytes.len()));
        }
        let wanted = section.offset();
        let held = self.at..self.at.plus(self.bytes.len() as u64);
        if wanted < held.start || wanted.plus(length) > held.end {
            self.load(file, wanted, length.max(WINDOW.min(section.left())))?;
        }
        let start = wanted.since(self.at) as usize;
        Ok(start..(start + length as usize).min(self.bytes.len()))
    }

    /// The bytes of a range that [`Buffer::fetch`] gave.
    pub fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Room for a decoded section.
    pub fn for_section(&mut self) -> &mut Vec<u8> {
        self.at = FileOffset(u64::MAX);
        &mut self.bytes
    }

    /// Forgets what was read: the file may have changed under it.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.at = FileOffset(0);
    }

    /// Gives the memory back while nothing is to be read.
    pub fn release(&mut self) {
        self.bytes = Vec::new();
        self.at = FileOffset(0);
    }

    fn load(&mut self, file: &impl ReadAt, at: FileOffset, length: u64) -> io::Result<()> {
        // Room only for what the file can fill: a length field is not trusted with memory.
        let length = length.min(FileOffset(file.length()?).since(at));
        self.bytes.clear();
        self.bytes.resize(length as usize, 0);
        self.at = at;
        let read = file.read_at(at, &mut self.bytes)?;
        self.bytes.truncate(read);
        Ok(())
    }
}
