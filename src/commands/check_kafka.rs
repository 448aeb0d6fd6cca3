//! What `ringtail check` asks of Kafka.

use super::check::{PATIENCE, Tried};
use super::{Exit, sinks};
use anyhow::anyhow;
use ringtail::config::{Config, Delivery, KafkaProperties, Topics};
use ringtail::envelope::Topic;
use ringtail::schema::Catalog;
use ringtail::sink::SinkError;
use ringtail::sink::kafka::{self, BrokerCheck, TopicCheck, TopicFound};
use std::collections::HashSet;

/// How long a transaction lasts at most where `sink.kafka` does not say.
const TRANSACTION_TIMEOUT_MS: u64 = 60_000;

/// Everything that a run would need of the brokers, each with its name.
pub fn all(properties: &KafkaProperties, config: &Config, catalog: &Catalog) -> Vec<(&'static str, Tried)> {
    let exactly_once = config.sink.delivery == Delivery::ExactlyOnce;
    let mut found = match ask(properties, config, catalog, exactly_once) {
        Ok(found) => found,
        Err(failed) => return vec![("Kafka", Err(failed))],
    };
    let positions = if exactly_once { found.topics.pop() } else { None };
    let mut all = vec![("Kafka", cluster(&found, &config.topics))];
    if let Some(positions) = positions {
        let timeout = properties.iter().find(|(name, _)| *name == "transaction.timeout.ms").and_then(|(_, text)| text.parse().ok());
        all.push(("exactly once", transactions(&found, &positions, timeout.unwrap_or(TRANSACTION_TIMEOUT_MS))));
    }
    all
}

fn ask(properties: &KafkaProperties, config: &Config, catalog: &Catalog, exactly_once: bool) -> Result<BrokerCheck, (Exit, anyhow::Error)> {
    let template = sinks::topic_template(&config.topics).map_err(|error| (Exit::Usage, error.into()))?;
    let outbox = sinks::outbox(config);
    let published = catalog.tables().filter(|table| table.is_published() && config.tables.allows(&table.keyspace, &table.name));
    // The topics of an outbox are named by its rows.
    let of_tables = published.filter(|table| !outbox.only && outbox.of(table).is_none());
    let mut topics: Vec<Topic> = of_tables.map(|table| template.topic(&config.topics.prefix, table)).collect();
    // Tables can share a topic.
    let mut met = HashSet::new();
    topics.retain(|topic| met.insert(topic.clone()));
    topics.extend(config.topics.schema.as_deref().filter(|_| config.schema.log).map(Into::into));
    topics.extend(config.topics.audit.as_deref().map(Into::into));
    topics.extend(exactly_once.then(|| config.topics.positions.as_str().into()));
    kafka::check(&sinks::kafka_properties(properties), &topics, PATIENCE).map_err(|error| match error {
        SinkError::Producer(reason) => (Exit::Unavailable, anyhow!("{reason}")),
        error => (Exit::Unavailable, error.into()),
    })
}

/// What a cluster that answers is good for.
fn cluster(found: &BrokerCheck, topics: &Topics) -> Tried {
    if let Some(topic) = found.topics.iter().find(|topic| topic.is_compacted() && !topics.allow_compaction) {
        let why = "events are changes, not states, and compaction would lose columns (topics.allow_compaction accepts that)";
        return Err((Exit::Usage, anyhow!("topic {} has cleanup.policy=compact: {why}", topic.topic)));
    }
    let missing: Vec<_> = found.topics.iter().filter(|topic| !matches!(topic.found, TopicFound::Exists { .. })).collect();
    let exist = format!("{} brokers answer, {} of {} topics exist", found.brokers, found.topics.len() - missing.len(), found.topics.len());
    match missing.first() {
        Some(_) if topics.create.is_some() && missing.iter().all(|topic| topic.found == TopicFound::Missing) => {
            let names: Vec<&str> = missing.iter().map(|topic| &*topic.topic).collect();
            Ok(format!("{exist}; a run would create {} (topics.create)", names.join(", ")))
        }
        Some(topic) if topics.create.is_some() => {
            let named = missing.iter().find(|topic| topic.found != TopicFound::Missing).unwrap_or(topic);
            Err((Exit::Unavailable, anyhow!("topic {} may not be seen, or has no leader", named.topic)))
        }
        Some(topic) if found.creates_topics != Some(true) => Err((
            Exit::Unavailable,
            anyhow!("topic {} does not exist, or may not be seen, and the broker does not create topics", topic.topic),
        )),
        _ => Ok(exist),
    }
}

/// Whether transactions would work. What only a transaction would tell is not tried: it would end a running agent.
fn transactions(found: &BrokerCheck, positions: &TopicCheck, timeout_ms: u64) -> Tried {
    let name = &positions.topic;
    if let Some(policy) = positions.cleanup_policy.as_deref().filter(|policy| *policy != "compact") {
        return Err((
            Exit::Usage,
            anyhow!(
                "topic {name} of positions has cleanup.policy={policy}: the last record of a node would be deleted (set it to compact)"
            ),
        ));
    }
    if let Some(max) = found.transaction_max_timeout_ms.filter(|max| *max < timeout_ms) {
        return Err((
            Exit::Usage,
            anyhow!("transaction.timeout.ms is {timeout_ms}, above the brokers' transaction.max.timeout.ms, which is {max}"),
        ));
    }
    let topic = match (&positions.found, &positions.cleanup_policy) {
        (TopicFound::Exists { .. }, Some(_)) => "is compacted".to_owned(),
        (TopicFound::Exists { .. }, None) => "exists (its cleanup.policy may not be read; it has to be compact)".to_owned(),
        (TopicFound::Missing, _) => "does not exist: a run makes it, if it may (CreateTopics)".to_owned(),
        (TopicFound::Unauthorized(reason), _) => return Err((Exit::Unavailable, anyhow!("topic {name} of positions: {reason}"))),
        (TopicFound::Unknown, _) => {
            return Err((Exit::Unavailable, anyhow!("topic {name} of positions: no broker can say what it is like")));
        }
    };
    let log = match found.transaction_min_isr {
        Some(1) if found.brokers > 1 => {
            ", but transaction.state.log.min.isr is 1: what a broker's disk loses of committed transactions is lost"
        }
        Some(_) | None => "",
    };
    Ok(format!("topic {name} of positions {topic}{log}; whether the transactional id may be used is only seen by a run"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(max: Option<u64>, min_isr: Option<u64>) -> BrokerCheck {
        BrokerCheck {
            brokers: 3,
            cluster_id: None,
            version: None,
            creates_topics: None,
            transaction_max_timeout_ms: max,
            transaction_min_isr: min_isr,
            topics: Vec::new(),
        }
    }

    fn positions(policy: Option<&str>) -> TopicCheck {
        let found = if policy.is_some() { TopicFound::Exists { partitions: 1 } } else { TopicFound::Missing };
        TopicCheck { topic: "positions".into(), found, cleanup_policy: policy.map(Into::into), max_message_bytes: None }
    }

    #[test]
    fn transactions_need_a_compacted_topic_and_time() {
        let text = transactions(&found(Some(900_000), Some(2)), &positions(Some("compact")), 60_000).unwrap();
        assert!(text.starts_with("topic positions of positions is compacted; "), "{text}");
        assert!(transactions(&found(None, Some(1)), &positions(None), 60_000).unwrap().contains("min.isr is 1"));

        for policy in ["delete", "compact,delete"] {
            let (_, error) = transactions(&found(None, None), &positions(Some(policy)), 60_000).unwrap_err();
            assert!(error.to_string().contains(policy), "{error}");
        }
        let (_, error) = transactions(&found(Some(30_000), None), &positions(Some("compact")), 60_000).unwrap_err();
        assert!(error.to_string().contains("transaction.max.timeout.ms, which is 30000"), "{error}");
    }
}
