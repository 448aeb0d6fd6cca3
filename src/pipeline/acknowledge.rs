//! Somebody takes note of what is lost, while the agent runs.

use super::Pipeline;
use super::error::Fatal;
use crate::checkpoint::{Acknowledged, Acknowledgement};
use std::time::Duration;

/// How often it is looked whether somebody does.
const ASK_INTERVAL: Duration = Duration::from_millis(200);

impl Pipeline {
    /// Looks whether somebody takes note of something, and answers once that is durable.
    pub(super) fn acknowledge_if_asked(&mut self) -> Result<(), Fatal> {
        let Some(requests) = self.requests.clone().filter(|_| self.schedule.now >= self.schedule.next_request) else { return Ok(()) };
        self.schedule.next_request = self.schedule.now + ASK_INTERVAL;
        let asked = match Acknowledgement::asked(&requests) {
            Ok(asked) => asked,
            // Nothing of what is promised hangs on it.
            Err(error) => {
                tracing::debug!(%error, "requests cannot be looked at");
                return Ok(());
            }
        };
        for (answer, request) in asked {
            let outcomes = request.apply(&mut self.ledger, self.schedule.unix)?;
            self.ledger.save()?;
            for (name, outcome) in &outcomes {
                if let Acknowledged::Done(what) = outcome {
                    tracing::warn!(name, what, reason = request.reason, "acknowledged");
                }
            }
            if let Err(error) = Acknowledgement::answer(&answer, &outcomes) {
                tracing::warn!(%error, "a request cannot be answered");
            }
        }
        Ok(())
    }
}
