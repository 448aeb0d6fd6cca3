//! Segments made of recorded bytes: under another id, cut, or put together anew from recorded entries.
//!
//! Entries carry neither the segment's id nor their place, so they stay as the node wrote them; what does is written anew.

use ringtail::commitlog::{Horizon, Item, SegmentReader};
use std::ops::Range;

/// Size of a sync marker.
pub const MARKER: usize = 8;

const LZ4_PARAMS: &str = r#"{"compressionClass":"LZ4Compressor","compressionParameters":null}"#;

/// Where things stand in a segment.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Where the first marker stands.
    pub header: usize,
    /// From each marker to the next.
    pub sections: Vec<Range<usize>>,
    /// Whether sections are compressed or encrypted.
    pub compressed: bool,
}

impl Layout {
    /// Walks along the valid markers.
    pub fn of(bytes: &[u8]) -> Layout {
        let header = header_end(bytes);
        let id = u64::from_be_bytes(bytes[4..12].try_into().expect("eight bytes"));
        let (mut sections, mut at) = (Vec::new(), header);
        while let Some(slot) = bytes.get(at..at + MARKER) {
            let next = u32::from_be_bytes(slot[..4].try_into().expect("four bytes")) as usize;
            if slot[4..] != marker_crc(id, at).to_be_bytes() || next < at + MARKER || next > bytes.len() {
                break;
            }
            sections.push(at..next);
            at = next;
        }
        // The parameters of a plain segment are `{}`.
        Layout { header, sections, compressed: header - 4 - 14 > 2 }
    }

    /// Where the last section ends.
    pub fn end(&self) -> usize {
        self.sections.last().map_or(self.header, |section| section.end)
    }

    /// The end of each section as the node's index has it: in logical bytes.
    pub fn logical_ends(&self, bytes: &[u8]) -> Vec<usize> {
        let mut position = self.header;
        let length = |section: &Range<usize>| match self.compressed {
            false => section.len() - MARKER,
            true => {
                let at = section.start + MARKER;
                u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
            }
        };
        let end = |section| {
            position += MARKER + length(section);
            position
        };
        self.sections.iter().map(end).collect()
    }
}

/// The same segment under another id.
pub fn reidentify(bytes: &[u8], id: u64) -> Vec<u8> {
    let layout = Layout::of(bytes);
    let mut bytes = bytes.to_vec();
    bytes[4..12].copy_from_slice(&id.to_be_bytes());
    let crc = header_crc(&bytes[..layout.header - 4]);
    bytes[layout.header - 4..layout.header].copy_from_slice(&crc.to_be_bytes());
    for section in layout.sections {
        let crc = marker_crc(id, section.start);
        bytes[section.start + 4..section.start + MARKER].copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}

/// The first `count` sections of a segment, as a node leaves it that was killed before it synced the next: a plain one keeps its length.
pub fn cut(bytes: &[u8], count: usize) -> Vec<u8> {
    let layout = Layout::of(bytes);
    let end = layout.sections[..count].last().map_or(layout.header, |section| section.end);
    let mut cut = bytes[..end].to_vec();
    if !layout.compressed {
        cut.resize(bytes.len(), 0);
    }
    cut
}

/// A plain segment of these entries, section by section, filled up to `size`.
pub fn plain(id: u64, sections: &[Vec<Vec<u8>>], size: usize) -> Vec<u8> {
    let mut bytes = header(7, id, "{}");
    for entries in sections {
        push_section(&mut bytes, id, &entries.concat());
    }
    // The slot of a marker that is never written, as long as one fits.
    bytes.resize(size.max(bytes.len()), 0);
    bytes
}

/// An LZ4 segment of these entries.
pub fn lz4(id: u64, sections: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut bytes = header(7, id, LZ4_PARAMS);
    for entries in sections {
        push_section(&mut bytes, id, &lz4_section(&entries.concat()));
    }
    bytes
}

/// An empty LZ4 segment.
pub fn lz4_header(id: u64) -> Vec<u8> {
    header(7, id, LZ4_PARAMS)
}

/// What stands in an LZ4 section of these bytes.
pub fn lz4_section(entries: &[u8]) -> Vec<u8> {
    let mut section = (entries.len() as u32).to_be_bytes().to_vec();
    section.extend((entries.len() as u32).to_le_bytes());
    section.extend(lz4_flex::block::compress(entries));
    section
}

/// The header of a segment.
pub fn header(version: u32, id: u64, params: &str) -> Vec<u8> {
    let mut bytes = version.to_be_bytes().to_vec();
    bytes.extend(id.to_be_bytes());
    bytes.extend((params.len() as u16).to_be_bytes());
    bytes.extend(params.as_bytes());
    bytes.extend(header_crc(&bytes).to_be_bytes());
    bytes
}

/// Every entry of a segment, with its frame.
pub fn entries(bytes: &[u8]) -> Vec<Vec<u8>> {
    entries_with_ends(bytes).into_iter().map(|(_, frame)| frame).collect()
}

/// Every entry of a segment: its position and its frame.
pub fn entries_with_ends(bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut reader = SegmentReader::open(bytes, None).expect("a readable segment");
    let mut found = Vec::new();
    loop {
        match reader.next(Horizon::Final).expect("bytes in memory") {
            Item::Entry(entry) => found.push((entry.end.0, entry.frame.to_vec())),
            Item::End => return found,
            other => panic!("a recorded segment is whole: {other:?}"),
        }
    }
}

/// A frame around other bytes.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u32).to_be_bytes();
    let mut bytes = size.to_vec();
    bytes.extend(crc32fast::hash(&size).to_be_bytes());
    bytes.extend(body);
    let crc = crc32fast::hash(&[&size, body].concat());
    bytes.extend(crc.to_be_bytes());
    bytes
}

/// Appends a section with its marker.
pub fn push_section(bytes: &mut Vec<u8>, id: u64, content: &[u8]) {
    let at = bytes.len();
    bytes.extend(marker(id, at, at + MARKER + content.len()));
    bytes.extend(content);
}

/// A marker that stands at `at` and says where the next one stands.
pub fn marker(id: u64, at: usize, next: usize) -> [u8; MARKER] {
    let mut marker = [0; MARKER];
    marker[..4].copy_from_slice(&(next as u32).to_be_bytes());
    marker[4..].copy_from_slice(&marker_crc(id, at).to_be_bytes());
    marker
}

fn header_end(bytes: &[u8]) -> usize {
    14 + usize::from(u16::from_be_bytes(bytes[12..14].try_into().expect("two bytes"))) + 4
}

/// Over the header without its checksum: the id by halves, the low one first, and the length of the parameters as four bytes.
fn header_crc(header: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[..4]);
    hasher.update(&header[8..12]);
    hasher.update(&header[4..8]);
    hasher.update(&[0, 0, header[12], header[13]]);
    hasher.update(&header[14..]);
    hasher.finalize()
}

fn marker_crc(id: u64, at: usize) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(id as u32).to_be_bytes());
    hasher.update(&((id >> 32) as u32).to_be_bytes());
    hasher.update(&(at as u32).to_be_bytes());
    hasher.finalize()
}
