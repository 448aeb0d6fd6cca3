//! The batches of a sink in memory: what a broker's transaction coordinator would hold.

use super::memory::Arrived;
use super::{DeliveryReport, Positions};
use crate::envelope::Record;
use crate::progress::Ticket;

/// The batches of one sink, over the lives of its processes.
#[derive(Debug)]
pub(super) struct Batches {
    /// At the other side, seen by nobody yet.
    staged: Vec<(Record, Ticket)>,
    /// The batch that is being committed.
    ending: Option<Positions>,
    /// What the committed ones said.
    committed: Vec<Positions>,
    is_recovering: bool,
    outcome: Option<Result<u64, String>>,
    lives: u64,
}

impl Batches {
    pub(super) fn new() -> Batches {
        Batches { staged: Vec::new(), ending: None, committed: Vec::new(), is_recovering: true, outcome: None, lives: 0 }
    }

    /// Whether records can be sent.
    pub(super) fn is_open(&self) -> bool {
        !self.is_recovering && self.ending.is_none()
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    pub(super) fn stage(&mut self, record: Record, ticket: Ticket) {
        self.staged.push((record, ticket));
    }

    pub(super) fn end(&mut self, positions: &Positions) {
        self.ending = Some(positions.clone());
    }

    /// The batch is committed: everything of it is seen.
    fn commit(&mut self, arrived: &Arrived) -> Option<(u64, Vec<Ticket>)> {
        let positions = self.ending.take()?;
        let seq = positions.seq;
        self.committed.push(positions);
        let mut tickets = Vec::new();
        for (record, ticket) in self.staged.drain(..) {
            arrived.push(record);
            tickets.push(ticket);
        }
        Some((seq, tickets))
    }

    /// Committed, and that is known.
    pub(super) fn succeed(&mut self, arrived: &Arrived, reports: &mut Vec<DeliveryReport>) {
        if let Some((seq, tickets)) = self.commit(arrived) {
            reports.extend(tickets.into_iter().map(|ticket| DeliveryReport { ticket, result: Ok(()) }));
            self.outcome = Some(Ok(seq));
        }
    }

    /// Whether it was committed is not known; `all_the_same`, it was.
    pub(super) fn fail(&mut self, all_the_same: bool, arrived: &Arrived) {
        if all_the_same {
            self.commit(arrived);
        }
        self.ending = None;
        self.outcome = Some(Err("failed by the model".into()));
    }

    /// A new producer, perhaps of a new process. What had ended may have been committed.
    pub(super) fn reset(&mut self, all_the_same: bool, arrived: &Arrived) {
        if all_the_same {
            self.commit(arrived);
        }
        self.staged.clear();
        self.ending = None;
        self.outcome = None;
        self.is_recovering = true;
        self.lives += 1;
    }

    pub(super) fn recovered(&mut self) -> Option<Option<Positions>> {
        std::mem::take(&mut self.is_recovering).then(|| self.committed.last().cloned())
    }

    pub(super) fn outcome(&mut self) -> Option<Result<u64, String>> {
        self.outcome.take()
    }

    pub(super) fn instance(&self) -> String {
        self.lives.to_string()
    }

    /// What the committed ones said, for tests that take some of it away.
    pub(super) fn committed(&mut self) -> &mut Vec<Positions> {
        &mut self.committed
    }
}
