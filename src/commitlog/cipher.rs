//! Encrypted sections (`EncryptedSegment.write`, `EncryptionUtils`).
//!
//! ```text
//! section    plain length u32 | block block …
//! block      cipher length c u32 | length p before padding u32 | c bytes, encrypted
//! decrypted  uncompressed length q u32, big-endian | the frame of LZ4Compressor
//! ```
//!
//! The node compresses first and encrypts then, always with LZ4, whatever `commitlog_compression` says. A block holds at most
//! `chunk_length_kb` of plain bytes; entries run over the ends of blocks. Every block of a segment is a message of its own
//! under the segment's one IV.

use super::compress::Compressor;
use super::keys::{CipherError, IV_LENGTH, KeyProblem};
use crate::codec::{self, PResult};
use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, InnerIvInit, KeyInit};
use std::fmt;

/// AES in CBC mode with a segment's key and IV.
#[derive(Clone)]
pub struct SectionCipher {
    key: AesKey,
    iv: [u8; IV_LENGTH],
}

#[derive(Clone)]
enum AesKey {
    Aes128(Box<Aes128>),
    Aes192(Box<Aes192>),
    Aes256(Box<Aes256>),
}

impl fmt::Debug for SectionCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SectionCipher")
    }
}

impl SectionCipher {
    /// The JCE transformation that this is.
    pub const TRANSFORMATION: &str = "AES/CBC/PKCS5Padding";

    /// With the key out of the keystore and the IV out of the segment's header.
    pub fn new(key: &[u8], iv: &[u8]) -> Result<SectionCipher, KeyProblem> {
        let found = key.len();
        let key = match found {
            16 => Aes128::new_from_slice(key).ok().map(|key| AesKey::Aes128(key.into())),
            24 => Aes192::new_from_slice(key).ok().map(|key| AesKey::Aes192(key.into())),
            _ => Aes256::new_from_slice(key).ok().map(|key| AesKey::Aes256(key.into())),
        };
        let key = key.ok_or(KeyProblem::KeyLength { found })?;
        let iv = iv.try_into().map_err(|_| KeyProblem::IvLength { found: iv.len() })?;
        Ok(SectionCipher { key, iv })
    }

    /// The plain bytes of a section, behind its head, into `out`.
    pub fn open(&self, mut blocks: &[u8], length: u64, out: &mut Vec<u8>) -> Result<(), CipherError> {
        out.clear();
        let mut text = Vec::new();
        while !blocks.is_empty() {
            let (rest, block) = block(blocks).map_err(|_| CipherError::Cut)?;
            let (frame, q) = self.decrypt(block, &mut text)?;
            let found = out.len() as u64 + u64::from(q);
            // Said before it is decompressed: the section's head bounds the sum of its blocks.
            if found > length {
                return Err(CipherError::Length { expected: length, found });
            }
            Compressor::Lz4.append(frame, u64::from(q), out)?;
            blocks = rest;
        }
        let found = out.len() as u64;
        if found == length { Ok(()) } else { Err(CipherError::Length { expected: length, found }) }
    }

    /// Whether the first of these blocks decrypts. By chance another key passes once in 2⁴⁰.
    pub fn opens(&self, blocks: &[u8]) -> bool {
        let Ok((_, block)) = block(blocks) else { return false };
        let mut text = Vec::new();
        let Ok((frame, q)) = self.decrypt(block, &mut text) else { return false };
        frame.first_chunk().is_some_and(|prefix| u32::from_le_bytes(*prefix) == q)
    }

    /// A block's compressed frame, and the length that it expands to.
    fn decrypt<'t>(&self, block: Block<'_>, text: &'t mut Vec<u8>) -> Result<(&'t [u8], u32), CipherError> {
        text.clear();
        text.extend_from_slice(block.cipher_text);
        let wrong = || CipherError::Block { expected: block.plain_length };
        let plain = self.unpadded(text).filter(|plain| plain.len() as u64 == u64::from(block.plain_length)).ok_or_else(wrong)?;
        let (frame, q) = codec::be_u32(plain).map_err(|_| wrong())?;
        Ok((frame, q))
    }

    fn unpadded<'t>(&self, text: &'t mut [u8]) -> Option<&'t [u8]> {
        let iv = (&self.iv).into();
        match &self.key {
            AesKey::Aes128(key) => cbc::Decryptor::inner_iv_init((**key).clone(), iv).decrypt_padded::<Pkcs7>(text),
            AesKey::Aes192(key) => cbc::Decryptor::inner_iv_init((**key).clone(), iv).decrypt_padded::<Pkcs7>(text),
            AesKey::Aes256(key) => cbc::Decryptor::inner_iv_init((**key).clone(), iv).decrypt_padded::<Pkcs7>(text),
        }
        .ok()
    }
}

/// A block as it stands in the file.
#[derive(Clone, Copy)]
struct Block<'a> {
    plain_length: u32,
    cipher_text: &'a [u8],
}

fn block(input: &[u8]) -> PResult<'_, Block<'_>> {
    let (input, cipher_length) = codec::be_u32(input)?;
    let (input, plain_length) = codec::be_u32(input)?;
    let (input, cipher_text) = codec::take(input, cipher_length.into(), "block")?;
    Ok((input, Block { plain_length, cipher_text }))
}

/// The block that the node would write for these plain bytes.
#[cfg(test)]
pub(super) fn encrypt(key: [u8; 16], iv: [u8; 16], bytes: &[u8]) -> Vec<u8> {
    use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
    let mut text = (bytes.len() as u32).to_be_bytes().to_vec();
    text.extend(super::compress::compress(Compressor::Lz4, bytes));
    let plain_length = text.len();
    text.resize(plain_length + 16, 0);
    let cipher_text = cbc::Encryptor::<Aes128>::new(&key.into(), &iv.into()).encrypt_padded::<Pkcs7>(&mut text, plain_length).unwrap();
    let mut block = (cipher_text.len() as u32).to_be_bytes().to_vec();
    block.extend((plain_length as u32).to_be_bytes());
    block.extend(cipher_text);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = [3; 16];
    const IV: [u8; 16] = [9; 16];

    fn section() -> Vec<u8> {
        [encrypt(KEY, IV, b"the first block and "), encrypt(KEY, IV, b"the second")].concat()
    }

    #[test]
    fn blocks_are_messages_of_their_own_and_make_one_section() {
        let cipher = SectionCipher::new(&KEY, &IV).unwrap();
        let mut out = vec![1];

        cipher.open(&section(), 30, &mut out).unwrap();

        assert_eq!(out, b"the first block and the second");
        assert!(cipher.opens(&section()));
    }

    #[test]
    fn another_key_is_noticed() {
        for key in 0..=255_u8 {
            let cipher = SectionCipher::new(&[key; 16], &IV).unwrap();
            assert_eq!(cipher.opens(&section()), key == KEY[0]);
            assert_eq!(cipher.open(&section(), 30, &mut Vec::new()).is_ok(), key == KEY[0]);
        }
    }

    #[test]
    fn keys_and_ivs_of_other_lengths_are_refused() {
        assert_eq!(SectionCipher::new(&[1; 15], &IV).unwrap_err(), KeyProblem::KeyLength { found: 15 });
        assert_eq!(SectionCipher::new(&KEY, &[1; 8]).unwrap_err(), KeyProblem::IvLength { found: 8 });
        for length in [16, 24, 32] {
            SectionCipher::new(&vec![1; length], &IV).unwrap();
        }
    }

    #[test]
    fn i6_every_cut_and_every_flipped_bit_of_a_section_is_harmless() {
        let cipher = SectionCipher::new(&KEY, &IV).unwrap();
        let section = section();
        let mut out = Vec::new();
        for cut in 0..section.len() {
            assert!(cipher.open(&section[..cut], 30, &mut out).is_err(), "cut at {cut}");
        }
        for bit in 0..section.len() * 8 {
            let mut twin = section.clone();
            twin[bit / 8] ^= 1 << (bit % 8);
            let opened = cipher.open(&twin, 30, &mut out).is_ok();
            // A bit of the text that LZ4 copies from is for the entries' own checksums to find.
            assert!(out.len() <= 30 && (!opened || out.len() == 30), "bit {bit}");
        }
        assert_eq!(cipher.open(&section, 31, &mut out), Err(CipherError::Length { expected: 31, found: 30 }));
        assert!(cipher.open(&section, 25, &mut out).is_err());
    }
}
