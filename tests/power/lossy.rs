//! That the disk forgets what was not synced, and nothing else; and that these tests see it when a sync is missing.

use super::disk::{Disk, Node, ROOT, Rule};
use super::machine::Machine;
use super::mount::Mount;
use super::skipped;
use crate::support::recorded::Recorded;
use crate::support::story;
use ringtail::checkpoint::{Ledger, Opened, OpenedLedger, SegmentKey, SegmentRecord, StateDir, UnixMillis};
use ringtail::position::{LogicalPosition, SegmentId};
use ringtail::progress::DeliveredTo;
use ringtail::sink::faults::Choices;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

const RULES: [Rule; 2] = [Rule::Strict, Rule::Ordered];
const ROUNDS: u64 = 40;

/// The bytes of a file after each of many cuts; none where the name is gone.
fn outcomes(disk: &Disk, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    let after = |seed| {
        let mut disk = disk.clone();
        disk.cut(&mut Choices::new(seed));
        let node = disk.find(ROOT, OsStr::new(name))?;
        disk.content_mut(node).map(|content| content.live().to_vec())
    };
    (0..200).map(after).collect()
}

fn write(disk: &mut Disk, node: Node, bytes: &[u8]) {
    disk.content_mut(node).expect("a file").write(0, bytes);
}

/// A file with these bytes, as durable as can be.
fn with_file(rule: Rule, name: &str, bytes: &[u8]) -> Disk {
    let mut disk = Disk::new(rule);
    let node = disk.make(ROOT, OsStr::new(name), false, 0o600, (0, 0));
    write(&mut disk, node, bytes);
    disk.sync(node);
    disk.sync(ROOT);
    disk
}

#[test]
fn what_was_synced_is_there_after_every_cut() {
    for rule in RULES {
        let disk = with_file(rule, "a", b"synced");

        assert_eq!(outcomes(&disk, "a"), BTreeSet::from([Some(b"synced".to_vec())]));
        assert_eq!(outcomes(&disk, "b"), BTreeSet::from([None]));
    }
}

#[test]
fn a_name_that_was_not_synced_comes_and_goes_and_under_the_strict_rule_even_if_the_file_was() {
    for rule in RULES {
        let mut disk = Disk::new(rule);
        let node = disk.make(ROOT, OsStr::new("a"), false, 0o600, (0, 0));
        write(&mut disk, node, b"new");
        assert!(outcomes(&disk, "a").is_superset(&BTreeSet::from([None, Some(b"new".to_vec()), Some(vec![])])), "{rule:?}");

        disk.sync(node);

        let outcomes = outcomes(&disk, "a");
        assert_eq!(outcomes.contains(&None), rule == Rule::Strict);
        assert!(outcomes.contains(&Some(b"new".to_vec())));
    }
}

#[test]
fn a_length_can_come_without_its_data_under_the_strict_rule_only() {
    for rule in RULES {
        let mut disk = with_file(rule, "a", b"");
        let node = disk.find(ROOT, OsStr::new("a")).unwrap();
        write(&mut disk, node, b"data");

        assert_eq!(outcomes(&disk, "a").contains(&Some(vec![0; 4])), rule == Rule::Strict, "{rule:?}");
    }
}

#[test]
fn pages_come_in_any_order_and_are_torn_at_sectors() {
    let mut disk = with_file(Rule::Ordered, "a", &[1; 8192]);
    let node = disk.find(ROOT, OsStr::new("a")).unwrap();
    write(&mut disk, node, &[2; 8192]);

    let outcomes: Vec<Vec<u8>> = outcomes(&disk, "a").into_iter().flatten().collect();

    let is = |bytes: &[u8], byte: u8| bytes.iter().all(|other| *other == byte);
    assert!(outcomes.iter().any(|bytes| is(&bytes[..4096], 1) && is(&bytes[4096..], 2)), "the second page before the first");
    assert!(outcomes.iter().any(|bytes| !is(&bytes[..4096], 1) && !is(&bytes[..4096], 2)), "half of a page");
    assert!(outcomes.iter().all(|bytes| bytes.chunks(512).all(|sector| is(sector, sector[0]))), "no sector is torn");
}

#[test]
fn a_rename_that_was_not_synced_is_there_or_not_and_never_half() {
    for rule in RULES {
        let mut disk = with_file(rule, "a", b"old");
        let new = disk.make(ROOT, OsStr::new("a.new"), false, 0o600, (0, 0));
        write(&mut disk, new, b"new");
        disk.sync(new);
        disk.rename((ROOT, OsStr::new("a.new")), (ROOT, OsStr::new("a")), new);
        assert_eq!(outcomes(&disk, "a"), BTreeSet::from([Some(b"old".to_vec()), Some(b"new".to_vec())]), "{rule:?}");

        disk.sync(ROOT);

        assert_eq!(outcomes(&disk, "a"), BTreeSet::from([Some(b"new".to_vec())]), "{rule:?}");
        assert_eq!(outcomes(&disk, "a.new"), BTreeSet::from([None]), "{rule:?}");
    }
}

#[test]
fn an_unlink_that_was_not_synced_can_come_back_with_all_its_bytes() {
    for rule in RULES {
        let mut disk = with_file(rule, "a", b"bytes");
        disk.remove(ROOT, OsStr::new("a"));
        assert_eq!(outcomes(&disk, "a"), BTreeSet::from([None, Some(b"bytes".to_vec())]));

        disk.sync(ROOT);

        assert_eq!(outcomes(&disk, "a"), BTreeSet::from([None]));
    }
}

/// An empty disk at a place of this test.
fn mounted(test: &str, rule: Rule) -> Mount {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
    Mount::new(&path, rule).unwrap_or_else(|error| panic!("cannot mount {}: {error}", path.display()))
}

#[test]
fn a_process_that_does_not_sync_loses_what_it_wrote_and_one_that_does_loses_nothing() {
    if skipped("a_process_that_does_not_sync_loses_what_it_wrote_and_one_that_does_loses_nothing") {
        return;
    }
    let mount = mounted("processes", Rule::Strict);
    let script = "set -e; head -c 20000 /dev/zero | tr '\\0' x > careless; cp careless careful; sync careful; ln careful linked; \
                  sync .; cp careless late; test $(stat -c %h linked) = 2; mv late later; rm -f nothing; mkdir folder; test -d folder; \
                  chmod 600 careful; touch -d @1 careless; exec 9> lock; flock -n 9; ! flock -n lock true";
    let status = Command::new("sh").args(["-c", script]).current_dir(&mount.path).status().expect("a shell");
    assert!(status.success());
    let mut lost = BTreeSet::new();
    for seed in 0..ROUNDS {
        let image = tempfile::tempdir().expect("a temporary folder");
        mount.image(&mut Choices::new(seed)).export(ROOT, image.path()).expect("a writable folder");
        for name in ["careful", "linked", "careless", "later"] {
            if fs::read(image.path().join(name)).ok().as_deref() != Some(&[b'x'; 20000]) {
                lost.insert(name);
            }
        }
    }
    assert_eq!(lost, BTreeSet::from(["careless", "later"]));
}

/// Writes to a store on the disk again and again, and opens what a cut leaves of it. In how many rounds was something acknowledged lost?
fn lost_by_sled(with_fsync: bool, rule: Rule) -> usize {
    let mount = mounted(&format!("sled-{with_fsync}-{rule:?}"), rule);
    mount.state().trusts_this_process = false;
    let open = |path: &Path| sled::Config::new().path(path).mode(sled::Mode::LowSpace).flush_every_ms(None).open();
    let path = mount.path.join("db");
    let db = open(&path).expect("an empty store");
    for sync in [path.join("conf"), path.clone(), mount.path.clone()] {
        File::open(sync).and_then(|file| file.sync_all()).expect("a sync");
    }
    let mut lost = 0;
    for round in 1..=ROUNDS {
        for segment in 0..3 {
            db.insert([segment], &round.to_be_bytes()).expect("an insert");
        }
        db.flush().expect("a flush");
        if with_fsync {
            File::open(path.join("db")).and_then(|file| file.sync_data()).expect("a sync");
        }
        let image = tempfile::tempdir().expect("a temporary folder");
        mount.image(&mut Choices::new(round)).export(ROOT, image.path()).expect("a writable folder");
        let folder = image.path().join("db");
        // It also panics on what it finds.
        let found = std::thread::spawn(move || open(&folder).ok()?.get([0]).ok().flatten().map(|value| value.to_vec()));
        lost += usize::from(found.join().ok().flatten() != Some(round.to_be_bytes().to_vec()));
    }
    lost
}

#[test]
fn sleds_flush_alone_loses_what_it_acknowledged_and_with_an_fsync_nothing() {
    if skipped("sleds_flush_alone_loses_what_it_acknowledged_and_with_an_fsync_nothing") {
        return;
    }
    for rule in RULES {
        let (without, with) = (lost_by_sled(false, rule), lost_by_sled(true, rule));
        println!("{rule:?}: {without} of {ROUNDS} rounds lose something without the fsync, {with} with it");
        assert!(without > ROUNDS as usize / 4, "{rule:?}: only {without} of {ROUNDS}");
        assert_eq!(with, 0, "{rule:?}");
    }
}

/// What became of a ledger in all rounds.
#[derive(Debug, Default, PartialEq)]
struct Ledgers {
    lost: usize,
    rebuilt: usize,
    refused: usize,
}

/// The same with our ledger, on a disk that does not sync these files although it says so.
fn ledgers(lies: &[&str]) -> Ledgers {
    let mount = mounted(&format!("ledger-{}", lies.len()), Rule::Strict);
    mount.state().trusts_this_process = false;
    let state = StateDir::open(&mount.path.join("state")).expect("a state folder");
    let mut ledger = Ledger::open(&state).expect("an empty ledger").ledger;
    let key = SegmentKey::first(SegmentId(7));
    ledger.insert(key, SegmentRecord::new("CommitLog-7-7.log".into(), 7, 1, UnixMillis(0))).expect("a record");
    ledger.save().expect("a save");
    mount.state().disk.lies = lies.iter().map(PathBuf::from).collect();
    let mut sums = Ledgers::default();
    for round in 1..=ROUNDS as u32 {
        ledger.advance(key, DeliveredTo { position: LogicalPosition(round), ordinal: 0 }).expect("it advances");
        ledger.save().expect("a save");
        let image = tempfile::tempdir().expect("a temporary folder");
        mount.image(&mut Choices::new(u64::from(round))).export(ROOT, image.path()).expect("a writable folder");
        let state = StateDir::open(&image.path().join("state")).expect("a state folder");
        match Ledger::open(&state) {
            Ok(OpenedLedger { ledger, opened, .. }) => {
                let found = ledger.get(key).map(|record| record.delivered_to.position.0);
                sums.lost += usize::from(found != Some(round));
                sums.rebuilt += usize::from(matches!(opened, Opened::Rebuilt { .. }));
            }
            Err(_) => sums.refused += 1,
        }
    }
    sums
}

#[test]
fn i2_what_the_ledger_saved_is_there_after_every_cut_and_its_shadow_makes_up_for_a_sync_that_is_missing() {
    if skipped("i2_what_the_ledger_saved_is_there_after_every_cut_and_its_shadow_makes_up_for_a_sync_that_is_missing") {
        return;
    }
    assert_eq!(ledgers(&[]), Ledgers::default());

    let without_sled = ledgers(&["db/db"]);
    assert_eq!((without_sled.lost, without_sled.refused), (0, 0), "{without_sled:?}");
    assert!(without_sled.rebuilt > ROUNDS as usize / 4, "{without_sled:?}");

    let without_both = ledgers(&["db/db", "shadow"]);
    println!("without the fsync of sled's file: {without_sled:?}; without that of the shadow too: {without_both:?}");
    assert!(without_both.lost + without_both.refused > ROUNDS as usize / 4, "{without_both:?}");
}

/// Cuts until something does not hold, on a disk that does not sync these files although it says so.
fn cuts_until_a_problem(lie: &str) -> Vec<String> {
    let seed = super::seed();
    let recorded = Recorded::all();
    let plan = story::plan(&recorded, seed, 6);
    let expected = story::expect(&recorded, &plan);
    let mut machine = Machine::new(&format!("power-{}", lie.replace('/', "-")), seed, &recorded.schema, plan, &expected);
    machine.mount.state().disk.lies = vec![lie.into()];
    let steps = machine.plan.steps.len().div_ceil(30);
    for _ in 0..30 {
        machine.run_and_cut(steps);
        if !machine.problems.is_empty() {
            break;
        }
    }
    println!("{lie}: {} cuts, {:?}", machine.tally.cuts, machine.problems);
    let (root, problems) = (machine.root.clone(), std::mem::take(&mut machine.problems));
    drop(machine);
    fs::remove_dir_all(root).expect("our own folder");
    problems
}

#[test]
fn a_sink_whose_syncs_are_not_done_is_found_out() {
    if skipped("a_sink_whose_syncs_are_not_done_is_found_out") {
        return;
    }
    let problems = cuts_until_a_problem("events.jsonl");

    assert!(problems.iter().any(|problem| problem.contains("have not arrived, although")), "{problems:?}");
}
