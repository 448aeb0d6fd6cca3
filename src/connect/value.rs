//! Values. What each of them means stands in its schema.

/// A value of a [`super::Schema`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing; where the schema is optional.
    Null,
    /// A field that is not there: left out of JSON, null where every field has its place.
    Absent,
    /// A boolean.
    Boolean(bool),
    /// An integer of any width.
    Int(i64),
    /// A 32-bit float.
    Float32(f32),
    /// A 64-bit float.
    Float64(f64),
    /// Text.
    String(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// The elements of an array.
    Array(Vec<Value>),
    /// The entries of a map in their order.
    Map(Vec<(Value, Value)>),
    /// The fields of a struct, in the order of its schema and as many.
    Struct(Vec<Value>),
}

impl Value {
    /// Text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::String(text.into())
    }

    /// What is there, or null.
    pub fn or_null(value: Option<Value>) -> Value {
        value.unwrap_or(Value::Null)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}
