//! One handler for each operation, whoever asks: the command line, the running door's socket, HTTP, MQTT.
//!
//! Owns: what each command does and who may give it. Does not own: the words (`link::wire`), transports, storage,
//! recognition.
//! Invariants: every command is checked for its scope here, whatever the transport checked before; enrolment and
//! identification go through `vision::Vision::examine`, the same code and thresholds as the walk-up; whatever
//! changes people changes the gallery in memory before it answers; changes of people happen one after the other.

mod accounts;
mod audit;
mod board;
mod camera;
mod collections;
mod enroll;
mod gallery;
mod look;
mod models;
mod people;
mod rules;
mod settings;
mod status;
mod tokens;
mod watch;

pub use models::Pace;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::access::Input;
use crate::domain::{DoorId, Event, EventKind, Mono, PersonId};
use crate::link::wire::{Caller, Code, Command, DoorOrder, DoorStatus, Operations, Refusal, Reply, SignIn};
use crate::picture::Picture;
use crate::ports::Clock;
use crate::store::{Store, StoreError};
use crate::vision::{Examined, LiveRule, Purpose, Vision};

use super::accounts::Accounts;
use super::audit::{self as looks, Audit};
use super::booth::Booth;
use super::config::Settings;
use super::epochs::Sets;
use super::identity::Identity;
use super::recognition::{ExamineError, Recognition, RecognitionError};
use super::tokens::Tokens;
use super::window::Window;
use super::wiring::WiringError;

/// The gallery's file in the data folder.
pub const GALLERY: &str = "gallery.redb";

/// Whoever can examine a picture: the process's own vision, or the running door's between two frames.
pub trait Eyes: Send + Sync {
    /// As [`Vision::examine_live`].
    ///
    /// # Errors
    /// As there, and when the door has too much to look at.
    fn examine(
        &self,
        picture: &Picture,
        purpose: Purpose,
        rule: LiveRule,
    ) -> Result<Box<Examined>, ExamineError>;

    /// Looks through other models from now on. `serve` is run at that moment, between two looks.
    ///
    /// # Errors
    /// When nobody looks any more: `serve` was not run then.
    fn exchange(&self, vision: Box<Vision>, serve: Serve) -> Result<(), ExamineError>;
}

/// What brings a gallery into service.
pub type Serve = Box<dyn FnOnce() + Send>;

/// The running door, as far as commands may touch it.
pub trait DoorHandle: Send + Sync {
    /// Carries out an order, says how the door stands then.
    ///
    /// # Errors
    /// When the door's loop does not take it: the queue is full.
    fn order(&self, order: DoorOrder, by: &str) -> Result<DoorStatus, Refusal>;

    /// Tells the gate something: a key, the doors of an interlock, forgotten passages.
    ///
    /// # Errors
    /// When the door's loop does not take it: the queue is full.
    fn tell(&self, input: Input) -> Result<(), Refusal>;
}

/// What the handlers share with the rest of the process.
pub struct House {
    /// The gallery and the journal on disk.
    pub store: Arc<Store>,
    /// The gallery in memory and its thresholds.
    pub recognition: Arc<Recognition>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The folder of gallery, journal and key.
    pub data: PathBuf,
    /// Which door events are about.
    pub door_id: DoorId,
    /// Every setting in force, and those that may be changed.
    pub settings: Arc<Settings>,
    /// The camera's work for commands; the running door has one.
    pub booth: Option<Arc<Booth>>,
    /// What the console sees of camera and display; the running door has one.
    pub window: Option<Arc<Window>>,
    /// The models that may serve; without them they cannot be changed.
    pub sets: Option<Arc<Sets>>,
}

/// Everything a handler works with; shared by all transports.
pub struct Desk {
    house: House,
    eyes: Box<dyn Eyes>,
    door: Option<Box<dyn DoorHandle>>,
    tokens: Tokens,
    accounts: Accounts,
    identity: Identity,
    /// Who looked at what.
    audit: Audit,
    /// Who watches the camera, and when that was told.
    told: Mutex<Vec<(String, Mono)>>,
    /// Held while a password is hashed.
    signing: Mutex<()>,
    /// Held by whatever reads a person, decides and writes.
    changes: Mutex<()>,
    /// Why a change of models does not go on.
    stuck: Mutex<Option<String>>,
}

/// What is kept of an enrolment beside the template.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// The aligned crop, for a change of model.
    pub crops: bool,
    /// A small picture, for people to look at.
    pub images: bool,
}

impl Desk {
    /// The handlers, with the eyes they examine pictures with and the door, where one runs.
    ///
    /// # Errors
    /// When the tokens or the device's key cannot be read.
    pub fn new(
        house: House,
        eyes: Box<dyn Eyes>,
        door: Option<Box<dyn DoorHandle>>,
    ) -> Result<Self, StoreError> {
        let tokens = Tokens::load(Arc::clone(&house.store))?;
        let accounts = Accounts::load(Arc::clone(&house.store))?;
        let identity = Identity::new(Arc::clone(&house.store));
        house.store.sign_with(identity.signer()?);
        let audit = Audit::new(Arc::clone(&house.store));
        Ok(Self {
            house,
            eyes,
            door,
            tokens,
            accounts,
            identity,
            audit,
            told: Mutex::default(),
            signing: Mutex::new(()),
            changes: Mutex::new(()),
            stuck: Mutex::new(None),
        })
    }

    /// Who may come in over a network.
    #[must_use]
    pub const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Who may sign in at the console.
    #[must_use]
    pub const fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Who this device is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Examines pictures.
    #[must_use]
    pub fn eyes(&self) -> &dyn Eyes {
        &*self.eyes
    }

    fn dispatch(&self, caller: &Caller, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::PutPerson(put) => self.enrol(caller, &put, false),
            Command::Enrol(put) => self.enrol(caller, &put, true),
            Command::EnrolTemplate(import) => self.import(caller, &import),
            Command::GetPerson(id) => self.show_person(&id),
            Command::ListPersons(query) => self.list_persons(&query),
            Command::DeletePerson(id) => self.delete_person(&id, format_args!("by {}", caller.name)),
            Command::WithdrawConsent(id) => {
                self.delete_person(&id, format_args!("consent withdrawn, by {}", caller.name))
            }
            Command::DeleteImages(id) => self.delete_images(&id),
            Command::GetImage(id, index) => self.image(&id, index),
            Command::Names(ids) => self.names(&ids),
            Command::Watch => self.watch(caller),
            Command::WatchEnrolment => self.watch_enrolment(),
            Command::ExportPerson(id) => self.export_person(&id),
            Command::PutCollection(put) => self.put_collection(&put),
            Command::GetCollection(id) => self.get_collection(&id),
            Command::ListCollections => self.list_collections(),
            Command::DeleteCollection(id) => self.delete_collection(&id),
            Command::GalleryDigest(query) => self.digest(&query),
            Command::GallerySync(query) => self.differences(&query),
            Command::Search(query) => self.search(caller, &query),
            Command::Identify(photo) => self.identify(caller, &photo),
            Command::Compare(compare) => self.compare(caller, &compare),
            Command::Live(query) => self.live(caller, &query),
            Command::OneToN(question) => self.one_to_n(caller, question),
            Command::EnrolCamera(wish) => self.enrol_camera(caller, wish),
            Command::CameraProgress => self.booth()?.progress(self.house.clock.now().mono).map(Reply::Camera),
            Command::EnrolCancel => self.booth()?.cancel().map(Reply::Camera),
            Command::StartSession(start) => self.start_session(start),
            Command::GetSession(id) => {
                self.booth()?.session(&id, self.house.clock.now().mono).map(Reply::Session)
            }
            Command::ListEvents(query) => self.list_events(&query),
            Command::VerifyEvents => self.verify_events(),
            Command::ListAudit(query) => self.list_audit(&query),
            Command::Status => self.status(),
            Command::Door(order) => self.door_handle()?.order(order, &caller.name).map(Reply::Door),
            Command::Rules(command) => self.rules(caller, command),
            Command::UseModels(set) => self.use_models(&set),
            Command::GetConfig => {
                Ok(Reply::Document(crate::link::wire::Document(self.house.settings.shown())))
            }
            Command::PutConfig(change) => self.put_config(caller, &change),
            Command::StageModel(part) => self.stage_model(&part),
            Command::GetEditable => self.editable(),
            Command::Expire => self.expire(&caller.name),
            Command::Accounts(command) => self.accounts_command(caller, command),
            Command::CreateToken(new) => self.create_token(&new),
            Command::ListTokens => Ok(Reply::Tokens(self.tokens.list(self.house.clock.now().utc))),
            Command::RevokeToken(id) => self.revoke_token(&id),
            Command::Setup { code, name } => self.setup(&code.0, &name),
        }
    }

    fn door_handle(&self) -> Result<&dyn DoorHandle, Refusal> {
        self.door.as_deref().ok_or_else(|| {
            Refusal::new(
                Code::Unavailable,
                "no door runs on this data folder; start it with: ostiary run --board FILE",
            )
        })
    }

    fn event(&self, kind: EventKind) -> Event {
        Event::new(kind, self.house.door_id, self.house.clock.now())
    }

    /// Brings a person in memory to what is on disk.
    fn refresh(&self, id: &PersonId) -> Result<(), Refusal> {
        match self.house.store.person(id).or_refuse()? {
            Some(person) => {
                self.house.recognition.upsert(&person, &self.house.store.templates(id).or_refuse()?)?;
            }
            None => self.house.recognition.remove(id),
        }
        Ok(())
    }

    fn signing_in(&self) -> MutexGuard<'_, ()> {
        // As below.
        self.signing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        // Nothing is kept in it that a panic could leave half done.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operations for Desk {
    fn handle(&self, caller: &Caller, command: Command) -> Result<Reply, Refusal> {
        if let Some(scope) = command.scope().filter(|scope| !caller.may(*scope)) {
            return Err(Refusal::new(Code::Forbidden, format!("the scope {:?} is needed", scope.name())));
        }
        let intent = looks::intent(&command);
        let reply = self.dispatch(caller, command)?;
        if let Some(intent) = intent {
            self.audit.note(caller, intent, &reply, self.house.clock.now()).or_refuse()?;
        }
        Ok(reply)
    }

    fn caller(&self, secret: &str) -> Option<Caller> {
        self.tokens.caller(secret, self.house.clock.now().utc)
    }

    fn sign_in(&self) -> Option<&dyn SignIn> {
        Some(self)
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Refusal> {
        self.identity.sign(message).or_refuse()
    }

    fn public_key(&self) -> Result<[u8; 32], Refusal> {
        self.identity.public_key().or_refuse()
    }

    fn now_ms(&self) -> i64 {
        self.house.clock.now().utc.0
    }

    fn mono_ms(&self) -> u64 {
        self.house.clock.now().mono.0
    }
}

/// What the gallery refuses, in the words of the interfaces.
pub(super) trait OrRefuse<T> {
    /// The value, or a refusal with the gallery's own text.
    fn or_refuse(self) -> Result<T, Refusal>;
}

impl<T> OrRefuse<T> for Result<T, StoreError> {
    fn or_refuse(self) -> Result<T, Refusal> {
        self.map_err(|e| refused_by_store(&e))
    }
}

fn refused_by_store(error: &StoreError) -> Refusal {
    let code = match error {
        StoreError::NoSuchPerson(_) | StoreError::NoSuchTemplate { .. } | StoreError::NoSuchPunch { .. } => {
            Code::NotFound
        }
        StoreError::TooMany { .. } => Code::Conflict,
        StoreError::Key(_)
        | StoreError::InUse(_)
        | StoreError::WrongKey(_)
        | StoreError::Version { .. }
        | StoreError::Missing(_)
        | StoreError::Corrupt { .. }
        | StoreError::Io(_)
        | StoreError::BadCrop { .. }
        | StoreError::AckAhead { .. }
        | StoreError::BrokenChain(_)
        | StoreError::BadSignature(_)
        | StoreError::NotErased { .. }
        | StoreError::Random(_) => Code::Storage,
    };
    Refusal::new(code, error.to_string())
}

impl From<RecognitionError> for Refusal {
    fn from(error: RecognitionError) -> Self {
        Self::new(Code::Storage, error.to_string())
    }
}

impl From<ExamineError> for Refusal {
    fn from(error: ExamineError) -> Self {
        let code = match error {
            ExamineError::Picture(_) => Code::InvalidParameter,
            ExamineError::Vision(_) | ExamineError::Models(_) => Code::Models,
            ExamineError::Busy => return Self::busy(error.to_string()),
        };
        Self::new(code, error.to_string())
    }
}

/// Eyes that are opened when they are first needed: most commands never look at a picture.
pub struct LazyEyes<F> {
    open: F,
    vision: Mutex<Option<Vision>>,
}

impl<F: Fn() -> Result<Vision, WiringError> + Send + Sync> LazyEyes<F> {
    /// Eyes that `open` makes.
    pub const fn new(open: F) -> Self {
        Self { open, vision: Mutex::new(None) }
    }
}

impl<F: Fn() -> Result<Vision, WiringError> + Send + Sync> Eyes for LazyEyes<F> {
    fn examine(
        &self,
        picture: &Picture,
        purpose: Purpose,
        rule: LiveRule,
    ) -> Result<Box<Examined>, ExamineError> {
        let mut guard = self.vision.lock().unwrap_or_else(PoisonError::into_inner);
        let vision = match guard.take() {
            Some(vision) => vision,
            None => (self.open)().map_err(Box::new)?,
        };
        super::recognition::examine(guard.insert(vision), picture, purpose, rule)
    }

    fn exchange(&self, vision: Box<Vision>, serve: Serve) -> Result<(), ExamineError> {
        let mut guard = self.vision.lock().unwrap_or_else(PoisonError::into_inner);
        *guard = Some(*vision);
        serve();
        Ok(())
    }
}
