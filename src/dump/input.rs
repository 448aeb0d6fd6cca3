//! The segments that paths name.

use crate::commitlog::SegmentName;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One segment file, plain or as a `.zst` archive.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Where it is.
    pub path: PathBuf,
    /// What its name says.
    pub name: SegmentName,
}

/// The segments under `paths`, by id. A folder is read flat; a file must be a segment.
///
/// # Errors
/// A path that cannot be read, or names something else than a segment.
pub fn find(paths: &[PathBuf]) -> io::Result<Vec<Archive>> {
    let mut archives = Vec::new();
    for path in paths {
        if fs::metadata(path).map_err(|error| at(path, error))?.is_dir() {
            for entry in fs::read_dir(path).map_err(|error| at(path, error))? {
                archives.extend(archive(&entry?.path()));
            }
        } else {
            let archive = archive(path).ok_or_else(|| {
                at(path, io::Error::new(io::ErrorKind::InvalidInput, "not a segment: expected CommitLog-<version>-<id>.log"))
            })?;
            archives.push(archive);
        }
    }
    archives.sort_by_key(|archive| archive.name.id);
    Ok(archives)
}

fn archive(path: &Path) -> Option<Archive> {
    let file_name = path.file_name()?.to_str()?;
    let name = SegmentName::parse_log(file_name.strip_suffix(".zst").unwrap_or(file_name))?;
    Some(Archive { path: path.to_owned(), name })
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Archive {
    /// The segment's bytes.
    ///
    /// # Errors
    /// What the file system or the decompressor says.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let bytes = fs::read(&self.path).map_err(|error| at(&self.path, error))?;
        if self.is_compressed() {
            return zstd::decode_all(bytes.as_slice()).map_err(|error| at(&self.path, error));
        }
        Ok(bytes)
    }

    /// The content of the `_cdc.idx` beside it, if there is one.
    pub fn index(&self) -> Option<String> {
        let name = self.name.index();
        fs::read_to_string(self.path.with_file_name(name)).ok()
    }

    fn is_compressed(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "zst")
    }
}
