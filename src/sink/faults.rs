//! What can go wrong with a sink, from a script or from a seed.

use crate::envelope::{Record, Topic};
use std::collections::BTreeMap;

/// A seeded sequence of choices (SplitMix64): the same seed is the same run.
#[derive(Clone, Debug)]
pub struct Choices(u64);

impl Choices {
    /// The choices of `seed`.
    pub fn new(seed: u64) -> Choices {
        Choices(seed)
    }

    /// True `per_mille` times in a thousand.
    pub fn happens(&mut self, per_mille: u32) -> bool {
        self.below(1000) < u64::from(per_mille)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).checked_rem(bound).unwrap_or(0)
    }
}

/// What happens to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `send` answers that there is no room, once.
    Full,
    /// `send` answers that the topic does not exist.
    UnknownTopic(Topic),
    /// `send` answers that it is not allowed.
    Unauthorized,
    /// The report says that the record will never be taken, and it does not arrive.
    Refused,
    /// The report says that it failed, and it did not arrive.
    Lost,
    /// The report says that it failed, and it did arrive.
    ArrivedAllTheSame,
    /// The record arrives, and the report never comes.
    Silent,
}

/// Which records are never taken.
pub type Refuses = Box<dyn Fn(&Record) -> bool + Send>;

/// Faults to come. The default has none: every record arrives, in order, and is reported at the next poll.
#[derive(Default)]
pub struct Faults {
    /// By number of the `send` call over the life of the sink, from 0. A call that answers
    /// [`Fault::Full`] counts too.
    pub script: BTreeMap<u64, Fault>,
    /// Records that are refused whenever they come, as one that is too large is.
    pub refuses: Option<Refuses>,
    /// Seed of everything below.
    pub seed: u64,
    /// How often in a thousand a delivery fails; whether it arrived all the same is chosen too.
    pub fails_per_mille: u32,
    /// How often in a thousand `send` answers full.
    pub full_per_mille: u32,
    /// How often in a thousand a record waits for one poll more, so that reports come late and out of order.
    pub late_per_mille: u32,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults")
            .field("script", &self.script)
            .field("seed", &self.seed)
            .field("fails_per_mille", &self.fails_per_mille)
            .field("full_per_mille", &self.full_per_mille)
            .field("late_per_mille", &self.late_per_mille)
            .finish_non_exhaustive()
    }
}
