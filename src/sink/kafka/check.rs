//! What the `check` command asks a cluster: whether it answers, and what its topics are like.

use super::config::{Properties, client_error};
use super::context::Context;
use super::health::Health;
use super::producer::answer;
use super::topics::Answer;
use crate::envelope::Topic;
use crate::sink::SinkError;
use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::client::Client;
use rdkafka::error::KafkaResult;
use rdkafka::metadata::{Metadata, MetadataBroker};
use rdkafka::producer::{BaseProducer, Producer as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// What a cluster says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerCheck {
    /// How many brokers it has.
    pub brokers: usize,
    /// Its cluster id.
    pub cluster_id: Option<String>,
    /// `inter.broker.protocol.version` of one of the brokers: the nearest to a version that the protocol
    /// tells. `None` from Kafka 4.0 on, or if we may not read the broker's settings.
    pub version: Option<String>,
    /// `auto.create.topics.enable` of one of the brokers; `None` if we may not read it.
    pub creates_topics: Option<bool>,
    /// `transaction.max.timeout.ms` of one of the brokers; `None` if we may not read it.
    pub transaction_max_timeout_ms: Option<u64>,
    /// `transaction.state.log.min.isr` of one of the brokers; `None` if we may not read it.
    pub transaction_min_isr: Option<u64>,
    /// The topics asked for, in the same order.
    pub topics: Vec<TopicCheck>,
}

/// What a cluster says of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicCheck {
    /// Which.
    pub topic: Topic,
    /// Whether it exists.
    pub found: TopicFound,
    /// `cleanup.policy`: `delete`, `compact`, or both with a comma; `None` if we may not read it.
    pub cleanup_policy: Option<String>,
    /// `max.message.bytes`; `None` if we may not read it.
    pub max_message_bytes: Option<u64>,
}

/// Whether a topic exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicFound {
    /// With so many partitions.
    Exists {
        /// How many.
        partitions: u32,
    },
    /// Not, and asking did not create it.
    Missing,
    /// We may not know; why.
    Unauthorized(String),
    /// The brokers could not say, for example while the topic has no leader.
    Unknown,
}

impl TopicCheck {
    /// Whether the cluster compacts the topic, which would lose columns.
    pub fn is_compacted(&self) -> bool {
        self.cleanup_policy.as_deref().is_some_and(|policy| policy.split(',').any(|word| word.trim() == "compact"))
    }
}

/// Asks the brokers what a `run` with these properties would need to know. Creates nothing.
///
/// # Errors
/// [`SinkError::Producer`] if librdkafka does not accept a property, or if no broker answers within `timeout`; then
/// with the last error of a connection.
pub fn check(properties: &BTreeMap<String, String>, topics: &[Topic], timeout: Duration) -> Result<BrokerCheck, SinkError> {
    let deadline = Instant::now() + timeout;
    let properties = Properties::new(properties, 1)?.with("allow.auto.create.topics", "false");
    let health = Arc::new(Health::new(properties.servers()));
    // Nobody listens: a producer that sends nothing has no reports.
    let context = || Context { signals: channel().0, health: health.clone() };
    let config = properties.client_config();
    let client: BaseProducer<Context> = config.create_with_context(context()).map_err(|error| client_error(&error))?;
    let (broker, mut found) =
        while_polling(&client, || ask(client.client(), topics, deadline)).map_err(|_| SinkError::Producer(no_answer(&health)))?;
    let admin: AdminClient<Context> = config.create_with_context(context()).map_err(|error| client_error(&error))?;
    describe_topics(&admin, &mut found.topics, deadline);
    if let Some(settings) = describe_one(&admin, ResourceSpecifier::Broker(broker), deadline) {
        found.version = setting(&settings, "inter.broker.protocol.version");
        let number = |name: &str| setting(&settings, name).and_then(|value| value.parse().ok());
        found.transaction_max_timeout_ms = number("transaction.max.timeout.ms");
        found.transaction_min_isr = number("transaction.state.log.min.isr");
        found.creates_topics = setting(&settings, "auto.create.topics.enable").map(|value| value == "true");
    }
    Ok(found)
}

fn no_answer(health: &Health) -> String {
    health.unanswered();
    health.report().err().unwrap_or_default()
}

/// Serves the client's callbacks, which tell why a broker does not answer, while `run` waits for one.
fn while_polling<T>(client: &BaseProducer<Context>, run: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                client.poll(Duration::from_millis(20));
            }
        });
        let result = run();
        // Once more around for errors that came with the time-out.
        thread::sleep(Duration::from_millis(20));
        done.store(true, Ordering::Release);
        result
    })
}

fn ask(client: &Client<Context>, topics: &[Topic], deadline: Instant) -> KafkaResult<(i32, BrokerCheck)> {
    let mut check = BrokerCheck {
        brokers: 0,
        cluster_id: None,
        version: None,
        creates_topics: None,
        transaction_max_timeout_ms: None,
        transaction_min_isr: None,
        topics: Vec::new(),
    };
    let mut broker = -1;
    if topics.is_empty() {
        let metadata = client.fetch_metadata(None, left(deadline))?;
        (broker, check.brokers) = brokers(&metadata);
    }
    for topic in topics {
        let metadata = client.fetch_metadata(Some(topic), left(deadline))?;
        (broker, check.brokers) = brokers(&metadata);
        let answer = metadata.topics().iter().find(|found| found.name() == &**topic).map_or(Answer::Missing, answer);
        check.topics.push(TopicCheck { topic: topic.clone(), found: found(answer), cleanup_policy: None, max_message_bytes: None });
    }
    check.cluster_id = client.fetch_cluster_id(left(deadline));
    Ok((broker, check))
}

/// One of the brokers, and how many there are. The one that answered has no number yet on its first connection.
fn brokers(metadata: &Metadata) -> (i32, usize) {
    (metadata.brokers().first().map_or(-1, MetadataBroker::id), metadata.brokers().len())
}

fn found(answer: Answer) -> TopicFound {
    match answer {
        Answer::Partitions(partitions) => TopicFound::Exists { partitions: partitions.unsigned_abs() },
        Answer::Missing | Answer::NotCreated(_) => TopicFound::Missing,
        Answer::Unauthorized(reason) => TopicFound::Unauthorized(reason),
        Answer::Unanswered => TopicFound::Unknown,
    }
}

fn describe_topics(admin: &AdminClient<Context>, topics: &mut [TopicCheck], deadline: Instant) {
    for check in topics.iter_mut().filter(|check| matches!(check.found, TopicFound::Exists { .. })) {
        let Some(settings) = describe_one(admin, ResourceSpecifier::Topic(&check.topic), deadline) else { continue };
        check.cleanup_policy = setting(&settings, "cleanup.policy");
        check.max_message_bytes = setting(&settings, "max.message.bytes").and_then(|value| value.parse().ok());
    }
}

/// The settings of a topic or broker, or `None` where we may not read them.
fn describe_one(admin: &AdminClient<Context>, resource: ResourceSpecifier<'_>, deadline: Instant) -> Option<ConfigResource> {
    let options = AdminOptions::new().request_timeout(Some(left(deadline)));
    let result = block_on(admin.describe_configs([&resource], &options));
    match result.map(|resources| resources.into_iter().next()) {
        Ok(Some(Ok(settings))) => Some(settings),
        Ok(Some(Err(error))) => {
            tracing::debug!(?resource, %error, "cannot read settings");
            None
        }
        Ok(None) => None,
        Err(error) => {
            tracing::debug!(?resource, %error, "cannot read settings");
            None
        }
    }
}

fn setting(settings: &ConfigResource, name: &str) -> Option<String> {
    settings.get(name).and_then(|entry| entry.value.clone())
}

/// At least something, so that a question late in the check still has a chance.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compacted_means_the_word_compact_in_the_policy() {
        let check = |policy: Option<&str>| TopicCheck {
            topic: "t".into(),
            found: TopicFound::Missing,
            cleanup_policy: policy.map(String::from),
            max_message_bytes: None,
        };

        assert!(check(Some("compact")).is_compacted());
        assert!(check(Some("compact,delete")).is_compacted());
        assert!(!check(Some("delete")).is_compacted());
        assert!(!check(None).is_compacted());
    }
}
