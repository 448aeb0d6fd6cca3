//! Mutations that could not be published, kept with their reason until they can.
//!
//! `parked/<segment>-<position>.entry` holds the raw entry with both checksums (from a compressed segment, the logical
//! bytes); `.json` beside it says why. Both are on disk before the watermark passes the entry. They are as sensitive as
//! the commit log beside them: mode 0600, and no value in the note.
//!
//! What waits is a queue. An entry whose table or column is not known blocks its partition key and that table: what comes
//! later of them is parked behind it, so that order per partition holds when all of it is published at last. What was refused
//! blocks nothing.

mod folder;
mod note;
mod queue;
mod request;

pub use folder::{Listed, list, read_frame, read_note};
pub use note::{Class, Note, Place, QUEUED};
pub use queue::{first_table, partition_key};
pub use request::{Action, Answer, Outcome, Request, Requests};

use crate::position::{CommitLogPosition, LogicalPosition};
use crate::schema::TableId;
use queue::Blocks;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The folder of parked entries, and the order in which they wait.
#[derive(Debug)]
pub struct Parked {
    dir: PathBuf,
    limit: u64,
    bytes: u64,
    items: BTreeMap<Place, Item>,
    /// What waits, by its place in the queue.
    queue: BTreeMap<u64, Place>,
    next_seq: u64,
    blocks: Blocks,
    by_reason: BTreeMap<(Class, Arc<str>), u64>,
    discarded: BTreeMap<Place, u32>,
    told: BTreeMap<(String, Option<String>), Told>,
}

/// What is remembered of a parked entry; the rest is in its files.
#[derive(Clone, Debug)]
pub struct Item {
    /// Whether time can help.
    pub class: Class,
    /// A short name of the reason.
    pub reason: Arc<str>,
    /// The bytes of its frame.
    pub bytes: u64,
    /// The first partition update that was not published.
    pub first_update: u32,
    seq: u64,
    /// The last four bytes of the frame: its checksum.
    check: u32,
    key: u64,
    table: Option<TableId>,
}

/// When a reason was last written to the log, and how often it came since.
#[derive(Debug)]
struct Told {
    at: Instant,
    more: u64,
}

/// A table that is not known can park every entry of a busy node; the log says so once in this time for each reason and table.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

impl Parked {
    /// Opens the folder, finishes what a crash left half way, and takes in what is there. It takes entries until `limit` bytes are
    /// parked. Nothing is blocked until [`Parked::block`] says so.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(dir: &Path, limit: u64) -> io::Result<Parked> {
        folder::clean(dir)?;
        // What a crash left behind may never have reached the disk, and the watermark is about to count on it.
        folder::sync(dir)?;
        let mut parked = Parked {
            dir: dir.to_owned(),
            limit,
            bytes: 0,
            items: BTreeMap::new(),
            queue: BTreeMap::new(),
            next_seq: 1,
            blocks: Blocks::default(),
            by_reason: BTreeMap::new(),
            discarded: BTreeMap::new(),
            told: BTreeMap::new(),
        };
        for listed in folder::list(dir)? {
            parked.take_in(&listed)?;
        }
        Ok(parked)
    }

    /// Notes of the first releases have no place in the queue: they come first, in the order of the log.
    fn take_in(&mut self, listed: &Listed) -> io::Result<()> {
        let (head, check) = folder::read_ends(&self.dir, listed.place)?;
        let note = listed.note.as_ref();
        let item = Item {
            class: note.map_or(Class::Refused, |note| note.class),
            reason: self.reason(note.map_or("unknown", |note| &note.reason)),
            bytes: listed.bytes,
            first_update: note.map_or(0, |note| note.first_update),
            seq: note.map_or(0, |note| note.seq).max(self.next_seq),
            check: u32::from_be_bytes(check),
            key: self.blocks.key(head.get(8..).unwrap_or_default()),
            table: note.and_then(Note::waits_for),
        };
        self.insert(listed.place, item);
        Ok(())
    }

    fn insert(&mut self, place: Place, item: Item) {
        self.forget(place);
        self.bytes += item.bytes;
        *self.by_reason.entry((item.class, item.reason.clone())).or_default() += 1;
        self.next_seq = self.next_seq.max(item.seq + 1);
        if item.class == Class::Waiting {
            self.queue.insert(item.seq, place);
        }
        self.items.insert(place, item);
    }

    fn forget(&mut self, place: Place) -> Option<Item> {
        let item = self.items.remove(&place)?;
        self.bytes -= item.bytes;
        self.queue.remove(&item.seq);
        let label = (item.class, item.reason.clone());
        if let Some(count) = self.by_reason.get_mut(&label) {
            *count -= 1;
            if *count == 0 {
                self.by_reason.remove(&label);
            }
        }
        Some(item)
    }

    /// The same text once, however many entries have it.
    fn reason(&self, reason: &str) -> Arc<str> {
        self.by_reason.keys().find(|(_, known)| &**known == reason).map_or_else(|| reason.into(), |(_, known)| known.clone())
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether something of the entry is parked.
    pub fn holds(&self, at: CommitLogPosition) -> bool {
        self.places_at(at).next().is_some()
    }

    /// What is parked of one entry.
    pub fn places_at(&self, at: CommitLogPosition) -> impl Iterator<Item = Place> {
        self.items.range(parts_of(at)).map(|(place, _)| *place)
    }

    /// A parked entry.
    pub fn get(&self, place: Place) -> Option<&Item> {
        self.items.get(&place)
    }

    /// All that is parked.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.items.keys().copied()
    }

    /// What waits, first come first.
    pub fn queue(&self) -> impl Iterator<Item = Place> {
        self.queue.values().copied()
    }

    /// How many are parked, by class and reason.
    pub fn by_reason(&self) -> impl Iterator<Item = (Class, &str, u64)> {
        self.by_reason.iter().map(|((class, reason), count)| (*class, &**reason, *count))
    }

    /// Whether an entry of this size may still be parked. If not, the reader stops: nothing is dropped.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.bytes.saturating_add(bytes) <= self.limit
    }

    /// Keeps an entry, at the end of the queue if it waits. It is on disk when this returns. Parking the same entry again replaces it.
    ///
    /// # Errors
    /// What the file system says; [`ErrorKind::AlreadyExists`] if another entry is parked under this position.
    pub fn park(&mut self, at: CommitLogPosition, frame: &[u8], mut note: Note) -> io::Result<()> {
        let place = Place { at, ordinal: note.ordinal };
        let check = frame.last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        if self.items.get(&place).is_some_and(|item| item.check != check) {
            return Err(io::Error::new(ErrorKind::AlreadyExists, format!("another content of the segment has parked entry {place}")));
        }
        note.seq = self.next_seq;
        note.lost |= self.discarded_at(at);
        folder::write(&self.dir, place, frame, &note)?;
        let key = self.blocks.key(frame.get(8..).unwrap_or_default());
        let table = note.waits_for();
        let item = Item {
            class: note.class,
            reason: self.reason(&note.reason),
            bytes: frame.len() as u64,
            first_update: note.first_update,
            seq: note.seq,
            check,
            key,
            table,
        };
        self.insert(place, item);
        if note.class == Class::Waiting {
            self.blocks.add(key, table);
        }
        Ok(())
    }

    /// An entry that lies here is read again: it comes behind what was read before it, and others behind it.
    ///
    /// # Errors
    /// As [`Parked::park`].
    pub fn park_again(&mut self, at: CommitLogPosition, frame: &[u8]) -> io::Result<()> {
        let place = Place { at, ordinal: None };
        match (self.items.get(&place), folder::read_note(&self.dir, place)) {
            (Some(_), Some(note)) => self.park(at, frame, note),
            _ => Ok(()),
        }
    }

    /// Replaces the note of an entry, which keeps its place in the queue.
    ///
    /// # Errors
    /// What the file system says.
    pub fn rewrite(&mut self, place: Place, note: &Note) -> io::Result<()> {
        let Some(item) = self.items.get(&place).cloned() else { return Ok(()) };
        folder::rewrite(&self.dir, place, note)?;
        let reason = self.reason(&note.reason);
        let item = Item { class: note.class, reason, first_update: note.first_update, table: note.waits_for(), ..item };
        self.insert(place, item);
        Ok(())
    }

    /// Removes entries that were published or discarded.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove(&mut self, places: &[Place]) -> io::Result<()> {
        folder::remove(&self.dir, places)?;
        for place in places {
            self.forget(*place);
        }
        Ok(())
    }

    /// Nothing is blocked any more.
    pub fn unblock_all(&mut self) {
        self.blocks.clear();
    }

    /// What comes later of the entry's key, and of the table that it waits for, waits behind it.
    pub fn block(&mut self, place: Place) {
        if let Some(item) = self.items.get(&place).filter(|item| item.class == Class::Waiting) {
            self.blocks.add(item.key, item.table);
        }
    }

    /// The same, for what the entry waits for by another note than it has.
    pub fn block_as(&mut self, place: Place, note: &Note) {
        if let Some(item) = self.items.get(&place).filter(|_| note.class == Class::Waiting) {
            self.blocks.add(item.key, note.waits_for());
        }
    }

    /// The last of each segment.
    pub fn last_of_segments(&self) -> Vec<CommitLogPosition> {
        let mut found: Vec<CommitLogPosition> = Vec::new();
        let before = |place: &Place| {
            self.items.range(..Place { at: CommitLogPosition { position: LogicalPosition(0), ..place.at }, ordinal: None }).next_back()
        };
        let mut next = self.items.last_key_value();
        while let Some((place, _)) = next {
            found.push(place.at);
            next = before(place);
        }
        found
    }

    /// Whether an entry with this body has to wait because of its partition key.
    pub fn blocks_key(&self, body: &[u8]) -> bool {
        !self.blocks.is_empty() && self.blocks.blocks_key(self.blocks.key(body))
    }

    /// Whether an update of this table has to wait.
    pub fn blocks_table(&self, table: TableId) -> bool {
        self.blocks.blocks_table(table)
    }

    /// The tables that something waits for.
    pub fn blocked_tables(&self) -> impl Iterator<Item = TableId> {
        self.blocks.tables()
    }

    /// What somebody has decided to do without: each place, and the first update that was not published. It is not parked again.
    pub fn discard(&mut self, place: Place, first_update: u32) {
        self.discarded.insert(place, first_update);
    }

    /// Whether something of the entry was discarded.
    pub fn discarded_at(&self, at: CommitLogPosition) -> bool {
        self.discarded.range(parts_of(at)).next().is_some()
    }

    /// The first update of an entry that is not published by reading it again, because it lies here or was discarded.
    pub fn kept_from(&self, at: CommitLogPosition) -> Option<u32> {
        let place = Place { at, ordinal: None };
        self.items.get(&place).map(|item| item.first_update).or_else(|| self.discarded.get(&place).copied())
    }

    /// Single events that are not sent by reading their entries again.
    pub fn kept_events(&self) -> impl Iterator<Item = (CommitLogPosition, u32)> {
        self.items.keys().chain(self.discarded.keys()).filter_map(|place| Some((place.at, place.ordinal?)))
    }

    /// Whether to write a line about this one: `Some` of how many like it came since the last line that nothing was said about.
    pub fn untold(&mut self, note: &Note, now: Instant) -> Option<u64> {
        // What is queued has a table, but not as its reason.
        let what = (note.reason.clone(), note.table_id.clone().filter(|_| note.reason != QUEUED));
        let Some(told) = self.told.get_mut(&what) else {
            self.told.insert(what, Told { at: now, more: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(told.at) < TELL_INTERVAL {
            told.more += 1;
            return None;
        }
        told.at = now;
        Some(std::mem::take(&mut told.more))
    }

    /// How many entries are parked.
    pub fn entries(&self) -> u64 {
        self.items.len() as u64
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The entry as a whole, and each of its events.
fn parts_of(at: CommitLogPosition) -> RangeInclusive<Place> {
    Place { at, ordinal: None }..=Place { at, ordinal: Some(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::UnixMillis;
    use crate::position::SegmentId;
    use std::fs;

    fn note() -> Note {
        Note {
            v: 1,
            segment: "CommitLog-7-5.log".into(),
            position: 900,
            class: Class::Waiting,
            reason: "unknown_table".into(),
            message: "unknown table id".into(),
            table_id: Some("f3e6a9f0-e692-11f1-bc0a-0fca4260b4c7".into()),
            table: None,
            first_update: 0,
            ordinal: None,
            tries: 0,
            seq: 0,
            parked_at: UnixMillis(0),
            lost: false,
        }
    }

    const AT: CommitLogPosition = CommitLogPosition { segment: SegmentId(5), position: LogicalPosition(900) };

    #[test]
    fn a_parked_entry_is_kept_with_its_reason_and_counted_again_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut parked = Parked::open(dir.path(), 1000).unwrap();

        parked.park(AT, b"raw bytes", note()).unwrap();
        parked.park(AT, b"raw bytes", note()).unwrap();

        let again = Parked::open(dir.path(), 1000).unwrap();
        assert_eq!((again.entries(), again.bytes()), (1, 9));
        assert_eq!((parked.entries(), parked.bytes()), (1, 9));
        assert_eq!(fs::read(dir.path().join("5-900.entry")).unwrap(), b"raw bytes");
        let read: Note = serde_json::from_slice(&fs::read(dir.path().join("5-900.json")).unwrap()).unwrap();
        assert_eq!(read, Note { seq: 2, ..note() });
    }

    #[test]
    fn a_parked_entry_is_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();

        Parked::open(dir.path(), 1000).unwrap().park(AT, b"raw bytes", note()).unwrap();

        let mode = fs::metadata(dir.path().join("5-900.entry")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn one_reason_is_told_once_in_a_while_with_how_many_were_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut parked = Parked::open(dir.path(), 1000).unwrap();
        let start = Instant::now();
        let other = Note { table_id: None, reason: "malformed".into(), ..note() };

        assert_eq!(parked.untold(&note(), start), Some(0));
        assert_eq!((0..5).filter_map(|_| parked.untold(&note(), start)).count(), 0);

        assert_eq!(parked.untold(&other, start), Some(0));
        assert_eq!(parked.untold(&note(), start + TELL_INTERVAL), Some(5));
    }

    #[test]
    fn nothing_is_taken_beyond_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let mut parked = Parked::open(dir.path(), 10).unwrap();

        assert!(parked.has_room(9));
        parked.park(AT, b"raw bytes", note()).unwrap();

        assert!(!parked.has_room(9));
    }
}
