//! At the slot of a marker: the next section, the end, or a chain to be found again.

use super::*;

/// The length that a section has by its head.
#[derive(Clone, Copy, Debug, Default)]
struct Claim {
    length: u64,
    /// Whether the compressed bytes say the same.
    is_confirmed: bool,
}

impl<R: ReadAt> SegmentReader<R> {
    pub(super) fn at_marker(&mut self, at: FileOffset, position: LogicalPosition, horizon: Horizon) -> io::Result<Step> {
        let length = self.file.length()?;
        let marker = self.marker(at)?;
        if horizon != Horizon::Final {
            return match marker {
                Some(SyncMarker::Valid { next }) if next >= at.plus(MARKER_SIZE) && next.0 <= length => {
                    self.open_section(at, next, position, horizon)
                }
                _ => Ok(Step::CaughtUp),
            };
        }
        match marker {
            None => self.no_room_for_marker(at, position, length),
            Some(SyncMarker::Zero) => self.after_zero_marker(at, position, length),
            Some(SyncMarker::Valid { next }) if next >= at.plus(MARKER_SIZE) && next.0 <= length => {
                self.open_section(at, next, position, horizon)
            }
            Some(SyncMarker::Valid { next }) if self.is_plain() => Ok(self.distrust_marker(at, next, length)),
            Some(SyncMarker::Valid { next }) => self.lost_chain(at, position, length, DamageCause::MarkerNext { next, length }),
            Some(SyncMarker::Torn { next }) => self.after_torn_marker(at, next, position, length),
            Some(SyncMarker::Invalid { expected, found }) => {
                if self.is_plain() && self.search()?.entry(at)?.is_some() {
                    // The marker before pointed into the middle of its own section.
                    self.place = Place::Section(unbounded(at, at, length));
                    return Ok(Step::Again);
                }
                self.lost_chain(at, position, length, DamageCause::Marker { expected, found })
            }
        }
    }

    /// Fewer than eight bytes are left: the clean end of a full segment, unless something stands there.
    fn no_room_for_marker(&mut self, at: FileOffset, position: LogicalPosition, length: u64) -> io::Result<Step> {
        let left = FileOffset(length).since(at);
        if self.search()?.last_nonzero(at)?.is_some() {
            return self.lost_chain(at, position, length, DamageCause::Truncated { expected: MARKER_SIZE, found: left });
        }
        self.coverage.padding += left;
        self.place = Place::End;
        Ok(Step::Again)
    }

    /// A zero marker ends the chain, unless a valid one follows: then it was lost, not never written.
    fn after_zero_marker(&mut self, at: FileOffset, position: LogicalPosition, length: u64) -> io::Result<Step> {
        let data = at.plus(MARKER_SIZE);
        let search = self.search()?;
        let last = search.last_nonzero(data)?;
        if last.is_some()
            && let Some(next) = search.marker(data, FileOffset(length))?
        {
            return self.skip(at, next, position, DamageCause::MarkerZero { next });
        }
        let last = last.unwrap_or(data);
        self.coverage.unmarked += last.since(data);
        self.coverage.padding += MARKER_SIZE + FileOffset(length).since(last);
        self.unmarked = (last > data).then_some(data..last);
        self.place = Place::End;
        Ok(Step::Again)
    }

    /// A crash between the two stores of a marker leaves a section that is whole: read it if it verifies.
    fn after_torn_marker(&mut self, at: FileOffset, next: FileOffset, position: LogicalPosition, length: u64) -> io::Result<Step> {
        let data = at.plus(MARKER_SIZE);
        let fits = next >= data && next.0 <= length;
        if self.is_plain() && fits && self.search()?.entries(data, next)? {
            return self.open_section(at, next, position, Horizon::Final);
        }
        self.lost_chain(at, position, length, DamageCause::MarkerTorn { next })
    }

    /// A marker of ours that points nowhere: its entries are checked one by one instead.
    fn distrust_marker(&mut self, at: FileOffset, next: FileOffset, length: u64) -> Step {
        self.coverage.markers += MARKER_SIZE;
        let data = at.plus(MARKER_SIZE);
        self.place = Place::Section(unbounded(at, data, length));
        let position = logical(data);
        self.damage(at..data, position..position, DamageCause::MarkerNext { next, length })
    }

    /// The chain is lost at `at`: everything up to the next marker that can be found is damage.
    fn lost_chain(&mut self, at: FileOffset, position: LogicalPosition, length: u64, cause: DamageCause) -> io::Result<Step> {
        let next = self.search()?.marker(at.plus(1), FileOffset(length))?;
        self.skip(at, next.unwrap_or(FileOffset(length)), position, cause)
    }

    fn skip(&mut self, from: FileOffset, to: FileOffset, position: LogicalPosition, cause: DamageCause) -> io::Result<Step> {
        let goes_on = to.0 < self.file.length()?;
        self.coverage.damaged += to.since(from);
        let next = match std::mem::take(&mut self.handed_out) {
            _ if self.is_plain() => logical(to),
            0 => position,
            done => position.plus(MARKER_SIZE as u32).plus(done as u32),
        };
        let next = if self.is_plain() || !goes_on { next } else { next.max(AFTER_GAP) };
        self.place = Place::Marker { at: to, position: next };
        Ok(self.damage(from..to, position..next, cause))
    }

    fn open_section(&mut self, at: FileOffset, next: FileOffset, position: LogicalPosition, horizon: Horizon) -> io::Result<Step> {
        let start = position.plus(MARKER_SIZE as u32);
        if !self.is_plain() {
            return self.open_coded(at, next, start, horizon);
        }
        if matches!(horizon, Horizon::Synced(limit) if logical(next) > limit) {
            return Ok(Step::CaughtUp);
        }
        self.coverage.markers += MARKER_SIZE;
        let length = next.since(at) - MARKER_SIZE;
        self.coverage.section_bytes += length;
        self.ends_empty = length == 0;
        self.place = Place::Section(Section { marker: at, next, start, length, read: 0, layout: Layout::Plain });
        self.buffer.clear();
        Ok(Step::Again)
    }

    fn open_coded(&mut self, at: FileOffset, next: FileOffset, start: LogicalPosition, horizon: Horizon) -> io::Result<Step> {
        let coded = self.payload(at, next)?;
        let Some((head, payload)) = coded.split_first_chunk::<4>() else {
            let cause = DamageCause::SectionHead { expected: MARKER_SIZE + HEAD, found: next.since(at) };
            return self.lost_section(at, next, start, Claim::default(), horizon, cause);
        };
        let length = u64::from(u32::from_be_bytes(*head));
        if matches!(horizon, Horizon::Synced(limit) if u64::from(start.0) + length > u64::from(limit.0)) {
            return Ok(Step::CaughtUp);
        }
        if let Err(cause) = self.coding.decode(payload, length, self.buffer.for_section()) {
            // No bytes hold nothing, whatever the head says.
            let claim = match payload {
                [] => Claim { length: 0, is_confirmed: true },
                _ => Claim { length, is_confirmed: self.coding.confirms(payload, length) },
            };
            return self.lost_section(at, next, start, claim, horizon, cause);
        }
        self.coverage.markers += MARKER_SIZE;
        self.coverage.section_heads += HEAD;
        self.coverage.payload += payload.len() as u64;
        let read = std::mem::take(&mut self.handed_out);
        let length = length.max(read);
        self.coverage.section_bytes += length - read;
        self.ends_empty = length == 0;
        self.place = Place::Section(Section { marker: at, next, start, length, read, layout: Layout::Coded });
        Ok(Step::Again)
    }

    /// A compressed or encrypted section that cannot be opened. Its marker may be what is wrong, so sections inside the range it
    /// claims are looked for.
    fn lost_section(
        &mut self,
        at: FileOffset,
        next: FileOffset,
        start: LogicalPosition,
        claim: Claim,
        horizon: Horizon,
        cause: DamageCause,
    ) -> io::Result<Step> {
        if horizon != Horizon::Final {
            return Ok(Step::CaughtUp);
        }
        let inside = self.search()?.marker(at.plus(MARKER_SIZE), next)?;
        let to = inside.unwrap_or(next);
        let is_possible = inside.is_none() && u64::from(start.0) + claim.length < i32::MAX as u64;
        let length = if is_possible { claim.length } else { 0 };
        let read = std::mem::take(&mut self.handed_out);
        let lost = length.saturating_sub(read);
        let (start, end) = (start.plus(read as u32), start.plus(length.max(read) as u32));
        let is_known = is_possible && claim.is_confirmed || to.0 >= self.file.length()?;
        let end = if is_known { end } else { end.max(AFTER_GAP) };
        self.coverage.damaged += to.since(at);
        self.coverage.section_bytes += lost;
        self.coverage.damaged_logical += lost;
        self.place = Place::Marker { at: to, position: end };
        Ok(self.damage(at..to, start..end, cause))
    }
}
