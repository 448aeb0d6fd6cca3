//! One column of one row as a member of `after`.
//!
//! ```text
//! not written   null
//! key column    {"value","deletion_ts":null,"set":true [,"empty"] [,"raw"]}
//! deleted with  {"value":null,"deletion_ts":µs,"set":true}
//!   its row
//! simple cell   {"value","deletion_ts","set":true,"ts" [,"ttl","expires"] [,"deleted"] [,"shards"] [,"empty"]
//!                [,"dropped"] [,"raw"]}
//! ```
//!
//! The complex form is in `complex`.

use super::json;
use super::value::Value;
use crate::cql::CqlType;
use crate::mutation::{Cell, WriteTimestamp};

/// What stands behind `value` in every cell that has no expiry.
pub(super) const SET: &str = ",\"deletion_ts\":null,\"set\":true";

/// The value of a key column. Null occurs as a clustering value of COMPACT STORAGE tables.
pub(super) fn write_key(out: &mut String, cql_type: &CqlType, bytes: Option<&[u8]>) {
    out.push_str("{\"value\":");
    match bytes.map(|bytes| Value::new(cql_type, bytes)) {
        None => {
            out.push_str("null");
            out.push_str(SET);
        }
        Some(value) => {
            value.print(out);
            out.push_str(SET);
            value.details(out);
            value.raw_member(out);
        }
    }
    out.push('}');
}

/// A key column of a partition key that does not split into its columns: the whole key, raw.
pub(super) fn write_raw_key(out: &mut String, key: &[u8]) {
    out.push_str("{\"value\":null");
    out.push_str(SET);
    json::member(out, "raw");
    json::hex(out, key);
    out.push('}');
}

/// A column that went with its row or partition.
pub(super) fn write_deleted(out: &mut String, deleted_at: WriteTimestamp) {
    out.push_str("{\"value\":null,\"deletion_ts\":");
    json::number(out, deleted_at.0);
    out.push_str(",\"set\":true}");
}

/// The cell of a simple column.
pub(super) fn write_simple(out: &mut String, cell: &Cell<'_>) {
    let value = cell.value.map(|bytes| Value::new(&cell.column.column.cql_type, bytes));
    out.push_str("{\"value\":");
    match &value {
        Some(value) => value.print(out),
        None => out.push_str("null"),
    }
    match cell.local_deletion_time.filter(|_| cell.ttl.is_some()) {
        Some(expires) => {
            json::number_member(out, "deletion_ts", i64::from(expires.0) * 1_000_000);
            out.push_str(",\"set\":true");
        }
        None => out.push_str(SET),
    }
    write_times(out, cell);
    write_marks(out, cell, value.as_ref());
    out.push('}');
}

/// When the cell was written, expires or was deleted.
pub(super) fn write_times(out: &mut String, cell: &Cell<'_>) {
    json::number_member(out, "ts", cell.timestamp.0);
    if let Some(ttl) = cell.ttl {
        json::number_member(out, "ttl", ttl.0);
        if let Some(expires) = cell.local_deletion_time {
            json::number_member(out, "expires", expires.0);
        }
    }
    if let (true, Some(deleted)) = (cell.is_tombstone(), cell.local_deletion_time) {
        json::number_member(out, "deleted", deleted.0);
    }
}

/// What is special about the cell and its value.
pub(super) fn write_marks(out: &mut String, cell: &Cell<'_>, value: Option<&Value<'_>>) {
    if let Some(value) = value {
        value.details(out);
    }
    if cell.is_dropped() {
        out.push_str(",\"dropped\":true");
    }
    if let Some(value) = value {
        value.raw_member(out);
    }
}
