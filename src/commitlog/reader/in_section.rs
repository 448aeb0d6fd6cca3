//! Inside a section: the next entry, or a range in which none can be found.

use super::*;

impl<R: ReadAt> SegmentReader<R> {
    pub(super) fn in_section(&mut self, section: Section, horizon: Horizon) -> io::Result<Step> {
        if section.left() == 0 {
            self.place = Place::Marker { at: section.next, position: section.end() };
            return Ok(Step::Again);
        }
        let head = self.buffer.fetch(&self.file, &section, 8)?;
        let Some(head) = self.buffer.slice(head).first_chunk::<8>() else {
            let cause = DamageCause::PastSection { left: section.left(), need: ENTRY_OVERHEAD };
            return self.lost_entry(section, horizon, cause);
        };
        match EntryHead::parse(*head) {
            EntryHead::Frame(need) if need <= section.left() => self.entry(section, need, horizon),
            EntryHead::Frame(need) => self.past_section(section, need, horizon),
            EntryHead::Zero => self.lost_entry(section, horizon, DamageCause::ZeroSize),
            EntryHead::Size(found) => self.lost_entry(section, horizon, DamageCause::Size { found }),
            EntryHead::SizeCrc { expected, found } => self.lost_entry(section, horizon, DamageCause::SizeCrc { expected, found }),
        }
    }

    fn entry(&mut self, mut section: Section, length: u64, horizon: Horizon) -> io::Result<Step> {
        let range = self.buffer.fetch(&self.file, &section, length)?;
        let frame = self.buffer.slice(range.clone());
        let found = frame.len() as u64;
        if found < length {
            return self.lost_entry(section, horizon, DamageCause::Truncated { expected: length, found });
        }
        let mismatch = frame_mismatch(frame);
        let crc = frame.last_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        if mismatch.is_some() && horizon != Horizon::Final {
            return Ok(self.wait(&section));
        }
        let start = section.position();
        section.read += length;
        let end = section.position();
        let file = self.file_range(&section, start, end);
        if section.layout == Layout::Unbounded {
            self.coverage.section_bytes += length;
        }
        let plain = section.layout != Layout::Coded;
        self.place = Place::Section(section);
        if let Some((expected, found)) = mismatch {
            self.coverage.damaged_logical += length;
            self.coverage.damaged += if plain { length } else { 0 };
            return Ok(self.damage(file, start..end, DamageCause::EntryCrc { expected, found }));
        }
        let index = self.entries;
        self.entries = self.entries.saturating_add(1);
        self.coverage.entries += length;
        self.coverage.payload += if plain { length } else { 0 };
        self.chain_end = end;
        self.first_entry_crc = self.first_entry_crc.or(crc);
        Ok(Step::Entry { index, start, end, frame: range })
    }

    /// Something in a section does not verify, and the file may still grow: the bytes are read again when somebody asks again.
    ///
    /// A coded section is then opened anew, since its bytes in memory are those that did not verify.
    fn wait(&mut self, section: &Section) -> Step {
        self.buffer.clear();
        if section.layout == Layout::Coded {
            let marker = LogicalPosition(section.start.0.saturating_sub(MARKER_SIZE as u32));
            self.place = Place::Marker { at: section.marker, position: marker };
            self.handed_out = section.read;
            self.coverage.markers -= MARKER_SIZE;
            self.coverage.section_heads -= HEAD;
            self.coverage.payload -= section.next.since(section.marker) - MARKER_SIZE - HEAD;
            self.coverage.section_bytes -= section.left();
        }
        Step::CaughtUp
    }

    /// An entry that runs over the end of its section: if it verifies all the same, the marker is what is wrong.
    fn past_section(&mut self, section: Section, need: u64, horizon: Horizon) -> io::Result<Step> {
        let verifies = horizon == Horizon::Final && section.layout == Layout::Plain && self.search()?.entry(section.offset())?.is_some();
        if !verifies {
            return self.lost_entry(section.clone(), horizon, DamageCause::PastSection { left: section.left(), need });
        }
        let length = self.file.length()?;
        let (marker, found, here) = (section.marker, section.next, section.offset());
        self.coverage.section_bytes -= section.left();
        self.place = Place::Section(unbounded(marker, here, length));
        let position = section.position();
        Ok(self.damage(
            marker..marker.plus(MARKER_SIZE),
            position..position,
            DamageCause::MarkerElsewhere { found, entries_end: here.plus(need) },
        ))
    }

    /// Where the next entry begins is not known any more.
    fn lost_entry(&mut self, section: Section, horizon: Horizon, cause: DamageCause) -> io::Result<Step> {
        if horizon != Horizon::Final {
            return Ok(self.wait(&section));
        }
        let position = section.position();
        match section.layout {
            Layout::Unbounded => {
                // The entries end here, so this is the slot of the marker that could not be trusted to say so.
                self.place = Place::Marker { at: section.offset(), position };
                Ok(Step::Again)
            }
            Layout::Coded => {
                self.coverage.damaged_logical += section.left();
                self.place = Place::Marker { at: section.next, position: section.end() };
                Ok(self.damage(section.marker..section.next, position..section.end(), cause))
            }
            Layout::Plain => {
                let here = section.offset();
                let found = self.search()?.marker(here, section.next)?;
                let to = found.unwrap_or(section.next);
                self.coverage.section_bytes -= section.next.since(to);
                self.coverage.damaged_logical += to.since(here);
                self.coverage.damaged += to.since(here);
                self.place = Place::Marker { at: to, position: logical(to) };
                if to == here {
                    let cause = DamageCause::MarkerElsewhere { found: section.next, entries_end: here };
                    return Ok(self.damage(section.marker..section.marker.plus(MARKER_SIZE), position..position, cause));
                }
                Ok(self.damage(here..to, position..logical(to), cause))
            }
        }
    }
}
