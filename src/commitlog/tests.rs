use super::testing::{Assembler, KEY, SEGMENT};
use super::*;
use crate::position::{FileOffset, LogicalPosition};
use proptest::prelude::*;

/// An entry's body and where it ends.
type Found = (Vec<u8>, LogicalPosition);

/// Everything a final segment gives.
fn read(bytes: &[u8]) -> (Vec<Found>, Vec<Damage>, Coverage) {
    let mut reader = SegmentReader::open_with(bytes, None, &keys()).unwrap();
    let (mut entries, mut damages) = (Vec::new(), Vec::new());
    loop {
        match reader.next(Horizon::Final).unwrap() {
            Item::Entry(entry) => entries.push((entry.body().to_vec(), entry.end)),
            Item::Damage(damage) => damages.push(damage),
            Item::CaughtUp => panic!("a final segment is never caught up"),
            Item::End => return (entries, damages, *reader.coverage()),
        }
    }
}

fn keys() -> Keys {
    let mut keys = Keys::default();
    keys.insert("testing:1", KEY.to_vec());
    keys
}

fn open(bytes: &[u8]) -> Result<SegmentReader<&[u8]>, SegmentError> {
    SegmentReader::open_with(bytes, None, &keys())
}

fn bodies(bytes: &[u8]) -> Vec<Vec<u8>> {
    read(bytes).0.into_iter().map(|(body, _)| body).collect()
}

fn assert_adds_up(bytes: &[u8], coverage: &Coverage) {
    assert_eq!(coverage.file_sum(), bytes.len() as u64, "{coverage:?}");
    assert_eq!(coverage.logical_sum(), coverage.section_bytes, "{coverage:?}");
}

const A: &[u8] = b"the first mutation";
const B: &[u8] = b"another mutation, longer";
const C: &[u8] = b"the third mutation";
const D: &[u8] = b"and the last of them";

fn plain() -> Vec<u8> {
    Assembler::plain().section(&[A, B]).section(&[C]).section(&[D]).zeros(64).bytes()
}

fn lz4() -> Vec<u8> {
    Assembler::lz4().section(&[A, B]).section(&[]).section(&[C, D]).bytes()
}

/// The same entries in every coding of this build.
fn every_coding() -> Vec<(&'static str, Vec<u8>)> {
    let whole = |assembler: Assembler| assembler.section(&[A, B]).section(&[]).section(&[C, D]).bytes();
    vec![
        ("plain", plain()),
        ("lz4", whole(Assembler::lz4())),
        ("noop", whole(Assembler::noop())),
        #[cfg(feature = "snappy")]
        ("snappy", whole(Assembler::snappy())),
        #[cfg(feature = "deflate")]
        ("deflate", whole(Assembler::deflate())),
        #[cfg(feature = "zstd")]
        ("zstd", whole(Assembler::zstd())),
        #[cfg(feature = "encryption")]
        ("encrypted", whole(Assembler::encrypted())),
    ]
}

#[test]
fn every_coding_and_every_version_gives_the_same_entries() {
    for (name, bytes) in every_coding() {
        let (entries, damages, coverage) = read(&bytes);

        assert_eq!(entries.iter().map(|(body, _)| body.as_slice()).collect::<Vec<_>>(), [A, B, C, D], "{name}");
        assert!(damages.is_empty(), "{name}");
        assert_adds_up(&bytes, &coverage);
    }
    for version in SUPPORTED_VERSIONS {
        assert_eq!(bodies(&Assembler::plain().version(version).section(&[A, B]).bytes()), [A, B]);
        assert_eq!(bodies(&Assembler::lz4().version(version).section(&[A, B]).bytes()), [A, B]);
    }
}

#[test]
fn a_direct_io_segment_ends_in_the_padding_of_its_last_block() {
    let data = Assembler::plain().section(&[A]).section(&[B]).bytes();
    let padding = 4096 - data.len();
    let bytes = Assembler::plain().section(&[A]).section(&[B]).zeros(padding).bytes();

    let (_, damages, coverage) = read(&bytes);

    assert_eq!(bodies(&bytes), [A, B]);
    assert!(damages.is_empty());
    assert_eq!(coverage.padding, padding as u64);
    assert_adds_up(&bytes, &coverage);
}

#[cfg(feature = "encryption")]
#[test]
fn an_encrypted_segment_without_its_key_waits_for_it() {
    let bytes = Assembler::encrypted().section(&[A]).bytes();
    let mut wrong = Keys::default();
    wrong.insert("testing:1", vec![4; 16]);

    let missing = SegmentReader::open(bytes.as_slice(), None).unwrap_err();
    let other = SegmentReader::open_with(bytes.as_slice(), None, &wrong).unwrap_err();

    assert!(matches!(missing, SegmentError::Encrypted { .. }) && missing.waits_for_key(), "{missing}");
    assert!(matches!(other, SegmentError::Key { .. }) && other.waits_for_key(), "{other}");
}

#[cfg(feature = "encryption")]
#[test]
fn a_key_is_proved_by_the_first_section_that_opens() {
    let empty = Assembler::encrypted().section(&[]).bytes();
    let mut damaged = Assembler::encrypted().section(&[A]).section(&[B]).bytes();
    let header = empty.len() - 12;
    damaged[header + 24] ^= 1;

    assert!(!open(&empty).unwrap().is_key_proved());
    assert!(open(&damaged).unwrap().is_key_proved());
    assert_eq!(bodies(&damaged), [B]);
    assert!(matches!(read(&damaged).1[..], [Damage { cause: DamageCause::Decryption(_), .. }]));
    assert!(open(&plain()).unwrap().is_key_proved());
}

#[cfg(not(feature = "snappy"))]
#[test]
fn what_this_build_leaves_out_is_refused_by_its_feature() {
    let bytes = Assembler::compressed("SnappyCompressor", <[u8]>::to_vec).section(&[A]).bytes();

    let error = SegmentReader::open(bytes.as_slice(), None).unwrap_err();

    assert_eq!(error.to_string(), "SnappyCompressor needs the cargo feature snappy, which this build does not have");
}

#[test]
fn entries_come_in_order_with_the_position_of_their_end() {
    let (entries, damages, coverage) = read(&plain());

    let ends: Vec<u32> = entries.iter().map(|(_, end)| end.0).collect();
    assert_eq!(bodies(&plain()), [A, B, C, D]);
    assert_eq!(ends, [58, 94, 132, 172]);
    assert!(damages.is_empty());
    assert_adds_up(&plain(), &coverage);
}

#[test]
fn what_is_marked_and_not_read_yet_is_seen_without_reading_it() {
    for bytes in [plain(), lz4()] {
        let mut reader = SegmentReader::open(bytes.as_slice(), None).unwrap();
        let end = reader.marked_end().unwrap();
        let mut last = reader.read_to();
        assert_eq!(last, reader.descriptor().header_end);

        while let Item::Entry(_) = reader.next(Horizon::Marked).unwrap() {
            assert!(reader.read_to() >= last && reader.read_to() <= end);
            assert_eq!(reader.marked_end().unwrap(), end);
            last = reader.read_to();
        }

        assert_eq!(reader.read_to(), end);
    }
}

#[test]
fn positions_in_a_compressed_segment_count_as_if_it_were_not() {
    let (entries, damages, coverage) = read(&lz4());

    let ends: Vec<u32> = entries.iter().map(|(_, end)| end.0).collect();
    // 83 bytes of header, a marker; A and B; a marker, nothing, a marker; C and D.
    assert_eq!(ends, [83 + 8 + 30, 121 + 36, 157 + 16 + 30, 203 + 32]);
    assert!(damages.is_empty());
    assert_adds_up(&lz4(), &coverage);
}

#[test]
fn i4_nothing_behind_the_newest_marker_is_handed_out_while_the_segment_grows() {
    let bytes = Assembler::plain().section(&[A]).unmarked(&[B, C]).zeros(32).bytes();
    let mut reader = SegmentReader::open(bytes.as_slice(), None).unwrap();

    assert!(matches!(reader.next(Horizon::Marked).unwrap(), Item::Entry(entry) if entry.body() == A));
    assert!(matches!(reader.next(Horizon::Marked).unwrap(), Item::CaughtUp));
    assert!(matches!(reader.next(Horizon::Marked).unwrap(), Item::CaughtUp));
}

#[test]
fn i4_a_section_that_is_not_synced_is_not_handed_out() {
    for bytes in [plain(), lz4()] {
        let ends: Vec<LogicalPosition> = read(&bytes).0.into_iter().map(|(_, end)| end).collect();
        let mut reader = SegmentReader::open(bytes.as_slice(), None).unwrap();

        let synced = Horizon::Synced(ends[1]);

        assert!(matches!(reader.next(synced).unwrap(), Item::Entry(_)));
        assert!(matches!(reader.next(synced).unwrap(), Item::Entry(_)));
        assert!(matches!(reader.next(synced).unwrap(), Item::CaughtUp));
        assert!(matches!(reader.next(Horizon::Marked).unwrap(), Item::Entry(entry) if entry.body() == C));
    }
}

#[test]
fn a_growing_segment_is_read_by_asking_again() {
    let bytes = plain();
    for cut in 20..bytes.len() {
        let mut grown = bytes[..cut].to_vec();
        grown.resize(bytes.len(), 0);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &grown).unwrap();
        let mut reader = SegmentReader::open(std::fs::File::open(file.path()).unwrap(), None).unwrap();
        let mut found = Vec::new();
        let mut drain = |reader: &mut SegmentReader<std::fs::File>, horizon| {
            while let Item::Entry(entry) = reader.next(horizon).unwrap() {
                found.push(entry.body().to_vec());
            }
        };

        drain(&mut reader, Horizon::Marked);
        std::fs::write(file.path(), &bytes).unwrap();
        drain(&mut reader, Horizon::Marked);
        drain(&mut reader, Horizon::Final);

        assert_eq!(found, [A, B, C, D], "cut at {cut}");
    }
}

/// Reads what there is to read now.
fn drain(reader: &mut SegmentReader<std::fs::File>, horizon: Horizon) -> (Vec<Vec<u8>>, Vec<Damage>) {
    let (mut bodies, mut damages) = (Vec::new(), Vec::new());
    loop {
        match reader.next(horizon).unwrap() {
            Item::Entry(entry) => bodies.push(entry.body().to_vec()),
            Item::Damage(damage) => damages.push(damage),
            Item::CaughtUp | Item::End => return (bodies, damages),
        }
    }
}

#[test]
fn a_compressed_section_of_which_an_entry_does_not_verify_yet_is_read_again() {
    // Incompressible, so that a byte of the file is a byte of an entry.
    let [b, c]: [Vec<u8>; 2] = [7, 11].map(|step| (0..40_u8).map(|i| i.wrapping_mul(step).wrapping_mul(i)).collect());
    let whole = Assembler::lz4().section(&[A, &b, &c]).section(&[D]).bytes();
    let at = whole.windows(8).position(|window| window == &b[20..28]).unwrap();
    let mut torn = whole.clone();
    torn[at] ^= 1;
    for (later, found, lost) in [(&whole, vec![b.as_slice(), &c, D], 0), (&torn, vec![&c, D], 1), (&whole[..50 + at].to_vec(), vec![], 1)] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &torn).unwrap();
        let mut reader = SegmentReader::open(std::fs::File::open(file.path()).unwrap(), None).unwrap();

        assert_eq!(drain(&mut reader, Horizon::Marked).0, [A]);
        assert!(drain(&mut reader, Horizon::Marked).0.is_empty());
        std::fs::write(file.path(), later).unwrap();
        let (bodies, damages) = drain(&mut reader, Horizon::Final);

        assert_eq!(bodies, found);
        assert_eq!(damages.len(), lost);
        assert_adds_up(later, reader.coverage());
    }
}

#[test]
fn a_compressed_section_whose_length_has_not_reached_the_file_is_waited_for_and_not_taken_for_empty() {
    let mut bytes = Assembler::lz4().section(&[A]).section(&[B]).bytes();
    let second = u32::from_be_bytes(bytes[83..87].try_into().unwrap()) as usize;
    bytes[second + 8..].fill(0);
    let mut reader = SegmentReader::open(bytes.as_slice(), None).unwrap();

    assert!(matches!(reader.next(Horizon::Marked).unwrap(), Item::Entry(entry) if entry.body() == A));
    assert!(matches!(reader.next(Horizon::Marked).unwrap(), Item::CaughtUp));
    assert!(!reader.is_closed());
    assert!(matches!(reader.next(Horizon::Final).unwrap(), Item::Damage(_)));
    assert!(matches!(reader.next(Horizon::Final).unwrap(), Item::End));
    assert_adds_up(&bytes, reader.coverage());
}

#[test]
fn i6_lengths_of_lost_sections_do_not_overflow_positions() {
    let mut bytes = Assembler::lz4().section(&[A]).section(&[B]).section(&[C]).section(&[D]).bytes();
    let mut marker = 83;
    // The first length alone reaches the end of what a position can be.
    for length in [i32::MAX as u32 - 100, 50, 50] {
        bytes[marker + 8..marker + 12].copy_from_slice(&length.to_be_bytes());
        marker = u32::from_be_bytes(bytes[marker..marker + 4].try_into().unwrap()) as usize;
    }

    let (entries, damages, coverage) = read(&bytes);

    assert_eq!((entries.len(), damages.len()), (1, 3));
    assert_adds_up(&bytes, &coverage);
}

#[test]
fn bytes_behind_the_last_marker_are_unmarked_not_damage() {
    let bytes = Assembler::plain().section(&[A]).unmarked(&[B]).zeros(32).bytes();

    let (entries, damages, coverage) = read(&bytes);

    assert_eq!(entries.len(), 1);
    assert!(damages.is_empty());
    assert_eq!(coverage.unmarked, B.len() as u64 + ENTRY_OVERHEAD);
    assert_adds_up(&bytes, &coverage);
}

#[test]
fn entry_crc_mismatch_loses_one_entry_and_not_the_next() {
    let mut bytes = plain();
    bytes[28 + 8] ^= 1;

    let (_, damages, coverage) = read(&bytes);

    assert_eq!(bodies(&bytes), [B, C, D]);
    assert!(matches!(damages[..], [Damage { cause: DamageCause::EntryCrc { .. }, .. }]));
    assert_eq!(damages[0].file, FileOffset(28)..FileOffset(58));
    assert_adds_up(&bytes, &coverage);
}

#[test]
fn size_crc_mismatch_loses_the_rest_of_the_section_but_not_the_next() {
    let mut bytes = plain();
    bytes[28 + 5] ^= 1;

    let (_, damages, coverage) = read(&bytes);

    assert_eq!(bodies(&bytes), [C, D]);
    assert!(matches!(damages[..], [Damage { cause: DamageCause::SizeCrc { .. }, .. }]));
    assert_adds_up(&bytes, &coverage);
}

#[test]
fn marker_crc_mismatch_loses_its_section_only_where_the_entries_cannot_be_trusted() {
    let mut bytes = plain();
    let second_marker = 94;
    bytes[second_marker + 4] ^= 1;

    let (_, damages, coverage) = read(&bytes);

    assert_eq!(bodies(&bytes), [A, B, D]);
    assert!(matches!(damages[..], [Damage { cause: DamageCause::Marker { .. }, .. }]), "{damages:?}");
    assert_adds_up(&bytes, &coverage);
}

#[test]
fn a_marker_that_points_elsewhere_loses_nothing() {
    for next in [95_u32, 58, 130, 5000, 28, 20, 0x7fff_ffff] {
        let mut bytes = plain();
        bytes[20..24].copy_from_slice(&next.to_be_bytes());

        let (_, damages, coverage) = read(&bytes);

        assert_eq!(bodies(&bytes), [A, B, C, D], "next {next}: {damages:?}");
        // An end between two entries is no contradiction: the next entry stands where a marker should, and verifies.
        assert!(!damages.is_empty() || [28, 58].contains(&next), "next {next}");
        assert_adds_up(&bytes, &coverage);
    }
}

#[test]
fn a_torn_marker_is_read_if_its_section_verifies() {
    let mut bytes = plain();
    bytes[132 + 4..132 + 8].fill(0);

    assert_eq!(bodies(&bytes), [A, B, C, D]);

    bytes[150] ^= 1;
    let (_, damages, coverage) = read(&bytes);
    assert_eq!(bodies(&bytes), [A, B, C]);
    assert!(matches!(damages[..], [Damage { cause: DamageCause::MarkerTorn { .. }, .. }]));
    assert_adds_up(&bytes, &coverage);
}

#[test]
fn a_zeroed_marker_is_damage_when_a_valid_one_follows() {
    let mut bytes = plain();
    bytes[94..102].fill(0);

    let (_, damages, coverage) = read(&bytes);

    assert_eq!(bodies(&bytes), [A, B, D]);
    assert!(matches!(damages[..], [Damage { cause: DamageCause::MarkerZero { .. }, .. }]));
    assert_adds_up(&bytes, &coverage);
}

#[test]
fn a_compressed_section_that_cannot_be_read_does_not_take_the_next() {
    let mut bytes = Assembler::lz4().section(&[A, B]).section(&[C]).section(&[D]).bytes();
    bytes[83 + 12 + 6] ^= 0xff;

    let (entries, damages, coverage) = read(&bytes);

    assert_eq!(bodies(&bytes), [C, D]);
    assert!(damages.iter().all(|damage| damage.segment == SEGMENT));
    assert_eq!(entries[0].1, LogicalPosition(83 + 8 + 66 + 8 + 30), "positions behind the damage are what they were");
    assert_adds_up(&bytes, &coverage);
}

#[test]
fn positions_behind_a_gap_of_unknown_length_are_none_that_an_entry_had_before() {
    let bytes = Assembler::lz4().section(&[A, B]).section(&[C]).section(&[D]).bytes();
    let second = u32::from_be_bytes(bytes[83..87].try_into().unwrap()) as usize;
    // The first section's marker, its length, and the second section's marker.
    for (place, lost, cause) in [(87, 2, "marker"), (93, 2, "section"), (second + 4, 1, "marker")] {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1;

        let (entries, damages, coverage) = read(&bytes);

        let found: Vec<&[u8]> = entries.iter().map(|(body, _)| body.as_slice()).collect();
        assert_eq!(found, if lost == 2 { vec![C, D] } else { vec![A, B, D] }, "{place}");
        let behind = if lost == 2 { 0 } else { 2 };
        assert!(entries[..behind].iter().all(|(_, end)| *end < AFTER_GAP) && entries[behind..].iter().all(|(_, end)| *end > AFTER_GAP));
        assert_eq!((damages.len(), damages[0].cause.kind(), damages[0].logical.end), (1, cause, AFTER_GAP), "{damages:?}");
        assert_adds_up(&bytes, &coverage);
    }
}

#[cfg(feature = "deflate")]
#[test]
fn a_marker_that_points_behind_the_end_of_its_zlib_stream_hides_nothing() {
    let bytes = Assembler::deflate().section(&[A, B]).section(&[C]).section(&[D]).bytes();
    let first = open(&bytes).unwrap().descriptor().header_end.0 as usize;
    let next = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    // To the next marker but one, and to the end: places where reading could go on as if nothing had been.
    for elsewhere in [next(next(first)), bytes.len()] {
        let mut bytes = bytes.clone();
        bytes[first..first + 4].copy_from_slice(&(elsewhere as u32).to_be_bytes());

        let (_, damages, coverage) = read(&bytes);

        assert_eq!(bodies(&bytes), [C, D]);
        assert!(matches!(damages[..], [Damage { cause: DamageCause::Compression(_), .. }]), "{damages:?}");
        assert_adds_up(&bytes, &coverage);
    }
}

#[test]
fn an_entry_that_does_not_verify_yet_takes_nothing_behind_it_along() {
    for mut bytes in [plain(), lz4()] {
        let at = bytes.windows(A.len()).position(|window| window == A).unwrap();
        bytes[at] ^= 1;
        let mut reader = SegmentReader::open(bytes.as_slice(), None).unwrap();
        let (mut found, mut damages) = (Vec::new(), 0);

        for _ in 0..2 {
            assert!(matches!(reader.next(Horizon::Marked).unwrap(), Item::CaughtUp));
        }
        loop {
            match reader.next(Horizon::Final).unwrap() {
                Item::Entry(entry) => found.push(entry.body().to_vec()),
                Item::Damage(_) => damages += 1,
                Item::CaughtUp => panic!("a final segment is never caught up"),
                Item::End => break,
            }
        }

        assert_eq!(found, [B, C, D]);
        assert_eq!(damages, 1);
        assert_adds_up(&bytes, reader.coverage());
    }
}

#[test]
fn a_live_segment_shows_how_many_sections_hold_entries() {
    let count = |bytes: &[u8]| SegmentReader::open(bytes, None).unwrap().sections_with_entries(5).unwrap();

    assert_eq!(count(&plain()), 3);
    assert_eq!(count(&lz4()), 2);
    assert_eq!(count(&Assembler::plain().section(&[]).zeros(50).bytes()), 0);
}

#[test]
fn an_empty_last_section_says_that_the_node_has_closed_the_segment() {
    let is_closed = |bytes: &[u8]| {
        let mut reader = SegmentReader::open(bytes, None).unwrap();
        while let Item::Entry(_) = reader.next(Horizon::Marked).unwrap() {}
        reader.is_closed()
    };

    assert!(is_closed(&Assembler::plain().section(&[]).zeros(50).bytes()), "never used");
    assert!(is_closed(&Assembler::plain().section(&[A]).section(&[]).zeros(50).bytes()));
    assert!(is_closed(&Assembler::lz4().section(&[A]).section(&[]).bytes()));
    assert!(!is_closed(&Assembler::plain().section(&[A]).zeros(50).bytes()));
    assert!(!is_closed(&Assembler::plain().section(&[]).section(&[A]).zeros(50).bytes()));
    assert!(!is_closed(&Assembler::plain().zeros(50).bytes()), "just created");
}

/// The twins of a segment in which something was changed must never give what was not written, and must add up.
fn check_twin(twin: &[u8], what: &str, is_cut: bool) {
    let Ok(mut reader) = open(twin) else { return };
    let (mut damaged, mut found) = (false, Vec::new());
    loop {
        match reader.next(Horizon::Final).unwrap() {
            Item::Entry(entry) => found.push(entry.body().to_vec()),
            Item::Damage(_) => damaged = true,
            Item::CaughtUp => panic!("{what}: a final segment is never caught up"),
            Item::End => break,
        }
    }
    let written = [A, B, C, D];
    let mut rest = written.iter();
    for body in &found {
        assert!(rest.any(|written| written == body), "{what}: an entry that was not written, or out of order");
    }
    // Nothing in a segment says where it ends, so a cut between two sections cannot be told from the end.
    let ends_cleanly = is_cut && reader.coverage().file_sum() == twin.len() as u64;
    let unmarked = reader.unmarked().is_some();
    assert!(found.len() == 4 || damaged || unmarked || ends_cleanly, "{what}: something is missing and nothing says so");
    assert_adds_up(twin, reader.coverage());
}

#[test]
fn i5_each_flipped_bit_of_a_segment_is_harmless_and_accounted_for() {
    for (name, bytes) in every_coding() {
        for bit in 0..bytes.len() * 8 {
            let mut twin = bytes.clone();
            twin[bit / 8] ^= 1 << (bit % 8);
            check_twin(&twin, &format!("{name}, bit {bit}"), false);
        }
    }
}

#[test]
fn i5_each_cut_of_a_segment_is_harmless_and_accounted_for() {
    for (name, bytes) in every_coding() {
        for length in 0..bytes.len() {
            check_twin(&bytes[..length], &format!("{name}, cut at {length}"), true);
        }
    }
}

proptest! {
    #[test]
    fn i6_any_bytes_behind_a_header_are_harmless(tail: Vec<u8>, compressed: bool) {
        let mut bytes = if compressed { Assembler::lz4() } else { Assembler::plain() }.section(&[A]).bytes();
        bytes.extend(&tail);

        let (entries, _, coverage) = read(&bytes);

        prop_assert_eq!(entries.first().map(|(body, _)| body.as_slice()), Some(A));
        assert_adds_up(&bytes, &coverage);
    }

    #[test]
    fn i5_scattered_damage_adds_up(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), compressed: bool) {
        let mut bytes = if compressed { lz4() } else { plain() };
        for (place, byte) in places {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        let Ok(mut reader) = SegmentReader::open(bytes.as_slice(), None) else { return Ok(()) };
        while !matches!(reader.next(Horizon::Final).unwrap(), Item::End) {}

        assert_adds_up(&bytes, reader.coverage());
    }
}
