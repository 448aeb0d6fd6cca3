//! What was parked comes out again: in order, under its ids, once it can.

use crate::log::{assert_arrived, expected_under, plain};
use crate::rig::{Rig, Setup, assert_adds_up};
use crate::support::expected::{Event, parked};
use crate::tables::{PLAIN, PUBLISHED, Write, all, entry, entry_with, id, with_a_column, without};
use ringtail::checkpoint::Fault as StoreFault;
use ringtail::pipeline::Fatal;
use ringtail::pipeline::park::{Action, Answer, Outcome, Request, Requests};
use ringtail::schema::Catalog;
use ringtail::sink::faults::{Choices, Faults};
use serde_json::Value;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const ID: u64 = 4000;

/// Two partitions: in the first a table is written that is not known at first, with others before and behind it.
fn entries() -> Vec<Vec<u8>> {
    vec![
        entry(1, 10, &[("orders", Write::Row(1))]),
        entry(1, 11, &[("orders", Write::Row(2)), ("items", Write::Row(2)), ("prices", Write::Row(2))]),
        entry(1, 12, &[("orders", Write::Row(3))]),
        entry(2, 13, &[("orders", Write::Row(4))]),
        entry(2, 14, &[("orders", Write::Row(5)), ("items", Write::Row(5))]),
        entry(1, 15, &[(PLAIN, Write::Row(6))]),
        entry(2, 16, &[("prices", Write::Row(7))]),
        entry(3, 17, &[("prices", Write::Row(8))]),
    ]
}

fn rig(known: &Catalog, setup: Setup) -> Rig {
    let mut rig = Rig::new(setup, known);
    rig.put(ID, plain(ID, &entries()));
    rig.start();
    rig
}

/// The events of the segment, as they are when nothing was ever parked.
fn events() -> Vec<Event> {
    expected_under(&all(), ID, &plain(ID, &entries())).events
}

fn reasons(rig: &Rig) -> Vec<String> {
    let mut found: Vec<(u64, String)> =
        notes(rig).iter().map(|note| (note["seq"].as_u64().expect("a number"), text(&note["reason"]))).collect();
    found.sort();
    found.into_iter().map(|(_, reason)| reason).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn notes(rig: &Rig) -> Vec<Value> {
    let files = parked(&rig.folder("parked")).into_iter().map(|(segment, position, ordinal)| match ordinal {
        None => format!("{segment}-{position}.json"),
        Some(ordinal) => format!("{segment}-{position}-{ordinal}.json"),
    });
    files.map(|file| serde_json::from_slice(&fs::read(rig.folder("parked").join(file)).expect("a note")).expect("JSON")).collect()
}

fn assert_nothing_is_parked(rig: &Rig) {
    assert_eq!(fs::read_dir(rig.folder("parked")).expect("a folder").count(), 0);
    assert_eq!(rig.metric("ringtail_parked_bytes"), 0);
    assert_eq!(rig.metric("ringtail_parked{class=\"waiting\",reason=\"none\"}"), 0);
}

fn ask(rig: &Rig, action: Action, places: Option<&[&str]>) -> String {
    let places = places.map(|places| places.iter().map(|place| (*place).to_owned()).collect());
    Requests::new(rig.folder("requests")).ask(&Request { action, places }).expect("a writable folder")
}

#[track_caller]
fn answer(rig: &Rig, name: &str) -> Answer {
    Requests::new(rig.folder("requests")).fetch(name).expect("a readable folder").expect("an answer")
}

fn late(rig: &Rig) -> Vec<(String, String)> {
    let records = rig.arrived.records();
    let header = |record: &ringtail::envelope::Record, name: &str| {
        record.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    };
    records.iter().filter_map(|record| Some((header(record, "ringtail.id")?, header(record, "ringtail.late")?))).collect()
}

#[test]
fn i1_what_comes_later_of_the_key_or_the_table_waits_behind_a_parked_entry_and_all_comes_out_in_order() {
    let mut rig = rig(&without(&["items"]), Setup::default());
    rig.settle();
    // Of key 1 the first entry, and the first update of the second; of key 2 what stands before the unknown table; all of key 3.
    assert_eq!(rig.events().len(), 5, "{:?}", rig.events());
    assert_eq!(reasons(&rig), ["unknown_table", "queued", "unknown_table", "queued"]);
    let before = rig.record(ID).bytes.logical;
    assert_eq!(rig.left(), Vec::<String>::new(), "parked entries hold no segment");

    rig.exchange.publish(all());
    rig.settle();

    assert_eq!(assert_arrived(&rig, &events()), 0, "each once");
    assert_eq!(late(&rig), []);
    assert_nothing_is_parked(&rig);
    let after = rig.record(ID);
    assert_adds_up(ID, &after);
    assert_eq!((after.bytes.logical.parked, after.bytes.logical.delivered), (0, before.delivered + before.parked));
    assert_eq!(after.bytes.logical.filtered, before.filtered);
}

#[test]
fn a_refresh_that_brings_nothing_new_moves_nothing() {
    let mut rig = rig(&without(&["items"]), Setup::default());
    rig.settle();
    rig.exchange.publish(without(&["items"]));
    rig.settle();
    let before = (notes(&rig), rig.events().len());
    assert_eq!(before.0[0]["tries"], 1, "after a start everything is tried once");

    rig.exchange.publish(without(&["items"]));
    rig.settle();

    assert_eq!((notes(&rig), rig.events().len()), before);
}

#[test]
fn a_schema_that_knows_a_part_brings_out_that_part() {
    let mut rig = rig(&without(&["items", "prices"]), Setup::default());
    rig.settle();

    rig.exchange.publish(without(&["prices"]));
    rig.settle();
    let known = expected_under(&without(&["prices"]), ID, &plain(ID, &entries())).events;
    assert_eq!(assert_arrived(&rig, &known), 0);
    rig.exchange.publish(all());
    rig.settle();

    assert_eq!(assert_arrived(&rig, &events()), 0);
    assert_nothing_is_parked(&rig);
}

#[test]
fn an_unknown_column_waits_like_an_unknown_table() {
    let entries = [
        entry(1, 10, &[("orders", Write::Row(1))]),
        entry_with("w", 1, 11, &[("orders", Write::Row(2))]),
        entry(2, 12, &[("items", Write::Row(3)), ("orders", Write::Row(3))]),
    ];
    let mut rig = Rig::new(Setup::default(), &all());
    rig.put(ID, plain(ID, &entries));
    rig.start();
    rig.settle();
    assert_eq!((reasons(&rig), rig.events().len()), (vec!["unknown_column".to_owned(), "queued".to_owned()], 2));

    rig.exchange.publish(with_a_column());
    rig.settle();

    // Under the newer schema each event has one column more.
    let expected: Vec<String> =
        expected_under(&with_a_column(), ID, &plain(ID, &entries)).events.into_iter().map(|event| event.id).collect();
    let mut arrived: Vec<String> = rig.events().into_iter().map(|event| event.id).collect();
    arrived[1..].sort();
    assert_eq!(arrived, expected);
    let records = rig.arrived.records();
    let has_value = |record: &ringtail::envelope::Record| {
        let value: Value = serde_json::from_slice(record.value.as_deref().expect("a value")).expect("JSON");
        value["after"]["w"]["value"] == "orders 11"
    };
    assert!(records.iter().any(has_value), "the column that was not known is in its event");
    assert_nothing_is_parked(&rig);
}

#[test]
fn the_queue_is_rebuilt_from_the_folder_after_a_restart() {
    let mut rig = rig(&without(&["items"]), Setup::default());
    rig.settle();
    let sent = rig.events().len();
    rig.restart();
    // More of the same keys and of the same table, while all of it still waits.
    let more =
        [entry(1, 20, &[("orders", Write::Row(9))]), entry(4, 21, &[("items", Write::Row(9))]), entry(5, 22, &[("orders", Write::Row(9))])];
    rig.put(ID + 1, plain(ID + 1, &more));
    rig.settle();
    assert_eq!(rig.events().len(), sent + 1, "only the last of them");
    assert_eq!(parked(&rig.folder("parked")).len(), 6);

    rig.crash();
    rig.store.reopen();
    rig.exchange.publish(all());
    rig.start();
    rig.settle();

    let all_events = [events(), expected_under(&all(), ID + 1, &plain(ID + 1, &more)).events].concat();
    assert_eq!(assert_arrived(&rig, &all_events), 0);
    assert_nothing_is_parked(&rig);
    assert_adds_up(ID + 1, &rig.record(ID + 1));
}

#[test]
fn at_the_limit_the_reader_stops_and_goes_on_when_what_waits_comes_out() {
    let limit = entries()[1].len() as u64 + 10;
    let mut rig = rig(&without(&["items"]), Setup { parked_limit: limit, ..Setup::default() });
    rig.settle();
    assert_eq!(rig.obstacle().as_deref(), Some("the folder of parked entries is full (state.parked.limit)"));
    assert_eq!(parked(&rig.folder("parked")).len(), 1);

    rig.exchange.publish(all());
    rig.settle();

    assert_eq!(assert_arrived(&rig, &events()), 0);
    assert_eq!(rig.obstacle(), None);
    assert_nothing_is_parked(&rig);
}

#[test]
fn i8_a_crash_between_delivery_and_removal_repeats_events_with_equal_ids_and_loses_none() {
    for fault in [StoreFault::BeforeWrite, StoreFault::BeforeDurable, StoreFault::AfterDurable] {
        for saves in 0..4 {
            let mut rig = rig(&without(&["items"]), Setup { window: 3, ..Setup::default() });
            rig.settle();
            rig.exchange.publish(all());
            // So many turns after the retry has begun, the save fails.
            for _ in 0..saves {
                rig.turn(Duration::from_millis(110)).expect("a turn");
            }
            rig.store.fail_next(fault);
            let ended = (0..60).find_map(|_| rig.turn(Duration::from_millis(110)).err());
            if ended.is_some() {
                assert!(matches!(ended, Some(Fatal::Ledger(_))), "{ended:?}");
                rig.crash();
                rig.store.crash();
                rig.start();
            }
            rig.settle();

            assert_arrived(&rig, &events());
            assert_nothing_is_parked(&rig);
            assert_adds_up(ID, &rig.record(ID));
            assert_eq!(rig.record(ID).bytes.logical.parked, 0, "{fault:?} after {saves}");
        }
    }
}

#[test]
fn a_refused_event_that_is_taken_at_last_says_that_it_is_late() {
    let too_large = Arc::new(AtomicBool::new(true));
    let (never, refused) = (too_large.clone(), events()[1].clone());
    let (refused_id, of) = (refused.id.clone(), refused.clone());
    let refuses = move |record: &ringtail::envelope::Record| never.load(Ordering::Relaxed) && Event::from(record) == of;
    let mut rig = rig(&all(), Setup { faults: Faults { refuses: Some(Box::new(refuses)), ..Faults::default() }, ..Setup::default() });
    rig.settle();
    let rest: Vec<Event> = events().into_iter().filter(|event| *event != refused).collect();
    assert_arrived(&rig, &rest);
    let place = refused_id.strip_prefix("n1/").expect("an id").replacen('/', ":", 1);
    let before = rig.record(ID).bytes.logical;
    assert!(before.parked > 0);

    let in_vain = ask(&rig, Action::Retry, Some(&[&place]));
    rig.settle();
    let [(_, Outcome::Kept(why))] = &answer(&rig, &in_vain).outcomes[..] else { panic!("it stays") };
    assert!(why.contains("too large") || !why.is_empty(), "{why}");
    assert_eq!(notes(&rig)[0]["tries"], 1);
    assert_arrived(&rig, &rest);
    too_large.store(false, Ordering::Relaxed);
    let asked = ask(&rig, Action::Retry, Some(&[&place]));
    rig.settle();

    assert_eq!(answer(&rig, &asked).outcomes, [(place, Outcome::Delivered)]);
    assert_eq!(late(&rig), [(refused_id, "refused_by_sink".to_owned())]);
    assert_eq!(rig.events().iter().filter(|event| **event == refused).count(), 1);
    assert_nothing_is_parked(&rig);
    let after = rig.record(ID);
    assert_adds_up(ID, &after);
    assert_eq!((after.bytes.logical.parked, after.bytes.logical.delivered), (0, before.delivered + before.parked));
}

#[test]
fn a_retry_asks_for_a_newer_schema_and_says_what_stays() {
    let mut rig = rig(&without(&["items"]), Setup { schema: (true, Duration::ZERO), ..Setup::default() });
    rig.settle();

    let asked = ask(&rig, Action::Retry, None);
    rig.settle();

    let outcomes = answer(&rig, &asked).outcomes;
    assert_eq!(outcomes.len(), 4);
    let Outcome::Kept(why) = &outcomes[0].1 else { panic!("{outcomes:?}") };
    assert!(why.starts_with(&format!("unknown table id {}", id("items"))), "{why}");
    let missing = ask(&rig, Action::Retry, Some(&["1:2", "3:4/5"]));
    rig.settle();
    let not_parked = |place: &str| (place.to_owned(), Outcome::NotParked);
    assert_eq!(answer(&rig, &missing).outcomes, [not_parked("1:2"), not_parked("3:4/5")]);
}

#[test]
fn what_is_discarded_is_on_record_as_lost_and_what_waited_behind_it_comes_out() {
    let mut rig = rig(&without(&["items"]), Setup::default());
    rig.settle();
    let before = rig.record(ID).bytes.logical;
    let places: Vec<String> =
        notes(&rig).iter().filter(|note| note["reason"] == "unknown_table").map(|note| format!("{ID}:{}", note["position"])).collect();

    let asked = ask(&rig, Action::Discard("the table is of no use".into()), Some(&[&places[0], &places[1]]));
    rig.settle();

    let bytes = [entries()[1].len() as u64, entries()[4].len() as u64];
    let discarded = |i: usize| (places[i].clone(), Outcome::Discarded(bytes[i]));
    assert_eq!(answer(&rig, &asked).outcomes, [discarded(0), discarded(1)]);
    let kept = |event: &Event| {
        let of_the_first = event.topic.ends_with("prices") && event.id.contains(&places[0].replace(':', "/"));
        !event.topic.ends_with("items") && !of_the_first
    };
    assert_eq!(assert_arrived(&rig, &events().into_iter().filter(kept).collect::<Vec<_>>()), 0);
    assert_nothing_is_parked(&rig);
    let logical = rig.record(ID).bytes.logical;
    assert_adds_up(ID, &rig.record(ID));
    assert_eq!((logical.parked, logical.lost), (0, bytes[0] + bytes[1]));
    assert_eq!(logical.delivered, before.delivered + before.parked - logical.lost);
    // After a restart with the schema it stays away.
    rig.crash();
    rig.store.reopen();
    rig.exchange.publish(all());
    rig.start();
    rig.settle();
    let decisions = rig.pipeline().ledger().discarded();
    let found: Vec<(u32, u64, &str)> = decisions.iter().map(|one| (one.position, one.bytes, one.reason.as_str())).collect();
    let position = |i: usize| places[i].split(':').nth(1).expect("a position").parse::<u32>().expect("a number");
    let expected = [0, 1].map(|i| (position(i), bytes[i], "the table is of no use"));
    assert_eq!(found, expected);
    assert!(!rig.events().iter().any(|event| event.topic.ends_with("items")));
}

#[test]
fn another_content_of_a_segment_does_not_replace_what_is_parked_of_the_first() {
    let mut rig = rig(&without(&["items"]), Setup::default());
    rig.settle();
    let before = notes(&rig);
    // The same positions, the same keys, other rows.
    let changed: Vec<Vec<u8>> = entries()
        .iter()
        .map(|frame| {
            let mut body = frame[8..frame.len() - 4].to_vec();
            let last = body.len() - 3;
            body[last] ^= 1;
            crate::support::segment::frame(&body)
        })
        .collect();
    rig.put(ID, plain(ID, &changed));
    rig.settle();

    let why = rig.obstacle().expect("not ready");
    assert!(why.contains("another content of the segment has parked entry") && why.ends_with("retry or discard it first"), "{why}");
    let after = notes(&rig);
    assert!(before.iter().all(|note| after.contains(note)), "{after:?}");
}

/// Few keys and tables, so that much waits for each other; the schema comes bit by bit; the process and deliveries fail.
fn play(seed: u64) -> (usize, usize) {
    let mut choices = Choices::new(seed);
    let faults = Faults {
        seed,
        fails_per_mille: choices.below(60) as u32,
        full_per_mille: choices.below(200) as u32,
        late_per_mille: choices.below(600) as u32,
        ..Faults::default()
    };
    let schema = (choices.happens(500), Duration::from_millis(choices.below(400)));
    let mut known = without(&PUBLISHED);
    let mut rig = Rig::new(Setup { window: 1 + choices.below(20) as usize, faults, schema, ..Setup::default() }, &known);
    rig.start();
    let mut expected = Vec::new();
    let mut most = 0;
    for number in 0..6 {
        let mut time = number as i64 * 1000;
        let frames: Vec<Vec<u8>> = (0..1 + choices.below(25))
            .map(|_| {
                let tables = [PUBLISHED[0], PUBLISHED[1], PUBLISHED[2], PLAIN];
                let writes: Vec<(&str, Write)> =
                    (0..1 + choices.below(3)).map(|_| (tables[choices.below(4) as usize], Write::Row(choices.below(5) as i32))).collect();
                time += 1;
                entry(choices.below(4) as i32, time, &writes)
            })
            .collect();
        let bytes = plain(ID + number, &frames);
        expected.extend(expected_under(&all(), ID + number, &bytes).events);
        rig.put(ID + number, bytes);
        for _ in 0..choices.below(40) {
            if choices.happens(60) {
                let table = PUBLISHED[choices.below(3) as usize];
                known.insert((**all().by_name("ks", table).expect("a table")).clone());
                rig.exchange.publish(known.clone());
            }
            if choices.happens(40) {
                ask(&rig, Action::Retry, None);
            }
            match choices.below(60) {
                0 => rig.restart(),
                1 => {
                    rig.crash();
                    rig.store.crash();
                    rig.start();
                }
                2 => rig.store.fail_next(StoreFault::BeforeDurable),
                _ => {}
            }
            match rig.turn(Duration::from_millis(choices.below(150))) {
                Ok(()) => {}
                Err(Fatal::Ledger(_)) => {
                    rig.crash();
                    rig.store.crash();
                    rig.start();
                }
                Err(error) => panic!("{error}"),
            }
            most = most.max(parked(&rig.folder("parked")).len());
        }
    }
    rig.store.reopen();
    rig.exchange.publish(all());
    for _ in 0..2000 {
        if rig.turn(Duration::from_millis(500)).is_err() {
            rig.restart();
        }
        if rig.records().len() == 6 && rig.left().is_empty() && fs::read_dir(rig.folder("parked")).expect("a folder").count() == 0 {
            break;
        }
    }
    rig.settle();
    let repeats = match expected.is_empty() {
        true => 0,
        false => assert_arrived(&rig, &expected),
    };
    assert_nothing_is_parked(&rig);
    for (key, record) in rig.records() {
        assert_adds_up(key.id.0, &record);
        assert_eq!((record.bytes.logical.parked, record.bytes.logical.lost), (0, 0), "segment {key}");
    }
    (most, repeats)
}

#[test]
fn i1_order_per_partition_holds_whenever_the_schema_comes_and_whatever_fails() {
    let seeds = match crate::setting("RINGTAIL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..crate::setting("RINGTAIL_SEEDS").unwrap_or(60),
    };
    let (mut most, mut repeats, mut failed) = (0, 0, Vec::new());
    for seed in seeds {
        match std::panic::catch_unwind(|| play(seed)) {
            Ok((parked, repeated)) => (most, repeats) = (most.max(parked), repeats + repeated),
            Err(_) => failed.push(seed),
        }
    }
    assert_eq!(failed, Vec::<u64>::new());
    assert!(most > 10, "at most {most} were parked at once");
    println!("at most {most} parked at once, {repeats} repeats");
}
