//! The layers of `commitlog`.

use super::catalog;
use crate::check;
use crate::repair::{Repaired, repair};
use crate::segment::{Builder, Lz4, SEGMENT, VERSION, frame, header, header_crc};
use ringtail::commitlog::{Descriptor, ENTRY_OVERHEAD, MARKER_SIZE, SegmentName};
use ringtail::position::SegmentId;

/// A header as it stands, the same with its checksum repaired, and the bytes as a file's name.
pub fn descriptor(data: &[u8]) {
    if let Ok(descriptor) = Descriptor::parse(data) {
        check_descriptor(&descriptor, data);
    }
    if let Some((fixed, rest)) = data.split_first_chunk::<14>() {
        let length = usize::from(u16::from_be_bytes([fixed[12], fixed[13]])).min(rest.len());
        let params = &rest[..length];
        let mut id = [0; 8];
        id.copy_from_slice(&fixed[4..12]);
        let id = SegmentId(u64::from_be_bytes(id));
        let repaired = header(VERSION, id, params);
        if let Ok(descriptor) = Descriptor::parse(&repaired) {
            assert_eq!(descriptor.id, id);
            check_descriptor(&descriptor, &repaired);
        }
    }
    if let Ok(text) = str::from_utf8(data) {
        assert!(SegmentName::parse_log(text).is_none_or(|name| name.log() == text));
        assert!(SegmentName::parse_index(text).is_none_or(|name| name.index() == text));
    }
}

fn check_descriptor(descriptor: &Descriptor, bytes: &[u8]) {
    let end = descriptor.header_end.0 as usize;
    assert!(end <= bytes.len());
    assert_eq!(descriptor.header_crc, header_crc(descriptor.version, descriptor.id, &bytes[14..end - 4]));
}

/// A body that stands for what was written before and after.
const SENTINEL: &[u8] = b"an entry that holds";

/// Any bytes as the content of a section: the section before it is not touched, and every byte is counted.
pub fn section(data: &[u8]) {
    for builder in [Builder::plain(), Builder::compressed(Lz4)] {
        let mut builder = builder.section(&[SENTINEL]);
        builder.add_raw_section(data);
        let segment = builder.section(&[SENTINEL]).build();

        let read = check::segment(&segment.bytes).expect("the header is whole");

        assert_eq!(read.entries.first().map(|(body, _)| body.as_slice()), Some(SENTINEL));
    }
}

/// A body in its frame, of which one byte is changed: the change is noticed, and takes no more than it must.
pub fn entry(data: &[u8]) {
    let Some((&[high, low, change], body)) = data.split_first_chunk::<3>() else { return };
    if body.len() < 10 {
        return;
    }
    let place = usize::from(u16::from_be_bytes([high, low])) % (body.len() + ENTRY_OVERHEAD as usize);
    let mut changed = frame(body);
    changed[place] ^= change;
    let mut builder = Builder::plain();
    builder.add_raw_section(&[changed, frame(SENTINEL)].concat());

    let read = check::segment(&builder.section(&[SENTINEL]).zeros(usize::from(change) % 20).build().bytes).expect("the header is whole");

    let expected: &[&[u8]] = match (change, place) {
        (0, _) => &[body, SENTINEL, SENTINEL],
        // Without its size nobody knows where the next one begins.
        (_, 0..8) => &[SENTINEL],
        _ => &[SENTINEL, SENTINEL],
    };
    assert_eq!(read.bodies(), expected);
    // What looks like a marker inside of a lost entry is tried, and then there are several ranges.
    assert_eq!(read.damages.is_empty(), change == 0);
}

/// Any bytes as a file.
pub fn segment(data: &[u8]) {
    if let Ok(read) = check::segment(data) {
        read.bodies().into_iter().for_each(decode);
    }
}

/// A file whose checksums hold, but for the damage that the script asks for.
pub fn segment_repaired(script: &[u8]) {
    let Repaired { bytes, bodies, is_clean, is_cut } = repair(script);
    if bytes.len() < header(VERSION, SEGMENT, b"{}").len() {
        return;
    }
    // The header can be among what was cut off.
    let Ok(read) = check::segment(&bytes) else {
        assert!(is_cut);
        return;
    };

    if is_clean {
        assert_eq!(read.bodies(), bodies);
        assert!(read.damages.is_empty());
    }
    if read.entries.len() < bodies.len() {
        assert!(is_cut || !read.damages.is_empty() || read.unmarked.is_some(), "something is missing and nothing says so");
    }
    assert!(read.coverage.markers.is_multiple_of(MARKER_SIZE));
    read.bodies().into_iter().for_each(decode);
}

fn decode(body: &[u8]) {
    if let Ok(mutation) = ringtail::mutation::decode(body, catalog()) {
        check::records(&mutation);
    }
}
