//! CQL types and values: names to [`CqlType`], bytes and a type to [`CqlValue`], values to text.
//!
//! Nothing here knows about tables.
//!
//! Three texts of a value exist side by side: [`event_json()`] is what events carry, [`select_json()`] is
//! what Cassandra's `SELECT JSON` prints, [`get_string()`] what Cassandra logs and Debezium's range
//! bounds hold. The latter two are read from the bytes and follow Cassandra to the letter, its quirks
//! with malformed values included.

#[cfg(test)]
pub(crate) mod arbitrary;
mod canonical;
mod counter;
mod cql_type;
mod decode;
mod elements;
mod encode;
mod error;
mod event_json;
mod get_string;
mod inet;
mod marshal_class;
mod number;
mod select_json;
mod text;
mod time;
mod type_class;
mod type_name;
mod validate;
mod value;

pub use canonical::is_canonical;
pub use counter::total as counter_total;
pub use cql_type::{CqlType, UserType};
pub use decode::decode;
pub use encode::encode;
pub use error::ValueError;
pub use event_json::event_json;
pub use get_string::get_string;
pub use marshal_class::marshal_class;
pub use select_json::{SelectStyle, select_json, select_json_as};
pub use text::{hex, json_string};
pub use type_name::{NoUdts, TYPE_DEPTH_MAX, TypeNameError, UdtResolver, parse_type};
pub use value::{CounterShard, CqlValue, ShardKind};
