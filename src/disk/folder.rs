//! Folders whose names survive a power cut.

use super::{played, sync_folder};
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes a folder, and those above it that are missing, with this mode; each name is on the disk before the next one is made, and all
/// of them when this returns.
///
/// # Errors
/// The file system's. That a folder is there already is none: its name is synced once more, because whoever made it may have died
/// before that; where we may not read the folder above, it is not ours to sync.
///
/// On a disk that is played every folder is there.
pub fn make_folder(dir: &Path, mode: u32) -> io::Result<()> {
    if played().is_some() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = DirBuilder::new().mode(mode).create(dir);
    match made.as_ref().map_err(io::Error::kind) {
        Err(ErrorKind::NotFound) if parent != dir => {
            make_folder(parent, mode)?;
            make_folder(dir, mode)
        }
        Err(ErrorKind::AlreadyExists) if dir.is_dir() => match sync_folder(parent) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        },
        _ => made.and_then(|()| sync_folder(parent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_is_made_with_all_above_it_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");

        for _ in 0..2 {
            make_folder(&deep, 0o700).unwrap();
        }

        for folder in [&deep, &dir.path().join("a")] {
            assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();

        assert_eq!(make_folder(&file, 0o700).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(make_folder(&file.join("below"), 0o700).unwrap_err().kind(), ErrorKind::NotADirectory);
    }
}
