//! Which set of models serves a gallery, and which is to: what the gallery, its templates and the configuration say.
//!
//! Owns: the choice at the start, beginning a change, waking whoever makes templates again. Does not own: making them
//! and the switch (`commands/models`), the record of it (`store`).
//!
//! The gallery says what serves. The configuration's `[models] set` is heeded when it changes: the set that it names is
//! then made in the background, as if `ostiary models use` had named it. So whoever spoke last is obeyed. The program's
//! default decides for new galleries alone: a later program with another default leaves an old gallery as it is.
//! Invariant: an old gallery that was never told is served by the models that made its templates.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use crate::domain::{DoorId, Event, EventKind, ModelId, Now, Point};
use crate::matching::OpenSet;
use crate::store::{Epoch, Epochs, Store, StoreError};
use crate::vision::manifest::Family;
use crate::vision::{SetSpec, Vision, VisionConfig};

use super::config::Config;
use super::wiring::{Models, WiringError};

/// The models that may serve, and what they are opened with.
pub struct Sets {
    models: Models,
    /// The configuration names a set; otherwise the one of `models` is the default.
    explicit: bool,
    vision: VisionConfig,
    fpir_target: f64,
    margin: f32,
    /// Wakes whoever makes templates again, where somebody does.
    waker: Mutex<Option<SyncSender<()>>>,
}

impl Sets {
    /// The models of that manifest, by that configuration.
    #[must_use]
    pub fn new(models: Models, config: &Config) -> Self {
        let (vision, fpir_target, margin) = (config.vision.clone(), config.fpir_target, config.margin);
        let explicit = config.set.is_some();
        Self { models, explicit, vision, fpir_target, margin, waker: Mutex::new(None) }
    }

    /// The catalogue and where files are looked for.
    #[must_use]
    pub const fn models(&self) -> &Models {
        &self.models
    }

    /// The set that the configuration names, or the default.
    #[must_use]
    pub fn configured(&self) -> &str {
        &self.models.set
    }

    /// The set that the configuration names; empty where it names none.
    fn named(&self) -> &str {
        if self.explicit { &self.models.set } else { "" }
    }

    /// Loads a set.
    ///
    /// # Errors
    /// See [`WiringError`].
    pub fn open(&self, set: &str) -> Result<Vision, WiringError> {
        self.models.open_named(set, &self.vision)
    }

    /// The embedder of a set and its thresholds, without loading it.
    ///
    /// # Errors
    /// When the manifest does not know it.
    pub fn open_set(&self, set: &str) -> Result<(ModelId, OpenSet), WiringError> {
        self.models.open_set_of(set, self.fpir_target, self.margin)
    }

    /// The embedder of a set.
    ///
    /// # Errors
    /// When the manifest does not know it.
    pub fn embedder(&self, set: &str) -> Result<ModelId, WiringError> {
        let manifest = &self.models.manifest;
        Ok(manifest.embedder_of(manifest.set(set)?)?.sha256)
    }

    /// The points on which faces of `side` pixels were aligned for that embedder. One that the manifest does not know
    /// any more is guessed at by the side alone, where all embedders of that side have the same points.
    #[must_use]
    pub fn points(&self, embedder: ModelId, side: usize) -> Option<[Point; 5]> {
        let points = |family: &Family| match family {
            Family::Embedding { template, .. } => Some(*template),
            Family::Yunet | Family::Points5 { .. } | Family::Minifasnet { .. } => None,
        };
        let manifest = &self.models.manifest;
        if let Some(spec) = manifest.embedder(embedder) {
            return points(&spec.family).filter(|_| spec.input.width == side);
        }
        let mut alike =
            manifest.models().iter().filter(|m| m.input.width == side).filter_map(|m| points(&m.family));
        let first = alike.next()?;
        alike.all(|other| other == first).then_some(first)
    }

    /// A set with that embedder: the one of that name, or the manifest's first.
    fn set_with(&self, embedder: ModelId, name: Option<&str>) -> Option<&str> {
        let sets = self.models.manifest.sets();
        let fits = |set: &&SetSpec| self.embedder(&set.name).is_ok_and(|model| model == embedder);
        let named = sets.iter().filter(fits).find(|set| Some(set.name.as_str()) == name);
        named.or_else(|| sets.iter().find(fits)).map(|set| set.name.as_str())
    }

    /// Where wishes to make templates again arrive from now on.
    #[must_use]
    pub fn listen(&self) -> Receiver<()> {
        let (waker, wishes) = sync_channel(1);
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
        wishes
    }

    /// Wakes whoever makes templates again.
    pub fn wake(&self) {
        if let Some(waker) = &*self.waker.lock().unwrap_or_else(PoisonError::into_inner) {
            // One wish that waits is as good as two.
            let _ = waker.try_send(());
        }
    }
}

/// The set that serves this gallery. Notes it in one that was never told, and begins the change to what the
/// configuration names where that is new.
///
/// # Errors
/// When the manifest knows no set that could serve, or the disk refuses.
pub fn settle(store: &Store, sets: &Sets, door: DoorId, now: Now) -> Result<String, WiringError> {
    let wish = sets.configured();
    let wished = sets.embedder(wish)?;
    if store.epochs().is_none() {
        let (set, model) = first(store, sets, wish, wished)?;
        let epoch = Epoch { number: 0, set: set.to_owned(), model, since: now.utc };
        // What the configuration names is new to it where other models made the templates.
        store.settle_epoch(&epoch, if model == wished { sets.named() } else { "" })?;
    }
    let Some(epochs) = store.epochs() else { return Ok(wish.to_owned()) };
    let known = sets.set_with(epochs.serving.model, Some(&epochs.serving.set));
    let spoken = !sets.named().is_empty() && epochs.configured != sets.named();
    if spoken || (known.is_none() && epochs.next.is_none()) {
        change(store, sets, wish, door, now)?;
        at_once(store, &epochs.serving, door, now)?;
    }
    let Some(serving) = store.epochs().map(|e| e.serving) else { return Ok(wish.to_owned()) };
    if let Some(set) = sets.set_with(serving.model, Some(&serving.set)) {
        return Ok(set.to_owned());
    }
    let embedder = serving.model;
    tracing::warn!(%embedder, "the manifest does not know this gallery's models; nobody is known until all faces were made anew");
    Ok(wish.to_owned())
}

/// Nothing looks yet, so a change that needs no new templates is made here: another detector with the same embedder, or
/// a gallery in which nobody is.
fn at_once(store: &Store, before: &Epoch, door: DoorId, now: Now) -> Result<(), StoreError> {
    let Some(next) = store.epochs().and_then(|e| e.next) else { return Ok(()) };
    if next.model == before.model || store.counts().templates == 0 {
        let event = Event::new(EventKind::ModelChanged, door, now);
        store.switch_epoch(&next, now.utc, &[event.with(format_args!("{} serves", next.set))])?;
    }
    Ok(())
}

/// What made the templates of a gallery that was never told: the configured set where it made any or where there are
/// none, else the set of most of them.
fn first<'a>(
    store: &Store,
    sets: &'a Sets,
    wish: &'a str,
    wished: ModelId,
) -> Result<(&'a str, ModelId), StoreError> {
    let mut found: BTreeMap<[u8; 32], usize> = BTreeMap::new();
    for id in store.ids() {
        for template in store.templates(&id)? {
            *found.entry(template.model.0).or_default() += 1;
        }
    }
    if found.is_empty() || found.contains_key(&wished.0) {
        return Ok((wish, wished));
    }
    let known = found.into_iter().filter_map(|(model, count)| {
        let model = ModelId(model);
        sets.set_with(model, None).map(|set| (count, set, model))
    });
    Ok(known.max_by_key(|(count, ..)| *count).map_or((wish, wished), |(_, set, model)| (set, model)))
}

/// Begins the change to a set, or stays with what serves where it is that.
///
/// # Errors
/// When the manifest does not know the set, or the disk refuses.
pub fn change(store: &Store, sets: &Sets, set: &str, door: DoorId, now: Now) -> Result<(), WiringError> {
    let model = sets.embedder(set)?;
    let Some(Epochs { serving, next, .. }) = store.epochs() else { return Ok(()) };
    let event = |text: std::fmt::Arguments<'_>| Event::new(EventKind::ModelChanged, door, now).with(text);
    if serving.set == set && serving.model == model {
        let staying = event(format_args!("{set} goes on serving; the change was given up"));
        store.drop_epoch(sets.named(), &[staying])?;
        return Ok(());
    }
    let again = next.is_some_and(|next| next.set == set && next.model == model);
    let begun = event(format_args!("begun: from {} to {set}", serving.set));
    let events = if again { Vec::new() } else { vec![begun] };
    store.begin_epoch(set, model, sets.named(), now.utc, &events)?;
    Ok(())
}

#[cfg(test)]
#[path = "epochs_tests.rs"]
mod tests;
