//! Which definition each entry is under: three sources, one history.
//!
//! ```text
//! schema file ─┐ rows                        ┌─► versions by table id and position ─► catalog_at(entry)
//! the node ────┼──────► store (timestamped) ─┤
//! the log ─────┘ fold                        └─► schema changes, as events
//! ```
//!
//! **As of the write.** The node appends a schema mutation to its log before it changes the schema in memory, so data that needs the new
//! definition stands behind it, and data of the old one may still follow. Hence two things are kept apart. *What an event looks like*
//! (columns, `cdc`, what was dropped) is the version of the table at the entry's position. *What can be decoded* is every column that
//! is known under the table's id at any time: an entry names its columns, so nothing is guessed.
//!
//! **Which source says what.** A table whose `CREATE` stands in the log is as the log says, and only that: what the node says now may
//! be newer than the entry. A table that is older than the log is as the file or the node says, with what the log changes on top. What the
//! node says beyond that is added at once where leaving it out would lose something: new ids, `cdc = true`, a column when a mutation
//! names it, and behind a missing segment fields of user-defined types ([`Additive`]). Everything else (columns that are gone, `cdc = false`, dropped tables) is taken from the
//! node only when the log has been read past the moment at which it was asked, and nothing else has come meanwhile: see
//! [`History::settle`]. At a switch that leaves rather one event more than one fewer.
//!
//! **Once.** Where an entry was folded it is not folded again, so an unfinished segment that is read again from its header changes
//! nothing, gives the same events and finds the same versions; rows are reconciled by time besides (`store`).
//!
//! **Without the log** (`schema.log: false`, `--schema FILE`) there is one version of each table: the last that file or node gave.
//!
//! What this cannot know: on the first start the node's present definition stands for everything that is older than the first schema
//! mutation in the log. Events of that backlog may show columns that were added later, as null.

mod changes;
mod fold;
mod known;
mod reading;
mod saved;
mod store;
#[cfg(test)]
mod tests;
mod versions;

pub use known::{Additive, History};
pub use reading::Reading;
pub use saved::SavedError;
pub use versions::{BEGINNING, Source, TableHistory, Version};
