//! Finding the record for which a broker refuses a batch.
//!
//! A broker answers "too large" or "invalid" to a whole batch, whichever record it means; and a batch can be too
//! large though none of its records is. So what failed with the batch is sent again in groups, each an eighth of
//! the last, each only after the one before has arrived. A record that fails in a group of one is the cause; if
//! every suspect arrives, the size of the batch was.

/// A smaller group is this much smaller: about as many groups in each round.
const SHRINK: u32 = 8;

/// The search in one topic. At rest it lets everything pass.
#[derive(Debug, Default)]
pub(super) struct Isolation {
    /// Records that must still arrive before all is well.
    suspects: u32,
    /// How many records may leave together.
    group: u32,
    /// How many of the group have not left yet.
    left: u32,
    /// A batch has failed since the last reset: the group is that much smaller already.
    shrunk: bool,
}

impl Isolation {
    /// Whether a record may leave while `in_flight` others are on their way.
    pub(super) fn admits(&mut self, in_flight: u32) -> bool {
        if self.suspects > 0 && in_flight == 0 {
            self.left = self.group;
        }
        self.suspects == 0 || self.left > 0
    }

    /// A record has left.
    pub(super) fn sent(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    /// A record has arrived; `true` if it was the last suspect.
    pub(super) fn arrived(&mut self) -> bool {
        // Until the reset, what arrives was sent before the failure and is no suspect.
        if self.suspects == 0 || self.shrunk {
            return false;
        }
        self.suspects -= 1;
        self.suspects == 0
    }

    /// A record has failed with its batch, and `in_flight` others have not been reported.
    pub(super) fn suspect(&mut self, in_flight: u32) {
        if !self.shrunk {
            let together = if self.suspects > 0 { self.group } else { in_flight.saturating_add(1) };
            self.group = (together / SHRINK).max(1);
            self.suspects = 0;
            self.shrunk = true;
        }
        self.suspects = self.suspects.saturating_add(1);
    }

    /// The cause has been found.
    pub(super) fn found(&mut self) {
        *self = Isolation::default();
    }

    /// Everything is sent again, also the `in_flight` records of which nothing is known.
    pub(super) fn reset(&mut self, in_flight: u32) {
        if self.suspects > 0 {
            self.suspects = self.suspects.saturating_add(in_flight);
        }
        self.shrunk = false;
        self.left = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends what may leave together, up to `count`, and answers how many.
    fn send_group(isolation: &mut Isolation, count: u32) -> u32 {
        let mut sent = 0;
        while sent < count && isolation.admits(sent) {
            isolation.sent();
            sent += 1;
        }
        sent
    }

    #[test]
    fn at_rest_everything_passes() {
        let mut isolation = Isolation::default();

        assert_eq!(send_group(&mut isolation, 1000), 1000);
        assert!(!isolation.arrived());
    }

    #[test]
    fn groups_shrink_to_the_one_record_that_is_the_cause() {
        let mut isolation = Isolation::default();
        let mut groups = Vec::new();
        loop {
            let group = send_group(&mut isolation, 100);
            groups.push(group);
            if group == 1 {
                break;
            }
            (0..group).rev().for_each(|in_flight| isolation.suspect(in_flight));
            isolation.reset(0);
        }
        isolation.found();

        assert_eq!(groups, [100, 12, 1]);
        assert_eq!(send_group(&mut isolation, 100), 100);
    }

    #[test]
    fn next_group_leaves_after_the_last_has_arrived_and_the_last_suspect_ends_the_search() {
        let mut isolation = Isolation::default();
        (0..16).rev().for_each(|in_flight| isolation.suspect(in_flight));
        isolation.reset(0);

        for group in 0..8 {
            assert_eq!(send_group(&mut isolation, 16), 2);
            assert!(!isolation.admits(1), "one of the group is still on its way");
            assert!(!isolation.arrived());
            assert_eq!(isolation.arrived(), group == 7);
        }
        assert_eq!(send_group(&mut isolation, 16), 16);
    }

    #[test]
    fn records_of_which_nothing_is_known_are_suspects_too() {
        let mut isolation = Isolation::default();
        isolation.suspect(1);
        isolation.reset(1);

        assert!(isolation.admits(0));
        assert!(!isolation.arrived());
        assert!(isolation.arrived());
    }
}
