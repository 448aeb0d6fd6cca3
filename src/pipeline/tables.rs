//! The catalog that the pipeline decodes with, and how it asks for a newer one.

use crate::history::{Additive, BEGINNING, History, Reading, Source};
use crate::mutation::{DecodeError, Mutation};
use crate::position::{CommitLogPosition, LogicalPosition};
use crate::schema::{Catalog, SchemaChange, TableId, TableMetadata};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a source of schema has published: the newest reading and how many came before it.
#[derive(Clone, Debug)]
pub struct Published {
    /// The reading; `None` until the first one came.
    pub reading: Option<Arc<Reading>>,
    /// Grows by one with each reading.
    pub version: u64,
    /// How many changes of the log were known when the source was asked.
    folds: u64,
}

/// The place where a live source leaves its newest reading, and where the pipeline leaves its wish for a newer one.
#[derive(Debug)]
pub struct Exchange {
    published: Mutex<Published>,
    wish: tokio::sync::Notify,
    /// How many schema mutations of the log the pipeline has taken in.
    folds: AtomicU64,
}

impl Exchange {
    /// Holds `catalog`, or nothing yet.
    pub fn new(catalog: Option<Catalog>) -> Arc<Exchange> {
        let version = u64::from(catalog.is_some());
        let published = Published { reading: catalog.map(|catalog| Arc::new(catalog.into())), version, folds: 0 };
        Arc::new(Exchange { published: Mutex::new(published), wish: tokio::sync::Notify::new(), folds: AtomicU64::new(0) })
    }

    /// Newer tables are here.
    pub fn publish(&self, catalog: Catalog) {
        self.publish_reading(catalog.into(), self.folds());
    }

    /// A newer reading is here. `folds` is what [`Exchange::folds`] said when the source was asked for it.
    pub fn publish_reading(&self, reading: Reading, folds: u64) {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.reading = Some(Arc::new(reading));
        published.version += 1;
        published.folds = folds;
    }

    /// How many changes of the log are known: those that come after the source was asked, it may not have known.
    pub fn folds(&self) -> u64 {
        self.folds.load(Ordering::Acquire)
    }

    /// The newest reading.
    pub fn newest(&self) -> Published {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest reading, if it is another than that of this version.
    fn newer_than(&self, version: u64) -> Option<Published> {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        (published.version != version).then(|| published.clone())
    }

    /// Asks for a newer one.
    pub fn wish(&self) {
        self.wish.notify_one();
    }

    /// Waits until a newer one is asked for.
    pub async fn wished(&self) {
        self.wish.notified().await;
    }
}

/// What to do with a mutation whose schema is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// A newer catalog was asked for: try again when it is here, or later.
    Wait,
    /// It was waited for long enough, or there is nobody to ask: park it.
    GiveUp,
}

/// How a table is defined, by whom.
pub type Definitions = [Option<Arc<TableMetadata>>; 2];

/// The pipeline's side of the exchange, and what it knows.
#[derive(Debug)]
pub struct Tables {
    exchange: Arc<Exchange>,
    /// Whether anybody answers wishes.
    live: bool,
    wait: Duration,
    waiting: Option<Waiting>,
    /// Tables that were waited for in vain, as of what was known then.
    given_up: HashSet<TableId>,
    given_up_at: u64,
    history: History,
    /// Whether the history outlives the process.
    is_kept: bool,
    /// Whether enough is known to begin.
    is_known: bool,
    /// The version of the reading that was taken in last.
    version: u64,
    reading: Option<Arc<Reading>>,
    /// Whether the reading waits for the log to be read past it, and since when.
    unsettled: Option<Option<Instant>>,
    /// What [`Exchange::folds`] was when the reading was asked for.
    folds: u64,
    /// The furthest entry that was decoded.
    position: CommitLogPosition,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    version: u64,
}

impl Tables {
    /// Looks into `exchange`; `live` says whether somebody answers wishes for a newer catalog, and `wait` how long one is
    /// waited for (`schema.wait`). Nothing is known besides, and the log's own schema mutations do not count.
    pub fn new(exchange: Arc<Exchange>, live: bool, wait: Duration) -> Tables {
        Tables {
            exchange,
            live,
            wait,
            waiting: None,
            given_up: HashSet::new(),
            given_up_at: 0,
            history: History::new(false),
            is_kept: false,
            is_known: false,
            version: 0,
            reading: None,
            unsettled: None,
            folds: 0,
            position: BEGINNING,
        }
    }

    /// The same with what is known from a file or a former run, and kept for the next one. `is_known` says whether that is enough to
    /// begin with.
    pub fn with_history(self, history: History, is_known: bool) -> Tables {
        let position = history.tables().flat_map(|(_, table)| table.versions()).map(|version| version.from).max();
        Tables { history, is_known, is_kept: true, position: position.unwrap_or(BEGINNING), ..self }
    }

    /// Whether enough is known to begin.
    pub fn is_known(&mut self) -> bool {
        self.take_in();
        self.is_known
    }

    /// The tables as they are at the end of what was read, once they are known.
    pub fn catalog(&mut self) -> Option<Arc<Catalog>> {
        self.is_known().then(|| self.history.latest())
    }

    /// The tables to decode an entry with that ends at `at`, once they are known.
    pub fn catalog_at(&mut self, at: CommitLogPosition) -> Option<Arc<Catalog>> {
        if at > self.position {
            self.go_on_to(at);
        }
        self.is_known().then(|| self.history.catalog_at(at))
    }

    /// Behind a missing segment the log is not the whole story any more: what the node says in addition holds again, so that nothing is
    /// left out that a mutation in it has turned on.
    fn go_on_to(&mut self, at: CommitLogPosition) {
        let (last, next) = (self.position.segment, at.segment);
        self.position = at;
        let is_gap = last != BEGINNING.segment && next != last && next.0 != last.0.saturating_add(1);
        if let (true, true, Some(reading)) = (is_gap, self.history.follows_log(), &self.reading) {
            self.history.take(Source::Cql, reading, CommitLogPosition { position: LogicalPosition(0), ..at }, Additive::NotInLog);
        }
    }

    /// Takes in a newer reading, if there is one.
    fn take_in(&mut self) {
        let Some(published) = self.exchange.newer_than(self.version) else { return };
        self.version = published.version;
        if let Some(reading) = published.reading {
            self.is_known = true;
            self.folds = published.folds;
            let additive = match self.folds == self.exchange.folds() {
                false => Additive::New,
                true if self.history.is_from_files() => Additive::NotInLog,
                true => Additive::Switches,
            };
            self.history.take(Source::Cql, &reading, just_before(self.position), additive);
            self.unsettled = self.history.follows_log().then_some(None);
            self.reading = Some(reading);
        }
    }

    /// Takes in what an entry says of the schema; answers what it has done.
    pub fn apply(&mut self, at: CommitLogPosition, mutation: &Mutation<'_>) -> Vec<SchemaChange> {
        let before = self.history.revision();
        let changes = self.history.apply(at, mutation);
        if self.history.revision() != before {
            self.exchange.folds.fetch_add(1, Ordering::AcqRel);
        }
        changes
    }

    /// An entry cannot be decoded. True if it can be now: the node knows the column that it names.
    pub fn learn(&mut self, error: &DecodeError, at: CommitLogPosition) -> bool {
        let (DecodeError::UnknownColumn { id, column, .. }, Some(reading)) = (error, &self.reading) else { return false };
        self.history.learn(*id, column, reading, just_before(at))
    }

    /// Everything below the horizon was read. Once that is so `period` after the node was asked, what it said holds whatever the log
    /// says: until then the log could hold what the node did not know, and the other way round.
    pub fn read_all(&mut self, now: Instant, period: Duration) {
        self.take_in();
        let Some(since) = &mut self.unsettled else { return };
        if now.saturating_duration_since(*since.get_or_insert(now)) < period {
            return;
        }
        self.unsettled = None;
        if self.folds != self.exchange.folds() {
            self.exchange.wish();
        } else if let Some(reading) = &self.reading {
            self.history.settle(reading, self.position);
        }
    }

    /// What is known.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What is known, to be changed.
    pub fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    /// Whether what is known is kept for the next run.
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Grows when anything that is known changes.
    pub fn version(&self) -> u64 {
        self.history.revision()
    }

    /// A mutation needs a table or column that the catalog does not have.
    pub fn missing(&mut self, table: Option<TableId>, now: Instant) -> Patience {
        if self.given_up_at != self.version() {
            self.given_up_at = self.version();
            self.given_up.clear();
        }
        if !self.live || table.is_some_and(|id| self.given_up.contains(&id)) {
            return Patience::GiveUp;
        }
        let waiting = self.waiting.get_or_insert_with(|| {
            self.exchange.wish();
            Waiting { since: now, version: self.version }
        });
        // A refresh that was under way when we asked may be older than the table: only time settles it.
        if now.duration_since(waiting.since) < self.wait {
            if waiting.version != self.version {
                waiting.version = self.version;
                self.exchange.wish();
            }
            return Patience::Wait;
        }
        self.waiting = None;
        self.given_up.extend(table);
        Patience::GiveUp
    }

    /// Asks for a newer catalog, whatever is known. Answers how long one is waited for; `None` if there is nobody to ask.
    pub fn ask(&mut self) -> Option<Duration> {
        self.live.then(|| {
            self.exchange.wish();
            self.wait
        })
    }

    /// How many readings have come, and how often anything that is known has changed.
    pub fn stamp(&mut self) -> (u64, u64) {
        self.take_in();
        (self.version, self.history.revision())
    }

    /// How a table is defined now: at the end of what was read, and as the node said last. A column that only the node knows counts once
    /// a mutation names it.
    pub fn definitions(&mut self, id: TableId) -> Definitions {
        let latest = self.catalog().and_then(|catalog| catalog.table(id).cloned());
        [latest, self.reading.as_ref().and_then(|reading| reading.catalog.table(id).cloned())]
    }

    /// A mutation was decoded: whatever was waited for is here.
    pub fn found(&mut self) {
        self.waiting = None;
    }

    /// Since when a newer catalog is waited for.
    pub fn waiting_since(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|waiting| waiting.since)
    }
}

/// The place right before an entry that ends at `at`.
fn just_before(at: CommitLogPosition) -> CommitLogPosition {
    CommitLogPosition { position: LogicalPosition(at.position.0.saturating_sub(1)), ..at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::ks_t;
    use uuid::Uuid;

    const TABLE: Option<TableId> = Some(TableId(Uuid::from_u128(7)));
    const WAIT: Duration = Duration::from_secs(10);

    #[test]
    fn without_a_live_source_nothing_is_waited_for() {
        let mut tables = Tables::new(Exchange::new(Some(Catalog::new())), false, WAIT);

        assert_eq!(tables.missing(TABLE, Instant::now()), Patience::GiveUp);
    }

    #[test]
    fn an_unknown_table_is_waited_for_once() {
        let mut tables = Tables::new(Exchange::new(Some(Catalog::new())), true, WAIT);
        let start = Instant::now();

        assert_eq!(tables.missing(TABLE, start), Patience::Wait);
        assert_eq!(tables.missing(TABLE, start + WAIT / 2), Patience::Wait);
        assert_eq!(tables.missing(TABLE, start + WAIT), Patience::GiveUp);
        assert_eq!(tables.missing(TABLE, start + WAIT), Patience::GiveUp);
    }

    #[test]
    fn a_newer_catalog_gives_a_table_a_new_chance() {
        let exchange = Exchange::new(Some(Catalog::new()));
        let mut tables = Tables::new(exchange.clone(), true, WAIT);
        let start = Instant::now();
        assert_eq!(tables.missing(TABLE, start), Patience::Wait);
        assert_eq!(tables.missing(TABLE, start + WAIT), Patience::GiveUp);

        let mut newer = Catalog::new();
        newer.insert(ks_t());
        exchange.publish(newer);
        tables.catalog();

        assert_eq!(tables.missing(TABLE, start + WAIT), Patience::Wait);
    }
}
