//! Any text as a schema file.

use ringtail::schema::{Catalog, LoadedSchema, SchemaRows, TableMetadata, file};
use std::collections::BTreeMap;

/// What can be read is written as rows and read again as the same tables.
pub fn schema_file(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(loaded) = file::load(text) else { return };
    loaded.problems.iter().for_each(|problem| assert!(!problem.to_string().is_empty()));
    assert!(Catalog::from_loaded(&loaded).len() >= loaded.catalog.len());

    let Some(tables) = tables(&loaded) else { return };
    let rows = serde_json::to_string(&SchemaRows::from(&loaded.catalog)).expect("rows are JSON");
    let again = file::load(&rows).expect("what was written can be read");
    assert!(again.problems.is_empty(), "{:?}", again.problems);
    assert_eq!(self::tables(&again), Some(tables));
}

/// The tables by name, with times as exact as rows are. None if two have one name, which rows cannot say.
fn tables(loaded: &LoadedSchema) -> Option<BTreeMap<(String, String), TableMetadata>> {
    let mut tables = BTreeMap::new();
    for table in loaded.catalog.tables() {
        let mut table = TableMetadata::clone(table);
        for dropped in table.dropped.values_mut() {
            dropped.dropped_at_micros = dropped.dropped_at_micros.div_euclid(1000);
        }
        if tables.insert((table.keyspace.clone(), table.name.clone()), table).is_some() {
            return None;
        }
    }
    Some(tables)
}
