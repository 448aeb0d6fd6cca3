//! The tables known at a moment, by id and by name.

use super::{LoadedSchema, SchemaVersion, TableId, TableMetadata, builtin};
use std::collections::HashMap;
use std::sync::Arc;

/// Tables by id.
///
/// Of tables that have had the same name one after the other all can be here, each under its id; the name
/// means the one that was added last.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    tables: HashMap<TableId, Arc<TableMetadata>>,
    names: HashMap<String, HashMap<String, TableId>>,
}

impl Catalog {
    /// A catalog of nothing, not even of the system's tables: [`Catalog::builtin`] has those.
    pub fn new() -> Self {
        Catalog::default()
    }

    /// Cassandra's own tables (`system`, `system_schema`, `system_auth`, …), of all releases we know.
    ///
    /// A table that has changed from release to release has the columns of all of them, so that the log of
    /// any of them can be read. Building it once is cheap, asking for it again is a copy.
    pub fn builtin() -> Self {
        builtin::catalog().clone()
    }

    /// The built-in tables, and over them those of a file. Tables of the file that carry no id take the one
    /// that the built-in table of the same name has; the others without id are left out.
    pub fn from_loaded(loaded: &LoadedSchema) -> Self {
        let mut catalog = Catalog::builtin();
        for table in &loaded.without_id {
            if let Some(known) = catalog.by_name(table.keyspace(), table.name()).map(|table| table.id) {
                catalog.insert(table.clone().with_id(known));
            }
        }
        catalog.merge(loaded.catalog.clone());
        catalog
    }

    /// The table with this id, which is what the log names it by.
    pub fn table(&self, id: TableId) -> Option<&Arc<TableMetadata>> {
        self.tables.get(&id)
    }

    /// The table with this name, both names unquoted: the one added last.
    pub fn by_name(&self, keyspace: &str, name: &str) -> Option<&Arc<TableMetadata>> {
        self.table(*self.names.get(keyspace)?.get(name)?)
    }

    /// Adds a table, replacing what was known under its id. Its name means it from now on; another table of that name stays known by its
    /// id.
    pub fn insert(&mut self, mut table: TableMetadata) {
        table.version = SchemaVersion::of(&table);
        self.insert_as_it_is(Arc::new(table));
    }

    /// As [`Catalog::insert`], of a table that has its version.
    pub fn insert_as_it_is(&mut self, table: Arc<TableMetadata>) {
        self.remove(table.id);
        self.names.entry(table.keyspace.clone()).or_default().insert(table.name.clone(), table.id);
        self.tables.insert(table.id, table);
    }

    /// Forgets a table and returns it; none if it was not known. Its name then means no table.
    pub fn remove(&mut self, id: TableId) -> Option<Arc<TableMetadata>> {
        let table = self.tables.remove(&id)?;
        if let Some(names) = self.names.get_mut(&table.keyspace)
            && names.get(&table.name) == Some(&id)
        {
            names.remove(&table.name);
        }
        Some(table)
    }

    /// All tables, in no order.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableMetadata>> {
        self.tables.values()
    }

    /// Takes over every table of `other`, and what its names mean there.
    pub fn merge(&mut self, other: Catalog) {
        for (id, table) in other.tables {
            self.remove(id);
            self.tables.insert(id, table);
        }
        for (keyspace, names) in other.names {
            self.names.entry(keyspace).or_default().extend(names);
        }
    }

    /// How many tables are known.
    pub fn len(&self) -> usize {
        self.tables.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}
