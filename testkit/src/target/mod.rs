//! The bodies of the fuzz targets, one per layer.
//!
//! A target takes any bytes and panics if something that must hold does not: nothing panics or loops, every byte of a segment is
//! counted once (I5), what is decoded is encoded to the same again, what is printed is valid JSON. The same functions are
//! run over every committed seed and regression by `tests/corpus.rs`.

mod cql;
mod mutation;
mod schema_file;
mod segment;
mod structured;

pub use cql::{type_name, value};
pub use mutation::{catalog, mutation};
pub use schema_file::schema_file;
pub use segment::{descriptor, entry, section, segment, segment_repaired};
pub use structured::structured;

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const ALL: [(&str, Target); 10] = [
    ("descriptor", descriptor),
    ("section", section),
    ("entry", entry),
    ("type_name", type_name),
    ("value", value),
    ("mutation", mutation),
    ("segment", segment),
    ("segment_repaired", segment_repaired),
    ("structured", structured),
    ("schema_file", schema_file),
];
