//! The two copies of the ledger, and what happens to them on a disk that lies.

use super::shadow::{self, Found, Image, Shadow};
use super::store::Encoded;
use super::*;
use crate::position::{LogicalPosition, SegmentId};
use crate::progress::DeliveredTo;
use std::fs;
use std::path::{Path, PathBuf};

const NOW: UnixMillis = UnixMillis(1760000005000);

fn key(id: u64) -> SegmentKey {
    SegmentKey::first(SegmentId(id))
}

fn record(id: u64) -> SegmentRecord {
    SegmentRecord::new(format!("CommitLog-7-{id}.log"), 7, id, NOW)
}

/// A folder with a ledger of three segments, one of them finished, the last of which has arrived up to 300.
fn used() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let OpenedLedger { mut ledger, opened, .. } = Ledger::open(&state).unwrap();
    assert_eq!(opened, Opened::New);
    for id in 1..=3 {
        ledger.insert(key(id), record(id)).unwrap();
    }
    ledger.set_meta("node", "n1".into());
    ledger.save().unwrap();
    ledger.update(key(1), |record| record.end = Some(0)).unwrap();
    for state in [SegmentState::Final, SegmentState::Delivered, SegmentState::Finished(Ending::Deleted)] {
        ledger.enter(key(1), state, NOW).unwrap();
    }
    for position in 1..=300 {
        ledger.advance(key(3), DeliveredTo { position: LogicalPosition(position), ordinal: 0 }).unwrap();
        ledger.save().unwrap();
    }
    dir
}

/// Opens it and says how it was found; everything unfinished and every named value is as it was.
#[track_caller]
fn assert_nothing_lost(dir: &Path, what: &str) -> Opened {
    let state = StateDir::open(dir).unwrap_or_else(|error| panic!("{what}: {error}"));
    let OpenedLedger { ledger, opened, .. } = Ledger::open(&state).unwrap_or_else(|error| panic!("{what}: {error}"));
    let unfinished: Vec<(u64, u32)> = ledger.live().map(|(key, record)| (key.id.0, record.delivered_to.position.0)).collect();
    assert_eq!(unfinished, [(2, 0), (3, 300)], "{what}: {opened:?}");
    assert_eq!(ledger.meta("node"), Some(&"n1".into()), "{what}: {opened:?}");
    opened
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    copy_into(from, to.path());
    to
}

fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_into(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn aside(dir: &Path) -> Vec<PathBuf> {
    names(dir).into_iter().filter(|name| name.contains(".broken-")).map(|name| dir.join(name)).collect()
}

/// The files of the store.
fn store_files(dir: &Path) -> Vec<String> {
    let files: Vec<String> = names(&dir.join("db")).into_iter().filter(|name| dir.join("db").join(name).is_file()).collect();
    assert!(files.contains(&"db".to_owned()) && files.contains(&"conf".to_owned()), "{files:?}");
    files
}

#[test]
fn a_ledger_that_was_left_in_peace_is_whole() {
    let dir = used();

    assert_eq!(assert_nothing_lost(dir.path(), "as it was"), Opened::Whole);
    assert_eq!(aside(dir.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_store_that_is_removed_or_emptied_is_made_again_out_of_its_shadow() {
    for what in ["the folder", "every file in it", "the data file"] {
        let dir = used();
        let db = dir.path().join("db");
        match what {
            "the folder" => fs::remove_dir_all(&db).unwrap(),
            "every file in it" => store_files(dir.path()).iter().for_each(|name| fs::write(db.join(name), b"").unwrap()),
            _ => fs::remove_file(db.join("db")).unwrap(),
        }

        let opened = assert_nothing_lost(dir.path(), what);

        assert!(matches!(opened, Opened::Rebuilt { .. }), "{what}: {opened:?}");
        assert_eq!(assert_nothing_lost(dir.path(), what), Opened::Whole, "{what}: mended once");
    }
}

#[test]
fn i2_a_store_cut_at_any_length_gives_what_was_saved_or_is_made_again() {
    let dir = used();
    let mut rebuilt = 0;
    for name in store_files(dir.path()) {
        let length = fs::metadata(dir.path().join("db").join(&name)).unwrap().len();
        for part in 0..12 {
            let dir = copy(dir.path());
            let file = dir.path().join("db").join(&name);
            let cut = length * part / 12 + part % 3;
            fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(cut.min(length)).unwrap();

            let opened = assert_nothing_lost(dir.path(), &format!("{name} cut at {cut} of {length}"));

            if let Opened::Rebuilt { aside: old, .. } = opened {
                rebuilt += 1;
                assert_eq!(old.into_iter().collect::<Vec<_>>(), aside(dir.path()), "what was there is kept");
            }
        }
    }
    assert!(rebuilt > 3, "only {rebuilt} were made again");
}

#[test]
fn i2_a_store_with_a_flipped_bit_gives_what_was_saved_or_is_made_again() {
    let dir = used();
    let mut rebuilt = 0;
    for name in store_files(dir.path()) {
        let bytes = fs::read(dir.path().join("db").join(&name)).unwrap();
        let written = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        for part in 0..16 {
            let dir = copy(dir.path());
            let at = written * part / 16;
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (part % 8);
            fs::write(dir.path().join("db").join(&name), flipped).unwrap();

            let opened = assert_nothing_lost(dir.path(), &format!("bit {} of byte {at} of {name}", part % 8));

            rebuilt += usize::from(matches!(opened, Opened::Rebuilt { .. }));
        }
    }
    assert!(rebuilt > 0, "none was made again");
}

#[test]
fn a_shadow_that_is_damaged_is_written_anew_and_the_store_counts() {
    let dir = used();
    let bytes = fs::read(dir.path().join("shadow")).unwrap();
    let mut cases: Vec<(String, Option<Vec<u8>>)> = vec![("removed".into(), None), ("emptied".into(), Some(vec![]))];
    for part in 0..20 {
        let at = bytes.len() * part / 20 + part;
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        cases.push((format!("flipped at {at}"), Some(flipped)));
        cases.push((format!("cut at {at}"), Some(bytes[..at].to_vec())));
    }
    for (what, content) in cases {
        let dir = copy(dir.path());
        match content {
            None => fs::remove_file(dir.path().join("shadow")).unwrap(),
            Some(content) => fs::write(dir.path().join("shadow"), content).unwrap(),
        }

        let opened = assert_nothing_lost(dir.path(), &what);

        assert!(matches!(opened, Opened::Whole | Opened::ShadowRenewed(_)), "{what}: {opened:?}");
        assert_eq!(assert_nothing_lost(dir.path(), &what), Opened::Whole, "{what}: written anew once");
    }
}

fn remove_both(dir: &Path) {
    fs::remove_dir_all(dir.join("db")).unwrap();
    fs::remove_file(dir.join("shadow")).unwrap();
}

#[test]
fn i10_when_both_copies_are_gone_nothing_begins_anew_by_itself() {
    for (what, harm) in [
        ("both removed", remove_both as fn(&Path)),
        ("both emptied", |dir| {
            fs::write(dir.join("shadow"), b"").unwrap();
            store_files(dir).iter().for_each(|name| fs::write(dir.join("db").join(name), b"").unwrap());
        }),
        ("db removed, the shadow cut", |dir| {
            fs::remove_dir_all(dir.join("db")).unwrap();
            fs::write(dir.join("shadow"), [1; 100]).unwrap();
        }),
    ] {
        let dir = used();
        harm(dir.path());
        for _ in 0..2 {
            let state = StateDir::open(dir.path()).unwrap();

            let error = Ledger::open(&state).err().unwrap_or_else(|| panic!("{what}: it began anew"));

            let (place, text) = (dir.path().display(), error.to_string());
            assert!(text.starts_with(&format!("the ledger in {place} is gone: ")), "{what}: {text}");
            assert!(text.contains("\"ringtail checkpoint rewind --all-unfinished --reason TEXT --config FILE\""), "{what}: {text}");
        }
    }
}

#[test]
fn a_folder_whose_first_start_was_interrupted_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(StateDir::open(dir.path()).unwrap());
    for leftover in [None, Some("shadow"), Some("shadow.new")] {
        if let Some(name) = leftover {
            fs::write(dir.path().join(name), b"").unwrap();
        }
        let state = StateDir::open(dir.path()).unwrap();

        assert!(!state.is_used().unwrap());
    }

    fs::write(dir.path().join("db/db"), [b'x'; 1000]).unwrap();
    fs::write(dir.path().join("db/conf"), [b'x'; 100]).unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let opened = Ledger::open(&state).unwrap().opened;
    assert!(matches!(opened, Opened::NewAfterCrash { aside: Some(_), .. }), "{opened:?}");
    assert_eq!(Ledger::open(&state).unwrap().opened, Opened::Whole);
}

#[test]
fn a_ledger_in_which_nothing_was_ever_saved_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    for expected in [Opened::New, Opened::Whole, Opened::Whole] {
        let state = StateDir::open(dir.path()).unwrap();

        assert_eq!(Ledger::open(&state).unwrap().opened, expected);
    }
}

#[test]
fn a_folder_with_links_and_without_a_ledger_is_no_new_one() {
    let dir = tempfile::tempdir().unwrap();
    drop(StateDir::open(dir.path()).unwrap());
    fs::write(dir.path().join("spool/CommitLog-7-1.log"), b"x").unwrap();

    let state = StateDir::open(dir.path()).unwrap();

    assert!(matches!(Ledger::open(&state), Err(LedgerError::Store(StoreError::Gone { .. }))));
}

#[test]
fn beginning_anew_keeps_what_was_there_and_leaves_a_gap_on_record() {
    let dir = used();
    fs::write(dir.path().join("db/db"), b"").unwrap();
    fs::write(dir.path().join("shadow"), b"what is left").unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    assert!(Ledger::open(&state).is_err());

    let begun = Ledger::begin_anew(&state, "the disk was lost").unwrap();

    assert_eq!(begun.ledger.live().count(), 0);
    assert_eq!(aside(dir.path()).len(), 2, "the store and its shadow");
    let trail = begun.ledger.trail();
    assert_eq!((trail[0].what, trail[0].reason.as_str()), (Deed::BegunAnew, "the disk was lost"));
    drop(begun);
    let again = Ledger::open(&state).unwrap();
    assert_eq!(again.opened, Opened::Whole);
    let gaps = again.ledger.gaps();
    assert_eq!((gaps.len(), gaps[0].cause, gaps[0].is_open()), (1, LossCause::StateLost, true));
}

#[test]
fn a_store_that_is_older_than_its_shadow_is_made_again() {
    let dir = used();
    let old = copy(&dir.path().join("db"));
    let state = StateDir::open(dir.path()).unwrap();
    let mut opened = Ledger::open(&state).unwrap();
    opened.ledger.set_meta("later", 1.into());
    opened.ledger.save().unwrap();
    drop(opened);
    drop(state);
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    fs::create_dir(dir.path().join("db")).unwrap();
    copy_into(old.path(), &dir.path().join("db"));

    let opened = assert_nothing_lost(dir.path(), "an old store");

    assert!(matches!(&opened, Opened::Rebuilt { why, aside: Some(_) } if why.contains("its shadow of save ")), "{opened:?}");
    let state = StateDir::open(dir.path()).unwrap();
    let ledger = Ledger::open(&state).unwrap().ledger;
    assert_eq!(ledger.meta("later"), Some(&1.into()));
    let trail = ledger.trail();
    assert_eq!((trail.len(), trail[0].what), (1, Deed::Rebuilt), "a repair is on record");
}

#[test]
fn a_kill_between_the_two_copies_is_no_damage() {
    let dir = used();
    let behind = fs::read(dir.path().join("shadow")).unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let mut opened = Ledger::open(&state).unwrap();
    opened.ledger.set_meta("later", 1.into());
    opened.ledger.save().unwrap();
    drop(opened);
    fs::write(state.shadow(), behind).unwrap();

    let opened = Ledger::open(&state).unwrap();

    assert_eq!((opened.opened, opened.ledger.meta("later")), (Opened::Whole, Some(&1.into())));
}

fn change(id: u64, size: usize) -> Encoded {
    Encoded { records: vec![(store::encode_key(key(id)), vec![id as u8; size], false)], ..Encoded::default() }
}

fn image_of(path: &Path) -> (u64, Image) {
    match shadow::read(path).unwrap() {
        Found::Valid { sequence, image } => (sequence, image),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_shadow_keeps_up_with_thousands_of_saves_and_grows_only_when_it_must() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shadow");
    let mut shadow = Shadow::create(&path, 0, Image::default()).unwrap();
    let first = fs::metadata(&path).unwrap().len();

    for sequence in 1..=4000 {
        shadow.save(sequence, &change(sequence % 20, 900)).unwrap();
    }

    assert_eq!(fs::metadata(&path).unwrap().len(), first, "twenty segments need no more room");
    let (sequence, image) = image_of(&path);
    assert_eq!((sequence, image.segments.len()), (4000, 20));
    for sequence in 4001..=5000 {
        shadow.save(sequence, &change(sequence, 900)).unwrap();
        if sequence % 100 == 0 {
            assert_eq!(image_of(&path).0, sequence);
        }
    }
    assert_eq!(image_of(&path).1.segments.len(), 1020);
    assert!(fs::metadata(&path).unwrap().len() > first);
    assert_eq!(names(dir.path()), ["shadow"]);
}

#[test]
fn a_save_that_a_crash_tore_leaves_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shadow");
    let mut shadow = Shadow::create(&path, 0, Image::default()).unwrap();
    // Far enough that the last save is a whole image in the other slot, once.
    let (mut before, mut images) = (fs::read(&path).unwrap(), 0);
    for sequence in 1..=700 {
        shadow.save(sequence, &change(sequence % 10, 900)).unwrap();
        let after = fs::read(&path).unwrap();
        let differs: Vec<usize> = (0..after.len()).filter(|at| after[*at] != before[*at]).collect();
        let (from, to) = (differs[0], differs[differs.len() - 1] + 1);
        let is_image = to - from > 2000;
        images += usize::from(is_image);
        if is_image || sequence % 100 == 0 {
            for part in 0..=8 {
                let cut = from + (to - from) * part / 9;
                let mut torn = before.clone();
                torn[from..cut].copy_from_slice(&after[from..cut]);
                let other = dir.path().join("torn");
                fs::write(&other, torn).unwrap();
                assert_eq!(image_of(&other).0, sequence - 1, "{part} of 9 of save {sequence} reached the disk");
            }
        }
        assert_eq!(image_of(&path).0, sequence);
        before = after;
    }
    assert!(images >= 2, "both slots were begun: {images}");
}

#[test]
fn finished_segments_and_removed_ones_are_not_in_the_shadow() {
    let dir = used();

    let (_, image) = image_of(&dir.path().join("shadow"));

    let kept: Vec<u64> = image.segments.keys().map(|key| store::decode_key(key).unwrap().id.0).collect();
    assert_eq!(kept, [2, 3]);
}

#[test]
fn a_ledger_is_read_beside_its_owner_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let OpenedLedger { mut ledger, reader, .. } = Ledger::open(&state).unwrap();
    for id in 1..=7 {
        ledger.insert(key(id), record(id)).unwrap();
    }
    ledger.set_meta("node", "n1".into());
    ledger.save().unwrap();

    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = reader.page(after, 3).unwrap();
        assert!(page.len() <= 3);
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        seen.extend(page.iter().map(|(key, _)| key.id.0));
    }

    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!((reader.meta("node").unwrap(), reader.meta("what").unwrap()), (Some("n1".into()), None));
}

#[test]
fn what_is_pruned_stays_in_the_sums() {
    let dir = used();
    let state = StateDir::open(dir.path()).unwrap();
    let mut ledger = Ledger::open(&state).unwrap().ledger;

    let later = UnixMillis(NOW.0 + 91 * 24 * 60 * 60 * 1000);
    assert_eq!(ledger.prune(later).unwrap(), 1);
    ledger.save().unwrap();

    let pruned: Pruned = serde_json::from_value(ledger.meta(META_PRUNED).unwrap().clone()).unwrap();
    assert_eq!(pruned.segments, 1);
}

#[test]
fn a_gap_is_on_record_once_and_until_somebody_takes_note_of_it() {
    let mut ledger = Ledger::load(Box::new(MemoryStore::new())).unwrap();
    let gap = Gap {
        at: NOW,
        cause: LossCause::NeverLinked,
        judgement: Judgement::Lost,
        ids: Some((5, 7)),
        text: "an index without a segment".into(),
        acknowledged: None,
    };

    assert!(ledger.note_gap(gap.clone()));
    assert!(!ledger.note_gap(Gap { at: UnixMillis(NOW.0 + 1), ..gap }), "the same once more");
    assert!(!ledger.acknowledge_gap(0, "x", NOW) && !ledger.acknowledge_gap(2, "x", NOW));
    assert!(ledger.acknowledge_gap(1, "rows were written again", NOW));
    assert!(!ledger.acknowledge_gap(1, "x", NOW), "once");

    assert!(!ledger.gaps()[0].is_open());
    assert_eq!(ledger.trail()[0].segment.as_deref(), Some("gap:1"));
}
