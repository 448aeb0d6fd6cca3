//! What a command asks of the running agent, and what the agent answers: files in a folder of the state, whose names begin with
//! `parked-`.
//!
//! ```text
//! NAME.request   written by the command, under another name first
//! NAME.taken     the same, once the agent has seen it; after a crash it is seen again
//! NAME.answer    written by the agent; the command reads and removes it
//! ```

use super::folder::write_durably;
use super::note::Place;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How the names of our files begin: others may lie beside them.
const PREFIX: &str = "parked-";
/// An answer that nobody has fetched for so long goes.
const FETCHED_WITHIN: Duration = Duration::from_secs(600);

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is to be done.
    pub action: Action,
    /// With what, as [`Place`] prints it; `segment:position` stands for all that is parked of the entry. All that is parked if `None`.
    pub places: Option<Vec<String>>,
}

/// What is to be done with parked entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Publish them.
    Retry,
    /// Do without them, for this reason.
    Discard(String),
}

/// What has become of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The entry as it was asked for, and what became of it.
    pub outcomes: Vec<(String, Outcome)>,
}

/// What has become of one parked entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was published, and is not parked any more.
    Delivered,
    /// It stays, for this reason.
    Kept(String),
    /// It was discarded: so many bytes.
    Discarded(u64),
    /// Nothing is parked under this position.
    NotParked,
}

impl Request {
    /// Which of these are meant, and what was named and is not there.
    ///
    /// # Errors
    /// A name that is none.
    pub fn select(&self, parked: impl Iterator<Item = Place>) -> Result<(Vec<Place>, Vec<Place>), String> {
        let Some(names) = &self.places else { return Ok((parked.collect(), Vec::new())) };
        let named = names.iter().map(|name| name.parse()).collect::<Result<Vec<Place>, String>>()?;
        let is_meant = |place: &Place, by: &Place| place == by || by.ordinal.is_none() && place.at == by.at;
        let meant: Vec<Place> = parked.filter(|place| named.iter().any(|by| is_meant(place, by))).collect();
        let missing = named.into_iter().filter(|by| !meant.iter().any(|place| is_meant(place, by))).collect();
        Ok((meant, missing))
    }
}

/// The folder, on either side.
#[derive(Debug)]
pub struct Requests(PathBuf);

impl Requests {
    /// The folder, which need not exist yet.
    pub fn new(dir: PathBuf) -> Requests {
        Requests(dir)
    }

    /// The agent's start: what it had begun is to be done again, and answers that nobody fetched go.
    ///
    /// # Errors
    /// What the file system says.
    pub fn begin(&self) -> io::Result<()> {
        for path in self.files()? {
            match path.extension().and_then(|kind| kind.to_str()) {
                Some("taken") => fs::rename(&path, path.with_extension("request"))?,
                Some("answer" | "partial") if is_old(&path) => fs::remove_file(&path)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The agent's side: takes a request, if there is one. One that cannot be read is answered at once.
    ///
    /// # Errors
    /// What the file system says.
    pub fn take(&self) -> io::Result<Option<(String, Request)>> {
        let mut waiting: Vec<PathBuf> = self.files()?.filter(|path| path.extension().is_some_and(|kind| kind == "request")).collect();
        waiting.sort();
        for path in waiting {
            let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
            match fs::rename(&path, path.with_extension("taken")) {
                // Whoever asked has given up.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                renamed => renamed?,
            }
            match serde_json::from_slice(&fs::read(path.with_extension("taken"))?) {
                Ok(request) => return Ok(Some((name.to_owned(), request))),
                Err(error) => {
                    tracing::warn!(request = name, %error, "a request that cannot be read is left undone");
                    self.answer(name, &Answer::default())?;
                }
            }
        }
        Ok(None)
    }

    /// The agent's side: answers.
    ///
    /// # Errors
    /// What the file system says.
    pub fn answer(&self, name: &str, answer: &Answer) -> io::Result<()> {
        write_durably(&self.path(name, "answer"), &serde_json::to_vec(answer)?)?;
        fs::remove_file(self.path(name, "taken"))
    }

    /// The command's side: asks. Returns the request's name.
    ///
    /// # Errors
    /// What the file system says.
    pub fn ask(&self, request: &Request) -> io::Result<String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("{PREFIX}{}-{}", now.as_nanos(), std::process::id());
        write_durably(&self.path(&name, "request"), &serde_json::to_vec(request)?)?;
        Ok(name)
    }

    /// The command's side: the answer, once it is there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn fetch(&self, name: &str) -> io::Result<Option<Answer>> {
        let path = self.path(name, "answer");
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            bytes => {
                let answer = serde_json::from_slice(&bytes?)?;
                fs::remove_file(&path)?;
                Ok(Some(answer))
            }
        }
    }

    /// The command's side: takes the request back. False if the agent has it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn withdraw(&self, name: &str) -> io::Result<bool> {
        match fs::remove_file(self.path(name, "request")) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        }
    }

    fn path(&self, name: &str, kind: &str) -> PathBuf {
        self.0.join(format!("{name}.{kind}"))
    }

    fn files(&self) -> io::Result<impl Iterator<Item = PathBuf>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            entries => entries?.collect::<io::Result<Vec<_>>>()?,
        };
        let is_ours = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        Ok(entries.into_iter().filter(is_ours).map(|entry| entry.path()))
    }
}

fn is_old(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|file| file.modified());
    modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > FETCHED_WITHIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(places: &[&str]) -> Request {
        Request { action: Action::Retry, places: Some(places.iter().map(|place| (*place).to_owned()).collect()) }
    }

    fn all(texts: &[&str]) -> Vec<Place> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_request_is_taken_once_and_answered() {
        let dir = tempfile::tempdir().unwrap();
        let (command, agent) = (Requests::new(dir.path().into()), Requests::new(dir.path().into()));

        let name = command.ask(&retry(&["5:900"])).unwrap();
        assert_eq!(agent.take().unwrap(), Some((name.clone(), retry(&["5:900"]))));
        assert_eq!((agent.take().unwrap(), command.fetch(&name).unwrap()), (None, None));
        assert!(!command.withdraw(&name).unwrap(), "the agent has it");
        let answer = Answer { outcomes: vec![("5:900".into(), Outcome::Delivered)] };
        agent.answer(&name, &answer).unwrap();

        assert_eq!(command.fetch(&name).unwrap(), Some(answer));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_the_agent_had_begun_when_it_died_is_done_again() {
        let dir = tempfile::tempdir().unwrap();
        let requests = Requests::new(dir.path().into());
        let name = requests.ask(&retry(&["5:900"])).unwrap();
        requests.take().unwrap();

        requests.begin().unwrap();

        assert_eq!(requests.take().unwrap(), Some((name, retry(&["5:900"]))));
    }

    #[test]
    fn a_request_can_be_taken_back_until_it_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let requests = Requests::new(dir.path().into());
        let name = requests.ask(&retry(&[])).unwrap();

        assert!(requests.withdraw(&name).unwrap());

        assert_eq!(requests.take().unwrap(), None);
        assert_eq!(Requests::new("/nowhere".into()).take().unwrap(), None, "a folder that is not there holds no request");
    }

    #[test]
    fn a_request_that_is_not_one_is_answered_with_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let requests = Requests::new(dir.path().into());
        fs::write(dir.path().join("parked-1-1.request"), "{").unwrap();
        fs::write(dir.path().join("other-1-1.request"), "{").unwrap();

        assert_eq!(requests.take().unwrap(), None);

        assert_eq!(requests.fetch("parked-1-1").unwrap(), Some(Answer::default()));
        assert!(dir.path().join("other-1-1.request").exists(), "it is not ours");
    }

    #[test]
    fn a_position_without_event_means_all_that_is_parked_of_the_entry() {
        let parked = || all(&["5:900", "5:900/3", "6:1/0", "6:1/2"]).into_iter();

        assert_eq!(retry(&["5:900", "6:1/2", "7:1"]).select(parked()).unwrap(), (all(&["5:900", "5:900/3", "6:1/2"]), all(&["7:1"])));
        assert_eq!(Request { action: Action::Retry, places: None }.select(parked()).unwrap(), (parked().collect(), Vec::new()));
        assert!(retry(&["x"]).select(parked()).is_err());
    }
}
