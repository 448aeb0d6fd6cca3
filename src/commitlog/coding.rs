//! How the bytes of a segment's sections are coded: plain, compressed, encrypted.

#[cfg(feature = "encryption")]
use super::cipher::SectionCipher;
use super::compress::Compressor;
use super::damage::DamageCause;
use super::descriptor::{Descriptor, SegmentError};
use super::keys::Keys;

/// From the bytes of a section to its entries.
#[derive(Clone, Debug)]
pub enum Coding {
    /// As they are: memory-mapped or direct I/O.
    Plain,
    /// Section by section.
    Compressed(Compressor),
    /// Block by block.
    #[cfg(feature = "encryption")]
    Encrypted(SectionCipher),
}

impl Coding {
    /// What the header says, with the key that it names.
    ///
    /// # Errors
    /// A compressor, a cipher or a key that this build or the caller does not have.
    pub fn of(descriptor: &Descriptor, keys: &Keys) -> Result<Coding, SegmentError> {
        if descriptor.encryption.is_some() {
            return Coding::encrypted(descriptor, keys);
        }
        let Some(compressor) = descriptor.compression else { return Ok(Coding::Plain) };
        match compressor.missing_feature() {
            None => Ok(Coding::Compressed(compressor)),
            Some(feature) => {
                let class = descriptor.compression_class.clone().unwrap_or_default();
                Err(SegmentError::NotBuilt { what: class, feature })
            }
        }
    }

    #[cfg(feature = "encryption")]
    fn encrypted(descriptor: &Descriptor, keys: &Keys) -> Result<Coding, SegmentError> {
        let Some(encryption) = &descriptor.encryption else { return Ok(Coding::Plain) };
        let (cipher, alias) = (&encryption.cipher, &encryption.alias);
        // JCE takes the names in any case.
        if !cipher.eq_ignore_ascii_case(SectionCipher::TRANSFORMATION) {
            return Err(SegmentError::Cipher { cipher: cipher.clone(), expected: SectionCipher::TRANSFORMATION });
        }
        let key = keys.get(alias).ok_or_else(|| SegmentError::Encrypted { cipher: cipher.clone(), alias: alias.clone() })?;
        match SectionCipher::new(key, &encryption.iv) {
            Ok(cipher) => Ok(Coding::Encrypted(cipher)),
            Err(problem) => Err(SegmentError::Key { alias: alias.clone(), problem }),
        }
    }

    #[cfg(not(feature = "encryption"))]
    fn encrypted(descriptor: &Descriptor, _: &Keys) -> Result<Coding, SegmentError> {
        let what = descriptor.encryption.as_ref().map(|encryption| encryption.cipher.clone()).unwrap_or_default();
        Err(SegmentError::NotBuilt { what, feature: "encryption" })
    }

    /// Whether positions are file offsets.
    pub fn is_plain(&self) -> bool {
        matches!(self, Coding::Plain)
    }

    /// The entries of a section, `length` bytes of them, into `out`.
    ///
    /// # Errors
    /// The bytes are not what the node writes.
    pub fn decode(&self, payload: &[u8], length: u64, out: &mut Vec<u8>) -> Result<(), DamageCause> {
        match self {
            Coding::Plain => {
                out.clear();
                out.extend_from_slice(payload);
                Ok(())
            }
            Coding::Compressed(compressor) => Ok(compressor.decompress(payload, length, out)?),
            #[cfg(feature = "encryption")]
            Coding::Encrypted(cipher) => Ok(cipher.open(payload, length, out)?),
        }
    }

    /// Whether the bytes of a section that cannot be decoded say themselves that they hold `length` bytes, as its head does.
    pub fn confirms(&self, payload: &[u8], length: u64) -> bool {
        match self {
            Coding::Compressed(compressor) => length > 0 && compressor.length_of(payload) == Some(length),
            _ => false,
        }
    }

    /// Whether these bytes are what the key encrypted; `None` if there is no key.
    pub fn opens(&self, payload: &[u8]) -> Option<bool> {
        match self {
            Coding::Plain | Coding::Compressed(_) => {
                let _ = payload;
                None
            }
            #[cfg(feature = "encryption")]
            Coding::Encrypted(cipher) => Some(cipher.opens(payload)),
        }
    }

    /// Whether there is a key that could be another one.
    pub fn has_key(&self) -> bool {
        self.opens(&[]).is_some()
    }
}
