//! The bounds of a deleted range, in Debezium's form and with plain values.

use super::cell;
use crate::connect::{self, Conversion, Field, Kind, Schema};
use crate::cql;
use crate::envelope::value::Value;
use crate::event::RangeTombstone;
use crate::mutation::ClusteringBound;
use crate::schema::{ColumnMetadata, TableMetadata};
use std::sync::Arc;

/// `_range_start` and `_range_end`.
pub(super) fn bound_schema() -> Schema {
    let string = |name: &str| Field::new(name, Schema::new(Kind::String).optional());
    let value = Schema::of_struct("clustering_value", vec![string("name"), string("value"), string("type")]).version(1);
    let values = Schema::new(Kind::Array(Arc::new(value))).named("clustering_values").version(1);
    let fields = vec![Field::new("method", Schema::new(Kind::String)), Field::new("values", values)];
    Schema::of_struct("ringtail.Bound", fields)
}

/// One side.
pub(super) fn bound(table: &TableMetadata, bound: &ClusteringBound<'_>) -> connect::Value {
    let values = values(table, bound).map(|(column, bytes)| {
        let text = match bytes {
            Some(bytes) => cql::get_string(&column.cql_type, bytes).map_or(connect::Value::Null, connect::Value::String),
            // `AbstractType.getString(null)`.
            None => connect::Value::text("null"),
        };
        let class = cql::marshal_class(&column.cql_type, column.reversed);
        connect::Value::Struct(vec![connect::Value::text(column.name.as_str()), text, connect::Value::String(class)])
    });
    connect::Value::Struct(vec![connect::Value::text(bound.kind.name()), connect::Value::Array(values.collect())])
}

/// `ringtail.range`.
pub(super) fn schema(conversion: &Conversion, table: &TableMetadata, name: &dyn Fn(&str) -> String) -> Schema {
    let plain = |column: &ColumnMetadata| Field::new(column.name.as_str(), conversion.schema(&column.cql_type));
    let values = Schema::of_struct(name("BoundValues"), table.clustering.iter().map(plain).collect());
    let raw = table.clustering.iter().map(|column| cell::text(&column.name)).collect();
    let raw = Schema::of_struct(name("BoundRaw"), raw);
    let side = vec![Field::new("kind", Schema::new(Kind::String)), Field::new("values", values), Field::new("raw", raw.optional())];
    let side = Arc::new(Schema::of_struct(name("RangeBound"), side));
    let fields = vec![Field { name: "start".into(), schema: side.clone() }, Field { name: "end".into(), schema: side }];
    Schema::of_struct(name("Range"), fields)
}

/// Both sides.
pub(super) fn range(conversion: &Conversion, table: &TableMetadata, range: &RangeTombstone<'_>) -> connect::Value {
    connect::Value::Struct(vec![side(conversion, table, &range.start), side(conversion, table, &range.end)])
}

fn side(conversion: &Conversion, table: &TableMetadata, bound: &ClusteringBound<'_>) -> connect::Value {
    let (mut plain, mut raw) = (Vec::new(), Vec::new());
    for index in 0..table.clustering.len() {
        let (shown, bytes) = match values(table, bound).nth(index) {
            None => (connect::Value::Absent, None),
            Some((_, None)) => (connect::Value::Null, None),
            Some((column, Some(bytes))) => {
                let value = Value::new(&column.cql_type, bytes);
                (value.connect(conversion), value.raw_or_empty())
            }
        };
        plain.push(shown);
        raw.push(bytes.map_or(connect::Value::Absent, cell::hex));
    }
    let has_raw = raw.iter().any(|value| *value != connect::Value::Absent);
    let raw = if has_raw { connect::Value::Struct(raw) } else { connect::Value::Absent };
    connect::Value::Struct(vec![connect::Value::text(bound.kind.name()), connect::Value::Struct(plain), raw])
}

fn values<'a>(table: &'a TableMetadata, bound: &'a ClusteringBound<'_>) -> impl Iterator<Item = (&'a ColumnMetadata, Option<&'a [u8]>)> {
    table.clustering.iter().zip(bound.values.iter().copied())
}
