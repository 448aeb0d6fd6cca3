//! The `ringtail` binary.

fn main() {}
