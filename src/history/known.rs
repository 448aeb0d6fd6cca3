//! The history itself.

use super::changes::{self, Known};
use super::fold::{self, Folded};
use super::reading::Reading;
use super::store::{BASE, Kind, RowKey, Store, View};
use super::versions::{BEGINNING, Source, TableHistory, Version};
use crate::mutation::Mutation;
use crate::position::{CommitLogPosition, LogicalPosition, SegmentId};
use crate::schema::{Catalog, SchemaChange, SchemaRows, TableId, TableMetadata};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// Catalogs of different stretches of the log that are kept at hand: segments beside each other are read in turn.
const CATALOGS_KEPT: usize = 4;
/// Changes that are kept for people to look at.
const CHANGES_KEPT: usize = 1000;

/// Every definition of every table, by position.
#[derive(Clone, Debug)]
pub struct History {
    /// Cassandra's own tables, of all releases and of the node.
    pub(super) own: Catalog,
    pub(super) tables: BTreeMap<TableId, TableHistory>,
    pub(super) store: Store,
    /// Tables and views of which the log has told everything.
    pub(super) whole: BTreeSet<(String, String)>,
    /// What entries have done that stand behind these positions.
    pub(super) changes: BTreeMap<CommitLogPosition, Vec<SchemaChange>>,
    /// How far segments with schema mutations were taken in.
    pub(super) folded: BTreeMap<SegmentId, LogicalPosition>,
    follows_log: bool,
    /// Grows with each change.
    revision: u64,
    catalogs: Vec<Stretch>,
}

/// What a reading of the node may add to what is known, before [`History::settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Additive {
    /// Tables and types that are not known at all: something came from the log since the node was asked, so that what it said of the others
    /// may be old.
    New,
    /// Besides, `cdc = true`: nothing that was asked for is left out. Fields of types come with the log, each at its place.
    Switches,
    /// Besides, fields of types: the log does not tell of what was changed before it, or in a segment that is missing.
    NotInLog,
}

/// A catalog, and between which positions it holds.
#[derive(Clone, Debug)]
struct Stretch {
    behind: CommitLogPosition,
    to: CommitLogPosition,
    catalog: Arc<Catalog>,
}

const END: CommitLogPosition = CommitLogPosition { segment: SegmentId(u64::MAX), position: LogicalPosition(u32::MAX) };

impl Default for History {
    /// As [`History::new`], following the log.
    fn default() -> Self {
        History::new(true)
    }
}

impl History {
    /// Cassandra's own tables and nothing else. `follows_log` says whether the log's schema mutations count (`schema.log`).
    pub fn new(follows_log: bool) -> History {
        History {
            own: Catalog::builtin(),
            tables: BTreeMap::new(),
            store: Store::default(),
            whole: BTreeSet::new(),
            changes: BTreeMap::new(),
            folded: BTreeMap::new(),
            follows_log,
            revision: 0,
            catalogs: Vec::new(),
        }
    }

    /// Whether the log's schema mutations count.
    pub fn follows_log(&self) -> bool {
        self.follows_log
    }

    /// How often anything has changed.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether no table is known but Cassandra's own.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Whether neither node nor log has told of a table yet.
    pub fn is_from_files(&self) -> bool {
        self.tables.values().flat_map(|table| table.versions()).all(|version| version.source == Source::File)
    }

    /// The tables that are not Cassandra's own, by id.
    pub fn tables(&self) -> impl Iterator<Item = (TableId, &TableHistory)> {
        self.tables.iter().map(|(id, table)| (*id, table))
    }

    /// What the log has told of, by position.
    pub fn changes(&self) -> impl Iterator<Item = (CommitLogPosition, &SchemaChange)> {
        self.changes.iter().flat_map(|(at, changes)| changes.iter().map(|change| (*at, change)))
    }

    /// The tables to decode an entry with that ends at `at`.
    pub fn catalog_at(&mut self, at: CommitLogPosition) -> Arc<Catalog> {
        if let Some(index) = self.catalogs.iter().position(|stretch| stretch.behind < at && at <= stretch.to) {
            self.catalogs.swap(0, index);
        } else {
            let stretch = self.stretch(at);
            self.catalogs.insert(0, stretch);
            self.catalogs.truncate(CATALOGS_KEPT);
        }
        self.catalogs.first().map(|stretch| stretch.catalog.clone()).unwrap_or_default()
    }

    /// The tables as they are at the end of everything that was read.
    pub fn latest(&mut self) -> Arc<Catalog> {
        self.catalog_at(END)
    }

    fn stretch(&self, at: CommitLogPosition) -> Stretch {
        let (mut behind, mut to) = (BEGINNING, END);
        for from in self.tables.values().flat_map(|table| table.versions()).map(|version| version.from) {
            if from < at {
                behind = behind.max(from);
            } else {
                to = to.min(from);
            }
        }
        let mut catalog = self.own.clone();
        // Of tables that have had a name one after the other it means the last.
        let mut tables: Vec<&TableHistory> = self.tables.values().collect();
        tables.sort_by_key(|table| (table.dropped.is_none(), table.at(at).map(|version| version.from)));
        for table in tables.iter().filter_map(|table| table.to_decode(at)) {
            catalog.insert_as_it_is(table);
        }
        Stretch { behind, to, catalog: Arc::new(catalog) }
    }

    /// Takes in an entry that ends at `at`, if it is about the schema; answers what it has done, the same at each reading.
    pub fn apply(&mut self, at: CommitLogPosition, mutation: &Mutation<'_>) -> Vec<SchemaChange> {
        if !self.follows_log {
            return Vec::new();
        }
        if changes::is_of_local(mutation) {
            let catalog = self.catalog_at(at);
            return changes::truncations(mutation, &catalog);
        }
        if !fold::is_schema(mutation) {
            return Vec::new();
        }
        if self.folded.get(&at.segment).is_none_or(|to| at.position > *to) {
            let changes = self.fold(at, mutation);
            if !changes.is_empty() {
                self.changes.insert(at, changes);
            }
            self.folded.insert(at.segment, at.position);
            self.touch();
        }
        self.changes.get(&at).cloned().unwrap_or_default()
    }

    fn fold(&mut self, at: CommitLogPosition, mutation: &Mutation<'_>) -> Vec<SchemaChange> {
        let before: BTreeMap<TableId, Arc<TableMetadata>> =
            self.tables.iter().filter_map(|(id, table)| Some((*id, table.behind(at)?.table.clone()))).collect();
        let folded = fold::fold(&mut self.store, mutation);
        if !folded.has_changed() {
            return Vec::new();
        }
        self.note_ends(at, &folded);
        for keyspace in folded.keyspaces() {
            self.revise(keyspace, at, Source::Log);
        }
        changes::of(&folded, &Scene { history: self, before, at })
    }

    /// Tables that are gone, and tables that the log has told whole.
    fn note_ends(&mut self, at: CommitLogPosition, folded: &Folded) {
        for (row, (before, after)) in &folded.rows {
            let (true, [name]) = (matches!(row.kind, Kind::Tables | Kind::Views), row.key.as_slice()) else { continue };
            let (old, new) = (before.as_ref().and_then(id_of), after.as_ref().and_then(id_of));
            // The id that a file or the node gave to a name may be that of a later table.
            let is_told = before.as_ref().is_some_and(|view| view.ts > BASE) || new.is_none();
            if old.is_some() && old != new && is_told {
                self.whole.remove(&(row.keyspace.clone(), name.clone()));
                if let Some(table) = old.and_then(|id| self.tables.get_mut(&id)) {
                    table.dropped = Some(at);
                }
            }
            if let Some(table) = new.and_then(|id| self.tables.get_mut(&id)) {
                table.dropped = None;
            }
        }
        let is_there = |(keyspace, name): &&(String, String)| {
            let row = |kind| self.store.get(&RowKey { kind, keyspace: keyspace.clone(), key: vec![name.clone()] });
            row(Kind::Tables).or(row(Kind::Views)).is_some_and(|view| view.ts > BASE)
        };
        let whole: Vec<_> = folded.whole.iter().filter(is_there).cloned().collect();
        self.whole.extend(whole);
    }

    /// Takes what a file or the node says. `from` is where the log is being read: what is new and not known from elsewhere holds from there.
    ///
    /// With the log, only what is additive counts; [`History::settle`] takes the rest when it is time.
    pub fn take(&mut self, source: Source, reading: &Reading, from: CommitLogPosition, additive: Additive) {
        let before = (self.revision, self.tables.len());
        for table in reading.catalog.tables() {
            if table.is_system() {
                self.take_own(table);
                continue;
            }
            let version = |from| Version { from, source, table: table.clone() };
            match self.tables.get_mut(&table.id) {
                None => {
                    self.tables.insert(table.id, TableHistory::new(version(BEGINNING)));
                    self.touch();
                }
                Some(known) if source == Source::File => {
                    if known.replace_file(table) {
                        self.touch();
                    }
                }
                Some(known) if !self.follows_log => {
                    if known.push_latest(version(from)) {
                        self.touch();
                    }
                }
                Some(_) => {}
            }
        }
        if self.follows_log {
            self.take_rows(source, reading, from, additive);
        }
        debug_assert!(before <= (self.revision, self.tables.len()));
    }

    /// A table of Cassandra's own: the columns of all releases and of this node.
    fn take_own(&mut self, table: &Arc<TableMetadata>) {
        let merged = match self.own.table(table.id) {
            Some(known) => known.with_columns_of(table),
            None => TableMetadata::clone(table),
        };
        if self.own.table(table.id).is_none_or(|known| **known != merged) {
            self.own.insert(merged);
            self.touch();
        }
    }

    fn take_rows(&mut self, source: Source, reading: &Reading, from: CommitLogPosition, additive: Additive) {
        let mut revised = BTreeSet::new();
        let rows = reading.rows();
        let is_of_known_table = |at: &RowKey| {
            let row = |kind| RowKey { kind, keyspace: at.keyspace.clone(), key: at.key.iter().take(1).cloned().collect() };
            let is_column = matches!(at.kind, Kind::Columns | Kind::DroppedColumns);
            is_column && source == Source::Cql && (self.store.knows(&row(Kind::Tables)) || self.store.knows(&row(Kind::Views)))
        };
        // Columns of a table that is known come with the log, or when a mutation names them.
        let of_known: BTreeSet<RowKey> = rows.keys().filter(|at| is_of_known_table(at)).cloned().collect();
        for (at, cells) in rows.into_iter().filter(|(at, _)| !of_known.contains(at)) {
            let known = self.store.get(&at);
            if !self.store.knows(&at) || known.as_ref().is_some_and(|view| view.ts == BASE && source == Source::File) {
                self.store.correct(&at, cells, BASE);
            } else if let Some(known) = known.filter(|_| source == Source::Cql)
                && adds(at.kind, &known, &cells, additive)
            {
                revised.insert(at.keyspace.clone());
                self.store.correct(&at, cells, BASE);
            }
        }
        for keyspace in revised {
            self.revise(&keyspace, from, source);
        }
    }

    /// A mutation that ends behind `from` names a column that its table is not known to have. True if the node knows it.
    pub fn learn(&mut self, id: TableId, column: &str, reading: &Reading, from: CommitLogPosition) -> bool {
        let Some(table) = reading.catalog.table(id) else { return false };
        let has = |table: &TableMetadata| table.columns().any(|known| known.name == column) || table.dropped.contains_key(column);
        if !has(table) {
            return false;
        }
        let time = self.time_of(&table.keyspace, &table.name);
        for (at, cells) in reading.rows() {
            let of_table = at.kind == Kind::Columns && at.keyspace == table.keyspace && at.key.first() == Some(&table.name);
            if of_table && self.store.get(&at).is_none() {
                self.store.correct(&at, cells, time);
            }
        }
        self.revise(&table.keyspace.clone(), from, Source::Cql);
        if self.tables.get(&id).and_then(|known| known.behind(from)).is_none_or(|known| !has(&known.table)) {
            self.push(id, Version { from, source: Source::Cql, table: table.clone() });
        }
        self.touch();
        true
    }

    /// Takes what the node says for all there is, from `from` on: the log was read past the moment at which the node was asked.
    pub fn settle(&mut self, reading: &Reading, from: CommitLogPosition) {
        let rows = reading.rows();
        if !rows.keys().any(|at| at.kind == Kind::Tables) {
            return;
        }
        let mut other = BTreeSet::new();
        for (at, cells) in &rows {
            if self.store.get(at).is_none_or(|view| view.cells != *cells) {
                let time = at.key.first().map_or(BASE, |table| self.time_of(&at.keyspace, table));
                self.store.correct(at, cells.clone(), time);
                other.insert(at.keyspace.clone());
            }
        }
        for keyspace in self.store.keyspaces() {
            for kind in [Kind::Keyspaces, Kind::Types, Kind::Tables, Kind::Columns, Kind::DroppedColumns, Kind::Views] {
                let keys = self.store.rows(kind, &keyspace).map(|(key, _)| key.clone());
                let keys: Vec<RowKey> = keys.map(|key| RowKey { kind, keyspace: keyspace.clone(), key }).collect();
                for at in keys.iter().filter(|at| !(rows.contains_key(at) || at.kind == Kind::Keyspaces && reading.is_without_keyspaces()))
                {
                    self.store.correct_deleted(at);
                    other.insert(keyspace.clone());
                }
            }
        }
        for keyspace in &other {
            self.revise(keyspace, from, Source::Cql);
        }
        for (id, table) in &mut self.tables {
            if reading.catalog.table(*id).is_none() && table.dropped.is_none() {
                table.dropped = Some(from);
                other.insert(String::new());
            }
        }
        for table in reading.catalog.tables().filter(|table| !table.is_system()) {
            self.push(table.id, Version { from, source: Source::Cql, table: table.clone() });
        }
        if !other.is_empty() {
            self.touch();
        }
    }

    /// A segment's content is another than before: what was taken in of it is no measure for the new one.
    pub fn forget_segment(&mut self, segment: SegmentId) {
        self.folded.remove(&segment);
    }

    /// Forgets what is of no use any more; segments before `oldest` are finished.
    pub fn prune(&mut self, oldest: SegmentId) {
        let oldest = CommitLogPosition { segment: oldest, position: LogicalPosition(0) };
        self.tables.values_mut().for_each(|table| table.prune(oldest));
        let old = self.changes.range(..oldest).count();
        for _ in CHANGES_KEPT..old {
            self.changes.pop_first();
        }
    }

    /// When the row of a table was written, if the log has told of all of it: what is corrected must not look older than that.
    fn time_of(&self, keyspace: &str, table: &str) -> i64 {
        if !self.whole.contains(&(keyspace.to_owned(), table.to_owned())) {
            return BASE;
        }
        let row = |kind| self.store.get(&RowKey { kind, keyspace: keyspace.to_owned(), key: vec![table.to_owned()] });
        row(Kind::Tables).or(row(Kind::Views)).map_or(BASE, |view| view.ts)
    }

    /// Makes the tables of a keyspace anew, and adds versions of those that are other than before.
    fn revise(&mut self, keyspace: &str, from: CommitLogPosition, source: Source) {
        for table in self.rows(keyspace).resolve().catalog.tables() {
            self.push(table.id, Version { from, source, table: table.clone() });
        }
    }

    fn push(&mut self, id: TableId, version: Version) {
        let added = match self.tables.get_mut(&id) {
            Some(known) if version.source == Source::Cql => known.push_latest(version),
            Some(known) => known.push(version),
            None => self.tables.insert(id, TableHistory::new(version)).is_none(),
        };
        if added {
            self.touch();
        }
    }

    /// The rows of a keyspace as they are now. Of a table that the log has told whole only what the log says.
    fn rows(&self, keyspace: &str) -> SchemaRows {
        let mut rows = SchemaRows::default();
        self.add_rows(keyspace, Kind::Types, &mut rows.types);
        self.add_rows(keyspace, Kind::Tables, &mut rows.tables);
        self.add_rows(keyspace, Kind::Views, &mut rows.views);
        self.add_rows(keyspace, Kind::Columns, &mut rows.columns);
        self.add_rows(keyspace, Kind::DroppedColumns, &mut rows.dropped_columns);
        rows
    }

    fn add_rows<R: serde::de::DeserializeOwned>(&self, keyspace: &str, kind: Kind, rows: &mut Vec<R>) {
        for (key, view) in self.store.rows(kind, keyspace) {
            let table = key.first().map(|name| (keyspace.to_owned(), name.clone()));
            if view.ts == BASE && kind != Kind::Types && table.is_some_and(|table| self.whole.contains(&table)) {
                continue;
            }
            let mut members: Map<String, Value> = view.cells.into_iter().collect();
            members.insert("keyspace_name".into(), keyspace.into());
            members.extend(kind.clustering().iter().zip(key).map(|(name, value)| ((*name).to_owned(), value.as_str().into())));
            // A row that only a part is known of is none: a column whose table is older than the log.
            rows.extend(serde_json::from_value::<R>(Value::Object(members)));
        }
    }

    pub(super) fn touch(&mut self) {
        self.revision += 1;
        self.catalogs.clear();
    }
}

/// The tables around a mutation.
struct Scene<'h> {
    history: &'h History,
    before: BTreeMap<TableId, Arc<TableMetadata>>,
    at: CommitLogPosition,
}

impl Known for Scene<'_> {
    fn before(&self, id: TableId) -> Option<&Arc<TableMetadata>> {
        self.before.get(&id)
    }

    fn after(&self, id: TableId) -> Option<Arc<TableMetadata>> {
        Some(self.history.tables.get(&id)?.behind(self.at)?.table.clone())
    }

    fn id_of(&self, keyspace: &str, table: &str) -> Option<TableId> {
        let row = |kind| self.history.store.get(&RowKey { kind, keyspace: keyspace.to_owned(), key: vec![table.to_owned()] });
        row(Kind::Tables).or(row(Kind::Views)).as_ref().and_then(id_of)
    }

    fn changed(&self) -> Vec<Arc<TableMetadata>> {
        let is_other = |(id, before): (&TableId, &Arc<TableMetadata>)| self.after(*id).filter(|after| after != before);
        self.before.iter().filter_map(is_other).collect()
    }

    fn knows_keyspace(&self, keyspace: &str) -> bool {
        self.before.values().any(|table| table.keyspace == keyspace)
    }
}

fn id_of(view: &View) -> Option<TableId> {
    Some(TableId(Uuid::try_parse(view.cells.get("id")?.as_str()?).ok()?))
}

/// Whether a row says more than the known one, and something that must not be missed.
fn adds(kind: Kind, known: &View, cells: &BTreeMap<String, Value>, additive: Additive) -> bool {
    let same_id = known.cells.get("id") == cells.get("id");
    let is_on = |cells: &BTreeMap<String, Value>| cells.get("cdc") == Some(&Value::Bool(true));
    let fields = |cells: &BTreeMap<String, Value>| cells.get("field_names").and_then(Value::as_array).map_or(0, Vec::len);
    match kind {
        Kind::Tables if additive != Additive::New => same_id && is_on(cells) && !is_on(&known.cells),
        Kind::Types if additive == Additive::NotInLog => fields(cells) > fields(&known.cells),
        _ => false,
    }
}
