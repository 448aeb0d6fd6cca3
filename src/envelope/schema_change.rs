//! The value of a change of the schema.
//!
//! ```text
//! {"ts_ms","source":{…},"change","keyspace","table","name","definition":{…}|null [,"truncated_to":{"segment","position"}],
//!  "ringtail":{"v":1,"id","kind":"schema" [,"table_id"] [,"schema"],"ts"}}
//! ```

use super::json;
use super::source::{Place, Source};
use crate::schema::SchemaChange;

/// Writes the value.
pub(super) fn write_value(out: &mut String, change: &SchemaChange, source: &Source, place: &Place<'_>, id: &str, ts_ms: i64) {
    out.push_str("{\"ts_ms\":");
    json::number(out, ts_ms);
    json::member(out, "source");
    source.write(out, place);
    json::member(out, "change");
    json::string(out, &change.change);
    json::member(out, "keyspace");
    json::string(out, &change.keyspace);
    write_text(out, "table", change.table.as_deref());
    write_text(out, "name", change.name.as_deref());
    json::member(out, "definition");
    // It is JSON.
    out.push_str(change.definition.as_deref().unwrap_or("null"));
    if let Some((segment, position)) = change.truncated_to {
        out.push_str(",\"truncated_to\":{\"segment\":");
        json::number(out, segment);
        json::number_member(out, "position", position);
        out.push('}');
    }
    out.push_str(",\"ringtail\":{\"v\":1,\"id\":");
    json::string(out, id);
    out.push_str(",\"kind\":\"schema\"");
    if let Some(table_id) = &change.table_id {
        json::member(out, "table_id");
        json::string(out, table_id);
    }
    if let Some(version) = &change.version {
        json::member(out, "schema");
        json::string(out, version);
    }
    json::number_member(out, "ts", change.ts);
    out.push_str("}}");
}

fn write_text(out: &mut String, name: &'static str, text: Option<&str>) {
    json::member(out, name);
    match text {
        Some(text) => json::string(out, text),
        None => out.push_str("null"),
    }
}
