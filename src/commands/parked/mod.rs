//! `ringtail parked`: what could not be published.

mod act;
mod look;

pub use act::{discard, retry};
pub use look::{list, show};

use super::{Exit, configure, fail};
use anyhow::Context;
use ringtail::config::Config;
use ringtail::pipeline::park::{self, Listed};
use ringtail::telemetry::NodeName;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The configuration, and what lies in its folder of parked entries. Read-only: an agent may run.
fn open(config: &Path) -> Result<(Config, Vec<Listed>), Exit> {
    let config = configure(config, NodeName::default())?;
    let dir = folder(&config);
    match park::list(&dir) {
        // Nothing was ever run here.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((config, Vec::new())),
        listed => match listed.with_context(|| format!("cannot list {}", dir.display())) {
            Ok(listed) => Ok((config, listed)),
            Err(error) => Err(fail(Exit::Io, &error)),
        },
    }
}

fn folder(config: &Config) -> PathBuf {
    config.state.dir.join("parked")
}
