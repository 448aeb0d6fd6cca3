//! What the bytes mean: tables by id, their columns, and where such knowledge comes from.
//!
//! ```text
//! CQL file ──► token ► statement ► script ─┐
//! JSON file ───────────────────────────────┤
//! a node, over CQL (live) ─────────────────┼─► SchemaRows ──► resolve ──► TableMetadata ──► Catalog
//! built-in CQL, one file per release ──────┘
//! ```

mod builtin;
mod catalog;
mod compact;
mod cql_file;
mod cursor;
mod dropped_time;
mod export;
pub mod file;
#[cfg(feature = "agent")]
pub mod live;
mod resolve;
mod rows;
mod script;
mod statement;
mod table;
mod token;
mod user_types;

pub use catalog::Catalog;
pub use file::{LoadedSchema, SchemaFileError};
pub use resolve::{DefinitionError, DefinitionProblem, Resolved, TableWithoutId};
pub use rows::{ColumnRow, DroppedColumnRow, SchemaRows, TableRow, TypeRow, ViewRow};
pub use table::{ColumnKind, ColumnMetadata, DroppedColumn, TableId, TableKind, TableMetadata};

#[cfg(test)]
mod file_test;
