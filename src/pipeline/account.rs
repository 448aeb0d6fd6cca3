//! The accounts of ended segments, on a topic of their own (`topics.audit`): what `ringtail audit --json` prints of each.
//!
//! ```text
//! {"v":1,"node","segment","incarnation","state","record":{ the ledger's record }}
//! ```
//!
//! That one is due is saved together with the end of its segment, and forgotten when it has arrived and that is durable: after a crash
//! one may come twice, and none is missing. They move no segment, and nothing but a drain waits for them.

use super::Pipeline;
use super::error::Fatal;
use crate::checkpoint::{Ledger, SegmentKey, SegmentState};
use crate::progress::Ticket;
use crate::sink::SendError;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Meta value: the segments whose accounts are due.
const META_DUE: &str = "accounts_due";

/// Accounts that are due, in the order of the ends.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    is_on: bool,
    /// Not handed over.
    due: VecDeque<SegmentKey>,
    /// In the sink's hands.
    sent: VecDeque<(Ticket, SegmentKey)>,
    /// The last that was said of one that has to wait.
    said: Option<String>,
}

impl Accounts {
    /// Those that a former run has left, if they are to be sent at all.
    pub fn due(is_on: bool, ledger: &Ledger) -> Accounts {
        let kept = ledger.meta(META_DUE).and_then(Value::as_array).filter(|_| is_on);
        let due = kept.into_iter().flatten().filter_map(|key| key.as_str()?.parse().ok()).collect();
        Accounts { is_on, due, ..Accounts::default() }
    }

    /// Nothing is on its way any more: what was is due again.
    pub fn begin_again(&mut self) {
        while let Some((_, key)) = self.sent.pop_back() {
            self.due.push_front(key);
        }
    }

    /// Whether all have arrived, durably.
    pub fn are_sent(&self) -> bool {
        self.due.is_empty() && self.sent.is_empty()
    }

    fn keep(&self, ledger: &mut Ledger) {
        let keys = self.sent.iter().map(|(_, key)| key).chain(&self.due);
        let keys: Vec<String> = keys.map(|key| format!("{}.{}", key.id.0, key.incarnation)).collect();
        ledger.set_meta(META_DUE, keys.into());
    }
}

impl Pipeline {
    /// A segment has come to its end; its account is due. The caller saves both.
    pub(super) fn end(&mut self, key: SegmentKey, state: SegmentState) -> Result<(), Fatal> {
        self.ledger.enter(key, state, self.schedule.unix)?;
        if self.accounts.is_on {
            self.accounts.due.push_back(key);
            self.accounts.keep(&mut self.ledger);
        }
        Ok(())
    }

    /// Hands over what is due, as far as it is taken, and forgets what has arrived.
    pub(super) fn send_accounts(&mut self) -> Result<(), Fatal> {
        self.note_arrived_accounts();
        while let Some(key) = self.accounts.due.front().copied() {
            let Some(shipper) = self.shipper.as_mut() else { return Ok(()) };
            if self.breaker.holds(shipper.window.unarrived()).is_some() {
                return Ok(());
            }
            let Some(record) = self.ledger.find(key)? else {
                self.accounts.due.pop_front();
                continue;
            };
            let (state, id) = (record.state().to_string(), key.id.0);
            let value =
                json!({"v": 1, "node": shipper.node(), "segment": id, "incarnation": key.incarnation, "state": state, "record": record});
            let why = match shipper.account(value.to_string().into_bytes()) {
                Ok(ticket) => {
                    self.accounts.due.pop_front();
                    self.accounts.sent.extend(ticket.map(|ticket| (ticket, key)));
                    self.accounts.said = None;
                    continue;
                }
                Err(SendError::Full) => return Ok(()),
                Err(SendError::Refused(reason)) => {
                    self.accounts.due.pop_front();
                    reason
                }
                Err(SendError::UnknownTopic(topic)) => format!("topic {topic} does not exist"),
                Err(error @ SendError::NotCreated { .. }) => error.to_string(),
                Err(SendError::Unauthorized(reason)) => reason,
            };
            if self.accounts.said.as_ref() != Some(&why) {
                tracing::error!(segment = record.file, "the account of a segment cannot be sent (topics.audit): {why}");
                self.status.note_error(format!("the account of {} cannot be sent (topics.audit): {why}", record.file));
                self.accounts.said = Some(why);
            }
            return Ok(());
        }
        Ok(())
    }

    /// Takes from the list what a durable checkpoint covers. The list is saved with the next one.
    pub(super) fn note_arrived_accounts(&mut self) {
        let Some(first) = self.shipper.as_ref().map(|shipper| shipper.window.first()) else { return };
        let before = self.accounts.sent.len();
        while self.accounts.sent.front().is_some_and(|(ticket, _)| *ticket < first) {
            self.accounts.sent.pop_front();
        }
        if self.accounts.sent.len() < before {
            self.accounts.keep(&mut self.ledger);
        }
    }
}
