//! `tables.columns`: which columns are told, and how.

use super::error::ConfigError;
use super::raw::{Raw, show};
use super::secret::Secret;
use crate::schema::{TablePattern, glob_covers};
use serde_json::Value;

/// A shorter key could be found by trying.
const KEY_MIN: usize = 16;

/// The rules. Of several that are about a column the strictest holds: drop, mask, hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnRules {
    /// Each rule.
    pub rules: Vec<ColumnRule>,
    /// `tables.hash_key`; there if a rule hashes.
    pub hash_key: Option<Secret>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRule {
    tables: TablePattern,
    column: String,
    action: ColumnAction,
    /// As it was written.
    text: String,
}

/// What is done with a column, from the strictest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnAction {
    /// It is left out.
    Drop,
    /// Its values are `***`.
    Mask,
    /// Its values are their HMAC-SHA256.
    Hash,
}

impl ColumnRules {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What is done with a column, if anything.
    pub fn action(&self, keyspace: &str, table: &str, column: &str) -> Option<ColumnAction> {
        self.rules.iter().filter(|rule| rule.is_about(keyspace, table, column)).map(|rule| rule.action).min()
    }
}

impl ColumnRule {
    /// Reads `keyspace.table.column`, each part with `*` for any letters. `None` if it is not of that form.
    pub fn parse(text: &str, action: ColumnAction) -> Option<ColumnRule> {
        let (keyspace, rest) = text.split_once('.')?;
        let (table, column) = rest.split_once('.').filter(|(_, column)| !column.is_empty())?;
        let tables = TablePattern::parse(&format!("{keyspace}.{table}"))?;
        Some(ColumnRule { tables, column: column.to_owned(), action, text: text.to_owned() })
    }

    /// Whether it is about this column.
    pub fn is_about(&self, keyspace: &str, table: &str, column: &str) -> bool {
        self.tables.matches(keyspace, table) && glob_covers(&self.column, column)
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Reads `tables.columns` and `tables.hash_key`.
///
/// # Errors
/// A pattern or a word that is none; no key, or a short one, where a rule hashes.
pub(super) fn columns(raw: &Raw) -> Result<ColumnRules, ConfigError> {
    let rules: Vec<ColumnRule> = raw.map("tables.columns").into_iter().flatten().map(rule).collect::<Result<_, _>>()?;
    let hash_key = raw.optional_secret("tables.hash_key")?;
    let hashes = rules.iter().any(|rule| rule.action == ColumnAction::Hash);
    match &hash_key {
        None if hashes => {
            Err(ConfigError::at("tables.hash_key", "is missing; a rule in tables.columns hashes (set it to \"${file:/path}\")"))
        }
        Some(key) if key.expose().len() < KEY_MIN => {
            Err(ConfigError::at("tables.hash_key", format!("is shorter than {KEY_MIN} bytes, so that it could be found by trying")))
        }
        _ => Ok(ColumnRules { rules, hash_key }),
    }
}

fn rule((text, value): (&String, &Value)) -> Result<ColumnRule, ConfigError> {
    let key = "tables.columns";
    let action = match value.as_str() {
        Some("drop") => ColumnAction::Drop,
        Some("mask") => ColumnAction::Mask,
        Some("hash") => ColumnAction::Hash,
        _ => return Err(ConfigError::at(key, format!("has {} for {text:?}; expected drop, mask or hash", show(value)))),
    };
    ColumnRule::parse(text, action)
        .ok_or_else(|| ConfigError::at(key, format!("has {text:?}; expected keyspace.table.column, with * for any letters")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &[(&str, ColumnAction)]) -> ColumnRules {
        let rules = rules.iter().map(|(text, action)| ColumnRule::parse(text, *action).unwrap());
        ColumnRules { rules: rules.collect(), hash_key: None }
    }

    #[test]
    fn of_several_rules_the_strictest_holds() {
        use ColumnAction::{Drop, Hash, Mask};
        let rules = rules(&[("*.*.mail*", Mask), ("shop.*.mail", Drop), ("shop.users.name", Hash), ("shop.users.na*", Mask)]);

        assert_eq!(rules.action("shop", "users", "mail"), Some(Drop));
        assert_eq!(rules.action("shop", "users", "mail_old"), Some(Mask));
        assert_eq!(rules.action("bank", "users", "mail"), Some(Mask));
        assert_eq!(rules.action("shop", "users", "name"), Some(Mask));
        assert_eq!(rules.action("shop", "users", "id"), None);
    }

    #[test]
    fn a_rule_is_about_a_column_of_a_table_of_a_keyspace() {
        for wrong in ["", "shop", "shop.users", "shop.users.", ".users.mail", "shop..mail", "sh op.users.mail"] {
            assert_eq!(ColumnRule::parse(wrong, ColumnAction::Drop), None, "{wrong}");
        }
        let quoted = ColumnRule::parse("shop.users.E-Mail 1.5", ColumnAction::Drop).unwrap();
        assert!(quoted.is_about("shop", "users", "E-Mail 1.5"));
    }
}
