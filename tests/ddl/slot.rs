//! A name under which tables come and go, and all that they have looked like.

use super::definition::Definition;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// What stands under a name; `None` while there is no table.
pub type State = Option<Arc<Definition>>;

/// A name for a table.
pub struct Slot {
    /// The table's name.
    pub name: String,
    /// Held for reading by careful writers, for writing by whoever changes the table.
    pub lock: tokio::sync::RwLock<()>,
    /// How many writes to it the node has acknowledged.
    pub acknowledged: AtomicUsize,
    history: Mutex<History>,
}

struct History {
    states: Vec<State>,
    /// Whether the next state is being made, so that it may hold already.
    changing: bool,
}

/// The states of a slot that a write may have met: from the one at its beginning to the one at its end.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The state that the statement was made for.
    pub first: usize,
    /// The last one that it may have met.
    pub last: usize,
}

impl Slot {
    /// A name without a table.
    pub fn new(name: String) -> Slot {
        let history = Mutex::new(History { states: vec![None], changing: false });
        Slot { name, lock: tokio::sync::RwLock::new(()), acknowledged: AtomicUsize::new(0), history }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().expect("nobody panics with it")
    }

    /// The present state and its number.
    pub fn now(&self) -> (usize, State) {
        let history = self.history();
        let number = history.states.len() - 1;
        (number, history.states[number].clone())
    }

    /// The table there is.
    pub fn table(&self) -> State {
        self.now().1
    }

    /// A write that began in the state `first` has ended now.
    pub fn ended(&self, first: usize, acknowledged: bool) -> Span {
        self.acknowledged.fetch_add(usize::from(acknowledged), Ordering::Relaxed);
        let history = self.history();
        Span { first, last: history.states.len() - 1 + usize::from(history.changing) }
    }

    /// The next state is being made.
    pub fn change(&self) {
        self.history().changing = true;
    }

    /// It holds.
    pub fn changed(&self, state: Option<Definition>) {
        let mut history = self.history();
        history.states.push(state.map(Arc::new));
        history.changing = false;
    }

    /// All that there were.
    pub fn states(&self) -> Vec<State> {
        self.history().states.clone()
    }

    /// How many tables have had this name.
    pub fn incarnations(&self) -> usize {
        self.history().states.iter().flatten().map(|definition| definition.incarnation + 1).max().unwrap_or(0)
    }
}
