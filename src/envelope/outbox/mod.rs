//! The outbox: rows inserted into configured tables as messages, as Debezium's outbox event router makes them of a relational table.
//!
//! ```text
//! topic      outbox.event.<aggregate type>    by the table's template
//! key        <aggregate id>                   as text
//! value      <payload>                        text: its UTF-8; blob: its bytes; anything else: its JSON
//! timestamp  <timestamp>                      in ms since 1970; without such a column when the row was written
//! headers    ringtail.id, ringtail.batch, id, eventType, traceparent, further columns
//! ```
//!
//! Such a table's changes have no other form. An insert is a message; updates and deletes are none, and what becomes of them is
//! configured. A row that expires says nothing to the log, so it is nothing here.

mod inserted;
mod message;
mod problems;
mod table;
mod topic;

pub(super) use message::record;
pub use table::{OnChange, OutboxTable};
pub use topic::{OutboxTopic, OutboxTopicError};

use super::EncodeError;
use crate::event::{ChangeEvent, Operation};
use crate::schema::TableMetadata;

/// The rule of what is not from an outbox table, where only those are published: a label of `ringtail_filtered_total`.
pub const NOT_OUTBOX: &str = "not_outbox";
/// The rule of updated rows of outbox tables.
pub const OUTBOX_UPDATE: &str = "outbox_update";
/// The rule of deleted rows of outbox tables.
pub const OUTBOX_DELETE: &str = "outbox_delete";

/// `outbox.tables`, and whether `events.envelope` is `outbox`. The default one has no table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    /// The tables.
    pub tables: Vec<OutboxTable>,
    /// Whether nothing else is published.
    pub only: bool,
}

impl Outbox {
    /// What is configured of a table, if it is an outbox table.
    pub fn of(&self, table: &TableMetadata) -> Option<&OutboxTable> {
        self.tables.iter().find(|outbox| outbox.keyspace == table.keyspace && outbox.table == table.name)
    }

    /// Whether the table has no place in this form at all.
    pub fn leaves_out_table(&self, table: &TableMetadata) -> bool {
        self.only && self.of(table).is_none()
    }

    /// The rule by which an event of an outbox table is no message and passed over.
    pub(super) fn leaves_out(&self, event: &ChangeEvent<'_>) -> Option<&'static str> {
        let (rule, on_change) = unwanted(self.of(event.update.table)?, event)?;
        (on_change != OnChange::Halt).then_some(rule)
    }

    /// What the log is to say of an event that is passed over, where that is asked for.
    pub(super) fn warning(&self, event: &ChangeEvent<'_>) -> Option<String> {
        let outbox = self.of(event.update.table)?;
        let (rule, on_change) = unwanted(outbox, event)?;
        (on_change == OnChange::Warn).then(|| format!("{}: {}, which is no message: ignored", outbox.name(), what(rule)))
    }
}

/// An event that is no insert: its rule, and what is to be done.
fn unwanted(outbox: &OutboxTable, event: &ChangeEvent<'_>) -> Option<(&'static str, OnChange)> {
    match event.change.operation() {
        Operation::Insert => None,
        Operation::Update => Some((OUTBOX_UPDATE, outbox.on_update)),
        Operation::Delete | Operation::RangeDelete => Some((OUTBOX_DELETE, outbox.on_delete)),
    }
}

fn what(rule: &str) -> &'static str {
    if rule == OUTBOX_UPDATE { "a row of the outbox was updated" } else { "rows of the outbox were deleted" }
}

/// The reader stops at a change that the operator wants to hear of.
fn halted(outbox: &OutboxTable, rule: &str, event: &ChangeEvent<'_>) -> EncodeError {
    let key = if rule == OUTBOX_UPDATE { "on_update" } else { "on_delete" };
    EncodeError::Waiting(format!("{}: {} ({}), and {key} of it is halt", outbox.name(), what(rule), event.at))
}
