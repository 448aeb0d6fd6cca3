//! A deleted range, in Debezium's form and in ours.
//!
//! ```text
//! _range_start, _range_end   {"method","values":[{"name","value","type"}…]}
//! ringtail.range             {"start":{"kind","values":{name:value…} [,"raw":{name:hex…}]},"end":{…}}
//! ```
//!
//! Both in storage order: for a DESC column the start is the greater value. An open side has no values. Debezium's
//! values are texts of the marshal type, in the order of a hash map; here they have the order of the columns, and
//! `name` is the column's name as in `after`, not quoted as CQL.

use super::json;
use super::value::Value;
use crate::cql;
use crate::event::RangeTombstone;
use crate::mutation::ClusteringBound;
use crate::schema::{ColumnMetadata, TableMetadata};

/// One side as Debezium writes it.
pub(super) fn write_bound(out: &mut String, table: &TableMetadata, bound: &ClusteringBound<'_>) {
    out.push_str("{\"method\":\"");
    out.push_str(bound.kind.name());
    out.push_str("\",\"values\":[");
    for (column, value) in values(table, bound) {
        json::comma(out);
        out.push_str("{\"name\":");
        json::string(out, &column.name);
        json::member(out, "value");
        match value {
            Some(bytes) => match cql::get_string(&column.cql_type, bytes) {
                Some(text) => json::string(out, &text),
                // Cassandra throws; the bytes stand in `ringtail.range`.
                None => out.push_str("null"),
            },
            // `AbstractType.getString(null)`.
            None => json::string(out, "null"),
        }
        json::member(out, "type");
        json::string(out, &cql::marshal_class(&column.cql_type, column.reversed));
        out.push('}');
    }
    out.push_str("]}");
}

/// Both sides with plain values.
pub(super) fn write_range(out: &mut String, table: &TableMetadata, range: &RangeTombstone<'_>) {
    out.push_str("{\"start\":");
    write_side(out, table, &range.start);
    json::member(out, "end");
    write_side(out, table, &range.end);
    out.push('}');
}

fn write_side(out: &mut String, table: &TableMetadata, bound: &ClusteringBound<'_>) {
    out.push_str("{\"kind\":\"");
    out.push_str(bound.kind.name());
    out.push_str("\",\"values\":{");
    let mut raw = Vec::new();
    for (column, bytes) in values(table, bound) {
        json::named(out, &column.name);
        let value = bytes.map(|bytes| Value::new(&column.cql_type, bytes));
        match &value {
            Some(value) => value.print(out),
            None => out.push_str("null"),
        }
        raw.extend(value.and_then(|value| value.raw_or_empty()).map(|bytes| (column, bytes)));
    }
    out.push('}');
    if !raw.is_empty() {
        json::member(out, "raw");
        out.push('{');
        for (column, bytes) in raw {
            json::named(out, &column.name);
            json::hex(out, bytes);
        }
        out.push('}');
    }
    out.push('}');
}

fn values<'a>(table: &'a TableMetadata, bound: &'a ClusteringBound<'_>) -> impl Iterator<Item = (&'a ColumnMetadata, Option<&'a [u8]>)> {
    table.clustering.iter().zip(bound.values.iter().copied())
}
