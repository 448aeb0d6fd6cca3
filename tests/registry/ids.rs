//! Ids are asked for beside the stream, and kept.

use crate::support::registry::{Mood, Server, State, settings};
use ringtail::envelope::EncodeError;
use ringtail::registry::{Client, Ids, Patience, Registration};
use std::time::{Duration, Instant};

const QUICK: Patience =
    Patience { soon_min: Duration::from_millis(20), soon_max: Duration::from_millis(80), later: Duration::from_millis(150) };

fn ids(urls: &[&str], register: bool) -> Ids {
    Ids::start(Client::new(&settings(urls)).unwrap(), register, QUICK).unwrap()
}

fn schema(subject: &str, fields: &str) -> Registration {
    Registration { subject: subject.into(), schema: format!(r#"{{"type":"record","name":"V","fields":[{fields}]}}"#).into() }
}

/// Asks until the answer is one that is waited for.
fn until(ids: &Ids, registration: &Registration, is: impl Fn(&Result<u32, String>) -> bool) -> Option<u32> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = ids.id(registration).map_err(|error| match error {
            EncodeError::Waiting(why) => why,
            EncodeError::Refused(why) => panic!("nothing is ever given up: {why}"),
        });
        if is(&answer) {
            return answer.ok();
        }
        assert!(Instant::now() < end, "{answer:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn says<'a>(text: &'a str) -> impl Fn(&Result<u32, String>) -> bool + 'a {
    move |answer| answer.as_ref().is_err_and(|why| why.contains(text))
}

#[test]
fn an_id_is_asked_for_once_and_kept_while_the_registry_is_away() {
    let server = Server::start();
    let ids = ids(&[&server.url()], true);
    let (first, second) = (schema("t-key", ""), schema("t-value", ""));

    let begun = Instant::now();
    assert_eq!(
        ids.id(&first),
        Err(EncodeError::Waiting("asking the schema registry for the schema of subject t-key".into())),
        "nobody waits for it here"
    );
    assert!(begun.elapsed() < Duration::from_millis(100));
    assert_eq!(until(&ids, &first, Result::is_ok), Some(1));
    assert_eq!(server.asked("POST"), 1);
    drop(server);

    assert_eq!(ids.id(&first), Ok(1));
    until(&ids, &second, says("does not answer"));
    assert_eq!(ids.id(&first), Ok(1));
}

#[test]
fn a_registry_that_comes_back_is_found() {
    let server = Server::start();
    let (address, ids) = (server.address, ids(&[&server.url()], true));
    drop(server);
    let registration = schema("t-key", "");
    until(&ids, &registration, says("does not answer"));

    let server = Server::at(address, State { mood: Mood::Says(503, String::new()), ..State::default() });
    until(&ids, &registration, says("answers 503"));
    server.state().mood = Mood::Well;

    assert_eq!(until(&ids, &registration, Result::is_ok), Some(1));
}

#[test]
fn what_is_refused_is_tried_again_until_somebody_has_mended_it() {
    let server = Server::start();
    let ids = ids(&[&server.url()], true);
    let (old, new) = (schema("t-value", ""), schema("t-value", r#"{"name":"n","type":"int"}"#));
    until(&ids, &old, Result::is_ok);
    server.state().refuses = Some("READER_FIELD_MISSING_DEFAULT_VALUE".into());

    until(&ids, &new, says("as incompatible: READER_FIELD_MISSING_DEFAULT_VALUE"));
    assert_eq!(ids.id(&old), Ok(1), "others go on");
    let asked = server.asked("POST");
    std::thread::sleep(Duration::from_millis(500));
    assert!(server.asked("POST") > asked, "it is not tried again");
    server.state().refuses = None;

    assert_eq!(until(&ids, &new, Result::is_ok), Some(2));
}

#[test]
fn without_leave_to_register_a_schema_is_waited_for() {
    let server = Server::start();
    let ids = ids(&[&server.url()], false);
    let registration = schema("t-value", "");

    until(&ids, &registration, says("does not know the schema of subject t-value: register it, or set"));
    assert_eq!((server.asked("POST /subjects/t-value/versions"), server.state().schemas.len()), (0, 0));
    Client::new(&settings(&[&server.url()])).unwrap().register("t-value", &registration.schema).unwrap();

    assert_eq!(until(&ids, &registration, Result::is_ok), Some(1));
}

#[test]
fn the_thread_ends_with_the_ids() {
    let server = Server::start();
    let ids = ids(&[&server.url()], true);
    server.state().mood = Mood::Says(500, String::new());
    until(&ids, &schema("t-key", ""), says("answers 500"));

    drop(ids);
    std::thread::sleep(Duration::from_millis(200));
    let asked = server.asked("POST");
    std::thread::sleep(Duration::from_millis(300));

    assert_eq!(server.asked("POST"), asked);
}
