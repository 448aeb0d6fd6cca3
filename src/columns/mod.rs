//! `tables.columns`: columns that are dropped, masked or hashed before any form of record is made.
//!
//! ```text
//! event ──▶ Columns::apply ──▶ event of another table ──▶ envelope
//!           its Plan per table: the columns that are left, masked ones of type text
//! ```
//!
//! An event is written anew, under a definition of its table in which a dropped column does not exist and a masked or hashed one is of
//! type `text`. So every form of record, header and key honours the rules without knowing of them. What an event is, its ordinal and its
//! id were decided before: they do not depend on rules.
//!
//! | | a value | null, a tombstone | a collection or type that is not frozen |
//! |---|---|---|---|
//! | `drop` | is not there | is not there | is not there |
//! | `mask` | `***` | null | one text: `***`, or null where all of it was deleted |
//! | `hash` | HMAC-SHA256 of the serialized value, in hex | null | the same collection of texts: elements, map keys and fields are hashed |
//!
//! It holds for columns of the primary key too, in bounds of ranges, static rows, counters, and cells of a column that was dropped.

mod hash;
mod plan;
mod rewrite;
#[cfg(test)]
mod tests;

use crate::config::ColumnRules;
use crate::event::ChangeEvent;
use crate::schema::{SchemaVersion, TableId, TableMetadata};
use bumpalo::Bump;
use hash::Substitutes;
use plan::Plan;
use rewrite::Rewrite;
use std::collections::HashMap;
use std::sync::Arc;

/// Above this the memory of one event's new values is given back after it.
const ARENA_KEPT: usize = 1 << 20;

/// The rules, and what they come to for each table that was met.
#[derive(Debug, Default)]
pub struct Columns {
    rules: ColumnRules,
    substitutes: Substitutes,
    /// `None`: no rule is about the table.
    plans: HashMap<(TableId, SchemaVersion), Option<Arc<Plan>>>,
    arena: Bump,
}

/// What is to be known of the event that was written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Its primary key is as it was.
    Told,
    /// A rule is about a column of its primary key.
    Hidden,
}

impl Columns {
    /// Of these rules.
    pub fn new(rules: &ColumnRules) -> Columns {
        Columns { rules: rules.clone(), substitutes: Substitutes::new(rules.hash_key.as_ref()), plans: HashMap::new(), arena: Bump::new() }
    }

    /// Calls `run` with the event as the rules leave it.
    pub fn apply<R>(&mut self, event: &ChangeEvent<'_>, run: impl FnOnce(&ChangeEvent<'_>, Key) -> R) -> R {
        let Some(plan) = self.plan(event.update.table) else { return run(event, Key::Told) };
        let rewrite = Rewrite { plan: &plan, substitutes: &self.substitutes, arena: &self.arena };
        let key = if plan.hides_key() { Key::Hidden } else { Key::Told };
        let result = rewrite.event(event, |event| run(event, key));
        if self.arena.allocated_bytes() > ARENA_KEPT {
            self.arena = Bump::new();
        } else {
            self.arena.reset();
        }
        result
    }

    fn plan(&mut self, table: &TableMetadata) -> Option<Arc<Plan>> {
        if self.rules.is_empty() {
            return None;
        }
        let known = self.plans.entry((table.id, table.version));
        known.or_insert_with(|| Plan::of(table, &self.rules).map(Arc::new)).clone()
    }
}
