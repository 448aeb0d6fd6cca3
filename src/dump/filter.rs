//! What of a log is to be shown.

use crate::commitlog::{Damage, SegmentName};
use crate::config::TablePattern;
use crate::cql;
use crate::event::max_timestamp;
use crate::mutation::{DecodeError, Mutation, PartitionUpdate, Unfiltered, WriteTimestamp, split_partition_key};
use crate::position::{CommitLogPosition, LogicalPosition, SegmentId};

/// What of a log is to be shown; everything by default. Filters of different kinds must all hold; of patterns and of keys one is enough.
///
/// Tables and keys choose among the updates of a mutation, the others among mutations. What cannot be read is chosen by its position
/// only, since nobody can tell the rest of it; but mutations of tables that are not known, of which there can be many, are left out where
/// tables, keys or times are asked for, and only counted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Tables; any, if there is none.
    pub tables: Vec<TablePattern>,
    /// Partition keys as lines show them, parts joined by `:`, text with or without its quotes; any, if there is none.
    pub keys: Vec<String>,
    /// Entries that end here or later.
    pub from: Option<CommitLogPosition>,
    /// Entries that end here or earlier.
    pub to: Option<CommitLogPosition>,
    /// Mutations whose newest write time is this or later, in µs since 1970.
    pub since: Option<i64>,
    /// Mutations whose newest write time is this or earlier, in µs since 1970.
    pub until: Option<i64>,
}

impl Filter {
    /// Whether anything is left out.
    pub fn is_any(&self) -> bool {
        self.is_any_content() && self.from.is_none() && self.to.is_none()
    }

    /// Whether nothing is asked of what mutations hold.
    fn is_any_content(&self) -> bool {
        self.tables.is_empty() && self.keys.is_empty() && self.since.is_none() && self.until.is_none()
    }

    /// Whether an entry that ends here is shown, if its mutation is.
    pub fn takes_position(&self, at: CommitLogPosition) -> bool {
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at <= to)
    }

    /// Whether any position of a segment is.
    pub fn takes_segment(&self, id: SegmentId) -> bool {
        self.from.is_none_or(|from| from.segment <= id) && self.to.is_none_or(|to| id <= to.segment)
    }

    /// Whether a range that cannot be read is shown.
    pub fn takes_damage(&self, damage: &Damage) -> bool {
        let at = |position| CommitLogPosition { segment: damage.segment, position };
        self.from.is_none_or(|from| from <= at(damage.logical.end)) && self.to.is_none_or(|to| at(damage.logical.start) <= to)
    }

    /// Whether a mutation is shown, as far as it was written at a time that is asked for and holds an update that is.
    pub fn takes(&self, mutation: &Mutation<'_>) -> bool {
        self.takes_time(mutation) && mutation.updates.iter().any(|update| self.takes_update(update))
    }

    /// Whether an update of a mutation is shown, if the mutation is.
    pub fn takes_update(&self, update: &PartitionUpdate<'_>) -> bool {
        let table = update.table;
        let table_is_asked = self.tables.is_empty() || self.tables.iter().any(|pattern| pattern.matches(&table.keyspace, &table.name));
        table_is_asked && (self.keys.is_empty() || self.takes_key(update))
    }

    /// Whether a mutation is shown of which only `leading` could be decoded.
    pub fn takes_undecodable(&self, leading: &Mutation<'_>, error: &DecodeError) -> bool {
        self.is_any_content() || !matches!(error, DecodeError::UnknownTable { .. }) || self.takes(leading)
    }

    fn takes_time(&self, mutation: &Mutation<'_>) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let newest = newest_write(mutation);
        newest.is_some_and(|WriteTimestamp(at)| self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at <= until))
    }

    fn takes_key(&self, update: &PartitionUpdate<'_>) -> bool {
        let Some(parts) = key_parts(update) else { return false };
        let bare: Vec<String> = parts.iter().map(|part| serde_json::from_str(part).unwrap_or_else(|_| part.clone())).collect();
        let (shown, bare) = (parts.join(":"), bare.join(":"));
        self.keys.iter().any(|key| *key == shown || *key == bare)
    }
}

/// The parts of the partition key as lines show them.
fn key_parts(update: &PartitionUpdate<'_>) -> Option<Vec<String>> {
    let parts = split_partition_key(update.table, update.partition_key).ok()?;
    update.table.partition_key.iter().zip(parts).map(|(column, part)| cql::select_json(&column.cql_type, part)).collect()
}

/// The newest write time of a mutation: of all that it writes and deletes. None if it does neither.
pub fn newest_write(mutation: &Mutation<'_>) -> Option<WriteTimestamp> {
    mutation.updates.iter().flat_map(|update| row_deletions(update).chain(written(update))).max()
}

fn written(update: &PartitionUpdate<'_>) -> Option<WriteTimestamp> {
    Some(max_timestamp(update)).filter(|newest| newest.0 != i64::MIN)
}

/// What `max_timestamp` leaves out, as Cassandra does.
fn row_deletions<'a>(update: &'a PartitionUpdate<'_>) -> impl Iterator<Item = WriteTimestamp> + 'a {
    update.unfiltereds.iter().filter_map(|unfiltered| match unfiltered {
        Unfiltered::Row(row) => row.deletion.map(|deletion| deletion.time.marked_for_delete_at),
        Unfiltered::RangeTombstoneMarker(_) => None,
    })
}

/// Reads a bound as `1795374647657:55833`, or a segment alone, whose position is then `alone`. The segment is its id or its file's name.
pub fn parse_bound(text: &str, alone: LogicalPosition) -> Option<CommitLogPosition> {
    let (segment, position) = match text.rsplit_once(':') {
        Some((segment, position)) => (segment, LogicalPosition(position.parse().ok()?)),
        None => (text, alone),
    };
    let named = SegmentName::parse_log(segment).map(|name| name.id);
    Some(CommitLogPosition { segment: named.or_else(|| segment.parse().ok())?, position })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::*;
    use crate::mutation::Row;

    fn at(segment: u64, position: u32) -> CommitLogPosition {
        CommitLogPosition { segment: SegmentId(segment), position: LogicalPosition(position) }
    }

    fn row_deleted(table: &crate::schema::TableMetadata, at: i64) -> Mutation<'_> {
        let mut update = update(table);
        update.unfiltereds.push(Unfiltered::Row(Row { deletion: Some(row_deletion(at)), ..row(1) }));
        Mutation { declared_updates: 1, updates: vec![update], live_deletion_time: None }
    }

    #[test]
    fn bounds_are_inclusive_and_a_segment_alone_is_all_of_it() {
        let alone = |from: &str, to: &str| Filter {
            from: parse_bound(from, LogicalPosition(0)),
            to: parse_bound(to, LogicalPosition(u32::MAX)),
            ..Filter::default()
        };

        let filter = alone("5:100", "CommitLog-7-6.log:200");
        let taken = [at(5, 99), at(5, 100), at(6, 200), at(6, 201)].map(|at| filter.takes_position(at));
        assert_eq!(taken, [false, true, true, false]);
        assert_eq!([4, 5, 6, 7].map(|id| filter.takes_segment(SegmentId(id))), [false, true, true, false]);

        let filter = alone("5", "6");
        let taken = [at(4, 9), at(5, 0), at(6, u32::MAX), at(7, 0)].map(|at| filter.takes_position(at));
        assert_eq!(taken, [false, true, true, false]);
    }

    #[test]
    fn a_bound_is_a_segment_and_a_position() {
        for wrong in ["", ":", "5:", ":5", "x", "5:x", "5:-1", "5:4294967296", "CommitLog-7-5.log.zst"] {
            assert_eq!(parse_bound(wrong, LogicalPosition(0)), None, "{wrong}");
        }
    }

    #[test]
    fn the_newest_write_can_be_the_deletion_of_a_row() {
        let table = ks_t();

        assert_eq!(newest_write(&row_deleted(&table, 900)), Some(WriteTimestamp(900)));
        let nothing = Mutation { declared_updates: 1, updates: vec![update(&table)], live_deletion_time: None };
        assert_eq!(newest_write(&nothing), None);
    }

    #[test]
    fn times_are_inclusive() {
        let table = ks_t();
        let mutation = row_deleted(&table, 900);
        let takes = |since, until| Filter { since, until, ..Filter::default() }.takes(&mutation);

        assert!(takes(Some(900), Some(900)));
        assert!(!takes(Some(901), None));
        assert!(!takes(None, Some(899)));
    }
}
