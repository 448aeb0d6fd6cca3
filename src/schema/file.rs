//! A schema file: CQL, or the rows of `system_schema` as JSON.

use super::Catalog;
use super::cql_file;
use super::resolve::{DefinitionError, Resolved, TableWithoutId};
use super::rows::SchemaRows;
use thiserror::Error;

/// What a schema file defines, and what of it could not be used. [`Catalog::from_loaded`] makes the catalog to decode with.
#[derive(Clone, Debug, Default)]
pub struct LoadedSchema {
    /// The tables and views with an id. Only what the file holds; [`Catalog::from_loaded`] adds the built-in ones.
    pub catalog: Catalog,
    /// Those without: the caller may match them by name with a table whose id it learns elsewhere, and should
    /// warn, because a table that was created again has the same name and another id.
    pub without_id: Vec<TableWithoutId>,
    /// Definitions that could not be used. Their tables are unknown; the caller names them.
    pub problems: Vec<DefinitionError>,
}

/// Why a schema file could not be read at all.
#[derive(Debug, Error)]
pub enum SchemaFileError {
    /// A CQL file with something in it that does not belong there.
    #[error("line {line}: expected {expected}, found {found}")]
    Cql {
        /// The line, from 1.
        line: usize,
        /// What should have been there.
        expected: String,
        /// What was there.
        found: String,
    },
    /// A JSON file that is not the rows of `system_schema`.
    #[error("schema rows are not valid JSON of system_schema")]
    Json(#[from] serde_json::Error),
}

/// Reads a schema file of either form; JSON begins with `{`.
///
/// # Errors
/// [`SchemaFileError`], with the line. Definitions that are well formed and yet make no sense (an unknown type, a
/// gap in a key) are no error but [`LoadedSchema::problems`].
pub fn load(text: &str) -> Result<LoadedSchema, SchemaFileError> {
    Ok(LoadedSchema::from(&rows(text)?))
}

/// The rows of `system_schema` that a schema file of either form stands for.
///
/// # Errors
/// [`SchemaFileError`], with the line.
pub fn rows(text: &str) -> Result<SchemaRows, SchemaFileError> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') { Ok(serde_json::from_str(text)?) } else { cql_file::rows(text) }
}

impl From<&SchemaRows> for LoadedSchema {
    fn from(rows: &SchemaRows) -> Self {
        let Resolved { catalog, without_id, problems } = rows.resolve();
        LoadedSchema { catalog, without_id, problems }
    }
}
