//! The thread that leads a producer's transactions: everything of them that waits for a broker.
//!
//! ```text
//! is the last record ours? ─► init_transactions ─► read the last record ─► begin ─► commit ─► begin ─► …
//!                             (fences older ones)                                     │
//!                                                                    not committed, or not known: the end
//! ```
//!
//! Whatever fails ends the producer: nothing is aborted, nothing is tried again with it. Making a new one aborts what the old one left
//! open, or waits until what it had begun to commit is committed, and only then is the last record read.

use super::config::Properties;
use super::context::{Context, Signal};
use super::failure::{Class, class};
use super::recover::{Recovery, TransactionSettings, Unanswered};
use crate::sink::Positions;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long one call of librdkafka may wait; it is called again to go on waiting.
const CALL: Duration = Duration::from_millis(500);
/// Between two attempts to begin.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// Between a failure and the next producer.
const PAUSE: Duration = Duration::from_millis(300);
/// Between two looks at whether everything of a batch has arrived.
const LOOK_AGAIN: Duration = Duration::from_micros(500);
/// How long a commit may take until its result counts as unknown.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// What the thread tells.
#[derive(Debug)]
pub(super) enum Told {
    /// The producer may send; what the last committed batch says.
    Recovered(Option<Positions>),
    /// The batch is committed, and the next one may begin.
    Committed,
    /// The producer is of no use any more; why.
    Failed(String),
    /// Another producer has our transactional id.
    Fenced(String),
}

/// What outlives a producer.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) settings: TransactionSettings,
    pub(super) properties: Properties,
    /// The name of this process in its records.
    pub(super) instance: String,
    /// Whether a record of this process was committed.
    pub(super) claimed: AtomicBool,
    /// Why nothing can be sent yet.
    pub(super) obstacle: Mutex<Option<String>>,
}

impl Identity {
    pub(super) fn hold(&self, obstacle: Option<String>) {
        let mut held = self.obstacle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = obstacle.as_ref().filter(|_| *held != obstacle) {
            tracing::debug!("waiting: {why}");
        }
        *held = obstacle;
    }

    pub(super) fn obstacle(&self) -> Option<String> {
        self.obstacle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The thread.
pub(super) struct Lead {
    pub(super) client: Arc<BaseProducer<Context>>,
    pub(super) identity: Arc<Identity>,
    pub(super) commits: Receiver<()>,
    pub(super) signals: Sender<Signal>,
    pub(super) ended: Arc<AtomicBool>,
}

impl Lead {
    /// Until the producer ends, or something fails.
    pub(super) fn run(self) {
        match self.lead() {
            Ok(()) => {}
            Err(told) => {
                // The next producer is made at once, and would fail as fast.
                let until = Instant::now() + PAUSE;
                while matches!(told, Told::Failed(_)) && Instant::now() < until && self.go_on().is_ok() {
                    thread::sleep(LOOK_AGAIN);
                }
                self.tell(told);
            }
        }
    }

    fn lead(&self) -> Result<(), Told> {
        // Asked before, so that a process that wakes up after another has taken over does not take over in turn.
        if self.identity.claimed.load(Ordering::Acquire) {
            self.last_record()?;
        }
        self.init()?;
        let last = self.last_record()?;
        self.begin()?;
        self.identity.hold(None);
        self.tell(Told::Recovered(last));
        while self.commits.recv().is_ok() {
            self.commit()?;
            self.identity.claimed.store(true, Ordering::Release);
            self.begin()?;
            self.tell(Told::Committed);
        }
        Ok(())
    }

    fn tell(&self, told: Told) {
        // Nobody listens once the sink has given the producer up.
        self.signals.send(Signal::Transaction(told)).ok();
    }

    /// The last committed record. If another process wrote it since we wrote one, that one goes on and we do not.
    fn last_record(&self) -> Result<Option<Positions>, Told> {
        let identity = &*self.identity;
        let recovery = Recovery::new(&identity.properties, &identity.settings, &self.ended);
        loop {
            match recovery.last() {
                Ok(Some(last)) if identity.claimed.load(Ordering::Acquire) && last.instance != identity.instance => {
                    let id = &identity.settings.transactional_id;
                    return Err(Told::Fenced(format!("another process ({}) delivers as {id}", last.instance)));
                }
                Ok(last) => return Ok(last),
                Err(Unanswered(why)) => identity.hold(Some(why)),
            }
            self.wait()?;
        }
    }

    fn wait(&self) -> Result<(), Told> {
        thread::sleep(TRY_AGAIN);
        self.go_on()
    }

    fn go_on(&self) -> Result<(), Told> {
        if self.ended.load(Ordering::Acquire) { Err(Told::Failed("the producer was given up".into())) } else { Ok(()) }
    }

    /// Fences older producers of this id. Waits for a broker as long as it takes.
    fn init(&self) -> Result<(), Told> {
        self.identity.hold(Some("waiting for the brokers to begin transactions".into()));
        loop {
            // One that was given up must not fence the one that has its place.
            self.go_on()?;
            match self.client.init_transactions(CALL) {
                Ok(()) => return Ok(()),
                Err(error) if is_retriable(&error) => {}
                Err(error) => return Err(self.failed("transactions cannot begin", &error)),
            }
        }
    }

    fn begin(&self) -> Result<(), Told> {
        self.client.begin_transaction().map_err(|error| self.failed("a transaction cannot begin", &error))
    }

    fn commit(&self) -> Result<(), Told> {
        let until = Instant::now() + COMMIT_TIMEOUT;
        // Asked for here, because rdkafka's own flush looks only every 100 ms.
        while self.client.in_flight_count() > 0 && Instant::now() < until {
            self.go_on()?;
            thread::sleep(LOOK_AGAIN);
        }
        loop {
            match self.client.commit_transaction(CALL) {
                Ok(()) => return Ok(()),
                Err(error) if is_retriable(&error) && Instant::now() < until => self.go_on()?,
                Err(error) if is_retriable(&error) => {
                    return Err(Told::Failed(format!("whether a transaction was committed is not known ({error})")));
                }
                Err(error) => return Err(self.failed("a transaction was not committed", &error)),
            }
        }
    }

    fn failed(&self, what: &str, error: &KafkaError) -> Told {
        let fatal = self.client.client().fatal_error();
        let code = fatal.as_ref().map(|(code, _)| *code).or(error.rdkafka_error_code()).unwrap_or(RDKafkaErrorCode::Fail);
        let reason = fatal.map_or_else(|| error.to_string(), |(_, reason)| reason);
        let id = &self.identity.settings.transactional_id;
        match code {
            _ if class(code) == Class::Fenced => Told::Fenced(format!("{id}: {reason}")),
            RDKafkaErrorCode::TransactionalIdAuthorizationFailed => {
                Told::Failed(format!("not authorised: {what}: allow Write and Describe on transactional id {id}"))
            }
            RDKafkaErrorCode::InvalidTransactionTimeout => {
                Told::Failed(format!("{what}: transaction.timeout.ms is above the brokers' transaction.max.timeout.ms"))
            }
            _ => Told::Failed(format!("{what}: {reason}")),
        }
    }
}

/// Whether the call goes on when it is made again.
fn is_retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable() && !error.txn_requires_abort() && !error.is_fatal(),
        KafkaError::Flush(code) => *code == RDKafkaErrorCode::OperationTimedOut,
        _ => false,
    }
}
