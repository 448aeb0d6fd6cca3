//! Why a mutation could not be decoded, and what of it was.

use super::types::Mutation;
use crate::codec::{CodecError, Kind};
use crate::schema::TableId;

/// Why a mutation could not be decoded. Names places and numbers, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A table that the catalog does not have: dropped, or newer than what is known.
    #[error("unknown table id {id} at byte {offset} of the mutation")]
    UnknownTable {
        /// The id.
        id: TableId,
        /// Where it stands.
        offset: usize,
    },
    /// A column that the catalog's table does not have and never had: the schema is older than the writer's.
    #[error("unknown column {column:?} of table {table} at byte {offset} of the mutation")]
    UnknownColumn {
        /// The table's id.
        id: TableId,
        /// `keyspace.table`.
        table: String,
        /// The column's name.
        column: String,
        /// Where it stands.
        offset: usize,
    },
    /// Bytes that the format does not allow: damage that passed a checksum, or a schema that is not the writer's.
    #[error("cannot decode {table} at byte {offset} of the mutation: {kind}")]
    Malformed {
        /// `keyspace.table`, or what was being read.
        table: String,
        /// Where.
        offset: usize,
        /// What was wrong.
        kind: Kind,
    },
}

/// A mutation of which only the first updates could be decoded. The rest has no lengths to skip it by, so it is lost to this schema.
#[derive(Clone, Debug)]
pub struct Incomplete<'a> {
    /// The updates before the one that could not be decoded.
    pub leading: Mutation<'a>,
    /// Why decoding stopped.
    pub error: DecodeError,
}

impl DecodeError {
    /// Whether a newer schema may help: then the mutation waits, it is not refused.
    pub fn is_schema(&self) -> bool {
        matches!(self, DecodeError::UnknownTable { .. } | DecodeError::UnknownColumn { .. })
    }

    /// The table that a newer schema may know better; none if no schema helps.
    pub fn table_id(&self) -> Option<TableId> {
        match self {
            DecodeError::UnknownTable { id, .. } | DecodeError::UnknownColumn { id, .. } => Some(*id),
            DecodeError::Malformed { .. } => None,
        }
    }

    /// A short name, for metric labels and records: `unknown_table`, `unknown_column` or `malformed`.
    pub fn reason(&self) -> &'static str {
        match self {
            DecodeError::UnknownTable { .. } => "unknown_table",
            DecodeError::UnknownColumn { .. } => "unknown_column",
            DecodeError::Malformed { .. } => "malformed",
        }
    }

    pub(super) fn malformed(table: &impl ToString, error: CodecError<'_>, body: &[u8]) -> DecodeError {
        DecodeError::Malformed { table: table.to_string(), offset: error.offset_in(body), kind: error.kind }
    }
}
