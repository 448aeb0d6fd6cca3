//! A run from start to end: draining, stopping, growing segments, a second instance.

use super::place::{EVENTS, Ended, INDEX, Place, SEGMENT, expected_ids, ids, lines, markers, names};
use super::support::process::ringtail;
use super::support::root;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, Instant};

/// A segment that shows only its sections before the last `later`; its whole bytes and where they are to go on.
fn half_written(place: &Place, later: usize) -> (Vec<u8>, usize) {
    let whole = fs::read(place.segment()).expect("the segment");
    let markers = markers(&whole);
    let at = markers[markers.len() - 1 - later];
    let mut bytes = whole.clone();
    bytes[at..].fill(0);
    fs::write(place.segment(), bytes).expect("a writable segment");
    (whole, at)
}

/// As the node does it: entries first, the marker that covers them last.
fn write_on(place: &Place, whole: &[u8], at: usize) {
    let file = File::options().write(true).open(place.segment()).expect("the segment");
    file.write_all_at(&whole[at + 8..], at as u64 + 8).expect("a writable segment");
    file.write_all_at(&whole[at..at + 8], at as u64).expect("a writable segment");
}

#[test]
fn a_drain_delivers_once_and_says_what_it_did() {
    let place = Place::new().with("sink", "{ stdout: {} }");

    let first = place.drain();
    let second = place.drain();

    assert_eq!((first.code, lines(&first.out).len()), (Some(0), EVENTS), "{}", first.err);
    assert!(first.err.ends_with(&format!("ringtail: {EVENTS} events delivered\n")), "{}", first.err);
    let state = place.path("state");
    let nothing = format!("ringtail: nothing new: {EVENTS} events were delivered before; remove {} to see them again\n", state.display());
    assert_eq!((second.code, second.out.as_str()), (Some(0), ""));
    assert!(second.err.ends_with(&nothing), "{}", second.err);
    assert_eq!(names(&place.cdc_raw()), Vec::<String>::new());
    assert_eq!(place.kept("spool"), Vec::<String>::new());
}

#[test]
fn the_quick_start_leaves_the_recorded_segments_as_they_are() {
    let folder = root().join("fixtures/quickstart");
    let look = || {
        let metadata = fs::metadata(folder.join(SEGMENT)).expect("the segment");
        (metadata.nlink(), metadata.modified().ok(), metadata.ino(), names(&folder))
    };
    let before = look();
    // Beside the fixtures, for the links, and not where a person's own quick start has its state.
    let state = tempfile::tempdir_in(root().join("target")).expect("a folder under target");
    let run = || {
        let mut command = ringtail(["run", "--config", "deploy/quickstart.yaml", "--drain"]);
        command.current_dir(root()).env("RINGTAIL_STATE__DIR", state.path()).env("RINGTAIL_LOG__FORMAT", "text");
        Ended::of(&command.output().expect("the binary starts"))
    };

    let first = run();
    let second = run();

    let (of_schema, of_data): (Vec<_>, Vec<_>) = lines(&first.out).into_iter().partition(|line| line["topic"] == "shop.schema");
    let changes: Vec<_> = of_schema.iter().map(|line| (line["key"].clone(), line["value"]["change"].clone())).collect();
    let created = |table: &str| (format!("shop.{table}").into(), "create_table".into());
    assert_eq!(changes, [created("orders_by_customer_and_date"), created("outbox")]);
    assert_eq!((first.code, of_data.len()), (Some(0), EVENTS), "{}", first.err);
    let all = EVENTS + of_schema.len();
    assert!(first.err.ends_with(&format!("ringtail: {all} events delivered\n")), "{}", first.err);
    assert_eq!((second.code, second.out.as_str()), (Some(0), ""), "{}", second.err);
    second.says(&format!("ringtail: nothing new: {all} events were delivered before; remove "));
    assert_eq!(before.0, 1, "a recorded segment has one name");
    assert!(look() == before, "before: {before:?}\nafter: {:?}", look());
}

#[test]
fn a_drain_keeps_what_the_node_still_writes_to_and_says_so() {
    let place = Place::new();
    place.open_segment();

    let ended = place.drain();

    assert_eq!((ended.code, place.events().len()), (Some(0), EVENTS));
    ended.says(&format!("ringtail: {SEGMENT} is still written to: delivered up to what it shows, and kept\n"));
    assert_eq!(names(&place.cdc_raw()), [SEGMENT]);
    assert_eq!(place.kept("spool"), [SEGMENT]);
    let again = place.drain();
    again.says("ringtail: nothing new: ");
    assert_eq!(place.events().len(), EVENTS);
}

#[test]
fn a_stop_while_a_segment_grows_loses_nothing() {
    let place = Place::new();
    let other_name = place.open_segment();
    let (whole, first_cut) = half_written(&place, 4);
    let second_cut = markers(&whole).iter().rev().nth(2).copied().expect("a marker");
    let mut agent = place.start();
    agent.wait_until("the first part arrives", |status| status["segments"][0]["delivered_to"].as_u64() > Some(first_cut as u64 - 400));

    // A part while it runs, and a stop right behind it.
    let mut part = whole.clone();
    part[second_cut..].fill(0);
    write_on(&place, &part, first_cut);
    let (code, took) = agent.stop();

    assert_eq!(code, Some(0), "{}", agent.log());
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(agent.log().contains("asked to stop") && agent.log().contains("ringtail ends: what has arrived is saved"), "{}", agent.log());
    assert_eq!(names(&place.cdc_raw()), [SEGMENT]);
    // The rest while nobody watches; then the node closes the segment.
    write_on(&place, &whole, second_cut);
    fs::remove_file(other_name).expect("the node's name");
    assert_eq!(place.drain().code, Some(0));
    assert_eq!(ids(&place.events()), expected_ids(), "each event once, in the order of the log");
    assert_eq!(names(&place.cdc_raw()), Vec::<String>::new());
}

#[test]
fn what_is_written_while_it_runs_arrives_while_it_runs() {
    let place = Place::new();
    place.open_segment();
    let (whole, at) = half_written(&place, 6);
    let mut agent = place.start();
    agent.wait_for("segment seen");

    write_on(&place, &whole, at);

    agent.wait_until("everything arrives", |_| place.events().len() == EVENTS);
    assert_eq!(agent.stop().0, Some(0));
    assert_eq!(ids(&place.events()), expected_ids());
}

#[test]
fn a_second_sigterm_ends_at_once() {
    // Nothing arrives, so the first one waits for what is in flight.
    let broker = rdkafka::mocking::MockCluster::new(1).expect("a mock cluster");
    for table in ["outbox", "orders_by_customer_and_date"] {
        broker.create_topic(&format!("shop.shop.{table}"), 1, 1).expect("a topic");
    }
    let servers = broker.bootstrap_servers();
    let place = Place::new()
        .with("node", "{ id: n1 }")
        .with("sink", &format!("{{ kafka: {{ bootstrap.servers: \"{servers}\", linger.ms: 60000 }} }}"));
    let mut agent = place.start();
    agent.wait_until("events are in flight", |status| status["in_flight"].as_u64() > Some(0));
    let pid = Pid::from_raw(i32::try_from(agent.id()).expect("a process id")).expect("a process id");

    kill_process(pid, Signal::TERM).expect("a running process");
    agent.wait_for("asked to stop");
    assert!(agent.is_running());
    let begun = Instant::now();
    kill_process(pid, Signal::TERM).expect("a running process");

    assert_eq!(agent.wait(), Some(143));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let place = place.with("sink", "{ file: { path: @/events.jsonl } }");
    assert_eq!(place.drain().code, Some(0));
    assert_eq!(place.events().len(), EVENTS, "what was in flight is sent again");
}

#[test]
fn a_stop_with_events_that_never_arrive_ends_within_five_seconds() {
    let broker = rdkafka::mocking::MockCluster::new(1).expect("a mock cluster");
    for table in ["outbox", "orders_by_customer_and_date"] {
        broker.create_topic(&format!("shop.shop.{table}"), 1, 1).expect("a topic");
    }
    let servers = broker.bootstrap_servers();
    let place = Place::new()
        .with("node", "{ id: n1 }")
        .with("sink", &format!("{{ kafka: {{ bootstrap.servers: \"{servers}\", linger.ms: 60000 }} }}"));
    let mut agent = place.start();
    agent.wait_until("events are in flight", |status| status["in_flight"].as_u64() > Some(0));

    let (code, took) = agent.stop();

    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}\n{}", agent.log());
    assert_eq!(place.kept("spool"), [SEGMENT], "nothing goes that did not arrive");
}

#[test]
fn a_second_instance_on_the_same_state_folder_ends_with_75_and_the_first_goes_on() {
    let place = Place::new();
    let mut agent = place.start();
    agent.wait_for("segment finished");

    let second = place.drain();

    assert_eq!(second.code, Some(75));
    let state = place.path("state");
    second.says(&format!("ringtail: another instance holds the state folder {} (process {})\n", state.display(), agent.id()));
    assert!(agent.is_running());
    assert_eq!(agent.stop().0, Some(0));
    assert_eq!(place.drain().code, Some(0));
}

#[test]
fn two_agents_of_two_nodes_on_one_machine_do_not_meet() {
    let (one, other) = (Place::new(), Place::new());
    let (mut first, mut second) = (one.start(), other.start());

    first.wait_for("segment finished");
    second.wait_for("segment finished");

    assert_eq!((ids(&one.events()), ids(&other.events())), (expected_ids(), expected_ids()));
    assert_eq!((first.stop().0, second.stop().0), (Some(0), Some(0)));
}

#[test]
fn a_second_instance_on_the_same_output_ends_with_75() {
    let first = Place::new();
    let mut agent = first.start();
    agent.wait_for("segment finished");
    let file = first.path("events.jsonl");
    let second = Place::new().with("sink", &format!("{{ file: {{ path: {} }} }}", file.display()));

    let ended = second.drain();

    assert_eq!(ended.code, Some(75));
    ended.says(&format!("ringtail: {} is locked by another process\n", file.display()));
    assert_eq!(names(&second.cdc_raw()).len(), 2);
    assert_eq!(agent.stop().0, Some(0));
}

#[test]
fn an_agent_whose_log_nobody_takes_goes_on() {
    let place = Place::new();
    place.open_segment();
    let config = place.config().display().to_string();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = ringtail(["run", "--drain", "-c", &config]);

    let ended = Ended::of(&command.stderr(writer).output().expect("the binary starts"));

    assert_eq!((ended.code, place.events().len()), (Some(0), EVENTS));
}

#[test]
fn a_drain_that_takes_too_long_says_why_and_goes_on_the_next_time() {
    let place = Place::new().with("sink", "{ kafka: { bootstrap.servers: \"127.0.0.1:1\" } }").with("node", "{ id: n1 }");

    let ended = place.run("run", &["--drain", "--timeout", "1s"]);

    assert_eq!(ended.code, Some(69));
    ended.says("ringtail: --timeout has passed: 0 events delivered, the rest stays in its segments (no broker answers at 127.0.0.1:1");
    let place = place.with("sink", "{ file: { path: @/events.jsonl } }");
    assert_eq!(place.drain().code, Some(0));
    assert_eq!(place.events().len(), EVENTS);
}

#[test]
fn a_backlog_of_many_segments_does_not_run_out_of_descriptors() {
    let place = Place::new();
    let whole = fs::read(place.segment()).expect("the segment");
    fs::remove_file(place.segment()).expect("the segment");
    fs::remove_file(place.cdc_raw().join(INDEX)).expect("the index");
    // Empty segments, as a node leaves them; each with its own id, in name and header.
    for n in 0..300_u64 {
        let id = 1_795_374_648_000 + n;
        let mut bytes = whole[..16].to_vec();
        bytes[4..12].copy_from_slice(&id.to_be_bytes());
        let mut crc = crc32fast::Hasher::new();
        [&bytes[..4], &bytes[8..12], &bytes[4..8], &2_u32.to_be_bytes(), b"{}"].into_iter().for_each(|part| crc.update(part));
        bytes.extend(crc.finalize().to_be_bytes());
        bytes.resize(4096, 0);
        fs::write(place.cdc_raw().join(format!("CommitLog-7-{id}.log")), bytes).expect("a writable folder");
    }
    let config = place.config().display().to_string();

    let mut shell = std::process::Command::new("bash");
    shell.args([
        "-c",
        "ulimit -Sn 128; exec \"$@\"",
        "bash",
        env!("CARGO_BIN_EXE_ringtail"),
        "run",
        "--drain",
        "--timeout",
        "60s",
        "-c",
        &config,
    ]);
    let ended = Ended::of(&shell.output().expect("bash starts"));

    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(names(&place.cdc_raw()), Vec::<String>::new());
}

#[test]
fn json_logs_are_json_to_the_last_line() {
    let place = Place::new().with("log", "{ format: json }");

    let ended = place.drain();
    let failed = Place::new().with("log", "{ format: json }").with("schema", "{ file: @/nowhere.cql }").drain();

    let log = lines(&ended.err);
    assert_eq!((ended.code, log[log.len() - 1]["message"].as_str()), (Some(0), Some("42 events delivered")));
    assert!(log.iter().all(|line| ["timestamp", "level", "target", "message"].iter().all(|name| line[name].is_string())), "{log:#?}");
    assert!(
        !ended.err.contains("\"node\":\"local\",\"timestamp\"") || ended.err.lines().all(|line| line.matches("\"node\":").count() <= 1)
    );
    let log = lines(&failed.err);
    let last = &log[log.len() - 1];
    assert_eq!((failed.code, &last["level"], &last["exit_code"]), (Some(64), &"ERROR".into(), &64.into()));
    assert!(last["message"].as_str().expect("text").starts_with("cannot read schema file "), "{last}");
}
