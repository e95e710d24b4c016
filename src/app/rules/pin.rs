//! PINs at rest: Argon2id, and a check that takes as long for nobody as for somebody.
//!
//! Owns: the parameters, hashing and checking. Does not own: when a PIN is asked for, the count of failures (`access`).
//! Invariants: a PIN is kept as an Argon2id string with a salt of its own and nowhere else; a hash written with other
//! parameters is still checked by its own. Four digits are ten thousand guesses, so the hash alone protects nobody
//! against a thief of the whole disk: the records are sealed besides, and the reader locks after five failures.

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};

use crate::domain::{Pin, PinVerdict};

/// 19 MiB, two passes, one lane: OWASP's minimum, some 100 ms on a Cortex-A53.
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;

/// Why a PIN was not kept.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The hash failed: memory.
    #[error("the PIN cannot be hashed: {0}")]
    Hash(String),
    /// Both PINs are the same.
    #[error("the PIN for duress must be another than the PIN")]
    Same,
}

/// What is kept of a person's PINs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PinHashes {
    /// The PIN.
    pub pin: Option<String>,
    /// The PIN for duress.
    pub duress: Option<String>,
}

impl std::fmt::Debug for PinHashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinHashes(<redacted>)")
    }
}

impl PinHashes {
    /// Hashes a PIN and, where there is one, the PIN for duress.
    ///
    /// # Errors
    /// See [`PinError`].
    pub fn make(pin: &Pin, duress: Option<&Pin>) -> Result<Self, PinError> {
        if duress == Some(pin) {
            return Err(PinError::Same);
        }
        Ok(Self { pin: Some(hash(pin)?), duress: duress.map(hash).transpose()? })
    }

    /// Checks a PIN. Two hashes are always computed, whatever is on record, so that the time tells nothing.
    #[must_use]
    pub fn check(&self, pin: &Pin) -> PinVerdict {
        let right = is(pin, self.pin.as_deref());
        let duress = is(pin, self.duress.as_deref());
        match (right, duress) {
            (true, _) => PinVerdict::Right,
            (false, true) => PinVerdict::Duress,
            (false, false) => PinVerdict::Wrong,
        }
    }
}

fn argon() -> Argon2<'static> {
    // The parameters are constants in range; the default is the same strength.
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(pin: &Pin) -> Result<String, PinError> {
    hash_secret(pin.as_str().as_bytes())
}

/// Hashes a secret of people: a PIN, a password.
///
/// # Errors
/// When there is no memory for it.
pub fn hash_secret(secret: &[u8]) -> Result<String, PinError> {
    let hash: PasswordHash = argon().hash_password(secret).map_err(|e| PinError::Hash(e.to_string()))?;
    Ok(hash.to_string())
}

fn is(pin: &Pin, kept: Option<&str>) -> bool {
    is_secret(pin.as_str().as_bytes(), kept)
}

/// Whether that is the secret on record; takes as long where there is none.
#[must_use]
pub fn is_secret(secret: &[u8], kept: Option<&str>) -> bool {
    let parsed = kept.and_then(|kept| PasswordHash::new(kept).ok());
    if let Some(kept) = parsed {
        return argon().verify_password(secret, &kept).is_ok();
    }
    let mut nothing = [0; 32];
    // Only the time counts.
    let _ = argon().hash_password_into(secret, b"nobody has this", &mut nothing);
    std::hint::black_box(&nothing);
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pin_the_one_for_duress_and_any_other() {
        let pin = |digits| Pin::new(digits).unwrap();
        let kept = PinHashes::make(&pin("4711"), Some(&pin("4712"))).unwrap();
        assert_eq!(kept.check(&pin("4711")), PinVerdict::Right);
        assert_eq!(kept.check(&pin("4712")), PinVerdict::Duress);
        assert_eq!(kept.check(&pin("47110")), PinVerdict::Wrong);
        assert_eq!(PinHashes::default().check(&pin("4711")), PinVerdict::Wrong);
        assert!(kept.pin.as_deref().unwrap().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_ne!(PinHashes::make(&pin("4711"), None).unwrap().pin, kept.pin, "a salt of its own");
        assert!(PinHashes::make(&pin("4711"), Some(&pin("4711"))).is_err());
        assert!(!format!("{kept:?}").contains("argon2"));
    }
}
