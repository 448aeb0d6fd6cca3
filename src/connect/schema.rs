//! Schemas (`org.apache.kafka.connect.data.ConnectSchema`).

use super::Value;
use std::sync::Arc;

/// What a value is, and under which name others know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// Its type.
    pub kind: Kind,
    /// Whether null is a value of it.
    pub optional: bool,
    /// The name of a struct, or of what the plain type means: `io.debezium.time.Date`.
    pub name: Option<Arc<str>>,
    /// The version of that name.
    pub version: Option<u32>,
    /// What else is to be known about the meaning, by name: the values of an enumeration, the scale of a decimal.
    pub parameters: Vec<(&'static str, String)>,
    /// What holds where nothing is given.
    pub default: Option<Value>,
}

/// The types that Connect has (`Schema.Type`).
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// 8 bits, signed.
    Int8,
    /// 16 bits, signed.
    Int16,
    /// 32 bits, signed.
    Int32,
    /// 64 bits, signed.
    Int64,
    /// IEEE 754, 32 bits.
    Float32,
    /// IEEE 754, 64 bits.
    Float64,
    /// Text.
    String,
    /// Bytes.
    Bytes,
    /// Any number of values of one schema.
    Array(Arc<Schema>),
    /// Pairs of a key and a value.
    Map(Arc<Schema>, Arc<Schema>),
    /// Named fields in an order.
    Struct(Arc<[Field]>),
}

/// One field of a struct.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: Arc<str>,
    /// What it holds.
    pub schema: Arc<Schema>,
}

impl Field {
    /// A field.
    pub fn new(name: impl Into<Arc<str>>, schema: impl Into<Arc<Schema>>) -> Field {
        Field { name: name.into(), schema: schema.into() }
    }
}

impl Schema {
    /// A schema without a name whose values are never null.
    pub fn new(kind: Kind) -> Schema {
        Schema { kind, optional: false, name: None, version: None, parameters: Vec::new(), default: None }
    }

    /// A struct of these fields.
    pub fn of_struct(name: impl Into<Arc<str>>, fields: Vec<Field>) -> Schema {
        Schema::new(Kind::Struct(fields.into())).named(name)
    }

    /// The same, and null.
    pub fn optional(self) -> Schema {
        Schema { optional: true, ..self }
    }

    /// The same under a name.
    pub fn named(self, name: impl Into<Arc<str>>) -> Schema {
        Schema { name: Some(name.into()), ..self }
    }

    /// The same under a version of its name.
    pub fn version(self, version: u32) -> Schema {
        Schema { version: Some(version), ..self }
    }

    /// The same with one thing more to be known.
    pub fn parameter(mut self, name: &'static str, value: impl Into<String>) -> Schema {
        self.parameters.push((name, value.into()));
        self
    }

    /// The same with what holds where nothing is given.
    pub fn default_value(self, value: Value) -> Schema {
        Schema { default: Some(value), ..self }
    }

    /// The fields of a struct; none of anything else.
    pub fn fields(&self) -> &[Field] {
        match &self.kind {
            Kind::Struct(fields) => fields,
            _ => &[],
        }
    }
}
