//! One entry: decoded, shipped, or parked.

use super::Pipeline;
use super::error::Fatal;
use super::park::{Class, Note, Parked};
use super::ship::{Blocked, Cargo, Shipped, Shipper};
use super::tables::{Patience, Tables};
use super::tail::{Arrival, Fate};
use crate::checkpoint::SegmentKey;
use crate::mutation::{self, DecodeError, Mutation};
use crate::position::CommitLogPosition;
use std::time::Instant;

/// What an entry needs on its way.
pub(super) struct Desk<'p> {
    pub shipper: &'p mut Shipper,
    pub tables: &'p mut Tables,
    pub aside: Aside<'p>,
    pub now: Instant,
    /// The time that events carry; theirs if `None`.
    pub ts_ms: Option<i64>,
}

/// Where an entry goes that cannot be published.
pub(super) enum Aside<'p> {
    /// Into the folder of parked entries.
    Park(&'p mut Parked),
    /// It is named, and counted here.
    Tell(&'p mut u64),
}

/// What became of an entry.
pub(super) enum Entered {
    /// All of it was dealt with.
    Done(Fate),
    /// Something is in the way. Go on with this event later.
    Blocked {
        ordinal: u32,
        /// What, in words; `None` if it is only that nothing has arrived yet.
        why: Option<String>,
    },
}

/// An entry that something was in the way of, kept until it is out of the way.
pub(super) struct Pending {
    pub key: SegmentKey,
    pub at: CommitLogPosition,
    pub frame: Vec<u8>,
    pub ordinal: u32,
}

impl Pipeline {
    /// Goes on with an entry that was blocked. False if it still is.
    pub(super) fn go_on_with(&mut self, pending: Pending) -> Result<bool, Fatal> {
        let Some(tail) = self.tails.get_mut(&pending.key) else {
            self.obstacle = None;
            return Ok(true);
        };
        let Some(shipper) = &mut self.shipper else { return Ok(false) };
        let mut desk = Desk {
            shipper,
            tables: &mut self.tables,
            aside: Aside::Park(&mut self.parked),
            now: self.schedule.now,
            ts_ms: Some(self.schedule.unix.0 as i64),
        };
        let arrival = Arrival { at: pending.at, from: Some(pending.ordinal), frame: &pending.frame };
        match desk.enter(tail.file_name(), arrival)? {
            Entered::Done(fate) => {
                tail.fates.count(fate, pending.frame.len());
                self.obstacle = None;
                Ok(true)
            }
            Entered::Blocked { ordinal, why } => {
                self.obstacle = why;
                self.pending = Some(Pending { ordinal, ..pending });
                Ok(false)
            }
        }
    }
}

impl Desk<'_> {
    /// Takes an entry as far as it gets.
    pub fn enter(&mut self, file: &str, arrival: Arrival<'_>) -> Result<Entered, Fatal> {
        let Some(catalog) = self.tables.catalog_at(arrival.at) else {
            return Ok(Entered::Blocked { ordinal: arrival.from.unwrap_or(0), why: Some("waiting for the schema".into()) });
        };
        match (mutation::decode(arrival.body(), &catalog), arrival.from) {
            (decoded, None) => Ok(Entered::Done(self.fate_before(arrival.at, decoded.ok()))),
            (Ok(mutation), Some(from)) => {
                self.tables.found();
                let changes = self.tables.apply(arrival.at, &mutation);
                match self.shipper.publishes_changes(&changes) {
                    true => self.publish(file, arrival, &Cargo::Changes(&changes), from),
                    false => self.publish(file, arrival, &Cargo::Mutation(&mutation), from),
                }
            }
            (Err(incomplete), _) if self.tables.learn(&incomplete.error, arrival.at) => self.enter(file, arrival),
            (Err(incomplete), Some(from)) => self.undecodable(file, arrival, &incomplete.leading, &incomplete.error, from),
        }
    }

    /// What became of an entry in a former run: it is not sent again, but its bytes are accounted for.
    fn fate_before(&mut self, at: CommitLogPosition, mutation: Option<Mutation<'_>>) -> Fate {
        let parked = matches!(&self.aside, Aside::Park(parked) if parked.holds(at));
        let changes = mutation.as_ref().map(|mutation| self.tables.apply(at, mutation)).unwrap_or_default();
        match mutation {
            _ if parked => Fate::Parked,
            Some(_) if self.shipper.publishes_changes(&changes) => Fate::Delivered,
            Some(mutation) if self.shipper.publishes(at, &mutation) => Fate::Delivered,
            _ => Fate::Filtered,
        }
    }

    fn publish(&mut self, file: &str, arrival: Arrival<'_>, cargo: &Cargo<'_>, from: u32) -> Result<Entered, Fatal> {
        match self.send(file, arrival, cargo, from)? {
            Sent::Blocked(blocked) => Ok(blocked),
            Sent::All { fate, .. } => {
                self.shipper.passed(arrival.at);
                Ok(Entered::Done(fate))
            }
        }
    }

    /// Sends the events of a mutation; an event that the other side refuses is parked.
    fn send(&mut self, file: &str, arrival: Arrival<'_>, cargo: &Cargo<'_>, mut from: u32) -> Result<Sent, Fatal> {
        let mut parked = matches!(&self.aside, Aside::Park(parked) if parked.holds(arrival.at));
        loop {
            let shipped = match self.shipper.ship(arrival.at, file, cargo, from, self.ts_ms) {
                Ok(shipped) => shipped,
                Err(error) => {
                    let note = note(file, arrival.at, Class::Refused, "malformed", &error.to_string());
                    let kept = self.keep(arrival, Note { first_update: error.update_index, ..note })?;
                    return Ok(kept.unwrap_or(Sent::All { fate: Fate::Parked, next: from }));
                }
            };
            match shipped {
                Shipped::Done { published, events } => {
                    let fate = match (parked, published) {
                        (true, _) => Fate::Parked,
                        (false, true) => Fate::Delivered,
                        (false, false) => Fate::Filtered,
                    };
                    return Ok(Sent::All { fate, next: events });
                }
                Shipped::Blocked { ordinal, why } => return Ok(Sent::Blocked(Entered::Blocked { ordinal, why: obstacle(why) })),
                Shipped::Refused { ordinal, reason } => {
                    let note = note(file, arrival.at, Class::Refused, "refused_by_sink", &reason);
                    if let Some(full) = self.keep(arrival, Note { ordinal: Some(ordinal), ..note })? {
                        return Ok(full.from(ordinal));
                    }
                    self.shipper.parked((arrival.at, ordinal));
                    parked = true;
                    from = ordinal + 1;
                }
            }
        }
    }

    /// A mutation of which only the first updates could be decoded: they are published once it is clear that no newer schema
    /// comes, and the rest is parked with the bytes of all of it.
    fn undecodable(
        &mut self,
        file: &str,
        arrival: Arrival<'_>,
        leading: &Mutation<'_>,
        error: &DecodeError,
        from: u32,
    ) -> Result<Entered, Fatal> {
        if error.is_schema() && self.tables.missing(error.table_id(), self.now) == Patience::Wait {
            return Ok(Entered::Blocked { ordinal: from, why: Some(format!("waiting for a newer schema: {error}")) });
        }
        let next = match self.send(file, arrival, &Cargo::Mutation(leading), from)? {
            Sent::Blocked(blocked) => return Ok(blocked),
            Sent::All { next, .. } => next,
        };
        let class = if error.is_schema() { Class::Waiting } else { Class::Refused };
        let note = Note {
            table_id: error.table_id().map(|id| id.to_string()),
            first_update: u32::try_from(leading.updates.len()).unwrap_or(u32::MAX),
            ..note(file, arrival.at, class, error.reason(), &error.to_string())
        };
        if let Some(full) = self.keep(arrival, note)?
            && let Sent::Blocked(full) = full.from(next.max(from))
        {
            return Ok(full);
        }
        self.shipper.passed(arrival.at);
        Ok(Entered::Done(Fate::Parked))
    }

    /// Keeps an entry aside. `Some` if there is no room for it: then the reader stops, nothing is dropped.
    fn keep(&mut self, arrival: Arrival<'_>, note: Note) -> Result<Option<Sent>, Fatal> {
        let Note { reason, message, .. } = &note;
        match &mut self.aside {
            Aside::Tell(count) => {
                **count += 1;
                tracing::error!(segment = note.segment, position = arrival.at.position.0, reason, "not published: {message}");
            }
            Aside::Park(parked) if !parked.has_room(arrival.frame.len() as u64) => {
                let why = Some("the folder of parked entries is full (state.parked.limit)".to_owned());
                return Ok(Some(Sent::Blocked(Entered::Blocked { ordinal: arrival.from.unwrap_or(0), why })));
            }
            Aside::Park(parked) => {
                if let Some(untold) = parked.untold(&note, self.now) {
                    let (segment, position) = (&note.segment, arrival.at.position.0);
                    let more = Some(untold).filter(|more| *more > 0);
                    tracing::error!(segment, position, reason, more, "entry parked: {message}");
                }
                parked.park(arrival.at, arrival.frame, &note).map_err(|source| Fatal::Io {
                    action: "park an entry in",
                    path: parked.dir().to_owned(),
                    source,
                })?;
            }
        }
        Ok(None)
    }
}

enum Sent {
    /// Everything, up to the event before `next`.
    All {
        fate: Fate,
        next: u32,
    },
    Blocked(Entered),
}

impl Sent {
    /// The same, to go on with this event.
    fn from(self, ordinal: u32) -> Sent {
        match self {
            Sent::Blocked(Entered::Blocked { why, .. }) => Sent::Blocked(Entered::Blocked { ordinal, why }),
            other => other,
        }
    }
}

fn obstacle(why: Blocked) -> Option<String> {
    match why {
        Blocked::Full => None,
        Blocked::UnknownTopic(topic) => Some(format!("topic {topic} does not exist: create it, or allow the broker to")),
        Blocked::Unauthorized(reason) => Some(format!("not authorised: {reason}")),
    }
}

fn note(file: &str, at: CommitLogPosition, class: Class, reason: &str, message: &str) -> Note {
    Note {
        v: 1,
        segment: file.to_owned(),
        position: at.position.0,
        class,
        reason: reason.to_owned(),
        message: message.to_owned(),
        table_id: None,
        first_update: 0,
        ordinal: None,
        tries: 0,
    }
}
