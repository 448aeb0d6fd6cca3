//! What a CQL file has defined so far: each statement changes it, at the end it becomes rows.

use super::compact::reveal_hidden_columns;
use super::rows::{ColumnRow, DroppedColumnRow, SchemaRows, TableRow, TypeRow, ViewRow};
use super::statement::{AlterTable, AlterType, ColumnDefinition, CreateTable, CreateView, PrimaryKey, QualifiedName, Statement};
use std::collections::HashMap;
use uuid::Uuid;

/// Keyspace and name.
type Key = (String, String);

/// The tables, views and types that the statements have defined, in their order.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// The keyspace of names that carry none (`USE`).
    keyspace: Option<String>,
    tables: Vec<(Key, Table)>,
    views: Vec<(Key, View)>,
    types: Vec<TypeRow>,
}

/// A table.
#[derive(Debug, Default)]
pub(super) struct Table {
    id: Option<Uuid>,
    cdc: bool,
    pub(super) compact_storage: bool,
    pub(super) columns: Vec<Column>,
    pub(super) key: PrimaryKey,
    descending: Vec<String>,
    /// Column, and when it was dropped, in ms.
    dropped: Vec<(Column, i64)>,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) is_static: bool,
}

/// A view and the table it is of.
#[derive(Debug)]
struct View {
    base: Key,
    view: CreateView,
}

impl Script {
    /// Carries out a statement. The error says what should have been there.
    pub(super) fn apply(&mut self, name: QualifiedName, statement: Statement<'_>) -> Result<(), String> {
        match statement {
            Statement::Use(keyspace) => self.keyspace = Some(keyspace),
            Statement::DropKeyspace => self.drop_keyspace(&name.name),
            Statement::CreateType { if_not_exists, fields } => self.create_type(self.key(name)?, if_not_exists, fields)?,
            Statement::CreateTable(table) => self.create_table(self.key(name)?, table)?,
            Statement::CreateView(view) => self.create_view(self.key(name)?, view)?,
            Statement::AlterType(change) => self.alter_type(&self.key(name)?, change)?,
            Statement::AlterTable(change) => self.alter_table(&self.key(name)?, change)?,
            Statement::DropTable => {
                let dropped = self.key(name)?;
                self.tables.retain(|(key, _)| *key != dropped);
            }
            Statement::DropType => {
                let dropped = self.key(name)?;
                self.types.retain(|row| !is_row_of(row, &dropped));
            }
            Statement::DropView => {
                let dropped = self.key(name)?;
                self.views.retain(|(key, _)| *key != dropped);
            }
        }
        Ok(())
    }

    fn key(&self, name: QualifiedName) -> Result<Key, String> {
        let keyspace = name.keyspace.or_else(|| self.keyspace.clone());
        keyspace.map(|keyspace| (keyspace, name.name)).ok_or_else(|| "a name with its keyspace, or USE before".to_owned())
    }

    fn drop_keyspace(&mut self, keyspace: &str) {
        self.tables.retain(|((of, _), _)| of != keyspace);
        self.views.retain(|((of, _), _)| of != keyspace);
        self.types.retain(|row| row.keyspace_name != keyspace);
    }

    fn create_type(&mut self, key: Key, if_not_exists: bool, fields: Vec<(String, &str)>) -> Result<(), String> {
        if self.types.iter().any(|row| is_row_of(row, &key)) {
            return exists(if_not_exists, &key);
        }
        let (field_names, field_types) = fields.into_iter().map(|(name, type_name)| (name, type_name.to_owned())).unzip();
        self.types.push(TypeRow { keyspace_name: key.0, type_name: key.1, field_names, field_types });
        Ok(())
    }

    fn create_table(&mut self, key: Key, table: CreateTable<'_>) -> Result<(), String> {
        if self.tables.iter().any(|(of, _)| *of == key) {
            return exists(table.if_not_exists, &key);
        }
        if table.key.partition_key.is_empty() {
            return Err(format!("a PRIMARY KEY of {}.{}", key.0, key.1));
        }
        let columns: Vec<Column> = table.columns.into_iter().map(Column::from).collect();
        let mut key_columns = table.key.partition_key.iter().chain(&table.key.clustering);
        if let Some(missing) = key_columns.find(|name| !columns.iter().any(|column| column.name == **name)) {
            return Err(format!("a column {missing}, which the PRIMARY KEY of {}.{} names", key.0, key.1));
        }
        let table = Table {
            id: table.options.id,
            cdc: table.options.cdc == Some(true),
            compact_storage: table.options.compact_storage,
            columns,
            key: table.key,
            descending: table.options.descending,
            dropped: Vec::new(),
        };
        self.tables.push((key, table));
        Ok(())
    }

    fn create_view(&mut self, key: Key, view: CreateView) -> Result<(), String> {
        if self.views.iter().any(|(of, _)| *of == key) {
            return exists(view.if_not_exists, &key);
        }
        let base = self.key(view.base.clone())?;
        if !self.tables.iter().any(|(of, _)| *of == base) {
            return Err(format!("the base table {}.{} before its view", base.0, base.1));
        }
        self.views.push((key, View { base, view }));
        Ok(())
    }

    fn alter_type(&mut self, key: &Key, change: AlterType<'_>) -> Result<(), String> {
        let row = self.types.iter_mut().find(|row| is_row_of(row, key)).ok_or_else(|| format!("a type {}.{} before", key.0, key.1))?;
        match change {
            AlterType::Add(fields) => {
                for (name, type_name) in fields {
                    row.field_names.push(name);
                    row.field_types.push(type_name.to_owned());
                }
            }
            AlterType::Rename(renames) => renames.iter().for_each(|(from, to)| rename(row.field_names.iter_mut(), from, to)),
            AlterType::Alter(name, type_name) => {
                let fields = row.field_names.iter().zip(&mut row.field_types);
                fields.filter(|(field, _)| **field == name).for_each(|(_, field_type)| *field_type = type_name.to_owned());
            }
        }
        Ok(())
    }

    fn alter_table(&mut self, key: &Key, change: AlterTable<'_>) -> Result<(), String> {
        let missing = || format!("a table {}.{} before", key.0, key.1);
        let (_, table) = self.tables.iter_mut().find(|(of, _)| of == key).ok_or_else(missing)?;
        match change {
            AlterTable::Add(columns) => table.columns.extend(columns.into_iter().map(Column::from)),
            AlterTable::Drop(names, micros) => return names.iter().try_for_each(|name| table.drop_column(key, name, micros)),
            AlterTable::DropCompactStorage => reveal_hidden_columns(table),
            AlterTable::Rename(renames) => renames.iter().for_each(|(from, to)| table.rename_column(from, to)),
            AlterTable::Alter(name, type_name) => {
                let columns = table.columns.iter_mut().filter(|column| column.name == name);
                columns.for_each(|column| column.type_name = type_name.to_owned());
            }
            AlterTable::With(options) => table.cdc = options.cdc.unwrap_or(table.cdc),
        }
        Ok(())
    }

    /// The rows of everything defined. `ids` are those of tables whose statement named none.
    pub(super) fn into_rows(mut self, ids: &HashMap<String, Uuid>) -> SchemaRows {
        let id_of = |key: &Key, id: Option<Uuid>| id.or_else(|| ids.get(&format!("{}.{}", key.0, key.1)).copied());
        let mut rows = SchemaRows { types: self.types, ..SchemaRows::default() };
        for (key, table) in &mut self.tables {
            reveal_hidden_columns(table);
            let (keyspace_name, table_name) = key.clone();
            rows.tables.push(TableRow { keyspace_name, table_name, id: id_of(key, table.id), cdc: Some(table.cdc), flags: None });
            rows.columns.extend(table.columns.iter().map(|column| column_row(key, column, &table.key, &table.descending)));
            rows.dropped_columns.extend(table.dropped.iter().map(|(column, ms)| dropped_row(key, column, *ms)));
        }
        for (key, view) in &self.views {
            let (keyspace_name, view_name) = key.clone();
            rows.views.push(ViewRow {
                keyspace_name,
                view_name,
                id: id_of(key, view.view.options.id),
                base_table_name: Some(view.base.1.clone()),
                where_clause: None,
                include_all_columns: None,
            });
            let base = self.tables.iter().find(|(of, _)| *of == view.base);
            let columns = base.iter().flat_map(|(_, table)| view.columns(table));
            rows.columns.extend(columns.map(|column| column_row(key, column, &view.view.key, &view.view.options.descending)));
        }
        rows
    }
}

impl View {
    /// The columns of the base table that are in the view. Static columns never are.
    fn columns<'a>(&'a self, base: &'a Table) -> impl Iterator<Item = &'a Column> {
        let selected = |column: &Column| match &self.view.columns {
            Some(names) => names.contains(&column.name),
            None => true,
        };
        base.columns.iter().filter(move |column| !column.is_static && selected(column))
    }
}

impl Table {
    /// Moves a column to the dropped ones. Without a time nothing is known to have been dropped with it, so its
    /// cells stay visible.
    fn drop_column(&mut self, key: &Key, name: &str, micros: Option<i64>) -> Result<(), String> {
        let at = self.columns.iter().position(|column| column.name == name);
        let at = at.ok_or_else(|| format!("a column of {}.{} to drop, which {name} is not", key.0, key.1))?;
        // The node keeps milliseconds.
        let ms = micros.map_or(i64::MIN, |micros| micros.div_euclid(1000));
        self.dropped.retain(|(column, _)| column.name != name);
        self.dropped.push((self.columns.remove(at), ms));
        Ok(())
    }

    fn rename_column(&mut self, from: &str, to: &str) {
        let key = self.key.partition_key.iter_mut().chain(&mut self.key.clustering).chain(&mut self.descending);
        rename(key.chain(self.columns.iter_mut().map(|column| &mut column.name)), from, to);
    }
}

impl From<ColumnDefinition<'_>> for Column {
    fn from(column: ColumnDefinition<'_>) -> Self {
        Column { name: column.name, type_name: column.type_name.to_owned(), is_static: column.is_static }
    }
}

fn rename<'a>(names: impl Iterator<Item = &'a mut String>, from: &str, to: &str) {
    names.filter(|name| *name == from).for_each(|name| *name = to.to_owned());
}

fn exists(if_not_exists: bool, key: &Key) -> Result<(), String> {
    if if_not_exists { Ok(()) } else { Err(format!("one definition of {}.{}", key.0, key.1)) }
}

fn is_row_of(row: &TypeRow, key: &Key) -> bool {
    row.keyspace_name == key.0 && row.type_name == key.1
}

fn column_row(key: &Key, column: &Column, primary_key: &PrimaryKey, descending: &[String]) -> ColumnRow {
    let place = |names: &[String]| names.iter().position(|name| *name == column.name).map(|at| i32::try_from(at).unwrap_or(i32::MAX));
    let (kind, position) = match (place(&primary_key.partition_key), place(&primary_key.clustering)) {
        (Some(position), _) => ("partition_key", position),
        (_, Some(position)) => ("clustering", position),
        _ if column.is_static => ("static", -1),
        _ => ("regular", -1),
    };
    let order = match kind {
        "clustering" if descending.contains(&column.name) => "desc",
        "clustering" => "asc",
        _ => "none",
    };
    ColumnRow {
        keyspace_name: key.0.clone(),
        table_name: key.1.clone(),
        column_name: column.name.clone(),
        kind: kind.to_owned(),
        position,
        clustering_order: order.to_owned(),
        type_name: column.type_name.clone(),
    }
}

fn dropped_row(key: &Key, column: &Column, dropped_time: i64) -> DroppedColumnRow {
    DroppedColumnRow {
        keyspace_name: key.0.clone(),
        table_name: key.1.clone(),
        column_name: column.name.clone(),
        dropped_time,
        kind: Some(if column.is_static { "static" } else { "regular" }.to_owned()),
        type_name: column.type_name.clone(),
    }
}
