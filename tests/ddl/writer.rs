//! Writers that know what the table looks like that they write to.
//!
//! A careful writer holds the table's lock, so that nothing changes while its write is under way: it knows exactly what must come. The other
//! kind does not; its event may look like any definition between the beginning and the end of the write.

use super::definition::{Column, Definition, SEQUENCE, key};
use super::random::Random;
use super::slot::{Slot, Span};
use super::values::{Cell, Type};
use scylla::client::session::Session;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One write.
pub struct Write {
    /// Its timestamp in µs, which names it in whatever event comes of it.
    pub timestamp: i64,
    /// Which slot.
    pub slot: usize,
    /// The states that it may have met.
    pub span: Span,
    /// Whether the node acknowledged it. If not, it may or may not be there.
    pub acknowledged: bool,
    /// The statement, for whoever reads a report.
    pub statement: String,
    /// The events it must give, in their order.
    pub events: Vec<Expected>,
}

/// An event that must come.
#[derive(Clone, Debug)]
pub struct Expected {
    /// `row`, `static`, `row_delete`, `range_delete`, `partition_delete`.
    pub kind: &'static str,
    /// `i`, `u`, `d`, `r`.
    pub op: &'static str,
    /// Values of the partition key columns, in their order.
    pub partition: Vec<Cell>,
    /// Of the clustering columns; none in events of a partition, a range or a static row.
    pub clustering: Vec<Cell>,
    /// The other columns that were written.
    pub columns: Vec<(Column, Cell)>,
    /// A range of the first clustering column: from (inclusive), to (exclusive).
    pub range: Option<[usize; 2]>,
}

/// What all writers share.
pub struct Shared {
    /// To the node's own port.
    pub session: Session,
    /// The names.
    pub slots: Vec<Slot>,
    /// Writes that the node acknowledged.
    pub acknowledged: AtomicUsize,
    /// Events that must come at least.
    pub events: AtomicUsize,
    /// Set to end the writers.
    pub stop: AtomicBool,
    clock: AtomicI64,
}

impl Shared {
    /// With these names.
    pub fn new(session: Session, slots: Vec<Slot>) -> Shared {
        let (acknowledged, events, stop, clock) = Default::default();
        Shared { session, slots, acknowledged, events, stop, clock }
    }

    /// The present in µs, and more than ever before.
    fn timestamp(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_micros() as i64;
        let before = self.clock.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.max(last + 1)));
        now.max(before.expect("the closure always answers") + 1)
    }
}

/// One writer to one slot.
pub struct Writer {
    shared: Arc<Shared>,
    slot: usize,
    number: usize,
    careful: bool,
    random: Random,
    writes: Vec<Write>,
}

impl Writer {
    /// `number` is its own in its slot: it names its partitions.
    pub fn new(shared: Arc<Shared>, slot: usize, number: usize, careful: bool, seed: u64) -> Writer {
        let random = Random::new(seed ^ ((slot * 10 + number) as u64) << 20);
        Writer { shared, slot, number, careful, random, writes: Vec::new() }
    }

    /// Writes until told to stop, one write at a time.
    pub async fn run(mut self, pause: Duration) -> Vec<Write> {
        let shared = Arc::clone(&self.shared);
        let slot = &shared.slots[self.slot];
        let mut tick = tokio::time::interval(pause);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !shared.stop.load(Ordering::Relaxed) {
            tick.tick().await;
            let held = if self.careful { Some(slot.lock.read().await) } else { None };
            let (first, state) = slot.now();
            if let Some(table) = state {
                self.write(slot, first, &table).await;
            }
            drop(held);
        }
        self.writes
    }

    async fn write(&mut self, slot: &Slot, first: usize, table: &Definition) {
        let timestamp = self.shared.timestamp();
        let (statement, events) = self.statement(table, timestamp);
        let acknowledged = self.execute(&statement).await;
        let span = slot.ended(first, acknowledged);
        self.note(Write { timestamp, slot: self.slot, span, acknowledged, statement, events }, table);
    }

    async fn execute(&self, statement: &str) -> bool {
        let answer = self.shared.session.query_unpaged(statement, ()).await;
        if let (Err(error), true) = (&answer, self.careful) {
            // Nothing changed meanwhile, so nothing can have been wrong with it.
            eprintln!("not acknowledged: {statement}: {error}");
        }
        answer.is_ok()
    }

    fn note(&mut self, write: Write, table: &Definition) {
        self.shared.acknowledged.fetch_add(usize::from(write.acknowledged), Ordering::Relaxed);
        if write.acknowledged && table.cdc {
            self.shared.events.fetch_add(write.events.len(), Ordering::Relaxed);
        }
        self.writes.push(write);
    }

    /// Writes batches until told to stop: two tables, one partition key, so one entry of the log with an update of each.
    pub async fn run_batches(mut self, pause: Duration) -> Vec<Write> {
        let shared = Arc::clone(&self.shared);
        while !shared.stop.load(Ordering::Relaxed) {
            tokio::time::sleep(pause).await;
            let chosen = self.random.below(shared.slots.len() - 1);
            let (one, other) = (chosen, chosen + 1 + self.random.below(shared.slots.len() - 1 - chosen));
            // In the order in which everybody takes them.
            let held = (shared.slots[one].lock.read().await, shared.slots[other].lock.read().await);
            self.batch(&shared.slots, [one, other]).await;
            drop(held);
        }
        self.writes
    }

    async fn batch(&mut self, slots: &[Slot], chosen: [usize; 2]) {
        let states = chosen.map(|slot| slots[slot].now());
        let [(_, Some(one)), (_, Some(other))] = &states else { return };
        // Equal bytes of the partition key make them one entry.
        if [one, other].iter().any(|table| table.partition.len() != 1 || table.partition[0].kind != Type::Bigint) {
            return;
        }
        let same = self.random.clone();
        let mut parts = vec![];
        for (slot, table) in chosen.into_iter().zip([one, other]) {
            let timestamp = self.shared.timestamp();
            self.random = same.clone();
            let (statement, events) = self.insert(table, timestamp);
            parts.push((slot, table, timestamp, statement, events));
        }
        let statements: Vec<&str> = parts.iter().map(|(.., statement, _)| statement.as_str()).collect();
        let batch = format!("BEGIN UNLOGGED BATCH {}; APPLY BATCH", statements.join("; "));
        let acknowledged = self.execute(&batch).await;
        let firsts = states.iter().map(|(number, _)| *number);
        for ((slot, table, timestamp, statement, events), first) in parts.into_iter().zip(firsts) {
            let span = slots[slot].ended(first, acknowledged);
            let statement = format!("{statement} in a batch");
            self.note(Write { timestamp, slot, span, acknowledged, statement, events }, table);
        }
    }

    fn statement(&mut self, table: &Definition, timestamp: i64) -> (String, Vec<Expected>) {
        match self.random.below(10) {
            0 if !table.clustering.is_empty() => self.delete_row(table, timestamp),
            1 if !table.clustering.is_empty() => self.delete_range(table, timestamp),
            2 => self.delete_partition(table, timestamp),
            3 if table.columns_that(true).next().is_some() => self.update_static(table, timestamp),
            3..=5 => self.update(table, timestamp),
            _ => self.insert(table, timestamp),
        }
    }

    fn insert(&mut self, table: &Definition, timestamp: i64) -> (String, Vec<Expected>) {
        let (partition, clustering) = self.place(table);
        let regular = self.values(table, false, timestamp);
        let fixed = if self.random.once_in(2) { self.values(table, true, timestamp) } else { vec![] };
        let columns = table.partition.iter().chain(&table.clustering).chain(regular.iter().chain(&fixed).map(|(column, _)| column));
        let cells = partition.iter().chain(&clustering).chain(regular.iter().chain(&fixed).map(|(_, cell)| cell));
        let statement = format!(
            "INSERT INTO {} ({}) VALUES ({}) USING TIMESTAMP {timestamp}",
            table.full_name(),
            columns.map(|column| column.name.as_str()).collect::<Vec<_>>().join(", "),
            cells.map(|cell| cell.literal.as_str()).collect::<Vec<_>>().join(", "),
        );
        let mut events = vec![];
        if !fixed.is_empty() {
            events.push(Expected { columns: fixed, ..event("static", "u", &partition, &[]) });
        }
        events.push(Expected { columns: regular, ..event("row", "i", &partition, &clustering) });
        (statement, events)
    }

    fn update(&mut self, table: &Definition, timestamp: i64) -> (String, Vec<Expected>) {
        let (partition, clustering) = self.place(table);
        let columns = self.values(table, false, timestamp);
        let at = [equal(&table.partition, &partition), equal(&table.clustering, &clustering)].concat().join(" AND ");
        let statement = format!("UPDATE {} USING TIMESTAMP {timestamp} SET {} WHERE {at}", table.full_name(), assigned(&columns));
        (statement, vec![Expected { columns, ..event("row", "u", &partition, &clustering) }])
    }

    fn update_static(&mut self, table: &Definition, timestamp: i64) -> (String, Vec<Expected>) {
        let (partition, _) = self.place(table);
        let columns = self.values(table, true, timestamp);
        let at = equal(&table.partition, &partition).join(" AND ");
        let statement = format!("UPDATE {} USING TIMESTAMP {timestamp} SET {} WHERE {at}", table.full_name(), assigned(&columns));
        (statement, vec![Expected { columns, ..event("static", "u", &partition, &[]) }])
    }

    fn delete_row(&mut self, table: &Definition, timestamp: i64) -> (String, Vec<Expected>) {
        let (partition, clustering) = self.place(table);
        let at = [equal(&table.partition, &partition), equal(&table.clustering, &clustering)].concat().join(" AND ");
        (delete(table, timestamp, &at), vec![event("row_delete", "d", &partition, &clustering)])
    }

    fn delete_partition(&mut self, table: &Definition, timestamp: i64) -> (String, Vec<Expected>) {
        let (partition, _) = self.place(table);
        let at = equal(&table.partition, &partition).join(" AND ");
        (delete(table, timestamp, &at), vec![event("partition_delete", "d", &partition, &[])])
    }

    fn delete_range(&mut self, table: &Definition, timestamp: i64) -> (String, Vec<Expected>) {
        let (partition, _) = self.place(table);
        let from = self.random.below(20);
        let (column, bounds) = (&table.clustering[0], [from, from + 5]);
        let [start, end] = bounds.map(|bound| key(column.kind, bound).literal);
        let at =
            format!("{} AND {name} >= {start} AND {name} < {end}", equal(&table.partition, &partition).join(" AND "), name = column.name);
        (delete(table, timestamp, &at), vec![Expected { range: Some(bounds), ..event("range_delete", "r", &partition, &[]) }])
    }

    fn place(&mut self, table: &Definition) -> (Vec<Cell>, Vec<Cell>) {
        (table.partition_of(self.number, &mut self.random), table.clustering_of(&mut self.random))
    }

    /// At least one column; the one that carries the sequence always.
    fn values(&mut self, table: &Definition, are_static: bool, timestamp: i64) -> Vec<(Column, Cell)> {
        let mut values = vec![];
        for column in table.columns_that(are_static) {
            let cell = match self.random.below(8) {
                _ if column.name == SEQUENCE => Cell::plain(timestamp.to_string(), timestamp.into()),
                0 if !column.kind.is_multi_cell() && !values.is_empty() => Cell::null(),
                1..=2 if !values.is_empty() => continue,
                _ => Cell::random(column.kind, &table.fields, &mut self.random),
            };
            values.push((column.clone(), cell));
        }
        values
    }
}

fn event(kind: &'static str, op: &'static str, partition: &[Cell], clustering: &[Cell]) -> Expected {
    Expected { kind, op, partition: partition.to_vec(), clustering: clustering.to_vec(), columns: vec![], range: None }
}

fn delete(table: &Definition, timestamp: i64, at: &str) -> String {
    format!("DELETE FROM {} USING TIMESTAMP {timestamp} WHERE {at}", table.full_name())
}

fn equal(columns: &[Column], cells: &[Cell]) -> Vec<String> {
    columns.iter().zip(cells).map(|(column, cell)| format!("{} = {}", column.name, cell.literal)).collect()
}

fn assigned(columns: &[(Column, Cell)]) -> String {
    columns.iter().map(|(column, cell)| format!("{} = {}", column.name, cell.literal)).collect::<Vec<_>>().join(", ")
}
