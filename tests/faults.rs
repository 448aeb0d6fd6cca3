//! Every effect of the binary on the file system, failing or cut off by a kill, one after the other: nothing is lost.
//!
//! A small library between the binary and its C library (`faults/shim.c`) sees each call about a file of the scene. A first run lists
//! them; then each is met by a SIGKILL before it and after it, an error, an interruption, a half. A run without faults follows, and
//! everything must be there as if nothing had happened. `RINGTAIL_FAULTS=all` takes every call, not one of five.
#![cfg(all(feature = "agent", target_os = "linux"))]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

#[path = "faults/full_disk.rs"]
mod full_disk;
#[path = "faults/scene.rs"]
mod scene;
#[path = "faults/state_files.rs"]
mod state_files;
mod support;

use full_disk::FullDisk;
use scene::{Effect, Scene, Template};
use state_files::Harm;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::audit::assert_adds_up;

/// What each call may meet, and how the process may end then.
struct Kind {
    action: &'static str,
    calls: &'static [&'static str],
    codes: &'static [Option<i32>],
}

const EFFECTS: &[&str] = &["link", "unlink", "rename", "mkdir", "create", "truncate", "write", "sync_file_range", "fsync", "fdatasync"];

/// Takes one fault after the other, two at a time, each in a scene of its own.
fn for_each_fault(kinds: &[Kind]) {
    let template = Template::new();
    let sample = if std::env::var("RINGTAIL_FAULTS").as_deref() == Ok("all") { 1 } else { 5 };
    let mut faults: Vec<(&'static str, Effect, &'static [Option<i32>])> = Vec::new();
    for kind in kinds {
        let effects = template.effects.iter().filter(|effect| kind.calls.contains(&effect.call.as_str()));
        faults.extend(effects.map(|effect| (kind.action, effect.clone(), kind.codes)));
    }
    assert!(faults.len() > 20, "the binary does more than {} things", faults.len());
    let faults: Vec<_> = faults.into_iter().enumerate().filter(|(n, _)| n % sample == 0).map(|(_, fault)| fault).collect();
    let (next, met) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((action, effect, codes)) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    met.fetch_add(usize::from(meet(&template, action, effect, codes)), Ordering::Relaxed);
                }
            });
        }
    });
    let met = met.into_inner();
    println!("{} faults, {met} of them met", faults.len());
    // Threads of sled write when they like, so that not every call comes each time as often as in the first run.
    assert!(met * 10 >= faults.len() * 8, "only {met} of {} faults were met", faults.len());
}

/// One fault: a run that meets it, a run that does not. False if it was not met.
fn meet(template: &Template, action: &str, effect: &Effect, codes: &[Option<i32>]) -> bool {
    let scene = Scene::new(template);
    let what = format!("{action} at {effect:?}");
    let first = scene.run_with(&[
        ("FAULT_CALL", &effect.call),
        ("FAULT_PATH", &effect.path),
        ("FAULT_NTH", &effect.nth.to_string()),
        ("FAULT_DO", action),
    ]);
    assert!(codes.contains(&first.code) || first.code == Some(0), "{what}: ended with {:?}\n{}", first.code, first.err);
    if first.code.is_some_and(|code| code != 0) {
        let last = first.err.lines().last().unwrap_or_default();
        assert!(last.starts_with("ringtail: "), "{what}: says why it ends\n{}", first.err);
    }
    let second = scene.run_with(&[]);
    assert_eq!(second.code, Some(0), "{what}: the next run ends well\n{}\nafter\n{}", second.err, first.err);
    scene.assert_as_if_nothing_had_happened(template, &what);
    assert_adds_up(&scene.path("ringtail.yaml"), &what);
    first.met
}

#[test]
fn i8_a_kill_before_or_after_any_effect_loses_nothing() {
    let kinds = ["kill-before", "kill-after"].map(|action| Kind { action, calls: EFFECTS, codes: &[None] });

    for_each_fault(&kinds);
}

#[test]
fn i8_an_error_of_the_file_system_at_any_effect_loses_nothing() {
    let kinds = ["EIO", "ENOSPC"].map(|action| Kind { action, calls: EFFECTS, codes: &[Some(74)] });

    for_each_fault(&kinds);
}

#[test]
fn i8_an_error_at_any_read_loses_nothing() {
    for_each_fault(&[Kind { action: "EIO", calls: &["read", "open"], codes: &[Some(74), Some(64)] }]);
}

#[test]
fn interrupted_calls_and_halves_are_done_again_without_a_word() {
    let interrupted = Kind { action: "EINTR", calls: &["read", "open", "create", "write", "fsync", "fdatasync", "truncate"], codes: &[] };
    let half = Kind { action: "short", calls: &["read", "write"], codes: &[] };

    for_each_fault(&[interrupted, half]);
}

#[test]
fn every_effect_that_matters_is_among_those_that_are_tried() {
    let template = Template::new();
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for effect in &template.effects {
        *seen.entry((effect.call.clone(), effect.path.clone())).or_default() += 1;
    }
    for (call, path) in [
        ("link", "/state/spool/"),
        ("fsync", "/state/spool"),
        ("write", "/state/db/db"),
        ("sync_file_range", "/state/db/db"),
        ("fdatasync", "/state/db/db"),
        ("write", "/state/shadow"),
        ("fdatasync", "/state/shadow"),
        ("rename", "/state/shadow"),
        ("write", "/events.jsonl"),
        ("fdatasync", "/events.jsonl"),
        ("write", "/state/parked/"),
        ("fsync", "/state/parked/"),
        ("rename", "/state/parked/"),
        ("rename", "/state/quarantine/"),
        ("unlink", "/cdc_raw/"),
        ("unlink", "/state/spool/"),
        ("fsync", "/cdc_raw"),
    ] {
        assert!(seen.contains_key(&(call.into(), path.into())), "{call} {path}: {seen:#?}");
    }
}

#[test]
fn i10_a_state_file_that_is_emptied_cut_flipped_or_removed_loses_nothing() {
    let template = Template::new();
    let harms: Vec<(&str, Harm)> = state_files::FILES.iter().flat_map(|file| Harm::ALL.map(|harm| (*file, harm))).collect();
    let said: Vec<String> = std::thread::scope(|scope| {
        let half = |harms: &[(&str, Harm)]| -> Vec<String> {
            harms.iter().map(|(file, harm)| state_files::goes_on_after(&template, file, *harm)).collect()
        };
        let (one, other) = harms.split_at(harms.len() / 2);
        let other = scope.spawn(move || half(other));
        let mut said = half(one);
        said.extend(other.join().expect("the other half"));
        said
    });

    let with = |text: &str| said.iter().filter(|said| said.contains(text)).count();
    let (rebuilt, renewed) = (with("made again out of its shadow"), with("the shadow of the ledger was written anew"));
    println!("{} harmed files: the ledger was made again {rebuilt} times, its shadow {renewed} times", said.len());
    assert!(rebuilt > 3 && renewed > 1, "{rebuilt} and {renewed} of {}", said.len());
}

#[test]
fn a_state_folder_whose_version_cannot_be_read_is_left_alone() {
    let template = Template::new();

    for harm in [Harm::Emptied, Harm::Removed, Harm::Flipped(0)] {
        state_files::asks_for_the_version(&template, harm);
    }
}

#[test]
fn on_a_full_disk_it_stays_up_unready_and_resumes_by_itself() {
    if !full_disk::can_be_made() {
        println!("skipped: this machine gives nobody a mount namespace (unshare --map-root-user --mount)");
        return;
    }
    let disk = FullDisk::start(40 << 20);
    disk.wait_for("ready");

    disk.fill();
    disk.wait_for("is full");
    disk.put_segments();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(disk.events(), 0, "nothing is read that cannot be saved");
    disk.make_room();

    disk.wait_for("has room again");
    disk.wait_for_events();
    let (code, log) = disk.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("os error 28"), "the ledger never met the full disk\n{log}");
}
