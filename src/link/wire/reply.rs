//! Everything a door answers.
//!
//! Owns: the replies as plain data. Does not own: their wording, their shape in an API (`link/http`).
//! Invariants: no score without the scope `scores`; names and secrets are redacted in `Debug`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::account::{AccountView, Invited};
use super::audit::AuditPage;
use super::status::{DoorStatus, Status};
use super::{moment::Moment, photo::Photo};

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// Nothing more to say.
    Done,
    /// A person written, with what became of each picture.
    Enrolled(Enrolled),
    /// One person.
    Person(Box<PersonView>),
    /// People.
    Persons(PersonPage),
    /// What was erased.
    Erased(Erased),
    /// A collection.
    Collection(CollectionView),
    /// Collections.
    Collections(Vec<CollectionView>),
    /// People who resemble the probe, best first.
    Found(Found),
    /// Who it is.
    Identified(Identified),
    /// Whether they are the same.
    Compared(Compared),
    /// Whether it lives.
    Live(Live),
    /// The Face API's 1:N.
    OneToN(OneToNAnswer),
    /// A face session.
    Session(SessionView),
    /// An enrolment at the camera.
    Camera(CameraProgress),
    /// Events.
    Events(EventPage),
    /// Who looked at what.
    Audit(AuditPage),
    /// The chain holds over so many events.
    Chain {
        /// Events checked.
        events: u64,
        /// The device's Ed25519 key by which its blocks are signed, 64 hex digits.
        key: String,
    },
    /// What this door is made of.
    Status(Box<Status>),
    /// How the door stands.
    Door(DoorStatus),
    /// A key with its secret, this once.
    TokenIssued(TokenIssued),
    /// Keys.
    Tokens(Vec<TokenView>),
    /// People who sign in at the console.
    Accounts(Vec<AccountView>),
    /// A code for a first sign-in, this once.
    Invited(Invited),
    /// A picture kept of a person.
    Picture(Photo),
    /// What the door's camera sees.
    Sight(Sight),
    /// A JSON document as text.
    Document(Document),
}

/// What the door's camera saw last, and what the visitor is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sight {
    /// JPEG; scaled down, never kept.
    pub picture: Photo,
    /// Where the face is, what was found and what the display says, as JSON.
    pub seen: Document,
}

/// A JSON document as text; may hold anything that is kept on a person.
#[derive(Clone, Serialize, Deserialize)]
pub struct Document(
    /// JSON.
    pub String,
);

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes, <redacted>)", self.0.len())
    }
}

/// What became of an enrolment.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
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
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ImageOutcome {
    /// The file's name as given.
    pub file: String,
    /// The template made of it.
    pub template: Option<u64>,
    /// Overall quality, 0 to 100.
    pub quality: Option<u8>,
    /// Why it was refused, in words; empty when accepted.
    pub reasons: Vec<String>,
}

/// Another person who looks alike.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Nearest {
    /// Who; `None` where the caller may not see people.
    pub person: Option<String>,
    /// Threshold less cosine: below 0 is a duplicate. `None` without the scope `scores`.
    pub distance_to_threshold: Option<f32>,
}

/// Who it is, by the door's own rule.
#[derive(Clone, Serialize, Deserialize)]
pub struct Identified {
    /// Who, or nobody.
    pub person: Option<String>,
    /// The person's name.
    pub name: Option<String>,
    /// Above the threshold but too near to a second person.
    pub ambiguous: bool,
    /// Score shown to people, 0 to 1: 0.50, 0.70, 0.85, 0.95 stand for FMR 1e-3, 1e-4, 1e-5, 1e-6.
    pub score: Option<f32>,
    /// Cosine with the nearest template.
    pub cosine: Option<f32>,
    /// The threshold in force for this gallery, as cosine.
    pub threshold: Option<f32>,
    /// Overall quality of the picture, 0 to 100.
    pub quality: u8,
}

impl fmt::Debug for Identified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identified({})", self.person.as_deref().unwrap_or("nobody"))
    }
}

/// Whether two pictures show the same person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Compared {
    /// They do, at the score or level asked for.
    pub same: bool,
    /// Match level 0 to 5: false match rates 1e-2 to 1e-6 (SPEC 1).
    pub match_level: u8,
    /// Score shown to people, 0 to 1.
    pub score: Option<f32>,
    /// Cosine of the two.
    pub cosine: Option<f32>,
    /// Each picture's face.
    pub faces: [FaceReport; 2],
}

/// The face of one picture.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FaceReport {
    /// Where, in pixels of the picture turned upright and scaled into a frame.
    pub bbox: FaceBox,
    /// Whether it looks alive; `None` when that was not asked.
    pub live: Option<bool>,
    /// Probability of that, 0 to 1; `None` without the scope `scores`.
    pub live_score: Option<f32>,
    /// Overall quality, 0 to 100.
    pub quality: u8,
}

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct FaceBox {
    /// Left.
    pub x: f32,
    /// Top.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

/// Whether a picture shows a living person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Live {
    /// It does.
    pub passed: bool,
    /// The score asked for.
    pub min_score: f32,
    /// The score reached; `None` without the scope `scores`.
    pub score: Option<f32>,
}

/// People who resemble the probe.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Found {
    /// Best first.
    pub candidates: Vec<Candidate>,
    /// Liveness of the probe where it was asked for and the caller may see scores.
    pub live_score: Option<f32>,
}

/// One of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// Who, in full.
    pub person: PersonView,
    /// Score shown to people, 0 to 1; `None` without the scope `scores`.
    pub score: Option<f32>,
    /// Small pictures, where asked for.
    pub thumbnails: Vec<Thumbnail>,
}

/// A small picture.
#[derive(Clone, Serialize, Deserialize)]
pub struct Thumbnail {
    /// Its id.
    pub id: String,
    /// JPEG in base64.
    pub thumbnail: String,
}

impl fmt::Debug for Thumbnail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbnail({}, <redacted>)", self.id)
    }
}

/// The Face API's 1:N.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OneToNAnswer {
    /// Of the match, or of what was taken in.
    pub id: Option<String>,
    /// Whether the face was known.
    pub matched: bool,
}

/// A face session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// As given, or drawn.
    pub nonce: String,
    /// Whether it has ended.
    pub finished: bool,
    /// Attempts left.
    pub attempts_left: u8,
    /// Whether the visitor is the person of the photo; known when finished.
    pub matched: bool,
    /// Match level reached, 0 to 5.
    pub match_level: u8,
    /// After this nothing of it is left.
    pub expires: Moment,
}

/// An enrolment at the camera.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CameraProgress {
    /// Who.
    pub person: String,
    /// How far it is.
    pub stage: CameraStage,
    /// Looks taken.
    pub taken: u8,
    /// Looks wanted.
    pub wanted: u8,
    /// What the person should do now, by the names of the quality reasons.
    pub reasons: Vec<String>,
    /// What came of it, when it has ended.
    pub enrolled: Option<Enrolled>,
    /// Why it failed, when it has.
    pub refusal: Option<super::refusal::Refusal>,
}

/// How far an enrolment at the camera is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CameraStage {
    /// Nobody good enough was seen yet, or more looks are wanted.
    Looking,
    /// Being written.
    Writing,
    /// The person is enrolled.
    Done,
    /// It failed, ran out of time or was cancelled.
    Failed,
}

/// A page of people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PersonPage {
    /// People on this page.
    pub persons: Vec<PersonView>,
    /// People in all.
    pub total: usize,
}

/// One person, without the face.
#[derive(Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PersonView {
    /// Who.
    pub id: String,
    /// As shown on the display.
    pub name: String,
    /// Free text.
    pub notes: String,
    /// As given.
    pub gender: String,
    /// As given.
    pub nationality: String,
    /// As given.
    pub date_of_birth: String,
    /// `active`, `inactive` or `pending`.
    pub status: String,
    /// Access groups.
    pub groups: Vec<String>,
    /// Collections.
    pub collections: Vec<String>,
    /// First moment of access.
    pub valid_from: Option<Moment>,
    /// Last moment of access.
    pub valid_until: Option<Moment>,
    /// Ground on which the face is kept.
    pub consent: Option<String>,
    /// First written.
    pub create_date: Moment,
    /// Last written.
    pub modified_date: Moment,
    /// Templates kept.
    pub templates: usize,
    /// Images kept.
    pub images: usize,
    /// Crops kept.
    pub crops: usize,
    /// All templates are of another embedder than the one that serves: the door does not know this person until they
    /// are enrolled again.
    pub needs_reenrolment: bool,
    /// Each template: number, quality, source, date. Empty in lists.
    pub looks: Vec<String>,
}

impl fmt::Debug for PersonView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonView({}, <redacted>)", self.id)
    }
}

/// What was erased.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
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

/// A collection.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CollectionView {
    /// Which.
    pub id: String,
    /// Its name.
    pub name: String,
    /// About it.
    pub description: String,
    /// People in it who can be found.
    pub persons: usize,
    /// First written.
    pub create_date: Moment,
    /// Last written.
    pub modified_date: Moment,
}

/// A page of events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventPage {
    /// Canonical JSON texts, oldest first.
    pub events: Vec<String>,
    /// Where to go on.
    pub next: u64,
    /// The newest event's number.
    pub newest: u64,
}

/// A key with its secret.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenIssued {
    /// The key without the secret.
    pub view: TokenView,
    /// What the client presents; it is not kept and cannot be shown again.
    pub secret: String,
}

impl fmt::Debug for TokenIssued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenIssued({}, <redacted>)", self.view.id)
    }
}

/// A key.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenView {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Names of scopes.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created: Moment,
    /// After this it is no good.
    pub expires: Option<Moment>,
    /// Whether it is past that.
    pub expired: bool,
}
