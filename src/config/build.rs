//! From what was written to what can be run: values get their types, and keys are checked against each other.

use super::columns;
use super::error::ConfigError;
use super::events::{self, EnvelopeKind};
use super::kafka;
use super::not_built;
use super::outbox;
use super::raw::Raw;
use super::tables::TableFilter;
use super::topics;
use super::types::*;
use crate::keystore::{Keystore, KeystoreType};
use crate::schema::TablePattern;
use std::path::{Path, PathBuf};
use tracing::Level;

/// Builds a configuration.
///
/// # Errors
/// The first setting that is unusable, not built yet, or contradicts another one.
pub(super) fn build(raw: &Raw) -> Result<Config, ConfigError> {
    not_built::refuse(raw)?;
    only_default(raw)?;
    let sink = sink(raw)?;
    let config = Config {
        node: node(raw)?,
        source: source(raw)?,
        state: state(raw)?,
        schema: schema(raw)?,
        tables: TableFilter { include: patterns(raw, "tables.include")?, exclude: patterns(raw, "tables.exclude")? },
        columns: columns::columns(raw)?,
        events: events::events(raw)?,
        outbox: outbox::outbox(raw)?,
        topics: topics::topics(raw, &sink.to)?,
        sink,
        http: http(raw)?,
        log: log(raw)?,
    };
    check_together(&config)?;
    Ok(config)
}

/// Settings of which one value is built: anything else is misspelt, or was refused before.
fn only_default(raw: &Raw) -> Result<(), ConfigError> {
    raw.choice("source.from", &[("oldest", ())])?;
    Ok(())
}

fn node(raw: &Raw) -> Result<Node, ConfigError> {
    let id = raw.text("node.id")?;
    if id == "auto" {
        return Ok(Node { id: None });
    }
    if id.len() > 128 || !id.chars().all(is_name_letter) {
        return Err(ConfigError::at("node.id", format!("is {id:?}; expected at most 128 letters, digits, '.', '_' and '-'")));
    }
    Ok(Node { id: Some(id.to_owned()) })
}

fn source(raw: &Raw) -> Result<Source, ConfigError> {
    Ok(Source {
        cdc_raw: raw.text("source.cdc_raw")?.into(),
        commitlog: optional_path(raw, "source.commitlog")?,
        cassandra_yaml: optional_path(raw, "source.cassandra_yaml")?,
        read: raw.choice("source.read", &[("marked", ReadMode::Marked), ("synced", ReadMode::Synced)])?,
        poll_min: raw.duration("source.poll_min", "1ms", "10s")?,
        poll_max: raw.duration("source.poll_max", "1ms", "10s")?,
        rescan: raw.duration("source.rescan", "100ms", "1h")?,
        finished: raw
            .choice("source.finished", &[("delete", Finished::Delete), ("keep", Finished::Keep), ("archive", Finished::Archive)])?,
        archive: optional_path(raw, "source.archive")?,
        on_damage: raw.choice("source.on_damage", &[("quarantine", OnDamage::Quarantine), ("halt", OnDamage::Halt)])?,
        encryption: encryption(raw)?,
    })
}

fn encryption(raw: &Raw) -> Result<Option<Keystore>, ConfigError> {
    if !raw.is_written("source.encryption") {
        return Ok(None);
    }
    let kinds = [("jceks", KeystoreType::Jceks), ("jks", KeystoreType::Jks), ("pkcs12", KeystoreType::Pkcs12)];
    let kind = match raw.value("source.encryption.type") {
        serde_json::Value::Null => None,
        _ => Some(raw.choice("source.encryption.type", &kinds)?),
    };
    let password = raw.optional_secret("source.encryption.store_password")?;
    let password = password.ok_or_else(|| ConfigError::at("source.encryption.store_password", "is null; expected text"))?;
    Ok(Some(Keystore {
        path: raw.text("source.encryption.keystore")?.into(),
        kind,
        store_password: password.expose().to_owned(),
        key_password: raw.optional_secret("source.encryption.key_password")?.map(|password| password.expose().to_owned()),
    }))
}

fn state(raw: &Raw) -> Result<State, ConfigError> {
    Ok(State {
        dir: raw.text("state.dir")?.into(),
        spool: Spool {
            limit: raw.size("state.spool.limit", "1MiB")?,
            full: raw.choice("state.spool.full", &[("hold", Full::Hold), ("drop_oldest", Full::DropOldest)])?,
            release: raw.choice("state.spool.release", &[("early", Release::Early), ("delivered", Release::Delivered)])?,
            min_free: raw.percent("state.spool.min_free", "0%", "99%")?,
        },
        parked_limit: raw.size("state.parked.limit", "1MiB")?,
    })
}

fn schema(raw: &Raw) -> Result<Schema, ConfigError> {
    let cql = Cql {
        contact_points: raw.list("schema.cql.contact_points")?.into_iter().map(str::to_owned).collect(),
        login: pair(raw, "schema.cql.username", "schema.cql.password")?
            .map(|(username, password)| Login { username: username.to_owned(), password }),
        tls: tls(raw)?,
        local_dc: raw.optional_text("schema.cql.local_dc")?.map(str::to_owned),
    };
    Ok(Schema {
        cql,
        file: optional_path(raw, "schema.file")?,
        log: raw.flag("schema.log")?,
        wait: raw.duration("schema.wait", "0s", "1h")?,
    })
}

fn tls(raw: &Raw) -> Result<Option<Tls>, ConfigError> {
    let ca = optional_path(raw, "schema.cql.tls.ca")?;
    let identity =
        pair(raw, "schema.cql.tls.cert", "schema.cql.tls.key")?.map(|(cert, key)| (PathBuf::from(cert), PathBuf::from(key.expose())));
    Ok((ca.is_some() || identity.is_some()).then_some(Tls { ca, identity }))
}

/// Two texts that only make sense together; the second is not printed.
pub(super) fn pair<'a>(raw: &'a Raw, first: &str, second: &str) -> Result<Option<(&'a str, super::Secret)>, ConfigError> {
    match (raw.optional_text(first)?, raw.optional_secret(second)?) {
        (Some(a), Some(b)) => Ok(Some((a, b))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(ConfigError::at(second, format!("is missing; {first} is set and needs it"))),
        (None, Some(_)) => Err(ConfigError::at(first, format!("is missing; {second} is set and needs it"))),
    }
}

fn patterns(raw: &Raw, key: &str) -> Result<Vec<TablePattern>, ConfigError> {
    let texts = raw.list(key)?;
    if key == "tables.include" && texts.is_empty() {
        return Err(ConfigError::at(key, r#"is empty, so nothing would be published (set ["*.*"] for every table)"#));
    }
    let pattern = |text: &str| {
        TablePattern::parse(text)
            .ok_or_else(|| ConfigError::at(key, format!("holds {text:?}; expected keyspace.table, with * for any letters")))
    };
    texts.into_iter().map(pattern).collect()
}

fn sink(raw: &Raw) -> Result<Sink, ConfigError> {
    let window = raw.integer("sink.window", 1..=1_000_000)?;
    let chosen: Vec<&str> = ["kafka", "file", "stdout"].into_iter().filter(|name| raw.is_written(&format!("sink.{name}"))).collect();
    let to = match chosen.as_slice() {
        [] | ["stdout"] => SinkTo::Stdout,
        ["file"] => SinkTo::File(raw.text("sink.file.path")?.into()),
        ["kafka"] => match raw.map("sink.kafka") {
            Some(properties) => SinkTo::Kafka(kafka::properties(properties, window)?),
            None => return Err(ConfigError::at("sink.kafka", "is one value; expected a mapping of librdkafka properties")),
        },
        several => return Err(ConfigError::at("sink", format!("names {}; expected exactly one", several.join(" and ")))),
    };
    let window = usize::try_from(window).map_err(|_| ConfigError::at("sink.window", "is too large for this machine"))?;
    let deliveries = [("at_least_once", Delivery::AtLeastOnce), ("exactly_once", Delivery::ExactlyOnce)];
    let delivery = raw.choice("sink.delivery", &deliveries)?;
    if delivery == Delivery::ExactlyOnce && !matches!(to, SinkTo::Kafka(_)) {
        return Err(ConfigError::at(
            "sink.delivery",
            "is \"exactly_once\", which needs Kafka's transactions; a file and standard output have none (set sink.kafka)",
        ));
    }
    Ok(Sink { to, breaker: breaker(raw)?, window, delivery, commit_interval: raw.duration("sink.commit_interval", "10ms", "2s")? })
}

fn breaker(raw: &Raw) -> Result<Breaker, ConfigError> {
    Ok(Breaker {
        errors: raw.percent("sink.breaker.errors", "1%", "100%")?,
        of: usize::try_from(raw.integer("sink.breaker.of", 1..=1000)?).unwrap_or(usize::MAX),
        timeout: raw.duration("sink.breaker.timeout", "1s", "1h")?,
        probe: raw.duration("sink.breaker.probe", "100ms", "1h")?,
    })
}

fn http(raw: &Raw) -> Result<Http, ConfigError> {
    let text = raw.text("http.listen")?;
    let listen = text
        .parse()
        .map_err(|_| ConfigError::at("http.listen", format!("is {text:?}; expected address:port, for example 127.0.0.1:9640")))?;
    Ok(Http { listen })
}

fn log(raw: &Raw) -> Result<Log, ConfigError> {
    let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    let levels = [("error", Level::ERROR), ("warn", Level::WARN), ("info", Level::INFO), ("debug", Level::DEBUG), ("trace", Level::TRACE)];
    Ok(Log { format: raw.choice("log.format", &formats)?, level: raw.choice("log.level", &levels)? })
}

fn check_together(config: &Config) -> Result<(), ConfigError> {
    let Source { poll_min, poll_max, cdc_raw, .. } = &config.source;
    if poll_min > poll_max {
        return Err(ConfigError::at("source.poll_min", format!("is {poll_min:?}, above source.poll_max, which is {poll_max:?}")));
    }
    events::check(&config.events)?;
    match (&config.source.archive, config.source.finished) {
        (None, Finished::Archive) => {
            return Err(ConfigError::at("source.archive", "is missing; source.finished = archive needs it"));
        }
        (Some(archive), Finished::Archive) if is_within(archive, cdc_raw) => {
            return Err(ConfigError::at(
                "source.archive",
                "lies in source.cdc_raw, where finished segments would be found again; put it beside",
            ));
        }
        _ => {}
    }
    if config.events.envelope == EnvelopeKind::Outbox && config.outbox.is_empty() {
        return Err(ConfigError::at("events.envelope", "is \"outbox\", and outbox.tables names no table, so nothing would be published"));
    }
    if is_within(&config.state.dir, cdc_raw) {
        return Err(ConfigError::at(
            "state.dir",
            "lies in source.cdc_raw, where Cassandra counts it against cdc_total_space; put it beside",
        ));
    }
    Ok(())
}

/// By name only: links are not followed, since nothing need exist yet.
fn is_within(inner: &Path, outer: &Path) -> bool {
    let plain = |path: &Path| path.components().filter(|part| !matches!(part, std::path::Component::CurDir)).collect::<PathBuf>();
    plain(inner).starts_with(plain(outer))
}

fn optional_path(raw: &Raw, key: &str) -> Result<Option<PathBuf>, ConfigError> {
    Ok(raw.optional_text(key)?.map(PathBuf::from))
}

pub(super) fn is_name_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}
