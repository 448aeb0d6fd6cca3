//! Real Java consumers read what Ringtail has published to a real broker: Kafka's own console consumer, and a program with kafka-clients alone.
//!
//! `cargo test --test java -- --ignored --nocapture`. Needs Java and Maven, no Cassandra: the segments are made here. `RINGTAIL_JAVA_PORT`
//! (20355, and the next) changes the run.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

mod support;

use ringtail::Catalog;
use ringtail::mutation::{BoundKind, DeletionTime, LivenessInfo, LocalDeletionTime, RowDeletion, WriteTimestamp};
use ringtail::schema::{LoadedSchema, TableId};
use ringtail_testkit::described::{Cell, Column, ColumnData, Header, Marker, Mutation, PartitionUpdate, Row, Unfiltered};
use ringtail_testkit::encode::{self, Release};
use ringtail_testkit::segment::Builder;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use support::agent::setting;
use support::consumer::create_topics;
use support::lab::{Kafka, empty_folder, script};
use support::process::output;
use support::root;

const KAFKA: &str = "3.6.1";
/// Rows of the table without clustering columns, each inserted and then deleted.
const KEYS: i64 = 1000;
/// Partitions of the one with.
const PARTITIONS: i32 = 200;
const TIME: i64 = 1_760_000_000_000_000;
const SCHEMA: &str = "\
CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': '1'};
CREATE TABLE shop.plain (id bigint PRIMARY KEY, note text) WITH ID = 11111111-e6a8-11f1-b4b3-d375b5977eb1 AND cdc = true;
CREATE TABLE shop.clustered (p int, c int, note text, PRIMARY KEY (p, c)) WITH ID = 22222222-e6a8-11f1-b4b3-d375b5977eb1 AND cdc = true;
";

fn deletion(at: i64) -> DeletionTime {
    DeletionTime { marked_for_delete_at: WriteTimestamp(TIME + at), local_deletion_time: LocalDeletionTime(1_760_000_000) }
}

fn row(clustering: &[i32], at: i64) -> Row {
    let timestamp = WriteTimestamp(TIME + at);
    let cell = Cell { path: None, value: Some(format!("note {at}").into_bytes()), timestamp, ttl: None, local_deletion_time: None };
    Row {
        clustering: clustering.iter().map(|value| Some(value.to_be_bytes().to_vec())).collect(),
        liveness: Some(LivenessInfo { timestamp, expiry: None }),
        deletion: None,
        columns: vec![Column { name: "note".into(), data: ColumnData::Simple(cell) }],
    }
}

fn deleted_row(clustering: &[i32], at: i64) -> Row {
    let deletion = Some(RowDeletion { time: deletion(at), shadowable: false });
    Row { liveness: None, deletion, columns: Vec::new(), ..row(clustering, at) }
}

fn bound(kind: BoundKind, value: i32, at: i64) -> Unfiltered {
    let (open, close) = if kind.is_start() { (Some(deletion(at)), None) } else { (None, Some(deletion(at))) };
    Unfiltered::Marker(Marker { kind, values: vec![Some(value.to_be_bytes().to_vec())], close, open })
}

fn update(table: TableId, partition_key: Vec<u8>, unfiltereds: Vec<Unfiltered>) -> PartitionUpdate {
    PartitionUpdate { table, partition_key, partition_deletion: None, static_row: None, unfiltereds, header: Header::default() }
}

/// Every row of `plain` inserted and deleted; every partition of `clustered` with two rows, a row delete, a range delete, and deleted.
fn mutations(plain: TableId, clustered: TableId) -> Vec<PartitionUpdate> {
    let mut all = Vec::new();
    for id in 0..KEYS {
        all.push(update(plain, id.to_be_bytes().to_vec(), vec![Unfiltered::Row(row(&[], id))]));
    }
    for p in 0..PARTITIONS {
        let (key, at) = (p.to_be_bytes().to_vec(), i64::from(p));
        let range = vec![bound(BoundKind::InclStartBound, 1, at + 3), bound(BoundKind::ExclEndBound, 5, at + 3)];
        all.push(update(clustered, key.clone(), vec![Unfiltered::Row(row(&[1], at)), Unfiltered::Row(row(&[2], at))]));
        all.push(update(clustered, key.clone(), vec![Unfiltered::Row(deleted_row(&[2], at + 1))]));
        all.push(update(clustered, key.clone(), range));
        all.push(PartitionUpdate { partition_deletion: Some(deletion(at + 4)), ..update(clustered, key, Vec::new()) });
    }
    for id in 0..KEYS {
        all.push(update(plain, id.to_be_bytes().to_vec(), vec![Unfiltered::Row(deleted_row(&[], KEYS + id))]));
    }
    all
}

/// Publishes all of it with the default settings.
fn publish(folder: &Path, bootstrap: &str) {
    let rows = ringtail::schema::file::rows(SCHEMA).expect("a schema");
    let catalog = Catalog::from_loaded(&LoadedSchema::from(&rows));
    let id = |name: &str| catalog.by_name("shop", name).expect("a table").id;
    let updates = mutations(id("plain"), id("clustered"));
    let bodies: Vec<Vec<u8>> =
        updates.into_iter().map(|update| encode::mutation(&Mutation { updates: vec![update] }, &catalog, Release::V4)).collect();
    let segment = bodies.chunks(100).fold(Builder::plain(), |builder, section| builder.section(section)).zeros(64).build();
    let segments = folder.join("segments");
    fs::create_dir(&segments).expect("a writable folder");
    let name = format!("CommitLog-7-{}.log", ringtail_testkit::segment::SEGMENT);
    fs::write(segments.join(name), &segment.bytes).expect("a writable folder");
    fs::write(folder.join("schema.cql"), SCHEMA).expect("a writable folder");
    let config = format!(
        "node: {{ id: node }}\nsource: {{ cdc_raw: {0}/segments }}\nstate: {{ dir: {0}/state }}\nschema: {{ file: {0}/schema.cql }}\n\
         topics: {{ prefix: java, schema: null }}\nsink: {{ kafka: {{ bootstrap.servers: \"{bootstrap}\" }} }}\n",
        folder.display()
    );
    fs::write(folder.join("ringtail.yaml"), config).expect("a writable folder");
    let path = |name: &str| folder.join(name).display().to_string();
    let ended = output(["replay", "--config", &path("ringtail.yaml"), &path("segments")]);
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// Kafka's console consumer, over a whole topic: `Partition:n`, headers, key and value, tabs between them.
fn console(bootstrap: &str, topic: &str, records: usize) -> Vec<Vec<String>> {
    let count = records.to_string();
    let properties = ["print.key=true", "print.partition=true", "print.headers=true"];
    let mut arguments = vec!["tools", KAFKA, "kafka.tools.ConsoleConsumer", "--bootstrap-server", bootstrap, "--topic", topic];
    arguments.extend(["--from-beginning", "--timeout-ms", "30000", "--max-messages", &count]);
    properties.iter().for_each(|property| arguments.extend(["--property", property]));
    let printed = script("java.sh", &arguments);
    printed.lines().filter(|line| line.starts_with("Partition:")).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
#[ignore = "needs a real Kafka and Java: a minute"]
fn java_consumers_find_keys_headers_and_partitions_where_java_expects_them() {
    let port = u16::try_from(setting("RINGTAIL_JAVA_PORT", 20355)).expect("a port");
    let folder = empty_folder("java");
    let broker = Kafka::start(KAFKA, &folder.join("kafka"), port, &[]);
    let topics = ["java.shop.plain", "java.shop.clustered", "joined"];
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(create_topics(&broker.bootstrap(), &topics.map(str::to_owned)));
    publish(&folder, &broker.bootstrap());

    let lines = console(&broker.bootstrap(), topics[0], 2 * KEYS as usize);
    assert_eq!(lines.len(), 2 * KEYS as usize, "what the console consumer printed");
    for (number, line) in lines.iter().enumerate() {
        let [partition, headers, key, value] = &line[..] else { panic!("line {number}: {line:?}") };
        let id = headers.split(',').find_map(|header| header.strip_prefix("ringtail.id:")).expect("the header ringtail.id");
        let (key, value): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(key).expect("the key is JSON"), serde_json::from_str(value).expect("the value is JSON"));
        assert!(key["id"].is_i64() && key.as_object().is_some_and(|key| key.len() == 1), "{key}");
        assert_eq!((&value["after"]["id"]["value"], &value["ringtail"]["id"]), (&key["id"], &id.into()));
        assert!(partition.trim_start_matches("Partition:").parse::<u32>().is_ok_and(|partition| partition < 4), "{partition}");
    }

    let classes = folder.join("classes").display().to_string();
    script("java.sh", &["compile", KAFKA, &classes, &root().join("tests/java/Placement.java").display().to_string()]);
    let bootstrap = broker.bootstrap();
    let printed = script("java.sh", &["clients", KAFKA, &classes, "Placement", &bootstrap, topics[0], topics[1], topics[2]]);
    println!("{printed}");
    let counted: BTreeMap<&str, i64> =
        printed.lines().filter_map(|line| line.split_once('=')).filter_map(|(name, count)| Some((name, count.parse().ok()?))).collect();
    let partitions = i64::from(PARTITIONS);
    for (name, expected) in [
        ("partitions", 4),
        ("plain_records", 2 * KEYS),
        ("plain_keys", KEYS),
        ("plain_partitions_used", 4),
        ("joined_records", 2 * KEYS),
        ("clustered_keys", partitions),
        ("clustered_partitions_used", 4),
        ("clustered_i", 2 * partitions),
        ("clustered_d", 2 * partitions),
        ("clustered_r", partitions),
        ("wrong", 0),
    ] {
        assert_eq!(counted.get(name), Some(&expected), "{name}");
    }
}
