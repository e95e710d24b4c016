//! Who this device is: its Ed25519 key, made at the first need and kept sealed in the store.
//!
//! Owns: making, keeping and using the key. Does not own: what is signed (answers in `link/http`, events).
//! Invariants: a key once made is never replaced by itself; the secret half never leaves this file.

use std::sync::{Arc, Mutex, PoisonError};

use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use crate::store::{Signer, Store, StoreError};

const DOCUMENT: &str = "identity";

/// The device's key.
pub struct Identity {
    store: Arc<Store>,
    key: Mutex<Option<SigningKey>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(<redacted>)")
    }
}

impl Identity {
    /// The key of the device whose store this is; nothing is read or made yet.
    #[must_use]
    pub const fn new(store: Arc<Store>) -> Self {
        Self { store, key: Mutex::new(None) }
    }

    /// An Ed25519 signature (RFC 8032).
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], StoreError> {
        self.with(|key| key.sign(message).to_bytes())
    }

    /// The public half.
    ///
    /// # Errors
    /// As [`Identity::sign`].
    pub fn public_key(&self) -> Result<[u8; 32], StoreError> {
        self.with(|key| key.verifying_key().to_bytes())
    }

    /// What signs the journal with this key, apart from the store that keeps it.
    ///
    /// # Errors
    /// As [`Identity::sign`].
    pub fn signer(&self) -> Result<Signer, StoreError> {
        self.with(|key| -> Signer {
            let key = key.clone();
            Box::new(move |message| key.sign(message).to_bytes())
        })
    }

    fn with<T>(&self, work: impl FnOnce(&SigningKey) -> T) -> Result<T, StoreError> {
        let mut guard = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        let key = match guard.take() {
            Some(key) => key,
            None => self.load_or_make()?,
        };
        Ok(work(guard.insert(key)))
    }

    fn load_or_make(&self) -> Result<SigningKey, StoreError> {
        if let Some(kept) = self.store.document(DOCUMENT)? {
            let seed: &[u8; 32] = kept.as_slice().try_into().map_err(|_| StoreError::Corrupt {
                place: "identity",
                what: format!("the device's key has {} bytes", kept.len()),
            })?;
            return Ok(SigningKey::from_bytes(seed));
        }
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|e| StoreError::Random(e.to_string()))?;
        self.store.put_document(DOCUMENT, seed.as_slice(), &[])?;
        Ok(SigningKey::from_bytes(&seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Options, SealKey};

    #[test]
    fn the_key_stays_the_same_and_its_signatures_hold() {
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            let key = SealKey::from_bytes([1; 32]);
            Arc::new(Store::open(&dir.path().join("g.redb"), key, Options::default()).unwrap())
        };
        let identity = Identity::new(open());
        let (public, signature) = (identity.public_key().unwrap(), identity.sign(b"hello").unwrap());
        drop(identity);
        let again = Identity::new(open());
        assert_eq!(again.public_key().unwrap(), public);
        let verifier = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
        verifier.verify_strict(b"hello", &ed25519_dalek::Signature::from_bytes(&signature)).unwrap();
        assert!(!format!("{again:?}").contains(char::is_numeric));
    }
}
