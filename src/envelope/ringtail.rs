//! The member `ringtail`: what makes the event lossless and recognisable.
//!
//! ```text
//! {"v":1,"id","kind","n","of","table_id","schema" [,"liveness":{"ts" [,"ttl","expires"]}]
//!  [,"deletion":{"ts","deleted" [,"shadowable"]}] [,"range":{"start","end"}]}
//! ```

use super::{json, range};
use crate::event::{Change, ChangeEvent};
use crate::mutation::{DeletionTime, LivenessInfo, Row};

/// Writes the object. `id` is the event's identity.
pub(super) fn write_ringtail(out: &mut String, event: &ChangeEvent<'_>, id: &str) {
    out.push_str("{\"v\":1,\"id\":");
    json::string(out, id);
    json::member(out, "kind");
    json::string(out, event.change.kind());
    json::number_member(out, "n", event.update_index);
    json::number_member(out, "of", event.declared_updates);
    json::member(out, "table_id");
    json::uuid(out, event.update.table.id.0);
    json::member(out, "schema");
    json::version(out, event.update.table.version);
    write_change(out, event);
    out.push('}');
}

fn write_change(out: &mut String, event: &ChangeEvent<'_>) {
    match &event.change {
        Change::PartitionDelete(deletion) => write_deletion(out, *deletion, false),
        Change::RowDelete(_, deletion) => write_deletion(out, deletion.time, deletion.shadowable),
        Change::Row(row) => write_liveness(out, row.liveness),
        Change::Static(row) => write_static(out, row),
        Change::RangeDelete(range) => {
            write_deletion(out, range.deletion, false);
            json::member(out, "range");
            range::write_range(out, event.update.table, range);
        }
    }
}

/// Cassandra gives static rows neither marker nor deletion; what stands in the bytes is told all the same.
fn write_static(out: &mut String, row: &Row<'_>) {
    write_liveness(out, row.liveness);
    if let Some(deletion) = row.deletion {
        write_deletion(out, deletion.time, deletion.shadowable);
    }
}

fn write_liveness(out: &mut String, liveness: Option<LivenessInfo>) {
    let Some(liveness) = liveness else { return };
    out.push_str(",\"liveness\":{\"ts\":");
    json::number(out, liveness.timestamp.0);
    if let Some((ttl, expires)) = liveness.expiry {
        json::number_member(out, "ttl", ttl.0);
        json::number_member(out, "expires", expires.0);
    }
    out.push('}');
}

fn write_deletion(out: &mut String, deletion: DeletionTime, shadowable: bool) {
    out.push_str(",\"deletion\":{\"ts\":");
    json::number(out, deletion.marked_for_delete_at.0);
    json::number_member(out, "deleted", deletion.local_deletion_time.0);
    if shadowable {
        out.push_str(",\"shadowable\":true");
    }
    out.push('}');
}
