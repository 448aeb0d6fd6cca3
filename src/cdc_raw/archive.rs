//! The archive of finished segments (`source.archive`): a link where it can be one, else a copy.

use super::scan::FileId;
use crate::commitlog::ReadAt;
use crate::disk::{self, File, sync_folder};
use crate::position::FileOffset;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Puts a file into the archive under its name; it is there durably when this returns. To do it again is no harm: the same file, or one
/// with the same bytes, is found. Other content under that name stays, and ours gets a number behind it.
///
/// # Errors
/// The file system's; a part of a copy has another name.
pub(super) fn put(from: &Path, archive: &Path, name: &str) -> io::Result<PathBuf> {
    disk::make_folder(archive, 0o777)?;
    let source = FileId::at(from)?;
    for number in 1..=u32::MAX {
        let to = archive.join(if number == 1 { name.to_owned() } else { format!("{name}-{number}") });
        match (FileId::at(&to)?, source) {
            (None, Some(_)) => link_or_copy(from, &to)?,
            // Done before, and our own link is gone already.
            (Some(_), None) => {}
            (None, None) => return Err(ErrorKind::NotFound.into()),
            (Some(there), Some(ours)) if there == ours || are_equal(from, &to)? => {}
            (Some(_), Some(_)) => continue,
        }
        sync_folder(archive)?;
        return Ok(to);
    }
    Err(ErrorKind::AlreadyExists.into())
}

fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match disk::hard_link(from, to) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::CrossesDevices | ErrorKind::PermissionDenied | ErrorKind::Unsupported | ErrorKind::TooManyLinks
            ) => {}
        linked => return linked,
    }
    let partial = to.with_extension("partial");
    fs::copy(from, &partial)?;
    fs::File::open(&partial)?.sync_all()?;
    fs::rename(partial, to)
}

fn are_equal(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (File::open(one)?, File::open(other)?);
    if one.length()? != other.length()? {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut at = FileOffset(0);
    loop {
        let (read, also) = (one.read_at(at, &mut left)?, other.read_at(at, &mut right)?);
        if left.get(..read) != right.get(..also) {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
        at = at.plus(read as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (from, archive) = (dir.path().join("ours"), dir.path().join("deep/archive"));
        fs::write(&from, b"a segment").unwrap();
        (dir, from, archive)
    }

    #[test]
    fn a_file_is_put_once_however_often_it_is_done() {
        let (_dir, from, archive) = place();

        for _ in 0..3 {
            assert_eq!(put(&from, &archive, "CommitLog-7-1.log").unwrap(), archive.join("CommitLog-7-1.log"));
        }
        fs::remove_file(&from).unwrap();
        put(&from, &archive, "CommitLog-7-1.log").unwrap();

        assert_eq!(fs::read_dir(&archive).unwrap().count(), 1);
        assert_eq!(fs::read(archive.join("CommitLog-7-1.log")).unwrap(), b"a segment");
    }

    #[test]
    fn other_content_of_the_name_stays_and_ours_gets_a_number() {
        let (_dir, from, archive) = place();
        fs::create_dir_all(&archive).unwrap();
        fs::write(archive.join("CommitLog-7-1.log"), b"something").unwrap();

        for _ in 0..2 {
            assert_eq!(put(&from, &archive, "CommitLog-7-1.log").unwrap(), archive.join("CommitLog-7-1.log-2"));
        }

        assert_eq!(fs::read(archive.join("CommitLog-7-1.log")).unwrap(), b"something");
        assert_eq!(fs::read_dir(&archive).unwrap().count(), 2);
    }

    #[test]
    fn an_equal_copy_of_a_former_try_counts() {
        let (_dir, from, archive) = place();
        fs::create_dir_all(&archive).unwrap();
        fs::copy(&from, archive.join("CommitLog-7-1.log")).unwrap();

        assert_eq!(put(&from, &archive, "CommitLog-7-1.log").unwrap(), archive.join("CommitLog-7-1.log"));
    }

    #[test]
    fn a_file_that_is_nowhere_is_an_error() {
        let (_dir, from, archive) = place();
        fs::remove_file(&from).unwrap();

        assert_eq!(put(&from, &archive, "CommitLog-7-1.log").unwrap_err().kind(), ErrorKind::NotFound);
    }
}
