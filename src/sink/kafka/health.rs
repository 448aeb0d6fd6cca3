//! Whether a broker answers, as librdkafka's threads and ours have seen it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shared by the sink and the threads of its producers; outlives a reset.
#[derive(Debug)]
pub(super) struct Health {
    servers: String,
    /// Contact is good: spares the lock on every delivery.
    good: AtomicBool,
    /// How often a broker has answered.
    answers: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    contact: Contact,
    /// The last error of a connection since contact was good: the cause that "all brokers are down" does not name.
    cause: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Contact {
    /// Nobody has answered yet.
    #[default]
    None,
    /// A broker answers.
    Good,
    /// No connection is left, and no attempt to make one has failed: brokers close idle connections.
    Idle,
    /// No broker answers, and the log says so.
    Down,
}

impl Health {
    /// Nobody has answered at `servers` yet.
    pub(super) fn new(servers: &str) -> Health {
        Health { servers: servers.into(), good: AtomicBool::new(false), answers: AtomicU64::new(0), seen: Mutex::default() }
    }

    /// A broker answered.
    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::AcqRel);
        if self.is_good() {
            return;
        }
        let mut seen = self.seen();
        if seen.contact == Contact::Down {
            tracing::info!(servers = self.servers, "a broker answers again");
        }
        seen.cause = None;
        self.set(&mut seen, Contact::Good);
    }

    /// One connection failed; librdkafka tries again.
    pub(super) fn connection_failed(&self, cause: &str) {
        let mut seen = self.seen();
        seen.cause = Some(cause.into());
        if seen.contact == Contact::Idle {
            self.down(&mut seen);
        }
    }

    /// No connection is left.
    pub(super) fn all_disconnected(&self) {
        let mut seen = self.seen();
        if seen.cause.is_some() {
            self.down(&mut seen);
        } else if seen.contact == Contact::Good {
            self.set(&mut seen, Contact::Idle);
        }
    }

    /// A question got no answer.
    pub(super) fn unanswered(&self) {
        self.down(&mut self.seen());
    }

    /// Whether contact is good; if not, somebody should ask a broker whether it is there.
    pub(super) fn is_good(&self) -> bool {
        self.good.load(Ordering::Acquire)
    }

    /// How often a broker has answered so far.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Acquire)
    }

    /// For [`crate::sink::Sink::health`].
    pub(super) fn report(&self) -> Result<(), String> {
        self.unless(|contact| matches!(contact, Contact::Good | Contact::Idle))
    }

    /// For [`crate::sink::Sink::reachable`]: that nobody has answered yet does not mean that nobody is there.
    pub(super) fn reachable(&self) -> Result<(), String> {
        self.unless(|contact| contact != Contact::Down)
    }

    fn unless(&self, fine: impl FnOnce(Contact) -> bool) -> Result<(), String> {
        let seen = self.seen();
        if fine(seen.contact) {
            return Ok(());
        }
        let cause = seen.cause.as_deref().map(|cause| format!(": {cause}")).unwrap_or_default();
        Err(format!("no broker answers at {}{cause}", self.servers))
    }

    /// Said once for each time it happens.
    fn down(&self, seen: &mut Seen) {
        if seen.contact != Contact::Down {
            tracing::warn!(servers = self.servers, error = seen.cause, "no broker answers");
        }
        self.set(seen, Contact::Down);
    }

    fn set(&self, seen: &mut Seen, contact: Contact) {
        seen.contact = contact;
        self.good.store(contact == Contact::Good, Ordering::Release);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_names_the_servers_and_the_last_cause() {
        let health = Health::new("k:9092");

        assert_eq!(health.report().unwrap_err(), "no broker answers at k:9092");
        health.answered();
        assert_eq!(health.report(), Ok(()));
        health.connection_failed("connection refused");
        assert_eq!(health.report(), Ok(()), "one connection is not the cluster");
        health.all_disconnected();
        assert_eq!(health.report().unwrap_err(), "no broker answers at k:9092: connection refused");
        health.answered();
        assert_eq!(health.report(), Ok(()));
    }

    #[test]
    fn idle_connection_that_a_broker_closes_is_no_trouble_until_the_next_one_fails() {
        let health = Health::new("k:9092");
        health.answered();

        health.all_disconnected();
        assert_eq!(health.report(), Ok(()));
        assert!(!health.is_good(), "worth a question");
        health.connection_failed("connection refused");

        assert_eq!(health.report().unwrap_err(), "no broker answers at k:9092: connection refused");
    }

    #[test]
    fn question_without_an_answer_is_trouble() {
        let health = Health::new("k:9092");
        health.answered();

        health.unanswered();

        assert_eq!(health.report().unwrap_err(), "no broker answers at k:9092");
    }
}
