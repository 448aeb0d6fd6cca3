//! What the node's own `cassandra.yaml` says of its CDC.

use super::error::ConfigError;
use super::{raw, units};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The settings of the node that decide what this agent sees. `None` where the file is silent: the node's default holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSettings {
    /// `cdc_enabled`.
    pub cdc_enabled: Option<bool>,
    /// `cdc_raw_directory`.
    pub cdc_raw: Option<PathBuf>,
    /// `cdc_block_writes`: what happens at `cdc_total_space`.
    pub cdc_block_writes: Option<bool>,
    /// `cdc_total_space` in bytes; `cdc_total_space_in_mb` up to 4.0. 0 means the default, as in the node.
    pub cdc_total_space: Option<u64>,
    /// `commitlog_sync_period`; `commitlog_sync_period_in_ms` up to 4.0.
    pub sync_period: Option<Duration>,
}

impl NodeSettings {
    /// Reads a `cassandra.yaml`, of any release from 3.11 on. Keys that do not concern us may hold anything.
    ///
    /// # Errors
    /// The file cannot be read, or is not YAML.
    pub fn load(path: &Path) -> Result<NodeSettings, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let yaml = raw::parse_yaml(&text).map_err(|message| ConfigError::Syntax { path: path.to_owned(), message })?;
        Ok(NodeSettings::of(&yaml))
    }

    fn of(yaml: &Value) -> NodeSettings {
        let number = |key: &str| yaml.get(key).and_then(Value::as_u64);
        let text = |key: &str| yaml.get(key).and_then(Value::as_str);
        let space = text("cdc_total_space").and_then(units::size).or(number("cdc_total_space_in_mb").map(|mib| mib << 20));
        NodeSettings {
            cdc_enabled: yaml.get("cdc_enabled").and_then(Value::as_bool),
            cdc_raw: text("cdc_raw_directory").map(PathBuf::from),
            cdc_block_writes: yaml.get("cdc_block_writes").and_then(Value::as_bool),
            cdc_total_space: space.filter(|bytes| *bytes > 0),
            sync_period: text("commitlog_sync_period")
                .and_then(units::duration)
                .or(number("commitlog_sync_period_in_ms").map(Duration::from_millis)),
        }
    }

    /// What in these settings keeps events from coming, given where we look for them.
    pub fn problem(&self, cdc_raw: &Path) -> Option<String> {
        if self.cdc_enabled != Some(true) {
            return Some("cdc_enabled is not true: the node writes no CDC data".into());
        }
        let theirs = self.cdc_raw.as_deref().filter(|theirs| *theirs != cdc_raw)?;
        Some(format!("cdc_raw_directory is {}; expected source.cdc_raw, which is {}", theirs.display(), cdc_raw.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> NodeSettings {
        NodeSettings::of(&raw::parse_yaml(text).unwrap())
    }

    #[test]
    fn settings_are_read_under_their_names_of_4_0_and_of_4_1() {
        let old = settings("cdc_enabled: true\ncdc_raw_directory: /c\ncdc_total_space_in_mb: 4096\ncommitlog_sync_period_in_ms: 10000\n");
        let new = settings("cdc_enabled: true\ncdc_raw_directory: /c\ncdc_total_space: 4096MiB\ncommitlog_sync_period: 10s\nseeds: [x]\n");

        assert_eq!(old, new);
        assert_eq!((new.cdc_total_space, new.sync_period), (Some(4096 << 20), Some(Duration::from_secs(10))));
        assert_eq!(settings("cdc_total_space: 0MiB\ncdc_block_writes: false").cdc_total_space, None);
    }

    #[test]
    fn what_keeps_events_from_coming_is_said() {
        let enabled = |more: &str| settings(&format!("cdc_enabled: true\n{more}"));

        assert_eq!(enabled("").problem("/c".as_ref()), None);
        assert_eq!(enabled("cdc_raw_directory: /c").problem("/c/".as_ref()), None);
        assert!(settings("cdc_enabled: false").problem("/c".as_ref()).unwrap().starts_with("cdc_enabled is not true"));
        let other = enabled("cdc_raw_directory: /d").problem("/c".as_ref()).unwrap();
        assert_eq!(other, "cdc_raw_directory is /d; expected source.cdc_raw, which is /c");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = NodeSettings::load("/nowhere/cassandra.yaml".as_ref()).unwrap_err();

        assert_eq!(error.to_string(), "config: cannot read /nowhere/cassandra.yaml");
    }
}
