//! From a mutation to its events.

use super::range_tombstone::{self, MalformedRange};
use super::{Change, ChangeEvent, max_timestamp};
use crate::mutation::{ColumnData, Mutation, PartitionUpdate, Row, Unfiltered, WriteTimestamp};
use crate::position::CommitLogPosition;

/// The events of one entry, which borrow from its mutation.
#[derive(Clone, Debug, Default)]
pub struct Projection<'a> {
    /// The events in order; `events[i].ordinal == i`.
    pub events: Vec<ChangeEvent<'a>>,
    /// Rows that say nothing and so give no event: neither row marker, deletion nor cells.
    pub empty_rows: u32,
}

/// Why an entry has no events. It can only be refused as a whole: the number of its events is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot pair the range tombstone markers of update {update_index}, table {table}")]
pub struct ProjectError {
    /// Index of the partition update within the entry.
    pub update_index: u32,
    /// Its table, as `keyspace.table`.
    pub table: String,
    /// What was wrong.
    pub source: MalformedRange,
}

/// What changed by the mutation of the entry that ends at `at`, update by update in the order of the bytes.
///
/// Within an update: the deletion of the partition, the static row, all range deletions, then the rows in clustering
/// order. A row that was deleted and written again gives two events, the deletion first.
///
/// Ordinals run over all updates of the entry, also of tables that are not published, so an event's identity does
/// not depend on the configuration, nor on whether a column was dropped meanwhile.
///
/// # Errors
/// [`ProjectError`] if the range tombstone markers of an update do not pair. Cassandra never writes such a mutation.
pub fn project<'a>(at: CommitLogPosition, mutation: &'a Mutation<'a>) -> Result<Projection<'a>, ProjectError> {
    let mut projection = Projection::default();
    for (update_index, update) in (0_u32..).zip(&mutation.updates) {
        let mut changes = Changes { at, update_index, declared_updates: mutation.declared_updates, update, projection: &mut projection };
        changes.project().map_err(|source| ProjectError { update_index, table: update.table.to_string(), source })?;
    }
    Ok(projection)
}

/// One update on its way into the projection.
struct Changes<'a, 'p> {
    at: CommitLogPosition,
    update_index: u32,
    declared_updates: u32,
    update: &'a PartitionUpdate<'a>,
    projection: &'p mut Projection<'a>,
}

impl<'a> Changes<'a, '_> {
    fn project(&mut self) -> Result<(), MalformedRange> {
        let update = self.update;
        // Once per update, not per event: it looks at every cell.
        let written = max_timestamp(update);
        if let Some(deletion) = update.partition_deletion {
            self.push(written, Change::PartitionDelete(deletion));
        }
        if let Some(row) = &update.static_row {
            self.push_static(written, row);
        }
        for range in range_tombstone::range_tombstones(&update.unfiltereds)? {
            self.push(range.deletion.marked_for_delete_at, Change::RangeDelete(range));
        }
        for unfiltered in &update.unfiltereds {
            if let Unfiltered::Row(row) = unfiltered {
                self.push_row(written, row);
            }
        }
        Ok(())
    }

    /// A static row is never deleted as such, but if bytes say so the envelope tells.
    fn push_static(&mut self, written: WriteTimestamp, row: &'a Row<'a>) {
        if row.deletion.is_some() || has_content(row) {
            self.push(written, Change::Static(row));
        } else {
            self.projection.empty_rows += 1;
        }
    }

    fn push_row(&mut self, written: WriteTimestamp, row: &'a Row<'a>) {
        if let Some(deletion) = row.deletion {
            self.push(deletion.time.marked_for_delete_at, Change::RowDelete(row, deletion));
        }
        if has_content(row) {
            self.push(written, Change::Row(row));
        } else if row.deletion.is_none() {
            self.projection.empty_rows += 1;
        }
    }

    fn push(&mut self, timestamp: WriteTimestamp, change: Change<'a>) {
        // A segment is smaller than 2 GiB and an event takes at least a byte of it, so nothing saturates.
        let ordinal = u32::try_from(self.projection.events.len()).unwrap_or(u32::MAX);
        self.projection.events.push(ChangeEvent {
            at: self.at,
            ordinal,
            update_index: self.update_index,
            declared_updates: self.declared_updates,
            update: self.update,
            timestamp,
            change,
        });
    }
}

/// Whether something was written to the row: a marker, a cell or the deletion of a complex column.
fn has_content(row: &Row<'_>) -> bool {
    row.liveness.is_some()
        || row.columns.iter().any(|column| match column {
            ColumnData::Simple(_) => true,
            ColumnData::Complex(complex) => complex.deletion.is_some() || !complex.cells.is_empty(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::*;
    use crate::mutation::BoundKind;
    use crate::schema::TableMetadata;
    use proptest::prelude::*;

    fn kinds(mutation: &Mutation<'_>) -> Vec<(u32, u32, &'static str, i64)> {
        let projection = project(at(), mutation).unwrap();
        projection.events.iter().map(|event| (event.ordinal, event.update_index, event.change.kind(), event.timestamp.0)).collect()
    }

    fn everything(table: &TableMetadata) -> PartitionUpdate<'_> {
        let mut update = update(table);
        update.partition_deletion = Some(deletion(10));
        update.static_row = Some(Row { columns: vec![live(table, "s", b"x", 50)], ..Row::default() });
        update.unfiltereds = vec![
            Unfiltered::Row(Row { liveness: Some(liveness(40)), ..row(0) }),
            start(Some(1), 20),
            boundary(BoundKind::ExclEndInclStartBoundary, 3, 20, 21),
            end(Some(5), 21),
            Unfiltered::Row(Row { deletion: Some(row_deletion(30)), columns: vec![live(table, "note", b"x", 41)], ..row(7) }),
            Unfiltered::Row(row(8)),
            Unfiltered::Row(Row { deletion: Some(row_deletion(31)), ..row(9) }),
        ];
        update
    }

    #[test]
    fn an_update_gives_partition_static_ranges_rows_and_ordinals_run_over_the_entry() {
        let (table, other) = (ks_t(), TableMetadata { cdc: false, ..ks_t() });
        let mutation = mutation(vec![everything(&table), everything(&other)]);

        let mut expected = Vec::new();
        for update_index in 0..2 {
            for (kind, timestamp) in [
                ("partition_delete", 50),
                ("static", 50),
                ("range_delete", 20),
                ("range_delete", 21),
                ("row", 50),
                ("row_delete", 30),
                ("row", 50),
                ("row_delete", 31),
            ] {
                expected.push((expected.len() as u32, update_index, kind, timestamp));
            }
        }
        assert_eq!(kinds(&mutation), expected);
        assert_eq!(project(at(), &mutation).unwrap().empty_rows, 2);
    }

    #[test]
    fn a_row_of_nothing_but_dropped_cells_is_an_event() {
        let table = ks_t();
        let gone = dropped_column("gone", crate::cql::CqlType::Int);
        let mut update = update(&table);
        update.unfiltereds.push(Unfiltered::Row(Row { columns: vec![dropped(&gone, b"\0\0\0\x01", 5)], ..row(1) }));

        assert_eq!(kinds(&mutation(vec![update])), [(0, 0, "row", 5)]);
    }

    #[test]
    fn a_complex_column_without_deletion_and_cells_is_nothing() {
        let table = ks_t();
        let mut update = update(&table);
        update.static_row = Some(Row { columns: vec![complex(&table, "tags", None, vec![])], ..Row::default() });
        update.unfiltereds.push(Unfiltered::Row(Row { columns: vec![complex(&table, "tags", None, vec![])], ..row(1) }));

        let mutation = mutation(vec![update]);

        let projection = project(at(), &mutation).unwrap();
        assert!(projection.events.is_empty());
        assert_eq!(projection.empty_rows, 2);
    }

    #[test]
    fn markers_that_do_not_pair_refuse_the_entry_by_name() {
        let table = ks_t();
        let mut bad = update(&table);
        bad.unfiltereds.push(start(Some(1), 1));
        let mutation = mutation(vec![everything(&table), bad]);

        let error = project(at(), &mutation).unwrap_err();

        assert_eq!(error, ProjectError { update_index: 1, table: "ks.t".into(), source: MalformedRange::Unclosed });
        assert_eq!(error.to_string(), "cannot pair the range tombstone markers of update 1, table ks.t");
    }

    proptest! {
        #[test]
        fn ordinals_do_not_depend_on_what_is_published_or_dropped(shapes in mutation_shapes(), cdc: bool, dropped_at in any::<i64>()) {
            let [published, other] = [true, cdc].map(|cdc| [ks_t(), everything_table()].map(|table| TableMetadata { cdc, ..table }));
            let one = build(&shapes, &published, None);
            let two = build(&shapes, &other, Some(dropped_at));

            let (one, two) = (kinds(&one), kinds(&two));

            prop_assert!(one.iter().zip(0..).all(|(event, ordinal)| event.0 == ordinal));
            prop_assert_eq!(one, two);
        }
    }
}
