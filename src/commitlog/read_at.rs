//! Reading a segment at a position, from memory or from a file.

use crate::position::FileOffset;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A segment's bytes: a slice in memory, a [`File`], or your own. The length may grow between calls while Cassandra writes the file.
///
/// Active segments are read by positioned reads into our own buffer: a slice over memory that another
/// process writes would be undefined behaviour.
pub trait ReadAt {
    /// Length of the file now.
    ///
    /// # Errors
    /// What the file system says.
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on as far as the file goes and returns how many bytes were read.
    ///
    /// # Errors
    /// What the file system says. The end of the file is not an error.
    fn read_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<usize>;
}

impl ReadAt for &[u8] {
    fn length(&self) -> io::Result<u64> {
        Ok((*self).len() as u64)
    }

    fn read_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset.0).unwrap_or(usize::MAX).min((*self).len());
        let rest = self.get(start..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(length)
    }
}

impl ReadAt for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, offset.plus(done as u64).0) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

impl<R: ReadAt + ?Sized> ReadAt for &R {
    fn length(&self) -> io::Result<u64> {
        (**self).length()
    }

    fn read_at(&self, offset: FileOffset, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buffer)
    }
}
