//! The greatest timestamp of an update.

use crate::mutation::{ColumnData, PartitionUpdate, Row, Unfiltered, WriteTimestamp};

/// The greatest timestamp in an update: partition deletion, range deletions, row markers, cells and deletions of
/// complex columns. Deletions of rows do not count, as in Cassandra. `i64::MIN` if there is none at all.
///
/// Cells that were dropped with their column count too: the answer is that of the bytes and does not change when
/// a column is dropped later.
///
/// Cassandra: `PartitionUpdate.maxTimestamp`.
pub fn max_timestamp(update: &PartitionUpdate<'_>) -> WriteTimestamp {
    let partition = update.partition_deletion.map(|deletion| deletion.marked_for_delete_at);
    let rows = update.static_row.iter().filter_map(of_row).chain(update.unfiltereds.iter().filter_map(of_unfiltered));
    rows.chain(partition).max().unwrap_or(WriteTimestamp(i64::MIN))
}

fn of_unfiltered(unfiltered: &Unfiltered<'_>) -> Option<WriteTimestamp> {
    match unfiltered {
        Unfiltered::Row(row) => of_row(row),
        Unfiltered::RangeTombstoneMarker(marker) => {
            marker.close.iter().chain(&marker.open).map(|deletion| deletion.marked_for_delete_at).max()
        }
    }
}

fn of_row(row: &Row<'_>) -> Option<WriteTimestamp> {
    let marker = row.liveness.map(|liveness| liveness.timestamp);
    row.columns.iter().filter_map(of_column).chain(marker).max()
}

fn of_column(column: &ColumnData<'_>) -> Option<WriteTimestamp> {
    match column {
        ColumnData::Simple(cell) => Some(cell.timestamp),
        ColumnData::Complex(complex) => {
            let deletion = complex.deletion.map(|deletion| deletion.marked_for_delete_at);
            complex.cells.iter().map(|cell| cell.timestamp).chain(deletion).max()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::*;

    #[test]
    fn max_timestamp_counts_everything_but_row_deletions() {
        let table = ks_t();
        let mut update = update(&table);
        update.unfiltereds.push(Unfiltered::Row(Row { deletion: Some(row_deletion(900)), ..row(1) }));
        assert_eq!(max_timestamp(&update), WriteTimestamp(i64::MIN));

        update.partition_deletion = Some(deletion(5));
        assert_eq!(max_timestamp(&update), WriteTimestamp(5));

        update.unfiltereds.push(Unfiltered::Row(Row { liveness: Some(liveness(6)), ..row(2) }));
        assert_eq!(max_timestamp(&update), WriteTimestamp(6));

        update.unfiltereds.push(Unfiltered::Row(Row { columns: vec![live(&table, "note", b"x", 7)], ..row(3) }));
        assert_eq!(max_timestamp(&update), WriteTimestamp(7));

        update.static_row = Some(Row { columns: vec![complex(&table, "tags", Some(deletion(8)), vec![])], ..Row::default() });
        assert_eq!(max_timestamp(&update), WriteTimestamp(8));

        update.unfiltereds.push(start(Some(4), 9));
        update.unfiltereds.push(end(None, 9));
        assert_eq!(max_timestamp(&update), WriteTimestamp(9));
    }
}
