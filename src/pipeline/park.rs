//! Mutations that could not be published, kept with their reason.
//!
//! `parked/<segment>-<position>.entry` holds the raw entry with both checksums (from a compressed segment, the logical
//! bytes); `.json` beside it says why. Both are on disk before the watermark passes the entry. They are as sensitive as
//! the commit log beside them: mode 0600, and no value in the note.

use crate::position::CommitLogPosition;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Whether time can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Something is missing that may come: the schema.
    Waiting,
    /// It cannot be published as it is: too large, not decodable.
    Refused,
}

impl Class {
    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Class::Waiting => "waiting",
            Class::Refused => "refused",
        }
    }
}

/// Why an entry is parked, and what of it was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Version of this form.
    pub v: u32,
    /// File name of the segment.
    pub segment: String,
    /// The entry's position.
    pub position: u32,
    /// Whether time can help.
    pub class: Class,
    /// A short name of the reason.
    pub reason: String,
    /// The reason in words.
    pub message: String,
    /// The table that is not known, if that is why.
    pub table_id: Option<String>,
    /// The first partition update that was not published.
    pub first_update: u32,
    /// The one event that was refused, if the rest was published.
    pub ordinal: Option<u32>,
    /// How often it was tried again.
    pub tries: u32,
}

/// The folder of parked entries.
#[derive(Debug)]
pub struct Parked {
    dir: PathBuf,
    limit: u64,
    bytes: u64,
    entries: u64,
    held: HashSet<(u64, u32)>,
    by_reason: BTreeMap<(Class, String), u64>,
    told: BTreeMap<(String, Option<String>), Told>,
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
    /// Opens the folder and counts what it holds. It takes entries until `limit` bytes are parked.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(dir: &Path, limit: u64) -> io::Result<Parked> {
        let mut parked = Parked {
            dir: dir.to_owned(),
            limit,
            bytes: 0,
            entries: 0,
            held: HashSet::new(),
            by_reason: BTreeMap::new(),
            told: BTreeMap::new(),
        };
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "entry") {
                // The note is written before the entry, so one without the other is not ours to explain: it still counts.
                let note = fs::read(path.with_extension("json")).ok().and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok());
                parked.count(place_of(&path), entry.metadata()?.len(), note.as_ref());
            }
        }
        Ok(parked)
    }

    fn count(&mut self, place: Option<(u64, u32)>, bytes: u64, note: Option<&Note>) {
        self.bytes += bytes;
        self.entries += 1;
        self.held.extend(place);
        let (class, reason) = note.map_or((Class::Refused, "unknown".to_owned()), |note| (note.class, note.reason.clone()));
        *self.by_reason.entry((class, reason)).or_default() += 1;
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether something of the entry is parked.
    pub fn holds(&self, at: CommitLogPosition) -> bool {
        self.held.contains(&(at.segment.0, at.position.0))
    }

    /// How many are parked, by class and reason.
    pub fn by_reason(&self) -> impl Iterator<Item = (Class, &str, u64)> {
        self.by_reason.iter().map(|((class, reason), count)| (*class, reason.as_str(), *count))
    }

    /// Whether an entry of this size may still be parked. If not, the reader stops: nothing is dropped.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.bytes.saturating_add(bytes) <= self.limit
    }

    /// Keeps an entry. It is on disk when this returns. Parking the same entry again replaces it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn park(&mut self, at: CommitLogPosition, frame: &[u8], note: &Note) -> io::Result<()> {
        let name = match note.ordinal {
            None => format!("{}-{}", at.segment, at.position),
            Some(ordinal) => format!("{}-{}-{ordinal}", at.segment, at.position),
        };
        let entry = self.dir.join(format!("{name}.entry"));
        let is_new = !entry.try_exists()?;
        write_durably(&self.dir.join(format!("{name}.json")), &serde_json::to_vec_pretty(note)?)?;
        write_durably(&entry, frame)?;
        File::open(&self.dir)?.sync_all()?;
        if is_new {
            self.count(Some((at.segment.0, at.position.0)), frame.len() as u64, Some(note));
        }
        Ok(())
    }

    /// Whether to write a line about this one: `Some` of how many like it came since the last line that nothing was said about.
    pub fn untold(&mut self, note: &Note, now: Instant) -> Option<u64> {
        let what = (note.reason.clone(), note.table_id.clone());
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
        self.entries
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Segment and position from `<segment>-<position>[-<ordinal>].entry`.
fn place_of(path: &Path) -> Option<(u64, u32)> {
    let mut parts = path.file_stem()?.to_str()?.split('-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Writes beside the name and renames, so that a crash leaves the old file or the new one.
fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{LogicalPosition, SegmentId};

    fn note() -> Note {
        Note {
            v: 1,
            segment: "CommitLog-7-5.log".into(),
            position: 900,
            class: Class::Waiting,
            reason: "unknown_table".into(),
            message: "unknown table id".into(),
            table_id: Some("f3e6a9f0-e692-11f1-bc0a-0fca4260b4c7".into()),
            first_update: 0,
            ordinal: None,
            tries: 0,
        }
    }

    const AT: CommitLogPosition = CommitLogPosition { segment: SegmentId(5), position: LogicalPosition(900) };

    #[test]
    fn a_parked_entry_is_kept_with_its_reason_and_counted_again_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut parked = Parked::open(dir.path(), 1000).unwrap();

        parked.park(AT, b"raw bytes", &note()).unwrap();
        parked.park(AT, b"raw bytes", &note()).unwrap();

        let again = Parked::open(dir.path(), 1000).unwrap();
        assert_eq!((again.entries(), again.bytes()), (1, 9));
        assert_eq!((parked.entries(), parked.bytes()), (1, 9));
        assert_eq!(fs::read(dir.path().join("5-900.entry")).unwrap(), b"raw bytes");
        let read: Note = serde_json::from_slice(&fs::read(dir.path().join("5-900.json")).unwrap()).unwrap();
        assert_eq!(read, note());
    }

    #[test]
    fn a_parked_entry_is_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();

        Parked::open(dir.path(), 1000).unwrap().park(AT, b"raw bytes", &note()).unwrap();

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
        parked.park(AT, b"raw bytes", &note()).unwrap();

        assert!(!parked.has_room(9));
    }
}
