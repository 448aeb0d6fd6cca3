//! Any bytes as a segment whose checksums hold, so that a fuzzer's changes reach what lies behind them.
//!
//! The bytes are a script: a byte of options, then pieces, each one byte of a kind and what the kind takes. Lengths that the
//! script cannot fill take what is left. Damage is a piece like any other, so a fuzzer has to ask for it.

use crate::segment::{Builder, Lz4, frame, marker_crc, put_u32};
use ringtail::commitlog::MARKER_SIZE;
use ringtail::position::SegmentId;

/// What a script makes.
#[derive(Debug)]
pub struct Repaired {
    /// The file.
    pub bytes: Vec<u8>,
    /// The bodies of the entries that were written whole, in order.
    pub bodies: Vec<Vec<u8>>,
    /// Whether nothing but whole entries in whole sections was asked for.
    pub is_clean: bool,
    /// Whether the end of the file was cut off.
    pub is_cut: bool,
}

/// What a piece is: the low four bits of its first byte. 1 to 7 are entries too.
pub mod piece {
    /// A length of two bytes and a body: an entry.
    pub const ENTRY: u8 = 0;
    /// The end of the section.
    pub const SECTION: u8 = 8;
    /// As an entry; the checksum of the body does not hold.
    pub const ENTRY_CRC: u8 = 9;
    /// As an entry; the checksum of the size does not hold.
    pub const SIZE_CRC: u8 = 10;
    /// A length of one byte and bytes that are no entry.
    pub const RAW: u8 = 11;
    /// A byte of how, perhaps an offset of four: the end of a section whose marker is not what it should be.
    pub const MARKER: u8 = 12;
    /// A place of two bytes and a byte to change it by: the end of a section with damage in its bytes as they stand in the file.
    pub const FRAME: u8 = 13;
    /// A size of four bytes with its checksum, and no body.
    pub const SIZE: u8 = 14;
    /// A length of one byte and bytes, or none: what stands behind a slot that was never written, up to the next piece.
    pub const UNMARKED: u8 = 15;
}

/// Makes a segment of a script.
pub fn repair(script: &[u8]) -> Repaired {
    let mut input = Input(script);
    let options = input.byte();
    let builder = if options & 1 == 0 { Builder::plain() } else { Builder::compressed(Lz4) };
    let mut script = Script { builder, section: Vec::new(), bodies: Vec::new(), is_clean: true };
    while !input.0.is_empty() {
        script.piece(&mut input);
    }
    if !script.section.is_empty() {
        script.end_section();
    }
    let Script { builder, bodies, is_clean, .. } = script;
    let mut bytes = builder.zeros(if options & 1 == 0 { usize::from(options >> 4) * 4 } else { 0 }).build().bytes;
    let is_cut = options & 2 != 0;
    if is_cut {
        bytes.truncate(bytes.len().saturating_sub(usize::from(options >> 2)));
    }
    Repaired { bytes, bodies, is_clean: is_clean && !is_cut, is_cut }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// A length of two bytes and as many. No mutation has fewer than ten, so short ones are filled up.
    fn body(&mut self) -> Vec<u8> {
        let length = self.u16();
        let mut body = self.take(length.into()).to_vec();
        body.resize(body.len().max(10), 0);
        body
    }
}

struct Script {
    builder: Builder,
    section: Vec<u8>,
    bodies: Vec<Vec<u8>>,
    is_clean: bool,
}

impl Script {
    fn piece(&mut self, input: &mut Input<'_>) {
        let kind = input.byte() & 0x0f;
        self.is_clean &= kind <= piece::SECTION;
        match kind {
            piece::SECTION => self.end_section(),
            piece::ENTRY_CRC => self.broken_entry(input, |frame| frame.len() - 1),
            piece::SIZE_CRC => self.broken_entry(input, |_| 4),
            piece::RAW => {
                let length = input.byte();
                self.section.extend(input.take(length.into()));
            }
            piece::MARKER => {
                let how = input.byte() % 5;
                let next = if how >= 3 { input.u32() } else { 0 };
                self.end_section();
                self.builder.change_last(|id, bytes, marker, end| change_marker(how, next, id, bytes, marker, end));
            }
            piece::FRAME => {
                let (place, change) = (input.u16(), input.byte());
                self.end_section();
                self.builder.change_last(|_, bytes, marker, end| {
                    let data = &mut bytes[marker + MARKER_SIZE as usize..end];
                    let length = data.len();
                    data.get_mut(usize::from(place) % length.max(1)).into_iter().for_each(|byte| *byte ^= change);
                });
            }
            piece::SIZE => {
                let size = input.u32().to_be_bytes();
                self.section.extend(size);
                self.section.extend(crc32fast::hash(&size).to_be_bytes());
            }
            piece::UNMARKED => {
                self.end_section();
                let length = input.byte();
                self.builder.add_unmarked(input.take(length.into()));
            }
            _ => {
                let body = input.body();
                self.section.extend(frame(&body));
                self.bodies.push(body);
            }
        }
    }

    fn broken_entry(&mut self, input: &mut Input<'_>, place: impl Fn(&[u8]) -> usize) {
        let mut frame = frame(&input.body());
        let place = place(&frame);
        frame[place] ^= 1;
        self.section.extend(frame);
    }

    fn end_section(&mut self) {
        let section = std::mem::take(&mut self.section);
        self.builder.add_raw_section(&section);
    }
}

/// Makes the marker of a section that ends at `end` something else than it should be.
fn change_marker(how: u8, next: u32, id: SegmentId, bytes: &mut [u8], marker: usize, end: usize) {
    let (place, crc) = (marker, marker + 4);
    match how {
        0 => put_u32(bytes, crc, marker_crc(id, marker) ^ 1),
        1 => put_u32(bytes, crc, 0),
        2 => {
            put_u32(bytes, place, 0);
            put_u32(bytes, crc, 0);
        }
        // A little before or behind the end, then anywhere.
        3 => put_u32(bytes, place, (end as u32).wrapping_add(next & 0x3f).wrapping_sub(0x20)),
        _ => put_u32(bytes, place, next),
    }
}
