//! The agent beside a real node, in front of a real broker.

use super::lab::{Cassandra, Kafka};
use super::process::{Running, ringtail};
use std::path::{Path, PathBuf};

/// Its configuration and its log.
pub struct Agent {
    /// The file.
    pub config: PathBuf,
    /// What it printed, over all its starts.
    pub log: PathBuf,
}

impl Agent {
    /// Writes a configuration: `schema` is that section without its braces, `more` are further lines.
    pub fn configure(folder: &Path, node: &Cassandra, broker: &Kafka, schema: &str, prefix: &str, more: &str) -> Agent {
        Agent::configure_as(folder, node, broker, schema, prefix, more, "at_least_once")
    }

    /// The same with this `sink.delivery`.
    pub fn configure_as(folder: &Path, node: &Cassandra, broker: &Kafka, schema: &str, prefix: &str, more: &str, delivery: &str) -> Agent {
        let (config, log) = (folder.join("ringtail.yaml"), folder.join("ringtail.log"));
        let text = format!(
            "source: {{ cdc_raw: {}, commitlog: {} }}\n\
             state: {{ dir: {} }}\n\
             schema: {{ {schema} }}\n\
             topics: {{ prefix: {prefix} }}\n\
             sink: {{ kafka: {{ bootstrap.servers: \"{}\" }}, window: {WINDOW}, delivery: {delivery} }}\n\
             {more}\n",
            node.cdc_raw().display(),
            node.commitlog().display(),
            state_dir(node).display(),
            broker.bootstrap(),
        );
        std::fs::write(&config, text).expect("a writable folder");
        Agent { config, log }
    }

    /// Starts it, with these arguments behind `run --config`.
    pub fn start(&self, more: &[&str]) -> Running {
        let config = self.config.display().to_string();
        let fixed = ["run", "--config", &config];
        Running::start(ringtail(fixed.into_iter().chain(more.iter().copied())), &self.log)
    }
}

/// `sink.window`: what one kill may repeat.
pub const WINDOW: usize = 1000;

/// `state.dir`: under one mount with `cdc_raw`, for the hard links.
pub fn state_dir(node: &Cassandra) -> PathBuf {
    node.dir().join("ringtail")
}

/// The names in `cdc_raw` that are a segment or its idx.
pub fn left_in(cdc_raw: &Path) -> Vec<String> {
    let names = std::fs::read_dir(cdc_raw).expect("cdc_raw").map(|entry| entry.expect("a readable folder").file_name());
    names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.ends_with(".log") || name.ends_with("_cdc.idx")).collect()
}

/// The number in this variable of the environment, or `default`.
pub fn setting(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}
