//! The files of parked entries.
//!
//! The note is written before the entry, and the entry is removed before the note; each of the two is on the disk before the other
//! begins, so that an entry has its note at every moment, after a power cut too.

use super::note::{Note, Place};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How much of an entry is read to find its partition key, which has at most 65,535 bytes.
const HEAD: u64 = 70_000;

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
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "entry") {
            continue;
        }
        let Some(place) = path.file_stem().and_then(|stem| Place::of_stem(stem.to_str()?)) else { continue };
        match fs::metadata(&path) {
            // Published or discarded meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            metadata => found.push(Listed { place, bytes: metadata?.len(), note: read_note(dir, place) }),
        }
    }
    found.sort_by_key(|listed| (listed.note.as_ref().map_or(0, |note| note.seq), listed.place));
    Ok(found)
}

/// The note of an entry.
pub fn read_note(dir: &Path, place: Place) -> Option<Note> {
    serde_json::from_slice(&fs::read(path(dir, place, "json")).ok()?).ok()
}

/// The raw entry.
///
/// # Errors
/// What the file system says.
pub fn read_frame(dir: &Path, place: Place) -> io::Result<Vec<u8>> {
    fs::read(path(dir, place, "entry"))
}

/// The beginning of the raw entry, with the partition key, and its last four bytes.
pub(super) fn read_ends(dir: &Path, place: Place) -> io::Result<(Vec<u8>, [u8; 4])> {
    use std::os::unix::fs::FileExt;
    let file = File::open(path(dir, place, "entry"))?;
    let mut head = Vec::new();
    (&file).take(HEAD).read_to_end(&mut head)?;
    let mut check = [0; 4];
    file.read_exact_at(&mut check, file.metadata()?.len().saturating_sub(4))?;
    Ok((head, check))
}

/// Writes both files; they are on disk when this returns.
pub(super) fn write(dir: &Path, place: Place, frame: &[u8], note: &Note) -> io::Result<()> {
    rewrite(dir, place, note)?;
    write_durably(&path(dir, place, "entry"), frame)?;
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
        places.iter().try_for_each(|place| if_there(fs::remove_file(path(dir, *place, kind))))?;
        sync(dir)?;
    }
    Ok(())
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Removes what a crash left half way: notes without an entry, and files that were being written.
pub(super) fn clean(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(kind) = path.extension().and_then(|kind| kind.to_str()) else { continue };
        if kind == "partial" || kind == "json" && !path.with_extension("entry").try_exists()? {
            if_there(fs::remove_file(&path))?;
        }
    }
    Ok(())
}

/// Writes beside the name and renames, so that a crash leaves the old file or the new one.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)
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
