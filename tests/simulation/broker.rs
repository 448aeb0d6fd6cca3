//! The other side: takes records late, in any order between partitions, twice after a crash, or not at all for a while.
//!
//! Records of one Kafka partition keep their order, as with an idempotent producer; after a failure nothing more arrives until the
//! producer is made anew, and of what was in flight then, in each partition some of the first have arrived. With transactions nothing
//! has arrived until its batch is committed.

use crate::coordinator::{Committed, Coordinator};
use ringtail::envelope::Record;
use ringtail::progress::Ticket;
use ringtail::sink::faults::Choices;
use ringtail::sink::{DeliveryFailure, DeliveryReport, Positions, SendError};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher};

/// Where an event stands: segment, position, ordinal.
pub type Place = (u64, u32, u32);

/// What the broker does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Takes and answers.
    Fair,
    /// Takes little at a time.
    Slow,
    /// Nothing comes through, and nobody says so.
    Silent,
    /// Nobody is there, and that is known.
    Away,
    /// The topic is missing.
    NoTopic,
}

/// An event that a reader sees.
pub struct News {
    /// The event.
    pub place: Place,
    /// Its Cassandra partition.
    pub lane: Vec<u8>,
    /// Whether it says that it is late.
    pub late: bool,
    /// Over all that it says but the time of sending.
    pub hash: u64,
}

/// The broker, and the producer's side of the wire.
pub struct Broker {
    /// What it does now.
    pub weather: Weather,
    /// Events that have arrived, and what they said.
    pub arrived: HashMap<Place, u64>,
    /// Events whose arrival was reported.
    pub acknowledged: HashSet<Place>,
    /// Events that arrived since somebody last looked.
    pub news: Vec<News>,
    /// None if each record stands for itself.
    pub coordinator: Option<Coordinator>,
    /// Commits of which the producer never heard.
    pub unknown_commits: u64,
    /// How many came again.
    pub repeats: u64,
    fails_per_mille: u32,
    late_per_mille: u32,
    refuses_one_in: u64,
    window: usize,
    choices: Choices,
    travelling: Vec<Travelling>,
    unreported: Vec<(Place, DeliveryReport)>,
    stopped: bool,
    probed: bool,
}

struct Travelling {
    record: Record,
    place: Place,
    ticket: Ticket,
}

impl Broker {
    /// Chosen by a seed.
    pub fn choose(choices: &mut Choices) -> Broker {
        Broker {
            weather: Weather::Fair,
            arrived: HashMap::new(),
            acknowledged: HashSet::new(),
            news: Vec::new(),
            coordinator: None,
            unknown_commits: 0,
            repeats: 0,
            fails_per_mille: if choices.happens(400) { choices.below(60) as u32 } else { 0 },
            late_per_mille: choices.below(700) as u32,
            refuses_one_in: if choices.happens(250) { 4 + choices.below(30) } else { 0 },
            window: 2 + choices.below(30) as usize,
            choices: Choices::new(choices.below(u64::MAX)),
            travelling: Vec::new(),
            unreported: Vec::new(),
            stopped: false,
            probed: false,
        }
    }

    /// No more faults.
    pub fn heal(&mut self) {
        (self.weather, self.fails_per_mille, self.late_per_mille) = (Weather::Fair, 0, 100);
    }

    /// Whether an event is one that it never takes.
    pub fn refuses(&self, (segment, position, ordinal): Place) -> bool {
        self.refuses_one_in > 0 && (segment * 31 + u64::from(position) * 7 + u64::from(ordinal)).is_multiple_of(self.refuses_one_in)
    }

    /// The producer hands a record over.
    pub fn send(&mut self, record: &Record, ticket: Ticket) -> Result<(), SendError> {
        if self.coordinator.as_ref().is_some_and(|coordinator| !coordinator.is_open()) {
            return Err(SendError::Full);
        }
        match self.weather {
            Weather::NoTopic => return Err(SendError::UnknownTopic(record.topic.clone())),
            _ if self.travelling.len() + self.unreported.len() >= self.window => return Err(SendError::Full),
            _ => {}
        }
        self.travelling.push(Travelling { record: record.clone(), place: place(record), ticket });
        Ok(())
    }

    /// What has become of records.
    pub fn poll(&mut self, reports: &mut Vec<DeliveryReport>) {
        let late = match self.weather {
            Weather::Fair | Weather::NoTopic => self.late_per_mille,
            Weather::Slow => 950,
            Weather::Silent | Weather::Away => return,
        };
        let mut waiting: HashSet<Vec<u8>> = HashSet::new();
        for travelling in std::mem::take(&mut self.travelling) {
            let lane = &travelling.record.partition_key;
            if waiting.contains(lane) || self.choices.happens(late) {
                waiting.insert(lane.clone());
                self.travelling.push(travelling);
            } else {
                self.meet(travelling);
            }
        }
        for (place, report) in std::mem::take(&mut self.unreported) {
            if self.choices.happens(late) {
                self.unreported.push((place, report));
            } else {
                if report.result.is_ok() {
                    self.acknowledged.insert(place);
                }
                reports.push(report);
            }
        }
        self.end_batch(late, reports);
        // Reports of different partitions come in any order.
        for i in (1..reports.len()).rev() {
            reports.swap(i, self.choices.below(i as u64 + 1) as usize);
        }
    }

    fn meet(&mut self, travelling: Travelling) {
        let Travelling { record, place, ticket } = travelling;
        let result = if self.stopped {
            Err(DeliveryFailure::Transient("behind one that failed".into()))
        } else if self.refuses(place) {
            Err(DeliveryFailure::Refused("too large, says the model".into()))
        } else if self.choices.happens(self.fails_per_mille) {
            // Whether it has arrived all the same nobody knows.
            if self.choices.happens(500) {
                self.arrive(place, record, ticket);
            }
            Err(DeliveryFailure::Transient("failed, says the model".into()))
        } else {
            self.arrive(place, record, ticket);
            if self.coordinator.is_some() {
                // It is reported with its batch.
                return;
            }
            Ok(())
        };
        self.stopped |= result.is_err();
        self.unreported.push((place, DeliveryReport { ticket, result }));
    }

    fn arrive(&mut self, place: Place, record: Record, ticket: Ticket) {
        let late = record.headers.iter().any(|(name, _)| *name == "ringtail.late");
        let hash = hash(&record);
        let news = News { place, lane: record.partition_key, late, hash };
        match &mut self.coordinator {
            Some(coordinator) => coordinator.stage(news, ticket),
            None => self.news.push(news),
        }
    }

    /// Everything of the batch is at the broker: it is committed, or not, and the producer hears of it, or not.
    fn end_batch(&mut self, late: u32, reports: &mut Vec<DeliveryReport>) {
        let is_whole = self.travelling.is_empty() && !self.stopped;
        let Some(coordinator) = self.coordinator.as_mut().filter(|coordinator| is_whole && coordinator.is_ending()) else { return };
        if self.choices.happens(late) {
            return;
        }
        if !self.choices.happens(self.fails_per_mille) {
            let committed = coordinator.commit(true);
            // What it reports comes no later than how the commit ended.
            return reports.extend(self.see(committed).into_iter().map(|ticket| DeliveryReport { ticket, result: Ok(()) }));
        }
        self.unknown_commits += 1;
        if self.choices.happens(500) {
            let committed = coordinator.commit(false);
            self.see(committed);
            return;
        }
        coordinator.abort();
    }

    /// Readers see it now, whatever the producer knows. Gives the tickets.
    fn see(&mut self, committed: Option<Committed>) -> Vec<Ticket> {
        let Some(Committed { news, tickets }) = committed else { return Vec::new() };
        self.acknowledged.extend(news.iter().map(|news| news.place));
        self.news.extend(news);
        tickets
    }

    /// The producer asks for the end of the batch.
    pub fn commit(&mut self, positions: &Positions) -> Result<(), SendError> {
        match &mut self.coordinator {
            Some(coordinator) if coordinator.is_open() && self.weather != Weather::NoTopic => {
                coordinator.end(positions);
                Ok(())
            }
            _ => Err(SendError::Full),
        }
    }

    /// What was committed last, once somebody answers.
    pub fn recovered(&mut self) -> Option<Option<Positions>> {
        if matches!(self.weather, Weather::Silent | Weather::Away) {
            return None;
        }
        self.coordinator.as_mut()?.recovered()
    }

    /// The producer is gone: of what was in flight, in each partition some of the first arrive.
    pub fn reset(&mut self) {
        let mut lost: HashSet<Vec<u8>> = HashSet::new();
        let is_cut_off = matches!(self.weather, Weather::Silent | Weather::Away);
        self.end_transaction(is_cut_off);
        for Travelling { record, place, ticket } in std::mem::take(&mut self.travelling) {
            let arrives = !is_cut_off && !self.stopped && !self.refuses(place) && self.choices.happens(500);
            if arrives && !lost.contains(&record.partition_key) {
                self.arrive(place, record, ticket);
            } else {
                lost.insert(record.partition_key);
            }
        }
        self.unreported.clear();
        self.stopped = false;
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.reset();
        }
    }

    /// A commit that was asked for may come to its end although its producer is gone.
    fn end_transaction(&mut self, is_cut_off: bool) {
        let is_whole = self.travelling.is_empty() && !self.stopped && !is_cut_off;
        let Some(coordinator) = self.coordinator.as_mut().filter(|coordinator| is_whole && coordinator.is_ending()) else { return };
        self.unknown_commits += 1;
        if self.choices.happens(500) {
            let committed = coordinator.commit(false);
            self.see(committed);
        }
    }

    /// Whether anybody is there.
    pub fn reachable(&self) -> Result<(), String> {
        if self.weather == Weather::Away { Err("all brokers are down, says the model".into()) } else { Ok(()) }
    }

    /// Somebody asks whether anybody is there.
    pub fn probe(&mut self) {
        self.probed = true;
    }

    /// Whether that was answered.
    pub fn answered_probe(&self) -> bool {
        self.probed && !matches!(self.weather, Weather::Silent | Weather::Away)
    }
}

/// From the header `ringtail.id`: node, segment, position, ordinal.
fn place(record: &Record) -> Place {
    let id = &record.headers.iter().find(|(name, _)| *name == "ringtail.id").expect("an id").1;
    let mut parts = id.rsplit('/').map(|part| part.parse::<u64>().expect("a number"));
    let (ordinal, position, segment) = (parts.next(), parts.next(), parts.next());
    (segment.expect("a segment"), position.expect("a position") as u32, ordinal.expect("an ordinal") as u32)
}

/// Over everything but the time of sending.
fn hash(record: &Record) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(record.topic.to_string().as_bytes());
    hasher.write(&record.key);
    let value = record.value.as_deref().unwrap_or_default();
    let comma = value.iter().position(|byte| *byte == b',').unwrap_or(0);
    hasher.write(&value[comma..]);
    hasher.finish()
}
