//! Errors as one line.

use std::iter::successors;

/// An error with its causes, for a log line or a reason.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = successors(error.source(), |cause| cause.source()).map(|cause| format!(": {cause}"));
    format!("{error}{}", causes.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot list /x")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_cause_is_said_too() {
        let error = Outer(std::io::Error::other("no such device"));

        assert_eq!(with_causes(&error), "cannot list /x: no such device");
    }
}
