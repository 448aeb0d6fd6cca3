//! Secret keys, by the alias under which a segment's header names them.

use super::compress::CompressError;
use std::collections::BTreeMap;
use std::fmt;

/// Of every JCE transformation with AES in CBC mode.
pub(super) const IV_LENGTH: usize = 16;

/// The keys that encrypted segments are opened with.
///
/// Aliases are compared in lower case, as Cassandra's `JKSKeyProvider` asks for them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys {
    by_alias: BTreeMap<String, Vec<u8>>,
}

impl Keys {
    /// No keys: plain and compressed segments can be read.
    pub const NONE: Keys = Keys { by_alias: BTreeMap::new() };

    /// Adds a key: the raw bytes of an AES key, 16, 24 or 32 of them.
    pub fn insert(&mut self, alias: &str, key: Vec<u8>) {
        self.by_alias.insert(alias.to_lowercase(), key);
    }

    /// The raw bytes of the key of an alias; none if it is not there.
    pub fn get(&self, alias: &str) -> Option<&[u8]> {
        self.by_alias.get(&alias.to_lowercase()).map(Vec::as_slice)
    }

    /// The aliases there are, in lower case, sorted.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.by_alias.keys().map(String::as_str)
    }
}

/// The aliases only: keys reach no log.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.aliases()).finish()
    }
}

/// Why a section could not be decrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// A block's lengths do not fit into its section.
    #[error("block of an encrypted section is cut short")]
    Cut,
    /// What the key gives is not what the block says: another key, or other bytes.
    #[error("block does not decrypt to the length it names: expected {expected} bytes")]
    Block {
        /// What the block's head says.
        expected: u32,
    },
    /// The blocks hold another length than the section's head says.
    #[error("plain lengths disagree: expected {expected} bytes, found {found}")]
    Length {
        /// The section's head.
        expected: u64,
        /// The blocks.
        found: u64,
    },
    /// A block's plain text could not be decompressed.
    #[error(transparent)]
    Compression(#[from] CompressError),
}

/// Why a key does not fit a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// Not an AES key.
    #[error("expected a key of 16, 24 or 32 bytes, found {found}")]
    KeyLength {
        /// Its length in bytes.
        found: usize,
    },
    /// Not an IV of AES.
    #[error("expected an IV of {IV_LENGTH} bytes, found {found}")]
    IvLength {
        /// Its length in bytes.
        found: usize,
    },
    /// No section decrypts: another key, or nothing of the file is whole.
    #[error("expected a section that it decrypts, found none")]
    NoSection,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_found_in_any_case_and_a_key_is_never_printed() {
        let mut keys = Keys::NONE;
        keys.insert("Testing:1", vec![0xab; 16]);

        assert_eq!(keys.get("TESTING:1"), Some(&[0xab; 16][..]));
        assert_eq!(keys.get("testing:2"), None);
        assert_eq!(format!("{keys:?}"), "{\"testing:1\"}");
    }
}
