//! Names of tables as an operator writes them for several.

/// `keyspace.table`; `*` stands for any letters, none included. Case matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePattern {
    keyspace: String,
    table: String,
}

impl TablePattern {
    /// Reads `keyspace.table`. `None` if it is not of that form: Cassandra's names are letters, digits and `_`.
    pub fn parse(text: &str) -> Option<TablePattern> {
        let (keyspace, table) = text.split_once('.')?;
        let valid = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '*');
        (valid(keyspace) && valid(table)).then(|| TablePattern { keyspace: keyspace.into(), table: table.into() })
    }

    /// How many letters it fixes: of two patterns the one that fixes more is the closer one.
    pub fn fixed_letters(&self) -> usize {
        self.keyspace.chars().chain(self.table.chars()).filter(|letter| *letter != '*').count()
    }

    /// Whether the pattern covers this table.
    pub fn matches(&self, keyspace: &str, table: &str) -> bool {
        glob_covers(&self.keyspace, keyspace) && glob_covers(&self.table, table)
    }
}

/// Whether a name is one of a pattern, in which `*` stands for any letters, none included. Each part between two `*` is taken at its first place; the first part is fixed at the start, the last at the end.
pub fn glob_covers(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        for (text, table, expected) in [
            ("*.*", "shop.orders", true),
            ("shop.*", "shop.orders", true),
            ("shop.*", "shopping.orders", false),
            ("shop.orders", "shop.orders", true),
            ("shop.orders", "shop.orders2", false),
            ("shop.ord*s", "shop.orders", true),
            ("shop.*_log", "shop.a_log", true),
            ("shop.*_log", "shop.a_log_b", false),
            ("shop.a*b*a", "shop.aba", true),
            ("shop.a*a", "shop.a", false),
            ("s*p.o**", "shop.o", true),
        ] {
            let (keyspace, name) = table.split_once('.').unwrap();
            assert_eq!(TablePattern::parse(text).unwrap().matches(keyspace, name), expected, "{text} over {table}");
        }
    }

    #[test]
    fn a_pattern_is_keyspace_dot_table() {
        for wrong in ["", "shop", "shop.", ".orders", "shop.orders.id", "sh op.orders", "\"Shop\".orders"] {
            assert_eq!(TablePattern::parse(wrong), None, "{wrong}");
        }
    }
}
