//! The readable form: a line per change, for people.
//!
//! ```text
//! CommitLog-7-1795365411252.log  version 7, plain
//!     67470  ops.t  u  p=1 c1=2 c2="a"  v=null
//! ```

use super::{Archive, Form, Summary};
use crate::commitlog::{Damage, Descriptor, Entry, SegmentError};
use crate::cql::{self, CqlType};
use crate::event::{self, Change, ChangeEvent};
use crate::mutation::{Cell, Clustering, ClusteringBound, ColumnData, DecodeError, Mutation, Row, split_partition_key};
use crate::position::{CommitLogPosition, SegmentId};
use crate::schema::ColumnMetadata;
use std::io::{self, Write};

/// Writes the readable form.
#[derive(Debug)]
pub struct Readable<W> {
    out: W,
    segment: SegmentId,
}

impl<W: Write> Readable<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Readable { out, segment: SegmentId(0) }
    }

    fn change(&mut self, event: &ChangeEvent<'_>) -> io::Result<()> {
        let table = event.update.table;
        write!(self.out, "{:>10}  {table}  {}  {}", event.at.position, event.change.operation().letter(), key(event))?;
        match &event.change {
            Change::Static(row) | Change::Row(row) => writeln!(self.out, "{}", cells(row)),
            Change::RowDelete(_, deletion) => writeln!(self.out, "  row deleted at {}", deletion.time.marked_for_delete_at.0),
            Change::PartitionDelete(deletion) => writeln!(self.out, "  partition deleted at {}", deletion.marked_for_delete_at.0),
            Change::RangeDelete(range) => writeln!(
                self.out,
                "  range {} to {} deleted at {}",
                bound(&range.start, &table.clustering),
                bound(&range.end, &table.clustering),
                range.deletion.marked_for_delete_at.0
            ),
        }
    }
}

impl<W: Write> Form for Readable<W> {
    fn segment(&mut self, archive: &Archive, header: Result<&Descriptor, &SegmentError>) -> io::Result<()> {
        self.segment = archive.name.id;
        match header {
            Ok(descriptor) => {
                let kind = match &descriptor.encryption {
                    Some(encryption) => &encryption.cipher,
                    None => descriptor.compression_class.as_deref().unwrap_or("plain"),
                };
                writeln!(self.out, "{}  version {}, {kind}", archive.name.log(), descriptor.version)
            }
            Err(error) => writeln!(self.out, "{}  {error}", archive.name.log()),
        }
    }

    fn mutation(&mut self, entry: &Entry<'_>, mutation: &Mutation<'_>) -> io::Result<()> {
        let at = CommitLogPosition { segment: self.segment, position: entry.end };
        match event::project(at, mutation) {
            Ok(projection) => projection.events.iter().try_for_each(|event| self.change(event)),
            Err(error) => writeln!(self.out, "{:>10}  {error}", entry.end),
        }
    }

    fn undecodable(&mut self, entry: &Entry<'_>, leading: &Mutation<'_>, error: &DecodeError) -> io::Result<()> {
        self.mutation(entry, leading)?;
        writeln!(self.out, "{:>10}  {error} ({} bytes)", entry.end, entry.body().len())
    }

    fn damage(&mut self, damage: &Damage) -> io::Result<()> {
        writeln!(self.out, "{:>10}  damage: {damage}", damage.logical.start)
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let Summary { segments, mutations, updates, rows, cells, errors, .. } = summary;
        let skipped: u64 = summary.skipped.values().sum();
        writeln!(
            self.out,
            "{segments} segments: {mutations} mutations, {updates} updates, {rows} rows, {cells} cells; {skipped} mutations of unknown tables, {errors} errors"
        )?;
        self.out.flush()
    }
}

fn key(event: &ChangeEvent<'_>) -> String {
    let update = event.update;
    let parts = split_partition_key(update.table, update.partition_key).unwrap_or_default();
    let parts: Vec<_> = parts.into_iter().map(Some).collect();
    let mut text = values(&update.table.partition_key, &parts);
    if let Change::Row(row) | Change::RowDelete(row, _) = &event.change
        && !row.clustering.is_empty()
    {
        text.push(' ');
        text.push_str(&values(&update.table.clustering, &row.clustering));
    }
    text
}

fn values(columns: &[ColumnMetadata], values: &Clustering<'_>) -> String {
    let named = columns.iter().zip(values).map(|(column, value)| format!("{}={}", column.name, text(&column.cql_type, *value)));
    named.collect::<Vec<_>>().join(" ")
}

fn text(cql_type: &CqlType, bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "null".into(), |bytes| cql::select_json(cql_type, bytes).unwrap_or_else(|| "?".into()))
}

fn bound(bound: &ClusteringBound<'_>, columns: &[ColumnMetadata]) -> String {
    format!("{}({})", bound.kind.name(), values(columns, &bound.values))
}

fn cells(row: &Row<'_>) -> String {
    let mut text = String::new();
    for data in &row.columns {
        match data {
            ColumnData::Simple(simple) => {
                text.push_str(&format!("  {}={}", simple.column.column.name, self::text(&simple.column.column.cql_type, simple.value)));
            }
            ColumnData::Complex(complex) => {
                let reset = if complex.deletion.is_some() { "=" } else { "+=" };
                let elements: Vec<String> = complex.cells.iter().map(element).collect();
                text.push_str(&format!("  {}{reset}[{}]", complex.column.column.name, elements.join(", ")));
            }
        }
    }
    text
}

fn element(cell: &Cell<'_>) -> String {
    let path = cell.path.map_or(&[][..], |path| path.0);
    let types = cell.column.column.cql_type.cell_types(path);
    let part = |cql_type: Option<&CqlType>, bytes| cql_type.map_or_else(|| "?".into(), |cql_type| text(cql_type, bytes));
    format!("{}: {}", part(types.as_ref().map(|types| &types.0), Some(path)), part(types.as_ref().map(|types| &types.1), cell.value))
}
