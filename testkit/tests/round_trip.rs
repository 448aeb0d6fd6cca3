//! What the encoder writes is what the decoder reads, and both agree with recorded bytes.

use proptest::prelude::*;
use ringtail::position::FileOffset;
use ringtail_testkit::segment::Damage;
use ringtail_testkit::{check, strategy, target};

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_described_is_read(choices in strategy::choices()) {
        target::structured(&choices);
    }

    #[test]
    fn i5_damage_takes_what_it_hits_and_is_named(workload in strategy::workload(), place: prop::sample::Index, how in 0..5) {
        let segment = workload.segment();
        let bodies = workload.bodies();
        let Some((section, entries)) = pick(&segment, place) else { return Ok(()) };
        let without = |from: usize, to: usize| -> Vec<&[u8]> {
            let kept = |at: usize, entry: usize| at != section || entry < from || entry >= to;
            let all = bodies.iter().enumerate().flat_map(|(at, section)| section.iter().enumerate().map(move |(entry, body)| (at, entry, body)));
            all.filter(|(at, entry, _)| kept(*at, *entry)).map(|(_, _, body)| body.as_slice()).collect()
        };
        let entry = entries / 2;
        let (damage, expected) = match (how, segment.is_plain) {
            (0, true) => (Damage::EntryBody { section, entry }, without(entry, entry + 1)),
            (1, true) => (Damage::EntrySize { section, entry }, without(entry, entries)),
            // The entries of a plain section hold without their marker; a compressed one is lost with it.
            (2, true) => (Damage::MarkerTorn(section), without(0, 0)),
            (2, false) => (Damage::MarkerTorn(section), without(0, entries)),
            (3, _) => (Damage::MarkerCrc(section), without(0, entries)),
            (4, true) => (Damage::MarkerNext { section, next: 1 }, without(0, 0)),
            _ => (Damage::Cut(segment.sections[section].next - 1), Vec::new()),
        };

        let read = check::segment(&segment.damaged(damage)).unwrap();

        if !matches!(damage, Damage::Cut(_)) {
            prop_assert_eq!(read.bodies(), expected, "{:?}", damage);
        }
        let says_so = damage == Damage::MarkerTorn(section) && segment.is_plain;
        prop_assert!(says_so || read.damages.iter().any(|damage| damage.file.start >= FileOffset(segment.sections[section].marker as u64)));
    }
}

/// A section with entries, and how many.
fn pick(segment: &ringtail_testkit::segment::Segment, place: prop::sample::Index) -> Option<(usize, usize)> {
    let sections: Vec<usize> = (0..segment.sections.len()).filter(|at| !segment.sections[*at].entries.is_empty()).collect();
    let section = *sections.get(place.index(sections.len().max(1)))?;
    Some((section, segment.sections[section].entries.len()))
}
