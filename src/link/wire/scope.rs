//! Who asks, and what they may.
//!
//! Owns: the scopes (SPEC 3) and the caller. Does not own: how a caller proves who they are (`app/tokens`, a broker).
//! Invariant: a set of scopes holds nothing that this program does not know.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Compare and search faces.
    Search,
    /// Enrol faces.
    Enroll,
    /// The 1:N endpoints of the Face API.
    OneToN,
    /// Read and change people and collections.
    Persons,
    /// Configuration, tokens, explanations.
    Admin,
    /// Move the door.
    Door,
    /// Read events and punches.
    Events,
    /// See scores.
    Scores,
    /// Correct the attendance book; `admin` holds it, too.
    Attendance,
    /// See who looked at what; `admin` holds it, too.
    Audit,
}

impl Scope {
    /// Every scope, in the order of SPEC 3; the last two are ours.
    pub const ALL: [Self; 10] = [
        Self::Search,
        Self::Enroll,
        Self::OneToN,
        Self::Persons,
        Self::Admin,
        Self::Door,
        Self::Events,
        Self::Scores,
        Self::Attendance,
        Self::Audit,
    ];

    /// The name in tokens and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Enroll => "enroll",
            Self::OneToN => "onetoN",
            Self::Persons => "persons",
            Self::Admin => "admin",
            Self::Door => "door",
            Self::Events => "events",
            Self::Scores => "scores",
            Self::Attendance => "attendance",
            Self::Audit => "audit",
        }
    }

    /// The scope of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// A text that must not reach a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(
    /// In clear.
    pub String,
);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scopes(u16);

impl Scopes {
    /// All of them.
    pub const ALL: Self = Self((1 << Scope::ALL.len()) - 1);
    /// None.
    pub const NONE: Self = Self(0);

    /// With one more.
    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u16)
    }

    /// Whether it is among them.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u16 != 0
    }

    /// Those of `self` that are also in `other`.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Each, in the order of SPEC 3.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |s| self.has(*s))
    }

    /// Reads names; the first unknown one is the error.
    ///
    /// # Errors
    /// The name that is no scope.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        names.into_iter().try_fold(Self::NONE, |set, name| Ok(set.with(Scope::from_name(name).ok_or(name)?)))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, scope) in self.iter().enumerate() {
            write!(f, "{}{}", if i > 0 { "," } else { "" }, scope.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

/// Whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// For the log and for records: a token's id, `board`, `mqtt`.
    pub name: String,
    /// What they may.
    pub scopes: Scopes,
}

impl Caller {
    /// The operator at the board's own command line, who may do everything.
    #[must_use]
    pub fn board() -> Self {
        Self { name: "board".into(), scopes: Scopes::ALL }
    }

    /// Whether the caller has the scope.
    #[must_use]
    pub const fn may(&self, scope: Scope) -> bool {
        let of_admin = matches!(scope, Scope::Attendance | Scope::Audit);
        self.scopes.has(scope) || of_admin && self.scopes.has(Scope::Admin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_read_what_they_write() {
        for scope in Scope::ALL {
            assert_eq!(Scope::from_name(scope.name()), Some(scope));
            assert!(Scopes::ALL.has(scope));
            assert!(!Scopes::NONE.has(scope));
        }
        let text = Scopes::ALL.to_string();
        assert_eq!(Scopes::parse(text.split(',')), Ok(Scopes::ALL));
        assert_eq!(Scopes::parse(["search", "root"]), Err("root"));
        let some = Scopes::NONE.with(Scope::Search).with(Scope::OneToN);
        assert_eq!(some.to_string(), "search,onetoN");
        assert_eq!(Scopes::ALL.within(some), some);
    }
}
