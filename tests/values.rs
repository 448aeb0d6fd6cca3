//! Values: every CQL type, as Cassandra recorded it, to the text of `SELECT JSON` and back to its bytes.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

mod support;

use ringtail::cql::{CqlType, CqlValue, SelectStyle, decode, encode, event_json, is_canonical, select_json_as};
use ringtail::schema::{self, Catalog, ColumnMetadata, TableId, TableMetadata};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use support::Fixture;

/// A recorded value: its type, its bytes, and the text that Cassandra printed, if it could.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Recorded {
    cql_type: String,
    hex: String,
    text: Option<String>,
}

/// The sets that hold every type.
const SETS: [&str; 5] = ["3.11.19/all_types", "4.0.19/all_types", "4.1.6/all_types", "5.0.9/all_types", "5.0.9/all_types_scm_none"];

/// Every type that a column can have; vectors are in 5.0 only.
const TYPES: [&str; 20] = [
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
];

/// Where a type ends: its bytes and its text, which all sets hold.
const EXTREMES: [(&str, &str, &str); 50] = [
    ("tinyint", "80", "-128"),
    ("tinyint", "7f", "127"),
    ("smallint", "8000", "-32768"),
    ("smallint", "7fff", "32767"),
    ("int", "80000000", "-2147483648"),
    ("int", "7fffffff", "2147483647"),
    ("bigint", "8000000000000000", "-9223372036854775808"),
    ("bigint", "7fffffffffffffff", "9223372036854775807"),
    ("varint", "008000000000000000", "9223372036854775808"),
    ("varint", "ff7fffffffffffffff", "-9223372036854775809"),
    ("varint", "0100000000000000000000000000000000000000000000000000", "1606938044258990275541962092341162602522202993782792835301376"),
    ("decimal", "ffffff9c01", "1E+100"),
    ("decimal", "00000000056bc75e2d630fffff", "99999999999999999999"),
    ("float", "00000001", "1.4E-45"),
    ("float", "ff7fffff", "-3.4028235E38"),
    ("float", "80000000", "-0.0"),
    ("float", "7fc00000", "null"),
    ("float", "7f800000", "null"),
    ("float", "ff800000", "null"),
    ("double", "0000000000000001", "4.9E-324"),
    ("double", "7fefffffffffffff", "1.7976931348623157E308"),
    ("double", "8000000000000000", "-0.0"),
    ("double", "7ff8000000000000", "null"),
    ("double", "7ff0000000000000", "null"),
    ("double", "fff0000000000000", "null"),
    ("date", "00000000", "\"-5877641-06-23\""),
    ("date", "7ff506c6", "\"0001-01-01\""),
    ("date", "80000000", "\"1970-01-01\""),
    ("date", "7fffffff", "\"1969-12-31\""),
    ("time", "0000000000000000", "\"00:00:00.000000000\""),
    ("time", "00004e94914effff", "\"23:59:59.999999999\""),
    ("timestamp", "ffffffffffffffff", "\"1969-12-31 23:59:59.999Z\""),
    ("duration", "000000", "\"\""),
    ("duration", "010000", "\"-1mo\""),
    ("duration", "000002", "\"1ns\""),
    ("uuid", "00000000000000000000000000000000", "\"00000000-0000-0000-0000-000000000000\""),
    ("uuid", "ffffffffffffffffffffffffffffffff", "\"ffffffff-ffff-ffff-ffff-ffffffffffff\""),
    ("timeuuid", "00000000000010008080808080808080", "\"00000000-0000-1000-8080-808080808080\""),
    ("inet", "00000000", "\"0.0.0.0\""),
    ("inet", "ffffffff", "\"255.255.255.255\""),
    ("inet", "00000000000000000000000000000001", "\"0:0:0:0:0:0:0:1\""),
    ("boolean", "00", "false"),
    ("boolean", "01", "true"),
    ("ascii", "", "\"\""),
    ("text", "", "\"\""),
    ("blob", "", "\"0x\""),
    ("int", "", "\"\""),
    ("decimal", "", "\"\""),
    ("uuid", "", "\"\""),
    ("inet", "", "\"\""),
];

/// At the ends of time and before year 1, where the releases differ: the bytes, the text of 3.11, that of 4.0 and later. A year
/// before the first has no sign in a timestamp, and one in a date.
const FAR: [(&str, &str, &str, &str); 3] = [
    ("timestamp", "8000000000000000", "\"292269055-12-02 16:47:04.192Z\"", "\"+292275056-05-16 16:47:04.192Z\""),
    ("timestamp", "7fffffffffffffff", "\"292278994-08-17 07:12:55.807Z\"", "\"+292278994-08-17 07:12:55.807Z\""),
    ("date", "ffffffff", "\"5881580-07-11\"", "\"+5881580-07-11\""),
];

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits")).collect()
}

fn style(set: &str) -> SelectStyle {
    if set.starts_with("3.") { SelectStyle::Cassandra3 } else { SelectStyle::Cassandra4 }
}

/// What a set holds of the tables of its schema.
struct Values {
    found: BTreeSet<Recorded>,
    types: Vec<(Recorded, CqlType)>,
    /// The types of the columns that were set to null.
    nulls: BTreeSet<String>,
}

impl Values {
    fn of(set: &str) -> Values {
        let fixture = Fixture::unpack(set);
        let text = fs::read_to_string(fixture.file("schema_columns.json")).expect("text");
        let catalog = Catalog::from_loaded(&schema::file::load(&text).expect("a schema"));
        let mut values = Values { found: BTreeSet::new(), types: Vec::new(), nulls: BTreeSet::new() };
        let oracle = fs::read_to_string(fixture.file("oracle.jsonl")).expect("text");
        for line in oracle.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")) {
            let id = line["table_id"].as_str().and_then(|id| id.parse().ok()).map(TableId);
            if let Some(table) = id.and_then(|id| catalog.table(id)).filter(|_| line["kind"] == "update") {
                values.take_update(table, &line);
            }
        }
        assert!(!values.types.is_empty(), "{set} holds no value");
        values
    }

    fn take_update(&mut self, table: &TableMetadata, update: &Value) {
        let columns: Vec<&ColumnMetadata> = table.columns().collect();
        let column = |name: &str| columns.iter().find(|column| column.name == name);
        let rows = update["rows"].as_array().into_iter().flatten().chain(Some(&update["static_row"]).filter(|row| !row.is_null()));
        let rows: Vec<&Value> = rows.collect();
        let keys = rows.iter().map(|row| &row["clustering"]).chain([&update["partition_key"]]);
        for (name, value) in keys.filter_map(Value::as_object).flatten() {
            if let Some(column) = column(name) {
                self.take(&column.cql_type, value);
            }
        }
        for cell in rows.iter().flat_map(|row| row["cells"].as_array().into_iter().flatten()) {
            let Some(column) = cell["column"].as_str().and_then(column) else { continue };
            if cell["tombstone"] == true {
                self.nulls.insert(column.cql_type.to_string());
                continue;
            }
            match cell["path"].as_str() {
                None => self.take(&column.cql_type, cell),
                Some(path) => {
                    let (path_type, value_type) = column.cql_type.cell_types(&unhex(path)).expect("a column of cells");
                    self.take(&value_type, cell);
                    // A path is printed like a value; of a user-defined type it is the number of a field.
                    let text = cell["path_text"].as_str().filter(|_| !matches!(column.cql_type.unfrozen(), CqlType::Udt(_)));
                    if let Some(text) = text {
                        self.insert(&path_type, path, Some(text));
                    }
                }
            }
        }
    }

    fn take(&mut self, cql_type: &CqlType, value: &Value) {
        if let Some(hex) = value["hex"].as_str() {
            self.insert(cql_type, hex, value["text"].as_str());
        }
    }

    fn insert(&mut self, cql_type: &CqlType, hex: &str, text: Option<&str>) {
        let recorded = Recorded { cql_type: cql_type.to_string(), hex: hex.to_owned(), text: text.map(str::to_owned) };
        if self.found.insert(recorded.clone()) {
            self.types.push((recorded, cql_type.clone()));
        }
    }

    fn holds(&self, cql_type: &str, hex: &str, text: &str) -> bool {
        self.found.contains(&Recorded { cql_type: cql_type.into(), hex: hex.into(), text: Some(text.into()) })
    }
}

/// Prints a value as Cassandra did, and encodes it to the bytes that it had.
fn assert_there_and_back(set: &str, recorded: &Recorded, cql_type: &CqlType) {
    let bytes = unhex(&recorded.hex);
    let printed = select_json_as(style(set), cql_type, &bytes);
    match (&printed, &recorded.text) {
        // Java prints more digits of some numbers than are needed.
        (Some(ours), Some(theirs)) => assert!(support::text::equal(theirs, ours, &recorded.hex), "{set}: {recorded:?} prints as {ours}"),
        _ => assert_eq!(printed, recorded.text, "{set}: {recorded:?}"),
    }
    let value = decode(cql_type, &bytes).unwrap_or_else(|error| panic!("{set}: {recorded:?}: {error}"));
    let encoded = encode(cql_type, &value).unwrap_or_else(|error| panic!("{set}: {recorded:?}: {error}"));
    assert_eq!(encoded == bytes, is_canonical(cql_type, &bytes, &value), "{set}: {recorded:?}");
    // What was written when its type had fewer fields is written with nulls in their place.
    let again = decode(cql_type, &encoded).expect("what was encoded can be decoded");
    let event = |value: &CqlValue<'_>| {
        let mut out = String::new();
        event_json(cql_type, value, &mut out);
        serde_json::from_str::<Value>(&out).unwrap_or_else(|error| panic!("{set}: {recorded:?}: {error}: {out}"))
    };
    assert_eq!(event(&again), event(&value), "{set}: {recorded:?}");
}

#[test]
fn every_recorded_value_prints_as_cassandra_does_and_encodes_to_its_bytes() {
    for set in SETS {
        let values = Values::of(set);
        for (recorded, cql_type) in &values.types {
            assert_there_and_back(set, recorded, cql_type);
        }
        let types: BTreeSet<&str> = values.found.iter().map(|recorded| recorded.cql_type.as_str()).collect();
        for name in TYPES {
            assert!(types.contains(name), "{set} holds no {name}");
        }
        let canonical = |(recorded, cql_type): &&(Recorded, CqlType)| {
            let bytes = unhex(&recorded.hex);
            is_canonical(cql_type, &bytes, &decode(cql_type, &bytes).expect("it was decoded before"))
        };
        let count = values.types.iter().filter(canonical).count();
        assert!(count > 1000 && count + 20 > values.types.len(), "{set}: {count} of {} values", values.types.len());
    }
}

#[test]
fn the_extremes_of_every_type_are_among_the_recorded_values() {
    for set in SETS {
        let values = Values::of(set);
        for (cql_type, hex, text) in EXTREMES {
            assert!(values.holds(cql_type, hex, text), "{set} holds no {cql_type} {hex} that prints as {text}");
        }
        for (cql_type, hex, text_of_3, text_of_4) in FAR {
            let text = if style(set) == SelectStyle::Cassandra3 { text_of_3 } else { text_of_4 };
            assert!(values.holds(cql_type, hex, text), "{set} holds no {cql_type} {hex} that prints as {text}");
        }
        let limits = ["0000000000000001", "7fffffffffffffff"].map(|count| ("counter", count));
        for (name, count) in limits {
            assert!(
                values.found.iter().any(|recorded| recorded.cql_type == name && recorded.hex.ends_with(count)),
                "{set}: {name} {count}"
            );
        }
    }
}

#[test]
fn null_is_a_tombstone_and_empty_a_value_of_no_bytes() {
    for set in SETS {
        let values = Values::of(set);
        for name in TYPES {
            assert!(values.nulls.contains(name), "{set}: no {name} was set to null");
        }
        let empty: BTreeSet<&str> =
            values.found.iter().filter(|recorded| recorded.hex.is_empty()).map(|recorded| recorded.cql_type.as_str()).collect();
        for name in [
            "ascii",
            "bigint",
            "blob",
            "boolean",
            "decimal",
            "double",
            "float",
            "inet",
            "int",
            "text",
            "timestamp",
            "timeuuid",
            "uuid",
            "varint",
        ] {
            assert!(empty.contains(name), "{set}: no empty {name}");
        }
        for (recorded, cql_type) in values.types.iter().filter(|(recorded, _)| recorded.hex.is_empty()) {
            let value = decode(cql_type, &[]).expect("nothing is a value of every recorded type");
            let has_a_form = matches!(value, CqlValue::Text(_) | CqlValue::Blob(_));
            assert!(has_a_form || matches!(value, CqlValue::Empty), "{set}: {recorded:?} is {value:?}");
        }
    }
}

#[test]
fn frozen_types_nest_and_user_types_may_be_short() {
    for set in SETS {
        let values = Values::of(set);
        let depth = |recorded: &&Recorded| recorded.cql_type.matches("frozen<").count() >= 3 && recorded.hex.len() > 40;
        assert!(values.found.iter().any(|recorded| depth(&recorded)), "{set}: nothing is frozen three times over");
        let user_type = |(_, cql_type): &&(Recorded, CqlType)| matches!(cql_type.unfrozen(), CqlType::Udt(udt) if udt.fields.iter().any(|(_, field)| matches!(field.unfrozen(), CqlType::Udt(_) | CqlType::Map(..))));
        assert!(values.types.iter().any(|value| user_type(&value)), "{set}: no user type holds another");
    }
    for set in ["3.11.19/operations", "4.0.19/operations", "4.1.6/operations", "5.0.9/operations", "5.0.9/operations_scm_none"] {
        let values = Values::of(set);
        let (recorded, cql_type) =
            values.types.iter().find(|(recorded, _)| recorded.hex == "00000004000000010000000178").expect("a value of two fields of three");
        let CqlType::Udt(udt) = cql_type.unfrozen() else { panic!("{set}: {cql_type} is no user type") };
        let bytes = unhex(&recorded.hex);
        let value = decode(cql_type, &bytes).expect("it can be decoded");

        assert_eq!(udt.fields.len(), 3, "{set}");
        assert_eq!(recorded.text.as_deref(), Some(r#"{"a": 1, "b2": "x", "c": null}"#), "{set}");
        assert_there_and_back(set, recorded, cql_type);
        assert!(!is_canonical(cql_type, &bytes, &value), "{set}: what was short is written in full");
    }
}
