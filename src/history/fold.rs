//! From a mutation of `system_schema` to rows, and what was different before and after.

use super::store::{Key, Kind, Range, RowKey, Store, View};
use crate::cql;
use crate::event::range_tombstones;
use crate::mutation::{Cell, Clustering, ClusteringBound, ColumnData, Mutation, PartitionUpdate, Row, Unfiltered};
use crate::schema::TableMetadata;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a mutation writes into the rows.
#[derive(Debug)]
enum Write {
    Partition { kind: Kind, keyspace: String, ts: i64 },
    Range { kind: Kind, keyspace: String, range: Range, ts: i64 },
    Row { at: RowKey, ts: i64 },
    Cell { at: RowKey, column: String, ts: i64, value: Option<Value> },
}

/// What a mutation did to the rows.
#[derive(Debug, Default)]
pub(super) struct Folded {
    /// The rows it was about, as they were before and are now.
    pub rows: BTreeMap<RowKey, (Option<View>, Option<View>)>,
    /// Tables and views that it tells whole: their row and every column of their key. `CREATE` does, and a node that has fetched a
    /// keyspace from another; `ALTER` tells only what is new.
    pub whole: BTreeSet<(String, String)>,
    /// When it was done: the latest time in it.
    pub ts: i64,
}

impl Folded {
    /// The keyspaces it was about.
    pub fn keyspaces(&self) -> BTreeSet<&str> {
        self.rows.keys().map(|at| at.keyspace.as_str()).collect()
    }

    /// Whether any row is other than before.
    pub fn has_changed(&self) -> bool {
        self.rows.values().any(|(before, after)| before != after)
    }
}

/// Whether a mutation is about the schema of anything but the node's own tables.
pub(super) fn is_schema(mutation: &Mutation<'_>) -> bool {
    mutation.updates.iter().any(|update| Kind::of(update.table).is_some() && keyspace(update).is_some())
}

/// Takes a mutation into the rows.
pub(super) fn fold(store: &mut Store, mutation: &Mutation<'_>) -> Folded {
    let mut writes = Vec::new();
    for update in &mutation.updates {
        if let (Some(kind), Some(keyspace)) = (Kind::of(update.table), keyspace(update)) {
            of_update(update, kind, keyspace, &mut writes);
        }
    }
    let mut whole = whole(&writes);
    end_of_others(store, &mut whole, &mut writes);
    let mut folded = Folded { whole, ts: writes.iter().map(Write::ts).max().unwrap_or(i64::MIN), ..Folded::default() };
    for at in writes.iter().flat_map(|write| write.rows(store)).collect::<BTreeSet<_>>() {
        let before = store.get(&at);
        folded.rows.insert(at, (before, None));
    }
    for write in writes {
        write.apply(store);
    }
    for (at, (_, after)) in &mut folded.rows {
        *after = store.get(at);
    }
    folded
}

/// The columns of a table that had the name of one that is told whole here, under another id.
///
/// Its `DROP` deletes them. If that stood in a segment that never reached us, they would be taken for columns of the new table, and its
/// bytes be read as theirs. A table that is older than what is known of its name changes nothing.
fn end_of_others(store: &Store, whole: &mut BTreeSet<(String, String)>, writes: &mut Vec<Write>) {
    let mut older = BTreeSet::new();
    let mut ends = Vec::new();
    for write in writes.iter() {
        let Write::Cell { at, column, ts, value } = write else { continue };
        let [name] = at.key.as_slice() else { continue };
        let names = (at.keyspace.clone(), name.clone());
        let is_id = matches!(at.kind, Kind::Tables | Kind::Views) && column == "id" && whole.contains(&names);
        let Some(known) = store.get(at).filter(|known| is_id && known.cells.get("id") != value.as_ref()) else { continue };
        if known.ts > *ts {
            older.insert(names);
            continue;
        }
        for kind in [Kind::Columns, Kind::DroppedColumns, Kind::Indexes, Kind::Triggers] {
            let bound = || (vec![name.clone()], true);
            let range = Range { start: bound(), end: bound() };
            ends.push(Write::Range { kind, keyspace: at.keyspace.clone(), range, ts: ts.saturating_sub(1) });
        }
    }
    whole.retain(|names| !older.contains(names));
    let is_of_older = |at: &RowKey| older.contains(&(at.keyspace.clone(), at.key.first().cloned().unwrap_or_default()));
    writes.retain(|write| match write {
        Write::Row { at, .. } | Write::Cell { at, .. } => !is_of_older(at),
        Write::Partition { .. } | Write::Range { .. } => true,
    });
    ends.append(writes);
    *writes = ends;
}

/// Cassandra's own keyspaces are not followed: each node makes them in code and writes their rows anew at each start, and nothing of
/// them is published.
fn keyspace<'a>(update: &PartitionUpdate<'a>) -> Option<&'a str> {
    str::from_utf8(update.partition_key).ok().filter(|name| *name != "system" && !name.starts_with("system_"))
}

fn of_update(update: &PartitionUpdate<'_>, kind: Kind, keyspace: &str, writes: &mut Vec<Write>) {
    let keyspace = keyspace.to_owned();
    if let Some(deletion) = update.partition_deletion {
        writes.push(Write::Partition { kind, keyspace: keyspace.clone(), ts: deletion.marked_for_delete_at.0 });
    }
    for range in range_tombstones(&update.unfiltereds).unwrap_or_default() {
        let bound = |bound: &ClusteringBound<'_>| (key(update.table, &bound.values), !bound.kind.name().starts_with("EXCL"));
        let (start, end) = (bound(&range.start), bound(&range.end));
        let ts = range.deletion.marked_for_delete_at.0;
        writes.push(Write::Range { kind, keyspace: keyspace.clone(), range: Range { start, end }, ts });
    }
    for unfiltered in &update.unfiltereds {
        if let Unfiltered::Row(row) = unfiltered {
            let at = RowKey { kind, keyspace: keyspace.clone(), key: key(update.table, &row.clustering) };
            of_row(row, at, writes);
        }
    }
}

fn of_row(row: &Row<'_>, at: RowKey, writes: &mut Vec<Write>) {
    if let Some(deletion) = row.deletion {
        writes.push(Write::Row { at: at.clone(), ts: deletion.time.marked_for_delete_at.0 });
    }
    for data in &row.columns {
        // All columns of these tables have one cell.
        if let ColumnData::Simple(cell) = data
            && at.kind.keeps(&cell.column.column.name)
        {
            let column = cell.column.column.name.clone();
            writes.push(Write::Cell { at: at.clone(), column, ts: cell.timestamp.0, value: value(cell) });
        }
    }
}

/// The value as `SELECT JSON` shows it, which is the form of a schema file.
fn value(cell: &Cell<'_>) -> Option<Value> {
    let text = cql::select_json(&cell.column.column.cql_type, cell.value?)?;
    serde_json::from_str(&text).ok().filter(|value: &Value| !value.is_null())
}

/// Clustering values as text; the lists of argument types as their JSON.
fn key(table: &TableMetadata, clustering: &Clustering<'_>) -> Key {
    let text = |(index, value): (usize, &Option<&[u8]>)| {
        let bytes = value.unwrap_or_default();
        let cql_type = table.clustering.get(index).map(|column| &column.cql_type);
        let text = cql_type.and_then(|cql_type| cql::select_json(cql_type, bytes)).unwrap_or_default();
        serde_json::from_str::<String>(&text).unwrap_or(text)
    };
    clustering.iter().enumerate().map(text).collect()
}

impl Write {
    fn ts(&self) -> i64 {
        match self {
            Write::Partition { ts, .. } | Write::Range { ts, .. } | Write::Row { ts, .. } | Write::Cell { ts, .. } => *ts,
        }
    }

    /// The rows that it is about.
    fn rows(&self, store: &Store) -> Vec<RowKey> {
        match self {
            Write::Row { at, .. } | Write::Cell { at, .. } => vec![at.clone()],
            Write::Partition { kind, keyspace, .. } | Write::Range { kind, keyspace, .. } => {
                let all = store.rows(*kind, keyspace);
                all.map(|(key, _)| RowKey { kind: *kind, keyspace: keyspace.clone(), key: key.clone() }).collect()
            }
        }
    }

    fn apply(self, store: &mut Store) {
        match self {
            Write::Partition { kind, keyspace, ts } => store.delete_partition(kind, &keyspace, ts),
            Write::Range { kind, keyspace, range, ts } => store.delete_range(kind, &keyspace, range, ts),
            Write::Row { at, ts } => store.delete_row(&at, ts),
            Write::Cell { at, column, ts, value } => store.put(&at, &column, ts, value),
        }
    }
}

/// The tables and views that the writes tell whole.
///
/// A renamed key column is told by a new row and the deletion of the old one: then the others are not told.
fn whole(writes: &[Write]) -> BTreeSet<(String, String)> {
    let mut found: BTreeMap<(&str, &str), Told> = BTreeMap::new();
    for write in writes {
        match write {
            Write::Row { at, .. } if at.kind == Kind::Columns => told(&mut found, at).deletes = true,
            Write::Cell { at, column, value: Some(value), .. } => match (at.kind, column.as_str()) {
                (Kind::Tables | Kind::Views, "id") => told(&mut found, at).id = true,
                (Kind::Columns, "kind") => told(&mut found, at).partition_key |= value == "partition_key",
                _ => {}
            },
            _ => {}
        }
    }
    let whole = found.into_iter().filter(|(_, told)| told.id && told.partition_key && !told.deletes);
    whole.map(|((keyspace, table), _)| (keyspace.to_owned(), table.to_owned())).collect()
}

/// What a mutation tells of a table.
#[derive(Default)]
struct Told {
    id: bool,
    partition_key: bool,
    deletes: bool,
}

fn told<'f, 'w>(found: &'f mut BTreeMap<(&'w str, &'w str), Told>, at: &'w RowKey) -> &'f mut Told {
    let table = at.key.first().map_or("", String::as_str);
    found.entry((at.keyspace.as_str(), table)).or_default()
}
