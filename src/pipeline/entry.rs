//! One entry out of the log: decoded, shipped, or parked.

use super::Pipeline;
use super::error::Fatal;
use super::park::{Class, Note, Parked, QUEUED, first_table};
use super::ship::{Blocked, Cargo, Sending, Shipped, Shipper};
use super::tables::{Patience, Tables};
use super::tail::{Arrival, Fate};
use crate::checkpoint::{SegmentKey, UnixMillis};
use crate::mutation::{self, DecodeError, Mutation};
use crate::position::CommitLogPosition;
use crate::schema::TableId;
use std::io::ErrorKind;
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
                tail.count(fate, arrival.counted());
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

/// What an entry, or the rest of one, cannot get past.
pub(super) enum Hurdle {
    /// This part of it is parked already, or was discarded.
    Kept,
    /// Something before it waits: of the same partition key, or of this table.
    Queued(Option<TableId>),
    /// This update cannot be decoded.
    Undecodable(DecodeError),
}

impl Desk<'_> {
    /// Takes an entry as far as it gets.
    pub fn enter(&mut self, file: &str, arrival: Arrival<'_>) -> Result<Entered, Fatal> {
        let Some(catalog) = self.tables.catalog_at(arrival.at) else {
            return Ok(Entered::Blocked { ordinal: arrival.from.unwrap_or(0), why: Some("waiting for the schema".into()) });
        };
        let decoded = mutation::decode(arrival.body(), &catalog);
        let Some(from) = arrival.from else {
            return Ok(Entered::Done(self.fate_before(arrival.at, decoded.ok())));
        };
        let (mutation, error) = match decoded {
            Ok(mutation) => (mutation, None),
            Err(incomplete) if self.tables.learn(&incomplete.error, arrival.at) => return self.enter(file, arrival),
            Err(incomplete) => (incomplete.leading, Some(incomplete.error)),
        };
        if error.is_none() {
            self.tables.found();
            let changes = self.tables.apply(arrival.at, &mutation);
            if self.shipper.publishes_changes(&changes) {
                return self.whole(file, arrival, &Cargo::Changes(&changes), from);
            }
        }
        match self.hurdle(arrival, &mutation, error) {
            None => self.whole(file, arrival, &Cargo::Mutation(&mutation), from),
            Some((update, hurdle)) => self.leading(file, arrival, mutation, update, &hurdle, from),
        }
    }

    fn whole(&mut self, file: &str, arrival: Arrival<'_>, cargo: &Cargo<'_>, from: u32) -> Result<Entered, Fatal> {
        match self.send(self.sending(file, arrival.at, from), arrival.frame, cargo)? {
            Sent::Blocked { ordinal, why } => Ok(Entered::Blocked { ordinal, why }),
            Sent::All { fate, .. } => {
                self.shipper.passed(arrival.at);
                Ok(Entered::Done(fate))
            }
        }
    }

    /// The first update that cannot be published now, and why. What gives no event need not wait for anything.
    fn hurdle(&self, arrival: Arrival<'_>, mutation: &Mutation<'_>, error: Option<DecodeError>) -> Option<(usize, Hurdle)> {
        let Aside::Park(parked) = &self.aside else {
            return error.map(|error| (mutation.updates.len(), Hurdle::Undecodable(error)));
        };
        let kept = parked.kept_from(arrival.at).map(|update| (update as usize, Hurdle::Kept));
        // What is read again may stand behind more than when it was parked: what came out since can have been lost with a crash.
        let waits = error.is_some() || self.shipper.publishes(arrival.at, mutation);
        let behind = waits.then(|| behind(parked, arrival.body(), mutation)).flatten();
        let undecodable = error.map(|error| (mutation.updates.len(), Hurdle::Undecodable(error)));
        [kept, behind, undecodable].into_iter().flatten().min_by_key(|(update, _)| *update)
    }

    /// What became of an entry in a former run: it is not sent again, but its bytes are accounted for.
    fn fate_before(&mut self, at: CommitLogPosition, mutation: Option<Mutation<'_>>) -> Fate {
        let changes = mutation.as_ref().map(|mutation| self.tables.apply(at, mutation)).unwrap_or_default();
        match (self.aside_of(at), mutation) {
            (Some(fate), _) => fate,
            (None, Some(_)) if self.shipper.publishes_changes(&changes) => Fate::Delivered,
            (None, Some(mutation)) if self.shipper.publishes(at, &mutation) => Fate::Delivered,
            (None, _) => Fate::Filtered,
        }
    }

    /// Whether something of the entry was discarded or is parked: that decides what it counts as.
    fn aside_of(&self, at: CommitLogPosition) -> Option<Fate> {
        match &self.aside {
            Aside::Park(parked) if parked.discarded_at(at) => Some(Fate::Lost),
            Aside::Park(parked) if parked.holds(at) => Some(Fate::Parked),
            _ => None,
        }
    }

    pub(super) fn sending<'a>(&self, file: &'a str, at: CommitLogPosition, from: u32) -> Sending<'a> {
        Sending { at, file, from, ts_ms: self.ts_ms, again: None }
    }

    /// Sends the events of a mutation; an event that the other side refuses is parked.
    pub(super) fn send(&mut self, mut sending: Sending<'_>, frame: &[u8], cargo: &Cargo<'_>) -> Result<Sent, Fatal> {
        let (at, file) = (sending.at, sending.file);
        loop {
            let shipped = match self.shipper.ship(sending, cargo) {
                Ok(shipped) => shipped,
                Err(error) => {
                    let note = self.note(file, at, Class::Refused, "malformed", &error.to_string());
                    let kept = self.keep(at, frame, Note { table: Some(error.table), ..note })?;
                    return Ok(kept.map_or(Sent::All { fate: Fate::Parked, next: sending.from }, |full| full.at(sending.from)));
                }
            };
            match shipped {
                Shipped::Done { published, events } => {
                    let fate = self.aside_of(at).unwrap_or(if published { Fate::Delivered } else { Fate::Filtered });
                    return Ok(Sent::All { fate, next: events });
                }
                Shipped::Blocked { ordinal, why } => return Ok(Sent::Blocked { ordinal, why: obstacle(why) }),
                Shipped::Refused { ordinal, table: (id, name), cause, reason } => {
                    let note = self.note(file, at, Class::Refused, cause, &reason);
                    let note = Note { ordinal: Some(ordinal), table_id: id.map(|id| id.to_string()), table: Some(name), ..note };
                    if let Some(full) = self.keep(at, frame, note)? {
                        return Ok(full.at(ordinal));
                    }
                    self.shipper.parked((at, ordinal));
                    sending.from = ordinal + 1;
                }
            }
        }
    }

    /// A mutation of which only the first updates can be published now. They are, once it is clear that no newer schema comes, and
    /// the rest is parked with the bytes of all of it.
    fn leading(
        &mut self,
        file: &str,
        arrival: Arrival<'_>,
        mut leading: Mutation<'_>,
        update: usize,
        hurdle: &Hurdle,
        from: u32,
    ) -> Result<Entered, Fatal> {
        if let Hurdle::Undecodable(error) = hurdle
            && error.is_schema()
            && !self.is_waited_for(error.table_id())
            && self.tables.missing(error.table_id(), self.now) == Patience::Wait
        {
            return Ok(Entered::Blocked { ordinal: from, why: Some(format!("waiting for a newer schema: {error}")) });
        }
        let note = match hurdle {
            Hurdle::Kept => None,
            hurdle => Some(self.note_of(file, arrival, &leading, update, hurdle)),
        };
        leading.updates.truncate(update);
        let next = match self.send(self.sending(file, arrival.at, from), arrival.frame, &Cargo::Mutation(&leading))? {
            Sent::Blocked { ordinal, why } => return Ok(Entered::Blocked { ordinal, why }),
            Sent::All { next, .. } => next,
        };
        let kept = match note {
            Some(note) => self.keep(arrival.at, arrival.frame, note)?,
            None => self.keep_again(arrival)?,
        };
        if let Some(Full(why)) = kept {
            return Ok(Entered::Blocked { ordinal: next.max(from), why: Some(why) });
        }
        self.shipper.passed(arrival.at);
        Ok(Entered::Done(self.aside_of(arrival.at).unwrap_or(Fate::Parked)))
    }

    /// Whether entries of this table wait already, so that the schema was asked for.
    pub(super) fn is_waited_for(&self, table: Option<TableId>) -> bool {
        matches!(&self.aside, Aside::Park(parked) if table.is_some_and(|table| parked.blocks_table(table)))
    }

    /// Why the updates of an entry from this one on are parked.
    pub(super) fn note_of(&self, file: &str, arrival: Arrival<'_>, leading: &Mutation<'_>, update: usize, hurdle: &Hurdle) -> Note {
        let first_update = u32::try_from(update).unwrap_or(u32::MAX);
        let table = leading.updates.get(update).map(|update| update.table);
        let id = table.map(|table| table.id);
        let (class, reason, message, id) = match hurdle {
            Hurdle::Undecodable(error) => {
                let class = if error.is_schema() { Class::Waiting } else { Class::Refused };
                (class, error.reason(), error.to_string(), error.table_id())
            }
            Hurdle::Queued(Some(table)) => (Class::Waiting, QUEUED, format!("an earlier update of table {table} is parked"), Some(*table)),
            Hurdle::Queued(None) | Hurdle::Kept => {
                let message = "an earlier entry of the same partition key is parked".to_owned();
                (Class::Waiting, QUEUED, message, id.or_else(|| first_table(arrival.body())))
            }
        };
        let note = self.note(file, arrival.at, class, reason, &message);
        Note { table_id: id.map(|id| id.to_string()), table: table.map(ToString::to_string), first_update, ..note }
    }

    fn note(&self, file: &str, at: CommitLogPosition, class: Class, reason: &str, message: &str) -> Note {
        Note {
            v: 1,
            segment: file.to_owned(),
            position: at.position.0,
            class,
            reason: reason.to_owned(),
            message: message.to_owned(),
            table_id: None,
            table: None,
            first_update: 0,
            ordinal: None,
            tries: 0,
            seq: 0,
            parked_at: UnixMillis(self.ts_ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)),
            lost: false,
        }
    }

    /// Keeps an entry aside. `Some` if there is no room for it: then the reader stops, nothing is dropped.
    fn keep(&mut self, at: CommitLogPosition, frame: &[u8], note: Note) -> Result<Option<Full>, Fatal> {
        let Note { reason, message, .. } = &note;
        match &mut self.aside {
            Aside::Tell(count) => {
                **count += 1;
                tracing::error!(segment = note.segment, position = at.position.0, reason, "not published: {message}");
                Ok(None)
            }
            Aside::Park(parked) if !parked.has_room(frame.len() as u64) => {
                Ok(Some(Full("the folder of parked entries is full (state.parked.limit)".to_owned())))
            }
            Aside::Park(parked) => {
                if let Some(untold) = parked.untold(&note, self.now) {
                    let (segment, position) = (&note.segment, at.position.0);
                    let more = Some(untold).filter(|more| *more > 0);
                    if reason == QUEUED {
                        tracing::warn!(segment, position, reason, more, "entry parked: {message}");
                    } else {
                        tracing::error!(segment, position, reason, more, "entry parked: {message}");
                    }
                }
                kept(parked.park(at, frame, note), parked)
            }
        }
    }

    /// What is read again lies in the folder already: from now on others wait behind it.
    fn keep_again(&mut self, arrival: Arrival<'_>) -> Result<Option<Full>, Fatal> {
        match &mut self.aside {
            Aside::Tell(_) => Ok(None),
            Aside::Park(parked) => kept(parked.park_again(arrival.at, arrival.frame), parked),
        }
    }
}

/// The first update that stands behind something that waits.
pub(super) fn behind(parked: &Parked, body: &[u8], mutation: &Mutation<'_>) -> Option<(usize, Hurdle)> {
    if parked.blocks_key(body) {
        return Some((0, Hurdle::Queued(None)));
    }
    let update = mutation.updates.iter().position(|update| parked.blocks_table(update.table.id))?;
    Some((update, Hurdle::Queued(mutation.updates.get(update).map(|update| update.table.id))))
}

/// Another content of the segment may have parked its entry under the same position: that one goes first.
fn kept(result: std::io::Result<()>, parked: &Parked) -> Result<Option<Full>, Fatal> {
    match result {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Some(Full(format!("{error}: retry or discard it first")))),
        Err(source) => Err(Fatal::Io { action: "park an entry in", path: parked.dir().to_owned(), source }),
    }
}

/// How far a mutation got.
pub(super) enum Sent {
    /// Everything, up to the event before `next`.
    All {
        fate: Fate,
        next: u32,
    },
    Blocked {
        ordinal: u32,
        why: Option<String>,
    },
}

/// Why there is no place for an entry in the folder.
struct Full(String);

impl Full {
    /// To go on with this event.
    fn at(self, ordinal: u32) -> Sent {
        Sent::Blocked { ordinal, why: Some(self.0) }
    }
}

pub(super) fn obstacle(why: Blocked) -> Option<String> {
    match why {
        Blocked::Full => None,
        Blocked::UnknownTopic(topic) => Some(format!("topic {topic} does not exist: create it, or allow the broker to")),
        Blocked::Unauthorized(reason) => Some(format!("not authorised: {reason}")),
        Blocked::NotCreated(why) | Blocked::Encoder(why) => Some(why),
    }
}
