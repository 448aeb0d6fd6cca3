//! The known keys: their shape, and the nearest one to a key that is not known.

use super::error::ConfigError;
use serde_json::Value;

/// What may stand at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A section: keys as in the defaults.
    Section,
    /// A mapping as a whole: with these keys, or with any.
    Mapping(Option<&'static [&'static str]>),
    /// A list.
    List,
    /// One value.
    Single,
}

/// Mappings that are null or empty by default, and their keys where these are known.
const MAPPINGS: &[(&str, Option<&[&str]>)] = &[
    ("source.encryption", Some(&["keystore", "type", "store_password", "key_password"])),
    ("tables.columns", None),
    ("events.headers", None),
    ("outbox.tables", None),
    ("topics.tables", None),
    ("topics.create", Some(&["partitions", "replication_factor", "config"])),
    ("sink.kafka", None),
    ("sink.file", Some(&["path"])),
    ("sink.stdout", Some(&[])),
];

/// The shape of the key at `path`, whose default is `default`.
pub(super) fn shape(default: &Value, path: &str) -> Shape {
    match (MAPPINGS.iter().find(|(key, _)| *key == path), default) {
        (Some((_, known)), _) => Shape::Mapping(*known),
        (None, Value::Object(_)) => Shape::Section,
        (None, Value::Array(_)) => Shape::List,
        (None, _) => Shape::Single,
    }
}

/// `path` and `name` as one path.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Every known key: sections, and what is in them.
pub(super) fn all(defaults: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    collect(defaults, "", &mut keys);
    keys
}

fn collect(value: &Value, path: &str, keys: &mut Vec<String>) {
    if !path.is_empty() {
        keys.push(path.to_owned());
    }
    match shape(value, path) {
        Shape::Section => {
            for (name, inner) in value.as_object().into_iter().flatten() {
                collect(inner, &join(path, name), keys);
            }
        }
        Shape::Mapping(Some(known)) => keys.extend(known.iter().map(|name| join(path, name))),
        Shape::Mapping(None) | Shape::List | Shape::Single => {}
    }
}

/// The complaint about a key that is not known.
pub(super) fn unknown(key: &str, defaults: &Value) -> ConfigError {
    ConfigError::at(key, format!("is not a setting; {}", suggestion(key, defaults)))
}

/// Names the nearest known key.
pub(super) fn suggestion(key: &str, defaults: &Value) -> String {
    match nearest(key, defaults) {
        Some(nearest) => format!("the nearest is {nearest}"),
        None => "deploy/ringtail.yaml lists them all".into(),
    }
}

/// A key of the same name in another section goes before one that merely looks alike.
fn nearest(key: &str, defaults: &Value) -> Option<String> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |known: &String| (last(known) != last(key), strsim::damerau_levenshtein(known, key));
    all(defaults).into_iter().min_by_key(distance)
}
