//! Small tables whose mutations a test writes itself.

use crate::support::segment;
use ringtail::mutation::{DeletionTime, LivenessInfo, LocalDeletionTime, WriteTimestamp};
use ringtail::schema::{self, Catalog, TableId};
use ringtail_testkit::described::{Cell, Column, ColumnData, Header, Mutation, PartitionUpdate, Row, Unfiltered};
use ringtail_testkit::encode::{self, Release};

/// With `cdc = true`, all of one shape: `(p int, c int, v text, PRIMARY KEY (p, c))`.
pub const PUBLISHED: [&str; 3] = ["orders", "items", "prices"];
/// Without.
pub const PLAIN: &str = "plain";

/// What is written to one partition of one table.
#[derive(Clone, Copy, Debug)]
pub enum Write {
    /// A row.
    Row(i32),
    /// A deletion of the partition, and a row of it that is newer.
    DeleteAndRow(i32),
}

/// The id of a table.
pub fn id(table: &str) -> TableId {
    all().by_name("ks", table).expect("a table").id
}

/// The catalog of all of them.
pub fn all() -> Catalog {
    read("")
}

/// The same with one more column in `orders`.
pub fn with_a_column() -> Catalog {
    read(", w text")
}

/// The catalog without some.
pub fn without(tables: &[&str]) -> Catalog {
    let mut catalog = all();
    for table in tables {
        catalog.remove(id(table)).expect("a table");
    }
    catalog
}

fn read(more: &str) -> Catalog {
    let table = |(number, name): (usize, &str)| {
        let (cdc, more) = (name != PLAIN, if name == "orders" { more } else { "" });
        format!(
            "CREATE TABLE ks.{name} (p int, c int, v text{more}, PRIMARY KEY (p, c)) WITH ID = 00000000-0000-1000-8000-00000000000{number} \
             AND cdc = {cdc};\n"
        )
    };
    let text: String = PUBLISHED.into_iter().chain([PLAIN]).enumerate().map(table).collect();
    let loaded = schema::file::load(&format!(
        "CREATE KEYSPACE ks WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': '1'}};\n{text}"
    ));
    Catalog::from_loaded(&loaded.expect("a schema"))
}

/// An entry that writes to these tables in one partition.
pub fn entry(key: i32, time: i64, writes: &[(&str, Write)]) -> Vec<u8> {
    entry_with("v", key, time, writes)
}

/// The same, into another column.
pub fn entry_with(column: &str, key: i32, time: i64, writes: &[(&str, Write)]) -> Vec<u8> {
    let updates = writes.iter().map(|(table, write)| update(column, table, key, time, *write)).collect();
    segment::frame(&encode::mutation(&Mutation { updates }, &with_a_column(), Release::V4))
}

fn update(column: &str, table: &str, key: i32, time: i64, write: Write) -> PartitionUpdate {
    let (clustering, deletion) = match write {
        Write::Row(clustering) => (clustering, None),
        Write::DeleteAndRow(clustering) => {
            let deletion =
                DeletionTime { marked_for_delete_at: WriteTimestamp(time - 1), local_deletion_time: LocalDeletionTime(1_760_000_000) };
            (clustering, Some(deletion))
        }
    };
    let timestamp = WriteTimestamp(time);
    let value = Some(format!("{table} {time}").into_bytes());
    let cell = Cell { path: None, value, timestamp, ttl: None, local_deletion_time: None };
    PartitionUpdate {
        table: id(table),
        partition_key: key.to_be_bytes().to_vec(),
        partition_deletion: deletion,
        static_row: None,
        unfiltereds: vec![Unfiltered::Row(Row {
            clustering: vec![Some(clustering.to_be_bytes().to_vec())],
            liveness: Some(LivenessInfo { timestamp, expiry: None }),
            deletion: None,
            columns: vec![Column { name: column.to_owned(), data: ColumnData::Simple(cell) }],
        })],
        header: Header::default(),
    }
}
