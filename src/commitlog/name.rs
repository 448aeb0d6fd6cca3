//! The names of a segment's files.

use crate::position::SegmentId;
use std::fmt;

/// The name of a segment: `CommitLog-<version>-<id>`, without the suffix.
///
/// Cassandra: `CommitLogDescriptor.fileName`, `cdcIndexFileName`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// The segment. First, so that names order by id.
    pub id: SegmentId,
    /// `CommitLogDescriptor.version`: 6 for 3.x, 7 for 4.x and 5.0, 8 for 5.0 without compatibility mode.
    pub version: u32,
}

impl SegmentName {
    /// Parses `CommitLog-<version>-<id>.log`, strictly: what it accepts it also prints.
    pub fn parse_log(file: &str) -> Option<SegmentName> {
        SegmentName::parse(file, ".log")
    }

    /// Parses `CommitLog-<version>-<id>_cdc.idx`, as strictly.
    pub fn parse_index(file: &str) -> Option<SegmentName> {
        SegmentName::parse(file, "_cdc.idx")
    }

    /// The segment's file name: `CommitLog-7-1795374647657.log`.
    pub fn log(&self) -> String {
        format!("{self}.log")
    }

    /// The file name of its CDC index, which stands beside it in `cdc_raw`: `CommitLog-7-1795374647657_cdc.idx`.
    pub fn index(&self) -> String {
        format!("{self}_cdc.idx")
    }

    fn parse(file: &str, suffix: &str) -> Option<SegmentName> {
        let (version, id) = file.strip_prefix("CommitLog-")?.strip_suffix(suffix)?.split_once('-')?;
        // A Java long, and never negative.
        let id = decimal(id).filter(|id| i64::try_from(*id).is_ok())?;
        Some(SegmentName { id: SegmentId(id), version: u32::try_from(decimal(version)?).ok()? })
    }
}

/// Digits only, without leading zeros, so that two names are never one segment.
fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitLog-{}-{}", self.version, self.id)
    }
}
