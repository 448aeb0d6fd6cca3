//! The sink with transactions against a real broker: what becomes visible, what a reader finds at start, who is fenced.

use crate::support::consumer::{Consumer, PARTITIONS, create_topics};
use ringtail::envelope::{PartitionBy, Record};
use ringtail::position::LogicalPosition;
use ringtail::progress::{DeliveredTo, Ticket};
use ringtail::sink::kafka::TransactionSettings;
use ringtail::sink::{DeliveryReport, KafkaSink, Positions, SegmentPosition, SendError, Sink, SinkError};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// One sink and what it has reported.
pub struct One {
    sink: KafkaSink,
    reports: Vec<DeliveryReport>,
    next: u64,
}

impl One {
    pub fn new(bootstrap: &str, prefix: &str, more: &[(&str, &str)]) -> One {
        let mut properties = BTreeMap::from([("bootstrap.servers".to_owned(), bootstrap.to_owned())]);
        properties.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let settings = TransactionSettings {
            transactional_id: format!("ringtail-{prefix}-n1"),
            positions: format!("{prefix}.ringtail.positions").as_str().into(),
            node: "n1".into(),
        };
        One { sink: KafkaSink::transactional(&properties, 1000, settings).unwrap(), reports: Vec::new(), next: 0 }
    }

    fn poll(&mut self) -> Result<(), SinkError> {
        self.sink.poll(Duration::from_millis(10), &mut self.reports)
    }

    /// What it finds at start.
    pub fn recovered(&mut self) -> Result<Option<Positions>, SinkError> {
        let until = Instant::now() + PATIENCE;
        loop {
            self.poll()?;
            if let Some(found) = self.sink.transactions().unwrap().recovered() {
                return Ok(found);
            }
            assert!(Instant::now() < until, "not ready: {:?}", self.sink.health());
        }
    }

    fn send(&mut self, topic: &str, value: u64) -> Result<(), SinkError> {
        let record = Record {
            topic: topic.into(),
            key: format!("k{}", value % 7).into_bytes(),
            value: Some(value.to_string().into_bytes()),
            headers: vec![("ringtail.id".into(), value.to_string())],
            timestamp: None,
            partition_key: Vec::new(),
            partition_by: PartitionBy::RecordKey,
        };
        let until = Instant::now() + PATIENCE;
        loop {
            match self.sink.send(&record, Ticket(self.next)) {
                Ok(()) => {
                    self.next += 1;
                    return Ok(());
                }
                Err(SendError::Full) => assert!(Instant::now() < until, "full: {:?}", self.sink.health()),
                Err(error) => panic!("{error}"),
            }
            self.poll()?;
        }
    }

    /// Ends the batch and says what came of it.
    pub fn commit(&mut self, seq: u64) -> Result<Result<u64, String>, SinkError> {
        let until = Instant::now() + PATIENCE;
        let instance = self.sink.transactions().unwrap().instance();
        let mut positions = Positions::new(seq, &instance);
        let delivered_to = DeliveredTo { position: LogicalPosition(seq as u32 * 100), ordinal: 0 };
        positions.segments = vec![SegmentPosition { id: 11, incarnation: 0, delivered_to, end: None }];
        while let Err(error) = self.sink.transactions().unwrap().commit(&positions) {
            assert_eq!(error, SendError::Full);
            assert!(Instant::now() < until, "full: {:?}", self.sink.health());
            self.poll()?;
        }
        loop {
            if let Some(outcome) = self.sink.transactions().unwrap().outcome() {
                return Ok(outcome);
            }
            assert!(Instant::now() < until, "no outcome: {:?}", self.sink.health());
            self.poll()?;
        }
    }

    fn batch(&mut self, topic: &str, seq: u64, values: std::ops::Range<u64>) {
        for value in values {
            self.send(topic, value).unwrap();
        }
        assert_eq!(self.commit(seq).unwrap(), Ok(seq));
    }
}

fn ids(consumer: Consumer) -> Vec<u64> {
    let mut ids: Vec<u64> = consumer.finish().into_iter().map(|seen| seen.id.parse().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// Everything in turn, so that one broker is enough.
pub fn all(bootstrap: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let topic = |name: &str| {
        runtime.block_on(create_topics(bootstrap, &[name.to_owned()]));
        name.to_owned()
    };
    batches_are_visible_as_a_whole(bootstrap, &topic("batches.t"));
    a_newer_one_fences_the_older_and_is_left_alone(bootstrap, &topic("fence.t"));
    what_stands_behind_another_transaction_is_waited_for(bootstrap, &topic("behind.t"));
    assert_eq!(PARTITIONS, 4);
}

fn batches_are_visible_as_a_whole(bootstrap: &str, topic: &str) {
    let consumer = Consumer::start(bootstrap, &[topic.to_owned()], Instant::now());
    let mut one = One::new(bootstrap, "batches", &[]);
    assert_eq!(one.recovered().unwrap(), None, "nothing was there before; the topic of positions was made");
    let begun = Instant::now();
    one.batch(topic, 1, 0..10);
    one.batch(topic, 2, 10..15);
    one.batch(topic, 3, 15..15);
    println!("three batches: {} ms", begun.elapsed().as_millis());
    assert_eq!(one.reports.len(), 15);
    assert!(one.reports.iter().all(|report| report.result.is_ok()));
    for value in 100..110 {
        one.send(topic, value).unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    one.poll().unwrap();
    assert_eq!(one.reports.len(), 15, "what is not committed has not arrived");

    // A reset by the same process: the open batch is gone, and the last record is its own.
    one.sink.reset().unwrap();
    let last = one.recovered().unwrap().unwrap();
    assert_eq!((last.seq, last.segments[0].delivered_to.position.0), (3, 300));
    one.batch(topic, 4, 15..20);
    // As after a kill.
    drop(one);
    let begun = Instant::now();
    let mut next = One::new(bootstrap, "batches", &[]);
    let last = next.recovered().unwrap().unwrap();
    println!("a start: {} ms", begun.elapsed().as_millis());
    assert_eq!(last.seq, 4);
    next.batch(topic, 5, 20..25);

    assert_eq!(ids(consumer), (0..25).collect::<Vec<_>>(), "each once, and nothing of the batch that was given up");
}

fn a_newer_one_fences_the_older_and_is_left_alone(bootstrap: &str, topic: &str) {
    let consumer = Consumer::start(bootstrap, &[topic.to_owned()], Instant::now());
    let mut older = One::new(bootstrap, "fence", &[]);
    older.recovered().unwrap();
    older.batch(topic, 1, 0..5);
    let mut newer = One::new(bootstrap, "fence", &[]);
    assert_eq!(newer.recovered().unwrap().unwrap().seq, 1);
    newer.batch(topic, 2, 5..10);

    for value in 100..105 {
        if older.send(topic, value).is_err() {
            break;
        }
    }
    let error = loop {
        if let Err(error) = older.commit(2) {
            break error;
        }
    };
    assert!(matches!(error, SinkError::Fenced(_)), "{error}");
    println!("fenced: {error}");
    // One that begins anew without having heard of it, as after a time-out, finds that it is not the owner any more.
    let mut newest = One::new(bootstrap, "fence", &[]);
    assert_eq!(newest.recovered().unwrap().unwrap().seq, 2);
    newest.batch(topic, 3, 10..12);
    newer.sink.reset().unwrap();
    let error = newer.recovered().unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    newest.batch(topic, 4, 12..15);

    assert_eq!(ids(consumer), (0..15).collect::<Vec<_>>());
}

/// The positions of two nodes stand in one partition: another node's open transaction must not hide ours.
fn what_stands_behind_another_transaction_is_waited_for(bootstrap: &str, topic: &str) {
    use rdkafka::ClientConfig;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    let mut one = One::new(bootstrap, "behind", &[]);
    one.recovered().unwrap();
    one.batch(topic, 1, 0..5);
    let other: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("transactional.id", "somebody")
        .set("transaction.timeout.ms", "60000")
        .create()
        .unwrap();
    other.init_transactions(PATIENCE).unwrap();
    other.begin_transaction().unwrap();
    for partition in 0..PARTITIONS {
        other.send(BaseRecord::<str, str>::to("behind.ringtail.positions").partition(partition).key("n2").payload("{}")).unwrap();
    }
    other.flush(PATIENCE).unwrap();
    one.batch(topic, 2, 5..10);
    drop(one);

    let mut next = One::new(bootstrap, "behind", &[]);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        next.poll().unwrap();
        assert_eq!(next.sink.transactions().unwrap().recovered(), None, "the last record cannot be seen yet, so an older one is no answer");
    }
    other.commit_transaction(PATIENCE).unwrap();

    assert_eq!(next.recovered().unwrap().unwrap().seq, 2);
}
