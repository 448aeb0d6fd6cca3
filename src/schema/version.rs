//! The name of a definition: the same on every node, at every reading.

use super::TableMetadata;
use super::export::collect_types;
use crate::cql::json_string;
use std::collections::BTreeMap;
use std::fmt;

/// 64-bit FNV-1a, whose few lines anybody can repeat.
const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// What a table's definition comes to: FNV-1a of [`SchemaVersion::canonical`], printed as 16 hexadecimal digits.
///
/// Two definitions of one table that give events of the same shape have the same version: the `cdc` option, dropped columns and
/// all other options do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaVersion(pub u64);

impl SchemaVersion {
    /// The version of a definition.
    pub fn of(table: &TableMetadata) -> SchemaVersion {
        let text = Self::canonical(table);
        SchemaVersion(text.bytes().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME)))
    }

    /// The definition as one JSON text without spaces: keyspace, table, id, the columns in the order of events, and the user-defined
    /// types in them by name.
    ///
    /// ```text
    /// {"keyspace":"ks","table":"t","id":"…","columns":[{"name":"p","kind":"partition_key","type":"int"},
    ///  {"name":"c","kind":"clustering","type":"int","order":"desc"}],"types":[{"name":"u","fields":[{"name":"a","type":"int"}]}]}
    /// ```
    pub fn canonical(table: &TableMetadata) -> String {
        let mut out = String::from("{");
        text_member(&mut out, "keyspace", &table.keyspace);
        text_member(&mut out, "table", &table.name);
        text_member(&mut out, "id", &table.id.to_string());
        out.push_str(",\"columns\":[");
        let mut types = BTreeMap::new();
        for column in table.columns() {
            begin(&mut out);
            text_member(&mut out, "name", &column.name);
            text_member(&mut out, "kind", column.kind.as_str());
            text_member(&mut out, "type", &column.cql_type.to_string());
            if column.reversed {
                text_member(&mut out, "order", "desc");
            }
            out.push('}');
            collect_types(&column.cql_type, &mut types);
        }
        out.push_str("],\"types\":[");
        for user_type in types.values() {
            begin(&mut out);
            text_member(&mut out, "name", &user_type.type_name);
            out.push_str(",\"fields\":[");
            for (name, type_name) in user_type.field_names.iter().zip(&user_type.field_types) {
                begin(&mut out);
                text_member(&mut out, "name", name);
                text_member(&mut out, "type", type_name);
                out.push('}');
            }
            out.push_str("]}");
        }
        out.push_str("]}");
        out
    }
}

fn begin(out: &mut String) {
    out.push_str(if out.ends_with('[') { "{" } else { ",{" });
}

fn text_member(out: &mut String, name: &str, text: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    json_string(name, out);
    out.push(':');
    json_string(text, out);
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::ks_t;
    use crate::schema::{Catalog, file};

    fn loaded(cql: &str) -> TableMetadata {
        let catalog: Catalog = file::load(cql).unwrap().catalog;
        TableMetadata::clone(catalog.tables().next().unwrap())
    }

    #[test]
    fn a_version_is_what_anybody_can_work_out_again() {
        let table = loaded(
            "CREATE TYPE ks.u (a int); CREATE TABLE ks.t (p int, c text, v frozen<u>, PRIMARY KEY (p, c)) \
             WITH ID = 00000000-0000-0000-0000-000000001234 AND CLUSTERING ORDER BY (c DESC)",
        );

        assert_eq!(
            SchemaVersion::canonical(&table),
            concat!(
                r#"{"keyspace":"ks","table":"t","id":"00000000-0000-0000-0000-000000001234","columns":["#,
                r#"{"name":"p","kind":"partition_key","type":"int"},{"name":"c","kind":"clustering","type":"text","order":"desc"},"#,
                r#"{"name":"v","kind":"regular","type":"frozen<u>"}],"types":[{"name":"u","fields":[{"name":"a","type":"int"}]}]}"#
            )
        );
        assert_eq!(table.version.to_string(), "e054beb869297e07");
    }

    #[test]
    fn only_what_changes_the_shape_of_events_changes_the_version() {
        let table = ks_t();
        let version = SchemaVersion::of(&table);

        assert_eq!(SchemaVersion::of(&TableMetadata { cdc: !table.cdc, dropped: BTreeMap::new(), ..table.clone() }), version);
        let fewer = TableMetadata { regulars: table.regulars.iter().skip(1).cloned().collect(), ..table.clone() };
        assert_ne!(SchemaVersion::of(&fewer), version);
        let mut other_order = table.clone();
        other_order.clustering.iter_mut().for_each(|column| column.reversed = !column.reversed);
        assert_ne!(SchemaVersion::of(&other_order), version);
    }
}
