//! `outbox.tables`: a row in, a message out.

use super::*;
use crate::cql::CqlType;
use crate::envelope::{EncodeError, OnChange, Outbox, OutboxTable, OutboxTopic, PartitionBy};
use crate::event::testing::*;
use crate::event::{ChangeEvent, Projection};
use crate::mutation::ColumnData;
use crate::schema::{Catalog, ColumnKind, TableMetadata};

/// `ks.outbox`, with Debezium's names, in the partition of `p`.
fn outbox_table() -> TableMetadata {
    let regulars = [
        ("aggregateid", CqlType::Text),
        ("aggregatetype", CqlType::Text),
        ("at", CqlType::Timestamp),
        ("bytes", CqlType::Blob),
        ("id", CqlType::Uuid),
        ("labels", CqlType::Map(CqlType::Text.into(), CqlType::Int.into())),
        ("payload", CqlType::Text),
        ("tenant", CqlType::Int),
        ("trace", CqlType::Text),
        ("type", CqlType::Text),
        ("version", CqlType::Varint),
    ];
    let mut columns = vec![("p", CqlType::Int, ColumnKind::PartitionKey), ("c", CqlType::Int, ColumnKind::Clustering)];
    columns.push(("s", CqlType::Text, ColumnKind::Static));
    columns.extend(regulars.map(|(name, cql_type)| (name, cql_type, ColumnKind::Regular)));
    table("outbox", &columns)
}

const UUID: [u8; 16] = [0x5d, 0x2a, 0x10, 0x01, 0x3f, 0x9b, 0x11, 0xf0, 0x80, 0, 0, 0, 0, 0, 0, 0x0a];

fn settings(change: impl FnOnce(&mut OutboxTable)) -> Outbox {
    let mut table = OutboxTable::new("ks", "outbox");
    change(&mut table);
    Outbox { tables: vec![table], only: false }
}

fn envelope_of(outbox: Outbox) -> Envelope {
    Envelope::new(EnvelopeSettings { node: "n1".into(), prefix: "shop".into(), outbox, ..EnvelopeSettings::default() })
}

/// An inserted row of everything that a message needs, and of `more`.
fn inserted<'a>(table: &'a TableMetadata, more: Vec<ColumnData<'a>>) -> Row<'a> {
    let needed = [("aggregateid", "order-7"), ("aggregatetype", "order"), ("payload", "{\"total\": 9.50}"), ("type", "OrderPlaced")];
    let mut columns: Vec<_> = needed.iter().map(|(name, text)| live(table, name, text.as_bytes(), 1_760_000_000_100_500)).collect();
    columns.push(live(table, "id", &UUID, 1_760_000_000_100_500));
    columns.retain(|column| more.iter().all(|other| name(other) != name(column)));
    columns.extend(more);
    Row { liveness: Some(liveness(1_760_000_000_100_500)), columns, ..row(1) }
}

fn name<'a>(data: &ColumnData<'a>) -> &'a str {
    match data {
        ColumnData::Simple(cell) => &cell.column.column.name,
        ColumnData::Complex(data) => &data.column.column.name,
    }
}

fn update_of<'a>(table: &'a TableMetadata, rows: Vec<Row<'a>>) -> PartitionUpdate<'a> {
    PartitionUpdate { unfiltereds: rows.into_iter().map(Unfiltered::Row).collect(), ..update(table) }
}

fn with_events<T>(update: PartitionUpdate<'_>, see: impl FnOnce(&[ChangeEvent<'_>]) -> T) -> T {
    let mutation = mutation(vec![update]);
    let Projection { events, .. } = project(at(), &mutation).unwrap();
    see(&events)
}

fn encode(outbox: Outbox, row: Row<'_>, table: &TableMetadata) -> Result<Record, EncodeError> {
    with_events(update_of(table, vec![row]), |events| {
        let [event] = events else { panic!("{events:?}") };
        envelope_of(outbox).encode(event, FILE, TS_MS).map(|records| {
            let [record] = <[Record; 1]>::try_from(records).unwrap();
            record
        })
    })
}

fn headers(record: &Record) -> Vec<(&str, &str)> {
    record.headers.iter().map(|(name, value)| (&**name, value.as_str())).collect()
}

#[test]
fn outbox_row_to_topic() {
    let table = outbox_table();

    let record = encode(settings(|_| ()), inserted(&table, vec![]), &table).unwrap();

    assert_eq!(&*record.topic, "outbox.event.order");
    assert_eq!((text(&record.key), text(record.value.as_ref().unwrap())), ("order-7".into(), "{\"total\": 9.50}".into()));
    assert_eq!(record.timestamp, Some(1_760_000_000_100), "the write time in ms");
    assert_eq!((record.partition_by, record.partition_bytes()), (PartitionBy::RecordKey, &b"order-7"[..]));
    let expected = [
        ("ringtail.id", "n1/1759999999000/4711/0"),
        ("ringtail.batch", "1759999999000:4711;0/1"),
        ("id", "5d2a1001-3f9b-11f0-8000-00000000000a"),
        ("eventType", "OrderPlaced"),
    ];
    assert_eq!(headers(&record), expected);
}

#[test]
fn every_column_can_be_named_and_has_its_text() {
    let (table, moment) = (outbox_table(), 1_700_000_000_000_i64.to_be_bytes());
    let row = inserted(
        &table,
        vec![
            live(&table, "bytes", b"\x00\xff", 5),
            live(&table, "tenant", int(7), 5),
            live(&table, "version", &[1, 0], 5),
            live(&table, "trace", b"00-4bf9-01", 5),
            live(&table, "at", &moment, 5),
        ],
    );
    let outbox = settings(|table| {
        (table.aggregate_type, table.aggregate_id, table.payload) = ("tenant".into(), "id".into(), "bytes".into());
        (table.timestamp, table.traceparent, table.event_type) = (Some("at".into()), Some("trace".into()), None);
        table.headers = [("tenant", "tenantId"), ("version", "version"), ("bytes", "b"), ("p", "p"), ("c", "c")]
            .map(|(a, b)| (a.into(), b.into()))
            .into();
        table.topic = OutboxTopic::parse("{prefix}.{keyspace}.{table}-{aggregate_type}").unwrap();
    });

    let record = encode(outbox, row, &table).unwrap();

    assert_eq!((&*record.topic, text(&record.key).as_str()), ("shop.ks.outbox-7", "5d2a1001-3f9b-11f0-8000-00000000000a"));
    assert_eq!((record.value.as_deref(), record.timestamp), (Some(&b"\x00\xff"[..]), Some(1_700_000_000_000)));
    let further = [("traceparent", "00-4bf9-01"), ("tenantId", "7"), ("version", "256"), ("b", "AP8="), ("p", "7"), ("c", "1")];
    assert_eq!(headers(&record)[3..], further);
}

#[test]
fn a_payload_of_another_type_is_its_json() {
    let table = outbox_table();
    let labels = complex(&table, "labels", Some(deletion(4)), vec![(b"a", Some(int(1)), 5), (b"gone", None, 5), (b"b", Some(int(2)), 5)]);
    for (column, expected) in [("labels", r#"{"a":1,"b":2}"#), ("tenant", "7"), ("id", r#""5d2a1001-3f9b-11f0-8000-00000000000a""#)] {
        let row = inserted(&table, vec![live(&table, "tenant", int(7), 5), labels.clone()]);
        let record = encode(settings(|table| table.payload = column.into()), row, &table).unwrap();
        assert_eq!(text(record.value.as_ref().unwrap()), expected, "{column}");
    }
}

#[test]
fn without_an_id_the_events_own_stands_for_it() {
    let table = outbox_table();
    let unset = || inserted(&table, vec![tombstone(&table, "id", 5)]);
    for (outbox, row) in [
        (settings(|_| ()), unset()),
        (settings(|table| table.id = None), inserted(&table, vec![])),
        (settings(|table| table.id = Some("no_such".into())), inserted(&table, vec![])),
    ] {
        let record = encode(outbox, row, &table).unwrap();
        assert_eq!(headers(&record)[2], ("id", "n1/1759999999000/4711/0"));
    }
}

#[test]
fn a_timeuuid_can_be_the_timestamp_and_one_that_is_not_set_is_the_write_time() {
    let table = outbox_table();
    let of =
        |column: &str| encode(settings(|table| table.timestamp = Some(column.into())), inserted(&table, vec![]), &table).unwrap().timestamp;

    assert_eq!(of("id"), Some(1_748_859_696_400), "2025-06-02T10:21:36.4Z");
    assert_eq!(of("at"), Some(1_760_000_000_100));
}

#[test]
fn a_row_that_expires_is_a_message_when_it_is_inserted() {
    let table = outbox_table();
    let row = inserted(&table, vec![expiring(&table, "payload", b"x", 5, 60)]);

    assert_eq!(encode(settings(|_| ()), row, &table).unwrap().value.as_deref(), Some(&b"x"[..]));
}

#[test]
fn a_partial_insert_is_refused_with_the_column_that_lacks() {
    let table = outbox_table();
    for (key, column) in [("aggregate_type", "aggregatetype"), ("aggregate_id", "aggregateid"), ("payload", "payload")] {
        let mut row = inserted(&table, vec![]);
        row.columns.retain(|data| name(data) != column);
        let null = inserted(&table, vec![tombstone(&table, column, 5)]);
        for row in [row, null] {
            let expected = format!("a row of ks.outbox is no message: {key} (column {column}) is not set");
            assert_eq!(encode(settings(|_| ()), row, &table), Err(EncodeError::Refused(expected)));
        }
    }
    let empty = inserted(&table, vec![live(&table, "aggregateid", b"", 5)]);
    assert!(matches!(encode(settings(|_| ()), empty, &table), Err(EncodeError::Refused(_))));
}

#[test]
fn a_row_without_event_type_or_further_columns_has_fewer_headers() {
    let table = outbox_table();
    let mut row = inserted(&table, vec![]);
    row.columns.retain(|data| name(data) != "type");

    let record = encode(settings(|table| table.headers = vec![("tenant".into(), "tenant".into())]), row, &table).unwrap();

    assert_eq!(headers(&record).len(), 3, "{:?}", record.headers);
}

#[test]
fn an_empty_payload_is_a_tombstone_where_that_is_asked_for_and_else_an_empty_value() {
    let table = outbox_table();
    let tombstones = || settings(|table| table.tombstone_on_empty = true);
    for payload in [live(&table, "payload", b"", 5), live(&table, "payload", b" \n", 5), tombstone(&table, "payload", 5)] {
        assert_eq!(encode(tombstones(), inserted(&table, vec![payload]), &table).unwrap().value, None);
    }
    let blank = inserted(&table, vec![live(&table, "payload", b"", 5)]);
    assert_eq!(encode(settings(|_| ()), blank, &table).unwrap().value.as_deref(), Some(&b""[..]));
    assert!(encode(tombstones(), inserted(&table, vec![]), &table).unwrap().value.is_some());
}

#[test]
fn a_table_without_a_column_that_is_needed_is_waited_for() {
    let table = outbox_table();

    let error = encode(settings(|table| table.payload = "paylod".into()), inserted(&table, vec![]), &table).unwrap_err();

    assert_eq!(error, EncodeError::Waiting("ks.outbox has no column paylod (outbox.tables.ks.outbox.payload)".into()));
}

#[test]
fn outbox_update_and_delete() {
    let table = outbox_table();
    let mut changes = update_of(&table, vec![Row { columns: vec![live(&table, "payload", b"geheim", 5)], ..row(1) }]);
    changes.partition_deletion = Some(deletion(3));
    changes.unfiltereds.extend([start(Some(2), 4), end(Some(3), 4)]);
    changes.unfiltereds.push(Unfiltered::Row(Row { deletion: Some(row_deletion(5)), ..row(4) }));
    changes.static_row = Some(Row { columns: vec![live(&table, "s", b"geheim", 5)], ..Row::default() });
    let both = |on_change| envelope_of(settings(|table| (table.on_update, table.on_delete) = (on_change, on_change)));
    let (ignoring, warning, mut halting) = (both(OnChange::Ignore), both(OnChange::Warn), both(OnChange::Halt));

    with_events(changes, |events| {
        let rules: Vec<_> = events.iter().map(|event| ignoring.leaves_out(event).unwrap()).collect();
        assert_eq!(rules, ["outbox_delete", "outbox_update", "outbox_delete", "outbox_update", "outbox_delete"]);
        for event in events {
            assert_eq!((ignoring.warning(event), halting.warning(event)), (None, None));
            assert_eq!(warning.leaves_out(event), ignoring.leaves_out(event));
            let said = warning.warning(event).unwrap();
            assert!(said.starts_with("ks.outbox: ") && !said.contains("geheim"), "{said}");
            assert_eq!(halting.leaves_out(event), None);
            let Err(EncodeError::Waiting(why)) = halting.encode(event, FILE, TS_MS) else { panic!("{event:?}") };
            assert!(why.ends_with("of it is halt") && why.contains("1759999999000:4711") && !why.contains("geheim"), "{why}");
        }
    });
}

#[test]
fn other_tables_are_as_always_or_left_out_under_the_outbox_envelope() {
    let table = ks_t();
    let beside = envelope_of(settings(|_| ()));
    let alone = envelope_of(Outbox { only: true, ..settings(|_| ()) });

    with_events(update_of(&table, vec![Row { liveness: Some(liveness(5)), ..row(1) }]), |events| {
        assert_eq!((beside.leaves_out(&events[0]), alone.leaves_out(&events[0])), (None, Some("not_outbox")));
    });
    assert_eq!((alone.leaves_out_table(&table), alone.leaves_out_table(&outbox_table())), (Some("not_outbox"), None));
}

#[test]
fn what_does_not_fit_the_known_tables_is_named() {
    let mut catalog = Catalog::builtin();
    catalog.insert(outbox_table());
    assert_eq!(settings(|_| ()).problems(&catalog), Vec::<String>::new());

    let mut outbox = settings(|table| {
        (table.payload, table.id, table.timestamp) = ("paylod".into(), Some("s".into()), Some("trace".into()));
        table.headers = vec![("region".into(), "r".into())];
    });
    outbox.tables.push(OutboxTable::new("ks", "outbux"));
    let expected = [
        "column paylod of ks.outbox does not exist (outbox.tables.ks.outbox.payload)",
        "column s of ks.outbox is static, so a row does not hold it (outbox.tables.ks.outbox.id)",
        "column trace of ks.outbox is no timestamp, timeuuid or bigint of ms (outbox.tables.ks.outbox.timestamp)",
        "column region of ks.outbox does not exist (outbox.tables.ks.outbox.headers)",
        "outbox.tables names ks.outbux, which is no table that is known",
    ];
    assert_eq!(outbox.problems(&catalog), expected);

    catalog.insert(TableMetadata { cdc: false, ..outbox_table() });
    assert_eq!(
        settings(|_| ()).problems(&catalog),
        ["ks.outbox is an outbox table, but nothing of it is published (cdc = true is needed)"]
    );
}
