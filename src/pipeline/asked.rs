//! What somebody asks to be done with parked entries.

use super::Pipeline;
use super::error::Fatal;
use super::let_go::give_up;
use super::park::{Action, Answer, Class, Outcome, Place, Request};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often it is looked whether somebody asks for something.
const ASK_INTERVAL: Duration = Duration::from_millis(200);
/// How long somebody who asks waits for a newer schema at most.
const SCHEMA_WAIT: Duration = Duration::from_secs(5);

/// What somebody has asked for, and what has become of it so far.
#[derive(Debug)]
pub(super) struct Asked {
    /// The request's name, if it came as a file.
    name: Option<String>,
    action: Action,
    outcomes: BTreeMap<Place, Option<Outcome>>,
    not_parked: Vec<Place>,
    /// A newer schema than this many readings is waited for until then.
    waits: Option<(u64, Instant)>,
}

impl Asked {
    /// Notes what has become of an entry, if it was asked for. That it stays is no answer while a newer schema is waited for.
    pub fn note(&mut self, place: Place, outcome: Outcome) {
        if self.waits.is_some() && matches!(outcome, Outcome::Kept(_)) {
            return;
        }
        if let Some(noted) = self.outcomes.get_mut(&place) {
            *noted = Some(outcome);
        }
    }

    /// What is still to be published.
    pub fn to_retry(&self) -> impl Iterator<Item = Place> {
        let is_retry = self.action == Action::Retry && self.waits.is_none();
        self.outcomes.iter().filter(move |(_, outcome)| is_retry && outcome.is_none()).map(|(place, _)| *place)
    }

    /// Whether a pass is to be made for it now. A newer schema is waited for a while first.
    pub fn is_due(&mut self, readings: u64, now: Instant) -> bool {
        if self.waits.is_some_and(|(known, until)| readings == known && now < until) {
            return false;
        }
        self.waits = None;
        self.to_retry().next().is_some()
    }

    fn answer(&self) -> Option<Answer> {
        let missing = self.not_parked.iter().map(|place| (place.to_string(), Outcome::NotParked));
        let found = self.outcomes.iter().map(|(place, outcome)| Some((place.to_string(), outcome.clone()?)));
        Some(Answer { outcomes: found.chain(missing.map(Some)).collect::<Option<_>>()? })
    }
}

impl Pipeline {
    /// Publishes what is asked for and reads nothing; [`Pipeline::answer`] says what has become of it. To be called once, when there
    /// is somewhere to send to.
    ///
    /// # Errors
    /// A name of a place that is none.
    pub fn retry_only(&mut self, request: &Request) -> Result<(), String> {
        self.retries.is_alone = true;
        self.ask(None, request)
    }

    /// What has become of what was asked for, once that is known of each.
    pub fn answer(&mut self) -> Option<Answer> {
        let answer = self.retries.asked.as_ref().and_then(Asked::answer)?;
        self.retries.asked = None;
        Some(answer)
    }

    /// Looks whether somebody asks for something, and answers what is done.
    pub(super) fn attend(&mut self) -> Result<(), Fatal> {
        if self.retries.is_alone || self.shipper.is_none() {
            return Ok(());
        }
        if self.retries.asked.is_none() {
            self.take_request();
        }
        self.discard_if_asked()?;
        let name = self.retries.asked.as_ref().and_then(|asked| asked.name.clone());
        if let Some(answer) = self.answer() {
            self.reply(name.as_deref(), &answer);
        }
        Ok(())
    }

    fn take_request(&mut self) {
        let now = self.schedule.now;
        let Some(requests) = &self.retries.requests else { return };
        if self.retries.next_request.is_some_and(|at| now < at) {
            return;
        }
        let taken = match self.retries.next_request {
            None => requests.begin().and_then(|()| requests.take()),
            Some(_) => requests.take(),
        };
        self.retries.next_request = Some(now + ASK_INTERVAL);
        match taken {
            Ok(None) => {}
            Ok(Some((name, request))) => {
                if let Err(error) = self.ask(Some(name.clone()), &request) {
                    tracing::warn!(request = name, "left undone: {error}");
                    self.reply(Some(&name), &Answer::default());
                }
            }
            // Nothing of what is promised hangs on it.
            Err(error) => tracing::warn!(%error, "requests cannot be looked at"),
        }
    }

    fn reply(&self, name: Option<&str>, answer: &Answer) {
        if let (Some(requests), Some(name)) = (&self.retries.requests, name)
            && let Err(error) = requests.answer(name, answer)
        {
            tracing::warn!(request = name, %error, "a request cannot be answered");
        }
    }

    fn ask(&mut self, name: Option<String>, request: &Request) -> Result<(), String> {
        let (meant, not_parked) = request.select(self.parked.places())?;
        let mut waits = None;
        if request.action == Action::Retry {
            let is_waiting = |place: &Place| self.parked.get(*place).is_some_and(|item| item.class == Class::Waiting);
            if meant.iter().any(is_waiting) {
                let (readings, _) = self.tables.stamp();
                waits = self.tables.ask().map(|wait| (readings, self.schedule.now + wait.min(SCHEMA_WAIT)));
            }
            for place in &meant {
                if let (Some(ordinal), Some(shipper)) = (place.ordinal, &mut self.shipper) {
                    shipper.unpark((place.at, ordinal));
                }
            }
        }
        let outcomes = meant.into_iter().map(|place| (place, None)).collect();
        self.retries.asked = Some(Asked { name, action: request.action.clone(), outcomes, not_parked, waits });
        Ok(())
    }

    /// Gives up what somebody has decided to do without, as soon as nothing parked is in anybody's hands.
    fn discard_if_asked(&mut self) -> Result<(), Fatal> {
        if !self.retries.is_idle() {
            return Ok(());
        }
        let Some(Asked { action: Action::Discard(reason), outcomes, .. }) = &mut self.retries.asked else { return Ok(()) };
        let places: Vec<Place> = outcomes.keys().copied().collect();
        if places.is_empty() {
            return Ok(());
        }
        for (place, outcome) in outcomes.iter_mut() {
            *outcome = Some(self.parked.get(*place).map_or(Outcome::NotParked, |item| Outcome::Discarded(item.bytes)));
        }
        let reason = reason.clone();
        let moved = give_up(&mut self.ledger, &mut self.parked, &places, &reason, self.schedule.unix)?;
        self.count_moved(&moved);
        for place in places {
            if let (Some(ordinal), Some(shipper)) = (place.ordinal, &mut self.shipper) {
                shipper.parked((place.at, ordinal));
            }
        }
        // What waited behind them may be free.
        self.retries.try_all();
        self.block_again();
        Ok(())
    }
}
