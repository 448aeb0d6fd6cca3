//! The fields of a partition update, in the words of a release.

use super::Release;
use super::lossless::merge;
use super::summary::is_left_with_nothing;
use crate::cql::{self, CqlType};
use crate::event::range_tombstones;
use crate::mutation::{
    Cell, Clustering, ClusteringBound, ColumnData, DeletionTime, LivenessInfo, PartitionUpdate, Row, Unfiltered, split_partition_key,
};
use crate::schema::ColumnMetadata;
use serde_json::{Map, Value, json};

/// Prints as the reader of a release does.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    /// The release.
    pub release: Release,
}

impl Printer {
    /// A partition update.
    pub fn update(self, update: &PartitionUpdate<'_>) -> Value {
        let table = update.table;
        let mut rows = Vec::new();
        let mut markers = Vec::new();
        for unfiltered in &update.unfiltereds {
            match unfiltered {
                Unfiltered::Row(row) => rows.push(self.row(row, &table.clustering, false)),
                Unfiltered::RangeTombstoneMarker(marker) => {
                    let kept =
                        update.unfiltereds.iter().take_while(|other| !std::ptr::eq(*other, unfiltered)).filter(|other| is_kept_row(other));
                    let mut line = self.bound(&marker.bound, &table.clustering);
                    merge(
                        &mut line,
                        json!({
                            "rows_before": kept.count(),
                            "close": marker.close.map(|time| self.deletion(time)),
                            "open": marker.open.map(|time| self.deletion(time)),
                        }),
                    );
                    markers.push(line);
                }
            }
        }
        let ranges: Vec<Value> = range_tombstones(&update.unfiltereds)
            .unwrap_or_default()
            .iter()
            .map(|range| {
                json!({
                    "start": self.bound(&range.start, &table.clustering),
                    "end": self.bound(&range.end, &table.clustering),
                    "deletion": self.deletion(range.deletion),
                })
            })
            .collect();
        json!({
            "keyspace": table.keyspace,
            "table": table.name,
            "table_id": table.id.to_string(),
            "cdc": table.cdc,
            "partition_key_hex": hex(update.partition_key),
            "partition_key": self.partition_key(update),
            "partition_deletion": update.partition_deletion.map(|time| self.deletion(time)),
            "static_row": update.static_row.as_ref().map(|row| self.row(row, &table.clustering, true)),
            "rows": rows,
            "range_tombstone_markers": markers,
            "range_tombstones": ranges,
        })
    }

    fn partition_key(self, update: &PartitionUpdate<'_>) -> Value {
        let parts = split_partition_key(update.table, update.partition_key).unwrap_or_default();
        let named = update.table.partition_key.iter().zip(parts);
        named.map(|(column, part)| (column.name.clone(), self.value(&column.cql_type, Some(part)))).collect::<Map<_, _>>().into()
    }

    fn value(self, cql_type: &CqlType, bytes: Option<&[u8]>) -> Value {
        json!({ "text": self.text(Some(cql_type), bytes), "hex": bytes.map(hex) })
    }

    /// What the type's `toJSONString` prints.
    fn text(self, cql_type: Option<&CqlType>, bytes: Option<&[u8]>) -> Option<String> {
        cql::select_json_as(self.release.style(), cql_type?, bytes?)
    }

    fn clustering(self, values: &Clustering<'_>, columns: &[ColumnMetadata]) -> Value {
        columns
            .iter()
            .zip(values)
            .map(|(column, bytes)| (column.name.clone(), self.value(&column.cql_type, *bytes)))
            .collect::<Map<_, _>>()
            .into()
    }

    fn bound(self, bound: &ClusteringBound<'_>, columns: &[ColumnMetadata]) -> Value {
        json!({ "kind": bound.kind.name(), "clustering": self.clustering(&bound.values, columns) })
    }

    fn deletion(self, deletion: DeletionTime) -> Value {
        json!({ "marked_for_delete_at": deletion.marked_for_delete_at.0, "local_deletion_time": self.release.local_deletion_time(Some(deletion.local_deletion_time)) })
    }

    fn row(self, row: &Row<'_>, columns: &[ColumnMetadata], is_static: bool) -> Value {
        let mut cells = Vec::new();
        let mut complex_deletions = Vec::new();
        for data in &row.columns {
            match data {
                ColumnData::Simple(cell) => cells.push(self.cell(cell)),
                ColumnData::Complex(complex) => {
                    if let Some(time) = complex.deletion {
                        let mut line = json!({ "column": complex.column.column.name });
                        merge(&mut line, self.deletion(time));
                        mark_dropped(&mut line, complex.is_deletion_dropped());
                        complex_deletions.push(line);
                    }
                    cells.extend(complex.cells.iter().map(|cell| self.cell(cell)));
                }
            }
        }
        let mut line = json!({
            "liveness": row.liveness.map(|liveness| self.liveness(liveness)),
            "row_deletion": row.deletion.map(|row_deletion| {
                let mut line = self.deletion(row_deletion.time);
                merge(&mut line, json!({ "shadowable": row_deletion.shadowable }));
                line
            }),
            "cells": cells,
            "complex_deletions": complex_deletions,
        });
        if !is_static {
            merge(&mut line, json!({ "clustering": self.clustering(&row.clustering, columns) }));
        }
        line
    }

    fn liveness(self, liveness: LivenessInfo) -> Value {
        let (ttl, expires) = liveness.expiry.map_or((0, None), |(ttl, expires)| (ttl.0, Some(expires)));
        json!({
            "timestamp": liveness.timestamp.0,
            "ttl": ttl,
            "local_expiration_time": self.release.local_deletion_time(expires),
            "expiring": liveness.expiry.is_some(),
        })
    }

    fn cell(self, cell: &Cell<'_>) -> Value {
        let cql_type = &cell.column.column.cql_type;
        let types = cell.path.map(|path| cql_type.cell_types(path.0));
        let (path_type, value_type) = match &types {
            None => (None, Some(cql_type)),
            Some(None) => (None, None),
            Some(Some((path, value))) => (Some(path), Some(value)),
        };
        let mut line = json!({
            "column": cell.column.column.name,
            "path": cell.path.map(|path| hex(path.0)),
            "path_text": self.text(path_type, cell.path.map(|path| path.0)),
            "text": self.text(value_type, cell.value),
            "hex": cell.value.map(hex),
            "timestamp": cell.timestamp.0,
            "ttl": cell.ttl.map_or(0, |ttl| ttl.0),
            "local_deletion_time": self.release.local_deletion_time(cell.local_deletion_time),
            "tombstone": cell.is_tombstone(),
        });
        mark_dropped(&mut line, cell.is_dropped());
        line
    }
}

fn is_kept_row(unfiltered: &Unfiltered<'_>) -> bool {
    matches!(unfiltered, Unfiltered::Row(row) if !is_left_with_nothing(row))
}

/// Cassandra's own reader leaves out what went with a dropped column; here it is kept and flagged.
fn mark_dropped(line: &mut Value, dropped: bool) {
    if dropped {
        merge(line, json!({ "dropped": true }));
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    cql::hex(bytes, &mut text);
    text
}
