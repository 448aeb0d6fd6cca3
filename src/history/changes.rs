//! What a schema mutation has done, in the words of CQL; and truncations, which leave no mutation of their own.

use super::fold::Folded;
use super::store::{BASE, Kind, RowKey, View};
use crate::mutation::{ColumnData, Mutation, Row, Unfiltered};
use crate::schema::{Catalog, SchemaChange, TableId, TableKind, TableMetadata};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// What there is to know of the tables before and after a mutation.
pub(super) trait Known {
    /// The definition before, under its id.
    fn before(&self, id: TableId) -> Option<&Arc<TableMetadata>>;
    /// The definition after.
    fn after(&self, id: TableId) -> Option<Arc<TableMetadata>>;
    /// The id that a name means now.
    fn id_of(&self, keyspace: &str, table: &str) -> Option<TableId>;
    /// The tables and views whose definition is another than before.
    fn changed(&self) -> Vec<Arc<TableMetadata>>;
    /// Whether any table of the keyspace was known before.
    fn knows_keyspace(&self, keyspace: &str) -> bool;
}

/// The changes: what is made, from the outside in; then what goes, from the inside out.
pub(super) fn of(folded: &Folded, tables: &dyn Known) -> Vec<SchemaChange> {
    let mut changes = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, (before, after)) in &folded.rows {
        match at.kind {
            Kind::Keyspaces => changes.extend(keyspace(folded, at, before, after, tables)),
            Kind::Types => changes.extend(object("type", folded, at, before, after)),
            Kind::Tables | Kind::Views | Kind::Columns | Kind::DroppedColumns => {
                let name = at.key.first().map_or("", String::as_str);
                if seen.insert((&at.keyspace, name)) {
                    changes.extend(table(folded, &at.keyspace, name, tables));
                }
            }
            Kind::Indexes => changes.extend(object("index", folded, at, before, after)),
            Kind::Triggers => changes.extend(object("trigger", folded, at, before, after)),
            Kind::Functions => changes.extend(object("function", folded, at, before, after)),
            Kind::Aggregates => changes.extend(object("aggregate", folded, at, before, after)),
        }
    }
    without_echoes(&mut changes, tables);
    // A type changes every table that has it, and not every release tells those again.
    for table in tables.changed() {
        let what = if table.kind == TableKind::View { "alter_view" } else { "alter_table" };
        if !changes.iter().any(|change| change.table_id.as_deref() == Some(&*table.id.to_string())) {
            let change = SchemaChange::new(what, &table.keyspace, folded.ts).of_table(&table.name, Some(table.id));
            changes.push(change.with_definition(&table));
        }
    }
    let (mut gone, mut made): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.change.starts_with("drop_"));
    gone.reverse();
    made.append(&mut gone);
    made
}

fn verb(before: &Option<View>, after: &Option<View>) -> Option<&'static str> {
    match (before, after) {
        (None, Some(_)) => Some("create"),
        (Some(_), None) => Some("drop"),
        (Some(before), Some(after)) if before.cells != after.cells => Some("alter"),
        _ => None,
    }
}

/// The row of a keyspace is told again with each of its tables.
fn keyspace(folded: &Folded, at: &RowKey, before: &Option<View>, after: &Option<View>, tables: &dyn Known) -> Option<SchemaChange> {
    let verb = verb(before, after).filter(|verb| *verb != "create" || !tables.knows_keyspace(&at.keyspace))?;
    Some(SchemaChange::new(format!("{verb}_keyspace"), &at.keyspace, folded.ts))
}

fn object(what: &str, folded: &Folded, at: &RowKey, before: &Option<View>, after: &Option<View>) -> Option<SchemaChange> {
    let verb = verb(before, after)?;
    let change = SchemaChange::new(format!("{verb}_{what}"), &at.keyspace, folded.ts);
    Some(match at.key.as_slice() {
        [table, name] if matches!(at.kind, Kind::Indexes | Kind::Triggers) => {
            SchemaChange { name: Some(name.clone()), ..change.of_table(table, None) }
        }
        key => SchemaChange { name: Some(key.concat()), ..change },
    })
}

/// What was done to a table or a view.
fn table(folded: &Folded, keyspace: &str, name: &str, tables: &dyn Known) -> Vec<SchemaChange> {
    let row = |kind| folded.rows.get(&RowKey { kind, keyspace: keyspace.to_owned(), key: vec![name.to_owned()] });
    let (what, row) = match (row(Kind::Tables), row(Kind::Views)) {
        (_, Some(view)) => ("view", Some(view)),
        (table, None) => ("table", table),
    };
    let change = |verb: &str| SchemaChange::new(format!("{verb}_{what}"), keyspace, folded.ts);
    let made = |verb: &str, id: TableId| {
        let change = change(verb).of_table(name, Some(id));
        tables.after(id).map_or(change.clone(), |table| change.with_definition(&table))
    };
    let (before, after) = match row {
        Some((before, after)) => (before.as_ref(), after.as_ref()),
        // Only its columns were told.
        None => {
            return if is_touched(folded, keyspace, name) {
                tables.id_of(keyspace, name).map(|id| made("alter", id)).into_iter().collect()
            } else {
                Vec::new()
            };
        }
    };
    let is_whole = folded.whole.contains(&(keyspace.to_owned(), name.to_owned()));
    match (before.and_then(id), after.and_then(id)) {
        (Some(old), None) => vec![change("drop").of_table(name, Some(old))],
        (Some(old), Some(new)) if old != new && before.is_some_and(|view| view.ts > BASE) => {
            vec![change("drop").of_table(name, Some(old)), made("create", new)]
        }
        // What a file or the node said of a name may be newer than this.
        (known, Some(id)) if is_whole && (known.is_none() || before.is_some_and(|view| view.ts == BASE)) => vec![made("create", id)],
        (_, Some(id)) if is_touched(folded, keyspace, name) => vec![made("alter", id)],
        _ => Vec::new(),
    }
}

fn id(view: &View) -> Option<TableId> {
    Some(TableId(Uuid::try_parse(view.cells.get("id").and_then(Value::as_str)?).ok()?))
}

/// Whether any row of the table is other, or newer, than before.
fn is_touched(folded: &Folded, keyspace: &str, name: &str) -> bool {
    let of_table = |at: &RowKey| {
        at.keyspace == keyspace
            && at.key.first().is_some_and(|first| first == name)
            && matches!(at.kind, Kind::Tables | Kind::Views | Kind::Columns | Kind::DroppedColumns)
    };
    folded.rows.iter().any(|(at, (before, after))| of_table(at) && before != after)
}

/// With an index or a trigger its table is told again, and with a table or a keyspace everything in it goes.
fn without_echoes(changes: &mut Vec<SchemaChange>, tables: &dyn Known) {
    let is_part = |change: &SchemaChange| change.change.ends_with("_index") || change.change.ends_with("_trigger");
    let with_parts: BTreeSet<(String, Option<String>)> =
        changes.iter().filter(|change| is_part(change)).map(|change| (change.keyspace.clone(), change.table.clone())).collect();
    let gone: BTreeSet<(String, Option<String>)> = changes
        .iter()
        .filter(|change| change.change == "drop_table")
        .map(|change| (change.keyspace.clone(), change.table.clone()))
        .collect();
    changes.retain(|change| {
        let of = (change.keyspace.clone(), change.table.clone());
        if is_part(change) {
            return !gone.contains(&of);
        }
        !(change.change == "alter_table" && with_parts.contains(&of) && is_as_before(change, tables))
    });
}

fn is_as_before(change: &SchemaChange, tables: &dyn Known) -> bool {
    let id = change.table_id.as_deref().and_then(|id| Uuid::try_parse(id).ok()).map(TableId);
    id.is_some_and(|id| tables.before(id).is_some_and(|before| tables.after(id).as_ref() == Some(before)))
}

/// The truncations that a mutation of `system.local` tells of, of tables that are known and not Cassandra's own.
///
/// ```text
/// truncated_at map<uuid, blob>: table id → i64 segment, i32 position, i64 ms since 1970
/// ```
///
/// Cassandra: `SystemKeyspace.saveTruncationRecord`, `truncationAsMapEntry`.
pub(super) fn truncations(mutation: &Mutation<'_>, catalog: &Catalog) -> Vec<SchemaChange> {
    let updates = mutation.updates.iter().filter(|update| update.table.keyspace == "system" && update.table.name == "local");
    let rows = updates.flat_map(|update| &update.unfiltereds).filter_map(|unfiltered| match unfiltered {
        Unfiltered::Row(row) => Some(row),
        Unfiltered::RangeTombstoneMarker(_) => None,
    });
    rows.flat_map(|row| of_row(row, catalog)).collect()
}

fn of_row(row: &Row<'_>, catalog: &Catalog) -> Vec<SchemaChange> {
    let cells = row.columns.iter().filter_map(|data| match data {
        ColumnData::Complex(complex) if complex.column.column.name == "truncated_at" => Some(&complex.cells),
        _ => None,
    });
    cells.flatten().filter_map(|cell| truncation(cell.path?.0, cell.value?, catalog)).collect()
}

fn truncation(path: &[u8], value: &[u8], catalog: &Catalog) -> Option<SchemaChange> {
    let table = catalog.table(TableId(Uuid::from_slice(path).ok()?)).filter(|table| !table.is_system())?;
    let (segment, rest) = value.split_first_chunk::<8>()?;
    let (position, rest) = rest.split_first_chunk::<4>()?;
    let ms = i64::from_be_bytes(rest.try_into().ok()?);
    let change = SchemaChange::new("truncate_table", &table.keyspace, ms.saturating_mul(1000)).of_table(&table.name, Some(table.id));
    Some(SchemaChange {
        truncated_to: Some((u64::from_be_bytes(*segment), u32::from_be_bytes(*position))),
        ..change.with_definition(table)
    })
}

/// Whether a mutation may tell of a truncation.
pub(super) fn is_of_local(mutation: &Mutation<'_>) -> bool {
    mutation.updates.iter().any(|update| update.table.name == "local" && update.table.keyspace == "system")
}
