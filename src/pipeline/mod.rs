//! The loop: from the folder to the sink, and from the sink back to the folder.
//!
//! One thread, one turn after the other. A turn looks at the folder when it is time or something has changed, reads entries
//! below the horizon, hands their events to the sink until it or the window is full, takes in what has arrived, saves the
//! ledger when that is due, and ends segments of which everything is durable. Nothing in a turn blocks for longer than a
//! poll of the sink.
//!
//! ```text
//! look ─► tails ─► read ─► entry ─► ship ═══► sink
//!   ▲                                          │ reports
//!   └── finish ◄── ledger saved ◄── window ◄───┘
//! ```
//!
//! What happens when something fails is decided here and nowhere else:
//!
//! | what | what we do | what moves |
//! |---|---|---|
//! | a change of the schema in the log | take it into the history, send it as events | the watermark, once they arrived |
//! | a table or column that is not known | ask for a newer schema, wait `schema.wait`, then park the entry, and behind it what comes later of its key and table | the watermark, once it is parked |
//! | a newer schema that knows it | the reader stands still until what waited is handed over, in order | – |
//! | a mutation that cannot be decoded, an event the other side refuses | park it | the same |
//! | a range that cannot be read | note it, go on behind it, keep the whole file | the watermark |
//! | an encrypted segment without its key | wait, unready; later segments wait too; read the keystore again | nothing |
//! | a segment that cannot be read | keep the whole file, go on with the next | – |
//! | either of the two, under `on_damage: halt` | read nothing more, unready; linking goes on | nothing |
//! | nobody takes what is sent | the circuit breaker opens: reading pauses, unready; linking goes on | nothing |
//! | a failed delivery, a batch of which it is not known whether it was committed | forget what is in flight, read again from the durable checkpoint | nothing |
//! | positions that were committed and are gone | end, naming both sides | nothing |
//! | a topic that is missing, or not allowed | wait, unready | nothing |
//! | the disk of the state folder is full | wait, unready | nothing |
//! | the ledger cannot be saved, the folder cannot be listed | end, naming it | nothing |

mod account;
mod acknowledge;
mod again;
mod asked;
mod batch;
mod breaker;
mod clock;
mod entry;
mod error;
mod finish;
mod gaps;
mod keyring;
mod lag;
mod let_go;
mod look;
pub mod park;
mod parts;
mod rates;
mod read;
mod reconcile;
mod replay;
mod report;
mod retry;
mod ship;
mod spool_room;
mod tables;
mod tail;

pub use clock::Clock;
pub use error::Fatal;
pub use let_go::{discard, open_parked};
pub use parts::{Parts, Settings};
pub use replay::{Replayed, replay};
pub use ship::Shipper;
pub use tables::{Exchange, Tables};

use crate::cdc_raw::{Finished, Inventory, Watch};
use crate::checkpoint::{Ledger, LedgerError, SegmentKey, SegmentState, StoreError, UnixMillis, room};
use crate::history::History;
use crate::mutant::{Mutant, mutant};
use crate::position::SegmentId;
use crate::progress::DeliveredTo;
use crate::telemetry::{Metrics, SharedStatus};
use account::Accounts;
use batch::Batch;
use breaker::{Breaker, Seen};
use entry::Pending;
use gaps::Watching;
use keyring::Keyring;
use park::Parked;
use read::Pass;
use report::Reporting;
use retry::Retries;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};
use tail::Tail;

/// How often the ledger is saved while events arrive.
const SAVE_INTERVAL: Duration = Duration::from_millis(100);
/// How often records that are old enough go.
const PRUNE_INTERVAL: Duration = Duration::from_secs(3600);
/// How much longer than a sync takes what the node says of the schema waits for the log.
const SETTLE_MARGIN: Duration = Duration::from_secs(5);
/// How long a stop waits for what is in flight.
const STOP_WAIT: Duration = Duration::from_secs(4);

/// The agent's loop.
pub struct Pipeline {
    settings: Settings,
    ledger: Ledger,
    inventory: Inventory,
    tables: Tables,
    keyring: Keyring,
    shipper: Option<Shipper>,
    breaker: Breaker,
    batch: Batch,
    parked: Parked,
    retries: Retries,
    accounts: Accounts,
    /// Where commands leave what they ask for.
    requests: Option<PathBuf>,
    tails: BTreeMap<SegmentKey, Tail>,
    pending: Option<Pending>,
    /// None under a manual clock.
    watch: Option<Watch>,
    woken: Receiver<()>,
    finished: Finished,
    metrics: Arc<Metrics>,
    status: SharedStatus,
    schedule: Schedule,
    /// When a segment first showed two sections with entries: what makes older ones final.
    succeeding: BTreeMap<SegmentKey, Instant>,
    /// Segments whose files cannot be read as a whole and do not change any more, and why.
    unreadable: BTreeMap<SegmentKey, String>,
    /// Those that cannot be read, and may be only half written.
    doubtful: BTreeSet<SegmentKey>,
    watching: Watching,
    /// The first segment that is in `cdc_raw` and could not be linked at the last look.
    unlinked: Option<SegmentId>,
    /// Segments that have shown data before some look.
    read_after_look: BTreeSet<SegmentKey>,
    /// The segment that later ones wait for, because something in it does not verify.
    waits_at: Option<SegmentKey>,
    drain: Option<BTreeSet<SegmentKey>>,
    /// Whether the last pass read everything below the horizon.
    read_all: bool,
    /// The damage at which reading has ended.
    halted: Option<String>,
    /// Why nothing moves, for readiness.
    obstacle: Option<String>,
    /// Why the folder cannot be looked at.
    folder_obstacle: Option<String>,
    /// That the state folder's disk is full.
    full_disk: Option<String>,
    /// The last that was said of a missing key.
    missing_key: Option<String>,
    reporting: Reporting,
    cdc_raw_bytes: u64,
    /// Why no new segment is linked.
    short_of_space: Option<String>,
    /// Bytes that were free on the disk at the last look.
    disk_free: u64,
    /// Whether it was said that the spool is full.
    spool_full: bool,
    /// The last that was said of names that could not be released.
    release_error: Option<String>,
    /// Whether bytes were found lost in this run.
    lost: bool,
    delivered: u64,
    /// Bytes of the log that the checkpoint passed in this run.
    passed: u64,
    /// How long what the node writes can stay unseen.
    settle_after: Duration,
    /// The version of the schema history that is in the ledger.
    history_kept: u64,
}

#[derive(Debug)]
struct Schedule {
    clock: Clock,
    now: Instant,
    unix: UnixMillis,
    next_look: Instant,
    looks: u32,
    last_save: Instant,
    pause: Duration,
    /// When an entry was last read.
    moved_at: Instant,
    rewinds: u32,
    retry_at: Option<Instant>,
    next_report: Instant,
    next_prune: Instant,
    next_request: Instant,
}

impl Pipeline {
    /// Puts the parts together and takes in what the spool holds from former runs.
    ///
    /// # Errors
    /// The spool or the ledger cannot be read.
    pub fn new(settings: Settings, mut parts: Parts) -> Result<Pipeline, Fatal> {
        let (dir, limit) = parts.parked;
        let parked = open_parked(&dir, limit, &mut parts.ledger)?;
        let (wake, woken) = sync_channel(1);
        let watch = (!parts.clock.is_manual()).then(|| Watch::start(&parts.folders.cdc_raw, wake));
        let finished = parts.folders.finished;
        let accounts = Accounts::due(settings.accounts, &parts.ledger);
        let settle_after = parts.folders.sync_period + SETTLE_MARGIN;
        let watching = Watching::resume(&parts.ledger, settings.node_removes);
        let (inventory, found) = Inventory::open(parts.folders, &parts.ledger)?;
        let mut pipeline = Pipeline {
            settings,
            ledger: parts.ledger,
            inventory,
            tables: parts.tables,
            keyring: Keyring::new(parts.keystore),
            shipper: None,
            breaker: Breaker::new(settings.breaker),
            batch: Batch::new(settings.commit_interval),
            parked,
            requests: parts.requests.clone(),
            retries: Retries::new(parts.requests),
            accounts,
            tails: BTreeMap::new(),
            pending: None,
            watch,
            woken,
            finished,
            metrics: parts.metrics,
            status: parts.status,
            schedule: Schedule::new(parts.clock),
            succeeding: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            watching,
            unlinked: None,
            read_after_look: BTreeSet::new(),
            waits_at: None,
            drain: None,
            read_all: false,
            halted: None,
            obstacle: None,
            folder_obstacle: None,
            full_disk: None,
            missing_key: None,
            reporting: Reporting::default(),
            cdc_raw_bytes: 0,
            short_of_space: None,
            disk_free: 0,
            spool_full: false,
            release_error: None,
            lost: false,
            delivered: 0,
            passed: 0,
            settle_after,
            history_kept: 0,
        };
        pipeline.forget_retries();
        pipeline.name_unacknowledged();
        pipeline.name_open_gaps();
        for found in found {
            pipeline.take_in(found)?;
        }
        Ok(pipeline)
    }

    /// Gives the loop somewhere to send to. Until then it only links segments into the spool.
    ///
    /// # Errors
    /// The ledger cannot be saved.
    pub fn begin(&mut self, mut shipper: Shipper) -> Result<(), Fatal> {
        let began = |key: &SegmentKey| self.ledger.get(*key).filter(|record| record.delivered_to != DeliveredTo::default());
        for (key, record) in self.tails.keys().filter_map(|key| Some((key, began(key)?))) {
            shipper.window.resume(key.id, record.delivered_to);
        }
        for key in self.parked.kept_events() {
            shipper.parked(key);
        }
        // Before anything is sent: a file sink that does not know its file again cannot tell what a crash tore from what was there.
        note_sink(&mut self.ledger, &shipper);
        self.batch.begin(&mut shipper);
        self.shipper = Some(shipper);
        Ok(self.ledger.save()?)
    }

    /// Whether [`Pipeline::begin`] was called.
    pub fn has_begun(&self) -> bool {
        self.shipper.is_some()
    }

    /// Takes what is present now as all there is to do: see [`Pipeline::is_drained`].
    ///
    /// # Errors
    /// As [`Pipeline::turn`].
    pub fn drain(&mut self) -> Result<(), Fatal> {
        self.look()?;
        self.drain = Some(self.inventory.segments().map(|segment| segment.key()).collect());
        Ok(())
    }

    /// One turn of the loop.
    ///
    /// # Errors
    /// [`Fatal`]: what ends the process.
    pub fn turn(&mut self) -> Result<(), Fatal> {
        self.schedule.tick();
        self.status.tick();
        if !self.has_room()? {
            self.read_all = false;
            self.arrivals(self.settings.poll_max)?;
            self.report(false);
            return Ok(());
        }
        let looks = !self.retries.is_alone && self.is_look_due();
        if looks {
            self.look()?;
        }
        self.attend()?;
        self.acknowledge_if_asked()?;
        let pass = self.read()?;
        self.read_all = pass == Pass::Complete;
        if self.read_all {
            self.tables.read_all(self.schedule.now, self.settle_after);
        }
        self.end_batch(false)?;
        self.arrivals(self.wait_after(pass))?;
        self.save_if_due()?;
        self.finish()?;
        self.send_accounts()?;
        if looks {
            self.make_room()?;
        }
        self.prune_if_due()?;
        self.report(false);
        Ok(())
    }

    /// Stops reading, waits for what is in flight, saves. Nothing is lost by leaving earlier: it is sent again.
    ///
    /// # Errors
    /// As [`Pipeline::turn`].
    pub fn stop(&mut self) -> Result<(), Fatal> {
        let until = self.schedule.clock.now() + STOP_WAIT;
        while self.shipper.as_ref().is_some_and(|shipper| shipper.window.unarrived() > 0) && self.schedule.clock.now() < until {
            self.schedule.tick();
            self.end_batch(true)?;
            self.arrivals(Duration::from_millis(20))?;
        }
        self.save()?;
        if self.full_disk.is_none() {
            self.finish()?;
            self.note_arrived_accounts();
            self.ledger.save()?;
        }
        self.report(true);
        Ok(())
    }

    /// Events that arrived in this run.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Events that arrived in all runs that this ledger knows of.
    pub fn delivered_ever(&self) -> u64 {
        self.ledger.meta(META_EVENTS).and_then(serde_json::Value::as_u64).unwrap_or(0)
    }

    /// Whether bytes were found lost in this run.
    pub fn has_lost(&self) -> bool {
        self.lost
    }

    /// The damage at which reading has ended, under `source.on_damage: halt`; once everything before it has arrived.
    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref().filter(|_| self.shipper.as_ref().is_some_and(|shipper| shipper.window.is_empty()))
    }

    /// Entries that are parked, and files in quarantine.
    pub fn set_aside(&self) -> (u64, usize) {
        (self.parked.entries(), self.ledger.live().filter(|(_, record)| record.state() == SegmentState::Quarantined).count())
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The ledger, for what the caller keeps there.
    pub fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// Takes in what has arrived; a failed delivery sends everything back to the durable checkpoint.
    fn arrivals(&mut self, wait: Duration) -> Result<(), Fatal> {
        let Some(shipper) = &mut self.shipper else {
            std::thread::sleep(wait);
            return Ok(());
        };
        let arrivals = shipper.poll(wait)?;
        self.delivered += arrivals.delivered as u64;
        let seen = Seen {
            delivered: arrivals.delivered,
            failed: arrivals.failed.is_some(),
            in_flight: shipper.window.unarrived(),
            reachable: shipper.sink().reachable(),
        };
        self.breaker.turn(self.schedule.now, &seen, shipper.sink_mut());
        if arrivals.delivered > 0 && self.schedule.rewinds > 0 {
            tracing::info!(attempts = self.schedule.rewinds, "delivering again");
            self.schedule.rewinds = 0;
        }
        let failed = self.attend_batch()?;
        match arrivals.failed.map(|failure| failure.to_string()).or(failed) {
            None => Ok(()),
            Some(failure) => self.rewind(&failure),
        }
    }

    /// Back to the durable checkpoint: every tail is read again from its header, and what has arrived is not sent again.
    fn rewind(&mut self, reason: &str) -> Result<(), Fatal> {
        self.save()?;
        self.schedule.rewinds += 1;
        let pause = self.settings.poll_max.max(Duration::from_millis(100)) * self.schedule.rewinds.min(40);
        self.schedule.retry_at = Some(self.schedule.now + pause);
        // Said when it begins; the attempts that follow are a matter of readiness, until one succeeds.
        if self.schedule.rewinds == 1 {
            tracing::warn!("{reason}; what is not durable is sent again until it arrives");
            self.status.note_error(reason);
        }
        tracing::debug!(reason, attempt = self.schedule.rewinds, "sending again from the durable checkpoint");
        self.reporting.failure = reason.to_owned();
        if let Some(shipper) = &mut self.shipper {
            shipper.rewind()?;
            self.batch.begin(shipper);
        }
        self.forget_retries();
        self.accounts.begin_again();
        if mutant(Mutant::RewindForgetsParked) {
            self.parked.unblock_all();
        }
        self.pending = None;
        self.obstacle = None;
        // One whose link somebody has removed has no file to begin with again: the next look links it, or finds that it is lost.
        for key in std::mem::take(&mut self.tails).into_keys() {
            self.open_tail(key)?;
        }
        Ok(())
    }

    /// Whether the state folder's disk has room. Without it nothing is linked, read or saved, and what arrives is remembered.
    ///
    /// # Errors
    /// The disk does not say.
    pub fn has_room(&mut self) -> Result<bool, Fatal> {
        let dir = self.parked.dir();
        let room = room(dir).map_err(|source| Fatal::Io { action: "ask for the free space of", path: dir.to_owned(), source })?;
        let full = room.err().map(|free| format!("the disk of {} is full: {free} bytes are free", dir.display()));
        if let Some(why) = full.as_ref().filter(|_| self.full_disk.is_none()) {
            tracing::error!("{why}; nothing is linked or read until there is room");
            self.status.note_error(why.clone());
        } else if full.is_none() && self.full_disk.is_some() {
            tracing::info!("the disk of the state folder has room again");
        }
        self.full_disk = full;
        Ok(self.full_disk.is_none())
    }

    /// What the log told of the schema goes into the ledger with, or before, the checkpoint that covers the entry that told it: when a
    /// segment is gone nobody could read it again.
    fn keep_history(&mut self) -> Result<(), Fatal> {
        let version = self.tables.version();
        if !self.tables.is_kept() || version == self.history_kept {
            return Ok(());
        }
        if let Some((oldest, _)) = self.ledger.live().next() {
            self.tables.history_mut().prune(oldest.id);
        }
        let text = self
            .tables
            .history()
            .to_json()
            .map_err(|source| LedgerError::Store(StoreError::Encode { what: "the schema history".into(), source }))?;
        self.ledger.set_meta(META_HISTORY, text.into());
        self.history_kept = version;
        Ok(())
    }

    /// What is known of the schema.
    pub fn history(&self) -> &History {
        self.tables.history()
    }

    fn prune_if_due(&mut self) -> Result<(), Fatal> {
        if self.schedule.now < self.schedule.next_prune {
            return Ok(());
        }
        self.schedule.next_prune = self.schedule.now + PRUNE_INTERVAL;
        let pruned = self.ledger.prune(self.schedule.unix)?;
        if pruned > 0 {
            tracing::info!(pruned, "records of segments that were finished long ago are gone");
        }
        Ok(())
    }

    fn save_if_due(&mut self) -> Result<(), Fatal> {
        let half_full = self.shipper.as_ref().is_some_and(|shipper| shipper.window.half_full());
        if half_full || self.schedule.now.duration_since(self.schedule.last_save) >= SAVE_INTERVAL {
            self.save()?;
        }
        Ok(())
    }

    /// The checkpoint. What it covers leaves the window when it is durable, and not before.
    fn save(&mut self) -> Result<(), Fatal> {
        if self.full_disk.is_some() {
            return Ok(());
        }
        self.schedule.last_save = self.schedule.now;
        self.keep_history()?;
        self.keep_heard();
        let Some(shipper) = &mut self.shipper else { return Ok(self.ledger.save()?) };
        let progress = shipper.window.take_progress();
        for (segment, to) in &progress.segments {
            if let Some(key) = key_of(&self.tails, *segment) {
                let before = self.ledger.get(key).map_or(to.position, |record| record.delivered_to.position);
                self.passed += u64::from(to.position.0.saturating_sub(before.0));
                self.ledger.advance(key, *to)?;
            }
        }
        let arrived = shipper.take_arrived();
        if arrived > 0 {
            let ever = self.ledger.meta(META_EVENTS).and_then(serde_json::Value::as_u64).unwrap_or(0);
            self.ledger.set_meta(META_EVENTS, (ever + arrived).into());
        }
        note_sink(&mut self.ledger, shipper);
        self.ledger.save()?;
        shipper.window.durable(progress.mark);
        self.let_arrived_go()
    }
}

/// Meta value: events that arrived in all runs.
const META_EVENTS: &str = "events";
/// Meta value: the schema history, as one text ([`History::to_json`]).
pub const META_HISTORY: &str = "schema_history";
/// Meta value: what the sink asked to be remembered.
pub const META_SINK: &str = "sink";

fn note_sink(ledger: &mut Ledger, shipper: &Shipper) {
    if let Some(state) = shipper.sink().state() {
        ledger.set_meta(META_SINK, state);
    }
}

/// The key of a segment that is being read. Two contents of one id are never read at once.
fn key_of(tails: &BTreeMap<SegmentKey, Tail>, id: SegmentId) -> Option<SegmentKey> {
    tails.range(SegmentKey::first(id)..).next().map(|(key, _)| *key).filter(|key| key.id == id)
}

impl Schedule {
    fn new(clock: Clock) -> Schedule {
        let now = clock.now();
        Schedule {
            now,
            unix: clock.unix(),
            next_look: now,
            looks: 0,
            last_save: now,
            pause: Duration::ZERO,
            moved_at: now,
            rewinds: 0,
            retry_at: None,
            next_report: now,
            next_prune: now,
            next_request: now,
            clock,
        }
    }

    /// Looks at the clock: once a turn, so that a turn happens at one time.
    fn tick(&mut self) {
        self.now = self.clock.now();
        self.unix = self.clock.unix();
    }
}
