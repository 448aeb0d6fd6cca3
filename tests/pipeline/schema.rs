//! Tables change while they are read: each mutation is decoded with the schema that it was written under.
//!
//! The statements are those of `operations/workload.txt`; what no recording has is put together from recorded entries, or written by the
//! encoder.

use crate::log::plain;
use crate::rig::{Rig, Setup};
use crate::support::{Fixture, segment};
use ringtail::history::Reading;
use ringtail::mutation::WriteTimestamp;
use ringtail::mutation::{DeletionTime, LivenessInfo, LocalDeletionTime, RowDeletion};
use ringtail::pipeline::Exchange;
use ringtail::schema::{self, Catalog, TableId};
use ringtail_testkit::described::{Cell, Column, ColumnData, Mutation, PartitionUpdate, Row, Unfiltered};
use ringtail_testkit::encode::{self, Release};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;
use uuid::Uuid;

const ID: u64 = 5000;

/// The entries of a recorded set, all segments together.
fn recorded(version: &str) -> Vec<Vec<u8>> {
    let fixture = Fixture::unpack(&format!("{version}/operations"));
    let segments = fixture.segments();
    segments.iter().flat_map(|path| segment::entries(&fs::read(path).expect("a readable file"))).collect()
}

/// A rig that knows nothing but what the log tells it.
fn following() -> Rig {
    let mut rig = Rig::new(Setup { log: true, ..Setup::default() }, &Catalog::new());
    rig.exchange = Exchange::new(None);
    rig
}

/// What arrived on a topic, each event once, in the order of the log.
fn arrived(rig: &Rig, topic: &str) -> Vec<Value> {
    let mut found: Vec<(String, Value)> = Vec::new();
    for record in rig.arrived.records().iter().filter(|record| &*record.topic == topic) {
        let value: Value = serde_json::from_slice(record.value.as_deref().expect("a value")).expect("JSON");
        let id = record.headers[0].1.clone();
        match found.iter().find(|(other, _)| *other == id) {
            None => found.push((id, value)),
            Some((_, first)) => {
                for member in ["source", "after", "definition", "ringtail"] {
                    assert_eq!(first[member], value[member], "{id} came again with other content");
                }
            }
        }
    }
    found.into_iter().map(|(_, value)| value).collect()
}

/// The columns of an event, and of those that are set their values.
fn after(event: &Value) -> BTreeMap<String, Value> {
    let columns = event["after"].as_object().expect("columns").iter().filter(|(name, _)| !name.starts_with('_'));
    columns.map(|(name, cell)| (name.clone(), cell.get("value").cloned().unwrap_or(Value::Null))).collect()
}

fn names(event: &Value) -> Vec<String> {
    after(event).into_keys().collect()
}

/// Everything of a set through the pipeline.
fn run(entries: &[Vec<u8>]) -> Rig {
    let mut rig = following();
    rig.put(ID, plain(ID, entries));
    rig.start();
    rig.settle();
    rig.settle();
    assert_eq!(rig.left(), Vec::<String>::new(), "{:?}", rig.obstacle());
    rig
}

#[test]
fn add_column_midstream_and_alter_type_add_and_drop_column() {
    for version in ["4.0.19", "4.1.6", "5.0.9"] {
        let rig = run(&recorded(version));

        let events = arrived(&rig, "shop.ops.evolve");

        let shapes: Vec<Vec<String>> = events.iter().map(names).collect();
        let first = ["a", "b", "m", "p", "u", "uf"];
        assert_eq!(shapes[0], first, "{version}: before ADD added");
        assert_eq!(shapes[1], ["a", "added", "b", "m", "p", "u", "uf"]);
        assert_eq!(after(&events[0])["u"], json!({"a": 1, "b": "x"}), "before ALTER TYPE ADD c");
        assert_eq!(after(&events[2])["u"], json!({"a": 3, "b": "y", "c": 33}));
        assert_eq!(after(&events[0])["b"], "b", "a column that is dropped later is one like any other until then");
        assert_eq!(events[0]["after"]["b"].get("dropped"), None);
        assert_eq!(shapes[3], ["a", "added", "p", "u", "uf"], "after DROP b and DROP m");
        assert_eq!(after(&events[4])["b"], "again", "added again");
        assert_eq!(after(&events[6])["u"], json!({"a": 1, "b2": "r", "c": 2}), "the field has another name");
        assert_eq!(shapes[7], ["a", "added", "b", "pk", "u", "uf"], "the key has another name");
        let key: Value = serde_json::from_slice(&rig.arrived.records().iter().rfind(|r| &*r.topic == "shop.ops.evolve").expect("one").key)
            .expect("JSON");
        assert_eq!(key, json!({"pk": 8}));

        let versions: Vec<&str> = events.iter().map(|event| event["ringtail"]["schema"].as_str().expect("a version")).collect();
        assert_eq!(versions[4], versions[5], "nothing has changed between them");
        for pair in [(0, 1), (1, 2), (2, 3), (3, 4), (5, 6), (6, 7)] {
            assert_ne!(versions[pair.0], versions[pair.1], "{version} {pair:?}");
        }
        let told: Vec<Value> = arrived(&rig, "shop.schema").into_iter().filter(|change| change["table"] == "evolve").collect();
        for version in versions {
            assert!(told.iter().any(|change| change["ringtail"]["schema"] == *version), "no change told of {version}");
        }
    }
}

#[test]
fn drop_column_then_read_old() {
    for version in ["4.0.19", "4.1.6", "5.0.9"] {
        let mut entries = recorded(version);
        let first = arrived(&run(&entries), "shop.ops.evolve")[0]["source"]["pos"].as_u64().expect("a position");
        let late = segment::entries_with_ends(&plain(ID, &entries)).into_iter().find(|(end, _)| u64::from(*end) == first);
        // The first write was under way while its columns were dropped.
        entries.push(late.expect("the write is recorded").1);

        let events = arrived(&run(&entries), "shop.ops.evolve");

        let (first, last) = (&events[0], events.last().expect("events"));
        assert_eq!(after(last)["m"], after(first)["m"]);
        assert_eq!(last["after"]["m"]["elements"][0]["dropped"], true, "{last}");
        assert_eq!(last["after"]["b"]["dropped"], true, "b was dropped and is there again; this is older");
        assert_eq!(after(last)["b"], "b");
        assert_eq!(first["after"]["m"]["elements"][0].get("dropped"), None);
    }
}

fn contains(entry: &[u8], bytes: &[u8]) -> bool {
    entry.windows(bytes.len()).any(|window| window == bytes)
}

#[test]
fn drop_recreate_table_other_pk() {
    for version in ["4.0.19", "4.1.6", "5.0.9"] {
        let rig = run(&recorded(version));

        let events = arrived(&rig, "shop.ops.reborn");

        assert_eq!(after(&events[0]), BTreeMap::from([("p".into(), json!(1)), ("v".into(), json!(1))]), "{version}");
        assert_eq!(after(&events[1]), BTreeMap::from([("n".into(), json!(1)), ("p".into(), json!("1")), ("v".into(), json!("one"))]));
        assert_ne!(events[0]["ringtail"]["table_id"], events[1]["ringtail"]["table_id"]);
        let changes: Vec<(Value, Value)> = arrived(&rig, "shop.schema")
            .into_iter()
            .filter(|change| change["table"] == "reborn")
            .map(|change| (change["change"].clone(), change["ringtail"]["table_id"].clone()))
            .collect();
        let (old, new) = (&events[0]["ringtail"]["table_id"], &events[1]["ringtail"]["table_id"]);
        let change = |what: &str, id: &Value| (what.into(), id.clone());
        assert_eq!(changes, [change("create_table", old), change("drop_table", old), change("create_table", new)]);
    }
}

#[test]
fn enable_cdc_later_and_disable_enable_cdc() {
    for version in ["4.0.19", "4.1.6", "5.0.9"] {
        let rig = run(&recorded(version));

        let events = arrived(&rig, "shop.ops.toggle");

        let keys: Vec<Value> = events.iter().map(|event| after(event)["p"].clone()).collect();
        assert_eq!(keys, [2, 4], "{version}: 1 was before cdc = true, 3 under cdc = false");
    }
}

#[test]
fn truncation_and_ddl_are_events_keyed_by_table_or_keyspace() {
    let rig = run(&recorded("4.1.6"));

    let records = rig.arrived.records();
    let keys: Vec<String> = records
        .iter()
        .filter(|record| &*record.topic == "shop.schema")
        .map(|record| serde_json::from_slice(&record.key).expect("a JSON text"))
        .collect();
    assert!(keys.contains(&"ops".to_owned()) && keys.contains(&"ops.t".to_owned()), "{keys:?}");
    let changes = arrived(&rig, "shop.schema");
    let simple = arrived(&rig, "shop.ops.simple");
    let truncated: Vec<&Value> = changes.iter().filter(|change| change["change"] == "truncate_table").collect();
    assert_eq!(truncated.len(), 1);
    assert_eq!(truncated[0]["table"], "simple");
    assert_eq!(truncated[0]["ringtail"]["table_id"], simple[0]["ringtail"]["table_id"]);
    assert!(truncated[0]["truncated_to"]["position"].as_u64() > Some(0));
    assert!(changes.iter().any(|change| change["change"] == "create_type" && change["name"] == "pair"));
    assert!(changes.iter().all(|change| !change["keyspace"].as_str().expect("a keyspace").starts_with("system")));
}

#[test]
fn i8_crashes_between_schema_changes_give_the_same_events_again() {
    let entries = recorded("4.1.6");
    let segments: Vec<(u64, Vec<u8>)> = (ID..).zip(entries.chunks(20)).map(|(id, entries)| (id, plain(id, entries))).collect();
    let with_segments = |setup: Setup| {
        let mut rig = Rig::new(setup, &Catalog::new());
        rig.exchange = Exchange::new(None);
        segments.iter().for_each(|(id, bytes)| rig.put(*id, bytes.clone()));
        rig
    };
    let mut whole = with_segments(Setup { log: true, ..Setup::default() });
    whole.start();
    (0..4).for_each(|_| whole.settle());
    assert_eq!(whole.left(), Vec::<String>::new());
    for step in [1, 2, 5] {
        let mut rig = with_segments(Setup { log: true, window: 3, ..Setup::default() });
        let mut runs = 0;
        while !rig.left().is_empty() {
            runs += 1;
            assert!(runs < 5000, "no progress: {:?}", rig.left());
            rig.start();
            (0..step).for_each(|_| rig.turn(Duration::from_millis(110)).expect("a turn"));
            rig.crash();
            rig.store.reopen();
        }

        assert!(runs > 10, "{runs} runs are no test");
        for topic in ["shop.ops.evolve", "shop.ops.reborn", "shop.ops.toggle", "shop.schema"] {
            let values = |rig: &Rig| arrived(rig, topic).into_iter().map(|value| (value["after"].clone(), value["ringtail"].clone()));
            assert_eq!(values(&rig).collect::<Vec<_>>(), values(&whole).collect::<Vec<_>>(), "{topic} in {runs} runs");
        }
    }
}

#[test]
fn cassandra_down_schema_known() {
    // The node was asked once; then it is away, and so is the segment with the CREATE.
    let entries = recorded("4.1.6");
    let fixture = Fixture::unpack("4.1.6/operations");
    let text = fs::read_to_string(fixture.file("schema_columns_before_drop.json")).expect("text");
    let rows = schema::file::rows(&text).expect("a schema");
    let setup = Setup { log: true, schema: (true, Duration::from_secs(1)), ..Setup::default() };
    let mut rig = Rig::new(setup, &Catalog::new());
    rig.exchange = Exchange::new(None);
    rig.exchange.publish_reading(Reading::new(rows.resolve().catalog, rows), 0);
    // The first is an entry that says nothing of the schema.
    rig.put(ID, plain(ID, &entries[..1]));
    rig.start();
    rig.settle();
    rig.crash();
    rig.store.reopen();
    rig.exchange = Exchange::new(None);

    let from = entries.iter().position(|entry| contains(entry, b"dropped_columns")).unwrap_or(0);
    let altered = entries.iter().rposition(|entry| contains(entry, b"evolve") && contains(entry, b"dropped_time"));
    let from = altered.unwrap_or(from);
    rig.put(ID + 1, plain(ID + 1, &entries[from..]));
    rig.start();
    rig.settle();
    rig.settle();

    let events = arrived(&rig, "shop.ops.evolve");
    let last = events.last().expect("events");
    assert_eq!(names(last), ["a", "added", "b", "pk", "u", "uf"], "the log changes what the node had said");
    assert_eq!(after(last)["pk"], 8);
}

/// A row of a table of `system_schema`.
fn row(table: &str, keyspace: &str, key: &[&str], ts: i64, cells: &[(&str, &[u8])]) -> PartitionUpdate {
    let clustering = key.iter().map(|value| Some(value.as_bytes().to_vec())).collect();
    let column = |(name, value): &(&str, &[u8])| Column { name: (*name).to_owned(), data: ColumnData::Simple(Cell::live(value, ts)) };
    let deletion = cells.is_empty().then_some(RowDeletion {
        time: DeletionTime { marked_for_delete_at: WriteTimestamp(ts), local_deletion_time: LocalDeletionTime(1_700_000_000) },
        shadowable: false,
    });
    let row = Row { clustering, deletion, columns: cells.iter().map(column).collect(), ..Row::default() };
    PartitionUpdate {
        table: Catalog::builtin().by_name("system_schema", table).expect("a table").id,
        partition_key: keyspace.as_bytes().to_vec(),
        partition_deletion: None,
        static_row: None,
        unfiltereds: vec![Unfiltered::Row(row)],
        header: Default::default(),
    }
}

fn column_row(table: &str, column: &str, kind: &str, position: i32, order: &str, of: &str, ts: i64) -> PartitionUpdate {
    let position = position.to_be_bytes();
    let cells: [(&str, &[u8]); 4] =
        [("kind", kind.as_bytes()), ("position", &position), ("clustering_order", order.as_bytes()), ("type", of.as_bytes())];
    row("columns", "ks", &[table, column], ts, &cells)
}

fn entry(updates: Vec<PartitionUpdate>, catalog: &Catalog) -> Vec<u8> {
    segment::frame(&encode::mutation(&Mutation { updates }, catalog, Release::V4))
}

const TABLE: TableId = TableId(Uuid::from_u128(0x77));

/// `ks.t (p int, c int, v text, PRIMARY KEY (p, c)) WITH cdc = true`.
fn create(ts: i64) -> Vec<u8> {
    let updates = vec![
        row("tables", "ks", &["t"], ts, &[("id", TABLE.0.as_bytes()), ("cdc", &[1])]),
        column_row("t", "p", "partition_key", 0, "none", "int", ts),
        column_row("t", "c", "clustering", 0, "asc", "int", ts),
        column_row("t", "v", "regular", -1, "none", "text", ts),
    ];
    entry(updates, &Catalog::builtin())
}

fn table(cql: &str) -> Catalog {
    let text = format!("{cql} WITH ID = {TABLE} AND cdc = true;");
    schema::file::load(&text).expect("a table").catalog
}

fn write(catalog: &Catalog, c: i32, cells: &[(&str, &[u8])], ts: i64) -> Vec<u8> {
    let column = |(name, value): &(&str, &[u8])| Column { name: (*name).to_owned(), data: ColumnData::Simple(Cell::live(value, ts)) };
    let row = Row { clustering: vec![Some(c.to_be_bytes().to_vec())], columns: cells.iter().map(column).collect(), ..Row::default() };
    let update = PartitionUpdate {
        table: TABLE,
        partition_key: 1_i32.to_be_bytes().to_vec(),
        partition_deletion: None,
        static_row: None,
        unfiltereds: vec![Unfiltered::Row(row)],
        header: Default::default(),
    };
    entry(vec![update], catalog)
}

const PLAIN: &str = "CREATE TABLE ks.t (p int, c int, v text, PRIMARY KEY (p, c))";

#[test]
fn rename_clustering() {
    let catalog = table(PLAIN);
    let rename = entry(
        vec![
            row("tables", "ks", &["t"], 20, &[("id", TABLE.0.as_bytes()), ("cdc", &[1])]),
            row("columns", "ks", &["t", "c"], 20, &[]),
            column_row("t", "moment", "clustering", 0, "asc", "int", 20),
        ],
        &Catalog::builtin(),
    );

    let events =
        arrived(&run(&[create(10), write(&catalog, 1, &[("v", b"x")], 11), rename, write(&catalog, 2, &[("v", b"y")], 21)]), "shop.ks.t");

    assert_eq!(names(&events[0]), ["c", "p", "v"]);
    assert_eq!(names(&events[1]), ["moment", "p", "v"]);
    assert_eq!(after(&events[1])["moment"], 2);
}

#[test]
fn a_mutation_out_of_its_time_changes_nothing() {
    let catalog = table(PLAIN);
    let off = |ts| entry(vec![row("tables", "ks", &["t"], ts, &[("id", TABLE.0.as_bytes()), ("cdc", &[0])])], &Catalog::builtin());

    let events = arrived(
        &run(&[create(10), off(5), write(&catalog, 1, &[("v", b"x")], 11), off(15), write(&catalog, 2, &[("v", b"x")], 16)]),
        "shop.ks.t",
    );

    assert_eq!(
        events.iter().map(|event| after(event)["c"].clone()).collect::<Vec<_>>(),
        [1],
        "what is older than the CREATE is undone by it"
    );
}

#[test]
fn a_table_whose_drop_was_never_seen_leaves_nothing_to_the_next_of_its_name() {
    let other = TableId(Uuid::from_u128(0x78));
    let text = format!("CREATE TABLE ks.t (p int, d text, PRIMARY KEY (p, d)) WITH ID = {other} AND cdc = true;");
    let again = schema::file::load(&text).expect("a table").catalog;
    let create_again = |ts| {
        let updates = vec![
            row("tables", "ks", &["t"], ts, &[("id", other.0.as_bytes()), ("cdc", &[1])]),
            column_row("t", "p", "partition_key", 0, "none", "int", ts),
            column_row("t", "d", "clustering", 0, "asc", "text", ts),
        ];
        entry(updates, &Catalog::builtin())
    };
    let write_again = {
        let row = Row { clustering: vec![Some(b"x".to_vec())], liveness: Some(live(31)), ..Row::default() };
        let update = PartitionUpdate {
            table: other,
            partition_key: 1_i32.to_be_bytes().to_vec(),
            partition_deletion: None,
            static_row: None,
            unfiltereds: vec![Unfiltered::Row(row)],
            header: Default::default(),
        };
        entry(vec![update], &again)
    };
    let first = write(&table(PLAIN), 1, &[("v", b"x")], 11);

    // Later the first one comes once more, as from a node that was away.
    let rig = run(&[create(10), first.clone(), create_again(30), write_again.clone(), create(10), write_again, first]);

    let shapes: Vec<Vec<String>> = arrived(&rig, "shop.ks.t").iter().map(names).collect();
    assert_eq!(shapes, [vec!["c", "p", "v"], vec!["d", "p"], vec!["d", "p"], vec!["c", "p", "v"]]);
    assert_eq!(fs::read_dir(rig.folder("parked")).expect("a folder").count(), 0);
}

fn live(ts: i64) -> LivenessInfo {
    LivenessInfo { timestamp: WriteTimestamp(ts), expiry: None }
}

#[test]
fn a_column_that_only_the_node_knows_is_waited_for_and_taken_from_there() {
    let wider = table("CREATE TABLE ks.t (p int, c int, v text, w int, PRIMARY KEY (p, c))");
    let setup = Setup { log: true, schema: (true, Duration::from_secs(3600)), ..Setup::default() };
    let mut rig = Rig::new(setup, &table(PLAIN));
    let entries =
        [write(&wider, 1, &[("v", b"x")], 11), write(&wider, 2, &[("w", &7_i32.to_be_bytes())], 12), write(&wider, 3, &[("v", b"y")], 13)];
    rig.put(ID, plain(ID, &entries));
    rig.start();
    rig.settle();
    assert!(rig.obstacle().expect("it waits").contains("unknown column \"w\""), "{:?}", rig.obstacle());

    rig.exchange.publish(wider);
    rig.settle();

    let events = arrived(&rig, "shop.ks.t");
    let shapes: Vec<Vec<String>> = events.iter().map(names).collect();
    assert_eq!(shapes, [vec!["c", "p", "v"], vec!["c", "p", "v", "w"], vec!["c", "p", "v", "w"]]);
    assert_eq!(after(&events[1])["w"], 7);
}

#[test]
fn what_the_node_has_no_more_holds_when_the_log_was_read_past_it() {
    let wider = table("CREATE TABLE ks.t (p int, c int, v text, w int, PRIMARY KEY (p, c))");
    let setup = Setup { log: true, schema: (true, Duration::from_secs(1)), ..Setup::default() };
    let mut rig = Rig::new(setup, &wider);
    rig.put(ID, plain(ID, &[write(&wider, 1, &[("v", b"x")], 11)]));
    rig.start();
    rig.settle();
    rig.exchange.publish(table(PLAIN));
    rig.turn(Duration::from_secs(1)).expect("a turn");
    rig.put(ID + 1, plain(ID + 1, &[write(&wider, 2, &[("v", b"x")], 12)]));
    rig.settle();

    // A sync period after the node was asked, and everything was read.
    rig.turn(Duration::from_secs(20)).expect("a turn");
    rig.settle();
    rig.put(ID + 2, plain(ID + 2, &[write(&wider, 3, &[("w", &7_i32.to_be_bytes())], 13)]));
    rig.settle();

    let events = arrived(&rig, "shop.ks.t");
    let shapes: Vec<Vec<String>> = events.iter().map(names).collect();
    assert_eq!(shapes[..2], [vec!["c", "p", "v", "w"], vec!["c", "p", "v", "w"]], "not before");
    assert_eq!(shapes[2], ["c", "p", "v", "w"], "what is written to it all the same is told");
    assert_ne!(events[2]["ringtail"]["schema"], events[1]["ringtail"]["schema"]);
}
