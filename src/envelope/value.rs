//! Values as JSON, and what stands beside a value that JSON alone does not give back.

use super::json;
use crate::connect::{self, Conversion};
use crate::cql::{self, CounterShard, CqlType, CqlValue, ShardKind};

/// A serialized value and what it means.
///
/// Printed, it is the value's JSON, or null if it is empty or cannot be decoded. [`Value::is_empty`] and
/// [`Value::raw`] say what else is needed to get the bytes back.
pub(super) struct Value<'a> {
    cql_type: &'a CqlType,
    bytes: &'a [u8],
    /// `None`: the bytes are none of this type.
    decoded: Option<CqlValue<'a>>,
}

impl<'a> Value<'a> {
    pub(super) fn new(cql_type: &'a CqlType, bytes: &'a [u8]) -> Self {
        Value { cql_type, bytes, decoded: cql::decode(cql_type, bytes).ok() }
    }

    /// Writes the JSON of the value.
    pub(super) fn print(&self, out: &mut String) {
        match &self.decoded {
            Some(value) if !self.is_empty() => cql::event_json(self.cql_type, value, out),
            _ => out.push_str("null"),
        }
    }

    /// The value in Connect's model; null where it prints as null.
    pub(super) fn connect(&self, conversion: &Conversion) -> connect::Value {
        self.decoded.as_ref().map_or(connect::Value::Null, |value| conversion.value(self.cql_type, value))
    }

    /// Whether there are no bytes, and the type has no empty value of its own to print.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.decoded, Some(CqlValue::Empty))
    }

    /// The bytes, if what is printed does not give them back, apart from emptiness.
    pub(super) fn raw(&self) -> Option<&'a [u8]> {
        match &self.decoded {
            Some(value) if self.is_empty() || cql::is_canonical(self.cql_type, self.bytes, value) => None,
            _ => Some(self.bytes),
        }
    }

    /// The bytes, if what is printed does not give them back. Where there is no room for two marks, emptiness is
    /// told this way.
    pub(super) fn raw_or_empty(&self) -> Option<&'a [u8]> {
        if self.is_empty() { Some(self.bytes) } else { self.raw() }
    }

    /// The shards of a counter.
    pub(super) fn shards(&self) -> Option<&[CounterShard]> {
        match &self.decoded {
            Some(CqlValue::Counter(shards)) => Some(shards),
            _ => None,
        }
    }

    /// Writes the members `shards` and `empty`, as far as they apply.
    pub(super) fn details(&self, out: &mut String) {
        if let Some(shards) = self.shards() {
            write_shards(out, shards);
        }
        if self.is_empty() {
            json::member(out, "empty");
            out.push_str("true");
        }
    }

    /// Writes the member `raw`, if it is needed.
    pub(super) fn raw_member(&self, out: &mut String) {
        if let Some(bytes) = self.raw() {
            json::member(out, "raw");
            json::hex(out, bytes);
        }
    }
}

fn write_shards(out: &mut String, shards: &[CounterShard]) {
    json::member(out, "shards");
    out.push('[');
    for shard in shards {
        json::comma(out);
        out.push_str("{\"id\":");
        json::uuid(out, shard.id);
        json::number_member(out, "clock", shard.clock);
        json::number_member(out, "count", shard.count);
        out.push_str(match shard.kind {
            ShardKind::Global => ",\"kind\":\"global\"}",
            ShardKind::Local => ",\"kind\":\"local\"}",
            ShardKind::Remote => ",\"kind\":\"remote\"}",
        });
    }
    out.push(']');
}
