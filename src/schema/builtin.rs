//! Cassandra's own tables, release by release.
//!
//! Each file holds what a node of that release has in `system`, `system_schema`, `system_auth`,
//! `system_distributed` and `system_traces`, as plain CQL with the columns that are stored. The ids are the same
//! in all releases, because they are made of the names.

use super::{Catalog, ColumnMetadata, TableMetadata, file};
use std::sync::OnceLock;

/// From the oldest on.
const RELEASES: [(&str, &str); 4] = [
    ("3.11", include_str!("builtin/3.11.cql")),
    ("4.0", include_str!("builtin/4.0.cql")),
    ("4.1", include_str!("builtin/4.1.cql")),
    ("5.0", include_str!("builtin/5.0.cql")),
];

/// The tables of all releases.
pub(super) fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        let mut merged = Catalog::new();
        for (_, cql) in RELEASES {
            // A test holds that all of them can be read.
            let release = file::load(cql).map(|loaded| loaded.catalog).unwrap_or_default();
            for table in release.tables() {
                let table = match merged.table(table.id) {
                    Some(older) => union(older, table),
                    None => TableMetadata::clone(table),
                };
                merged.insert(table);
            }
        }
        merged
    })
}

/// One table in two releases: the columns of both.
///
/// The older definition of a column stays. Of the columns whose type has changed, the newer releases write
/// either the same bytes (`uuid` to `timeuuid`) or no cells at all (`system."IndexInfo".value`), while 3.11 does
/// write an `empty` value there.
///
/// A column that one release has and another has dropped is not dropped here: cells of it can only come from
/// the release that has it.
pub(super) fn union(older: &TableMetadata, newer: &TableMetadata) -> TableMetadata {
    let mut table = older.clone();
    add_missing(&mut table.statics, &newer.statics);
    add_missing(&mut table.regulars, &newer.regulars);
    table.dropped.extend(newer.dropped.clone());
    let live: Vec<String> = table.columns().map(|column| column.name.clone()).collect();
    table.dropped.retain(|name, _| !live.contains(name));
    table
}

fn add_missing(columns: &mut Vec<ColumnMetadata>, newer: &[ColumnMetadata]) {
    for column in newer {
        if !columns.iter().any(|known| known.name == column.name) {
            columns.push(column.clone());
        }
    }
    columns.sort_by(|a, b| a.name.cmp(&b.name));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ColumnKind;

    #[test]
    fn every_release_can_be_read() {
        for ((release, cql), tables) in RELEASES.iter().zip([36, 40, 44, 48]) {
            let loaded = file::load(cql).unwrap();

            assert_eq!(loaded.problems, [], "{release}");
            assert_eq!(loaded.without_id, [], "{release}");
            assert_eq!(loaded.catalog.len(), tables, "{release}");
            assert!(loaded.catalog.tables().all(|table| table.is_system()), "{release}");
        }
    }

    #[test]
    fn every_column_of_every_release_is_there_and_only_four_have_changed_their_type() {
        let merged = catalog();
        let mut changed = Vec::new();
        for (release, cql) in RELEASES {
            for table in file::load(cql).unwrap().catalog.tables() {
                let known = merged.table(table.id).unwrap();
                assert_eq!((&known.keyspace, &known.name), (&table.keyspace, &table.name));
                for column in table.columns() {
                    let same = known.columns().find(|other| other.name == column.name).unwrap();
                    assert_eq!((same.kind, same.reversed), (column.kind, column.reversed), "{release} {table} {}", column.name);
                    if same.cql_type != column.cql_type {
                        changed.push(format!("{table}.{}: {} → {}", column.name, same.cql_type, column.cql_type));
                    }
                }
            }
        }
        changed.sort();
        changed.dedup();

        assert_eq!(
            changed,
            [
                "system.IndexInfo.value: empty → blob",
                "system.compaction_history.id: uuid → timeuuid",
                "system.peer_events.hints_dropped: map<uuid, int> → map<timeuuid, int>",
                "system.peer_events_v2.hints_dropped: map<uuid, int> → map<timeuuid, int>",
            ]
        );
    }

    #[test]
    fn a_column_that_some_release_still_has_is_not_dropped() {
        let local = catalog().by_name("system", "local").unwrap();

        assert!(local.cell_column("thrift_version", ColumnKind::Regular).is_some());
        assert!(local.dropped.is_empty());
        let (_, newest) = RELEASES[3];
        assert!(file::load(newest).unwrap().catalog.by_name("system", "local").unwrap().dropped.contains_key("thrift_version"));
    }

    #[test]
    fn the_tables_that_carry_the_schema_have_their_fixed_ids() {
        for (name, id) in [
            ("tables", "afddfb9d-bc1e-3068-8056-eed6c302ba09"),
            ("columns", "24101c25-a2ae-3af7-87c1-b40ee1aca33f"),
            ("dropped_columns", "5e7583b5-f3f4-3af1-9a39-b7e1d6f5f11f"),
            ("types", "5a8b1ca8-6602-3f77-a045-9273d308917a"),
            ("views", "9786ac1c-dd58-3201-a7cd-ad556410c985"),
            ("column_masks", "738cc5ed-0168-3268-b9d1-853d4bc278af"),
        ] {
            assert_eq!(catalog().by_name("system_schema", name).unwrap().id.to_string(), id);
        }
    }
}
