//! The end of a segment.

use super::super::reclaim::Step;
use super::*;
use crate::checkpoint::Ending;

/// A segment that is delivered, durably, with all three names.
fn delivered(rig: &mut Rig) {
    rig.node.create_and_link(1);
    rig.node.append(1, 20);
    rig.node.write_index(1, "20\nCOMPLETED");
    rig.take_in();
    rig.deliver(1);
}

fn remaining(rig: &Rig) -> (bool, bool, bool) {
    (rig.node.cdc_raw(1).exists(), rig.node.index(1).exists(), rig.folders.spool.join("CommitLog-7-1.log").exists())
}

#[test]
fn the_log_goes_first_then_its_index_then_our_link() {
    let mut rig = Rig::new();
    delivered(&mut rig);
    let covered = rig.ledger.covered(key(1)).unwrap();
    let segment = rig.inventory.claim(&covered).unwrap();

    let mut seen = vec![remaining(&rig)];
    for step in rig.inventory.reclaim_steps() {
        rig.inventory.perform(&segment, *step).unwrap();
        seen.push(remaining(&rig));
    }

    let none = (false, false, false);
    assert_eq!(seen, [(true, true, true), (false, true, true), (false, false, true), none, none, none]);
    assert_eq!(rig.inventory.reclaim_steps()[3..], [Step::SyncCdcRaw, Step::SyncSpool]);
}

#[test]
fn i3_a_crash_after_any_step_is_made_good() {
    for steps in 0..=5 {
        let mut rig = Rig::new();
        delivered(&mut rig);
        let segment = rig.inventory.claim(&rig.ledger.covered(key(1)).unwrap()).unwrap();
        for step in &rig.inventory.reclaim_steps()[..steps] {
            rig.inventory.perform(&segment, *step).unwrap();
        }

        let found = rig.restart();
        let report = rig.look();

        assert_eq!(report.missing, [], "after {steps} steps");
        let ending = if steps < 3 {
            assert_eq!(found[0].known, Some(SegmentState::Delivered));
            rig.inventory.reclaim(rig.ledger.covered(key(1)).unwrap()).unwrap()
        } else {
            assert_eq!((found.len(), report.reclaimed), (0, vec![key(1)]));
            Ending::Deleted
        };
        rig.ledger.enter(key(1), SegmentState::Finished(ending), NOW).unwrap();
        rig.ledger.save().unwrap();
        assert_eq!(remaining(&rig), (false, false, false), "after {steps} steps");
        let report = rig.look();
        assert!(report.found.is_empty() && report.reclaimed.is_empty() && report.orphan_indexes.is_empty());
    }
}

#[test]
fn kept_means_that_nothing_in_cdc_raw_goes_and_nothing_is_linked_again() {
    let mut rig = Rig::with(|folders| folders.finished = Finished::Keep);
    delivered(&mut rig);
    rig.ledger.update(key(1), |record| record.header_crc = Some(0x1001)).unwrap();
    rig.ledger.save().unwrap();
    let ending = rig.inventory.reclaim(rig.ledger.covered(key(1)).unwrap()).unwrap();
    assert_eq!((ending, remaining(&rig)), (Ending::Kept, (true, true, false)));
    rig.ledger.enter(key(1), SegmentState::Finished(ending), NOW).unwrap();
    rig.ledger.save().unwrap();

    assert!(rig.look().found.is_empty());
    rig.restart();
    assert!(rig.look().found.is_empty(), "nor after a restart");

    fs::remove_file(rig.node.cdc_raw(1)).unwrap();
    assert_eq!(rig.look().swept, [], "an index of a kept segment stays as well");
    fs::remove_file(rig.node.commitlog(1)).unwrap();
    rig.node.create(1, 0xbeef);
    rig.node.link(1);
    assert_eq!(rig.look().found.len(), 1, "other content is linked");
}

#[test]
fn a_name_that_means_another_file_by_now_stays_with_its_index() {
    let mut rig = Rig::new();
    delivered(&mut rig);
    fs::remove_file(rig.node.commitlog(1)).unwrap();
    fs::remove_file(rig.node.cdc_raw(1)).unwrap();
    rig.node.create(1, 0xbeef);
    rig.node.link(1);

    rig.inventory.reclaim(rig.ledger.covered(key(1)).unwrap()).unwrap();

    assert_eq!(remaining(&rig), (true, true, false));
}

#[test]
fn i3_proof_about_another_file_is_refused() {
    let mut rig = Rig::new();
    delivered(&mut rig);
    rig.ledger.update(key(1), |record| record.inode += 1).unwrap();
    rig.ledger.save().unwrap();

    let error = rig.inventory.reclaim(rig.ledger.covered(key(1)).unwrap()).unwrap_err();

    assert!(matches!(error, ReclaimError::OtherFile { .. }), "{error}");
    assert_eq!(remaining(&rig), (true, true, true));
}

#[test]
fn a_quarantined_file_is_kept_whole_and_its_names_go() {
    let mut rig = Rig::new();
    delivered(&mut rig);

    let path = rig.inventory.quarantine(key(1)).unwrap();

    assert_eq!(remaining(&rig), (false, false, false));
    assert_eq!(written(&disk::File::open(&path).unwrap()), 20);
    assert!(rig.inventory.get(key(1)).is_none());
}

#[test]
fn a_quarantined_file_that_is_to_be_kept_keeps_its_name() {
    let mut rig = Rig::with(|folders| folders.finished = Finished::Keep);
    delivered(&mut rig);

    rig.inventory.quarantine(key(1)).unwrap();

    assert_eq!(remaining(&rig), (true, true, false));
    assert!(rig.look().found.is_empty());
}

#[test]
fn a_quarantined_file_that_a_replay_links_again_is_quarantined_again() {
    let mut rig = Rig::new();
    delivered(&mut rig);
    let path = rig.inventory.quarantine(key(1)).unwrap();
    rig.ledger.enter(key(1), SegmentState::Quarantined, NOW).unwrap();
    rig.ledger.save().unwrap();

    rig.node.replay(1, true);
    let report = rig.look();
    assert_eq!((report.found[0].key, report.found[0].known), (key(1), Some(SegmentState::Quarantined)));
    assert_eq!(rig.inventory.quarantine(key(1)).unwrap(), path);

    assert_eq!(remaining(&rig), (false, false, false));
    assert_eq!(links(&path), 1);
}

#[test]
fn a_crash_in_the_middle_of_a_quarantine_is_told_from_a_loss() {
    for steps in 1..=6 {
        let mut rig = Rig::new();
        rig.node.create_and_link(1);
        rig.node.write_index(1, "20");
        rig.take_in();
        let segment = rig.segment(1).clone();
        for step in &rig.inventory.quarantine_steps()[..steps] {
            rig.inventory.perform(&segment, *step).unwrap();
        }

        rig.restart();
        let report = rig.look();

        assert_eq!(report.missing, [], "after {steps} steps");
        match report.found.first() {
            // The name was still there: read again, found damaged again.
            Some(found) => assert_eq!((found.known, rig.inventory.quarantine(key(1)).is_ok()), (Some(SegmentState::Open), true)),
            None => assert_eq!(report.quarantined, [key(1)]),
        }
        rig.ledger.enter(key(1), SegmentState::Quarantined, NOW).unwrap();
        rig.ledger.save().unwrap();
        rig.look();
        assert_eq!(remaining(&rig), (false, false, false), "after {steps} steps");
    }
}
