//! The producer's properties: ours first, then the operator's.

use crate::sink::SinkError;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::time::Duration;

/// What we set where the operator sets nothing. `sink.kafka` refuses the values that would break the delivery
/// promise before they get here.
const BASE: &[(&str, &str)] = &[
    ("client.id", "ringtail"),
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("max.in.flight", "5"),
    // When a batch fails for good, nothing after it may leave: the producer stops itself, and the pipeline, which
    // rewinds after any failure, makes a new one. Otherwise a newer record would overtake the ones sent again (I1).
    ("enable.gapless.guarantee", "true"),
    // No record times out: librdkafka drops one that does and sends the next, which is a gap.
    ("message.timeout.ms", "0"),
    // The default is 1 GiB.
    ("queue.buffering.max.kbytes", "16384"),
    ("linger.ms", "5"),
    ("batch.size", "1000000"),
    ("compression.type", "lz4"),
    // The default, 10 s, is how late we would notice that a broker is back.
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.keepalive.enable", "true"),
    // Brokers close idle connections; that is not worth a line.
    ("log.connection.close", "false"),
];

/// Other names of what [`BASE`] sets: librdkafka keeps whichever name was set last, and the order is not ours.
const ALIASES: &[(&str, &str)] = &[
    ("request.required.acks", "acks"),
    ("max.in.flight.requests.per.connection", "max.in.flight"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("compression.codec", "compression.type"),
    ("metadata.broker.list", "bootstrap.servers"),
];

/// Of these only a producer knows.
const PRODUCERS: &[&str] = &[
    "acks",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "message.timeout.ms",
    "linger.ms",
    "batch.size",
    "batch.num.messages",
    "compression.type",
    "compression.level",
    "max.in.flight",
    "transactional.id",
    "transaction.timeout.ms",
    "sticky.partitioning.linger.ms",
    "message.send.max.retries",
    "retries",
];

/// How long a transaction may stay open until the brokers abort it: what a node that has died for good costs the readers of a topic
/// once, and how long an agent may stand still in the middle of a batch.
const TRANSACTION_TIMEOUT_MS: u32 = 60_000;
/// How long a broker has for an answer: less than a transaction has.
const SOCKET_TIMEOUT_MS: u32 = 10_000;

/// How often librdkafka, and so we, ask for the partitions of a known topic unless the operator says otherwise.
const REFRESH_MS_DEFAULT: u64 = 300_000;

/// Properties by their librdkafka names, one value for each.
#[derive(Clone, Debug)]
pub(super) struct Properties(BTreeMap<String, String>);

impl Properties {
    /// Base and operator's properties together. `window` is the number of records the queue holds.
    pub(super) fn new(operators: &BTreeMap<String, String>, window: u32) -> Result<Properties, SinkError> {
        let mut all: BTreeMap<String, String> = BASE.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        all.insert("queue.buffering.max.messages".into(), window.max(1).to_string());
        for (name, value) in operators {
            all.insert(canonical(name).into(), value.clone());
        }
        let properties = Properties(all);
        if properties.servers().is_empty() {
            return Err(SinkError::Producer("bootstrap.servers is not set".into()));
        }
        Ok(properties)
    }

    /// Where the brokers are asked for.
    pub(super) fn servers(&self) -> &str {
        self.get("bootstrap.servers").unwrap_or_default()
    }

    /// How often the partition count of a topic in use is asked for; `None` is never.
    pub(super) fn refresh(&self) -> Option<Duration> {
        let interval = self.get("topic.metadata.refresh.interval.ms").and_then(|text| text.parse::<i64>().ok());
        match interval {
            None => Some(Duration::from_millis(REFRESH_MS_DEFAULT)),
            Some(ms) => u64::try_from(ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis),
        }
    }

    /// The most bytes in one batch.
    pub(super) fn batch_size(&self) -> u32 {
        self.get("batch.size").and_then(|text| text.parse().ok()).unwrap_or(1_000_000)
    }

    /// The same, with one property set.
    pub(super) fn with(&self, name: &str, value: &str) -> Properties {
        let mut all = self.0.clone();
        all.insert(name.into(), value.into());
        Properties(all)
    }

    /// The same, of a producer with transactions. Records time out with their transaction: a batch that cannot arrive must end.
    pub(super) fn transactional(&self, id: &str) -> Properties {
        let mut all = self.0.clone();
        for name in ["message.timeout.ms", "enable.gapless.guarantee"] {
            all.remove(name);
        }
        all.insert("transactional.id".into(), id.into());
        let timeout = all.entry("transaction.timeout.ms".into()).or_insert_with(|| TRANSACTION_TIMEOUT_MS.to_string()).parse();
        let socket = SOCKET_TIMEOUT_MS.min(timeout.unwrap_or(TRANSACTION_TIMEOUT_MS));
        all.entry("socket.timeout.ms".into()).or_insert_with(|| socket.to_string());
        Properties(all)
    }

    /// What of them a reader has too, for one that reads to the end and keeps no offsets.
    pub(super) fn of_a_reader(&self, group: &str) -> Properties {
        let is_shared = |name: &str| !PRODUCERS.contains(&name) && !name.starts_with("queue.buffering");
        let mut all: BTreeMap<String, String> =
            self.0.iter().filter(|(name, _)| is_shared(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        for (name, value) in [
            ("group.id", group),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "true"),
            ("auto.offset.reset", "earliest"),
            ("fetch.wait.max.ms", "10"),
            ("queued.max.messages.kbytes", "4096"),
            ("allow.auto.create.topics", "false"),
        ] {
            all.insert(name.into(), value.into());
        }
        Properties(all)
    }

    /// What of them a client has too that only asks and makes topics.
    pub(super) fn of_an_admin(&self) -> Properties {
        let is_shared = |name: &str| !PRODUCERS.contains(&name) && !name.starts_with("queue.buffering");
        Properties(self.0.iter().filter(|(name, _)| is_shared(name)).map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// As rdkafka wants them.
    pub(super) fn client_config(&self) -> ClientConfig {
        self.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, canonical)| canonical)
}

/// Why a client could not be made, without the value of a property: it can be a password.
pub(super) fn client_error(error: &KafkaError) -> SinkError {
    SinkError::Producer(match error {
        KafkaError::ClientConfig(_, description, name, _) if !name.contains("password") => format!("{description} ({name})"),
        KafkaError::ClientConfig(_, _, name, _) => format!("property {name} was not accepted"),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(operators: &[(&str, &str)]) -> Properties {
        let operators = operators.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Properties::new(&operators, 100).unwrap()
    }

    #[test]
    fn operators_value_wins_under_either_name() {
        let properties = properties(&[("bootstrap.servers", "k:9092"), ("queue.buffering.max.ms", "50"), ("client.id", "mine")]);
        let config = properties.client_config();

        assert_eq!(config.get("linger.ms"), Some("50"));
        assert_eq!(config.get("queue.buffering.max.ms"), None);
        assert_eq!(config.get("client.id"), Some("mine"));
        assert_eq!(config.get("queue.buffering.max.messages"), Some("100"));
        assert_eq!(config.get("message.timeout.ms"), Some("0"));
    }

    #[test]
    fn base_properties_are_all_known_to_librdkafka() {
        assert!(properties(&[("bootstrap.servers", "k:9092")]).client_config().create_native_config().is_ok());
    }

    #[test]
    fn brokers_must_be_named() {
        assert!(Properties::new(&BTreeMap::new(), 1).is_err());
        assert_eq!(properties(&[("metadata.broker.list", "k:9092")]).servers(), "k:9092");
    }

    #[test]
    fn refresh_follows_librdkafkas_property() {
        let interval = |value| properties(&[("bootstrap.servers", "k"), ("topic.metadata.refresh.interval.ms", value)]).refresh();

        assert_eq!(interval("1000"), Some(Duration::from_secs(1)));
        assert_eq!(interval("-1"), None);
    }

    #[test]
    fn refused_property_is_named_without_its_value() {
        let config = properties(&[("bootstrap.servers", "k"), ("no.such.thing", "secret-value")]).client_config();

        let error = client_error(&config.create_native_config().err().unwrap()).to_string();

        assert!(error.contains("no.such.thing") && !error.contains("secret-value"), "{error}");
    }
}
