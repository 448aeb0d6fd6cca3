//! `ringtail parked retry` and `discard`: by the running agent, or here if none runs.

use super::open;
use crate::commands::run::{self, Agent};
use crate::commands::{Exit, ParkedDiscardArgs, ParkedRetryArgs, complain, fail, schema_file, shell, tell};
use anyhow::anyhow;
use ringtail::checkpoint::{Ledger, StateDir, StateError, UnixMillis};
use ringtail::config::Config;
use ringtail::pipeline;
use ringtail::pipeline::park::{Action, Answer, Outcome, Place, Request, Requests};
use ringtail::telemetry::NodeName;
use std::time::{Duration, Instant, SystemTime};

/// How long the agent may take to see a request.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);
/// How long a discard may take.
const DISCARDED_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked for the answer.
const LOOK: Duration = Duration::from_millis(50);

pub fn retry(args: &ParkedRetryArgs) -> Exit {
    let (config, listed) = match open(&args.config.config) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    if listed.is_empty() {
        return nothing(&args.places);
    }
    let places = (!args.all).then(|| args.places.iter().map(Place::to_string).collect());
    let request = Request { action: Action::Retry, places };
    shell::allow_many_files();
    let result = schema_file::configured(&config)
        .and_then(|tables| Agent::start(config.clone(), tables, NodeName::default(), false))
        .and_then(|agent| agent.retry(&request, args.timeout));
    match result {
        Ok(Some(answer)) => report(&answer),
        Ok(None) => fail(Exit::Unavailable, &anyhow!("not done in time: what was not delivered stays parked")),
        Err(error) => or_by_the_agent(&config, &request, args.timeout, error),
    }
}

pub fn discard(args: &ParkedDiscardArgs) -> Exit {
    let (config, listed) = match open(&args.config.config) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    if listed.is_empty() {
        return nothing(&args.places);
    }
    let request =
        Request { action: Action::Discard(args.reason.clone()), places: Some(args.places.iter().map(Place::to_string).collect()) };
    if !args.yes {
        let Ok((meant, _)) = request.select(listed.iter().map(|one| one.place)) else { return Exit::Usage };
        let bytes: u64 = listed.iter().filter(|one| meant.contains(&one.place)).map(|one| one.bytes).sum();
        return fail(Exit::Usage, &anyhow!("this gives up {} parked entries, {bytes} bytes, for ever: say --yes to do it", meant.len()));
    }
    match discard_here(&config, &request, &args.reason) {
        Ok(answer) => report(&answer),
        Err(error) => or_by_the_agent(&config, &request, DISCARDED_WITHIN, error),
    }
}

fn discard_here(config: &Config, request: &Request, reason: &str) -> anyhow::Result<Answer> {
    let state = StateDir::open(&config.state.dir)?;
    let mut ledger = Ledger::open(&state)?.ledger;
    let mut parked = pipeline::open_parked(&state.parked(), config.state.parked_limit, &mut ledger)?;
    let (meant, missing) = request.select(parked.places()).map_err(|error| anyhow!(error))?;
    let discarded = pipeline::discard(&mut ledger, &mut parked, &meant, reason, UnixMillis::from(SystemTime::now()))?;
    let discarded = discarded.into_iter().map(|(place, bytes)| (place.to_string(), Outcome::Discarded(bytes)));
    let missing = missing.into_iter().map(|place| (place.to_string(), Outcome::NotParked));
    Ok(Answer { outcomes: discarded.chain(missing).collect() })
}

/// The folder is held: whoever holds it is asked to do it.
fn or_by_the_agent(config: &Config, request: &Request, timeout: Duration, error: anyhow::Error) -> Exit {
    if !matches!(error.downcast_ref(), Some(StateError::Held { .. })) {
        return fail(run::exit_of(&error), &error);
    }
    let requests = Requests::new(config.state.dir.join("requests"));
    match by_the_agent(&requests, request, timeout) {
        Ok(Asked::Answered(answer)) => report(&answer),
        Ok(Asked::NotTaken) => {
            fail(Exit::Held, &error.context("nothing was done: no request was taken within 5s (see the agent's /readyz)"))
        }
        Ok(Asked::NotDone) => {
            let text = "the agent has taken the request and is not done with it: look again with ringtail parked list";
            fail(Exit::Unavailable, &anyhow!(text))
        }
        Err(error) => fail(Exit::Io, &error.context("cannot ask the running agent")),
    }
}

enum Asked {
    Answered(Answer),
    NotTaken,
    NotDone,
}

fn by_the_agent(requests: &Requests, request: &Request, timeout: Duration) -> anyhow::Result<Asked> {
    let name = requests.ask(request)?;
    let begun = Instant::now();
    let mut is_taken = false;
    loop {
        std::thread::sleep(LOOK);
        if let Some(answer) = requests.fetch(&name)? {
            return Ok(Asked::Answered(answer));
        }
        if !is_taken && begun.elapsed() >= TAKEN_WITHIN {
            if requests.withdraw(&name)? {
                return Ok(Asked::NotTaken);
            }
            is_taken = true;
        }
        if begun.elapsed() >= timeout.max(TAKEN_WITHIN) {
            return Ok(Asked::NotDone);
        }
    }
}

/// Nothing at all is parked.
fn nothing(places: &[Place]) -> Exit {
    if places.is_empty() {
        tell("nothing is parked");
        return Exit::Done;
    }
    report(&Answer { outcomes: places.iter().map(|place| (place.to_string(), Outcome::NotParked)).collect() })
}

/// A line for each, and the sum of them. To standard error: events may go to standard output.
fn report(answer: &Answer) -> Exit {
    let (mut delivered, mut discarded, mut left) = (0, 0, 0);
    for (place, outcome) in &answer.outcomes {
        match outcome {
            Outcome::Delivered => {
                delivered += 1;
                tell(&format!("{place}: delivered"));
            }
            Outcome::Discarded(bytes) => {
                discarded += 1;
                tell(&format!("{place}: discarded, {bytes} bytes"));
            }
            Outcome::Kept(why) => {
                left += 1;
                complain(&format!("{place}: stays parked: {why}"));
            }
            Outcome::NotParked => {
                left += 1;
                complain(&format!("{place}: is not parked"));
            }
        }
    }
    let counts = [(delivered, "delivered"), (discarded, "discarded"), (left, "left as they were")];
    let counts: Vec<String> = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    tell(&counts.join(", "));
    if left > 0 { Exit::Data } else { Exit::Done }
}
