//! One handler for each operation, whoever asks: the command line, the running door's socket, later HTTP and MQTT.
//!
//! Owns: requests, replies and their wording. Does not own: transports, storage, recognition.
//! Invariants: enrolment and identification go through `vision::Vision::examine`, the same code and thresholds as
//! the walk-up; whatever changes people changes the gallery in memory before it answers.

mod enroll;
mod look;
mod people;
mod reply;
mod status;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::{DoorId, Event, EventKind, PersonId};
use crate::picture::Picture;
use crate::ports::Clock;
use crate::store::{Store, StoreError};
use crate::vision::{Examined, Purpose, Vision};

use super::recognition::{ExamineError, Recognition, RecognitionError};
use super::wiring::WiringError;

pub use enroll::{Enrol, NamedImage};
pub use reply::{ExportText, Failure, Reply, Trouble};
pub use status::DoorStatus;

/// The gallery's file in the data folder.
pub const GALLERY: &str = "gallery.redb";

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Add looks of a person.
    Enroll(Enrol),
    /// Who is this?
    Identify(NamedImage),
    /// Are these the same?
    Verify(NamedImage, NamedImage),
    /// People in the order of their ids.
    ListPersons {
        /// Page, from 0.
        page: u32,
        /// At most so many.
        limit: u16,
    },
    /// One person.
    ShowPerson(String),
    /// Erase.
    DeletePerson(String),
    /// All that is held on one person.
    ExportPerson(String),
    /// Events, oldest first.
    ListEvents {
        /// From this number on.
        from: u64,
        /// At most so many.
        limit: u16,
    },
    /// Check the chain.
    VerifyEvents,
    /// What this door is made of.
    Status,
    /// Move the door.
    Door(DoorOrder),
}

/// What an operator may order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DoorOrder {
    /// Say how it stands.
    State,
    /// Let somebody in.
    Open,
    /// End every hold.
    Lock,
    /// Lock against everyone.
    Lockdown,
    /// End a lockdown or a hold.
    Release,
}

/// Whoever can examine a picture: the process's own vision, or the running door's between two frames.
pub trait Eyes {
    /// As [`crate::vision::Vision::examine`].
    ///
    /// # Errors
    /// As there.
    fn examine(&mut self, picture: &Picture, purpose: Purpose) -> Result<Box<Examined>, ExamineError>;
}

/// The running door, as far as commands may touch it.
pub trait DoorHandle {
    /// Carries out an order, says how the door stands then.
    ///
    /// # Errors
    /// When the door's loop does not take it: the queue is full.
    fn order(&mut self, order: DoorOrder) -> Result<DoorStatus, Failure>;
}

/// Everything a handler works with.
pub struct Desk<'a> {
    /// The gallery and the journal on disk.
    pub store: &'a Store,
    /// The gallery in memory and its thresholds.
    pub recognition: &'a Recognition,
    /// Who examines pictures; opened at the first use.
    pub eyes: &'a mut dyn Eyes,
    /// The running door, where there is one.
    pub door: Option<&'a mut dyn DoorHandle>,
    /// Time.
    pub clock: &'a dyn Clock,
    /// What is kept of an enrolment.
    pub keep: Keep,
    /// The folder of gallery, journal and key.
    pub data: PathBuf,
    /// Which door events are about.
    pub door_id: DoorId,
}

/// What is kept of an enrolment beside the template.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// The aligned crop, for a change of model.
    pub crops: bool,
    /// A small picture, for people to look at.
    pub images: bool,
}

impl Desk<'_> {
    /// Does what is asked.
    pub fn handle(&mut self, request: Request) -> Reply {
        self.dispatch(request).unwrap_or_else(Reply::Failed)
    }

    fn dispatch(&mut self, request: Request) -> Result<Reply, Failure> {
        match request {
            Request::Enroll(enrol) => self.enrol(enrol),
            Request::Identify(image) => self.identify(&image),
            Request::Verify(a, b) => self.verify(&a, &b),
            Request::ListPersons { page, limit } => self.list_persons(page, limit),
            Request::ShowPerson(id) => self.show_person(&id),
            Request::DeletePerson(id) => self.delete_person(&id),
            Request::ExportPerson(id) => self.export_person(&id),
            Request::ListEvents { from, limit } => self.list_events(from, limit),
            Request::VerifyEvents => self.verify_events(),
            Request::Status => self.status(),
            Request::Door(order) => match &mut self.door {
                Some(door) => door.order(order).map(Reply::Door),
                None => Err(Failure::new(
                    Trouble::Device,
                    "no door runs on this data folder; start it with: ostiary run --board FILE",
                )),
            },
        }
    }

    fn event(&self, kind: EventKind) -> Event {
        Event::new(kind, self.door_id, self.clock.now())
    }

    /// Brings a person in memory to what is on disk.
    fn refresh(&self, id: &PersonId) -> Result<(), Failure> {
        match self.store.person(id)? {
            Some(person) => self.recognition.upsert(&person, &self.store.templates(id)?)?,
            None => self.recognition.remove(id),
        }
        Ok(())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Trouble::Store, error.to_string())
    }
}

impl From<RecognitionError> for Failure {
    fn from(error: RecognitionError) -> Self {
        Self::new(Trouble::Store, error.to_string())
    }
}

impl From<ExamineError> for Failure {
    fn from(error: ExamineError) -> Self {
        let trouble = match &error {
            ExamineError::Picture(_) => Trouble::Input,
            ExamineError::Vision(_) | ExamineError::Models(_) => Trouble::Model,
            ExamineError::Busy => Trouble::Device,
        };
        Self::new(trouble, error.to_string())
    }
}

/// Eyes that are opened when they are first needed: most commands never look at a picture.
pub struct LazyEyes<F> {
    open: F,
    vision: Option<Vision>,
}

impl<F: FnMut() -> Result<Vision, WiringError>> LazyEyes<F> {
    /// Eyes that `open` makes.
    pub const fn new(open: F) -> Self {
        Self { open, vision: None }
    }
}

impl<F: FnMut() -> Result<Vision, WiringError>> Eyes for LazyEyes<F> {
    fn examine(&mut self, picture: &Picture, purpose: Purpose) -> Result<Box<Examined>, ExamineError> {
        let vision = match self.vision.take() {
            Some(vision) => vision,
            None => (self.open)().map_err(Box::new)?,
        };
        super::recognition::examine(self.vision.insert(vision), picture, purpose)
    }
}
