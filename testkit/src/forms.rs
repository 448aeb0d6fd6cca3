//! The forms in which the serializers write things, by name, so that a test can say what it covered.

use crate::described::{Cell, ColumnData, Marker, PartitionUpdate, Row};
use ringtail::cql::CqlType;
use ringtail::mutation::BoundKind;
use ringtail::schema::{Catalog, ColumnMetadata, TableMetadata};
use std::collections::BTreeSet;

/// Every form there is.
pub const ALL: [&str; 40] = [
    "boundary EXCL_END_INCL_START",
    "boundary INCL_END_EXCL_START",
    "bound EXCL_END",
    "bound EXCL_START",
    "bound INCL_END",
    "bound INCL_START",
    "bound of two groups",
    "bound without values",
    "chosen minima",
    "clustering of two groups",
    "collection in a collection",
    "complex deletion",
    "counter",
    "deletion beside LIVE",
    "dropped column",
    "element of a list",
    "element of a map",
    "element of a set",
    "empty clustering",
    "empty update",
    "empty value",
    "expiring cell",
    "expiring row",
    "few columns of many missing",
    "few columns of many present",
    "field of a user-defined type",
    "large value",
    "negative timestamp",
    "null clustering",
    "null field",
    "partition deletion",
    "row deletion",
    "row's expiry",
    "row's timestamp",
    "shadowable deletion",
    "static row",
    "static row of 64 columns or more",
    "time after 2038",
    "tombstone",
    "user-defined type",
];

/// What a large value has more bytes than: one more than what is read of a section at once.
pub const LARGE: usize = 256 << 10;

/// The forms that an update has.
pub fn of(update: &PartitionUpdate, catalog: &Catalog) -> BTreeSet<&'static str> {
    let table = catalog.table(update.table).expect("the described table is in the catalog");
    let mut forms = Forms { table, found: BTreeSet::new() };
    forms.add(update.is_empty(), "empty update");
    forms.add(update.partition_deletion.is_some(), "partition deletion");
    forms.add(update.static_row.is_some(), "static row");
    forms.add(update.static_row.is_some() && table.statics.len() >= 64, "static row of 64 columns or more");
    forms.add(update.header.stats.is_some(), "chosen minima");
    update.markers().for_each(|marker| forms.marker(marker));
    update.rows().for_each(|row| forms.row(row));
    forms.found
}

struct Forms<'c> {
    table: &'c TableMetadata,
    found: BTreeSet<&'static str>,
}

impl Forms<'_> {
    fn add(&mut self, holds: bool, name: &'static str) {
        debug_assert!(ALL.contains(&name), "{name}");
        self.found.extend(holds.then_some(name));
    }

    fn marker(&mut self, marker: &Marker) {
        let kind = match marker.kind {
            BoundKind::InclStartBound => "bound INCL_START",
            BoundKind::ExclStartBound => "bound EXCL_START",
            BoundKind::InclEndBound => "bound INCL_END",
            BoundKind::ExclEndBound => "bound EXCL_END",
            BoundKind::ExclEndInclStartBoundary => "boundary EXCL_END_INCL_START",
            BoundKind::InclEndExclStartBoundary => "boundary INCL_END_EXCL_START",
        };
        self.add(true, kind);
        self.add(marker.values.is_empty(), "bound without values");
        self.add(marker.values.len() > 32, "bound of two groups");
    }

    fn row(&mut self, row: &Row) {
        let deletions = || {
            row.columns.iter().filter_map(|column| match &column.data {
                ColumnData::Complex { deletion, .. } => Some(deletion),
                ColumnData::Simple(_) => None,
            })
        };
        let is_wide = self.table.regulars.len() >= 64;
        self.add(row.clustering.len() > 32, "clustering of two groups");
        self.add(row.clustering.contains(&None), "null clustering");
        self.add(row.clustering.contains(&Some(Vec::new())), "empty clustering");
        self.add(row.liveness.is_some_and(|liveness| liveness.expiry.is_some()), "expiring row");
        self.add(row.deletion.is_some(), "row deletion");
        self.add(row.deletion.is_some_and(|deletion| deletion.shadowable), "shadowable deletion");
        self.add(deletions().any(Option::is_some), "complex deletion");
        self.add(deletions().any(Option::is_some) && deletions().any(Option::is_none), "deletion beside LIVE");
        self.add(is_wide && row.columns.len() > 32 && row.columns.len() < 63, "few columns of many missing");
        self.add(is_wide && (1..20).contains(&row.columns.len()), "few columns of many present");
        for column in &row.columns {
            let (metadata, is_dropped) = self.metadata(&column.name);
            self.add(is_dropped, "dropped column");
            column.data.cells().iter().for_each(|cell| self.cell(cell, &metadata.cql_type, row));
        }
    }

    /// The column of this name, and whether the table has it no more.
    fn metadata(&self, name: &str) -> (ColumnMetadata, bool) {
        let present = self.table.statics.iter().chain(&self.table.regulars).find(|column| column.name == name);
        let found = present.or_else(|| self.table.dropped.get(name).map(|dropped| &dropped.column));
        (found.expect("a described column is one of the table").clone(), present.is_none())
    }

    fn cell(&mut self, cell: &Cell, cql_type: &CqlType, row: &Row) {
        let expiry = row.liveness.and_then(|liveness| liveness.expiry);
        self.add(cell.timestamp.0 < 0, "negative timestamp");
        self.add(row.liveness.is_some_and(|liveness| liveness.timestamp == cell.timestamp), "row's timestamp");
        self.add(expiry.is_some() && expiry == cell.ttl.zip(cell.local_deletion_time), "row's expiry");
        self.add(cell.ttl.is_some(), "expiring cell");
        self.add(cell.value.is_none(), "tombstone");
        self.add(cell.value.as_ref().is_some_and(Vec::is_empty), "empty value");
        self.add(cell.value.as_ref().is_some_and(|value| value.len() > LARGE), "large value");
        self.add(cell.local_deletion_time.is_some_and(|time| time.0 > i32::MAX as u32), "time after 2038");
        let element = match cql_type {
            CqlType::List(_) => "element of a list",
            CqlType::Set(_) => "element of a set",
            CqlType::Map(..) => "element of a map",
            _ => "field of a user-defined type",
        };
        self.add(cell.path.is_some(), element);
        self.add(*cql_type == CqlType::Counter, "counter");
        self.value(cell.value.as_deref().unwrap_or_default(), cql_type);
    }

    fn value(&mut self, value: &[u8], cql_type: &CqlType) {
        let inner = match cql_type {
            CqlType::Frozen(inner) => inner,
            other => other,
        };
        let members = match inner {
            CqlType::List(member) | CqlType::Set(member) | CqlType::Vector(member, _) => vec![member.as_ref()],
            CqlType::Map(key, value) => vec![key.as_ref(), value.as_ref()],
            _ => Vec::new(),
        };
        let is_collection =
            |member: &&CqlType| matches!(member, CqlType::Frozen(_) | CqlType::List(_) | CqlType::Set(_) | CqlType::Map(..));
        self.add(!value.is_empty() && members.iter().any(is_collection), "collection in a collection");
        let is_frozen_udt = matches!(cql_type, CqlType::Frozen(_)) && matches!(inner, CqlType::Udt(_));
        self.add(!value.is_empty() && is_frozen_udt, "user-defined type");
        self.add(is_frozen_udt && value.windows(4).any(|length| length == [0xff; 4]), "null field");
    }
}
