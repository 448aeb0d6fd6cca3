//! Every recorded segment, damaged in many places: nothing panics, every byte is accounted for, what cannot be read is named with its
//! cause, and what is still published is what the node wrote there.
//!
//! Small segments are damaged in every byte and cut to every length, others at places chosen by a fixed seed. `RINGTAIL_TWIN_MIB` says
//! how many MiB of damaged twins are read of each segment; `.ci/long` reads enough for every byte of all but the largest.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

mod support;

use ringtail::commitlog::{AFTER_GAP, ENTRY_OVERHEAD, Keys, MARKER_SIZE, SegmentError};
use ringtail::mutation;
use ringtail::schema::{self, Catalog};
use ringtail::sink::faults::Choices;
use ringtail_testkit::check;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use support::segment::Layout;
use support::{Fixture, root, sets};

/// How many bytes of damaged twins are read of each segment, unless `RINGTAIL_TWIN_MIB` says otherwise.
const TWIN_MIB: usize = 8;
/// No segment has fewer twins.
const TWINS_MIN: usize = 16;
/// Segments up to this length, as those of which only a header or a block was written, are damaged in every byte whatever is asked for.
const SMALL: usize = 4096;

/// One place of damage.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// This byte is changed by these bits.
    Flip { at: usize, bits: u8 },
    /// The file ends here.
    Cut(usize),
}

/// Places by a fixed seed.
struct Dice(Choices);

impl Dice {
    fn of(name: &str) -> Dice {
        Dice(Choices::new(crc32fast::hash(name.as_bytes()).into()))
    }

    fn among(&mut self, range: Range<usize>) -> usize {
        range.start + self.0.below(range.len() as u64) as usize
    }

    fn flip(&mut self, at: usize) -> Harm {
        Harm::Flip { at, bits: self.among(1..256) as u8 }
    }
}

/// A recorded segment and all that it gives undamaged.
struct Original {
    name: String,
    bytes: Vec<u8>,
    keys: Keys,
    layout: Layout,
    /// The logical range of each section.
    logical: Vec<Range<usize>>,
    entries: Vec<Entry>,
    /// Where in `entries` the one with this end stands.
    by_end: BTreeMap<u32, usize>,
}

struct Entry {
    body: Vec<u8>,
    start: usize,
    end: usize,
}

impl Original {
    fn read(name: String, bytes: Vec<u8>, keys: Keys) -> Original {
        let read = check::whole(&bytes, &keys).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(read.damages.is_empty(), "{name} is damaged as it was recorded: {:?}", read.damages);
        let layout = Layout::of(&bytes);
        let mut begin = layout.header;
        let logical = layout.logical_ends(&bytes).into_iter().map(|end| std::mem::replace(&mut begin, end)..end).collect();
        let entries = read.entries.into_iter().map(|(body, end)| {
            let end = end.0 as usize;
            Entry { start: end - body.len() - ENTRY_OVERHEAD as usize, end, body }
        });
        let entries: Vec<Entry> = entries.collect();
        let by_end = entries.iter().enumerate().map(|(i, entry)| (entry.end as u32, i)).collect();
        Original { name, bytes, keys, layout, logical, entries, by_end }
    }

    /// The bytes of the file that an entry needs: its own, or those of its section.
    fn place(&self, entry: &Entry) -> Range<usize> {
        if !self.layout.compressed {
            return entry.start..entry.end;
        }
        let section = self.logical.iter().position(|range| range.contains(&entry.start)).expect("an entry stands in a section");
        self.layout.sections[section].clone()
    }

    /// Every byte and every length if that is no more than `budget` bytes of twins, otherwise as many places as fit.
    fn harms(&self, budget: usize) -> Vec<Harm> {
        let length = self.bytes.len();
        let mut dice = Dice::of(&self.name);
        if length <= SMALL || 2 * length * length <= budget {
            return (0..length).map(|at| dice.flip(at)).chain((0..length).map(Harm::Cut)).collect();
        }
        // A header is refused before anything else is read.
        let mut harms: Vec<Harm> = (0..self.layout.header).map(|at| dice.flip(at)).collect();
        let (frames, end) = (self.frames(), (self.layout.end() + 64).min(length));
        for i in 0..(budget / length).clamp(TWINS_MIN, 2 * length) {
            let frame = frames[dice.among(0..frames.len())];
            let inside = dice.among(self.layout.header..end);
            harms.push(match i % 8 {
                0..=2 => dice.flip(frame),
                3..=4 => dice.flip(inside),
                5 => {
                    let anywhere = dice.among(self.layout.header..length);
                    dice.flip(anywhere)
                }
                6 => Harm::Cut(frame),
                _ => Harm::Cut(inside),
            });
        }
        harms
    }

    /// Bytes that say where others stand, and the slot of the marker that comes next.
    fn frames(&self) -> Vec<usize> {
        let head = MARKER_SIZE as usize + if self.layout.compressed { 16 } else { 0 };
        let markers = self.layout.sections.iter().map(|section| section.start).chain([self.layout.end()]);
        let mut places: Vec<usize> = markers.flat_map(|at| at..at + head).collect();
        if !self.layout.compressed {
            places.extend(self.entries.iter().flat_map(|entry| (entry.start..entry.start + 8).chain(entry.end - 4..entry.end)));
        }
        places.retain(|at| *at < self.bytes.len());
        if places.is_empty() { vec![self.layout.header - 1] } else { places }
    }

    /// Holds what must be true of the twin.
    fn check(&self, twin: &[u8], harm: Harm) {
        let in_header = match harm {
            Harm::Flip { at, .. } => at < self.layout.header,
            Harm::Cut(length) => length < self.layout.header,
        };
        let read = match check::whole(twin, &self.keys) {
            Ok(read) => read,
            // Where no section decrypts, that may be the key's fault: the whole segment waits.
            Err(error) => return assert!(in_header || matches!(error, SegmentError::Key { .. }), "{error}"),
        };
        assert!(!in_header, "a header was believed");

        let (mut published, mut next) = (vec![false; self.entries.len()], 0);
        for (body, end) in &read.entries {
            let found = if *end < AFTER_GAP {
                *self.by_end.get(&end.0).unwrap_or_else(|| panic!("no entry ends at {end}"))
            } else {
                assert!(self.layout.compressed && !read.damages.is_empty(), "positions are lost only behind a gap");
                let behind = self.entries[next..].iter().position(|entry| entry.body == *body);
                next + behind.expect("an entry that was written, in its order")
            };
            assert!(self.entries[found].body == *body, "other data at {end}");
            assert!(found >= next, "entries keep their order");
            published[found] = true;
            next = found + 1;
        }

        let missing: BTreeSet<(usize, usize)> = (self.entries.iter().zip(published).filter(|(_, published)| !published))
            .map(|(entry, _)| self.place(entry))
            .map(|place| (place.start.min(twin.len()), place.end.min(twin.len())))
            .collect();
        let range = |range: &Range<ringtail::position::FileOffset>| range.start.0 as usize..range.end.0 as usize;
        let named: Vec<Range<usize>> =
            read.damages.iter().map(|damage| range(&damage.file)).chain(read.unmarked.as_ref().map(range)).collect();
        for (start, end) in missing {
            // Zeros in front of a cut say nothing.
            let unnamed = without(start..end, &named).into_iter().find(|rest| twin[rest.clone()].iter().any(|byte| *byte != 0));
            assert!(unnamed.is_none(), "{unnamed:?} was not read and nothing says so: {:?}", read.damages);
        }
        assert!(read.damages.iter().all(|damage| !damage.cause.to_string().is_empty()));
    }
}

/// What is left of a range without others.
fn without(range: Range<usize>, others: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut left = vec![range];
    for other in others {
        left = left
            .into_iter()
            .flat_map(|part| [part.start..part.end.min(other.start), part.start.max(other.end)..part.end])
            .filter(|part| !part.is_empty())
            .collect();
    }
    left
}

/// Every recorded set, also those inside of others.
fn every_set() -> Vec<String> {
    let folders = fs::read_dir(root().join("fixtures")).expect("fixtures").map(|entry| entry.expect("a readable folder").file_name());
    let mut names: Vec<String> = vec!["quickstart".into()];
    for release in
        folders.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.starts_with(|first: char| first.is_ascii_digit()))
    {
        for set in sets(&release) {
            let inner =
                fs::read_dir(root().join("fixtures").join(&set)).expect("a set").map(|entry| entry.expect("a readable folder").path());
            names.extend(
                inner.filter(|path| path.is_dir()).map(|path| format!("{set}/{}", path.file_name().expect("a name").to_string_lossy())),
            );
            names.push(set);
        }
    }
    names.sort();
    names
}

/// Every recorded segment.
fn every_segment() -> Vec<Original> {
    let mut found = Vec::new();
    for set in every_set() {
        let fixture = Fixture::unpack(&set);
        let keys = fixture.keys();
        for path in fixture.segments() {
            let name = format!("{set}/{}", path.file_name().expect("a name").to_string_lossy());
            found.push(Original::read(name, fs::read(&path).expect("a readable file"), keys.clone()));
        }
    }
    assert!(found.len() > 100, "only {} segments are there", found.len());
    found
}

/// Does the work on every core.
fn on_every_core<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item)
                }
            });
        }
    });
}

#[test]
fn i5_damaged_twins_of_every_recorded_segment_add_up_and_publish_nothing_else() {
    let mib = std::env::var("RINGTAIL_TWIN_MIB").map_or(TWIN_MIB, |text| text.parse().expect("RINGTAIL_TWIN_MIB is a number"));
    let segments = every_segment();
    let sums = Mutex::new((0, 0));

    on_every_core(&segments, |original| {
        let harms = original.harms(mib << 20);
        let mut twin = original.bytes.clone();
        for harm in &harms {
            let held = catch_unwind(AssertUnwindSafe(|| match *harm {
                Harm::Flip { at, bits } => {
                    twin[at] ^= bits;
                    original.check(&twin, *harm);
                    twin[at] ^= bits;
                }
                Harm::Cut(length) => original.check(&twin[..length], *harm),
            }));
            assert!(held.is_ok(), "{} with {harm:?}", original.name);
        }
        let mut sums = sums.lock().expect("no worker failed");
        sums.0 += harms.len();
        sums.1 += usize::from(harms.len() >= 2 * original.bytes.len());
    });

    let (twins, whole) = *sums.lock().expect("no worker failed");
    println!("{twins} twins of {} segments, {whole} of them damaged in every byte and cut to every length", segments.len());
    assert!(whole >= 40 && twins > 10_000, "{twins} twins, {whole} segments wholly");
}

#[test]
fn i6_changed_mutations_whose_checksums_hold_are_harmless() {
    // What lies inside of a set has the schema of the set.
    let sets: Vec<String> = every_set().into_iter().filter(|set| set.matches('/').count() < 2).collect();

    on_every_core(&sets, |set| {
        let fixture = Fixture::unpack(set);
        let loaded = schema::file::load(&fs::read_to_string(fixture.file("schema.cql")).expect("text")).expect("a schema");
        let catalog = Catalog::from_loaded(&loaded);
        let mut dice = Dice::of(set);
        let mut bodies = Vec::new();
        for path in fixture.segments() {
            let read = check::whole(&fs::read(&path).expect("a readable file"), &fixture.keys()).expect("a whole header");
            bodies.extend(read.entries.into_iter().map(|(body, _)| body));
        }
        assert!(!bodies.is_empty(), "{set} holds no mutation");
        for _ in 0..200 {
            let mut body = bodies[dice.among(0..bodies.len())].clone();
            let (at, bits) = (dice.among(0..body.len()), dice.among(1..256) as u8);
            body[at] ^= bits;
            let held = catch_unwind(|| {
                if let Ok(mutation) = mutation::decode(&body, &catalog) {
                    check::records(&mutation);
                }
            });
            assert!(held.is_ok(), "{set}: byte {at} changed by {bits:#x} of {body:02x?}");
        }
    });
}
