//! What a table looks like at a time.

use super::random::Random;
use super::values::{Cell, Fields, Type};
use std::sync::Arc;

/// The keyspace.
pub const KEYSPACE: &str = "ddl";

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: Type,
    pub is_static: bool,
}

/// A table between two changes of it.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name.
    pub table: String,
    /// How many tables have had this name before.
    pub incarnation: usize,
    /// Partition key columns.
    pub partition: Vec<Column>,
    /// Clustering columns.
    pub clustering: Vec<Column>,
    /// Whether the first clustering column is stored in descending order.
    pub descending: bool,
    /// The others. The first one is regular and stays.
    pub columns: Vec<Column>,
    /// Columns that were dropped, and not added again since.
    pub dropped: Vec<Column>,
    /// Whether changes are captured.
    pub cdc: bool,
    /// The fields of the user-defined type.
    pub fields: Arc<Fields>,
}

/// The column that every table has.
pub const SEQUENCE: &str = "seq";

fn column(name: &str, kind: Type) -> Column {
    Column { name: name.into(), kind, is_static: false }
}

impl Definition {
    /// A new table with one of five primary keys.
    pub fn new(table: &str, incarnation: usize, shape: usize, fields: Arc<Fields>, random: &mut Random) -> Definition {
        let (partition, clustering, descending) = match shape % 5 {
            0 => (vec![column("p", Type::Bigint)], vec![], false),
            1 => (vec![column("p", Type::Bigint)], vec![column("c", Type::Bigint)], false),
            2 => (vec![column("p", Type::Text), column("q", Type::Int)], vec![column("c", Type::Bigint), column("d", Type::Text)], false),
            3 => (vec![column("q", Type::Text)], vec![column("c", Type::Int)], true),
            _ => (vec![column("key", Type::Uuid)], vec![], false),
        };
        let mut columns = vec![column(SEQUENCE, Type::Bigint), column("note", Type::Text)];
        columns.push(column("extra", *random.of(&super::values::COLUMN_TYPES)));
        columns.push(column("udts", *random.of(&[Type::Udt, Type::UdtList, Type::UdtMap, Type::FrozenUdt])));
        if !clustering.is_empty() {
            columns.push(Column { is_static: true, ..column("fixed", Type::Text) });
        }
        let table = table.to_owned();
        Definition { table, incarnation, partition, clustering, descending, columns, dropped: vec![], cdc: true, fields }
    }

    /// `keyspace.table`.
    pub fn full_name(&self) -> String {
        format!("{KEYSPACE}.{}", self.table)
    }

    /// Its statement.
    pub fn create(&self) -> String {
        let columns = self.partition.iter().chain(&self.clustering).chain(&self.columns);
        let columns: Vec<String> = columns
            .map(|column| format!("{} {}{}", column.name, column.kind.cql(), if column.is_static { " static" } else { "" }))
            .collect();
        let key: Vec<String> = std::iter::once(format!("({})", names(&self.partition).join(", "))).chain(names(&self.clustering)).collect();
        let order = match self.clustering.first() {
            Some(first) if self.descending => format!("CLUSTERING ORDER BY ({} DESC) AND ", first.name),
            _ => String::new(),
        };
        format!(
            "CREATE TABLE {} ({}, PRIMARY KEY ({})) WITH {order}cdc = {}",
            self.full_name(),
            columns.join(", "),
            key.join(", "),
            self.cdc
        )
    }

    /// The regular or the static columns.
    pub fn columns_that(&self, are_static: bool) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| column.is_static == are_static)
    }

    /// A name that no column has or had.
    pub fn fresh_name(&self, random: &mut Random) -> String {
        loop {
            let name = format!("x{}", random.below(100_000));
            let all = self.partition.iter().chain(&self.clustering).chain(&self.columns).chain(&self.dropped);
            if !all.into_iter().any(|column| column.name == name) {
                return name;
            }
        }
    }

    /// Values for the partition key, which no other writer gives it.
    pub fn partition_of(&self, writer: usize, random: &mut Random) -> Vec<Cell> {
        let number = writer * 1000 + random.below(8);
        self.partition.iter().map(|column| key(column.kind, number)).collect()
    }

    /// Values for the clustering columns.
    pub fn clustering_of(&self, random: &mut Random) -> Vec<Cell> {
        self.clustering.iter().map(|column| key(column.kind, random.below(30))).collect()
    }
}

/// The names of columns.
pub fn names(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

/// A value of a key column for a number.
pub fn key(kind: Type, number: usize) -> Cell {
    match kind {
        Type::Text => Cell::plain(format!("'key {number}'"), format!("key {number}").into()),
        Type::Uuid => {
            let text = format!("{number:08x}-0000-4000-8000-00000000000a");
            Cell::plain(text.clone(), text.into())
        }
        _ => Cell::plain(number.to_string(), number.into()),
    }
}
