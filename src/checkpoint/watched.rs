//! A store whose saves do not last for ever.
//!
//! When a write of sled's own threads fails, who waits for it in `flush` is not always woken (sled 0.34.7): an error of the disk
//! can leave the process standing, alive and useless. Nothing can be mended from within, and nothing is lost by leaving.

use super::record::{SegmentKey, SegmentRecord};
use super::store::{Batch, CheckpointStore, StoreError};
use crate::position::SegmentId;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A store, and a thread that calls out when one of its saves takes too long.
pub struct Watched {
    store: Box<dyn CheckpointStore>,
    saving: Arc<Saving>,
}

#[derive(Default)]
struct Saving {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    since: Option<Instant>,
    ended: bool,
}

impl Watched {
    /// Watches the saves of `store`: `stuck` is called, on another thread, when one has taken `limit`. It is meant to end the process.
    pub fn new(store: Box<dyn CheckpointStore>, limit: Duration, stuck: impl FnOnce() + Send + 'static) -> Watched {
        let saving = Arc::new(Saving::default());
        let watched = Arc::clone(&saving);
        thread::spawn(move || {
            if watched.is_stuck(limit) {
                stuck();
            }
        });
        Watched { store, saving }
    }
}

impl Saving {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_one();
    }

    /// Returns true when a save has taken `limit`, false when there will be none any more.
    fn is_stuck(&self, limit: Duration) -> bool {
        let mut state = self.state();
        loop {
            let left = state.since.map(|since| limit.saturating_sub(since.elapsed()));
            state = match left {
                _ if state.ended => return false,
                Some(Duration::ZERO) => return true,
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.saving.set(|state| state.ended = true);
    }
}

impl CheckpointStore for Watched {
    fn visit(&self, visitor: &mut dyn FnMut(SegmentKey, SegmentRecord) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.store.visit(visitor)
    }

    fn get(&self, key: SegmentKey) -> Result<Option<SegmentRecord>, StoreError> {
        self.store.get(key)
    }

    fn newest(&self, id: SegmentId) -> Result<Option<(SegmentKey, SegmentRecord)>, StoreError> {
        self.store.newest(id)
    }

    fn meta(&self) -> Result<BTreeMap<String, serde_json::Value>, StoreError> {
        self.store.meta()
    }

    fn save(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.saving.set(|state| state.since = Some(Instant::now()));
        let saved = self.store.save(batch);
        self.saving.set(|state| state.since = None);
        saved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::MemoryStore;
    use std::sync::mpsc::{RecvTimeoutError, channel};

    /// Sleeps in each save.
    struct Slow(MemoryStore, Duration);

    impl CheckpointStore for Slow {
        fn visit(&self, visitor: &mut dyn FnMut(SegmentKey, SegmentRecord) -> ControlFlow<()>) -> Result<(), StoreError> {
            self.0.visit(visitor)
        }

        fn get(&self, key: SegmentKey) -> Result<Option<SegmentRecord>, StoreError> {
            self.0.get(key)
        }

        fn newest(&self, id: SegmentId) -> Result<Option<(SegmentKey, SegmentRecord)>, StoreError> {
            self.0.newest(id)
        }

        fn meta(&self) -> Result<BTreeMap<String, serde_json::Value>, StoreError> {
            self.0.meta()
        }

        fn save(&mut self, batch: &Batch) -> Result<(), StoreError> {
            thread::sleep(self.1);
            self.0.save(batch)
        }
    }

    #[test]
    fn a_save_that_takes_too_long_is_called_out_and_others_are_not() {
        let (tell, told) = channel();
        let mut quick = Watched::new(Box::new(MemoryStore::new()), Duration::from_millis(200), move || tell.send(()).unwrap());
        quick.save(&Batch::default()).unwrap();
        assert_eq!(told.recv_timeout(Duration::from_millis(400)), Err(RecvTimeoutError::Timeout), "idle is not slow");
        drop(quick);
        assert_eq!(told.recv_timeout(Duration::from_secs(30)), Err(RecvTimeoutError::Disconnected), "its thread has ended");

        let (tell, told) = channel();
        let slow = Box::new(Slow(MemoryStore::new(), Duration::from_secs(2)));
        let mut slow = Watched::new(slow, Duration::from_millis(50), move || tell.send(()).unwrap());
        let saving = thread::spawn(move || slow.save(&Batch::default()).unwrap());

        told.recv_timeout(Duration::from_secs(30)).unwrap();
        saving.join().unwrap();
    }
}
