//! The tables of `docs/versions.md` are true: each cell names a recorded set that is compared with Cassandra's own reader and that
//! shows what the cell says.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

mod support;

use ringtail::commitlog::{Compressor, Descriptor, Horizon, Item, SegmentReader};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use support::compared::COMPARED;
use support::{Fixture, root, sets};

/// One cell: what its row and its column say, and the sets that it names.
#[derive(Debug)]
struct Cell {
    row: String,
    version: u32,
    release: String,
    sets: Vec<String>,
}

/// What stands where a release has no such thing.
const NOTHING: &str = "does not exist";

fn cells_of(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// The cells of the table below a heading.
fn table(page: &str, heading: &str) -> Vec<Cell> {
    let mut lines = page.lines().skip_while(|line| *line != heading).skip_while(|line| !line.starts_with('|'));
    let head: Vec<(u32, String)> = cells_of(lines.next().expect("a table")).into_iter().skip(1).map(column).collect();
    let mut cells = Vec::new();
    for line in lines.skip(1).take_while(|line| line.starts_with('|')) {
        let texts = cells_of(line);
        assert_eq!(texts.len(), head.len() + 1, "{line}");
        for ((version, release), text) in head.iter().zip(&texts[1..]) {
            if *text == NOTHING {
                continue;
            }
            let sets: Vec<String> = text.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            assert!(!sets.is_empty(), "{}, {release}: a cell names a set or says that there is no such thing, not {text:?}", texts[0]);
            cells.push(Cell { row: texts[0].to_owned(), version: *version, release: release.clone(), sets });
        }
    }
    assert!(!cells.is_empty(), "no table stands under {heading}");
    cells
}

/// `7 (4.1.6)`.
fn column(text: &str) -> (u32, String) {
    let (version, release) = text.split_once(" (").expect("a version and a release");
    (version.parse().expect("a version"), release.trim_end_matches(')').to_owned())
}

fn page() -> String {
    fs::read_to_string(root().join("docs/versions.md")).expect("text")
}

fn all_cells() -> Vec<Cell> {
    let page = page();
    [table(&page, "## Sections"), table(&page, "## Mutations")].into_iter().flatten().collect()
}

/// The header of each segment of a set.
fn descriptors(fixture: &Fixture) -> Vec<Descriptor> {
    let parse = |path: &Path| Descriptor::parse(&fs::read(path).expect("a readable file")).expect("a whole header");
    fixture.segments().iter().map(|path| parse(path)).collect()
}

#[test]
fn every_cell_names_sets_that_are_there_and_compared() {
    for cell in all_cells() {
        for set in &cell.sets {
            let (release, name) = set.split_once('/').expect("a release and a name");
            assert_eq!(release, cell.release, "{cell:?}");
            assert!(sets(release).contains(set), "{cell:?}: fixtures/{set} is not there");
            let is_compared = COMPARED.iter().any(|(known, names)| *known == release && names.contains(&name));
            assert!(is_compared, "{cell:?}: tests/differential.rs does not compare {set}");
        }
    }
}

#[test]
fn every_set_stands_in_a_cell_and_every_release_has_a_column() {
    let cells = all_cells();
    let named: BTreeSet<String> = cells.iter().flat_map(|cell| cell.sets.clone()).collect();
    let folders = fs::read_dir(root().join("fixtures")).expect("fixtures").map(|entry| entry.expect("a readable folder").file_name());
    let releases: BTreeSet<String> = folders
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with(|first: char| first.is_ascii_digit()))
        .collect();
    let recorded: BTreeSet<String> = releases.iter().flat_map(|release| sets(release)).collect();

    assert_eq!(named, recorded);
    assert_eq!(cells.iter().map(|cell| cell.release.clone()).collect::<BTreeSet<_>>(), releases);
    let versions: BTreeSet<u32> = cells.iter().map(|cell| cell.version).collect();
    assert_eq!(versions, ringtail::commitlog::SUPPORTED_VERSIONS.into_iter().collect());
}

#[test]
fn the_sections_of_a_set_are_what_its_row_says() {
    for cell in table(&page(), "## Sections") {
        for set in &cell.sets {
            let fixture = Fixture::unpack(set);
            for descriptor in descriptors(&fixture) {
                assert_eq!(descriptor.version, cell.version, "{cell:?}: {set}");
                let compressor = |expected| descriptor.compression == Some(expected) && descriptor.encryption.is_none();
                let holds = match cell.row.as_str() {
                    "plain, memory-mapped" | "plain, direct I/O" => descriptor.compression.is_none() && descriptor.encryption.is_none(),
                    "LZ4" => compressor(Compressor::Lz4),
                    "Snappy" => compressor(Compressor::Snappy),
                    "Deflate" => compressor(Compressor::Deflate),
                    "Zstd" => compressor(Compressor::Zstd),
                    "Noop" => compressor(Compressor::Noop),
                    "AES/CBC/PKCS5Padding" => descriptor.encryption.as_ref().is_some_and(|encryption| encryption.cipher == cell.row),
                    "cut off by a kill" => true,
                    row => panic!("no test knows what a row {row:?} says"),
                };
                assert!(holds, "{cell:?}: {set}: {descriptor:?}");
            }
            match cell.row.as_str() {
                "plain, direct I/O" => assert!(description(set).contains("commitlog_disk_access_mode: direct"), "{set}"),
                "cut off by a kill" => assert_cut_off(&fixture, set),
                _ => {}
            }
        }
    }
}

fn description(set: &str) -> String {
    fs::read_to_string(root().join("fixtures").join(set).join("README.md")).expect("text")
}

/// What a killed node leaves: an idx that is not COMPLETED, or in 3.11, which has none, bytes that its replay drops.
fn assert_cut_off(fixture: &Fixture, set: &str) {
    let segments = fixture.segments();
    let open = segments.iter().any(|path| {
        let idx = path.with_file_name(path.file_stem().expect("a name").to_string_lossy().into_owned() + "_cdc.idx");
        fs::read_to_string(idx).is_ok_and(|text| !text.contains("COMPLETED"))
    });
    let drops = segments.iter().any(|path| {
        let bytes = fs::read(path).expect("a readable file");
        let mut reader = SegmentReader::open(bytes.as_slice(), None).expect("a whole header");
        while !matches!(reader.next(Horizon::Final).expect("bytes in memory"), Item::End) {}
        reader.unmarked().is_some()
    });
    assert!(open || drops, "{set}: nothing in it was cut off");
    assert!(description(set).contains("kill"), "{set}");
}

/// The lines of an oracle that are updates.
fn updates(fixture: &Fixture) -> Vec<Value> {
    let text = fs::read_to_string(fixture.file("oracle.jsonl")).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).filter(|line: &Value| line["kind"] == "update").collect()
}

#[test]
fn the_mutations_of_a_set_are_what_its_row_says() {
    for cell in table(&page(), "## Mutations") {
        for set in &cell.sets {
            let fixture = Fixture::unpack(set);
            assert!(descriptors(&fixture).iter().all(|descriptor| descriptor.version == cell.version), "{cell:?}: {set}");
            match cell.row.as_str() {
                "every type" => assert_every_type(&fixture, set, &cell.release),
                "every statement" => assert_every_statement(&fixture, set),
                "every range tombstone" => assert_every_bound(&fixture, set),
                "random statements, wide tables, tables that change" => assert!(updates(&fixture).len() > 100, "{set}"),
                row => panic!("no test knows what a row {row:?} says"),
            }
        }
    }
}

/// The types of the columns that the schema has; vectors are in 5.0 only.
fn assert_every_type(fixture: &Fixture, set: &str, release: &str) {
    let rows: Value = serde_json::from_slice(&fs::read(fixture.file("schema_columns.json")).expect("bytes")).expect("JSON");
    let types: Vec<&str> = rows["columns"].as_array().expect("rows").iter().map(|row| row["type"].as_str().expect("a type")).collect();
    let mut expected = vec![
        "ascii",
        "bigint",
        "blob",
        "boolean",
        "counter",
        "date",
        "decimal",
        "double",
        "duration",
        "float",
        "inet",
        "int",
        "smallint",
        "text",
        "time",
        "timestamp",
        "timeuuid",
        "tinyint",
        "uuid",
        "varint",
        "list<",
        "set<",
        "map<",
        "frozen<list<",
        "frozen<set<",
        "frozen<map<",
        "tuple<",
    ];
    expected.extend((release == "5.0.9").then_some("vector<"));
    for name in expected {
        let holds = |known: &&str| if name.ends_with('<') { known.contains(name) } else { *known == name };
        assert!(types.iter().any(holds), "{set}: no column is a {name}");
    }
    assert!(!rows["types"].as_array().expect("rows").is_empty(), "{set}: no user-defined type");
}

fn assert_every_statement(fixture: &Fixture, set: &str) {
    let updates = updates(fixture);
    let rows: Vec<&Value> = updates.iter().flat_map(|update| update["rows"].as_array().into_iter().flatten()).collect();
    let cells: Vec<&Value> = rows.iter().flat_map(|row| row["cells"].as_array().into_iter().flatten()).collect();
    let forms = [
        ("partition deletion", updates.iter().any(|update| !update["partition_deletion"].is_null())),
        ("static row", updates.iter().any(|update| !update["static_row"].is_null())),
        ("range tombstone", updates.iter().any(|update| update["range_tombstones"].as_array().is_some_and(|markers| !markers.is_empty()))),
        ("batch", updates.iter().any(|update| update["updates_in_mutation"].as_u64().is_some_and(|updates| updates > 1))),
        ("row deletion", rows.iter().any(|row| !row["row_deletion"].is_null())),
        ("row without a marker", rows.iter().any(|row| row["liveness"].is_null())),
        ("expiring row", rows.iter().any(|row| row["liveness"]["expiring"] == true)),
        ("tombstone", cells.iter().any(|cell| cell["tombstone"] == true)),
        ("expiring cell", cells.iter().any(|cell| cell["ttl"].as_u64().is_some_and(|ttl| ttl > 0))),
        ("element of a collection", cells.iter().any(|cell| !cell["path"].is_null())),
        ("complex deletion", rows.iter().any(|row| row["complex_deletions"].as_array().is_some_and(|deletions| !deletions.is_empty()))),
    ];
    let missing: Vec<&str> = forms.into_iter().filter(|(_, is_there)| !is_there).map(|(name, _)| name).collect();
    assert!(missing.is_empty(), "{set} shows no {missing:?}");
}

fn assert_every_bound(fixture: &Fixture, set: &str) {
    let oracle = fs::read_to_string(fixture.file("oracle.jsonl")).expect("text");
    for kind in [
        "INCL_START_BOUND",
        "EXCL_START_BOUND",
        "INCL_END_BOUND",
        "EXCL_END_BOUND",
        "EXCL_END_INCL_START_BOUNDARY",
        "INCL_END_EXCL_START_BOUNDARY",
    ] {
        assert!(oracle.contains(&format!("\"kind\":\"{kind}\"")), "{set} shows no {kind}");
    }
}
