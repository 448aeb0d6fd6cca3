//! User-defined types out of their rows, in whatever order those stand.

use super::rows::TypeRow;
use crate::cql::{TypeNameError, UdtResolver, UserType, parse_type};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

/// User-defined types inside each other: deeper ones are refused, because walking a type is recursive.
const UDT_DEPTH_MAX: usize = 16;
/// Fields of a type, those of the types in it included: a type that doubles at each level must not grow for ever.
const UDT_FIELDS_MAX: usize = 10_000;

/// The user-defined types of some rows; each is made when it is first asked for.
pub(super) struct UserTypes<'a> {
    /// By keyspace and name.
    rows: HashMap<&'a str, HashMap<&'a str, &'a TypeRow>>,
    /// What was made; `None` while it is being made (a type cannot contain itself) and if it cannot be made.
    made: RefCell<HashMap<(&'a str, &'a str), Option<Made>>>,
    /// How large the types are that the one being made has asked for.
    weight: Cell<Weight>,
    /// How many types are being made, each inside the one before.
    open: Cell<usize>,
    problems: RefCell<Vec<(&'a TypeRow, TypeNameError)>>,
}

#[derive(Clone)]
struct Made {
    user_type: Arc<UserType>,
    weight: Weight,
}

#[derive(Clone, Copy, Default)]
struct Weight {
    depth: usize,
    fields: usize,
}

impl<'a> UserTypes<'a> {
    pub(super) fn new(rows: &'a [TypeRow]) -> Self {
        let mut by_name: HashMap<&str, HashMap<&str, &TypeRow>> = HashMap::new();
        for row in rows {
            by_name.entry(&row.keyspace_name).or_default().insert(&row.type_name, row);
        }
        UserTypes { rows: by_name, made: RefCell::default(), weight: Cell::default(), open: Cell::default(), problems: RefCell::default() }
    }

    /// The types that were asked for and could not be made.
    pub(super) fn into_problems(self) -> Vec<(&'a TypeRow, TypeNameError)> {
        self.problems.into_inner()
    }

    fn make(&self, row: &'a TypeRow) -> Option<Made> {
        let outer = self.weight.take();
        let fields = row.field_names.iter().zip(&row.field_types).map(|(name, type_name)| {
            let cql_type = parse_type(type_name, &row.keyspace_name, self)?;
            Ok((name.clone(), cql_type.freeze()))
        });
        let fields: Result<Vec<_>, TypeNameError> = fields.collect();
        let inner = self.weight.replace(outer);

        let weight = Weight { depth: inner.depth + 1, fields: inner.fields + row.field_names.len() };
        let fields = fields.and_then(|fields| if weight.is_too_much() { Err(TypeNameError::TooDeep) } else { Ok(fields) });
        match fields {
            Ok(fields) => {
                let user_type = UserType { keyspace: row.keyspace_name.clone(), name: row.type_name.clone(), fields };
                Some(Made { user_type: Arc::new(user_type), weight })
            }
            Err(error) => {
                self.problems.borrow_mut().push((row, error));
                None
            }
        }
    }
}

impl Weight {
    fn is_too_much(self) -> bool {
        self.depth > UDT_DEPTH_MAX || self.fields > UDT_FIELDS_MAX
    }

    fn and(self, other: Weight) -> Weight {
        Weight { depth: self.depth.max(other.depth), fields: self.fields.saturating_add(other.fields) }
    }
}

impl UdtResolver for UserTypes<'_> {
    fn resolve(&self, keyspace: &str, name: &str) -> Option<Arc<UserType>> {
        let row = *self.rows.get(keyspace)?.get(name)?;
        let key = (row.keyspace_name.as_str(), row.type_name.as_str());
        let known = self.made.borrow().get(&key).cloned();
        let made = match known {
            Some(made) => made,
            None if self.open.get() >= UDT_DEPTH_MAX => None,
            None => {
                self.open.set(self.open.get() + 1);
                self.made.borrow_mut().insert(key, None);
                let made = self.make(row);
                self.made.borrow_mut().insert(key, made.clone());
                self.open.set(self.open.get() - 1);
                made
            }
        }?;
        self.weight.set(self.weight.get().and(made.weight));
        Some(made.user_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, fields: &[&str]) -> TypeRow {
        TypeRow {
            keyspace_name: "ks".to_owned(),
            type_name: name.to_owned(),
            field_names: (0..fields.len()).map(|index| format!("f{index}")).collect(),
            field_types: fields.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn types_are_found_before_the_types_they_are_made_of() {
        let rows = [row("outer", &["frozen<inner>", "list<inner>"]), row("inner", &["int"])];
        let types = UserTypes::new(&rows);

        let outer = types.resolve("ks", "outer").unwrap();

        assert_eq!(outer.fields[0].1.to_string(), "frozen<inner>");
        assert_eq!(outer.fields[1].1.to_string(), "frozen<list<frozen<inner>>>");
        assert!(types.resolve("other", "inner").is_none());
    }

    #[test]
    fn a_type_that_contains_itself_is_no_type() {
        let rows = [row("a", &["frozen<b>"]), row("b", &["list<frozen<a>>"])];
        let types = UserTypes::new(&rows);

        assert!(types.resolve("ks", "a").is_none());
        assert_eq!(types.into_problems()[0].1.to_string(), "unknown type \"a\" in keyspace \"ks\"");
    }

    #[test]
    fn i6_types_that_double_at_each_level_are_refused() {
        let mut rows = vec![row("t0", &["int"; 100])];
        for level in 1..15 {
            let inner = format!("t{}", level - 1);
            rows.push(row(&format!("t{level}"), &[inner.as_str(); 10]));
        }
        let types = UserTypes::new(&rows);

        assert!(types.resolve("ks", "t1").is_some());
        assert!(types.resolve("ks", "t14").is_none());
    }

    #[test]
    fn i6_types_nested_too_deep_are_refused() {
        let mut rows = vec![row("t0", &["int"])];
        for level in 1..20_000 {
            let inner = format!("t{}", level - 1);
            rows.push(row(&format!("t{level}"), &[inner.as_str()]));
        }
        let types = UserTypes::new(&rows);

        assert!(types.resolve("ks", "t15").is_some());
        assert!(types.resolve("ks", "t19").is_none());
        assert!(types.resolve("ks", "t19999").is_none());
    }
}
