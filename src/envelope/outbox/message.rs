//! An inserted row as a record.

use super::inserted::{Found, Inserted};
use super::{OutboxTable, halted, unwanted};
use crate::cql::{self, CqlType, CqlValue};
use crate::envelope::{EncodeError, PartitionBy, Record};
use crate::event::{Change, ChangeEvent};
use std::borrow::Cow;

/// The header that holds the message's id, as Debezium's router names it.
const ID: &str = "id";
/// The header that holds the event type, as the router's users name it.
const EVENT_TYPE: &str = "eventType";
/// The header of the W3C's trace context.
const TRACEPARENT: &str = "traceparent";

type Headers = Vec<(Cow<'static, str>, String)>;

/// The record of an event of an outbox table. `id` is the event's; `headers` are those of every record.
///
/// # Errors
/// [`EncodeError::Waiting`]: the table lacks a column that a message needs, or the change is one to stop at. [`EncodeError::Refused`]:
/// the row does not set such a column.
pub(in crate::envelope) fn record(
    outbox: &OutboxTable,
    prefix: &str,
    event: &ChangeEvent<'_>,
    id: &str,
    mut headers: Headers,
) -> Result<Record, EncodeError> {
    let row = match (&event.change, unwanted(outbox, event)) {
        (Change::Row(row), None) => Inserted::new(event, row),
        // What is passed over does not come here.
        (_, unwanted) => return Err(halted(outbox, unwanted.map_or("", |(rule, _)| rule), event)),
    };
    let required = Required { outbox, row: &row };
    let aggregate_type = required.text("aggregate_type", &outbox.aggregate_type)?;
    let key = required.text("aggregate_id", &outbox.aggregate_id)?.into_bytes();
    let value = required.payload()?;
    headers.extend(own_headers(outbox, &row, id));
    Ok(Record {
        topic: outbox.topic.topic(prefix, event.update.table, &aggregate_type),
        key,
        value,
        headers,
        timestamp: timestamp(outbox, &row).or(Some(event.timestamp.0.div_euclid(1000))).filter(|ms| *ms > 0),
        partition_key: event.update.partition_key.to_vec(),
        partition_by: PartitionBy::RecordKey,
    })
}

/// `id`, `eventType`, `traceparent` and those of further columns. One whose column is not set is left out, but for the id.
fn own_headers<'a>(outbox: &'a OutboxTable, row: &'a Inserted<'_>, id: &str) -> impl Iterator<Item = (Cow<'static, str>, String)> + 'a {
    let text = |column: &Option<String>| column.as_deref().and_then(|column| row.get(column).text());
    let id = text(&outbox.id).unwrap_or_else(|| id.to_owned());
    let own = [(ID, Some(id)), (EVENT_TYPE, text(&outbox.event_type)), (TRACEPARENT, text(&outbox.traceparent))];
    let own = own.into_iter().filter_map(|(name, value)| Some((Cow::Borrowed(name), value?)));
    own.chain(outbox.headers.iter().filter_map(|(column, name)| Some((Cow::Owned(name.clone()), row.get(column).text()?))))
}

/// The columns without which there is no message.
struct Required<'a> {
    outbox: &'a OutboxTable,
    row: &'a Inserted<'a>,
}

impl<'a> Required<'a> {
    fn get(&self, key: &str, column: &str) -> Result<Found<'a>, EncodeError> {
        match self.row.get(column) {
            Found::NoColumn => {
                let name = self.outbox.name();
                Err(EncodeError::Waiting(format!("{name} has no column {column} (outbox.tables.{name}.{key})")))
            }
            found => Ok(found),
        }
    }

    fn text(&self, key: &str, column: &str) -> Result<String, EncodeError> {
        let text = self.get(key, column)?.text().filter(|text| !text.is_empty());
        text.ok_or_else(|| self.refused(key, column, "is not set"))
    }

    fn payload(&self) -> Result<Option<Vec<u8>>, EncodeError> {
        let column = &self.outbox.payload;
        let found = self.get("payload", column)?;
        if self.outbox.tombstone_on_empty && is_blank(found) {
            return Ok(None);
        }
        match found {
            Found::Unset => Err(self.refused("payload", column, "is not set")),
            Found::Value(cql_type, bytes) if is_as_it_is(cql_type) => Ok(Some(bytes.to_vec())),
            found => found
                .json()
                .map(|json| Some(json.into_bytes()))
                .ok_or_else(|| self.refused("payload", column, "is empty or not of its type")),
        }
    }

    fn refused(&self, key: &str, column: &str, why: &str) -> EncodeError {
        EncodeError::Refused(format!("a row of {} is no message: {key} (column {column}) {why}", self.outbox.name()))
    }
}

/// Types whose bytes are the payload.
fn is_as_it_is(cql_type: &CqlType) -> bool {
    matches!(cql_type.unfrozen(), CqlType::Text | CqlType::Ascii | CqlType::Blob)
}

/// Not set, without bytes, or text of nothing but white space: what the router takes for empty.
fn is_blank(found: Found<'_>) -> bool {
    match found {
        Found::Unset => true,
        Found::Value(cql_type, bytes) => {
            bytes.is_empty() || (*cql_type.unfrozen() != CqlType::Blob && bytes.iter().all(|byte| *byte <= b' ') && is_as_it_is(cql_type))
        }
        Found::NoColumn | Found::Elements(_) => false,
    }
}

/// The time that the configured column says, in ms since 1970.
fn timestamp(outbox: &OutboxTable, row: &Inserted<'_>) -> Option<i64> {
    let Found::Value(cql_type, bytes) = row.get(outbox.timestamp.as_deref()?) else { return None };
    match cql::decode(cql_type, bytes).ok()? {
        CqlValue::Timestamp(ms) | CqlValue::Bigint(ms) => Some(ms),
        CqlValue::Uuid(uuid) => {
            let (seconds, nanos) = uuid.get_timestamp()?.to_unix();
            i64::try_from(seconds).ok()?.checked_mul(1000)?.checked_add(i64::from(nanos / 1_000_000))
        }
        _ => None,
    }
}
