//! The compressors of sections, behind one function that never allocates more than the section's head said.

use crate::codec;
#[cfg(any(feature = "deflate", feature = "zstd"))]
use std::io::{self, Read};

/// A compressor that Cassandra can be configured with (`commitlog_compression`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compressor {
    /// `LZ4Compressor`: the uncompressed length, four bytes *little*-endian, then one raw LZ4 block.
    Lz4,
    /// `SnappyCompressor`: one raw Snappy block, which begins with its own length. Cargo feature `snappy`.
    Snappy,
    /// `DeflateCompressor`: a zlib stream (RFC 1950). Cargo feature `deflate`.
    Deflate,
    /// `ZstdCompressor`, from 4.0 on: a zstd frame with a checksum. Cargo feature `zstd`.
    Zstd,
    /// `NoopCompressor`, from 4.0 on: the bytes themselves.
    Noop,
}

/// Why a section could not be decompressed. Lengths are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressError {
    /// The compressed bytes hold another length than the section's head says.
    #[error("uncompressed lengths disagree: expected {expected} bytes, found {found}")]
    Length {
        /// The section's head.
        expected: u64,
        /// The compressed frame; of a longer stream, as much as was read.
        found: u64,
    },
    /// More than a section can hold, or more than these bytes could expand to.
    #[error("uncompressed length is out of bounds: expected at most {limit} bytes, found {found}")]
    Limit {
        /// The most that is accepted.
        limit: u64,
        /// The section's head.
        found: u64,
    },
    /// The bytes are not what the compressor writes.
    #[error("compressed bytes cannot be read: {0}")]
    Frame(String),
}

/// No section is longer than a segment, and the largest that Cassandra accepts is below 2 GiB. Ours are read
/// whole, so the bound is the memory we are willing to spend on a segment that says it needs it.
const SECTION_MAX: u64 = 512 << 20;

impl Compressor {
    /// All of them, and the class names that a header gives them.
    const CLASSES: [(&'static str, Compressor); 5] = [
        ("LZ4Compressor", Compressor::Lz4),
        ("SnappyCompressor", Compressor::Snappy),
        ("DeflateCompressor", Compressor::Deflate),
        ("ZstdCompressor", Compressor::Zstd),
        ("NoopCompressor", Compressor::Noop),
    ];

    /// The compressor of a class name; a name without a dot lives in Cassandra's own package.
    pub fn from_class(class: &str) -> Option<Compressor> {
        let name = class.strip_prefix("org.apache.cassandra.io.compress.").unwrap_or(class);
        Self::CLASSES.iter().find(|(known, _)| *known == name).map(|(_, compressor)| *compressor)
    }

    /// The cargo feature that this build would need and does not have.
    pub fn missing_feature(self) -> Option<&'static str> {
        match self {
            Compressor::Snappy if !cfg!(feature = "snappy") => Some("snappy"),
            Compressor::Deflate if !cfg!(feature = "deflate") => Some("deflate"),
            Compressor::Zstd if !cfg!(feature = "zstd") => Some("zstd"),
            _ => None,
        }
    }

    /// Decompresses `input` into `out`, which is cleared first; the result is exactly `length` bytes.
    ///
    /// `length` comes from the file. Where the format bounds how far bytes can expand, a length beyond that is refused before
    /// anything is allocated; where it does not, room is made only as fast as bytes really come out.
    ///
    /// # Errors
    /// [`CompressError`] if it is not, or would be too much.
    pub fn decompress(self, input: &[u8], length: u64, out: &mut Vec<u8>) -> Result<(), CompressError> {
        out.clear();
        self.append(input, length, out)
    }

    /// As [`Compressor::decompress`], behind what `out` already holds.
    pub(super) fn append(self, input: &[u8], length: u64, out: &mut Vec<u8>) -> Result<(), CompressError> {
        // DeflateCompressor writes nothing for nothing. Any other frame is looked into: a length of zero can also be one that has not
        // reached the file, and entries would go with it unnoticed.
        if length == 0 && input.is_empty() {
            return Ok(());
        }
        let limit = self.ratio().map_or(SECTION_MAX, |ratio| SECTION_MAX.min((input.len() as u64).saturating_mul(ratio)));
        if length > limit {
            return Err(CompressError::Limit { limit, found: length });
        }
        match self {
            Compressor::Lz4 => lz4(input, length, out),
            Compressor::Noop => noop(input, length, out),
            #[cfg(feature = "snappy")]
            Compressor::Snappy => snappy(input, length, out),
            #[cfg(feature = "deflate")]
            Compressor::Deflate => zlib_stream(input, length, out),
            #[cfg(feature = "zstd")]
            Compressor::Zstd => zstd_frame(input, length, out),
            #[allow(unreachable_patterns)]
            _ => Err(CompressError::Frame(format!("this build lacks the feature {}", self.missing_feature().unwrap_or_default()))),
        }
    }

    /// The length that a frame says it expands to, if it says one.
    pub(super) fn length_of(self, input: &[u8]) -> Option<u64> {
        match self {
            Compressor::Lz4 => input.first_chunk().map(|prefix| u32::from_le_bytes(*prefix).into()),
            Compressor::Noop => Some(input.len() as u64),
            #[cfg(feature = "snappy")]
            Compressor::Snappy => snap::raw::decompress_len(input).ok().map(|length| length as u64),
            #[cfg(feature = "zstd")]
            Compressor::Zstd => zstd::zstd_safe::get_frame_content_size(input).ok().flatten(),
            _ => None,
        }
    }

    /// The most that one byte can become; `None` where the format sets no useful bound.
    fn ratio(self) -> Option<u64> {
        match self {
            // A match length grows by 255 a byte.
            Compressor::Lz4 => Some(255),
            // A copy of 64 bytes takes three.
            Compressor::Snappy => Some(22),
            // Two bits for a match of 258 bytes.
            Compressor::Deflate => Some(1032),
            Compressor::Zstd => None,
            Compressor::Noop => Some(1),
        }
    }
}

fn lz4(input: &[u8], length: u64, out: &mut Vec<u8>) -> Result<(), CompressError> {
    let (block, prefix) = codec::be_u32(input).map_err(|_| CompressError::Frame("expected a length of 4 bytes".into()))?;
    agree(length, prefix.swap_bytes().into())?;
    let room = room(length, out);
    let written = lz4_flex::block::decompress_into(block, room).map_err(|error| CompressError::Frame(error.to_string()))?;
    agree(length, written as u64)
}

fn noop(input: &[u8], length: u64, out: &mut Vec<u8>) -> Result<(), CompressError> {
    agree(length, input.len() as u64)?;
    out.extend_from_slice(input);
    Ok(())
}

#[cfg(feature = "snappy")]
fn snappy(input: &[u8], length: u64, out: &mut Vec<u8>) -> Result<(), CompressError> {
    let frame = |error: snap::Error| CompressError::Frame(error.to_string());
    agree(length, snap::raw::decompress_len(input).map_err(frame)? as u64)?;
    let written = snap::raw::Decoder::new().decompress(input, room(length, out)).map_err(frame)?;
    agree(length, written as u64)
}

/// A stream ends where it says so. What stands behind it is no part of it, and whatever it is, it would be lost without a word.
#[cfg(feature = "deflate")]
fn zlib_stream(input: &[u8], length: u64, out: &mut Vec<u8>) -> Result<(), CompressError> {
    let mut decoder = flate2::bufread::ZlibDecoder::new(input);
    stream(&mut decoder, length, out)?;
    match decoder.into_inner() {
        [] => Ok(()),
        rest => Err(CompressError::Frame(format!("expected the stream to fill its section, found {} bytes behind it", rest.len()))),
    }
}

/// The window that a frame asks for is memory too. Cassandra compresses a section in one call, so its window is no longer than
/// the section; 8 MiB is what zstd itself advises every decoder to accept.
#[cfg(feature = "zstd")]
fn zstd_frame(input: &[u8], length: u64, out: &mut Vec<u8>) -> Result<(), CompressError> {
    let window = length.next_power_of_two().trailing_zeros().clamp(23, 27);
    let frame = |error: io::Error| CompressError::Frame(error.to_string());
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(frame)?;
    decoder.window_log_max(window).map_err(frame)?;
    stream(decoder, length, out)
}

/// Takes bytes as they come, to one more than there should be: only so is the end of the stream, with its checksum, reached.
#[cfg(any(feature = "deflate", feature = "zstd"))]
fn stream(decoder: impl Read, length: u64, out: &mut Vec<u8>) -> Result<(), CompressError> {
    let before = out.len();
    decoder.take(length + 1).read_to_end(out).map_err(|error: io::Error| CompressError::Frame(error.to_string()))?;
    agree(length, (out.len() - before) as u64)
}

/// `length` zeros behind what `out` holds.
fn room(length: u64, out: &mut Vec<u8>) -> &mut [u8] {
    let start = out.len();
    out.resize(start + length as usize, 0);
    out.get_mut(start..).unwrap_or_default()
}

fn agree(expected: u64, found: u64) -> Result<(), CompressError> {
    if expected == found { Ok(()) } else { Err(CompressError::Length { expected, found }) }
}

/// The frame that Cassandra would write.
#[cfg(test)]
pub(super) fn compress(compressor: Compressor, bytes: &[u8]) -> Vec<u8> {
    match compressor {
        Compressor::Lz4 => [(bytes.len() as u32).to_le_bytes().to_vec(), lz4_flex::block::compress(bytes)].concat(),
        Compressor::Noop => bytes.to_vec(),
        #[cfg(feature = "snappy")]
        Compressor::Snappy => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
        #[cfg(feature = "deflate")]
        Compressor::Deflate => {
            let mut out = Vec::new();
            flate2::bufread::ZlibEncoder::new(bytes, flate2::Compression::default()).read_to_end(&mut out).unwrap();
            out
        }
        #[cfg(feature = "zstd")]
        Compressor::Zstd => zstd::bulk::compress(bytes, 3).unwrap(),
        #[allow(unreachable_patterns)]
        _ => unreachable!("only compressors of this build are asked for"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every compressor of this build.
    fn built() -> impl Iterator<Item = Compressor> {
        Compressor::CLASSES.iter().map(|(_, compressor)| *compressor).filter(|compressor| compressor.missing_feature().is_none())
    }

    #[test]
    fn every_compressor_round_trips_behind_what_is_there() {
        let bytes = b"the same words and the same words and the same words".repeat(900);
        for compressor in built() {
            let frame = compress(compressor, &bytes);
            let mut out = vec![1, 2, 3];

            compressor.decompress(&frame, bytes.len() as u64, &mut out).unwrap();
            compressor.append(&frame, bytes.len() as u64, &mut out).unwrap();

            assert!(out == bytes.repeat(2), "{compressor:?}");
        }
    }

    #[test]
    fn an_empty_section_is_nothing_or_the_frame_of_nothing() {
        for compressor in built() {
            let mut out = vec![1];

            compressor.decompress(&[], 0, &mut out).unwrap();
            compressor.decompress(&compress(compressor, &[]), 0, &mut out).unwrap();

            assert!(out.is_empty());
            assert!(compressor.decompress(&[0; 40], 0, &mut out).is_err(), "{compressor:?}");
        }
    }

    #[test]
    fn a_length_that_is_not_the_frames_is_refused() {
        for compressor in built() {
            let frame = compress(compressor, &[7; 100]);
            let mut out = Vec::new();

            for length in [0, 1, 99, 101] {
                assert!(compressor.decompress(&frame, length, &mut out).is_err(), "{compressor:?} as {length}");
            }
            assert!(matches!(compressor.decompress(&frame, 1 << 31, &mut out), Err(CompressError::Limit { .. })), "{compressor:?}");
            assert!(out.capacity() < 1 << 20);
        }
    }

    #[test]
    fn i6_every_cut_and_every_flipped_bit_of_a_frame_is_harmless() {
        let bytes: Vec<u8> = (0..200_u8).chain(std::iter::repeat_n(7, 300)).collect();
        for compressor in built() {
            let frame = compress(compressor, &bytes);
            let mut out = Vec::new();
            for cut in 0..frame.len() {
                assert!(compressor.decompress(&frame[..cut], bytes.len() as u64, &mut out).is_err(), "{compressor:?} cut at {cut}");
            }
            for bit in 0..frame.len() * 8 {
                let mut twin = frame.clone();
                twin[bit / 8] ^= 1 << (bit % 8);
                // The entries' own checksums find what a frame without one does not.
                let done = compressor.decompress(&twin, bytes.len() as u64, &mut out).is_ok();
                assert!(out.len() <= bytes.len() + 1 && (!done || out.len() == bytes.len()), "{compressor:?}, bit {bit}");
            }
        }
    }

    #[cfg(all(feature = "deflate", feature = "zstd"))]
    #[test]
    fn i6_a_bomb_takes_no_more_room_than_its_head_asked_for() {
        for compressor in [Compressor::Deflate, Compressor::Zstd] {
            let bomb = compress(compressor, &vec![0; 64 << 20]);
            let mut out = Vec::new();

            let refused = compressor.decompress(&bomb, 10_000, &mut out);

            assert!(refused.is_err(), "{compressor:?}");
            assert!(out.capacity() < 64 << 10, "{compressor:?} took {}", out.capacity());
        }
    }

    #[test]
    fn classes_are_found_with_and_without_their_package() {
        assert_eq!(Compressor::from_class("org.apache.cassandra.io.compress.ZstdCompressor"), Some(Compressor::Zstd));
        assert_eq!(Compressor::from_class("DeflateCompressor"), Some(Compressor::Deflate));
        assert_eq!(Compressor::from_class("org.acme.ZstdCompressor"), None);
        assert_eq!(Compressor::from_class("ZstdDictionaryCompressor"), None);
    }
}
