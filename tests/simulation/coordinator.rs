//! The broker's side of transactions: what is sent is seen by nobody until its batch is committed, and the result of a commit may stay
//! unknown.

use crate::broker::News;
use ringtail::progress::Ticket;
use ringtail::sink::Positions;

/// The batches of one transactional id, over the lives of its producers.
#[derive(Default)]
pub struct Coordinator {
    /// At the broker, seen by nobody yet.
    staged: Vec<(News, Ticket)>,
    /// The batch that is being committed.
    ending: Option<Positions>,
    /// The record of positions that a reader finds.
    committed: Option<Positions>,
    /// Those that were committed since somebody last looked.
    pub news: Vec<Positions>,
    outcome: Option<Result<u64, String>>,
    /// Whether the producer was told what was committed last.
    recovered: bool,
    lives: u64,
}

/// What a committed batch holds: events that are seen now, and their tickets.
pub struct Committed {
    /// The events.
    pub news: Vec<News>,
    /// Of the producer that sent them.
    pub tickets: Vec<Ticket>,
}

impl Coordinator {
    /// Whether records are taken.
    pub fn is_open(&self) -> bool {
        self.recovered && self.ending.is_none()
    }

    /// Whether a batch waits for its end.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// A record has reached the broker.
    pub fn stage(&mut self, news: News, ticket: Ticket) {
        self.staged.push((news, ticket));
    }

    /// The batch is to be committed with these positions.
    pub fn end(&mut self, positions: &Positions) {
        self.ending = Some(positions.clone());
    }

    /// It is committed. Whether the producer hears of it is another matter.
    pub fn commit(&mut self, heard: bool) -> Option<Committed> {
        let positions = self.ending.take()?;
        self.outcome = Some(if heard { Ok(positions.seq) } else { Err("nobody knows, says the model".into()) });
        self.committed = Some(positions.clone());
        self.news.push(positions);
        let (news, tickets) = self.staged.drain(..).unzip();
        Some(Committed { news, tickets })
    }

    /// It is not committed, and the producer does not know that.
    pub fn abort(&mut self) {
        self.staged.clear();
        self.ending = None;
        self.outcome = Some(Err("nobody knows, says the model".into()));
    }

    /// A new producer, perhaps of a new process: what was not committed is gone.
    pub fn reset(&mut self) {
        let (committed, news) = (self.committed.take(), std::mem::take(&mut self.news));
        *self = Coordinator { committed, news, lives: self.lives + 1, ..Coordinator::default() };
    }

    /// What was committed last, told once.
    pub fn recovered(&mut self) -> Option<Option<Positions>> {
        (!std::mem::replace(&mut self.recovered, true)).then(|| self.committed.clone())
    }

    /// What has become of the last commit, told once.
    pub fn outcome(&mut self) -> Option<Result<u64, String>> {
        self.outcome.take()
    }

    /// The producer's name among those of its transactional id.
    pub fn instance(&self) -> String {
        self.lives.to_string()
    }
}
