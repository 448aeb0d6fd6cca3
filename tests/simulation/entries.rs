//! What the modelled node writes: small recorded entries, and what each of them must give.

use crate::support::expected;
use crate::support::recorded::Recorded;
use crate::support::segment;
use ringtail::event;
use ringtail::mutation;
use ringtail::position::{CommitLogPosition, LogicalPosition, SegmentId};
use ringtail::schema::{Catalog, TableId};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Longer ones say nothing more here.
const LENGTH_MAX: usize = 400;
/// Entries with the most events.
const EVENTS_MAX: usize = 6;

/// An entry that can be written anywhere in any segment.
pub struct Template {
    /// Its bytes, with the frame.
    pub frame: Vec<u8>,
    /// Whether it is CDC data: of a table with `cdc = true`.
    pub cdc: bool,
    /// The ordinals of the events that are published.
    pub events: Vec<u32>,
    /// The table of its first update.
    pub table: TableId,
}

/// The entries, by their partition keys, and the tables.
pub struct Pool {
    /// Every entry.
    pub templates: Vec<Template>,
    /// Those of CDC tables, by partition key: in each run a few keys are written again and again.
    pub by_key: Vec<Vec<usize>>,
    /// Those that give nothing.
    pub silent: Vec<usize>,
    /// The tables that are needed.
    pub catalog: Catalog,
}

/// The pool, made once.
pub fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(make)
}

fn make() -> Pool {
    let recorded = Recorded::unpack(&["4.1.6/operations", "4.1.6/all_types"]);
    let mut templates = Vec::new();
    let mut by_key: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
    let mut silent = Vec::new();
    let frames = recorded.segments.iter().flat_map(|recording| segment::entries(&recording.bytes));
    for frame in frames.filter(|frame| frame.len() <= LENGTH_MAX) {
        let Some(template) = template(&recorded.catalog, frame) else { continue };
        let place = templates.len();
        if template.events.is_empty() {
            silent.push(place);
        } else {
            by_key.entry(expected::key(&template.frame[8..])).or_default().push(place);
        }
        templates.push(template);
    }
    silent.truncate(50);
    let by_key: Vec<Vec<usize>> = by_key.into_values().collect();
    assert!(by_key.len() >= 10 && !silent.is_empty(), "{} keys, {} silent entries are recorded", by_key.len(), silent.len());
    Pool { templates, by_key, silent, catalog: recorded.catalog }
}

fn template(catalog: &Catalog, frame: Vec<u8>) -> Option<Template> {
    let mutation = mutation::decode(&frame[8..frame.len() - 4], catalog).ok()?;
    let at = CommitLogPosition { segment: SegmentId(1), position: LogicalPosition(1) };
    let events: Vec<u32> = event::project(at, &mutation)
        .ok()?
        .events
        .iter()
        .filter(|event| event.update.table.is_published())
        .map(|event| event.ordinal)
        .collect();
    let (cdc, table) = (mutation.updates.iter().any(|update| update.table.cdc), mutation.updates.first()?.table.id);
    // The log's own changes of the schema are another model's matter.
    let is_schema = mutation.updates.iter().any(|update| update.table.keyspace == "system_schema");
    (events.len() <= EVENTS_MAX && !is_schema).then_some(Template { frame, cdc, events, table })
}
