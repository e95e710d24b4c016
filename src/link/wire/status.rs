//! How a door fares.
//!
//! Owns: the figures of `ostiary status`, of the health page and of the monitors. Does not own: gathering them.
//! Invariant: nothing here is about a person.

use serde::{Deserialize, Serialize};

/// What a door is made of and how it fares.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// The folder of gallery, journal and key.
    pub data: String,
    /// People enrolled.
    pub people: u64,
    /// Templates of the present embedder in memory.
    pub templates: usize,
    /// Counts changes of people and templates.
    pub revision: u64,
    /// The embedder's SHA-256.
    pub embedder: String,
    /// The set of models that serves; empty where none was chosen yet.
    pub models: String,
    /// Rises with every change of the embedder.
    pub epoch: u32,
    /// People whose templates are all of another embedder: the door does not know them until they are enrolled again.
    pub needs_reenrolment: usize,
    /// The change of models that is under way.
    pub change: Option<ModelChange>,
    /// Threshold in force, as cosine.
    pub threshold: f32,
    /// The target: false identifications per look of a stranger.
    pub fpir_target: f64,
    /// What is expected at this size of the gallery.
    pub expected_fpir: f64,
    /// Whether the threshold lies beyond what was measured for this embedder.
    pub extrapolated: bool,
    /// Margin wanted between the best and the second person, as cosine.
    pub margin: f32,
    /// Events in the journal.
    pub events: u64,
    /// Events that nobody confirmed yet.
    pub queued: u64,
    /// Events dropped before they were confirmed, ever.
    pub lost: u64,
    /// Bytes of the gallery's file.
    pub file_bytes: u64,
    /// Whether the wall clock may be believed.
    pub clock: String,
    /// The running door, where there is one.
    pub door: Option<DoorStatus>,
}

/// How the running door fares.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DoorStatus {
    /// State of the door machine.
    pub state: String,
    /// Whether the relay is energised.
    pub relay: bool,
    /// Frames captured.
    pub frames: u64,
    /// Frames looked at.
    pub looks: u64,
    /// Frames overwritten by a newer one before they were looked at.
    pub overwritten: u64,
    /// What is wrong with the camera, if anything.
    pub camera_fault: Option<String>,
    /// Whether the disk takes events.
    pub journal_ok: bool,
    /// Whether the door stands open; `None` without a contact.
    pub open: Option<bool>,
    /// Whether the housing is open.
    pub tampered: bool,
}

/// A change of models that is under way: the old ones serve until it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ModelChange {
    /// The set that is to serve.
    pub models: String,
    /// The epoch it will be.
    pub epoch: u32,
    /// Kept faces that were looked at again.
    pub done: u64,
    /// Kept faces in all.
    pub total: u64,
    /// Kept faces that gave no template.
    pub failed: u64,
    /// Why it does not go on, where it does not.
    pub fault: Option<String>,
}
