//! The schema that the log tells, against the schema that the node told when it was recorded.
#![cfg(feature = "agent")]

mod support;

use ringtail::commitlog::{Horizon, Item, SegmentReader};
use ringtail::history::History;
use ringtail::mutation;
use ringtail::position::CommitLogPosition;
use ringtail::schema::{self, Catalog, TableMetadata};
use std::fs;
use support::Fixture;

/// Reads all segments of a set, and gives what they tell of the schema.
fn history_of(fixture: &Fixture) -> History {
    let mut history = History::new(true);
    for path in fixture.segments() {
        let bytes = fs::read(&path).expect("a readable file");
        let mut reader = SegmentReader::open(bytes.as_slice(), None).expect("a readable segment");
        let segment = reader.descriptor().id;
        loop {
            match reader.next(Horizon::Final).expect("memory can be read") {
                Item::Entry(entry) => {
                    let at = CommitLogPosition { segment, position: entry.end };
                    let catalog = history.catalog_at(at);
                    match mutation::decode(entry.body(), &catalog) {
                        Ok(mutation) => drop(history.apply(at, &mutation)),
                        Err(incomplete) => panic!("{}: {}", path.display(), incomplete.error),
                    }
                }
                Item::Damage(damage) => panic!("{damage}"),
                Item::CaughtUp | Item::End => break,
            }
        }
    }
    history
}

fn recorded(fixture: &Fixture) -> Catalog {
    let text = fs::read_to_string(fixture.file("schema_columns.json")).expect("a schema file");
    schema::file::load(&text).expect("a readable schema").catalog
}

#[test]
fn the_log_alone_tells_the_schema_of_every_set() {
    for version in ["3.11.19", "4.0.19", "4.1.6", "5.0.9"] {
        for set in ["all_types", "fuzz", "operations"] {
            let fixture = Fixture::unpack(&format!("{version}/{set}"));
            let mut history = history_of(&fixture);

            let told = history.latest();

            for table in recorded(&fixture).tables().filter(|table| !table.is_system()) {
                let found = told.table(table.id).unwrap_or_else(|| panic!("{version}/{set}: {table} is not told"));
                let latest = history.tables().find(|(id, _)| *id == table.id).and_then(|(_, table)| table.latest()).expect("a version");
                assert_eq!(latest.table, *table, "{version}/{set}: {found}");
            }
        }
    }
}

/// What a schema file defines outside Cassandra's own keyspaces.
fn users(text: &str) -> Vec<TableMetadata> {
    let loaded = schema::file::load(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!((loaded.problems, loaded.without_id.len()), (vec![], 0));
    let mut tables: Vec<TableMetadata> =
        loaded.catalog.tables().filter(|table| !table.is_system()).map(|table| (**table).clone()).collect();
    tables.sort_by_key(|table| table.id);
    tables
}

#[test]
fn what_is_exported_is_read_back_to_the_same_tables() {
    let mut compared = 0;
    for version in ["3.11.19", "4.0.19", "4.1.6", "5.0.9"] {
        for set in ["all_types", "fuzz", "operations"] {
            let fixture = Fixture::unpack(&format!("{version}/{set}"));
            let text = fs::read_to_string(fixture.file("schema_columns.json")).expect("a schema file");
            let rows = schema::file::rows(&text).expect("a readable schema");

            let (cql, json) = (rows.to_cql(), serde_json::to_string(&rows).expect("rows are JSON"));

            let expected = users(&text);
            assert_eq!(users(&cql), expected, "{version}/{set}\n{cql}");
            assert_eq!(users(&json), expected, "{version}/{set}");
            compared += expected.len();
        }
    }
    assert!(compared > 200, "only {compared} tables");
}
