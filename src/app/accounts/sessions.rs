//! Who is signed in now: in memory alone, bounded.
//!
//! Owns: drawing, finding, ending sessions. Does not own: who may sign in, cookies.
//! Invariants: at most [`MAX`], the one idle longest goes first; a session ends when nobody did anything for
//! [`IDLE`], and at last after [`WHOLE`]; only hashes of secrets are kept; a restart signs everybody out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::{Millis, Mono};
use crate::link::wire::{Code, Refusal, Role, Secret, hex};

/// Sessions at once.
const MAX: usize = 64;
/// Without anything done.
const IDLE: Millis = Millis::secs(30 * 60);
/// From the sign-in.
const WHOLE: Millis = Millis::secs(12 * 3_600);

/// Everybody who is signed in.
#[derive(Default)]
pub struct Sessions(Mutex<Vec<Held>>);

struct Held {
    hash: [u8; 32],
    csrf: String,
    name: String,
    role: Role,
    seen: Mono,
    until: Mono,
}

/// What is known of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The account.
    pub name: String,
    /// Its role when it signed in.
    pub role: Role,
    /// Must come with every change.
    pub csrf: String,
    /// When it ends at last.
    pub until: Mono,
}

impl Sessions {
    /// A new one, and its secret.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn open(&self, name: &str, role: Role, now: Mono) -> Result<(Known, Secret), Refusal> {
        let mut bytes = [0; 48];
        getrandom::fill(&mut bytes)
            .map_err(|e| Refusal::new(Code::Internal, format!("the system gives no random numbers: {e}")))?;
        let secret = URL_SAFE_NO_PAD.encode(&bytes[..32]);
        let held = Held {
            hash: *blake3::hash(secret.as_bytes()).as_bytes(),
            csrf: hex(&bytes[32..]),
            name: name.to_owned(),
            role,
            seen: now,
            until: now.after(WHOLE),
        };
        let known = held.known();
        let mut all = self.live(now);
        if all.len() >= MAX
            && let Some(idle) = all.iter().enumerate().min_by_key(|(_, s)| s.seen).map(|(i, _)| i)
        {
            all.remove(idle);
        }
        all.push(held);
        Ok((known, Secret(secret)))
    }

    /// Whose it is; `alive` begins its idle time anew.
    pub fn find(&self, secret: &str, alive: bool, now: Mono) -> Option<Known> {
        // What is looked up is a hash: how long a comparison takes tells nothing of a secret.
        let hash = *blake3::hash(secret.as_bytes()).as_bytes();
        let mut all = self.live(now);
        let held = all.iter_mut().find(|s| s.hash == hash)?;
        if alive {
            held.seen = now;
        }
        Some(held.known())
    }

    /// Ends one; gives whose it was.
    pub fn close(&self, secret: &str, now: Mono) -> Option<String> {
        let hash = *blake3::hash(secret.as_bytes()).as_bytes();
        let mut all = self.live(now);
        let at = all.iter().position(|s| s.hash == hash)?;
        Some(all.remove(at).name)
    }

    /// Ends all of one account.
    pub fn end(&self, name: &str) {
        self.all().retain(|s| s.name != name);
    }

    fn live(&self, now: Mono) -> MutexGuard<'_, Vec<Held>> {
        let mut all = self.all();
        all.retain(|s| now < s.until && now.since(s.seen) < IDLE);
        all
    }

    fn all(&self) -> MutexGuard<'_, Vec<Held>> {
        // A list of plain values; a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn known(&self) -> Known {
        Known { name: self.name.clone(), role: self.role, csrf: self.csrf.clone(), until: self.until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_idle_and_at_last_anyway() {
        let sessions = Sessions::default();
        let (known, secret) = sessions.open("anna", Role::Admin, Mono(0)).unwrap();
        assert_eq!(sessions.find(&secret.0, true, Mono(IDLE.0 - 1)), Some(known.clone()));
        assert!(sessions.find(&secret.0, false, Mono(2 * IDLE.0 - 2)).is_some(), "kept by what was done");
        assert!(
            sessions.find(&secret.0, true, Mono(2 * IDLE.0 - 1)).is_none(),
            "the page alone keeps nothing"
        );
        let (_, secret) = sessions.open("anna", Role::Admin, Mono(0)).unwrap();
        for minute in 0..720 {
            assert!(sessions.find(&secret.0, true, Mono(minute * 60_000)).is_some(), "{minute}");
        }
        assert!(sessions.find(&secret.0, true, Mono(WHOLE.0)).is_none());
        assert!(sessions.find("", true, Mono(0)).is_none());
    }

    #[test]
    fn sessions_are_bounded_and_end_with_their_account() {
        let sessions = Sessions::default();
        let secrets: Vec<_> = (0..=MAX as u64)
            .map(|i| sessions.open(if i % 2 == 0 { "a" } else { "b" }, Role::Auditor, Mono(i)).unwrap().1)
            .collect();
        let now = Mono(MAX as u64 + 1);
        assert!(sessions.find(&secrets[0].0, true, now).is_none(), "the one idle longest went");
        assert!(sessions.find(&secrets[1].0, true, now).is_some());
        assert_eq!(sessions.close(&secrets[1].0, now).as_deref(), Some("b"));
        assert_eq!(sessions.close(&secrets[1].0, now), None);
        sessions.end("a");
        let left = secrets.iter().filter(|s| sessions.find(&s.0, false, now).is_some()).count();
        assert_eq!(left, MAX / 2 - 1);
    }
}
