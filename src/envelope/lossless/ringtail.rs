//! The member `ringtail`.

use super::{cell, has_place, range};
use crate::connect::{self, Conversion, Field, Kind, Schema};
use crate::cql;
use crate::envelope::after;
use crate::event::{Change, ChangeEvent};
use crate::mutation::{DeletionTime, LivenessInfo, Row};
use crate::schema::TableMetadata;
use std::sync::Arc;

/// Its schema.
pub(super) fn schema(conversion: &Conversion, table: &TableMetadata, name: &dyn Fn(&str) -> String) -> Schema {
    let text = |name: &str| Field::new(name, Schema::new(Kind::String));
    let int = |name: &str| Field::new(name, Schema::new(Kind::Int32));
    let long = |name: &str| Field::new(name, Schema::new(Kind::Int64));
    let liveness = Schema::of_struct("ringtail.Liveness", vec![long("ts"), cell::number("ttl"), cell::number("expires")]);
    let deletion = Schema::of_struct("ringtail.Deletion", vec![long("ts"), long("deleted"), cell::flag("shadowable")]);
    let other = Schema::of_struct("ringtail.Other", vec![text("name"), text("kind"), text("cell")]);
    let fields = vec![
        int("v"),
        text("id"),
        text("kind"),
        int("n"),
        int("of"),
        text("table_id"),
        text("schema"),
        Field::new("liveness", liveness.optional()),
        Field::new("deletion", deletion.optional()),
        Field::new("range", range::schema(conversion, table, name).optional()),
        Field::new("others", Schema::new(Kind::Array(Arc::new(other))).optional()),
    ];
    Schema::of_struct(name("Ringtail"), fields)
}

/// Its value.
pub(super) fn value(conversion: &Conversion, event: &ChangeEvent<'_>, id: &str) -> connect::Value {
    let table = event.update.table;
    let mut version = String::new();
    cql::hex(&table.version.0.to_be_bytes(), &mut version);
    let row = match &event.change {
        Change::Row(row) | Change::Static(row) => Some(*row),
        _ => None,
    };
    let deleted = match &event.change {
        Change::PartitionDelete(time) => Some((*time, false)),
        Change::RangeDelete(range) => Some((range.deletion, false)),
        Change::RowDelete(_, deletion) => Some((deletion.time, deletion.shadowable)),
        Change::Static(row) => row.deletion.map(|deletion| (deletion.time, deletion.shadowable)),
        Change::Row(_) => None,
    };
    let bounds = match &event.change {
        Change::RangeDelete(range) => range::range(conversion, table, range),
        _ => connect::Value::Absent,
    };
    connect::Value::Struct(vec![
        connect::Value::Int(1),
        connect::Value::text(id),
        connect::Value::text(event.change.kind()),
        connect::Value::Int(event.update_index.into()),
        connect::Value::Int(event.declared_updates.into()),
        connect::Value::text(table.id.0.hyphenated().to_string()),
        connect::Value::String(version),
        row.and_then(|row| row.liveness).map_or(connect::Value::Absent, liveness),
        deleted.map_or(connect::Value::Absent, |(time, shadowable)| deletion(time, shadowable)),
        bounds,
        row.map_or(connect::Value::Absent, |row| others(table, row, matches!(event.change, Change::Static(_)))),
    ])
}

fn liveness(liveness: LivenessInfo) -> connect::Value {
    let (ttl, expires) = liveness.expiry.unzip();
    let seconds = |seconds: Option<u32>| seconds.map_or(connect::Value::Absent, |seconds| connect::Value::Int(seconds.into()));
    connect::Value::Struct(vec![
        connect::Value::Int(liveness.timestamp.0),
        seconds(ttl.map(|ttl| ttl.0)),
        seconds(expires.map(|expires| expires.0)),
    ])
}

fn deletion(time: DeletionTime, shadowable: bool) -> connect::Value {
    connect::Value::Struct(vec![
        connect::Value::Int(time.marked_for_delete_at.0),
        connect::Value::Int(time.local_deletion_time.0.into()),
        cell::is(shadowable),
    ])
}

/// What was written to columns that the table has no place for.
fn others(table: &TableMetadata, row: &Row<'_>, is_static: bool) -> connect::Value {
    let others: Vec<connect::Value> = row
        .columns
        .iter()
        .filter(|data| !has_place(table, data))
        .map(|data| {
            let mut cell = String::new();
            after::write_column(&mut cell, data);
            let kind = if is_static { "static" } else { "regular" };
            connect::Value::Struct(vec![connect::Value::text(data.name()), connect::Value::text(kind), connect::Value::String(cell)])
        })
        .collect();
    if others.is_empty() { connect::Value::Absent } else { connect::Value::Array(others) }
}
