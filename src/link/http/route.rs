//! What a route is: one row says who may call it, what it reads, what it asks, what it answers and how that is
//! documented.
//!
//! Owns: the row's type and the whole table. Does not own: the order of checks (`serve`), the forms (`arsa`, ...).
//! Invariant: router and OpenAPI document are both made from this table, so neither can name what the other lacks.

use serde_json::Value;

use crate::wire::{Command, Operations, Refusal, Reply, Scope};

use super::answer::Answer;
use super::call::Call;
use super::{arsa, console, faceapi, manage, open, own, people, rules, verifik};

/// One method on one path.
pub(super) struct Route {
    pub(super) method: Method,
    /// As in OpenAPI: `/v1/things/{id}`.
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) style: Style,
    pub(super) media: Media,
    pub(super) action: Action,
    pub(super) doc: Doc,
}

/// The methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Put,
    Delete,
}

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody: nothing about people, nothing that changes.
    Open,
    /// Whoever presents a code or a password in the body.
    SetupCode,
    /// Whoever has a key; with that scope, if one is named.
    Key(Header, Option<Scope>),
}

/// Where the key is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// `x-key-secret`.
    KeySecret,
    /// `Authorization: Bearer`.
    Bearer,
}

/// Whose form errors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `{status, code, message}`.
    Arsa,
    /// `{message, code}`; what is wrong in the body is 409.
    Verifik,
    /// As before, and bad input is 400 `{"error":"Invalid request"}`.
    VerifikSearch,
    /// `{code, message}`; what is wrong with the face is 400.
    FaceApi,
    /// `{code, message}`; what is wrong with the face is 422.
    Own,
}

/// What a route reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// No body; one that is sent is passed over.
    None,
    /// One JSON object of at most so many bytes.
    Json(usize),
    /// `multipart/form-data` of at most so many bytes.
    Form(usize),
}

impl Media {
    pub(super) const fn limit(self) -> usize {
        match self {
            Self::None => 0,
            Self::Json(limit) | Self::Form(limit) => limit,
        }
    }
}

/// A JSON body without pictures.
pub(super) const SMALL: Media = Media::Json(64 << 10);
/// A JSON body with one picture of 5 MB in base64. What is over is too large by its picture or by itself.
pub(super) const ONE_PHOTO: Media = Media::Json(photos(1));
/// With two.
pub(super) const TWO_PHOTOS: Media = Media::Json(photos(2));
/// With three, as a person may have.
pub(super) const THREE_PHOTOS: Media = Media::Json(photos(3));
/// A form with one picture.
pub(super) const ONE_PART: Media = Media::Form(5_000_000 + (64 << 10));
/// With two.
pub(super) const TWO_PARTS: Media = Media::Form(10_000_000 + (64 << 10));

const fn photos(count: usize) -> usize {
    // Three bytes are four characters.
    count * (5_000_000 / 3 + 1) * 4 + (64 << 10)
}

/// What is done.
#[derive(Clone, Copy)]
pub(super) enum Action {
    /// A command is asked and its reply put into form.
    Ask {
        parse: fn(&Call) -> Result<Command, Refusal>,
        render: fn(&Call, Reply, &dyn Operations) -> Result<Answer, Refusal>,
    },
    /// A command is asked and its reply is a picture.
    Picture(fn(&Call) -> Result<Command, Refusal>),
    /// The server answers by itself.
    Serve(fn(&Call, &dyn Operations) -> Result<Answer, Refusal>),
    /// The server answers on the spot, whatever else waits for a turn and however many are connected.
    AtOnce(fn() -> Result<Answer, Refusal>),
    /// Figures of server and door.
    Metrics,
    /// Events as they come.
    EventStream,
    /// Every event kept, as a table or as lines of JSON.
    EventFile {
        /// A table.
        csv: bool,
    },
}

/// What OpenAPI says of it.
pub(super) struct Doc {
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    /// The body's schema.
    pub(super) body: Option<Schema>,
    /// Headers and query parameters.
    pub(super) params: &'static [Param],
    /// The answer when all is well: status and schema; `None` without a body.
    pub(super) ok: (u16, Option<Schema>),
    /// Refusals beside those that every route with a key and a body of this media has.
    pub(super) also: &'static [u16],
    /// Whether an `Idempotency-Key` is honoured.
    pub(super) creates: bool,
}

/// Place, name, whether it is required, schema.
pub(super) type Param = (&'static str, &'static str, bool, Schema);

/// Makes a schema.
pub(super) type Schema = fn() -> Value;

/// Every route of the door's API.
pub(super) fn all() -> impl Iterator<Item = &'static Route> {
    [
        arsa::ROUTES,
        verifik::ROUTES,
        people::ROUTES,
        faceapi::ROUTES,
        own::ROUTES,
        manage::ROUTES,
        rules::ROUTES,
        open::ROUTES,
    ]
    .into_iter()
    .flatten()
}

/// Those, and the console's own.
pub(super) fn served() -> impl Iterator<Item = &'static Route> {
    all().chain(console::ROUTES)
}
