//! Answers: as data for programs and as text for people.
//!
//! Owns: the shape and the wording of every reply. Does not own: exit codes (`main`).
//! Invariant: scores leave only where the asker is the operator at the board itself (this command line).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::status::{DoorStatus, Status};

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// What became of each picture.
    Enrolled(Enrolled),
    /// Who it is.
    Identified(Identified),
    /// Whether they are the same.
    Verified(Verified),
    /// People.
    Persons(Persons),
    /// One person.
    Person(Box<PersonView>),
    /// What was erased.
    Erased(Erased),
    /// All that is held on one person.
    Export(ExportText),
    /// Events, one JSON document each.
    Events(Vec<String>),
    /// The chain holds over so many events.
    Chain {
        /// Events checked.
        events: u64,
    },
    /// What this door is made of.
    Status(Box<Status>),
    /// How the door stands.
    Door(DoorStatus),
    /// It did not work.
    Failed(Failure),
}

/// All that is held on one person, as JSON text.
#[derive(Serialize, Deserialize)]
pub struct ExportText(
    /// With the face, as numbers and as pictures.
    pub String,
);

impl fmt::Debug for ExportText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExportText({} bytes, <redacted>)", self.0.len())
    }
}

/// Which part failed; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// Asked for something that cannot be.
    Usage,
    /// A picture or an id that cannot be used.
    Input,
    /// The gallery or the journal.
    Store,
    /// A model.
    Model,
    /// Camera, door or display.
    Device,
}

/// Why it did not work, in words for whoever asked.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Which part.
    pub trouble: Trouble,
    /// What, and what to do.
    pub message: String,
}

impl Failure {
    /// A failure.
    #[must_use]
    pub fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self { trouble, message: message.into() }
    }

    /// Something that cannot be.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Trouble::Usage, message)
    }

    /// Something that cannot be used.
    #[must_use]
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Trouble::Input, message)
    }
}

/// What became of an enrolment.
#[derive(Debug, Serialize, Deserialize)]
pub struct Enrolled {
    /// Who.
    pub person: String,
    /// Templates of the person now.
    pub templates: usize,
    /// One row a picture.
    pub images: Vec<ImageOutcome>,
    /// The nearest other person, and by how much the threshold is missed (in cosine).
    pub nearest_other: Option<Nearest>,
}

/// What became of one picture.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImageOutcome {
    /// The file's name as given.
    pub file: String,
    /// The template made of it.
    pub template: Option<u64>,
    /// Overall quality, 0 to 100.
    pub quality: Option<u8>,
    /// Why it was refused; empty when accepted.
    pub reasons: Vec<String>,
}

/// Another person who looks alike.
#[derive(Debug, Serialize, Deserialize)]
pub struct Nearest {
    /// Who.
    pub person: String,
    /// Threshold less cosine: below 0 is a duplicate.
    pub distance_to_threshold: f32,
}

impl fmt::Display for Enrolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for image in &self.images {
            match (image.template, image.quality) {
                (Some(template), Some(quality)) => {
                    writeln!(f, "  {}: accepted as template {template}, quality {quality}", image.file)?;
                }
                _ => writeln!(f, "  {}: refused: {}", image.file, image.reasons.join(", "))?,
            }
        }
        let word = if self.templates == 1 { "template" } else { "templates" };
        write!(f, "{} is enrolled with {} {word}", self.person, self.templates)?;
        if let Some(near) = &self.nearest_other {
            write!(
                f,
                "; nearest other person {}, {:.2} below the threshold",
                near.person, near.distance_to_threshold
            )?;
        }
        Ok(())
    }
}

/// Who it is.
#[derive(Serialize, Deserialize)]
pub struct Identified {
    /// Who, or nobody.
    pub person: Option<String>,
    /// The person's name.
    pub name: Option<String>,
    /// Above the threshold but too near to a second person.
    pub ambiguous: bool,
    /// Score shown to people, 0 to 1: 0.50, 0.70, 0.85, 0.95 stand for FMR 1e-3, 1e-4, 1e-5, 1e-6.
    pub score: f32,
    /// Cosine with the nearest template.
    pub cosine: f32,
    /// The threshold in force for this gallery, as cosine.
    pub threshold: f32,
    /// Overall quality of the picture, 0 to 100.
    pub quality: u8,
}

impl fmt::Debug for Identified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identified({})", self.person.as_deref().unwrap_or("nobody"))
    }
}

impl fmt::Display for Identified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.person, &self.name) {
            (Some(id), name) => write!(f, "{id} ({})", name.as_deref().unwrap_or("no name"))?,
            (None, _) if self.ambiguous => {
                f.write_str("unknown: two enrolled people are too much alike to tell")?;
            }
            (None, _) => f.write_str("unknown: nobody that is enrolled")?,
        }
        write!(
            f,
            "; score {:.2}, cosine {:.3}, threshold {:.3}, quality {}",
            self.score, self.cosine, self.threshold, self.quality
        )
    }
}

/// Whether they are the same.
#[derive(Debug, Serialize, Deserialize)]
pub struct Verified {
    /// The same person at the default match level.
    pub same: bool,
    /// Match level 0 to 5: false match rates 1e-2 to 1e-6 (SPEC 1); 3 is needed.
    pub match_level: u8,
    /// Score shown to people, 0 to 1.
    pub score: f32,
    /// Cosine of the two.
    pub cosine: f32,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.same { "the same person" } else { "not the same person" };
        write!(
            f,
            "{verdict}; match level {} of 5, score {:.2}, cosine {:.3}",
            self.match_level, self.score, self.cosine
        )
    }
}

/// A page of people.
#[derive(Debug, Serialize, Deserialize)]
pub struct Persons {
    /// People on this page.
    pub persons: Vec<PersonRow>,
    /// People in all.
    pub total: usize,
}

/// One person in a list.
#[derive(Serialize, Deserialize)]
pub struct PersonRow {
    /// Who.
    pub id: String,
    /// Name.
    pub name: String,
    /// `active`, `inactive` or `pending`.
    pub status: String,
    /// Templates.
    pub templates: usize,
}

impl fmt::Debug for PersonRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonRow({}, <redacted>)", self.id)
    }
}

impl fmt::Display for Persons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for p in &self.persons {
            writeln!(f, "{:<24} {:<9} {:>2} templates  {}", p.id, p.status, p.templates, p.name)?;
        }
        write!(f, "{} of {} people", self.persons.len(), self.total)
    }
}

/// One person in full, without the face.
#[derive(Serialize, Deserialize)]
pub struct PersonView {
    /// Who and in which standing.
    pub row: PersonRow,
    /// Free text.
    pub notes: String,
    /// Access groups.
    pub groups: Vec<String>,
    /// First moment of access.
    pub valid_from: Option<String>,
    /// Last moment of access.
    pub valid_until: Option<String>,
    /// Ground on which the face is kept.
    pub consent: Option<String>,
    /// First written.
    pub created: String,
    /// Last written.
    pub modified: String,
    /// Each template: number, quality, source, date.
    pub looks: Vec<String>,
    /// Images kept.
    pub images: usize,
    /// Crops kept.
    pub crops: usize,
}

impl fmt::Debug for PersonView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonView({}, <redacted>)", self.row.id)
    }
}

impl fmt::Display for PersonView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "id        {}", self.row.id)?;
        writeln!(f, "name      {}", self.row.name)?;
        writeln!(f, "status    {}", self.row.status)?;
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        writeln!(f, "valid     {} to {}", dash(&self.valid_from), dash(&self.valid_until))?;
        writeln!(f, "consent   {}", dash(&self.consent))?;
        writeln!(f, "created   {}", self.created)?;
        writeln!(f, "modified  {}", self.modified)?;
        writeln!(f, "kept      {} images, {} crops", self.images, self.crops)?;
        write!(f, "templates {}", self.looks.len())?;
        self.looks.iter().try_for_each(|look| write!(f, "\n  {look}"))
    }
}

/// What was erased.
#[derive(Debug, Serialize, Deserialize)]
pub struct Erased {
    /// Who.
    pub person: String,
    /// Templates removed.
    pub templates: u64,
    /// Images removed.
    pub images: u64,
    /// Crops removed.
    pub crops: u64,
    /// Patterns of the removed records that were looked for.
    pub patterns: u64,
    /// Of those, found before the erasure: shows that the search can find them.
    pub found_before: u64,
    /// Bytes of the gallery's file searched for anything that was removed.
    pub bytes_searched: u64,
    /// Places where something was found: always 0, or the command fails.
    pub occurrences: u64,
}

impl fmt::Display for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "erased {}: {} templates, {} images, {} crops; searched all {} bytes of the gallery's file for {} \
             patterns of them: {} found before, {} after",
            self.person,
            self.templates,
            self.images,
            self.crops,
            self.bytes_searched,
            self.patterns,
            self.found_before,
            self.occurrences
        )
    }
}
