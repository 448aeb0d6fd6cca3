//! An event written anew.

use super::hash::{MASK, Substitutes};
use super::plan::Plan;
use crate::config::ColumnAction;
use crate::cql::CqlType;
use crate::event::{Change, ChangeEvent, RangeTombstone};
use crate::mutation::{
    Cell, CellPath, Clustering, ClusteringBound, ColumnData, ComplexColumnData, HeaderColumn, PartitionUpdate, Row, join_partition_key,
    split_partition_key,
};
use bumpalo::Bump;

/// One event's way through the rules. New values lie in the arena.
#[derive(Clone, Copy)]
pub(super) struct Rewrite<'a> {
    pub plan: &'a Plan,
    pub substitutes: &'a Substitutes,
    pub arena: &'a Bump,
}

impl<'a> Rewrite<'a> {
    /// Calls `run` with the event as the plan shows it. Its update holds the table and the partition key, and no other rows.
    pub fn event<R>(self, event: &'a ChangeEvent<'a>, run: impl FnOnce(&ChangeEvent<'_>) -> R) -> R {
        let update = PartitionUpdate {
            table: &self.plan.table,
            partition_key: self.partition_key(event.update),
            partition_deletion: event.update.partition_deletion,
            static_row: None,
            unfiltereds: Vec::new(),
        };
        let row;
        let change = match &event.change {
            Change::PartitionDelete(deletion) => Change::PartitionDelete(*deletion),
            Change::Static(written) => {
                row = self.row(written);
                Change::Static(&row)
            }
            Change::RowDelete(deleted, deletion) => {
                row = self.row(deleted);
                Change::RowDelete(&row, *deletion)
            }
            Change::Row(written) => {
                row = self.row(written);
                Change::Row(&row)
            }
            Change::RangeDelete(range) => Change::RangeDelete(RangeTombstone {
                start: self.bound(&range.start),
                end: self.bound(&range.end),
                deletion: range.deletion,
            }),
        };
        run(&ChangeEvent {
            at: event.at,
            ordinal: event.ordinal,
            update_index: event.update_index,
            declared_updates: event.declared_updates,
            update: &update,
            timestamp: event.timestamp,
            change,
        })
    }

    /// Of bytes that are no key of the table nothing is shown.
    fn partition_key(self, update: &'a PartitionUpdate<'a>) -> &'a [u8] {
        if self.plan.partition_key.iter().all(Option::is_none) {
            return update.partition_key;
        }
        let Ok(values) = split_partition_key(update.table, update.partition_key) else { return &[] };
        let left = values.into_iter().zip(&self.plan.partition_key);
        let left: Vec<&[u8]> = left.filter_map(|(value, action)| self.value(value, *action)).collect();
        self.arena.alloc_slice_copy(&join_partition_key(&left))
    }

    /// Null stays null.
    fn clustering(self, values: &[Option<&'a [u8]>]) -> Clustering<'a> {
        let left = values.iter().zip(&self.plan.clustering).filter(|(_, action)| **action != Some(ColumnAction::Drop));
        left.map(|(value, action)| value.and_then(|value| self.value(value, *action))).collect()
    }

    fn bound(self, bound: &ClusteringBound<'a>) -> ClusteringBound<'a> {
        ClusteringBound { kind: bound.kind, values: self.clustering(&bound.values) }
    }

    fn row(self, row: &'a Row<'a>) -> Row<'a> {
        let mut columns: Vec<ColumnData<'a>> = row.columns.iter().filter_map(|data| self.column(data)).collect();
        // Simple columns come first, each by name, also where one has become simple.
        columns.sort_by_key(|data| match data {
            ColumnData::Simple(cell) => (false, cell.column.column.name.as_str()),
            ColumnData::Complex(data) => (true, data.column.column.name.as_str()),
        });
        Row { clustering: self.clustering(&row.clustering), liveness: row.liveness, deletion: row.deletion, columns }
    }

    fn column(self, data: &'a ColumnData<'a>) -> Option<ColumnData<'a>> {
        let header = match data {
            ColumnData::Simple(cell) => cell.column,
            ColumnData::Complex(data) => data.column,
        };
        let Some(action) = self.plan.action(header.column) else { return Some(data.clone()) };
        let column = HeaderColumn { column: self.plan.column(header.column)?, ..header };
        match (data, action) {
            (_, ColumnAction::Drop) => None,
            (ColumnData::Simple(cell), _) => {
                let value = cell.value.and_then(|value| self.value(value, Some(action)));
                Some(ColumnData::Simple(Cell { column, value, ..*cell }))
            }
            (ColumnData::Complex(data), ColumnAction::Hash) if column.column.cql_type.is_multi_cell() => {
                let cells = data.cells.iter().filter_map(|cell| self.element(column, cell)).collect();
                Some(ColumnData::Complex(ComplexColumnData { column, deletion: data.deletion, cells }))
            }
            (ColumnData::Complex(data), _) => masked(column, data).map(ColumnData::Simple),
        }
    }

    /// An element of a hashed collection or type. Its path is hashed where it is a value: of a list it is a time, of a type the number of a
    /// field. One whose path is neither is not shown.
    fn element(self, column: HeaderColumn<'a>, cell: &Cell<'a>) -> Option<Cell<'a>> {
        let hash = |value: &[u8]| self.substitutes.hash(value, self.arena);
        let CellPath(path) = cell.path?;
        let (path, value) = match &column.column.cql_type {
            CqlType::Set(_) => (hash(path), cell.value.map(|_| &[] as &[u8])),
            CqlType::Map(..) => (hash(path), cell.value.map(hash)),
            CqlType::List(_) if path.len() == 16 => (path, cell.value.map(hash)),
            CqlType::Udt(_) if path.len() == 2 => (path, cell.value.map(hash)),
            _ => return None,
        };
        Some(Cell { column, path: Some(CellPath(path)), value, ..*cell })
    }

    /// What stands for a value; `None` for one that is dropped.
    fn value(self, value: &'a [u8], action: Option<ColumnAction>) -> Option<&'a [u8]> {
        match action {
            None => Some(value),
            Some(ColumnAction::Drop) => None,
            Some(ColumnAction::Mask) => Some(MASK),
            Some(ColumnAction::Hash) => Some(self.substitutes.hash(value, self.arena)),
        }
    }
}

/// A masked collection or type: one cell, null where all of it was deleted and nothing written.
fn masked<'a>(column: HeaderColumn<'a>, data: &ComplexColumnData<'a>) -> Option<Cell<'a>> {
    let is_null = data.deletion.is_some() && data.cells.iter().all(Cell::is_tombstone);
    let deleted = data.deletion.map(|deletion| deletion.marked_for_delete_at);
    let timestamp = data.cells.iter().map(|cell| cell.timestamp).chain(deleted).max()?;
    let local_deletion_time = data.deletion.filter(|_| is_null).map(|deletion| deletion.local_deletion_time);
    Some(Cell { column, path: None, value: (!is_null).then_some(MASK), timestamp, ttl: None, local_deletion_time })
}
