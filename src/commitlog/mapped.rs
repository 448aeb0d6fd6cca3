//! A sealed segment through a memory map.
//!
//! The one place with `unsafe`. Whether it pays is what `cargo bench --bench decode` tells.

use super::read_at::ReadAt;
use crate::position::FileOffset;
use memmap2::Mmap;
use std::fs::File;
use std::io;

/// A file that nobody writes to any more, mapped.
///
/// The segment's bytes are copied out of the map window by window, like those of a file: no slice of the map leaves this module.
#[derive(Debug)]
pub struct MappedSegment {
    map: Mmap,
}

impl MappedSegment {
    /// Maps a sealed segment: one that nobody writes to any more, under a name that nobody shortens.
    ///
    /// # Errors
    /// What the file system says.
    #[allow(unsafe_code)]
    pub fn open(file: &File) -> io::Result<MappedSegment> {
        // SAFETY: a map is undefined behaviour if another process changes the bytes under a slice of it, and SIGBUS if the file is
        // cut short under it. The caller maps through a hard link of ours, so the inode stays, and only once the segment is final,
        // so the node writes to it no more and never shortens it. Somebody else who truncates files of the state folder ends the
        // process with SIGBUS; what was delivered by then is in the ledger, and the next start finds the file shorter and says so.
        let map = unsafe { Mmap::map(file)? };
        Ok(MappedSegment { map })
    }
}

impl ReadAt for MappedSegment {
    fn length(&self) -> io::Result<u64> {
        Ok(self.map.len() as u64)
    }

    fn read_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.map).read_at(offset, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commitlog::testing::Assembler;
    use crate::commitlog::{Horizon, Item, SegmentReader};

    #[test]
    fn a_mapped_segment_reads_as_the_file_does() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let body: &[u8] = b"the only mutation there is";
        std::fs::write(file.path(), Assembler::plain().section(&[body]).zeros(99).bytes()).unwrap();

        let mapped = MappedSegment::open(file.as_file()).unwrap();
        let mut reader = SegmentReader::open(mapped, None).unwrap();

        assert!(matches!(reader.next(Horizon::Final).unwrap(), Item::Entry(entry) if entry.body() == body));
        assert!(matches!(reader.next(Horizon::Final).unwrap(), Item::End));
    }
}
