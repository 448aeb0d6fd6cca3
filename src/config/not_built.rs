//! Values that are known but whose feature is not built yet: refused by name, so that nobody relies on what does not act.
//!
//! Building a feature means deleting its line here and its sentence "Not built yet" in `deploy/ringtail.yaml`.

use super::error::ConfigError;
use super::raw::{self, Raw};
use serde_json::Value;

/// Which values of a key are refused.
pub(super) enum Refused {
    /// These words.
    Words(&'static [&'static str]),
    /// Everything but the default.
    OtherThanDefault,
}
use Refused::{OtherThanDefault, Words};

/// Every key that has values whose feature is not built.
pub(super) const NOT_BUILT: &[(&str, Refused)] = &[
    ("source.read", Words(&["appended"])),
    ("source.from", Words(&["now"])),
    ("source.rate_limit", OtherThanDefault),
    ("events.envelope", Words(&["cloudevents"])),
    ("events.serializer", Words(&["protobuf"])),
    ("events.heartbeat", OtherThanDefault),
    ("topics.dead_letter", OtherThanDefault),
];

/// Refuses the first such value.
///
/// # Errors
/// Names the key, the value and what works now. Values that are not one word of a known few are not repeated: an
/// address may hold a password.
pub(super) fn refuse(raw: &Raw) -> Result<(), ConfigError> {
    NOT_BUILT.iter().try_for_each(|(key, refused)| refuse_one(raw, key, refused))
}

fn refuse_one(raw: &Raw, key: &str, refused: &Refused) -> Result<(), ConfigError> {
    let (value, default) = (raw.value(key), raw.default_value(key));
    let found = plain(value);
    let problem = match refused {
        Words(words) if words.contains(&found.as_str()) => format!("is {}, which is not built yet", raw::show(value)),
        OtherThanDefault if found != plain(default) && !is_nothing(value, default) => "is set, which is not built yet".into(),
        _ => return Ok(()),
    };
    Err(ConfigError::at(key, format!("{problem} (set {key} = {})", plain(default))))
}

/// An environment variable and `${…}` give text where the file may have a number: both forms are the same value.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Null where the default is an empty mapping.
fn is_nothing(value: &Value, default: &Value) -> bool {
    value.is_null() && default.as_object().is_some_and(serde_json::Map::is_empty)
}
