//! The segments that paths name.

use super::archive::{Archive, at};
use super::unpack;
use crate::commitlog::SegmentName;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The segments under `paths`, by id. A folder is read flat; a file must be a segment or a tar of segments; `-` is standard input, which is
/// a segment or a tar too. Each can be compressed, as `.zst` or `.gz`.
///
/// # Errors
/// A path that cannot be read, or names something else.
pub fn find(paths: &[PathBuf]) -> io::Result<Vec<Archive>> {
    let mut archives = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            archives.extend(unpack::standard_input(io::stdin().lock()).map_err(|error| at(&"standard input", error))?);
        } else if fs::metadata(path).map_err(|error| at(&path.display(), error))?.is_dir() {
            for entry in fs::read_dir(path).map_err(|error| at(&path.display(), error))? {
                archives.extend(segment(&entry?.path()));
            }
        } else if let Some(archive) = segment(path) {
            archives.push(archive);
        } else {
            archives.extend(unpack::tar_at(path).map_err(|error| at(&path.display(), error))?);
        }
    }
    archives.sort_by_key(|archive| archive.name.map_or((true, None), |name| (false, Some(name.id))));
    Ok(archives)
}

fn segment(path: &Path) -> Option<Archive> {
    Some(Archive::file(path.to_owned(), segment_name(path)?))
}

/// The segment that a file of this name is, compressed or not.
pub(super) fn segment_name(path: &Path) -> Option<SegmentName> {
    let name = path.file_name()?.to_str()?;
    SegmentName::parse_log([".zst", ".gz"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name))
}
