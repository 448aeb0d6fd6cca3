//! A sink in memory: a model of Kafka with its freedoms, for tests.
//!
//! Records of one topic with equal partition bytes (a *lane*) arrive in the order in which they were sent, as in
//! one Kafka partition. Reports come late and in any order. Once a delivery has failed, nothing more arrives until
//! the reset, as with a gapless producer. At a reset, any number of the records in flight have arrived, in each
//! lane the first of them.

use super::faults::{Choices, Fault, Faults};
use super::memory_batches::Batches;
use super::{DeliveryFailure, DeliveryReport, Positions, SendError, Sink, SinkError, Transactions};
use crate::envelope::{Record, Topic};
use crate::progress::Ticket;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The records that have arrived, in the order of arrival; shared with the test that looks at them.
#[derive(Clone, Debug, Default)]
pub struct Arrived(Arc<Mutex<Vec<Record>>>);

impl Arrived {
    /// A copy of the records so far.
    pub fn records(&self) -> Vec<Record> {
        self.lock().clone()
    }

    /// How many records have arrived, repeated ones counted again.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn push(&self, record: Record) {
        self.lock().push(record);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sink. [`Sink::poll`] never sleeps: each call is one step of the model's time.
#[derive(Debug)]
pub struct MemorySink {
    window: usize,
    faults: Faults,
    choices: Choices,
    arrived: Arrived,
    sends: u64,
    /// Sent, not yet at the other side.
    travelling: Vec<Travelling>,
    /// At the other side or lost, not yet reported.
    unreported: Vec<DeliveryReport>,
    in_flight: usize,
    /// A delivery has failed since the last reset.
    stopped: bool,
    resets: u64,
    /// `None` if every record stands for itself.
    batches: Option<Batches>,
}

#[derive(Debug)]
struct Travelling {
    record: Record,
    ticket: Ticket,
    fault: Option<Fault>,
}

impl MemorySink {
    /// A sink that holds at most `window` records without a report.
    pub fn new(window: usize, faults: Faults) -> MemorySink {
        MemorySink {
            window,
            choices: Choices::new(faults.seed),
            faults,
            arrived: Arrived::default(),
            sends: 0,
            travelling: Vec::new(),
            unreported: Vec::new(),
            in_flight: 0,
            stopped: false,
            resets: 0,
            batches: None,
        }
    }

    /// The same, with batches. [`Faults::fails_per_mille`] is also how often the result of a commit is not known.
    pub fn transactional(window: usize, faults: Faults) -> MemorySink {
        MemorySink { batches: Some(Batches::new()), ..MemorySink::new(window, faults) }
    }

    /// What the committed batches said, for tests that take some of it away.
    pub fn committed(&mut self) -> Option<&mut Vec<Positions>> {
        self.batches.as_mut().map(Batches::committed)
    }

    /// What has arrived, now and later.
    pub fn arrived(&self) -> Arrived {
        self.arrived.clone()
    }

    /// How often the sink has been reset.
    pub fn resets(&self) -> u64 {
        self.resets
    }

    fn delivery_fault(&mut self, record: &Record) -> Option<Fault> {
        if self.faults.refuses.as_ref().is_some_and(|refuses| refuses(record)) {
            return Some(Fault::Refused);
        }
        if !self.choices.happens(self.faults.fails_per_mille) {
            return None;
        }
        Some(if self.choices.happens(500) { Fault::Lost } else { Fault::ArrivedAllTheSame })
    }

    /// The other side of one record's way.
    fn arrive(&mut self, Travelling { record, ticket, fault }: Travelling) {
        let fault = if self.stopped { Some(Fault::Lost) } else { fault };
        let result = match &fault {
            None | Some(Fault::Silent) => Ok(()),
            Some(Fault::Refused) => Err(DeliveryFailure::Refused("refused by the model".into())),
            Some(_) => Err(DeliveryFailure::Transient("failed by the model".into())),
        };
        match &mut self.batches {
            _ if !matches!(fault, None | Some(Fault::Silent | Fault::ArrivedAllTheSame)) => {}
            None => self.arrived.push(record),
            Some(batches) => {
                batches.stage(record, ticket);
                if result.is_ok() {
                    // It is reported with its batch.
                    self.in_flight -= 1;
                    return;
                }
            }
        }
        self.stopped |= result.is_err();
        if fault != Some(Fault::Silent) {
            self.unreported.push(DeliveryReport { ticket, result });
        }
    }
}

impl Sink for MemorySink {
    fn send(&mut self, record: &Record, ticket: Ticket) -> Result<(), SendError> {
        let scripted = self.faults.script.remove(&self.sends);
        self.sends += 1;
        if self.batches.as_ref().is_some_and(|batches| !batches.is_open()) {
            return Err(SendError::Full);
        }
        if self.in_flight >= self.window || self.choices.happens(self.faults.full_per_mille) {
            return Err(SendError::Full);
        }
        let fault = match scripted {
            Some(Fault::Full) => return Err(SendError::Full),
            Some(Fault::UnknownTopic(topic)) => return Err(SendError::UnknownTopic(topic)),
            Some(Fault::Unauthorized) => return Err(SendError::Unauthorized("refused by the model".into())),
            Some(fault) => Some(fault),
            None => self.delivery_fault(record),
        };
        self.in_flight += 1;
        self.travelling.push(Travelling { record: record.clone(), ticket, fault });
        Ok(())
    }

    fn poll(&mut self, _wait: Duration, reports: &mut Vec<DeliveryReport>) -> Result<(), SinkError> {
        // A lane whose next record is late waits as a whole.
        let mut late = HashSet::new();
        for travelling in std::mem::take(&mut self.travelling) {
            let lane = lane(&travelling.record);
            if late.contains(&lane) || self.choices.happens(self.faults.late_per_mille) {
                late.insert(lane);
                self.travelling.push(travelling);
            } else {
                self.arrive(travelling);
            }
        }
        for report in std::mem::take(&mut self.unreported) {
            if self.choices.happens(self.faults.late_per_mille) {
                self.unreported.push(report);
            } else {
                self.in_flight -= 1;
                reports.push(report);
            }
        }
        self.end_batch(reports);
        Ok(())
    }

    fn reset(&mut self) -> Result<(), SinkError> {
        self.resets += 1;
        if let Some(batches) = &mut self.batches {
            let is_whole = !self.stopped && self.travelling.is_empty();
            batches.reset(is_whole && self.choices.happens(500), &self.arrived);
            self.travelling.clear();
        }
        let mut stopped = HashSet::new();
        for travelling in std::mem::take(&mut self.travelling) {
            let lane = lane(&travelling.record);
            if !stopped.contains(&lane) && self.choices.happens(500) {
                self.arrive(travelling);
            } else {
                stopped.insert(lane);
            }
        }
        self.unreported.clear();
        self.in_flight = 0;
        self.stopped = false;
        Ok(())
    }

    fn transactions(&mut self) -> Option<&mut dyn Transactions> {
        match self.batches {
            Some(_) => Some(self),
            None => None,
        }
    }
}

impl MemorySink {
    /// The other side of a commit.
    fn end_batch(&mut self, reports: &mut Vec<DeliveryReport>) {
        let Some(batches) = self.batches.as_mut().filter(|batches| batches.is_ending()) else { return };
        if self.stopped {
            batches.fail(false, &self.arrived);
        } else if self.travelling.is_empty() && !self.choices.happens(self.faults.late_per_mille) {
            match self.choices.happens(self.faults.fails_per_mille) {
                false => batches.succeed(&self.arrived, reports),
                true => batches.fail(self.choices.happens(500), &self.arrived),
            }
        }
    }
}

impl Transactions for MemorySink {
    fn recovered(&mut self) -> Option<Option<Positions>> {
        self.batches.as_mut().and_then(Batches::recovered)
    }

    fn instance(&self) -> String {
        self.batches.as_ref().map(Batches::instance).unwrap_or_default()
    }

    fn commit(&mut self, positions: &Positions) -> Result<(), SendError> {
        if self.choices.happens(self.faults.full_per_mille) {
            return Err(SendError::Full);
        }
        match self.batches.as_mut().filter(|batches| batches.is_open()) {
            None => Err(SendError::Full),
            Some(batches) => {
                batches.end(positions);
                Ok(())
            }
        }
    }

    fn outcome(&mut self) -> Option<Result<u64, String>> {
        self.batches.as_mut().and_then(Batches::outcome)
    }
}

/// What keeps its order: a topic and the bytes that choose the partition.
fn lane(record: &Record) -> (Topic, Vec<u8>) {
    (record.topic.clone(), record.partition_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::PartitionBy;
    use crate::sink::faults::Refuses;
    use std::collections::BTreeMap;

    fn record(lane: &str, value: u64) -> Record {
        Record {
            topic: "t".into(),
            key: lane.into(),
            value: Some(value.to_string().into_bytes()),
            headers: Vec::new(),
            timestamp: None,
            partition_key: Vec::new(),
            partition_by: PartitionBy::RecordKey,
        }
    }

    fn poll(sink: &mut MemorySink) -> Vec<DeliveryReport> {
        let mut reports = Vec::new();
        sink.poll(Duration::ZERO, &mut reports).unwrap();
        reports
    }

    #[test]
    fn without_faults_every_record_arrives_and_is_reported_in_order() {
        let mut sink = MemorySink::new(3, Faults::default());

        for n in 0..3 {
            sink.send(&record("a", n), Ticket(n)).unwrap();
        }
        assert_eq!(sink.send(&record("a", 3), Ticket(3)), Err(SendError::Full));

        let tickets: Vec<u64> = poll(&mut sink).into_iter().map(|report| report.ticket.0).collect();
        assert_eq!(tickets, [0, 1, 2]);
        assert_eq!(sink.arrived().count(), 3);
    }

    #[test]
    fn late_records_keep_their_lane_in_order_while_reports_do_not() {
        let mut out_of_order = false;
        for seed in 0..20 {
            let mut sink = MemorySink::new(100, Faults { seed, late_per_mille: 500, ..Faults::default() });
            let mut reported = Vec::new();
            for n in 0..40 {
                sink.send(&record(if n % 2 == 0 { "a" } else { "b" }, n), Ticket(n)).unwrap();
                reported.extend(poll(&mut sink).into_iter().map(|report| report.ticket.0));
            }
            while reported.len() < 40 {
                reported.extend(poll(&mut sink).into_iter().map(|report| report.ticket.0));
            }

            out_of_order |= !reported.is_sorted();
            let mut lanes: BTreeMap<Vec<u8>, Vec<u64>> = BTreeMap::new();
            for record in sink.arrived().records() {
                let value = String::from_utf8(record.value.unwrap()).unwrap().parse().unwrap();
                lanes.entry(record.key).or_default().push(value);
            }
            assert!(lanes.values().all(|values| values.is_sorted() && values.len() == 20), "seed {seed}: {lanes:?}");
        }
        assert!(out_of_order, "no seed gave a report out of order");
    }

    #[test]
    fn script_fails_the_records_it_names_and_nothing_arrives_behind_a_failure() {
        for (fault, arrives) in [(Fault::Refused, false), (Fault::Lost, false), (Fault::ArrivedAllTheSame, true)] {
            let script = BTreeMap::from([(1, fault.clone())]);
            let mut sink = MemorySink::new(100, Faults { script, ..Faults::default() });

            (0..3).for_each(|n| sink.send(&record("a", n), Ticket(n)).unwrap());
            let reports = poll(&mut sink);

            assert_eq!(reports[0].result, Ok(()));
            assert_eq!(matches!(reports[1].result, Err(DeliveryFailure::Refused(_))), fault == Fault::Refused);
            assert!(matches!(reports[2].result, Err(DeliveryFailure::Transient(_))));
            assert_eq!(sink.arrived().count(), if arrives { 2 } else { 1 });
        }
    }

    #[test]
    fn script_answers_for_send_and_keeps_reports_back() {
        let topic: Topic = "t".into();
        let script =
            BTreeMap::from([(0, Fault::Silent), (1, Fault::Full), (2, Fault::UnknownTopic(topic.clone())), (3, Fault::Unauthorized)]);
        let mut sink = MemorySink::new(100, Faults { script, ..Faults::default() });

        let answers: Vec<_> = (0..4).map(|n| sink.send(&record("a", n), Ticket(n))).collect();

        assert_eq!(answers[..3], [Ok(()), Err(SendError::Full), Err(SendError::UnknownTopic(topic))]);
        assert!(matches!(answers[3], Err(SendError::Unauthorized(_))));
        assert!(poll(&mut sink).is_empty());
        assert_eq!(sink.arrived().records(), [record("a", 0)]);
    }

    #[test]
    fn reset_loses_all_reports_and_keeps_a_first_part_of_each_lane() {
        let mut counts = HashSet::new();
        for seed in 0..50 {
            let mut sink = MemorySink::new(100, Faults { seed, ..Faults::default() });
            for n in 0..4 {
                sink.send(&record("a", n), Ticket(n)).unwrap();
            }

            sink.reset().unwrap();

            assert!(poll(&mut sink).is_empty());
            let arrived = sink.arrived().records();
            let sent: Vec<Record> = (0..4).map(|n| record("a", n)).collect();
            assert!(sent.starts_with(&arrived), "seed {seed}");
            counts.insert(arrived.len());
        }
        assert!(counts.len() > 2, "{counts:?}");
    }

    #[test]
    fn record_refused_by_nature_is_refused_each_time() {
        let refuses: Refuses = Box::new(|record| record.key == b"large");
        let mut sink = MemorySink::new(100, Faults { refuses: Some(refuses), ..Faults::default() });

        for n in 0..2 {
            sink.send(&record("large", n), Ticket(n)).unwrap();
            assert!(matches!(poll(&mut sink)[0].result, Err(DeliveryFailure::Refused(_))));
            sink.reset().unwrap();
        }
    }
}
