//! What the encoder writes is what the decoder reads, and both agree with recorded bytes.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use ringtail::position::FileOffset;
use ringtail::schema::Catalog;
use ringtail_testkit::described::{ColumnData, PartitionUpdate};
use ringtail_testkit::segment::Damage;
use ringtail_testkit::{check, strategy, target};
use std::collections::BTreeMap;

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

/// What the serializers write in more than one form, by name, as a body shows it.
fn forms(update: &PartitionUpdate, catalog: &Catalog) -> Vec<&'static str> {
    let table = catalog.table(update.table).unwrap();
    let mut forms = Vec::new();
    let mut form = |holds: bool, name| forms.extend(holds.then_some(name));
    form(update.is_empty(), "empty update");
    form(update.partition_deletion.is_some(), "partition deletion");
    form(update.static_row.is_some(), "static row");
    form(update.header.stats.is_some(), "chosen minima");
    for marker in update.markers() {
        form(marker.kind.is_boundary(), "boundary");
        form(marker.values.is_empty(), "bound without values");
        form(marker.values.len() > 32, "bound of two groups");
    }
    for row in update.rows() {
        let complex = || {
            row.columns.iter().filter_map(|column| match &column.data {
                ColumnData::Complex { deletion, .. } => Some(deletion),
                ColumnData::Simple(_) => None,
            })
        };
        let expiry = row.liveness.and_then(|liveness| liveness.expiry);
        form(row.clustering.len() > 32, "clustering of two groups");
        form(row.clustering.contains(&None), "null clustering");
        form(row.clustering.contains(&Some(Vec::new())), "empty clustering");
        form(expiry.is_some(), "expiring row");
        form(row.deletion.is_some_and(|deletion| deletion.shadowable), "shadowable deletion");
        form(complex().any(Option::is_some) && complex().any(Option::is_none), "deletion beside LIVE");
        form(table.regulars.len() >= 64 && row.columns.len() > 32 && row.columns.len() < 63, "few columns of many missing");
        form(table.regulars.len() >= 64 && (1..20).contains(&row.columns.len()), "few columns of many present");
        for cell in row.columns.iter().flat_map(|column| column.data.cells()) {
            form(cell.timestamp.0 < 0, "negative timestamp");
            form(row.liveness.is_some_and(|liveness| liveness.timestamp == cell.timestamp), "row's timestamp");
            form(expiry.is_some() && expiry == cell.ttl.zip(cell.local_deletion_time), "row's expiry");
            form(cell.ttl.is_some(), "expiring cell");
            form(cell.value.is_none(), "tombstone");
            form(cell.path.is_some(), "element");
            form(cell.local_deletion_time.is_some_and(|time| time.0 > i32::MAX as u32), "time after 2038");
        }
    }
    forms
}

#[test]
fn the_generator_reaches_every_form() {
    let mut seen = BTreeMap::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..512 {
        let workload = strategy::workload().new_tree(&mut runner).unwrap().current();
        for update in workload.sections.iter().flatten().flat_map(|mutation| &mutation.updates) {
            forms(update, &workload.catalog).into_iter().for_each(|form| *seen.entry(form).or_insert(0) += 1);
        }
    }

    println!("{seen:?}");
    assert_eq!(seen.len(), 22, "{seen:?}");
    assert!(seen.values().all(|count| *count > 2), "{seen:?}");
}
