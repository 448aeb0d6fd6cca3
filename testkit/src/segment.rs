//! Bodies to a segment: entries, sections, markers, header, zeros; and damage at a chosen place.
//!
//! Cassandra: `CommitLog.add`, `CommitLogSegment.sync`, `CommitLogDescriptor.writeHeader`, `CompressedSegment.write`.

use crc32fast::Hasher;
use ringtail::commitlog::MARKER_SIZE;
use ringtail::position::SegmentId;
use std::ops::Range;

/// The segment id that is used where none matters.
pub const SEGMENT: SegmentId = SegmentId(0x0000_01a2_0410_2089);
/// The descriptor version of Cassandra 4.0, 4.1 and, by default, 5.0.
pub const VERSION: u32 = 7;

/// How sections are compressed. A compressor that is not here is one implementation more.
pub trait Compress {
    /// The class as the header names it.
    fn class(&self) -> &str;

    /// The frame of a section's bytes.
    fn compress(&self, bytes: &[u8]) -> Vec<u8>;
}

/// `LZ4Compressor`: the length, little-endian, then one raw block.
#[derive(Clone, Copy, Debug)]
pub struct Lz4;

impl Compress for Lz4 {
    fn class(&self) -> &str {
        "LZ4Compressor"
    }

    fn compress(&self, bytes: &[u8]) -> Vec<u8> {
        let mut frame = (bytes.len() as u32).to_le_bytes().to_vec();
        frame.extend(lz4_flex::block::compress(bytes));
        frame
    }
}

/// An entry: the frame around a body.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u32).to_be_bytes();
    let mut hasher = Hasher::new();
    hasher.update(&size);
    let size_crc = hasher.clone().finalize();
    hasher.update(body);
    [&size[..], &size_crc.to_be_bytes(), body, &hasher.finalize().to_be_bytes()].concat()
}

/// A header with its checksum.
pub fn header(version: u32, id: SegmentId, params: &[u8]) -> Vec<u8> {
    let mut bytes = version.to_be_bytes().to_vec();
    bytes.extend(id.0.to_be_bytes());
    bytes.extend((params.len() as u16).to_be_bytes());
    bytes.extend(params);
    bytes.extend(header_crc(version, id, params).to_be_bytes());
    bytes
}

/// The checksum of a header: the low half of the id before the high one, the length as four bytes.
pub fn header_crc(version: u32, id: SegmentId, params: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&version.to_be_bytes());
    hasher.update(&(id.0 as u32).to_be_bytes());
    hasher.update(&((id.0 >> 32) as u32).to_be_bytes());
    hasher.update(&(params.len() as u32).to_be_bytes());
    hasher.update(params);
    hasher.finalize()
}

/// The checksum of a marker at `at`.
pub fn marker_crc(id: SegmentId, at: usize) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&(id.0 as u32).to_be_bytes());
    hasher.update(&((id.0 >> 32) as u32).to_be_bytes());
    hasher.update(&(at as u32).to_be_bytes());
    hasher.finalize()
}

/// Builds a segment section by section.
pub struct Builder {
    id: SegmentId,
    segment: Segment,
    compress: Option<Box<dyn Compress>>,
    /// Where the next marker goes, and its logical position.
    marker: usize,
    position: usize,
}

/// A segment and where everything in it stands.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its sections.
    pub sections: Vec<Section>,
    /// Whether file offsets and logical positions are one.
    pub is_plain: bool,
}

/// Where a section stands.
#[derive(Clone, Debug)]
pub struct Section {
    /// File offset of its marker.
    pub marker: usize,
    /// File offset of its end.
    pub next: usize,
    /// The logical range of each entry.
    pub entries: Vec<Range<usize>>,
}

impl Builder {
    /// A segment whose sections are not compressed.
    pub fn plain() -> Builder {
        Builder::new(SEGMENT, b"{}", None)
    }

    /// A segment whose sections are.
    pub fn compressed(compress: impl Compress + 'static) -> Builder {
        let params = format!(r#"{{"compressionClass":"{}","compressionParameters":null}}"#, compress.class());
        Builder::new(SEGMENT, params.as_bytes(), Some(Box::new(compress)))
    }

    /// A segment with these parameters in its header.
    pub fn new(id: SegmentId, params: &[u8], compress: Option<Box<dyn Compress>>) -> Builder {
        let bytes = header(VERSION, id, params);
        let end = bytes.len();
        let segment = Segment { bytes, sections: Vec::new(), is_plain: compress.is_none() };
        Builder { id, segment, compress, marker: end, position: end }
    }

    /// Before the first section: another descriptor version.
    pub fn version(mut self, version: u32) -> Builder {
        let params = self.segment.bytes[14..self.segment.bytes.len() - 4].to_vec();
        self.segment.bytes = header(version, self.id, &params);
        self
    }

    /// Adds a section of entries with these bodies.
    pub fn section<B: AsRef<[u8]>>(mut self, bodies: &[B]) -> Builder {
        let mut entries = Vec::new();
        let mut data = Vec::new();
        for body in bodies {
            let start = self.position + MARKER_SIZE as usize + data.len();
            data.extend(frame(body.as_ref()));
            entries.push(start..self.position + MARKER_SIZE as usize + data.len());
        }
        self.add(&data, entries);
        self
    }

    /// Adds a section of these bytes, whatever they are.
    pub fn add_raw_section(&mut self, data: &[u8]) {
        self.add(data, Vec::new());
    }

    /// Adds bytes that no marker covers, behind the slot of a marker that was never written. What is added later stands behind
    /// them as if the slot had been lost.
    pub fn add_unmarked(&mut self, bytes: &[u8]) {
        self.segment.bytes.resize(self.marker + MARKER_SIZE as usize, 0);
        self.segment.bytes.extend(bytes);
        self.position += self.segment.bytes.len() - self.marker;
        self.marker = self.segment.bytes.len();
    }

    /// Changes bytes of the last section that was added: `change` is given the id, the file, and where in it the section's marker
    /// and its end stand.
    pub fn change_last(&mut self, change: impl FnOnce(SegmentId, &mut [u8], usize, usize)) {
        let id = self.id;
        if let Some(section) = self.segment.sections.last() {
            change(id, &mut self.segment.bytes, section.marker, section.next);
        }
    }

    /// Fills up with zeros, as a preallocated file is.
    pub fn zeros(mut self, count: usize) -> Builder {
        self.segment.bytes.resize(self.segment.bytes.len() + count, 0);
        self
    }

    /// The segment.
    pub fn build(self) -> Segment {
        self.segment
    }

    fn add(&mut self, data: &[u8], entries: Vec<Range<usize>>) {
        let bytes = &mut self.segment.bytes;
        bytes.resize(self.marker + MARKER_SIZE as usize, 0);
        match &self.compress {
            None => bytes.extend(data),
            Some(compress) => {
                bytes.extend((data.len() as u32).to_be_bytes());
                bytes.extend(compress.compress(data));
            }
        }
        let next = bytes.len();
        put_u32(bytes, self.marker, next as u32);
        put_u32(bytes, self.marker + 4, marker_crc(self.id, self.marker));
        self.segment.sections.push(Section { marker: self.marker, next, entries });
        self.marker = next;
        self.position += MARKER_SIZE as usize + data.len();
    }
}

/// Damage to one place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A bit of an entry's body, in a plain segment.
    EntryBody {
        /// The section.
        section: usize,
        /// The entry.
        entry: usize,
    },
    /// A bit of an entry's size, in a plain segment.
    EntrySize {
        /// The section.
        section: usize,
        /// The entry.
        entry: usize,
    },
    /// A bit of a section's compressed bytes.
    Frame(usize),
    /// A marker's checksum.
    MarkerCrc(usize),
    /// A marker as it is between its two stores.
    MarkerTorn(usize),
    /// A marker that was never written although a later one was.
    MarkerZero(usize),
    /// A marker that points elsewhere.
    MarkerNext {
        /// The section.
        section: usize,
        /// Where it points.
        next: u32,
    },
    /// The file ends here.
    Cut(usize),
    /// One bit of the file.
    Bit(usize),
}

impl Segment {
    /// The segment with damage.
    ///
    /// # Panics
    /// If the place does not exist.
    pub fn damaged(&self, damage: Damage) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        match damage {
            Damage::EntryBody { section, entry } => bytes[self.entry(section, entry).start + 8] ^= 1,
            Damage::EntrySize { section, entry } => bytes[self.entry(section, entry).start + 3] ^= 1,
            Damage::Frame(section) => bytes[self.sections[section].marker + 12] ^= 1,
            Damage::MarkerCrc(section) => bytes[self.sections[section].marker + 4] ^= 1,
            Damage::MarkerTorn(section) => put_u32(&mut bytes, self.sections[section].marker + 4, 0),
            Damage::MarkerZero(section) => put_u64(&mut bytes, self.sections[section].marker, 0),
            Damage::MarkerNext { section, next } => put_u32(&mut bytes, self.sections[section].marker, next),
            Damage::Cut(length) => bytes.truncate(length),
            Damage::Bit(bit) => bytes[bit / 8] ^= 1 << (bit % 8),
        }
        bytes
    }

    fn entry(&self, section: usize, entry: usize) -> Range<usize> {
        assert!(self.is_plain, "entries of a compressed segment have no place in the file");
        self.sections[section].entries[entry].clone()
    }
}

/// Writes four bytes over others.
pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_segment_is_as_cassandra_wrote_it() {
        let recorded = header(6, SEGMENT, b"{}");

        assert_eq!(recorded[16..], 0x01b2_5997_u32.to_be_bytes());
        assert_eq!(marker_crc(SEGMENT, 20), 0x88ef_4731);
        let plain = Builder::plain().section::<&[u8]>(&[]).zeros(8).build();
        assert_eq!(plain.bytes[20..], [0, 0, 0, 0x1c, 0x88, 0xef, 0x47, 0x31, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn an_empty_compressed_segment_is_as_cassandra_wrote_it() {
        let lz4 = Builder::compressed(Lz4).section::<&[u8]>(&[]).build();

        assert_eq!(lz4.sections[0].marker, 83);
        assert_eq!(lz4.bytes[83..87], 100_u32.to_be_bytes());
        assert_eq!(lz4.bytes[91..], [0; 9]);
    }
}
