//! All that a node does in a test, made of the recordings: the same segments again and again, with other choices each time.

use super::expected::{Event, Expected, Reader, name};
use super::plan::{Ending, Plan};
use super::recorded::{Recorded, Recording};
use super::segment::Layout;
use ringtail::sink::faults::Choices;
use std::collections::BTreeMap;

/// The recordings, `rounds` times, each segment full, stopped or killed.
pub fn plan<'c>(recorded: &'c Recorded, seed: u64, rounds: u64) -> Plan<'c> {
    let mut choices = Choices::new(seed ^ 0x5eed);
    let mut plan = Plan::new(&recorded.catalog, seed, 1_800_000_000_000);
    let sequence: Vec<&Recording> = (0..rounds).flat_map(|_| &recorded.segments).collect();
    for (i, recording) in sequence.iter().enumerate() {
        let next = sequence.get(i + 1).unwrap_or(recording);
        let sections = Layout::of(&recording.bytes).sections.len() as u64;
        let ending = match choices.below(4) {
            // A log that a kill cut short has bytes behind its last marker: it ends by a kill here too, at the latest.
            _ if recording.name.contains("unclean") => Ending::Kill(sections as usize - choices.below(3) as usize),
            0 => Ending::Kill(choices.below(sections + 1) as usize),
            1 => Ending::Stop,
            _ => Ending::Full,
        };
        plan.segment(&recording.bytes, ending, &next.bytes);
    }
    plan.end();
    plan
}

/// What each segment must give, by its id.
pub fn expect(recorded: &Recorded, plan: &Plan<'_>) -> BTreeMap<u64, Expected> {
    let none = |_: &Event| false;
    let mut reader = Reader::new(&recorded.catalog, &none);
    let read = |(id, content): (&u64, &super::node::Content)| {
        let one = reader.read(content.name, &content.bytes).unwrap_or_else(|error| panic!("{}: {error}", content.name));
        assert_eq!(one.damages, 0, "{} is whole", content.name);
        (*id, one)
    };
    plan.contents.iter().map(read).collect()
}

/// All of it as one, in the order of the ids.
pub fn together(expected: &BTreeMap<u64, Expected>) -> Expected {
    let mut all = Expected::default();
    for one in expected.values() {
        all.events.extend(one.events.iter().cloned());
        all.parked.extend(&one.parked);
    }
    all
}
