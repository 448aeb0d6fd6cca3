//! Markers to ranges: each range tombstone is written as the two points where it opens and closes.
//!
//! Markers of a partition alternate, open then close; a boundary closes one range and opens the next. Whatever
//! does not alternate was not written by Cassandra, which pairs them with assertions (`MutableDeletionInfo`).

use super::RangeTombstone;
use crate::mutation::{BoundKind, ClusteringBound, DeletionTime, RangeTombstoneMarker, Unfiltered};

/// Why the range tombstone markers of an update cannot be paired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedRange {
    /// An end, and no range is open.
    #[error("expected a range tombstone to begin, found the end of one")]
    NotOpen,
    /// A start, and the range before it has not ended.
    #[error("expected the open range tombstone to end, found another beginning")]
    StillOpen,
    /// The last range has no end.
    #[error("expected the open range tombstone to end, found the end of the partition")]
    Unclosed,
    /// The two ends of a range name different deletions.
    #[error("expected one deletion at both ends of a range tombstone, found two")]
    TwoDeletions,
    /// The marker's kind and the deletions it holds do not fit.
    #[error("expected the deletions that a range tombstone marker's kind needs, found others")]
    WrongDeletions,
    /// A boundary without clustering values, which would lie at both ends of the partition.
    #[error("expected clustering values in a range tombstone boundary, found none")]
    NoValues,
}

/// The ranges of an update, in clustering order.
///
/// # Errors
/// [`MalformedRange`] if the markers do not pair.
pub fn range_tombstones<'a>(unfiltereds: &'a [Unfiltered<'a>]) -> Result<Vec<RangeTombstone<'a>>, MalformedRange> {
    let mut ranges = Vec::new();
    let mut open: Option<(ClusteringBound<'a>, DeletionTime)> = None;
    for unfiltered in unfiltereds {
        let Unfiltered::RangeTombstoneMarker(marker) = unfiltered else { continue };
        let (close, next) = deletions(marker)?;
        if let Some(closed) = close {
            let (start, deletion) = open.take().ok_or(MalformedRange::NotOpen)?;
            if deletion != closed {
                return Err(MalformedRange::TwoDeletions);
            }
            ranges.push(RangeTombstone { start, end: bound(marker, marker.bound.kind.closing()), deletion });
        }
        if let Some(opened) = next {
            if open.is_some() {
                return Err(MalformedRange::StillOpen);
            }
            open = Some((bound(marker, marker.bound.kind.opening()), opened));
        }
    }
    if open.is_some() { Err(MalformedRange::Unclosed) } else { Ok(ranges) }
}

/// The deletions of the range that the marker closes and of the one that it opens.
fn deletions(marker: &RangeTombstoneMarker<'_>) -> Result<(Option<DeletionTime>, Option<DeletionTime>), MalformedRange> {
    let kind = marker.bound.kind;
    if kind.is_boundary() && marker.bound.values.is_empty() {
        return Err(MalformedRange::NoValues);
    }
    let closes = kind.is_boundary() || !kind.is_start();
    let opens = kind.is_boundary() || kind.is_start();
    if marker.close.is_some() != closes || marker.open.is_some() != opens {
        return Err(MalformedRange::WrongDeletions);
    }
    Ok((marker.close, marker.open))
}

/// One side of a range at a marker. Without values it is open, and Cassandra knows only one kind of open side, the
/// inclusive one (`ClusteringBound.BOTTOM`, `TOP`), whatever the byte in the log says.
fn bound<'a>(marker: &RangeTombstoneMarker<'a>, kind: BoundKind) -> ClusteringBound<'a> {
    let kind = match kind {
        kind if !marker.bound.values.is_empty() => kind,
        kind if kind.is_start() => BoundKind::InclStartBound,
        _ => BoundKind::InclEndBound,
    };
    ClusteringBound { kind, values: marker.bound.values.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::*;

    fn kinds(ranges: &[RangeTombstone<'_>]) -> Vec<(BoundKind, BoundKind, i64)> {
        ranges.iter().map(|range| (range.start.kind, range.end.kind, range.deletion.marked_for_delete_at.0)).collect()
    }

    #[test]
    fn a_boundary_gives_two_ranges_that_meet_at_it() {
        let markers = [start(Some(1), 10), boundary(BoundKind::ExclEndInclStartBoundary, 3, 10, 20), end(Some(8), 20)];

        let ranges = range_tombstones(&markers).unwrap();

        assert_eq!(
            kinds(&ranges),
            [(BoundKind::InclStartBound, BoundKind::ExclEndBound, 10), (BoundKind::InclStartBound, BoundKind::InclEndBound, 20)]
        );
        assert_eq!(ranges[0].end.values, ranges[1].start.values);
    }

    #[test]
    fn the_other_boundary_belongs_to_the_earlier_range() {
        let markers = [start(Some(1), 10), boundary(BoundKind::InclEndExclStartBoundary, 3, 10, 20), end(Some(8), 20)];

        let ranges = range_tombstones(&markers).unwrap();

        assert_eq!((ranges[0].end.kind, ranges[1].start.kind), (BoundKind::InclEndBound, BoundKind::ExclStartBound));
    }

    #[test]
    fn open_sides_are_inclusive_whatever_the_log_says() {
        let markers = [marker(BoundKind::ExclStartBound, None, None, Some(1)), marker(BoundKind::ExclEndBound, None, Some(1), None)];

        let ranges = range_tombstones(&markers).unwrap();

        assert_eq!(kinds(&ranges), [(BoundKind::InclStartBound, BoundKind::InclEndBound, 1)]);
        assert!(ranges[0].start.values.is_empty() && ranges[0].end.values.is_empty());
    }

    #[test]
    fn rows_between_markers_do_not_disturb_them() {
        let markers = [start(Some(1), 10), Unfiltered::Row(row(2)), end(Some(8), 10)];

        assert_eq!(range_tombstones(&markers).unwrap().len(), 1);
    }

    #[test]
    fn markers_that_do_not_pair_are_an_error() {
        assert_eq!(range_tombstones(&[end(Some(1), 1)]).unwrap_err(), MalformedRange::NotOpen);
        assert_eq!(range_tombstones(&[start(Some(1), 1)]).unwrap_err(), MalformedRange::Unclosed);
        assert_eq!(range_tombstones(&[start(Some(1), 1), start(Some(2), 1)]).unwrap_err(), MalformedRange::StillOpen);
        assert_eq!(range_tombstones(&[start(Some(1), 1), end(Some(2), 2)]).unwrap_err(), MalformedRange::TwoDeletions);
        let boundary_first = [boundary(BoundKind::ExclEndInclStartBoundary, 3, 10, 20), end(None, 20)];
        assert_eq!(range_tombstones(&boundary_first).unwrap_err(), MalformedRange::NotOpen);
        let boundary_last = [start(None, 10), boundary(BoundKind::ExclEndInclStartBoundary, 3, 10, 20)];
        assert_eq!(range_tombstones(&boundary_last).unwrap_err(), MalformedRange::Unclosed);
        let no_deletion = [marker(BoundKind::InclStartBound, Some(1), None, None)];
        assert_eq!(range_tombstones(&no_deletion).unwrap_err(), MalformedRange::WrongDeletions);
        let no_values = [start(None, 1), marker(BoundKind::InclEndExclStartBoundary, None, Some(1), Some(2))];
        assert_eq!(range_tombstones(&no_values).unwrap_err(), MalformedRange::NoValues);
    }
}
