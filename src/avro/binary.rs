//! Values, in Avro's binary encoding.
//!
//! ```text
//! boolean         one byte, 0 or 1
//! int, long       zig-zag (0, -1, 1, -2 → 0, 1, 2, 3), then seven bits a byte, the lowest first; the upper bit says that more follow
//! float, double   4 or 8 bytes, the lowest first
//! string, bytes   the length as a long, the bytes
//! array, map      how many as a long, and as many items (key, value); then 0; an empty one is 0 alone
//! record          its fields
//! union           the index of the branch as a long, the value
//! ```

use crate::connect::{Field, Kind, Schema, Value};

/// A value that is none of its schema. Says where, and never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} is {found}; its schema has {expected}")]
pub struct Mismatch {
    /// The field.
    place: String,
    expected: &'static str,
    found: &'static str,
}

impl Mismatch {
    fn new(expected: &'static str, value: &Value) -> Mismatch {
        Mismatch { place: "the value".to_owned(), expected, found: name_of(value) }
    }

    fn within(self, field: &Field) -> Mismatch {
        let place = if self.place == "the value" { field.name.to_string() } else { format!("{}.{}", field.name, self.place) };
        Mismatch { place, ..self }
    }
}

/// Appends a value. A field that is absent is null.
///
/// # Errors
/// [`Mismatch`]: it is no value of the schema.
pub fn encode(schema: &Schema, value: &Value, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    let is_null = matches!(value, Value::Null | Value::Absent);
    if schema.optional {
        // Null goes first, unless the default is something else.
        let null = i64::from(schema.default.is_some());
        long(out, if is_null { null } else { 1 - null });
        if is_null {
            return Ok(());
        }
    }
    match (&schema.kind, value) {
        (Kind::Boolean, Value::Boolean(value)) => out.push(u8::from(*value)),
        (Kind::Int8, Value::Int(number)) if i8::try_from(*number).is_ok() => long(out, *number),
        (Kind::Int16, Value::Int(number)) if i16::try_from(*number).is_ok() => long(out, *number),
        (Kind::Int32, Value::Int(number)) if i32::try_from(*number).is_ok() => long(out, *number),
        (Kind::Int64, Value::Int(number)) => long(out, *number),
        (Kind::Float32, Value::Float32(number)) => out.extend(number.to_le_bytes()),
        (Kind::Float64, Value::Float64(number)) => out.extend(number.to_le_bytes()),
        (Kind::String, Value::String(text)) => bytes(out, text.as_bytes()),
        (Kind::Bytes, Value::Bytes(value)) => bytes(out, value),
        (Kind::Array(item), Value::Array(values)) => items(out, values, |out, value| encode(item, value, out))?,
        (Kind::Map(keys, of), Value::Map(entries)) => items(out, entries, |out, (key, value)| {
            match key {
                Value::String(text) if keys.kind == Kind::String => bytes(out, text.as_bytes()),
                key if keys.kind == Kind::String => return Err(Mismatch::new("strings as keys", key)),
                key => encode(keys, key, out)?,
            }
            encode(of, value, out)
        })?,
        (Kind::Struct(fields), Value::Struct(values)) if fields.len() == values.len() => {
            for (field, value) in fields.iter().zip(values) {
                encode(&field.schema, value, out).map_err(|mismatch| mismatch.within(field))?;
            }
        }
        (kind, value) => return Err(Mismatch::new(expected(kind), value)),
    }
    Ok(())
}

fn items<T>(out: &mut Vec<u8>, items: &[T], put: impl Fn(&mut Vec<u8>, &T) -> Result<(), Mismatch>) -> Result<(), Mismatch> {
    if !items.is_empty() {
        length(out, items.len());
        items.iter().try_for_each(|item| put(out, item))?;
    }
    out.push(0);
    Ok(())
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn length(out: &mut Vec<u8>, length: usize) {
    long(out, i64::try_from(length).expect("memory is smaller than 2^63 bytes"));
}

fn long(out: &mut Vec<u8>, number: i64) {
    let mut bits = ((number << 1) ^ (number >> 63)) as u64;
    while bits > 0x7f {
        out.push((bits & 0x7f) as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}

fn expected(kind: &Kind) -> &'static str {
    match kind {
        Kind::Boolean => "a boolean",
        Kind::Int8 => "8 bits",
        Kind::Int16 => "16 bits",
        Kind::Int32 => "32 bits",
        Kind::Int64 => "64 bits",
        Kind::Float32 => "a float",
        Kind::Float64 => "a double",
        Kind::String => "a string",
        Kind::Bytes => "bytes",
        Kind::Array(_) => "an array",
        Kind::Map(..) => "a map",
        Kind::Struct(_) => "a struct of its fields",
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null | Value::Absent => "null",
        Value::Boolean(_) => "a boolean",
        Value::Int(_) => "an integer",
        Value::Float32(_) => "a float",
        Value::Float64(_) => "a double",
        Value::String(_) => "a string",
        Value::Bytes(_) => "bytes",
        Value::Array(_) => "an array",
        Value::Map(_) => "a map",
        Value::Struct(_) => "a struct",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn longs_are_those_of_the_specification() {
        let encoded = |number| {
            let mut out = Vec::new();
            long(&mut out, number);
            out
        };
        for (number, expected) in [(0, vec![0]), (-1, vec![1]), (1, vec![2]), (-64, vec![0x7f]), (64, vec![0x80, 0x01])] {
            assert_eq!(encoded(number), expected, "{number}");
        }
        assert_eq!(encoded(i64::MIN).len(), 10);
    }

    #[test]
    fn what_is_no_value_of_its_schema_is_named_by_its_place_and_kind() {
        let inner = Schema::new(Kind::Struct([Field::new("zip", Schema::new(Kind::Int16))].into()));
        let schema = Schema::new(Kind::Struct([Field::new("address", inner)].into()));
        let value = |number| Value::Struct(vec![Value::Struct(vec![Value::Int(number)])]);

        assert_eq!(encode(&schema, &value(7), &mut Vec::new()), Ok(()));
        let error = encode(&schema, &value(70_000), &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "address.zip is an integer; its schema has 16 bits");
        let error = encode(&schema, &Value::Null, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "the value is null; its schema has a struct of its fields");
    }

    #[test]
    fn a_map_has_no_null_among_its_keys() {
        let text = || Arc::new(Schema::new(Kind::String).optional());
        let entries = Value::Map(vec![(Value::Null, Value::Null)]);

        let error = encode(&Schema::new(Kind::Map(text(), text())), &entries, &mut Vec::new()).unwrap_err();

        assert_eq!(error.to_string(), "the value is null; its schema has strings as keys");
    }
}
