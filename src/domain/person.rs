//! People and their templates (SPEC 2).
//!
//! Owns: what is known of a person, with its bounds. Does not own: how it is stored, sealed or shown.
//! Invariants: every list and text is bounded; `Debug` shows the id and counts, never a name.

use core::fmt;

use super::decision::Standing;
use super::embedding::Embedding;
use super::id::{ModelId, PersonId, TemplateId};
use super::limits::{MAX_COLLECTIONS, MAX_GROUPS, MAX_LABEL, MAX_NAME, MAX_NOTES};
use super::time::Utc;

/// A short name: of a group, a collection, an operator.
pub type Label = heapless::String<MAX_LABEL>;

/// Whether a person may be let in at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PersonStatus {
    /// Let in as the rules say.
    #[default]
    Active,
    /// Switched off by an operator.
    Inactive,
    /// Enrolment is not finished.
    Pending,
}

impl PersonStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Inactive, Self::Pending];

    /// The status of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// The name used in files and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Pending => "pending",
        }
    }
}

/// On what ground a person's face is kept.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// The legal basis or the form signed.
    pub basis: Label,
    /// When.
    pub at: Utc,
    /// Who recorded it.
    pub by: Label,
}

// Who recorded it is a person, too.
impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consent").field("at", &self.at).finish_non_exhaustive()
    }
}

/// What is known of one person apart from the face.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Unique in the gallery.
    pub id: PersonId,
    /// As shown on the display: 1 to 128 bytes of UTF-8.
    pub name: heapless::String<MAX_NAME>,
    /// Free text.
    pub notes: heapless::String<MAX_NOTES>,
    /// As given by the client.
    pub gender: Label,
    /// As given by the client.
    pub nationality: Label,
    /// As given by the client, `YYYY-MM-DD` or empty.
    pub date_of_birth: heapless::String<10>,
    /// Whether access is possible.
    pub status: PersonStatus,
    /// Not before.
    pub valid_from: Option<Utc>,
    /// Not after.
    pub valid_until: Option<Utc>,
    /// Access groups.
    pub groups: heapless::Vec<Label, MAX_GROUPS>,
    /// Sets searched together.
    pub collections: heapless::Vec<Label, MAX_COLLECTIONS>,
    /// Why the face may be kept.
    pub consent: Option<Consent>,
    /// First written.
    pub create_date: Utc,
    /// Last written.
    pub modified_date: Utc,
}

impl Person {
    /// A person of whom only id and name are known.
    #[must_use]
    pub fn new(id: PersonId, name: heapless::String<MAX_NAME>, now: Utc) -> Self {
        Self {
            id,
            name,
            notes: heapless::String::new(),
            gender: Label::new(),
            nationality: Label::new(),
            date_of_birth: heapless::String::new(),
            status: PersonStatus::Active,
            valid_from: None,
            valid_until: None,
            groups: heapless::Vec::new(),
            collections: heapless::Vec::new(),
            consent: None,
            create_date: now,
            modified_date: now,
        }
    }

    /// What the decision needs to know, as far as the profile says it; groups have no numbers here yet.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            status: self.status,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            ..Standing::default()
        }
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person")
            .field("id", &self.id)
            .field("name", &"<redacted>")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Where a template came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateSource {
    /// An image file or upload.
    Image,
    /// The door's own camera.
    Camera,
    /// Another device of the same model.
    Import,
}

impl TemplateSource {
    /// Every source.
    pub const ALL: [Self; 3] = [Self::Image, Self::Camera, Self::Import];

    /// The source of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// The name used in files and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Camera => "camera",
            Self::Import => "import",
        }
    }
}

/// One look of one person.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Unique in the gallery.
    pub id: TemplateId,
    /// The face as numbers.
    pub embedding: Embedding,
    /// The model that made it; templates of another model never match.
    pub model: ModelId,
    /// Counts changes of model.
    pub epoch: u32,
    /// Overall quality of the face, 0 to 100.
    pub quality: u8,
    /// Where it came from.
    pub source: TemplateSource,
    /// When.
    pub created_at: Utc,
}
