//! Signatures over the journal, and the proof of a copied log.
//!
//! Owns: what is signed, and the check of a log as text by whoever has the device's public key. Does not own: the key
//! (the caller passes what signs), the chain's making (`journal`).
//! A signature covers the chain up to its event: 64 bytes of Ed25519 over `ostiary journal v1`, a zero byte, the
//! event's number as u64 big-endian and its hash. Invariant: what is read is outside data; nothing in it is believed
//! before it was checked, and only what lies at or before the last good signature counts as proven.

use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;

use super::db::Store;
use super::journal::{chain_hash, hex};

/// Signs with the device's key.
pub type Signer = Box<dyn Fn(&[u8]) -> [u8; 64] + Send + Sync>;

impl Store {
    /// From now on the last event of each append is signed. Only the first call counts.
    pub fn sign_with(&self, signer: Signer) {
        // A second signer would be the same key again.
        let _ = self.signer.set(signer);
    }
}

/// What is signed for the chain that ends with that event.
#[must_use]
pub fn block_message(seq: u64, hash: &[u8; 32]) -> Vec<u8> {
    let mut out = b"ostiary journal v1\0".to_vec();
    out.extend(seq.to_be_bytes());
    out.extend(hash);
    out
}

/// Whether the signature over the chain up to that event is by that key.
pub(super) fn holds(key: &[u8; 32], seq: u64, hash: &[u8; 32], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(key).is_ok_and(|key| {
        key.verify_strict(&block_message(seq, hash), &Signature::from_bytes(signature)).is_ok()
    })
}

/// What a log proves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The first event in it; what came before is not in this copy.
    pub first: u64,
    /// The last event that a signature covers.
    pub proven: u64,
    /// Events up to there.
    pub events: u64,
    /// Events behind the last signature: chained, but not proven.
    pub tail: u64,
    /// Signatures checked.
    pub signatures: u64,
}

/// Why a log proves nothing. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Not an event.
    #[error("line {0} is no event of a journal; give the lines as `ostiary events list` prints them")]
    NoEvent(usize),
    /// The text and its hash differ.
    #[error("line {0} was changed: its hash is not that of its text")]
    Changed(usize),
    /// It does not follow the line before.
    #[error("line {0} does not follow the line before it: events were removed, added or moved")]
    Gap(usize),
    /// A signature of somebody else.
    #[error("the signature in line {0} is not by this device's key")]
    Signature(usize),
    /// Nothing is signed.
    #[error("no line is signed: nothing shows which device wrote this log")]
    Unsigned,
}

/// Checks a copied log, one canonical event a line: every hash, every link, every number and every signature.
///
/// # Errors
/// The first line that is wrong. A log without any signature proves nothing.
pub fn verify_log<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    key: &[u8; 32],
) -> Result<Verified, LogError> {
    #[derive(Deserialize)]
    struct Line {
        seq: u64,
        prev_hash: String,
    }
    let mut out = Verified::default();
    let mut last: Option<(u64, String)> = None;
    for (i, line) in lines.into_iter().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
        let at = i + 1;
        let no_event = || LogError::NoEvent(at);
        let end = line.strip_suffix("\"}").ok_or_else(no_event)?;
        let (head, sig) = match end.rsplit_once("\",\"sig\":\"") {
            Some((head, sig)) => (head, Some(unhex::<64>(sig).ok_or_else(no_event)?)),
            None => (end, None),
        };
        let (body, hash) = head.rsplit_once(",\"hash\":\"").ok_or_else(no_event)?;
        let body = format!("{body}}}");
        let fields: Line = serde_json::from_str(&body).map_err(|_| no_event())?;
        let found = chain_hash(&body);
        if hex(&found) != hash {
            return Err(LogError::Changed(at));
        }
        match &last {
            Some((seq, previous)) if fields.seq != seq + 1 || fields.prev_hash != *previous => {
                return Err(LogError::Gap(at));
            }
            Some(_) => {}
            None => out.first = fields.seq,
        }
        out.tail += 1;
        if let Some(signature) = sig {
            if !holds(key, fields.seq, &found, &signature) {
                return Err(LogError::Signature(at));
            }
            out.proven = fields.seq;
            out.signatures += 1;
            out.events += std::mem::take(&mut out.tail);
        }
        last = Some((fields.seq, hash.to_owned()));
    }
    if out.signatures == 0 { Err(LogError::Unsigned) } else { Ok(out) }
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    // One way to write it, so that a copy is the same text or another log.
    bytes.filter(|bytes| hex(bytes) == text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;
    use crate::{Entry, Options, SealKey, StoreError};
    use ostiary_domain::{DoorId, Event, EventKind, EventSeq, Now, Person, Utc};

    fn log(folder: &std::path::Path) -> (Store, Vec<String>, [u8; 32]) {
        let path = folder.join("g.redb");
        let store = Store::open(&path, SealKey::from_bytes([1; 32]), Options::default()).unwrap();
        let key = SigningKey::from_bytes(&[5; 32]);
        let public = key.verifying_key().to_bytes();
        let event =
            |n: u64| Event::new(EventKind::Boot, DoorId(1), Now { utc: Utc(n as i64), ..Now::default() });
        // As an older program wrote it.
        store.append(&[event(0), event(1)]).unwrap();
        store.sign_with(Box::new(move |m| key.sign(m).to_bytes()));
        store.append(&[event(2), event(3), event(4)]).unwrap();
        let person = Person::new("a".parse().unwrap(), heapless::String::try_from("A").unwrap(), Utc(0));
        store.put_person(&person, &[event(5)]).unwrap();
        store.delete_person(&person.id, &[event(6)]).unwrap();
        let lines = store.read_events(EventSeq(1), 100).unwrap().iter().map(Entry::json).collect();
        (store, lines, public)
    }

    fn verify(lines: &[String], key: &[u8; 32]) -> Result<Verified, LogError> {
        verify_log(lines.iter().map(String::as_str), key)
    }

    #[test]
    fn a_copied_log_proves_itself_and_every_change_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (store, lines, key) = log(folder.path());
        assert_eq!(lines.len(), 7);
        let whole = Verified { first: 1, proven: 7, events: 7, tail: 0, signatures: 3 };
        assert_eq!(verify(&lines, &key), Ok(whole));
        assert_eq!(store.verify_signed(Some(&key)).unwrap(), 7);
        assert!(matches!(store.verify_signed(Some(&[9; 32])), Err(StoreError::BadSignature(EventSeq(5)))));
        // A part of it: what is there is proven, and where it begins and ends is said.
        let part = Verified { first: 2, proven: 5, events: 4, tail: 0, signatures: 1 };
        assert_eq!(verify(&lines[1..5], &key), Ok(part));
        assert_eq!(verify(&lines[..4], &key), Err(LogError::Unsigned));
        assert_eq!(verify(&lines, &[9; 32]), Err(LogError::Signature(5)));
        let with = |change: &dyn Fn(&mut Vec<String>)| {
            let mut copy = lines.clone();
            change(&mut copy);
            verify(&copy, &key).unwrap_err()
        };
        assert_eq!(with(&|l| l[2] = l[2].replace("boot\"", "fire\"")), LogError::Changed(3));
        assert_eq!(with(&|l| drop(l.remove(3))), LogError::Gap(4));
        assert_eq!(with(&|l| l.swap(0, 1)), LogError::Gap(2));
        assert_eq!(with(&|l| l.insert(1, l[0].clone())), LogError::Gap(2));
        assert_eq!(with(&|l| l[4] = l[4].replace("\"sig\":\"", "\"sig\":\"00")), LogError::NoEvent(5));
        assert_eq!(with(&|l| l[0] = "{}".into()), LogError::NoEvent(1));
    }

    proptest::proptest! {
        #[test]
        fn no_flip_of_a_byte_goes_unnoticed(line in 0_usize..7, place in 0_usize..1_000, bit in 0_u8..7) {
            thread_local! {
                static LOG: (Vec<String>, [u8; 32]) = {
                    let folder = tempfile::tempdir().unwrap();
                    let (_, lines, key) = log(folder.path());
                    (lines, key)
                };
            }
            LOG.with(|(lines, key)| {
                let mut copy = lines.clone();
                let mut bytes = copy[line].clone().into_bytes();
                let place = place % bytes.len();
                bytes[place] ^= 1 << bit;
                copy[line] = String::from_utf8_lossy(&bytes).into_owned();
                let verdict = verify(&copy, key);
                assert!(verdict.is_err(), "line {line}, byte {place}: {verdict:?}");
            });
        }
    }
}
