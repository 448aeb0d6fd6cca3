//! The rows of `system_schema` as the log leaves them: timestamped, and reconciled as Cassandra does.
//!
//! | rule | |
//! |---|---|
//! | a deletion at T | takes everything of its partition, range, row or cell that was written at or before T |
//! | two cells | the later; of the same time a deletion before a value, else the larger bytes |
//!
//! So it does not matter in which order mutations come, nor how often: what the log repeats changes nothing. Rows that a file or the
//! node gave have no time of their own; they stand at [`BASE`], before everything that the log says.
//!
//! Row markers are not kept: a row of these tables without a value is of no use to anybody.
//!
//! Cassandra: `Cells.resolveRegular`, `DeletionTime.deletes`, `SchemaKeyspace`.

use crate::schema::TableMetadata;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// No deletion.
const NEVER: i64 = i64::MIN;
/// When rows were written that no mutation told of.
pub(super) const BASE: i64 = i64::MIN + 1;

/// The tables of `system_schema` whose rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Keyspaces,
    Types,
    Tables,
    Columns,
    DroppedColumns,
    Views,
    Indexes,
    Triggers,
    Functions,
    Aggregates,
}

impl Kind {
    /// Which of them a table is.
    pub fn of(table: &TableMetadata) -> Option<Kind> {
        if table.keyspace != "system_schema" {
            return None;
        }
        Some(match table.name.as_str() {
            "keyspaces" => Kind::Keyspaces,
            "types" => Kind::Types,
            "tables" => Kind::Tables,
            "columns" => Kind::Columns,
            "dropped_columns" => Kind::DroppedColumns,
            "views" => Kind::Views,
            "indexes" => Kind::Indexes,
            "triggers" => Kind::Triggers,
            "functions" => Kind::Functions,
            "aggregates" => Kind::Aggregates,
            _ => return None,
        })
    }

    /// The names of the clustering columns.
    pub fn clustering(self) -> &'static [&'static str] {
        match self {
            Kind::Keyspaces => &[],
            Kind::Types => &["type_name"],
            Kind::Tables => &["table_name"],
            Kind::Columns | Kind::DroppedColumns => &["table_name", "column_name"],
            Kind::Views => &["view_name"],
            Kind::Indexes => &["table_name", "index_name"],
            Kind::Triggers => &["table_name", "trigger_name"],
            Kind::Functions => &["function_name", "argument_types"],
            Kind::Aggregates => &["aggregate_name", "argument_types"],
        }
    }

    /// The columns that are kept: those that say how bytes are read, or of rows that are not read at all, one that is always there.
    pub fn keeps(self, column: &str) -> bool {
        let kept: &[&str] = match self {
            Kind::Keyspaces => &["durable_writes", "replication"],
            Kind::Types => &["field_names", "field_types"],
            Kind::Tables => &["id", "cdc", "flags"],
            Kind::Columns => &["kind", "position", "clustering_order", "type"],
            Kind::DroppedColumns => &["dropped_time", "kind", "type"],
            Kind::Views => &["id", "base_table_name", "where_clause", "include_all_columns"],
            Kind::Indexes => &["kind", "options"],
            Kind::Triggers => &["options"],
            Kind::Functions | Kind::Aggregates => &["return_type"],
        };
        kept.contains(&column)
    }
}

/// The clustering values of a row, as text.
pub(super) type Key = Vec<String>;

/// Where a row stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowKey {
    pub kind: Kind,
    pub keyspace: String,
    pub key: Key,
}

/// A deleted range of rows: from a prefix of the clustering to a prefix of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Range {
    /// The prefix, and whether rows that begin with it are in the range.
    pub start: (Key, bool),
    pub end: (Key, bool),
}

/// What is live of a row, and when it was written last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub cells: BTreeMap<String, Value>,
    pub ts: i64,
}

/// All rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Store {
    partitions: BTreeMap<(String, Kind), Partition>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Partition {
    #[serde(with = "time", default = "time::never", skip_serializing_if = "time::is_never")]
    deleted_at: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ranges: Vec<(Range, i64)>,
    rows: Vec<(Key, Row)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    /// When the row was deleted.
    #[serde(with = "time", default = "time::never", skip_serializing_if = "time::is_never")]
    deleted_at: i64,
    cells: BTreeMap<String, Cell>,
}

/// When a cell was written, and what; nothing is a deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cell(#[serde(with = "time")] i64, Option<Value>);

impl Default for Row {
    fn default() -> Self {
        Row { deleted_at: NEVER, cells: BTreeMap::new() }
    }
}

impl Default for Partition {
    fn default() -> Self {
        Partition { deleted_at: NEVER, ranges: Vec::new(), rows: Vec::new() }
    }
}

impl Range {
    fn covers(&self, key: &Key) -> bool {
        let ((start, from), (end, to)) = (&self.start, &self.end);
        let prefix = |bound: &Key| key.iter().take(bound.len()).cmp(bound.iter());
        let starts = prefix(start).is_gt() || (prefix(start).is_eq() && *from);
        starts && (prefix(end).is_lt() || (prefix(end).is_eq() && *to))
    }
}

impl Store {
    fn partition(&mut self, kind: Kind, keyspace: &str) -> &mut Partition {
        self.partitions.entry((keyspace.to_owned(), kind)).or_default()
    }

    /// The partition was deleted at `ts`.
    pub fn delete_partition(&mut self, kind: Kind, keyspace: &str, ts: i64) {
        let partition = self.partition(kind, keyspace);
        partition.deleted_at = partition.deleted_at.max(ts);
        partition.ranges.retain(|(_, at)| *at > ts);
        partition.rows.iter_mut().for_each(|(_, row)| row.forget(ts));
        partition.rows.retain(|(_, row)| !row.is_nothing());
    }

    /// Rows of the partition were deleted at `ts`.
    pub fn delete_range(&mut self, kind: Kind, keyspace: &str, range: Range, ts: i64) {
        let partition = self.partition(kind, keyspace);
        if ts <= partition.deleted_at || partition.ranges.contains(&(range.clone(), ts)) {
            return;
        }
        partition.rows.iter_mut().filter(|(key, _)| range.covers(key)).for_each(|(_, row)| row.forget(ts));
        partition.rows.retain(|(_, row)| !row.is_nothing());
        partition.ranges.push((range, ts));
    }

    /// The row was deleted at `ts`.
    pub fn delete_row(&mut self, at: &RowKey, ts: i64) {
        let partition = self.partition(at.kind, &at.keyspace);
        if ts > partition.deletion_of(&at.key) {
            let row = partition.row(&at.key);
            row.forget(ts);
            row.deleted_at = row.deleted_at.max(ts);
        }
    }

    /// A cell was written at `ts`, or deleted if there is no value.
    pub fn put(&mut self, at: &RowKey, column: &str, ts: i64, value: Option<Value>) {
        let partition = self.partition(at.kind, &at.keyspace);
        if ts <= partition.deletion_of(&at.key) {
            return;
        }
        let new = Cell(ts, value);
        let cells = &mut partition.row(&at.key).cells;
        match cells.get(column) {
            Some(old) if !new.supersedes(old) => {}
            _ => drop(cells.insert(column.to_owned(), new)),
        }
    }

    /// Takes a row as it is now, whatever the log said of it: what it says later goes before. `at_least` is when it counts as written
    /// where nothing is known of it.
    pub fn correct(&mut self, at: &RowKey, cells: BTreeMap<String, Value>, at_least: i64) {
        let partition = self.partition(at.kind, &at.keyspace);
        let deleted = partition.deletion_of(&at.key);
        let known = partition.newest(&at.key).max(at_least);
        let ts = if deleted >= known { deleted.saturating_add(1) } else { known };
        partition.row(&at.key).cells = cells.into_iter().map(|(column, value)| (column, Cell(ts, Some(value)))).collect();
    }

    /// Takes a row for deleted, until the log says otherwise.
    pub fn correct_deleted(&mut self, at: &RowKey) {
        let ts = self.partition(at.kind, &at.keyspace).newest(&at.key);
        self.delete_row(at, ts);
    }

    /// Whether anything is known of a row: that it is there, or that it is not.
    pub fn knows(&self, at: &RowKey) -> bool {
        self.partitions.get(&(at.keyspace.clone(), at.kind)).is_some_and(|partition| {
            partition.deletion_of(&at.key) != NEVER || partition.find(&at.key).is_ok_and(|index| partition.rows.get(index).is_some())
        })
    }

    /// A row, if it is there.
    pub fn get(&self, at: &RowKey) -> Option<View> {
        let partition = self.partitions.get(&(at.keyspace.clone(), at.kind))?;
        let (_, row) = partition.rows.get(partition.find(&at.key).ok()?)?;
        row.view()
    }

    /// The rows of a partition, by key.
    pub fn rows(&self, kind: Kind, keyspace: &str) -> impl Iterator<Item = (&Key, View)> {
        let partition = self.partitions.get(&(keyspace.to_owned(), kind));
        partition.into_iter().flat_map(|partition| &partition.rows).filter_map(|(key, row)| Some((key, row.view()?)))
    }

    /// The keyspaces that anything is known of.
    pub fn keyspaces(&self) -> Vec<String> {
        let mut names: Vec<String> = self.partitions.keys().map(|(keyspace, _)| keyspace.clone()).collect();
        names.dedup();
        names
    }

    /// As JSON.
    pub fn to_json(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self.partitions.iter().map(|((keyspace, kind), partition)| (keyspace, kind, partition)).collect::<Vec<_>>())
    }

    /// Out of [`Store::to_json`].
    pub fn from_json(value: Value) -> serde_json::Result<Store> {
        let partitions: Vec<(String, Kind, Partition)> = serde_json::from_value(value)?;
        Ok(Store { partitions: partitions.into_iter().map(|(keyspace, kind, partition)| ((keyspace, kind), partition)).collect() })
    }
}

impl Partition {
    fn find(&self, key: &Key) -> Result<usize, usize> {
        self.rows.binary_search_by(|(other, _)| other.cmp(key))
    }

    fn row(&mut self, key: &Key) -> &mut Row {
        let index = match self.find(key) {
            Ok(index) => index,
            Err(index) => {
                self.rows.insert(index, (key.clone(), Row::default()));
                index
            }
        };
        &mut self.rows.get_mut(index).expect("the row was found there, or put there").1
    }

    /// When the row was deleted last, with its partition, a range or by itself.
    fn deletion_of(&self, key: &Key) -> i64 {
        let ranges = self.ranges.iter().filter(|(range, _)| range.covers(key)).map(|(_, ts)| *ts);
        let row = self.find(key).ok().and_then(|index| self.rows.get(index));
        ranges.chain(row.map(|(_, row)| row.deleted_at)).fold(self.deleted_at, i64::max)
    }

    /// When anything was written to the row last.
    fn newest(&self, key: &Key) -> i64 {
        let row = self.find(key).ok().and_then(|index| self.rows.get(index));
        row.and_then(|(_, row)| row.cells.values().map(|cell| cell.0).max()).unwrap_or(BASE)
    }
}

impl Row {
    /// Drops what a deletion at `ts` takes.
    fn forget(&mut self, ts: i64) {
        self.cells.retain(|_, cell| cell.0 > ts);
        self.deleted_at = if self.deleted_at > ts { self.deleted_at } else { NEVER };
    }

    fn is_nothing(&self) -> bool {
        self.cells.is_empty() && self.deleted_at == NEVER
    }

    fn view(&self) -> Option<View> {
        let live = |(column, cell): (&String, &Cell)| Some((column.clone(), cell.1.clone()?));
        let cells: BTreeMap<String, Value> = self.cells.iter().filter_map(live).collect();
        let ts = self.cells.values().map(|cell| cell.0).max()?;
        (!cells.is_empty()).then_some(View { cells, ts })
    }
}

impl Cell {
    fn supersedes(&self, old: &Cell) -> bool {
        match (&self.1, &old.1) {
            _ if self.0 != old.0 => self.0 > old.0,
            (None, _) => true,
            (Some(_), None) => false,
            (Some(new), Some(old)) => serialized(new) > serialized(old),
        }
    }
}

/// The bytes of a value, as far as their order goes: those of a UUID or a time in text are in the order of theirs.
fn serialized(value: &Value) -> Vec<u8> {
    let framed = |value: &Value| {
        let bytes = serialized(value);
        [(bytes.len() as u32).to_be_bytes().to_vec(), bytes].concat()
    };
    match value {
        Value::Null => Vec::new(),
        Value::Bool(value) => vec![u8::from(*value)],
        Value::Number(number) => (number.as_i64().unwrap_or_default() as i32).to_be_bytes().to_vec(),
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Array(elements) => {
            let count = (elements.len() as u32).to_be_bytes().to_vec();
            [vec![count], elements.iter().map(framed).collect()].concat().concat()
        }
        Value::Object(members) => {
            let count = (members.len() as u32).to_be_bytes().to_vec();
            let members = members.iter().flat_map(|(name, value)| [framed(&Value::String(name.clone())), framed(value)]);
            [vec![count], members.collect()].concat().concat()
        }
    }
}

/// Times as JSON: a number, null for never, `"base"` for [`BASE`].
mod time {
    use super::{BASE, NEVER};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_json::Value;

    pub(super) fn never() -> i64 {
        NEVER
    }

    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn is_never(time: &i64) -> bool {
        *time == NEVER
    }

    pub(super) fn serialize<S: Serializer>(time: &i64, to: S) -> Result<S::Ok, S::Error> {
        match *time {
            NEVER => to.serialize_none(),
            BASE => to.serialize_str("base"),
            time => to.serialize_i64(time),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        match Value::deserialize(from)? {
            Value::Null => Ok(NEVER),
            Value::String(text) if text == "base" => Ok(BASE),
            time => time.as_i64().ok_or_else(|| D::Error::custom("expected a time in µs, null or \"base\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn column(table: &str, column: &str) -> RowKey {
        RowKey { kind: Kind::Columns, keyspace: "ks".into(), key: vec![table.into(), column.into()] }
    }

    fn kind(store: &Store, at: &RowKey) -> Option<Value> {
        store.get(at)?.cells.get("kind").cloned()
    }

    #[test]
    fn a_deletion_takes_what_was_written_at_its_time_or_before() {
        let mut store = Store::default();
        for (name, ts) in [("a", 10), ("b", 11)] {
            store.put(&column("t", name), "kind", ts, Some(json!("regular")));
        }

        store.delete_partition(Kind::Columns, "ks", 10);
        store.put(&column("t", "late"), "kind", 10, Some(json!("regular")));

        assert_eq!(kind(&store, &column("t", "a")), None);
        assert_eq!(kind(&store, &column("t", "b")), Some(json!("regular")));
        assert_eq!(kind(&store, &column("t", "late")), None);
    }

    #[test]
    fn a_range_takes_the_rows_of_one_table_and_no_other() {
        let mut store = Store::default();
        for table in ["s", "t", "u"] {
            store.put(&column(table, "a"), "kind", 5, Some(json!("regular")));
        }

        let of_t = Range { start: (vec!["t".into()], true), end: (vec!["t".into()], true) };
        store.delete_range(Kind::Columns, "ks", of_t, 7);
        store.put(&column("t", "b"), "kind", 7, Some(json!("regular")));
        store.put(&column("t", "c"), "kind", 8, Some(json!("regular")));

        let left: Vec<&Key> = store.rows(Kind::Columns, "ks").map(|(key, _)| key).collect();
        assert_eq!(left, [&["s", "a"], &["t", "c"], &["u", "a"]]);
    }

    #[test]
    fn of_two_cells_of_one_time_the_deletion_or_the_larger_stays() {
        let mut store = Store::default();
        for value in [Some(json!(["a", "b"])), Some(json!(["zz"])), Some(json!(["a", "c"]))] {
            store.put(&column("t", "a"), "kind", 5, value);
        }
        assert_eq!(kind(&store, &column("t", "a")), Some(json!(["a", "c"])), "the count of elements stands first in the bytes");

        store.put(&column("t", "a"), "kind", 5, None);
        store.put(&column("t", "a"), "kind", 5, Some(json!(["zz"])));
        assert_eq!(kind(&store, &column("t", "a")), None);
    }

    #[test]
    fn a_corrected_row_stands_until_the_log_says_something_newer() {
        let mut store = Store::default();
        let at = column("t", "a");
        store.put(&at, "kind", 5, Some(json!("regular")));
        store.delete_row(&at, 6);

        store.correct(&at, BTreeMap::from([("kind".into(), json!("static"))]), BASE);
        assert_eq!(kind(&store, &at), Some(json!("static")));
        store.delete_row(&at, 6);
        assert_eq!(kind(&store, &at), Some(json!("static")), "what was known does not undo it");
        store.delete_row(&at, 7);
        assert_eq!(kind(&store, &at), None);

        store.put(&at, "kind", 8, Some(json!("regular")));
        store.correct_deleted(&at);
        assert_eq!(kind(&store, &at), None);
    }

    #[derive(Clone, Debug)]
    enum Write {
        Put(usize, i64, Option<u8>),
        DeleteRow(usize, i64),
        DeletePartition(i64),
        DeleteRange(usize, usize, i64),
    }

    fn apply(store: &mut Store, write: &Write) {
        let name = |index: &usize| format!("c{index}");
        match write {
            Write::Put(row, ts, value) => store.put(&column("t", &name(row)), "kind", *ts, value.map(|value| json!(value))),
            Write::DeleteRow(row, ts) => store.delete_row(&column("t", &name(row)), *ts),
            Write::DeletePartition(ts) => store.delete_partition(Kind::Columns, "ks", *ts),
            Write::DeleteRange(from, to, ts) => {
                let bound = |row: &usize| (vec!["t".to_owned(), name(row)], true);
                store.delete_range(Kind::Columns, "ks", Range { start: bound(from), end: bound(to) }, *ts);
            }
        }
    }

    fn writes() -> impl Strategy<Value = Vec<Write>> {
        let write = prop_oneof![
            6 => (0..4usize, 0..12i64, prop::option::weighted(0.8, 0..3u8)).prop_map(|(row, ts, value)| Write::Put(row, ts, value)),
            2 => (0..4usize, 0..12i64).prop_map(|(row, ts)| Write::DeleteRow(row, ts)),
            1 => (0..12i64).prop_map(Write::DeletePartition),
            1 => (0..4usize, 0..4usize, 0..12i64).prop_map(|(from, to, ts)| Write::DeleteRange(from, to, ts)),
        ];
        prop::collection::vec(write, 0..20)
    }

    fn live(store: &Store) -> Vec<(Key, View)> {
        store.rows(Kind::Columns, "ks").map(|(key, view)| (key.clone(), view)).collect()
    }

    proptest! {
        #[test]
        fn rows_do_not_depend_on_the_order_of_mutations_nor_on_repeats((first, second) in writes().prop_flat_map(|writes| {
            let twice = [writes.clone(), writes.clone()].concat();
            (Just(writes), Just(twice).prop_shuffle())
        })) {
            let (mut one, mut two) = (Store::default(), Store::default());
            first.iter().for_each(|write| apply(&mut one, write));
            second.iter().for_each(|write| apply(&mut two, write));

            prop_assert_eq!(live(&one), live(&two));
        }

        #[test]
        fn what_is_written_down_is_read_back(writes in writes()) {
            let mut store = Store::default();
            writes.iter().for_each(|write| apply(&mut store, write));

            prop_assert_eq!(Store::from_json(store.to_json().unwrap()).unwrap(), store);
        }
    }
}
