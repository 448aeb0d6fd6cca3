//! Whoever changes the tables: one statement after the other, every kind in turn.

use super::definition::{Column, Definition, KEYSPACE};
use super::random::Random;
use super::slot::Slot;
use super::told::Told;
use super::values::{COLUMN_TYPES, Fields, Type, UDT};
use super::writer::Shared;
use scylla::client::session::Session;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    AddColumn,
    AddStatic,
    DropColumn,
    AddAgain,
    AddAgainAsAnother,
    RenameKey,
    TypeAdd,
    TypeRename,
    CdcOff,
    CdcOn,
    DropTable,
    CreateTable,
    CreateBriefly,
    Truncate,
}

impl Kind {
    /// What the schema topic calls it.
    fn told(self) -> &'static str {
        match self {
            Kind::TypeAdd | Kind::TypeRename => "alter_type",
            Kind::CreateTable | Kind::CreateBriefly => "create_table",
            Kind::DropTable => "drop_table",
            Kind::Truncate => "truncate_table",
            _ => "alter_table",
        }
    }
}

const KINDS: [Kind; 14] = [
    Kind::AddColumn,
    Kind::DropColumn,
    Kind::TypeAdd,
    Kind::AddAgain,
    Kind::CdcOff,
    Kind::DropTable,
    Kind::RenameKey,
    Kind::CreateTable,
    Kind::CdcOn,
    Kind::AddStatic,
    Kind::CreateBriefly,
    Kind::TypeRename,
    Kind::AddAgainAsAnother,
    Kind::Truncate,
];

/// The slots from this one on have no table at the beginning.
pub const TABLES: usize = 6;
/// How many names there are.
pub const SLOTS: usize = 9;
/// So many fields the type gets at most.
const FIELDS_MAX: usize = 12;

/// Makes the keyspace, the type and the first tables.
pub async fn create(session: Session, seed: u64) -> Shared {
    let text = format!("CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}");
    session.query_unpaged(text, ()).await.expect("the keyspace is created");
    session.query_unpaged(format!("CREATE TYPE {KEYSPACE}.{UDT} (a int, b text)"), ()).await.expect("the type is created");
    let mut random = Random::new(seed);
    let slots: Vec<Slot> = (0..SLOTS).map(|number| Slot::new(format!("t{number}"))).collect();
    for (number, slot) in slots.iter().enumerate().take(TABLES) {
        let definition = Definition::new(&slot.name, 0, number, first_fields(), &mut random);
        session.query_unpaged(definition.create(), ()).await.expect("the table is created");
        slot.changed(Some(definition));
    }
    Shared::new(session, slots)
}

fn first_fields() -> Arc<Fields> {
    Arc::from([("a".to_owned(), Type::Int), ("b".to_owned(), Type::Text)])
}

/// The one who changes.
pub struct Changes {
    shared: Arc<Shared>,
    random: Random,
    fields: Arc<Fields>,
    next: usize,
    /// What the schema topic must tell, in this order.
    pub told: Vec<Told>,
    /// How many statements of each kind were made.
    pub made: BTreeMap<Kind, usize>,
    count: Arc<AtomicUsize>,
}

impl Changes {
    /// `count` is kept up to date with the number of statements.
    pub fn new(shared: Arc<Shared>, seed: u64, count: Arc<AtomicUsize>) -> Changes {
        let tables = shared.slots.iter().filter_map(|slot| slot.table()).map(|table| (table.full_name(), "create_table"));
        let told = [(KEYSPACE.to_owned(), "create_keyspace"), (KEYSPACE.to_owned(), "create_type")].into_iter().chain(tables).collect();
        let (random, fields) = (Random::new(seed ^ 0xdd1), first_fields());
        Changes { shared, random, fields, next: 0, told, made: BTreeMap::new(), count }
    }

    /// Makes changes until there were `statements` in all, with a pause behind each.
    pub async fn run(&mut self, statements: usize, pause: Duration) {
        while self.count.load(Ordering::Relaxed) < statements {
            let kind = KINDS[self.next % KINDS.len()];
            self.next += 1;
            self.change(kind).await;
            tokio::time::sleep(pause / 2 + pause.mul_f64(self.random.below(100) as f64 / 100.0)).await;
        }
    }

    async fn change(&mut self, kind: Kind) {
        match kind {
            Kind::TypeAdd if self.fields.len() < FIELDS_MAX => {
                let (name, of) = (format!("f{}", self.random.below(100_000)), *self.random.of(&[Type::Int, Type::Text, Type::Bigint]));
                let fields = self.fields.iter().cloned().chain([(name.clone(), of)]).collect();
                self.change_type(kind, format!("ADD {name} {}", of.cql()), fields).await;
            }
            Kind::TypeAdd => {}
            Kind::TypeRename => {
                let (at, new) = (self.random.below(self.fields.len()), format!("f{}", self.random.below(100_000)));
                let mut fields = self.fields.to_vec();
                let old = std::mem::replace(&mut fields[at].0, new.clone());
                self.change_type(kind, format!("RENAME {old} TO {new}"), fields.into()).await;
            }
            Kind::CreateTable | Kind::CreateBriefly => self.create_one(kind).await,
            _ => self.change_one(kind).await,
        }
    }

    /// Executes a statement, which is good by construction.
    async fn execute(&mut self, kind: Kind, key: String, statement: &str) {
        let begun = Instant::now();
        let answer = self.shared.session.query_unpaged(statement, ()).await;
        assert!(answer.is_ok(), "{statement}: {answer:?}");
        *self.made.entry(kind).or_default() += 1;
        self.told.push((key, kind.told()));
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        eprintln!("ddl {number}, {} ms: {statement}", begun.elapsed().as_millis());
    }

    /// A type is part of every table that uses it: all of them hold still.
    async fn change_type(&mut self, kind: Kind, what: String, fields: Arc<Fields>) {
        let shared = Arc::clone(&self.shared);
        let mut held = vec![];
        for slot in &shared.slots {
            held.push(slot.lock.write().await);
            slot.change();
        }
        self.execute(kind, KEYSPACE.to_owned(), &format!("ALTER TYPE {KEYSPACE}.{UDT} {what}")).await;
        self.fields = fields;
        for slot in &shared.slots {
            let fields = Arc::clone(&self.fields);
            slot.changed(slot.table().map(|table| Definition { fields, ..(*table).clone() }));
        }
    }

    /// A table under a name that has none.
    async fn create_one(&mut self, kind: Kind) {
        let shared = Arc::clone(&self.shared);
        let free: Vec<&Slot> = shared.slots.iter().filter(|slot| slot.table().is_none()).collect();
        if free.is_empty() {
            return;
        }
        let slot = *self.random.of(&free);
        let (shape, fields) = (self.random.below(5), Arc::clone(&self.fields));
        let definition = Definition::new(&slot.name, slot.incarnations(), shape, fields, &mut self.random);
        self.apply(kind, slot, &definition.create(), Some(definition.clone())).await;
        if kind == Kind::CreateBriefly {
            let enough = slot.acknowledged.load(Ordering::Relaxed) + 3;
            while slot.acknowledged.load(Ordering::Relaxed) < enough {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            self.apply(Kind::DropTable, slot, &format!("DROP TABLE {}", definition.full_name()), None).await;
        }
    }

    /// A change of one table for which it is possible.
    async fn change_one(&mut self, kind: Kind) {
        let shared = Arc::clone(&self.shared);
        let mut possible = vec![];
        for slot in &shared.slots {
            if let Some(table) = slot.table()
                && let Some((statement, after)) = self.altered(kind, &table)
            {
                possible.push((slot, statement, after));
            }
        }
        // The first table stays, so that there is always one to write to.
        possible.retain(|(slot, ..)| kind != Kind::DropTable || slot.name != "t0");
        if possible.is_empty() {
            return;
        }
        let chosen = self.random.below(possible.len());
        let (slot, statement, after) = possible.swap_remove(chosen);
        self.apply(kind, slot, &statement, after).await;
    }

    async fn apply(&mut self, kind: Kind, slot: &Slot, statement: &str, after: Option<Definition>) {
        let held = slot.lock.write().await;
        slot.change();
        self.execute(kind, format!("{KEYSPACE}.{}", slot.name), statement).await;
        slot.changed(after);
        drop(held);
    }

    /// The statement, and what the table looks like then; `None` where it cannot be made.
    fn altered(&mut self, kind: Kind, table: &Definition) -> Option<(String, Option<Definition>)> {
        let mut after = table.clone();
        let random = &mut self.random;
        let what = match kind {
            Kind::AddColumn | Kind::AddStatic => {
                let is_static = kind == Kind::AddStatic;
                if is_static && table.clustering.is_empty() || table.columns.len() > 10 {
                    return None;
                }
                add(&mut after, Column { name: table.fresh_name(random), kind: *random.of(&COLUMN_TYPES), is_static })
            }
            Kind::AddAgain | Kind::AddAgainAsAnother => {
                let other = |column: &Column| column.kind.successor().map(|kind| Column { kind, ..column.clone() });
                let columns = table.dropped.iter().filter(|column| column.kind.can_come_again());
                let columns: Vec<Column> =
                    if kind == Kind::AddAgain { columns.cloned().collect() } else { columns.filter_map(other).collect() };
                let again = columns.get(random.below(columns.len().max(1)))?.clone();
                after.dropped.retain(|column| column.name != again.name);
                add(&mut after, again)
            }
            Kind::DropColumn => {
                // The first one stays, and Cassandra drops no column of a user-defined type that is not frozen.
                let may_go = |(index, column): &(usize, &Column)| *index > 0 && !matches!(column.kind, Type::Udt);
                let candidates: Vec<usize> = table.columns.iter().enumerate().filter(may_go).map(|(index, _)| index).collect();
                let chosen = *candidates.get(random.below(candidates.len().max(1)))?;
                let gone = after.columns.remove(chosen);
                let what = format!("DROP {}", gone.name);
                after.dropped.push(gone);
                what
            }
            Kind::RenameKey => {
                let new = table.fresh_name(random);
                let chosen = random.below(table.partition.len() + table.clustering.len());
                let column = after.partition.iter_mut().chain(&mut after.clustering).nth(chosen)?;
                let old = std::mem::replace(&mut column.name, new.clone());
                format!("RENAME {old} TO {new}")
            }
            Kind::CdcOff | Kind::CdcOn => {
                after.cdc = kind == Kind::CdcOn;
                if after.cdc == table.cdc {
                    return None;
                }
                format!("WITH cdc = {}", after.cdc)
            }
            Kind::DropTable => return Some((format!("DROP TABLE {}", table.full_name()), None)),
            Kind::Truncate => return Some((format!("TRUNCATE {}", table.full_name()), Some(after))),
            Kind::TypeAdd | Kind::TypeRename | Kind::CreateTable | Kind::CreateBriefly => return None,
        };
        Some((format!("ALTER TABLE {} {what}", table.full_name()), Some(after)))
    }
}

fn add(after: &mut Definition, column: Column) -> String {
    let what = format!("ADD {} {}{}", column.name, column.kind.cql(), if column.is_static { " static" } else { "" });
    after.columns.push(column);
    what
}
