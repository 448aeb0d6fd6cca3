//! Where every byte went, how it is going, and positions that are moved by hand.

use super::place::{EVENTS, Ended, INDEX, Place, SEGMENT, ids, markers, names};
use super::support::process::ringtail;
use serde_json::Value;
use std::fs;

/// The segment's id.
const ID: &str = "1795374647657";

/// `ringtail <words> --config FILE <arguments>`, for commands of two words.
fn ask(place: &Place, words: &[&str], arguments: &[&str]) -> Ended {
    let config = place.config().display().to_string();
    let fixed = words.iter().copied().chain(["--config", &config]);
    Ended::of(&ringtail(fixed.chain(arguments.iter().copied())).output().expect("the binary starts"))
}

fn audit(place: &Place) -> Ended {
    ask(place, &["audit"], &[])
}

fn audit_json(place: &Place) -> (Option<i32>, Value) {
    let ended = ask(place, &["audit"], &["--json"]);
    (ended.code, serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}")))
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

/// Everything delivered but an open segment, whose link is then taken away.
fn with_a_loss() -> Place {
    let place = Place::new();
    place.open_segment();
    assert_eq!(place.drain().code, Some(0));
    fs::remove_file(place.path("state/spool").join(SEGMENT)).expect("our link");
    fs::remove_file(place.segment()).expect("the node's link");
    let ended = place.drain();
    assert_eq!(ended.code, Some(70), "{}", ended.err);
    place
}

#[test]
fn an_audit_adds_up_every_byte_and_every_entry() {
    let place = Place::new();
    assert_eq!(place.drain().code, Some(0));
    let length = fs::metadata(super::support::root().join("fixtures/quickstart").join(SEGMENT)).expect("the segment").len();

    let (code, report) = audit_json(&place);

    let record = &report["segments"][0]["record"];
    let sum = |of: &Value, names: &[&str]| names.iter().map(|name| of[name].as_u64().expect("a number")).sum::<u64>();
    let file = &record["bytes"]["file"];
    assert_eq!(file["length"], length);
    assert_eq!(sum(file, &["header", "markers", "section_heads", "section_payload", "padding", "unmarked", "damaged"]), length);
    let logical = &record["bytes"]["logical"];
    assert_eq!(
        sum(logical, &["delivered", "filtered", "parked", "damaged", "lost", "padding"]),
        logical["sections"].as_u64().expect("a number")
    );
    let entries = &record["entries"];
    assert_eq!(sum(entries, &["published", "filtered", "parked", "lost"]), entries["seen"].as_u64().expect("a number"));
    assert!(entries["published"].as_u64() > Some(10) && entries["filtered"].as_u64() > Some(10), "{entries}");
    for name in ["header_crc", "first_entry_crc", "content_crc", "first", "end"] {
        assert!(record[name].is_u64(), "{name}: {record}");
    }
    assert_eq!((code, &report["verdict"], &report["sums"]["bytes"]["file"]["length"]), (Some(0), &"whole".into(), &file["length"]));
    let text = audit(&place);
    assert_eq!((text.code, last_line(&text.out)), (Some(0), "nothing is lost, nothing is set aside"), "{}", text.out);
    assert!(text.out.contains(&format!("file       {length} = header ")), "{}", text.out);
    assert!(!text.out.contains(SEGMENT), "a segment without anything to say has no row: {}", text.out);
    assert!(ask(&place, &["audit"], &["--all"]).out.contains(SEGMENT));
}

#[test]
fn an_audit_of_a_running_agent_asks_the_agent() {
    let place = Place::new();
    let mut agent = place.start();
    agent.wait_for("segment finished");

    let (code, report) = audit_json(&place);

    assert_eq!((code, report["sums"]["by_state"]["finished"].as_u64()), (Some(0), Some(1)), "{report:#}");
    assert_eq!(ask(&place, &["checkpoint", "show"], &[]).code, Some(0));
    assert!(agent.is_running());
    assert_eq!(agent.stop().0, Some(0));
}

#[test]
fn an_audit_of_a_place_where_nothing_ran_is_a_mistake() {
    let place = Place::new();

    for words in [&["audit"][..], &["status"], &["checkpoint", "show"]] {
        let ended = ask(&place, words, &[]);

        assert_eq!((ended.code, ended.out.as_str()), (Some(64), ""), "{words:?}");
        ended.says(&format!(
            "ringtail: there is no state in {}: nothing was ever run with this configuration\n",
            place.path("state").display()
        ));
        assert!(!place.path("state").exists(), "{words:?} makes none");
    }
}

#[test]
fn what_is_set_aside_ends_an_audit_with_65() {
    let place = Place::new();
    let bytes = fs::read(place.segment()).expect("the segment");
    place.flip(markers(&bytes)[1] + 100);
    place.drain();

    let ended = audit(&place);

    assert_eq!(
        (ended.code, last_line(&ended.out)),
        (Some(65), "nothing is lost; set aside: 0 parked entries, 1 quarantined segments, 0 gaps to look at")
    );
    assert!(ended.out.contains(&format!("{SEGMENT}  quarantined")), "{}", ended.out);
    let noted = ask(&place, &["audit", "acknowledge"], &[SEGMENT, "--reason", "the disk was replaced"]);
    assert_eq!(noted.code, Some(0));
    noted.says(&format!("ringtail: {SEGMENT}: acknowledged (quarantined)\n"));
    let ended = audit(&place);
    assert_eq!((ended.code, last_line(&ended.out)), (Some(0), "nothing is lost, nothing is set aside"));
}

#[test]
fn i10_a_loss_ends_every_audit_with_70_until_it_is_acknowledged() {
    let place = with_a_loss();

    for _ in 0..2 {
        let ended = audit(&place);
        assert_eq!(ended.code, Some(70));
        let message = "LOST and not acknowledged: 1 segments, 0 gaps (ringtail audit acknowledge SEGMENT --reason TEXT)";
        assert_eq!(last_line(&ended.out), message);
    }
    let unknown = ask(&place, &["audit", "acknowledge"], &["7", "gap:3", "what", "--reason", "x"]);
    assert_eq!(unknown.code, Some(65));
    for line in
        ["7: is not on record\n", "gap:3: is not on record\n", "what: is no segment and no gap: expected an id, a file name, or gap:1\n"]
    {
        unknown.says(&format!("ringtail: {line}"));
    }
    assert_eq!(ask(&place, &["audit", "acknowledge"], &[ID, "--reason", " "]).code, Some(64));
    let noted = ask(&place, &["audit", "acknowledge"], &[ID, "--reason", "consumers were rebuilt"]);
    assert_eq!(noted.code, Some(0), "{}", noted.err);
    noted.says(&format!("ringtail: {ID}: acknowledged (lost (vanished))\n"));

    let ended = audit(&place);
    assert_eq!(ended.code, Some(0));
    assert!(ended.out.contains("acknowledged ") && ended.out.contains(": consumers were rebuilt\n"), "it stays on record: {}", ended.out);
    assert!(!place.drain().err.contains("lost in a former run"));
}

#[test]
fn a_loss_is_acknowledged_by_the_running_agent_too() {
    let place = with_a_loss();
    let mut agent = place.start();
    agent.wait_for("lost in a former run, and not acknowledged");
    assert_eq!(audit(&place).code, Some(70));

    let noted = ask(&place, &["audit", "acknowledge"], &[ID, "--reason", "known"]);

    assert_eq!(noted.code, Some(0), "{}\n{}", noted.err, agent.log());
    noted.says(&format!("ringtail: {ID}: acknowledged (lost (vanished))\n"));
    assert_eq!(audit(&place).code, Some(0));
    agent.wait_for("acknowledged");
    assert_eq!(agent.stop().0, Some(0));
    assert_eq!(names(&place.path("state/requests")), Vec::<String>::new());
}

#[test]
fn a_status_is_one_screen_from_the_agent_or_out_of_its_ledger() {
    let place = Place::new();
    place.open_segment();
    let mut agent = place.start();
    agent.wait_until("everything arrives", |status| status["delivered"].as_u64() == Some(EVENTS as u64));

    let screen = ask(&place, &["status"], &[]);
    let json = ask(&place, &["status"], &["--json"]);

    assert_eq!((screen.code, screen.err.as_str()), (Some(0), ""));
    for part in [
        "node        local",
        "state       ready",
        "lag         ",
        "rate        ",
        "checkpoint  ",
        "breaker closed",
        "spool       0 B of 16.0 GiB",
    ] {
        assert!(screen.out.contains(part), "{part}\n{}", screen.out);
    }
    assert!(screen.out.contains(&format!("{SEGMENT}  open")), "{}", screen.out);
    assert!(screen.out.lines().count() < 25, "one screen:\n{}", screen.out);
    let status: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((json.code, status["delivered"].as_u64()), (Some(0), Some(EVENTS as u64)));
    assert_eq!(agent.stop().0, Some(0));

    let without = ask(&place, &["status"], &[]);
    assert_eq!(without.code, Some(0));
    without.says("ringtail: no agent runs: this is what its ledger says\n");
    assert!(without.out.contains(&format!("{SEGMENT}  open")) && without.out.contains("under way  1 segments"), "{}", without.out);
}

#[test]
fn positions_move_only_while_no_agent_runs() {
    let place = Place::new();
    place.open_segment();
    let mut agent = place.start();
    agent.wait_until("everything arrives", |status| status["delivered"].as_u64() == Some(EVENTS as u64));

    for (words, arguments) in [
        (["checkpoint", "rewind"], &["--all-unfinished", "--reason", "x"][..]),
        (["checkpoint", "rewind"], &[ID, "--reason", "x"]),
        (["checkpoint", "skip"], &[ID, "--reason", "x", "--yes"]),
    ] {
        let ended = ask(&place, &words, arguments);

        assert_eq!(ended.code, Some(75), "{words:?}");
        ended.says(&format!(
            "ringtail: another instance holds the state folder {} (process {})\n",
            place.path("state").display(),
            agent.id()
        ));
    }
    // What has arrived is in the ledger a moment later.
    let shown = std::iter::repeat_with(|| ask(&place, &["checkpoint", "show"], &[]))
        .take(100)
        .find(|shown| shown.code != Some(0) || shown.out.contains("42 events"))
        .expect("the ledger is saved");
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(
        shown.out.contains(SEGMENT) && shown.out.contains("node local, 42 events delivered, 0 changes by hand or repair on record"),
        "{}",
        shown.out
    );
    assert_eq!(agent.stop().0, Some(0));
}

#[test]
fn what_lies_behind_a_position_that_is_taken_back_is_delivered_again_with_the_same_ids() {
    let place = Place::new();
    place.open_segment();
    assert_eq!(place.drain().code, Some(0));
    let first = ids(&place.events());
    let position = |id: &String| id.split('/').nth(2).expect("a position").parse::<u64>().expect("a number");
    let middle = position(&first[EVENTS / 2]);

    let moved = ask(&place, &["checkpoint", "rewind"], &[&format!("{ID}:{middle}"), "--reason", "a consumer lost them"]);

    assert_eq!(moved.code, Some(0), "{}", moved.err);
    moved.says(&format!("ringtail: {SEGMENT}: what lies behind {middle} is delivered again; it was delivered to "));
    assert_eq!(place.drain().code, Some(0));
    let again: Vec<String> = first.iter().filter(|id| position(id) > middle).cloned().collect();
    assert!(!again.is_empty());
    assert_eq!(ids(&place.events()), [first.clone(), again].concat());
    let too_far = ask(&place, &["checkpoint", "rewind"], &[&format!("{ID}:99999999"), "--reason", "x"]);
    assert_eq!(too_far.code, Some(65));
    too_far.says("it is delivered only up to ");
    let all = ask(&place, &["checkpoint", "rewind"], &["--all-unfinished", "--reason", "once more"]);
    assert_eq!(all.code, Some(0));
    place.drain();
    assert!(ids(&place.events()).ends_with(&first));
    let report = audit(&place);
    assert!(
        report.out.contains(&format!("change     rewound {SEGMENT} from ")) && report.out.contains(": a consumer lost them\n"),
        "{}",
        report.out
    );
}

#[test]
fn a_finished_segment_is_not_taken_back_unless_its_file_was_kept() {
    let place = Place::new();
    assert_eq!(place.drain().code, Some(0));
    let refused = ask(&place, &["checkpoint", "rewind"], &[ID, "--reason", "x"]);
    assert_eq!(refused.code, Some(65));
    refused.says(
        "it is finished (deleted), its file is not in the spool any more (ringtail replay delivers a copy again): nothing was changed\n",
    );
    let unknown = ask(&place, &["checkpoint", "rewind"], &["5", "--reason", "x"]);
    assert_eq!(unknown.code, Some(65));
    unknown.says("ringtail: segment 5 is not on record\n");

    let place = Place::new().with("source", "{ cdc_raw: @/cdc_raw, rescan: 100ms, finished: keep }");
    assert_eq!(place.drain().code, Some(0));
    assert_eq!(ask(&place, &["checkpoint", "rewind"], &[ID, "--reason", "again"]).code, Some(0));
    assert_eq!(place.drain().code, Some(0));
    let found = ids(&place.events());
    assert_eq!(found.len(), 2 * EVENTS);
    assert_eq!(found[..EVENTS], found[EVENTS..]);
}

#[test]
fn what_is_skipped_is_never_delivered_and_counts_as_lost_and_acknowledged() {
    let whole = Place::new();
    assert_eq!(whole.drain().code, Some(0));
    let all = ids(&whole.events());
    let position = |id: &String| id.split('/').nth(2).expect("a position").parse::<u64>().expect("a number");
    let to = position(&all[EVENTS / 2]);
    // Linked and on record, nothing delivered.
    let place = Place::new().with("node", "{ id: local }").with("sink", "{ kafka: { bootstrap.servers: \"127.0.0.1:1\" } }");
    assert_eq!(place.run("run", &["--drain", "--timeout", "1s"]).code, Some(69));
    let place = place.with("sink", "{ file: { path: @/events.jsonl } }");

    let unsure = ask(&place, &["checkpoint", "skip"], &[&format!("{ID}:{to}"), "--reason", "poison"]);
    assert_eq!(unsure.code, Some(64));
    // What no event comes from is behind us already.
    unsure.says(&format!("ringtail: {SEGMENT}: what lies between "));
    unsure.says(&format!(" and {to} is never delivered: say --yes to do it\n"));
    let skipped = ask(&place, &["checkpoint", "skip"], &[&format!("{ID}:{to}"), "--reason", "poison", "--yes"]);

    assert_eq!(skipped.code, Some(0), "{}", skipped.err);
    assert_eq!(place.drain().code, Some(0));
    let left: Vec<String> = all.iter().filter(|id| position(id) > to).cloned().collect();
    assert_eq!(ids(&place.events()), left);
    let (code, report) = audit_json(&place);
    assert_eq!(code, Some(0), "what somebody gave up is acknowledged: {report:#}");
    let record = &report["segments"][0]["record"];
    assert!(record["entries"]["lost"].as_u64() > Some(0) && record["bytes"]["logical"]["lost"].as_u64() > Some(0), "{record:#}");
    let report = audit(&place).out;
    assert!(report.contains(&format!("change     skipped {SEGMENT} from ")) && report.contains(&format!(" to {to}: poison\n")), "{report}");
}

#[test]
fn a_segment_that_is_skipped_whole_goes_to_quarantine() {
    let place = Place::new().with("node", "{ id: local }").with("sink", "{ kafka: { bootstrap.servers: \"127.0.0.1:1\" } }");
    assert_eq!(place.run("run", &["--drain", "--timeout", "1s"]).code, Some(69));
    let place = place.with("sink", "{ file: { path: @/events.jsonl } }");

    let skipped = ask(&place, &["checkpoint", "skip"], &[ID, "--reason", "its key is gone", "--yes"]);

    assert_eq!(skipped.code, Some(0), "{}", skipped.err);
    skipped.says(&format!("ringtail: {SEGMENT}: what lies behind "));
    skipped.says(" is never delivered, and the file is kept in quarantine\n");
    assert_eq!((place.kept("quarantine"), place.kept("spool")), (vec![SEGMENT.to_owned()], Vec::new()));
    assert_eq!(names(&place.cdc_raw()), Vec::<String>::new(), "{INDEX} goes with it");
    assert_eq!(place.drain().code, Some(0));
    assert_eq!((place.events().len(), audit(&place).code), (0, Some(0)));
}

#[test]
fn a_ledger_that_is_gone_is_begun_anew_when_somebody_says_so() {
    let place = Place::new();
    place.open_segment();
    assert_eq!(place.drain().code, Some(0));
    fs::remove_dir_all(place.path("state/db")).expect("the ledger");
    fs::remove_file(place.path("state/shadow")).expect("its shadow");
    assert_eq!(place.drain().code, Some(70));

    let begun = ask(&place, &["checkpoint", "rewind"], &["--all-unfinished", "--reason", "the disk was lost"]);

    assert_eq!(begun.code, Some(0), "{}", begun.err);
    begun.says("ringtail: a new ledger is begun; what was left of the old one is kept beside it\n");
    assert_eq!(place.drain().code, Some(0));
    let found = ids(&place.events());
    assert_eq!(found[..EVENTS], found[EVENTS..], "everything that is there, once more");
    let ended = audit(&place);
    assert_eq!(ended.code, Some(65));
    assert!(ended.out.contains("gap:1      suspicious (state_lost): the ledger was gone"), "{}", ended.out);
    assert_eq!(ask(&place, &["audit", "acknowledge"], &["gap:1", "--reason", "checked by hand"]).code, Some(0));
    assert_eq!(audit(&place).code, Some(0));
}
