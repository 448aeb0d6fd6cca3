//! The catalog that the pipeline decodes with, and how it asks for a newer one.

use crate::schema::{Catalog, TableId};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a source of schema has published: the newest catalog and how many came before it.
#[derive(Clone, Debug)]
pub struct Published {
    /// The catalog; `None` until the first one came.
    pub catalog: Option<Arc<Catalog>>,
    /// Grows by one with each catalog.
    pub version: u64,
}

/// The place where a live source leaves its newest catalog, and where the pipeline leaves its wish for a newer one.
#[derive(Debug)]
pub struct Exchange {
    published: Mutex<Published>,
    wish: tokio::sync::Notify,
}

impl Exchange {
    /// Holds `catalog`, or nothing yet.
    pub fn new(catalog: Option<Catalog>) -> Arc<Exchange> {
        let version = u64::from(catalog.is_some());
        let published = Published { catalog: catalog.map(Arc::new), version };
        Arc::new(Exchange { published: Mutex::new(published), wish: tokio::sync::Notify::new() })
    }

    /// A newer catalog is here.
    pub fn publish(&self, catalog: Catalog) {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.catalog = Some(Arc::new(catalog));
        published.version += 1;
    }

    /// The newest catalog.
    pub fn newest(&self) -> Published {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

/// The pipeline's side of the exchange.
#[derive(Debug)]
pub struct Tables {
    exchange: Arc<Exchange>,
    /// Whether anybody answers wishes.
    live: bool,
    wait: Duration,
    waiting: Option<Waiting>,
    /// Tables that were waited for in vain, as of the catalog version they were looked up in.
    given_up: HashSet<TableId>,
    version: u64,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    version: u64,
}

impl Tables {
    /// Looks into `exchange`; `live` says whether somebody answers wishes for a newer catalog, and `wait` how long one is
    /// waited for (`schema.wait`).
    pub fn new(exchange: Arc<Exchange>, live: bool, wait: Duration) -> Tables {
        Tables { exchange, live, wait, waiting: None, given_up: HashSet::new(), version: 0 }
    }

    /// The catalog to decode with, if there is one yet.
    pub fn catalog(&mut self) -> Option<Arc<Catalog>> {
        let published = self.exchange.newest();
        if published.version != self.version {
            self.version = published.version;
            self.given_up.clear();
        }
        published.catalog
    }

    /// How many catalogs came before the one that [`Tables::catalog`] gave last.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A mutation needs a table or column that the catalog does not have.
    pub fn missing(&mut self, table: Option<TableId>, now: Instant) -> Patience {
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

    /// A mutation was decoded: whatever was waited for is here.
    pub fn found(&mut self) {
        self.waiting = None;
    }

    /// Since when a newer catalog is waited for.
    pub fn waiting_since(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|waiting| waiting.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

        exchange.publish(Catalog::new());
        tables.catalog();

        assert_eq!(tables.missing(TABLE, start + WAIT), Patience::Wait);
    }
}
