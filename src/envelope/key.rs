//! The primary key: the record's key, and what `after` needs of it.

use super::json;
use super::value::Value;
use crate::connect::{self, Conversion, Field};
use crate::cql::CqlType;
use crate::event::{Change, ChangeEvent};
use crate::mutation::split_partition_key;
use crate::schema::{ColumnMetadata, TableMetadata};

/// The primary key of an event, split into columns.
pub(super) struct PrimaryKey<'a> {
    table: &'a TableMetadata,
    /// `None`: the bytes are not a key of this table.
    partition: Option<Vec<&'a [u8]>>,
    /// `None`: the event is not about one row.
    clustering: Option<&'a [Option<&'a [u8]>]>,
}

impl<'a> PrimaryKey<'a> {
    pub(super) fn of(event: &ChangeEvent<'a>) -> Self {
        let table = event.update.table;
        let clustering = match event.change {
            Change::Row(row) | Change::RowDelete(row, _) => Some(row.clustering.as_slice()),
            Change::PartitionDelete(_) | Change::Static(_) | Change::RangeDelete(_) => None,
        };
        PrimaryKey { table, partition: split_partition_key(table, event.update.partition_key).ok(), clustering }
    }

    /// The values of the partition key columns, if the bytes are a key of this table.
    pub(super) fn partition(&self) -> Option<&[&'a [u8]]> {
        self.partition.as_deref()
    }

    /// The values of the clustering columns, if the event is about one row.
    pub(super) fn clustering(&self) -> Option<&'a [Option<&'a [u8]>]> {
        self.clustering
    }

    /// Key columns in Connect's model, partition key first: null what is not there or cannot be decoded, `missing` the clustering columns of an
    /// event that is not about one row.
    pub(super) fn connect(&self, conversion: &Conversion, missing: &connect::Value) -> Vec<connect::Value> {
        let shown = |column: &ColumnMetadata, bytes: Option<&[u8]>| {
            bytes.map_or(connect::Value::Null, |bytes| Value::new(&column.cql_type, bytes).connect(conversion))
        };
        let partition = self.table.partition_key.iter().enumerate();
        let partition =
            partition.map(|(index, column)| shown(column, self.partition.as_ref().and_then(|values| values.get(index).copied())));
        let clustering = self.table.clustering.iter().enumerate();
        let clustering = clustering.map(|(index, column)| match self.clustering {
            Some(values) => shown(column, values.get(index).copied().flatten()),
            None => missing.clone(),
        });
        partition.chain(clustering).collect()
    }

    /// The fields of [`PrimaryKey::connect`].
    pub(super) fn fields(table: &TableMetadata, conversion: &Conversion) -> Vec<Field> {
        let columns = table.partition_key.iter().chain(&table.clustering);
        columns.map(|column| Field::new(column.name.as_str(), conversion.schema(&column.cql_type))).collect()
    }

    /// Writes the record's key: `{"p":7,"c":1}`; null what is not there or cannot be decoded.
    pub(super) fn write(&self, out: &mut String) {
        out.push('{');
        for (index, column) in self.table.partition_key.iter().enumerate() {
            let value = self.partition.as_ref().and_then(|values| values.get(index).copied());
            write_column(out, &column.name, &column.cql_type, value);
        }
        for (index, column) in self.table.clustering.iter().enumerate() {
            let value = self.clustering.and_then(|values| values.get(index).copied().flatten());
            write_column(out, &column.name, &column.cql_type, value);
        }
        out.push('}');
    }
}

fn write_column(out: &mut String, name: &str, cql_type: &CqlType, value: Option<&[u8]>) {
    json::named(out, name);
    match value {
        Some(bytes) => Value::new(cql_type, bytes).print(out),
        None => out.push_str("null"),
    }
}
