//! Every effect of ours on the folders that we share with the node and on the state folder's segments and parked entries.
//!
//! A handful of functions over [`std::fs`], in the words of the file system. They go to the machine, unless a test has put a disk of
//! its own in its place for this thread ([`play`]): one that it can look into, that forgets what was not synced when the power goes off,
//! and that stops the process before any one effect. The machine's disk costs one look at a thread-local more than `std::fs`.

mod file;
mod folder;

pub use file::File;
pub use folder::make_folder;

use crate::position::FileOffset;
use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// What a look at a name tells of the file behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The device.
    pub device: u64,
    /// The inode on it.
    pub inode: u64,
    /// How many names it has.
    pub links: u64,
    /// Its length in bytes.
    pub length: u64,
    /// When it was last written to, where that is known.
    pub modified: Option<SystemTime>,
    /// Whether it is a regular file: no folder, no symbolic link.
    pub is_file: bool,
}

/// How much of a disk is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that we may write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// A disk that a test plays. Errors mean what they mean of [`std::fs`].
#[allow(missing_docs)]
pub trait Disk: Send + Sync {
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;
    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>>;
    /// The inode behind the name, to be read as long as it is open, whatever becomes of the name.
    fn open(&self, path: &Path) -> io::Result<u64>;
    fn length(&self, inode: u64) -> io::Result<u64>;
    fn read_at(&self, inode: u64, offset: FileOffset, buffer: &mut [u8]) -> io::Result<usize>;
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    fn space(&self, folder: &Path) -> io::Result<Space>;
}

thread_local! {
    static PLAYED: RefCell<Option<Arc<dyn Disk>>> = const { RefCell::new(None) };
}

/// Puts a disk in the place of the machine's, for this thread; `None` takes it away again.
pub fn play(disk: Option<Arc<dyn Disk>>) {
    PLAYED.with_borrow_mut(|played| *played = disk);
}

fn played() -> Option<Arc<dyn Disk>> {
    PLAYED.with_borrow(Clone::clone)
}

impl From<&fs::Metadata> for Metadata {
    fn from(metadata: &fs::Metadata) -> Metadata {
        Metadata {
            device: metadata.dev(),
            inode: metadata.ino(),
            links: metadata.nlink(),
            length: metadata.len(),
            modified: metadata.modified().ok(),
            is_file: metadata.is_file(),
        }
    }
}

/// What is behind a name; symbolic links are not followed.
///
/// # Errors
/// The file system's.
pub fn metadata(path: &Path) -> io::Result<Metadata> {
    match played() {
        Some(disk) => disk.metadata(path),
        None => Ok((&fs::symlink_metadata(path)?).into()),
    }
}

/// The names in a folder.
///
/// # Errors
/// The file system's.
pub fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    match played() {
        Some(disk) => disk.names(folder),
        None => fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect(),
    }
}

/// Everything in a file.
///
/// # Errors
/// The file system's.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if played().is_none() {
        return fs::read(path);
    }
    use crate::commitlog::ReadAt;
    let file = File::open(path)?;
    let mut bytes = vec![0; usize::try_from(file.length()?).unwrap_or(usize::MAX)];
    let read = file.read_at(FileOffset(0), &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Gives a file another name.
///
/// # Errors
/// The file system's.
pub fn hard_link(from: &Path, to: &Path) -> io::Result<()> {
    match played() {
        Some(disk) => disk.hard_link(from, to),
        None => fs::hard_link(from, to),
    }
}

/// Moves a name.
///
/// # Errors
/// The file system's.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match played() {
        Some(disk) => disk.rename(from, to),
        None => fs::rename(from, to),
    }
}

/// Removes a name.
///
/// # Errors
/// The file system's.
pub fn remove_file(path: &Path) -> io::Result<()> {
    match played() {
        Some(disk) => disk.remove_file(path),
        None => fs::remove_file(path),
    }
}

/// Writes a file that only its owner may read, and syncs its bytes; its name is not synced.
///
/// # Errors
/// The file system's.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(disk) = played() {
        return disk.write_synced(path, bytes);
    }
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the names in a folder durable.
///
/// # Errors
/// The file system's.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    match played() {
        Some(disk) => disk.sync_folder(folder),
        None => fs::File::open(folder)?.sync_all(),
    }
}

/// How much is free on the disk of a folder.
///
/// # Errors
/// The file system's.
pub fn space(folder: &Path) -> io::Result<Space> {
    if let Some(disk) = played() {
        return disk.space(folder);
    }
    let space = rustix::fs::statvfs(folder)?;
    Ok(Space { free: space.f_bavail.saturating_mul(space.f_frsize), total: space.f_blocks.saturating_mul(space.f_frsize) })
}
