//! What is known of each topic, and whether a record of it may leave now.
//!
//! The partition of a record is a function of its bytes and the topic's partition count, so the count is kept
//! and changes only while nothing of the topic is in flight: otherwise a record could overtake an older one of
//! the same key (invariant I1).

use super::isolation::Isolation;
use crate::envelope::Topic;
use crate::sink::SendError;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Between two questions about a topic that is not known yet: a broker needs a moment to create it.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// How long the brokers must say that a topic does not exist until we believe it.
const MISSING_FOR: Duration = Duration::from_secs(5);
/// Between two questions about a topic that does not exist or that we may not use.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What a broker says of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It exists, with so many partitions.
    Partitions(i32),
    /// It does not exist.
    Missing,
    /// It does not exist, and could not be made; why.
    NotCreated(String),
    /// We may not know.
    Unauthorized(String),
    /// No broker could say.
    Unanswered,
}

/// Whether a record may leave now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admission {
    /// The topic's partition count, or why not.
    pub(super) partitions: Result<i32, SendError>,
    /// Somebody should ask a broker about the topic and bring the answer to [`Topics::learned`].
    pub(super) ask: bool,
}

/// All topics that records have been sent to.
#[derive(Debug)]
pub(super) struct Topics {
    entries: HashMap<Topic, Entry>,
    /// Between two questions about a topic that is known; `None` is never.
    refresh: Option<Duration>,
}

#[derive(Debug)]
struct Entry {
    state: State,
    /// A question is on its way.
    asking: bool,
    /// When the last answer came.
    answered_at: Option<Instant>,
    /// The last known count, also over a reset.
    partitions_before: Option<i32>,
    in_flight: u32,
    /// The record in flight has been alone since it was sent, so an error is its own and not of a batch.
    alone: bool,
    isolation: Isolation,
}

#[derive(Debug)]
enum State {
    /// Not known yet; perhaps just being created.
    Asking { missing_since: Option<Instant> },
    /// In use.
    Known { partitions: i32 },
    /// The count has changed: what is in flight arrives first.
    Draining { to: i32 },
    /// It does not exist.
    Missing,
    /// It does not exist, and could not be made.
    NotCreated { reason: String },
    /// Not ours to use.
    Unauthorized { reason: String },
}

impl Topics {
    /// None known yet.
    pub(super) fn new(refresh: Option<Duration>) -> Topics {
        Topics { entries: HashMap::new(), refresh }
    }

    /// Whether a record of `topic` may leave now.
    pub(super) fn admit(&mut self, topic: &Topic, now: Instant) -> Admission {
        let refresh = self.refresh;
        let entry = self.entry(topic);
        if let State::Draining { to } = entry.state
            && entry.in_flight == 0
        {
            entry.switch(topic, to);
        }
        let partitions = match &entry.state {
            State::Known { .. } if !entry.isolation.admits(entry.in_flight) => Err(SendError::Full),
            State::Known { partitions } => Ok(*partitions),
            State::Asking { .. } | State::Draining { .. } => Err(SendError::Full),
            State::Missing => Err(SendError::UnknownTopic(topic.clone())),
            State::NotCreated { reason } => Err(SendError::NotCreated { topic: topic.clone(), reason: reason.clone() }),
            State::Unauthorized { reason } => Err(SendError::Unauthorized(format!("topic {topic}: {reason}"))),
        };
        let pause = match entry.state {
            State::Asking { .. } => Some(ASK_AGAIN),
            State::Missing | State::NotCreated { .. } | State::Unauthorized { .. } => Some(LOOK_AGAIN),
            State::Known { .. } | State::Draining { .. } => refresh,
        };
        let due = match (entry.answered_at, pause) {
            (None, _) => true,
            (Some(at), Some(pause)) => now.saturating_duration_since(at) >= pause,
            (Some(_), None) => false,
        };
        let ask = due && !entry.asking;
        entry.asking |= ask;
        Admission { partitions, ask }
    }

    /// An answer has come.
    pub(super) fn learned(&mut self, topic: &Topic, answer: Answer, now: Instant) {
        let entry = self.entry(topic);
        entry.asking = false;
        entry.answered_at = Some(now);
        match answer {
            Answer::Partitions(partitions) => entry.exists(topic, partitions),
            Answer::Missing => entry.missing(topic, now),
            Answer::NotCreated(reason) => entry.not_created(topic, reason),
            Answer::Unauthorized(reason) => entry.denied(topic, reason),
            Answer::Unanswered => {}
        }
    }

    /// A record has left.
    pub(super) fn sent(&mut self, topic: &Topic) {
        let entry = self.entry(topic);
        entry.alone = entry.in_flight == 0;
        entry.in_flight += 1;
        entry.isolation.sent();
    }

    /// A record has arrived; `true` if with it everything has that failed with a refused batch.
    pub(super) fn arrived(&mut self, topic: &Topic) -> bool {
        let entry = self.entry(topic);
        entry.in_flight = entry.in_flight.saturating_sub(1);
        entry.isolation.arrived()
    }

    /// A record has failed; `true` if it had been alone since it was sent.
    pub(super) fn failed(&mut self, topic: &Topic) -> bool {
        let entry = self.entry(topic);
        let alone = entry.alone && entry.in_flight == 1;
        entry.in_flight = entry.in_flight.saturating_sub(1);
        alone
    }

    /// A batch was refused, and which record the broker meant is not known: they go in smaller groups.
    pub(super) fn suspect(&mut self, topic: &Topic) {
        let entry = self.entry(topic);
        entry.isolation.suspect(entry.in_flight);
    }

    /// The record that a batch was refused for has been found.
    pub(super) fn found(&mut self, topic: &Topic) {
        self.entry(topic).isolation.found();
    }

    /// The brokers would not take a record for lack of permission.
    pub(super) fn denied(&mut self, topic: &Topic, reason: String, now: Instant) {
        let entry = self.entry(topic);
        entry.answered_at = Some(now);
        entry.denied(topic, reason);
    }

    /// What was known of the topic has turned out wrong.
    pub(super) fn forget(&mut self, topic: &Topic) {
        let entry = self.entry(topic);
        if matches!(entry.state, State::Known { .. } | State::Draining { .. }) {
            entry.state = State::Asking { missing_since: None };
        }
    }

    /// Nothing is in flight any more, and answers on their way will not come.
    pub(super) fn reset(&mut self) {
        for entry in self.entries.values_mut() {
            entry.isolation.reset(entry.in_flight);
            entry.in_flight = 0;
            entry.asking = false;
            if matches!(entry.state, State::Known { .. } | State::Draining { .. }) {
                entry.state = State::Asking { missing_since: None };
                entry.answered_at = None;
            }
        }
    }

    /// A topic that may not be used, with its reason.
    pub(super) fn unauthorized(&self) -> Option<String> {
        self.entries.iter().find_map(|(topic, entry)| match &entry.state {
            State::Unauthorized { reason } => Some(format!("not authorised: topic {topic}: {reason}")),
            _ => None,
        })
    }

    fn entry(&mut self, topic: &Topic) -> &mut Entry {
        if !self.entries.contains_key(topic) {
            self.entries.insert(topic.clone(), Entry::default());
        }
        self.entries.get_mut(topic).expect("it has just been put there")
    }
}

impl Default for Entry {
    fn default() -> Entry {
        Entry {
            state: State::Asking { missing_since: None },
            asking: false,
            answered_at: None,
            partitions_before: None,
            in_flight: 0,
            alone: false,
            isolation: Isolation::default(),
        }
    }
}

impl Entry {
    fn exists(&mut self, topic: &Topic, partitions: i32) {
        match self.state {
            State::Known { partitions: known } if known == partitions => {}
            _ if self.in_flight > 0 && self.partitions_before.is_some_and(|before| before != partitions) => {
                self.state = State::Draining { to: partitions };
            }
            _ => self.switch(topic, partitions),
        }
    }

    fn switch(&mut self, topic: &Topic, partitions: i32) {
        if let Some(before) = self.partitions_before
            && before != partitions
        {
            tracing::warn!(%topic, before, partitions, "the topic's partition count has changed: keys move to other partitions");
        }
        self.partitions_before = Some(partitions);
        self.state = State::Known { partitions };
    }

    fn missing(&mut self, topic: &Topic, now: Instant) {
        self.state = match self.state {
            State::Missing => State::Missing,
            State::Asking { missing_since: Some(since) } if now.saturating_duration_since(since) >= MISSING_FOR => {
                tracing::warn!(%topic, "the topic does not exist and is not created on demand");
                State::Missing
            }
            State::Asking { missing_since: Some(since) } => State::Asking { missing_since: Some(since) },
            _ => State::Asking { missing_since: Some(now) },
        };
    }

    fn not_created(&mut self, topic: &Topic, reason: String) {
        if !matches!(self.state, State::NotCreated { .. }) {
            tracing::warn!(%topic, error = reason, "the topic does not exist and could not be created (topics.create)");
        }
        self.state = State::NotCreated { reason };
    }

    fn denied(&mut self, topic: &Topic, reason: String) {
        if !matches!(self.state, State::Unauthorized { .. }) {
            tracing::warn!(%topic, error = reason, "not authorised");
        }
        self.state = State::Unauthorized { reason };
    }
}

#[cfg(test)]
mod tests;
