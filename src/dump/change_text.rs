//! A mutation as the text of one line.

use super::Look;
use super::filter::Filter;
use crate::cql::{self, CqlType};
use crate::event::{self, Change, ChangeEvent, Operation, RangeTombstone};
use crate::mutation::{
    BoundKind, Cell, ClusteringBound, ColumnData, ComplexColumnData, Mutation, PartitionUpdate, Row, Ttl, split_partition_key,
};
use crate::position::CommitLogPosition;
use crate::schema::ColumnMetadata;
use std::fmt::Write;

/// What stands between the changes of one mutation.
const AND: &str = "  |  ";

/// The changes of a mutation that the filter takes, in log order: of the first of each update its table, operation and whole key, of the
/// others the operation and the clustering.
pub fn changes(at: CommitLogPosition, mutation: &Mutation<'_>, filter: &Filter, look: &Look) -> String {
    let events = match event::project(at, mutation) {
        Ok(projection) => projection.events,
        Err(error) => return format!("{}{error}: {}{:#}", look.error, error.source, look.error),
    };
    let mut text = String::new();
    for (index, update) in (0_u32..).zip(&mutation.updates).filter(|(_, update)| filter.takes_update(update)) {
        separate(&mut text);
        push(&mut text, format_args!("{}{}{:#}  ", look.table, update.table, look.table));
        let mut of_update = events.iter().filter(|event| event.update_index == index).peekable();
        if of_update.peek().is_none() {
            push(&mut text, format_args!("-  {}", partition_key(update)));
        }
        for (number, event) in of_update.enumerate() {
            change(&mut text, event, number == 0, look);
        }
    }
    text
}

fn change(text: &mut String, event: &ChangeEvent<'_>, is_first: bool, look: &Look) {
    let operation = event.change.operation();
    let style = if matches!(operation, Operation::Insert | Operation::Update) { look.write } else { look.delete };
    if !is_first {
        text.push_str(AND);
    }
    push(text, format_args!("{style}{}{style:#}  ", operation.letter()));
    let mut key = if is_first { partition_key(event.update) } else { String::new() };
    let columns = &event.update.table.clustering;
    if let Change::Row(row) | Change::RowDelete(row, _) = &event.change
        && !row.clustering.is_empty()
    {
        key.push_str(if is_first { " " } else { "" });
        key.push_str(&values(columns, &row.clustering));
    }
    text.push_str(&key);
    let rest = match &event.change {
        Change::Static(row) => format!("  static{}", cells(row)),
        Change::Row(row) => cells(row),
        Change::RowDelete(..) => "  row deleted".into(),
        Change::PartitionDelete(_) => "  partition deleted".into(),
        Change::RangeDelete(deleted) => format!("  range {} deleted", range(deleted, columns)),
    };
    text.push_str(if key.is_empty() { rest.trim_start() } else { &rest });
}

/// Puts what is between two changes after one, if there is one.
pub fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push_str(AND);
    }
}

fn partition_key(update: &PartitionUpdate<'_>) -> String {
    let parts = split_partition_key(update.table, update.partition_key).unwrap_or_default();
    let parts: Vec<_> = parts.into_iter().map(Some).collect();
    values(&update.table.partition_key, &parts)
}

fn values(columns: &[ColumnMetadata], values: &[Option<&[u8]>]) -> String {
    let named = columns.iter().zip(values).map(|(column, value)| format!("{}={}", column.name, value_text(Some(&column.cql_type), *value)));
    named.collect::<Vec<_>>().join(" ")
}

/// A range in storage order, as an interval: `[c=1 .. c=5)` holds its start and not its end.
fn range(range: &RangeTombstone<'_>, columns: &[ColumnMetadata]) -> String {
    let side = |bound: &ClusteringBound<'_>, open: &str| match bound.values.as_slice() {
        [] => open.to_owned(),
        prefix => values(columns, prefix),
    };
    let start = if range.start.kind == BoundKind::ExclStartBound { '(' } else { '[' };
    let end = if range.end.kind == BoundKind::ExclEndBound { ')' } else { ']' };
    format!("{start}{} .. {}{end}", side(&range.start, "start"), side(&range.end, "end"))
}

fn value_text(cql_type: Option<&CqlType>, bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".into() };
    cql_type.and_then(|cql_type| cql::select_json(cql_type, bytes)).unwrap_or_else(|| "?".into())
}

fn cells(row: &Row<'_>) -> String {
    let mut text = String::new();
    for data in &row.columns {
        match data {
            ColumnData::Simple(cell) => {
                let column = cell.column.column;
                push(&mut text, format_args!("  {}={}", column.name, value_text(Some(&column.cql_type), cell.value)));
            }
            ColumnData::Complex(complex) => elements(&mut text, complex),
        }
    }
    let mut ttls: Vec<Ttl> = row.columns.iter().flat_map(ttls).chain(row.liveness.and_then(|liveness| Some(liveness.expiry?.0))).collect();
    ttls.sort_unstable();
    match (ttls.first(), ttls.last()) {
        (Some(Ttl(least)), Some(Ttl(most))) if least == most => push(&mut text, format_args!("  (ttl {least} s)")),
        (Some(Ttl(least)), Some(Ttl(most))) => push(&mut text, format_args!("  (ttl {least} to {most} s)")),
        _ => {}
    }
    text
}

fn ttls<'a>(data: &'a ColumnData<'_>) -> impl Iterator<Item = Ttl> + 'a {
    let cells = match data {
        ColumnData::Simple(cell) => std::slice::from_ref(cell),
        ColumnData::Complex(complex) => &complex.cells,
    };
    cells.iter().filter_map(|cell| cell.ttl)
}

/// A non-frozen column: `tags=["a"]` if it was overwritten, `tags+=["b"]` for what came, `tags-=["c"]` for what went, `tags=null` if all
/// did.
fn elements(text: &mut String, complex: &ComplexColumnData<'_>) {
    let column = complex.column.column;
    let (gone, come): (Vec<_>, Vec<_>) = complex.cells.iter().partition(|cell| cell.is_tombstone());
    let has_names = matches!(column.cql_type, CqlType::Map(..) | CqlType::Udt(_));
    let (open, close) = if has_names { ('{', '}') } else { ('[', ']') };
    let joined = |cells: &[&Cell<'_>]| cells.iter().map(|cell| element(cell)).collect::<Vec<_>>().join(", ");
    let equals = if complex.deletion.is_some() { "=" } else { "+=" };
    match (complex.deletion, come.is_empty()) {
        (Some(_), true) => push(text, format_args!("  {}=null", column.name)),
        (_, false) => push(text, format_args!("  {}{equals}{open}{}{close}", column.name, joined(&come))),
        (None, true) => {}
    }
    if !gone.is_empty() {
        push(text, format_args!("  {}-=[{}]", column.name, joined(&gone)));
    }
}

/// A live element as its value, with its name if it has one; one that went as its name: a set's element, a map's key, a field, the
/// timeuuid under which a list keeps an element.
fn element(cell: &Cell<'_>) -> String {
    let path = cell.path.map_or(&[][..], |path| path.0);
    let cql_type = &cell.column.column.cql_type;
    let (path_type, value_type) = cql_type.cell_types(path).unzip();
    let name = match cql_type {
        CqlType::Udt(udt) => {
            let field = path.try_into().ok().and_then(|index| udt.fields.get(usize::from(u16::from_be_bytes(index))));
            field.map_or_else(|| "?".into(), |(name, _)| name.clone())
        }
        _ => value_text(path_type.as_ref(), Some(path)),
    };
    match cql_type {
        _ if cell.is_tombstone() => name,
        CqlType::Set(_) => name,
        CqlType::List(_) => value_text(value_type.as_ref(), cell.value),
        _ => format!("{name}: {}", value_text(value_type.as_ref(), cell.value)),
    }
}

/// A `String` takes everything.
fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).unwrap_or_default();
}
