//! `ringtail replay`: read-only, repeatable, the same events as a run.

use super::place::{EVENTS, Place, SEGMENT, ids, lines, names, timeless};
use super::support::{Fixture, root};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Everything that a replay must leave alone.
#[derive(Debug, PartialEq)]
struct Look {
    name: String,
    inode: u64,
    links: u64,
    modified: std::time::SystemTime,
    bytes: Vec<u8>,
}

fn look(folder: &Path) -> Vec<Look> {
    let look = |name: String| {
        let path = folder.join(&name);
        let metadata = fs::metadata(&path).expect("a file");
        let modified = metadata.modified().expect("a time");
        Look { name, inode: metadata.ino(), links: metadata.nlink(), modified, bytes: fs::read(path).expect("a readable file") }
    };
    names(folder).into_iter().map(look).collect()
}

#[test]
fn replay_twice_gives_the_same_bytes_and_changes_nothing() {
    let place = Place::new().with("sink", "{ stdout: {} }");
    let (folder, cdc_raw) = (place.cdc_raw().display().to_string(), place.cdc_raw());
    let before = look(&cdc_raw);

    let first = place.run("replay", &[&folder]);
    let second = place.run("replay", &[&folder]);

    assert_eq!((first.code, second.code), (Some(0), Some(0)));
    assert_eq!(lines(&first.out).len(), EVENTS);
    assert_eq!(first.out, second.out);
    assert_eq!(first.err, format!("ringtail: {EVENTS} events sent\n"));
    assert!(look(&cdc_raw) == before, "something under PATH has changed");
    assert!(!place.path("state").exists(), "no state folder is used");
}

#[test]
fn replay_gives_the_ids_and_events_of_the_run() {
    let place = Place::new().with("node", "{ id: node-7 }");
    let copy = place.path(SEGMENT);
    fs::copy(place.segment(), &copy).expect("a copy");
    assert_eq!(place.drain().code, Some(0));
    let run = place.events();

    let place = place.with("sink", "{ stdout: {} }");
    let replayed = lines(&place.run("replay", &[&copy.display().to_string()]).out);

    assert_eq!(run.len(), EVENTS);
    assert!(ids(&run)[0].starts_with("node-7/"));
    assert_eq!(ids(&replayed), ids(&run));
    assert_eq!(timeless(&replayed), timeless(&run));
    assert!(replayed.iter().all(|event| event["value"]["ts_ms"] == event["value"]["source"]["ts_ms"]));
}

#[test]
fn replay_reads_archives_and_several_paths_in_the_order_of_the_log() {
    let set = Fixture::unpack("4.1.6/operations");
    let place = Place::new().with("sink", "{ stdout: {} }").with("schema", &format!("{{ file: {} }}", set.file("schema.cql").display()));
    let segments: Vec<String> = set.segments().iter().rev().map(|path| path.display().to_string()).collect();
    let archives = root().join("fixtures/4.1.6/operations").display().to_string();

    let plain = place.run("replay", &segments.iter().map(String::as_str).collect::<Vec<_>>());
    let packed = place.run("replay", &[&archives]);

    assert!(lines(&plain.out).len() > 100, "{}", plain.err);
    assert_eq!(plain.out, packed.out);
    let order: Vec<u64> =
        ids(&lines(&plain.out)).iter().map(|id| id.split('/').nth(1).and_then(|id| id.parse().ok()).expect("a segment")).collect();
    assert!(order.is_sorted());
}

#[test]
fn replay_from_a_cassandra_that_is_away_ends_with_69() {
    let place = Place::new().with("schema", "{ cql: { contact_points: [\"127.0.0.1:1\"] } }");

    let ended = place.run("replay", &[&place.cdc_raw().display().to_string()]);

    assert_eq!(ended.code, Some(69));
    ended.says("ringtail: cannot read the schema: no contact point gave the schema: 127.0.0.1:1: cannot connect");
}
