//! One look at the folder: names, inodes, lengths.

pub use crate::commitlog::SegmentName;
use crate::disk::{self, Metadata};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// Which file, whatever its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// The device.
    pub device: u64,
    /// The inode on it.
    pub inode: u64,
}

/// A segment's file as a look found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which file.
    pub file: FileId,
    /// Its length, which says nothing about how much of it is written.
    pub length: u64,
    /// When it was last written to, where that is known; memory-mapped writes count late.
    pub modified: Option<std::time::SystemTime>,
}

/// What is in `cdc_raw`.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Segments, by id.
    pub segments: BTreeMap<SegmentName, Listed>,
    /// CDC indexes.
    pub indexes: BTreeSet<SegmentName>,
    /// Everything else: ignored, and counted, because the node counts its bytes against `cdc_total_space`.
    pub foreign: usize,
}

/// Why the folder could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// It does not exist. The node makes it at its first start with `cdc_enabled`: wait.
    #[error("{} does not exist (the node creates it when it starts with cdc_enabled: true)", .0.display())]
    Missing(PathBuf),
    /// Anything else.
    #[error("cannot list {}", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Listed {
    pub(super) fn of(metadata: &Metadata) -> Listed {
        Listed { file: FileId::of(metadata), length: metadata.length, modified: metadata.modified }
    }
}

impl FileId {
    /// Of an open or listed file.
    pub fn of(metadata: &Metadata) -> FileId {
        FileId { device: metadata.device, inode: metadata.inode }
    }

    /// Which file has this name now; `None` if none, or if it is no regular file.
    ///
    /// # Errors
    /// The file system's.
    pub fn at(path: &Path) -> io::Result<Option<FileId>> {
        Ok(regular(path)?.map(|metadata| FileId::of(&metadata)))
    }
}

/// The metadata of a regular file, not following links.
pub(super) fn regular(path: &Path) -> io::Result<Option<Metadata>> {
    match disk::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        metadata => Ok(Some(metadata?).filter(|metadata| metadata.is_file)),
    }
}

/// Lists the folder. Files that come or go meanwhile are in or out; the next look tells.
///
/// # Errors
/// [`ScanError::Missing`] if there is no such folder.
pub fn list(folder: &Path) -> Result<Listing, ScanError> {
    let failed = |source| ScanError::Io { folder: folder.to_owned(), source };
    let names = match disk::names(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ScanError::Missing(folder.to_owned())),
        names => names.map_err(failed)?,
    };
    let mut listing = Listing::default();
    for name in names {
        let path = folder.join(&name);
        let name = name.to_str().unwrap_or_default();
        match (SegmentName::parse_log(name), SegmentName::parse_index(name)) {
            (Some(segment), _) => match regular(&path).map_err(failed)? {
                Some(metadata) => {
                    listing.segments.insert(segment, Listed::of(&metadata));
                }
                // Gone since it was listed, or a folder or symbolic link under a segment's name.
                None => listing.foreign += usize::from(disk::metadata(&path).is_ok()),
            },
            (None, Some(segment)) => {
                listing.indexes.insert(segment);
            }
            (None, None) => listing.foreign += 1,
        }
    }
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::SegmentId;
    use std::fs;

    #[test]
    fn names_are_parsed_strictly_and_printed_back() {
        let name = SegmentName { id: SegmentId(1760000000001), version: 7 };

        assert_eq!(SegmentName::parse_log("CommitLog-7-1760000000001.log"), Some(name));
        assert_eq!(SegmentName::parse_index("CommitLog-7-1760000000001_cdc.idx"), Some(name));
        assert_eq!((name.log(), name.index()), ("CommitLog-7-1760000000001.log".into(), "CommitLog-7-1760000000001_cdc.idx".into()));
    }

    #[test]
    fn other_names_are_not_segments() {
        for name in [
            "CommitLog-1760000000001.log",
            "CommitLog-7-1760000000001.log.1",
            "CommitLog-7-1760000000001_cdc.idx",
            "CommitLog-7-01760000000001.log",
            "CommitLog-07-1760000000001.log",
            "CommitLog-+7-1760000000001.log",
            "CommitLog-7--1.log",
            "CommitLog-7-.log",
            "CommitLog--1.log",
            "CommitLog-7-9223372036854775808.log",
            "CommitLog-4294967296-1.log",
            "commitlog-7-1.log",
            " CommitLog-7-1.log",
            "CommitLog-7-1.LOG",
            "CommitLog-7-1 .log",
            "CommitLog-7-1-2.log",
            "",
        ] {
            assert_eq!(SegmentName::parse_log(name), None, "{name:?}");
        }
        assert!(SegmentName::parse_log("CommitLog-7-9223372036854775807.log").is_some());
        assert_eq!(SegmentName::parse_index("CommitLog-7-1-CDC.idx"), None);
    }

    #[test]
    fn a_listing_counts_what_is_foreign() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["CommitLog-7-1.log", "CommitLog-7-1_cdc.idx", "CommitLog-7-2_cdc.idx", "notes.txt", "CommitLog-7-1.log~"] {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        fs::create_dir(dir.path().join("CommitLog-7-3.log")).unwrap();
        std::os::unix::fs::symlink("CommitLog-7-1.log", dir.path().join("CommitLog-7-4.log")).unwrap();

        let listing = list(dir.path()).unwrap();

        assert_eq!(listing.segments.keys().map(|name| name.id.0).collect::<Vec<_>>(), [1]);
        assert_eq!(listing.indexes.iter().map(|name| name.id.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(listing.foreign, 4);
    }

    #[test]
    fn a_missing_folder_is_its_own_error() {
        let dir = tempfile::tempdir().unwrap();

        assert!(matches!(list(&dir.path().join("cdc_raw")), Err(ScanError::Missing(_))));
        fs::write(dir.path().join("file"), b"").unwrap();
        assert!(matches!(list(&dir.path().join("file")), Err(ScanError::Io { .. })));
    }
}
