//! Seeds: one node, one loop, everything that can go wrong, chosen by a seed; each run ends with everything where it belongs.

use crate::rig::{Rig, Setup, assert_adds_up};
use crate::support::expected::{Entry, Event, Expected, Reader, compare, parked};
use crate::support::node::{Step, names};
use crate::support::plan::{Ending, Plan};
use crate::support::recorded::Recorded;
use crate::support::segment::{self, Layout};
use ringtail::cdc_raw::Finished;
use ringtail::checkpoint::{Ending as Ended, Fault as StoreFault, SegmentState};
use ringtail::pipeline::Fatal;
use ringtail::pipeline::park::{Action, Request, Requests};
use ringtail::schema::Catalog;
use ringtail::sink::Positions;
use ringtail::sink::faults::{Choices, Faults};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Turns after which a run that has nothing left to wait for must be through.
const TURNS_MAX: usize = 20_000;

/// `schema.wait` where the schema is to come in time. Some hundreds of it are less than the time after which records go.
const LONG: Duration = Duration::from_secs(20_000);

/// What a seed decides beforehand.
struct Scenario<'c> {
    plan: Plan<'c>,
    setup: Setup,
    /// What the agent knows at first, and what it learns later, if it does.
    known: Catalog,
    learns: bool,
    /// Whether it is learned in time, or some of it after some of what needs it was parked.
    in_time: bool,
    expected: BTreeMap<u64, Option<Expected>>,
    /// How often in a thousand turns something ends the process.
    crashes_per_mille: u32,
}

/// Which events the other side refuses for ever, as one does that is too large.
fn refuses(one_in: u64, event: &Event) -> bool {
    one_in > 0 && u64::from(crc32fast::hash(event.id.as_bytes())).is_multiple_of(one_in)
}

fn scenario<'c>(seed: u64, recorded: &'c Recorded, pool: &[Vec<Vec<u8>>]) -> Scenario<'c> {
    let mut choices = Choices::new(seed);
    let calm = choices.happens(300);
    let one_in = if choices.happens(300) { 5 + choices.below(40) } else { 0 };
    let faults = Faults {
        seed: choices.below(u64::MAX),
        refuses: Some(Box::new(move |record| refuses(one_in, &Event::from(record)))),
        fails_per_mille: if calm { 0 } else { choices.below(40) as u32 },
        full_per_mille: choices.below(100) as u32,
        late_per_mille: choices.below(600) as u32,
        ..Faults::default()
    };
    let (known, live, learns) = schema(&mut choices, &recorded.catalog);
    let in_time = learns && choices.happens(400);
    let setup = Setup {
        window: 1 + choices.below(60) as usize,
        faults,
        synced: choices.happens(300),
        commitlog: choices.happens(300),
        finished: if choices.happens(150) { Finished::Keep } else { Finished::Delete },
        schema: (live, if in_time { LONG } else { Duration::from_secs(choices.below(3)) }),
        look: Duration::from_micros(choices.below(1500)),
        rescan: Duration::from_millis(choices.below(3) * 40),
        ..Setup::default()
    };
    let plan = plan(seed, &mut choices, recorded, pool, setup.finished);
    let refused = |event: &Event| refuses(one_in, event);
    let mut reader = Reader::new(if learns { &recorded.catalog } else { &known }, &refused);
    let expected = plan.contents.iter().map(|(id, content)| (*id, reader.read(content.name, &content.bytes).ok())).collect();
    Scenario { plan, setup, expected, learns, in_time, known, crashes_per_mille: if calm { 0 } else { choices.below(60) as u32 } }
}

/// The catalog without some of its tables; whether somebody is asked for a newer one, and whether that one has them.
fn schema(choices: &mut Choices, full: &Catalog) -> (Catalog, bool, bool) {
    let mut known = full.clone();
    if choices.happens(500) {
        return (known, choices.happens(500), false);
    }
    let mut tables: Vec<_> = full.tables().filter(|table| table.cdc).map(|table| table.id).collect();
    tables.sort_unstable_by_key(|id| id.0);
    for id in tables {
        if choices.happens(200) {
            known.remove(id);
        }
    }
    let live = choices.happens(600);
    (known, live, choices.happens(700))
}

/// Two to five segments of recorded entries, cut into sections anew; some are damaged.
fn plan<'c>(seed: u64, choices: &mut Choices, recorded: &'c Recorded, pool: &[Vec<Vec<u8>>], finished: Finished) -> Plan<'c> {
    let mut plan = Plan::new(&recorded.catalog, seed, 1_000_000);
    let compressed = |choices: &mut Choices| choices.happens(300);
    let mut next = assemble(choices, pool, false);
    for _ in 0..2 + choices.below(4) {
        let is_compressed = compressed(choices);
        let this = std::mem::replace(&mut next, assemble(choices, pool, is_compressed));
        let sections = Layout::of(&this).sections.len() as u64;
        let ending = match choices.below(4) {
            0 => Ending::Kill(choices.below(sections + 1) as usize),
            1 => Ending::Stop,
            _ => Ending::Full,
        };
        // A kept file that is damaged is found again, and kept again, in every run: a story of its own.
        let damage = choices.happens(200) && finished == Finished::Delete;
        let kind = choices.below(6);
        let place = choices.below(u64::MAX);
        plan.damaged_segment(&this, ending, &next, |bytes| {
            if damage {
                harm(bytes, kind, place);
            }
        });
    }
    plan.end();
    plan
}

/// Some consecutive entries of one recording.
fn assemble(choices: &mut Choices, pool: &[Vec<Vec<u8>>], compressed: bool) -> Vec<u8> {
    let entries = &pool[choices.below(pool.len() as u64) as usize];
    let count = 1 + choices.below(60) as usize;
    let from = choices.below(entries.len().saturating_sub(count) as u64 + 1) as usize;
    let mut sections: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
    for entry in entries.iter().skip(from).take(count) {
        sections.last_mut().expect("one").push(entry.clone());
        if choices.happens(200) {
            sections.push(Vec::new());
        }
    }
    let data: usize = sections.iter().flatten().map(Vec::len).sum();
    let markers = segment::MARKER * (sections.len() + 1);
    match compressed {
        true => segment::lz4(1, &sections),
        false => segment::plain(1, &sections, 20 + data + markers + choices.below(500) as usize),
    }
}

fn harm(bytes: &mut Vec<u8>, kind: u64, place: u64) {
    let layout = Layout::of(bytes);
    let places = |from: usize, to: usize| from + (place % (to - from).max(1) as u64) as usize;
    let section = layout.sections[(place % layout.sections.len() as u64) as usize].clone();
    match kind {
        0 => bytes[places(section.start + segment::MARKER, section.end).min(section.end - 1)] ^= 1 << (place % 8),
        1 => bytes[places(section.start, section.start + segment::MARKER)] ^= 1 << (place % 8),
        2 => bytes.truncate(places(0, layout.end())),
        3 => bytes[places(0, layout.header)] ^= 1 << (place % 8),
        4 => {
            let id = u64::from_be_bytes(bytes[4..12].try_into().expect("eight bytes"));
            let header = segment::header(9, id, "{}");
            bytes[..header.len()].copy_from_slice(&header);
        }
        _ => bytes[section.start..section.start + segment::MARKER].fill(0),
    }
}

/// What has happened over all seeds: a kind that never did was not tested.
#[derive(Debug, Default)]
pub struct Tally {
    events: usize,
    repeats: usize,
    ends: usize,
    sink_resets: usize,
    failed_saves: usize,
    finished: usize,
    quarantined: usize,
    unreadable: usize,
    parked_waiting: usize,
    parked_refused: usize,
    schemas_learned: usize,
    returns: usize,
    unparked: usize,
    queued: usize,
    retries_asked: usize,
}

impl Tally {
    /// Fails if something never happened.
    pub fn assert_complete(&self) {
        let text = format!("{self:?}");
        assert!(!text.contains(": 0,") && !text.contains(": 0 "), "something never happened: {text}");
        println!("{text}");
    }
}

/// Whether the node links a segment again that was finished.
fn returns(rig: &Rig, step: &Step) -> bool {
    let Step::Link(id) = step else { return false };
    let record = rig.records().into_iter().find(|(key, _)| key.id.0 == *id);
    !rig.node.link(&rig.contents[id]).exists() && record.is_some_and(|(_, record)| matches!(record.state(), SegmentState::Finished(_)))
}

/// One run of a seed; `exactly_once` with a sink of which each event may be seen only once.
pub fn run(seed: u64, recorded: &Recorded, pool: &[Vec<Vec<u8>>], exactly_once: bool, tally: &mut Tally) {
    let Scenario { mut plan, mut setup, mut known, learns, in_time, expected, crashes_per_mille } = scenario(seed, recorded, pool);
    setup.exactly_once = exactly_once;
    let finished = setup.finished;
    let mut choices = Choices::new(seed ^ 0xdead);
    let mut rig = Rig::new(setup, &known);
    rig.contents = plan.contents.clone();
    let mut learned = !learns;
    let mut turns = 0;
    loop {
        let writing = !plan.steps.is_empty();
        if writing {
            for step in (0..choices.below(6)).map_while(|_| plan.steps.pop_front()) {
                tally.returns += usize::from(returns(&rig, &step));
                rig.perform(&step);
            }
        }
        if !learned && choices.happens(if writing || !in_time { 20 } else { 500 }) {
            known = more(&mut choices, known, recorded);
            learned = known.len() == recorded.catalog.len();
            rig.exchange.publish(known.clone());
            tally.schemas_learned += 1;
        }
        let waiting = rig.is_running() && choices.happens(5);
        if waiting {
            let request = Request { action: Action::Retry, places: None };
            Requests::new(rig.folder("requests")).ask(&request).expect("a writable folder");
            tally.retries_asked += 1;
        }
        let before = parked(&rig.folder("parked"));
        // Of tables that no schema will ever know the wait is over at last.
        if in_time && learned && !writing && choices.happens(10) {
            rig.clock.advance(LONG);
        }
        let calm = !writing && turns > 300;
        turn(&mut rig, &mut choices, if calm { 0 } else { crashes_per_mille }, tally);
        tally.unparked += before.difference(&parked(&rig.folder("parked"))).count();
        assert_nothing_vanished(&rig, &expected);
        turns += 1;
        if !writing && learned && rig.is_running() && is_through(&rig, finished) && nothing_is_free(&rig, &expected) {
            break;
        }
        assert!(turns < TURNS_MAX, "stuck: {:?}; left in cdc_raw: {:?}; {:?}", rig.obstacle(), rig.node.left(), rig.errors());
    }
    tally.sink_resets += rig.resets();
    if exactly_once {
        let mut once = BTreeSet::new();
        let again: Vec<String> = rig.events().into_iter().map(|event| event.id).filter(|id| !once.insert(id.clone())).collect();
        rig.committed(|committed| {
            let is_split = |positions: &Positions| positions.segments.iter().any(|listed| listed.delivered_to.ordinal > 0);
            assert!(!committed.iter().any(is_split), "the events of an entry are in one batch");
        });
        assert!(again.is_empty(), "{} events were seen again, from {:?} to {:?}", again.len(), again.first(), again.last());
    }
    verify(&mut rig, &expected, finished, tally);
}

/// The catalog that is known, and some more of the tables that there are; all of them in the end.
fn more(choices: &mut Choices, mut known: Catalog, recorded: &Recorded) -> Catalog {
    let all = choices.happens(300);
    let mut missing: Vec<_> = recorded.catalog.tables().filter(|table| known.table(table.id).is_none()).collect();
    missing.sort_unstable_by_key(|table| table.id.0);
    for table in missing {
        if all || choices.happens(400) {
            known.insert((**table).clone());
        }
    }
    known
}

/// What is parked of a segment's entries, and the first update that waits.
fn waiting(rig: &Rig) -> BTreeMap<(u64, u32), usize> {
    let folder = rig.folder("parked");
    let waiting = parked(&folder).into_iter().filter(|(.., ordinal)| ordinal.is_none());
    waiting
        .map(|(segment, position, _)| {
            let note = std::fs::read(folder.join(format!("{segment}-{position}.json"))).expect("a note");
            let note: serde_json::Value = serde_json::from_slice(&note).expect("a note");
            ((segment, position), note["first_update"].as_u64().expect("a number") as usize)
        })
        .collect()
}

/// Whether everything that waits does so for something that no schema knows.
fn nothing_is_free(rig: &Rig, expected: &BTreeMap<u64, Option<Expected>>) -> bool {
    let waiting = waiting(rig);
    let entries = || expected.values().flatten().flat_map(|expected| &expected.list);
    let parked = || entries().filter(|entry| waiting.contains_key(&entry.at));
    let unknown = || parked().filter(|entry| entry.unknown.is_some());
    let tables: BTreeSet<_> = unknown().filter_map(|entry| entry.unknown.flatten()).map(|table| table.0).collect();
    let mut keys: BTreeSet<&Vec<u8>> = unknown().map(|entry| &entry.key).collect();
    // Whoever waits for a table makes its key wait.
    keys.extend(parked().filter(|entry| entry.tables.iter().any(|table| tables.contains(&table.0))).map(|entry| &entry.key));
    parked().all(|entry| entry.unknown.is_some() || keys.contains(&entry.key))
}

/// A turn, or something that ends the process.
fn turn(rig: &mut Rig, choices: &mut Choices, crashes_per_mille: u32, tally: &mut Tally) {
    if !rig.is_running() {
        rig.start_without_sink();
        if choices.happens(300) {
            rig.turn(Duration::from_millis(1)).expect("only links are made");
        }
        rig.begin();
    }
    if choices.happens(crashes_per_mille) {
        let fault = [StoreFault::BeforeWrite, StoreFault::BeforeDurable, StoreFault::AfterDurable][choices.below(3) as usize];
        tally.ends += 1;
        match choices.below(4) {
            0 => {
                rig.crash();
                return rig.store.reopen();
            }
            1 => {
                rig.crash();
                return rig.store.crash();
            }
            2 => {
                match rig.pipeline().stop() {
                    Ok(()) | Err(Fatal::Ledger(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                rig.crash();
                return rig.store.reopen();
            }
            _ => rig.store.fail_next(fault),
        }
    }
    let later = if choices.happens(10) { 5_000 } else { choices.below(200) };
    match rig.turn(Duration::from_millis(later)) {
        Ok(()) => {}
        Err(Fatal::Ledger(_)) => {
            tally.failed_saves += 1;
            rig.crash();
            if choices.happens(500) { rig.store.crash() } else { rig.store.reopen() }
        }
        Err(error) => panic!("{error}"),
    }
}

/// While a segment's bytes are not durably accounted for, somebody has a name for them (I3).
fn assert_nothing_vanished(rig: &Rig, expected: &BTreeMap<u64, Option<Expected>>) {
    let folders = [rig.node.commitlog(), rig.node.cdc_raw(), rig.folder("spool"), rig.folder("quarantine")];
    let there: BTreeSet<String> = folders.iter().flat_map(|folder| names(folder)).collect();
    for (id, content) in &rig.contents {
        if there.contains(&content.name.log()) || expected[id].as_ref().is_none_or(|expected| expected.events.is_empty()) {
            continue;
        }
        let key = ringtail::checkpoint::SegmentKey::first(content.name.id);
        let record = rig.store.durable_record(key).expect("a readable record");
        // A segment that does not exist yet is not there either.
        if let Some(record) = record {
            let at_its_end = matches!(record.state(), SegmentState::Delivered | SegmentState::Finished(_));
            assert!(at_its_end && record.is_covered(), "i3: segment {id} has no name, and its durable record says {record:?}");
        }
    }
}

fn is_through(rig: &Rig, finished: Finished) -> bool {
    let left =
        rig.node.left().into_iter().filter(|name| finished == Finished::Delete || !name.ends_with(".log") && !name.ends_with(".idx"));
    let unfinished = |state: SegmentState| matches!(state, SegmentState::Open | SegmentState::Final | SegmentState::Delivered);
    left.count() == 0 && names(&rig.folder("spool")).is_empty() && !rig.records().iter().any(|(_, record)| unfinished(record.state()))
}

fn verify(rig: &mut Rig, expected: &BTreeMap<u64, Option<Expected>>, finished: Finished, tally: &mut Tally) {
    let waiting = waiting(rig);
    let entries = || expected.values().flatten().flat_map(|expected| &expected.list);
    let waits = |entry: &Entry, update: usize| waiting.get(&entry.at).is_some_and(|from| *from <= update);
    let all = || entries().flat_map(|entry| entry.events.iter().map(move |event| (entry, event)));
    let is_due = |(entry, (update, _, _, refused)): &(&Entry, &(usize, u32, Event, bool))| !refused && !waits(entry, *update);
    let events: Vec<Event> = all().filter(is_due).map(|(_, (_, _, event, _))| event.clone()).collect();
    // What waits now was perhaps sent by a reading that a crash undid.
    let free: BTreeSet<&str> = all().filter(|event| !is_due(event)).map(|(_, (_, _, event, _))| event.id.as_str()).collect();
    let arrived = rig.events();
    let verdict = compare(&events, arrived.iter().filter(|event| !free.contains(event.id.as_str())));
    assert!(verdict.problems.is_empty(), "{}", verdict.problems[..verdict.problems.len().min(10)].join("\n"));

    let parked = parked(&rig.folder("parked"));
    let mut records: BTreeMap<u64, _> = BTreeMap::new();
    for (key, record) in rig.records() {
        assert!(records.insert(key.id.0, record).is_none(), "segment {key} has only ever had one content");
    }
    // What the node takes back without CDC data is perhaps never seen.
    let seen = || entries().filter(|entry| records.contains_key(&entry.at.0));
    for entry in seen() {
        assert!(entry.unknown.is_none() || waiting.contains_key(&entry.at), "{:?} is not parked", entry.at);
        tally.queued += usize::from(entry.unknown.is_none() && waiting.contains_key(&entry.at));
    }
    let refused = |entry: &Entry, (update, ordinal, _, refused): &(usize, u32, Event, bool)| {
        (*refused && !waits(entry, *update)).then_some((entry.at.0, entry.at.1, Some(*ordinal)))
    };
    let should: BTreeSet<_> = seen().flat_map(|entry| entry.events.iter().filter_map(|event| refused(entry, event))).collect();
    let are: BTreeSet<_> = parked.iter().filter(|(.., ordinal)| ordinal.is_some()).copied().collect();
    assert!(should.is_subset(&are), "refused, and not parked: {:?}", should.difference(&are));
    tally.events += events.len();
    tally.repeats += verdict.repeats;
    tally.parked_refused += parked.iter().filter(|(.., ordinal)| ordinal.is_some()).count();
    tally.parked_waiting += parked.iter().filter(|(.., ordinal)| ordinal.is_none()).count();

    for (id, content) in &rig.contents {
        let Some(record) = records.get(id) else {
            let nothing = expected[id].as_ref().is_some_and(|expected| expected.events.is_empty());
            assert!(nothing && !content.cdc, "segment {id} was never seen");
            continue;
        };
        assert_adds_up(*id, record);
        let quarantined = rig.folder("quarantine").join(content.name.log());
        match &expected[id] {
            Some(expected) if expected.damages == 0 => {
                let ended = if finished == Finished::Keep { Ended::Kept } else { Ended::Deleted };
                assert_eq!(record.state(), SegmentState::Finished(ended), "segment {id}: {record:?}");
                assert!(!quarantined.exists());
                tally.finished += 1;
            }
            readable => {
                tally.quarantined += 1;
                tally.unreadable += usize::from(readable.is_none());
                assert_eq!(record.state(), SegmentState::Quarantined, "segment {id}: {record:?}");
                assert_eq!(std::fs::read(&quarantined).expect("the whole file"), content.bytes, "segment {id}");
                assert!(record.cause.is_some(), "segment {id}: {record:?}");
            }
        }
        if let Some(Expected { list, .. }) = &expected[id] {
            let mut bytes = [0; 3];
            for entry in list {
                let is_parked = parked.iter().any(|(segment, position, _)| (*segment, *position) == entry.at);
                bytes[if is_parked { 2 } else { usize::from(entry.events.is_empty()) }] += entry.length;
            }
            let logical = record.bytes.logical;
            assert_eq!([logical.delivered, logical.filtered, logical.parked], bytes, "segment {id}: {record:?}");
        }
    }
}
