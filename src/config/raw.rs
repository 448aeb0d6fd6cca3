//! What the operator wrote, over what `deploy/ringtail.yaml` says where the operator is silent.
//!
//! That file is compiled in, so it is the list of keys and of defaults; there is no second one. This module only
//! complains about form: unknown keys, a list where one value is expected, a number without its unit. What the
//! values mean together is the business of `build`.

use super::error::ConfigError;
use super::keys::{self, Shape};
use super::secret::Secret;
use super::units;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The file that holds every key with its default.
pub(super) const DEFAULTS: &str = include_str!("../../deploy/ringtail.yaml");

/// A configuration whose keys are known and whose values have the right shape.
pub(super) struct Raw {
    written: Value,
    merged: Value,
    defaults: Value,
}

/// Reads YAML into a tree; an empty document is an empty mapping.
///
/// # Errors
/// Line, column and what is wrong; never a piece of the text, which may hold a password.
pub(super) fn parse_yaml(text: &str) -> Result<Value, String> {
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    options.strict_booleans = true;
    options.leading_zero_numbers_as_strings = true;
    options.underscored_numbers_as_strings = true;
    let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?;
    Ok(if value.is_null() { Value::Object(Map::new()) } else { value })
}

/// The tree of the compiled-in defaults.
pub(super) fn defaults() -> Result<Value, ConfigError> {
    parse_yaml(DEFAULTS).map_err(|message| ConfigError::Syntax { path: "deploy/ringtail.yaml (built in)".into(), message })
}

impl Raw {
    /// Puts what was written over the defaults.
    ///
    /// # Errors
    /// An unknown key, with the nearest known one; a value of the wrong shape.
    pub(super) fn over_defaults(written: Value) -> Result<Raw, ConfigError> {
        let defaults = defaults()?;
        let mut merged = defaults.clone();
        overlay(&mut merged, &written, "", &defaults)?;
        Ok(Raw { written, merged, defaults })
    }

    /// The value that holds: written or default.
    pub(super) fn value(&self, key: &str) -> &Value {
        find(&self.merged, key)
    }

    /// The default.
    pub(super) fn default_value(&self, key: &str) -> &Value {
        find(&self.defaults, key)
    }

    /// Whether the operator wrote this key, with something other than null.
    pub(super) fn is_written(&self, key: &str) -> bool {
        !find(&self.written, key).is_null()
    }

    /// Text that may be left out; empty text is an error.
    pub(super) fn optional_text(&self, key: &str) -> Result<Option<&str>, ConfigError> {
        match self.value(key) {
            Value::Null => Ok(None),
            Value::String(text) if text.is_empty() => Err(ConfigError::at(key, "is empty")),
            Value::String(text) => Ok(Some(text)),
            _ => Err(ConfigError::at(key, "is not text; put it in quotes")),
        }
    }

    /// Text that must be there.
    pub(super) fn text(&self, key: &str) -> Result<&str, ConfigError> {
        self.optional_text(key)?.ok_or_else(|| ConfigError::at(key, "is null; expected text"))
    }

    /// Text that is never printed.
    pub(super) fn optional_secret(&self, key: &str) -> Result<Option<Secret>, ConfigError> {
        Ok(self.optional_text(key)?.map(Secret::new))
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Result<bool, ConfigError> {
        match self.value(key) {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            other => Err(ConfigError::at(key, format!("is {}; expected true or false", show(other)))),
        }
    }

    /// A whole number within `range`.
    pub(super) fn integer(&self, key: &str, range: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        let value = self.value(key);
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            ConfigError::at(key, format!("is {}; expected a whole number from {} to {}", show(value), range.start(), range.end()))
        })
    }

    /// A duration from `least` to `most`, both in the form they are printed in.
    pub(super) fn duration(&self, key: &str, least: &str, most: &str) -> Result<Duration, ConfigError> {
        self.unit(key, units::duration, units::DURATION_FORM, least, most)
    }

    /// A size in bytes of at least `least`.
    pub(super) fn size(&self, key: &str, least: &str) -> Result<u64, ConfigError> {
        self.unit(key, units::size, units::SIZE_FORM, least, "1024TiB")
    }

    /// A percentage from `least` to `most`.
    pub(super) fn percent(&self, key: &str, least: &str, most: &str) -> Result<u8, ConfigError> {
        self.unit(key, units::percent, units::PERCENT_FORM, least, most)
    }

    fn unit<T: PartialOrd>(&self, key: &str, parse: fn(&str) -> Option<T>, form: &str, least: &str, most: &str) -> Result<T, ConfigError> {
        let value = self.value(key);
        let Some(parsed) = value.as_str().and_then(parse) else {
            return Err(ConfigError::at(key, format!("is {}; expected {form}", show(value))));
        };
        if parse(least).is_some_and(|least| parsed < least) || parse(most).is_some_and(|most| parsed > most) {
            return Err(ConfigError::at(key, format!("is {}; expected {least} to {most}", show(value))));
        }
        Ok(parsed)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let value = self.value(key);
        choices.iter().find(|(word, _)| value.as_str() == Some(word)).map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            ConfigError::at(key, format!("is {}; expected {}", show(value), words.join(" or ")))
        })
    }

    /// A list of texts.
    pub(super) fn list(&self, key: &str) -> Result<Vec<&str>, ConfigError> {
        let items = self.value(key).as_array().map(Vec::as_slice).unwrap_or_default();
        let texts = items.iter().map(|item| item.as_str().filter(|text| !text.is_empty()));
        texts.collect::<Option<_>>().ok_or_else(|| ConfigError::at(key, "holds something that is not text; put it in quotes"))
    }

    /// A mapping whose keys are the operator's.
    pub(super) fn map(&self, key: &str) -> Option<&Map<String, Value>> {
        self.value(key).as_object()
    }
}

/// A value as an error message shows it. Containers are not spelt out.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Object(_) => "a mapping".into(),
        Value::Array(_) => "a list".into(),
        single => single.to_string(),
    }
}

/// The value at a path of plain keys; null where there is none.
pub(super) fn find<'a>(tree: &'a Value, key: &str) -> &'a Value {
    key.split('.').try_fold(tree, |at, part| at.get(part)).unwrap_or(&Value::Null)
}

fn overlay(base: &mut Value, written: &Value, path: &str, defaults: &Value) -> Result<(), ConfigError> {
    match keys::shape(base, path) {
        Shape::Section => overlay_section(base, written, path, defaults),
        Shape::Mapping(known) => {
            let fields = match written {
                Value::Null => return Ok(()),
                Value::Object(fields) => fields,
                _ => return Err(ConfigError::at(path, "is one value; expected a mapping")),
            };
            if let Some(unknown) = fields.keys().find(|field| known.is_some_and(|known| !known.contains(&field.as_str()))) {
                return Err(keys::unknown(&keys::join(path, unknown), defaults));
            }
            *base = written.clone();
            Ok(())
        }
        Shape::List if !written.is_array() => Err(ConfigError::at(path, "is not a list; expected [ … ]")),
        Shape::Single if written.is_array() || written.is_object() => {
            Err(ConfigError::at(path, format!("is {}; expected one value", show(written))))
        }
        Shape::List | Shape::Single => {
            *base = written.clone();
            Ok(())
        }
    }
}

fn overlay_section(base: &mut Value, written: &Value, path: &str, defaults: &Value) -> Result<(), ConfigError> {
    let fields = match written {
        // A section whose keys are all commented out.
        Value::Null => return Ok(()),
        Value::Object(fields) => fields,
        _ if path.is_empty() => return Err(ConfigError::at("the file", "is not a mapping of sections")),
        _ => return Err(ConfigError::at(path, "is one value; expected a mapping")),
    };
    for (name, value) in fields {
        let inner = keys::join(path, name);
        let Some(place) = base.get_mut(name) else { return Err(keys::unknown(&inner, defaults)) };
        overlay(place, value, &inner, defaults)?;
    }
    Ok(())
}
