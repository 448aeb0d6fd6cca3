//! Segments in quarantine: looked at, copied out, read again.

use super::place::{EVENTS, Ended, Place, SEGMENT, expected_ids, ids, names};
use super::support::process::ringtail;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

const ID: &str = "1795374647657";

fn quarantine(place: &Place, word: &str, arguments: &[&str]) -> Ended {
    let config = place.config().display().to_string();
    let fixed = ["quarantine", word, "--config", &config];
    Ended::of(&ringtail(fixed.into_iter().chain(arguments.iter().copied())).output().expect("the binary starts"))
}

/// An entry is damaged; everything else was delivered. And the bytes as they were before.
fn with_damage() -> (Place, Vec<u8>) {
    let place = Place::new();
    let whole = fs::read(place.segment()).expect("the segment");
    // Inside the entry that ends where this event stands.
    let ids = expected_ids();
    let end: usize = ids[EVENTS / 2].split('/').nth(2).expect("a position").parse().expect("a number");
    place.flip(end - 20);
    assert_eq!(place.drain().code, Some(0));
    assert_eq!(place.kept("quarantine"), [SEGMENT]);
    (place, whole)
}

#[test]
fn what_is_in_quarantine_is_listed_and_shown_with_its_damage() {
    let (place, whole) = with_damage();

    let listed = quarantine(&place, "list", &[]);
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    let row = listed.out.lines().nth(1).expect("a row");
    assert!(row.starts_with(&format!("{SEGMENT}  quarantined  {}", whole.len())) && row.ends_with("one damaged range"), "{}", listed.out);
    let json: Value = serde_json::from_str(&quarantine(&place, "list", &["--json"]).out).expect("JSON");
    assert_eq!((&json["segment"], &json["damage"][0]["kind"]), (&SEGMENT.into(), &"entry".into()), "{json:#}");
    for name in [SEGMENT, ID] {
        let shown = quarantine(&place, "show", &[name]);
        assert_eq!(shown.code, Some(0), "{}", shown.err);
        assert!(shown.out.contains("damage       entry of bytes ") && shown.out.contains(" of the file, position "), "{}", shown.out);
        assert!(shown.out.contains(&place.path("state/quarantine").join(SEGMENT).display().to_string()), "{}", shown.out);
    }
    let unknown = quarantine(&place, "show", &["7"]);
    assert_eq!(unknown.code, Some(65));
    unknown.says("ringtail: 7 is not in quarantine\n");
    let empty = Place::new();
    assert_eq!(empty.drain().code, Some(0));
    let listed = quarantine(&empty, "list", &[]);
    assert_eq!((listed.code, listed.out.as_str()), (Some(0), ""));
    listed.says("ringtail: nothing is in quarantine\n");
}

#[test]
fn a_file_in_quarantine_is_copied_out_and_compared() {
    let (place, _) = with_damage();
    let out = place.path("out");
    let to = out.display().to_string();

    for _ in 0..2 {
        let copied = quarantine(&place, "export", &["--all", "--to", &to]);

        assert_eq!(copied.code, Some(0), "{}", copied.err);
        copied.says("1 files copied\n");
        copied.says(", crc32c ");
        assert_eq!(names(&out), [SEGMENT]);
        let files = [place.path("state/quarantine").join(SEGMENT), out.join(SEGMENT)].map(|path| fs::read(path).expect("a file"));
        assert!(files[0] == files[1]);
    }
    fs::write(out.join(SEGMENT), b"something else").expect("a file");
    let refused = quarantine(&place, "export", &[ID, "--to", &to]);
    assert_eq!(refused.code, Some(74));
    refused.says("the copy is not the same; remove it and try again");
    assert_eq!(fs::read(out.join(SEGMENT)).expect("a file"), b"something else", "nothing is written over");
}

#[test]
fn a_file_that_was_mended_gives_what_it_lacked_and_is_finished() {
    let (place, whole) = with_damage();
    let first: BTreeSet<String> = ids(&place.events()).into_iter().collect();
    let all = expected_ids();
    assert!(first.len() < EVENTS);
    fs::write(place.path("state/quarantine").join(SEGMENT), whole).expect("the file as it was");

    let retried = quarantine(&place, "retry", &[SEGMENT]);

    assert_eq!(retried.code, Some(0), "{}", retried.err);
    retried.says(&format!("ringtail: {SEGMENT}: the next run reads it again from "));
    let drained = place.drain();
    assert_eq!(drained.code, Some(0), "{}", drained.err);
    let found = ids(&place.events());
    assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), all.iter().cloned().collect(), "nothing is missing");
    assert!(all.ends_with(&found[first.len()..]), "what comes again is the end of the segment, in order, with the same ids");
    assert_eq!((place.kept("quarantine"), place.kept("spool")), (Vec::new(), Vec::new()));
    let audit = place.run("audit", &[]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.out, audit.err);
    assert!(audit.out.contains(": taken out of quarantine to be read again\n"), "{}", audit.out);
}

#[test]
fn a_file_that_is_as_damaged_as_before_goes_back_into_quarantine() {
    let (place, _) = with_damage();
    let before = place.run("audit", &[]);

    assert_eq!(quarantine(&place, "retry", &["--all"]).code, Some(0));
    assert_eq!(place.drain().code, Some(0));

    assert_eq!(place.kept("quarantine"), [SEGMENT]);
    let after = place.run("audit", &[]);
    let sums = |ended: &Ended| ended.out.lines().filter(|line| line.starts_with("logical ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((after.code, sums(&after)), (Some(65), sums(&before)), "{}", after.out);
}

#[test]
fn an_unreadable_file_that_was_acknowledged_is_read_again_from_its_beginning() {
    let place = Place::new();
    let whole = fs::read(place.segment()).expect("the segment");
    place.flip(5);
    place.drain();
    assert_eq!((place.kept("quarantine"), place.events().len()), (vec![SEGMENT.to_owned()], 0));
    let config = place.config().display().to_string();
    let noted = ringtail(["audit", "acknowledge", "--config", &config, ID, "--reason", "known"]).output().expect("the binary starts");
    assert_eq!(noted.status.code(), Some(0));
    fs::write(place.path("state/quarantine").join(SEGMENT), whole).expect("the file as it was");

    let retried = quarantine(&place, "retry", &[ID]);

    assert_eq!(retried.code, Some(0), "{}", retried.err);
    assert_eq!(place.drain().code, Some(0));
    assert_eq!(ids(&place.events()), expected_ids());
    assert_eq!(place.run("audit", &[]).code, Some(0));
}

#[test]
fn nothing_is_read_again_while_an_agent_runs() {
    let (place, _) = with_damage();
    let mut agent = place.start();
    agent.wait_for("in quarantine since a former run");

    assert_eq!(quarantine(&place, "list", &[]).out.lines().count(), 2, "it may be looked at");
    let refused = quarantine(&place, "retry", &["--all"]);

    assert_eq!(refused.code, Some(75), "{}", refused.err);
    assert_eq!(place.kept("quarantine"), [SEGMENT]);
    assert_eq!(agent.stop().0, Some(0));
}
