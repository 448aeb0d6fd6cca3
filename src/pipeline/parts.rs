//! What the loop is made of, and what it goes by.

use super::clock::Clock;
use super::tables::Tables;
use crate::cdc_raw::Folders;
use crate::checkpoint::Ledger;
use crate::config;
use crate::keystore::Keystore;
use crate::telemetry::{Metrics, SharedStatus};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What of the configuration the loop goes by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether growing segments are read up to `_cdc.idx` only (`source.read: synced`).
    pub synced: bool,
    /// Shortest wait between two looks at a growing segment.
    pub poll_min: Duration,
    /// Longest wait, when nothing happens.
    pub poll_max: Duration,
    /// How often the folder is listed whatever the watcher said.
    pub rescan: Duration,
    /// When reading pauses because the sink takes nothing.
    pub breaker: config::Breaker,
    /// Whether nothing behind damaged bytes is read (`source.on_damage: halt`).
    pub halt_on_damage: bool,
    /// How much may be held only by our links, and when names in `cdc_raw` go.
    pub spool: config::Spool,
    /// Whether the account of each ended segment is sent (`topics.audit`).
    pub accounts: bool,
    /// Whether the node removes the oldest segments when CDC has no space left (`cdc_block_writes: false`), where that is known.
    pub node_removes: Option<bool>,
    /// How long a batch takes events, where the sink has batches (`sink.commit_interval`).
    pub commit_interval: Duration,
}

/// What the loop works with.
pub struct Parts {
    /// The ledger.
    pub ledger: Ledger,
    /// Where segments come from and go.
    pub folders: Folders,
    /// The folder of parked entries, and its limit in bytes.
    pub parked: (PathBuf, u64),
    /// Where commands leave what they ask for.
    pub requests: Option<PathBuf>,
    /// Schemas.
    pub tables: Tables,
    /// Where the keys of encrypted segments are.
    pub keystore: Option<Keystore>,
    /// For the endpoints.
    pub metrics: Arc<Metrics>,
    /// For the endpoints.
    pub status: SharedStatus,
    /// The machine's, but in tests.
    pub clock: Clock,
}
