//! Recorded segments, unpacked into a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A set of recorded segments in a temporary folder that goes with it.
pub struct Fixture {
    dir: TempDir,
}

impl Fixture {
    /// Unpacks `fixtures/<name>`, e.g. `4.1.6/operations`: `.zst` files without that ending, others as they are,
    /// sub-folders left out.
    pub fn unpack(name: &str) -> Fixture {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let source = root().join("fixtures").join(name);
        let files = fs::read_dir(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        for file in files.map(|file| file.expect("a readable folder").path()).filter(|path| path.is_file()) {
            unpack(&file, dir.path());
        }
        let fixture = Fixture { dir };
        assert!(!fixture.segments().is_empty(), "fixtures/{name} holds no segment");
        fixture
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// One of its files, which must be there.
    pub fn file(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        assert!(path.is_file(), "the set has no {name}");
        path
    }

    /// The keys of its segments: none, if it has no keystore.
    #[cfg(feature = "agent")]
    pub fn keys(&self) -> ringtail::commitlog::Keys {
        let path = self.dir.path().join("keystore.jceks");
        if !path.exists() {
            return ringtail::commitlog::Keys::NONE;
        }
        let keystore = ringtail::keystore::Keystore { path, kind: None, store_password: "cassandra".into(), key_password: None };
        keystore.load().expect("the set's keystore opens")
    }

    /// Its segments in the order of their ids.
    pub fn segments(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = fs::read_dir(self.path())
            .expect("a readable folder")
            .map(|file| file.expect("a readable folder").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        found.sort();
        found
    }
}

/// Every set under `fixtures/<version>`, by its name as [`Fixture::unpack`] takes it; fails if there is none.
pub fn sets(version: &str) -> Vec<String> {
    let folder = root().join("fixtures").join(version);
    let mut found: Vec<String> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|set| format!("{version}/{}", set.expect("a readable folder").file_name().to_string_lossy()))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{} holds no set", folder.display());
    found
}

/// The project's folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn unpack(file: &Path, into: &Path) {
    let name = file.file_name().expect("a file has a name").to_string_lossy().into_owned();
    let bytes = fs::read(file).expect("a readable file");
    match name.strip_suffix(".zst") {
        Some(plain) => fs::write(into.join(plain), zstd::decode_all(bytes.as_slice()).expect("a zstd file")),
        None => fs::write(into.join(name), bytes),
    }
    .expect("a writable folder");
}
