//! All recorded segments of plain and compressed logs under one schema, as if one node had written them.

use super::fixture::Fixture;
use ringtail::schema::{self, Catalog};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A recorded segment with data.
pub struct Recording {
    /// Its set and file.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What Cassandra's own reader found of CDC tables: position and index of each update that says something.
    pub updates: Vec<(u32, u32)>,
}

/// The recordings, and the schema that they have together.
pub struct Recorded {
    /// With data, in the order of their ids within a set.
    pub segments: Vec<Recording>,
    /// The statements of all sets.
    pub schema: String,
    /// The tables.
    pub catalog: Catalog,
}

/// The set that shares a keyspace's name with another one: a table is known by its id, so its keyspace may be called anything.
const RENAMED: (&str, &str) = ("4.1.6/compressed_lz4", "fuzz");

impl Recorded {
    /// Unpacks these sets.
    pub fn unpack(sets: &[&str]) -> Recorded {
        let (mut segments, mut schema) = (Vec::new(), String::new());
        for set in sets {
            let fixture = Fixture::unpack(set);
            let statements = fs::read_to_string(fixture.file("schema.cql")).expect("text");
            schema.push_str(&if RENAMED.0 == *set { rename(&statements, RENAMED.1) } else { statements });
            let updates = updates(&fixture.file("oracle.jsonl"));
            for path in fixture.segments() {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                if let Some(updates) = updates.get(&name) {
                    let bytes = fs::read(&path).expect("a readable file");
                    segments.push(Recording { name: format!("{set}/{name}"), bytes, updates: updates.clone() });
                }
            }
        }
        let loaded = schema::file::load(&schema).expect("a schema");
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        let catalog = Catalog::from_loaded(&loaded);
        assert!(!segments.is_empty(), "nothing was recorded");
        Recorded { segments, schema, catalog }
    }

    /// All sets of 4.1.6.
    pub fn all() -> Recorded {
        Recorded::unpack(&["4.1.6/all_types", "4.1.6/operations", "4.1.6/unclean", "4.1.6/compressed_lz4"])
    }

    /// One segment, by the end of its name.
    pub fn segment(&self, set: &str, number: usize) -> &Recording {
        self.segments.iter().filter(|recording| recording.name.contains(set)).nth(number).expect("recorded")
    }
}

fn rename(statements: &str, keyspace: &str) -> String {
    let other = format!("{keyspace}_of_another_node");
    statements.replace(&format!("{keyspace}."), &format!("{other}.")).replace(&format!("KEYSPACE {keyspace}"), &format!("KEYSPACE {other}"))
}

/// Per segment that holds anything, the updates of CDC tables that the oracle shows with something in them.
fn updates(oracle: &Path) -> BTreeMap<String, Vec<(u32, u32)>> {
    let mut found: BTreeMap<String, Vec<(u32, u32)>> = BTreeMap::new();
    for line in fs::read_to_string(oracle).expect("text").lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        if line["kind"] != "update" {
            continue;
        }
        let of_segment = found.entry(line["segment"].as_str().expect("a name").to_owned()).or_default();
        let any = |name: &str| line[name].as_array().is_some_and(|list| !list.is_empty());
        let says_something =
            !line["partition_deletion"].is_null() || !line["static_row"].is_null() || any("rows") || any("range_tombstones");
        if line["cdc"] == true && says_something {
            let number = |name: &str| u32::try_from(line[name].as_u64().expect("a number")).expect("an int");
            of_segment.push((number("position"), number("update_index")));
        }
    }
    found
}
