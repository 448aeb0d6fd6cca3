//! Why an event has no record.

/// What is to be done with an event that cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Something outside has to answer first: wait, and encode the same event again.
    #[error("{0}")]
    Waiting(String),
    /// This event never has a record: it is kept aside, and the next goes on.
    #[error("{0}")]
    Refused(String),
}
