//! The same way out for segments anywhere: read-only, in order, without state.

use super::entry::{Aside, Desk, Entered};
use super::error::Fatal;
use super::ship::Shipper;
use super::tables::Tables;
use super::tail::Arrival;
use crate::commitlog::{Horizon, Item, Keys, SegmentError, SegmentName, SegmentReader};
use crate::position::{CommitLogPosition, SegmentId};
use crate::progress::DeliveredTo;
use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

/// What a replay found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Events that arrived.
    pub events: u64,
    /// Mutations, ranges and segments that could not be published; each was named.
    pub left_out: u64,
}

/// Sends the events of `segments`, in the order given. `load` gives a segment's bytes, `keys` opens encrypted ones; `progress` is told how many were read.
///
/// A failed delivery begins anew with the first event that has not arrived.
///
/// # Errors
/// What ends the process.
pub fn replay(
    segments: &[SegmentName],
    load: &mut dyn FnMut(usize) -> io::Result<Vec<u8>>,
    keys: &Keys,
    shipper: &mut Shipper,
    tables: &mut Tables,
    progress: &mut dyn FnMut(u64),
) -> Result<Replayed, Fatal> {
    let mut replay = Replay { shipper, tables, keys, arrived: HashMap::new(), events: 0, waiting: None };
    loop {
        let mut left_out = 0;
        let mut failed = false;
        for (i, name) in segments.iter().enumerate() {
            let bytes = load(i).map_err(|source| Fatal::Io { action: "read", path: name.log().into(), source })?;
            failed = !replay.segment(*name, &bytes, &mut left_out)?;
            if failed {
                break;
            }
            progress(bytes.len() as u64);
        }
        if !failed && replay.wait_for_all()? {
            return Ok(Replayed { events: replay.events, left_out });
        }
        replay.begin_anew()?;
    }
}

struct Replay<'r> {
    shipper: &'r mut Shipper,
    tables: &'r mut Tables,
    keys: &'r Keys,
    arrived: HashMap<SegmentId, DeliveredTo>,
    events: u64,
    /// What was last waited for.
    waiting: Option<String>,
}

impl Replay<'_> {
    /// Sends one segment; false if a delivery has failed.
    fn segment(&mut self, name: SegmentName, bytes: &[u8], left_out: &mut u64) -> Result<bool, Fatal> {
        let mut reader = match SegmentReader::open_with(bytes, Some(name), self.keys) {
            Ok(reader) => reader,
            Err(SegmentError::Empty { .. }) => return Ok(true),
            Err(error) => {
                tracing::error!(segment = name.log(), "not published: {error}");
                *left_out += 1;
                return Ok(true);
            }
        };
        let mut resume = self.arrived.get(&name.id).copied().unwrap_or_default();
        loop {
            let read = reader.next(Horizon::Final).map_err(|source| Fatal::Io { action: "read", path: name.log().into(), source })?;
            match read {
                Item::Entry(entry) if entry.end <= resume.position => {}
                Item::Entry(entry) => {
                    let at = CommitLogPosition { segment: name.id, position: entry.end };
                    let from = std::mem::take(&mut resume.ordinal);
                    if !self.entry(&name.log(), at, entry.frame, from, left_out)? {
                        return Ok(false);
                    }
                }
                Item::Damage(damage) => {
                    tracing::error!(segment = name.log(), bytes = damage.file_bytes(), "not published: {damage}");
                    *left_out += 1;
                }
                Item::CaughtUp | Item::End => return Ok(true),
            }
        }
    }

    fn entry(&mut self, file: &str, at: CommitLogPosition, frame: &[u8], from: u32, left_out: &mut u64) -> Result<bool, Fatal> {
        let mut from = from;
        loop {
            let mut desk =
                Desk { shipper: self.shipper, tables: self.tables, aside: Aside::Tell(left_out), now: Instant::now(), ts_ms: None };
            match desk.enter(file, Arrival { at, from: Some(from), frame })? {
                Entered::Done(_) => return Ok(true),
                Entered::Blocked { ordinal, why } => {
                    from = ordinal;
                    self.say(file, at, why);
                }
            }
            if !self.take_in(Duration::from_millis(10))? {
                return Ok(false);
            }
        }
    }

    /// Tells what is waited for, once.
    fn say(&mut self, segment: &str, at: CommitLogPosition, why: Option<String>) {
        if let Some(why) = why.as_ref().filter(|_| why != self.waiting) {
            tracing::warn!(segment, position = at.position.0, "waiting: {why}");
        }
        self.waiting = why.or(self.waiting.take());
    }

    /// Takes in what has arrived; false if a delivery has failed.
    fn take_in(&mut self, wait: Duration) -> Result<bool, Fatal> {
        let arrivals = self.shipper.poll(wait)?;
        self.events += arrivals.delivered as u64;
        let progress = self.shipper.window.take_progress();
        self.arrived.extend(progress.segments.iter().copied());
        // Nothing is kept between runs, so what has arrived is as durable as it gets.
        self.shipper.window.durable(progress.mark);
        Ok(arrivals.failed.is_none())
    }

    fn wait_for_all(&mut self) -> Result<bool, Fatal> {
        while !self.shipper.window.is_empty() {
            if !self.take_in(Duration::from_millis(20))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn begin_anew(&mut self) -> Result<(), Fatal> {
        tracing::warn!("a delivery failed: what has not arrived is sent again");
        Ok(self.shipper.rewind()?)
    }
}
