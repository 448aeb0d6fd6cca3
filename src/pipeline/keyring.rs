//! The keys of encrypted segments, read again while one is missing.

use crate::commitlog::{Keys, SegmentError};
use crate::keystore::Keystore;
use std::time::{Duration, Instant};

/// How often the keystore is read again while a segment waits for its key.
const RETRY: Duration = Duration::from_secs(2);

/// The keys there are, and where more may come from.
#[derive(Debug)]
pub(super) struct Keyring {
    keystore: Option<Keystore>,
    keys: Keys,
    /// Why the keystore gave none.
    problem: Option<String>,
    retry_at: Option<Instant>,
}

impl Keyring {
    /// Reads the keystore, if there is one. That it cannot be read matters only once a segment needs it.
    pub(super) fn new(keystore: Option<Keystore>) -> Keyring {
        let mut keyring = Keyring { keystore, keys: Keys::NONE, problem: None, retry_at: None };
        keyring.read();
        keyring
    }

    /// The keys.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether a key was missed so recently that nothing can have changed. When the time has come the keystore is read again.
    pub(super) fn is_waiting(&mut self, now: Instant) -> bool {
        match self.retry_at {
            None => false,
            Some(at) if now < at => true,
            Some(_) => {
                self.retry_at = None;
                self.read();
                false
            }
        }
    }

    /// A segment has missed its key. Says why there is none.
    pub(super) fn missed(&mut self, error: &SegmentError, now: Instant) -> String {
        self.retry_at = Some(now + RETRY);
        match (&self.keystore, &self.problem) {
            (None, _) => format!("{error} (source.encryption is not set)"),
            (Some(_), Some(problem)) => format!("{error} ({problem})"),
            (Some(_), None) => error.to_string(),
        }
    }

    fn read(&mut self) {
        let Some(keystore) = &self.keystore else { return };
        match keystore.load() {
            Ok(keys) => (self.keys, self.problem) = (keys, None),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                self.problem = Some(format!("{error}{cause}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_key_that_comes_later_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystore.jceks");
        let keystore = Keystore { path: path.clone(), kind: None, store_password: "cassandra".into(), key_password: None };
        let mut keyring = Keyring::new(Some(keystore));
        let error = SegmentError::Encrypted { cipher: "AES/CBC/PKCS5Padding".into(), alias: "testing:1".into() };
        let now = Instant::now();

        let why = keyring.missed(&error, now);
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/4.1.6/encrypted/keystore.jceks"), path).unwrap();

        assert!(why.contains("alias testing:1") && why.contains("cannot be read: No such file"), "{why}");
        assert!(keyring.is_waiting(now) && keyring.keys().get("testing:1").is_none());
        assert!(!keyring.is_waiting(now + RETRY) && keyring.keys().get("testing:1").is_some());
    }
}
