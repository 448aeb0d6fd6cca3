//! Deliberate faults on the way that an acknowledgement takes back to the folder, so that a test of that way can show that it would see
//! one. There are none but in a build with the feature `mutants`, which only that test turns on, and then the one that the variable
//! `RINGTAIL_MUTANT` names.

/// The faults, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The watermark follows the highest acknowledgement, not the contiguous ones.
    HighestAck = 1,
    /// A checkpoint says what was sent, not what has arrived.
    EarlyCheckpoint = 2,
    /// A segment goes before a durable record covers its end.
    EarlyReclaim = 3,
    /// A save that ends a segment is not flushed.
    SaveNotFlushed = 4,
    /// A rewind forgets what waits in the folder of parked entries.
    RewindForgetsParked = 5,
    /// A failed delivery counts as one that arrived.
    FailureCountsAsAck = 6,
    /// Reading goes on one entry too far.
    ResumeTooFar = 7,
    /// The ledger counts on a link that is not synced.
    LinkNotSynced = 8,
    /// The watermark passes a parked entry whose name is not synced.
    ParkedNotSynced = 9,
    /// A segment that has vanished is not reported.
    LossForgotten = 10,
}

/// How many there are.
pub const MUTANTS: u8 = 10;

/// Whether this is the fault that was asked for.
#[cfg(feature = "mutants")]
pub fn mutant(which: Mutant) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<u8>> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| std::env::var("RINGTAIL_MUTANT").ok()?.parse().ok()) == Some(which as u8)
}

/// Never.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn mutant(_which: Mutant) -> bool {
    false
}
