use super::*;
use crate::position::{LogicalPosition, SegmentId};

const KEY: SegmentKey = SegmentKey { id: SegmentId(1760000000001), incarnation: 0 };
const NOW: UnixMillis = UnixMillis(1760000005000);

fn record() -> SegmentRecord {
    SegmentRecord::new("CommitLog-7-1760000000001.log".into(), 7, 42, NOW)
}

fn take_over(ledger: &mut Ledger, to: u32) -> Moved {
    ledger.take_over(KEY, record(), LogicalPosition(to), "offsets", NOW).unwrap()
}

#[test]
fn a_position_that_is_taken_over_is_durable_and_on_record() {
    let store = MemoryStore::new();
    let mut ledger = Ledger::load(Box::new(store.clone())).unwrap();

    let moved = take_over(&mut ledger, 900);
    ledger.save().unwrap();

    assert_eq!(moved, Moved::From(LogicalPosition(0)));
    let ledger = Ledger::load(Box::new(store)).unwrap();
    assert_eq!(ledger.get(KEY).unwrap().delivered_to.position, LogicalPosition(900));
    let trail = ledger.trail();
    assert_eq!((trail.len(), trail[0].what, trail[0].to.as_deref(), &*trail[0].reason), (1, Deed::Imported, Some("900"), "offsets"));
    assert!(ledger.meta(META_MOVED).is_some(), "it holds against positions in kafka");
}

#[test]
fn a_position_never_goes_back_by_it() {
    let mut ledger = Ledger::load(Box::new(MemoryStore::new())).unwrap();
    take_over(&mut ledger, 900);

    for to in [899, 900] {
        assert_eq!(take_over(&mut ledger, to), Moved::Not("it is delivered up to 900 already".into()));
    }
    assert_eq!(take_over(&mut ledger, 901), Moved::From(LogicalPosition(900)));
    ledger.update(KEY, |record| record.end = Some(901)).unwrap();
    ledger.enter(KEY, SegmentState::Final, NOW).unwrap();
    ledger.enter(KEY, SegmentState::Delivered, NOW).unwrap();
    assert_eq!(take_over(&mut ledger, 950), Moved::Not("it is delivered".into()));
    assert_eq!(ledger.trail().len(), 2);
}
