//! What is described is what is read: any schema, any mutations of its tables, written by the encoder of the testkit, which is not derived from
//! the decoder, into segments of every version and coding.
//!
//! Covered are the forms of [`forms::ALL`], times the versions and codings of [`VERSIONS`] and [`CODINGS`]; `every_form_is_among_…` fails when
//! one of them is not among what was tried.
#![cfg(feature = "agent")]
// Clippy knows tests, but not the helpers of tests in files of their own: here an index out of bounds is a failed test.
#![allow(clippy::indexing_slicing)]

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use ringtail::commitlog::{Keys, SUPPORTED_VERSIONS};
use ringtail::cql::CqlType;
use ringtail::mutation::decode;
use ringtail_testkit::described::{ColumnData, Mutation, Unfiltered};
use ringtail_testkit::encode::Release;
use ringtail_testkit::generate::Workload;
use ringtail_testkit::segment::{Builder, Compress, Lz4, SEGMENT};
use ringtail_testkit::{check, forms, strategy};
use std::collections::BTreeMap;
use std::io::Read;

/// A descriptor version and who writes it. What `LIVE` looks like depends on the release, not on the version.
const VERSIONS: [(u32, Release); 4] = [(6, Release::V4), (7, Release::V4), (7, Release::V5), (8, Release::V5)];

/// How sections are coded, by the class that the header names.
const CODINGS: [&str; 7] =
    ["plain", "LZ4Compressor", "SnappyCompressor", "DeflateCompressor", "ZstdCompressor", "NoopCompressor", "AES/CBC/PKCS5Padding"];

const KEY: [u8; 16] = [3; 16];
const IV: [u8; 16] = [0x0a; 16];

/// Sections by a function.
struct By(&'static str, fn(&[u8]) -> Vec<u8>);

impl Compress for By {
    fn class(&self) -> &str {
        self.0
    }

    fn compress(&self, bytes: &[u8]) -> Vec<u8> {
        (self.1)(bytes)
    }
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::bufread::ZlibEncoder::new(bytes, flate2::Compression::default()).read_to_end(&mut out).expect("memory can be written");
    out
}

/// Blocks of 4 KiB, each compressed and then encrypted, as `EncryptedSegment` writes them.
fn encrypt(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in bytes.chunks(4096) {
        let mut text = (block.len() as u32).to_be_bytes().to_vec();
        text.extend(Lz4.compress(block));
        let plain_length = text.len();
        text.resize(plain_length + 16, 0);
        let cipher = cbc::Encryptor::<Aes128>::new(&KEY.into(), &IV.into());
        let cipher_text = cipher.encrypt_padded::<Pkcs7>(&mut text, plain_length).expect("there is room for the padding");
        out.extend((cipher_text.len() as u32).to_be_bytes());
        out.extend((plain_length as u32).to_be_bytes());
        out.extend(cipher_text);
    }
    out
}

fn builder(coding: &str) -> Builder {
    match coding {
        "plain" => Builder::plain(),
        "LZ4Compressor" => Builder::compressed(Lz4),
        "SnappyCompressor" => {
            Builder::compressed(By("SnappyCompressor", |bytes| snap::raw::Encoder::new().compress_vec(bytes).expect("it is not too long")))
        }
        "DeflateCompressor" => Builder::compressed(By("DeflateCompressor", deflate)),
        "ZstdCompressor" => {
            Builder::compressed(By("ZstdCompressor", |bytes| zstd::bulk::compress(bytes, 3).expect("memory can be written")))
        }
        "NoopCompressor" => Builder::compressed(By("NoopCompressor", <[u8]>::to_vec)),
        cipher => {
            let iv: String = IV.iter().map(|byte| format!("{byte:02x}")).collect();
            let params = format!(r#"{{"encCipher":"{cipher}","encIV":"{iv}","encKeyAlias":"testing:1"}}"#);
            Builder::new(SEGMENT, params.as_bytes(), Some(Box::new(By("", encrypt))))
        }
    }
}

/// What is written, and how.
#[derive(Clone, Debug)]
struct Case {
    workload: Workload,
    version: u32,
    coding: &'static str,
}

fn case() -> impl Strategy<Value = Case> {
    let large = prop_oneof![9 => Just(0), 1 => forms::LARGE + 1..2 * forms::LARGE];
    let how = (0..VERSIONS.len(), 0..CODINGS.len());
    (strategy::workload(), how, large).prop_map(|(mut workload, (version, coding), large)| {
        let (version, release) = VERSIONS[version];
        workload.release = release;
        enlarge(&mut workload, large);
        Case { workload, version, coding: CODINGS[coding] }
    })
}

/// Gives the first value that may have any length this one.
fn enlarge(workload: &mut Workload, length: usize) {
    let catalog = &workload.catalog;
    for update in workload.sections.iter_mut().flatten().flat_map(|mutation| &mut mutation.updates).filter(|_| length > 0) {
        let table = catalog.table(update.table).expect("a table of the workload");
        let rows = update.unfiltereds.iter_mut().filter_map(|unfiltered| match unfiltered {
            Unfiltered::Row(row) => Some(row),
            Unfiltered::Marker(_) => None,
        });
        for column in update.static_row.iter_mut().chain(rows).flat_map(|row| &mut row.columns) {
            let of_name = table.statics.iter().chain(&table.regulars).find(|known| known.name == column.name);
            let takes_any =
                of_name.is_some_and(|known| matches!(known.cql_type, CqlType::Text | CqlType::Ascii | CqlType::Blob | CqlType::Custom(_)));
            if let ColumnData::Simple(cell) = &mut column.data
                && let (true, Some(value)) = (takes_any, &mut cell.value)
            {
                // Neither all alike nor random, so that compressors have something to do.
                *value = (0..length).map(|at| b'a' + (at * at / 7 % 23) as u8).collect();
                return;
            }
        }
    }
}

/// Writes what is described, and reads it.
fn assert_is_read(case: &Case) {
    let Case { workload, version, coding } = case;
    let bodies = workload.bodies();
    let builder = bodies.iter().fold(builder(coding).version(*version), |builder, section| builder.section(section));
    let zeros = if *coding == "plain" { workload.zeros } else { 0 };
    let segment = builder.zeros(zeros).build();
    let mut keys = Keys::default();
    keys.insert("testing:1", KEY.to_vec());

    let read = check::whole(&segment.bytes, &keys).expect("the header is whole");

    assert!(read.damages.is_empty() && read.unmarked.is_none(), "{:?}", read.damages);
    let ends: Vec<usize> = segment.sections.iter().flat_map(|section| &section.entries).map(|entry| entry.end).collect();
    assert_eq!(read.entries.iter().map(|(_, end)| end.0 as usize).collect::<Vec<_>>(), ends);
    let contents = workload.contents();
    assert_eq!(read.entries.len(), contents.len());
    for (body, described) in read.bodies().into_iter().zip(&contents) {
        let decoded = decode(body, &workload.catalog).expect("what the encoder writes can be decoded");
        assert_eq!(Mutation::of(&decoded), *described);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_described_is_read_in_every_version_and_coding(case in case()) {
        assert_is_read(&case);
    }
}

#[test]
fn every_form_is_among_what_is_described_and_read() {
    let (mut seen, mut runner): (BTreeMap<String, usize>, _) = (BTreeMap::new(), TestRunner::deterministic());
    for _ in 0..600 {
        let case = case().new_tree(&mut runner).expect("any bytes are choices").current();
        assert_is_read(&case);
        let updates = || case.workload.sections.iter().flatten().flat_map(|mutation| &mutation.updates);
        let forms = updates().flat_map(|update| forms::of(update, &case.workload.catalog)).map(str::to_owned);
        let how = (updates().count() > 0).then(|| format!("version {} {:?}, {}", case.version, case.workload.release, case.coding));
        forms.chain(how).for_each(|name| *seen.entry(name).or_default() += 1);
    }

    seen.iter().for_each(|(name, count)| println!("{count:6} {name}"));
    let how =
        VERSIONS.iter().flat_map(|(version, release)| CODINGS.iter().map(move |coding| format!("version {version} {release:?}, {coding}")));
    let expected: Vec<String> = forms::ALL.iter().map(|name| (*name).to_owned()).chain(how).collect();
    let missing: Vec<&String> = expected.iter().filter(|name| !seen.contains_key(*name)).collect();
    assert!(missing.is_empty(), "never tried: {missing:?}");
    assert!(SUPPORTED_VERSIONS.iter().all(|version| VERSIONS.iter().any(|(tried, _)| tried == version)));
}
