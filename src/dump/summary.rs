//! What a dump found, in numbers.

use super::Filter;
use crate::mutation::{ColumnData, Mutation, Row, Unfiltered};
use crate::schema::TableId;
use std::collections::BTreeMap;

/// Counts over everything that was shown. Cells that went with a dropped column are not counted, as Cassandra's own
/// reader does not show them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Segments opened.
    pub segments: u64,
    /// Mutations decoded whole.
    pub mutations: u64,
    /// Their partition updates.
    pub updates: u64,
    /// Rows in them, without static rows.
    pub rows: u64,
    /// Cells in them, those of static rows too.
    pub cells: u64,
    /// Mutations with a table that is not known, by its id.
    pub skipped: BTreeMap<TableId, u64>,
    /// Ranges, mutations and segments that could not be read.
    pub errors: u64,
}

impl Summary {
    /// Whether everything could be read.
    pub fn is_whole(&self) -> bool {
        self.errors == 0 && self.skipped.is_empty()
    }

    pub(super) fn count(&mut self, mutation: &Mutation<'_>, filter: &Filter) {
        self.mutations += 1;
        for update in mutation.updates.iter().filter(|update| filter.takes_update(update)) {
            self.updates += 1;
            self.cells += update.static_row.as_ref().map_or(0, kept_cells);
            for unfiltered in &update.unfiltereds {
                if let Unfiltered::Row(row) = unfiltered
                    && !is_left_with_nothing(row)
                {
                    self.rows += 1;
                    self.cells += kept_cells(row);
                }
            }
        }
    }
}

pub(super) fn kept_cells(row: &Row<'_>) -> u64 {
    let kept = |data: &ColumnData<'_>| match data {
        ColumnData::Simple(cell) => u64::from(!cell.is_dropped()),
        ColumnData::Complex(complex) => complex.cells.iter().filter(|cell| !cell.is_dropped()).count() as u64,
    };
    row.columns.iter().map(kept).sum()
}

/// Whether nothing is left of a row once what went with dropped columns is taken away.
pub(super) fn is_left_with_nothing(row: &Row<'_>) -> bool {
    let nothing = |data: &ColumnData<'_>| match data {
        ColumnData::Simple(cell) => cell.is_dropped(),
        ColumnData::Complex(complex) => {
            (complex.deletion.is_none() || complex.is_deletion_dropped()) && complex.cells.iter().all(|cell| cell.is_dropped())
        }
    };
    row.liveness.is_none() && row.deletion.is_none() && row.columns.iter().all(nothing)
}
