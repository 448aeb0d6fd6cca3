//! Whether the node may still write to a segment.
//!
//! Reading on after the end is only slow; concluding the end too early loses what is written later. So every rule here proves
//! that nobody writes any more, and none concludes anything from a rule not holding.

use super::scan::{FileId, regular};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Whether a segment can still grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finality {
    /// Nothing proves that it cannot.
    #[default]
    Open,
    /// It cannot. Its data is all there.
    Final(FinalReason),
}

/// What proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalReason {
    /// The node's version (3.11) moves a segment to `cdc_raw` only when it is done with it.
    Moved,
    /// Its index says COMPLETED.
    Completed,
    /// No name is left but ours and that in `cdc_raw`: the node has removed its own, through which it writes.
    OnlyOurs,
    /// Its last section is empty, which only closing a segment leaves. After a clean stop the node keeps its own name for the segment
    /// that it had just begun, so nothing else tells.
    Closed,
    /// A newer segment has been written to for long enough.
    Succeeded,
    /// The name is gone from the commit-log folder.
    GoneFromCommitLog,
    /// A former run had proved it, and has it on record: what proved it may not show again, as once a link of ours lies in the archive.
    Recorded,
}

/// The first version in file names whose segments are linked to `cdc_raw`, not moved there.
const LINKED_SINCE: u32 = 7;

/// How long a newer segment must have been written to, at least.
const SUCCESSOR_WAIT: Duration = Duration::from_secs(60);

/// A consistent look at a segment's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// Whether the name in `cdc_raw` is this file's.
    pub present: bool,
    /// Names that are neither ours nor in `cdc_raw`.
    pub others: u64,
}

/// Whether segments of this version are complete when they appear.
pub(super) fn is_moved(version: u32) -> bool {
    version < LINKED_SINCE
}

/// How long after a newer segment was first written to, by the node's sync period.
pub(super) fn successor_wait(sync_period: Duration) -> Duration {
    SUCCESSOR_WAIT.max(sync_period.saturating_mul(3))
}

/// Whether that time has passed.
pub(super) fn is_succeeded(since: Instant, now: Instant, wait: Duration) -> bool {
    now.saturating_duration_since(since) >= wait
}

/// Counts the names that others have.
///
/// The name in `cdc_raw` is looked at before and after counting the links: were it removed in between, the count would be one too
/// low, and a segment that the node still writes to would seem to be ours alone. `None` if the looks disagree.
///
/// # Errors
/// The file system's; `NotFound` if our own link is gone.
pub(super) fn look(name: &Path, spooled: &Path, file: FileId) -> io::Result<Option<Names>> {
    let before = FileId::at(name)?;
    let ours = regular(spooled)?.filter(|metadata| FileId::of(metadata) == file);
    let links = ours.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?.links;
    let after = FileId::at(name)?;
    if before != after {
        return Ok(None);
    }
    let present = after == Some(file);
    Ok(links.checked_sub(1 + u64::from(present)).map(|others| Names { present, others }))
}
