//! Whose reader the lossless form repeats.
//!
//! Cassandra's reader prints one log differently from release to release: dates and timestamps far from today (3.x), and the time
//! of no deletion (from 5.0 on a long). The descriptor version does not tell the release: 4.0, 4.1 and, as it comes, 5.0 all write
//! version 7. So it is looked for in the log.

use super::Archive;
use crate::commitlog::{Horizon, Item, Keys, SegmentReader};
use crate::cql::SelectStyle;
use crate::mutation::{self, ColumnData, LocalDeletionTime, Mutation, PartitionUpdate, Row, Unfiltered};
use crate::schema::Catalog;
use std::io;

/// The releases whose readers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Release {
    /// 3.0 and 3.11.
    Cassandra3,
    /// 4.0 and 4.1.
    #[default]
    Cassandra4,
    /// 5.0.
    Cassandra5,
}

impl Release {
    /// The release of a version as `4.1` or `5.0.9`.
    pub fn from_version(version: &str) -> Option<Release> {
        match version.split('.').next()? {
            "3" => Some(Release::Cassandra3),
            "4" => Some(Release::Cassandra4),
            "5" => Some(Release::Cassandra5),
            _ => None,
        }
    }

    /// The release that wrote the newest segments, as far as the log tells.
    ///
    /// Descriptor versions 6 and 8 tell at once. In version 7 the newest of these decides: what a node writes about itself into
    /// `system.local` when it starts, a table that only 5.0 has, the time of no deletion. Without any it is taken for 4.1.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn of(archives: &[Archive], catalog: &Catalog, keys: &Keys) -> io::Result<Release> {
        let newest = archives.iter().filter_map(|archive| archive.name).map(|name| name.version).max();
        match newest {
            Some(..=6) => return Ok(Release::Cassandra3),
            Some(7) => {}
            Some(_) => return Ok(Release::Cassandra5),
            None => return Ok(Release::default()),
        }
        for archive in archives.iter().rev().filter(|archive| archive.name.is_some_and(|name| name.version == 7)) {
            if let Some(release) = told(archive, catalog, keys)? {
                return Ok(release);
            }
        }
        Ok(Release::default())
    }

    /// How it prints values.
    pub(super) fn style(self) -> SelectStyle {
        if self == Release::Cassandra3 { SelectStyle::Cassandra3 } else { SelectStyle::Cassandra4 }
    }

    /// How it prints a local deletion time, and none (`Cell.NO_DELETION_TIME`): an int that may be negative, or from 5.0 on a long.
    pub(super) fn local_deletion_time(self, time: Option<LocalDeletionTime>) -> i64 {
        match (self, time) {
            (Release::Cassandra5, None) => i64::MAX,
            (Release::Cassandra5, Some(time)) => time.0.into(),
            (_, None) => i32::MAX.into(),
            (_, Some(time)) => (time.0 as i32).into(),
        }
    }
}

/// What the first mutation tells that tells anything.
fn told(archive: &Archive, catalog: &Catalog, keys: &Keys) -> io::Result<Option<Release>> {
    let bytes = archive.read()?;
    let Ok(mut reader) = SegmentReader::open_with(bytes.as_slice(), archive.name, keys) else { return Ok(None) };
    loop {
        match reader.next(Horizon::Final)? {
            Item::Entry(entry) => {
                let told = match mutation::decode(entry.body(), catalog) {
                    Ok(mutation) => told_by(&mutation),
                    Err(incomplete) => told_by(&incomplete.leading),
                };
                if told.is_some() {
                    return Ok(told);
                }
            }
            Item::Damage(_) => {}
            Item::CaughtUp | Item::End => return Ok(None),
        }
    }
}

fn told_by(mutation: &Mutation<'_>) -> Option<Release> {
    let by_live = mutation.live_deletion_time.map(|time| if time.0 == u32::MAX { Release::Cassandra5 } else { Release::Cassandra4 });
    by_live.or_else(|| mutation.updates.iter().find_map(told_by_update))
}

fn told_by_update(update: &PartitionUpdate<'_>) -> Option<Release> {
    match (update.table.keyspace.as_str(), update.table.name.as_str()) {
        ("system_schema", "column_masks") => Some(Release::Cassandra5),
        ("system", "local") => update.unfiltereds.iter().find_map(|unfiltered| match unfiltered {
            Unfiltered::Row(row) => release_version(row),
            Unfiltered::RangeTombstoneMarker(_) => None,
        }),
        _ => None,
    }
}

fn release_version(row: &Row<'_>) -> Option<Release> {
    row.columns.iter().find_map(|data| match data {
        ColumnData::Simple(cell) if cell.column.column.name == "release_version" => {
            Release::from_version(str::from_utf8(cell.value?).ok()?)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_no_deletion_is_an_int_to_4_1_and_a_long_from_5_0() {
        let beyond_2038 = Some(LocalDeletionTime(0x9000_0000));

        assert_eq!(Release::Cassandra4.local_deletion_time(None), 2_147_483_647);
        assert_eq!(Release::Cassandra5.local_deletion_time(None), 9_223_372_036_854_775_807);
        assert_eq!(Release::Cassandra4.local_deletion_time(beyond_2038), -1_879_048_192);
        assert_eq!(Release::Cassandra5.local_deletion_time(beyond_2038), 2_415_919_104);
    }

    #[test]
    fn releases_are_found_by_their_versions() {
        assert_eq!(Release::from_version("3.11.19"), Some(Release::Cassandra3));
        assert_eq!(Release::from_version("4.0"), Some(Release::Cassandra4));
        assert_eq!(Release::from_version("5"), Some(Release::Cassandra5));
        assert_eq!(Release::from_version("6.0"), None);
    }
}
