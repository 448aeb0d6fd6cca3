//! The endpoints: `/metrics`, `/livez`, `/readyz`, `/status`, `/ledger` and a page for people at `/`.
//!
//! Read only, without authentication; nothing here holds a value of a cell. Listens on loopback unless configured.

mod endpoints;
mod server;
#[cfg(test)]
mod tests;

pub use endpoints::LedgerPages;
pub use server::{HttpError, HttpServer};
