//! The ids of schemas: asked for on a thread of its own, and kept.

use super::client::Client;
use super::failure::{Failure, Patience};
use crate::envelope::EncodeError;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A question that nobody has asked for so long is dropped: its table has another schema by now.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// A schema under its subject: what a registry gives an id to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Registration {
    /// The subject.
    pub subject: Arc<str>,
    /// The schema, as JSON.
    pub schema: Arc<str>,
}

/// The ids of schemas. What was answered once holds until the process ends, also while the registry is away.
#[derive(Debug)]
pub struct Ids {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    register: bool,
    patience: Patience,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<Registration, u32>,
    open: HashMap<Registration, Open>,
    closed: bool,
}

/// A question without an answer yet.
#[derive(Debug)]
struct Open {
    why: String,
    failures: u32,
    /// When it is to be asked of the registry again.
    due: Instant,
    /// When somebody wanted to know last.
    wanted: Instant,
}

impl Ids {
    /// Starts the thread that asks. `register`: whether schemas that are not known are registered.
    ///
    /// # Errors
    /// There is no thread.
    pub fn start(client: Client, register: bool, patience: Patience) -> io::Result<Ids> {
        let shared = Arc::new(Shared { client, register, patience, state: Mutex::default(), wake: Condvar::new() });
        let asking = shared.clone();
        thread::Builder::new().name("registry".to_owned()).spawn(move || asking.run())?;
        Ok(Ids { shared })
    }

    /// The id of a schema, if it is known by now. Never waits.
    ///
    /// # Errors
    /// [`EncodeError::Waiting`]: not yet, and why.
    pub fn id(&self, registration: &Registration) -> Result<u32, EncodeError> {
        let mut state = self.shared.lock();
        if let Some(id) = state.known.get(registration) {
            return Ok(*id);
        }
        let now = Instant::now();
        if let Some(open) = state.open.get_mut(registration) {
            open.wanted = now;
            return Err(EncodeError::Waiting(open.why.clone()));
        }
        let why = format!("asking the schema registry for the schema of subject {}", registration.subject);
        state.open.insert(registration.clone(), Open { why: why.clone(), failures: 0, due: now, wanted: now });
        self.shared.wake.notify_all();
        Err(EncodeError::Waiting(why))
    }
}

/// The thread ends when it has its answer.
impl Drop for Ids {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // What is kept is whole after every line that touches it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while let Some(registration) = self.next() {
            let Registration { subject, schema } = &registration;
            let answer = if self.register { self.client.register(subject, schema) } else { self.client.look_up(subject, schema) };
            self.note(registration, answer);
        }
    }

    /// Waits for the next question that is to be asked; `None`: nobody wants to know any more.
    fn next(&self) -> Option<Registration> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let now = Instant::now();
            state.open.retain(|_, open| now.saturating_duration_since(open.wanted) < FORGOTTEN);
            let next = state.open.iter().min_by_key(|(_, open)| open.due).map(|(registration, open)| (registration.clone(), open.due));
            let wait = match next {
                Some((registration, due)) if due <= now => return Some(registration),
                Some((_, due)) => due - now,
                None => FORGOTTEN,
            };
            state = self.wake.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn note(&self, registration: Registration, answer: Result<u32, Failure>) {
        let subject = registration.subject.clone();
        let mut state = self.lock();
        match answer {
            Ok(id) => {
                state.open.remove(&registration);
                state.known.insert(registration, id);
                tracing::info!(%subject, id, "the schema registry knows the schema");
            }
            Err(failure) => {
                let Some(open) = state.open.get_mut(&registration) else { return };
                let why = failure.to_string();
                if why != open.why {
                    say(&failure, &subject);
                }
                let wait = failure.ask_again(open.failures, self.patience);
                *open = Open { why, failures: open.failures + 1, due: Instant::now() + wait, wanted: open.wanted };
            }
        }
    }
}

/// Once for each reason: what comes back by itself is survived, for the rest a person must act.
fn say(failure: &Failure, subject: &str) {
    if failure.is_of_one_address() {
        tracing::warn!(subject, "reading waits: {failure}");
    } else {
        tracing::error!(subject, "reading stops: {failure}");
    }
}
