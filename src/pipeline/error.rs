//! What ends the process.

use crate::cdc_raw::{LookError, ReclaimError};
use crate::checkpoint::LedgerError;
use crate::sink::SinkError;
use std::path::PathBuf;

/// What ends the process: going on could break a promise, or there is nothing left to do it with.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The ledger cannot be saved or read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// `cdc_raw` or the spool cannot be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// A finished segment cannot be removed.
    #[error(transparent)]
    Reclaim(#[from] ReclaimError),
    /// The sink cannot go on.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// What was committed and what the ledger says cannot both be true.
    #[error("{0}")]
    Positions(String),
    /// A file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}
