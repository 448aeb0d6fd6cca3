//! Whether the state folder's disk has room for another save.
//!
//! sled does not come back from a full disk: what it could not write stays unwritten in a process that goes on. So nothing is
//! given to it while there is less room than the saves and parked entries of one turn can take.

use crate::disk;
pub use crate::disk::Space;
use std::io;
use std::path::Path;

/// What must be free, in bytes.
const ROOM_MIN: u64 = 16 << 20;

/// Whether there is room under `dir`. Otherwise how many bytes are free.
///
/// # Errors
/// The file system's.
pub fn room(dir: &Path) -> io::Result<Result<(), u64>> {
    let free = disk::space(dir)?.free;
    Ok(if free >= ROOM_MIN { Ok(()) } else { Err(free) })
}

/// How much is free under `dir`.
///
/// # Errors
/// The file system's.
pub fn free_space(dir: &Path) -> io::Result<Space> {
    disk::space(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_a_disk_that_is_not_full_has_room() {
        let dir = tempfile::tempdir().unwrap();

        assert_eq!(room(dir.path()).unwrap(), Ok(()));
        let space = free_space(dir.path()).unwrap();
        assert!(0 < space.free && space.free <= space.total, "{space:?}");
        assert_eq!(room(&dir.path().join("missing")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
