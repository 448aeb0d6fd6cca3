//! Non-frozen collections and user-defined types.

use super::*;
use crate::cql::CqlType;
use crate::event::testing::*;
use crate::mutation::{Cell, CellPath, ColumnData, ComplexColumnData, DeletionTime};
use crate::schema::{ColumnKind, TableMetadata};

const TS: i64 = 1_760_000_000_100_000;

/// A table whose column `v` has this type.
fn of(cql_type: CqlType) -> TableMetadata {
    table("t", &[("p", CqlType::Int, ColumnKind::PartitionKey), ("v", cql_type, ColumnKind::Regular)])
}

/// The member `v` of `after`.
fn v(table: &TableMetadata, reset: Option<DeletionTime>, cells: Vec<Written<'_>>) -> String {
    let columns = vec![complex(table, "v", reset, cells)];
    after(&encoded_row(update(table), Row { columns, ..Row::default() }), "v")
}

fn text_set() -> CqlType {
    CqlType::Set(CqlType::Text.into())
}

#[test]
fn a_set_shows_what_was_added_and_what_was_removed() {
    let table = of(text_set());

    assert_eq!(
        v(&table, None, vec![(b"new", Some(b""), TS), (b"old", None, TS)]),
        lines(
            r#"{"value":["new"],"deletion_ts":null,"set":true,"elements":[{"path":"new","ts":1760000000100000},
                {"path":"old","ts":1760000000100000,"deleted":1760000000}]}"#
        )
    );
    assert_eq!(
        v(&table, None, vec![(b"old", None, TS)]),
        r#"{"value":[],"deletion_ts":null,"set":true,"elements":[{"path":"old","ts":1760000000100000,"deleted":1760000000}]}"#
    );
}

#[test]
fn an_overwrite_has_a_reset() {
    let table = of(text_set());

    assert_eq!(
        v(&table, Some(deletion(TS - 1)), vec![(b"a", Some(b""), TS)]),
        lines(
            r#"{"value":["a"],"deletion_ts":null,"set":true,"elements":[{"path":"a","ts":1760000000100000}],
                "reset":{"ts":1760000000099999,"deleted":1760000000}}"#
        )
    );
}

#[test]
fn a_reset_alone_gives_the_empty_collection() {
    let reset = r#","deletion_ts":null,"set":true,"elements":[],"reset":{"ts":1760000000100000,"deleted":1760000000}}"#;
    let alone = |cql_type| v(&of(cql_type), Some(deletion(TS)), vec![]);

    assert_eq!(alone(text_set()), format!(r#"{{"value":[]{reset}"#));
    assert_eq!(alone(CqlType::List(CqlType::Int.into())), format!(r#"{{"value":[]{reset}"#));
    assert_eq!(alone(CqlType::Map(CqlType::Text.into(), CqlType::Int.into())), format!(r#"{{"value":{{}}{reset}"#));
    assert_eq!(alone(CqlType::Map(CqlType::Int.into(), CqlType::Int.into())), format!(r#"{{"value":[]{reset}"#));
    assert_eq!(alone(addr()), format!(r#"{{"value":{{"street":null,"zip":null}}{reset}"#));
}

#[test]
fn a_map_has_its_keys_as_paths() {
    let table = of(CqlType::Map(CqlType::Text.into(), CqlType::Int.into()));

    assert_eq!(
        v(&table, None, vec![(b"a\"", Some(int(1)), TS), (b"b", None, TS)]),
        lines(
            r#"{"value":{"a\"":1},"deletion_ts":null,"set":true,"elements":[{"path":"a\"","value":1,"ts":1760000000100000},
                {"path":"b","ts":1760000000100000,"deleted":1760000000}]}"#
        )
    );
}

#[test]
fn a_map_with_other_keys_is_an_array_of_pairs() {
    let table = of(CqlType::Map(CqlType::Int.into(), CqlType::Text.into()));

    assert_eq!(
        v(&table, None, vec![(int(1), Some(b"x"), TS)]),
        lines(
            r#"{"value":[{"key":1,"value":"x"}],"deletion_ts":null,"set":true,
                "elements":[{"path":1,"value":"x","ts":1760000000100000}]}"#
        )
    );
}

#[test]
fn a_list_has_timeuuids_as_paths() {
    let table = of(CqlType::List(CqlType::Text.into()));
    let uuid = uuid::uuid!("50554d6e-29bb-11e5-b345-feff819cdc9f");

    assert_eq!(
        v(&table, None, vec![(uuid.as_bytes(), Some(b"x"), TS)]),
        lines(
            r#"{"value":["x"],"deletion_ts":null,"set":true,
                "elements":[{"path":"50554d6e-29bb-11e5-b345-feff819cdc9f","value":"x","ts":1760000000100000}]}"#
        )
    );
}

#[test]
fn a_user_defined_type_has_every_field_and_elements_by_index_and_name() {
    let table = of(addr());

    assert_eq!(
        v(&table, None, vec![(b"\0\0", None, TS), (b"\0\x01", Some(int(5)), TS)]),
        lines(
            r#"{"value":{"street":null,"zip":5},"deletion_ts":null,"set":true,
                "elements":[{"path":0,"field":"street","ts":1760000000100000,"deleted":1760000000},
                {"path":1,"field":"zip","value":5,"ts":1760000000100000}]}"#
        )
    );
}

#[test]
fn a_field_that_the_type_does_not_know_is_raw() {
    let table = of(addr());

    assert_eq!(
        v(&table, None, vec![(b"\0\x09", Some(b"x"), TS), (b"\x01", Some(b"y"), TS)]),
        lines(
            r#"{"value":{"street":null,"zip":null},"deletion_ts":null,"set":true,
                "elements":[{"path":9,"field":null,"value":null,"ts":1760000000100000,"raw":"78"},
                {"path":null,"field":null,"value":null,"ts":1760000000100000,"raw":"79","path_raw":"01"}]}"#
        )
    );
}

#[test]
fn paths_that_the_printed_form_does_not_give_back_are_raw() {
    let table = of(CqlType::Set(CqlType::Int.into()));

    assert_eq!(
        v(&table, None, vec![(b"", Some(b""), TS), (b"\x01", Some(b""), TS), (int(2), Some(b"x"), TS)]),
        lines(
            r#"{"value":[null,null,2],"deletion_ts":null,"set":true,"elements":[
                {"path":null,"ts":1760000000100000,"path_raw":""},{"path":null,"ts":1760000000100000,"path_raw":"01"},
                {"path":2,"value":null,"ts":1760000000100000,"raw":"78"}]}"#
        )
    );
}

#[test]
fn elements_expire_and_are_dropped_one_by_one() {
    let table = of(text_set());
    let mut column_header = header(&table, "v");
    column_header.dropped_at_micros = Some(TS);
    let element = |path, timestamp| Cell { path: Some(CellPath(path)), ..cell(column_header, Some(b""), timestamp) };
    let cells = vec![element(b"a", TS), expire(element(b"b", TS + 1), 60)];
    let data = ComplexColumnData { column: column_header, deletion: Some(deletion(TS)), cells };

    let value = encoded_row(update(&table), Row { columns: vec![ColumnData::Complex(data)], ..Row::default() });

    assert_eq!(
        after(&value, "v"),
        lines(
            r#"{"value":["a","b"],"deletion_ts":null,"set":true,"elements":[{"path":"a","ts":1760000000100000,"dropped":true},
                {"path":"b","ts":1760000000100001,"ttl":60,"expires":1760000060}],
                "reset":{"ts":1760000000100000,"deleted":1760000000,"dropped":true}}"#
        )
    );
}

#[test]
fn a_frozen_collection_set_to_null_is_null() {
    let table = of(CqlType::Frozen(text_set().into()));

    let value = encoded_row(update(&table), Row { columns: vec![tombstone(&table, "v", TS)], ..Row::default() });

    assert_eq!(after(&value, "v"), r#"{"value":null,"deletion_ts":null,"set":true,"ts":1760000000100000,"deleted":1760000000}"#);
}

#[test]
fn cells_of_a_type_without_elements_are_raw() {
    let table = of(CqlType::Int);

    assert_eq!(
        v(&table, None, vec![(b"\x01", Some(b"x"), TS)]),
        lines(
            r#"{"value":null,"deletion_ts":null,"set":true,
                "elements":[{"path":null,"value":null,"ts":1760000000100000,"raw":"78","path_raw":"01"}]}"#
        )
    );
}
