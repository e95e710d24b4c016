//! What this door is made of and how it fares.
//!
//! Owns: the figures of `ostiary status`. Does not own: how they are measured.
//! Invariant: a figure that is extrapolated says so.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Desk;
use super::reply::{Failure, Reply};

/// The figures.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// The folder of gallery, journal and key.
    pub data: String,
    /// People enrolled.
    pub people: u64,
    /// Templates of the present embedder in memory.
    pub templates: usize,
    /// The embedder's SHA-256.
    pub embedder: String,
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
    /// Bytes of the gallery's file.
    pub file_bytes: u64,
    /// Whether the wall clock may be believed.
    pub clock: String,
    /// The running door, where there is one.
    pub door: Option<DoorStatus>,
}

/// How the running door fares.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
}

impl Desk<'_> {
    pub(super) fn status(&mut self) -> Result<Reply, Failure> {
        let counts = self.store.counts();
        let policy = self.recognition.policy();
        let gallery = self.recognition.gallery();
        let templates = gallery.templates();
        let embedder = gallery.model().to_string();
        drop(gallery);
        let door = match &mut self.door {
            Some(door) => Some(door.order(super::DoorOrder::State)?),
            None => None,
        };
        Ok(Reply::Status(Box::new(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data: self.data.display().to_string(),
            people: counts.people,
            templates,
            embedder,
            threshold: policy.threshold(templates).get(),
            fpir_target: policy.fpir_target(),
            expected_fpir: policy.expected_fpir(templates),
            extrapolated: policy.is_extrapolated(templates),
            margin: policy.margin(),
            events: counts.events,
            queued: counts.unconfirmed,
            file_bytes: std::fs::metadata(self.data.join(super::GALLERY)).map_or(0, |m| m.len()),
            clock: self.clock.now().trust.to_string(),
            door,
        })))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ostiary     {}", self.version)?;
        writeln!(f, "data        {} ({} bytes)", self.data, self.file_bytes)?;
        writeln!(f, "gallery     {} people, {} templates", self.people, self.templates)?;
        writeln!(f, "embedder    {}", self.embedder)?;
        let note = if self.extrapolated { ", extrapolated beyond what was measured" } else { "" };
        writeln!(f, "threshold   cosine {:.3}, margin {:.3}{note}", self.threshold, self.margin)?;
        writeln!(
            f,
            "strangers   {:.1e} false identifications a look expected at this size (target {:.1e})",
            self.expected_fpir, self.fpir_target
        )?;
        writeln!(f, "journal     {} events, {} not confirmed", self.events, self.queued)?;
        write!(f, "clock       {}", self.clock)?;
        match &self.door {
            Some(door) => write!(f, "\n{door}"),
            None => write!(f, "\ndoor        not running"),
        }
    }
}

impl fmt::Display for DoorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relay = if self.relay { "on" } else { "off" };
        writeln!(f, "door        {}, relay {relay}", self.state)?;
        let journal = if self.journal_ok { "written" } else { "WAITING: the disk refuses events" };
        writeln!(f, "events      {journal}")?;
        write!(
            f,
            "camera      {}; {} frames, {} looked at, {} overtaken by a newer one",
            self.camera_fault.as_deref().unwrap_or("delivers"),
            self.frames,
            self.looks,
            self.overwritten
        )
    }
}
