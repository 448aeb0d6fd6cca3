//! Writes the seeds of the fuzz targets, most of them out of the recorded segments.
//!
//! `cargo run -p ringtail-testkit --example seeds`, from the folder of the package; seeds that are there already are overwritten.

use ringtail::commitlog::{Horizon, Item, SegmentReader};
use ringtail::cql::marshal_class;
use ringtail::mutation::{self, ColumnData, Mutation, Unfiltered};
use ringtail::schema::{SchemaRows, TableMetadata};
use ringtail_testkit::repair::piece;
use ringtail_testkit::segment::{Builder, Damage, Lz4, SEGMENT, VERSION, frame, header};
use ringtail_testkit::target::catalog;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No seed is longer, so that all of them together stay small.
const BYTES_MAX: usize = 3000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in a folder").to_path_buf()
}

fn write(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    let folder = root().join("fuzz/seeds").join(target);
    fs::create_dir_all(&folder).expect("a folder that can be made");
    fs::write(folder.join(name), bytes).expect("a file that can be written");
}

fn recorded(path: &str) -> Vec<u8> {
    let file = fs::File::open(root().join("fixtures").join(path)).expect("a recorded segment");
    let mut bytes = Vec::new();
    let mut archive = ruzstd::decoding::StreamingDecoder::new(file).expect("a zstd archive");
    archive.read_to_end(&mut bytes).expect("a whole archive");
    bytes
}

fn bodies(segment: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = SegmentReader::open(segment, None).expect("a whole header");
    let mut bodies = Vec::new();
    while let Item::Entry(entry) = reader.next(Horizon::Final).expect("memory is readable") {
        bodies.push(entry.body().to_vec());
    }
    bodies
}

/// What a mutation shows, so that two that show the same need not both be seeds.
fn shape(mutation: &Mutation<'_>) -> String {
    let mut shape = BTreeSet::new();
    for update in &mutation.updates {
        let table = update.table.to_string();
        shape.insert(format!("{table}/{}/{}", update.partition_deletion.is_some(), update.static_row.is_some()));
        for unfiltered in &update.unfiltereds {
            shape.insert(match unfiltered {
                Unfiltered::Row(row) => format!("{table}/row {}{}", row.liveness.is_some(), row.deletion.is_some()),
                Unfiltered::RangeTombstoneMarker(marker) => format!("{table}/{:?}", marker.bound.kind),
            });
        }
    }
    shape.into_iter().collect::<Vec<_>>().join(",")
}

/// One body per shape, the shortest.
fn chosen(bodies: &[Vec<u8>]) -> Vec<&[u8]> {
    let mut shapes: BTreeMap<String, &[u8]> = BTreeMap::new();
    for body in bodies.iter().filter(|body| body.len() <= BYTES_MAX) {
        if let Ok(mutation) = mutation::decode(body, catalog()) {
            let place = shapes.entry(shape(&mutation)).or_insert(body);
            if body.len() < place.len() {
                *place = body;
            }
        }
    }
    shapes.into_values().collect()
}

fn headers() {
    let encrypted = br#"{"encCipher":"AES\/CBC\/PKCS5Padding","encIV":"ebfee63","encKeyAlias":"testing:1"}"#;
    let lz4 = br#"{"compressionClass":"LZ4Compressor","compressionParameters":null}"#;
    for (name, params) in [("plain", &b"{}"[..]), ("lz4", lz4), ("encrypted", encrypted), ("no_json", b"[")] {
        write("descriptor", name, header(VERSION, SEGMENT, params));
    }
    write("descriptor", "log_name", "CommitLog-7-1795365373798.log");
    write("descriptor", "index_name", "CommitLog-7-1795365373798_cdc.idx");
}

fn segments(bodies: &[&[u8]]) {
    for (number, pair) in bodies.chunks(3).enumerate().take(12) {
        write("section", &format!("entries_{number}"), pair.iter().flat_map(|body| frame(body)).collect::<Vec<u8>>());
        write("entry", &format!("entry_{number}"), [&[0, number as u8, (number % 2) as u8], pair[0]].concat());
        let plain = Builder::plain().section(&pair[..1]).section(&pair[1..]).section::<&[u8]>(&[]).zeros(16).build();
        let lz4 = Builder::compressed(Lz4).section(&pair[..1]).section(&pair[1..]).build();
        write("segment", &format!("plain_{number}"), &plain.bytes);
        write("segment", &format!("lz4_{number}"), lz4.bytes);
        let damages = [Damage::EntryBody { section: 0, entry: 0 }, Damage::EntrySize { section: 0, entry: 0 }, Damage::MarkerTorn(1)];
        let damages = damages.into_iter().chain([Damage::MarkerCrc(0), Damage::MarkerZero(1), Damage::MarkerNext { section: 0, next: 40 }]);
        for (at, damage) in damages.enumerate().skip(number % 6).take(1) {
            write("segment", &format!("damaged_{at}_{number}"), plain.damaged(damage));
        }
        let mut script = vec![(number % 4) as u8];
        for (at, body) in pair.iter().enumerate() {
            let kind = [piece::ENTRY, piece::ENTRY_CRC, piece::SIZE_CRC][if at == 1 { number % 3 } else { 0 }];
            script.push(kind);
            script.extend((body.len() as u16).to_be_bytes());
            script.extend(*body);
            match number % 6 {
                0 => script.push(piece::SECTION),
                1 => script.extend([piece::MARKER, at as u8]),
                2 => script.extend([piece::MARKER, 3 + at as u8 % 2, 0, 0, 0, 0x28]),
                3 => script.extend([piece::FRAME, 0, 20, 1]),
                4 => script.extend([piece::UNMARKED, 5, 0, 0, 1, 2, 3]),
                _ => script.extend([piece::SIZE, 0, 0, 0, 200]),
            }
        }
        write("segment_repaired", &format!("script_{number}"), script);
    }
}

/// A value of every column that some mutation has one for, with the bytes that choose its type.
fn values(bodies: &[Vec<u8>]) {
    let mut tables: Vec<_> = catalog().tables().filter(|table| !table.is_system()).collect();
    tables.sort_by_key(|table| (&table.keyspace, &table.name));
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for body in bodies {
        let Ok(mutation) = mutation::decode(body, catalog()) else { continue };
        for update in &mutation.updates {
            let Some(at) = tables.iter().position(|table| table.id == update.table.id) else { continue };
            for unfiltered in &update.unfiltereds {
                let Unfiltered::Row(row) = unfiltered else { continue };
                for data in &row.columns {
                    let ColumnData::Simple(cell) = data else { continue };
                    let column = update.table.columns().position(|column| column.name == cell.column.column.name);
                    let (Some(column), Some(value)) = (column, cell.value.filter(|value| value.len() < 200)) else { continue };
                    let name = cell.column.column.cql_type.to_string();
                    found.entry(name).or_insert_with(|| [&[3, at as u8, column as u8, 0], value].concat());
                }
            }
        }
    }
    for (number, seed) in found.values().enumerate() {
        write("value", &format!("value_{number}"), seed);
    }
}

fn texts() {
    let mut tables: Vec<&TableMetadata> = catalog().tables().map(AsRef::as_ref).filter(|table| !table.is_system()).collect();
    tables.sort_by_key(|table| (&table.keyspace, &table.name));
    let mut names = BTreeMap::new();
    for table in &tables {
        for column in table.columns() {
            names.insert(column.cql_type.to_string(), format!("'{}'", marshal_class(&column.cql_type, column.reversed)));
        }
    }
    for (number, (name, class)) in names.iter().enumerate() {
        write("type_name", &format!("name_{number}"), name);
        write("type_name", &format!("class_{number}"), class);
    }
    for (number, table) in tables.iter().enumerate().filter(|(_, table)| table.columns().count() < 20) {
        let rows = serde_json::to_string(&SchemaRows::of_tables([*table])).expect("rows are JSON");
        if number % 3 == 0 && rows.len() < BYTES_MAX {
            write("schema_file", &format!("rows_{number}.json"), rows);
        }
    }
    let cql = fs::read_to_string(root().join("testkit/src/target/schema.cql")).expect("text");
    for (number, statement) in cql.split_inclusive(";\n").enumerate().filter(|(_, statement)| statement.len() < 800) {
        write("schema_file", &format!("statement_{number}.cql"), statement);
    }
}

/// Bytes without a pattern (a linear congruential generator), for choices.
fn choices(seed: u64, length: usize) -> Vec<u8> {
    let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(next(&seed), next).map(|state| (state >> 56) as u8).take(length).collect()
}

fn main() {
    let mut all = Vec::new();
    for path in ["4.1.6/all_types/CommitLog-7-1795365373798.log.zst", "4.1.6/operations/CommitLog-7-1795365411252.log.zst"] {
        all.extend(bodies(&recorded(path)));
    }
    let chosen = chosen(&all);
    println!("{} of {} recorded mutations are seeds", chosen.len(), all.len());
    for (number, body) in chosen.iter().enumerate() {
        write("mutation", &format!("body_{number}"), body);
    }
    headers();
    segments(&chosen);
    values(&all);
    texts();
    for (number, length) in [0, 16, 64, 256, 512, 1024, 2048, 2800].into_iter().enumerate() {
        write("structured", &format!("choices_{number}"), choices(number as u64, length));
    }
}
