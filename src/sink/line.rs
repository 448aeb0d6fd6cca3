//! One record as one line of JSON: what standard output and the file sink write.
//!
//! ```text
//! {"topic":"shop.ks.t","partition_key":"<hex>","key":{…},"value":{…}|null,"headers":{"ringtail.id":"…"}}
//! ```
//!
//! A key that rules for columns hide has no `partition_key`. Key and value stand in it as the JSON they are. Where one is not JSON, it stands as a string under `key_text` or `value_text`, and where
//! it is no text either, its bytes under `key_base64` or `value_base64`. A record with a timestamp of its own has `timestamp`, in ms, before
//! `headers`.

use crate::envelope::{PartitionBy, Record};
use crate::progress::Ticket;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Write;

/// Bytes after which [`Lines`] takes no more: what one write and one fsync cover.
const LINES_BYTES_MAX: usize = 1 << 20;

/// Lines not yet written, and the tickets of their records in the same order.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    tickets: Vec<Ticket>,
}

impl Lines {
    /// Adds the record's line; `false` if there is no room for it now. A line longer than the limit is taken
    /// when it is alone.
    pub(super) fn push(&mut self, record: &Record, ticket: Ticket) -> bool {
        if self.bytes.len() >= LINES_BYTES_MAX {
            return false;
        }
        write_line(record, &mut self.bytes);
        self.tickets.push(ticket);
        true
    }

    /// All lines, each with its line feed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    /// The tickets of the lines that have been written; none of them is left.
    pub(super) fn written(&mut self) -> std::vec::Drain<'_, Ticket> {
        self.bytes.clear();
        self.tickets.drain(..)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.tickets.clear();
    }
}

/// Appends the record's line, with its line feed.
pub(super) fn write_line(record: &Record, out: &mut Vec<u8>) {
    let start = out.len();
    serde_json::to_writer(&mut *out, &Line(record)).expect("a Vec takes every byte, and every key is a string");
    // JSON has raw line breaks only between its tokens, so a pretty-printed value fits in one line like this.
    for byte in out.iter_mut().skip(start).filter(|byte| matches!(**byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    out.push(b'\n');
}

struct Line<'a>(&'a Record);

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Line(record) = self;
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("topic", &*record.topic)?;
        if record.partition_by != PartitionBy::Hidden {
            line.serialize_entry("partition_key", &hex(&record.partition_key))?;
        }
        payload(&mut line, ["key", "key_text", "key_base64"], &record.key)?;
        match &record.value {
            Some(value) => payload(&mut line, ["value", "value_text", "value_base64"], value)?,
            None => line.serialize_entry("value", &())?,
        }
        if let Some(timestamp) = record.timestamp {
            line.serialize_entry("timestamp", &timestamp)?;
        }
        line.serialize_entry("headers", &Headers(&record.headers))?;
        line.end()
    }
}

fn payload<M: SerializeMap>(line: &mut M, [json, text, base64]: [&str; 3], bytes: &[u8]) -> Result<(), M::Error> {
    match (serde_json::from_slice::<&RawValue>(bytes), std::str::from_utf8(bytes)) {
        (Ok(value), _) => line.serialize_entry(json, value),
        // Avro begins with a zero byte, so it never passes for text.
        (Err(_), Ok(value)) if !value.contains(|c: char| c.is_control() && !c.is_whitespace()) => line.serialize_entry(text, value),
        (Err(_), _) => line.serialize_entry(base64, &STANDARD.encode(bytes)),
    }
}

/// An object with the headers' own order.
struct Headers<'a>(&'a [(Cow<'static, str>, String)]);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every character");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::PartitionBy;

    fn record(key: &[u8], value: Option<&[u8]>) -> Record {
        Record {
            topic: "shop.ks.t".into(),
            key: key.to_vec(),
            value: value.map(<[u8]>::to_vec),
            headers: vec![("ringtail.id".into(), "n1/1/2/0".into()), ("a".into(), "\"".into())],
            timestamp: None,
            partition_key: vec![0, 0xab],
            partition_by: PartitionBy::RecordKey,
        }
    }

    fn line(record: &Record) -> String {
        let mut out = b"before\n".to_vec();
        write_line(record, &mut out);
        String::from_utf8(out).unwrap().strip_prefix("before\n").unwrap().into()
    }

    #[test]
    fn key_and_value_stand_in_the_line_as_they_are() {
        let line = line(&record(br#"{"p":1.50}"#, Some(br#"{"z":1,"a":"\n"}"#)));

        assert_eq!(
            line,
            concat!(
                r#"{"topic":"shop.ks.t","partition_key":"00ab","key":{"p":1.50},"value":{"z":1,"a":"\n"},"#,
                r#""headers":{"ringtail.id":"n1/1/2/0","a":"\""}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn tombstone_has_a_null_value() {
        assert!(line(&record(b"{}", None)).contains(r#""key":{},"value":null,"headers""#));
    }

    #[test]
    fn text_that_is_not_json_stands_as_a_string_and_other_bytes_as_base64() {
        let text = line(&record(b"order-7", Some(b"{")));
        let bytes = line(&record(&[0, 0, 0, 0, 1], Some(b"\xff{")));

        assert!(text.contains(r#""key_text":"order-7","value_text":"{","#), "{text}");
        assert!(bytes.contains(r#""key_base64":"AAAAAAE=","value_base64":"/3s=","#), "{bytes}");
    }

    #[test]
    fn a_timestamp_of_its_own_stands_before_the_headers() {
        let line = line(&Record { timestamp: Some(7), ..record(b"1", Some(b"2")) });

        assert!(line.contains(r#""value":2,"timestamp":7,"headers":"#), "{line}");
    }

    #[test]
    fn pretty_json_stays_on_one_line() {
        let line = line(&record(b"{\n  \"p\": 1\r\n}", None));

        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.contains("\"key\":{   \"p\": 1  }"), "{line}");
    }

    #[test]
    fn lines_are_full_after_the_limit_but_take_one_long_line() {
        let mut lines = Lines::default();
        let long = vec![b'1'; 2 * LINES_BYTES_MAX];

        assert!(lines.push(&record(b"1", Some(&long)), Ticket(1)));
        assert!(!lines.push(&record(b"1", None), Ticket(2)));
        assert_eq!(lines.written().collect::<Vec<_>>(), [Ticket(1)]);
        assert!(lines.push(&record(b"1", None), Ticket(2)));
    }
}
