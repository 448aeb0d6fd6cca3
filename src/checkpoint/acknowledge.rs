//! Taking note of what is lost or quarantined: here, or by the running agent, which is asked through files in `requests/`.
//!
//! ```text
//! audit-NAME.acknowledge    written by the command, under another name first; the agent does it, saves, answers, removes it
//! audit-NAME.acknowledged   the answer; the command reads and removes it
//! ```
//!
//! To do it twice is no harm, so a request that a crash left behind is done again.

use super::ledger::{Ledger, LedgerError};
use super::record::{SegmentKey, SegmentState, UnixMillis};
use crate::position::SegmentId;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How the names of our files begin: others may lie beside them.
const PREFIX: &str = "audit-";
const ASKED: &str = "acknowledge";
const ANSWERED: &str = "acknowledged";

/// What somebody takes note of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Segments by id or file name, gaps as `gap:1`.
    pub names: Vec<String>,
    /// Why it is well so.
    pub reason: String,
}

/// What has become of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acknowledged {
    /// It is not reported any more. What it was.
    Done(String),
    /// There was nothing to take note of; why.
    Not(String),
}

impl Acknowledgement {
    /// Does it, name by name. The caller saves.
    ///
    /// # Errors
    /// The ledger's.
    pub fn apply(&self, ledger: &mut Ledger, now: UnixMillis) -> Result<Vec<(String, Acknowledged)>, LedgerError> {
        self.names.iter().map(|name| Ok((name.clone(), self.apply_one(name, ledger, now)?))).collect()
    }

    fn apply_one(&self, name: &str, ledger: &mut Ledger, now: UnixMillis) -> Result<Acknowledged, LedgerError> {
        if let Some(number) = name.strip_prefix("gap:") {
            let number = number.parse().unwrap_or(0);
            let text = ledger.gaps().into_iter().nth(usize::wrapping_sub(number, 1)).map(|gap| gap.text);
            let done = ledger.acknowledge_gap(number, &self.reason, now);
            return Ok(match text {
                Some(text) if done => Acknowledged::Done(text),
                Some(_) => Acknowledged::Not("is acknowledged already".into()),
                None => Acknowledged::Not("is not on record".into()),
            });
        }
        let Some(id) = name.parse::<SegmentKey>().ok().map(|key| key.id).or_else(|| id_of_file(name)) else {
            return Ok(Acknowledged::Not("is no segment and no gap: expected an id, a file name, or gap:1".into()));
        };
        let is_meant = |state: SegmentState| matches!(state, SegmentState::Lost(_) | SegmentState::Quarantined);
        let meant: Vec<(SegmentKey, SegmentState)> = ledger
            .live()
            .filter(|(key, record)| key.id == id && is_meant(record.state()))
            .map(|(key, record)| (key, record.state()))
            .collect();
        for (key, _) in &meant {
            ledger.acknowledge(*key, &self.reason, now)?;
        }
        Ok(match (meant.first(), ledger.newest(id)?) {
            (Some((_, state)), _) => Acknowledged::Done(state.to_string()),
            (None, Some((_, record))) => Acknowledged::Not(format!("is {}: there is nothing to acknowledge", record.state())),
            (None, None) => Acknowledged::Not("is not on record".into()),
        })
    }

    /// The command's side: asks. Where the answer will be.
    ///
    /// # Errors
    /// The file system's.
    pub fn ask(&self, requests: &Path) -> io::Result<PathBuf> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(requests)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let path = requests.join(format!("{PREFIX}{}-{}.{ASKED}", now.as_nanos(), std::process::id()));
        write(&path, &serde_json::to_vec(self)?)?;
        Ok(path.with_extension(ANSWERED))
    }

    /// The command's side: the answer, once it is there.
    ///
    /// # Errors
    /// The file system's.
    pub fn fetch(answer: &Path) -> io::Result<Option<Vec<(String, Acknowledged)>>> {
        match fs::read(answer) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            bytes => {
                let outcomes = serde_json::from_slice(&bytes?)?;
                fs::remove_file(answer)?;
                Ok(Some(outcomes))
            }
        }
    }

    /// The command's side: gives up waiting for this answer.
    pub fn withdraw(answer: &Path) {
        // It was taken meanwhile, or it stays and is done later: both are no harm.
        fs::remove_file(answer.with_extension(ASKED)).unwrap_or_default();
    }

    /// The agent's side: what is asked, and where the answer goes.
    ///
    /// # Errors
    /// The file system's.
    pub fn asked(requests: &Path) -> io::Result<Vec<(PathBuf, Acknowledgement)>> {
        let entries = match fs::read_dir(requests) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut asked = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let is_ours = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
            if !is_ours || path.extension().is_none_or(|kind| kind != ASKED) {
                continue;
            }
            match fs::read(&path).map(|bytes| serde_json::from_slice(&bytes)) {
                Ok(Ok(request)) => asked.push((path.with_extension(ANSWERED), request)),
                // What is no request is nobody's.
                Ok(Err(_)) => fs::remove_file(&path)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(asked)
    }

    /// The agent's side: answers what is durable.
    ///
    /// # Errors
    /// The file system's.
    pub fn answer(answer: &Path, outcomes: &[(String, Acknowledged)]) -> io::Result<()> {
        write(answer, &serde_json::to_vec(outcomes)?)?;
        fs::remove_file(answer.with_extension(ASKED))
    }
}

/// The id in `CommitLog-7-1795374647657.log`.
fn id_of_file(name: &str) -> Option<SegmentId> {
    let (_, id) = name.strip_prefix("CommitLog-")?.strip_suffix(".log")?.split_once('-')?;
    id.parse().ok().map(SegmentId)
}

/// Whoever looks sees all of the file or nothing.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(partial, path)
}
