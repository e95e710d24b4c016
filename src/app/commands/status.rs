//! What this door is made of and how it fares.
//!
//! Owns: gathering the figures of `ostiary status`. Does not own: how they are measured.
//! Invariant: a figure that is extrapolated says so.

use crate::link::wire::{DoorOrder, Refusal, Reply, Status};

use super::Desk;

impl Desk {
    pub(super) fn status(&self) -> Result<Reply, Refusal> {
        let house = &self.house;
        let counts = house.store.counts();
        let policy = house.recognition.policy();
        let (templates, embedder) = {
            let gallery = house.recognition.gallery();
            (gallery.templates(), gallery.model().to_string())
        };
        let door = self.door.as_ref().map(|door| door.order(DoorOrder::State, "status")).transpose()?;
        Ok(Reply::Status(Box::new(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data: house.data.display().to_string(),
            people: counts.people,
            templates,
            revision: counts.revision,
            embedder,
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
