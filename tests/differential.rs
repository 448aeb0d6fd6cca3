//! Every recorded set, decoded by us, equals what Cassandra's own reader said of it.
#![cfg(feature = "agent")]

mod support;

use ringtail::commitlog::{Horizon, Item, SegmentReader};
use ringtail::dump::{self, Filter, Lossless, Release};
use ringtail::history::{Additive, BEGINNING, History, Reading, Source};
use ringtail::schema::{self, Catalog};
use std::fs;
use std::path::Path;
use support::compared::COMPARED;
use support::{Fixture, oracle, sets};

/// 3.11 has no `DESCRIBE` of its own: what the driver prints has neither the ids of views nor dropped columns, so that what is
/// written to those cannot be decoded with it.
const CQL_IS_NOT_ALL: &str = "3.11.19/operations";

/// Sets about sections rather than tables: their schema is recorded as CQL only.
const ONE_FORM: &str = "/shop_";

/// What `dump --json --schema FILE` prints.
fn dump_json(set: &Fixture, schema: &Path) -> Vec<u8> {
    let text = fs::read_to_string(schema).expect("a schema file");
    let loaded = schema::file::load(&text).unwrap_or_else(|error| panic!("{}: {error}", schema.display()));
    let catalog = Catalog::from_loaded(&loaded);
    let mut history = History::new(false);
    history.take(Source::File, &catalog.into(), BEGINNING, Additive::NotInLog);
    dump_with(set, history).0
}

/// What `dump --json` prints with these tables: those of a file, or what the log itself tells.
fn dump_with(set: &Fixture, mut history: History) -> (Vec<u8>, History) {
    let archives = dump::find(&[set.path().to_owned()]).expect("segments");
    let keys = set.keys();
    let release = Release::of(&archives, &history.latest(), &keys).expect("readable segments");
    let mut out = Vec::new();
    dump::dump(&archives, &mut history, &keys, &Filter::default(), &mut Lossless::new(&mut out, release)).expect("memory can be written");
    (out, history)
}

/// Compares a set with the oracle under every form of its schema: `CASE` is empty or the moment a schema is of.
fn assert_equals_oracle(set: &str, moment: &str) {
    let fixture = Fixture::unpack(set);
    let oracle = fs::read(fixture.file(&format!("oracle{moment}.jsonl"))).expect("the oracle's lines");
    for schema in [format!("schema{moment}.cql"), format!("schema_columns{moment}.json")] {
        let is_cql = schema.ends_with(".cql");
        if is_cql && set == CQL_IS_NOT_ALL || !is_cql && set.contains(ONE_FORM) {
            continue;
        }
        let ours = dump_json(&fixture, &fixture.file(&schema));

        let compared = oracle::compare(ours.as_slice(), oracle.as_slice());

        let compared = compared.unwrap_or_else(|differences| panic!("{set} with {schema}:\n{}", differences.join("\n")));
        assert!(compared.updates > 0, "{set} with {schema}: nothing was compared");
    }
}

/// Every set of one version: a test each, so that they run side by side.
fn assert_version_equals_oracle(version: &str) {
    let (_, names) = COMPARED.iter().find(|(listed, _)| *listed == version).expect("a listed version");
    for name in *names {
        assert_equals_oracle(&format!("{version}/{name}"), "");
    }
}

#[test]
fn every_set_of_3_11_equals_cassandras_own_reader() {
    assert_version_equals_oracle("3.11.19");
}

#[test]
fn every_set_of_4_0_equals_cassandras_own_reader() {
    assert_version_equals_oracle("4.0.19");
}

#[test]
fn every_set_of_4_1_equals_cassandras_own_reader() {
    assert_version_equals_oracle("4.1.6");
}

#[test]
fn every_set_of_5_0_equals_cassandras_own_reader() {
    assert_version_equals_oracle("5.0.9");
}

/// Sets whose tables change while they are written: Cassandra's reader shows all of it under the last schema, and we do not.
const TABLES_CHANGE: [&str; 2] = ["/operations", "/ddl"];

/// Sets that were cut behind the statements that make their tables.
fn is_cut(skipped: &[u8]) -> bool {
    String::from_utf8_lossy(skipped).contains("\"kind\":\"skipped\"")
}

#[test]
fn the_log_alone_gives_the_lines_that_the_schema_file_gives() {
    let (mut equal, mut as_of_too) = (Vec::new(), 0);
    for (version, names) in COMPARED {
        for set in names.iter().map(|name| format!("{version}/{name}")) {
            let fixture = Fixture::unpack(&set);
            let (as_of, history) = dump_with(&fixture, History::new(true));
            if is_cut(&as_of) {
                continue;
            }
            // Under the last schema, as Cassandra's reader: what was learnt, without the tables that are gone.
            let mut last = Catalog::new();
            for (_, table) in history.tables().filter(|(_, table)| table.dropped.is_none()) {
                last.insert_as_it_is(table.latest().expect("a definition").table.clone());
            }
            let is_all = last.len() == history.tables().count();
            let mut learnt = History::new(false);
            learnt.take(Source::File, &last.into(), BEGINNING, Additive::NotInLog);
            let ours = dump_with(&fixture, learnt).0;
            if is_all && !TABLES_CHANGE.iter().any(|name| set.contains(name)) {
                assert!(as_of == ours, "{set}: nothing changes in it");
                as_of_too += 1;
            }
            let oracle = fs::read(fixture.file("oracle.jsonl")).expect("the oracle's lines");
            oracle::compare(ours.as_slice(), oracle.as_slice()).unwrap_or_else(|differences| panic!("{set}:\n{}", differences.join("\n")));
            equal.push(set);
        }
    }
    println!("{as_of_too} of {equal:?}");
    assert!(equal.len() >= 40 && as_of_too >= 30, "only {as_of_too} of {equal:?}");
}

#[test]
fn every_entry_is_decoded_as_of_its_write() {
    for set in ["4.1.6/ddl", "5.0.9/ddl"] {
        let fixture = Fixture::unpack(set);
        let oracle = fs::read(fixture.file("oracle_as_of_write.jsonl")).expect("the oracle's lines");
        let start = fs::read_to_string(fixture.file("schema_columns_start.json")).expect("a schema file");
        let rows = schema::file::rows(&start).expect("a schema");
        for with_file in [true, false] {
            let mut history = History::new(true);
            if with_file {
                history.take(Source::File, &Reading::new(rows.resolve().catalog, rows.clone()), BEGINNING, Additive::NotInLog);
            }
            let (ours, _) = dump_with(&fixture, history);

            let compared = oracle::compare(ours.as_slice(), oracle.as_slice());

            let compared = compared.unwrap_or_else(|differences| panic!("{set}, with a file: {with_file}\n{}", differences.join("\n")));
            assert!(compared.updates > 0, "{set}: nothing was compared");
        }
    }
}

#[test]
fn i5_every_byte_of_every_recorded_segment_is_accounted_for() {
    let mut checked = 0;
    for set in COMPARED.iter().flat_map(|(version, names)| names.iter().map(move |name| format!("{version}/{name}"))) {
        let fixture = Fixture::unpack(&set);
        let keys = fixture.keys();
        for segment in fixture.segments() {
            let bytes = fs::read(&segment).expect("a readable file");
            let Ok(mut reader) = SegmentReader::open_with(bytes.as_slice(), None, &keys) else { panic!("{}", segment.display()) };
            while !matches!(reader.next(Horizon::Final).expect("memory can be read"), Item::End) {}
            let coverage = *reader.coverage();
            assert_eq!(coverage.file_sum(), bytes.len() as u64, "{set}: {coverage:?}");
            assert_eq!(coverage.logical_sum(), coverage.section_bytes, "{set}: {coverage:?}");
            assert_eq!(coverage.damaged, 0, "{set}: {coverage:?}");
            checked += 1;
        }
    }
    assert!(checked > 80, "only {checked} segments were read");
}

#[test]
fn every_recorded_set_is_compared() {
    for (version, names) in COMPARED {
        let listed: Vec<String> = names.iter().map(|name| format!("{version}/{name}")).collect();
        assert_eq!(sets(version), listed);
    }
}

#[test]
fn what_a_schema_leaves_out_is_named_and_nothing_else_is_lost() {
    let fixture = Fixture::unpack(CQL_IS_NOT_ALL);
    let lines = |schema: &str| String::from_utf8(dump_json(&fixture, &fixture.file(schema))).expect("text");
    let (all, less) = (lines("schema_columns.json"), lines("schema.cql"));
    let count = |text: &str, kind: &str| text.matches(&format!("\"kind\":\"{kind}\"")).count();

    assert_eq!(count(&less, "skipped") - count(&all, "skipped"), 12, "updates of the view");
    assert_eq!(count(&less, "error"), 1, "an update with a dropped column");
    assert_eq!(count(&all, "update") - count(&less, "update"), 13);
}

#[test]
fn a_set_is_decoded_with_the_schema_of_an_earlier_moment() {
    for set in ["4.0.19/operations", "4.1.6/operations", "5.0.9/operations", "5.0.9/operations_scm_none"] {
        assert_equals_oracle(set, "_before_drop");
        assert_equals_oracle(set, "_before_recreate");
    }
}

#[test]
fn the_quick_start_equals_cassandras_own_reader() {
    let set = Fixture::unpack("quickstart");
    let oracle = fs::read(set.file("oracle.jsonl")).expect("the oracle's lines");

    let compared = oracle::assert_equal(dump_json(&set, &set.file("schema.cql")).as_slice(), oracle.as_slice());

    assert!(compared.updates > 0);
}
