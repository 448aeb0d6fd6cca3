//! The Kafka sink against librdkafka's in-process mock cluster: order, outages, refusals, placement.
#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use ringtail::envelope::{PartitionBy, Record};
use ringtail::progress::Ticket;
use ringtail::sink::kafka::partition;
use ringtail::sink::{DeliveryFailure, DeliveryReport, KafkaSink, SendError, Sink};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: &str = "shop.ks.t";

/// A mock cluster of one broker and the sink that writes to it.
struct Scene {
    cluster: MockCluster<'static, DefaultProducerContext>,
    sink: KafkaSink,
}

impl Scene {
    fn new(partitions: i32, window: u32) -> Scene {
        Scene::with(partitions, window, "5")
    }

    fn with(partitions: i32, window: u32, linger_ms: &str) -> Scene {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, partitions, 1).unwrap();
        let mut properties = properties(&cluster);
        properties.insert("linger.ms".into(), linger_ms.into());
        let sink = KafkaSink::new(&properties, window).unwrap();
        Scene { cluster, sink }
    }

    /// Sends all, polling while the sink is full, and waits until all are reported.
    fn deliver(&mut self, records: &[Record]) -> Vec<DeliveryReport> {
        let mut reports = Vec::new();
        for (n, record) in records.iter().enumerate() {
            self.send(record, n as u64, &mut reports);
        }
        self.wait_for(records.len(), &mut reports);
        reports
    }

    fn send(&mut self, record: &Record, ticket: u64, reports: &mut Vec<DeliveryReport>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.sink.send(record, Ticket(ticket)) {
                Ok(()) => return,
                Err(SendError::Full) => assert!(Instant::now() < deadline, "full for ever: {:?}", self.sink.health()),
                Err(error) => panic!("{error}"),
            }
            self.sink.poll(Duration::from_millis(10), reports).unwrap();
        }
    }

    fn wait_for(&mut self, count: usize, reports: &mut Vec<DeliveryReport>) {
        let deadline = Instant::now() + PATIENCE;
        while reports.len() < count {
            assert!(Instant::now() < deadline, "{} of {count} reported: {:?}", reports.len(), self.sink.health());
            self.sink.poll(Duration::from_millis(50), reports).unwrap();
        }
    }

    /// Waits until the sink's health is as wanted and answers its last words.
    fn wait_for_health(&mut self, good: bool) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while self.sink.health().is_ok() != good {
            assert!(Instant::now() < deadline, "{:?}", self.sink.health());
            self.sink.poll(Duration::from_millis(20), &mut Vec::new()).unwrap();
        }
        self.sink.health()
    }

    /// What each partition holds, as the values in order.
    fn consume(&self, partitions: i32, count: usize) -> Vec<Vec<String>> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.cluster.bootstrap_servers()).set("group.id", "test");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..partitions {
            all.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&all).unwrap();
        let mut found = vec![Vec::new(); partitions as usize];
        let deadline = Instant::now() + PATIENCE;
        while found.iter().map(Vec::len).sum::<usize>() < count {
            assert!(Instant::now() < deadline, "found {found:?}");
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                let message = message.unwrap();
                let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
                found[message.partition() as usize].push(value);
            }
        }
        found
    }
}

fn properties(cluster: &MockCluster<'static, DefaultProducerContext>) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("bootstrap.servers".into(), cluster.bootstrap_servers()),
        ("topic.metadata.refresh.interval.ms".into(), "300".into()),
        ("reconnect.backoff.max.ms".into(), "200".into()),
    ])
}

fn record(key: u32, value: u32) -> Record {
    Record {
        topic: TOPIC.into(),
        key: format!("{{\"p\":{key}}}").into_bytes(),
        value: Some(value.to_string().into_bytes()),
        headers: vec![("ringtail.id".into(), format!("n1/1/{value}/0"))],
        timestamp: None,
        partition_key: key.to_be_bytes().to_vec(),
        partition_by: PartitionBy::PartitionKey,
    }
}

fn records(count: u32) -> Vec<Record> {
    (0..count).map(|n| record(n % 7, n)).collect()
}

/// The partitions as they must be: each record where its bytes put it, in the order of sending.
fn expected(records: &[Record], partitions: i32) -> Vec<Vec<String>> {
    let mut expected = vec![Vec::new(); partitions as usize];
    for record in records {
        let value = String::from_utf8(record.value.clone().unwrap()).unwrap();
        expected[partition(record.partition_bytes(), partitions) as usize].push(value);
    }
    expected
}

fn all_arrived(reports: &[DeliveryReport], count: u64) {
    let mut tickets: Vec<u64> = reports.iter().map(|report| report.ticket.0).collect();
    tickets.sort_unstable();
    assert_eq!(tickets, (0..count).collect::<Vec<_>>());
    assert!(reports.iter().all(|report| report.result.is_ok()));
}

#[test]
fn i1_records_land_in_their_partition_in_the_order_of_sending() {
    let mut scene = Scene::new(5, 100);
    let records = records(1000);

    let reports = scene.deliver(&records);

    all_arrived(&reports, 1000);
    let expected = expected(&records, 5);
    assert!(expected.iter().filter(|values| !values.is_empty()).count() > 1, "one partition proves no placement");
    assert_eq!(scene.consume(5, 1000), expected);
}

#[test]
fn record_key_chooses_the_partition_where_the_record_says_so() {
    let mut scene = Scene::new(5, 100);
    let records: Vec<Record> = records(50).into_iter().map(|r| Record { partition_by: PartitionBy::RecordKey, ..r }).collect();

    scene.deliver(&records);

    assert_eq!(scene.consume(5, 50), expected(&records, 5));
}

#[test]
fn key_headers_and_tombstone_arrive_as_they_are() {
    let mut scene = Scene::new(1, 100);
    let tombstone = Record { value: None, headers: vec![("b".into(), "ü".into()), ("a".into(), String::new())], ..record(3, 0) };
    scene.deliver(std::slice::from_ref(&tombstone));

    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", scene.cluster.bootstrap_servers()).set("group.id", "test");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(TOPIC, 0, Offset::Beginning).unwrap();
    consumer.assign(&all).unwrap();
    let message = consumer.poll(PATIENCE).unwrap().unwrap();

    assert_eq!(message.key(), Some(tombstone.key.as_slice()));
    assert_eq!(message.payload(), None);
    use rdkafka::message::Headers;
    let headers: Vec<(&str, &[u8])> = message.headers().unwrap().iter().map(|h| (h.key, h.value.unwrap())).collect();
    assert_eq!(headers, [("b", "ü".as_bytes()), ("a", &b""[..])]);
}

#[test]
fn broker_that_goes_and_comes_back_loses_nothing() {
    let mut scene = Scene::new(3, 200);
    let records = records(600);
    let mut reports = Vec::new();
    for (n, record) in records.iter().take(100).enumerate() {
        scene.send(record, n as u64, &mut reports);
    }
    scene.cluster.broker_down(-1).unwrap();

    // The sink takes records until it is full, and then no more, whatever happens.
    let mut sent = 100;
    while scene.sink.send(&records[sent], Ticket(sent as u64)).is_ok() {
        sent += 1;
        assert!(sent <= 300, "more than the window is in flight");
    }
    let why = scene.wait_for_health(false).unwrap_err();
    assert!(why.starts_with("no broker answers at 127.0.0.1:"), "{why}");
    scene.cluster.broker_up(-1).unwrap();
    for (n, record) in records.iter().enumerate().skip(sent) {
        scene.send(record, n as u64, &mut reports);
    }
    scene.wait_for(600, &mut reports);

    all_arrived(&reports, 600);
    assert_eq!(scene.consume(3, 600), expected(&records, 3));
    assert_eq!(scene.sink.health(), Ok(()));
}

#[test]
fn health_turns_good_again_without_a_record_being_sent() {
    let mut scene = Scene::new(1, 10);
    scene.wait_for_health(true).unwrap();

    scene.cluster.broker_down(-1).unwrap();
    scene.wait_for_health(false).unwrap_err();
    scene.cluster.broker_up(-1).unwrap();

    scene.wait_for_health(true).unwrap();
}

#[test]
fn probe_is_answered_by_a_broker_that_is_there_and_by_no_other() {
    let mut scene = Scene::new(1, 10);
    scene.wait_for_health(true).unwrap();
    assert!(!scene.sink.answered_probe(), "nobody was asked");
    scene.cluster.broker_down(-1).unwrap();
    scene.wait_for_health(false).unwrap_err();
    assert!(scene.sink.reachable().unwrap_err().starts_with("no broker answers at 127.0.0.1:"));

    scene.sink.probe();
    assert!(!scene.sink.answered_probe());
    scene.cluster.broker_up(-1).unwrap();
    scene.wait_for_health(true).unwrap();

    assert!(scene.sink.answered_probe());
    assert_eq!(scene.sink.reachable(), Ok(()));
}

#[test]
fn passing_error_of_a_broker_is_not_a_failure() {
    let mut scene = Scene::new(1, 10);
    scene.cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION],
    );

    let reports = scene.deliver(&records(5));

    all_arrived(&reports, 5);
}

#[test]
fn record_that_is_too_large_for_the_broker_is_refused() {
    let mut scene = Scene::new(1, 10);
    scene.cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);

    let reports = scene.deliver(&records(1));

    assert!(matches!(&reports[0].result, Err(DeliveryFailure::Refused(_))), "{reports:?}");
}

#[test]
fn refused_batch_goes_again_in_small_groups_and_only_the_cause_is_refused() {
    // Long enough that the nine below share a batch on a busy machine too.
    let mut scene = Scene::with(1, 100, "300");
    let records = records(10);
    let mut reports = Vec::new();
    // The topic must be known, or the first record leaves alone.
    scene.send(&records[0], 0, &mut reports);
    scene.wait_for(1, &mut reports);
    scene.cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    for (n, record) in records.iter().enumerate().skip(1) {
        scene.sink.send(record, Ticket(n as u64)).unwrap();
    }
    scene.wait_for(10, &mut reports);
    let failures: Vec<_> = reports.iter().filter_map(|report| report.result.clone().err()).collect();
    assert!(failures.iter().all(|failure| matches!(failure, DeliveryFailure::Transient(_))), "{failures:?}");
    assert!(!failures.is_empty());

    scene.sink.reset().unwrap();
    reports.clear();
    scene.send(&records[1], 1, &mut reports);
    assert_eq!(scene.sink.send(&records[2], Ticket(2)), Err(SendError::Full));
    scene.wait_for(1, &mut reports);
    scene.cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    scene.send(&records[2], 2, &mut reports);
    scene.wait_for(2, &mut reports);

    assert!(reports[0].result.is_ok());
    assert!(matches!(&reports[1].result, Err(DeliveryFailure::Refused(_))), "{reports:?}");
}

#[test]
fn i1_nothing_overtakes_a_batch_that_failed() {
    let mut scene = Scene::new(1, 100);
    let mut reports = scene.deliver(&records(1));
    scene.cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    for n in 1..10 {
        scene.sink.send(&record(0, n), Ticket(u64::from(n))).unwrap();
        // The first of them has failed by the time the others are sent, and nobody has polled yet.
        std::thread::sleep(Duration::from_millis(if n == 1 { 300 } else { 0 }));
    }

    scene.wait_for(10, &mut reports);
    assert!(reports[1..].iter().all(|report| report.result.is_err()), "{reports:?}");
    assert!(scene.sink.health().is_err(), "the producer has stopped itself");
    scene.sink.reset().unwrap();
    scene.send(&record(0, 100), 100, &mut reports);
    scene.wait_for(11, &mut reports);

    assert_eq!(scene.consume(1, 2), [["0", "100"]]);
    assert_eq!(scene.sink.health(), Ok(()));
}

#[test]
fn record_that_is_too_large_for_the_producer_is_refused_at_once() {
    let mut scene = Scene::new(1, 10);
    let mut reports = scene.deliver(&records(1));
    let large = Record { value: Some(vec![b'x'; 2_000_000]), ..record(1, 1) };

    let answer = scene.sink.send(&large, Ticket(1));

    assert!(matches!(answer, Err(SendError::Refused(_))), "{answer:?}");
    scene.send(&record(1, 2), 2, &mut reports);
    scene.wait_for(2, &mut reports);
}

#[test]
fn denied_topic_fails_the_record_and_then_answers_why_until_it_is_allowed() {
    let mut scene = Scene::new(1, 10);
    scene.cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);

    let reports = scene.deliver(&records(1));
    scene.sink.reset().unwrap();
    let answer = scene.sink.send(&record(0, 0), Ticket(0));

    assert!(matches!(&reports[0].result, Err(DeliveryFailure::Transient(_))), "{reports:?}");
    assert!(matches!(&answer, Err(SendError::Unauthorized(why)) if why.contains(TOPIC)), "{answer:?}");
    assert!(scene.wait_for_health(false).unwrap_err().contains(TOPIC));
    let deadline = Instant::now() + PATIENCE;
    while scene.sink.send(&record(0, 0), Ticket(0)).is_err() {
        assert!(Instant::now() < deadline);
        scene.sink.poll(Duration::from_millis(100), &mut Vec::new()).unwrap();
    }
    assert_eq!(scene.sink.health(), Ok(()));
}

#[test]
fn unknown_topic_is_said_after_a_while_and_taken_once_it_exists() {
    let mut scene = Scene::new(1, 10);
    scene.cluster.topic_error(TOPIC, RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let deadline = Instant::now() + PATIENCE;

    let answer = loop {
        match scene.sink.send(&record(0, 0), Ticket(0)) {
            Err(SendError::Full) => scene.sink.poll(Duration::from_millis(50), &mut Vec::new()).unwrap(),
            answer => break answer,
        }
        assert!(Instant::now() < deadline);
    };
    assert_eq!(answer, Err(SendError::UnknownTopic(TOPIC.into())));
    scene.cluster.topic_error(TOPIC, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();

    while scene.sink.send(&record(0, 0), Ticket(0)).is_err() {
        assert!(Instant::now() < deadline);
        scene.sink.poll(Duration::from_millis(50), &mut Vec::new()).unwrap();
    }
    scene.wait_for(1, &mut Vec::new());
}

#[test]
fn send_does_not_block_while_no_broker_answers() {
    // A port that nobody listens on.
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut sink = KafkaSink::new(&BTreeMap::from([("bootstrap.servers".into(), unused.to_string())]), 10).unwrap();
    let start = Instant::now();

    for _ in 0..100 {
        assert_eq!(sink.send(&record(0, 0), Ticket(0)), Err(SendError::Full));
    }
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());

    let deadline = Instant::now() + PATIENCE;
    loop {
        let why = sink.health().unwrap_err();
        if why.starts_with(&format!("no broker answers at {unused}: ")) {
            break;
        }
        assert!(Instant::now() < deadline, "{why}");
        sink.poll(Duration::from_millis(50), &mut Vec::new()).unwrap();
    }
}

#[test]
fn reset_forgets_what_is_in_flight_and_a_new_producer_goes_on() {
    let mut scene = Scene::new(1, 50);
    let mut reports = scene.deliver(&records(1));
    scene.cluster.broker_down(-1).unwrap();
    for n in 1..50 {
        scene.sink.send(&record(0, n), Ticket(u64::from(n))).unwrap();
    }

    let start = Instant::now();
    scene.sink.reset().unwrap();
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    reports.clear();
    scene.cluster.broker_up(-1).unwrap();
    scene.send(&record(0, 100), 100, &mut reports);
    scene.wait_for(1, &mut reports);

    assert_eq!(reports, [DeliveryReport { ticket: Ticket(100), result: Ok(()) }]);
    assert_eq!(scene.consume(1, 2), [["0", "100"]]);
}

#[test]
fn property_that_librdkafka_does_not_know_is_an_error() {
    let properties = BTreeMap::from([("bootstrap.servers".into(), "localhost:1".into()), ("no.such".into(), "x".into())]);

    let error = KafkaSink::new(&properties, 1).err().unwrap();

    assert!(error.to_string().contains("no.such"), "{error}");
}
