//! From the rows of `system_schema` to tables and back.
//!
//! Cassandra: `SchemaKeyspace.fetchTable`, `fetchColumns`, `createColumnFromRow`, `fetchDroppedColumns`.

use super::rows::{ColumnRow, DroppedColumnRow, SchemaRows};
use super::user_types::UserTypes;
use super::{Catalog, ColumnKind, ColumnMetadata, DroppedColumn, SchemaVersion, TableId, TableKind, TableMetadata};
use crate::cql::{TypeNameError, parse_type};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use thiserror::Error;
use uuid::Uuid;

/// What some rows define. Nothing is left out silently: each definition is in one of the three.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// The tables and views that have an id.
    pub catalog: Catalog,
    /// Those that have none.
    pub without_id: Vec<TableWithoutId>,
    /// What could not be understood. A table whose columns could not is in neither of the other two; the rest
    /// is not touched by it.
    pub problems: Vec<DefinitionError>,
}

/// A table that is known by its name only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableWithoutId(TableMetadata);

/// A definition that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot use the definition of {keyspace}.{name}: {problem}")]
pub struct DefinitionError {
    /// The keyspace.
    pub keyspace: String,
    /// The table, view or user-defined type.
    pub name: String,
    /// What is wrong with it.
    pub problem: DefinitionProblem,
}

/// What can be wrong with a definition. Names columns and types.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DefinitionProblem {
    /// The type of a column.
    #[error("column {column}: {error}")]
    ColumnType {
        /// The column.
        column: String,
        /// Why its type is none.
        error: TypeNameError,
    },
    /// The type of a dropped column. The table is known all the same.
    #[error("dropped column {column}: {error}")]
    DroppedColumnType {
        /// The column.
        column: String,
        /// Why its type is none.
        error: TypeNameError,
    },
    /// The type of a field.
    #[error("{0}")]
    Field(TypeNameError),
    /// A kind of column that we do not know.
    #[error("column {column}: expected kind partition_key, clustering, static or regular, found {found:?}")]
    Kind {
        /// The column.
        column: String,
        /// Its kind.
        found: String,
    },
    /// A column that is defined twice: rows of two tables, or of two moments.
    #[error("column {column}: expected one definition, found two")]
    Twice {
        /// The column.
        column: String,
    },
    /// No columns at all, or gaps in the primary key: rows are missing.
    #[error("expected {kind} columns at positions 0 to n, found {found:?}")]
    Positions {
        /// The kind.
        kind: &'static str,
        /// The positions found.
        found: Vec<i32>,
    },
}

impl TableWithoutId {
    /// The table, once somebody else knows which id it has.
    pub fn with_id(self, id: TableId) -> TableMetadata {
        TableMetadata { id, ..self.0 }
    }

    /// Its keyspace, unquoted.
    pub fn keyspace(&self) -> &str {
        &self.0.keyspace
    }

    /// Its name, unquoted.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

/// Rows of columns by keyspace and table.
type ByTable<'a, R> = HashMap<(&'a str, &'a str), Vec<&'a R>>;

impl SchemaRows {
    /// The tables that the rows define.
    pub fn resolve(&self) -> Resolved {
        let types = UserTypes::new(&self.types);
        let columns = by_table(&self.columns, |row| (&row.keyspace_name, &row.table_name));
        let dropped = by_table(&self.dropped_columns, |row| (&row.keyspace_name, &row.table_name));
        let tables = self.tables.iter().map(|row| (&row.keyspace_name, &row.table_name, row.id, TableKind::Table, row.cdc == Some(true)));
        let views = self.views.iter().map(|row| (&row.keyspace_name, &row.view_name, row.id, TableKind::View, false));

        let mut resolved = Resolved::default();
        for (keyspace, name, id, kind, cdc) in tables.chain(views) {
            let problem = |problem| DefinitionError { keyspace: keyspace.clone(), name: name.clone(), problem };
            let columns = columns.get(&(keyspace.as_str(), name.as_str())).map_or(&[][..], Vec::as_slice);
            let mut table = empty_table(keyspace, name, id, kind, cdc);
            if let Err(error) = add_columns(&mut table, columns, &types) {
                resolved.problems.push(problem(error));
                continue;
            }
            for row in dropped.get(&(keyspace.as_str(), name.as_str())).into_iter().flatten() {
                match dropped_column(row, &types) {
                    Ok(column) => drop(table.dropped.insert(row.column_name.clone(), column)),
                    Err(error) => resolved.problems.push(problem(error)),
                }
            }
            match id {
                Some(_) => resolved.catalog.insert(table),
                None => resolved.without_id.push(TableWithoutId(table)),
            }
        }
        let field = |(row, error): (&super::rows::TypeRow, _)| DefinitionError {
            keyspace: row.keyspace_name.clone(),
            name: row.type_name.clone(),
            problem: DefinitionProblem::Field(error),
        };
        resolved.problems.extend(types.into_problems().into_iter().map(field));
        resolved
    }
}

fn by_table<'a, R>(rows: &'a [R], key: impl Fn(&'a R) -> (&'a String, &'a String)) -> ByTable<'a, R> {
    let mut by_table: ByTable<'a, R> = HashMap::new();
    for row in rows {
        let (keyspace, table) = key(row);
        by_table.entry((keyspace, table)).or_default().push(row);
    }
    by_table
}

fn empty_table(keyspace: &str, name: &str, id: Option<Uuid>, kind: TableKind, cdc: bool) -> TableMetadata {
    TableMetadata {
        id: TableId(id.unwrap_or_default()),
        keyspace: keyspace.to_owned(),
        name: name.to_owned(),
        kind,
        cdc,
        partition_key: Vec::new(),
        clustering: Vec::new(),
        statics: Vec::new(),
        regulars: Vec::new(),
        dropped: BTreeMap::new(),
        version: SchemaVersion::default(),
    }
}

/// Puts each column where it belongs: key columns by position, the others by name.
fn add_columns(table: &mut TableMetadata, rows: &[&ColumnRow], types: &UserTypes<'_>) -> Result<(), DefinitionProblem> {
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| (a.position, &a.column_name).cmp(&(b.position, &b.column_name)));
    for row in &rows {
        let column = column(row, types)?;
        match column.kind {
            ColumnKind::PartitionKey => table.partition_key.push(column),
            ColumnKind::Clustering => table.clustering.push(column),
            ColumnKind::Static => table.statics.push(column),
            ColumnKind::Regular => table.regulars.push(column),
        }
    }
    // Only key columns have a position; a row that gives another column one does not change the order.
    table.statics.sort_by(|a, b| a.name.cmp(&b.name));
    table.regulars.sort_by(|a, b| a.name.cmp(&b.name));
    check_names(&rows)?;
    check_positions(&rows, "partition_key")?;
    check_positions(&rows, "clustering")
}

/// Without this an event would have a column twice.
fn check_names(rows: &[&ColumnRow]) -> Result<(), DefinitionProblem> {
    let mut names = BTreeSet::new();
    match rows.iter().find(|row| !names.insert(&row.column_name)) {
        Some(row) => Err(DefinitionProblem::Twice { column: row.column_name.clone() }),
        None => Ok(()),
    }
}

/// Without this a table of which some rows are missing would read the bytes of one column as another's.
fn check_positions(rows: &[&ColumnRow], kind: &'static str) -> Result<(), DefinitionProblem> {
    let found: Vec<i32> = rows.iter().filter(|row| row.kind == kind).map(|row| row.position).collect();
    let dense = found.iter().zip(0..).all(|(&position, expected)| position == expected);
    if !dense || (kind == "partition_key" && found.is_empty()) {
        return Err(DefinitionProblem::Positions { kind, found });
    }
    Ok(())
}

fn column(row: &ColumnRow, types: &UserTypes<'_>) -> Result<ColumnMetadata, DefinitionProblem> {
    let name = || row.column_name.clone();
    let kind = kind_of(&row.kind).ok_or_else(|| DefinitionProblem::Kind { column: name(), found: row.kind.clone() })?;
    let cql_type =
        parse_type(&row.type_name, &row.keyspace_name, types).map_err(|error| DefinitionProblem::ColumnType { column: name(), error })?;
    // Nothing else has an order, whatever its row says.
    let reversed = kind == ColumnKind::Clustering && row.clustering_order.eq_ignore_ascii_case("desc");
    // A key is never multi-cell, whether the type says frozen or not.
    let cql_type = if matches!(kind, ColumnKind::PartitionKey | ColumnKind::Clustering) { cql_type.freeze() } else { cql_type };
    Ok(ColumnMetadata { name: name(), cql_type, kind, reversed })
}

fn dropped_column(row: &DroppedColumnRow, types: &UserTypes<'_>) -> Result<DroppedColumn, DefinitionProblem> {
    let name = || row.column_name.clone();
    let kind = row.kind.as_deref().unwrap_or("regular");
    let kind = kind_of(kind).ok_or_else(|| DefinitionProblem::Kind { column: name(), found: kind.to_owned() })?;
    let cql_type = parse_type(&row.type_name, &row.keyspace_name, types)
        .map_err(|error| DefinitionProblem::DroppedColumnType { column: name(), error })?
        .expand_user_types();
    let column = ColumnMetadata { name: name(), cql_type, kind, reversed: false };
    Ok(DroppedColumn { column, dropped_at_micros: row.dropped_time.saturating_mul(1000) })
}

fn kind_of(text: &str) -> Option<ColumnKind> {
    [ColumnKind::PartitionKey, ColumnKind::Clustering, ColumnKind::Static, ColumnKind::Regular]
        .into_iter()
        .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
}

impl ColumnKind {
    /// Its name in `system_schema.columns`.
    pub fn as_str(self) -> &'static str {
        match self {
            ColumnKind::PartitionKey => "partition_key",
            ColumnKind::Clustering => "clustering",
            ColumnKind::Static => "static",
            ColumnKind::Regular => "regular",
        }
    }
}
