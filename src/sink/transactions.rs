//! Records that become visible in batches, each with what it says of the log.

use super::{Positions, SendError};

/// The batches of a sink that makes records visible as a whole, or not at all.
///
/// A batch begins with the first record that is sent after the last one ended. Its tickets are reported delivered when the batch is
/// committed, and not before. After a failure of any kind the sink is reset: the batch under way is gone, or, if it had ended, may
/// have been committed all the same. What is true is what [`Transactions::recovered`] finds then.
pub trait Transactions {
    /// What the last committed batch of this node says, or that there never was one: once after the sink was made, and once after each
    /// reset. Until it has answered nothing can be sent. From then on no older producer of this node can commit anything.
    fn recovered(&mut self) -> Option<Option<Positions>>;

    /// The name of this process in its records.
    fn instance(&self) -> String;

    /// Ends the batch: everything that was sent since the last one, and `positions`, become visible together. A batch may be empty.
    /// Does not wait: [`Transactions::outcome`] says what came of it.
    ///
    /// # Errors
    /// As [`super::Sink::send`]: the record of positions could not be handed over, and the batch goes on.
    fn commit(&mut self, positions: &Positions) -> Result<(), SendError>;

    /// What came of the last commit, once: its number, or why the sink has to be reset. Also of a sink that could not begin. The
    /// tickets of the batch were reported by then.
    fn outcome(&mut self) -> Option<Result<u64, String>>;
}
