//! The endpoints: `/metrics`, `/livez`, `/readyz`, `/status` and a page for people at `/`.
//!
//! Read only, without authentication; nothing here holds a value of a cell. Listens on loopback unless configured.

mod endpoints;
mod server;
#[cfg(test)]
mod tests;

pub use server::{HttpError, HttpServer};
