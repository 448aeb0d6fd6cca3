//! The rows of `system_schema` as a schema file in CQL: the form of `DESCRIBE … WITH INTERNALS`, with what says how bytes are read and
//! no other option.
//!
//! Dropped columns stand in the table and are dropped behind it with their time, as DESCRIBE writes them. A COMPACT STORAGE table
//! stands in the comment in which DESCRIBE puts it, since no release that speaks CQL only can make it again.
//!
//! Cassandra: `SchemaCQLHelper`, `TableMetadata.appendCqlTo`, `ColumnIdentifier.maybeQuote`.

use super::rows::{ColumnRow, DroppedColumnRow, KeyspaceRow, SchemaRows, TableRow, TypeRow, ViewRow};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Words that are no names unless they stand in quotes (`ReservedKeywords`).
const RESERVED: &str = " add allow alter and apply asc authorize batch begin by columnfamily create default delete desc describe drop \
    entries execute from full grant if in index infinity insert into is keyspace limit materialized mbean mbeans modify nan norecursive not \
    null of on or order primary rename replace revoke schema select set table to token truncate unlogged unset update use using view \
    where with ";

impl SchemaRows {
    /// The file. Cassandra's own keyspaces are left out: every release brings them.
    pub fn to_cql(&self) -> String {
        let own = |keyspace: &str| keyspace == "system" || keyspace.starts_with("system_");
        let names =
            self.keyspaces.iter().map(|row| row.keyspace_name.as_str()).chain(self.tables.iter().map(|row| row.keyspace_name.as_str()));
        let keyspaces: BTreeSet<&str> = names.filter(|name| !own(name)).collect();
        let mut out = String::new();
        for keyspace in keyspaces {
            self.keyspaces.iter().filter(|row| row.keyspace_name == keyspace).for_each(|row| write_keyspace(&mut out, row));
            for row in in_order(self.types.iter().filter(|row| row.keyspace_name == keyspace).collect()) {
                write_type(&mut out, row);
            }
            let mut tables: Vec<&TableRow> = self.tables.iter().filter(|row| row.keyspace_name == keyspace).collect();
            tables.sort_by_key(|row| &row.table_name);
            tables.iter().for_each(|row| self.write_table(&mut out, row));
            let mut views: Vec<&ViewRow> = self.views.iter().filter(|row| row.keyspace_name == keyspace).collect();
            views.sort_by_key(|row| &row.view_name);
            views.iter().for_each(|row| self.write_view(&mut out, row));
        }
        out
    }

    fn columns(&self, keyspace: &str, table: &str) -> Columns<'_> {
        let of_table = self.columns.iter().filter(|row| row.keyspace_name == keyspace && row.table_name == table);
        let mut columns = Columns { partition_key: Vec::new(), clustering: Vec::new(), others: Vec::new() };
        for row in of_table {
            match row.kind.as_str() {
                "partition_key" => columns.partition_key.push(row),
                "clustering" => columns.clustering.push(row),
                _ => columns.others.push(row),
            }
        }
        columns.partition_key.sort_by_key(|row| row.position);
        columns.clustering.sort_by_key(|row| row.position);
        columns.others.sort_by_key(|row| (row.kind != "static", &row.column_name));
        columns
    }

    fn write_table(&self, out: &mut String, table: &TableRow) {
        let name = qualified(&table.keyspace_name, &table.table_name);
        let mut columns = self.columns(&table.keyspace_name, &table.table_name);
        let is_compact = is_compact(table);
        if is_compact {
            columns.hide();
            writeln!(
                out,
                "/*\nWarning: Table {}.{} omitted because it has constructs not compatible with CQL (was created via legacy API).\n\
                 Approximate structure, for reference:\n(this should not be used to reproduce this schema)\n",
                table.keyspace_name, table.table_name
            )
            .ok();
        }
        let gone = self.dropped_columns.iter().filter(|row| row.keyspace_name == table.keyspace_name && row.table_name == table.table_name);
        let mut gone: Vec<&DroppedColumnRow> = gone.collect();
        gone.sort_by_key(|row| &row.column_name);
        columns.write(out, &name, is_compact, &gone);
        let mut options = Options::default();
        if is_compact {
            options.add("COMPACT STORAGE");
        }
        if let Some(id) = table.id {
            options.add(&format!("ID = {id}"));
        }
        options.add_order(&columns.clustering);
        options.add(&format!("cdc = {}", table.cdc == Some(true)));
        options.end(out);
        for row in &gone {
            let column = quoted_name(&row.column_name);
            writeln!(out, "\nALTER TABLE {name} DROP {column} USING TIMESTAMP {};", row.dropped_time.saturating_mul(1000)).ok();
            if let Some(again) = columns.others.iter().find(|other| other.column_name == row.column_name) {
                writeln!(out, "ALTER TABLE {name} ADD {column} {}{};", again.type_name, suffix(&again.kind, is_compact)).ok();
            }
        }
        out.push_str(if is_compact { "*/\n\n" } else { "\n" });
    }

    fn write_view(&self, out: &mut String, view: &ViewRow) {
        let columns = self.columns(&view.keyspace_name, &view.view_name);
        let all = columns.partition_key.iter().chain(&columns.clustering).chain(&columns.others);
        let names: Vec<String> = all.map(|row| quoted_name(&row.column_name)).collect();
        let selected = if view.include_all_columns == Some(true) { "*".to_owned() } else { names.join(", ") };
        let name = qualified(&view.keyspace_name, &view.view_name);
        let base = qualified(&view.keyspace_name, view.base_table_name.as_deref().unwrap_or_default());
        writeln!(out, "CREATE MATERIALIZED VIEW {name} AS\n    SELECT {selected}\n    FROM {base}").ok();
        writeln!(out, "    WHERE {}\n    {}", view.where_clause.as_deref().unwrap_or_default(), columns.primary_key()).ok();
        let mut options = Options::default();
        if let Some(id) = view.id {
            options.add(&format!("ID = {id}"));
        }
        options.add_order(&columns.clustering);
        options.end(out);
        out.push('\n');
    }
}

/// Without `compound`, or with `dense` or `super` (`TableMetadata.isCompactTable`).
fn is_compact(table: &TableRow) -> bool {
    let Some(flags) = &table.flags else { return false };
    let has = |flag: &str| flags.iter().any(|have| have == flag);
    !has("compound") || has("dense") || has("super")
}

/// The columns of a table or view.
struct Columns<'a> {
    partition_key: Vec<&'a ColumnRow>,
    clustering: Vec<&'a ColumnRow>,
    /// Static ones first, each kind by name.
    others: Vec<&'a ColumnRow>,
}

impl Columns<'_> {
    /// Leaves out the columns of a COMPACT STORAGE table that its statement does not name.
    fn hide(&mut self) {
        if self.others.iter().any(|row| row.kind == "static") {
            self.clustering.clear();
            self.others.retain(|row| row.kind == "static");
        } else {
            self.others.retain(|row| row.type_name != "empty");
        }
    }

    fn write(&self, out: &mut String, name: &str, is_compact: bool, gone: &[&DroppedColumnRow]) {
        writeln!(out, "CREATE TABLE {name} (").ok();
        let key = self.partition_key.iter().chain(&self.clustering);
        for row in key {
            writeln!(out, "    {} {},", quoted_name(&row.column_name), row.type_name).ok();
        }
        for row in self.others.iter().filter(|row| !gone.iter().any(|gone| gone.column_name == row.column_name)) {
            writeln!(out, "    {} {}{},", quoted_name(&row.column_name), row.type_name, suffix(&row.kind, is_compact)).ok();
        }
        for row in gone {
            let kind = row.kind.as_deref().unwrap_or("regular");
            writeln!(out, "    {} {}{},", quoted_name(&row.column_name), row.type_name, suffix(kind, is_compact)).ok();
        }
        writeln!(out, "    {}\n)", self.primary_key()).ok();
        out.truncate(out.len().saturating_sub(1));
    }

    fn primary_key(&self) -> String {
        let names = |rows: &[&ColumnRow]| rows.iter().map(|row| quoted_name(&row.column_name)).collect::<Vec<_>>();
        let partition_key = match names(&self.partition_key) {
            one if one.len() == 1 => one.concat(),
            several => format!("({})", several.join(", ")),
        };
        let key: Vec<String> = std::iter::once(partition_key).chain(names(&self.clustering)).collect();
        format!("PRIMARY KEY ({})", key.join(", "))
    }
}

fn suffix(kind: &str, is_compact: bool) -> &'static str {
    if kind == "static" && !is_compact { " static" } else { "" }
}

/// `WITH … AND …`.
#[derive(Default)]
struct Options(String);

impl Options {
    fn add(&mut self, option: &str) {
        self.0.push_str(if self.0.is_empty() { " WITH " } else { "\n    AND " });
        self.0.push_str(option);
    }

    fn add_order(&mut self, clustering: &[&ColumnRow]) {
        if !clustering.is_empty() {
            let order = |row: &&ColumnRow| format!("{} {}", quoted_name(&row.column_name), row.clustering_order.to_uppercase());
            let order: Vec<String> = clustering.iter().map(order).collect();
            self.add(&format!("CLUSTERING ORDER BY ({})", order.join(", ")));
        }
    }

    fn end(self, out: &mut String) {
        out.push_str(&self.0);
        out.push_str(";\n");
    }
}

fn write_keyspace(out: &mut String, row: &KeyspaceRow) {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let replication: Vec<String> = row.replication.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect();
    let durable = row.durable_writes != Some(false);
    writeln!(
        out,
        "CREATE KEYSPACE {} WITH replication = {{{}}} AND durable_writes = {durable};\n",
        quoted_name(&row.keyspace_name),
        replication.join(", ")
    )
    .ok();
}

fn write_type(out: &mut String, row: &TypeRow) {
    let fields: Vec<String> =
        row.field_names.iter().zip(&row.field_types).map(|(name, type_name)| format!("    {} {type_name}", quoted_name(name))).collect();
    writeln!(out, "CREATE TYPE {} (\n{}\n);\n", qualified(&row.keyspace_name, &row.type_name), fields.join(",\n")).ok();
}

/// Types behind those that they are made of.
fn in_order(mut left: Vec<&TypeRow>) -> Vec<&TypeRow> {
    left.sort_by_key(|row| &row.type_name);
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let names: Vec<String> = left.iter().map(|row| quoted_name(&row.type_name)).collect();
        let waits = |row: &TypeRow| row.field_types.iter().any(|of| names.iter().any(|name| mentions(of, name)));
        let (later, now): (Vec<&TypeRow>, Vec<&TypeRow>) = left.into_iter().partition(|row| waits(row));
        if now.is_empty() {
            ordered.extend(later);
            return ordered;
        }
        ordered.extend(now);
        left = later;
    }
    ordered
}

/// Whether the text of a type names another one.
fn mentions(type_name: &str, name: &str) -> bool {
    type_name.split(['<', '>', ',', ' ']).any(|word| word == name) || (name.starts_with('"') && type_name.contains(name))
}

fn qualified(keyspace: &str, name: &str) -> String {
    format!("{}.{}", quoted_name(keyspace), quoted_name(name))
}

/// A name as CQL takes it, in quotes if it needs them (`ColumnIdentifier.maybeQuote`).
pub fn quoted_name(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !RESERVED.contains(&format!(" {name} "));
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
