//! Finding the chain of markers again after it was lost.

use super::entry::{EntryHead, frame_mismatch};
use super::marker::{MARKER_SIZE, SyncMarker};
use super::read_at::ReadAt;
use crate::position::{FileOffset, SegmentId};
use std::io;

const CHUNK: usize = 1 << 20;

/// Looks at places of one file that the regular walk does not trust.
pub struct Search<'r, R> {
    file: &'r R,
    segment: SegmentId,
    is_plain: bool,
    length: u64,
}

impl<'r, R: ReadAt> Search<'r, R> {
    /// Looks into `file` as it is now.
    pub fn new(file: &'r R, segment: SegmentId, is_plain: bool) -> io::Result<Self> {
        Ok(Search { length: file.length()?, file, segment, is_plain })
    }

    /// The first place in `from..to` that holds a marker of this segment.
    ///
    /// One offset in four thousand million passes the checksum by chance, so the place a marker points to, or the
    /// entry behind it, must fit as well.
    pub fn marker(&self, from: FileOffset, to: FileOffset) -> io::Result<Option<FileOffset>> {
        let mut chunk = vec![0; CHUNK];
        let mut at = from;
        while at < to {
            let read = self.file.read_at(at, &mut chunk)?;
            let bytes = chunk.get(..read).unwrap_or_default();
            for (i, window) in bytes.windows(MARKER_SIZE as usize).enumerate() {
                let place = at.plus(i as u64);
                if place >= to {
                    return Ok(None);
                }
                let Some(slot) = window.first_chunk::<8>() else { break };
                if let SyncMarker::Valid { next } = SyncMarker::parse(*slot, self.segment, place)
                    && self.is_plausible(place, next)?
                {
                    return Ok(Some(place));
                }
            }
            if read < CHUNK {
                return Ok(None);
            }
            at = at.plus(read as u64 - (MARKER_SIZE - 1));
        }
        Ok(None)
    }

    /// Whether a whole entry with both checksums stands at `at`; its length if so.
    pub fn entry(&self, at: FileOffset) -> io::Result<Option<u64>> {
        let Some(head) = self.slot(at)? else { return Ok(None) };
        let EntryHead::Frame(length) = EntryHead::parse(head) else { return Ok(None) };
        if at.plus(length).0 > self.length {
            return Ok(None);
        }
        let mut frame = vec![0; length as usize];
        let read = self.file.read_at(at, &mut frame)?;
        Ok((read as u64 == length && frame_mismatch(&frame).is_none()).then_some(length))
    }

    /// Whether `from..to` is nothing but entries whose checksums hold.
    pub fn entries(&self, from: FileOffset, to: FileOffset) -> io::Result<bool> {
        let mut at = from;
        while at < to {
            match self.entry(at)? {
                Some(length) => at = at.plus(length),
                None => return Ok(false),
            }
        }
        Ok(at == to)
    }

    /// One past the last byte at or after `from` that is not zero.
    pub fn last_nonzero(&self, from: FileOffset) -> io::Result<Option<FileOffset>> {
        let mut chunk = vec![0; CHUNK];
        let (mut at, mut last) = (from, None);
        loop {
            let read = self.file.read_at(at, &mut chunk)?;
            let bytes = chunk.get(..read).unwrap_or_default();
            if let Some(i) = bytes.iter().rposition(|byte| *byte != 0) {
                last = Some(at.plus(i as u64 + 1));
            }
            if read < CHUNK {
                return Ok(last);
            }
            at = at.plus(read as u64);
        }
    }

    fn is_plausible(&self, at: FileOffset, next: FileOffset) -> io::Result<bool> {
        let data = at.plus(MARKER_SIZE);
        if next < data || next.0 > self.length {
            return Ok(false);
        }
        let follows = match self.slot(next)? {
            None => true,
            Some(slot) => matches!(SyncMarker::parse(slot, self.segment, next), SyncMarker::Zero | SyncMarker::Valid { .. }),
        };
        Ok(follows || self.is_plain && self.entry(data)?.is_some())
    }

    fn slot(&self, at: FileOffset) -> io::Result<Option<[u8; 8]>> {
        let mut slot = [0; 8];
        Ok((self.file.read_at(at, &mut slot)? == slot.len()).then_some(slot))
    }
}
