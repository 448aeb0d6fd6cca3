//! A schema registry with Confluent's API: schemas are registered under subjects, and messages name them by id.
//!
//! [`AvroConverter`] writes records of tables. It never waits: [`Ids`] asks on a thread of its own, and until there is an answer the
//! reader waits, unready, with the reason. What was answered once is kept, so a registry that goes away stops only tables whose schema it
//! has not seen. Nothing is ever skipped: a schema that is refused stops the reader, and is tried again now and then.

mod client;
mod converter;
mod failure;
mod ids;
mod subject;

pub use client::{Client, Compatibility};
pub use converter::{AvroConverter, registration};
pub use failure::{Failure, Patience};
pub use ids::{Ids, Registration};
