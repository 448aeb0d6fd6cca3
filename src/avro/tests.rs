//! What is written here is read by another implementation.

use super::*;
use crate::connect::{Conversion, DecimalMode, Field, Kind, Schema, Value, VarintMode};
use crate::cql::arbitrary;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Read;
use proptest::prelude::*;
use std::sync::Arc;

/// What another implementation reads, all of the bytes.
fn read(schema: &Schema, bytes: &[u8]) -> Read {
    let json = schema_json(schema);
    let parsed = apache_avro::Schema::parse_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let mut rest = bytes;
    let value =
        GenericDatumReader::builder(&parsed).build().unwrap().read_value(&mut rest).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(rest, b"", "{json}");
    value
}

fn written(schema: &Schema, value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(schema, value, &mut bytes).unwrap();
    bytes
}

/// Whether what was read is the value. Maps have no order there.
fn is_same(schema: &Schema, value: &Value, read: &Read) -> bool {
    if schema.optional {
        let Read::Union(branch, read) = read else { return false };
        let null = u32::from(schema.default.is_some());
        return match (value, &**read) {
            (Value::Null | Value::Absent, Read::Null) => *branch == null,
            (value, read) => *branch == 1 - null && is_same(&Schema { optional: false, ..schema.clone() }, value, read),
        };
    }
    match (&schema.kind, value, read) {
        (_, Value::Boolean(value), Read::Boolean(read)) => value == read,
        (_, Value::Int(value), Read::Int(read)) => *value == i64::from(*read),
        (_, Value::Int(value), Read::Long(read)) => value == read,
        (_, Value::Float32(value), Read::Float(read)) => value.to_bits() == read.to_bits(),
        (_, Value::Float64(value), Read::Double(read)) => value.to_bits() == read.to_bits(),
        (_, Value::String(value), Read::String(read)) => value == read,
        (_, Value::String(value), Read::Uuid(read)) => *value == read.to_string(),
        (_, Value::Bytes(value), Read::Bytes(read)) => value == read,
        (_, Value::Bytes(value), Read::Decimal(read)) => Vec::try_from(read).is_ok_and(|read| *value == read),
        (Kind::Array(item), Value::Array(values), Read::Array(read)) => {
            values.len() == read.len() && values.iter().zip(read).all(|(value, read)| is_same(item, value, read))
        }
        (Kind::Map(_, of), Value::Map(entries), Read::Map(read)) => entries.iter().all(|(key, value)| {
            let Value::String(key) = key else { return false };
            // Of two entries of one key the last one counts.
            let last = entries.iter().rfind(|(other, _)| *other == Value::text(key.as_str())).map_or(value, |(_, value)| value);
            read.get(key).is_some_and(|read| is_same(of, last, read))
        }),
        (Kind::Struct(fields), Value::Struct(values), Read::Record(read)) => {
            let pairs = fields.iter().zip(values).zip(read);
            fields.len() == read.len()
                && pairs
                    .into_iter()
                    .all(|((field, value), (name, read))| *name == adjusted(&field.name) && is_same(&field.schema, value, read))
        }
        _ => false,
    }
}

fn modes() -> impl Strategy<Value = Conversion> {
    let decimal = prop_oneof![Just(DecimalMode::String), Just(DecimalMode::Double), Just(DecimalMode::Precise)];
    let varint = prop_oneof![Just(VarintMode::String), Just(VarintMode::Long), Just(VarintMode::Precise)];
    (decimal, varint).prop_map(|(decimal, varint)| Conversion { decimal, varint, debezium: false })
}

/// Whether a map with text keys has an entry without a key, which no statement writes.
fn has_null_key(value: &Value) -> bool {
    match value {
        Value::Map(entries) => entries.iter().any(|(key, value)| *key == Value::Null || has_null_key(value)),
        Value::Array(values) | Value::Struct(values) => values.iter().any(has_null_key),
        _ => false,
    }
}

proptest! {
    #[test]
    fn every_cql_value_is_read_as_it_was_written(
        (cql_type, value) in arbitrary::typed_value(),
        name in "[a-zA-Z0-9_\\-. é]{1,6}",
        conversion in modes(),
    ) {
        let schema = Schema::of_struct("my-shop.ks.1.Value", vec![
            Field::new(name.as_str(), conversion.schema(&cql_type)),
            Field::new(format!("{name}-"), conversion.schema(&cql_type)),
        ]);
        let value = conversion.value(&cql_type, &value);
        let row = Value::Struct(vec![value, Value::Absent]);

        if has_null_key(&row) {
            prop_assert!(encode(&schema, &row, &mut Vec::new()).is_err());
        } else {
            let read = read(&schema, &written(&schema, &row));
            prop_assert!(is_same(&schema, &row, &read), "{} {row:?} {read:?}", schema_json(&schema));
        }
    }
}

fn text() -> Schema {
    Schema::new(Kind::String).optional()
}

fn number() -> Schema {
    Schema::new(Kind::Int32).optional()
}

/// What breaks Debezium's own records: a struct of one name for columns of every type.
fn cell(value: Schema) -> Schema {
    Schema::of_struct("cell_value", vec![Field::new("value", value), Field::new("set", Schema::new(Kind::Boolean))]).version(1).optional()
}

#[test]
fn structs_of_one_name_that_differ_have_names_of_their_places() {
    let after = Schema::of_struct("after", vec![Field::new("p", cell(number())), Field::new("note", cell(text()))]).version(1);
    let schema = Schema::of_struct("shop.ks.t.Envelope", vec![Field::new("after", after)]);
    let row = |p, note: &str| {
        let cell = |value| Value::Struct(vec![value, Value::Boolean(true)]);
        Value::Struct(vec![Value::Struct(vec![cell(Value::Int(p)), cell(Value::text(note))])])
    };

    let json: serde_json::Value = serde_json::from_str(&schema_json(&schema)).unwrap();

    let after = &json["fields"][0]["type"];
    let cell = |index: usize| &after["fields"][index]["type"][1];
    assert_eq!(
        (&after["namespace"], &after["name"], &after["connect.name"]),
        (&"shop.ks.t".into(), &"Envelope_after".into(), &"after".into())
    );
    assert_eq!((&cell(0)["name"], &cell(0)["connect.name"]), (&"Envelope_after_p".into(), &"cell_value".into()));
    assert_eq!((&cell(1)["name"], &cell(1)["connect.version"]), (&"Envelope_after_note".into(), &1.into()));
    let row = row(7, "x");
    assert!(is_same(&schema, &row, &read(&schema, &written(&schema, &row))));
}

#[test]
fn a_definition_that_comes_twice_is_given_once() {
    let address = || Schema::of_struct("ks.address", vec![Field::new("street", text())]);
    let schema = Schema::of_struct(
        "shop.ks.t.Value",
        vec![
            Field::new("home", address().optional()),
            Field::new("work", address()),
            Field::new("all", Schema::new(Kind::Array(Arc::new(address().optional())))),
            // Of the same name and not the same.
            Field::new("old", Schema::of_struct("ks.address", vec![Field::new("street", number())])),
        ],
    );
    let of = |street| Value::Struct(vec![street]);
    let row = Value::Struct(vec![Value::Null, of(Value::text("x")), Value::Array(vec![Value::Null, of(Value::Null)]), of(Value::Int(1))]);

    let json = schema_json(&schema);

    let expected = concat!(
        r#"{"type":"record","name":"Value","namespace":"shop.ks.t","fields":["#,
        r#"{"name":"home","type":["null",{"type":"record","name":"address","namespace":"ks","fields":["#,
        r#"{"name":"street","type":["null","string"],"default":null}],"connect.name":"ks.address"}],"default":null},"#,
        r#"{"name":"work","type":"ks.address"},"#,
        r#"{"name":"all","type":{"type":"array","items":["null","ks.address"]}},"#,
        r#"{"name":"old","type":{"type":"record","name":"Value_old","namespace":"shop.ks.t","fields":["#,
        r#"{"name":"street","type":["null","int"],"default":null}],"connect.name":"ks.address"}}"#,
        r#"],"connect.name":"shop.ks.t.Value"}"#,
    );
    assert_eq!(json, expected);
    assert!(is_same(&schema, &row, &read(&schema, &written(&schema, &row))));
}

#[test]
fn what_avro_has_no_word_for_stands_in_properties() {
    let snapshot = Schema::new(Kind::String).named("io.debezium.data.Enum").version(1).parameter("allowed", "true,false").optional();
    let schema = Schema::of_struct(
        "Key",
        vec![
            Field::new("a b", Schema::new(Kind::Int8)),
            Field::new("d", Schema::new(Kind::Bytes).named("org.apache.kafka.connect.data.Decimal").version(1).parameter("scale", "0")),
            Field::new("s", snapshot.default_value(Value::text("false"))),
        ],
    );

    let expected = concat!(
        r#"{"type":"record","name":"Key","fields":["#,
        r#"{"name":"a_u0020b","type":{"type":"int","connect.type":"int8"},"connect.name":"a b"},"#,
        r#"{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":64,"scale":0,"connect.version":1,"#,
        r#""connect.parameters":{"scale":"0"},"connect.name":"org.apache.kafka.connect.data.Decimal"}},"#,
        r#"{"name":"s","type":[{"type":"string","connect.version":1,"connect.parameters":{"allowed":"true,false"},"connect.default":"false","#,
        r#""connect.name":"io.debezium.data.Enum"},"null"],"default":"false"}"#,
        r#"],"connect.name":"Key"}"#,
    );
    assert_eq!(schema_json(&schema), expected);
    for last in [Value::Null, Value::text("true")] {
        let row = Value::Struct(vec![Value::Int(-128), Value::Bytes(vec![0xff]), last]);
        assert!(is_same(&schema, &row, &read(&schema, &written(&schema, &row))));
    }
}

#[test]
fn maps_with_other_keys_are_arrays_of_records() {
    let (keys, values) = (Arc::new(Schema::new(Kind::Int64)), Arc::new(text()));
    let schema = Schema::of_struct("ks.Value", vec![Field::new("m", Schema::new(Kind::Map(keys, values)))]);
    let row = Value::Struct(vec![Value::Map(vec![(Value::Int(7), Value::Null), (Value::Int(8), Value::text("x"))])]);

    let Read::Record(fields) = read(&schema, &written(&schema, &row)) else { panic!() };

    let entry = |key, value| Read::Record(vec![("key".into(), Read::Long(key)), ("value".into(), value)]);
    let text = Read::Union(1, Box::new(Read::String("x".into())));
    assert_eq!(fields[0].1, Read::Array(vec![entry(7, Read::Union(0, Box::new(Read::Null))), entry(8, text)]));
}
