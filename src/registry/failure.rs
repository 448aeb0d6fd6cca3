//! Why a registry gave no id, in sentences for the operator.

use std::time::Duration;

/// When a registry is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// After the first failure that goes away by itself; twice as long after each further one, …
    pub soon_min: Duration,
    /// … up to this.
    pub soon_max: Duration,
    /// After what a person has to mend.
    pub later: Duration,
}

/// What an agent has: 250 ms to 10 s, and 30 s.
impl Default for Patience {
    fn default() -> Self {
        Patience { soon_min: Duration::from_millis(250), soon_max: Duration::from_secs(10), later: Duration::from_secs(30) }
    }
}

/// Most letters that a registry may say into our log.
const REASON_MAX: usize = 300;

/// Why there is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection, or no answer in time.
    #[error("schema registry {url} does not answer: {reason}")]
    Unreachable {
        /// Its address.
        url: String,
        /// Why.
        reason: String,
    },
    /// It answers that it cannot now, or what no registry answers.
    #[error("schema registry {url} answers {status}: {reason}")]
    Unexpected {
        /// Its address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        reason: String,
    },
    /// It does not let us.
    #[error("schema registry {url} does not let us in ({status}): {reason} (events.registry.username, password, token)")]
    Denied {
        /// Its address.
        url: String,
        /// 401 or 403.
        status: u16,
        /// What it says.
        reason: String,
    },
    /// The schema cannot follow those that are there.
    #[error(
        "the schema registry refuses the schema of subject {subject} as incompatible: {reason}; \
         nothing is skipped: change the subject's compatibility level, or the table back, and it is tried again"
    )]
    Incompatible {
        /// Under which name.
        subject: String,
        /// What it says.
        reason: String,
    },
    /// It does not take the schema for one.
    #[error("the schema registry refuses the schema of subject {subject} as invalid: {reason}")]
    Invalid {
        /// Under which name.
        subject: String,
        /// What it says.
        reason: String,
    },
    /// It does not know the schema, and we are not to tell it.
    #[error("the schema registry does not know the schema of subject {subject}: register it, or set events.registry.auto_register = true")]
    NotRegistered {
        /// Under which name.
        subject: String,
    },
}

impl Failure {
    /// Whether another address of the same registry may do better.
    pub fn is_of_one_address(&self) -> bool {
        matches!(self, Failure::Unreachable { .. } | Failure::Unexpected { .. })
    }

    /// When to ask again, after so many failures before.
    pub fn ask_again(&self, failures: u32, patience: Patience) -> Duration {
        let Patience { soon_min, soon_max, later } = patience;
        if self.is_of_one_address() { (soon_min * 2_u32.pow(failures.min(10))).min(soon_max) } else { later }
    }
}

/// What a registry said, short and on one line. Some repeat whole schemas behind what there is to say.
pub(super) fn reason(message: &str) -> String {
    let said = message.split_once("oldSchema").map_or(message, |(said, _)| said);
    let mut line: String = said.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(REASON_MAX).collect();
    if said.chars().count() > REASON_MAX {
        line.push('…');
    }
    line.trim_end_matches([' ', ',', '{', '\'', '[']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_away_by_itself_is_asked_again_sooner_and_ever_later() {
        let away = Failure::Unreachable { url: String::new(), reason: String::new() };
        let asked: Vec<u128> = (0..8).map(|failures| away.ask_again(failures, Patience::default()).as_millis()).collect();
        assert_eq!(asked, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);

        let incompatible = Failure::Incompatible { subject: String::new(), reason: String::new() };
        assert_eq!(incompatible.ask_again(7, Patience::default()), Duration::from_secs(30));
    }

    #[test]
    fn a_reason_is_one_line_without_the_schemas_that_it_repeats() {
        let confluent = "Schema being registered is incompatible with an earlier schema for subject \"t-value\", details: \
                         [{errorType:'TYPE_MISMATCH', description:'…'}, {oldSchemaVersion: 1}, {oldSchema: '{\"type\":\"record\"}'}]";
        let short = reason(confluent);
        assert!(short.starts_with("Schema being registered is incompatible"), "{short}");
        assert!(short.contains("TYPE_MISMATCH") && !short.contains("record"), "{short}");
        assert_eq!(reason("a\nb"), "a b");
        assert_eq!(reason(&"x".repeat(1000)).chars().count(), REASON_MAX + 1);
    }
}
