//! The ledger as commands read it: from the running agent's endpoints if one runs, else from the state folder.

use super::run::repaired;
use super::{Exit, complain};
use anyhow::{Context, anyhow, bail, ensure};
use ringtail::audit::{Aside, Page};
use ringtail::checkpoint::{Ledger, OpenedLedger, StateDir, StateError};
use ringtail::config::Config;
use ringtail::pipeline::park;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long an agent has to answer. It reads its disk for that.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the ledger is read.
pub enum Source {
    /// An agent runs: it is asked.
    Agent { address: SocketAddr, pid: Option<u32> },
    /// None runs: the folder is ours for as long as this lives.
    Folder { _held: StateDir, opened: Box<OpenedLedger> },
}

/// There is nothing to read.
#[derive(Debug, thiserror::Error)]
#[error("there is no state in {0}: nothing was ever run with this configuration")]
pub struct NoState(String);

/// An agent runs and cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("an agent runs{} and does not answer at {at}", .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
pub struct NoAnswer {
    at: String,
    pid: Option<u32>,
    source: anyhow::Error,
}

impl Source {
    /// Finds out who has the ledger. Makes no state folder where there is none.
    pub fn open(config: &Config) -> anyhow::Result<Source> {
        let dir = &config.state.dir;
        let is_there = fs::exists(dir.join("VERSION")).with_context(|| format!("cannot look at {}", dir.display()))?;
        let is_left = is_there || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
        ensure!(is_left, NoState(dir.display().to_string()));
        match StateDir::open(dir) {
            Err(StateError::Held { address: Some(address), pid, .. }) => Ok(Source::Agent { address: reachable(address), pid }),
            Err(error) => Err(error.into()),
            Ok(state) => {
                let opened = Ledger::open(&state)?;
                if let Some(repair) = repaired(&opened.opened) {
                    complain(&repair);
                }
                Ok(Source::Folder { _held: state, opened: Box::new(opened) })
            }
        }
    }

    /// Whether an agent was asked.
    pub fn is_agent(&self) -> bool {
        matches!(self, Source::Agent { .. })
    }

    /// A page of the ledger: the first, or the one behind `after`.
    pub fn page(&self, after: Option<&str>) -> anyhow::Result<Page> {
        match self {
            Source::Folder { opened, .. } => Ok(Page::read(&opened.reader, after)?),
            Source::Agent { .. } => {
                let path = after.map_or_else(|| "/ledger".to_owned(), |after| format!("/ledger?after={after}"));
                serde_json::from_str(&self.ask(&path)?).context("the agent's answer is no page of its ledger (is it of another release?)")
            }
        }
    }

    /// Each page, in order.
    pub fn for_each_page(&self, mut take: impl FnMut(&Page) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut after = None;
        loop {
            let page = self.page(after.as_deref())?;
            take(&page)?;
            match page.next {
                Some(next) if Some(&next) != after.as_ref() => after = Some(next),
                _ => return Ok(()),
            }
        }
    }

    /// What the agent answers at a path.
    pub fn ask(&self, path: &str) -> anyhow::Result<String> {
        let Source::Agent { address, pid } = self else { bail!("no agent runs") };
        get(*address, path).map_err(|source| NoAnswer { at: format!("http://{address}{path}"), pid: *pid, source }.into())
    }
}

/// What lies in the folder of parked entries; may be asked while an agent runs.
pub fn parked(config: &Config) -> anyhow::Result<Aside> {
    let dir = config.state.dir.join("parked");
    match park::list(&dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Aside::default()),
        listed => {
            let listed = listed.with_context(|| format!("cannot list {}", dir.display()))?;
            Ok(Aside { entries: listed.len() as u64, bytes: listed.iter().map(|one| one.bytes).sum() })
        }
    }
}

/// What an error here ends with.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    match error {
        error if error.is::<NoState>() => Exit::Usage,
        error if error.is::<NoAnswer>() => Exit::Unavailable,
        error => super::run::exit_of(error),
    }
}

/// An agent that listens everywhere listens here, too.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// One request to our own endpoints, which say how long their answer is and close the connection.
fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: ringtail\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer).context("the answer is not text")?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| anyhow!("the answer was cut short"))?;
    let length = head.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let is_whole = length.is_none_or(|(_, length)| length.trim().parse() == Ok(body.len()));
    ensure!(is_whole, "the answer was cut short");
    let code = head.split(' ').nth(1).unwrap_or_default();
    ensure!(code == "200", "{code}: {}", body.trim_end());
    Ok(body.to_owned())
}
