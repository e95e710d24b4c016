//! People who sign in at the console: their accounts, one sealed document, and who is signed in.
//!
//! Owns: names, roles, passwords (Argon2id), second factors, invitations, and that each step is checked in full.
//! Does not own: the setup code (`app/tokens`), lock-outs by address (`link/http`), cookies.
//! Invariants: a password is kept as an Argon2id string; a code of an authenticator counts once; a wrong name costs as
//! much time as a wrong password; a key that was begun and not finished is kept in memory alone, for a while; there
//! is always an account that may make others, or the board's own command line is the only way.

pub mod sessions;
pub mod totp;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::app::commands::OrRefuse as _;
use crate::app::rules::pin::{hash_secret, is_secret};
use crate::domain::{Event, Millis, Mono, Utc};
use crate::link::wire::{AccountView, Beginning, Code, Invited, Moment, Refusal, Role};
use crate::store::{Store, StoreError};
use sessions::Sessions;

const DOCUMENT: &str = "accounts";
const MAX: usize = 128;
const MAX_NAME: usize = 32;
/// How long an invitation is good.
const INVITED: i64 = 72 * 3_600_000;
/// How long a first sign-in may take.
const BEGUN: Millis = Millis::secs(15 * 60);
const MAX_BEGUN: usize = 16;
/// What a password may be, in characters.
const PASSWORD: std::ops::RangeInclusive<usize> = 10..=128;

/// Everybody who may sign in.
pub struct Accounts {
    store: Arc<Store>,
    list: Mutex<Vec<Account>>,
    begun: Mutex<Vec<Begun>>,
    /// Who is signed in.
    pub sessions: Sessions,
}

#[derive(Clone, Serialize, Deserialize)]
struct Account {
    name: String,
    role: Role,
    created: i64,
    last_login: Option<i64>,
    /// Argon2id; `None` until the first sign-in.
    password: Option<String>,
    key: [u8; totp::KEY_BYTES],
    last_step: i64,
    invitation: Option<Invitation>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Invitation {
    hash: [u8; 32],
    until: i64,
}

/// A first sign-in that is under way.
struct Begun {
    name: String,
    key: [u8; totp::KEY_BYTES],
    until: Mono,
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts(<redacted>)")
    }
}

impl Accounts {
    /// Reads the accounts.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn load(store: Arc<Store>) -> Result<Self, StoreError> {
        let list = match store.document(DOCUMENT)? {
            None => Vec::new(),
            Some(bytes) => postcard::from_bytes(&bytes)
                .map_err(|e| StoreError::Corrupt { place: "accounts", what: e.to_string() })?,
        };
        Ok(Self { store, list: Mutex::new(list), begun: Mutex::default(), sessions: Sessions::default() })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list().is_empty()
    }

    /// Every account, in the order in which they were made.
    #[must_use]
    pub fn views(&self) -> Vec<AccountView> {
        self.list().iter().map(Account::view).collect()
    }

    /// Makes an account, or with `role` `None` forgets the password of one; gives the code of its first sign-in.
    ///
    /// # Errors
    /// A name that cannot be, is taken or is not there.
    pub fn invite(&self, name: &str, role: Option<Role>, now: Utc, event: Event) -> Result<Invited, Refusal> {
        checked_name(name)?;
        let code = drawn_code()?;
        let invitation = Invitation { hash: hashed(&code), until: now.0 + INVITED };
        let view = self.change(event, |list| {
            let at = list.iter().position(|a| a.name == name);
            let account = match (at, role) {
                (Some(_), Some(_)) => {
                    return Err(Refusal::new(
                        Code::Duplicate,
                        format!("there is an account {name:?} already"),
                    ));
                }
                (None, None) => return Err(Refusal::not_found("account", name)),
                (Some(at), None) => &mut list[at],
                (None, Some(_)) if list.len() >= MAX => {
                    return Err(Refusal::new(Code::Conflict, format!("there are {MAX} accounts already")));
                }
                (None, Some(role)) => {
                    list.push(Account::new(name, role, now));
                    let last = list.len() - 1;
                    &mut list[last]
                }
            };
            (account.password, account.invitation) = (None, Some(invitation));
            Ok(account.view())
        })?;
        self.sessions.end(name);
        Ok(Invited { account: view, code, until: Moment(now.0 + INVITED) })
    }

    /// Ends an account and its sessions.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for the last one that may make others.
    pub fn remove(&self, name: &str, event: Event) -> Result<(), Refusal> {
        self.change(event, |list| {
            let at = list
                .iter()
                .position(|a| a.name == name)
                .ok_or_else(|| Refusal::not_found("account", name))?;
            let others = list.iter().enumerate().any(|(i, a)| i != at && a.role == Role::Admin);
            if list[at].role == Role::Admin && !others {
                return Err(Refusal::new(
                    Code::Conflict,
                    "this is the last account of an admin; make another one first",
                ));
            }
            list.remove(at);
            Ok(())
        })?;
        self.sessions.end(name);
        Ok(())
    }

    /// Whether that code invites that account.
    #[must_use]
    pub fn is_invited(&self, name: &str, code: &str, now: Utc) -> bool {
        let given = hashed(&code.trim().to_ascii_uppercase().replace([' ', '-'], ""));
        let list = self.list();
        let invitation = list.iter().find(|a| a.name == name).and_then(|a| a.invitation.as_ref());
        invitation.is_some_and(|i| now.0 < i.until && bool::from(i.hash.ct_eq(&given)))
    }

    /// The key of the second factor for a first sign-in; the same one as long as that is under way.
    ///
    /// # Errors
    /// A name that cannot be, or no random numbers.
    pub fn begin(&self, name: &str, now: Mono) -> Result<Beginning, Refusal> {
        checked_name(name)?;
        let mut begun = self.begun(now);
        let known = begun.iter().find(|b| b.name == name).map(|b| b.key);
        let key = if let Some(key) = known {
            key
        } else {
            let mut key = [0; totp::KEY_BYTES];
            random(&mut key)?;
            if begun.len() == MAX_BEGUN {
                begun.remove(0);
            }
            begun.push(Begun { name: name.to_owned(), key, until: now.after(BEGUN) });
            key
        };
        Ok(Beginning { key: totp::base32(&key), address: totp::address(&key, name) })
    }

    /// The key that was begun and the step of these digits: what a first sign-in is finished with.
    ///
    /// # Errors
    /// A password that is too simple, digits that are not those of now, or nothing begun.
    pub fn ready(
        &self,
        name: &str,
        password: &str,
        digits: &str,
        now: (Utc, Mono),
    ) -> Result<Ready, Refusal> {
        checked_password(name, password)?;
        let key =
            self.begun(now.1).iter().find(|b| b.name == name).map(|b| b.key).ok_or_else(|| {
                Refusal::new(Code::Conflict, "this took too long; begin again with the code")
            })?;
        let step = totp::check(&key, digits, now.0.0, 0).ok_or_else(|| {
            let clock = Moment(now.0.0).text();
            Refusal::invalid(
                "totp",
                format!("these are not the six digits of now; the door's clock shows {}", &clock[..16]),
            )
        })?;
        let password = hash_secret(password.as_bytes())
            .map_err(|e| Refusal::new(Code::Internal, format!("the password cannot be hashed: {e}")))?;
        Ok(Ready { key, step, password })
    }

    /// Keeps what a first sign-in gave; `first` makes the account of the first admin.
    ///
    /// # Errors
    /// When the account is gone, or the disk refuses.
    pub fn finish(
        &self,
        name: &str,
        ready: Ready,
        first: bool,
        now: Utc,
        event: Event,
    ) -> Result<Role, Refusal> {
        let role = self.change(event, |list| {
            if first && list.is_empty() {
                list.push(Account::new(name, Role::Admin, now));
            }
            let account = list
                .iter_mut()
                .find(|a| a.name == name)
                .ok_or_else(|| Refusal::not_found("account", name))?;
            account.password = Some(ready.password);
            (account.key, account.last_step) = (ready.key, ready.step);
            (account.invitation, account.last_login) = (None, Some(now.0));
            Ok(account.role)
        })?;
        self.begun(Mono(0)).retain(|b| b.name != name);
        Ok(role)
    }

    /// Checks name, password and digits.
    ///
    /// # Errors
    /// `Unauthenticated`, whichever was wrong.
    pub fn check(
        &self,
        name: &str,
        password: &str,
        digits: &str,
        now: Utc,
        event: Event,
    ) -> Result<Role, Refusal> {
        let found = self.list().iter().find(|a| a.name == name).cloned();
        let kept = found.as_ref().and_then(|a| a.password.as_deref());
        let sound = password.len() <= 4 * PASSWORD.end();
        // Hashed in any case, so that the time does not tell which names there are.
        let right =
            is_secret(password.get(..password.len().min(4 * PASSWORD.end())).unwrap_or("").as_bytes(), kept);
        let step = found.as_ref().and_then(|a| totp::check(&a.key, digits, now.0, a.last_step));
        let wrong = || {
            let clock = Moment(now.0).text();
            Refusal::new(
                Code::Unauthenticated,
                format!(
                    "name, password or code is wrong; a code is good once. The door's clock shows {} {} UTC",
                    &clock[..10],
                    &clock[11..16]
                ),
            )
        };
        let (true, true, Some(step)) = (right, sound, step) else { return Err(wrong()) };
        self.change(event, |list| {
            let account = list.iter_mut().find(|a| a.name == name).ok_or_else(wrong)?;
            // Two at once with the same digits: one of them.
            if account.last_step >= step {
                return Err(wrong());
            }
            (account.last_step, account.last_login) = (step, Some(now.0));
            Ok(account.role)
        })
    }

    fn change<T>(
        &self,
        event: Event,
        work: impl FnOnce(&mut Vec<Account>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut list = self.list();
        let mut next = list.clone();
        let out = work(&mut next)?;
        let bytes = postcard::to_allocvec(&next).map_err(|e| Refusal::new(Code::Internal, e.to_string()))?;
        self.store.put_document(DOCUMENT, &bytes, &[event]).or_refuse()?;
        *list = next;
        Ok(out)
    }

    fn list(&self) -> MutexGuard<'_, Vec<Account>> {
        // Replaced as a whole: a panic elsewhere cannot leave it half written.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun(&self, now: Mono) -> MutexGuard<'_, Vec<Begun>> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.retain(|b| now < b.until);
        begun
    }
}

/// What a first sign-in is finished with.
pub struct Ready {
    key: [u8; totp::KEY_BYTES],
    step: i64,
    password: String,
}

impl Account {
    fn new(name: &str, role: Role, now: Utc) -> Self {
        Self {
            name: name.to_owned(),
            role,
            created: now.0,
            last_login: None,
            password: None,
            key: [0; totp::KEY_BYTES],
            last_step: 0,
            invitation: None,
        }
    }

    fn view(&self) -> AccountView {
        AccountView {
            name: self.name.clone(),
            role: self.role,
            created: Moment(self.created),
            last_login: self.last_login.map(Moment),
            invited: self.password.is_none(),
        }
    }
}

fn checked_name(name: &str) -> Result<(), Refusal> {
    let sound = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@-".contains(&b));
    sound.then_some(()).ok_or_else(|| {
        Refusal::invalid("name", "a name to sign in with has 1 to 32 letters, digits and . _ @ -")
    })
}

fn checked_password(name: &str, password: &str) -> Result<(), Refusal> {
    let wrong = |what: &str| Err(Refusal::invalid("password", what));
    let mut kinds: Vec<char> = password.chars().collect();
    let length = kinds.len();
    kinds.sort_unstable();
    kinds.dedup();
    if !PASSWORD.contains(&length) {
        return wrong("a password has 10 to 128 characters; three or four words make a good one");
    }
    if kinds.len() < 5 || password.to_lowercase().contains(&name.to_lowercase()) && name.len() > 2 {
        return wrong("this password is too easy to guess: use more different characters, and not the name");
    }
    Ok(())
}

/// Sixteen characters out of 32 that are not mistaken for each other: 80 bits.
fn drawn_code() -> Result<String, Refusal> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut bytes = [0; 16];
    random(&mut bytes)?;
    Ok(bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 31)])).collect())
}

fn random(bytes: &mut [u8]) -> Result<(), Refusal> {
    getrandom::fill(bytes)
        .map_err(|e| Refusal::new(Code::Internal, format!("the system gives no random numbers: {e}")))
}

fn hashed(code: &str) -> [u8; 32] {
    *blake3::hash(code.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests;
