//! Everything that can be asked of a door.
//!
//! Owns: the commands and their parameters as plain data, and which scope each needs. Does not own: handling, forms
//! of transports. Invariant: `scope` names a right for every command but those that anybody with a key may give.

use serde::{Deserialize, Serialize};

use super::account::AccountsCommand;
use super::audit::AuditQuery;
use super::gallery::{DigestQuery, SyncQuery};
use super::moment::Moment;
use super::people::{PersonPut, PersonQuery, Profile};
use super::photo::Photo;
use super::rules::RulesCommand;
use super::scope::{Scope, Secret};

/// One operation with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Write a person; enrol the pictures that come with it. -> `Enrolled`
    PutPerson(PersonPut),
    /// Enrol: as `PutPerson`, and at least one picture must be accepted. -> `Enrolled`
    Enrol(PersonPut),
    /// Enrol at the door's own camera. -> `Camera`
    EnrolCamera(CameraEnrolment),
    /// How that fares. -> `Camera`
    CameraProgress,
    /// End it. -> `Camera`
    EnrolCancel,
    /// Add a template made by the same model elsewhere. -> `Enrolled`
    EnrolTemplate(TemplateImport),
    /// One person. -> `Person`
    GetPerson(String),
    /// People in the order of their ids. -> `Persons`
    ListPersons(PersonQuery),
    /// Erase a person and prove it. -> `Erased`
    DeletePerson(String),
    /// Erase a person who withdrew consent, and prove it. -> `Erased`
    WithdrawConsent(String),
    /// Erase a person's pictures; templates stay. -> `Erased`
    DeleteImages(String),
    /// One of the pictures kept of a person, from 0. -> `Picture`
    GetImage(String, u8),
    /// The names of these people, as far as they are here. -> `Document`
    Names(Vec<String>),
    /// What the door's camera sees now. -> `Sight`
    Watch,
    /// The same while somebody is being enrolled at the camera. -> `Sight`
    WatchEnrolment,
    /// All that is held on a person. -> `Document`
    ExportPerson(String),
    /// Write a collection. -> `Collection`
    PutCollection(CollectionPut),
    /// One collection. -> `Collection`
    GetCollection(String),
    /// Every collection. -> `Collections`
    ListCollections,
    /// Remove a collection; people leave it. -> `Done`
    DeleteCollection(String),
    /// Digests of the gallery and of people. -> `Document`
    GalleryDigest(DigestQuery),
    /// What differs from what a manager holds. -> `Document`
    GallerySync(SyncQuery),
    /// Who resembles this face (1:N), best first. -> `Found`
    Search(FaceQuery),
    /// Who is this, by the door's own open-set rule. -> `Identified`
    Identify(Photo),
    /// Are these the same (1:1)? -> `Compared`
    Compare(Compare),
    /// Does this picture show a living person? -> `Live`
    Live(LiveQuery),
    /// Is the face known; take it in if not. -> `OneToN`
    OneToN(OneToN),
    /// Begin a face session to be finished at the camera. -> `Session`
    StartSession(SessionStart),
    /// How it stands. -> `Session`
    GetSession(String),
    /// Events, oldest or newest first. -> `Events`
    ListEvents(EventQuery),
    /// Check the chain of the whole journal. -> `Chain`
    VerifyEvents,
    /// Who looked at what, newest first. -> `Audit`
    ListAudit(AuditQuery),
    /// What this door is made of and how it fares. -> `Status`
    Status,
    /// Move the door, or ask how it stands. -> `Door`
    Door(DoorOrder),
    /// Rules, exceptions, PINs, keys, attendance. -> `Document` or `Done`
    Rules(RulesCommand),
    /// Let another set of models serve: templates are made again from kept faces first. -> `Status`
    UseModels(String),
    /// Put a part of a model's file onto the board; the last part installs it. -> `Document`
    StageModel(ModelPart),
    /// Every setting in force. -> `Document`
    GetConfig,
    /// Change settings: a JSON merge patch. -> `Document`
    PutConfig(String),
    /// The settings that the console changes. -> `Document`
    GetEditable,
    /// Remove what has grown too old, and prove it. -> `Document`
    Expire,
    /// People who sign in at the console. -> `Accounts`, `Invited` or `Done`
    Accounts(AccountsCommand),
    /// Make a key. -> `TokenIssued`
    CreateToken(TokenNew),
    /// Every key, without its secret. -> `Tokens`
    ListTokens,
    /// End a key. -> `Done`
    RevokeToken(String),
    /// Turn the one-time setup code into the first key. -> `TokenIssued`
    Setup {
        /// As shown on the display.
        code: Secret,
        /// What the key is called.
        name: String,
    },
}

impl Command {
    /// The scope a caller needs; `None`: any key will do.
    #[must_use]
    pub const fn scope(&self) -> Option<Scope> {
        match self {
            Self::PutPerson(_)
            | Self::GetPerson(_)
            | Self::GetImage(..)
            | Self::ListPersons(_)
            | Self::DeletePerson(_)
            | Self::WithdrawConsent(_)
            | Self::PutCollection(_)
            | Self::GetCollection(_)
            | Self::ListCollections
            | Self::GalleryDigest(_)
            | Self::GallerySync(_)
            | Self::DeleteCollection(_) => Some(Scope::Persons),
            Self::Enrol(_)
            | Self::EnrolCamera(_)
            | Self::CameraProgress
            | Self::EnrolCancel
            | Self::WatchEnrolment
            | Self::EnrolTemplate(_) => Some(Scope::Enroll),
            Self::Search(_)
            | Self::Identify(_)
            | Self::Compare(_)
            | Self::Live(_)
            | Self::StartSession(_)
            | Self::GetSession(_) => Some(Scope::Search),
            Self::OneToN(_) | Self::DeleteImages(_) => Some(Scope::OneToN),
            Self::ListEvents(_) | Self::VerifyEvents | Self::Names(_) => Some(Scope::Events),
            Self::ListAudit(_) => Some(Scope::Audit),
            Self::Rules(command) => Some(command.scope()),
            Self::Door(DoorOrder::State) | Self::Status | Self::Setup { .. } => None,
            Self::Watch
            | Self::Door(
                DoorOrder::Open
                | DoorOrder::Unlock { .. }
                | DoorOrder::Lock
                | DoorOrder::Lockdown { .. }
                | DoorOrder::Release,
            ) => Some(Scope::Door),
            Self::ExportPerson(_)
            | Self::UseModels(_)
            | Self::StageModel(_)
            | Self::GetConfig
            | Self::GetEditable
            | Self::PutConfig(_)
            | Self::Expire
            | Self::Accounts(_)
            | Self::CreateToken(_)
            | Self::ListTokens
            | Self::RevokeToken(_) => Some(Scope::Admin),
        }
    }
}

/// What an operator may order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoorOrder {
    /// Say how it stands.
    State,
    /// Let somebody in.
    Open,
    /// Hold it unlocked; 1 to 86,400 s, 0 until released.
    Unlock {
        /// For so long.
        seconds: u32,
    },
    /// End every hold.
    Lock,
    /// Lock against everyone; 1 to 86,400 s, 0 until released.
    Lockdown {
        /// For so long.
        seconds: u32,
    },
    /// End a lockdown or a hold.
    Release,
}

/// Over which templates a search goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SearchMode {
    /// One template a person.
    #[default]
    Fast,
    /// All templates.
    Accurate,
}

/// A 1:N search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaceQuery {
    /// Looks of the one person sought; the best score counts.
    pub images: Vec<Photo>,
    /// Least score shown, 0 to 1; without one the door's own threshold.
    pub min_score: Option<f32>,
    /// FAST or ACCURATE.
    pub mode: SearchMode,
    /// Only in that collection.
    pub collection: Option<String>,
    /// People in the answer, 1 to 50.
    pub limit: u8,
    /// Least liveness, 0 to 1; a picture below is refused and nothing is searched.
    pub min_live: Option<f32>,
    /// Whether small pictures come with the people.
    pub thumbnails: bool,
}

impl Default for FaceQuery {
    fn default() -> Self {
        Self {
            images: Vec::new(),
            min_score: None,
            mode: SearchMode::Fast,
            collection: None,
            limit: 10,
            min_live: None,
            thumbnails: false,
        }
    }
}

/// A 1:1 comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compare {
    /// One picture.
    pub a: Photo,
    /// The other.
    pub b: Photo,
    /// Further looks of the other, up to 4; the nearest counts.
    pub also: Vec<Photo>,
    /// Least score for the same person, 0 to 1; without one `level` decides.
    pub min_score: Option<f32>,
    /// Least match level, 1 to 5; 3 without it.
    pub level: Option<u8>,
    /// Least liveness of the first picture, 0 to 1; below it the answer is no.
    pub min_live: Option<f32>,
    /// Whether liveness is measured for the answer.
    pub measure_live: bool,
}

/// A question for liveness.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LiveQuery {
    /// The picture.
    pub image: Photo,
    /// Least score, 0 to 1; without one the door's own.
    pub min_score: Option<f32>,
}

/// The Face API's 1:N.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneToN {
    /// The picture.
    pub photo: Photo,
    /// Whether it is looked for at all; otherwise it is only taken in.
    pub search: bool,
    /// Whether an unknown face is taken in.
    pub insert: bool,
}

/// A face session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionStart {
    /// Whom the visitor must resemble.
    pub photo: Photo,
    /// Comes back in the result; drawn when absent. Up to 128 bytes.
    pub nonce: Option<String>,
    /// Least match level, 1 to 5.
    pub level: u8,
    /// Attempts, 1 to 3.
    pub attempts: u8,
}

/// Which events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventQuery {
    /// From this number on.
    pub from: u64,
    /// Newest first instead, and only events with lower numbers; `next` of the answer then is where to go on.
    pub before: Option<u64>,
    /// At most so many, 1 to 10,000.
    pub limit: u16,
    /// Only of that kind.
    pub kind: Option<String>,
    /// Only about that person.
    pub person: Option<String>,
}

impl Default for EventQuery {
    fn default() -> Self {
        Self { from: 1, before: None, limit: 100, kind: None, person: None }
    }
}

/// A collection to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CollectionPut {
    /// Which; without one an id is drawn.
    pub id: Option<String>,
    /// Whether it may or must be there already.
    pub presence: super::people::Presence,
    /// 1 to 64 bytes; needed for a new one.
    pub name: Option<String>,
    /// Up to 512 bytes.
    pub description: Option<String>,
}

/// An enrolment at the door's own camera.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraEnrolment {
    /// Who; without one an id is drawn.
    pub id: Option<String>,
    /// What is said about them.
    pub profile: Profile,
    /// Looks wanted, 1 to 5; 0 means 3.
    pub looks: u8,
    /// Seconds the person has, 5 to 120; 0 means 60.
    pub within_s: u16,
    /// Enrol although the face is known under another id.
    pub allow_duplicate: bool,
}

/// A part of a model's file on its way to the board.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPart {
    /// Its name in the catalogue.
    pub model: String,
    /// Where this part begins in the file, bytes.
    pub offset: u64,
    /// The part in base64, at most 1 MiB.
    pub data: String,
    /// It is the last one; needed where the catalogue does not know the file's size.
    #[serde(default)]
    pub last: bool,
}

/// A template made elsewhere by the same model.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateImport {
    /// Who.
    pub id: String,
    /// What is said about them.
    #[serde(default)]
    pub profile: Profile,
    /// Must be this door's embedder: 64 hex digits.
    pub model_sha256: String,
    /// `values[i] * scale` is component i.
    pub values: Vec<i8>,
    /// Above 0.
    pub scale: f32,
    /// Overall quality, 0 to 100.
    pub quality: u8,
    /// Enrol although the face is known under another id.
    #[serde(default)]
    pub allow_duplicate: bool,
}

impl std::fmt::Debug for TemplateImport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TemplateImport({}, {} values, <redacted>)", self.id, self.values.len())
    }
}

/// A key to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenNew {
    /// What it is for: 1 to 64 bytes.
    pub name: String,
    /// Names of scopes.
    pub scopes: Vec<String>,
    /// After this it is no good.
    pub expires: Option<Moment>,
}
