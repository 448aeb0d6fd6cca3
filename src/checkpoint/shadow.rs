//! The shadow: a second copy of what the ledger must not lose, in a plain file that needs no store to be read.
//!
//! ```text
//! file    slot │ slot                     of the same length, written over and over, never made longer while in use
//! slot    image │ change │ change │ …     one frame behind the other; what is behind the last valid one means nothing
//! frame   "RTS1" │ sequence, u64 │ length of the body, u32 │ kind, u8 │ CRC32C of what stands before it and of the body, u32 │ body
//! body    item │ item │ …
//! item    what, u8 │ length of the key, u16 │ key │ length of the value, u32 │ value        integers big-endian
//! ```
//!
//! An image is everything, a change is what one save has changed; a change has the sequence of the frame before it plus one. When a
//! slot is full, an image goes into the other one, so the newest state is always in a slot that is not being begun. A frame that a
//! crash tore is that of a save that never returned. The slot whose last valid frame has the higher sequence holds the newest state.
//!
//! It holds the records that are not at their end and all named values. Records of finished segments are not here: without them a
//! segment that comes back is delivered again, which is a repetition and no loss.

use super::store::{Encoded, Key, StoreError};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 4] = b"RTS1";
/// Before the body: magic, sequence, length, kind, checksum.
const HEAD: usize = 21;
/// The least length of a slot.
const SLOT_MIN: u64 = 256 * 1024;
/// No shadow is longer; what is, is none.
const FILE_MAX: u64 = 1 << 30;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Image {
    pub segments: BTreeMap<Key, Vec<u8>>,
    pub meta: BTreeMap<String, Vec<u8>>,
}

/// What a shadow says.
#[derive(Debug)]
pub(super) enum Found {
    /// There is no file.
    Missing,
    /// No slot holds a whole image; why.
    Unusable(String),
    /// The newest state, and the save that it is of.
    Valid { sequence: u64, image: Image },
}

/// The shadow, for writing.
#[derive(Debug)]
pub(super) struct Shadow {
    path: PathBuf,
    file: File,
    slot_length: u64,
    /// The slot in use, 0 or 1, and where in it the next frame goes.
    slot: u64,
    at: u64,
    image: Image,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image = 1,
    Change = 2,
}

/// What stands in a body: a record that is there or changed, one that is not there any more, a named value.
const RECORD: u8 = 1;
const RECORD_GONE: u8 = 2;
const NAMED: u8 = 3;

impl Image {
    fn apply(&mut self, batch: &Encoded) {
        for (key, value, is_ended) in &batch.records {
            match is_ended {
                true => self.segments.remove(key),
                false => self.segments.insert(*key, value.clone()),
            };
        }
        for key in &batch.removed {
            self.segments.remove(key);
        }
        self.meta.extend(batch.meta.iter().cloned());
    }

    /// As a batch that makes an empty store equal to it.
    pub fn to_batch(&self) -> Encoded {
        Encoded {
            records: self.segments.iter().map(|(key, value)| (*key, value.clone(), false)).collect(),
            removed: Vec::new(),
            meta: self.meta.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        }
    }
}

/// Reads a shadow and changes nothing.
///
/// # Errors
/// The file system's; what is wrong with the content is no error.
pub(super) fn read(path: &Path) -> Result<Found, StoreError> {
    let failed = |source| StoreError::Io { action: "read", place: path.display().to_string(), source };
    let bytes = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
        Ok(file) if !file.is_file() || file.len() > FILE_MAX => return Ok(Found::Unusable(format!("expected at most {FILE_MAX} bytes"))),
        Err(error) => return Err(failed(error)),
        Ok(_) => fs::read(path).map_err(failed)?,
    };
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let newest = [first, second].into_iter().filter_map(newest_in).max_by_key(|(sequence, _)| *sequence);
    Ok(match newest {
        Some((sequence, image)) => Found::Valid { sequence, image },
        None => Found::Unusable("neither of its slots holds a whole copy".into()),
    })
}

impl Shadow {
    /// Writes a shadow anew, durably: an image in the first slot, room in both.
    ///
    /// # Errors
    /// The file system's. The old file is there until the new one is whole.
    pub fn create(path: &Path, sequence: u64, image: Image) -> Result<Shadow, StoreError> {
        let failed = |source| StoreError::Io { action: "write", place: path.display().to_string(), source };
        let frame = frame(Kind::Image, sequence, &body(&image.to_batch()));
        let slot_length = (4 * frame.len() as u64).next_power_of_two().max(SLOT_MIN);
        let new = path.with_extension("new");
        let write = || {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            // Zeros and not a hole: a save then changes no block's place, so that its fsync has nothing else to write.
            file.write_all_at(&vec![0; usize::try_from(2 * slot_length).unwrap_or(usize::MAX)], 0)?;
            file.write_all_at(&frame, 0)?;
            file.sync_all()?;
            fs::rename(&new, path)?;
            File::open(path.parent().unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())?;
            Ok(file)
        };
        let file = write().map_err(failed)?;
        Ok(Shadow { path: path.to_owned(), file, slot_length, slot: 0, at: frame.len() as u64, image })
    }

    /// Notes one save. It is durable when this returns.
    ///
    /// # Errors
    /// The file system's; the state before is still there.
    pub fn save(&mut self, sequence: u64, batch: &Encoded) -> Result<(), StoreError> {
        self.image.apply(batch);
        let change = frame(Kind::Change, sequence, &body(batch));
        if self.at + change.len() as u64 <= self.slot_length {
            return self.write(&change, self.slot, self.at);
        }
        let image = frame(Kind::Image, sequence, &body(&self.image.to_batch()));
        if 2 * image.len() as u64 > self.slot_length {
            *self = Shadow::create(&self.path, sequence, std::mem::take(&mut self.image))?;
            return Ok(());
        }
        self.write(&image, 1 - self.slot, 0)
    }

    fn write(&mut self, frame: &[u8], slot: u64, at: u64) -> Result<(), StoreError> {
        let written = self.file.write_all_at(frame, slot * self.slot_length + at).and_then(|()| self.file.sync_data());
        written.map_err(|source| StoreError::Io { action: "write", place: self.path.display().to_string(), source })?;
        (self.slot, self.at) = (slot, at + frame.len() as u64);
        Ok(())
    }
}

fn frame(kind: Kind, sequence: u64, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + body.len());
    frame.extend_from_slice(MAGIC);
    frame.extend_from_slice(&sequence.to_be_bytes());
    // A body of 4 GiB would be a ledger of millions of unfinished segments; it is cut, and its checksum then says so.
    frame.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.push(kind as u8);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&frame), body);
    frame.extend_from_slice(&crc.to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

fn body(batch: &Encoded) -> Vec<u8> {
    let mut body = Vec::new();
    let mut item = |what: u8, key: &[u8], value: &[u8]| {
        body.push(what);
        body.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
        body.extend_from_slice(key);
        body.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        body.extend_from_slice(value);
    };
    for (key, value, is_ended) in &batch.records {
        match is_ended {
            true => item(RECORD_GONE, key, &[]),
            false => item(RECORD, key, value),
        }
    }
    batch.removed.iter().for_each(|key| item(RECORD_GONE, key, &[]));
    batch.meta.iter().for_each(|(name, value)| item(NAMED, name.as_bytes(), value));
    body
}

/// The newest state that a slot holds.
fn newest_in(slot: &[u8]) -> Option<(u64, Image)> {
    let mut image = Image::default();
    let (mut sequence, first, mut rest) = next_frame(slot, Kind::Image)?;
    image.apply(&parse(first)?);
    // A change of a former image stands behind this one too, with a sequence that does not follow.
    while let Some((next, change, behind)) = next_frame(rest, Kind::Change) {
        if Some(next) != sequence.checked_add(1) {
            break;
        }
        image.apply(&parse(change)?);
        (sequence, rest) = (next, behind);
    }
    Some((sequence, image))
}

/// The frame at the beginning of these bytes: its sequence, its body, and what stands behind it.
fn next_frame(bytes: &[u8], kind: Kind) -> Option<(u64, &[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let (covered, crc) = head.split_at_checked(HEAD - 4)?;
    let (magic, fields) = covered.split_first_chunk::<4>()?;
    let (sequence, fields) = fields.split_first_chunk::<8>()?;
    let (length, fields) = fields.split_first_chunk::<4>()?;
    let (body, behind) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let is_whole = magic == MAGIC && fields == [kind as u8] && crc32c::crc32c_append(crc32c::crc32c(covered), body).to_be_bytes() == crc;
    is_whole.then_some((u64::from_be_bytes(*sequence), body, behind))
}

fn parse(mut body: &[u8]) -> Option<Encoded> {
    let mut batch = Encoded::default();
    while let Some((what, rest)) = body.split_first() {
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        match *what {
            RECORD => batch.records.push((key.try_into().ok()?, value.to_vec(), false)),
            RECORD_GONE => batch.removed.push(key.try_into().ok()?),
            NAMED => batch.meta.push((String::from_utf8(key.to_vec()).ok()?, value.to_vec())),
            _ => return None,
        }
        body = rest;
    }
    Some(batch)
}
