//! What a backlog costs: GiB of segments delivered to a real Kafka, and how much memory that takes at most.
//!
//! `cargo test --release --test backlog -- --ignored --nocapture`. `RINGTAIL_BACKLOG_MIB` (4096) and `RINGTAIL_BACKLOG_PORT` (19760,
//! and the next) change the run.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

mod support;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::lab::{Kafka, empty_folder};
use support::process::{Running, output, ringtail};
use support::segment::{entries, plain, reidentify};

/// The node's `commitlog_segment_size` as it comes.
const SEGMENT: usize = 32 << 20;
/// Bytes of entries in one section: what a busy node writes in 100 ms.
const SECTION: usize = 256 << 10;
/// The first segment's id; the others follow.
const FIRST: u64 = 1_800_000_000_000;
/// Most resident memory, file pages included.
const RESIDENT_MAX: u64 = 64 << 20;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// A segment of the quick start.
fn recorded() -> PathBuf {
    support::root().join("fixtures/quickstart/CommitLog-7-1795374647657.log")
}

/// The recorded day of the shop again and again, until the segment is full; and how many days that is.
fn full_segment() -> (Vec<u8>, u64) {
    let day = entries(&fs::read(recorded()).expect("the quick start's segment"));
    let bytes_a_day: usize = day.iter().map(Vec::len).sum();
    let mut sections: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
    let (mut in_section, mut in_all, mut days) = (0, 0, 0);
    while in_all + bytes_a_day + SECTION < SEGMENT {
        if in_section >= SECTION {
            sections.push(Vec::new());
            in_section = 0;
        }
        sections.last_mut().expect("one at least").extend(day.iter().cloned());
        in_section += bytes_a_day;
        in_all += bytes_a_day;
        days += 1;
    }
    (plain(FIRST, &sections, SEGMENT), days)
}

/// Lines of `/proc/<pid>/status` in bytes: resident now, and at most so far.
fn resident(pid: u32) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
    };
    Some((line("VmRSS:")?, line("VmHWM:")?))
}

/// How many records the topics of the shop have ever held.
fn records(bootstrap: &str) -> u64 {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a consumer");
    let patience = Duration::from_secs(30);
    let metadata = consumer.fetch_metadata(None, patience).expect("the broker answers");
    let ours = metadata.topics().iter().filter(|topic| topic.name().starts_with("shop."));
    let partitions = ours.flat_map(|topic| topic.partitions().iter().map(|partition| (topic.name(), partition.id())));
    let end = |(topic, partition)| consumer.fetch_watermarks(topic, partition, patience).expect("the broker answers").1 as u64;
    partitions.map(end).sum()
}

/// A line for each tenth of the backlog: events, seconds, memory.
fn watch(running: &mut Running, state: &Path, segments: u64) -> u64 {
    let (begun, mut at_most, mut told) = (Instant::now(), 0, 0);
    while running.is_running() {
        if let Some((now, high)) = resident(running.id()) {
            at_most = at_most.max(high);
            let left = fs::read_dir(state.join("spool")).map_or(segments, |names| names.count() as u64);
            let tenth = segments.saturating_sub(left) * 10 / segments;
            if tenth > told {
                told = tenth;
                let (now, high) = (now >> 10, high >> 10);
                println!("{:3} % after {:4} s: {now} KiB resident, {high} KiB at most", tenth * 10, begun.elapsed().as_secs());
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    at_most
}

#[test]
#[ignore = "writes gigabytes: minutes"]
fn memory_stays_flat_while_a_backlog_is_delivered() {
    let port = u16::try_from(setting("RINGTAIL_BACKLOG_PORT", 19760)).expect("a port");
    let folder = empty_folder("backlog");
    // The broker need not keep what it was given.
    let broker = Kafka::start(
        "3.6.1",
        &folder.join("kafka"),
        port,
        &[
            "log.retention.bytes=67108864",
            "log.segment.bytes=33554432",
            "log.retention.check.interval.ms=2000",
            "log.segment.delete.delay.ms=1000",
        ],
    );
    let cdc_raw = folder.join("cdc_raw");
    fs::create_dir(&cdc_raw).expect("a writable folder");
    let ((segment, days), segments) = (full_segment(), setting("RINGTAIL_BACKLOG_MIB", 4096) / 32);
    let schema = support::root().join("fixtures/quickstart/schema.cql");
    for n in 0..segments {
        let id = FIRST + n;
        fs::write(cdc_raw.join(format!("CommitLog-7-{id}.log")), reidentify(&segment, id)).expect("room for the backlog");
    }
    let write = |name: &str, source: &str, sink: &str| {
        let path = folder.join(name);
        let text = format!(
            "node: {{ id: backlog }}\n\
             source: {{ cdc_raw: {source} }}\n\
             state: {{ dir: {} }}\n\
             schema: {{ file: {} }}\n\
             sink: {sink}\n\
             topics: {{ prefix: shop, schema: null }}\n\
             http: {{ listen: \"127.0.0.1:0\" }}\n",
            folder.join("state").display(),
            schema.display(),
        );
        fs::write(&path, text).expect("a writable folder");
        path.display().to_string()
    };
    let replay = write("replay.yaml", "unused", "{ stdout: {} }");
    let a_day = output(["replay", "--config", &replay, &recorded().display().to_string()]);
    assert!(a_day.status.success(), "{}", String::from_utf8_lossy(&a_day.stderr));
    let expected = a_day.stdout.iter().filter(|byte| **byte == b'\n').count() as u64 * days * segments;
    assert!(expected > 0, "the segments give events");

    let log = folder.join("ringtail.log");
    let sink = format!("{{ kafka: {{ bootstrap.servers: \"{}\" }} }}", broker.bootstrap());
    let config = write("ringtail.yaml", &cdc_raw.display().to_string(), &sink);
    let begun = Instant::now();
    let mut running = Running::start(ringtail(["run", "--config", &config, "--drain"]), &log);
    let at_most = watch(&mut running, &folder.join("state"), segments);
    let seconds = begun.elapsed().as_secs_f64();
    let status = running.wait(Duration::from_secs(1));
    assert!(status.success(), "{status}: see {}", log.display());

    let arrived = records(&broker.bootstrap());
    println!(
        "backlog of {} MiB: {arrived} events in {seconds:.0} s, {:.1} MiB/s of commit log, {:.0} events/s; VmHWM {:.1} MiB",
        segments * 32,
        (segments * 32) as f64 / seconds,
        arrived as f64 / seconds,
        at_most as f64 / f64::from(1 << 20),
    );
    assert_eq!(arrived, expected, "every event once: nothing was killed");
    assert!(at_most <= RESIDENT_MAX, "{at_most} bytes resident; see {}", log.display());
    fs::remove_dir_all(&cdc_raw).expect("our own folder");
}
