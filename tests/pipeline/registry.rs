//! Avro: what a schema registry does to the stream.

use crate::log::{catalog, entries, plain};
use crate::rig::{Rig, Setup};
use crate::support::registry::{Mood, Server, State};
use ringtail::config::SubjectName;
use std::time::{Duration, Instant};

const ID: u64 = 6000;

fn rig(url: String) -> Rig {
    let mut rig = Rig::new(Setup { registry: Some((url, SubjectName::Topic)), ..Setup::default() }, catalog());
    rig.put(ID, plain(ID, &entries(30)));
    rig.start();
    rig
}

/// Turns until something holds. The registry is asked on a thread of its own, in real time.
fn until(rig: &mut Rig, what: &str, holds: impl Fn(&Rig) -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds(rig) {
        assert!(Instant::now() < end, "{what}: {:?}, {} records", rig.obstacle(), rig.arrived.records().len());
        rig.settle();
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn says(text: &'static str) -> impl Fn(&Rig) -> bool {
    move |rig| rig.obstacle().is_some_and(|why| why.contains(text))
}

/// The identity of each record.
fn ids(rig: &Rig) -> Vec<String> {
    rig.arrived.records().iter().map(|record| record.headers[0].1.clone()).collect()
}

fn ended(rig: &Rig) -> bool {
    rig.left().is_empty()
}

/// What arrives where nothing is in the way.
fn undisturbed() -> Vec<String> {
    let server = Server::start();
    let mut rig = rig(server.url());
    until(&mut rig, "everything arrives", ended);
    assert!(rig.arrived.records().iter().all(|record| record.key[0] == 0 && record.value.as_ref().is_some_and(|value| value[0] == 0)));
    ids(&rig)
}

#[test]
fn schema_registry_incompatible() {
    let expected = undisturbed();
    let server = Server::start();
    let first = expected.len() / 2;
    let topic = {
        let mut rig = rig(server.url());
        until(&mut rig, "everything arrives", ended);
        rig.arrived.records()[first].topic.to_string()
    };
    // Another schema stands under the subject of a table in the middle, and ours is not compatible with it.
    {
        let mut state = server.state();
        let other = r#"{"type":"record","name":"Value","fields":[]}"#.to_owned();
        state.schemas.push(other);
        let id = state.schemas.len();
        state.subjects.insert(format!("{topic}-value"), vec![id]);
        state.refuses = Some("READER_FIELD_MISSING_DEFAULT_VALUE".into());
    }
    let mut rig = rig(server.url());

    until(&mut rig, "it stops", says("as incompatible: READER_FIELD_MISSING_DEFAULT_VALUE; nothing is skipped"));
    rig.settle();
    let before = ids(&rig);
    assert_eq!(before, expected[..before.len()], "what stands before it");
    assert!(before.len() <= first && !ended(&rig));
    assert!(rig.obstacle().unwrap().contains(&format!("subject {topic}-value")));
    assert_eq!(rig.metric("ringtail_parked_bytes"), 0);
    // A restart changes nothing.
    rig.restart();
    until(&mut rig, "it stops again", says("as incompatible"));
    assert!(!ended(&rig));
    server.state().refuses = None;
    until(&mut rig, "everything arrives", ended);

    let mut all = ids(&rig);
    all.dedup();
    let repeated: Vec<String> = expected.iter().filter(|id| !all.contains(id)).cloned().collect();
    assert_eq!(repeated, Vec::<String>::new(), "nothing is skipped");
    assert_eq!(all[all.len() - (expected.len() - before.len())..], expected[before.len()..], "in order");
}

#[test]
fn a_registry_that_is_away_is_waited_for() {
    let expected = undisturbed();
    let server = Server::start();
    let address = server.address;
    drop(server);
    let mut rig = rig(format!("http://{address}"));

    until(&mut rig, "it waits", says("does not answer: "));
    assert_eq!(ids(&rig), Vec::<String>::new());
    let server = Server::at(address, State { mood: Mood::Says(401, String::new()), ..State::default() });
    until(&mut rig, "it is not let in", says("does not let us in (401)"));
    server.state().mood = Mood::Well;
    until(&mut rig, "everything arrives", ended);

    assert_eq!(ids(&rig), expected);
    assert_eq!(rig.obstacle(), None);
}

#[test]
fn tables_whose_schema_is_known_go_on_without_the_registry() {
    let server = Server::start();
    let mut rig = rig(server.url());
    until(&mut rig, "everything arrives", ended);
    let before = ids(&rig).len();
    drop(server);

    rig.put(ID + 1, plain(ID + 1, &entries(30)));
    until(&mut rig, "everything arrives", ended);

    assert_eq!(ids(&rig).len(), 2 * before);
}
