//! `events.headers`: headers that the operator gives the record of every event.

use super::key::PrimaryKey;
use super::template::{self, Piece};
use crate::cql;
use crate::event::{Change, ChangeEvent};
use crate::mutation::{ColumnData, Row};
use crate::schema::ColumnMetadata;

/// The names that are ours.
const OURS: &str = "ringtail.";

/// One header: its name, and its value as text with places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderTemplate {
    name: String,
    parts: Vec<Part>,
}

/// A piece of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Prefix,
    Keyspace,
    Table,
    Node,
    Op,
    Kind,
    Column(String),
}

/// Why a header is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderTemplateError {
    /// The name is empty, or begins with `ringtail.`.
    #[error("has a header named {0:?}; expected a name that is not empty and does not begin with \"ringtail.\"")]
    Name(String),
    /// A place that does not exist.
    #[error(
        "has the place {{{place}}} in header {name:?}; expected {{prefix}}, {{keyspace}}, {{table}}, {{node}}, {{op}}, {{kind}} or {{column:NAME}}"
    )]
    UnknownPlace {
        /// The header.
        name: String,
        /// What stands in the brackets.
        place: String,
    },
    /// A bracket without its partner.
    #[error("has an unpaired bracket in header {0:?}; expected places like {{table}}")]
    Unpaired(String),
}

impl HeaderTemplate {
    /// Reads a header. Places are `{prefix}`, `{keyspace}`, `{table}`, `{node}` (`node.id`), `{op}`, `{kind}` (as in events), and
    /// `{column:NAME}`: the text of a column's value, of the primary key or as this event writes it.
    ///
    /// # Errors
    /// [`HeaderTemplateError`]: a name that is not free, an unknown place, an unpaired bracket.
    ///
    /// ```
    /// use ringtail::envelope::HeaderTemplate;
    /// assert!(HeaderTemplate::parse("source", "{node}/{keyspace}.{table}").is_ok());
    /// assert!(HeaderTemplate::parse("source", "{host}").is_err());
    /// ```
    pub fn parse(name: &str, template: &str) -> Result<Self, HeaderTemplateError> {
        if name.is_empty() || name.starts_with(OURS) {
            return Err(HeaderTemplateError::Name(name.into()));
        }
        let pieces = template::pieces(template).map_err(|_| HeaderTemplateError::Unpaired(name.into()))?;
        let parts = pieces.into_iter().map(|piece| match piece {
            Piece::Text(text) => Ok(Part::Text(text.into())),
            Piece::Place(place) => {
                Part::place(place).ok_or_else(|| HeaderTemplateError::UnknownPlace { name: name.into(), place: place.into() })
            }
        });
        Ok(HeaderTemplate { name: name.into(), parts: parts.collect::<Result<_, _>>()? })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns that the value is made of.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Column(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The value; `None` where one of its columns has none in this event: then there is no such header.
    pub(super) fn value(&self, prefix: &str, node: &str, event: &ChangeEvent<'_>) -> Option<String> {
        let mut value = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => value.push_str(text),
                Part::Prefix => value.push_str(prefix),
                Part::Keyspace => value.push_str(&event.update.table.keyspace),
                Part::Table => value.push_str(&event.update.table.name),
                Part::Node => value.push_str(node),
                Part::Op => value.push_str(event.change.operation().letter()),
                Part::Kind => value.push_str(event.change.kind()),
                Part::Column(name) => value.push_str(&column(event, name)?),
            }
        }
        Some(value)
    }
}

impl Part {
    fn place(place: &str) -> Option<Part> {
        match place {
            "prefix" => Some(Part::Prefix),
            "keyspace" => Some(Part::Keyspace),
            "table" => Some(Part::Table),
            "node" => Some(Part::Node),
            "op" => Some(Part::Op),
            "kind" => Some(Part::Kind),
            _ => place.strip_prefix("column:").filter(|name| !name.is_empty()).map(|name| Part::Column(name.into())),
        }
    }
}

/// The text of a column's value, if the event has one: no text of a collection that is not frozen.
fn column(event: &ChangeEvent<'_>, name: &str) -> Option<String> {
    let (table, key) = (event.update.table, PrimaryKey::of(event));
    let at = |columns: &[ColumnMetadata]| columns.iter().position(|column| column.name == name);
    let text = |column: &ColumnMetadata, bytes: &[u8]| cql::get_string(&column.cql_type, bytes);
    if let Some(index) = at(&table.partition_key) {
        return text(table.partition_key.get(index)?, key.partition()?.get(index)?);
    }
    if let Some(index) = at(&table.clustering) {
        return text(table.clustering.get(index)?, key.clustering()?.get(index).copied().flatten()?);
    }
    match event.change {
        Change::Row(row) | Change::Static(row) => written(row, name).and_then(|(column, bytes)| text(column, bytes)),
        Change::PartitionDelete(_) | Change::RangeDelete(_) | Change::RowDelete(..) => None,
    }
}

fn written<'a>(row: &'a Row<'_>, name: &str) -> Option<(&'a ColumnMetadata, &'a [u8])> {
    row.columns.iter().find_map(|data| match data {
        ColumnData::Simple(cell) if cell.column.column.name == name => Some((cell.column.column, cell.value?)),
        ColumnData::Simple(_) | ColumnData::Complex(_) => None,
    })
}
