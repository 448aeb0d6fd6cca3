//! Against records of the Debezium connector 3.5.0.Final (decimal and varint handling `string`), recorded from
//! Cassandra 4.1.6: without what is ours, our records say the same.
//!
//! In the strict form they say the same without exception; only what is built from the sample itself is given: the times, the position, the
//! file, the version and the names of the source. `testdata/both` is compared in both forms, `testdata/strict` in the strict one, and
//! `testdata/schemas` by its schemas, which were recorded with decimals as doubles and varints as longs.
//!
//! Left out of the comparison with the default form, because we differ on purpose: static columns of deleted rows (Debezium deletes
//! them too), durations (Debezium sums them up to nanoseconds) and addresses (Debezium leaves Java's slash). Small
//! decimals are equal numbers in another form: Debezium's has no exponent and so can lose the scale.

use super::*;
use crate::connect::{Conversion, DecimalMode, VarintMode};
use crate::cql::CqlType::{self, *};
use crate::envelope::Form;
use crate::event::testing::*;
use crate::mutation::{BoundKind, ClusteringBound, ColumnData, RangeTombstoneMarker};
use crate::schema::ColumnKind::{self, Clustering, PartitionKey, Regular, Static};
use crate::schema::TableMetadata;
use num_bigint::BigInt;
use serde_json::Value;
use std::path::PathBuf;

fn testdata() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/envelope/testdata")
}

fn sample_of(folder: &str, sample: &str) -> String {
    std::fs::read_to_string(testdata().join(folder).join(format!("{sample}.json"))).unwrap()
}

/// The names of the samples in a folder.
fn samples(folder: &str) -> Vec<String> {
    let files = std::fs::read_dir(testdata().join(folder)).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = files.map(|file| file.trim_end_matches(".json").to_owned()).collect();
    names.sort();
    names
}

/// The names of an object's members, in their order.
struct Names(Vec<String>);

impl<'de> serde::Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Names;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// An object's raw members.
type Members<'a> = std::collections::BTreeMap<String, &'a serde_json::value::RawValue>;

fn names(object: &str) -> Vec<String> {
    serde_json::from_str::<Names>(object).unwrap().0
}

fn member<'a>(object: &'a str, name: &str) -> &'a str {
    serde_json::from_str::<Members<'a>>(object).unwrap()[name].get()
}

/// The samples that were compared.
#[derive(Default)]
struct Compared(Vec<String>);

impl Compared {
    /// Compares event `index` of the update with a sample in both forms. The update is built with the sample's write time.
    fn compare<'a>(&mut self, sample: &str, index: usize, update: impl FnOnce(i64) -> PartitionUpdate<'a>) {
        let theirs = sample_of("both", sample);
        let sampled: Value = serde_json::from_str(&theirs).unwrap();
        let mutation = mutation(vec![update(sampled["value"]["source"]["ts_us"].as_i64().unwrap())]);
        let record = encoded_as(&sampled, index, &mutation, Form::Lossless);

        let (key, value) = (text(&record.key), text(record.value.as_ref().unwrap()));
        assert_eq!(sampled["topic"], *record.topic, "{sample}");
        assert_eq!(sampled["key"], serde_json::from_str::<Value>(&key).unwrap(), "{sample}");
        assert_eq!(without_ours(&sampled["value"]), without_ours(&serde_json::from_str(&value).unwrap()), "{sample}");
        let their_value = member(&theirs, "value");
        assert_eq!(names(member(&theirs, "key")), names(&key), "{sample}");
        assert_eq!([names(their_value), vec!["ringtail".into()]].concat(), names(&value), "{sample}");
        for part in ["source", "after"] {
            assert_eq!(names(member(their_value, part)), names(member(&value, part)), "{sample}");
        }
        assert_is(sample, &theirs, &encoded_as(&sampled, index, &mutation, Form::Strict));
        self.0.push(sample.to_owned());
    }

    /// Compares in the strict form.
    fn strictly<'a>(&mut self, sample: &str, index: usize, update: impl FnOnce(i64) -> PartitionUpdate<'a>) {
        let theirs = sample_of("strict", sample);
        let sampled: Value = serde_json::from_str(&theirs).unwrap();
        let mutation = mutation(vec![update(sampled["value"]["source"]["ts_us"].as_i64().unwrap())]);
        assert_is(sample, &theirs, &encoded_as(&sampled, index, &mutation, Form::Strict));
        self.0.push(sample.to_owned());
    }
}

/// The record of an event, under the settings and at the place of a sample.
fn encoded_as(sampled: &Value, index: usize, mutation: &Mutation<'_>, form: Form) -> Record {
    let source = &sampled["value"]["source"];
    let setting = |name: &str| source[name].as_str().unwrap().to_string();
    let mut at = at();
    at.position.0 = source["pos"].as_u64().unwrap() as u32;
    let mut envelope = Envelope::new(EnvelopeSettings {
        node: "n1".into(),
        prefix: setting("name"),
        cluster: setting("cluster"),
        version: setting("version"),
        form,
        ..EnvelopeSettings::default()
    });
    let projection = project(at, mutation).unwrap();
    let event = &projection.events[index];
    assert_eq!(envelope.leaves_out(event), None);
    let mut records = envelope.encode(event, &setting("file"), sampled["value"]["ts_ms"].as_i64().unwrap()).unwrap();
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

/// Debezium's record, to the member.
fn assert_is(sample: &str, theirs: &str, record: &Record) {
    let (key, value) = (text(&record.key), text(record.value.as_ref().unwrap()));
    for (name, ours) in [("key", &key), ("value", &value)] {
        let theirs = member(theirs, name);
        assert_eq!(serde_json::from_str::<Value>(theirs).unwrap(), serde_json::from_str::<Value>(ours).unwrap(), "{sample}");
        assert_eq!(names(theirs), names(ours), "{sample}");
    }
    for part in ["source", "after"] {
        assert_eq!(names(member(member(theirs, "value"), part)), names(member(&value, part)), "{sample}");
    }
}

/// A value in what Debezium and we both say.
fn without_ours(value: &Value) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove("ringtail");
    let row_deleted = value["op"] == "d";
    for (name, cell) in value["after"].as_object_mut().unwrap() {
        if matches!(name.as_str(), "du" | "ine") || (name == "s" && row_deleted) {
            *cell = Value::Null;
        }
        if cell["value"] == "1E-30" {
            cell["value"] = "0.000000000000000000000000000001".into();
        }
        if let (Some(cell), false) = (cell.as_object_mut(), name.starts_with("_range_")) {
            cell.retain(|name, _| matches!(name.as_str(), "value" | "deletion_ts" | "set"));
        }
    }
    value
}

fn frozen(cql_type: CqlType) -> CqlType {
    Frozen(cql_type.into())
}

fn text_int_map() -> CqlType {
    Map(Text.into(), Int.into())
}

fn ops() -> TableMetadata {
    table(
        "ops",
        &[
            ("pk", Text, PartitionKey),
            ("c1", Int, Clustering),
            ("c2", Text, Clustering),
            ("s", Text, Static),
            ("v", Text, Regular),
            ("n", Int, Regular),
            ("l", List(Text.into()), Regular),
            ("st", Set(Int.into()), Regular),
            ("m", text_int_map(), Regular),
            ("fl", frozen(List(Int.into())), Regular),
        ],
    )
}

/// An update of the partition `pk`.
fn of<'a>(table: &'a TableMetadata, pk: &'a str, unfiltereds: Vec<Unfiltered<'a>>) -> PartitionUpdate<'a> {
    PartitionUpdate { partition_key: pk.as_bytes(), unfiltereds, ..update(table) }
}

/// Row `(1, 'a')`, updated.
fn updated(columns: Vec<ColumnData<'_>>) -> Row<'_> {
    Row { clustering: vec![Some(int(1)), Some(b"a")], columns, ..Row::default() }
}

fn inserted(ts: i64, columns: Vec<ColumnData<'_>>) -> Row<'_> {
    Row { liveness: Some(liveness(ts)), ..updated(columns) }
}

fn range<'a>(ts: i64, start: (BoundKind, Vec<&'a [u8]>), end: (BoundKind, Vec<&'a [u8]>)) -> Vec<Unfiltered<'a>> {
    let bound = |(kind, values): (BoundKind, Vec<&'a [u8]>)| ClusteringBound { kind, values: values.into_iter().map(Some).collect() };
    let open = RangeTombstoneMarker { bound: bound(start), close: None, open: Some(deletion(ts)) };
    let close = RangeTombstoneMarker { bound: bound(end), close: Some(deletion(ts)), open: None };
    vec![Unfiltered::RangeTombstoneMarker(open), Unfiltered::RangeTombstoneMarker(close)]
}

fn until(column: ColumnData<'_>, expires: u32) -> ColumnData<'_> {
    match column {
        ColumnData::Simple(cell) => {
            let expires = Some(crate::mutation::LocalDeletionTime(expires));
            ColumnData::Simple(crate::mutation::Cell { local_deletion_time: expires, ..cell })
        }
        complex => complex,
    }
}

#[test]
fn every_sample_says_what_debezium_says() {
    let mut compared = Compared::default();

    rows(&mut compared);
    collections(&mut compared);
    deletes(&mut compared);
    other_tables(&mut compared);
    types(&mut compared);

    strictly(&mut compared);

    let mut all = [samples("both"), samples("strict")].concat();
    all.sort();
    compared.0.sort();
    assert_eq!(compared.0, all);
    assert!(!all.is_empty());
}

/// What Debezium gets wrong, and the strict form with it.
fn strictly(compared: &mut Compared) {
    let t = &ops();
    let one = |pk, columns| of(t, pk, vec![Unfiltered::Row(updated(columns))]);
    compared.strictly("ops.set-remove.1", 0, |ts| one("set-remove", vec![complex(t, "st", None, vec![(int(1), None, ts)])]));
    compared.strictly("ops.map-remove.1", 0, |ts| one("map-remove", vec![complex(t, "m", None, vec![(b"k", None, ts)])]));
    compared.strictly("ops.list-elem.3", 0, |ts| one("list-elem", vec![complex(t, "l", None, vec![(&[1; 16], None, ts)])]));
    compared.strictly("ops.map-ttl.1", 0, |ts| one("map-ttl", vec![complex(t, "m", None, vec![(b"t", Some(int(1)), ts)])]));
    compared.strictly("ops.delete-cell.1", 0, |ts| one("delete-cell", vec![tombstone(t, "v", ts)]));
    compared.strictly("ops.ttl-update.1", 0, |ts| one("ttl-update", vec![until(expiring(t, "v", b"x", ts, 3600), 1_795_368_877)]));
    compared.strictly("ops.rowdel-plus-insert.1", 0, |ts| {
        let row = inserted(ts + 1, vec![live(t, "v", b"x", ts + 1)]);
        of(t, "rowdel-plus-insert", vec![Unfiltered::Row(Row { deletion: Some(row_deletion(ts)), ..row })])
    });
    compared.strictly("ops.static-and-row.1", 1, |ts| PartitionUpdate {
        static_row: Some(Row { columns: vec![live(t, "s", b"st", ts)], ..Row::default() }),
        ..of(t, "static-and-row", vec![Unfiltered::Row(inserted(ts, vec![live(t, "v", b"x", ts)]))])
    });
    let t = &types_table();
    let span = crate::cql::CqlValue::Duration { months: 0, days: -1, nanos: -7_200_000_000_000 };
    compared.strictly("types.types-negdur.1", 0, |ts| typed(t, "types-negdur", ts, vec![live(t, "du", duration(&span), ts)]));
}

fn duration(span: &crate::cql::CqlValue<'_>) -> &'static [u8] {
    bytes(crate::cql::encode(&Duration, span).unwrap())
}

/// The tables of the samples, by their names.
fn table_named(name: &str) -> TableMetadata {
    match name {
        "ops" => ops(),
        "types" => types_table(),
        "comp" => comp(),
        other => panic!("{other}"),
    }
}

#[test]
fn schemas_are_those_that_debeziums_messages_carry() {
    let conversion = Conversion { decimal: DecimalMode::Double, varint: VarintMode::Long, debezium: false };
    let settings = EnvelopeSettings { prefix: "labs".into(), form: Form::Strict, schemas: true, conversion, ..EnvelopeSettings::default() };
    let mut compared = 0;
    for sample in samples("schemas") {
        let theirs: Value = serde_json::from_str(&sample_of("schemas", &sample)).unwrap();
        let table = table_named(sample.split('.').next().unwrap());
        let mutation = mutation(vec![PartitionUpdate { partition_deletion: Some(deletion(5)), ..update(&table) }]);

        let record = Envelope::new(settings.clone()).encode(&project(at(), &mutation).unwrap().events[0], FILE, TS_MS).unwrap().remove(0);

        let schema = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap()["schema"].clone();
        assert_eq!(theirs["key"]["schema"], schema(&record.key), "{sample}");
        if !theirs["value"].is_null() {
            assert_eq!(theirs["value"]["schema"], schema(record.value.as_deref().unwrap()), "{sample}");
            compared += 1;
        }
    }
    assert!(compared > 5, "only {compared} schemas were compared");
}

#[test]
fn what_debezium_never_sends_is_left_out() {
    let (t, counters) = (ops(), table("cnt", &[("pk", Text, PartitionKey), ("n", Counter, Regular)]));
    let envelope = Envelope::new(EnvelopeSettings { form: Form::Strict, ..EnvelopeSettings::default() });
    let left_out = |update: PartitionUpdate<'_>| -> Vec<Option<&'static str>> {
        let mutation = mutation(vec![update]);
        project(at(), &mutation).unwrap().events.iter().map(|event| envelope.leaves_out(event)).collect()
    };
    let row = Row { deletion: Some(row_deletion(5)), ..inserted(6, vec![live(&t, "v", b"x", 6)]) };

    assert_eq!(left_out(of(&t, "a", vec![Unfiltered::Row(row)])), [None, Some("strict")], "written in the statement that deleted it");
    let row = Row { columns: vec![live(&t, "s", b"x", 5)], ..Row::default() };
    assert_eq!(left_out(PartitionUpdate { static_row: Some(row), ..of(&t, "a", vec![]) }), [Some("strict")]);
    assert_eq!(left_out(PartitionUpdate { partition_deletion: Some(deletion(5)), ..of(&counters, "a", vec![]) }), [Some("strict")]);
}

fn rows(compared: &mut Compared) {
    let t = &ops();
    let one = |pk, row| of(t, pk, vec![Unfiltered::Row(row)]);
    compared.compare("ops.insert.1", 0, |ts| one("insert", inserted(ts, vec![live(t, "n", int(1), ts), live(t, "v", b"x", ts)])));
    compared.compare("ops.update-null.1", 0, |ts| one("update-null", updated(vec![tombstone(t, "v", ts)])));
    compared.compare("ops.two-timestamps.1", 0, |ts| {
        one("two-timestamps", updated(vec![live(t, "n", int(5), ts), live(t, "v", b"x", ts - 98)]))
    });
    compared.compare("ops.ttl-insert.1", 0, |ts| {
        let cells = [expiring(t, "n", int(1), ts, 3600), expiring(t, "v", b"x", ts, 3600)];
        one("ttl-insert", inserted(ts, cells.map(|cell| until(cell, 1_795_368_877)).into()))
    });
    compared.compare("ops.ttl-mixed.1", 0, |ts| {
        let n = until(expiring(t, "n", int(1), ts, 600), 1_795_365_877);
        let v = until(expiring(t, "v", b"x", ts, 60), 1_795_365_337);
        one("ttl-mixed", updated(vec![n, v]))
    });
}

fn collections(compared: &mut Compared) {
    let t = &ops();
    let one = |pk, column| of(t, pk, vec![Unfiltered::Row(updated(vec![column]))]);
    let reset = |ts| Some(deletion(ts - 1));
    compared.compare("ops.set-overwrite.1", 0, |ts| {
        one("set-overwrite", complex(t, "st", reset(ts), vec![(int(1), Some(b""), ts), (int(2), Some(b""), ts)]))
    });
    // The greatest timestamp of these two is that of the reset.
    compared.compare("ops.map-empty.1", 0, |ts| one("map-empty", complex(t, "m", Some(deletion(ts)), vec![])));
    compared.compare("ops.map-overwrite.1", 0, |ts| one("map-overwrite", complex(t, "m", reset(ts), vec![(b"a", Some(int(1)), ts)])));
    compared.compare("ops.list-append.1", 0, |ts| one("list-append", complex(t, "l", None, vec![(&[1; 16], Some(b"c"), ts)])));
    compared
        .compare("ops.frozen-list.1", 0, |ts| one("frozen-list", live(t, "fl", b"\0\0\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x04\0\0\0\x02", ts)));
}

fn deletes(compared: &mut Compared) {
    use BoundKind::*;
    let t = &ops();
    compared.compare("ops.delete-row.1", 0, |ts| {
        of(t, "delete-row", vec![Unfiltered::Row(Row { deletion: Some(row_deletion(ts)), ..updated(vec![]) })])
    });
    compared.compare("ops.delete-partition.1", 0, |ts| PartitionUpdate {
        partition_deletion: Some(deletion(ts)),
        ..of(t, "delete-partition", vec![])
    });
    for (sample, index) in [("ops.partdel-older-insert.1", 0), ("ops.partdel-older-insert.2", 1)] {
        compared.compare(sample, index, |ts| PartitionUpdate {
            partition_deletion: Some(deletion(ts - 5)),
            ..of(t, "partdel-older-insert", vec![Unfiltered::Row(inserted(ts, vec![live(t, "v", b"x", ts)]))])
        });
    }
    compared.compare("ops.range-c1-gt.1", 0, |ts| of(t, "range-c1-gt", range(ts, (ExclStartBound, vec![int(1)]), (InclEndBound, vec![]))));
    compared.compare("ops.range-c1-lt.1", 0, |ts| of(t, "range-c1-lt", range(ts, (InclStartBound, vec![]), (ExclEndBound, vec![int(5)]))));
    compared.compare("ops.range-c2-between.1", 0, |ts| {
        of(t, "range-c2-between", range(ts, (ExclStartBound, vec![int(1), b"a"]), (InclEndBound, vec![int(1), b"k"])))
    });
    compared.compare("ops.two-ranges.2", 1, |ts| {
        let one = |c| range(ts, (InclStartBound, vec![int(c)]), (InclEndBound, vec![int(c)]));
        of(t, "two-ranges", [one(1), one(2)].concat())
    });
}

fn comp() -> TableMetadata {
    let columns = [("a", Text, PartitionKey), ("b", Int, PartitionKey), ("c", Timestamp, Clustering), ("v", Text, Regular)];
    let mut comp = table("comp", &columns);
    comp.clustering[0].reversed = true;
    comp
}

fn other_tables(compared: &mut Compared) {
    let comp = comp();
    let c = |millis: i64| bytes(millis.to_be_bytes());
    compared.compare("comp.composite.1", 0, |ts| PartitionUpdate {
        partition_key: b"\0\x09composite\0\0\x04\0\0\0\x07\0",
        unfiltereds: vec![Unfiltered::Row(Row {
            clustering: vec![Some(c(1_705_276_800_000))],
            ..inserted(ts, vec![live(&comp, "v", b"x", ts)])
        })],
        ..update(&comp)
    });
    compared.compare("comp.range-desc.1", 0, |ts| PartitionUpdate {
        partition_key: b"\0\x0arange-desc\0\0\x04\0\0\0\x01\0",
        unfiltereds: range(
            ts,
            (BoundKind::ExclStartBound, vec![c(1_706_745_600_000)]),
            (BoundKind::ExclEndBound, vec![c(1_704_067_200_000)]),
        ),
        ..update(&comp)
    });
    let mixed = table("MixedCase", &[("Pk", Text, PartitionKey), ("My Col", Text, Regular), ("after", Text, Regular)]);
    compared.compare("MixedCase.mixed.1", 0, |ts| {
        let columns = vec![live(&mixed, "My Col", b"x", ts), live(&mixed, "after", b"y", ts)];
        of(&mixed, "mixed", vec![Unfiltered::Row(Row { clustering: vec![], ..inserted(ts, columns) })])
    });
    let simple = table("simple", &[("pk", Text, PartitionKey), ("v", Text, Regular), ("w", Int, Regular)]);
    compared.compare("simple.delete-partition-noclustering.1", 0, |ts| PartitionUpdate {
        partition_deletion: Some(deletion(ts)),
        ..of(&simple, "delete-partition-noclustering", vec![])
    });
}

fn types_table() -> TableMetadata {
    let columns = [
        ("a", Ascii),
        ("bi", Bigint),
        ("bl", Blob),
        ("bo", Boolean),
        ("da", Date),
        ("de", Decimal),
        ("do", Double),
        ("du", Duration),
        ("fl", Float),
        ("ine", Inet),
        ("i", Int),
        ("si", Smallint),
        ("t", Text),
        ("ti", Time),
        ("ts", Timestamp),
        ("tu", Timeuuid),
        ("ty", Tinyint),
        ("u", Uuid),
        ("vc", Text),
        ("vi", Varint),
        ("l", List(Int.into())),
        ("se", Set(Text.into())),
        ("m", text_int_map()),
        ("fli", frozen(List(Int.into()))),
        ("fse", frozen(Set(Text.into()))),
        ("fma", frozen(text_int_map())),
        ("tup", Tuple(vec![Int, Text].into())),
        ("fu", frozen(addr())),
        ("lu", List(frozen(addr()).into())),
        ("mfl", Map(Text.into(), frozen(List(Int.into())).into())),
    ];
    let mut all: Vec<(&str, CqlType, ColumnKind)> = vec![("pk", Text, PartitionKey)];
    all.extend(columns.map(|(name, cql_type)| (name, cql_type, Regular)));
    table("types", &all)
}

/// Bytes that stay for the whole test.
fn bytes(bytes: impl Into<Vec<u8>>) -> &'static [u8] {
    Vec::leak(bytes.into())
}

/// The fields of a tuple, each with its length.
fn fields(values: &[Option<&[u8]>]) -> Vec<u8> {
    let field = |value: &Option<&[u8]>| match value {
        Some(value) => [&(value.len() as i32).to_be_bytes()[..], value].concat(),
        None => (-1_i32).to_be_bytes().into(),
    };
    values.iter().flat_map(field).collect()
}

/// A frozen collection of `count` elements or pairs.
fn collection(count: i32, values: &[&[u8]]) -> Vec<u8> {
    let values: Vec<_> = values.iter().map(|value| Some(*value)).collect();
    [&count.to_be_bytes()[..], &fields(&values)].concat()
}

fn decimal(scale: i32, unscaled: &str) -> Vec<u8> {
    [&scale.to_be_bytes()[..], &varint(unscaled)].concat()
}

fn varint(digits: &str) -> Vec<u8> {
    digits.parse::<BigInt>().unwrap().to_signed_bytes_be()
}

fn types(compared: &mut Compared) {
    let t = &types_table();
    compared.compare("types.types-all.1", 0, |ts| typed(t, "types-all", ts, all_values(t, ts)));
    compared.compare("types.types-empty.1", 0, |ts| {
        let mut columns = simple(t, ts, vec![("a", vec![]), ("bl", vec![]), ("t", vec![]), ("de", decimal(0, "0")), ("vi", varint("0"))]);
        let nulls = fields(&[None, None]);
        columns.extend(simple(t, ts, vec![("fli", collection(0, &[])), ("tup", nulls.clone()), ("fu", nulls)]));
        columns.push(complex(t, "l", Some(deletion(ts - 1)), vec![]));
        typed(t, "types-empty", ts, columns)
    });
    compared.compare("types.types-null.1", 0, |ts| {
        let mut columns: Vec<_> = ["fu", "i", "t"].map(|name| tombstone(t, name, ts)).into();
        columns.push(complex(t, "l", Some(deletion(ts - 1)), vec![]));
        typed(t, "types-null", ts, columns)
    });
    compared.compare("types.types-extremes.1", 0, |ts| {
        let values = vec![
            ("de", decimal(30, "1")),
            ("do", f64::NAN.to_be_bytes().into()),
            ("fl", f32::INFINITY.to_be_bytes().into()),
            ("da", 0_u32.to_be_bytes().into()),
            ("ts", (-9_246_096_000_000_i64).to_be_bytes().into()),
            ("vi", varint("-9223372036854775809")),
            ("ti", 86_399_999_999_999_i64.to_be_bytes().into()),
        ];
        typed(t, "types-extremes", ts, simple(t, ts, values))
    });
}

fn typed<'a>(table: &'a TableMetadata, pk: &'a str, ts: i64, columns: Vec<ColumnData<'a>>) -> PartitionUpdate<'a> {
    of(table, pk, vec![Unfiltered::Row(Row { clustering: vec![], ..inserted(ts, columns) })])
}

fn simple<'a>(table: &'a TableMetadata, ts: i64, values: Vec<(&str, Vec<u8>)>) -> Vec<ColumnData<'a>> {
    values.into_iter().map(|(name, value)| live(table, name, bytes(value), ts)).collect()
}

fn all_values(t: &TableMetadata, ts: i64) -> Vec<ColumnData<'_>> {
    let address = |street: &str, zip: i32| fields(&[Some(street.as_bytes()), Some(&zip.to_be_bytes())]);
    let uuid = |text: &str| text.parse::<uuid::Uuid>().unwrap().as_bytes().to_vec();
    let mut columns = simple(
        t,
        ts,
        vec![
            ("a", b"asc".into()),
            ("bi", 9_007_199_254_740_993_i64.to_be_bytes().into()),
            ("bl", vec![0xca, 0xfe]),
            ("bo", vec![1]),
            ("da", (19_782_u32 + (1 << 31)).to_be_bytes().into()),
            ("de", decimal(9, "12345678901234567890123456789")),
            ("do", 1.5_f64.to_be_bytes().into()),
            ("du", duration(&crate::cql::CqlValue::Duration { months: 1, days: 2, nanos: 11_045_006_007_008 }).into()),
            ("ine", "2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets().into()),
            ("fl", 2.25_f32.to_be_bytes().into()),
            ("fli", collection(2, &[int(4), int(5)])),
            ("fma", collection(1, &[b"fk", int(9)])),
            ("fse", collection(1, &[b"f"])),
            ("fu", address("Main", 12345)),
            ("i", (-7_i32).to_be_bytes().into()),
            ("si", (-300_i16).to_be_bytes().into()),
            ("t", "žluťoučký kůň 𝄞".into()),
            ("ti", 47_655_123_456_789_i64.to_be_bytes().into()),
            ("ts", 1_709_212_455_123_i64.to_be_bytes().into()),
            ("tu", uuid("50554d6e-29bb-11e5-b345-feff819cdc9f")),
            ("tup", fields(&[Some(int(1)), Some(b"one")])),
            ("ty", (-5_i8).to_be_bytes().into()),
            ("u", uuid("123e4567-e89b-42d3-a456-426614174000")),
            ("vc", b"vc".into()),
            ("vi", varint("123456789012345678901234567890")),
        ],
    );
    let reset = Some(deletion(ts - 1));
    let path = |n: u8| bytes([n; 16]);
    columns.push(complex(t, "l", reset, [1, 2, 3].map(|n| (path(n), Some(int(n)), ts)).into()));
    columns.push(complex(t, "lu", reset, vec![(path(1), Some(bytes(address("A", 1))), ts)]));
    columns.push(complex(t, "m", reset, vec![(b"k", Some(int(1)), ts)]));
    columns.push(complex(t, "mfl", reset, vec![(b"q", Some(bytes(collection(2, &[int(7), int(8)]))), ts)]));
    columns.push(complex(t, "se", reset, vec![(b"x", Some(b""), ts), (b"y", Some(b""), ts)]));
    columns
}
