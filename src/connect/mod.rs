//! Kafka Connect's data model: values that know their schema, and the two forms that Connect's JSON converter gives them.
//!
//! Debezium's records are made of it, and so is everything that a registry is told about: one [`Schema`] per table and version, one
//! [`Value`] per record. Nothing here knows about tables.

mod cql;
mod json;
mod schema;
mod value;

pub use cql::{Conversion, DecimalMode, VarintMode};
pub use json::{schema_json, with_schema, write_value};
pub use schema::{Field, Kind, Schema};
pub use value::Value;
