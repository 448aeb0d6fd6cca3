//! What the integration tests share.

// Every test binary compiles this module and uses its own part of it; an index out of bounds is a failed test.
#![allow(dead_code, unused_imports, clippy::indexing_slicing)]

pub mod compared;
pub mod fixture;
pub mod lab;
pub mod oracle;
pub mod text;

#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "agent")]
pub mod audit;
#[cfg(feature = "agent")]
pub mod consumer;
#[cfg(feature = "agent")]
pub mod expected;
#[cfg(feature = "agent")]
pub mod lines;
#[cfg(feature = "agent")]
pub mod node;
#[cfg(feature = "agent")]
pub mod plan;
#[cfg(feature = "agent")]
pub mod process;
#[cfg(feature = "agent")]
pub mod recorded;
#[cfg(feature = "agent")]
pub mod registry;
#[cfg(feature = "agent")]
pub mod segment;
#[cfg(feature = "agent")]
pub mod story;

pub use fixture::{Fixture, root, sets};
