//! One entry out of the folder of parked ones: the part that was not published, under the ids that it always had.

use super::entry::{Aside, Desk, Hurdle, Sent, behind, obstacle};
use super::error::Fatal;
use super::park::{Class, Note, Place, QUEUED};
use super::ship::{Again, Cargo, Sending, Shipped};
use super::tail::{Arrival, Fate};
use crate::event;
use crate::mutation::{self, DecodeError, Mutation};
use crate::schema::SchemaChange;

/// What came of trying a parked entry again.
pub(super) enum Retried {
    /// All of it that was not published before is in the sink's hands.
    Sent(Fate),
    /// Some of it is; this is to be its note once that has arrived.
    Partly(Note),
    /// Nothing of it can be published now. Its note, with the reason of today.
    Kept(Note),
    /// Something is in the way. Go on with this event later.
    Blocked {
        /// The event.
        ordinal: u32,
        /// What, in words.
        why: Option<String>,
    },
}

/// A parked entry as it was read from its files.
#[derive(Clone, Copy)]
pub(super) struct Rest<'a> {
    pub place: Place,
    pub note: &'a Note,
    pub frame: &'a [u8],
    /// The first event that is not in the sink's hands yet.
    pub from: u32,
}

impl Desk<'_> {
    /// Takes the rest of a parked entry as far as it gets.
    pub fn enter_again(&mut self, rest: Rest<'_>) -> Result<Retried, Fatal> {
        let Some(catalog) = self.tables.catalog_at(rest.place.at) else {
            return Ok(Retried::Blocked { ordinal: rest.from, why: Some("waiting for the schema".into()) });
        };
        let arrival = Arrival { at: rest.place.at, from: Some(rest.from), frame: rest.frame };
        let (mutation, error) = match mutation::decode(arrival.body(), &catalog) {
            Ok(mutation) => (mutation, None),
            Err(incomplete) if self.tables.learn(&incomplete.error, arrival.at) => return self.enter_again(rest),
            Err(incomplete) => (incomplete.leading, Some(incomplete.error)),
        };
        let changes = if error.is_none() { self.tables.apply(arrival.at, &mutation) } else { Vec::new() };
        if self.shipper.publishes_changes(&changes) {
            return self.changes(rest, &changes);
        }
        match rest.place.ordinal {
            Some(ordinal) => Ok(self.one_event(rest, &Cargo::Mutation(&mutation), error.as_ref(), ordinal)),
            None => self.updates(rest, arrival, mutation, error),
        }
    }

    /// Sends what an entry has changed of the schema, or the one event of that which was refused.
    fn changes(&mut self, rest: Rest<'_>, changes: &[SchemaChange]) -> Result<Retried, Fatal> {
        let (cargo, note) = (Cargo::Changes(changes), rest.note);
        if let Some(ordinal) = rest.place.ordinal {
            return Ok(self.one_event(rest, &cargo, None, ordinal));
        }
        let late = is_refused(note).then_some(note.reason.as_str());
        let sending = Sending { again: Some(Again { late, only: None }), ..self.sending(&note.segment, rest.place.at, rest.from) };
        Ok(match self.send(sending, rest.frame, &cargo)? {
            Sent::Blocked { ordinal, why } => Retried::Blocked { ordinal, why },
            Sent::All { .. } => Retried::Sent(Fate::Delivered),
        })
    }

    /// Sends the one event that was refused.
    fn one_event(&mut self, rest: Rest<'_>, cargo: &Cargo<'_>, error: Option<&DecodeError>, ordinal: u32) -> Retried {
        let late = Some(rest.note.reason.as_str());
        let sending = Sending { again: Some(Again { late, only: Some(ordinal) }), ..self.sending(&rest.note.segment, rest.place.at, 0) };
        match self.shipper.ship(sending, cargo) {
            Ok(Shipped::Done { events, .. }) if events <= ordinal => {
                let why = error.map_or_else(|| format!("the entry has no event {ordinal}"), ToString::to_string);
                Retried::Kept(tried(rest.note, &rest.note.reason, why))
            }
            Ok(Shipped::Done { published, .. }) => Retried::Sent(if published { Fate::Delivered } else { Fate::Filtered }),
            Ok(Shipped::Blocked { why, .. }) => Retried::Blocked { ordinal, why: obstacle(why) },
            Ok(Shipped::Refused { cause, reason, .. }) => Retried::Kept(tried(rest.note, cause, reason)),
            Err(error) => Retried::Kept(tried(rest.note, "malformed", error.to_string())),
        }
    }

    /// Sends the updates that were not published, up to the next that cannot be.
    fn updates(
        &mut self,
        rest: Rest<'_>,
        arrival: Arrival<'_>,
        mut mutation: Mutation<'_>,
        error: Option<DecodeError>,
    ) -> Result<Retried, Fatal> {
        let Rest { place, note, frame, from } = rest;
        let first = note.first_update as usize;
        let today = match self.hurdle_again(arrival, note, &mutation, error) {
            None => None,
            Some((update, hurdle)) if update <= first => {
                return Ok(Retried::Kept(self.kept_today(rest, arrival, &mutation, update, &hurdle)));
            }
            Some((update, hurdle)) => {
                let today = self.note_of(&note.segment, arrival, &mutation, update, &hurdle);
                mutation.updates.truncate(update);
                Some(today)
            }
        };
        let from = match event::project(place.at, &mutation) {
            Ok(events) => from.max(events.events.iter().filter(|event| (event.update_index as usize) < first).count() as u32),
            Err(error) => {
                let refused = Note { class: Class::Refused, table: Some(error.table.clone()), ..note.clone() };
                return Ok(Retried::Kept(tried(&refused, "malformed", error.to_string())));
            }
        };
        let late = is_refused(note).then_some(note.reason.as_str());
        let sending = Sending { again: Some(Again { late, only: None }), ..self.sending(&note.segment, place.at, from) };
        Ok(match (self.send(sending, frame, &Cargo::Mutation(&mutation))?, today) {
            (Sent::Blocked { ordinal, why }, _) => Retried::Blocked { ordinal, why },
            (Sent::All { .. }, Some(today)) => Retried::Partly(Note { first_update: today.first_update, ..renewed(note, today) }),
            (Sent::All { .. }, None) if self.shipper.publishes(place.at, &mutation) => Retried::Sent(Fate::Delivered),
            (Sent::All { .. }, None) => Retried::Sent(Fate::Filtered),
        })
    }

    /// The first update that cannot be published now. What was refused is late anyway, and waits for nothing.
    fn hurdle_again(
        &self,
        arrival: Arrival<'_>,
        note: &Note,
        mutation: &Mutation<'_>,
        error: Option<DecodeError>,
    ) -> Option<(usize, Hurdle)> {
        let behind = match &self.aside {
            Aside::Park(parked) if !is_refused(note) => behind(parked, arrival.body(), mutation),
            _ => None,
        };
        let undecodable = error.map(|error| (mutation.updates.len(), Hurdle::Undecodable(error)));
        [behind, undecodable].into_iter().flatten().min_by_key(|(update, _)| *update)
    }

    /// The note of an entry of which nothing can be published now.
    fn kept_today(&self, rest: Rest<'_>, arrival: Arrival<'_>, mutation: &Mutation<'_>, update: usize, hurdle: &Hurdle) -> Note {
        let note = rest.note;
        match hurdle {
            // It was tried with the first of its table.
            Hurdle::Undecodable(error) if !is_refused(note) && self.is_waited_for(error.table_id()) => note.clone(),
            hurdle => renewed(note, self.note_of(&note.segment, arrival, mutation, update, hurdle)),
        }
    }
}

fn is_refused(note: &Note) -> bool {
    note.class == Class::Refused
}

/// The note with the reason of today. What was refused was overtaken, so it stays that.
fn renewed(note: &Note, today: Note) -> Note {
    let is_try = today.reason != QUEUED;
    Note {
        class: if is_refused(note) { Class::Refused } else { today.class },
        first_update: note.first_update,
        tries: note.tries.saturating_add(u32::from(is_try)),
        seq: note.seq,
        parked_at: note.parked_at,
        lost: note.lost,
        ..today
    }
}

/// The note after a try in vain.
fn tried(note: &Note, reason: &str, message: String) -> Note {
    Note { reason: reason.to_owned(), message, tries: note.tries.saturating_add(1), ..note.clone() }
}
