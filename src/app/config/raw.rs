//! The configuration file as it is written: every key, its unit and its default.
//!
//! Owns: the shape of the file. Does not own: ranges and cross-checks (`super`).
//! Invariant: an unknown key is refused; a key that is not written takes the default given here.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::mqtt::RawMqtt;
use crate::access::{Settings, UntrustedClock};
use crate::matching::OpenSet;
use crate::vision::{LivenessConfig, QualityLimits, VisionConfig};

/// A configuration file: how this door behaves. Every section may be left out.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    /// Models.
    pub models: RawModels,
    /// Open-set recognition.
    pub recognition: RawRecognition,
    /// What is a good look, and what is alive.
    pub vision: RawVision,
    /// The door.
    pub access: RawAccess,
    /// What is kept.
    pub storage: RawStorage,
    /// How long it is kept.
    pub retention: RawRetention,
    /// The door's own HTTP server; without this section there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<RawHttp>,
    /// The link to a broker.
    pub mqtt: RawMqtt,
}

/// Which networks see.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawModels {
    /// The manifest; by default `models/manifest.toml`.
    pub manifest: Option<PathBuf>,
    /// The set of that manifest.
    pub set: Option<String>,
    /// Folders searched for the files that the manifest names, besides the manifest's own.
    pub folders: Vec<PathBuf>,
}

/// Who is who.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRecognition {
    /// How often, per look of a stranger, a false identity is accepted (1e-6 to 0.1).
    pub fpir_target: f64,
    /// By how much, in cosine, the best person must lead the second (0 to 0.5).
    pub margin: f32,
    /// Looks of one track that must name the same person (1 to 10).
    pub consistent_frames: u8,
    /// Looks of one track without an identity before the door says no (1 to 30).
    pub unknown_frames: u8,
}

impl Default for RawRecognition {
    fn default() -> Self {
        let d = Settings::default();
        Self {
            fpir_target: OpenSet::DEFAULT_FPIR,
            margin: OpenSet::DEFAULT_MARGIN,
            consistent_frames: d.consistent_frames,
            unknown_frames: d.unknown_frames,
        }
    }
}

/// What is a good look. Ranges are those of `vision::VisionConfig`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawVision {
    /// Least confidence of the detector (0.1 to 0.99).
    pub detect_score: f32,
    /// The part of the frame that is looked at: left, top, right, bottom as fractions (0 to 1).
    pub zone: [f32; 4],
    /// Frames without motion are passed over.
    pub motion_gate: bool,
    /// What a face must be to be enrolled or compared.
    pub quality: RawQuality,
    /// Is it a living person.
    pub liveness: RawLiveness,
}

impl Default for RawVision {
    fn default() -> Self {
        let d = VisionConfig::default();
        Self {
            detect_score: d.detect_score,
            zone: [d.zone.left, d.zone.top, d.zone.right, d.zone.bottom],
            motion_gate: d.motion.enabled,
            quality: RawQuality::default(),
            liveness: RawLiveness::default(),
        }
    }
}

/// What is good enough: each component from 0 (useless) to 100 (ideal).
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawQuality {
    /// Least eye distance for enrolment in pixels (16 to 400).
    pub enrol_eye_px: f32,
    /// Least eye distance at the door in pixels (16 to 400).
    pub probe_eye_px: f32,
    /// Least score of facing the camera, left to right.
    pub min_yaw: u8,
    /// Least score of facing the camera, up and down.
    pub min_pitch: u8,
    /// Least score of focus.
    pub min_sharpness: u8,
    /// Least score of light.
    pub min_exposure: u8,
    /// Least score of how much of the face is in view.
    pub min_completeness: u8,
}

impl Default for RawQuality {
    fn default() -> Self {
        let d = QualityLimits::default();
        Self {
            enrol_eye_px: d.enrol_eye_px,
            probe_eye_px: d.probe_eye_px,
            min_yaw: d.min_yaw,
            min_pitch: d.min_pitch,
            min_sharpness: d.min_sharpness,
            min_exposure: d.min_exposure,
            min_completeness: d.min_completeness,
        }
    }
}

/// Is it a living person: k living looks of the last n.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawLiveness {
    /// Living looks needed (1 to n).
    pub k: u8,
    /// Looks that vote (1 to 32).
    pub n: u8,
    /// A look at or above this score votes living (0 to 1).
    pub live_score: f32,
    /// A look at or below this score votes attack (0 to 1, below `live_score`).
    pub spoof_score: f32,
    /// Attack votes of the last n that end the attempt (1 to n).
    pub spoof_votes: u8,
}

impl Default for RawLiveness {
    fn default() -> Self {
        let LivenessConfig { k, n, live_score, spoof_score, spoof_votes } = LivenessConfig::default();
        Self { k, n, live_score, spoof_score, spoof_votes }
    }
}

/// The strike and its watch.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of an installer")]
pub struct RawAccess {
    /// How long the strike is released (1 to 60 s).
    pub strike_s: u32,
    /// Lock again as soon as the door has opened and closed.
    pub relock_on_close: bool,
    /// Held open: warning after (1 to 3,600 s).
    pub held_warn_s: u32,
    /// Held open: alarm after (1 to 3,600 s, longer than the warning).
    pub held_alarm_s: u32,
    /// Everybody gets 10 s more for passing: the accessible profile.
    pub accessible: bool,
    /// The exit button also releases the strike.
    pub rex_unlocks: bool,
    /// The fire input frees the door. Check local law and the wiring first.
    pub fire_unlocks: bool,
    /// Attacks after which the reader locks (1 to 20).
    pub lockout_failures: u8,
    /// For how long (1 to 3,600 s).
    pub lockout_s: u32,
    /// How long the first of two people is waited with (5 to 60 s).
    pub two_people_s: u32,
    /// How long the keys wait for the next try (5 to 60 s).
    pub keys_s: u32,
    /// While the clock cannot be trusted, first and last days, schedules and times of passage bind nobody; otherwise
    /// whoever is bound by one stays out. Either way no schedule holds the door unlocked.
    pub ignore_limits_without_clock: bool,
}

impl Default for RawAccess {
    fn default() -> Self {
        let d = Settings::default();
        Self {
            strike_s: d.strike_ms / 1_000,
            relock_on_close: d.relock_on_close,
            held_warn_s: d.held_warn_ms / 1_000,
            held_alarm_s: d.held_alarm_ms / 1_000,
            accessible: d.accessible,
            rex_unlocks: d.rex_unlocks,
            fire_unlocks: d.fire_unlocks,
            lockout_failures: d.lockout_failures,
            lockout_s: d.lockout_ms / 1_000,
            two_people_s: d.dual_ms / 1_000,
            keys_s: d.pin_ms / 1_000,
            ignore_limits_without_clock: d.untrusted_clock == UntrustedClock::IgnoreLimits,
        }
    }
}

/// What is kept on the disk.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawStorage {
    /// Keep aligned crops: needed to change the model without enrolling everybody again.
    pub keep_crops: bool,
    /// Keep a small picture of each enrolment.
    pub keep_images: bool,
    /// Events kept (1,000 to 10,000,000).
    pub events: u64,
}

impl Default for RawStorage {
    fn default() -> Self {
        Self { keep_crops: true, keep_images: true, events: 1_000_000 }
    }
}

/// How long things are kept, in days (0 to 36,500; 0: for ever). What is older goes once a day, and the file is searched
/// for it.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "each key of the file says its unit")]
pub struct RawRetention {
    /// Events of the journal.
    pub events_days: u32,
    /// Lines of the attendance book.
    pub attendance_days: u32,
    /// Lines of the audit log.
    pub looks_days: u32,
    /// People with all that is kept of them, counted from the last day of their access.
    pub leavers_days: u32,
    /// Pictures, counted from the newest look of the person.
    pub pictures_days: u32,
}

/// The door's own HTTP server.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawHttp {
    /// Address and port.
    pub listen: std::net::SocketAddr,
    /// Serve in clear; allowed on a loopback address alone, for a proxy on this board.
    pub clear: bool,
    /// Certificate chain (PEM); without one the door makes its own at the first start.
    pub certificate: Option<PathBuf>,
    /// The certificate's key (PEM).
    pub key: Option<PathBuf>,
    /// Host names and addresses in a certificate of the door's own.
    pub names: Vec<String>,
    /// Requests a second of one key on average (1 to 1,000); twice as many at once.
    pub per_second: u32,
    /// Connections at once (4 to 1,024).
    pub connections: usize,
}

impl Default for RawHttp {
    fn default() -> Self {
        Self {
            listen: std::net::SocketAddr::from(([0, 0, 0, 0], 8443)),
            clear: false,
            certificate: None,
            key: None,
            names: vec!["ostiary.local".into(), "localhost".into(), "127.0.0.1".into()],
            per_second: 20,
            connections: 64,
        }
    }
}
