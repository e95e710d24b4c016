//! Who may come in over a network: API keys and bearer tokens, and the one-time code for the first of them.
//!
//! Owns: making, hashing, checking, expiry, the setup code. Does not own: rate limits and lock-outs (`link/http`
//! counts by address), what a scope allows (`link::wire`).
//! A secret is `ost_<id:12 hex>_<32 random bytes in base64url>`. Kept is its BLAKE3 hash: 256 random bits need no
//! slow hash, and one that is slow would let a stranger keep a processor busy.
//! Invariants: a secret is shown once and never kept; comparing takes the same time whatever differs; an expired or
//! revoked key is no key; while the wall clock cannot say, a key with an end is taken at its word by the same clock.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::app::commands::OrRefuse as _;
use crate::domain::{Event, Millis, Mono, Utc};
use crate::link::wire::{Caller, Code, Moment, Refusal, Scopes, TokenView, hex};
use crate::store::{Store, StoreError};

const DOCUMENT: &str = "tokens";
const MAX: usize = 256;
const PREFIX: &str = "ost_";
const ID_CHARS: usize = 12;
const SECRET_BYTES: usize = 32;
/// How long the setup code is good.
const SETUP_TIME: Millis = Millis::secs(30 * 60);
/// Wrong tries that end it.
const SETUP_TRIES: u8 = 5;

/// The keys of this door.
pub struct Tokens {
    store: Arc<Store>,
    list: RwLock<Vec<Token>>,
    setup: Mutex<Option<SetupCode>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Token {
    id: String,
    name: String,
    hash: [u8; 32],
    scopes: Vec<String>,
    created: i64,
    expires: Option<i64>,
}

struct SetupCode {
    hash: [u8; 32],
    until: Mono,
    tries: u8,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(<redacted>)")
    }
}

impl Tokens {
    /// Reads the keys.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn load(store: Arc<Store>) -> Result<Self, StoreError> {
        let list = match store.document(DOCUMENT)? {
            None => Vec::new(),
            Some(bytes) => postcard::from_bytes(&bytes)
                .map_err(|e| StoreError::Corrupt { place: "tokens", what: e.to_string() })?,
        };
        Ok(Self { store, list: RwLock::new(list), setup: Mutex::new(None) })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// Makes a key; the secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// `InvalidParameter` for a name, a set of scopes or an end that cannot be; `Conflict` when there are 256 keys.
    pub fn issue(
        &self,
        name: &str,
        scopes: Scopes,
        expires: Option<i64>,
        now: Utc,
        event: impl FnOnce(&str) -> Event,
    ) -> Result<(TokenView, String), Refusal> {
        let name = name.trim();
        if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            return Err(Refusal::invalid(
                "name",
                "\"name\" needs 1 to 64 bytes of text without control characters",
            ));
        }
        if scopes == Scopes::NONE {
            return Err(Refusal::invalid("scopes", "name at least one scope"));
        }
        if expires.is_some_and(|end| end <= now.0) {
            return Err(Refusal::invalid("expires", "\"expires\" must lie ahead"));
        }
        let mut bytes = [0; ID_CHARS / 2 + SECRET_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|e| Refusal::new(Code::Internal, format!("the system gives no random numbers: {e}")))?;
        let (id, secret) = bytes.split_at(ID_CHARS / 2);
        let id = hex(id);
        let secret = format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret));
        let token = Token {
            id,
            name: name.to_owned(),
            hash: *blake3::hash(secret.as_bytes()).as_bytes(),
            scopes: scopes.iter().map(|s| s.name().to_owned()).collect(),
            created: now.0,
            expires,
        };
        let view = token.view(now);
        let event = event(&token.id);
        self.change(event, |list| {
            if list.len() >= MAX {
                return Err(Refusal::new(
                    Code::Conflict,
                    format!("there are {MAX} keys already; revoke some"),
                ));
            }
            list.push(token);
            Ok(())
        })?;
        Ok((view, secret))
    }

    /// Ends a key.
    ///
    /// # Errors
    /// `NotFound`, or when the disk refuses: the key then still is one.
    pub fn revoke(&self, id: &str, event: Event) -> Result<(), Refusal> {
        self.change(event, |list| {
            let at = list.iter().position(|t| t.id == id).ok_or_else(|| Refusal::not_found("key", id))?;
            list.remove(at);
            Ok(())
        })
    }

    /// Every key without its secret, in the order in which they were made.
    #[must_use]
    pub fn list(&self, now: Utc) -> Vec<TokenView> {
        self.read().iter().map(|t| t.view(now)).collect()
    }

    /// Who presents that secret, if it is a key and still good.
    #[must_use]
    pub fn caller(&self, secret: &str, now: Utc) -> Option<Caller> {
        let id = secret.strip_prefix(PREFIX)?.get(..ID_CHARS)?;
        let list = self.read();
        let token = list.iter().find(|t| t.id == id)?;
        let same: bool = blake3::hash(secret.as_bytes()).as_bytes().ct_eq(&token.hash).into();
        if !same || token.is_expired(now) {
            return None;
        }
        let scopes = Scopes::parse(token.scopes.iter().map(String::as_str)).ok()?;
        Some(Caller { name: format!("key {}", token.id), scopes })
    }

    /// Draws a new one-time code of eight digits; the one before it ends.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn draw_setup_code(&self, now: Mono) -> Result<String, StoreError> {
        let number = getrandom::u64().map_err(|e| StoreError::Random(e.to_string()))?;
        // 2^64 is so much larger than 10^8 that no digit is likelier than another by more than 1 in 10^11.
        let code = format!("{:08}", number % 100_000_000);
        let hash = *blake3::hash(code.as_bytes()).as_bytes();
        *self.setup.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(SetupCode { hash, until: now.after(SETUP_TIME), tries: SETUP_TRIES });
        Ok(code)
    }

    /// Whether a setup code waits to be used.
    #[must_use]
    pub fn is_setup_open(&self, now: Mono) -> bool {
        let setup = self.setup.lock().unwrap_or_else(PoisonError::into_inner);
        setup.as_ref().is_some_and(|code| now < code.until)
    }

    /// Uses the code up.
    ///
    /// # Errors
    /// `Unauthenticated` when it is another, `Unavailable` when there is none any more.
    pub fn use_setup_code(&self, presented: &str, now: Mono) -> Result<(), Refusal> {
        self.setup_code(presented, now, true)
    }

    /// Whether that is the code; a wrong one counts as a try, the right one stays good.
    ///
    /// # Errors
    /// As [`Tokens::use_setup_code`].
    pub fn check_setup_code(&self, presented: &str, now: Mono) -> Result<(), Refusal> {
        self.setup_code(presented, now, false)
    }

    fn setup_code(&self, presented: &str, now: Mono, using: bool) -> Result<(), Refusal> {
        let digits: String = presented.chars().filter(char::is_ascii_digit).collect();
        let mut setup = self.setup.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(code) = setup.as_mut().filter(|code| now < code.until) else {
            *setup = None;
            return Err(Refusal::new(
                Code::Unavailable,
                "no setup code is open; make a key at the board: ostiary tokens create",
            ));
        };
        if bool::from(blake3::hash(digits.as_bytes()).as_bytes().ct_eq(&code.hash)) {
            if using {
                *setup = None;
            }
            return Ok(());
        }
        code.tries -= 1;
        if code.tries == 0 {
            *setup = None;
        }
        Err(Refusal::new(Code::Unauthenticated, "that is not the code on the display"))
    }

    fn change(
        &self,
        event: Event,
        work: impl FnOnce(&mut Vec<Token>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = list.clone();
        work(&mut next)?;
        let bytes = postcard::to_allocvec(&next).map_err(|e| Refusal::new(Code::Internal, e.to_string()))?;
        self.store.put_document(DOCUMENT, &bytes, &[event]).or_refuse()?;
        *list = next;
        Ok(())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<Token>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Token {
    fn is_expired(&self, now: Utc) -> bool {
        self.expires.is_some_and(|end| end <= now.0)
    }

    fn view(&self, now: Utc) -> TokenView {
        TokenView {
            id: self.id.clone(),
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            created: Moment(self.created),
            expires: self.expires.map(Moment),
            expired: self.is_expired(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DoorId, EventKind, Now};
    use crate::link::wire::Scope;
    use crate::store::{Options, SealKey};

    fn event(_: &str) -> Event {
        Event::new(EventKind::ConfigChanged, DoorId(1), Now::default())
    }

    fn open(dir: &tempfile::TempDir) -> Arc<Store> {
        let key = SealKey::from_bytes([1; 32]);
        Arc::new(Store::open(&dir.path().join("g.redb"), key, Options::default()).unwrap())
    }

    #[test]
    fn a_key_is_good_until_it_ends_or_is_revoked_and_is_kept_hashed() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::load(open(&dir)).unwrap();
        let scopes = Scopes::NONE.with(Scope::Search);
        let (view, secret) = tokens.issue("client", scopes, Some(1_000), Utc(0), event).unwrap();
        let caller = tokens.caller(&secret, Utc(999)).unwrap();
        assert!(caller.may(Scope::Search) && !caller.may(Scope::Scores));
        assert!(tokens.caller(&secret, Utc(1_000)).is_none(), "expired");
        for wrong in
            ["", "ost_", "ost_ä", &secret[..secret.len() - 1], &format!("{secret}A"), &secret.to_uppercase()]
        {
            assert!(tokens.caller(wrong, Utc(0)).is_none(), "{wrong}");
        }
        drop(tokens);
        let tokens = Tokens::load(open(&dir)).unwrap();
        assert!(tokens.caller(&secret, Utc(0)).is_some(), "after a restart");
        let kept = tokens.store.document(DOCUMENT).unwrap().unwrap();
        let tail = &secret.as_bytes()[PREFIX.len() + ID_CHARS + 1..];
        assert!(!kept.windows(tail.len()).any(|w| w == tail), "only its hash is kept");
        tokens.revoke(&view.id, event("")).unwrap();
        assert!(tokens.caller(&secret, Utc(0)).is_none(), "revoked");
        assert_eq!(tokens.revoke(&view.id, event("")).unwrap_err().code, Code::NotFound);
        assert!(tokens.is_empty());
    }

    #[test]
    fn what_cannot_be_a_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::load(open(&dir)).unwrap();
        let issue =
            |name: &str, scopes, end| tokens.issue(name, scopes, end, Utc(5), event).unwrap_err().parameter;
        assert_eq!(issue(" ", Scopes::ALL, None).as_deref(), Some("name"));
        assert_eq!(issue("a\nb", Scopes::ALL, None).as_deref(), Some("name"));
        assert_eq!(issue("a", Scopes::NONE, None).as_deref(), Some("scopes"));
        assert_eq!(issue("a", Scopes::ALL, Some(5)).as_deref(), Some("expires"));
    }

    #[test]
    fn the_setup_code_is_good_once_for_a_while_and_for_five_tries() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::load(open(&dir)).unwrap();
        let code = |e: Result<(), Refusal>| e.unwrap_err().code;
        assert_eq!(code(tokens.use_setup_code("00000000", Mono(0))), Code::Unavailable);
        let drawn = tokens.draw_setup_code(Mono(0)).unwrap();
        assert_eq!(drawn.len(), 8);
        let spaced = format!("{} {}", &drawn[..4], &drawn[4..]);
        tokens.use_setup_code(&spaced, Mono(1)).unwrap();
        assert_eq!(code(tokens.use_setup_code(&drawn, Mono(2))), Code::Unavailable, "used up");

        let drawn = tokens.draw_setup_code(Mono(0)).unwrap();
        assert_eq!(code(tokens.use_setup_code(&drawn, Mono(SETUP_TIME.0))), Code::Unavailable, "too late");

        let drawn = tokens.draw_setup_code(Mono(0)).unwrap();
        for _ in 0..SETUP_TRIES {
            assert_eq!(code(tokens.use_setup_code("1", Mono(1))), Code::Unauthenticated);
        }
        assert_eq!(code(tokens.use_setup_code(&drawn, Mono(1))), Code::Unavailable, "tried out");
    }
}
