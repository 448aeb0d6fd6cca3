//! What must hold, asked after each effect: the invariants of `src/architecture.md`, by their numbers.

use crate::broker::News;
use crate::disk::{ARCHIVE, CDC_RAW, PARKED, QUARANTINE, SPOOL};
use crate::entries::pool;
use crate::model::Model;
use crate::node::{Placed, Segment, Standing};
use ringtail::checkpoint::{Batch, CheckpointStore, SegmentKey, SegmentRecord, SegmentState};
use ringtail::position::SegmentId;
use ringtail::progress::DeliveredTo;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Events of one place, by the Cassandra partition: the last that arrived for the first time.
pub type Lanes = BTreeMap<Vec<u8>, (u64, u32, u32)>;

thread_local! {
    static LANES: std::cell::RefCell<Lanes> = const { std::cell::RefCell::new(BTreeMap::new()) };
}

/// A new run begins.
pub fn begin() {
    LANES.with_borrow_mut(BTreeMap::clear);
}

/// I1, I4, I8: what has arrived is what was written, under a marker, equal to itself, and in order when it arrives for the first time.
pub fn note_news(model: &mut Model) {
    for News { place, lane, late, hash } in std::mem::take(&mut model.broker.news) {
        if let Err(what) = admissible(model, place) {
            return model.violate(what);
        }
        match model.broker.arrived.insert(place, hash) {
            Some(_) if model.broker.coordinator.is_some() => return model.violate(format!("I8: {place:?} is seen twice, exactly once")),
            Some(before) if before != hash => return model.violate(format!("I8: {place:?} came again with other content")),
            Some(_) => {
                model.broker.repeats += 1;
                continue;
            }
            None if late || has_no_order(model, place) => continue,
            None => {}
        }
        let before = LANES.with_borrow_mut(|lanes| lanes.insert(lane, place));
        if let Some(before) = before.filter(|before| *before > place) {
            return model.violate(format!("I1: {place:?} arrived after {before:?} of the same partition"));
        }
    }
    note_commits(model);
}

/// I2 of the positions record: what it counts as delivered is seen, or durably parked; and it ends between two entries.
fn note_commits(model: &mut Model) {
    let Some(coordinator) = &mut model.broker.coordinator else { return };
    for positions in std::mem::take(&mut coordinator.news) {
        for listed in &positions.segments {
            let (id, to) = (SegmentId(listed.id), listed.delivered_to);
            let what = match settled_below(model, id, to) {
                Ok(_) if to.ordinal == 0 => continue,
                Ok(_) => format!("I8: batch {} ends within an entry, at {id}:{to:?}", positions.seq),
                Err(what) => format!("I2: the positions record of batch {}: {what}", positions.seq),
            };
            return model.violate(what);
        }
    }
}

/// What comes back after it was lost comes late; and what the node itself has lost stands nowhere.
fn has_no_order(model: &Model, (segment, position, _): (u64, u32, u32)) -> bool {
    let is_torn = |placed: &Placed| placed.end == position && placed.standing == Standing::Torn;
    model.node.segment(segment).is_some_and(|segment| segment.vandalized || segment.entries.iter().any(is_torn))
}

fn admissible(model: &Model, (segment, position, ordinal): (u64, u32, u32)) -> Result<(), String> {
    let place = (segment, position, ordinal);
    let written = model.node.segment(segment).and_then(|segment| {
        let at = segment.entries.binary_search_by_key(&position, |placed| placed.end).ok()?;
        segment.entries.get(at)
    });
    match written {
        Some(placed) if !pool().templates[placed.template].events.contains(&ordinal) => {
            Err(format!("I8: {place:?} arrived and is no event that is published"))
        }
        None => Err(format!("I8: {place:?} arrived and was never written")),
        Some(Placed { standing: Standing::Written | Standing::Dropped, .. }) => {
            Err(format!("I4: {place:?} arrived and was never under a marker"))
        }
        Some(Placed { standing: Standing::Damaged, .. }) => Err(format!("I8: {place:?} arrived and is damaged")),
        Some(Placed { standing: Standing::Marked | Standing::Synced | Standing::Torn, .. }) => Ok(()),
    }
}

/// Whether everything of an entry has durably arrived, or is durably kept aside: the first event of which that is not true.
fn unsettled(model: &Model, segment: &Segment, placed: &Placed, below: u32) -> Option<u32> {
    let (id, end) = (segment.name.id.0, placed.end);
    let is_parked = |stem: String| model.disk.durable[PARKED].contains_key(&format!("{stem}.entry"));
    let events = pool().templates[placed.template].events.iter().filter(|ordinal| **ordinal < below);
    let mut left = events.copied().filter(|ordinal| !model.broker.acknowledged.contains(&(id, end, *ordinal))).peekable();
    left.peek()?;
    if is_parked(format!("{id}-{end}")) {
        return None;
    }
    left.find(|ordinal| !is_parked(format!("{id}-{end}-{ordinal}")))
}

/// I2: everything of a segment that is counted as delivered has arrived, or is kept. How many of its entries need not be asked again; or
/// what is not so.
fn settled_below(model: &Model, id: SegmentId, to: DeliveredTo) -> Result<usize, String> {
    let Some(segment) = model.node.segment(id.0) else { return Err(format!("there never was a segment {id}")) };
    let mut checked = segment.checked;
    for placed in segment.entries.get(checked..).unwrap_or_default() {
        let below = if placed.end <= to.position.0 { u32::MAX } else { to.ordinal };
        if let Some(ordinal) = placed.is_due().then(|| unsettled(model, segment, placed, below)).flatten() {
            let end = placed.end;
            return Err(format!("it is at {to:?}, and event {ordinal} of the entry at {id}:{end} has neither arrived nor is it parked"));
        }
        // What is not under a marker yet may come there.
        if placed.end > to.position.0 || matches!(placed.standing, Standing::Written) {
            break;
        }
        checked += 1;
    }
    Ok(checked)
}

/// I2, I3: a durable record says nothing that is not so.
pub fn after_save(model: &mut Model, batch: &Batch, is_durable: bool) {
    if !is_durable {
        return;
    }
    for (key, record) in &batch.records {
        let checked = match settled_below(model, key.id, record.delivered_to) {
            Ok(checked) => checked,
            Err(what) => return model.violate(format!("I2: the durable record of {key}: {what}")),
        };
        let id = key.id.0;
        let is_vandalized = model.node.segment(id).is_some_and(|segment| segment.vandalized);
        let is_at_work = matches!(record.state(), SegmentState::Open | SegmentState::Final);
        let linked = [SPOOL, QUARANTINE].iter().any(|folder| model.disk.is_durable_in(*folder, record.inode));
        if is_at_work && !linked && !is_vandalized {
            return model.violate(format!("I3: the ledger counts on a link of segment {key} that a power loss may take"));
        }
        if let Some(segment) = model.node.segments.iter_mut().find(|segment| segment.name.id.0 == id) {
            segment.checked = checked;
        }
    }
}

fn durable_record(model: &Model, id: u64) -> Option<SegmentRecord> {
    model.store.durable_record(SegmentKey::first(SegmentId(id))).expect("a readable record")
}

/// Whether everything of a segment has arrived or is kept.
fn is_settled(model: &Model, segment: &Segment) -> bool {
    segment
        .entries
        .iter()
        .skip(segment.checked)
        .filter(|placed| placed.is_due())
        .all(|placed| unsettled(model, segment, placed, u32::MAX).is_none())
}

/// I3: the agent is about to remove a name.
pub fn before_unlink(model: &mut Model, folder: usize, inode: u64) {
    let Some(segment) = model.node.segments.iter().find(|segment| segment.inode == inode) else { return };
    let id = segment.name.id.0;
    let record = durable_record(model, id);
    let is_ours = model.disk.is_durable_in(SPOOL, inode) || model.disk.is_durable_in(QUARANTINE, inode);
    let is_done = record.as_ref().is_some_and(|record| match record.state() {
        SegmentState::Delivered | SegmentState::Finished(_) => record.is_covered() && segment.closed && is_settled(model, segment),
        // Given up, and on record.
        SegmentState::Lost(_) => true,
        _ => false,
    });
    let what = match folder {
        CDC_RAW if model.keeps => Some("a name in cdc_raw goes although finished segments are kept there"),
        // In this moment somebody removes our link.
        CDC_RAW if segment.vandalized => None,
        CDC_RAW if !(is_done || is_ours && record.is_some()) => Some("its name in cdc_raw goes, and nothing durable holds it"),
        SPOOL if !is_done && !model.disk.is_durable_in(QUARANTINE, inode) => Some("our link goes, and no durable record covers its end"),
        _ => None,
    };
    if let Some(what) = what {
        let text = format!("I3: segment {id}: {what}; its durable record is {record:?}");
        model.violate(text);
    }
}

/// Notes which segments have no name any more, and not all of them had arrived.
pub fn note_destroyed(model: &mut Model) {
    if !std::mem::take(&mut model.disk.last_name_gone) {
        return;
    }
    for i in 0..model.node.segments.len() {
        let segment = &model.node.segments[i];
        if segment.destroyed.is_some() || model.disk.links(segment.inode) > 0 {
            continue;
        }
        let record = durable_record(model, segment.name.id.0);
        let is_known = record.is_some_and(|record| !record.is_ended());
        let lost = !is_settled(model, segment);
        let id = segment.name.id;
        model.node.segments[i].destroyed = Some(is_known && lost);
        if lost {
            model.tell(|| format!("segment {id} has no name any more: lost"));
        }
    }
}

/// Whether the archive has a link to this file. When such a segment comes back without an index, that link hides that nobody else has
/// one, and only a node that goes on writing proves its end: it is read, and waits for that.
pub fn is_archived(model: &Model, inode: u64) -> bool {
    model.disk.names[ARCHIVE].values().any(|archived| *archived == inode)
}

/// The notes of the entries that wait in the folder.
pub fn waiting(model: &Model) -> Option<String> {
    let notes = model.disk.names[PARKED].iter().filter(|(name, _)| name.ends_with(".json"));
    let texts = notes.map(|(_, inode)| String::from_utf8_lossy(model.disk.bytes(*inode)).split_whitespace().collect::<String>());
    texts.filter(|text| text.contains("\"class\":\"waiting\"")).reduce(|all, one| format!("{all}\n{one}"))
}

/// The end: everything is where it belongs.
pub fn at_the_end(model: &mut Model, learned: bool) -> Result<(), String> {
    let mut records: BTreeMap<u64, SegmentRecord> = BTreeMap::new();
    let mut twice = None;
    let visited = model.store.visit(&mut |key, record| {
        if records.insert(key.id.0, record).is_some() {
            twice = Some(key);
        }
        ControlFlow::Continue(())
    });
    visited.expect("readable records");
    if let Some(key) = twice {
        return Err(format!("I5: segment {key} has only ever had one content"));
    }
    if let Some(note) = waiting(model).filter(|_| learned) {
        return Err(format!("I8: it is still parked, and everything is known: {note}"));
    }
    for segment in &model.node.segments {
        let id = segment.name.id.0;
        let record = records.get(&id);
        for placed in segment.due() {
            let missing = unsettled(model, segment, placed, u32::MAX);
            if let Some(ordinal) = missing.filter(|_| segment.destroyed.is_none()) {
                let end = placed.end;
                return Err(format!("I8: event {ordinal} of the entry at {id}:{end} is missing; the record is {record:?}"));
            }
        }
        if segment.destroyed == Some(true) && !record.is_some_and(is_reported) {
            return Err(format!("I10: segment {id} was known and is lost, and its record says {record:?}"));
        }
        let Some(record) = record else { continue };
        let has_damage = segment.entries.iter().any(|placed| placed.standing == Standing::Damaged);
        let expected = match record.state() {
            SegmentState::Finished(_) => !has_damage,
            SegmentState::Quarantined => has_damage,
            SegmentState::Lost(_) => segment.destroyed.is_some(),
            SegmentState::Open if is_archived(model, segment.inode) => continue,
            _ => false,
        };
        if !expected {
            return Err(format!("I5: segment {id} ends as {record:?}, damaged: {has_damage}, destroyed: {:?}", segment.destroyed));
        }
        adds_up(id, record)?;
    }
    Ok(())
}

fn is_reported(record: &SegmentRecord) -> bool {
    matches!(record.state(), SegmentState::Lost(_)) || record.is_covered() && record.is_ended()
}

fn adds_up(id: u64, record: &SegmentRecord) -> Result<(), String> {
    let (file, logical, entries) = (record.bytes.file, record.bytes.logical, record.entries);
    let is_lost = matches!(record.state(), SegmentState::Lost(_));
    if logical.sum() != logical.sections || !is_lost && (file.sum() != file.length || entries.sum() != entries.seen) {
        return Err(format!("I5: the sums of segment {id} do not add up: {record:?}"));
    }
    Ok(())
}
