//! Avro: schemas and values of Connect's model as Confluent's converter maps them (`io.confluent.connect.avro.AvroData`).
//!
//! | Connect | Avro | property |
//! |---|---|---|
//! | boolean, int32, int64, float, double, string, bytes | boolean, int, long, float, double, string, bytes | |
//! | int8, int16 | int | `connect.type` |
//! | `org.apache.kafka.connect.data.Decimal` | bytes | `logicalType` `decimal`, precision 64 |
//! | `io.debezium.data.Uuid` | string | `logicalType` `uuid` |
//! | array | array | |
//! | map with string keys | map | |
//! | other map | array of records `key`, `value` | |
//! | struct | record | |
//! | optional | union of null and the type, default null; the other way round where there is another default | |
//! | name, version, parameters, default | | `connect.name`, `connect.version`, `connect.parameters`, `connect.default` |
//!
//! What differs is names. Connect takes any, and lets structs of one name differ; Avro knows letters, digits and `_`, and a name once.
//! So every name is adjusted in a way that never makes two of one ([`adjusted`]), and a struct without a name of its own, or with one
//! that others have too (`cell_value`), is named after its place.

mod binary;
mod name;
mod schema;
#[cfg(test)]
mod tests;

pub use binary::{Mismatch, encode};
pub use name::{adjusted, adjusted_full};
pub use schema::schema_json;
