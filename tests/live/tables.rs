//! The tables that the writers write to, and what a test must know of them.

use serde_json::Value;

/// The keyspace.
pub const KEYSPACE: &str = "live";

/// A table under test.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Everything behind `CREATE TABLE live.<name>`.
    pub definition: &'static str,
    /// Columns of the partition key, in order.
    pub partition_key: &'static [&'static str],
    /// Clustering columns, in order.
    pub clustering: &'static [&'static str],
    /// All other columns.
    pub columns: &'static [&'static str],
}

/// A column of every row holds the number of the write that made it; static rows have their own.
pub const SEQUENCE: &str = "seq";
/// As [`SEQUENCE`], of static rows.
pub const STATIC_SEQUENCE: &str = "s_seq";

/// A partition without clustering, a composite partition key, collections, static columns.
pub static TABLES: [Table; 4] = [
    Table {
        name: "plain",
        definition: "(id bigint PRIMARY KEY, seq bigint, note text, ratio double, flag boolean, at timestamp)",
        partition_key: &["id"],
        clustering: &[],
        columns: &["seq", "note", "ratio", "flag", "at"],
    },
    Table {
        name: "clustered",
        definition: "(tenant text, day int, c bigint, seq bigint, body text, PRIMARY KEY ((tenant, day), c))",
        partition_key: &["tenant", "day"],
        clustering: &["c"],
        columns: &["seq", "body"],
    },
    Table {
        name: "collections",
        definition: "(id bigint PRIMARY KEY, seq bigint, tags set<text>, scores map<text, int>, log list<text>)",
        partition_key: &["id"],
        clustering: &[],
        columns: &["seq", "tags", "scores", "log"],
    },
    Table {
        name: "statics",
        definition: "(p int, c bigint, s text static, s_seq bigint static, v text, seq bigint, PRIMARY KEY (p, c))",
        partition_key: &["p"],
        clustering: &["c"],
        columns: &["s", "s_seq", "v", "seq"],
    },
];

/// The topic of a table under the default template.
pub fn topic(prefix: &str, table: &str) -> String {
    format!("{prefix}.{KEYSPACE}.{table}")
}

impl Table {
    /// The table of this name.
    pub fn named(name: &str) -> Option<&'static Table> {
        TABLES.iter().find(|table| table.name == name)
    }

    /// Its statement.
    pub fn create(&self) -> String {
        format!("CREATE TABLE {KEYSPACE}.{} {} WITH cdc = true", self.name, self.definition)
    }

    /// The partition that a record key names, as text that is equal for equal partitions.
    pub fn partition_of(&self, key: &Value) -> String {
        self.partition_key.iter().map(|column| format!("/{}", key[*column])).collect()
    }
}
