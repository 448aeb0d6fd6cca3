//! Commit log segments as Cassandra writes them, for tests, benchmarks and fuzz targets.
//!
//! ```text
//! generate ─► described::Mutation ─► encode ─► segment::Builder ─► bytes ─► ringtail ─► described::Mutation
//!                                                  damage ┘                                  equal?
//! ```
//!
//! [`described`] holds a mutation as plain owned data, [`encode`] writes it as Cassandra's serializers do, [`forms`] names what it shows, [`segment`] puts
//! bodies into entries, sections and markers and can place damage, [`generate`] makes schemas and mutations out of any
//! bytes, [`check`] holds what must be true of any segment, and [`target`] has the bodies of the fuzz targets.

pub mod check;
pub mod described;
pub mod encode;
pub mod forms;
pub mod generate;
pub mod repair;
pub mod segment;
#[cfg(feature = "proptest")]
pub mod strategy;
pub mod target;
