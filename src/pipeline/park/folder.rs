//! The files of parked entries.
//!
//! The note is written before the entry, and the entry is removed before the note; each of the two is on the disk before the other
//! begins, so that an entry has its note at every moment, after a power cut too.

use super::note::{Note, Place};
use crate::commitlog::ReadAt;
use crate::disk::{self, File};
use crate::mutant::{Mutant, mutant};
use crate::position::FileOffset;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// How much of an entry is read to find its partition key, which has at most 65,535 bytes.
const HEAD: usize = 70_000;

/// One parked entry as it lies in the folder.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Which.
    pub place: Place,
    /// The bytes of its frame.
    pub bytes: u64,
    /// Its note; `None` if that is missing or cannot be read.
    pub note: Option<Note>,
}

/// What lies in the folder, in the order in which it is published. Changes nothing, so it may be asked while an agent runs.
///
/// # Errors
/// What the file system says.
pub fn list(dir: &Path) -> io::Result<Vec<Listed>> {
    let mut found = Vec::new();
    for name in disk::names(dir)? {
        let path = dir.join(name);
        if path.extension().is_none_or(|extension| extension != "entry") {
            continue;
        }
        let Some(place) = path.file_stem().and_then(|stem| Place::of_stem(stem.to_str()?)) else { continue };
        match disk::metadata(&path) {
            // Published or discarded meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            metadata => found.push(Listed { place, bytes: metadata?.length, note: read_note(dir, place) }),
        }
    }
    found.sort_by_key(|listed| (listed.note.as_ref().map_or(0, |note| note.seq), listed.place));
    Ok(found)
}

/// The note of an entry.
pub fn read_note(dir: &Path, place: Place) -> Option<Note> {
    serde_json::from_slice(&disk::read(&path(dir, place, "json")).ok()?).ok()
}

/// The raw entry.
///
/// # Errors
/// What the file system says.
pub fn read_frame(dir: &Path, place: Place) -> io::Result<Vec<u8>> {
    disk::read(&path(dir, place, "entry"))
}

/// The beginning of the raw entry, with the partition key, and its last four bytes.
pub(super) fn read_ends(dir: &Path, place: Place) -> io::Result<(Vec<u8>, [u8; 4])> {
    let file = File::open(&path(dir, place, "entry"))?;
    let length = file.length()?;
    let mut head = vec![0; usize::try_from(length).map_or(HEAD, |length| length.min(HEAD))];
    let mut check = [0; 4];
    let read = [file.read_at(FileOffset(0), &mut head)?, file.read_at(FileOffset(length.saturating_sub(4)), &mut check)?];
    if read != [head.len(), check.len()] {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok((head, check))
}

/// Writes both files; they are on disk when this returns.
pub(super) fn write(dir: &Path, place: Place, frame: &[u8], note: &Note) -> io::Result<()> {
    rewrite(dir, place, note)?;
    write_durably(&path(dir, place, "entry"), frame)?;
    if mutant(Mutant::ParkedNotSynced) {
        return Ok(());
    }
    sync(dir)
}

/// Replaces the note.
pub(super) fn rewrite(dir: &Path, place: Place, note: &Note) -> io::Result<()> {
    write_durably(&path(dir, place, "json"), &serde_json::to_vec_pretty(note)?)?;
    sync(dir)
}

/// Removes the files, durably; that they are not there is no error.
pub(super) fn remove(dir: &Path, places: &[Place]) -> io::Result<()> {
    for kind in ["entry", "json"] {
        places.iter().try_for_each(|place| if_there(disk::remove_file(&path(dir, *place, kind))))?;
        sync(dir)?;
    }
    Ok(())
}

/// Makes the names durable.
pub(super) fn sync(dir: &Path) -> io::Result<()> {
    disk::sync_folder(dir)
}

/// Removes what a crash left half way: notes without an entry, and files that were being written.
pub(super) fn clean(dir: &Path) -> io::Result<()> {
    for name in disk::names(dir)? {
        let path = dir.join(name);
        let Some(kind) = path.extension().and_then(|kind| kind.to_str()) else { continue };
        if kind == "partial" || kind == "json" && !is_there(&path.with_extension("entry"))? {
            if_there(disk::remove_file(&path))?;
        }
    }
    Ok(())
}

/// Writes beside the name and renames, so that a crash leaves the old file or the new one.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    disk::write_synced(&partial, bytes)?;
    disk::rename(&partial, path)
}

fn is_there(path: &Path) -> io::Result<bool> {
    match disk::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        metadata => metadata.map(|_| true),
    }
}

fn if_there(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn path(dir: &Path, place: Place, kind: &str) -> PathBuf {
    dir.join(format!("{}.{kind}", place.stem()))
}
