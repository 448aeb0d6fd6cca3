//! The columns of COMPACT STORAGE tables that CQL does not show.
//!
//! | declared | stored |
//! |---|---|
//! | no clustering columns | the declared columns are static; a clustering column `column1` and a regular one `value` are hidden |
//! | clustering columns and a value | as declared |
//! | clustering columns only | a regular column `value` of type `empty` is hidden |
//!
//! Cassandra: `CreateTableStatement.fixupCompactTable`, `CompactTables.DefaultNames` (3.11:
//! `CFMetaData.rebuild`).

use super::script::{Column, Table};

/// Adds the hidden columns of a COMPACT STORAGE table to the declared ones. They stay when
/// `DROP COMPACT STORAGE` makes it a plain table.
pub(super) fn reveal_hidden_columns(table: &mut Table) {
    if !std::mem::take(&mut table.compact_storage) {
        return;
    }
    let has_clustering = !table.key.clustering.is_empty();
    let (key, values): (Vec<&mut Column>, Vec<&mut Column>) = {
        let is_key = |column: &Column| table.key.partition_key.contains(&column.name) || table.key.clustering.contains(&column.name);
        table.columns.iter_mut().partition(|column| is_key(column))
    };
    let has_values = !values.is_empty();
    let counts = values.iter().any(|column| column.type_name.eq_ignore_ascii_case("counter"));
    if !has_clustering {
        values.into_iter().for_each(|column| column.is_static = true);
    }
    drop(key);

    if !has_clustering {
        let clustering = unused_name(table, "column", 1);
        table.key.clustering.push(clustering.clone());
        add(table, clustering, "text");
        let value = unused_name(table, "value", 0);
        add(table, value, if counts { "counter" } else { "blob" });
    } else if !has_values {
        let value = unused_name(table, "value", 0);
        add(table, value, "empty");
    }
}

fn add(table: &mut Table, name: String, type_name: &str) {
    table.columns.push(Column { name, type_name: type_name.to_owned(), is_static: false });
}

/// The first of `base`, `base1`, `base2`, … that no column has.
fn unused_name(table: &Table, base: &str, from: usize) -> String {
    let candidates = (from..).map(|number| if number == 0 { base.to_owned() } else { format!("{base}{number}") });
    let is_unused = |name: &String| !table.columns.iter().any(|column| column.name == *name);
    candidates.into_iter().find(is_unused).unwrap_or_default()
}
