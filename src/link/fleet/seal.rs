//! What is said about a person to the other doors, and how it is sealed.
//!
//! Owns: the content, its form, the keys, the pseudonyms. Does not own: who is told (`link/mqtt`), the merge.
//! Form: version byte 1, 24 bytes of nonce, XChaCha20-Poly1305 over padded postcard; the topic is associated data, so a
//! message moved to another topic does not open. Keys by HKDF-SHA-256 from the group's secret, one for contents, one
//! for pseudonyms: in the topic stands a keyed BLAKE3 of the person's id. Contents are padded to whole kilobytes.
//! What a broker still sees: how many people there are, when each changes, and their size to the kilobyte.
//! Invariants: no picture and no crop is shared, templates alone; names and templates are redacted in `Debug`; what is
//! opened is checked against every bound before it is used.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::super::wire::hex;
use super::merge::Stamp;
use ostiary_domain::PersonId;
use ostiary_domain::limits::{MAX_EMBEDDING, MAX_TEMPLATES};

const VERSION: u8 = 1;
const NONCE: usize = 24;
const BLOCK: usize = 1_024;
/// Largest sealed message: ten templates and a profile, with room.
const MAX_SEALED: usize = 64 << 10;

/// A person as the doors of a group share them.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub id: String,
    /// Counts changes.
    pub rev: u64,
    /// A tombstone: nothing else is said then.
    pub gone: bool,
    /// The profile as JSON, in the form of the operation `person.upsert`.
    pub profile: String,
    /// Templates, in a fixed order.
    pub looks: Vec<Look>,
}

/// A template.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The embedder.
    pub model: [u8; 32],
    /// Counts changes of model.
    pub epoch: u32,
    /// Overall quality, 0 to 100.
    pub quality: u8,
    /// Where it came from.
    pub source: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// `values[i] * scale` is component i.
    pub scale: f32,
    /// Up to 512.
    pub values: Vec<i8>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({}, rev {}, gone {}, <redacted>)", self.id, self.rev, self.gone)
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Look({} values, <redacted>)", self.values.len())
    }
}

/// Why a message says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not sealed with this group's key for this topic.
    #[error("a fleet message does not open: another group's key, another topic, or a forgery")]
    Forged,
    /// Sealed by a newer program, or not in our form.
    #[error("a fleet message opens and is not in a form this program knows; update the doors together")]
    Form,
    /// Too large to be sealed.
    #[error("a person is too large for a fleet message")]
    TooLarge,
    /// No random numbers.
    #[error("the machine gives no random numbers")]
    Random,
}

impl Member {
    /// The stamp by which this state is merged: the digest covers all but the revision.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        if self.gone {
            return Stamp { rev: self.rev, gone: true, digest: [0; 32] };
        }
        let content = Self { rev: 0, ..self.clone() };
        let plain = Zeroizing::new(postcard::to_allocvec(&content).unwrap_or_default());
        Stamp { rev: self.rev, gone: false, digest: *blake3::hash(&plain).as_bytes() }
    }

    fn is_sound(&self) -> bool {
        let looks = self.looks.len() <= MAX_TEMPLATES
            && self.looks.iter().all(|l| {
                !l.values.is_empty()
                    && l.values.len() <= MAX_EMBEDDING
                    && l.scale.is_finite()
                    && l.quality <= 100
            });
        let bare = self.profile.is_empty() && self.looks.is_empty();
        self.id.parse::<PersonId>().is_ok() && self.rev > 0 && looks && (!self.gone || bare)
    }
}

/// The keys of one group.
pub struct GroupKey {
    content: Zeroizing<[u8; 32]>,
    pseudonyms: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupKey(<redacted>)")
    }
}

impl GroupKey {
    /// The keys that follow from a group's 32 secret bytes and its name.
    #[must_use]
    pub fn new(secret: &[u8; 32], group: &str) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(b"ostiary fleet v1"), secret);
        let derive = |label: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            // 32 bytes are far below what HKDF can give, which is its only failure.
            let _ = hkdf.expand_multi_info(&[label, b"\0", group.as_bytes()], key.as_mut_slice());
            key
        };
        Self { content: derive(b"content"), pseudonyms: derive(b"pseudonym") }
    }

    /// What stands for a person in a topic: 32 hex digits.
    #[must_use]
    pub fn pseudonym(&self, person: &str) -> String {
        hex(&blake3::keyed_hash(&self.pseudonyms, person.as_bytes()).as_bytes()[..16])
    }

    /// Seals a state for its topic.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn seal(&self, topic: &str, member: &Member) -> Result<Vec<u8>, SealError> {
        let mut plain = Zeroizing::new(postcard::to_allocvec(member).map_err(|_| SealError::Form)?);
        // The content says its own length; what follows is nothing.
        let padded = plain.len().div_ceil(BLOCK) * BLOCK;
        plain.resize(padded, 0);
        if plain.len() + BLOCK > MAX_SEALED {
            return Err(SealError::TooLarge);
        }
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Random)?;
        let payload = Payload { msg: &plain, aad: topic.as_bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Form)?;
        Ok([&[VERSION], nonce.as_slice(), sealed.as_slice()].concat())
    }

    /// Opens a state that came on that topic.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn open(&self, topic: &str, sealed: &[u8]) -> Result<Member, SealError> {
        if sealed.len() > MAX_SEALED {
            return Err(SealError::Forged);
        }
        let (version, rest) = sealed.split_first().ok_or(SealError::Forged)?;
        if *version != VERSION {
            return Err(SealError::Form);
        }
        let (nonce, body) = rest.split_at_checked(NONCE).ok_or(SealError::Forged)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| SealError::Forged)?;
        let payload = Payload { msg: body, aad: topic.as_bytes() };
        let plain = Zeroizing::new(
            self.cipher().decrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Forged)?,
        );
        let (member, padding) = postcard::take_from_bytes::<Member>(&plain).map_err(|_| SealError::Form)?;
        if padding.iter().any(|b| *b != 0) || !member.is_sound() {
            return Err(SealError::Form);
        }
        // Nobody's state stands on another's topic, not even by a door of the group.
        if topic.rsplit('/').next() == Some(self.pseudonym(&member.id).as_str()) {
            Ok(member)
        } else {
            Err(SealError::Forged)
        }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.content).into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member() -> Member {
        let look = Look {
            model: [1; 32],
            epoch: 0,
            quality: 80,
            source: "image".into(),
            created_at: 5,
            scale: 0.01,
            values: (0..128).map(|i| i as i8).collect(),
        };
        Member {
            id: "anna".into(),
            rev: 3,
            gone: false,
            profile: "{\"name\":\"Anna K.\"}".into(),
            looks: vec![look],
        }
    }

    fn topic(key: &GroupKey, person: &str) -> String {
        format!("ostiary/fleet/hq/person/{}", key.pseudonym(person))
    }

    #[test]
    fn what_is_sealed_opens_on_its_topic_with_its_key_alone() {
        let key = GroupKey::new(&[7; 32], "hq");
        let at = topic(&key, "anna");
        let sealed = key.seal(&at, &member()).unwrap();
        assert_eq!(key.open(&at, &sealed).unwrap(), member());
        assert_eq!(key.open(&at, &sealed).unwrap().stamp(), member().stamp());
        // Nothing of it can be read, its length says little, and twice the same is not the same.
        assert!(!sealed.windows(4).any(|w| w == b"Anna" || w == b"anna") && !at.contains("anna"));
        assert_eq!(sealed.len(), 1 + NONCE + BLOCK + 16);
        assert_ne!(key.seal(&at, &member()).unwrap(), sealed);
        let tombstone = Member { id: "anna".into(), rev: 4, gone: true, ..Member::default() };
        assert_eq!(key.seal(&at, &tombstone).unwrap().len(), sealed.len(), "a deletion looks like a change");

        assert_eq!(key.open(&topic(&key, "bob"), &sealed), Err(SealError::Forged));
        assert_eq!(GroupKey::new(&[7; 32], "lab").open(&at, &sealed), Err(SealError::Forged));
        assert_eq!(GroupKey::new(&[8; 32], "hq").open(&at, &sealed), Err(SealError::Forged));
        let misplaced = key.seal(&topic(&key, "bob"), &member()).unwrap();
        assert_eq!(key.open(&topic(&key, "bob"), &misplaced), Err(SealError::Forged));
        assert_eq!(key.open(&at, b""), Err(SealError::Forged));
        let talkative = Member { profile: "{}".into(), ..tombstone };
        let sealed = key.seal(&at, &talkative).unwrap();
        assert_eq!(key.open(&at, &sealed), Err(SealError::Form), "a tombstone holds nothing");
        assert!(!format!("{:?}{key:?}", member()).contains("Anna"));
    }

    proptest! {
        #[test]
        fn no_changed_bit_opens(place in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let key = GroupKey::new(&[7; 32], "hq");
            let at = topic(&key, "anna");
            let mut sealed = key.seal(&at, &member()).unwrap();
            let place = place.index(sealed.len());
            sealed[place] ^= 1 << bit;
            prop_assert!(key.open(&at, &sealed).is_err());
        }

        #[test]
        fn noise_never_opens(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            let key = GroupKey::new(&[7; 32], "hq");
            prop_assert!(key.open(&topic(&key, "anna"), &noise).is_err());
        }
    }
}
