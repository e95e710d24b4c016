//! Sealing of records: XChaCha20-Poly1305.
//!
//! Owns: the sealed form. Does not own: what is inside, where it is kept.
//! Sealed form: `version:u8 | nonce:24 | ciphertext | tag:16`. The associated data are the gallery's id, the
//! table's name, a zero byte, the key in the table and the version byte, so a record opens only where it was put:
//! swapped, moved, copied from another gallery or altered by one bit, it does not open.
//! Nonces are drawn at random: with 192 bits no collision is to be expected in any number of records.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::error::{Result, StoreError, corrupt};
use super::key::SealKey;
use super::schema::{GALLERY_ID_BYTES, Place};

/// Bytes of the nonce.
pub(super) const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// Bytes a sealed record has beyond its content.
pub(super) const OVERHEAD: usize = 1 + NONCE_BYTES + TAG_BYTES;

/// Seals and opens the records of one gallery.
pub(super) struct Sealer {
    key: SealKey,
    gallery: [u8; GALLERY_ID_BYTES],
}

impl Sealer {
    pub(super) const fn new(key: SealKey, gallery: [u8; GALLERY_ID_BYTES]) -> Self {
        Self { key, gallery }
    }

    pub(super) const fn set_gallery(&mut self, gallery: [u8; GALLERY_ID_BYTES]) {
        self.gallery = gallery;
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key.0).into())
    }

    fn associated(&self, place: &Place<'_>, version: u8) -> Vec<u8> {
        let mut aad = Vec::with_capacity(GALLERY_ID_BYTES + place.table.len() + 2 + place.key.len());
        aad.extend_from_slice(&self.gallery);
        aad.extend_from_slice(place.table.as_bytes());
        aad.push(0);
        aad.extend_from_slice(place.key);
        aad.push(version);
        aad
    }

    /// Seals `plain` for its place.
    pub(super) fn seal(&self, place: &Place<'_>, version: u8, plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0_u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|e| StoreError::Random(e.to_string()))?;
        let aad = self.associated(place, version);
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad })
            .map_err(|_| corrupt(place.table, "a record is too long to be sealed"))?;
        let mut out = Vec::with_capacity(OVERHEAD + plain.len());
        out.push(version);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what was sealed for that place: the version byte and the content, wiped when dropped.
    pub(super) fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<(u8, Zeroizing<Vec<u8>>)> {
        if sealed.len() < OVERHEAD {
            return Err(corrupt(place.table, "a record is cut short"));
        }
        let (version, rest) = (sealed[0], &sealed[1..]);
        let (nonce, body) = rest.split_at(NONCE_BYTES);
        let mut fixed = [0_u8; NONCE_BYTES];
        fixed.copy_from_slice(nonce);
        let aad = self.associated(place, version);
        let plain = self
            .cipher()
            .decrypt(&XNonce::from(fixed), Payload { msg: body, aad: &aad })
            .map_err(|_| corrupt(place.table, "a record does not open: it was altered or moved"))?;
        Ok((version, Zeroizing::new(plain)))
    }
}
