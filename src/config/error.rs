//! What is wrong with a configuration.

use std::path::PathBuf;

/// Why a configuration cannot be used. The caller ends with exit code 64.
///
/// Names the key and what would be right. Never holds the value of a password or of a file that was put in.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file cannot be read.
    #[error("config: cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not YAML, or not YAML that a configuration can be made of.
    #[error("config: {} is not valid YAML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// A file named by `${file:…}` cannot be read.
    #[error("config: {key} takes its value from {}, which cannot be read", path.display())]
    ValueFile {
        /// The key whose value names the file.
        key: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A setting is unknown, unusable, or contradicts another one.
    #[error("config: {key} {problem}")]
    Setting {
        /// The full key path, or the environment variable that names it.
        key: String,
        /// What is wrong and what to write instead.
        problem: String,
    },
}

impl ConfigError {
    /// A complaint about one setting.
    pub(super) fn at(key: impl Into<String>, problem: impl Into<String>) -> ConfigError {
        ConfigError::Setting { key: key.into(), problem: problem.into() }
    }
}
