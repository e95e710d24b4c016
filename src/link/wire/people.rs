//! People on the wire: what a client may write about a person.
//!
//! Owns: profile, put and list as data, and the checks of single values. Does not own: storing, enrolment.
//! Invariant: what is absent is left as it is; a profile never holds a template.

use serde::{Deserialize, Serialize};

use ostiary_domain::limits::{MAX_COLLECTIONS, MAX_GROUPS, MAX_LABEL, MAX_NAME, MAX_NOTES};
use ostiary_domain::person::Label;
use ostiary_domain::{Consent, Person, PersonStatus, Utc};

use super::moment::Moment;
use super::photo::Photo;
use super::refusal::Refusal;

/// What is said about a person; absent parts stay as they are.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// As shown on the display: 1 to 128 bytes.
    pub name: Option<String>,
    /// Free text, up to 512 bytes.
    pub notes: Option<String>,
    /// As the client gives it, up to 64 bytes.
    pub gender: Option<String>,
    /// As the client gives it, up to 64 bytes.
    pub nationality: Option<String>,
    /// `YYYY-MM-DD`, or empty.
    pub date_of_birth: Option<String>,
    /// `active`, `inactive` or `pending`.
    pub status: Option<String>,
    /// First moment of access.
    pub valid_from: Option<Moment>,
    /// Last moment of access.
    pub valid_until: Option<Moment>,
    /// Access groups, up to 16.
    pub groups: Option<Vec<String>>,
    /// Collections, up to 16.
    pub collections: Option<Vec<String>>,
    /// On what ground the face is kept, up to 64 bytes.
    pub consent: Option<String>,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Profile(<redacted>)")
    }
}

/// Whether the person may or must be there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// New or known.
    #[default]
    Either,
    /// Refused as a duplicate when the id is taken.
    New,
    /// Refused as not found when it is not.
    Known,
}

/// A person to be written, with pictures to be enrolled where there are any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PersonPut {
    /// Who; without one an id is drawn.
    pub id: Option<String>,
    /// Whether the person may or must be there already.
    pub presence: Presence,
    /// What is said about them.
    pub profile: Profile,
    /// JPEG or PNG, one face each.
    pub images: Vec<Photo>,
    /// The pictures take the place of all looks there were.
    pub replace_images: bool,
    /// Enrol although the face is known under another id.
    pub allow_duplicate: bool,
}

/// Which people to list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PersonQuery {
    /// Page, from 0.
    pub page: u32,
    /// People on a page, 1 to 1000.
    pub limit: u16,
    /// Only of that status.
    pub status: Option<String>,
    /// Only in that collection.
    pub collection: Option<String>,
    /// Only whose name holds this text.
    pub name: Option<String>,
}

impl std::fmt::Debug for PersonQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PersonQuery(page {} of {}, <redacted>)", self.page, self.limit)
    }
}

impl Default for PersonQuery {
    fn default() -> Self {
        Self { page: 0, limit: 100, status: None, collection: None, name: None }
    }
}

impl Profile {
    /// Writes what is given into a person.
    ///
    /// # Errors
    /// The first part that cannot be used, by its name.
    pub fn apply(&self, person: &mut Person, now: Utc, by: &str) -> Result<(), Refusal> {
        if let Some(name) = &self.name {
            person.name = text::<MAX_NAME>("name", name, 1)?;
        }
        if let Some(notes) = &self.notes {
            person.notes = text::<MAX_NOTES>("notes", notes, 0)?;
        }
        if let Some(gender) = &self.gender {
            person.gender = text::<MAX_LABEL>("gender", gender, 0)?;
        }
        if let Some(nationality) = &self.nationality {
            person.nationality = text::<MAX_LABEL>("nationality", nationality, 0)?;
        }
        if let Some(date) = &self.date_of_birth {
            if !date.is_empty() && (date.len() != 10 || date.parse::<jiff::civil::Date>().is_err()) {
                return Err(Refusal::invalid("date_of_birth", "\"date_of_birth\" must be YYYY-MM-DD"));
            }
            person.date_of_birth = text::<10>("date_of_birth", date, 0)?;
        }
        if let Some(status) = &self.status {
            person.status = person_status(status)?;
        }
        if let Some(groups) = &self.groups {
            person.groups = labels::<MAX_GROUPS>("groups", groups)?;
        }
        if let Some(collections) = &self.collections {
            person.collections = labels::<MAX_COLLECTIONS>("collections", collections)?;
        }
        if let Some(from) = self.valid_from {
            person.valid_from = Some(Utc(from.0));
        }
        if let Some(until) = self.valid_until {
            person.valid_until = Some(Utc(until.0));
        }
        if let (Some(from), Some(until)) = (person.valid_from, person.valid_until)
            && from >= until
        {
            return Err(Refusal::invalid("valid_until", "\"valid_from\" must lie before \"valid_until\""));
        }
        if let Some(basis) = &self.consent {
            let basis = text::<MAX_LABEL>("consent", basis, 1)?;
            person.consent = Some(Consent { basis, at: now, by: ostiary_domain::clipped(by) });
        }
        Ok(())
    }
}

/// The status of that name.
///
/// # Errors
/// When there is none.
pub fn person_status(name: &str) -> Result<PersonStatus, Refusal> {
    PersonStatus::from_name(name)
        .ok_or_else(|| Refusal::invalid("status", "\"status\" must be active, inactive or pending"))
}

fn text<const N: usize>(key: &str, value: &str, least: usize) -> Result<heapless::String<N>, Refusal> {
    let value = value.trim();
    let sound = value.len() >= least && !value.chars().any(|c| c.is_control() && c != '\n');
    let single = least == 0 || !value.contains('\n');
    heapless::String::try_from(value).ok().filter(|_| sound && single).ok_or_else(|| {
        Refusal::invalid(
            key,
            format!("\"{key}\" needs {least} to {N} bytes of text without control characters"),
        )
    })
}

fn labels<const N: usize>(key: &str, values: &[String]) -> Result<heapless::Vec<Label, N>, Refusal> {
    let mut out = heapless::Vec::new();
    for value in values {
        let label = text::<MAX_LABEL>(key, value, 1)?;
        if out.contains(&label) {
            continue;
        }
        out.push(label).map_err(|_| Refusal::invalid(key, format!("at most {N} {key} a person")))?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        Person::new("a".parse().unwrap(), heapless::String::try_from("A").unwrap(), Utc(0))
    }

    #[test]
    fn a_profile_changes_what_it_names_and_nothing_else() {
        let mut p = person();
        let profile = Profile {
            name: Some(" Zoë 🙂 ".into()),
            groups: Some(vec!["day".into(), "day".into()]),
            consent: Some("form 3".into()),
            ..Profile::default()
        };
        profile.apply(&mut p, Utc(5), "token t").unwrap();
        assert_eq!(p.name, "Zoë 🙂");
        assert_eq!(p.groups.len(), 1);
        assert_eq!(p.consent.as_ref().unwrap().at, Utc(5));
        assert_eq!(p.notes, "");
    }

    #[test]
    fn what_cannot_be_a_person_is_named() {
        let wrong =
            |profile: Profile| profile.apply(&mut person(), Utc(0), "x").unwrap_err().parameter.unwrap();
        let with = |f: fn(&mut Profile)| {
            let mut profile = Profile::default();
            f(&mut profile);
            wrong(profile)
        };
        assert_eq!(with(|p| p.name = Some("  ".into())), "name");
        assert_eq!(with(|p| p.name = Some("a\u{7}b".into())), "name");
        assert_eq!(with(|p| p.name = Some("🙂".repeat(33))), "name");
        assert_eq!(with(|p| p.date_of_birth = Some("1995-13-40".into())), "date_of_birth");
        assert_eq!(with(|p| p.status = Some("root".into())), "status");
        assert_eq!(with(|p| p.groups = Some((0..17).map(|i| i.to_string()).collect())), "groups");
        assert_eq!(
            with(|p| (p.valid_from, p.valid_until) = (Some(Moment(5)), Some(Moment(5)))),
            "valid_until"
        );
    }
}
