//! What this door is made of and how it fares.
//!
//! Owns: gathering the figures of `ostiary status`. Does not own: how they are measured.
//! Invariant: a figure that is extrapolated says so.

use crate::link::wire::{DoorOrder, ModelChange, Refusal, Reply, Status};

use super::Desk;

impl Desk {
    pub(super) fn status(&self) -> Result<Reply, Refusal> {
        let house = &self.house;
        let counts = house.store.counts();
        let policy = house.recognition.policy();
        let (templates, model, models, needs_reenrolment) = {
            let gallery = house.recognition.gallery();
            (gallery.templates(), gallery.model(), gallery.set().to_owned(), gallery.strangers().len())
        };
        let epochs = house.store.epochs();
        let epoch = epochs.as_ref().map_or(0, |e| e.number_of(model));
        let change = epochs.and_then(|e| {
            // Between the switch on the disk and the one in memory the old models serve for a moment more.
            let switching = e.serving.model != model || e.serving.set != models;
            let (next, done) = match e.next {
                Some(next) => (next, e.made),
                None if switching && !models.is_empty() => (e.serving, counts.crops),
                None => return None,
            };
            let (failed, total, fault) = (e.failed, counts.crops, self.stuck());
            Some(ModelChange { models: next.set, epoch: next.number, done, total, failed, fault })
        });
        let door = self.door.as_ref().map(|door| door.order(DoorOrder::State, "status")).transpose()?;
        Ok(Reply::Status(Box::new(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data: house.data.display().to_string(),
            people: counts.people,
            templates,
            revision: counts.revision,
            embedder: model.to_string(),
            models,
            epoch,
            needs_reenrolment,
            change,
            threshold: policy.threshold(templates).get(),
            fpir_target: policy.fpir_target(),
            expected_fpir: policy.expected_fpir(templates),
            extrapolated: policy.is_extrapolated(templates),
            margin: policy.margin(),
            events: counts.events,
            queued: counts.unconfirmed,
            lost: counts.lost,
            file_bytes: std::fs::metadata(house.data.join(super::GALLERY)).map_or(0, |m| m.len()),
            clock: house.clock.now().trust.to_string(),
            door,
        })))
    }
}
