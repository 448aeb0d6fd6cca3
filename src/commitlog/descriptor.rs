//! Which segment a file is: its name and its header (`CommitLogDescriptor`).
//!
//! ```text
//! offset  size  field
//! 0       4     version            u32
//! 4       8     id                 i64
//! 12      2     params length n    u16
//! 14      n     params             UTF-8 JSON object
//! 14+n    4     crc32
//! ```
//!
//! The checksum is not over the bytes as stored: it takes the version, the *low* half of the id, the
//! high half, the length as *four* bytes, and the params.

use super::compress::Compressor;
use super::keys::KeyProblem;
use super::name::SegmentName;
use super::read_at::ReadAt;
use crate::codec::{self, CodecError, PResult};
use crate::position::{FileOffset, SegmentId};
use crc32fast::Hasher;
use std::io;

/// 6: Cassandra 3.0 and 3.11. 7: 4.0, 4.1 and, with `storage_compatibility_mode: CASSANDRA_4`, its default, 5.0. 8: 5.0 with any
/// other mode. What stands behind the header is the same in all of them; nothing here tells the release.
pub const SUPPORTED_VERSIONS: [u32; 3] = [6, 7, 8];

/// Fields before the params.
const FIXED: u64 = 14;
/// The most that a two-byte length can ask for, with everything around it.
const HEADER_MAX: usize = FIXED as usize + u16::MAX as usize + 4;

/// What a header says (`CommitLogDescriptor`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Descriptor version, one of [`SUPPORTED_VERSIONS`].
    pub version: u32,
    /// Segment id.
    pub id: SegmentId,
    /// How sections are compressed, if they are.
    pub compression: Option<Compressor>,
    /// Class name of the compressor as it stands in the header.
    pub compression_class: Option<String>,
    /// How sections are encrypted, if they are; then whatever the header says of compression does not count.
    pub encryption: Option<Encryption>,
    /// The header's checksum: with the first entry's it tells one incarnation of an id from another.
    pub header_crc: u32,
    /// Where the first sync marker stands: the length of the header in bytes.
    pub header_end: FileOffset,
}

/// What a header says of encryption (`EncryptionContext.toHeaderParameters`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// JCE transformation (`encCipher`), as `AES/CBC/PKCS5Padding`.
    pub cipher: String,
    /// Alias of the key in the node's keystore (`encKeyAlias`), as `testing:1`.
    pub alias: String,
    /// Initialization vector of every block of this segment (`encIV`): 16 bytes for AES.
    pub iv: Vec<u8>,
}

/// Why a whole segment cannot be read. Nothing in it was. An empty one, one whose key is missing, and one that
/// could not be read can be tried again later.
///
/// Cassandra: `CommitLogDescriptor.readHeader`, `CommitLogReader.readCommitLogSegment`, which skip or refuse the file.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// Nothing was ever written: no bytes, or zeros where the header should be.
    #[error("segment is empty: expected a header at file offset 0, found {found}")]
    Empty {
        /// What stands there.
        found: &'static str,
    },
    /// The file ends inside the header.
    #[error("segment header is cut short: expected {expected} bytes, found {found}")]
    HeaderTruncated {
        /// Bytes the header needs.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The header's checksum does not hold: nothing in the file can be trusted.
    #[error("segment header checksum mismatch at file offset {at}: expected {expected:#010x}, found {found:#010x}")]
    HeaderCrc {
        /// Where the checksum stands.
        at: FileOffset,
        /// Computed.
        expected: u32,
        /// Stored.
        found: u32,
    },
    /// The header's parameters are not what Cassandra writes.
    #[error("segment header parameters at file offset {FIXED} cannot be read: {cause}")]
    Params {
        /// Why.
        cause: String,
    },
    /// A version that this build does not read. Never guessed at.
    #[error("descriptor version {found} is not supported ({}): expected one of {SUPPORTED_VERSIONS:?}", writer(*found))]
    Version {
        /// The version found.
        found: u32,
    },
    /// Name and header disagree.
    #[error("file name and header disagree: expected version {} id {}, found version {version} id {id}", name.version, name.id)]
    NameMismatch {
        /// What the name says.
        name: SegmentName,
        /// What the header says.
        version: u32,
        /// What the header says.
        id: SegmentId,
    },
    /// The segment is encrypted and its key is not there. It can come yet.
    #[error("segment is encrypted with {cipher} under key alias {alias}: expected that key, found none")]
    Encrypted {
        /// JCE transformation.
        cipher: String,
        /// Key alias.
        alias: String,
    },
    /// The key of the segment's alias is not its key. The right one can come yet.
    #[error("segment cannot be decrypted with the key under alias {alias}: {problem}")]
    Key {
        /// Key alias.
        alias: String,
        /// What is wrong.
        problem: KeyProblem,
    },
    /// A cipher that is not known here.
    #[error("cipher {cipher} is not supported: expected {expected}")]
    Cipher {
        /// JCE transformation named in the header.
        cipher: String,
        /// The one that is.
        expected: &'static str,
    },
    /// Known, but left out of this build.
    #[error("{what} needs the cargo feature {feature}, which this build does not have")]
    NotBuilt {
        /// Compression class or cipher.
        what: String,
        /// The feature.
        feature: &'static str,
    },
    /// A compressor that is not known here.
    #[error(
        "compression class {class} is not supported: expected LZ4Compressor, SnappyCompressor, DeflateCompressor, ZstdCompressor or \
         NoopCompressor"
    )]
    Compressor {
        /// The class named in the header.
        class: String,
    },
    /// The file could not be read.
    #[error("cannot read segment header")]
    Io(#[from] io::Error),
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    compression_class: Option<String>,
    enc_cipher: Option<String>,
    enc_key_alias: Option<String>,
    #[serde(rename = "encIV")]
    enc_iv: Option<String>,
}

/// Who writes a version that is not supported.
fn writer(version: u32) -> &'static str {
    match version {
        2..=5 => "Cassandra before 3.0 writes it",
        9 => "Cassandra 6.0 writes it",
        _ => "no release is known to write it",
    }
}

impl SegmentError {
    /// Whether the segment could be read with a key that is not there yet.
    pub fn waits_for_key(&self) -> bool {
        matches!(self, SegmentError::Encrypted { .. } | SegmentError::Key { .. })
    }
}

impl Descriptor {
    /// The name that the segment's file has by what its header says (`CommitLogDescriptor.fileName`).
    pub fn name(&self) -> SegmentName {
        SegmentName { version: self.version, id: self.id }
    }

    /// Reads the header of a segment (`CommitLogDescriptor.readHeader`).
    ///
    /// # Errors
    /// [`SegmentError`]: the segment as a whole cannot be read.
    pub fn read(file: &impl ReadAt, name: Option<SegmentName>) -> Result<Descriptor, SegmentError> {
        let length = file.length()?;
        let mut bytes = vec![0; HEADER_MAX.min(usize::try_from(length).unwrap_or(HEADER_MAX))];
        let read = file.read_at(FileOffset(0), &mut bytes)?;
        bytes.truncate(read);
        let descriptor = Descriptor::parse(&bytes)?;
        match name {
            Some(name) if (name.version, name.id) != (descriptor.version, descriptor.id) => {
                Err(SegmentError::NameMismatch { name, version: descriptor.version, id: descriptor.id })
            }
            _ => Ok(descriptor),
        }
    }

    /// Reads a header from the first bytes of a segment.
    ///
    /// # Errors
    /// As [`Descriptor::read`].
    pub fn parse(bytes: &[u8]) -> Result<Descriptor, SegmentError> {
        if bytes.is_empty() {
            return Err(SegmentError::Empty { found: "no bytes" });
        }
        if bytes.get(..FIXED as usize + 4).is_some_and(|start| start.iter().all(|byte| *byte == 0)) {
            return Err(SegmentError::Empty { found: "zeros" });
        }
        if let Some(found) = ancient_version(bytes) {
            return Err(SegmentError::Version { found });
        }
        let header = header(bytes).map_err(|error| truncated(error, bytes))?.1;
        let expected = header.expected_crc();
        if expected != header.crc {
            let at = FileOffset(FIXED + header.params.len() as u64);
            return Err(SegmentError::HeaderCrc { at, expected, found: header.crc });
        }
        header.into_descriptor()
    }
}

struct Header<'a> {
    version: u32,
    id: u64,
    params: &'a [u8],
    crc: u32,
}

fn header(input: &[u8]) -> PResult<'_, Header<'_>> {
    let (input, version) = codec::be_u32(input)?;
    let (input, id) = codec::be_u64(input)?;
    let (input, length) = codec::be_u16(input)?;
    let (input, params) = codec::take(input, u64::from(length), "params")?;
    let (input, crc) = codec::be_u32(input)?;
    Ok((input, Header { version, id, params, crc }))
}

/// The version of a header as it was before there were params: its checksum stands behind the id.
fn ancient_version(bytes: &[u8]) -> Option<u32> {
    let (rest, version) = codec::be_u32(bytes).ok().filter(|(_, version)| (2..5).contains(version))?;
    let (rest, id) = codec::be_u64(rest).ok()?;
    let (_, crc) = codec::be_u32(rest).ok()?;
    let mut hasher = Hasher::new();
    hasher.update(&version.to_be_bytes());
    hasher.update(&(id as u32).to_be_bytes());
    hasher.update(&((id >> 32) as u32).to_be_bytes());
    (hasher.finalize() == crc).then_some(version)
}

fn truncated(error: nom::Err<CodecError<'_>>, bytes: &[u8]) -> SegmentError {
    let error = CodecError::from_nom(error);
    let need = match error.kind {
        codec::Kind::Truncated { need, .. } => need,
        codec::Kind::Invalid { .. } => 0,
    };
    SegmentError::HeaderTruncated { expected: error.offset_in(bytes) as u64 + need, found: bytes.len() as u64 }
}

impl Header<'_> {
    fn expected_crc(&self) -> u32 {
        let mut hasher = Hasher::new();
        hasher.update(&self.version.to_be_bytes());
        hasher.update(&(self.id as u32).to_be_bytes());
        hasher.update(&((self.id >> 32) as u32).to_be_bytes());
        hasher.update(&(self.params.len() as u32).to_be_bytes());
        hasher.update(self.params);
        hasher.finalize()
    }

    fn into_descriptor(self) -> Result<Descriptor, SegmentError> {
        if !SUPPORTED_VERSIONS.contains(&self.version) {
            return Err(SegmentError::Version { found: self.version });
        }
        let params: Params = serde_json::from_slice(self.params).map_err(|error| SegmentError::Params { cause: error.to_string() })?;
        // Encryption takes precedence over compression, as in `CommitLogSegmentReader`.
        let encryption = match (params.enc_cipher, params.enc_key_alias) {
            (Some(cipher), Some(alias)) => Some(Encryption { cipher, alias, iv: hex(params.enc_iv.as_deref().unwrap_or_default())? }),
            _ => None,
        };
        let compression = match &params.compression_class {
            Some(class) if encryption.is_none() => {
                Some(Compressor::from_class(class).ok_or_else(|| SegmentError::Compressor { class: class.clone() })?)
            }
            _ => None,
        };
        Ok(Descriptor {
            version: self.version,
            id: SegmentId(self.id),
            compression,
            compression_class: params.compression_class,
            encryption,
            header_crc: self.crc,
            header_end: FileOffset(FIXED + self.params.len() as u64 + 4),
        })
    }
}

fn hex(text: &str) -> Result<Vec<u8>, SegmentError> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect();
    let pairs = digits.filter(|digits| digits.len() % 2 == 0);
    let pairs = pairs.ok_or_else(|| SegmentError::Params { cause: "encIV: expected pairs of hexadecimal digits".into() })?;
    Ok(pairs.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header_bytes(version: u32, id: u64, params: &str) -> Vec<u8> {
        let header = Header { version, id, params: params.as_bytes(), crc: 0 };
        let mut bytes = version.to_be_bytes().to_vec();
        bytes.extend(id.to_be_bytes());
        bytes.extend((params.len() as u16).to_be_bytes());
        bytes.extend(params.as_bytes());
        bytes.extend(header.expected_crc().to_be_bytes());
        bytes
    }

    #[test]
    fn header_checksum_takes_the_low_half_of_the_id_first() {
        // The header of an empty segment that Cassandra 3.11.19 wrote.
        let recorded = Header { version: 6, id: 0x0000_01a2_0410_2089, params: b"{}", crc: 0 };

        assert_eq!(recorded.expected_crc(), 0x01b2_5997);
    }

    #[test]
    fn a_plain_header_is_twenty_bytes() {
        let descriptor = Descriptor::parse(&header_bytes(7, 42, "{}")).unwrap();

        assert_eq!(descriptor.header_end, FileOffset(20));
        assert_eq!(descriptor.compression, None);
        assert_eq!(descriptor.id, SegmentId(42));
    }

    #[test]
    fn a_compressed_header_names_its_compressor() {
        let params = r#"{"compressionClass":"LZ4Compressor","compressionParameters":null}"#;

        let descriptor = Descriptor::parse(&header_bytes(7, 42, params)).unwrap();

        assert_eq!(descriptor.compression, Some(Compressor::Lz4));
        assert_eq!(descriptor.header_end, FileOffset(83));
    }

    #[test]
    fn a_flipped_bit_in_the_header_is_named() {
        let mut bytes = header_bytes(7, 42, "{}");
        bytes[7] ^= 1;

        let error = Descriptor::parse(&bytes).unwrap_err();

        assert!(matches!(error, SegmentError::HeaderCrc { at: FileOffset(16), .. }), "{error}");
    }

    #[test]
    fn every_cut_of_a_header_is_named() {
        let bytes = header_bytes(7, 42, "{}");
        for length in 1..bytes.len() {
            let error = Descriptor::parse(&bytes[..length]).unwrap_err();
            assert!(matches!(error, SegmentError::HeaderTruncated { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn no_bytes_and_zeros_are_an_empty_segment() {
        assert!(matches!(Descriptor::parse(&[]), Err(SegmentError::Empty { found: "no bytes" })));
        assert!(matches!(Descriptor::parse(&[0; 4096]), Err(SegmentError::Empty { found: "zeros" })));
    }

    #[test]
    fn unknown_versions_compressors_and_parameters_are_refused_by_name() {
        let refused = |version, params: &str| Descriptor::parse(&header_bytes(version, 42, params)).unwrap_err().to_string();

        assert!(refused(9, "{}").contains("descriptor version 9 is not supported (Cassandra 6.0 writes it)"));
        assert!(refused(5, "{}").contains("Cassandra before 3.0"));
        assert!(refused(10, "{}").contains("descriptor version 10"));
        assert!(refused(7, r#"{"compressionClass":"org.acme.Zip"}"#).contains("org.acme.Zip"));
        assert!(refused(7, r#"{"encCipher":"AES","encKeyAlias":"k","encIV":"abc"}"#).contains("encIV"));
        assert!(refused(7, "[").contains("parameters"));
    }

    #[test]
    fn each_supported_version_is_read() {
        for version in SUPPORTED_VERSIONS {
            assert_eq!(Descriptor::parse(&header_bytes(version, 42, "{}")).unwrap().version, version);
        }
    }

    #[test]
    fn a_header_without_params_is_one_of_a_release_before_3_0() {
        let mut bytes = [4_u32.to_be_bytes(), [0; 4], 42_u32.to_be_bytes()].concat();
        bytes.extend(crc32fast::hash(&[4_u32.to_be_bytes(), 42_u32.to_be_bytes(), [0; 4]].concat()).to_be_bytes());
        bytes.extend([0; 64]);

        let error = Descriptor::parse(&bytes).unwrap_err();

        assert!(matches!(error, SegmentError::Version { found: 4 }), "{error}");
    }

    #[test]
    fn encryption_is_named_with_its_key_and_goes_before_compression() {
        // The first as json-simple writes it (to 4.1), the second as Jackson does (5.0).
        for cipher in ["AES\\/CBC\\/PKCS5Padding", "AES/CBC/PKCS5Padding"] {
            let params =
                format!(r#"{{"compressionClass":"org.acme.Zip","encCipher":"{cipher}","encIV":"eB01","encKeyAlias":"testing:1"}}"#);

            let descriptor = Descriptor::parse(&header_bytes(7, 42, &params)).unwrap();

            let encryption = Encryption { cipher: "AES/CBC/PKCS5Padding".into(), alias: "testing:1".into(), iv: vec![0xeb, 0x01] };
            assert_eq!(descriptor.encryption, Some(encryption));
            assert_eq!(descriptor.compression, None);
        }
    }

    #[test]
    fn each_compressor_is_found_by_its_class() {
        for class in ["LZ4Compressor", "SnappyCompressor", "DeflateCompressor", "ZstdCompressor", "NoopCompressor"] {
            let params = format!(r#"{{"compressionClass":"{class}","compressionParameters":null}}"#);

            assert!(Descriptor::parse(&header_bytes(7, 42, &params)).unwrap().compression.is_some(), "{class}");
        }
    }

    #[test]
    fn name_and_header_must_agree() {
        let bytes = header_bytes(7, 42, "{}");
        let name = SegmentName::parse_log("CommitLog-7-43.log").unwrap();

        let error = Descriptor::read(&bytes.as_slice(), Some(name)).unwrap_err();

        assert_eq!(error.to_string(), "file name and header disagree: expected version 7 id 43, found version 7 id 42");
    }
}
