//! Everything outside the process, behind one lock: what the real pipeline meets in the place of disk, store and broker.
//!
//! Each effect of the agent is told, may fail, and may be the last, before or after; between any two the node may act. What must hold of
//! an effect is asked when it happens.

use crate::broker::Broker;
use crate::checks;
use crate::coordinator::Coordinator;
use crate::disk::{Disk, split};
use crate::node::Node;
use ringtail::checkpoint::{Batch, CheckpointStore, Fault, MemoryStore, SegmentKey, SegmentRecord, StoreError};
use ringtail::disk::{Metadata, Space};
use ringtail::envelope::Record;
use ringtail::position::{FileOffset, SegmentId};
use ringtail::progress::Ticket;
use ringtail::sink::faults::Choices;
use ringtail::sink::{DeliveryReport, Positions, SendError, Sink, SinkError, Transactions};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often the node acts between two effects of the agent, in all of a run.
const INTERLEAVED_MAX: u32 = 2000;
/// How many of the last effects a failure shows.
const SHOWN: usize = 30;

/// Everything outside the process.
pub struct Model {
    /// The disk.
    pub disk: Disk,
    /// The node.
    pub node: Node,
    /// The broker.
    pub broker: Broker,
    /// The ledger's store.
    pub store: MemoryStore,
    /// What goes wrong.
    pub choices: Choices,
    /// After so many half effects the process dies.
    pub dies_in: Option<u32>,
    /// After so many effects one of the disk fails.
    pub fails_in: Option<u32>,
    /// Whether one has failed since somebody last looked.
    pub failed: bool,
    /// How often in a thousand the node acts between two effects.
    pub interleaves_per_mille: u32,
    /// Whether `source.finished: keep`.
    pub keeps: bool,
    /// What no longer holds.
    pub violation: Option<String>,
    /// Effects so far.
    pub effects: u64,
    /// How often the node has acted between two effects of the agent.
    interleaved: u32,
    /// Deaths before or after an effect.
    pub deaths: u64,
    /// The last effects, or all of them.
    told: VecDeque<String>,
    tells: Tells,
}

/// What is told of a run. To put effects into words takes longer than the effects do: a run that fails is run again to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// Nothing.
    Nothing,
    /// The last effects, if something does not hold.
    Last,
    /// Every effect, as it happens.
    All,
}

/// Payload of the unwinding that stands for the death of the process.
pub struct Death;

/// The model, shared between the parts of the pipeline and whoever drives the test.
#[derive(Clone)]
pub struct Shared(pub Arc<Mutex<Model>>);

impl Model {
    /// A model in which nothing has happened.
    pub fn new(disk: Disk, mut node: Node, broker: Broker, choices: Choices, tells: Tells) -> Model {
        node.says = tells != Tells::Nothing;
        Model {
            disk,
            node,
            broker,
            store: MemoryStore::new(),
            choices,
            dies_in: None,
            fails_in: None,
            failed: false,
            interleaves_per_mille: 0,
            keeps: false,
            violation: None,
            effects: 0,
            interleaved: 0,
            deaths: 0,
            told: VecDeque::new(),
            tells,
        }
    }

    /// Notes what happens.
    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.tells == Tells::Nothing {
            return;
        }
        let what = what();
        if self.tells == Tells::All {
            println!("{what}");
        }
        if self.told.len() == SHOWN {
            self.told.pop_front();
        }
        self.told.push_back(what);
    }

    /// The last effects, as lines.
    pub fn last(&self) -> String {
        self.told.iter().map(|what| format!("  {what}\n")).collect()
    }

    /// Something does not hold.
    pub fn violate(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    /// The node does one thing.
    pub fn node_acts(&mut self) {
        // Where `cdc_raw` is not mounted no node runs.
        if self.disk.unmounted {
            return;
        }
        self.node.said.clear();
        self.node.step(&mut self.disk);
        if !self.node.said.is_empty() {
            let said = self.node.said.clone();
            self.tell(|| said);
        }
        checks::note_destroyed(self);
    }

    fn interleave(&mut self) {
        // Each segment that it makes gives the agent more effects to act between: without an end the two would never be done.
        if self.interleaves_per_mille > 0 && self.choices.happens(self.interleaves_per_mille) && self.interleaved < INTERLEAVED_MAX {
            self.interleaved += 1;
            self.node_acts();
        }
    }

    fn counts_down(counter: &mut Option<u32>) -> bool {
        match counter {
            Some(0) => {
                *counter = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    fn dies(&mut self) -> bool {
        let dies = Model::counts_down(&mut self.dies_in) || self.violation.is_some();
        self.deaths += u64::from(dies);
        dies
    }
}

impl Shared {
    /// The model.
    pub fn lock(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look<T>(&self, look: impl FnOnce(&mut Model) -> T) -> T {
        let mut model = self.lock();
        model.interleave();
        look(&mut model)
    }

    fn effect<T>(&self, name: impl FnOnce() -> String, run: impl FnOnce(&mut Model) -> io::Result<T>) -> io::Result<T> {
        let mut model = self.lock();
        model.interleave();
        model.effects += 1;
        model.tell(name);
        if model.dies() {
            die(model, "before it");
        }
        if Model::counts_down(&mut model.fails_in) {
            model.failed = true;
            model.tell(|| "… fails".into());
            return Err(io::Error::from_raw_os_error(5));
        }
        let result = run(&mut model);
        if let Err(error) = &result {
            model.tell(|| format!("… {error}"));
        }
        checks::note_destroyed(&mut model);
        if model.dies() {
            die(model, "after it");
        }
        result
    }
}

fn die(mut model: MutexGuard<'_, Model>, when: &str) -> ! {
    model.tell(|| format!("the process dies {when}"));
    drop(model);
    resume_unwind(Box::new(Death))
}

impl ringtail::disk::Disk for Shared {
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.look(|model| model.disk.metadata(path))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.look(|model| Ok(model.disk.list(folder)?.into_iter().map(OsString::from).collect()))
    }

    fn open(&self, path: &Path) -> io::Result<u64> {
        self.look(|model| model.disk.inode(path))
    }

    fn length(&self, inode: u64) -> io::Result<u64> {
        self.look(|model| Ok(model.disk.bytes(inode).len() as u64))
    }

    fn read_at(&self, inode: u64, offset: FileOffset, buffer: &mut [u8]) -> io::Result<usize> {
        self.look(|model| {
            let bytes = model.disk.bytes(inode);
            let rest = &bytes[(offset.0 as usize).min(bytes.len())..];
            let length = rest.len().min(buffer.len());
            buffer[..length].copy_from_slice(&rest[..length]);
            Ok(length)
        })
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.effect(|| format!("link {} to {}", from.display(), to.display()), |model| model.disk.link(from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.effect(|| format!("rename {} to {}", from.display(), to.display()), |model| model.disk.rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.effect(
            || format!("unlink {}", path.display()),
            |model| {
                let inode = model.disk.inode(path)?;
                let (folder, _) = split(path)?;
                checks::before_unlink(model, folder, inode);
                model.disk.unlink(path)
            },
        )
    }

    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let name = || format!("write {} bytes into {}", bytes.len(), path.display());
        self.effect(name, |model| {
            // Half of it is written when the process dies now.
            if model.dies_in == Some(0) {
                let half = model.choices.below(bytes.len() as u64) as usize;
                return model.disk.write(path, &bytes[..half]);
            }
            model.disk.write(path, bytes)
        })
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.effect(|| format!("sync {}", folder.display()), |model| model.disk.sync(folder))
    }

    fn space(&self, _folder: &Path) -> io::Result<Space> {
        Ok(self.lock().disk.space())
    }
}

impl Sink for Shared {
    fn send(&mut self, record: &Record, ticket: Ticket) -> Result<(), SendError> {
        let mut model = self.lock();
        model.effects += 1;
        if model.dies() {
            die(model, "before it sends");
        }
        let sent = model.broker.send(record, ticket);
        let id = || record.headers.iter().find(|(name, _)| *name == "ringtail.id").map(|(_, id)| id.clone()).unwrap_or_default();
        model.tell(|| format!("send {}{}", id(), if sent.is_ok() { "" } else { ": no" }));
        sent
    }

    fn poll(&mut self, _wait: Duration, reports: &mut Vec<DeliveryReport>) -> Result<(), SinkError> {
        let mut model = self.lock();
        model.broker.poll(reports);
        if !reports.is_empty() {
            let failed = reports.iter().filter(|report| report.result.is_err()).count();
            model.tell(|| format!("{} reports, {failed} of failures", reports.len()));
        }
        checks::note_news(&mut model);
        if model.dies() {
            die(model, "with its reports");
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), SinkError> {
        let mut model = self.lock();
        model.tell(|| "the producer is made anew".into());
        model.broker.reset();
        checks::note_news(&mut model);
        Ok(())
    }

    fn transactions(&mut self) -> Option<&mut dyn Transactions> {
        let has_batches = self.lock().broker.coordinator.is_some();
        if has_batches { Some(self) } else { None }
    }

    fn reachable(&self) -> Result<(), String> {
        self.lock().broker.reachable()
    }

    fn probe(&mut self) {
        self.lock().broker.probe();
    }

    fn answered_probe(&self) -> bool {
        self.lock().broker.answered_probe()
    }
}

impl Transactions for Shared {
    fn recovered(&mut self) -> Option<Option<Positions>> {
        let mut model = self.lock();
        let recovered = model.broker.recovered();
        if let Some(found) = &recovered {
            model.tell(|| format!("batch {:?} was committed last", found.as_ref().map(|positions| positions.seq)));
        }
        recovered
    }

    fn instance(&self) -> String {
        self.lock().broker.coordinator.as_ref().map_or_else(String::new, Coordinator::instance)
    }

    fn commit(&mut self, positions: &Positions) -> Result<(), SendError> {
        let mut model = self.lock();
        model.effects += 1;
        if model.dies() {
            die(model, "before it commits");
        }
        let taken = model.broker.commit(positions);
        model.tell(|| format!("commit batch {}{}", positions.seq, if taken.is_ok() { "" } else { ": no" }));
        if model.dies() {
            die(model, "after it asked for the commit");
        }
        taken
    }

    fn outcome(&mut self) -> Option<Result<u64, String>> {
        let mut model = self.lock();
        let outcome = model.broker.coordinator.as_mut()?.outcome();
        if let Some(outcome) = &outcome {
            model.tell(|| format!("the commit: {outcome:?}"));
        }
        outcome
    }
}

/// The ledger's store, whose saves are effects too.
pub struct Store(pub Shared, pub MemoryStore);

impl CheckpointStore for Store {
    fn visit(&self, visitor: &mut dyn FnMut(SegmentKey, SegmentRecord) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.1.visit(visitor)
    }

    fn get(&self, key: SegmentKey) -> Result<Option<SegmentRecord>, StoreError> {
        self.1.get(key)
    }

    fn newest(&self, id: SegmentId) -> Result<Option<(SegmentKey, SegmentRecord)>, StoreError> {
        self.1.newest(id)
    }

    fn meta(&self) -> Result<BTreeMap<String, serde_json::Value>, StoreError> {
        self.1.meta()
    }

    fn save(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut model = self.0.lock();
        model.effects += 1;
        model.tell(|| {
            let texts = batch.records.iter().map(|(key, record)| format!("{key} {:?} {:?}", record.state(), record.delivered_to));
            format!("save {}", texts.collect::<Vec<_>>().join(", "))
        });
        if model.dies() {
            die(model, "before it");
        }
        if model.dies() {
            // Written, and not flushed.
            self.1.fail_next(Fault::BeforeDurable);
            self.1.save(batch).expect_err("made to fail");
            die(model, "before it is flushed");
        }
        if Model::counts_down(&mut model.fails_in) {
            model.failed = true;
            self.1.fail_next([Fault::BeforeWrite, Fault::BeforeDurable, Fault::AfterDurable][model.choices.below(3) as usize]);
            model.tell(|| "… fails".into());
        }
        let saved = self.1.save(batch);
        checks::after_save(&mut model, batch, saved.is_ok());
        if model.dies() {
            die(model, "after it");
        }
        saved
    }
}
