//! What can be asked of a door and what it answers, the same for HTTP, MQTT, the command line and its socket.
//!
//! Owns: commands, replies, refusals, scopes, and the one trait through which a transport reaches the door. Does not
//! own: any transport's form (paths, topics, status codes), any handling.
//! Invariants: every command is plain data with a postcard form (the board's own socket) and a JSON form (MQTT; HTTP
//! fills it by its own rules); unknown fields are refused; pictures and secrets are redacted in `Debug`.

mod account;
mod audit;
mod command;
mod gallery;
mod moment;
mod people;
mod photo;
mod refusal;
mod reply;
mod rules;
mod say;
mod scope;
mod status;
mod verbs;

pub use account::{
    AccountNew, AccountView, AccountsCommand, Beginning, Finish, Invited, Login, Role, Session, SignIn,
};
pub use audit::{AuditLine, AuditPage, AuditQuery};
pub use command::{
    CameraEnrolment, CollectionPut, Command, Compare, DoorOrder, EventQuery, FaceQuery, LiveQuery, ModelPart,
    OneToN, SearchMode, SessionStart, TemplateImport, TokenNew,
};
pub use gallery::{DigestQuery, SyncQuery};
pub use moment::Moment;
pub use people::{PersonPut, PersonQuery, Presence, Profile, person_status};
pub use photo::{MAX_PHOTO_BYTES, Photo, PhotoError};
pub use refusal::{Code, Refusal};
pub use reply::{
    CameraProgress, CameraStage, Candidate, CollectionView, Compared, Document, Enrolled, Erased, EventPage,
    FaceBox, FaceReport, Found, Identified, ImageOutcome, Live, Nearest, OneToNAnswer, PersonPage,
    PersonView, Reply, SessionView, Sight, Thumbnail, TokenIssued, TokenView,
};
pub use rules::{AccessPut, CorrectionPut, ExplainQuery, RulesCommand, RulesPart, SheetQuery};
pub use scope::{Caller, Scope, Scopes, Secret};
pub use status::{DoorStatus, ModelChange, Status};
pub use verbs::{VERBS, command as command_of_verb};

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}

/// The door as a transport sees it. Calls may block for seconds: a picture is looked at between two frames.
pub trait Operations: Send + Sync {
    /// Does what is asked, if the caller may.
    ///
    /// # Errors
    /// See [`Refusal`].
    fn handle(&self, caller: &Caller, command: Command) -> Result<Reply, Refusal>;

    /// Who presents this secret (an API key, a bearer token); `None` when nobody, or no more.
    fn caller(&self, secret: &str) -> Option<Caller>;

    /// How people sign in, where they can.
    fn sign_in(&self) -> Option<&dyn SignIn> {
        None
    }

    /// Signs bytes with the device's Ed25519 key.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Refusal>;

    /// The device's public Ed25519 key.
    ///
    /// # Errors
    /// As [`Operations::sign`].
    fn public_key(&self) -> Result<[u8; 32], Refusal>;

    /// Milliseconds since 1970 by the door's clock.
    fn now_ms(&self) -> i64;

    /// Monotonic milliseconds, for limits and deadlines.
    fn mono_ms(&self) -> u64;
}
