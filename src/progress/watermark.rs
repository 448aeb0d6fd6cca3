//! How far each segment has arrived, is being saved, and is durable.

use crate::mutant::{Mutant, mutant};
use crate::position::{LogicalPosition, SegmentId};
use std::collections::{BTreeMap, VecDeque};

/// How far into a segment everything has arrived.
///
/// Ordered, because within a segment it only grows (I2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct DeliveredTo {
    /// The end of the last entry of which everything arrived or was passed over; 0 before the first.
    #[serde(with = "logical_position")]
    pub position: LogicalPosition,
    /// How many events of the entry *after* it arrived as well, counted from ordinal 0. Not 0 only while an entry is under way
    /// that has more events than fit between two checkpoints.
    pub ordinal: u32,
}

/// What has arrived since it was last asked, to be saved in one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// To be handed to [`super::Window::durable`] once the checkpoint with `segments` is durable.
    pub mark: Mark,
    /// The new value of every segment that moved, by id.
    pub segments: Vec<(SegmentId, DeliveredTo)>,
}

/// Names one [`Progress`]. Later marks cover earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub(super) u64);

/// Per segment: how far it was issued, has arrived, and is durable.
#[derive(Debug, Default)]
pub(super) struct Watermark {
    segments: BTreeMap<SegmentId, SegmentProgress>,
    moved: Vec<SegmentId>,
    taken: VecDeque<Progress>,
    next_mark: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct SegmentProgress {
    issued: DeliveredTo,
    arrived: DeliveredTo,
    durable: DeliveredTo,
    /// Whether the segment is in `moved`, which would otherwise have to be searched for each of a million filtered entries.
    moved: bool,
}

impl Watermark {
    /// Begins a segment where a durable checkpoint left it.
    pub fn resume(&mut self, segment: SegmentId, at: DeliveredTo) {
        let new = SegmentProgress { issued: at, arrived: at, durable: at, moved: false };
        if let Some(known) = self.segments.insert(segment, new) {
            assert!(known.issued == known.durable, "a segment is resumed when all of it is durable (I2): {segment} {known:?}");
        }
    }

    /// Notes that an event or a passed entry was taken in.
    pub fn issue(&mut self, segment: SegmentId, to: DeliveredTo) {
        let known = self.segments.entry(segment).or_default();
        assert!(to > known.issued, "entries of a segment are issued in log order (I1): {segment} {to:?} after {:?}", known.issued);
        known.issued = to;
    }

    /// Everything of the segment up to `to` has arrived.
    pub fn arrive(&mut self, segment: SegmentId, to: DeliveredTo) {
        let known = self.segments.get_mut(&segment).expect("what arrives was issued");
        assert!(to > known.arrived, "the watermark only goes forward (I2): {segment} {to:?} after {:?}", known.arrived);
        known.arrived = to;
        if !known.moved {
            known.moved = true;
            self.moved.push(segment);
        }
    }

    /// How far the segment was issued.
    pub fn issued(&self, segment: SegmentId) -> DeliveredTo {
        self.segments.get(&segment).map(|s| s.issued).unwrap_or_default()
    }

    pub fn take(&mut self) -> Progress {
        let mut ids = std::mem::take(&mut self.moved);
        ids.sort_unstable();
        let segments = ids
            .into_iter()
            .filter_map(|id| {
                let known = self.segments.get_mut(&id)?;
                known.moved = false;
                Some((id, if mutant(Mutant::EarlyCheckpoint) { known.issued } else { known.arrived }))
            })
            .collect();
        self.next_mark += 1;
        let progress = Progress { mark: Mark(self.next_mark), segments };
        self.taken.push_back(progress.clone());
        progress
    }

    pub fn durable(&mut self, mark: Mark) {
        let known = self.taken.back().is_some_and(|last| mark <= last.mark) && self.taken.front().is_some_and(|first| first.mark <= mark);
        assert!(known, "a mark becomes durable once, and none is saved across a reset (I2): {mark:?}");
        while self.taken.front().is_some_and(|progress| progress.mark <= mark) {
            for (segment, to) in self.taken.pop_front().into_iter().flat_map(|progress| progress.segments) {
                if let Some(known) = self.segments.get_mut(&segment) {
                    known.durable = to;
                }
            }
        }
    }

    pub fn reset(&mut self) {
        self.moved.clear();
        self.taken.clear();
        for known in self.segments.values_mut() {
            *known = SegmentProgress { issued: known.durable, arrived: known.durable, durable: known.durable, moved: false };
        }
    }

    /// Whether all that was issued of a segment is durable.
    pub fn is_durable(&self, segment: SegmentId) -> bool {
        self.segments.get(&segment).is_none_or(|known| known.issued == known.durable)
    }

    /// Drops a segment whatever was issued of it.
    pub fn abandon(&mut self, segment: SegmentId) {
        self.segments.remove(&segment);
        self.moved.retain(|moved| *moved != segment);
    }

    pub fn forget(&mut self, segment: SegmentId) {
        if let Some(known) = self.segments.remove(&segment) {
            assert!(known.issued == known.durable, "a segment is forgotten when all of it is durable (I3): {segment} {known:?}");
        }
    }
}

mod logical_position {
    use crate::position::LogicalPosition;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(position: &LogicalPosition, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u32(position.0)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<LogicalPosition, D::Error> {
        u32::deserialize(from).map(LogicalPosition)
    }
}
