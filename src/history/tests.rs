//! What file and node say, without the log: what it adds is tested on recorded and encoded segments.

use super::*;
use crate::position::{CommitLogPosition, LogicalPosition, SegmentId};
use crate::schema::{Catalog, ColumnKind, TableId, file};
use uuid::Uuid;

const T: TableId = TableId(Uuid::from_u128(0x77));

fn at(segment: u64, position: u32) -> CommitLogPosition {
    CommitLogPosition { segment: SegmentId(segment), position: LogicalPosition(position) }
}

fn reading(columns: &str, options: &str) -> Reading {
    let cql = format!("CREATE TYPE ks.u (a int); CREATE TABLE ks.t ({columns}, PRIMARY KEY (p)) WITH ID = {T} {options};");
    let rows = file::rows(&cql).unwrap();
    Reading::new(rows.resolve().catalog, rows)
}

fn names(history: &mut History, at: CommitLogPosition) -> Vec<String> {
    history.catalog_at(at).table(T).unwrap().columns().map(|column| column.name.clone()).collect()
}

fn is_published(history: &mut History, at: CommitLogPosition) -> bool {
    history.catalog_at(at).table(T).unwrap().is_published()
}

#[test]
fn without_the_log_the_last_that_was_said_holds_from_where_it_was_said() {
    let mut history = History::new(false);
    history.take(Source::Cql, &reading("p int, v int, w int", ""), at(5, 99), Additive::NotInLog);
    history.take(Source::Cql, &reading("p int, v int", ""), at(5, 199), Additive::NotInLog);

    assert_eq!(names(&mut history, at(5, 199)), ["p", "v", "w"]);
    assert_eq!(names(&mut history, at(5, 200)), ["p", "v"]);
    let catalog = history.catalog_at(at(5, 200));
    let gone = catalog.table(T).unwrap().dropped.get("w").unwrap();
    assert_eq!((gone.column.kind, gone.dropped_at_micros), (ColumnKind::Regular, i64::MIN), "it can still be decoded");
}

#[test]
fn with_the_log_the_node_adds_what_must_not_be_missed_and_takes_nothing() {
    let mut history = History::new(true);
    history.take(Source::Cql, &reading("p int, v int, w frozen<u>", ""), at(5, 0), Additive::NotInLog);

    let later = reading("p int, v int, x int", "AND cdc = true");
    history.take(Source::Cql, &later, at(5, 199), Additive::NotInLog);

    assert!(!is_published(&mut history, at(5, 199)));
    assert!(is_published(&mut history, at(5, 200)));
    assert_eq!(names(&mut history, at(5, 300)), ["p", "v", "w"], "columns come with the log, or when a mutation names them");
    assert!(!history.learn(T, "y", &later, at(5, 299)));
    assert!(history.learn(T, "x", &later, at(5, 299)));
    assert_eq!(names(&mut history, at(5, 299)), ["p", "v", "w"]);
    assert_eq!(names(&mut history, at(5, 300)), ["p", "v", "w", "x"]);
    assert!(is_published(&mut history, at(5, 300)));
}

#[test]
fn what_may_be_old_changes_nothing_that_is_known() {
    let mut history = History::new(true);
    history.take(Source::Cql, &reading("p int, v int", ""), at(5, 0), Additive::NotInLog);

    history.take(Source::Cql, &reading("p int, v int", "AND cdc = true"), at(5, 199), Additive::New);

    assert!(!is_published(&mut history, at(5, 200)));
}

#[test]
fn what_the_node_says_is_settled_with_all_it_takes_away() {
    let mut history = History::new(true);
    history.take(Source::Cql, &reading("p int, v int, w int", "AND cdc = true"), at(5, 0), Additive::NotInLog);

    history.settle(&reading("p int, v int", ""), at(5, 400));

    assert_eq!(names(&mut history, at(5, 400)), ["p", "v", "w"]);
    assert!(is_published(&mut history, at(5, 400)));
    assert_eq!(names(&mut history, at(5, 401)), ["p", "v"]);
    assert!(!is_published(&mut history, at(5, 401)));
    let revision = history.revision();
    history.settle(&reading("p int, v int", ""), at(5, 500));
    assert_eq!(history.revision(), revision, "said again it is nothing new");
}

#[test]
fn an_answer_without_tables_is_no_answer() {
    let mut history = History::new(true);
    history.take(Source::Cql, &reading("p int, v int", ""), at(5, 0), Additive::NotInLog);

    history.settle(&Reading::default(), at(5, 400));

    assert_eq!(names(&mut history, at(5, 401)), ["p", "v"]);
    assert_eq!(history.tables().filter(|(_, table)| table.dropped.is_some()).count(), 0);
}

#[test]
fn a_file_that_was_changed_goes_before_what_it_said_last_time() {
    let mut history = History::new(true);
    history.take(Source::File, &reading("p int, v int", ""), BEGINNING, Additive::NotInLog);

    history.take(Source::File, &reading("p int, v int, w int", ""), BEGINNING, Additive::NotInLog);

    assert_eq!(names(&mut history, at(1, 1)), ["p", "v", "w"]);
}

#[test]
fn cassandras_own_tables_keep_the_columns_of_all_releases() {
    let mut history = History::new(true);
    let local = history.latest().by_name("system", "local").unwrap().clone();
    let mut fewer = Catalog::new();
    fewer.insert(crate::schema::TableMetadata { regulars: local.regulars.iter().take(2).cloned().collect(), ..(*local).clone() });

    history.take(Source::Cql, &fewer.into(), at(5, 0), Additive::NotInLog);

    assert_eq!(history.latest().by_name("system", "local").unwrap().regulars, local.regulars);
}

#[test]
fn what_is_written_down_is_read_back() {
    let mut history = History::new(true);
    history.take(Source::Cql, &reading("p int, v int, w frozen<u>", ""), at(5, 0), Additive::NotInLog);
    history.settle(&reading("p int, v int", "AND cdc = true"), at(5, 400));
    history.folded.insert(SegmentId(5), LogicalPosition(7));

    let again = History::from_json(&history.to_json().unwrap(), true).unwrap();

    assert_eq!(again.tables, history.tables);
    assert_eq!(again.store, history.store);
    assert_eq!((again.changes, again.folded, again.whole), (history.changes, history.folded, history.whole));
    assert!(matches!(History::from_json("{}", true), Err(SavedError::Json(_))));
    let newer = history_of_version(2);
    assert!(matches!(History::from_json(&newer, true), Err(SavedError::Newer(2))));
}

fn history_of_version(version: u32) -> String {
    History::new(true).to_json().unwrap().replace("\"v\":1", &format!("\"v\":{version}"))
}

#[test]
fn old_definitions_go_and_the_one_that_is_needed_stays() {
    let mut history = History::new(false);
    for position in 1..=200 {
        let columns = if position % 2 == 0 { "p int, v int" } else { "p int, w int" };
        history.take(Source::Cql, &reading(columns, ""), at(position, 1), Additive::NotInLog);
    }

    history.prune(SegmentId(150));

    let (_, table) = history.tables().next().unwrap();
    assert_eq!(table.versions().len(), 100);
    assert_eq!(names(&mut history, at(149, 2)), ["p", "w"]);
    history.prune(SegmentId(50));
    assert_eq!(history.tables().next().unwrap().1.versions().len(), 100);
}

#[test]
fn fields_of_a_type_come_with_the_log_and_from_the_node_only_where_the_log_has_a_gap() {
    let mut history = History::new(true);
    history.take(Source::Cql, &reading("p int, w frozen<u>", ""), at(5, 0), Additive::NotInLog);
    let cql = format!("CREATE TYPE ks.u (b int, c int); CREATE TABLE ks.t (p int, w frozen<u>, PRIMARY KEY (p)) WITH ID = {T};");
    let rows = file::rows(&cql).unwrap();
    let later = Reading::new(rows.resolve().catalog, rows);
    let fields = |history: &mut History, at| history.catalog_at(at).table(T).unwrap().regulars[0].cql_type.clone();
    let before = fields(&mut history, at(5, 200));

    history.take(Source::Cql, &later, at(5, 100), Additive::Switches);
    assert_eq!(fields(&mut history, at(5, 200)), before, "the node may be ahead of the log that is read");
    history.take(Source::Cql, &later, at(7, 0), Additive::NotInLog);

    assert_eq!(fields(&mut history, at(5, 200)), before);
    assert_ne!(fields(&mut history, at(7, 1)), before);
}
