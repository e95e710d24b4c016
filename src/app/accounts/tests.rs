//! Accounts on a real store: a first sign-in, further ones, and everything that must fail.

use super::*;
use crate::domain::{ClockTrust, DoorId, EventKind, Now};
use crate::store::{Options, SealKey};

const NOW: Utc = Utc(1_700_000_000_000);
const MONO: Mono = Mono(1_000);
const PASSWORD: &str = "four calm green words";

fn event() -> Event {
    Event::new(EventKind::AdminLogin, DoorId(1), Now { mono: MONO, utc: NOW, trust: ClockTrust::Trusted })
}

fn open(dir: &tempfile::TempDir) -> Accounts {
    let key = SealKey::from_bytes([7; 32]);
    Accounts::load(Arc::new(Store::open(&dir.path().join("g.redb"), key, Options::default()).unwrap()))
        .unwrap()
}

fn digits(accounts: &Accounts, name: &str, at: Utc) -> String {
    let begun = accounts.begun(MONO).iter().find(|b| b.name == name).map(|b| b.key);
    let key = begun.unwrap_or_else(|| accounts.list().iter().find(|a| a.name == name).unwrap().key);
    totp::code(&key, totp::step(at.0))
}

fn admitted(accounts: &Accounts, name: &str) {
    accounts.begin(name, MONO).unwrap();
    let code = digits(accounts, name, NOW);
    let ready = accounts.ready(name, PASSWORD, &code, (NOW, MONO)).unwrap();
    accounts.finish(name, ready, true, NOW, event()).unwrap();
}

#[test]
fn a_first_sign_in_makes_the_admin_and_later_ones_need_all_three() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = open(&dir);
    admitted(&accounts, "anna");
    assert_eq!(accounts.views()[0].role, Role::Admin);
    let later = Utc(NOW.0 + 60_000);
    let right = digits(&accounts, "anna", later);
    let check = |name: &str, password: &str, digits: &str| {
        accounts.check(name, password, digits, later, event()).map_err(|e| e.code)
    };
    assert_eq!(check("anna", PASSWORD, "000000"), Err(Code::Unauthenticated));
    assert_eq!(check("anna", "another password", &right), Err(Code::Unauthenticated));
    assert_eq!(check("berta", PASSWORD, &right), Err(Code::Unauthenticated));
    assert_eq!(check("anna", &"x".repeat(100_000), &right), Err(Code::Unauthenticated));
    assert_eq!(check("anna", PASSWORD, &right), Ok(Role::Admin));
    assert_eq!(check("anna", PASSWORD, &right), Err(Code::Unauthenticated), "a code is good once");
    drop(accounts);
    let accounts = open(&dir);
    let again = accounts.check("anna", PASSWORD, &right, later, event());
    assert_eq!(again.unwrap_err().code, Code::Unauthenticated, "also after a restart");
    let kept = accounts.store.document(DOCUMENT).unwrap().unwrap();
    assert!(!kept.windows(PASSWORD.len()).any(|w| w == PASSWORD.as_bytes()), "only its hash is kept");
}

#[test]
fn an_invitation_is_good_once_and_for_a_while_and_a_reset_ends_the_password() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = open(&dir);
    admitted(&accounts, "anna");
    let invited = accounts.invite("ben", Some(Role::Operator), NOW, event()).unwrap();
    let spoken = format!("{}-{}", &invited.code[..8], invited.code[8..].to_lowercase());
    assert!(accounts.is_invited("ben", &spoken, NOW));
    assert!(!accounts.is_invited("anna", &invited.code, NOW) && !accounts.is_invited("ben", "", NOW));
    assert!(!accounts.is_invited("ben", &invited.code, Utc(NOW.0 + INVITED)), "too late");
    admitted(&accounts, "ben");
    assert!(!accounts.is_invited("ben", &invited.code, NOW), "used up");
    assert_eq!(accounts.views()[1].role, Role::Operator);
    let (_, secret) = accounts.sessions.open("ben", Role::Operator, MONO).unwrap();
    accounts.invite("ben", None, NOW, event()).unwrap();
    assert!(accounts.sessions.find(&secret.0, true, MONO).is_none(), "sessions end with the password");
    let later = Utc(NOW.0 + 60_000);
    let right = digits(&accounts, "ben", later);
    assert!(accounts.check("ben", PASSWORD, &right, later, event()).is_err());
    let codes = |e: Result<Invited, Refusal>| e.unwrap_err().code;
    assert_eq!(codes(accounts.invite("ben", Some(Role::Admin), NOW, event())), Code::Duplicate);
    assert_eq!(codes(accounts.invite("carl", None, NOW, event())), Code::NotFound);
    assert_eq!(codes(accounts.invite("a b", Some(Role::Admin), NOW, event())), Code::InvalidParameter);
    assert_eq!(accounts.remove("anna", event()).unwrap_err().code, Code::Conflict, "the last admin stays");
    accounts.remove("ben", event()).unwrap();
    assert_eq!(accounts.views().len(), 1);
}

#[test]
fn what_is_begun_has_its_time_and_simple_passwords_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = open(&dir);
    let first = accounts.begin("anna", MONO).unwrap();
    assert_eq!(accounts.begin("anna", MONO).unwrap().key, first.key, "a page that is loaded again");
    assert!(first.address.contains(&first.key) && !format!("{first:?}").contains(&first.key));
    let code = digits(&accounts, "anna", NOW);
    let parameter = |password: &str, code: &str, at: Mono| {
        accounts.ready("anna", password, code, (NOW, at)).map(|_| ()).unwrap_err().parameter
    };
    assert_eq!(parameter("short", &code, MONO).as_deref(), Some("password"));
    assert_eq!(parameter("aaaaaaaaaaaa", &code, MONO).as_deref(), Some("password"));
    assert_eq!(parameter("I am Anna of the door", &code, MONO).as_deref(), Some("password"));
    assert_eq!(parameter(PASSWORD, "123", MONO).as_deref(), Some("totp"));
    assert_eq!(parameter(PASSWORD, &code, MONO.after(BEGUN)), None, "too late");
}
