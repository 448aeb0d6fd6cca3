//! What is known of one table: its definitions one after the other.

use crate::position::{CommitLogPosition, LogicalPosition, SegmentId};
use crate::schema::{ColumnMetadata, DroppedColumn, SchemaRows, TableMetadata};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Before every entry.
pub const BEGINNING: CommitLogPosition = CommitLogPosition { segment: SegmentId(0), position: LogicalPosition(0) };

/// Older definitions that are kept of a table, for people to look at.
const VERSIONS_KEPT: usize = 100;

/// Who told of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The schema file.
    File,
    /// The node, asked over CQL.
    Cql,
    /// A mutation of `system_schema` in the log.
    Log,
}

/// A definition, and from where in the log on it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Entries that end behind this are under it.
    pub from: CommitLogPosition,
    /// Who told of it.
    pub source: Source,
    /// The definition.
    pub table: Arc<TableMetadata>,
}

/// The definitions of one table id, the earliest first. There is one at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableHistory {
    versions: Vec<Version>,
    /// Where in the log the table was dropped. What is written to it may still follow: it was under way.
    pub dropped: Option<CommitLogPosition>,
}

/// As it is written down.
#[derive(Serialize, Deserialize)]
pub(super) struct Saved {
    dropped: Option<(u64, u32)>,
    versions: Vec<SavedVersion>,
}

#[derive(Serialize, Deserialize)]
struct SavedVersion {
    from: (u64, u32),
    source: Source,
    rows: SchemaRows,
}

impl TableHistory {
    pub(super) fn new(version: Version) -> TableHistory {
        TableHistory { versions: vec![version], dropped: None }
    }

    /// All definitions, the earliest first.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The latest.
    pub fn latest(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// The one that an entry is under which ends at `at`. What stands before everything that is known is under the earliest.
    pub fn at(&self, at: CommitLogPosition) -> Option<&Version> {
        self.versions.iter().rev().find(|version| version.from < at).or(self.versions.first())
    }

    /// The one that holds behind `at`.
    pub(super) fn behind(&self, at: CommitLogPosition) -> Option<&Version> {
        self.versions.iter().rev().find(|version| version.from <= at)
    }

    /// Adds a definition if it is another than the one that holds there; false if not.
    pub(super) fn push(&mut self, version: Version) -> bool {
        if self.behind(version.from).is_some_and(|known| known.table == version.table) {
            return false;
        }
        self.versions.retain(|known| known.from != version.from);
        let index = self.versions.partition_point(|known| known.from < version.from);
        self.versions.insert(index, version);
        true
    }

    /// As [`TableHistory::push`], behind every definition that is known: what the node says of now is not older than what the log said.
    pub(super) fn push_latest(&mut self, version: Version) -> bool {
        let latest = self.versions.last().map_or(BEGINNING, |latest| latest.from);
        if self.versions.last().is_some_and(|latest| latest.table == version.table) {
            return false;
        }
        let behind = CommitLogPosition { position: LogicalPosition(latest.position.0.saturating_add(1)), ..latest };
        self.push(Version { from: if latest == BEGINNING { version.from } else { version.from.max(behind) }, ..version })
    }

    /// Replaces a definition that a file gave by what the file says now; false if nothing is other.
    pub(super) fn replace_file(&mut self, table: &Arc<TableMetadata>) -> bool {
        match self.versions.last_mut() {
            Some(version) if version.source == Source::File && version.table != *table => {
                version.table = table.clone();
                true
            }
            _ => false,
        }
    }

    /// Forgets definitions that nothing before `oldest` is left to be read under.
    pub(super) fn prune(&mut self, oldest: CommitLogPosition) {
        let needed = self.versions.iter().filter(|version| version.from >= oldest).count() + 1;
        let excess = self.versions.len().saturating_sub(needed.max(VERSIONS_KEPT));
        self.versions.drain(..excess);
    }

    /// The definition to decode an entry with that ends at `at`: the one it is under, and beside it every column that the table has
    /// at any other time.
    ///
    /// An entry names its columns, and a mutation that was under way while the schema changed has those of the definition before. A
    /// column that is not part of the definition is among the dropped ones, dropped before anything was written.
    pub(super) fn to_decode(&self, at: CommitLogPosition) -> Option<Arc<TableMetadata>> {
        let own = &self.at(at)?.table;
        if self.versions.len() == 1 {
            return Some(own.clone());
        }
        let mut table = TableMetadata::clone(own);
        for version in &self.versions {
            version.table.statics.iter().chain(&version.table.regulars).for_each(|column| add(&mut table, column));
            for (name, gone) in &version.table.dropped {
                if table.columns().all(|column| column.name != *name) && !table.dropped.contains_key(name) {
                    table.dropped.insert(name.clone(), DroppedColumn { dropped_at_micros: i64::MIN, ..gone.clone() });
                }
            }
        }
        // Dropped columns do not count in the version, so it is still right.
        Some(Arc::new(table))
    }

    pub(super) fn to_saved(&self) -> Saved {
        let version = |version: &Version| SavedVersion {
            from: numbers(version.from),
            source: version.source,
            rows: SchemaRows::of_tables([&*version.table]),
        };
        Saved { dropped: self.dropped.map(numbers), versions: self.versions.iter().map(version).collect() }
    }

    pub(super) fn from_saved(saved: Saved) -> Option<TableHistory> {
        let version = |saved: SavedVersion| {
            let table = saved.rows.resolve().catalog.tables().next()?.clone();
            Some(Version { from: position(saved.from), source: saved.source, table })
        };
        let versions: Vec<Version> = saved.versions.into_iter().filter_map(version).collect();
        (!versions.is_empty()).then_some(TableHistory { versions, dropped: saved.dropped.map(position) })
    }
}

/// Lets a column be decoded that the definition may not have.
fn add(table: &mut TableMetadata, column: &ColumnMetadata) {
    if table.columns().any(|own| own.name == column.name) {
        return;
    }
    match table.dropped.get_mut(&column.name) {
        // The row of a dropped column has no non-frozen user-defined type: it says a tuple.
        Some(gone) => gone.column = column.clone(),
        None => drop(table.dropped.insert(column.name.clone(), DroppedColumn { column: column.clone(), dropped_at_micros: i64::MIN })),
    }
}

pub(super) fn numbers(at: CommitLogPosition) -> (u64, u32) {
    (at.segment.0, at.position.0)
}

pub(super) fn position((segment, position): (u64, u32)) -> CommitLogPosition {
    CommitLogPosition { segment: SegmentId(segment), position: LogicalPosition(position) }
}
