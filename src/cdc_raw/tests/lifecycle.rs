//! Every row of a segment's life as the nodes were observed to do it.

use super::*;
use std::io;
use std::time::Instant;

#[test]
fn a_segment_is_linked_on_first_sight() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);

    let report = rig.take_in();

    assert_eq!(report.found.len(), 1);
    assert_eq!((report.found[0].key, report.found[0].known, report.found[0].length), (key(1), None, SIZE as u64));
    assert_eq!(names(&rig.folders.spool), ["CommitLog-7-1.log"]);
    assert_eq!(links(&rig.node.commitlog(1)), 3);
    assert_eq!(
        (rig.segment(1).finality(), rig.segment(1).others(), rig.segment(1).presence()),
        (Finality::Open, Some(1), Presence::Present)
    );
    assert!(rig.look().found.is_empty(), "found once");
}

#[test]
fn an_empty_or_partial_index_is_no_news_and_completed_is_final() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.take_in();
    for (text, synced) in [("", None), ("30", Some(30)), ("", Some(30)), ("3", Some(30)), ("44\nCOMP", Some(30)), ("40", Some(40))] {
        rig.node.write_index(1, text);
        rig.look();
        assert_eq!(rig.segment(1).index().map(|index| index.synced.0), synced, "{text:?}");
        assert_eq!(rig.segment(1).finality(), Finality::Open);
    }

    rig.node.write_index(1, "44\nCOMPLETED");
    assert_eq!(rig.look().changed, [key(1)]);

    assert_eq!(rig.segment(1).finality(), Finality::Final(FinalReason::Completed));
    assert_eq!(rig.look().changed, []);
}

#[test]
fn what_was_read_of_an_index_survives_its_removal_and_a_restart() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.node.write_index(1, "44\nCOMPLETED");
    rig.take_in();
    let index = rig.segment(1).index().unwrap();
    rig.ledger.update(key(1), |record| record.idx = Some(index.into())).unwrap();
    rig.ledger.save().unwrap();
    fs::remove_file(rig.node.index(1)).unwrap();

    rig.restart();

    assert_eq!(rig.segment(1).finality(), Finality::Final(FinalReason::Completed));
}

#[test]
fn a_replay_writes_the_file_length_and_the_fence_stays() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.node.write_index(1, "60");
    rig.take_in();

    rig.node.write_index(1, "20\nCOMPLETED");
    rig.look();

    assert_eq!(rig.segment(1).index(), Some(CdcIndex { synced: LogicalPosition(60), completed: true }));
}

#[test]
fn a_discarded_segment_with_cdc_data_is_final_by_its_links() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.node.write_index(1, "30");
    rig.take_in();

    rig.node.discard(1);
    rig.look();

    assert_eq!(rig.segment(1).finality(), Finality::Final(FinalReason::OnlyOurs));
    assert_eq!((rig.segment(1).presence(), rig.segment(1).is_ours_alone()), (Presence::Present, false));
}

#[test]
fn a_discarded_segment_without_cdc_data_stays_readable() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.node.append(1, 20);
    rig.take_in();

    rig.node.discard(1);
    assert_eq!(names(&rig.folders.cdc_raw), [] as [&str; 0]);
    rig.look();

    assert_eq!(rig.segment(1).finality(), Finality::Final(FinalReason::OnlyOurs));
    assert!(rig.segment(1).is_ours_alone());
    assert_eq!(written(&rig.inventory.open_file(key(1)).unwrap()), 20);
}

#[test]
fn a_name_that_the_node_takes_back_while_it_writes_proves_nothing() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.take_in();

    fs::remove_file(rig.node.cdc_raw(1)).unwrap();
    rig.look();

    assert_eq!((rig.segment(1).finality(), rig.segment(1).presence()), (Finality::Open, Presence::Gone));
}

#[test]
fn an_archived_link_hides_finality_until_a_newer_segment_proves_it() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    fs::hard_link(rig.node.commitlog(1), rig.node.root.join("archived")).unwrap();
    rig.take_in();
    fs::remove_file(rig.node.commitlog(1)).unwrap();
    rig.look();
    assert_eq!(rig.segment(1).finality(), Finality::Open);

    let since = Instant::now();
    assert!(!rig.inventory.succeeded(key(1), since, since + Duration::from_secs(59)));
    assert!(rig.inventory.succeeded(key(1), since, since + Duration::from_secs(60)));

    assert_eq!(rig.segment(1).finality(), Finality::Final(FinalReason::Succeeded));
}

#[test]
fn a_long_sync_period_makes_the_successor_wait_longer() {
    let mut rig = Rig::with(|folders| folders.sync_period = Duration::from_secs(60));
    rig.node.create_and_link(1);
    rig.take_in();
    let since = Instant::now();

    assert!(!rig.inventory.succeeded(key(1), since, since + Duration::from_secs(179)));
    assert!(rig.inventory.succeeded(key(1), since, since + Duration::from_secs(180)));
}

#[test]
fn a_name_gone_from_the_commit_log_is_final_only_if_that_folder_is_proven() {
    let mut rig = Rig::with(|folders| folders.commitlog = Some(folders.cdc_raw.with_file_name("commitlog")));
    rig.node.create_and_link(1);
    rig.node.create_and_link(2);
    for id in [1, 2] {
        fs::hard_link(rig.node.commitlog(id), rig.node.root.join(format!("archived{id}"))).unwrap();
    }
    rig.take_in();
    let elsewhere = rig.node.root.join("elsewhere");
    fs::rename(rig.node.root.join("commitlog"), &elsewhere).unwrap();
    fs::create_dir(rig.node.root.join("commitlog")).unwrap();

    rig.look();
    assert_eq!(rig.segment(1).finality(), Finality::Open, "an empty folder, not mounted perhaps, proves nothing");

    fs::remove_dir(rig.node.root.join("commitlog")).unwrap();
    fs::rename(&elsewhere, rig.node.root.join("commitlog")).unwrap();
    fs::remove_file(rig.node.commitlog(1)).unwrap();
    let report = rig.look();

    assert_eq!(report.changed, [key(1)]);
    assert_eq!(rig.segment(1).finality(), Finality::Final(FinalReason::GoneFromCommitLog));
    assert_eq!(rig.segment(2).finality(), Finality::Open);
}

#[test]
fn a_commit_log_folder_of_another_node_proves_nothing() {
    let mut rig = Rig::with(|folders| folders.commitlog = Some(folders.cdc_raw.with_file_name("other")));
    let other = rig.folders.commitlog.clone().unwrap();
    fs::create_dir(&other).unwrap();
    fs::write(other.join("CommitLog-7-2.log"), "the same id").unwrap();
    rig.node.create_and_link(1);
    rig.node.create_and_link(2);
    rig.take_in();

    rig.look();

    assert_eq!((rig.segment(1).finality(), rig.segment(2).finality()), (Finality::Open, Finality::Open));
}

#[test]
fn a_segment_of_three_eleven_is_final_when_it_appears() {
    let mut rig = Rig::new();
    let name = SegmentName { id: SegmentId(1), version: 6 };
    fs::write(rig.folders.cdc_raw.join(name.log()), [0; SIZE]).unwrap();

    rig.take_in();

    assert_eq!(rig.segment(1).finality(), Finality::Final(FinalReason::Moved));
}

#[test]
fn a_spare_segment_left_by_a_clean_stop_is_final_and_goes() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    fs::remove_file(rig.node.commitlog(1)).unwrap();
    rig.take_in();
    assert_eq!(rig.segment(1).finality(), Finality::Final(FinalReason::OnlyOurs));

    rig.finish(1);

    assert_eq!(names(&rig.folders.cdc_raw), [] as [&str; 0]);
    assert!(rig.look().found.is_empty());
}

#[test]
fn a_finished_segment_that_a_replay_links_again_is_shown_with_what_is_known() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.node.append(1, 20);
    rig.node.write_index(1, "20\nCOMPLETED");
    rig.take_in();
    rig.finish(1);
    assert_eq!(names(&rig.folders.cdc_raw), [] as [&str; 0]);

    rig.node.replay(1, true);
    let report = rig.look();

    assert_eq!((report.found[0].key, report.found[0].known), (key(1), Some(SegmentState::Finished(crate::checkpoint::Ending::Deleted))));
    assert_eq!(rig.segment(1).finality(), Finality::Final(FinalReason::Completed));
    rig.ledger.reopen(key(1), NOW).unwrap();
    assert!(rig.ledger.covered(key(1)).is_none());
    rig.finish(1);
    assert_eq!(names(&rig.folders.cdc_raw), [] as [&str; 0]);
}

#[test]
fn other_content_under_a_finished_id_gets_its_own_key_and_ignores_the_index() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.node.write_index(1, "0\nCOMPLETED");
    rig.take_in();
    rig.finish(1);
    rig.node.discard(1);
    rig.node.create(1, 0xbeef);
    rig.node.link(1);
    rig.node.write_index(1, "0\nCOMPLETED");
    rig.look();

    let found = rig.inventory.rekey(key(1), &rig.ledger).unwrap();

    assert_eq!((found.key, found.known), (key(1).next().unwrap(), None));
    assert_eq!(names(&rig.folders.spool), ["CommitLog-7-1.log.1"]);
    insert(&mut rig.ledger, &found);
    assert!(rig.look().found.is_empty());
    assert_eq!(rig.inventory.get(found.key).unwrap().finality(), Finality::Open, "the index may be the former content's");
    rig.ledger.save().unwrap();
    assert_eq!(rig.restart()[0].key, found.key);
}

#[test]
fn other_content_under_an_unfinished_id_is_linked_beside_it() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.take_in();
    rig.node.discard(1);
    rig.node.create(1, 0xbeef);
    rig.node.link(1);

    let report = rig.take_in();

    assert_eq!(report.found[0].key, key(1).next().unwrap());
    assert_eq!(names(&rig.folders.spool), ["CommitLog-7-1.log", "CommitLog-7-1.log.1"]);
    assert_eq!(rig.segment(1).presence(), Presence::Gone);
}

#[test]
fn a_crash_between_link_and_ledger_forgets_nothing() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.look();
    rig.node.discard(1);

    let found = rig.restart();

    assert_eq!((found.len(), found[0].key, found[0].known), (1, key(1), None));
}

#[test]
fn i10_a_segment_with_no_bytes_left_anywhere_is_missing_at_every_look() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.take_in();
    rig.node.discard(1);
    fs::remove_file(rig.folders.spool.join("CommitLog-7-1.log")).unwrap();

    rig.restart();

    assert_eq!(rig.look().missing, [key(1)]);
    assert_eq!(rig.look().missing, [key(1)]);
    rig.ledger.enter(key(1), SegmentState::Lost(crate::checkpoint::LossCause::Vanished), NOW).unwrap();
    assert_eq!(rig.look().missing, []);
}

#[test]
fn a_link_of_ours_that_somebody_removed_is_made_again() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.take_in();
    fs::remove_file(rig.folders.spool.join("CommitLog-7-1.log")).unwrap();

    assert_eq!(rig.look().missing, []);
    let report = rig.look();

    assert_eq!((report.found[0].key, report.found[0].known), (key(1), Some(SegmentState::Open)));
    assert_eq!(names(&rig.folders.spool), ["CommitLog-7-1.log"]);
}

#[test]
fn without_cdc_raw_the_spool_is_still_there() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.take_in();
    fs::rename(&rig.folders.cdc_raw, rig.node.root.join("away")).unwrap();

    let found = rig.restart();

    assert_eq!(found[0].known, Some(SegmentState::Open));
    let error = rig.inventory.look(&rig.ledger, &mut header_crc).unwrap_err();
    assert!(matches!(error, LookError::Scan(ScanError::Missing(_))), "{error}");
    assert_eq!(written(&rig.inventory.open_file(key(1)).unwrap()), 0);
}

#[test]
fn an_index_without_a_segment_is_reported_once_if_the_id_is_unknown() {
    let mut rig = Rig::new();
    rig.node.write_index(9, "30");

    assert_eq!(rig.look().orphan_indexes, [], "the segment may have been removed while we listed");
    assert_eq!(rig.look().orphan_indexes, [Node::name(9)]);
    assert_eq!(rig.look().orphan_indexes, []);
    assert!(rig.node.index(9).exists(), "not ours to remove");
}

#[test]
fn an_index_that_comes_after_the_end_is_removed() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.take_in();
    rig.node.discard(1);
    rig.look();
    rig.finish(1);
    rig.node.write_index(1, "30\nCOMPLETED");

    assert_eq!(rig.look().swept, [Node::name(1)]);
    assert!(!rig.node.index(1).exists());
}

#[test]
fn an_index_of_an_unfinished_segment_stays() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    rig.node.write_index(1, "30");
    rig.take_in();
    fs::remove_file(rig.node.cdc_raw(1)).unwrap();

    let report = rig.look();

    assert!(report.swept.is_empty() && rig.node.index(1).exists());
    rig.node.write_index(1, "40\nCOMPLETED");
    rig.look();
    assert_eq!(rig.segment(1).finality(), Finality::Final(FinalReason::Completed), "still read");
}

#[test]
fn foreign_files_are_counted_and_left() {
    let mut rig = Rig::new();
    fs::write(rig.folders.cdc_raw.join("notes.txt"), "x").unwrap();
    rig.node.create_and_link(1);

    let report = rig.take_in();

    assert_eq!((report.foreign, report.bytes), (1, SIZE as u64));
    assert_eq!(names(&rig.folders.cdc_raw), ["CommitLog-7-1.log", "notes.txt"]);
}

#[test]
fn links_of_a_whole_look_are_found_by_the_next_when_the_look_fails() {
    let mut rig = Rig::new();
    rig.node.create_and_link(1);
    let away = rig.node.root.join("away");
    fs::rename(&rig.folders.spool, &away).unwrap();
    let report = rig.inventory.look(&rig.ledger, &mut header_crc).unwrap();
    assert!(matches!(report.failed[..], [(_, SpoolError::Io { .. })]), "{report:?}");

    fs::rename(&away, &rig.folders.spool).unwrap();

    assert_eq!(rig.look().found.len(), 1);
}

#[test]
fn a_name_gone_before_the_link_is_no_error() {
    let rig = Rig::new();
    let spool = Spool::new(&rig.folders.spool);

    let linked = spool.link(&rig.node.cdc_raw(1), SpooledName { name: Node::name(1), incarnation: 0 });

    assert!(matches!(linked, Ok(None)));
}

#[test]
fn spooled_names_are_parsed_and_printed_back() {
    for (incarnation, text) in [(0, "CommitLog-7-1.log"), (1, "CommitLog-7-1.log.1"), (255, "CommitLog-7-1.log.255")] {
        let name = SpooledName { name: Node::name(1), incarnation };
        assert_eq!((name.file_name().as_str(), SpooledName::parse(text)), (text, Some(name)));
    }
    for text in ["CommitLog-7-1.log.0", "CommitLog-7-1.log.01", "CommitLog-7-1.log.256", "CommitLog-7-1.log.", ".ringtail-probe"] {
        assert_eq!(SpooledName::parse(text), None, "{text}");
    }
}

#[test]
fn a_probe_links_a_segment_and_leaves_nothing() {
    let rig = Rig::new();
    let spool = Spool::new(&rig.folders.spool);
    assert_eq!(spool.probe(&rig.folders.cdc_raw, true).unwrap(), Probe::OwnFile);

    rig.node.create_and_link(1);
    assert_eq!(spool.probe(&rig.folders.cdc_raw, true).unwrap(), Probe::Segment(Node::name(1)));

    assert_eq!((names(&rig.folders.spool).len(), names(&rig.folders.cdc_raw).len()), (0, 1));
    assert_eq!(links(&rig.node.cdc_raw(1)), 2);
}

#[test]
fn links_across_mounts_have_their_own_sentence() {
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { panic!("/dev/shm is needed as a second file system") };
    let mut rig = Rig::with(|folders| folders.spool = elsewhere.path().to_owned());
    assert!(fs::metadata(&rig.folders.cdc_raw).unwrap().dev() != fs::metadata(elsewhere.path()).unwrap().dev());
    rig.node.create_and_link(1);

    let probe = Spool::new(elsewhere.path()).probe(&rig.folders.cdc_raw, false).unwrap_err();
    let report = rig.inventory.look(&rig.ledger, &mut header_crc).unwrap();

    assert!(matches!(probe, SpoolError::OtherMount { .. }));
    assert!(matches!(report.failed[..], [(_, SpoolError::OtherMount { .. })]));
    assert!(probe.to_string().contains("put state.dir and cdc_raw under the same mount"), "{probe}");
    assert_eq!(names(elsewhere.path()), [] as [&str; 0]);
}

#[test]
fn a_refused_link_has_its_own_sentence() {
    let error = super::super::spool::refused(Path::new("a"), Path::new("b"), io::Error::from_raw_os_error(1));

    assert!(error.to_string().contains("fs.protected_hardlinks"), "{error}");
}
