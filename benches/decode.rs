//! How fast segments are decoded, against the floor of just running the checksum over the same bytes.
//!
//! `cargo bench --bench decode`. The segment is the busiest recorded one, so the figures need no node. Compare the lines of one
//! run with each other; absolute figures belong to the machine.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringtail::commitlog::{Horizon, Item, MappedSegment, ReadAt, SegmentReader};
use ringtail::envelope::{Envelope, EnvelopeSettings, TopicTemplate};
use ringtail::event;
use ringtail::mutation;
use ringtail::position::CommitLogPosition;
use ringtail::schema::{self, Catalog};
use std::hint::black_box;
use std::path::Path;

fn fixture(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path);
    let bytes = std::fs::read(&path).expect("the fixture is part of the repository");
    zstd::decode_all(bytes.as_slice()).expect("the fixture is a zstd archive")
}

/// Bytes of entries, and how many there are.
fn walk(segment: impl ReadAt, mut each: impl FnMut(CommitLogPosition, &[u8])) -> (u64, u64) {
    let mut reader = SegmentReader::open(segment, None).expect("the fixture's header is whole");
    let id = reader.descriptor().id;
    let mut entries = 0;
    while let Item::Entry(entry) = reader.next(Horizon::Final).expect("memory is readable") {
        entries += 1;
        each(CommitLogPosition { segment: id, position: entry.end }, entry.body());
    }
    (reader.coverage().entries, entries)
}

fn decode(criterion: &mut Criterion) {
    let segment = fixture("4.1.6/all_types/CommitLog-7-1795365373798.log.zst");
    let schema = fixture("4.1.6/all_types/schema_columns.json.zst");
    let catalog = Catalog::from_loaded(&schema::file::load(str::from_utf8(&schema).expect("JSON is UTF-8")).expect("the schema loads"));
    let (bytes, entries) = walk(segment.as_slice(), |_, _| {});
    println!("{entries} mutations, {bytes} bytes");

    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("checksum of the same bytes", |bencher| {
        let section = segment.get(28..28 + bytes as usize).expect("the entries are in the file");
        bencher.iter(|| crc32fast::hash(black_box(section)));
    });
    group.bench_function("entries", |bencher| {
        bencher.iter(|| walk(black_box(segment.as_slice()), |_, body| assert!(!black_box(body).is_empty())))
    });
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), &segment).expect("a writable folder");
    group.bench_function("entries, positioned reads of a file", |bencher| {
        bencher.iter(|| walk(std::fs::File::open(file.path()).expect("the file is there"), |_, body| assert!(!black_box(body).is_empty())));
    });
    group.bench_function("entries, a memory map of the file", |bencher| {
        bencher.iter(|| {
            let open = std::fs::File::open(file.path()).expect("the file is there");
            walk(MappedSegment::open(&open).expect("it can be mapped"), |_, body| assert!(!black_box(body).is_empty()))
        });
    });
    group.bench_function("entries to mutations", |bencher| {
        bencher.iter(|| walk(segment.as_slice(), |_, body| drop(black_box(mutation::decode(body, &catalog)))));
    });
    group.bench_function("entries to events as JSON", |bencher| {
        let mut envelope = Envelope::new(EnvelopeSettings {
            node: "bench".into(),
            prefix: "bench".into(),
            topic: TopicTemplate::parse("{prefix}.{keyspace}.{table}").expect("the default template"),
            cluster: "bench".into(),
            version: "0".into(),
            ..EnvelopeSettings::default()
        });
        bencher.iter(|| {
            walk(segment.as_slice(), |at, body| {
                let Ok(mutation) = mutation::decode(body, &catalog) else { return };
                let Ok(projection) = event::project(at, &mutation) else { return };
                for event in &projection.events {
                    drop(black_box(envelope.encode(event, "CommitLog-7-1795365373798.log", 0)));
                }
            })
        });
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
