//! Secret keys out of the keystore that a node encrypts its commit log with (`JKSKeyProvider`).
//!
//! | file | what |
//! |---|---|
//! | JCEKS | `keytool -storetype jceks`, what Cassandra's documentation uses: read here |
//! | PKCS12 | Java's own default since 9: read by `p12-keystore` |
//! | JKS | cannot hold secret keys; Java opens a PKCS12 file under this name too, and so do we |

mod java;
mod jceks;

use crate::commitlog::Keys;
use p12_keystore::Pkcs12Archive;
use p12_keystore::secret::SecretKeyType;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Kinds of keystores, by Cassandra's names for them (`store_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeystoreType {
    /// `JCEKS`.
    Jceks,
    /// `JKS`.
    Jks,
    /// `PKCS12`.
    Pkcs12,
}

/// A keystore file and what opens it (`transparent_data_encryption_options.key_provider` of `cassandra.yaml`).
#[derive(Clone, PartialEq, Eq)]
pub struct Keystore {
    /// The file.
    pub path: PathBuf,
    /// What it must be; `None` takes it for what it is.
    pub kind: Option<KeystoreType>,
    /// Password of the store.
    pub store_password: String,
    /// Password of the keys in it; `None` is the store's.
    pub key_password: Option<String>,
}

/// Why a keystore gives no keys. Passwords and keys are not repeated.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file cannot be read.
    #[error("keystore {} cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another kind of keystore, or none.
    #[error("keystore is {found}: expected {expected}")]
    Kind {
        /// What was asked for.
        expected: &'static str,
        /// What the first bytes say.
        found: &'static str,
    },
    /// The password does not open the store, or the file was changed.
    #[error("store password is wrong, or the keystore was changed: its digest does not match")]
    StorePassword,
    /// No secret key opens.
    #[error("key password is wrong: none of {found} secret keys opens")]
    KeyPassword {
        /// How many there are.
        found: usize,
    },
    /// The content is not what Java writes.
    #[error("keystore cannot be read at byte {at}: expected {expected}")]
    Content {
        /// Where, from 0.
        at: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// A PKCS12 file that cannot be read.
    #[error("keystore cannot be read as PKCS12: {cause}")]
    Pkcs12 {
        /// Why.
        cause: String,
    },
    /// Nothing that could decrypt a commit log.
    #[error("keystore holds no AES key: expected at least one")]
    NoKey,
}

impl KeystoreType {
    /// By the name that Cassandra and `keytool` use, in any case.
    pub fn from_name(name: &str) -> Option<KeystoreType> {
        match name.to_ascii_lowercase().as_str() {
            "jceks" => Some(KeystoreType::Jceks),
            "jks" => Some(KeystoreType::Jks),
            "pkcs12" => Some(KeystoreType::Pkcs12),
            _ => None,
        }
    }

    /// Its name, as `keytool -storetype` takes it.
    pub fn name(self) -> &'static str {
        match self {
            KeystoreType::Jceks => "JCEKS",
            KeystoreType::Jks => "JKS",
            KeystoreType::Pkcs12 => "PKCS12",
        }
    }

    /// What a file is, by its first bytes.
    fn of(bytes: &[u8]) -> Option<KeystoreType> {
        match bytes {
            [0xce, 0xce, 0xce, 0xce, ..] => Some(KeystoreType::Jceks),
            [0xfe, 0xed, 0xfe, 0xed, ..] => Some(KeystoreType::Jks),
            [0x30, ..] => Some(KeystoreType::Pkcs12),
            _ => None,
        }
    }
}

impl Keystore {
    /// Reads the file and opens its AES keys.
    ///
    /// # Errors
    /// [`KeystoreError`].
    pub fn load(&self) -> Result<Keys, KeystoreError> {
        let bytes = fs::read(&self.path).map_err(|source| KeystoreError::Io { path: self.path.clone(), source })?;
        self.open(&bytes)
    }

    fn open(&self, bytes: &[u8]) -> Result<Keys, KeystoreError> {
        let found = KeystoreType::of(bytes);
        let other = |expected| KeystoreError::Kind { expected, found: found.map_or("no keystore", KeystoreType::name) };
        match (self.kind, found) {
            (_, Some(KeystoreType::Jks)) => Err(other("JCEKS or PKCS12, for JKS cannot hold secret keys")),
            (None | Some(KeystoreType::Jceks), Some(KeystoreType::Jceks)) => {
                jceks::keys(bytes, &self.store_password, self.key_password.as_deref().unwrap_or(&self.store_password))
            }
            (None | Some(KeystoreType::Jks | KeystoreType::Pkcs12), Some(KeystoreType::Pkcs12)) => pkcs12(bytes, &self.store_password),
            (expected, _) => Err(other(expected.map_or("JCEKS or PKCS12", KeystoreType::name))),
        }
    }
}

/// Never the passwords.
impl fmt::Debug for Keystore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keystore").field("path", &self.path).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Java gives the keys of a PKCS12 store the store's password.
fn pkcs12(bytes: &[u8], password: &str) -> Result<Keys, KeystoreError> {
    let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| match error {
        p12_keystore::error::Error::MacError(_) => KeystoreError::StorePassword,
        error => KeystoreError::Pkcs12 { cause: error.to_string() },
    })?;
    let mut keys = Keys::default();
    for secret in archive.secrets {
        let is_aes = matches!(
            secret.key.key_type(),
            SecretKeyType::Aes | SecretKeyType::Aes128Cbc | SecretKeyType::Aes192Cbc | SecretKeyType::Aes256Cbc
        );
        if let Some(alias) = secret.friendly_name.filter(|_| is_aes) {
            keys.insert(&alias, secret.key.key().to_vec());
        }
    }
    if keys == Keys::NONE { Err(KeystoreError::NoKey) } else { Ok(keys) }
}

#[cfg(test)]
mod tests;
