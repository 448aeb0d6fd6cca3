//! What a transaction costs: the Kafka sink with and without, in one run against one broker.
//!
//! ```sh
//! tests/lab/kafka.sh start 3.6.1 DIR 19860
//! RINGTAIL_BENCH_KAFKA=127.0.0.1:19860 cargo bench --bench transactions
//! tests/lab/kafka.sh kill 3.6.1 DIR
//! ```
//!
//! Two lines for each way of delivery: as many records as the sink takes (a window of 10,000, records of 500 bytes), and the delay from
//! the sink to a `read_committed` consumer at 2,000 records/s. `RINGTAIL_BENCH_SECONDS` (5) is how long each takes. Compare the lines of
//! one run with each other; absolute figures belong to the machine.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use ringtail::envelope::{PartitionBy, Record};
use ringtail::progress::Ticket;
use ringtail::sink::kafka::TransactionSettings;
use ringtail::sink::{KafkaSink, Positions, Sink};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const WINDOW: u32 = 10_000;
const PARTITIONS: i32 = 4;
const RECORD: usize = 500;
const RATE: u64 = 2_000;

/// A sink as the pipeline leads it.
struct Lead {
    sink: KafkaSink,
    interval: Option<Duration>,
    since: Option<Instant>,
    seq: u64,
    is_ending: bool,
    sent: u64,
    arrived: u64,
}

impl Lead {
    fn new(brokers: &str, interval: Option<Duration>) -> Lead {
        let properties = BTreeMap::from([("bootstrap.servers".to_owned(), brokers.to_owned())]);
        let settings = TransactionSettings { transactional_id: "bench".into(), positions: "bench.positions".into(), node: "n1".into() };
        let sink = match interval {
            None => KafkaSink::new(&properties, WINDOW),
            Some(_) => KafkaSink::transactional(&properties, WINDOW, settings),
        };
        let mut lead = Lead { sink: sink.expect("a producer"), interval, since: None, seq: 0, is_ending: false, sent: 0, arrived: 0 };
        while interval.is_some() {
            lead.poll(Duration::from_millis(5));
            if let Some(found) = lead.sink.transactions().and_then(|transactions| transactions.recovered()) {
                lead.seq = found.map_or(0, |found| found.seq);
                break;
            }
        }
        lead
    }

    fn poll(&mut self, wait: Duration) {
        let mut reports = Vec::new();
        self.sink.poll(wait, &mut reports).expect("nobody else has this id");
        assert!(reports.iter().all(|report| report.result.is_ok()), "everything arrives");
        self.arrived += reports.len() as u64;
        if let Some(outcome) = self.sink.transactions().and_then(|transactions| transactions.outcome()) {
            self.seq = outcome.expect("a commit");
            self.is_ending = false;
        }
    }

    /// Ends the batch if its time is over, the window is full, or `now`.
    fn end_batch(&mut self, now: bool) {
        let (Some(interval), Some(since)) = (self.interval, self.since) else { return };
        let is_full = self.sent - self.arrived >= u64::from(WINDOW);
        if self.is_ending || !(now || is_full || since.elapsed() >= interval) {
            return;
        }
        let Some(transactions) = self.sink.transactions() else { return };
        let positions = Positions::new(self.seq + 1, &transactions.instance());
        if transactions.commit(&positions).is_ok() {
            (self.is_ending, self.since) = (true, None);
        }
    }

    /// Whether the record was taken.
    fn send(&mut self, record: &Record) -> bool {
        if self.sent - self.arrived >= u64::from(WINDOW) || self.sink.send(record, Ticket(self.sent)).is_err() {
            return false;
        }
        self.sent += 1;
        self.since.get_or_insert_with(Instant::now);
        true
    }

    fn finish(&mut self) {
        while self.arrived < self.sent {
            self.end_batch(true);
            self.poll(Duration::from_millis(1));
        }
    }
}

fn record(topic: &str, n: u64, since: Instant) -> Record {
    let mut value = (since.elapsed().as_nanos() as u64).to_be_bytes().to_vec();
    value.resize(RECORD, b'x');
    Record {
        topic: topic.into(),
        key: (n % 1000).to_string().into_bytes(),
        value: Some(value),
        headers: vec![("ringtail.id".into(), n.to_string())],
        timestamp: None,
        partition_key: Vec::new(),
        partition_by: PartitionBy::RecordKey,
    }
}

/// The delays of all records, in milliseconds, ascending.
fn consume(brokers: &str, topic: &str, since: Instant, stop: &AtomicBool) -> Vec<f64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bench")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "5")
        .create()
        .expect("a consumer");
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&all).expect("partitions");
    let mut delays = Vec::new();
    loop {
        match consumer.poll(Duration::from_millis(20)) {
            Some(Ok(message)) => {
                let sent = message.payload().and_then(|value| value.first_chunk::<8>()).expect("a time");
                delays.push((since.elapsed().as_nanos() as u64 - u64::from_be_bytes(*sent)) as f64 / 1e6);
            }
            None if stop.load(Ordering::Acquire) => break,
            _ => {}
        }
    }
    delays.sort_by(f64::total_cmp);
    delays
}

fn throughput(lead: &mut Lead, topic: &str, time: Duration) -> f64 {
    let (begun, before) = (Instant::now(), lead.arrived);
    while begun.elapsed() < time {
        let mut taken = 0;
        while taken < 500 && lead.send(&record(topic, lead.sent, begun)) {
            taken += 1;
        }
        lead.end_batch(false);
        lead.poll(if taken == 0 { Duration::from_millis(1) } else { Duration::ZERO });
    }
    lead.finish();
    (lead.arrived - before) as f64 / begun.elapsed().as_secs_f64()
}

fn delays(lead: &mut Lead, brokers: &str, topic: &str, time: Duration) -> Vec<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let reading = {
        let (brokers, topic, stop) = (brokers.to_owned(), topic.to_owned(), stop.clone());
        thread::spawn(move || consume(&brokers, &topic, begun, &stop))
    };
    thread::sleep(Duration::from_secs(1));
    let (start, mut due) = (Instant::now(), 0);
    while start.elapsed() < time {
        let until = (start.elapsed().as_secs_f64() * RATE as f64) as u64;
        while due < until && lead.send(&record(topic, lead.sent, begun)) {
            due += 1;
        }
        lead.end_batch(false);
        lead.poll(Duration::from_millis(1));
    }
    lead.finish();
    thread::sleep(Duration::from_secs(1));
    stop.store(true, Ordering::Release);
    reading.join().expect("the consumer does not panic")
}

fn create(brokers: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a client");
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    for created in futures::executor::block_on(admin.create_topics(&[new], &AdminOptions::new())).expect("the broker answers") {
        created.expect("a new topic");
    }
}

fn main() {
    let Ok(brokers) = std::env::var("RINGTAIL_BENCH_KAFKA") else {
        println!("RINGTAIL_BENCH_KAFKA is not set: see the head of benches/transactions.rs");
        return;
    };
    let seconds = std::env::var("RINGTAIL_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let time = Duration::from_secs(seconds);
    let run = std::process::id();
    let ways = [
        ("at least once", None),
        ("exactly once, 50 ms", Some(50)),
        ("exactly once, 100 ms", Some(100)),
        ("exactly once, 500 ms", Some(500)),
    ];
    println!("{:<24} {:>12} {:>10} {:>10} {:>10}", "", "records/s", "p50 ms", "p99 ms", "commits");
    for (name, interval) in ways {
        let topic = format!("bench.{run}.{}", name.replace([' ', ','], "-"));
        create(&brokers, &topic);
        create(&brokers, &format!("{topic}.rate"));
        let mut lead = Lead::new(&brokers, interval.map(Duration::from_millis));
        // The first records ask for the topic.
        throughput(&mut lead, &topic, Duration::from_millis(500));
        let before = lead.seq;
        let rate = throughput(&mut lead, &topic, time);
        let commits = lead.seq - before;
        let delays = delays(&mut lead, &brokers, &format!("{topic}.rate"), time);
        let at = |share: f64| delays.get((delays.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
        println!("{name:<24} {rate:>12.0} {:>10.1} {:>10.1} {commits:>10}", at(0.5), at(0.99));
    }
}
