//! Looking at what is kept on people: what is looked at, and whom it is about.
//!
//! Owns: the words of the audit log. Does not own: keeping it (`store`), which command is which look (`app`).
//! Invariant: a line of the log names people by id and holds nothing of what was seen.

use super::id::PersonId;

/// What somebody looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Looked {
    /// A person's profile.
    Profile,
    /// A list of people.
    List,
    /// A picture that is kept of a person.
    Picture,
    /// All that is held on one person.
    Export,
    /// Names of people by their ids.
    Names,
    /// What the camera sees.
    Camera,
    /// Who resembles a picture.
    Search,
    /// What is set for one person, and why the door is shut to them.
    Access,
    /// Punches and totals.
    Attendance,
    /// Events.
    Events,
    /// This log.
    Audit,
}

impl Looked {
    /// Each of them.
    pub const ALL: [Self; 11] = [
        Self::Profile,
        Self::List,
        Self::Picture,
        Self::Export,
        Self::Names,
        Self::Camera,
        Self::Search,
        Self::Access,
        Self::Attendance,
        Self::Events,
        Self::Audit,
    ];

    /// The name on the wire and on disk.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::List => "list",
            Self::Picture => "picture",
            Self::Export => "export",
            Self::Names => "names",
            Self::Camera => "camera",
            Self::Search => "search",
            Self::Access => "access",
            Self::Attendance => "attendance",
            Self::Events => "events",
            Self::Audit => "audit",
        }
    }

    /// The look of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|look| look.name() == name)
    }
}

/// Whom a look is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// No one in particular.
    Nobody,
    /// One person.
    One(PersonId),
    /// So many people whose ids lie from the first to the last, both of them among these.
    Some {
        /// The lowest id.
        first: PersonId,
        /// The highest id.
        last: PersonId,
        /// How many.
        count: u32,
    },
    /// Whoever is in the book that was read.
    Everybody,
}

impl About {
    /// These people, in any order.
    #[must_use]
    pub fn people<'a>(ids: impl IntoIterator<Item = &'a PersonId>) -> Self {
        let mut found: Option<(&PersonId, &PersonId, u32)> = None;
        for id in ids {
            found = Some(match found {
                None => (id, id, 1),
                Some((first, last, count)) => (first.min(id), last.max(id), count.saturating_add(1)),
            });
        }
        match found {
            None => Self::Nobody,
            Some((first, _, 1)) => Self::One(first.clone()),
            Some((first, last, count)) => Self::Some { first: first.clone(), last: last.clone(), count },
        }
    }

    /// Whether the person may have been among those who were seen.
    #[must_use]
    pub fn may_hold(&self, id: &PersonId) -> bool {
        match self {
            Self::Nobody => false,
            Self::One(one) => one == id,
            Self::Some { first, last, .. } => (first..=last).contains(&id),
            Self::Everybody => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_looks_are_distinct_and_found_again() {
        for (i, look) in Looked::ALL.into_iter().enumerate() {
            assert_eq!(Looked::from_name(look.name()), Some(look));
            assert!(Looked::ALL[..i].iter().all(|l| l.name() != look.name()));
        }
        assert_eq!(Looked::from_name("nothing"), None);
    }

    #[test]
    fn people_are_summed_up_without_losing_one() {
        let id = |text: &str| text.parse::<PersonId>().unwrap();
        let (a, b, c) = (id("a"), id("b"), id("c"));
        assert_eq!(About::people([]), About::Nobody);
        assert_eq!(About::people([&b]), About::One(b.clone()));
        let some = About::people([&c, &a, &b]);
        assert_eq!(some, About::Some { first: a.clone(), last: c.clone(), count: 3 });
        for one in [&a, &b, &c] {
            assert!(some.may_hold(one) && About::Everybody.may_hold(one) && !About::Nobody.may_hold(one));
        }
        assert!(!some.may_hold(&id("d")) && !About::One(a).may_hold(&b));
    }
}
