//! Enrolment: pictures in, templates on disk, or the reasons why not.
//!
//! Owns: the order of checks (profile, picture, face, quality, duplicate, room) and what is kept. Does not own: how
//! a face is examined (`vision`), how it is stored (`store`).
//! Invariants: a refused picture never changes an accepted one's fate; the templates, the person and the event
//! are committed together or not at all; a face known under another id is refused unless the operator insists.

use super::OrRefuse as _;
use crate::domain::limits::{MAX_IMAGES, MAX_TEMPLATES};
use crate::domain::{
    Embedding, EventKind, ModelId, Person, PersonId, PersonStatus, QualityReason, TemplateId, TemplateSource,
    Utc, clipped,
};
use crate::link::wire::{
    Caller, Code, Enrolled, ImageOutcome, Nearest, PersonPut, Photo, Presence, Profile, Refusal, Reply,
    Scope, TemplateImport,
};
use crate::matching::Mode;
use crate::picture::{self, Picture, PictureError};
use crate::store::{Crop, Jpeg, NewTemplate};
use crate::vision::{Examined, LiveRule, Purpose};

use super::Desk;
use super::people::{nobody, parse};

/// Longest side of the picture kept of an enrolment, in pixels.
const KEPT_SIDE: u32 = 480;
const KEPT_JPEG_QUALITY: u8 = 85;

/// A look that is good enough.
pub(super) struct Accepted {
    outcome: usize,
    template: NewTemplate,
    image: Option<Jpeg>,
}

/// Looks and what is to be done with them.
pub(super) struct Looks {
    pub(super) outcomes: Vec<ImageOutcome>,
    pub(super) accepted: Vec<Accepted>,
}

impl Desk {
    /// Writes a person and enrols the pictures; `wanted`: at least one must be accepted.
    pub(super) fn enrol(&self, caller: &Caller, put: &PersonPut, wanted: bool) -> Result<Reply, Refusal> {
        let (id, person) = self.prepared(caller, put.id.as_deref(), put.presence, &put.profile)?;
        if wanted && put.images.is_empty() {
            return Err(Refusal::missing("images"));
        }
        let mut looks = Looks { outcomes: Vec::new(), accepted: Vec::new() };
        for image in &put.images {
            let outcome = if looks.accepted.len() < MAX_TEMPLATES {
                self.take(image, looks.outcomes.len(), &mut looks.accepted)?
            } else {
                refused(image, format!("a person has at most {MAX_TEMPLATES} templates"))
            };
            looks.outcomes.push(outcome);
        }
        drop(person);
        self.write_looks(caller, &id, put, looks)
    }

    /// Takes a template made by the same model elsewhere.
    pub(super) fn import(&self, caller: &Caller, import: &TemplateImport) -> Result<Reply, Refusal> {
        let model = self.house.recognition.gallery().model();
        if import.model_sha256 != model.to_string() {
            return Err(Refusal::invalid(
                "model_sha256",
                format!("this door compares templates of model {model} and no other"),
            ));
        }
        if import.quality > 100 {
            return Err(Refusal::invalid("quality", "\"quality\" must be 0 to 100"));
        }
        let embedding = Embedding::from_stored(&import.values, import.scale)
            .map_err(|e| Refusal::invalid("values", e.to_string()))?;
        let put = PersonPut {
            id: Some(import.id.clone()),
            profile: import.profile.clone(),
            allow_duplicate: import.allow_duplicate,
            ..PersonPut::default()
        };
        let (id, _) = self.prepared(caller, put.id.as_deref(), put.presence, &put.profile)?;
        let template = self.template(embedding, model, import.quality, TemplateSource::Import, None);
        let outcome = ImageOutcome {
            file: "template".into(),
            template: None,
            quality: Some(import.quality),
            reasons: Vec::new(),
        };
        let accepted = vec![Accepted { outcome: 0, template, image: None }];
        self.write_looks(caller, &id, &put, Looks { outcomes: vec![outcome], accepted })
    }

    /// Everything that can be said before a picture is looked at: id, presence, profile.
    pub(super) fn prepared(
        &self,
        caller: &Caller,
        id: Option<&str>,
        presence: Presence,
        profile: &Profile,
    ) -> Result<(PersonId, Person), Refusal> {
        let id = match id {
            Some(id) => parse(id)?,
            None => parse(&super::collections::drawn_id()?)?,
        };
        for collection in profile.collections.iter().flatten() {
            self.check_collection("collections", collection)?;
        }
        let known = self.house.store.person(&id).or_refuse()?;
        match (presence, &known) {
            (Presence::New, Some(_)) => {
                return Err(Refusal {
                    person: Some(id.to_string()),
                    ..Refusal::new(Code::Duplicate, format!("{id} is enrolled already"))
                });
            }
            (Presence::Known, None) => return Err(nobody(&id)),
            (Presence::Either | Presence::New | Presence::Known, _) => {}
        }
        let person = revised(known, &id, profile, self.house.clock.now().utc, &caller.name)?;
        Ok((id, person))
    }

    /// Decides on the looks and writes all of it, alone.
    pub(super) fn write_looks(
        &self,
        caller: &Caller,
        id: &PersonId,
        put: &PersonPut,
        looks: Looks,
    ) -> Result<Reply, Refusal> {
        let Looks { mut outcomes, mut accepted } = looks;
        let _changing = self.changing();
        // The pictures were looked at before this: other models may serve by now.
        let model = self.house.recognition.gallery().model();
        if accepted.iter().any(|a| a.template.model != model) {
            return Err(Refusal::busy("the door has just changed its models; send the pictures again"));
        }
        let epoch = self.house.store.epochs().map_or(0, |epochs| epochs.number_of(model));
        for look in &mut accepted {
            look.template.epoch = epoch;
        }
        // Again: somebody else may have changed the person while the pictures were looked at.
        let (_, mut person) = self.prepared(caller, Some(id.as_str()), put.presence, &put.profile)?;
        let store = &self.house.store;
        let before = store.templates(id).or_refuse()?;
        let held = store.profile(id).or_refuse()?.map(|(_, held)| held).unwrap_or_default();

        for late in accepted.split_off(accepted.len().min(MAX_TEMPLATES - held.templates.min(MAX_TEMPLATES)))
        {
            outcomes[late.outcome].reasons = vec![format!(
                "the person has {} templates, at most {MAX_TEMPLATES} are kept",
                held.templates
            )];
        }
        let nearest = self.nearest_other(id, &accepted);
        if let Some((other, distance)) = &nearest
            && *distance < 0.0
            && !put.allow_duplicate
        {
            let event = self
                .event(EventKind::Duplicate)
                .of(id)
                .with(format_args!("the same face is enrolled as {other}"));
            store.append(&[event]).or_refuse()?;
            return Err(if caller.may(Scope::Persons) {
                Refusal {
                    person: Some(other.to_string()),
                    ..Refusal::new(Code::Duplicate, format!("the same face is already enrolled as {other}"))
                }
            } else {
                Refusal::new(Code::Duplicate, "the same face is already enrolled under another id")
            });
        }
        if accepted.is_empty() && !outcomes.is_empty() {
            let first = outcomes.iter().flat_map(|o| &o.reasons).next().cloned().unwrap_or_default();
            let event = self.event(EventKind::EnrollFail).of(id).with(format_args!("{first}"));
            store.append(&[event]).or_refuse()?;
            let rows: Vec<_> = outcomes.iter().map(|o| named(&o.file, &o.reasons.join(", "))).collect();
            return Err(Refusal {
                reasons: outcomes.iter().flat_map(|o| o.reasons.iter().map(|r| reason_name(r))).collect(),
                ..Refusal::new(Code::FaceQuality, format!("no picture could be used: {}", rows.join("; ")))
            });
        }

        if held.templates + accepted.len() > 0 && person.status == PersonStatus::Pending {
            person.status = PersonStatus::Active;
        }
        let added = accepted.len();
        let kind = if added > 0 { EventKind::EnrollOk } else { EventKind::PersonChanged };
        let event = self.event(kind).of(id);
        let event = if added > 0 { event.with(format_args!("templates added: {added}")) } else { event };
        let mut images: Vec<Jpeg> = accepted.iter_mut().filter_map(|a| a.image.take()).collect();
        let (rows, templates): (Vec<usize>, Vec<NewTemplate>) =
            accepted.into_iter().map(|a| (a.outcome, a.template)).unzip();
        let replace = put.replace_images && added > 0;
        // The first pictures are kept; there is room for three.
        let room = if replace { MAX_IMAGES } else { MAX_IMAGES.saturating_sub(held.images) };
        images.truncate(room);
        let kept_now: &[Jpeg] = if replace { &[] } else { &images };
        let ids = store.enrol(&person, &templates, kept_now, &[event]).or_refuse()?;
        for (row, template) in rows.into_iter().zip(&ids) {
            outcomes[row].template = Some(template.0);
        }
        // New looks first, so that the person is never without one.
        self.refresh(id)?;
        let mut count = held.templates + ids.len();
        if replace {
            let old: Vec<TemplateId> = before.iter().map(|t| t.id).collect();
            store.delete_looks(id, &old, true, &[self.event(EventKind::ImageDeleted).of(id)]).or_refuse()?;
            store.enrol(&person, &[], &images, &[]).or_refuse()?;
            self.refresh(id)?;
            count = ids.len();
        }
        Ok(Reply::Enrolled(Enrolled {
            person: id.to_string(),
            templates: count,
            images: outcomes,
            nearest_other: nearest.map(|(other, distance)| Nearest {
                person: caller.may(Scope::Persons).then(|| other.to_string()),
                distance_to_threshold: caller.may(Scope::Scores).then_some(distance),
            }),
        }))
    }

    /// One picture: accepted into `accepted`, or refused with the reasons.
    fn take(
        &self,
        image: &Photo,
        index: usize,
        accepted: &mut Vec<Accepted>,
    ) -> Result<ImageOutcome, Refusal> {
        let picture = match image.picture() {
            Ok(picture) => picture,
            Err(failure) => return Ok(refused(image, failure.message)),
        };
        let examined = self.eyes.examine(&picture, Purpose::Enrol, LiveRule::Trusted)?;
        self.judge(&image.name, &examined, picture, TemplateSource::Image, index, accepted)
    }

    /// What an examined picture is worth for an enrolment.
    pub(super) fn judge(
        &self,
        name: &str,
        examined: &Examined,
        picture: Picture,
        source: TemplateSource,
        index: usize,
        accepted: &mut Vec<Accepted>,
    ) -> Result<ImageOutcome, Refusal> {
        let quality = examined.quality.overall();
        let row =
            |reasons| ImageOutcome { file: name.to_owned(), template: None, quality: Some(quality), reasons };
        let Some(embedding) = examined.embedding.clone().filter(|_| examined.reasons.is_empty()) else {
            return Ok(row(explained(examined)));
        };
        let keep = self.house.settings.keep();
        let crop = examined
            .aligned
            .as_ref()
            .filter(|_| keep.crops)
            .map(|face| Crop { side: face.side() as u16, rgb: face.rgb().to_vec() });
        let image = keep
            .images
            .then(|| kept(picture))
            .transpose()
            .map_err(|e| Refusal::new(Code::Internal, named(name, &e.to_string())))?;
        let template = self.template(embedding, examined.model, quality, source, crop);
        accepted.push(Accepted { outcome: index, template, image });
        Ok(row(Vec::new()))
    }

    fn template(
        &self,
        embedding: Embedding,
        model: ModelId,
        quality: u8,
        source: TemplateSource,
        crop: Option<Crop>,
    ) -> NewTemplate {
        let created_at = self.house.clock.now().utc;
        NewTemplate { embedding, model, epoch: 0, quality, source, created_at, crop }
    }

    /// The other person who comes nearest to any of the accepted looks, and how far below the threshold they stay.
    fn nearest_other(&self, id: &PersonId, accepted: &[Accepted]) -> Option<(PersonId, f32)> {
        self.nearest_to(id, accepted.iter().map(|a| &a.template.embedding))
    }

    /// The nearest person but `id` to any of the faces, and how far below the threshold: negative when above.
    pub(super) fn nearest_to<'a>(
        &self,
        id: &PersonId,
        faces: impl ExactSizeIterator<Item = &'a Embedding>,
    ) -> Option<(PersonId, f32)> {
        let gallery = self.house.recognition.gallery();
        let threshold = self.house.recognition.policy().threshold(gallery.templates() + faces.len());
        faces
            .flat_map(|face| gallery.candidates_where(face, 1, Mode::Accurate, |e| e.id() != id))
            .max_by(|a, b| a.score.get().total_cmp(&b.score.get()))
            .map(|candidate| (candidate.id, threshold.get() - candidate.score.get()))
    }
}

/// The person as they will be: the known one changed, or a new one.
fn revised(
    known: Option<Person>,
    id: &PersonId,
    profile: &Profile,
    now: Utc,
    by: &str,
) -> Result<Person, Refusal> {
    let mut person = if let Some(person) = known {
        person
    } else {
        let name = profile.name.as_deref().ok_or_else(|| Refusal {
            message: format!("{id} is new here and needs a name"),
            ..Refusal::missing("name")
        })?;
        let mut person = Person::new(id.clone(), clipped(name), now);
        person.status = PersonStatus::Pending;
        person
    };
    let by = if by == "board" { "operator at the board" } else { by };
    profile.apply(&mut person, now, by)?;
    person.modified_date = now;
    Ok(person)
}

fn refused(image: &Photo, reason: String) -> ImageOutcome {
    ImageOutcome { file: image.name.clone(), template: None, quality: None, reasons: vec![reason] }
}

fn named(name: &str, text: &str) -> String {
    if name.is_empty() { text.to_owned() } else { format!("{name}: {text}") }
}

/// `yaw` of `yaw (the head is turned to the side)`.
fn reason_name(explained: &str) -> String {
    explained.split(' ').next().unwrap_or_default().to_owned()
}

/// Why a face was not good enough, as a refusal.
pub(super) fn quality_refusal(name: &str, examined: &Examined) -> Refusal {
    Refusal {
        reasons: examined.reasons.iter().map(|r| r.name().to_owned()).collect(),
        ..Refusal::new(Code::FaceQuality, named(name, &explained(examined).join(", ")))
    }
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
