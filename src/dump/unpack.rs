//! Compressed files and tars. What a stream is, its first bytes tell, not its name: a segment begins with zeros.

use super::archive::Archive;
use super::input::segment_name;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// `ustar` in the first header of a tar, and where it stands.
const TAR: &[u8] = b"ustar";
const TAR_AT: usize = 257;
const TAR_HEADER: u64 = 512;
/// No segment is longer: positions are Java ints.
const SEGMENT_MAX: u64 = i32::MAX as u64;

/// All bytes of a segment's file, decompressed. Its name may say how it is compressed; then it must be.
pub fn whole(file: impl Read, suffix: Option<&str>) -> io::Result<Vec<u8>> {
    let (magic, mut stream) = decompressed(BufReader::new(file))?;
    let named = match suffix {
        Some("zst") => Magic::Zstd,
        Some("gz") => Magic::Gzip,
        _ => magic,
    };
    if named != magic {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("not compressed as its name says: expected {named}, found {magic}")));
    }
    let mut bytes = Vec::new();
    read_segment(&mut stream, &mut bytes)?;
    Ok(bytes)
}

/// The segments in a file that is not named as one: it must be a tar.
pub fn tar_at(path: &Path) -> io::Result<Vec<Archive>> {
    let refused = || io::Error::new(ErrorKind::InvalidInput, "not a segment: expected CommitLog-<version>-<id>.log");
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    let (magic, stream) = decompressed(BufReader::new(&file))?;
    stream.take(TAR_HEADER).read_to_end(&mut head)?;
    if !is_tar(&head) {
        return Err(refused());
    }
    file.rewind()?;
    let tar = if magic == Magic::None { file } else { spilled(&mut decompressed(BufReader::new(file))?.1)? };
    members(path.to_owned(), tar)
}

/// What stands on standard input: a segment, or a tar of segments.
pub fn standard_input(stdin: impl BufRead) -> io::Result<Vec<Archive>> {
    let path = PathBuf::from("standard input");
    let (_, mut stream) = decompressed(stdin)?;
    let mut bytes = Vec::new();
    stream.by_ref().take(TAR_HEADER).read_to_end(&mut bytes)?;
    if is_tar(&bytes) {
        return members(path, spilled(&mut bytes.as_slice().chain(stream))?);
    }
    read_segment(&mut stream, &mut bytes)?;
    Ok(vec![Archive::memory(path, bytes)])
}

/// The bytes of a member of a tar.
pub fn member(tar: &File, index: usize) -> io::Result<Vec<u8>> {
    let mut file = tar;
    file.rewind()?;
    let mut archive = tar::Archive::new(file);
    let entry = archive.entries_with_seek()?.nth(index).ok_or(ErrorKind::UnexpectedEof)??;
    let expected = entry.size();
    let suffix = entry.path()?.extension().map(|suffix| suffix.to_string_lossy().into_owned());
    let mut counted = Counted { inner: entry, bytes: 0 };
    let bytes = whole(&mut counted, suffix.as_deref())?;
    // The decompressor may have stopped before the member's end; only a short tar is wrong.
    io::copy(&mut counted, &mut io::sink())?;
    if counted.bytes < expected {
        let found = counted.bytes;
        return Err(io::Error::new(ErrorKind::UnexpectedEof, format!("tar is cut short: expected {expected} bytes, found {found}")));
    }
    Ok(bytes)
}

/// The segments in a tar; everything else in it is passed over, so are the `_cdc.idx`.
fn members(path: PathBuf, tar: File) -> io::Result<Vec<Archive>> {
    let tar = Arc::new(tar);
    let mut found = Vec::new();
    let mut file = &*tar;
    file.rewind()?;
    for (index, entry) in tar::Archive::new(file).entries_with_seek()?.enumerate() {
        let entry = entry?;
        let kind = entry.header().entry_type();
        if (kind.is_file() || kind.is_gnu_sparse())
            && let Some(name) = segment_name(&entry.path()?)
        {
            found.push(Archive::member(path.clone(), name, tar.clone(), index, entry.size()));
        }
    }
    if found.is_empty() {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "no segments in this tar: expected members named CommitLog-<version>-<id>.log",
        ));
    }
    Ok(found)
}

/// A file without a name that holds what `stream` gives, so that members are found again without holding them all in memory.
fn spilled(stream: &mut dyn Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(stream, &mut file)?;
    Ok(file)
}

fn read_segment(stream: &mut dyn Read, bytes: &mut Vec<u8>) -> io::Result<()> {
    stream.take(SEGMENT_MAX + 1).read_to_end(bytes)?;
    if bytes.len() as u64 > SEGMENT_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("too long for a segment: expected at most {SEGMENT_MAX} bytes")));
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Magic {
    Zstd,
    Gzip,
    None,
}

/// As messages name it.
impl fmt::Display for Magic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Magic::Zstd => "zstd",
            Magic::Gzip => "gzip",
            Magic::None => "neither zstd nor gzip",
        })
    }
}

fn magic(head: &[u8]) -> Magic {
    match head {
        head if head.starts_with(&ZSTD) => Magic::Zstd,
        head if head.starts_with(&GZIP) => Magic::Gzip,
        _ => Magic::None,
    }
}

/// What `stream` gives, decompressed if it is compressed, and whether it is.
fn decompressed<'a>(mut stream: impl BufRead + 'a) -> io::Result<(Magic, Box<dyn Read + 'a>)> {
    let mut head = Vec::new();
    stream.by_ref().take(ZSTD.len() as u64).read_to_end(&mut head)?;
    let magic = magic(&head);
    let stream = Cursor::new(head).chain(stream);
    Ok((
        magic,
        match magic {
            Magic::Zstd => Box::new(zstd::Decoder::with_buffer(stream)?),
            Magic::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(stream)),
            Magic::None => Box::new(stream),
        },
    ))
}

fn is_tar(head: &[u8]) -> bool {
    head.get(TAR_AT..).is_some_and(|rest| rest.starts_with(TAR))
}

/// Counts what was read.
struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
