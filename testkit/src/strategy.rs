//! Property-test strategies over [`crate::generate`].

use crate::generate::Workload;
use proptest::collection::vec;
use proptest::prelude::*;

/// The bytes that choose a workload.
pub fn choices() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..4096)
}

/// A schema and mutations of its tables.
pub fn workload() -> impl Strategy<Value = Workload> {
    choices().prop_map(|choices| Workload::of(&choices).expect("any bytes are choices"))
}
