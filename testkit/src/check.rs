//! What must be true of any segment and of any mutation, whatever bytes they come from.

use ringtail::commitlog::{AFTER_GAP, Coverage, Damage, DamageCause, Horizon, Item, Keys, ReadAt, SegmentError, SegmentReader};
use ringtail::envelope::{Envelope, EnvelopeSettings, Record};
use ringtail::event;
use ringtail::mutation::Mutation;
use ringtail::position::{CommitLogPosition, FileOffset, LogicalPosition};
use std::cell::Cell;
use std::io;
use std::ops::Range;

/// Everything that a segment gave.
#[derive(Debug)]
pub struct Read {
    /// Bodies in order, each with the position of its entry's end.
    pub entries: Vec<(Vec<u8>, LogicalPosition)>,
    /// Damage in order.
    pub damages: Vec<Damage>,
    /// Where the bytes went.
    pub coverage: Coverage,
    /// Bytes behind the last marker.
    pub unmarked: Option<Range<FileOffset>>,
}

impl Read {
    /// The bodies alone.
    pub fn bodies(&self) -> Vec<&[u8]> {
        self.entries.iter().map(|(body, _)| body.as_slice()).collect()
    }
}

/// Reads a final segment and holds what must be true of any: it ends, positions ascend, every byte is counted once (I5), and
/// it gives the same entries when it was read before, while it grew.
///
/// # Errors
/// The header's.
///
/// # Panics
/// If something is not true.
pub fn segment(bytes: &[u8]) -> Result<Read, SegmentError> {
    let read = whole(bytes, &Keys::NONE)?;
    let header_end = read.coverage.header as usize;

    // Somewhere, but at the same place whenever the same bytes are read.
    let somewhere = crc32fast::hash(bytes) as usize;
    let cut = header_end + somewhere % (bytes.len() - header_end + 1);
    let middle = read.entries.get(read.entries.len() / 2).map_or(LogicalPosition(0), |(_, end)| *end);
    for growing in [Growing::cut(bytes, cut), Growing::zeroed(bytes, cut)] {
        let mut reader = SegmentReader::open(&growing, None)?;
        let mut entries = while_it_grows(&mut reader, Horizon::Synced(middle), bytes.len());
        assert!(entries.last().is_none_or(|(_, end)| *end <= middle), "nothing above the boundary is handed out");
        entries.extend(while_it_grows(&mut reader, Horizon::Marked, bytes.len()));
        growing.has_grown();
        if somewhere & 1 == 0 {
            entries.extend(while_it_grows(&mut reader, Horizon::Marked, bytes.len()));
        }
        entries.extend(self::read(&mut reader, bytes.len()).entries);
        // What a section held is known to who read it before it was damaged, and not to who reads it now.
        entries
            .iter_mut()
            .rev()
            .zip(read.entries.iter().rev())
            .filter(|(_, (_, end))| *end >= AFTER_GAP)
            .for_each(|(grown, (_, end))| grown.1 = *end);
        let is_damaged_there = |damage: &Damage| (damage.file.start.0..=damage.file.end.0).contains(&(cut as u64));
        if read.damages.iter().any(is_damaged_there) {
            // Zeros in place of what is damaged can be whole, and then more was given before.
            let mut grown = entries.iter();
            assert!(read.entries.iter().all(|entry| grown.any(|other| other == entry)), "nothing is lost by reading while it grows");
        } else {
            assert_eq!(entries, read.entries, "a segment gives the same entries when it was read while it grew");
        }
    }
    Ok(read)
}

/// Reads a final segment once, and holds what must be true of any: it ends, positions ascend, every byte is counted once (I5), and what
/// was not read is named.
///
/// # Errors
/// The header's.
///
/// # Panics
/// If something is not true.
pub fn whole(bytes: &[u8], keys: &Keys) -> Result<Read, SegmentError> {
    let mut reader = SegmentReader::open_with(bytes, None, keys)?;
    let read = read(&mut reader, bytes.len());
    let is_plain = reader.descriptor().compression.is_none() && reader.descriptor().encryption.is_none();
    // A marker that is not believed is counted among the markers, an entry inside a coded section among what the section holds.
    let counts = |damage: &&Damage| match &damage.cause {
        DamageCause::MarkerElsewhere { .. } => false,
        DamageCause::MarkerNext { .. } => !is_plain,
        DamageCause::EntryCrc { .. }
        | DamageCause::SizeCrc { .. }
        | DamageCause::Size { .. }
        | DamageCause::ZeroSize
        | DamageCause::PastSection { .. } => is_plain,
        _ => true,
    };
    let named: u64 = read.damages.iter().filter(counts).map(Damage::file_bytes).sum();
    assert_eq!(named, read.coverage.damaged, "what is counted as damaged is named: {:?}", read.damages);
    let unmarked = read.unmarked.as_ref().map_or(0, |range| range.end.since(range.start));
    assert_eq!(unmarked, read.coverage.unmarked, "what no marker covers is named");
    Ok(read)
}

/// A file of which a reader sees only the beginning until it has grown.
struct Growing<'a> {
    bytes: &'a [u8],
    cut: Cell<usize>,
    /// Whether the rest is zeros for now, as in a preallocated file, or not there.
    zeroed: bool,
}

impl<'a> Growing<'a> {
    fn cut(bytes: &'a [u8], cut: usize) -> Self {
        Growing { bytes, cut: Cell::new(cut), zeroed: false }
    }

    fn zeroed(bytes: &'a [u8], cut: usize) -> Self {
        Growing { bytes, cut: Cell::new(cut), zeroed: true }
    }

    fn has_grown(&self) {
        self.cut.set(self.bytes.len());
    }
}

impl ReadAt for Growing<'_> {
    fn length(&self) -> io::Result<u64> {
        Ok(if self.zeroed { self.bytes.len() } else { self.cut.get() } as u64)
    }

    fn read_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<usize> {
        let seen = &self.bytes[..self.cut.get()];
        let read = seen.read_at(offset, buffer)?;
        let left = self.length()?.saturating_sub(offset.0 + read as u64) as usize;
        let zeros = buffer.len().saturating_sub(read).min(left);
        buffer[read..read + zeros].fill(0);
        Ok(read + zeros)
    }
}

/// The entries below a horizon of a live segment.
fn while_it_grows(reader: &mut SegmentReader<impl ReadAt>, horizon: Horizon, length: usize) -> Vec<(Vec<u8>, LogicalPosition)> {
    let mut entries = Vec::new();
    for _ in 0..steps_max(length) {
        match reader.next(horizon).expect("memory is readable") {
            Item::Entry(entry) => entries.push((entry.body().to_vec(), entry.end)),
            Item::CaughtUp => return entries,
            Item::Damage(damage) => panic!("damage in a segment that may still grow: {damage}"),
            Item::End => panic!("the end of a segment that may still grow"),
        }
    }
    panic!("reading does not end");
}

fn read(reader: &mut SegmentReader<impl ReadAt>, length: usize) -> Read {
    let (mut entries, mut damages): (Vec<(Vec<u8>, LogicalPosition)>, Vec<Damage>) = (Vec::new(), Vec::new());
    for _ in 0..steps_max(length) {
        match reader.next(Horizon::Final).expect("memory is readable") {
            Item::Entry(entry) => {
                assert!(entry.start < entry.end, "an entry has bytes");
                assert!(entries.last().is_none_or(|(_, end)| *end <= entry.start), "positions ascend");
                entries.push((entry.body().to_vec(), entry.end));
            }
            Item::Damage(damage) => {
                assert!(damage.file.start <= damage.file.end && damage.file.end.0 <= length as u64, "damage lies in the file: {damage}");
                assert!(damage.logical.start <= damage.logical.end, "damage has a range: {damage}");
                damages.push(damage);
            }
            Item::CaughtUp => panic!("a final segment is never caught up"),
            Item::End => {
                let coverage = *reader.coverage();
                assert_eq!(coverage.file_sum(), length as u64, "every byte of the file is counted once: {coverage:?}");
                assert_eq!(coverage.logical_sum(), coverage.section_bytes, "every logical byte is counted once: {coverage:?}");
                return Read { entries, damages, coverage, unmarked: reader.unmarked() };
            }
        }
    }
    panic!("reading does not end");
}

/// More than any segment of this length can give: an entry has 22 bytes or more, and LZ4 makes at most 255 of one.
fn steps_max(length: usize) -> usize {
    length * 16 + 16
}

/// The records of a mutation's events, each of which is valid JSON. None if its range tombstone markers do not pair.
///
/// # Panics
/// If something is not true.
pub fn records(mutation: &Mutation<'_>) -> Option<Vec<Record>> {
    let at = CommitLogPosition { segment: super::segment::SEGMENT, position: LogicalPosition(4711) };
    let projection = event::project(at, mutation).ok()?;
    let mut envelope = Envelope::new(EnvelopeSettings {
        node: "n1".into(),
        prefix: "shop".into(),
        cluster: "c1".into(),
        version: "1.2.3".into(),
        ..EnvelopeSettings::default()
    });
    let records = projection
        .events
        .iter()
        .flat_map(|event| envelope.encode(event, "CommitLog-7-1759999999000.log", 1_760_000_000_123).expect("records"));
    let records: Vec<Record> = records.collect();
    for record in &records {
        assert_json(&record.key);
        assert_json(record.value.as_deref().expect("every event has a value"));
    }
    Some(records)
}

/// Holds that the bytes are one JSON value.
///
/// # Panics
/// If they are not.
pub fn assert_json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}
