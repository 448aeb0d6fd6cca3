//! Segments that are not as the node wrote them: the exact message, what is kept, and that the rest goes on.

use super::place::{EVENTS, Ended, INDEX, OUTBOX, OUTBOX_MUTATIONS, Place, QUEUED, SEGMENT, expected_ids, ids, names};
use super::support::process::output;
use std::fs;

/// Drains a place with a damaged segment: it is kept whole in quarantine, and the names in `cdc_raw` go.
fn drain_damaged(place: &Place, bytes: &[u8]) -> Ended {
    let ended = place.drain();

    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(names(&place.cdc_raw()), Vec::<String>::new());
    assert_eq!(place.kept("spool"), Vec::<String>::new());
    assert_eq!(place.kept("quarantine"), [SEGMENT]);
    assert!(fs::read(place.path("state/quarantine").join(SEGMENT)).expect("the file") == bytes, "the file is kept as it was");
    let state = place.path("state");
    assert!(
        ended.err.ends_with(&format!("ringtail: kept aside in {}: 0 parked entries, 1 quarantined segments\n", state.display())),
        "{}",
        ended.err
    );
    ended
}

/// The damage as `dump` and `replay` name it, with 65.
fn assert_named_by_dump_and_replay(place: &Place, message: &str) {
    let kept = place.path("state/quarantine").join(SEGMENT).display().to_string();
    let dumped = Ended::of(&output(["dump", "--schema", &place.path("schema.cql").display().to_string(), &kept]));
    assert_eq!(dumped.code, Some(65));
    assert_eq!(dumped.err, format!("{kept}: {message}\n"));

    let replayed = Place::new().run("replay", &[&kept]);
    assert_eq!(replayed.code, Some(65));
    replayed.says(&format!("not published: {message} segment=\"{SEGMENT}\""));
    replayed.says("events sent; 1 mutations, ranges or segments were left out, named above\n");
}

/// What a wholly unreadable segment is said to be, by every command.
fn assert_whole_segment_is_kept(place: &Place, message: &str) {
    let bytes = fs::read(place.segment()).expect("the segment");

    let ended = drain_damaged(place, &bytes);

    ended.says(&format!("ERROR ringtail::pipeline::finish: {message}; nothing of the segment was read, the file is in quarantine"));
    ended.says("ringtail: 0 events delivered\n");
    assert_eq!(ended.err.matches("ERROR").count(), 1, "said once:\n{}", ended.err);
    assert!(place.events().is_empty());
    assert_named_by_dump_and_replay(place, message);
}

/// What damage inside a segment is said to be, by every command, and which events still arrive.
fn assert_the_rest_is_delivered(place: &Place, message: &str, missing: usize) {
    let bytes = fs::read(place.segment()).expect("the segment");

    let ended = drain_damaged(place, &bytes);

    ended.says(&format!("ERROR ringtail::pipeline::read: {message}; everything else is delivered and the file is kept"));
    ended.says("everything readable was delivered; the damaged file is in quarantine");
    ended.says(&format!("ringtail: {} events delivered\n", EVENTS - missing));
    let (found, expected) = (ids(&place.events()), expected_ids());
    assert_eq!(found.len(), EVENTS - missing);
    assert!(found.iter().all(|id| expected.contains(id)), "events that the whole segment does not have: {found:?}");
    assert_named_by_dump_and_replay(place, message);
}

#[test]
fn a_wrong_header_is_named_and_the_file_is_kept() {
    let place = Place::new();
    place.flip(5);

    assert_whole_segment_is_kept(&place, "segment header checksum mismatch at file offset 16: expected 0x4d45a369, found 0x5a3eb72a");
}

#[test]
fn a_header_that_is_another_segments_is_named_and_the_file_is_kept() {
    let place = Place::new();
    let other = "CommitLog-7-1795374647658.log";
    fs::rename(place.segment(), place.cdc_raw().join(other)).expect("a rename");
    fs::remove_file(place.cdc_raw().join(INDEX)).expect("the index");

    let ended = place.drain();

    assert_eq!(ended.code, Some(0));
    ended.says(
        "file name and header disagree: expected version 7 id 1795374647658, found version 7 id 1795374647657; nothing of the segment was \
         read, the file is in quarantine",
    );
    assert_eq!(place.kept("quarantine"), [other]);
}

#[test]
fn a_header_that_is_cut_short_is_named_and_the_file_is_kept() {
    let place = Place::new();
    place.cut(10);

    assert_whole_segment_is_kept(&place, "segment header is cut short: expected 12 bytes, found 10");
}

#[test]
fn a_wrong_header_of_a_segment_that_the_node_still_writes_to_is_said_once_and_waited_for() {
    let place = Place::new();
    place.open_segment();
    let whole = fs::read(place.segment()).expect("the segment");
    place.flip(5);
    let mut agent = place.start();

    let line = agent.wait_for("segment header checksum mismatch");
    std::thread::sleep(std::time::Duration::from_millis(700));

    assert!(line.contains("WARN") && line.contains("the node may still write to it: waiting"), "{line}");
    assert_eq!(agent.log().matches("header checksum").count(), 1, "{}", agent.log());
    assert_eq!(names(&place.cdc_raw()), [SEGMENT]);
    fs::write(place.segment(), whole).expect("a writable segment");
    agent.wait_until("everything arrives", |_| place.events().len() == EVENTS);
    assert_eq!(agent.stop().0, Some(0));
}

#[test]
fn a_truncated_segment_is_named_and_what_is_left_of_it_is_delivered() {
    let place = Place::new();
    place.cut(60_000);
    let bytes = fs::read(place.segment()).expect("the segment");

    let ended = drain_damaged(&place, &bytes);

    ended.says(
        "sync marker points to 60478: expected an offset after the marker and at most 60000 in segment 1795374647657 at file offsets \
         57036..57044 (positions 57044..57044); everything else is delivered and the file is kept",
    );
    ended.says("in segment 1795374647657 at file offsets 59824..60000 (positions 59824..60000); everything else is delivered");
    let (found, expected) = (ids(&place.events()), expected_ids());
    assert_eq!(found, expected[..found.len()], "what stands before the cut arrives whole");
    assert_eq!(found.len(), 23);
}

#[test]
fn a_flipped_byte_in_an_entry_is_named_and_costs_that_entry_alone() {
    let place = Place::new();
    place.flip(60_000);

    assert_the_rest_is_delivered(
        &place,
        "entry checksum mismatch: expected 0x2e7aee7f, found 0x47b61272 in segment 1795374647657 at file offsets 59824..60056 (positions \
         59824..60056)",
        1,
    );
}

#[test]
fn a_flipped_byte_in_a_marker_is_named_and_what_the_next_ones_cover_is_delivered() {
    let place = Place::new();
    // A byte of the checksum of the first marker, whose section holds changes of the system's tables only.
    place.flip(25);

    assert_the_rest_is_delivered(
        &place,
        "sync marker checksum mismatch: expected 0x7d3b1707, found 0x7d3a1707 in segment 1795374647657 at file offsets 20..448 (positions \
         20..448)",
        0,
    );
}

#[test]
fn a_marker_that_points_past_its_section_is_named_and_costs_no_entry() {
    let place = Place::new();
    // The low byte of where the first marker says that its section ends.
    place.flip(23);

    assert_the_rest_is_delivered(
        &place,
        "sync marker points to 449: the section's entries end at 448 in segment 1795374647657 at file offsets 20..28 (positions 448..448)",
        0,
    );
}

#[test]
fn an_unknown_table_is_named_once_and_its_mutations_are_parked() {
    let place = Place::new().with("schema", "{ file: @/schema.cql, log: false }");
    let schema = fs::read_to_string(place.path("schema.cql")).expect("text");
    fs::write(place.path("schema.cql"), schema.replace(OUTBOX, "00000000-e6a8-11f1-b4b3-d375b5977eb1")).expect("a file");
    let segment = place.path(SEGMENT);
    fs::copy(place.segment(), &segment).expect("a copy");
    let message = format!("unknown table id {OUTBOX} at byte 1 of the mutation");

    let ended = place.drain();

    assert_eq!(ended.code, Some(0));
    ended.says(&format!("entry parked: {message} segment=\"{SEGMENT}\" position=55833 reason=\"unknown_table\""));
    ended.says("entry parked: an earlier entry of the same partition key is parked");
    assert_eq!(ended.err.matches("entry parked").count(), 2, "{}", ended.err);
    let all = OUTBOX_MUTATIONS + QUEUED;
    ended.says(&format!("{all} parked entries, 0 quarantined segments\n"));
    let expected: Vec<_> = expected_ids();
    let found = ids(&place.events());
    assert!(!found.is_empty() && found.iter().all(|id| expected.contains(id)));
    let kept = place.kept("parked");
    assert_eq!(kept.len(), 2 * all, "an entry and a note each: {kept:?}");
    let note: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path("state/parked/1795374647657-55833.json")).expect("a note")).expect("JSON");
    assert_eq!((note["message"].as_str(), note["segment"].as_str()), (Some(message.as_str()), Some(SEGMENT)));

    let path = segment.display().to_string();
    let dumped = Ended::of(&output(["dump", "--schema", &place.path("schema.cql").display().to_string(), &path]));
    assert_eq!(dumped.code, Some(65));
    assert_eq!(dumped.err, format!("{path}: position 55833: {message}: expected a table of the schema (--schema FILE)\n"));
    assert_eq!(dumped.out.matches(&message).count(), OUTBOX_MUTATIONS, "each of them is in the output");
    let replayed = place.run("replay", &[&path]);
    assert_eq!(replayed.code, Some(65));
    replayed.says(&format!("not published: {message} segment=\"{SEGMENT}\" position=55833"));
    replayed.says(&format!("{OUTBOX_MUTATIONS} mutations, ranges or segments were left out, named above\n"));
}

#[test]
fn i9_no_message_about_bad_input_holds_a_value() {
    // The places of the tests above, together.
    for offset in [5, 23, 60_000] {
        let place = Place::new();
        place.flip(offset);
        let log = place.drain().err;

        for value in ["OrderPlaced", "Hopper", "EUR", "7d3f2a10"] {
            assert!(!log.contains(value), "{value} in\n{log}");
        }
    }
}

#[test]
fn told_to_halt_at_damage_a_drain_ends_there_with_65_and_changes_nothing() {
    let place = Place::new().with("source", "{ cdc_raw: @/cdc_raw, on_damage: halt }");
    place.flip(60_000);

    let ended = place.drain();

    assert_eq!(ended.code, Some(65), "{}", ended.err);
    ended.says("reading has ended here (source.on_damage is halt): start with quarantine to go on behind it");
    assert!(
        ended.err.lines().last().is_some_and(|line| line.starts_with("ringtail: ") && line.contains(" events delivered; entry ")),
        "{}",
        ended.err
    );
    assert_eq!((place.kept("spool"), place.kept("quarantine")), (vec![SEGMENT.to_owned()], Vec::new()));
}
