//! Enrolment: pictures in, templates on disk, or the reasons why not.
//!
//! Owns: the order of checks (picture, face, quality, duplicate, room) and what is kept. Does not own: how a
//! face is examined (`vision`), how it is stored (`store`).
//! Invariants: a refused picture never changes an accepted one's fate; the templates, the person and the event
//! are committed together or not at all; a face known under another id is refused unless the operator insists.

use serde::{Deserialize, Serialize};

use crate::domain::limits::{MAX_IMAGES, MAX_TEMPLATES};
use crate::domain::{
    Consent, EventKind, Person, PersonId, PersonStatus, QualityReason, TemplateSource, Utc, clipped,
};
use crate::matching::Mode;
use crate::picture::{self, Limits, Picture, PictureError};
use crate::store::{Crop, Jpeg, NewTemplate};
use crate::vision::{Examined, Purpose};

use super::Desk;
use super::reply::{Enrolled, Failure, ImageOutcome, Nearest, Reply};

/// Longest side of the picture kept of an enrolment, in pixels.
const KEPT_SIDE: u32 = 480;
const KEPT_JPEG_QUALITY: u8 = 85;

/// Looks of one person to be added.
#[derive(Serialize, Deserialize)]
pub struct Enrol {
    /// Who.
    pub person: String,
    /// Needed for a new person.
    pub name: Option<String>,
    /// On what ground the face is kept.
    pub consent: Option<String>,
    /// First moment of access, milliseconds since 1970.
    pub valid_from: Option<i64>,
    /// Last moment of access, milliseconds since 1970.
    pub valid_until: Option<i64>,
    /// Enrol although the face is known under another id.
    pub allow_duplicate: bool,
    /// JPEG or PNG files.
    pub images: Vec<NamedImage>,
}

impl std::fmt::Debug for Enrol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Enrol({}, {} pictures, <redacted>)", self.person, self.images.len())
    }
}

/// A file and its name.
#[derive(Serialize, Deserialize)]
pub struct NamedImage {
    /// For the answer.
    pub name: String,
    /// JPEG or PNG.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for NamedImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NamedImage({} bytes, <redacted>)", self.bytes.len())
    }
}

impl NamedImage {
    /// Decodes within the limits of an upload and brings it into a frame's size.
    pub(super) fn picture(&self) -> Result<Picture, Failure> {
        picture::decode(&self.bytes, Limits::default())
            .and_then(Picture::fit_frame)
            .map_err(|e| Failure::input(format!("{}: {e}", self.name)))
    }
}

struct Accepted {
    outcome: usize,
    template: NewTemplate,
    image: Option<Jpeg>,
}

impl Desk<'_> {
    pub(super) fn enrol(&mut self, enrol: Enrol) -> Result<Reply, Failure> {
        let id: PersonId =
            enrol.person.parse().map_err(|e| Failure::input(format!("person id {:?}: {e}", enrol.person)))?;
        let now = self.clock.now();
        let known = self.store.person(&id)?;
        let existing = self.store.templates(&id)?.len();
        let pictures = self.store.images(&id)?.len();
        let person = revised(known, &id, &enrol, now.utc)?;

        let mut outcomes = Vec::with_capacity(enrol.images.len());
        let mut accepted: Vec<Accepted> = Vec::new();
        for image in &enrol.images {
            let room = existing + accepted.len() < MAX_TEMPLATES;
            let outcome = if room {
                self.take(image, outcomes.len(), &mut accepted)?
            } else {
                refused(image, format!("the person has {MAX_TEMPLATES} templates already"))
            };
            outcomes.push(outcome);
        }
        let nearest = self.nearest_other(&id, &accepted);
        if let Some(near) = &nearest
            && near.distance_to_threshold < 0.0
            && !enrol.allow_duplicate
        {
            let event = self
                .event(EventKind::Duplicate)
                .of(&id)
                .with(format_args!("the same face is enrolled as {}", near.person));
            self.store.append(&[event])?;
            return Err(Failure::input(format!(
                "the same face is already enrolled as {}; add the pictures there, or pass --allow-duplicate \
                 if these really are two people",
                near.person
            )));
        }
        if accepted.is_empty() {
            let reasons = outcomes.iter().flat_map(|o| &o.reasons).next().cloned().unwrap_or_default();
            let event = self.event(EventKind::EnrollFail).of(&id).with(format_args!("{reasons}"));
            self.store.append(&[event])?;
            let rows: Vec<_> =
                outcomes.iter().map(|o| format!("{}: {}", o.file, o.reasons.join(", "))).collect();
            return Err(Failure::input(format!("no picture could be used: {}", rows.join("; "))));
        }

        let added = accepted.len();
        let event = self.event(EventKind::EnrollOk).of(&id).with(format_args!("templates added: {added}"));
        // The first pictures are kept; there is room for three.
        let room = MAX_IMAGES.saturating_sub(pictures);
        let images: Vec<Jpeg> = accepted.iter_mut().filter_map(|a| a.image.take()).take(room).collect();
        let (rows, templates): (Vec<usize>, Vec<NewTemplate>) =
            accepted.into_iter().map(|a| (a.outcome, a.template)).unzip();
        let ids = self.store.enrol(&person, &templates, &images, &[event])?;
        for (row, template) in rows.into_iter().zip(&ids) {
            outcomes[row].template = Some(template.0);
        }
        self.refresh(&id)?;
        Ok(Reply::Enrolled(Enrolled {
            person: enrol.person,
            templates: existing + ids.len(),
            images: outcomes,
            nearest_other: nearest,
        }))
    }

    /// One picture: accepted into `accepted`, or refused with the reasons.
    fn take(
        &mut self,
        image: &NamedImage,
        index: usize,
        accepted: &mut Vec<Accepted>,
    ) -> Result<ImageOutcome, Failure> {
        let picture = match image.picture() {
            Ok(picture) => picture,
            Err(failure) => return Ok(refused(image, failure.message)),
        };
        let examined = self.eyes.examine(&picture, Purpose::Enrol)?;
        let quality = examined.quality.overall();
        let Some(embedding) = examined.embedding.clone().filter(|_| examined.reasons.is_empty()) else {
            return Ok(ImageOutcome {
                file: image.name.clone(),
                template: None,
                quality: Some(quality),
                reasons: explained(&examined),
            });
        };
        let crop = examined
            .aligned
            .as_ref()
            .filter(|_| self.keep.crops)
            .map(|face| Crop { side: face.side() as u16, rgb: face.rgb().to_vec() });
        let image_kept = self.keep.images.then(|| kept(picture)).transpose();
        let template = NewTemplate {
            embedding,
            model: self.recognition.gallery().model(),
            epoch: 0,
            quality,
            source: TemplateSource::Image,
            created_at: self.clock.now().utc,
            crop,
        };
        accepted.push(Accepted {
            outcome: index,
            template,
            image: image_kept.map_err(|e| Failure::input(format!("{}: {e}", image.name)))?,
        });
        Ok(ImageOutcome {
            file: image.name.clone(),
            template: None,
            quality: Some(quality),
            reasons: Vec::new(),
        })
    }

    /// The other person who comes nearest to any of the accepted looks.
    fn nearest_other(&self, id: &PersonId, accepted: &[Accepted]) -> Option<Nearest> {
        let gallery = self.recognition.gallery();
        let threshold = self.recognition.policy().threshold(gallery.templates() + accepted.len());
        accepted
            .iter()
            .flat_map(|a| gallery.candidates(&a.template.embedding, 2, Mode::Accurate))
            .filter(|candidate| candidate.id != *id)
            .max_by(|a, b| a.score.get().total_cmp(&b.score.get()))
            .map(|candidate| Nearest {
                person: candidate.id.as_str().to_owned(),
                distance_to_threshold: threshold.get() - candidate.score.get(),
            })
    }
}

/// The person as they will be: the known one changed, or a new one.
fn revised(known: Option<Person>, id: &PersonId, enrol: &Enrol, now: Utc) -> Result<Person, Failure> {
    let name = match &enrol.name {
        Some(name) => Some(
            heapless::String::try_from(name.trim())
                .ok()
                .filter(|n| !n.is_empty() && !n.chars().any(char::is_control))
                .ok_or_else(|| {
                    Failure::input("--name needs 1 to 128 bytes of text without control characters")
                })?,
        ),
        None => None,
    };
    let mut person = match (known, name) {
        (Some(mut person), name) => {
            if let Some(name) = name {
                person.name = name;
            }
            person
        }
        (None, Some(name)) => Person::new(id.clone(), name, now),
        (None, None) => {
            return Err(Failure::input(format!(
                "{id} is new here and needs a name: add --name 'First Last'"
            )));
        }
    };
    if let Some(basis) = &enrol.consent {
        person.consent =
            Some(Consent { basis: clipped(basis), at: now, by: clipped("operator at the board") });
    }
    if enrol.valid_from.is_some() {
        person.valid_from = enrol.valid_from.map(Utc);
    }
    if enrol.valid_until.is_some() {
        person.valid_until = enrol.valid_until.map(Utc);
    }
    if let (Some(from), Some(until)) = (person.valid_from, person.valid_until)
        && from >= until
    {
        return Err(Failure::input("--valid-from must lie before --valid-until"));
    }
    if person.status == PersonStatus::Pending {
        person.status = PersonStatus::Active;
    }
    person.modified_date = now;
    Ok(person)
}

fn refused(image: &NamedImage, reason: String) -> ImageOutcome {
    ImageOutcome { file: image.name.clone(), template: None, quality: None, reasons: vec![reason] }
}

/// The reasons with the advice that a person with a camera can follow.
pub(super) fn explained(examined: &Examined) -> Vec<String> {
    if examined.reasons.is_empty() {
        return vec!["the face could not be turned into a template".into()];
    }
    let advice = |reason: QualityReason| match reason {
        QualityReason::NoFace => "no face found",
        QualityReason::TooSmall => "the face is too small: come closer or use a larger picture",
        QualityReason::Yaw => "the head is turned to the side",
        QualityReason::Pitch => "the head is tilted up or down",
        QualityReason::Blur => "the face is blurred",
        QualityReason::Dark => "the face is too dark",
        QualityReason::Bright => "the face is overexposed",
        QualityReason::Occluded => "a part of the face is covered or cut off",
        QualityReason::MultipleFaces => "more than one face",
        QualityReason::OutOfZone => "the face is outside the configured zone",
    };
    examined.reasons.iter().map(|r| format!("{} ({})", r.name(), advice(r))).collect()
}

fn kept(picture: Picture) -> Result<Jpeg, PictureError> {
    let small = picture.fit(KEPT_SIDE)?;
    picture::encode_jpeg(small.width(), small.height(), small.rgb(), KEPT_JPEG_QUALITY).map(Jpeg)
}
