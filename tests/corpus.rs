//! Every seed and every regression of the fuzz targets, on the stable compiler and without a fuzzer.

use ringtail_testkit::target::{self, Target};
use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// What a folder holds. A folder that is missing or empty is a failure, not nothing to do.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut entries: Vec<PathBuf> = read.map(|entry| entry.expect("a readable folder").path()).collect();
    entries.sort();
    assert!(!entries.is_empty(), "{} is empty", folder.display());
    entries
}

/// Runs a target over every file of a folder, and names the file that it fails for.
fn replay(target: Target, folder: &Path) -> usize {
    let files = entries(folder);
    for file in &files {
        let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(catch_unwind(|| target(&bytes)).is_ok(), "failed for {}", file.display());
    }
    files.len()
}

#[test]
fn i6_every_seed_of_every_target_holds() {
    for (name, target) in target::ALL {
        let count = replay(target, &folder("seeds").join(name));
        println!("{name}: {count} seeds");
    }
}

#[test]
fn i6_every_regression_holds() {
    for found in entries(&folder("regressions")) {
        let name = found.file_name().expect("a name").to_string_lossy().into_owned();
        let (_, target) = target::ALL.iter().find(|(target, _)| *target == name).unwrap_or_else(|| panic!("{name} is no target"));
        replay(*target, &found);
    }
}

#[test]
fn every_target_is_built_and_has_seeds() {
    let targets: BTreeSet<String> = target::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names = |folder: &Path| -> BTreeSet<String> {
        entries(folder).iter().map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
    };

    assert_eq!(names(&folder("seeds")), targets);
    assert_eq!(names(&folder("fuzz_targets")), targets);
    let manifest = fs::read_to_string(folder("Cargo.toml")).expect("text");
    for target in &targets {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "fuzz/Cargo.toml does not build {target}");
    }
}
