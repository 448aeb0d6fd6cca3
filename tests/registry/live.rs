//! The binary between a real registry and a real broker, read by Java's Avro.
//!
//! `cargo test --test registry -- --ignored --nocapture`. `RINGTAIL_REGISTRY_PORT` (19940, and the twelve after it) changes the ports; logs
//! stay in `target/lab/run/registry`.

use crate::support::agent::setting;
use crate::support::consumer::create_topics;
use crate::support::fixture::{Fixture, root};
use crate::support::lab::{Kafka, Registry, empty_folder, script};
use crate::support::process::{Running, output, ringtail};
use crate::support::registry::settings;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ringtail::avro::adjusted;
use ringtail::registry::Client;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const KAFKA: &str = "3.6.1";
const APICURIO: &str = "2.6.13.Final";

struct Lab {
    folder: PathBuf,
    kafka: Kafka,
    registry: Registry,
}

impl Lab {
    /// A configuration of this schema.
    fn config(&self, name: &str, schema: &Path, sink: &str, events: &str) -> String {
        let path = self.folder.join(name);
        let text = format!(
            "node: {{ id: n1 }}\nschema: {{ file: {}, log: false }}\ntopics: {{ prefix: lab }}\nsink: {sink}\nlog: {{ format: text }}\n\
             events: {{ envelope: flat, {events} }}\n",
            schema.display()
        );
        fs::write(&path, text).expect("a writable folder");
        path.display().to_string()
    }

    /// The same, in Avro to Kafka.
    fn avro(&self, name: &str, schema: &Path) -> String {
        let sink = format!("{{ kafka: {{ bootstrap.servers: \"{}\" }} }}", self.kafka.bootstrap());
        self.config(name, schema, &sink, &format!("serializer: avro, registry: {{ url: \"{}\" }}", self.registry.url()))
    }

    /// What Java reads in these topics, by the id of the event. A repeat has to be equal.
    fn read(&self, topics: &[String]) -> BTreeMap<String, Value> {
        let (bootstrap, registry) = (self.kafka.bootstrap(), self.registry.url());
        let fixed = [bootstrap.as_str(), registry.as_str()];
        let out = script("avro.sh", &fixed.into_iter().chain(topics.iter().map(String::as_str)).collect::<Vec<_>>());
        by_id(out.lines().map(|line| serde_json::from_str(line).expect("JSON")))
    }
}

fn by_id(records: impl Iterator<Item = Value>) -> BTreeMap<String, Value> {
    let id = |record: &Value| record["headers"]["ringtail.id"].as_str().expect("an id").to_owned();
    records.map(|record| (id(&record), record)).collect()
}

/// Whether Java has read what JSON says: every field that is there, and nothing in the others.
fn assert_same(json: &Value, java: &Value) {
    let (json_fields, java_fields) = (json.as_object().expect("fields"), java.as_object().expect("fields"));
    for (name, found) in java_fields {
        let expected = json_fields.iter().find(|(field, _)| adjusted(field) == *name).map_or(&Value::Null, |(_, value)| value);
        match (expected, found) {
            // How Java prints these is its own affair.
            (Value::String(_) | Value::Array(_) | Value::Object(_), found) if found.is_object() || found.is_array() => {}
            (Value::Number(expected), Value::Number(found)) if expected.is_f64() || found.is_f64() => {
                let (expected, found) = (expected.as_f64().expect("a number"), found.as_f64().expect("a number"));
                assert!((expected - found).abs() <= expected.abs() * 1e-6 + f64::from(f32::MIN_POSITIVE), "{name}: {expected} {found}");
            }
            // Java prints bytes as the letters of Latin-1.
            (Value::String(expected), Value::String(found)) if expected != found => {
                let bytes: Option<Vec<u8>> = found.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
                assert_eq!(BASE64.decode(expected).ok(), bytes, "{name}");
            }
            (expected, found) => assert_eq!(expected, found, "{name}"),
        }
    }
    let missing = json_fields.iter().find(|(name, value)| !value.is_null() && !java_fields.contains_key(&adjusted(name)));
    assert_eq!(missing, None);
}

fn published(folder: &Lab, segments: &str, schema: &Path) -> BTreeMap<String, Value> {
    let file = folder.folder.join("events.jsonl");
    fs::remove_file(&file).unwrap_or_default();
    let config = folder.config("json.yaml", schema, &format!("{{ file: {{ path: {} }} }}", file.display()), "serializer: json");
    let ended = output(["replay", "--config", &config, segments]);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    by_id(fs::read_to_string(&file).expect("events").lines().map(|line| serde_json::from_str(line).expect("JSON")))
}

fn topics_of(events: &BTreeMap<String, Value>) -> Vec<String> {
    let mut topics: Vec<String> = events.values().map(|event| event["topic"].as_str().expect("a topic").to_owned()).collect();
    topics.sort();
    topics.dedup();
    topics
}

#[test]
#[ignore = "needs a real registry and Kafka: minutes"]
fn java_reads_every_record_with_schemas_of_a_real_registry_and_versions_follow_the_table() {
    let port = u16::try_from(setting("RINGTAIL_REGISTRY_PORT", 19940)).expect("a port");
    let folder = empty_folder("registry");
    let kafka = Kafka::start(KAFKA, &folder.join("kafka"), port + 10, &[]);
    let registry = Registry::start(APICURIO, &folder.join("registry"), port);
    let lab = Lab { folder, kafka, registry };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");

    // Every type.
    let types = Fixture::unpack("4.1.6/all_types");
    let segments = types.path().display().to_string();
    let expected = published(&lab, &segments, &types.file("schema.cql"));
    let topics = topics_of(&expected);
    runtime.block_on(create_topics(&lab.kafka.bootstrap(), &topics));
    let ended = output(["replay", "--config", &lab.avro("types.yaml", &types.file("schema.cql")), &segments]);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let found = lab.read(&topics);
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert!(expected.len() > 50 && topics.len() > 2, "{} events of {topics:?}", expected.len());
    for (id, event) in &expected {
        assert_same(&event["key"], &found[id]["key"]);
        assert_same(&event["value"], &found[id]["value"]);
    }
    println!("Java's Avro read {} records of {} tables", found.len(), topics.len());

    // A table, a column more, and that column with another type.
    let segments = root().join("fixtures/quickstart").display().to_string();
    let original = fs::read_to_string(root().join("fixtures/quickstart/schema.cql")).expect("text");
    let schema = |name: &str, column: &str| {
        let path = lab.folder.join(name);
        fs::write(&path, original.replacen("    payload text,\n", &format!("    payload text,\n{column}"), 1)).expect("a writable folder");
        path
    };
    let (first, second, third) = (schema("1.cql", ""), schema("2.cql", "    region text,\n"), schema("3.cql", "    region int,\n"));
    let topics = topics_of(&published(&lab, &segments, &first));
    runtime.block_on(create_topics(&lab.kafka.bootstrap(), &topics));
    let subject = "lab.shop.outbox-value";
    for (name, schema) in [("1.yaml", &first), ("2.yaml", &second)] {
        let ended = output(["replay", "--config", &lab.avro(name, schema), &segments]);
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        lab.registry.set_level(subject, "FULL");
    }
    assert_eq!(lab.registry.versions(subject), 2, "a column more is a version more");
    let before = lab.read(&topics);
    assert!(before.values().any(|record| record["value"].as_object().is_some_and(|value| value.contains_key("region"))));

    let config = lab.avro("3.yaml", &third);
    let log = lab.folder.join("3.log");
    let check = output(["check", "--config", &config]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(
        said.contains(&format!(
            "FAIL  schemas of shop.outbox: the schema registry refuses the schema of subject {subject} as incompatible"
        )),
        "{said}"
    );
    let mut running = Running::start(ringtail(["replay", "--config", &config, &segments]), &log);
    wait_for(&log, &format!("reading stops: the schema registry refuses the schema of subject {subject} as incompatible: "));
    assert!(running.is_running(), "it waits for an operator");
    assert_eq!(lab.registry.versions(subject), 2);
    println!("{}", fs::read_to_string(&log).expect("a log").trim());
    // The operator allows it: the next try, within 30 s, goes through.
    lab.registry.set_level(subject, "NONE");
    assert_eq!(running.wait(Duration::from_secs(90)).code(), Some(0));
    assert_eq!(lab.registry.versions(subject), 3);
    assert_eq!(lab.read(&topics).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "nothing was skipped");
    assert!(Client::new(&settings(&[&lab.registry.url()])).expect("a client").level().is_ok());
}

fn wait_for(log: &Path, text: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while !fs::read_to_string(log).expect("a log").contains(text) {
        assert!(Instant::now() < end, "not said: {text}\n{}", fs::read_to_string(log).expect("a log"));
        std::thread::sleep(Duration::from_millis(100));
    }
}
