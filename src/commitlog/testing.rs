//! A small assembler of segments, so that a test reads like the format.

use super::compress::{self, Compressor};
use super::entry::frame;
use super::marker;
use crate::position::{FileOffset, SegmentId};
use crc32fast::Hasher;

pub const SEGMENT: SegmentId = SegmentId(0x0000_01a2_0410_2089);

/// Builds the bytes of a segment section by section.
pub struct Assembler {
    bytes: Vec<u8>,
    marker: usize,
    code: Code,
}

/// From a section's entries to what stands behind its marker.
type Code = fn(&[u8]) -> Vec<u8>;

pub const KEY: [u8; 16] = [3; 16];
#[cfg(feature = "encryption")]
const IV: [u8; 16] = [0x0a; 16];

impl Assembler {
    pub fn plain() -> Self {
        Assembler::new(7, "{}", <[u8]>::to_vec)
    }

    pub fn lz4() -> Self {
        Assembler::compressed("LZ4Compressor", |data| compressed(Compressor::Lz4, data))
    }

    pub fn noop() -> Self {
        Assembler::compressed("NoopCompressor", |data| compressed(Compressor::Noop, data))
    }

    #[cfg(feature = "snappy")]
    pub fn snappy() -> Self {
        Assembler::compressed("SnappyCompressor", |data| compressed(Compressor::Snappy, data))
    }

    #[cfg(feature = "deflate")]
    pub fn deflate() -> Self {
        Assembler::compressed("DeflateCompressor", |data| compressed(Compressor::Deflate, data))
    }

    #[cfg(feature = "zstd")]
    pub fn zstd() -> Self {
        Assembler::compressed("ZstdCompressor", |data| compressed(Compressor::Zstd, data))
    }

    /// Two blocks to a section, so that entries run over the end of one.
    #[cfg(feature = "encryption")]
    pub fn encrypted() -> Self {
        let iv: String = IV.iter().map(|byte| format!("{byte:02x}")).collect();
        let params = format!(r#"{{"encCipher":"AES/CBC/PKCS5Padding","encIV":"{iv}","encKeyAlias":"testing:1"}}"#);
        Assembler::new(7, &params, |data| {
            let (first, second) = data.split_at(data.len() / 2);
            let mut bytes = (data.len() as u32).to_be_bytes().to_vec();
            for block in [first, second].iter().filter(|block| !block.is_empty()) {
                bytes.extend(super::cipher::encrypt(KEY, IV, block));
            }
            bytes
        })
    }

    pub fn compressed(class: &str, code: Code) -> Self {
        Assembler::new(7, &format!(r#"{{"compressionClass":"{class}","compressionParameters":null}}"#), code)
    }

    /// Before the first section: another descriptor version.
    pub fn version(self, version: u32) -> Self {
        let params = String::from_utf8(self.bytes[14..self.bytes.len() - 4].to_vec()).unwrap();
        Assembler::new(version, &params, self.code)
    }

    fn new(version: u32, params: &str, code: Code) -> Self {
        let mut bytes = version.to_be_bytes().to_vec();
        bytes.extend(SEGMENT.0.to_be_bytes());
        bytes.extend((params.len() as u16).to_be_bytes());
        bytes.extend(params.as_bytes());
        let mut hasher = Hasher::new();
        hasher.update(&version.to_be_bytes());
        hasher.update(&(SEGMENT.0 as u32).to_be_bytes());
        hasher.update(&((SEGMENT.0 >> 32) as u32).to_be_bytes());
        hasher.update(&(params.len() as u32).to_be_bytes());
        hasher.update(params.as_bytes());
        bytes.extend(hasher.finalize().to_be_bytes());
        Assembler { marker: bytes.len(), bytes, code }
    }

    /// Adds a section of entries with these bodies.
    pub fn section(mut self, bodies: &[&[u8]]) -> Self {
        let data: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
        self.bytes.resize(self.marker + 8, 0);
        self.bytes.extend((self.code)(&data));
        let next = self.bytes.len();
        let crc = marker::checksum(SEGMENT, FileOffset(self.marker as u64));
        self.bytes[self.marker..self.marker + 4].copy_from_slice(&(next as u32).to_be_bytes());
        self.bytes[self.marker + 4..self.marker + 8].copy_from_slice(&crc.to_be_bytes());
        self.marker = next;
        self
    }

    /// Adds entries that no marker covers, behind the slot of the next marker.
    pub fn unmarked(mut self, bodies: &[&[u8]]) -> Self {
        self.bytes.resize(self.marker + 8, 0);
        self.bytes.extend(bodies.iter().flat_map(|body| frame(body)));
        self
    }

    /// Fills up with zeros, as a preallocated file is.
    pub fn zeros(mut self, count: usize) -> Self {
        self.bytes.resize(self.bytes.len() + count, 0);
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn compressed(compressor: Compressor, data: &[u8]) -> Vec<u8> {
    [(data.len() as u32).to_be_bytes().to_vec(), compress::compress(compressor, data)].concat()
}
