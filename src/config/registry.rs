//! `events.registry`: the schema registry.

use super::build::pair;
use super::error::ConfigError;
use super::raw::Raw;
use super::secret::Secret;
use super::types::Login;
use std::path::PathBuf;
use std::time::Duration;

/// `events.registry`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// Addresses of one registry, without a slash at the end, tried in turn; empty: there is none.
    pub urls: Vec<String>,
    /// Under which names schemas are kept.
    pub subject: SubjectName,
    /// A schema that the registry does not know is registered; otherwise it is waited for.
    pub auto_register: bool,
    /// Who we are.
    pub auth: Option<RegistryAuth>,
    /// PEM file of the authority; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// `events.registry.subject`, as Confluent's strategies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectName {
    /// Topic, and `-key` or `-value` (`TopicNameStrategy`).
    Topic,
    /// The name of the record (`RecordNameStrategy`).
    Record,
    /// Topic, `-`, the name of the record (`TopicRecordNameStrategy`).
    TopicRecord,
}

/// How we say who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryAuth {
    /// User and password.
    Basic(Login),
    /// A bearer token.
    Token(Secret),
}

/// Reads the section.
pub(super) fn registry(raw: &Raw) -> Result<Registry, ConfigError> {
    let subjects = [("topic", SubjectName::Topic), ("record", SubjectName::Record), ("topic_record", SubjectName::TopicRecord)];
    Ok(Registry {
        urls: raw.optional_text("events.registry.url")?.map_or(Ok(Vec::new()), urls)?,
        subject: raw.choice("events.registry.subject", &subjects)?,
        auto_register: raw.flag("events.registry.auto_register")?,
        auth: auth(raw)?,
        ca: raw.optional_text("events.registry.tls.ca")?.map(PathBuf::from),
        timeout: raw.duration("events.registry.timeout", "100ms", "1m")?,
    })
}

/// Addresses with commas between them. They are not repeated in errors: one may hold a password.
fn urls(text: &str) -> Result<Vec<String>, ConfigError> {
    let wrong = |problem: &str| Err(ConfigError::at("events.registry.url", problem));
    let mut urls = Vec::new();
    for url in text.split(',').map(str::trim) {
        let Some(host) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else {
            return wrong("holds something else than addresses like http://host:8081, with commas between them");
        };
        if host.contains('@') {
            return wrong("holds a user; set events.registry.username and password");
        }
        let is_plain = host.chars().all(|letter| letter.is_ascii_graphic() && !matches!(letter, '?' | '#' | ';' | '"' | '<' | '>'));
        if host.trim_end_matches('/').is_empty() || host.starts_with('/') || !is_plain {
            return wrong("holds an address without a host, or with letters that none has");
        }
        urls.push(url.trim_end_matches('/').to_owned());
    }
    Ok(urls)
}

fn auth(raw: &Raw) -> Result<Option<RegistryAuth>, ConfigError> {
    let login = pair(raw, "events.registry.username", "events.registry.password")?;
    match (login, raw.optional_secret("events.registry.token")?) {
        (None, None) => Ok(None),
        (Some((username, password)), None) => Ok(Some(RegistryAuth::Basic(Login { username: username.to_owned(), password }))),
        (Some(_), Some(_)) => Err(ConfigError::at("events.registry.token", "is set beside events.registry.username; expected one of them")),
        (None, Some(token)) if token.expose().bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some(RegistryAuth::Token(token))),
        (None, Some(_)) => Err(ConfigError::at("events.registry.token", "holds a space, a line end or a letter beyond ASCII")),
    }
}
