//! What is on its way and how far everything before it has arrived.
//!
//! Events leave in log order and each takes a [`Ticket`]. Acknowledgements come back in any order. The watermark passes only a
//! contiguous prefix of the tickets, so a saved checkpoint never claims an event that has not arrived (invariant I2). A ticket
//! leaves the window when a *durable* checkpoint covers it, not when it is acknowledged: what the window bounds is what a crash
//! makes us send again.
//!
//! ```text
//! issue ─► in flight ── acknowledge (any order) ─► watermark ── take_progress ─► checkpoint ── durable(mark) ─► gone
//!              ▲                                                                      │
//!              └────────────────────────── reset (failed delivery): read again from ──┘
//! ```

mod in_flight;
#[cfg(test)]
mod tests;
mod watermark;

pub use in_flight::{EventPlace, Limits, Window};
pub use watermark::{DeliveredTo, Mark, Progress};

/// One event on its way: a number that grows by one with each event sent, given back by the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);
