//! The comparison sees what it is there to see.

use super::application::Change;
use super::support::consumer::Seen;
use super::verify::Report;
use std::slice::from_ref;
use std::time::Duration;
use uuid::Uuid;

fn change(sequence: i64, acknowledged: bool) -> Change {
    Change { event_id: Uuid::from_u128(sequence as u128), aggregate_type: "order", aggregate_id: "1-0".into(), sequence, acknowledged }
}

fn state(change: &Change) -> Seen {
    Seen {
        topic: "shop.shop.orders".into(),
        partition: 0,
        received: Duration::ZERO,
        id: format!("n/1/{}/0", change.sequence),
        key: b"{}".to_vec(),
        value: format!("{{\"after\":{{\"last_event\":{{\"value\":\"{}\"}}}}}}", change.event_id).into_bytes(),
        headers: vec![("ringtail.batch".into(), format!("1:{};0/2", change.sequence))],
    }
}

fn message(change: &Change) -> Seen {
    let mut headers = state(change).headers;
    headers.extend([("id".into(), change.event_id.to_string()), ("eventType".into(), change.event_type().into())]);
    let (key, value) = (change.aggregate_id.clone().into_bytes(), change.payload().into_bytes());
    Seen { topic: "outbox.event.order".into(), id: format!("n/1/{}/1", change.sequence), key, value, headers, ..state(change) }
}

fn problems(changes: &[Change], records: &[Seen]) -> Vec<String> {
    Report::of(changes, records).problems
}

#[test]
fn what_is_whole_is_no_problem_and_a_repeat_is_counted() {
    let (one, two, lost) = (change(1, true), change(2, false), change(3, false));
    let records = [state(&one), message(&one), message(&two), state(&two), message(&one)];

    let report = Report::of(&[one, two, lost], &records);

    assert_eq!(report.problems, Vec::<String>::new());
    let counts = (report.acknowledged, report.unacknowledged, report.came_unacknowledged, report.repeats);
    assert_eq!(counts, (1, 2, 1, 1));
}

#[test]
fn a_half_a_missing_one_and_a_stranger_are_problems() {
    let (one, two) = (change(1, true), change(2, false));

    assert!(problems(from_ref(&one), &[])[0].ends_with("acknowledged, and nothing came"));
    assert!(problems(from_ref(&two), &[message(&two)])[0].ends_with("only the message came"));
    assert!(problems(from_ref(&two), &[state(&two)])[0].ends_with("only the state came"));
    assert!(problems(&[], &[message(&one)])[0].ends_with("of no batch"));
    let other_entry = Seen { headers: vec![("ringtail.batch".into(), "1:9;0/1".into())], ..state(&one) };
    assert!(problems(from_ref(&one), &[message(&one), other_entry])[0].contains("of different entries"));
}

#[test]
fn order_content_and_repeats_that_differ_are_problems() {
    let (one, two) = (change(1, true), change(2, true));
    let both = [one.clone(), two.clone()];
    let states = || [state(&one), state(&two)];

    let swapped = [states(), [message(&two), message(&one)]].concat();
    assert!(problems(&both, &swapped)[0].ends_with("1 is out of order in its aggregate"));
    let elsewhere = [states(), [message(&one), Seen { partition: 1, ..message(&two) }]].concat();
    assert!(problems(&both, &elsewhere)[0].ends_with("2 is out of order in its aggregate"));
    let corrected = [states(), [message(&one), Seen { value: b"corrected".to_vec(), ..message(&two) }]].concat();
    assert!(problems(&both, &corrected)[0].contains("found (\"outbox.event.order\", \"1-0\", \"corrected\""));
    let again = [state(&one), message(&one), Seen { id: "n/1/9/1".into(), ..message(&one) }];
    assert!(problems(from_ref(&one), &again)[0].contains("came twice and differs"));
}
