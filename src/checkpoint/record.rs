//! What the ledger knows of one segment.

use crate::position::{LogicalPosition, SegmentId};
use crate::progress::DeliveredTo;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// Names one record: the segment's id, and a number that grows when the same id comes back with other content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentKey {
    /// The segment.
    pub id: SegmentId,
    /// 0 for the first content seen under this id.
    pub incarnation: u8,
}

/// Milliseconds since 1970, as the caller's clock has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnixMillis(pub u64);

/// The ledger's record of one segment.
///
/// Written by the pipeline; only the state is guarded, because what may be deleted hangs on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentRecord {
    /// The file's name in `cdc_raw`.
    pub file: String,
    /// The version in the name (`CommitLogDescriptor.version`).
    pub version: u32,
    /// The inode that our link held when the segment was first seen.
    pub inode: u64,
    /// When this agent first saw it.
    pub first_seen: UnixMillis,
    /// The CRC of the header, once read.
    pub header_crc: Option<u32>,
    /// The body CRC of the first entry, once there is one.
    pub first_entry_crc: Option<u32>,
    /// The last CDC index that was read.
    pub idx: Option<IndexRecord>,
    /// The logical end of the segment's last entry, once the segment is final and was read to its end.
    pub end: Option<u32>,
    /// How far everything has arrived.
    pub delivered_to: DeliveredTo,
    state: SegmentState,
    /// When the record entered a state that is the end of it; what pruning goes by.
    ended: Option<UnixMillis>,
    /// What became of the name in `cdc_raw`.
    pub cdc_raw: NamePresence,
    /// Where every byte went.
    pub bytes: Bytes,
    /// What is parked of it.
    pub parked: ParkedCount,
    /// The damaged ranges, at most [`SegmentRecord::DAMAGE_LIMIT`].
    pub damage: Vec<DamageRecord>,
    /// For a person: why it is quarantined or lost.
    pub cause: Option<String>,
    /// What became of its entries.
    #[serde(default)]
    pub entries: Entries,
    /// The position of its first entry, once there is one.
    #[serde(default)]
    pub first: Option<u32>,
    /// CRC32C over the body checksums of all its entries in their order, once it was read to its end: what an archive of the same
    /// segment must give, too.
    #[serde(default)]
    pub content_crc: Option<u32>,
    /// Ranges that somebody has decided not to deliver, in the order of the decisions.
    #[serde(default)]
    pub skipped: Vec<SkippedRange>,
}

/// How many entries of a segment there are, and what became of them: each counts once. All but `seen` add up to `seen`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// Mutations whose checksums held.
    pub seen: u64,
    /// Something of them was published.
    pub published: u64,
    /// Rules of the operator leave them out.
    pub filtered: u64,
    /// They are kept aside.
    pub parked: u64,
    /// Something of them was given up.
    pub lost: u64,
}

/// A range that is not delivered because somebody said so: a loss that is acknowledged from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedRange {
    /// Entries behind this position …
    pub from: u32,
    /// … up to this one.
    pub to: u32,
    /// When.
    pub at: UnixMillis,
}

/// A CDC index as last read (`CommitLogSegment.writeCDCIndexFile`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRecord {
    /// The logical position up to which the node has synced. Means nothing once `completed`.
    pub synced: u32,
    /// Whether the node has closed the segment.
    pub completed: bool,
}

/// What became of a segment.
///
/// `open → final → delivered → finished`; aside, `quarantined` and `lost`, both until somebody acknowledged them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentState {
    /// The node may still write to it.
    Open,
    /// The node will not write to it again; not everything has arrived yet.
    Final,
    /// Everything up to its end has arrived.
    Delivered,
    /// Delivered, and our links to it are gone.
    Finished(Ending),
    /// The whole file is kept in `quarantine/`.
    Quarantined,
    /// Bytes of it are gone that were never delivered.
    Lost(LossCause),
    /// Somebody has taken note that it was quarantined or lost.
    Acknowledged,
}

/// What became of the name in `cdc_raw` at the end (`source.finished`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Removed.
    Deleted,
    /// Copied or linked into the archive, then removed.
    Archived,
    /// Left where it was.
    Kept,
}

/// Why bytes were lost (`ringtail_lost_*_total{cause}`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossCause {
    /// Known to the ledger, and neither in `cdc_raw` nor in the spool any more.
    Vanished,
    /// Had CDC data and was removed before our link was made.
    NeverLinked,
    /// Not linked because the volume was too full, and removed by the node.
    NoSpace,
    /// Removed by us because the spool was full and `state.spool.full` says so.
    Dropped,
    /// The state that knew of it is gone.
    StateLost,
    /// Its id never came into sight. Of gaps only.
    Unseen,
    /// The node made it while it refused CDC writes, and did not link it. Of gaps only.
    Refused,
}

/// Whether the segment's name is in `cdc_raw`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamePresence {
    /// It is.
    #[default]
    Present,
    /// We have removed it.
    Released,
    /// Somebody else has removed it.
    Gone,
}

/// Where every byte of a segment went: two sums (I5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// Over the file.
    pub file: FileBytes,
    /// Over the insides of its sections.
    pub logical: LogicalBytes,
}

/// Bytes of the file. All but `length` add up to `length`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileBytes {
    /// The file's length.
    pub length: u64,
    /// The descriptor at its beginning.
    pub header: u64,
    /// Sync markers.
    pub markers: u64,
    /// Heads of compressed or encrypted sections.
    pub section_heads: u64,
    /// What stands in sections.
    pub section_payload: u64,
    /// Zeros after the last section.
    pub padding: u64,
    /// Not zero, and behind the end of the marker chain: what the node's own replay drops.
    pub unmarked: u64,
    /// Not readable.
    pub damaged: u64,
}

/// Logical bytes inside sections. All but `sections` and `delivered_ahead` add up to `sections`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogicalBytes {
    /// Sum of the sections' lengths.
    pub sections: u64,
    /// Entries whose events arrived.
    pub delivered: u64,
    /// Entries that rules of the operator leave out.
    pub filtered: u64,
    /// Entries that are kept aside.
    pub parked: u64,
    /// What could not be read.
    pub damaged: u64,
    /// What is gone.
    pub lost: u64,
    /// Zeros at the end of sections.
    pub padding: u64,
    /// The part of `unmarked` that was delivered before the node dropped it; outside the sum.
    pub delivered_ahead: u64,
}

/// What is parked of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedCount {
    /// Entries.
    pub entries: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// One range that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamageRecord {
    /// Its first byte, as a file offset.
    pub file_offset: u64,
    /// Its length in the file.
    pub bytes: u64,
    /// Where it begins in logical positions, if it lies in a section whose beginning could be read.
    pub position: Option<u32>,
    /// What is wrong there; `several` where ranges were joined because there were too many.
    pub kind: String,
}

/// A step that the ledger refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// No such step exists.
    #[error("segment {key} cannot go from {from} to {to}")]
    NoSuchStep {
        /// Which segment.
        key: SegmentKey,
        /// Where it is.
        from: SegmentState,
        /// Where it should go.
        to: SegmentState,
    },
    /// Not everything has arrived.
    #[error("segment {key} is not delivered: its end is {end:?}, everything has arrived up to {delivered_to:?}")]
    NotDelivered {
        /// Which segment.
        key: SegmentKey,
        /// Its end, if known.
        end: Option<u32>,
        /// How far everything has arrived.
        delivered_to: DeliveredTo,
    },
}

impl FileBytes {
    /// What all but `length` add up to.
    pub fn sum(&self) -> u64 {
        self.header + self.markers + self.section_heads + self.section_payload + self.padding + self.unmarked + self.damaged
    }
}

impl LogicalBytes {
    /// What all but `sections` and `delivered_ahead` add up to.
    pub fn sum(&self) -> u64 {
        self.delivered + self.filtered + self.parked + self.damaged + self.lost + self.padding
    }
}

impl Entries {
    /// What all but `seen` add up to.
    pub fn sum(&self) -> u64 {
        self.published + self.filtered + self.parked + self.lost
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, more: Bytes) {
        let (file, logical) = (&mut self.file, &mut self.logical);
        file.length += more.file.length;
        file.header += more.file.header;
        file.markers += more.file.markers;
        file.section_heads += more.file.section_heads;
        file.section_payload += more.file.section_payload;
        file.padding += more.file.padding;
        file.unmarked += more.file.unmarked;
        file.damaged += more.file.damaged;
        logical.sections += more.logical.sections;
        logical.delivered += more.logical.delivered;
        logical.filtered += more.logical.filtered;
        logical.parked += more.logical.parked;
        logical.damaged += more.logical.damaged;
        logical.lost += more.logical.lost;
        logical.padding += more.logical.padding;
        logical.delivered_ahead += more.logical.delivered_ahead;
    }
}

impl AddAssign for Entries {
    fn add_assign(&mut self, more: Entries) {
        self.seen += more.seen;
        self.published += more.published;
        self.filtered += more.filtered;
        self.parked += more.parked;
        self.lost += more.lost;
    }
}

impl LossCause {
    /// Its name in metrics and records.
    pub fn name(self) -> &'static str {
        match self {
            LossCause::Vanished => "vanished",
            LossCause::NeverLinked => "never_linked",
            LossCause::NoSpace => "no_space",
            LossCause::Dropped => "dropped",
            LossCause::StateLost => "state_lost",
            LossCause::Unseen => "unseen",
            LossCause::Refused => "refused",
        }
    }
}

impl SegmentRecord {
    /// How many damaged ranges are kept one by one. A record is rewritten with each checkpoint and should fit into a page of the
    /// store, so it stays small.
    pub const DAMAGE_LIMIT: usize = 32;

    /// The record of a segment that was just seen.
    pub fn new(file: String, version: u32, inode: u64, first_seen: UnixMillis) -> SegmentRecord {
        SegmentRecord {
            file,
            version,
            inode,
            first_seen,
            header_crc: None,
            first_entry_crc: None,
            idx: None,
            end: None,
            delivered_to: DeliveredTo::default(),
            state: SegmentState::Open,
            ended: None,
            cdc_raw: NamePresence::Present,
            bytes: Bytes::default(),
            parked: ParkedCount::default(),
            damage: Vec::new(),
            cause: None,
            entries: Entries::default(),
            first: None,
            content_crc: None,
            skipped: Vec::new(),
        }
    }

    /// What became of it.
    pub fn state(&self) -> SegmentState {
        self.state
    }

    /// When it came to its end, if it has.
    pub fn ended(&self) -> Option<UnixMillis> {
        self.ended
    }

    /// Whether nothing is left to do and nobody needs to be told.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, SegmentState::Finished(_) | SegmentState::Acknowledged)
    }

    /// The segment's end, once known.
    pub fn end(&self) -> Option<LogicalPosition> {
        self.end.map(LogicalPosition)
    }

    /// Whether everything up to the known end has arrived.
    pub fn is_covered(&self) -> bool {
        self.end().is_some_and(|end| self.delivered_to.position >= end)
    }

    /// Notes a damaged range. Beyond [`SegmentRecord::DAMAGE_LIMIT`] the last one is widened; the byte counts stay exact.
    pub fn add_damage(&mut self, new: DamageRecord) {
        let many = self.damage.len() >= Self::DAMAGE_LIMIT;
        match self.damage.last_mut().filter(|_| many) {
            None => self.damage.push(new),
            Some(last) => {
                last.bytes = (new.file_offset.saturating_add(new.bytes)).saturating_sub(last.file_offset).max(last.bytes);
                last.kind = "several".to_owned();
            }
        }
    }

    /// Goes to another state.
    pub(super) fn enter(&mut self, key: SegmentKey, to: SegmentState, now: UnixMillis) -> Result<(), TransitionError> {
        if !self.state.may_become(to) {
            return Err(TransitionError::NoSuchStep { key, from: self.state, to });
        }
        if to == SegmentState::Delivered && !self.is_covered() {
            return Err(TransitionError::NotDelivered { key, end: self.end, delivered_to: self.delivered_to });
        }
        self.state = to;
        self.ended = self.is_ended().then_some(now);
        Ok(())
    }
}

impl SegmentState {
    /// The name of the state, without how or why.
    pub fn name(self) -> &'static str {
        match self {
            SegmentState::Open => "open",
            SegmentState::Final => "final",
            SegmentState::Delivered => "delivered",
            SegmentState::Finished(_) => "finished",
            SegmentState::Quarantined => "quarantined",
            SegmentState::Lost(_) => "lost",
            SegmentState::Acknowledged => "acknowledged",
        }
    }

    fn may_become(self, to: SegmentState) -> bool {
        use SegmentState::{Acknowledged, Delivered, Final, Finished, Lost, Open, Quarantined};
        match (self, to) {
            (Open, Final) | (Final, Delivered) | (Delivered, Finished(_)) => true,
            (Open | Final, Lost(_)) => true,
            // Delivered, because a file with damaged ranges is kept whole after the rest of it has arrived.
            (Open | Final | Delivered, Quarantined) => true,
            (Quarantined | Lost(_), Acknowledged) => true,
            // The node links a segment again after a crash, or somebody brings a lost file back: what is new in it is delivered.
            (Finished(_) | Lost(_) | Quarantined | Acknowledged, Open) => true,
            // Its position is taken back by hand.
            (Final, Open) => true,
            _ => false,
        }
    }
}

impl SegmentKey {
    /// The first content seen under this id.
    pub fn first(id: SegmentId) -> SegmentKey {
        SegmentKey { id, incarnation: 0 }
    }

    /// The key for other content under the same id; `None` after 255 of them.
    pub fn next(self) -> Option<SegmentKey> {
        Some(SegmentKey { id: self.id, incarnation: self.incarnation.checked_add(1)? })
    }
}

impl UnixMillis {
    /// How long after `earlier`; zero if the clock went backwards.
    pub fn since(self, earlier: UnixMillis) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for UnixMillis {
    fn from(time: SystemTime) -> UnixMillis {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The inverse of how a page of the ledger names its keys: `id` or `id.incarnation`.
impl FromStr for SegmentKey {
    type Err = String;

    fn from_str(text: &str) -> Result<SegmentKey, String> {
        let wrong = || format!("{text:?} is no segment: expected its id, as 1795374647657");
        let (id, incarnation) = match text.split_once('.') {
            None => (text, "0"),
            Some(parts) => parts,
        };
        let id = id.parse().map_err(|_| wrong())?;
        Ok(SegmentKey { id: SegmentId(id), incarnation: incarnation.parse().map_err(|_| wrong())? })
    }
}

impl fmt::Display for SegmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.incarnation {
            0 => self.id.fmt(f),
            n => write!(f, "{} (content {})", self.id, u32::from(n) + 1),
        }
    }
}

impl fmt::Display for SegmentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            SegmentState::Finished(Ending::Deleted) => f.write_str(" (deleted)"),
            SegmentState::Finished(Ending::Archived) => f.write_str(" (archived)"),
            SegmentState::Finished(Ending::Kept) => f.write_str(" (kept)"),
            SegmentState::Lost(cause) => write!(f, " ({cause})"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for LossCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
