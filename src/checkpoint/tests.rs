use super::sled::SledStore;
use super::*;
use crate::position::{LogicalPosition, SegmentId};
use crate::progress::DeliveredTo;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const ID: SegmentId = SegmentId(1760000000001);
const NOW: UnixMillis = UnixMillis(1760000005000);
const DAY: u64 = 24 * 60 * 60 * 1000;

fn key(id: u64) -> SegmentKey {
    SegmentKey::first(SegmentId(id))
}

fn record(id: SegmentId) -> SegmentRecord {
    SegmentRecord::new(format!("CommitLog-7-{id}.log"), 7, 42, NOW)
}

fn at(position: u32) -> DeliveredTo {
    DeliveredTo { position: LogicalPosition(position), ordinal: 0 }
}

fn load(store: impl CheckpointStore + 'static) -> Ledger {
    Ledger::load(Box::new(store)).unwrap()
}

/// A ledger with one segment that is delivered up to its end, not saved.
fn delivered(ledger: &mut Ledger, key: SegmentKey) {
    ledger.insert(key, record(key.id)).unwrap();
    ledger.update(key, |record| record.end = Some(900)).unwrap();
    ledger.advance(key, at(900)).unwrap();
    ledger.enter(key, SegmentState::Final, NOW).unwrap();
    ledger.enter(key, SegmentState::Delivered, NOW).unwrap();
}

fn finished(ledger: &mut Ledger, key: SegmentKey, when: UnixMillis) {
    delivered(ledger, key);
    ledger.enter(key, SegmentState::Finished(Ending::Deleted), when).unwrap();
}

fn all(ledger: &Ledger) -> Vec<(SegmentKey, SegmentRecord)> {
    let mut all = Vec::new();
    ledger
        .visit(&mut |key, record| {
            all.push((key, record));
            ControlFlow::Continue(())
        })
        .unwrap();
    all
}

/// Copies a folder as the page cache has it: what a new process finds after kill -9.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_record_survives_with_every_field() {
    let dir = tempfile::tempdir().unwrap();
    let mut full = record(ID);
    full.header_crc = Some(0xdead_beef);
    full.first_entry_crc = Some(7);
    full.idx = Some(IndexRecord { synced: 700, completed: false });
    full.end = Some(1000);
    full.delivered_to = DeliveredTo { position: LogicalPosition(800), ordinal: 3 };
    full.cdc_raw = NamePresence::Gone;
    full.bytes.file = FileBytes { length: 1048576, header: 20, markers: 16, ..FileBytes::default() };
    full.bytes.logical = LogicalBytes { sections: 5000, delivered: 4000, filtered: 1000, ..LogicalBytes::default() };
    full.parked = ParkedCount { entries: 2, bytes: 512 };
    full.add_damage(DamageRecord { file_offset: 600, bytes: 40, position: Some(600), kind: "entry".into() });
    full.cause = Some("header checksum mismatch".into());

    let mut ledger = load(SledStore::open(dir.path()).unwrap());
    ledger.insert(SegmentKey::first(ID), full.clone()).unwrap();
    ledger.set_meta("node.id", "n1".into());
    ledger.save().unwrap();
    drop(ledger);

    let ledger = load(SledStore::open(dir.path()).unwrap());
    assert_eq!(ledger.get(SegmentKey::first(ID)), Some(&full));
    assert_eq!(ledger.meta("node.id"), Some(&"n1".into()));
}

#[test]
fn kill_after_a_save_keeps_it_and_kill_before_the_flush_tears_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (live, killed) = (dir.path().join("live"), dir.path().join("killed"));
    let mut store = SledStore::open(&live).unwrap();
    let first = Batch { records: vec![(key(1), record(ID))], meta: vec![("a".into(), 1.into())], ..Batch::default() };
    let second =
        Batch { records: vec![(key(2), record(ID)), (key(3), record(ID))], meta: vec![("a".into(), 2.into())], ..Batch::default() };
    store.save(&first).unwrap();

    store.write(&second.encode().unwrap()).unwrap();
    copy(&live, &killed);

    let ledger = load(SledStore::open(&killed).unwrap());
    assert!(ledger.get(key(1)).is_some(), "what was saved is there");
    let torn = (ledger.get(key(2)).is_some(), ledger.get(key(3)).is_some(), ledger.meta("a") == Some(&2.into()));
    assert!(torn == (false, false, false) || torn == (true, true, true), "a batch is all or nothing: {torn:?}");
}

#[test]
fn a_thousand_saves_survive_a_kill_and_stay_small() {
    let dir = tempfile::tempdir().unwrap();
    let (live, killed) = (dir.path().join("live"), dir.path().join("killed"));
    let mut ledger = load(SledStore::open(&live).unwrap());
    ledger.insert(key(1), record(ID)).unwrap();
    for position in 1..=1000 {
        ledger.advance(key(1), at(position)).unwrap();
        ledger.save().unwrap();
    }

    copy(&live, &killed);

    let again = load(SledStore::open(&killed).unwrap());
    assert_eq!(again.get(key(1)).unwrap().delivered_to, at(1000));
    assert!(fs::metadata(live.join("db")).unwrap().len() < 16 * 1024 * 1024);
}

#[test]
fn a_value_too_large_for_a_page_survives_a_kill_too() {
    let dir = tempfile::tempdir().unwrap();
    let (live, killed) = (dir.path().join("live"), dir.path().join("killed"));
    let mut ledger = load(SledStore::open(&live).unwrap());
    let large: serde_json::Value = "x".repeat(300_000).into();
    ledger.set_meta("large", large.clone());
    ledger.save().unwrap();
    assert!(fs::read_dir(live.join("blobs")).unwrap().count() > 0, "the value must be one of those that sled does not sync");

    copy(&live, &killed);

    assert_eq!(load(SledStore::open(&killed).unwrap()).meta("large"), Some(&large));
}

#[test]
fn a_leftover_of_an_unfinished_snapshot_does_not_keep_the_store_shut() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = load(SledStore::open(dir.path()).unwrap());
    ledger.insert(key(1), record(ID)).unwrap();
    ledger.save().unwrap();
    drop(ledger);
    fs::write(dir.path().join("snap.FFFFFFFFFFFFFFF0.generating"), b"torn").unwrap();

    let ledger = load(SledStore::open(dir.path()).unwrap());

    assert!(ledger.get(key(1)).is_some());
}

#[test]
fn i10_a_damaged_record_is_an_error_that_names_its_segment() {
    let good = store::encode_value(&|| "x".into(), &record(ID)).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut newer = good.clone();
    newer[0] = 9;
    for (value, sentence) in [
        (flipped, "ledger record of segment 1760000000001 is damaged: checksum mismatch: expected 0x"),
        (newer, "ledger record of segment 1760000000001 has version 9; this release reads version 1"),
        (vec![], "ledger record of segment 1760000000001 is damaged: expected a version, found nothing"),
        (good[..4].to_vec(), "ledger record of segment 1760000000001 is damaged: expected a checksum, found the end"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SledStore::open(dir.path()).unwrap();
        store.put_raw(&store::encode_key(SegmentKey::first(ID)), &value);

        let error = Ledger::load(Box::new(store)).unwrap_err();

        assert!(error.to_string().starts_with(sentence), "{error}");
    }
}

#[test]
fn a_strange_key_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SledStore::open(dir.path()).unwrap();
    store.put_raw(b"what", b"ever");

    assert!(Ledger::load(Box::new(store)).unwrap_err().to_string().contains("is not a segment id and incarnation"));
}

#[test]
fn records_are_ordered_by_id_then_incarnation() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SledStore::open(dir.path()).unwrap();
    let second = key(255).next().unwrap();
    let keys = [key(1), key(255), second, key(256), key(1 << 40)];
    store.save(&Batch { records: keys.iter().rev().map(|key| (*key, record(key.id))).collect(), ..Batch::default() }).unwrap();

    let ledger = load(store);

    assert_eq!(all(&ledger).iter().map(|(key, _)| *key).collect::<Vec<_>>(), keys);
    assert_eq!(ledger.newest(SegmentId(255)).unwrap().unwrap().0, second);
    assert_eq!(ledger.newest(SegmentId(2)).unwrap(), None);
}

#[test]
fn i3_nothing_is_covered_before_the_save_that_says_so_is_durable() {
    for fault in [Fault::BeforeWrite, Fault::BeforeDurable, Fault::AfterDurable] {
        let store = MemoryStore::new();
        let mut ledger = load(store.clone());
        delivered(&mut ledger, key(1));
        assert!(ledger.covered(key(1)).is_none(), "delivered in memory is not on disk");

        store.fail_next(fault);
        ledger.save().unwrap_err();
        assert!(ledger.covered(key(1)).is_none(), "a save that failed proves nothing: {fault:?}");
        assert!(matches!(ledger.save(), Err(LedgerError::Broken)));

        store.crash();
        let again = load(store.clone());
        assert_eq!(again.covered(key(1)).is_some(), fault == Fault::AfterDurable, "what is found after the crash counts");
    }
}

#[test]
fn i3_a_segment_found_to_be_longer_is_not_covered_by_what_was_saved_before() {
    let mut ledger = load(MemoryStore::new());
    delivered(&mut ledger, key(1));
    ledger.save().unwrap();
    assert!(ledger.covered(key(1)).is_some());

    ledger.update(key(1), |record| record.end = Some(1000)).unwrap();
    ledger.advance(key(1), at(1000)).unwrap();
    assert!(ledger.covered(key(1)).is_none());

    ledger.save().unwrap();
    assert_eq!(ledger.covered(key(1)).unwrap().key(), key(1));
}

#[test]
fn saves_and_durable_saves_are_counted_and_an_empty_one_is_none() {
    let store = MemoryStore::new();
    let mut ledger = load(store.clone());
    ledger.save().unwrap();
    ledger.insert(key(1), record(ID)).unwrap();
    assert!(ledger.is_changed());
    ledger.save().unwrap();
    assert!(!ledger.is_changed());
    ledger.set_meta("a", 1.into());
    store.fail_next(Fault::BeforeDurable);
    ledger.save().unwrap_err();

    assert_eq!((store.saves(), store.durables()), (2, 1));
}

#[test]
fn a_segment_is_delivered_only_when_all_of_it_is() {
    let mut ledger = load(MemoryStore::new());
    ledger.insert(key(1), record(ID)).unwrap();
    ledger.enter(key(1), SegmentState::Final, NOW).unwrap();
    assert!(ledger.enter(key(1), SegmentState::Delivered, NOW).is_err(), "the end is not known");

    ledger.update(key(1), |record| record.end = Some(900)).unwrap();
    ledger.advance(key(1), at(899)).unwrap();
    let error = ledger.enter(key(1), SegmentState::Delivered, NOW).unwrap_err();
    assert!(error.to_string().starts_with("segment 1 is not delivered: its end is Some(900)"), "{error}");

    ledger.advance(key(1), at(900)).unwrap();
    ledger.enter(key(1), SegmentState::Delivered, NOW).unwrap();
}

#[test]
fn states_go_only_where_they_may() {
    use SegmentState::*;
    let lost = Lost(LossCause::Vanished);
    let states = [Open, Final, Delivered, Finished(Ending::Kept), Quarantined, lost, Acknowledged];
    let allowed = [
        (Open, vec![Final, Quarantined, lost]),
        (Final, vec![Open, Delivered, Quarantined, lost]),
        (Delivered, vec![Finished(Ending::Kept), Quarantined]),
        (Finished(Ending::Kept), vec![Open]),
        (Quarantined, vec![Open, Acknowledged]),
        (lost, vec![Open, Acknowledged]),
        (Acknowledged, vec![Open]),
    ];

    for (from, to) in allowed {
        for state in states {
            let mut ledger = load(MemoryStore::new());
            reach(&mut ledger, from);
            assert_eq!(ledger.enter(key(1), state, NOW).is_ok(), to.contains(&state), "{from} to {state}");
        }
    }
}

fn reach(ledger: &mut Ledger, state: SegmentState) {
    use SegmentState::*;
    ledger.insert(key(1), record(ID)).unwrap();
    ledger.update(key(1), |record| record.end = Some(0)).unwrap();
    let path: &[SegmentState] = match state {
        Open => &[],
        Final => &[Final],
        Delivered => &[Final, Delivered],
        Finished(ending) => &[Final, Delivered, Finished(ending)],
        Acknowledged => &[Quarantined, Acknowledged],
        other => &[other],
    };
    path.iter().for_each(|state| ledger.enter(key(1), *state, NOW).unwrap());
}

#[test]
#[should_panic(expected = "progress only goes forward (I2)")]
fn progress_that_goes_back_is_a_programmers_error() {
    let mut ledger = load(MemoryStore::new());
    ledger.insert(key(1), record(ID)).unwrap();
    ledger.advance(key(1), at(900)).unwrap();
    ledger.advance(key(1), at(899)).unwrap();
}

#[test]
fn finished_records_leave_memory_and_are_found_and_opened_again() {
    let store = MemoryStore::new();
    let mut ledger = load(store.clone());
    finished(&mut ledger, key(1), NOW);
    ledger.save().unwrap();
    assert_eq!(ledger.live().count(), 0);
    assert_eq!(ledger.ended().collect::<Vec<_>>(), [(SegmentState::Finished(Ending::Deleted), 1)]);

    let mut ledger = load(store);
    assert_eq!(ledger.ended().collect::<Vec<_>>(), [(SegmentState::Finished(Ending::Deleted), 1)]);
    let (found, record) = ledger.newest(SegmentId(1)).unwrap().unwrap();
    assert_eq!((found, record.state()), (key(1), SegmentState::Finished(Ending::Deleted)));
    assert!(matches!(ledger.insert(key(1), record), Err(LedgerError::Exists(_))));

    ledger.reopen(key(1), NOW).unwrap();
    assert_eq!(ledger.ended().map(|(_, count)| count).sum::<u64>(), 0);
    assert_eq!(ledger.get(key(1)).unwrap().delivered_to, at(900), "what was delivered before stays delivered");
    assert!(ledger.covered(key(1)).is_none());
    assert!(matches!(ledger.reopen(key(2), NOW), Err(LedgerError::Unknown(_))));
}

#[test]
fn finished_records_are_pruned_after_ninety_days_and_lost_ones_never() {
    let mut ledger = load(MemoryStore::new());
    for (id, finished_at) in [(1, 0), (2, 5), (4, 50)] {
        finished(&mut ledger, key(id), UnixMillis(finished_at * DAY));
    }
    ledger.insert(key(3), record(ID)).unwrap();
    ledger.enter(key(3), SegmentState::Lost(LossCause::Vanished), UnixMillis(0)).unwrap();
    ledger.save().unwrap();

    assert_eq!(ledger.prune(UnixMillis(90 * DAY)).unwrap(), 0);
    assert_eq!(ledger.prune(UnixMillis(100 * DAY)).unwrap(), 2);
    assert_eq!(ledger.prune(UnixMillis(100 * DAY)).unwrap(), 0, "already on the list");
    assert_eq!(ledger.newest(SegmentId(1)).unwrap(), None);
    ledger.save().unwrap();

    assert_eq!(all(&ledger).iter().map(|(key, _)| key.id.0).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(ledger.ended().map(|(_, count)| count).sum::<u64>(), 1);
}

#[test]
fn many_damaged_ranges_do_not_make_a_record_grow_for_ever() {
    let mut record = record(ID);
    for i in 0..10_000 {
        record.add_damage(DamageRecord { file_offset: i * 100, bytes: 10, position: None, kind: "entry".into() });
    }

    let last = record.damage.last().unwrap();
    assert_eq!(record.damage.len(), SegmentRecord::DAMAGE_LIMIT);
    assert_eq!((last.file_offset + last.bytes, last.kind.as_str()), (9_999 * 100 + 10, "several"));
}

#[test]
fn a_second_instance_is_refused_with_the_folder_and_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ringtail");
    let first = StateDir::open(&path).unwrap();

    let error = StateDir::open(&path).unwrap_err();

    let sentence = format!("another instance holds the state folder {} (process {})", path.display(), std::process::id());
    assert!(matches!(error, StateError::Held { .. }));
    assert_eq!(error.to_string(), sentence);
    drop(first);
    StateDir::open(&path).unwrap();
}

#[test]
fn the_state_folder_is_private_also_when_it_was_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ringtail");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();

    let state = StateDir::open(&path).unwrap();

    for folder in [state.path().to_owned(), state.db(), state.spool(), state.parked(), state.quarantine()] {
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
    }
}

#[test]
fn a_newer_state_is_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    drop(StateDir::open(dir.path()).unwrap());
    fs::write(dir.path().join("VERSION"), "2\n").unwrap();

    let error = StateDir::open(dir.path()).unwrap_err();

    assert!(matches!(error, StateError::Newer { found: 2, .. }));
    assert!(error.to_string().contains("has version 2, this release knows versions up to 1"), "{error}");
}

#[test]
fn state_without_a_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    drop(SledStore::open(&state.db()).unwrap());
    drop(state);
    for version in [None, Some("what\n"), Some("")] {
        fs::remove_file(dir.path().join("VERSION")).unwrap();
        if let Some(version) = version {
            fs::write(dir.path().join("VERSION"), version).unwrap();
        }

        assert!(matches!(StateDir::open(dir.path()), Err(StateError::NoVersion { .. })), "{version:?}");
        fs::write(dir.path().join("VERSION"), "1\n").unwrap();
    }
    StateDir::open(dir.path()).unwrap();
}

#[test]
fn unix_millis_survive_a_clock_before_1970() {
    let before = std::time::SystemTime::UNIX_EPOCH - Duration::from_secs(5);

    assert_eq!(UnixMillis::from(before), UnixMillis(0));
}
