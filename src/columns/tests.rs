//! What the rules leave of events, in the forms that they leave in.

use super::*;
use crate::config::{ColumnAction, ColumnRule, Secret};
use crate::cql::CqlType;
use crate::envelope::{Envelope, EnvelopeSettings, Form, HeaderTemplate, PartitionBy, Record};
use crate::event::project;
use crate::event::testing::{dropped as dropped_cell, *};
use crate::mutation::{BoundKind, Mutation, PartitionUpdate, Row, Unfiltered};
use crate::schema::{ColumnKind, TableId, TableMetadata};
use proptest::prelude::*;
use serde_json::{Value, json};

fn rules(rules: &[(&str, ColumnAction)]) -> ColumnRules {
    let rules = rules.iter().map(|(text, action)| ColumnRule::parse(text, *action).unwrap());
    ColumnRules { rules: rules.collect(), hash_key: Some(Secret::new("0123456789abcdef")) }
}

fn records_of(mutation: &Mutation<'_>, rules: &ColumnRules, settings: EnvelopeSettings) -> Vec<Record> {
    let (mut columns, mut envelope) = (Columns::new(rules), Envelope::new(settings));
    let projection = project(at(), mutation).unwrap();
    let encode = |event: &ChangeEvent<'_>| {
        columns.apply(event, |shown, key| {
            let mut records = envelope.encode(shown, "CommitLog-7-5.log", 1).unwrap();
            if key == Key::Hidden {
                envelope.hide_partition(&mut records, event);
            }
            records
        })
    };
    projection.events.iter().flat_map(encode).collect()
}

fn one(update: PartitionUpdate<'_>, rules: &ColumnRules) -> (Value, Value) {
    let record = records_of(&mutation(vec![update]), rules, EnvelopeSettings::default()).remove(0);
    let parsed = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap();
    (parsed(&record.key), parsed(&record.value.unwrap()))
}

/// `key` is 0123456789abcdef.
fn hash(value: &[u8]) -> String {
    let arena = Bump::new();
    let substitutes = Substitutes::new(Some(&Secret::new("0123456789abcdef")));
    String::from_utf8(substitutes.hash(value, &arena).to_vec()).unwrap()
}

fn with_row<'a>(update: PartitionUpdate<'a>, row: Row<'a>) -> PartitionUpdate<'a> {
    PartitionUpdate { unfiltereds: vec![Unfiltered::Row(row)], ..update }
}

#[test]
fn a_dropped_column_is_not_there_and_a_row_of_nothing_else_is_still_an_event() {
    let table = ks_t();
    let row = Row { columns: vec![live(&table, "note", b"secret", 5)], ..row(1) };

    let (key, value) = one(with_row(update(&table), row), &rules(&[("ks.t.note", ColumnAction::Drop)]));

    assert_eq!(key, json!({"p": 7, "c": 1}));
    assert!(value["after"].get("note").is_none() && value["after"].get("total").is_some(), "{value}");
    assert_eq!(value["ringtail"]["kind"], "row");
}

#[test]
fn masked_and_hashed_values_are_texts_and_null_stays_null() {
    let table = ks_t();
    let total: [&[u8]; 2] = [&[0, 0, 0, 2, 5], &[0, 0, 0, 2, 5]];
    let rules = rules(&[("ks.t.note", ColumnAction::Mask), ("ks.t.total", ColumnAction::Hash), ("ks.t.s", ColumnAction::Mask)]);
    let of = |columns| one(with_row(update(&table), Row { columns, ..row(1) }), &rules).1["after"].clone();

    let after = of(vec![expiring(&table, "note", b"secret", 5, 60), live(&table, "total", total[0], 5)]);
    assert_eq!((&after["note"]["value"], &after["note"]["ttl"]), (&json!("***"), &json!(60)));
    assert_eq!(after["total"]["value"], json!(hash(total[1])));
    let after = of(vec![tombstone(&table, "note", 5), tombstone(&table, "total", 5)]);
    assert_eq!((&after["note"]["value"], &after["total"]["value"]), (&Value::Null, &Value::Null));
    assert!(after["note"]["deleted"].is_number(), "{after}");

    let static_row = Row { columns: vec![live(&table, "s", b"secret", 5)], ..Row::default() };
    let (_, value) = one(PartitionUpdate { static_row: Some(static_row), ..update(&table) }, &rules);
    assert_eq!(value["after"]["s"]["value"], json!("***"));
}

#[test]
fn a_masked_collection_is_one_text_and_null_where_all_of_it_was_deleted() {
    let table = ks_t();
    let rules = rules(&[("ks.t.tags", ColumnAction::Mask)]);
    let tags = |deletion, cells| {
        let row = Row { columns: vec![complex(&table, "tags", deletion, cells)], ..row(1) };
        one(with_row(update(&table), row), &rules).1["after"]["tags"].clone()
    };

    let added = tags(None, vec![(b"secret", Some(b"" as &[u8]), 5)]);
    assert_eq!((&added["value"], added.get("elements")), (&json!("***"), None), "{added}");
    assert_eq!(tags(None, vec![(b"secret", None, 5)])["value"], json!("***"), "an element was removed");
    assert_eq!(tags(Some(deletion(4)), vec![(b"secret", Some(b""), 5)])["value"], json!("***"));
    let deleted = tags(Some(deletion(4)), vec![]);
    assert_eq!((&deleted["value"], &deleted["deleted"]), (&Value::Null, &json!(1_760_000_000)));
}

#[test]
fn a_hashed_collection_is_the_same_collection_of_hashes() {
    let table = table(
        "n",
        &[
            ("p", CqlType::Int, ColumnKind::PartitionKey),
            ("a", addr(), ColumnKind::Regular),
            ("l", CqlType::List(CqlType::Int.into()), ColumnKind::Regular),
            ("m", CqlType::Map(CqlType::Int.into(), CqlType::Int.into()), ColumnKind::Regular),
            ("s", CqlType::Set(CqlType::Text.into()), ColumnKind::Regular),
        ],
    );
    let time: &[u8] = &[7; 16];
    let columns = vec![
        complex(&table, "a", None, vec![(b"\0\0", Some(b"secret"), 5), (b"\0\x01", Some(int(3)), 5)]),
        complex(&table, "l", None, vec![(time, Some(int(3)), 5)]),
        complex(&table, "m", Some(deletion(4)), vec![(int(1), Some(int(3)), 5), (int(2), None, 5)]),
        complex(&table, "s", None, vec![(b"secret", Some(b""), 5), (b"other", None, 5)]),
    ];
    let row = Row { clustering: vec![], columns, ..Row::default() };

    let (_, value) = one(with_row(update(&table), row), &rules(&[("ks.n.*", ColumnAction::Hash), ("ks.n.x", ColumnAction::Drop)]));

    let after = &value["after"];
    assert_eq!(after["a"]["value"], json!({"street": hash(b"secret"), "zip": hash(int(3))}));
    assert_eq!(after["l"]["value"], json!([hash(int(3))]));
    assert_eq!(after["m"]["value"], json!({hash(int(1)): hash(int(3))}));
    assert_eq!(after["m"]["elements"][1]["path"], json!(hash(int(2))), "what was removed is hashed too");
    assert!(after["m"]["reset"].is_object());
    assert_eq!(after["s"]["value"], json!([hash(b"secret")]));
    assert_eq!(after["p"]["value"], json!(hash(int(7))), "equal values have equal hashes, in keys too");
}

#[test]
fn columns_of_the_primary_key_are_hidden_in_keys_deletes_and_ranges() {
    let table = ks_t();
    let mut update = update(&table);
    update.partition_deletion = Some(deletion(3));
    let bounds = [marker(BoundKind::InclStartBound, Some(2), None, Some(4)), marker(BoundKind::ExclEndBound, Some(9), Some(4), None)];
    update.unfiltereds = bounds.into_iter().chain([Unfiltered::Row(Row { deletion: Some(row_deletion(6)), ..row(1) })]).collect();
    let mutation = mutation(vec![update]);
    let of = |c| records_of(&mutation, &rules(&[("ks.t.p", ColumnAction::Mask), ("ks.t.c", c)]), EnvelopeSettings::default());
    let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();

    let hashed = of(ColumnAction::Hash);
    assert_eq!(parsed(&hashed[0].key), json!({"p": "***", "c": null}));
    assert_eq!(parsed(&hashed[2].key), json!({"p": "***", "c": hash(int(1))}));
    let range = parsed(hashed[1].value.as_ref().unwrap());
    assert_eq!(range["ringtail"]["range"]["start"]["values"], json!({"c": hash(int(2))}));
    assert_eq!(range["after"]["_range_end"]["values"][0]["value"], json!(hash(int(9))));
    let dropped = of(ColumnAction::Drop);
    assert_eq!(parsed(&dropped[2].key), json!({"p": "***"}));
    assert_eq!(parsed(dropped[1].value.as_ref().unwrap())["ringtail"]["range"]["start"]["values"], json!({}));
}

#[test]
fn i1_hiding_a_key_moves_no_record_to_another_kafka_partition() {
    let without_clustering = table("n", &[("p", CqlType::Int, ColumnKind::PartitionKey), ("c", CqlType::Int, ColumnKind::Regular)]);
    for table in [ks_t(), without_clustering] {
        for partition_by in [PartitionBy::PartitionKey, PartitionBy::RecordKey] {
            let clustering = if table.clustering.is_empty() { vec![] } else { vec![Some(int(1))] };
            let row = Row { clustering, liveness: Some(liveness(5)), ..Row::default() };
            let mutation = mutation(vec![with_row(update(&table), row)]);
            let settings = || EnvelopeSettings { partition_by, ..EnvelopeSettings::default() };
            let plain = records_of(&mutation, &ColumnRules::default(), settings());
            for action in [ColumnAction::Drop, ColumnAction::Mask, ColumnAction::Hash] {
                let hidden = records_of(&mutation, &rules(&[("ks.*.p", action), ("ks.t.c", action)]), settings());
                assert_ne!(hidden[0].key, plain[0].key);
                assert_eq!(hidden[0].partition_bytes(), plain[0].partition_bytes(), "{action:?} {partition_by:?}");
            }
        }
    }
}

#[test]
fn a_table_without_a_rule_and_a_column_of_another_table_are_as_they_were() {
    let table = ks_t();
    let mutation = mutation(vec![with_row(update(&table), Row { columns: vec![live(&table, "note", b"x", 5)], ..row(1) })]);

    let found = records_of(&mutation, &rules(&[("ks.u.*", ColumnAction::Drop)]), EnvelopeSettings::default());

    assert_eq!(found, records_of(&mutation, &ColumnRules::default(), EnvelopeSettings::default()));
}

#[test]
fn a_cell_of_a_column_that_was_dropped_since_is_hidden_too() {
    let gone = dropped_column("gone", CqlType::Int);
    let mut table = ks_t();
    let dropped = crate::schema::DroppedColumn { column: gone.clone(), dropped_at_micros: 9 };
    table.dropped.insert("gone".into(), dropped);
    let row = Row { columns: vec![dropped_cell(&gone, int(9), 5)], ..row(1) };

    let (_, value) = one(with_row(update(&table), row), &rules(&[("ks.t.gone", ColumnAction::Mask)]));

    assert_eq!((&value["after"]["gone"]["value"], &value["after"]["gone"]["dropped"]), (&json!("***"), &json!(true)));
}

#[test]
fn elements_whose_path_is_none_of_their_type_are_not_told() {
    let table =
        table("n", &[("p", CqlType::Int, ColumnKind::PartitionKey), ("l", CqlType::List(CqlType::Int.into()), ColumnKind::Regular)]);
    let row = Row { columns: vec![complex(&table, "l", None, vec![(b"secret", Some(int(3)), 5)])], ..Row::default() };

    let (_, value) = one(with_row(update(&table), row), &rules(&[("ks.n.l", ColumnAction::Hash)]));

    assert_eq!(value["after"]["l"]["elements"], json!([]));
}

/// All that a consumer is given of a record: key, value and headers.
type Told = (String, String, Vec<(String, String)>);

fn told(records: Vec<Record>) -> Vec<Told> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let headers = |record: &Record| record.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    records.iter().map(|record| (text(&record.key), record.value.as_deref().map(text).unwrap_or_default(), headers(record))).collect()
}

proptest! {
    #[test]
    fn what_is_told_of_masked_columns_does_not_depend_on_their_values(shapes in mutation_shapes(), drop: bool, flat: bool) {
        let other_id = TableId(uuid::Uuid::from_u128(0x5678));
        let tables = [ks_t(), TableMetadata { id: other_id, ..everything_table() }];
        let rules = rules(&[("*.*.*", if drop { ColumnAction::Drop } else { ColumnAction::Mask })]);
        let headers = ["p", "c", "note", "s"].map(|column| HeaderTemplate::parse(column, &format!("{{column:{column}}}")).unwrap());
        let settings = || EnvelopeSettings {
            headers: headers.to_vec(),
            form: if flat { Form::Flat } else { Form::Lossless },
            ..EnvelopeSettings::default()
        };
        let others = with_other_values(&shapes);
        let of = |shapes: &[UpdateShape]| told(records_of(&build(shapes, &tables, None), &rules, settings()));

        prop_assert_eq!(of(&shapes), of(&others));
    }
}
