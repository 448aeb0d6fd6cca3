//! What is written down about a parked entry, and how one is named.

use crate::checkpoint::UnixMillis;
use crate::position::{CommitLogPosition, LogicalPosition, SegmentId};
use crate::schema::TableId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Reason of an entry that could be published, but for one before it that waits.
pub const QUEUED: &str = "queued";

/// Whether time can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Something is missing that may come: the schema. Later entries of the same table and of the same partition key wait behind it.
    Waiting,
    /// It cannot be published as it is: too large, not decodable. The rest goes on; if it is published at last, it is late.
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
    /// The table of the first update that was not published. Where that table is the reason, its later updates wait too.
    pub table_id: Option<String>,
    /// Its name, if it was known.
    #[serde(default)]
    pub table: Option<String>,
    /// The first partition update that was not published.
    pub first_update: u32,
    /// The one event that was refused, if the rest was published.
    pub ordinal: Option<u32>,
    /// How often it was tried again.
    pub tries: u32,
    /// Its place in the queue: what is parked later has a greater one.
    #[serde(default)]
    pub seq: u64,
    /// When it was parked.
    #[serde(default)]
    pub parked_at: UnixMillis,
    /// Whether another part of the entry was discarded: then all of it counts as lost.
    #[serde(default)]
    pub lost: bool,
}

impl Note {
    /// The table whose later updates wait behind this entry.
    pub fn waits_for(&self) -> Option<TableId> {
        let is_head = self.class == Class::Waiting && self.reason != QUEUED;
        let id = self.table_id.as_deref().filter(|_| is_head)?;
        Uuid::parse_str(id).ok().map(TableId)
    }
}

/// Names a parked entry, or one event of it: `segment:position` or `segment:position/ordinal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The entry.
    pub at: CommitLogPosition,
    /// The event, if all others of the entry were published.
    pub ordinal: Option<u32>,
}

impl Place {
    /// The name of its files, without the ending.
    pub fn stem(&self) -> String {
        match self.ordinal {
            None => format!("{}-{}", self.at.segment, self.at.position),
            Some(ordinal) => format!("{}-{}-{ordinal}", self.at.segment, self.at.position),
        }
    }

    /// From the name of a file without its ending.
    pub fn of_stem(stem: &str) -> Option<Place> {
        let mut parts = stem.split('-');
        let (segment, position, ordinal) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next());
        let ordinal = ordinal.map(|ordinal| ordinal.parse().ok()).map_or(Some(None), |ordinal| ordinal.map(Some))?;
        parts.next().is_none().then_some(Place::new(segment, position, ordinal))
    }

    fn new(segment: u64, position: u32, ordinal: Option<u32>) -> Place {
        Place { at: CommitLogPosition { segment: SegmentId(segment), position: LogicalPosition(position) }, ordinal }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ordinal {
            None => self.at.fmt(f),
            Some(ordinal) => write!(f, "{}/{ordinal}", self.at),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let parse = || {
            let (segment, rest) = text.split_once(':')?;
            let (position, ordinal) = match rest.split_once('/') {
                None => (rest, None),
                Some((position, ordinal)) => (position, Some(ordinal.parse().ok()?)),
            };
            Some(Place::new(segment.parse().ok()?, position.parse().ok()?, ordinal))
        };
        parse().ok_or_else(|| {
            format!("{text:?} is not a position: expected segment:position or segment:position/ordinal, as `parked list` prints it")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_printed() {
        for place in [Place::new(1795374647657, 4711, None), Place::new(5, 900, Some(3))] {
            assert_eq!(place.to_string().parse(), Ok(place));
            assert_eq!(Place::of_stem(&place.stem()), Some(place));
        }
        for text in ["", "5", "5:", "5:x", "5:1/", "5:1/x", "-5:1", "5-1"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
        assert_eq!(Place::of_stem("5-1-2-3"), None);
    }

    #[test]
    fn a_note_of_the_first_release_is_read() {
        let old = r#"{"v":1,"segment":"CommitLog-7-5.log","position":900,"class":"waiting","reason":"unknown_table","message":"m",
            "table_id":"f3e6a9f0-e692-11f1-bc0a-0fca4260b4c7","first_update":1,"ordinal":null,"tries":0}"#;

        let note: Note = serde_json::from_str(old).unwrap();

        assert_eq!((note.seq, note.parked_at, note.table.as_deref(), note.lost), (0, UnixMillis(0), None, false));
        assert!(note.waits_for().is_some());
    }
}
