//! What the rules come to for one table.

use crate::config::{ColumnAction, ColumnRules};
use crate::cql::{CqlType, UserType};
use crate::schema::{ColumnMetadata, DroppedColumn, TableMetadata};
use std::collections::HashMap;

/// A table as its events show it.
#[derive(Debug)]
pub(super) struct Plan {
    /// Without dropped columns; masked and hashed ones are of type text.
    pub table: TableMetadata,
    /// By column of the partition key, in the original's order.
    pub partition_key: Vec<Option<ColumnAction>>,
    /// By clustering column, in the original's order.
    pub clustering: Vec<Option<ColumnAction>>,
    /// By name: static and regular columns, also ones that the table has no more.
    cells: HashMap<String, ColumnAction>,
}

impl Plan {
    /// `None` if no rule is about the table.
    pub fn of(table: &TableMetadata, rules: &ColumnRules) -> Option<Plan> {
        let action = |column: &ColumnMetadata| rules.action(&table.keyspace, &table.name, &column.name);
        let actions = |columns: &[ColumnMetadata]| columns.iter().map(action).collect::<Vec<_>>();
        let dropped = table.dropped.values().map(|dropped| &dropped.column);
        let cells = table.statics.iter().chain(&table.regulars).chain(dropped);
        let cells: HashMap<_, _> = cells.filter_map(|column| Some((column.name.clone(), action(column)?))).collect();
        let (partition_key, clustering) = (actions(&table.partition_key), actions(&table.clustering));
        if cells.is_empty() && partition_key.iter().chain(&clustering).all(Option::is_none) {
            return None;
        }
        let left = |columns: &[ColumnMetadata]| columns.iter().filter_map(|column| shown(column, action(column))).collect::<Vec<_>>();
        let shown_dropped = |(name, dropped): (&String, &DroppedColumn)| {
            let column = shown(&dropped.column, action(&dropped.column))?;
            Some((name.clone(), DroppedColumn { column, ..dropped.clone() }))
        };
        let shown_table = TableMetadata {
            partition_key: left(&table.partition_key),
            clustering: left(&table.clustering),
            statics: left(&table.statics),
            regulars: left(&table.regulars),
            dropped: table.dropped.iter().filter_map(shown_dropped).collect(),
            ..table.clone()
        };
        Some(Plan { table: shown_table, partition_key, clustering, cells })
    }

    /// Whether a rule is about a column of the primary key.
    pub fn hides_key(&self) -> bool {
        self.partition_key.iter().chain(&self.clustering).any(Option::is_some)
    }

    /// What is done with the cells of a column.
    pub fn action(&self, column: &ColumnMetadata) -> Option<ColumnAction> {
        self.cells.get(&column.name).copied()
    }

    /// The definition under which the cells of a column are shown; `None`: they are not.
    pub fn column(&self, column: &ColumnMetadata) -> Option<&ColumnMetadata> {
        let current = self.table.cell_column(&column.name, column.kind);
        current.or_else(|| self.table.dropped.get(&column.name).map(|dropped| &dropped.column))
    }
}

/// A column as it is shown, if it is.
fn shown(column: &ColumnMetadata, action: Option<ColumnAction>) -> Option<ColumnMetadata> {
    let cql_type = match action {
        None => column.cql_type.clone(),
        Some(ColumnAction::Drop) => return None,
        Some(ColumnAction::Mask) => CqlType::Text,
        Some(ColumnAction::Hash) => hashed(&column.cql_type),
    };
    Some(ColumnMetadata { cql_type, ..column.clone() })
}

/// The type of hashes: of a collection or type that is not frozen, the same of texts.
fn hashed(cql_type: &CqlType) -> CqlType {
    let text = || CqlType::Text.into();
    match cql_type {
        CqlType::List(_) => CqlType::List(text()),
        CqlType::Set(_) => CqlType::Set(text()),
        CqlType::Map(..) => CqlType::Map(text(), text()),
        CqlType::Udt(udt) => {
            let fields = udt.fields.iter().map(|(name, _)| (name.clone(), CqlType::Text)).collect();
            CqlType::Udt(UserType { fields, ..(**udt).clone() }.into())
        }
        _ => CqlType::Text,
    }
}
