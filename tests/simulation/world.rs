//! One run of a seed: the real pipeline among the models, until everything has come to its end.

use crate::broker::{Broker, Weather};
use crate::checks;
use crate::coordinator::Coordinator;
use crate::disk::{self, Disk};
use crate::entries::pool;
use crate::model::{Death, Model, Shared, Store, Tells};
use crate::node::{Habits, Node};
use crate::support::expected;
use ringtail::cdc_raw::{Finished, Folders};
use ringtail::checkpoint::{Ledger, SegmentState};
use ringtail::config::{Breaker, Full, Release, Spool, TableFilter, TablePattern};
use ringtail::pipeline::{Clock, Exchange, Fatal, Parts, Pipeline, Settings, Shipper, Tables};
use ringtail::progress::{Limits, Window};
use ringtail::schema::Catalog;
use ringtail::sink::faults::Choices;
use ringtail::telemetry::{Metrics, SharedStatus};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Seeds from this one on are delivered exactly once, those below at least once.
pub const EXACTLY_ONCE: u64 = 1_000_000_000;
/// Turns after which a healthy world must be at rest.
const DRAIN_TURNS: usize = 1500;

/// What a seed decides of the agent's configuration.
#[derive(Debug)]
struct Config {
    window: usize,
    synced: bool,
    commitlog: bool,
    finished: Finished,
    wait: Duration,
    live: bool,
    look: Duration,
    rescan: Duration,
    spool: Spool,
}

/// What has happened, over many seeds: a kind that never did was not tested.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Steps.
    pub steps: u64,
    /// Effects of the agent.
    pub effects: u64,
    /// Deaths before or after an effect.
    pub deaths: u64,
    /// Times the power went off.
    pub power_losses: u64,
    /// Ends of the process because an effect failed.
    pub failures: u64,
    /// Events that arrived.
    pub events: u64,
    /// Events that came again.
    pub repeats: u64,
    /// Runs that were delivered exactly once.
    pub exactly_once: u64,
    /// Commits of which the agent did not hear how they ended.
    pub unknown_commits: u64,
    /// Segments that came to their end.
    pub finished: u64,
    /// Segments that somebody destroyed.
    pub destroyed: u64,
    /// Segments in quarantine.
    pub quarantined: u64,
    /// Entries or events that were kept aside at the end.
    pub parked: u64,
    /// Segments reported as lost.
    pub lost: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, more: Tally) {
        let pairs = [
            (&mut self.steps, more.steps),
            (&mut self.effects, more.effects),
            (&mut self.deaths, more.deaths),
            (&mut self.power_losses, more.power_losses),
            (&mut self.failures, more.failures),
            (&mut self.events, more.events),
            (&mut self.repeats, more.repeats),
            (&mut self.exactly_once, more.exactly_once),
            (&mut self.unknown_commits, more.unknown_commits),
            (&mut self.finished, more.finished),
            (&mut self.destroyed, more.destroyed),
            (&mut self.quarantined, more.quarantined),
            (&mut self.parked, more.parked),
            (&mut self.lost, more.lost),
        ];
        pairs.into_iter().for_each(|(sum, more)| *sum += more);
    }
}

struct World {
    config: Config,
    shared: Shared,
    clock: Clock,
    exchange: Arc<Exchange>,
    learned: bool,
    pipeline: Option<Pipeline>,
    choices: Choices,
    crashes_per_mille: u32,
    fails_per_mille: u32,
    tally: Tally,
}

fn config(choices: &mut Choices) -> Config {
    let full = if choices.happens(200) { Full::DropOldest } else { Full::Hold };
    Config {
        window: 1 + choices.below(40) as usize,
        synced: choices.happens(300),
        commitlog: choices.happens(300),
        finished: [Finished::Delete, Finished::Delete, Finished::Keep, Finished::Archive][choices.below(4) as usize],
        wait: Duration::from_secs(choices.below(3)),
        live: choices.happens(500),
        look: Duration::from_micros(100 + choices.below(2000)),
        rescan: Duration::from_millis(choices.below(4) * 60),
        spool: Spool {
            limit: if choices.happens(700) { 1 << 40 } else { 2000 + choices.below(8000) },
            full,
            release: if choices.happens(500) { Release::Early } else { Release::Delivered },
            min_free: 0,
        },
    }
}

/// The catalog without one of the tables that the node writes to.
fn without_one(choices: &mut Choices, menu: &[usize]) -> Option<Catalog> {
    let pool = pool();
    let cdc: Vec<usize> = menu.iter().copied().filter(|place| !pool.templates[*place].events.is_empty()).collect();
    if cdc.is_empty() || !choices.happens(300) {
        return None;
    }
    let mut known = pool.catalog.clone();
    known.remove(pool.templates[cdc[choices.below(cdc.len() as u64) as usize]].table);
    Some(known)
}

fn metrics() -> Arc<Metrics> {
    static METRICS: OnceLock<Arc<Metrics>> = OnceLock::new();
    METRICS.get_or_init(|| Arc::new(Metrics::new("simulation"))).clone()
}

/// Runs a seed. Fails with what does not hold, in which step, and the last effects.
pub fn run(seed: u64) -> Result<Tally, String> {
    run_and_tell(seed, Tells::Nothing).map_err(|what| {
        let again = run_and_tell(seed, Tells::Last);
        again.expect_err(&format!("a seed is the same run each time, and this one failed once only: {what}"))
    })
}

/// The same, and what it tells.
pub fn run_and_tell(seed: u64, tells: Tells) -> Result<Tally, String> {
    let mut world = World::new(seed, tells);
    ringtail::disk::play(Some(Arc::new(world.shared.clone())));
    let result = world.live().and_then(|()| world.drain());
    world.pipeline = None;
    ringtail::disk::play(None);
    let model = world.shared.lock();
    result.map(|()| world.tally).map_err(|what| {
        let step = world.tally.steps;
        format!("{what}\nseed {seed}, step {step}; the last effects:\n{}", model.last())
    })
}

impl World {
    fn new(seed: u64, tells: Tells) -> World {
        let mut choices = Choices::new(seed);
        let habits = Habits::choose(&mut choices);
        let known = without_one(&mut choices, &habits.menu);
        let mut disk = Disk::default();
        let habits_text = if tells == Tells::Nothing { String::new() } else { format!("{habits:?}") };
        let node = Node::new(choices.below(u64::MAX), habits, &mut disk);
        let mut broker = Broker::choose(&mut choices);
        broker.coordinator = (seed >= EXACTLY_ONCE).then(Coordinator::default);
        let config = config(&mut choices);
        let calm = choices.happens(200);
        let mut model = Model::new(disk, node, broker, Choices::new(choices.below(u64::MAX)), tells);
        model.tell(|| format!("{config:?}, {habits_text}"));
        model.keeps = config.finished == Finished::Keep;
        model.interleaves_per_mille = if choices.happens(500) { 20 } else { 0 };
        checks::begin();
        World {
            shared: Shared(Arc::new(Mutex::new(model))),
            clock: Clock::manual(config.look),
            learned: known.is_none(),
            exchange: Exchange::new(Some(known.unwrap_or_else(|| pool().catalog.clone()))),
            pipeline: None,
            crashes_per_mille: if calm { 0 } else { 10 + choices.below(150) as u32 },
            fails_per_mille: if choices.happens(700) { 0 } else { choices.below(60) as u32 },
            config,
            choices,
            tally: Tally::default(),
        }
    }

    /// The time in which things go wrong.
    fn live(&mut self) -> Result<(), String> {
        for _ in 0..60 + self.choices.below(240) {
            self.tally.steps += 1;
            for _ in 0..self.choices.below(4) {
                self.shared.lock().node_acts();
            }
            self.change_weather();
            self.pass_time();
            let crash = self.choices.happens(self.crashes_per_mille).then(|| self.choices.below(20) as u32);
            let failure = self.choices.happens(self.fails_per_mille).then(|| self.choices.below(6) as u32);
            {
                let mut model = self.shared.lock();
                (model.dies_in, model.fails_in) = (crash, failure);
            }
            self.agent_turns()?;
            if self.choices.happens(4) {
                self.lose_power();
            }
        }
        Ok(())
    }

    fn change_weather(&mut self) {
        let mut model = self.shared.lock();
        let (fair, other) = (model.broker.weather == Weather::Fair, self.choices.below(4) as usize);
        if self.choices.happens(if fair { 15 } else { 60 }) {
            let weather = if fair { [Weather::Slow, Weather::Silent, Weather::Away, Weather::NoTopic][other] } else { Weather::Fair };
            model.broker.weather = weather;
            model.tell(|| format!("the broker is {weather:?}"));
        }
        if self.choices.happens(if model.disk.full { 150 } else { 5 }) {
            model.disk.full = !model.disk.full;
            let full = model.disk.full;
            model.tell(|| format!("the disk is {}", if full { "full" } else { "not full any more" }));
        }
        if self.choices.happens(if model.disk.unmounted { 200 } else { 3 }) {
            model.disk.unmounted = !model.disk.unmounted;
            let there = if model.disk.unmounted { "not there" } else { "there again" };
            model.tell(|| format!("cdc_raw is {there}"));
        }
        drop(model);
        if !self.learned && self.choices.happens(15) {
            self.learn();
        }
    }

    fn learn(&mut self) {
        self.learned = true;
        self.exchange.publish(pool().catalog.clone());
        self.shared.lock().tell(|| "the schema is known".into());
    }

    fn pass_time(&mut self) {
        let later = match self.choices.below(100) {
            0..3 => 70_000,
            3..10 => 5_000,
            _ => self.choices.below(200),
        };
        self.clock.advance(Duration::from_millis(later));
        if self.choices.happens(10) {
            let days = self.choices.below(5) as i64 - 2;
            self.clock.jump(days * 86_400_000);
        }
    }

    /// The agent does what it does in one turn, or begins; it may die of it.
    fn agent_turns(&mut self) -> Result<(), String> {
        let vandalisms = self.shared.lock().node.vandalisms;
        let turned = catch_unwind(AssertUnwindSafe(|| self.start_or_turn()));
        let mut model = self.shared.lock();
        // Who removes a link in the very moment in which it is used may end the process.
        let failed = std::mem::take(&mut model.failed) || model.node.vandalisms > vandalisms;
        (model.dies_in, model.fails_in) = (None, None);
        if let Some(what) = model.violation.take() {
            return Err(what);
        }
        drop(model);
        match turned {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => {
                let text = ringtail::telemetry::with_causes(&error);
                if !failed && !self.shared.lock().disk.full {
                    return Err(format!("the process ends without a cause: {text}"));
                }
                self.tally.failures += 1;
                self.shared.lock().tell(|| format!("the process ends: {text}"));
            }
            Err(payload) if payload.is::<Death>() => {}
            Err(payload) => {
                let text =
                    payload.downcast_ref::<String>().cloned().or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                return Err(format!("the pipeline panics: {}", text.unwrap_or_default()));
            }
        }
        self.end_process();
        if self.choices.happens(150) {
            self.lose_power();
        } else {
            self.shared.lock().store.reopen();
        }
        Ok(())
    }

    fn start_or_turn(&mut self) -> Result<(), Fatal> {
        if let Some(pipeline) = &mut self.pipeline {
            return pipeline.turn();
        }
        self.shared.lock().tell(|| "the process starts".into());
        let mut pipeline = self.start()?;
        if self.choices.happens(100) {
            pipeline.turn()?;
        }
        pipeline.begin(self.shipper())?;
        self.pipeline = Some(pipeline);
        Ok(())
    }

    fn start(&mut self) -> Result<Pipeline, Fatal> {
        let store = self.shared.lock().store.clone();
        let ledger = Ledger::load(Box::new(Store(self.shared.clone(), store)))?;
        let folders = Folders {
            cdc_raw: disk::path(disk::CDC_RAW),
            spool: disk::path(disk::SPOOL),
            quarantine: disk::path(disk::QUARANTINE),
            commitlog: self.config.commitlog.then(|| disk::path(disk::COMMITLOG)),
            finished: self.config.finished,
            archive: disk::path(disk::ARCHIVE),
            sync_period: Duration::from_secs(10),
        };
        let parts = Parts {
            ledger,
            folders,
            parked: (disk::path(disk::PARKED), 1 << 30),
            requests: None,
            tables: Tables::new(self.exchange.clone(), self.config.live, self.config.wait),
            keystore: None,
            metrics: metrics(),
            status: SharedStatus::new("simulation"),
            clock: self.clock.clone(),
        };
        let settings = Settings {
            commit_interval: Duration::from_millis(100),
            synced: self.config.synced,
            poll_min: Duration::from_micros(10),
            poll_max: Duration::from_micros(10),
            breaker: Breaker::default(),
            halt_on_damage: false,
            rescan: self.config.rescan,
            spool: self.config.spool,
            accounts: false,
            node_removes: None,
        };
        Pipeline::new(settings, parts)
    }

    fn shipper(&self) -> Shipper {
        let every = TableFilter { include: vec![TablePattern::parse("*.*").expect("a pattern")], exclude: Vec::new() };
        let window = Window::new(Limits::events(self.config.window));
        Shipper::new(Box::new(self.shared.clone()), window, expected::envelope(), every, metrics())
    }

    /// The process is gone; of what was in flight some arrives.
    fn end_process(&mut self) {
        self.pipeline = None;
        let mut model = self.shared.lock();
        model.broker.reset();
        checks::note_news(&mut model);
    }

    fn lose_power(&mut self) {
        self.end_process();
        self.tally.power_losses += 1;
        let mut model = self.shared.lock();
        let model = &mut *model;
        model.node.lose_power(&mut model.disk);
        model.tell(|| "the power goes off".into());
        // A save that was under way has become durable, or not.
        if model.choices.happens(500) {
            model.store.crash()
        } else {
            model.store.reopen()
        }
        model.disk.lose_power(&mut model.choices);
        checks::note_destroyed(model);
    }

    /// How many segments are at their end, and how far the others are delivered, all together.
    fn reach(&self) -> (u64, u64) {
        let Some(pipeline) = &self.pipeline else { return (0, 0) };
        let ended = pipeline.ledger().ended().map(|(_, count)| count).sum();
        (ended, pipeline.ledger().live().map(|(_, record)| u64::from(record.delivered_to.position.0)).sum())
    }

    /// Nothing goes wrong any more: everything must come to its end.
    fn drain(&mut self) -> Result<(), String> {
        if !self.learned {
            self.learn();
        }
        {
            let mut model = self.shared.lock();
            let model = &mut *model;
            model.tell(|| "from here on nothing goes wrong".into());
            model.broker.heal();
            (model.disk.full, model.disk.unmounted) = (false, false);
            model.interleaves_per_mille = 0;
            model.node.end(&mut model.disk);
            checks::note_destroyed(model);
        }
        let (mut furthest, mut idle, mut turn) = ((0, 0), 0, 0);
        while idle < DRAIN_TURNS {
            (turn, idle) = (turn + 1, idle + 1);
            self.tally.steps += 1;
            self.clock.advance(Duration::from_millis(if turn % 20 == 19 { 61_000 } else { 110 }));
            self.agent_turns()?;
            if turn > 10 && self.is_at_rest() {
                return self.settle_up();
            }
            let reach = self.reach();
            if reach > furthest {
                (furthest, idle) = (reach, 0);
            }
        }
        let model = self.shared.lock();
        let left: Vec<String> =
            self.pipeline.iter().flat_map(|pipeline| pipeline.ledger().live()).map(|(_, record)| format!("{record:?}")).collect();
        Err(format!(
            "I5: it does not come to an end: {left:?}; in cdc_raw {:?}, parked {:?}",
            model.disk.names[disk::CDC_RAW],
            checks::waiting(&model)
        ))
    }

    fn is_at_rest(&self) -> bool {
        let Some(pipeline) = &self.pipeline else { return false };
        let model = self.shared.lock();
        let waits = checks::waiting(&model).is_some();
        let is_at_work = |state: SegmentState| matches!(state, SegmentState::Open | SegmentState::Final | SegmentState::Delivered);
        let is_archived = |inode: u64| checks::is_archived(&model, inode);
        let is_clear = |(name, inode): (&String, &u64)| !name.ends_with(".log") || model.keeps || is_archived(*inode);
        !waits
            && !pipeline.ledger().live().any(|(_, record)| is_at_work(record.state()) && !is_archived(record.inode))
            && model.disk.names[disk::CDC_RAW].iter().all(is_clear)
            && model.disk.names[disk::SPOOL].values().all(|inode| is_archived(*inode))
    }

    fn settle_up(&mut self) -> Result<(), String> {
        let mut model = self.shared.lock();
        let model = &mut *model;
        checks::at_the_end(model, self.learned)?;
        let tally = &mut self.tally;
        (tally.effects, tally.deaths) = (model.effects, model.deaths);
        (tally.events, tally.repeats) = (model.broker.arrived.len() as u64, model.broker.repeats);
        tally.exactly_once = u64::from(model.broker.coordinator.is_some());
        tally.unknown_commits = model.broker.unknown_commits;
        tally.destroyed = model.node.segments.iter().filter(|segment| segment.destroyed == Some(true)).count() as u64;
        tally.parked = model.disk.names[disk::PARKED].keys().filter(|name| name.ends_with(".entry")).count() as u64;
        let ended = self.pipeline.iter().flat_map(|pipeline| pipeline.ledger().ended());
        let live = self.pipeline.iter().flat_map(|pipeline| pipeline.ledger().live()).map(|(_, record)| (record.state(), 1));
        for (state, count) in ended.chain(live) {
            match state {
                SegmentState::Finished(_) => tally.finished += count,
                SegmentState::Quarantined => tally.quarantined += count,
                SegmentState::Lost(_) => tally.lost += count,
                _ => {}
            }
        }
        Ok(())
    }
}
