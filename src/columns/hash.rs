//! What stands in the place of a value.

use crate::config::Secret;
use bumpalo::Bump;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// What stands for every masked value.
pub(super) const MASK: &[u8] = b"***";

/// Makes what stands for a value. The key is not printed.
#[derive(Default)]
pub(super) struct Substitutes {
    /// `None`: no rule hashes.
    hash: Option<Hmac<Sha256>>,
}

impl Substitutes {
    pub fn new(key: Option<&Secret>) -> Substitutes {
        // HMAC takes a key of any length.
        Substitutes { hash: key.and_then(|key| Hmac::new_from_slice(key.expose().as_bytes()).ok()) }
    }

    /// 64 hexadecimal digits: HMAC-SHA256 over the serialized value.
    pub fn hash<'a>(&self, value: &[u8], arena: &'a Bump) -> &'a [u8] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let Some(mut hash) = self.hash.clone() else { return MASK };
        hash.update(value);
        let bytes = hash.finalize().into_bytes();
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| DIGITS.get(usize::from(digit)).copied());
        let text: Vec<u8> = digits.collect();
        arena.alloc_slice_copy(&text)
    }
}

impl fmt::Debug for Substitutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Substitutes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_hmac_of_rfc_4231() {
        let arena = Bump::new();

        let found = Substitutes::new(Some(&Secret::new("Jefe"))).hash(b"what do ya want for nothing?", &arena);

        assert_eq!(std::str::from_utf8(found), Ok("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    }
}
