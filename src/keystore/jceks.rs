//! JCEKS, Java's keystore for secret keys (`com.sun.crypto.provider.JceKeyStore`, `KeyProtector`).
//!
//! ```text
//! store      CECECECE | version u32 (1 or 2) | count u32 | entry × count | SHA-1 over password, "Mighty Aphrodite" and all before
//! entry      1 alias date | u32 key | u32 count, certificate × count        a private key
//!            2 alias date | certificate                                      a trusted certificate
//!            3 alias date | serialized SealedObject                          a secret key
//! certificate  [type, from version 2 on] u32 bytes
//! ```
//!
//! The sealed object is a serialized key, encrypted by PBEWithMD5AndTripleDES: a derivation of Sun's own, which makes key and
//! IV of MD5 over each half of the salt and the password.

use super::KeystoreError;
use super::java::{Cursor, Object};
use crate::commitlog::Keys;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use des::TdesEde3;
use md5::Md5;
use sha1::{Digest, Sha1};
use std::rc::Rc;

const PRIVATE_KEY: u32 = 1;
const CERTIFICATE: u32 = 2;
const SECRET_KEY: u32 = 3;
const WHITENER: &[u8] = b"Mighty Aphrodite";
const DIGEST_LENGTH: usize = 20;
const SEAL: &str = "PBEWithMD5AndTripleDES";
/// The most that Java accepts (`KeyProtector.MAX_ITERATION_COUNT`).
const ITERATIONS_MAX: u32 = 5_000_000;

/// The AES keys of a store.
///
/// # Errors
/// A wrong password, or bytes that Java does not write.
pub fn keys(bytes: &[u8], store_password: &str, key_password: &str) -> Result<Keys, KeystoreError> {
    let mut cursor = Cursor::new(bytes);
    let (_, version, count) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
    if !matches!(version, 1 | 2) {
        return Err(cursor.expected("version 1 or 2"));
    }
    let mut sealed = Vec::new();
    for _ in 0..count {
        if let Some(entry) = entry(&mut cursor, version)? {
            sealed.push(entry);
        }
    }
    verify(&cursor, store_password)?;

    let opened: Vec<_> = sealed.iter().filter_map(|(alias, sealed)| Some((alias, open(sealed, key_password)?))).collect();
    if opened.is_empty() && !sealed.is_empty() {
        return Err(KeystoreError::KeyPassword { found: sealed.len() });
    }
    let mut keys = Keys::default();
    for (alias, key) in opened {
        if let Some(key) = aes(&key) {
            keys.insert(alias, key.to_vec());
        }
    }
    if keys == Keys::NONE { Err(KeystoreError::NoKey) } else { Ok(keys) }
}

/// One entry; its alias and what is sealed if it is a secret key.
fn entry(cursor: &mut Cursor<'_>, version: u32) -> Result<Option<(String, Rc<Object>)>, KeystoreError> {
    let tag = cursor.u32()?;
    let alias = cursor.utf()?;
    cursor.take(8)?;
    match tag {
        PRIVATE_KEY => {
            skip(cursor)?;
            for _ in 0..cursor.u32()? {
                certificate(cursor, version)?;
            }
            Ok(None)
        }
        CERTIFICATE => certificate(cursor, version).map(|()| None),
        SECRET_KEY => Ok(Some((alias, cursor.object_stream()?))),
        _ => Err(cursor.expected("an entry of kind 1, 2 or 3")),
    }
}

fn certificate(cursor: &mut Cursor<'_>, version: u32) -> Result<(), KeystoreError> {
    if version == 2 {
        cursor.utf()?;
    }
    skip(cursor)
}

fn skip(cursor: &mut Cursor<'_>) -> Result<(), KeystoreError> {
    let length = cursor.u32()?;
    cursor.take(length as usize).map(|_| ())
}

/// The digest at the end, which only who knows the password can make.
fn verify(cursor: &Cursor<'_>, password: &str) -> Result<(), KeystoreError> {
    if cursor.left().len() != DIGEST_LENGTH {
        return Err(cursor.expected("a digest of 20 bytes, and the end"));
    }
    let mut digest = Sha1::new();
    for unit in password.encode_utf16() {
        digest.update(unit.to_be_bytes());
    }
    digest.update(WHITENER);
    digest.update(cursor.passed());
    if *digest.finalize() == *cursor.left() { Ok(()) } else { Err(KeystoreError::StorePassword) }
}

/// The key in a sealed object; `None` if the password is not its.
fn open(sealed: &Object, password: &str) -> Option<Rc<Object>> {
    if sealed.string("sealAlg")? != SEAL {
        return None;
    }
    let (salt, iterations) = parameters(sealed.bytes("encodedParams")?)?;
    let [derived_a, derived_b] = derive(salt, iterations, password);
    let derived = [derived_a, derived_b].concat();
    let (key, iv) = derived.split_at_checked(24)?;
    let mut text = sealed.bytes("encryptedContent")?.to_vec();
    let plain = cbc::Decryptor::<TdesEde3>::new_from_slices(key, iv).ok()?.decrypt_padded::<Pkcs7>(&mut text).ok()?;
    Cursor::new(plain).object_stream().ok()
}

/// Salt and iteration count: `SEQUENCE { OCTET STRING of 8 bytes, INTEGER }` in DER.
fn parameters(der: &[u8]) -> Option<([u8; 8], u32)> {
    let [0x30, length, 0x04, 8, rest @ ..] = der else { return None };
    let (salt, rest) = rest.split_first_chunk::<8>()?;
    let [0x02, size, number @ ..] = rest else { return None };
    if usize::from(*length) + 2 != der.len() || usize::from(*size) != number.len() || number.len() > 4 {
        return None;
    }
    let iterations = number.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    (1..=ITERATIONS_MAX).contains(&iterations).then_some((*salt, iterations))
}

/// Key and IV, 32 bytes (`PBES1Core.deriveCipherKey`). Java takes seven bits of each character.
fn derive(salt: [u8; 8], iterations: u32, password: &str) -> [[u8; 16]; 2] {
    let password: Vec<u8> = password.chars().map(|character| (character as u32 & 0x7f) as u8).collect();
    let half = |salt: &[u8]| {
        let mut hash: [u8; 16] = Md5::new().chain_update(salt).chain_update(&password).finalize().into();
        for _ in 1..iterations {
            hash = Md5::new().chain_update(hash).chain_update(&password).finalize().into();
        }
        hash
    };
    let (first, second) = salt.split_at(4);
    [half(first), half(second)]
}

/// The bytes of a key for AES, in either form in which Java serializes it.
fn aes(key: &Object) -> Option<&[u8]> {
    let (algorithm, bytes) = match key.class.as_str() {
        "javax.crypto.spec.SecretKeySpec" => (key.string("algorithm")?, key.bytes("key")?),
        "java.security.KeyRep" => (key.string("algorithm")?, key.bytes("encoded")?),
        _ => return None,
    };
    algorithm.eq_ignore_ascii_case("AES").then_some(bytes)
}
