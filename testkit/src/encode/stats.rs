//! The minima of an update and the deltas to them (`EncodingStats.Collector`, `SerializationHeader`).

use super::Release;
use crate::described::{Cell, ColumnData, PartitionUpdate, Row, Stats};
use ringtail::codec::put_unsigned_vint;
use ringtail::mutation::{DeletionTime, LivenessInfo, LocalDeletionTime, Ttl, WriteTimestamp};

/// 2015-09-22T00:00:00Z in µs and in seconds.
const TIMESTAMP_EPOCH: i64 = 1_442_880_000_000_000;
const DELETION_TIME_EPOCH: u32 = 1_442_880_000;

/// What stands for a minimum that nothing has set (`EncodingStats.NO_STATS`).
pub const NO_STATS: Stats = Stats { min_timestamp: TIMESTAMP_EPOCH, min_local_deletion_time: DELETION_TIME_EPOCH, min_ttl: 0 };

/// The bases of one update, and who writes.
pub struct Bases {
    stats: Stats,
    release: Release,
}

impl Bases {
    /// Those the update asks for, or its minima.
    pub fn of(update: &PartitionUpdate, release: Release) -> Bases {
        Bases { stats: update.header.stats.unwrap_or_else(|| Collector::collect(update)), release }
    }

    /// The minima themselves, as deltas to the epoch.
    pub fn put_header(&self, out: &mut Vec<u8>) {
        put_unsigned_vint(out, self.stats.min_timestamp.wrapping_sub(TIMESTAMP_EPOCH) as u64);
        put_int(self.stats.min_local_deletion_time.wrapping_sub(DELETION_TIME_EPOCH), out);
        put_int(self.stats.min_ttl, out);
    }

    pub fn put_timestamp(&self, timestamp: WriteTimestamp, out: &mut Vec<u8>) {
        put_unsigned_vint(out, timestamp.0.wrapping_sub(self.stats.min_timestamp) as u64);
    }

    pub fn put_local_deletion_time(&self, time: LocalDeletionTime, out: &mut Vec<u8>) {
        put_int(time.0.wrapping_sub(self.stats.min_local_deletion_time), out);
    }

    pub fn put_ttl(&self, ttl: Ttl, out: &mut Vec<u8>) {
        put_int(ttl.0.wrapping_sub(self.stats.min_ttl), out);
    }

    pub fn put_deletion(&self, deletion: DeletionTime, out: &mut Vec<u8>) {
        self.put_timestamp(deletion.marked_for_delete_at, out);
        self.put_local_deletion_time(deletion.local_deletion_time, out);
    }

    /// A complex column's deletion in a row where another one has one.
    pub fn put_deletion_or_live(&self, deletion: Option<DeletionTime>, out: &mut Vec<u8>) {
        let local_deletion_time = match self.release {
            Release::V4 => LocalDeletionTime(i32::MAX as u32),
            Release::V5 => LocalDeletionTime(u32::MAX),
        };
        let live = DeletionTime { marked_for_delete_at: WriteTimestamp(i64::MIN), local_deletion_time };
        self.put_deletion(deletion.unwrap_or(live), out);
    }
}

/// A Java `int` is widened with its sign before it is written.
fn put_int(value: u32, out: &mut Vec<u8>) {
    put_unsigned_vint(out, i64::from(value as i32) as u64);
}

/// `EncodingStats.Collector`.
#[derive(Default)]
struct Collector {
    timestamp: Option<i64>,
    local_deletion_time: Option<u32>,
    ttl: Option<u32>,
}

impl Collector {
    fn collect(update: &PartitionUpdate) -> Stats {
        let mut collector = Collector::default();
        let markers = update.markers().flat_map(|marker| marker.close.iter().chain(&marker.open));
        update.partition_deletion.iter().chain(markers).for_each(|deletion| collector.deletion(*deletion));
        update.rows().for_each(|row| collector.row(row));
        Stats {
            min_timestamp: collector.timestamp.unwrap_or(NO_STATS.min_timestamp),
            min_local_deletion_time: collector.local_deletion_time.unwrap_or(NO_STATS.min_local_deletion_time),
            min_ttl: collector.ttl.unwrap_or(NO_STATS.min_ttl),
        }
    }

    fn row(&mut self, row: &Row) {
        if let Some(LivenessInfo { timestamp, expiry }) = row.liveness {
            self.times(timestamp, expiry.map(|(_, expires)| expires), expiry.map(|(ttl, _)| ttl));
        }
        if let Some(deletion) = row.deletion {
            self.deletion(deletion.time);
        }
        for column in &row.columns {
            if let ColumnData::Complex { deletion: Some(deletion), .. } = &column.data {
                self.deletion(*deletion);
            }
            column.data.cells().iter().for_each(|cell| self.cell(cell));
        }
    }

    fn cell(&mut self, cell: &Cell) {
        self.times(cell.timestamp, cell.local_deletion_time, cell.ttl);
    }

    fn deletion(&mut self, deletion: DeletionTime) {
        self.times(deletion.marked_for_delete_at, Some(deletion.local_deletion_time), None);
    }

    fn times(&mut self, timestamp: WriteTimestamp, local_deletion_time: Option<LocalDeletionTime>, ttl: Option<Ttl>) {
        lower(&mut self.timestamp, Some(timestamp.0));
        lower(&mut self.local_deletion_time, local_deletion_time.map(|time| time.0));
        lower(&mut self.ttl, ttl.map(|ttl| ttl.0));
    }
}

fn lower<T: Ord + Copy>(minimum: &mut Option<T>, value: Option<T>) {
    if let Some(value) = value {
        *minimum = Some(minimum.map_or(value, |minimum| minimum.min(value)));
    }
}
