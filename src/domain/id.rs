//! Identifiers: who, which template, which track, which event.
//!
//! Owns: their form and its check. Does not own: how they are drawn or stored.
//! Invariant: an id that exists is well formed; ids of different things do not mix.

use core::fmt;
use core::str::FromStr;

use super::limits::MAX_ID;

/// A person's id: 1 to 64 of `A-Z a-z 0-9 . _ @ -`, beginning with a letter or a digit.
///
/// The alphabet is narrow so that an id can stand in a file name, a topic and an address unescaped.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonId(heapless::String<MAX_ID>);

impl PersonId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PersonId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let first = text.bytes().next().ok_or(IdError::Empty)?;
        if text.len() > MAX_ID {
            return Err(IdError::TooLong);
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'@' | b'-');
        if !first.is_ascii_alphanumeric() || !text.bytes().all(allowed) {
            return Err(IdError::BadCharacter);
        }
        heapless::String::try_from(text).map(Self).map_err(|_| IdError::TooLong)
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonId({})", self.0)
    }
}

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdError {
    /// An id needs at least one character.
    Empty,
    /// An id has at most 64 characters.
    TooLong,
    /// An id holds only letters, digits and `. _ @ -`, and begins with a letter or a digit.
    BadCharacter,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an id needs at least one character",
            Self::TooLong => "an id has at most 64 characters",
            Self::BadCharacter => {
                "an id holds only letters A-Z, digits and . _ @ -, and begins with a letter or a digit"
            }
        })
    }
}

impl core::error::Error for IdError {}

/// A template's number, unique in one gallery and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateId(pub u64);

/// One face followed over frames; unique since the process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub u32);

/// Position of an event in the journal, counted from 1 without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventSeq(pub u64);

/// Drawn at random at each start of the process, so that `(device, boot, seq)` names an event for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BootId(pub u64);

/// The door a board drives, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DoorId(pub u8);

/// A model is its SHA-256: templates of another model never match.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub [u8; 32]);

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ModelId(")?;
        self.0[..4].iter().try_for_each(|b| write!(f, "{b:02x}"))?;
        f.write_str("..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_where_they_are_made() {
        assert_eq!("anna.k@site-7_b".parse::<PersonId>().unwrap().as_str(), "anna.k@site-7_b");
        assert_eq!("".parse::<PersonId>(), Err(IdError::Empty));
        assert_eq!("a".repeat(65).parse::<PersonId>(), Err(IdError::TooLong));
        for bad in ["../etc", ".hidden", "a b", "a/b", "a\0", "ä", "-x"] {
            assert_eq!(bad.parse::<PersonId>(), Err(IdError::BadCharacter), "{bad:?}");
        }
    }
}
