//! What the operator wrote, checked, and what is built from it.
//!
//! Two steps. `raw` reads YAML over the defaults of `deploy/ringtail.yaml`, which is compiled in and is the only list
//! of keys; it complains about form. `build` gives values their types and checks them against each other. Between file
//! and checks come, in this order: `RINGTAIL_SECTION__KEY` from the environment, then `${env:NAME}` and `${file:/path}`
//! inside values.
//!
//! ```
//! # use std::collections::BTreeMap;
//! let env = BTreeMap::from([("RINGTAIL_SOURCE__POLL_MAX".to_owned(), "100ms".to_owned())]);
//! let config = ringtail::config::parse("topics: { prefix: shop }", "ringtail.yaml".as_ref(), &env)?;
//! assert_eq!(config.topics.prefix, "shop");
//! assert_eq!(config.source.poll_max.as_millis(), 100);
//! # Ok::<(), ringtail::config::ConfigError>(())
//! ```

mod build;
mod columns;
#[cfg(test)]
mod deploy_tests;
mod env;
mod error;
mod events;
mod interpolate;
mod kafka;
mod keys;
mod node_settings;
mod not_built;
mod outbox;
mod raw;
mod registry;
mod secret;
mod tables;
#[cfg(test)]
mod tests;
mod topics;
mod types;
mod units;

pub use crate::schema::TablePattern;
pub use columns::{ColumnAction, ColumnRule, ColumnRules};
pub use error::ConfigError;
pub use events::{EnvelopeKind, Events, SerializerKind};
pub use kafka::WINDOW_BYTES;
pub use node_settings::NodeSettings;
pub use registry::{Registry, RegistryAuth, SubjectName};
pub use secret::Secret;
pub use tables::TableFilter;
pub use types::*;
pub use units::{duration as parse_duration, size as parse_size};

use std::collections::BTreeMap;
use std::path::Path;

/// Reads the file at `path`, with `env` as the environment (see [`environment`]).
///
/// # Errors
/// The file cannot be read, or as [`parse`].
pub fn load(path: &Path, env: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(&text, path, env)
}

/// Reads a configuration from text; `name` is what errors call it.
///
/// # Errors
/// The first thing that is wrong, with its key and what would be right.
pub fn parse(text: &str, name: &Path, env: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
    let mut written = raw::parse_yaml(text).map_err(|message| ConfigError::Syntax { path: name.to_owned(), message })?;
    env::override_from(env, &mut written)?;
    interpolate::replace_all(&mut written, env)?;
    build::build(&raw::Raw::over_defaults(written)?)
}

/// The process's environment; variables that are not UTF-8 are left out.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}
