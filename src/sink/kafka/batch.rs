//! The batch under way of a sink with transactions: what it holds and how far it is.

use super::recover::TransactionSettings;
use super::transaction::{Identity, Told};
use crate::envelope::{PartitionBy, Record};
use crate::progress::Ticket;
use crate::sink::{DeliveryReport, Positions};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// The batch under way.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) identity: Arc<Identity>,
    stage: Stage,
    recovered: Option<Option<Positions>>,
    outcome: Option<Result<u64, String>>,
    /// Handed over and not yet committed.
    tickets: Vec<Ticket>,
    /// Another producer has our transactional id.
    fenced: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The producer is not ready, or of no use any more.
    Closed,
    /// Records can be sent.
    Open,
    /// The batch with this number is being committed.
    Committing(u64),
}

impl Batch {
    pub(super) fn new(settings: TransactionSettings, properties: super::config::Properties) -> Batch {
        let identity = Identity { settings, properties, instance: instance(), claimed: AtomicBool::new(false), obstacle: Mutex::new(None) };
        let identity = Arc::new(identity);
        Batch { identity, stage: Stage::Closed, recovered: None, outcome: None, tickets: Vec::new(), fenced: None }
    }

    /// Whether records can be sent.
    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// A record has left.
    pub(super) fn sent(&mut self, ticket: Ticket) {
        self.tickets.push(ticket);
    }

    /// The batch with this number has ended.
    pub(super) fn ends(&mut self, seq: u64) {
        self.stage = Stage::Committing(seq);
    }

    /// Something of the batch did not arrive.
    pub(super) fn failed(&mut self, why: String) {
        self.stage = Stage::Closed;
        self.outcome = Some(Err(why));
    }

    /// Takes in how it goes.
    pub(super) fn take(&mut self, told: Told, reports: &mut Vec<DeliveryReport>) {
        match (told, self.stage) {
            (Told::Recovered(last), _) => {
                self.stage = Stage::Open;
                self.recovered = Some(last);
            }
            (Told::Committed, Stage::Committing(seq)) => {
                self.stage = Stage::Open;
                reports.extend(self.tickets.drain(..).map(|ticket| DeliveryReport { ticket, result: Ok(()) }));
                self.outcome = Some(Ok(seq));
            }
            (Told::Committed, _) => {}
            (Told::Failed(why), _) => self.failed(why),
            (Told::Fenced(why), _) => self.fenced = Some(why),
        }
    }

    /// Begins anew with another producer.
    pub(super) fn reset(&mut self) {
        self.stage = Stage::Closed;
        self.recovered = None;
        self.outcome = None;
        self.tickets.clear();
        self.identity.hold(None);
    }

    pub(super) fn recovered(&mut self) -> Option<Option<Positions>> {
        self.recovered.take()
    }

    pub(super) fn outcome(&mut self) -> Option<Result<u64, String>> {
        self.outcome.take()
    }

    pub(super) fn fenced(&self) -> Option<&String> {
        self.fenced.as_ref()
    }

    /// The record of positions.
    pub(super) fn record(&self, positions: &Positions) -> Record {
        let settings = &self.identity.settings;
        Record {
            topic: settings.positions.clone(),
            key: settings.node.clone().into_bytes(),
            value: Some(positions.encode()),
            headers: Vec::new(),
            timestamp: None,
            partition_key: Vec::new(),
            partition_by: PartitionBy::RecordKey,
        }
    }
}

/// A name that no other process of the node has had: in a container every process has the same number.
fn instance() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{:x}", std::process::id(), now.as_nanos())
}
