//! The few pieces of JSON that everything here is written from. Nothing is built before it is written.

use crate::cql;
use crate::schema::SchemaVersion;
use uuid::Uuid;

/// A comma, unless this is the first member of its object or the first element of its array.
///
/// Looking at the last byte is enough: a string ends in a quote, so a bracket is never part of one.
pub(super) fn comma(out: &mut String) {
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
}

/// The name of a member of our own making, which needs no escaping.
pub(super) fn member(out: &mut String, name: &'static str) {
    comma(out);
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
}

/// The name of a member that somebody else chose: a column or a field.
pub(super) fn named(out: &mut String, name: &str) {
    comma(out);
    string(out, name);
    out.push(':');
}

/// A string.
pub(super) fn string(out: &mut String, text: &str) {
    cql::json_string(text, out);
}

/// An integer.
pub(super) fn number(out: &mut String, number: impl itoa::Integer) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// A member that is an integer.
pub(super) fn number_member(out: &mut String, name: &'static str, value: impl itoa::Integer) {
    member(out, name);
    number(out, value);
}

/// A UUID as a string.
pub(super) fn uuid(out: &mut String, uuid: Uuid) {
    out.push('"');
    out.push_str(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    out.push('"');
}

/// A schema version as a string.
pub(super) fn version(out: &mut String, version: SchemaVersion) {
    out.push('"');
    cql::hex(&version.0.to_be_bytes(), out);
    out.push('"');
}

/// Bytes as a string of hexadecimal digits.
pub(super) fn hex(out: &mut String, bytes: &[u8]) {
    out.push('"');
    cql::hex(bytes, out);
    out.push('"');
}
