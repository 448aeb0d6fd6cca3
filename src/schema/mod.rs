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
mod change;
mod compact;
mod cql_file;
mod cursor;
mod dropped_time;
mod export;
pub mod file;
#[cfg(feature = "agent")]
pub mod live;
mod pattern;
mod resolve;
mod rows;
mod script;
mod statement;
mod table;
mod to_cql;
mod token;
mod user_types;
mod version;

pub use catalog::Catalog;
pub use change::{SchemaChange, definition};
pub use file::{LoadedSchema, SchemaFileError};
pub use pattern::{TablePattern, glob_covers};
pub use resolve::{DefinitionError, DefinitionProblem, Resolved, TableWithoutId};
pub use rows::{ColumnRow, DroppedColumnRow, KeyspaceRow, SchemaRows, TableRow, TypeRow, ViewRow};
pub use table::{ColumnKind, ColumnMetadata, DroppedColumn, TableId, TableKind, TableMetadata};
pub use to_cql::quoted_name;
pub use version::SchemaVersion;

#[cfg(test)]
mod file_test;
