//! The recording of the quick start in a folder, the agent over it, and a real broker.

use crate::support::agent::setting;
use crate::support::fixture::root;
use crate::support::lab::{Kafka, empty_folder};
use crate::support::process::output;
use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const KAFKA: &str = "3.6.1";
const PATIENCE: Duration = Duration::from_secs(30);

/// One record of a topic.
#[derive(Clone, Debug)]
pub struct Seen {
    pub value: Option<String>,
    pub headers: BTreeMap<String, String>,
}

pub struct Scene {
    folder: PathBuf,
    broker: Kafka,
}

impl Scene {
    pub fn new(name: &str, settings: &[&str]) -> Scene {
        let folder = empty_folder(&format!("topics-{name}"));
        let port = u16::try_from(setting("RINGTAIL_TOPICS_PORT", 20300)).expect("a port");
        let broker = Kafka::start(KAFKA, &folder.join("kafka"), port, settings);
        let scene = Scene { folder, broker };
        copy(&root().join("fixtures/quickstart"), &scene.folder.join("cdc_raw"));
        scene
    }

    /// Runs a command with these settings of `topics` besides the prefix; answers all that it printed.
    pub fn ringtail(&self, arguments: &[&str], topics: &str) -> String {
        let (folder, bootstrap) = (self.folder.display(), self.broker.bootstrap());
        let schema = root().join("fixtures/quickstart/schema.cql");
        let config = format!(
            "node: {{ id: n1 }}\n\
             source: {{ cdc_raw: {folder}/cdc_raw, finished: keep }}\n\
             state: {{ dir: {folder}/state }}\n\
             schema: {{ file: {} }}\n\
             events: {{ headers: {{ from: \"{{node}}/{{keyspace}}.{{table}}\" }} }}\n\
             tables: {{ include: [\"shop.*\"] }}\n\
             sink: {{ kafka: {{ bootstrap.servers: \"{bootstrap}\" }} }}\n\
             topics: {{ prefix: shop, {topics} }}\n\
             http: {{ listen: \"127.0.0.1:0\" }}\n\
             log: {{ format: text }}\n",
            schema.display()
        );
        let path = self.folder.join("ringtail.yaml");
        fs::write(&path, config).expect("a writable folder");
        let path = path.display().to_string();
        let done = output(arguments.iter().copied().chain(["--config", &path]));
        format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
    }

    /// How many partitions a topic has; 0 if it does not exist.
    pub fn partitions(&self, topic: &str) -> usize {
        let metadata = self.consumer().fetch_metadata(Some(topic), PATIENCE).expect("an answer");
        metadata.topics().iter().filter(|found| found.error().is_none()).map(|found| found.partitions().len()).sum()
    }

    /// A setting of a topic.
    pub fn setting(&self, topic: &str, name: &str) -> Option<String> {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        let found = block_on(admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options)).expect("an answer");
        found[0].as_ref().expect("settings").get(name).and_then(|entry| entry.value.clone())
    }

    /// All that stands in a topic now, partition by partition.
    pub fn records(&self, topic: &str) -> Vec<Seen> {
        let consumer = self.consumer();
        let partitions = i32::try_from(self.partitions(topic)).expect("few");
        let (mut all, mut expected) = (TopicPartitionList::new(), 0);
        for partition in 0..partitions {
            all.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
            let (low, high) = consumer.fetch_watermarks(topic, partition, PATIENCE).expect("an answer");
            expected += usize::try_from(high - low).expect("few");
        }
        consumer.assign(&all).expect("partitions");
        let (mut found, begun) = (Vec::new(), Instant::now());
        while found.len() < expected {
            assert!(begun.elapsed() < PATIENCE, "{} of {expected} of {topic}", found.len());
            let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
            let message = message.expect("a record");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let headers = message
                .headers()
                .map(|headers| headers.iter().map(|header| (header.key.to_owned(), header.value.map(text).unwrap_or_default())).collect());
            found.push(Seen { value: message.payload().map(text), headers: headers.unwrap_or_default() });
        }
        found
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.broker.bootstrap()).set("group.id", "test");
        config
    }

    fn consumer(&self) -> BaseConsumer {
        self.client().create().expect("a consumer")
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a writable folder");
    for entry in fs::read_dir(from).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "log" || extension == "idx") {
            fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
}
