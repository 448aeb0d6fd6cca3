//! Schemas, mutations and segments out of any bytes.
//!
//! The bytes are choices, taken one after the other (`arbitrary::Unstructured`). When they run out every choice is the
//! smallest one, so any bytes give something, shorter ones something simpler, and one generator serves property tests and
//! fuzzers alike. Everything that comes out could have been written by Cassandra.

mod mutation;
mod schema;
mod types;
mod values;

use crate::described::Mutation;
use crate::encode::{self, Release};
use crate::segment::{Builder, Lz4, Segment};
use arbitrary::Unstructured;
use ringtail::schema::Catalog;

pub use mutation::mutation;
pub use schema::{schema, table};
pub use types::cql_type;
pub use values::{value, value_bytes};

/// What a choice gives. It fails only if a generator does, never because the bytes run out.
pub type Result<T> = arbitrary::Result<T>;

/// A schema and what is written to its tables.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The tables.
    pub catalog: Catalog,
    /// The mutations of each section.
    pub sections: Vec<Vec<Mutation>>,
    /// Who writes.
    pub release: Release,
    /// Whether the sections are compressed.
    pub compressed: bool,
    /// Zeros behind the last section.
    pub zeros: usize,
}

impl Workload {
    /// The workload that these bytes choose.
    pub fn of(bytes: &[u8]) -> Result<Workload> {
        let u = &mut Unstructured::new(bytes);
        let tables = schema(u)?;
        let mut catalog = Catalog::new();
        tables.iter().for_each(|table| catalog.insert(table.clone()));
        let release = *u.choose(&[Release::V4, Release::V5])?;
        let compressed = u.arbitrary()?;
        let zeros = if compressed { 0 } else { *u.choose(&[64, 0, 7, 8, 9])? };
        let sections = several(u, 3, |u| several(u, 3, |u| mutation(u, &tables)))?;
        Ok(Workload { catalog, sections, release, compressed, zeros })
    }

    /// The bodies of each section's entries.
    pub fn bodies(&self) -> Vec<Vec<Vec<u8>>> {
        let body = |mutation| encode::mutation(mutation, &self.catalog, self.release);
        self.sections.iter().map(|section| section.iter().map(body).collect()).collect()
    }

    /// The segment.
    pub fn segment(&self) -> Segment {
        let builder = if self.compressed { Builder::compressed(Lz4) } else { Builder::plain() };
        self.bodies().iter().fold(builder, |builder, section| builder.section(section)).zeros(self.zeros).build()
    }

    /// Every mutation in the order of the log, as it is read back.
    pub fn contents(&self) -> Vec<Mutation> {
        self.sections.iter().flatten().map(Mutation::content).collect()
    }
}

/// From none to `most`, each as likely.
fn several<'a, T>(u: &mut Unstructured<'a>, most: usize, mut one: impl FnMut(&mut Unstructured<'a>) -> Result<T>) -> Result<Vec<T>> {
    let count = u.int_in_range(0..=most)?;
    (0..count).map(|_| one(u)).collect()
}

/// Something or nothing.
fn maybe<'a, T>(u: &mut Unstructured<'a>, one: impl FnOnce(&mut Unstructured<'a>) -> Result<T>) -> Result<Option<T>> {
    if u.arbitrary()? { one(u).map(Some) } else { Ok(None) }
}
