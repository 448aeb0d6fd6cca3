//! The librdkafka properties: which of them would break the delivery promise.

use super::error::ConfigError;
use super::types::KafkaProperties;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most bytes of events in the window, whatever `sink.window` says: 16 MiB.
pub const WINDOW_BYTES: u64 = 16 << 20;

/// Turns the mapping under `sink.kafka` into properties.
///
/// `window` is `sink.window`, in events.
///
/// # Errors
/// A value that is not one word, number or truth value; no `bootstrap.servers`; a property that the promise forbids, with
/// the reason.
pub(super) fn properties(written: &Map<String, Value>, window: u64) -> Result<KafkaProperties, ConfigError> {
    let mut properties = BTreeMap::new();
    for (name, value) in written {
        let text = text_of(name, value)?;
        if let Some(problem) = objection(name, &text, window) {
            return Err(at(name, problem));
        }
        properties.insert(name.clone(), text);
    }
    if !properties.contains_key("bootstrap.servers") {
        return Err(at("bootstrap.servers", "is missing; set it to the brokers to begin with, as host:port"));
    }
    Ok(KafkaProperties(properties))
}

fn at(name: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError::at(format!("sink.kafka.{name}"), problem)
}

fn text_of(name: &str, value: &Value) -> Result<String, ConfigError> {
    match value {
        Value::String(text) if text.is_empty() => Err(at(name, "is empty")),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
        Value::Number(_) => Err(at(name, "is a number with a fraction; put it in quotes")),
        Value::Null => Err(at(name, "is null; leave the key out")),
        Value::Object(_) => Err(at(name, "is a mapping; librdkafka properties are written flat, as bootstrap.servers: …")),
        Value::Array(_) => Err(at(name, "is a list; librdkafka properties are text, with commas where there are several")),
    }
}

/// What speaks against the property, if anything.
fn objection(name: &str, text: &str, window: u64) -> Option<String> {
    let number = text.parse::<u64>().ok();
    let above = |limit: u64| number.is_none_or(|number| number > limit);
    match name {
        "acks" | "request.required.acks" if text != "all" && text != "-1" => {
            Some(format!(r#"is "{text}"; only "all" keeps the delivery promise (set sink.kafka.{name} = "all")"#))
        }
        "enable.idempotence" if text != "true" => {
            Some(format!(r#"is "{text}"; without idempotence a retry can repeat and reorder events (set it to true or leave it out)"#))
        }
        "max.in.flight" | "max.in.flight.requests.per.connection" if above(5) => {
            Some(format!(r#"is "{text}"; the idempotent producer keeps order with at most 5 requests in flight"#))
        }
        "message.timeout.ms" | "delivery.timeout.ms" => {
            Some("is set; an event must wait for a broker however long that takes, not expire (leave it out)".into())
        }
        "transactional.id" => Some("is set; it is ringtail-{prefix}-{node.id} when transactions are used (leave it out)".into()),
        "partitioner" | "partitioner_cb" => {
            Some("is set; the partition is chosen per event so that order holds, see topics.partition_by (leave it out)".into())
        }
        "delivery.report.only.error" => Some("is set; progress moves by the reports of what was delivered (leave it out)".into()),
        "metadata.broker.list" => Some("is another name of bootstrap.servers; use that".into()),
        "queue.buffering.max.messages" if above(window) => {
            Some(format!(r#"is "{text}"; at most sink.window events are in flight (set it to {window} or less, or leave it out)"#))
        }
        "queue.buffering.max.kbytes" if above(WINDOW_BYTES >> 10) => {
            Some(format!(r#"is "{text}"; at most 16 MiB are in flight (set it to {} or less, or leave it out)"#, WINDOW_BYTES >> 10))
        }
        _ => None,
    }
}

/// Whether a property holds something that must not be printed.
pub(super) fn is_secret(name: &str) -> bool {
    ["password", "passphrase", "secret", "pem", "private", "token", "assertion", "oauthbearer.config", "jaas"]
        .iter()
        .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, ConfigError, SinkTo, parse};
    use std::collections::BTreeMap;

    fn parsed(text: &str) -> Result<Config, ConfigError> {
        parse(text, "test.yaml".as_ref(), &BTreeMap::new())
    }

    fn kafka(properties: &str) -> Result<Config, ConfigError> {
        parsed(&format!("sink: {{ kafka: {{ bootstrap.servers: \"k:9092\", {properties} }} }}\ntopics: {{ prefix: shop }}"))
    }

    #[test]
    fn librdkafka_properties_pass_through_as_text() {
        let config = kafka("linger.ms: 5, compression.type: zstd, acks: all, max.in.flight: 5, socket.keepalive.enable: true, queue.buffering.max.messages: 10000").unwrap();

        let SinkTo::Kafka(properties) = &config.sink.to else { panic!("{config:?}") };
        let found: Vec<_> = properties.iter().collect();
        assert_eq!(
            found,
            [
                ("acks", "all"),
                ("bootstrap.servers", "k:9092"),
                ("compression.type", "zstd"),
                ("linger.ms", "5"),
                ("max.in.flight", "5"),
                ("queue.buffering.max.messages", "10000"),
                ("socket.keepalive.enable", "true"),
            ]
        );
    }

    #[test]
    fn properties_that_break_the_promise_are_refused_with_the_reason() {
        for (property, expected) in [
            ("acks: 1", r#"acks is "1"; only "all" keeps the delivery promise (set sink.kafka.acks = "all")"#),
            ("request.required.acks: 0", r#"request.required.acks is "0"; only "all""#),
            ("enable.idempotence: false", r#"enable.idempotence is "false"; without idempotence"#),
            ("max.in.flight: 6", r#"max.in.flight is "6"; the idempotent producer keeps order with at most 5"#),
            ("max.in.flight.requests.per.connection: many", r#"max.in.flight.requests.per.connection is "many""#),
            ("message.timeout.ms: 1", "message.timeout.ms is set; an event must wait"),
            ("delivery.timeout.ms: 1", "delivery.timeout.ms is set; an event must wait"),
            ("transactional.id: x", "transactional.id is set"),
            ("partitioner: random", "partitioner is set; the partition is chosen per event"),
            ("delivery.report.only.error: true", "delivery.report.only.error is set; progress moves by the reports"),
            ("metadata.broker.list: x", "metadata.broker.list is another name of bootstrap.servers"),
            ("queue.buffering.max.messages: 10001", r#"queue.buffering.max.messages is "10001"; at most sink.window events"#),
            ("queue.buffering.max.kbytes: 16385", r#"queue.buffering.max.kbytes is "16385"; at most 16 MiB"#),
            ("linger.ms: 0.5", "linger.ms is a number with a fraction; put it in quotes"),
            ("ssl: { ca: x }", "ssl is a mapping; librdkafka properties are written flat"),
            ("debug: [a, b]", "debug is a list"),
        ] {
            let message = kafka(property).unwrap_err().to_string();
            assert!(message.starts_with(&format!("config: sink.kafka.{expected}")), "{message}");
        }
        assert!(
            parsed("sink: { kafka: {} }\ntopics: { prefix: p }")
                .unwrap_err()
                .to_string()
                .starts_with("config: sink.kafka.bootstrap.servers is missing")
        );
    }
}
