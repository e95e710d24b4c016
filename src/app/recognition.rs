//! The gallery in memory, shared by the walk-up, enrolment and every search.
//!
//! Owns: the present gallery and its changes, the open-set policy. Does not own: the scan and the thresholds
//! (`matching`), the records (`store`).
//! Invariants: a search sees each person whole or not at all; searching allocates nothing; a change follows the
//! commit on disk, never goes before it, except that an erased person is dropped here first.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::domain::{Embedding, Match, ModelId, Mono, Person, PersonId, Template};
use crate::engine::kernels;
use crate::matching::{Gallery, GalleryError, OpenSet};
use crate::picture::{Picture, PictureError};
use crate::store::{Store, StoreError};
use crate::vision::{Examined, LiveRule, Purpose, Vision, VisionError};

use super::rules::{Rules, RulesError};
use super::standings::Standings;
use super::wiring::WiringError;

/// The gallery in memory with its thresholds.
pub struct Recognition {
    served: RwLock<Served>,
    /// Changed while `served` is held to write, so that whoever holds a gallery sees its thresholds.
    policy: RwLock<Arc<OpenSet>>,
    standings: Standings,
}

/// A gallery as it stands in memory: everybody whom one model knows, and who it does not.
pub struct Served {
    /// The set of models that it belongs to.
    set: String,
    gallery: Gallery,
    /// People who have templates, and none of this model.
    strangers: BTreeSet<PersonId>,
}

impl Deref for Served {
    type Target = Gallery;

    fn deref(&self) -> &Gallery {
        &self.gallery
    }
}

impl Served {
    /// The set of models that it belongs to; empty where nobody chose one.
    #[must_use]
    pub fn set(&self) -> &str {
        &self.set
    }

    /// People who have templates, and none of this gallery's model: they need to be enrolled again.
    #[must_use]
    pub const fn strangers(&self) -> &BTreeSet<PersonId> {
        &self.strangers
    }

    fn load(store: &Store, standings: &Standings, model: ModelId) -> Result<Self, RecognitionError> {
        let mut gallery = Gallery::new(model).scanning_with(kernels::chosen().scan);
        let (mut odd, mut strangers) = (None, BTreeSet::new());
        store.for_each_with_looks(model, |person, templates| match gallery.upsert(person, templates) {
            Ok(0) => drop(strangers.insert(person.id.clone())),
            Ok(_) => gallery.set_standing(&person.id, standings.of(person)),
            Err(error) => drop(odd.get_or_insert(error)),
        })?;
        match odd {
            Some(error) => Err(error.into()),
            None => Ok(Self { set: String::new(), gallery, strangers }),
        }
    }
}

/// Why there is no gallery in memory.
#[derive(Debug, thiserror::Error)]
pub enum RecognitionError {
    /// A record cannot be read: the door must not run on half a gallery.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Templates do not fit each other.
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    /// The rules of access cannot be read: the door must not run without them.
    #[error(
        "the rules of access in the gallery cannot be used: {0}; write them again: ostiary access import FILE"
    )]
    Rules(#[from] RulesError),
}

impl Recognition {
    /// Loads every template of `model` from the store.
    ///
    /// # Errors
    /// See [`RecognitionError`].
    pub fn load(store: &Store, policy: OpenSet, model: ModelId) -> Result<Self, RecognitionError> {
        let standings = Standings::load(store)?;
        let served = RwLock::new(Served::load(store, &standings, model)?);
        Ok(Self { served, policy: RwLock::new(Arc::new(policy)), standings })
    }

    /// The same, with the name of the set that it belongs to.
    #[must_use]
    pub fn of_set(self, set: &str) -> Self {
        set.clone_into(&mut self.write().set);
        self
    }

    /// The gallery of another set's model, from the disk, to be served later.
    ///
    /// # Errors
    /// See [`RecognitionError`].
    pub fn prepare(&self, store: &Store, model: ModelId, set: &str) -> Result<Served, RecognitionError> {
        Served::load(store, &self.standings, model).map(|served| Served { set: set.to_owned(), ..served })
    }

    /// Serves another gallery by its own thresholds from now on. Whoever changes people must be kept from it between
    /// [`Recognition::prepare`] and this; where people stand may change meanwhile.
    pub fn serve(&self, mut served: Served, policy: OpenSet) {
        let mut now = self.write();
        served.gallery.stand_as_in(&now.gallery);
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        *now = served;
    }

    /// Takes a person as they are on disk now.
    ///
    /// # Errors
    /// When the templates do not fit the gallery's; the person is then unchanged here.
    pub fn upsert(&self, person: &Person, templates: &[Template]) -> Result<(), RecognitionError> {
        let mut served = self.write();
        let taken = served.gallery.upsert(person, templates)?;
        served.gallery.set_standing(&person.id, self.standings.of(person));
        if taken == 0 && !templates.is_empty() {
            served.strangers.insert(person.id.clone());
        } else {
            served.strangers.remove(&person.id);
        }
        Ok(())
    }

    /// What the decision needs to know of people beside their faces.
    #[must_use]
    pub const fn standings(&self) -> &Standings {
        &self.standings
    }

    /// Something that is kept beside the profile has changed.
    pub fn stands(&self, person: &Person) {
        self.write().gallery.set_standing(&person.id, self.standings.of(person));
    }

    /// Somebody passed or punched: brings their standing in memory to that.
    pub fn moved(&self, id: &PersonId) {
        let mut served = self.write();
        if let Some(standing) = served.gallery.standing(id) {
            served.gallery.set_standing(id, self.standings.moved(id, standing));
        }
    }

    /// Other rules hold from now on. Everybody's groups are looked up anew.
    ///
    /// # Errors
    /// When a profile is damaged; the rules hold for those before it.
    pub fn set_rules(&self, rules: Rules, store: &Store) -> Result<(), StoreError> {
        self.standings.set_rules(rules);
        let model = self.gallery().model();
        let mut all = Vec::new();
        store
            .for_each_enrolled(model, |person, _| all.push((person.id.clone(), self.standings.of(person))))?;
        let mut served = self.write();
        for (id, standing) in all {
            served.gallery.set_standing(&id, standing);
        }
        Ok(())
    }

    /// Forgets a person.
    pub fn remove(&self, id: &PersonId) {
        {
            let mut served = self.write();
            served.gallery.remove(id);
            served.strangers.remove(id);
        }
        self.standings.forget(id);
    }

    /// The gallery, held still while it is read.
    pub fn gallery(&self) -> RwLockReadGuard<'_, Served> {
        // `Gallery` keeps its invariants at every step that could panic.
        self.served.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thresholds.
    #[must_use]
    pub fn policy(&self) -> Arc<OpenSet> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who is this, if anybody?
    #[must_use]
    pub fn search(&self, probe: &Embedding) -> Match {
        let gallery = self.gallery();
        gallery.search(probe, &self.policy())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Served> {
        self.served.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a still picture was not examined.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// It is larger than a frame may be.
    #[error(transparent)]
    Picture(PictureError),
    /// A network failed.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// The models cannot be opened.
    #[error(transparent)]
    Models(#[from] Box<WiringError>),
    /// The running door has too much to look at.
    #[error("the door is busy looking; try again in a moment")]
    Busy,
}

/// Examines a still picture with the walk-up's code and thresholds.
///
/// # Errors
/// As [`Vision::examine_live`].
pub fn examine(
    vision: &mut Vision,
    picture: &Picture,
    purpose: Purpose,
    rule: LiveRule,
) -> Result<Box<Examined>, ExamineError> {
    // Callers bring a picture into a frame's size when they decode it.
    let frame = picture.as_frame(Mono(0)).map_err(ExamineError::Picture)?;
    Ok(Box::new(vision.examine_live(frame, purpose, rule)?))
}
