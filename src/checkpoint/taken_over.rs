//! Positions that another connector has come to, taken into the ledger before the first run.

use super::ledger::{Ledger, LedgerError};
use super::moves::Moved;
use super::record::{SegmentKey, SegmentRecord, SegmentState, UnixMillis};
use super::trail::Deed;
use crate::position::LogicalPosition;
use crate::progress::DeliveredTo;

impl Ledger {
    /// Notes that everything of a segment up to `to` was delivered by another connector. `record` is that of a segment just seen, and is
    /// used if the ledger has none. A position never goes back by this. The caller saves.
    ///
    /// # Errors
    /// The ledger's.
    pub fn take_over(
        &mut self,
        key: SegmentKey,
        record: SegmentRecord,
        to: LogicalPosition,
        reason: &str,
        now: UnixMillis,
    ) -> Result<Moved, LedgerError> {
        let known = self.newest(key.id)?;
        if known.is_none() {
            self.insert(key, record.clone())?;
        }
        let (key, record) = known.unwrap_or((key, record));
        let from = record.delivered_to.position;
        if !matches!(record.state(), SegmentState::Open | SegmentState::Final) {
            return Ok(Moved::Not(format!("it is {}", record.state())));
        }
        if to <= from {
            return Ok(Moved::Not(format!("it is delivered up to {from} already")));
        }
        self.update(key, |record| record.delivered_to = DeliveredTo { position: to, ordinal: 0 })?;
        self.note_moved(key);
        self.moved(Deed::Imported, &record, from, to.to_string(), reason, now);
        Ok(Moved::From(from))
    }
}
