//! Rows (`UnfilteredSerializer`).

use super::{Header, cell, clustering, has_complex_deletion, subset};
use crate::described::{Column, ColumnData, Row};
use ringtail::codec::put_unsigned_vint;
use ringtail::schema::ColumnMetadata;

const HAS_TIMESTAMP: u8 = 0x04;
const HAS_TTL: u8 = 0x08;
const HAS_DELETION: u8 = 0x10;
const HAS_ALL_COLUMNS: u8 = 0x20;
const HAS_COMPLEX_DELETION: u8 = 0x40;
const EXTENSION_FLAG: u8 = 0x80;

const IS_STATIC: u8 = 0x01;
const HAS_SHADOWABLE_DELETION: u8 = 0x02;

/// Appends a row.
pub fn put(row: &Row, header: &Header<'_>, out: &mut Vec<u8>) {
    put_flags(row, &header.regulars, 0, out);
    assert_eq!(row.clustering.len(), header.table.clustering.len(), "one value per clustering column");
    clustering::put(&row.clustering, header.table, out);
    put_body(row, &header.regulars, header, out);
}

/// Appends the static row, which has no clustering.
pub fn put_static(row: &Row, header: &Header<'_>, out: &mut Vec<u8>) {
    put_flags(row, &header.statics, IS_STATIC, out);
    put_body(row, &header.statics, header, out);
}

fn put_flags(row: &Row, columns: &[&ColumnMetadata], mut extended: u8, out: &mut Vec<u8>) {
    let flag = |holds, flag| if holds { flag } else { 0 };
    extended |= flag(row.deletion.is_some_and(|deletion| deletion.shadowable), HAS_SHADOWABLE_DELETION);
    out.push(
        flag(row.liveness.is_some(), HAS_TIMESTAMP)
            | flag(row.liveness.is_some_and(|liveness| liveness.expiry.is_some()), HAS_TTL)
            | flag(row.deletion.is_some(), HAS_DELETION)
            | flag(row.columns.len() == columns.len(), HAS_ALL_COLUMNS)
            | flag(has_complex_deletion(&row.columns), HAS_COMPLEX_DELETION)
            | flag(extended != 0, EXTENSION_FLAG),
    );
    if extended != 0 {
        out.push(extended);
    }
}

fn put_body(row: &Row, columns: &[&ColumnMetadata], header: &Header<'_>, out: &mut Vec<u8>) {
    if let Some(liveness) = row.liveness {
        header.bases.put_timestamp(liveness.timestamp, out);
        if let Some((ttl, expires)) = liveness.expiry {
            header.bases.put_ttl(ttl, out);
            header.bases.put_local_deletion_time(expires, out);
        }
    }
    if let Some(deletion) = row.deletion {
        header.bases.put_deletion(deletion.time, out);
    }
    let data: Vec<Option<&Column>> = columns.iter().map(|column| row.columns.iter().find(|data| data.name == column.name)).collect();
    if row.columns.len() != columns.len() {
        subset::put(&data.iter().map(Option::is_some).collect::<Vec<_>>(), out);
    }
    for (metadata, data) in columns.iter().zip(data) {
        if let Some(column) = data {
            put_column(&column.data, metadata, row, header, out);
        }
    }
}

fn put_column(data: &ColumnData, metadata: &ColumnMetadata, row: &Row, header: &Header<'_>, out: &mut Vec<u8>) {
    match data {
        ColumnData::Simple(cell) => cell::put(cell, metadata, row.liveness, &header.bases, out),
        ColumnData::Complex { deletion, cells } => {
            if has_complex_deletion(&row.columns) {
                header.bases.put_deletion_or_live(*deletion, out);
            }
            put_unsigned_vint(out, cells.len() as u64);
            cells.iter().for_each(|cell| cell::put(cell, metadata, row.liveness, &header.bases, out));
        }
    }
}
