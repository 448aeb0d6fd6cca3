//! How far a segment counts as delivered by Debezium.
//!
//! An offset says that a broker has acknowledged a record of the mutation that ends there, and nothing else. So:
//!
//! - Offsets are by table. A mutation counts as delivered if the offset of *each* of its tables that would be published lies behind it;
//!   the first that does not ends the walk. A table without an offset in this segment has none behind anything.
//! - Records of one mutation share its position, and the first acknowledgement sets it. So the mutation at the offset itself is sent again.
//! - A producer's requests to several partitions are acknowledged in any order. So as many bytes of mutations before the last offset as may
//!   have been in flight are sent again too. (A segment is moved out of `cdc_raw` only after a flush: nothing before this one is in flight.)
//!
//! What Debezium has read and not sent, it has passed all the same: what it leaves out by design, and what it logs as an error.

use super::offsets::Offsets;
use crate::commitlog::{Damage, Horizon, Item, ReadAt, SegmentReader};
use crate::history::History;
use crate::mutation::{self, DecodeError, Mutation};
use crate::position::{CommitLogPosition, LogicalPosition};
use crate::schema::TableMetadata;
use std::io;

/// How far everything of the newest segment was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The end of the last mutation that is not sent again; 0 if all are.
    pub to: LogicalPosition,
    /// How many mutations of published tables lie before that.
    pub delivered: u64,
    /// How many of them that have an offset behind them are sent again, because they may have been in flight.
    pub in_flight: u64,
    /// What is the first that is not delivered.
    pub stopped: Stopped,
}

/// Why the walk went no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every mutation that is there has an offset behind it.
    AtEnd,
    /// A mutation of this table has no offset behind it.
    Table(String, LogicalPosition),
    /// A mutation cannot be decoded with the schema that is known.
    Undecodable(DecodeError, LogicalPosition),
    /// A range cannot be read.
    Damaged(Damage),
}

/// A mutation that has an offset behind it.
struct Covered {
    end: LogicalPosition,
    bytes: u64,
}

/// Walks the newest segment of the offsets. `publishes` says which tables Ringtail would send; `in_flight` is in bytes of the log.
///
/// # Errors
/// The file system's.
pub fn reach<R: ReadAt>(
    reader: &mut SegmentReader<R>,
    history: &mut History,
    offsets: &Offsets,
    publishes: &dyn Fn(&TableMetadata) -> bool,
    in_flight: u64,
) -> io::Result<Reach> {
    let segment = offsets.newest().id;
    let mut covered = Vec::new();
    let stopped = loop {
        let entry = match reader.next(Horizon::Marked)? {
            Item::Entry(entry) => entry,
            Item::Damage(damage) => break Stopped::Damaged(damage),
            Item::CaughtUp | Item::End => break Stopped::AtEnd,
        };
        let at = CommitLogPosition { segment, position: entry.end };
        let catalog = history.catalog_at(at);
        let mutation = match mutation::decode(entry.body(), &catalog) {
            Ok(mutation) => mutation,
            Err(incomplete) => break Stopped::Undecodable(incomplete.error, entry.end),
        };
        if let Some(table) = first_ahead(&mutation, entry.end, offsets, publishes) {
            break Stopped::Table(table, entry.end);
        }
        if mutation.updates.iter().any(|update| publishes(update.table)) {
            covered.push(Covered { end: entry.end, bytes: entry.frame.len() as u64 });
        }
        history.apply(at, &mutation);
    };
    Ok(without_those_in_flight(&covered, in_flight, stopped))
}

/// The first published table of a mutation that has no offset behind it.
fn first_ahead(
    mutation: &Mutation<'_>,
    end: LogicalPosition,
    offsets: &Offsets,
    publishes: &dyn Fn(&TableMetadata) -> bool,
) -> Option<String> {
    let tables = mutation.updates.iter().filter(|update| publishes(update.table));
    let mut names = tables.map(|update| format!("{}.{}", update.table.keyspace, update.table.name));
    names.find(|table| offsets.in_newest(table).is_none_or(|offset| offset <= end))
}

fn without_those_in_flight(covered: &[Covered], in_flight: u64, stopped: Stopped) -> Reach {
    let mut left = in_flight;
    let may_be = |one: &&Covered| {
        let is_left = left > 0;
        left = left.saturating_sub(one.bytes);
        is_left
    };
    let again = covered.iter().rev().take_while(may_be).count();
    let delivered = covered.len() - again;
    let last = delivered.checked_sub(1).and_then(|last| covered.get(last));
    Reach { to: last.map_or(LogicalPosition(0), |last| last.end), delivered: delivered as u64, in_flight: again as u64, stopped }
}
