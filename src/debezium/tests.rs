use super::*;
use crate::commitlog::{Item, SegmentName, SegmentReader};
use crate::history::History;
use crate::position::{LogicalPosition, SegmentId};
use crate::schema::TableMetadata;
use std::fs;
use std::path::Path;

/// The segment of the quick start.
const SEGMENT: u64 = 1795374647657;

fn folder(text: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(COMMITLOG_OFFSETS), text).unwrap();
    dir
}

fn offsets(text: &str) -> Offsets {
    Offsets::read(folder(text.as_bytes()).path()).unwrap()
}

fn refused(text: &[u8]) -> OffsetsError {
    Offsets::read(folder(text).path()).unwrap_err()
}

fn name(id: u64) -> SegmentName {
    SegmentName { id: SegmentId(id), version: 7 }
}

#[test]
fn the_file_is_read_as_java_writes_it() {
    let found = offsets(
        "#\n#Tue Dec 01 12:00:00 UTC 2026\nshop.orders=CommitLog-7-1795374647657.log\\:55833\nshop.MixedCase=CommitLog-7-1795374647656.log\\:7\n",
    );

    let tables: Vec<_> = found.tables().collect();
    assert_eq!(tables, [("shop.MixedCase", name(SEGMENT - 1), LogicalPosition(7)), ("shop.orders", name(SEGMENT), LogicalPosition(55833))]);
    assert_eq!(found.newest(), name(SEGMENT));
    assert_eq!(found.in_newest("shop.orders"), Some(LogicalPosition(55833)));
    assert_eq!(found.in_newest("shop.MixedCase"), None, "an offset in an older segment says nothing of the newest");
    assert_eq!(found.in_newest("shop.others"), None);
}

#[test]
fn every_escape_of_java_properties_is_undone() {
    let found = offsets(
        "! a comment\r\nshop.\\u006frders = CommitLog-7-\\\n    1795374647657.log\\:558\\\n33\r\nks.a\\\nb\\=\\u00e4: CommitLog-7-5.log\\u003a9\n",
    );

    let tables: Vec<_> = found.tables().collect();
    assert_eq!(
        tables,
        [("ks.ab=ä", name(5), LogicalPosition(9)), ("shop.orders", name(SEGMENT), LogicalPosition(55833))],
        "continued lines, \\: \\= and \\u"
    );
}

#[test]
fn an_empty_file_is_refused_with_what_it_means() {
    for text in [&b""[..], b"#\n#Tue Dec 01 12:00:00 UTC 2026\n"] {
        let error = refused(text);

        assert!(matches!(error, OffsetsError::Empty(_)), "{error:?}");
        assert!(error.to_string().contains("Debezium truncates it before it writes it"), "{error}");
    }
}

#[test]
fn a_file_that_was_cut_anywhere_is_refused_or_names_fewer_tables() {
    let whole = "#\nshop.a=CommitLog-7-12.log\\:345\nshop.b=CommitLog-7-12.log\\:678\n";
    let all: Vec<_> = offsets(whole).tables().map(|(table, segment, at)| (table.to_owned(), segment, at)).collect();
    let mut taken = 0;
    for length in 0..whole.len() {
        if let Ok(cut) = Offsets::read(folder(&whole.as_bytes()[..length]).path()) {
            taken += 1;
            assert!(cut.tables().all(|(table, segment, at)| all.contains(&(table.to_owned(), segment, at))), "cut at {length}: {cut:?}");
        }
    }
    assert_eq!(taken, 1, "only where the first table's line ends");
}

#[test]
fn what_debezium_does_not_write_is_refused() {
    for text in [
        "shop.orders=55833\n",
        "shop.orders=CommitLog-7-12.log\n",
        "shop.orders=CommitLog-7-12.log\\:-1\n",
        "shop.orders=CommitLog-7-12.log\\:4294967295\n",
        "shop.orders=CommitLog-7-012.log\\:5\n",
        "shop.orders=CommitLog-7-12\\:5\n",
        "orders=CommitLog-7-12.log\\:5\n",
        "shop.orders=CommitLog-7-12.log\\:5\nshop.orders=CommitLog-7-12.log\\:6\n",
        "shop.orders=CommitLog-7-12.log\\:\\u00zz\n",
        "\0\0\0\0\n",
    ] {
        let error = refused(text.as_bytes());

        assert!(matches!(error, OffsetsError::Garbled { .. }), "{text:?}: {error:?}");
        assert!(error.to_string().contains("expected keyspace.table=CommitLog-"), "{error}");
    }
}

#[test]
fn a_folder_without_offsets_is_no_folder_of_debezium() {
    let error = Offsets::read(tempfile::tempdir().unwrap().path()).unwrap_err();

    assert!(error.to_string().contains("offset.backing.store.dir"), "{error}");
}

#[test]
fn finished_snapshots_are_named() {
    let dir = folder(b"shop.orders=CommitLog-7-12.log\\:5\n");
    fs::write(dir.path().join(SNAPSHOT_OFFSETS), "#\nshop.orders=\\:-1\nshop.carts=\\:-1\n").unwrap();

    let mut found = Offsets::read(dir.path()).unwrap().snapshots().to_vec();
    found.sort();

    assert_eq!(found, ["shop.carts", "shop.orders"]);
}

/// The entries of the segment of the quick start: where each ends, its length, and which tables of `shop` it is about.
fn entries() -> Vec<(u32, u64, Vec<String>)> {
    let mut found = Vec::new();
    with_reader(|reader, history| {
        loop {
            let Item::Entry(entry) = reader.next(crate::Horizon::Marked).unwrap() else { return };
            let at = crate::CommitLogPosition { segment: SegmentId(SEGMENT), position: entry.end };
            let catalog = history.catalog_at(at);
            let mutation = crate::mutation::decode(entry.body(), &catalog).unwrap();
            let tables = mutation.updates.iter().filter(|update| update.table.is_published());
            found.push((entry.end.0, entry.frame.len() as u64, tables.map(|update| update.table.to_string()).collect()));
            history.apply(at, &mutation);
        }
    });
    found
}

fn with_reader(look: impl FnOnce(&mut SegmentReader<&[u8]>, &mut History)) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/quickstart");
    let bytes = fs::read(root.join(format!("CommitLog-7-{SEGMENT}.log"))).unwrap();
    let rows = crate::schema::file::rows(&fs::read_to_string(root.join("schema.cql")).unwrap()).unwrap();
    let loaded = crate::schema::LoadedSchema::from(&rows);
    let mut history = History::new(true);
    let reading = crate::history::Reading::new(crate::Catalog::from_loaded(&loaded), rows);
    history.take(crate::history::Source::File, &reading, crate::history::BEGINNING, crate::history::Additive::NotInLog);
    look(&mut SegmentReader::open(&bytes[..], Some(name(SEGMENT))).unwrap(), &mut history);
}

fn walked(text: &str, in_flight: u64) -> Reach {
    let (offsets, mut found) = (offsets(text), None);
    with_reader(|reader, history| {
        found = Some(reach(reader, history, &offsets, &TableMetadata::is_published, in_flight).unwrap());
    });
    found.unwrap()
}

fn line(table: &str, position: u32) -> String {
    format!("{table}=CommitLog-7-{SEGMENT}.log\\:{position}\n")
}

/// Every published table at the end of the segment, but these.
fn all_but(others: &[(&str, u32)], entries: &[(u32, u64, Vec<String>)]) -> String {
    let end = entries.last().unwrap().0 + 1;
    let mut tables: Vec<&String> = entries.iter().flat_map(|(_, _, tables)| tables).collect();
    tables.sort();
    tables.dedup();
    assert!(tables.len() > 1, "{tables:?}");
    tables
        .into_iter()
        .map(|table| line(table, others.iter().find(|(other, _)| other == table).map_or(end, |(_, position)| *position)))
        .collect()
}

#[test]
fn the_table_that_lags_most_says_how_far_the_segment_is_delivered() {
    let entries = entries();
    let published: Vec<_> = entries.iter().filter(|(_, _, tables)| !tables.is_empty()).collect();
    assert!(published.len() > 10);
    for (place, (end, _, tables)) in published.iter().enumerate() {
        // This table's offset is this mutation: it was the last that a broker has acknowledged.
        let found = walked(&all_but(&[(tables[0].as_str(), *end)], &entries), 0);

        assert_eq!(found.delivered, place as u64, "the mutation at the offset itself is sent again");
        assert_eq!(found.to.0, place.checked_sub(1).map_or(0, |before| published[before].0));
        assert_eq!(found.stopped, Stopped::Table(tables[0].clone(), LogicalPosition(*end)));
    }
}

#[test]
fn a_table_without_an_offset_in_the_segment_has_delivered_nothing_of_it() {
    let entries = entries();
    let (first, _, tables) = entries.iter().find(|(_, _, tables)| !tables.is_empty()).unwrap();
    let others: String =
        all_but(&[], &entries).lines().filter(|line| !line.starts_with(&*tables[0])).map(|line| format!("{line}\n")).collect();
    let older = format!("{}=CommitLog-7-{}.log\\:99999999\n", tables[0], SEGMENT - 1);

    for text in [others.clone(), others + &older] {
        let found = walked(&text, 0);
        assert_eq!((found.to.0, found.delivered), (0, 0));
        assert_eq!(found.stopped, Stopped::Table(tables[0].clone(), LogicalPosition(*first)));
    }
}

#[test]
fn a_segment_whose_tables_all_have_offsets_behind_it_is_delivered_to_its_last_published_mutation() {
    let entries = entries();
    let last = entries.iter().rfind(|(_, _, tables)| !tables.is_empty()).unwrap();

    let found = walked(&all_but(&[], &entries), 0);

    assert_eq!((found.to.0, found.stopped), (last.0, Stopped::AtEnd));
}

#[test]
fn what_may_have_been_in_flight_is_sent_again() {
    let entries = entries();
    let published: Vec<_> = entries.iter().filter(|(_, _, tables)| !tables.is_empty()).collect();
    let [.., before, last] = published[..] else { panic!("{published:?}") };
    for (in_flight, again) in [(0, 0), (1, 1), (last.1, 1), (last.1 + 1, 2), (last.1 + before.1, 2), (u64::MAX, published.len())] {
        let found = walked(&all_but(&[], &entries), in_flight);

        assert_eq!(found.in_flight, again as u64, "{in_flight} bytes");
        assert_eq!(found.delivered, (published.len() - again) as u64);
    }
    assert_eq!(walked(&all_but(&[], &entries), u64::MAX).to.0, 0);
}

#[test]
fn a_mutation_that_cannot_be_decoded_ends_what_is_delivered() {
    let entries = entries();
    let (offsets, mut found) = (offsets(&all_but(&[], &entries)), None);
    with_reader(|reader, _| {
        // Nobody has told of any table.
        found = Some(reach(reader, &mut History::new(false), &offsets, &TableMetadata::is_published, 0).unwrap());
    });

    let found = found.unwrap();
    assert!(matches!(found.stopped, Stopped::Undecodable(..)), "{found:?}");
    assert_eq!(found.delivered, 0);
}
