//! The comparison with the oracle notices every difference that it is there for, and no other.

use super::support::{oracle::compare, text::equal};
use serde_json::{Value, json};

fn update() -> Value {
    json!({"kind": "update", "segment": "CommitLog-7-1.log", "position": 100, "partition_key": {"p": {"text": "7", "hex": "00000007"}},
        "static_row": null,
        "rows": [
            {"clustering": {"c": {"text": "1", "hex": "00000001"}}, "liveness": null, "row_deletion": null,
             "cells": [{"column": "d", "path": null, "path_text": null, "text": "1.0E10", "hex": "4202a05f20000000", "timestamp": 5}],
             "complex_deletions": []},
        ],
        "range_tombstone_markers": [{"kind": "INCL_START_BOUND", "rows_before": 1}], "range_tombstones": []})
}

fn differs(ours: &[Value], oracle: &[Value]) -> Vec<String> {
    let lines = |values: &[Value]| values.iter().map(|value| format!("{value}\n")).collect::<String>();
    compare(lines(ours).as_bytes(), lines(oracle).as_bytes()).err().unwrap_or_default()
}

fn changed(change: impl Fn(&mut Value)) -> Vec<String> {
    let mut ours = update();
    change(&mut ours);
    differs(&[ours], &[update()])
}

#[test]
fn equal_lines_are_equal() {
    assert_eq!(changed(|_| {}), Vec::<String>::new());
}

#[test]
fn a_float_printed_shorter_is_equal() {
    assert_eq!(changed(|line| line["rows"][0]["cells"][0]["text"] = "1e10".into()), Vec::<String>::new());
}

#[test]
fn another_float_is_a_difference() {
    let found = changed(|line| line["rows"][0]["cells"][0]["text"] = "1.0000000000000002E10".into());

    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("line 1.rows[0].cells[0].text: "), "{found:?}");
}

#[test]
fn an_integer_printed_otherwise_is_a_difference() {
    assert_eq!(changed(|line| line["partition_key"]["p"]["text"] = "7.0".into()).len(), 1);
}

#[test]
fn every_changed_field_is_a_difference() {
    for (path, value) in [
        ("/position", json!(101)),
        ("/segment", json!("CommitLog-7-2.log")),
        ("/static_row", json!({"liveness": null, "row_deletion": null, "cells": [{"column": "s"}], "complex_deletions": []})),
        ("/partition_key/p/hex", json!("00000008")),
        ("/rows/0/clustering/c/text", json!("2")),
        ("/rows/0/liveness", json!({"timestamp": 1})),
        ("/rows/0/cells/0/timestamp", json!(6)),
        ("/rows/0/cells/0/path", json!("00")),
        ("/rows/0/cells", json!([])),
        ("/rows", json!([])),
        ("/range_tombstone_markers/0/kind", json!("EXCL_START_BOUND")),
        ("/range_tombstone_markers/0/rows_before", json!(0)),
        ("/range_tombstones", json!([{}])),
    ] {
        let found = changed(|line| *line.pointer_mut(path).expect("the path exists") = value.clone());

        assert!(!found.is_empty(), "{path} was not noticed");
    }
}

#[test]
fn a_missing_field_and_an_added_column_are_differences_but_an_added_field_is_none() {
    let without = changed(|line| drop(line.as_object_mut().and_then(|line| line.remove("position"))));
    let column = changed(|line| line["partition_key"]["q"] = json!({"text": "1", "hex": "01"}));
    let field = changed(|line| line["offset"] = 12.into());

    assert_eq!(without, ["line 1.position: the field is missing"]);
    assert_eq!(column.len(), 1);
    assert_eq!(field, Vec::<String>::new());
}

#[test]
fn missing_added_and_swapped_lines_are_differences() {
    let mut second = update();
    second["position"] = 200.into();
    let both = [update(), second.clone()];

    assert_eq!(differs(&[update()], &both), ["line 2: the line is missing"]);
    assert_eq!(differs(&both, &[update()]), ["line 1: 1 lines follow that the oracle does not have"]);
    assert_eq!(differs(&[second, update()], &both).len(), 2);
}

#[test]
fn dropped_cells_and_the_rows_they_leave_empty_are_not_compared() {
    let dropped_row = json!({"clustering": {"c": {"text": "0", "hex": "00000000"}}, "liveness": null, "row_deletion": null,
        "cells": [{"column": "gone", "dropped": true}], "complex_deletions": [{"column": "gone", "dropped": true}]});
    let found = changed(|line| {
        let rows = line["rows"].as_array_mut().expect("rows");
        rows[0]["cells"].as_array_mut().expect("cells").push(json!({"column": "gone", "dropped": true}));
        rows.insert(0, dropped_row.clone());
        line["range_tombstone_markers"][0]["rows_before"] = 2.into();
        line["static_row"] = dropped_row.clone();
    });

    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_message_of_an_error_is_ours_but_not_its_reason() {
    let error = |message: &str, reason: &str| json!({"kind": "error", "message": message, "reason": reason});
    let oracle = [error("theirs", "MUTATION_ERROR"), update()];

    assert_eq!(differs(&[error("ours", "MUTATION_ERROR"), update()], &oracle), Vec::<String>::new());
    assert_eq!(differs(&[error("ours", "EOF"), update()], &oracle).len(), 1);
}

#[test]
fn an_oracle_without_updates_compares_nothing_and_fails() {
    assert!(compare(&b""[..], &b""[..]).is_err());
}

#[test]
fn floats_are_numbers_also_inside_collections_and_as_keys() {
    let tenth = "3fb999999999999a";

    assert!(equal("0.1", "1e-1", tenth));
    assert!(equal("1.17549435E-38", "1.1754944e-38", "00800000"));
    assert!(equal("{\"0.1\": [0.10, 2]}", "{\"1e-1\": [0.1, 2]}", tenth));
    assert!(!equal("0.1", "0.10000000000000002", tenth));
}

#[test]
fn decimals_integers_and_text_are_not_numbers_here() {
    assert!(!equal("1.50", "1.5", "0000000200000096"));
    assert!(!equal("7", "7.0", "00000007"));
    assert!(!equal("\"1.50\"", "\"1.5\"", "312e3530"));
    assert!(!equal("[1, 2]", "[1,2]", ""));
}

#[test]
fn what_java_cannot_print_is_not_compared() {
    assert!(equal("[null, 1]", "[\"NaN\", 1]", ""));
    assert!(equal("{\"null\": 1}", "{\"-Infinity\": 1}", ""));
    assert!(!equal("\"null\"", "\"nil\"", ""));
    assert!(!equal("[null, 1]", "[3, 1]", ""));
}

#[test]
fn quotes_inside_strings_do_not_end_them() {
    assert!(equal(r#"["a\"b", 1]"#, r#"["a\"b", 1]"#, ""));
    assert!(!equal(r#"["a\"b", 1]"#, r#"["a\"c", 1]"#, ""));
}
