//! The end of parked entries: published or discarded, accounted for, and only then their files go.
//!
//! What is to go is saved together with the sums that it changes. A crash before that leaves everything as it was; one after it is
//! finished at the next start. So no entry is counted twice, and none goes that is not on record.

use super::error::Fatal;
use super::park::{Parked, Place, read_note};
use super::tail::Fate;
use crate::checkpoint::{Discarded, Ledger, LogicalBytes, UnixMillis};
use crate::commitlog::ENTRY_OVERHEAD;
use crate::position::CommitLogPosition;
use std::collections::BTreeSet;
use std::path::Path;

/// Meta value: entries whose files are being removed.
const META_LEAVING: &str = "leaving";

/// An entry that counts as something else than parked from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub at: CommitLogPosition,
    pub bytes: u64,
    pub fate: Fate,
}

/// Opens the folder of parked entries, finishes what a crash left half way, and tells it what was discarded.
///
/// # Errors
/// What the file system says, or the ledger.
pub fn open_parked(dir: &Path, limit: u64, ledger: &mut Ledger) -> Result<Parked, Fatal> {
    let io = |source| Fatal::Io { action: "list", path: dir.to_owned(), source };
    let mut parked = Parked::open(dir, limit).map_err(io)?;
    let leaving = ledger.meta(META_LEAVING).and_then(|value| value.as_array()).cloned().unwrap_or_default();
    let leaving: Vec<Place> = leaving.iter().filter_map(|place| place.as_str()?.parse().ok()).collect();
    remove(ledger, &mut parked, &leaving)?;
    for one in ledger.discarded() {
        parked.discard(place_of(&one), one.first_update);
    }
    Ok(parked)
}

/// Takes entries out of the folder that have come to this end. Answers what counts as something else now.
pub(super) fn let_go(ledger: &mut Ledger, parked: &mut Parked, gone: &[(Place, Fate)]) -> Result<Vec<Moved>, Fatal> {
    let mut going = BTreeSet::new();
    let mut moved = Vec::new();
    for (place, fate) in gone {
        going.insert(*place);
        let Some(bytes) = parked.get(*place).map(|item| item.bytes.max(ENTRY_OVERHEAD)) else { continue };
        let others: Vec<Place> = parked.places_at(place.at).filter(|other| !going.contains(other)).collect();
        // The strongest fate counts: lost at once, delivered when nothing of it is parked any more.
        if read_note(parked.dir(), *place).is_some_and(|note| note.lost) || moved.iter().any(|moved: &Moved| moved.at == place.at) {
            continue;
        }
        if *fate != Fate::Lost && !others.is_empty() {
            continue;
        }
        moved.push(Moved { at: place.at, bytes, fate: *fate });
    }
    for one in &moved {
        account(ledger, *one)?;
    }
    let places: Vec<Place> = going.into_iter().collect();
    ledger.set_meta(META_LEAVING, places.iter().map(ToString::to_string).collect::<Vec<String>>().into());
    ledger.save()?;
    remove(ledger, parked, &places)?;
    Ok(moved)
}

/// Gives up parked entries: on record with the reason, counted as lost. Answers which, and what counts as something else now.
///
/// # Errors
/// What the file system says, or the ledger.
pub(super) fn give_up(
    ledger: &mut Ledger,
    parked: &mut Parked,
    places: &[Place],
    reason: &str,
    now: UnixMillis,
) -> Result<Vec<Moved>, Fatal> {
    let mut decisions = Vec::new();
    for place in places {
        let Some(item) = parked.get(*place) else { continue };
        let note = read_note(parked.dir(), *place);
        decisions.push(Discarded {
            at: now,
            reason: reason.to_owned(),
            file: note.map_or_else(String::new, |note| note.segment),
            segment: place.at.segment.0,
            position: place.at.position.0,
            ordinal: place.ordinal,
            first_update: item.first_update,
            bytes: item.bytes,
            parked_for: item.reason.to_string(),
        });
    }
    for one in &decisions {
        let (segment, position, bytes) = (&one.file, one.position, one.bytes);
        tracing::warn!(segment, position, event = one.ordinal, bytes, reason, "parked entry discarded: it is never published");
        parked.discard(place_of(one), one.first_update);
        keep_as_lost(parked, place_of(one), places)?;
    }
    ledger.discard(decisions);
    let gone: Vec<(Place, Fate)> = places.iter().map(|place| (*place, Fate::Lost)).collect();
    let_go(ledger, parked, &gone)
}

/// What stays of an entry of which something is given up counts as lost with it.
fn keep_as_lost(parked: &mut Parked, place: Place, going: &[Place]) -> Result<(), Fatal> {
    let others: Vec<Place> = parked.places_at(place.at).filter(|other| !going.contains(other)).collect();
    for other in others {
        if let Some(note) = read_note(parked.dir(), other) {
            let dir = parked.dir().to_owned();
            let note = super::park::Note { lost: true, ..note };
            parked.rewrite(other, &note).map_err(|source| Fatal::Io { action: "write into", path: dir, source })?;
        }
    }
    Ok(())
}

/// Gives up parked entries while no agent runs. Answers how many bytes each had.
///
/// # Errors
/// What the file system says, or the ledger.
pub fn discard(
    ledger: &mut Ledger,
    parked: &mut Parked,
    places: &[Place],
    reason: &str,
    now: UnixMillis,
) -> Result<Vec<(Place, u64)>, Fatal> {
    let bytes = places.iter().filter_map(|place| Some((*place, parked.get(*place)?.bytes))).collect();
    give_up(ledger, parked, places, reason, now)?;
    ledger.save()?;
    Ok(bytes)
}

/// The sums of the segment's record, once it has them: before its end they are made when it is read.
fn account(ledger: &mut Ledger, moved: Moved) -> Result<(), Fatal> {
    let Some((key, record)) = ledger.newest(moved.at.segment)? else { return Ok(()) };
    if record.end.is_none() || record.bytes.logical.parked < moved.bytes {
        return Ok(());
    }
    Ok(ledger.amend(key, |record| {
        let logical = &mut record.bytes.logical;
        logical.parked -= moved.bytes;
        *sum_of(logical, moved.fate) += moved.bytes;
        let entries = &mut record.entries;
        entries.parked = entries.parked.saturating_sub(1);
        match moved.fate {
            Fate::Delivered => entries.published += 1,
            Fate::Filtered => entries.filtered += 1,
            Fate::Parked => entries.parked += 1,
            Fate::Lost => entries.lost += 1,
        }
    })?)
}

fn sum_of(logical: &mut LogicalBytes, fate: Fate) -> &mut u64 {
    match fate {
        Fate::Delivered => &mut logical.delivered,
        Fate::Filtered => &mut logical.filtered,
        Fate::Parked => &mut logical.parked,
        Fate::Lost => &mut logical.lost,
    }
}

fn remove(ledger: &mut Ledger, parked: &mut Parked, places: &[Place]) -> Result<(), Fatal> {
    if !places.is_empty() {
        let dir = parked.dir().to_owned();
        parked.remove(places).map_err(|source| Fatal::Io { action: "remove published entries from", path: dir, source })?;
        ledger.set_meta(META_LEAVING, serde_json::Value::Array(Vec::new()));
    }
    Ok(())
}

fn place_of(one: &Discarded) -> Place {
    use crate::position::{LogicalPosition, SegmentId};
    let at = CommitLogPosition { segment: SegmentId(one.segment), position: LogicalPosition(one.position) };
    Place { at, ordinal: one.ordinal }
}
