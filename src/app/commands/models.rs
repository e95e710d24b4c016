//! Changing the models of a gallery: templates are made again from kept faces, and then the new models serve.
//!
//! Owns: the command, making the templates, the moment of the switch. Does not own: which set is to serve
//! (`app/epochs`), the record and the transaction (`store`), the networks (`vision`).
//! Invariants: the old models serve until every kept face has its new template; the switch is one transaction on the
//! disk, and in memory one step between two frames; nobody's person changes between the two; a kill at any moment
//! leaves the old or the new models, and what was made is not made twice.

use std::sync::PoisonError;

use super::{Desk, OrRefuse as _};
use crate::app::epochs::{self, Sets};
use crate::app::wiring::{self, WiringError};
use crate::device::clock_os::pause;
use crate::domain::{AlignedFace, Embedding, EventKind, Millis};
use crate::link::wire::{Code, Refusal, Reply};
use crate::store::{DueFace, Epoch, MadeTemplate, Switched};
use crate::vision::Vision;

/// Faces made and written at once: a kill costs the work on so many.
const BATCH: usize = 8;
/// In the background a face is followed by a rest of so many times as long: a quarter of one core at most.
const REST: u64 = 3;

/// How hard templates are made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Beside a door at work.
    Background,
    /// Somebody waits for it and no door runs.
    Foreground,
}

impl Desk {
    /// Lets another set serve: at once where its templates are the same, else once they are made.
    pub(super) fn use_models(&self, set: &str) -> Result<Reply, Refusal> {
        let sets = self.sets()?;
        // A set that cannot be loaded is not begun.
        drop(sets.open(set).map_err(|e| refused(&e))?);
        {
            let _changing = self.changing();
            let now = self.house.clock.now();
            epochs::change(&self.house.store, sets, set, self.house.door_id, now).map_err(|e| refused(&e))?;
            self.set_stuck(None);
        }
        sets.wake();
        self.status()
    }

    /// Makes what is to be made and switches, until nothing is left to do. What goes wrong is kept for `status`.
    ///
    /// # Errors
    /// When models cannot be loaded, or the disk refuses; the old ones serve then.
    pub fn remake(&self, pace: Pace, made: &dyn Fn(u64)) -> Result<(), Refusal> {
        let result = self.remade(pace, made);
        self.set_stuck(result.as_ref().err().map(|refusal| refusal.message.clone()));
        result
    }

    fn remade(&self, pace: Pace, made: &dyn Fn(u64)) -> Result<(), Refusal> {
        let (sets, store) = (self.sets()?, &self.house.store);
        while let Some(next) = store.epochs().and_then(|e| e.next) {
            let mut vision = sets.open(&next.set).map_err(|e| refused(&e))?;
            let done = loop {
                if !self.make(&next, &mut vision, pace, made)? {
                    break false;
                }
                match self.switch(&next, vision)? {
                    Ok(switched) => break switched,
                    // Somebody was enrolled meanwhile.
                    Err(same) => vision = *same,
                }
            };
            if done {
                tracing::info!(set = next.set, epoch = next.number, "the new models serve");
            }
        }
        Ok(())
    }

    /// One pass over all faces that have no template yet; `false` when another epoch is wanted by now.
    fn make(
        &self,
        next: &Epoch,
        vision: &mut Vision,
        pace: Pace,
        told: &dyn Fn(u64),
    ) -> Result<bool, Refusal> {
        let store = &self.house.store;
        let mut after = Some(0);
        while let Some(from) = after {
            let (due, further) = store.due_faces(from, BATCH).or_refuse()?;
            after = further;
            let mut made = Vec::with_capacity(due.len());
            for face in due {
                let begun = wiring::thread_nanos();
                let embedding = self.again(&face, vision)?;
                made.push(MadeTemplate { place: face.place, embedding });
                let took = Millis((wiring::thread_nanos() - begun) / 1_000_000 + 1);
                match pace {
                    Pace::Background => pause(Millis(took.0 * REST)),
                    Pace::Foreground => {}
                }
            }
            if !store.put_made(next.number, next.model, &made).or_refuse()? {
                return Ok(false);
            }
            told(store.epochs().map_or(0, |e| e.made));
        }
        Ok(true)
    }

    /// The template of a kept face; `None` where it gives none, which is no reason to stop.
    fn again(&self, face: &DueFace, vision: &mut Vision) -> Result<Option<Embedding>, Refusal> {
        let side = usize::from(face.crop.side);
        let (Some(from), Some(mut kept)) =
            (self.sets()?.points(face.aligned_for, side), AlignedFace::black(side))
        else {
            return Ok(None);
        };
        if kept.rgb().len() != face.crop.rgb.len() {
            return Ok(None);
        }
        kept.rgb_mut().copy_from_slice(&face.crop.rgb);
        Ok(vision.embed_kept(&kept, &from).unwrap_or_else(|error| {
            tracing::warn!(%error, "a kept face gave no template");
            None
        }))
    }

    /// Switches on the disk and then in memory. `Err` gives the eyes back: faces are missing.
    fn switch(&self, next: &Epoch, vision: Vision) -> Result<Result<bool, Box<Vision>>, Refusal> {
        let house = &self.house;
        let (model, policy) = self.sets()?.open_set(&next.set).map_err(|e| refused(&e))?;
        let before = house.store.epochs();
        let _changing = self.changing();
        let event = self.event(EventKind::ModelChanged).with(format_args!(
            "{} serves: {} templates made again, {} faces gave none",
            next.set,
            before.as_ref().map_or(0, |e| e.made - e.failed),
            before.as_ref().map_or(0, |e| e.failed),
        ));
        match house.store.switch_epoch(next, house.clock.now().utc, &[event]).or_refuse()? {
            Switched::Other => return Ok(Ok(false)),
            Switched::Unfinished(_) => return Ok(Err(Box::new(vision))),
            Switched::Done => {}
        }
        let served = house.recognition.prepare(&house.store, model, &next.set)?;
        let recognition = std::sync::Arc::clone(&house.recognition);
        self.eyes.exchange(Box::new(vision), Box::new(move || recognition.serve(served, policy)))?;
        Ok(Ok(true))
    }

    pub(super) fn sets(&self) -> Result<&Sets, Refusal> {
        self.house.sets.as_deref().ok_or_else(|| {
            Refusal::new(Code::Unavailable, "this door's models are fixed: it runs for a demonstration")
        })
    }

    pub(super) fn stuck(&self) -> Option<String> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_stuck(&self, why: Option<String>) {
        *self.stuck.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

fn refused(error: &WiringError) -> Refusal {
    let code = match error {
        WiringError::Data(..) | WiringError::Key(_) | WiringError::Store(_) => Code::Storage,
        WiringError::NoManifest(_)
        | WiringError::Manifest(_)
        | WiringError::NoModel(_)
        | WiringError::Model(_)
        | WiringError::Vision(_)
        | WiringError::OpenSet(_)
        | WiringError::Link(_)
        | WiringError::Device(_) => Code::Models,
    };
    Refusal::new(code, error.to_string())
}
