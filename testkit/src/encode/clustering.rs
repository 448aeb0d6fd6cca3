//! Clustering values and bounds (`ClusteringPrefix.Serializer`, `ClusteringBoundOrBoundary.Serializer`).

use super::put_value;
use ringtail::codec::put_unsigned_vint;
use ringtail::mutation::BoundKind;
use ringtail::schema::TableMetadata;

/// Values per header: two bits each.
const GROUP: usize = 32;

/// Appends a clustering or a prefix of one; nothing at all if it is empty.
pub fn put(values: &[Option<Vec<u8>>], table: &TableMetadata, out: &mut Vec<u8>) {
    let columns = table.clustering.get(..values.len()).expect("no more values than clustering columns");
    for (values, columns) in values.chunks(GROUP).zip(columns.chunks(GROUP)) {
        let bits = |value: &Option<Vec<u8>>| match value.as_deref() {
            None => 0b10,
            Some([]) => 0b01,
            Some(_) => 0b00,
        };
        put_unsigned_vint(out, values.iter().rev().fold(0, |header, value| header << 2 | bits(value)));
        for (value, column) in values.iter().zip(columns) {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                put_value(column, value, out);
            }
        }
    }
}

/// Appends a bound or boundary: kind, number of values, values.
pub fn put_bound(kind: BoundKind, values: &[Option<Vec<u8>>], table: &TableMetadata, out: &mut Vec<u8>) {
    out.push(match kind {
        BoundKind::ExclEndBound => 0,
        BoundKind::InclStartBound => 1,
        BoundKind::ExclEndInclStartBoundary => 2,
        BoundKind::InclEndExclStartBoundary => 5,
        BoundKind::InclEndBound => 6,
        BoundKind::ExclStartBound => 7,
    });
    out.extend((values.len() as u16).to_be_bytes());
    put(values, table, out);
}
