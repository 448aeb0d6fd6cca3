//! Which tables the operator wants published.

use crate::schema::TablePattern;

/// `tables.include` and `tables.exclude`. Which of the tables has `cdc = true` is not asked here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFilter {
    /// A table must match one of these.
    pub include: Vec<TablePattern>,
    /// A table must match none of these.
    pub exclude: Vec<TablePattern>,
}

impl TableFilter {
    /// Whether the operator wants this table.
    pub fn allows(&self, keyspace: &str, table: &str) -> bool {
        let hit = |patterns: &[TablePattern]| patterns.iter().any(|pattern| pattern.matches(keyspace, table));
        hit(&self.include) && !hit(&self.exclude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> TablePattern {
        TablePattern::parse(text).unwrap()
    }

    #[test]
    fn exclude_goes_before_include() {
        let filter = TableFilter { include: vec![pattern("shop.*")], exclude: vec![pattern("shop.tmp*")] };

        assert!(filter.allows("shop", "orders"));
        assert!(!filter.allows("shop", "tmp_orders"));
        assert!(!filter.allows("bank", "orders"));
    }
}
