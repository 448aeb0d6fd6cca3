//! The agent is killed again and again, the broker stands still and dies: each event is seen once.

use crate::scene::{PATIENCE, Scene, assert_each_once, expect, plan, topics};
use crate::support::agent::setting;
use crate::support::consumer::{Consumer, create_topics};
use crate::support::expected::parked;
use crate::support::lab::{Kafka, empty_folder, kafka_release};
use crate::support::node::names;
use crate::support::recorded::Recorded;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

const KILLS_PER_ROUND: u64 = 6;
/// What is known of a batch is decided within it; the test's blows on the broker are shorter and longer than it.
const SHORT: &str = ", transaction.timeout.ms: 10000";

pub fn each_event_is_seen_once() {
    let kills = u64::from(setting("RINGTAIL_ONCE_KILLS", 20));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_micros() as u32 % 1_000_000_000;
    let seed = u64::from(setting("RINGTAIL_SEED", now));
    println!("RINGTAIL_SEED={seed} RINGTAIL_ONCE_KILLS={kills}");
    let folder = empty_folder("once-kills");
    let port = u16::try_from(setting("RINGTAIL_ONCE_PORT", 19840)).expect("a port");
    let kafka = Kafka::start(&kafka_release(), &folder.join("kafka"), port, &[]);
    let recorded = Recorded::all();
    let plan = plan(&recorded, seed, kills.div_ceil(KILLS_PER_ROUND).max(2));
    let expected = expect(&recorded, &plan);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(create_topics(&kafka.bootstrap(), &topics(&expected.events)));
    let mut scene = Scene::new(&folder, &kafka, seed, &recorded, plan);
    let steps = scene.plan.steps.len().div_ceil(kills as usize + 1);

    let consumer = Consumer::start(&kafka.bootstrap(), &topics(&expected.events), Instant::now());
    let (mut stops, mut deaths) = (0, 0);
    for _ in 0..kills {
        let mut running = scene.start_as("state", "", SHORT, &[]);
        let mut left = steps;
        if scene.choices.happens(150) {
            let time = Duration::from_millis(scene.choices.below(600));
            scene.write(&mut left, time);
            stops += 1;
            kafka.signal(rustix::process::Signal::STOP);
            let time = Duration::from_millis(scene.choices.below(4000));
            scene.write(&mut left, time);
            kafka.signal(rustix::process::Signal::CONT);
        } else if scene.choices.happens(60) {
            let time = Duration::from_millis(scene.choices.below(600));
            scene.write(&mut left, time);
            deaths += 1;
            kafka.kill();
            kafka.start_again(&[]);
        }
        // One kill in four comes at any moment, the others while events go out.
        let (before, begun, waits) = (consumer.distinct(), Instant::now(), scene.choices.happens(750));
        while waits && consumer.distinct() == before && begun.elapsed() < Duration::from_secs(6) {
            scene.write(&mut left, Duration::from_millis(10));
        }
        let time = Duration::from_millis(scene.choices.below(if waits { 400 } else { 2000 }));
        scene.write(&mut left, time);
        if !running.is_running() {
            scene.fail("the agent ended by itself");
        }
        running.kill();
        while left > 0 && scene.step() {
            left -= 1;
        }
    }
    let mut running = scene.start_as("state", "", SHORT, &[]);
    scene.finish(&mut running);
    let stopped = running.stop(PATIENCE);
    assert_eq!(stopped.code(), Some(0), "the end after SIGTERM; {}", folder.display());

    consumer.wait_for(expected.events.len(), Duration::from_secs(10));
    let seen = assert_each_once(&expected, consumer);
    let log = fs::read_to_string(scene.log()).expect("a log");
    let taken_over = log.matches("were committed and not saved").count() + log.matches("was committed and not saved").count();
    println!(
        "{kills} kills of the agent, {stops} pauses and {deaths} deaths of the broker, {} events, each seen once; {taken_over} times a batch \
         was committed and not saved",
        seen.len()
    );
    assert_eq!(parked(&scene.state("parked")), expected.parked);
    assert_eq!(names(&scene.state("spool")), Vec::<String>::new());
}
