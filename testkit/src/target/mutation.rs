//! Any bytes as an entry's body.

use crate::check;
use crate::described::Mutation;
use crate::encode::{self, Release};
use ringtail::mutation::decode;
use ringtail::schema::{Catalog, file};
use std::sync::OnceLock;

/// The tables that targets decode with: built-in ones, and those of two recorded sets.
pub fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        let loaded = file::load(include_str!("schema.cql")).expect("the schema can be read");
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        Catalog::from_loaded(&loaded)
    })
}

/// Decodes; what was decoded is encoded and decoded to the same again, and its events are valid JSON.
pub fn mutation(data: &[u8]) {
    let catalog = catalog();
    let decoded = match decode(data, catalog) {
        Ok(decoded) => decoded,
        Err(incomplete) => {
            // All of them, if what is wrong stands behind the last.
            assert!(incomplete.leading.updates.len() <= incomplete.leading.declared_updates as usize);
            assert!(!incomplete.error.to_string().is_empty());
            return;
        }
    };
    let described = Mutation::of(&decoded);
    for release in [Release::V4, Release::V5] {
        let again = encode::mutation(&described, catalog, release);
        let again = decode(&again, catalog).expect("what the encoder writes can be decoded");
        assert_eq!(Mutation::of(&again), described);
    }
    check::records(&decoded);
}
