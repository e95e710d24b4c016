//! People who sign in at the console: roles, accounts, sessions.
//!
//! Owns: the roles and their scopes, the commands on accounts, what signing in needs and gives. Does not own: how
//! passwords and codes are checked (`app/accounts`), cookies (`link/http`).
//! Invariants: a role is nothing but a set of scopes; passwords and codes are redacted in `Debug`.

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use super::refusal::Refusal;
use super::scope::{Caller, Scope, Scopes, Secret};

/// What somebody does at this door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Watches the door and opens it.
    Operator,
    /// Enrols people and keeps their profiles.
    Enroller,
    /// Keeps the attendance book.
    AttendanceClerk,
    /// Reads the journal and proves it, and sees who looked at what.
    Auditor,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] =
        [Self::Operator, Self::Enroller, Self::AttendanceClerk, Self::Auditor, Self::Admin];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Enroller => "enroller",
            Self::AttendanceClerk => "attendance_clerk",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What it may.
    #[must_use]
    pub const fn scopes(self) -> Scopes {
        let none = Scopes::NONE;
        match self {
            Self::Operator => none.with(Scope::Door).with(Scope::Events),
            Self::Enroller => none.with(Scope::Enroll).with(Scope::Persons).with(Scope::Search),
            Self::AttendanceClerk => none.with(Scope::Events).with(Scope::Attendance),
            Self::Auditor => none.with(Scope::Events).with(Scope::Audit),
            Self::Admin => Scopes::ALL,
        }
    }
}

/// One operation on accounts; all need the scope `admin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountsCommand {
    /// Every account. -> `Accounts`
    List,
    /// A new account, with a code for its first sign-in. -> `Invited`
    Add(AccountNew),
    /// Another code: password and second factor are forgotten, sessions end. -> `Invited`
    Reset(String),
    /// End an account and its sessions. -> `Done`
    Remove(String),
}

/// An account to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountNew {
    /// 1 to 32 letters, digits and `. _ @ -`.
    pub name: String,
    /// What the person does.
    pub role: Role,
}

/// An account without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AccountView {
    /// The name to sign in with.
    pub name: String,
    /// What the person does.
    pub role: Role,
    /// First written.
    pub created: Moment,
    /// Signed in last.
    pub last_login: Option<Moment>,
    /// Nobody has signed in with the code yet.
    pub invited: bool,
}

/// A code for a first sign-in, this once.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Invited {
    /// Whose.
    pub account: AccountView,
    /// Sixteen letters and digits; good once.
    pub code: String,
    /// Until then.
    pub until: Moment,
}

impl std::fmt::Debug for Invited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Invited({}, <redacted>)", self.account.name)
    }
}

/// The second factor that a first sign-in sets up.
pub struct Beginning {
    /// Base32 without padding, for typing into an authenticator.
    pub key: String,
    /// The same as an `otpauth:` address.
    pub address: String,
}

impl std::fmt::Debug for Beginning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Beginning(<redacted>)")
    }
}

/// The end of a first sign-in.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The account; for the setup code, the one to be made.
    pub name: String,
    /// The setup code on the display, or an invitation.
    pub code: Secret,
    /// 10 to 128 characters.
    pub password: Secret,
    /// Six digits of the authenticator.
    pub totp: Secret,
}

/// A sign-in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The account.
    pub name: String,
    /// Its password.
    pub password: Secret,
    /// Six digits of the authenticator.
    pub totp: Secret,
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who asks, with the role's scopes.
    pub caller: Caller,
    /// The account.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Must come with every request that changes something.
    pub csrf: String,
    /// Monotonic milliseconds at which it ends, whatever happens.
    pub until: u64,
}

/// Signing in at a door. Calls may take a tenth of a second: passwords are hashed slowly.
pub trait SignIn: Send + Sync {
    /// Whether the first account waits to be made with the setup code.
    fn is_first(&self) -> bool;

    /// Begins a first sign-in: gives the key of the second factor.
    ///
    /// # Errors
    /// `Unauthenticated` for a code that is not this account's.
    fn begin(&self, name: &str, code: &Secret) -> Result<Beginning, Refusal>;

    /// Ends it: password and second factor are kept, the code is used up. Gives the session and its secret.
    ///
    /// # Errors
    /// As [`SignIn::begin`], and what is wrong with the password or the digits.
    fn finish(&self, finish: &Finish) -> Result<(Session, Secret), Refusal>;

    /// Signs in. Gives the session and its secret.
    ///
    /// # Errors
    /// `Unauthenticated`, without saying which of the three was wrong.
    fn login(&self, login: &Login) -> Result<(Session, Secret), Refusal>;

    /// Whose session that is; `alive` says that the person did something, not the page by itself.
    fn session(&self, secret: &str, alive: bool) -> Option<Session>;

    /// Ends a session.
    fn logout(&self, secret: &str);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_what_they_need_and_only_the_admin_everything() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
            assert_eq!(role.scopes().has(Scope::Admin), role == Role::Admin);
        }
        assert!(Role::Operator.scopes().has(Scope::Door) && !Role::Operator.scopes().has(Scope::Persons));
        assert!(Role::Enroller.scopes().has(Scope::Enroll) && !Role::Enroller.scopes().has(Scope::Door));
        assert!(Role::AttendanceClerk.scopes().has(Scope::Attendance));
        assert!(!Role::Auditor.scopes().has(Scope::Attendance) && Role::Auditor.scopes().has(Scope::Events));
        for role in Role::ALL {
            let may = Caller { name: String::new(), scopes: role.scopes() }.may(Scope::Audit);
            assert_eq!(may, matches!(role, Role::Auditor | Role::Admin));
        }
    }
}
