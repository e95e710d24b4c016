//! Configuration and board files: from text to values that may be used without another look.
//!
//! Owns: reading, the hints in errors, the ranges that no other module owns, the defaults of folders.
//! Does not own: the shape of the files (`raw`), the ranges of vision and of the door (their own modules).
//! Invariants: a `Config` or a `Board` that exists is sound; an unknown key is refused with the nearest right one.

mod board;
mod kept;
mod mqtt;
mod office;
mod raw;
mod raw_board;

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::access::{self, GateConfig, UntrustedClock};
use crate::matching::OpenSet;
use crate::vision::{VisionConfig, Zone};

pub use board::{Line, lines};
pub use kept::{Patched, keep};
pub use mqtt::{MqttSetup, RawMqtt, RawOperator};
pub use office::{Changed, Settings, SettingsError};
pub use raw::{RawConfig, RawHttp};
pub use raw_board::{
    RawBias, RawBoard, RawCamera, RawDisplay, RawDoor, RawInput, RawOutput, RawPace, RawRelay, RawSignals,
    RawSpiPanel,
};

use super::commands::Keep;
use super::retention::{MAX_DAYS, Retention};

/// Largest configuration file read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Why a file is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{0} cannot be read: {1}")]
    Read(PathBuf, #[source] std::io::Error),
    /// It is too large to be one.
    #[error("{0} is larger than 1 MiB and cannot be a configuration")]
    TooLarge(PathBuf),
    /// It is not the TOML that is wanted.
    #[error("{path}: {message}{hint}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong.
        message: String,
        /// The nearest right key.
        hint: String,
    },
    /// A value is out of its range.
    #[error("{path}: {message}")]
    Range {
        /// The file.
        path: PathBuf,
        /// Which key, what it may be, what it is.
        message: String,
    },
}

/// How this door behaves, checked.
#[derive(Debug)]
pub struct Config {
    /// The manifest, where one was named.
    pub manifest: Option<PathBuf>,
    /// The set of models, where one was named.
    pub set: Option<String>,
    /// Further folders with models.
    pub model_folders: Vec<PathBuf>,
    /// False identifications per look of a stranger.
    pub fpir_target: f64,
    /// Lead of the best person over the second, as cosine.
    pub margin: f32,
    /// What is a good look.
    pub vision: VisionConfig,
    /// The door's times and rules.
    pub gate: GateConfig,
    /// What is kept of an enrolment.
    pub keep: Keep,
    /// How long things are kept.
    pub retention: Retention,
    /// Events kept.
    pub events: u64,
    /// The HTTP server, where one is wanted.
    pub http: Option<RawHttp>,
    /// The link to a broker, where there is one.
    pub mqtt: Option<MqttSetup>,
}

impl Config {
    /// Reads a file; without one every setting has its default.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        match path {
            Some(path) => Self::check(read(path)?, path),
            None => Self::check(RawConfig::default(), Path::new("built-in defaults")),
        }
    }

    fn check(raw: RawConfig, path: &Path) -> Result<Self, ConfigError> {
        let range = |message: String| ConfigError::Range { path: path.to_owned(), message };
        let r = &raw.recognition;
        let (fpir, margin) = (OpenSet::FPIR_RANGE, OpenSet::MARGIN_RANGE);
        between(range, "recognition.fpir_target", r.fpir_target, *fpir.start(), *fpir.end())?;
        let (low, high) = (f64::from(*margin.start()), f64::from(*margin.end()));
        between(range, "recognition.margin", f64::from(r.margin), low, high)?;
        between(range, "storage.events", raw.storage.events as f64, 1e3, 1e7)?;
        let t = &raw.retention;
        let days = [
            ("retention.events_days", t.events_days),
            ("retention.attendance_days", t.attendance_days),
            ("retention.looks_days", t.looks_days),
            ("retention.leavers_days", t.leavers_days),
            ("retention.pictures_days", t.pictures_days),
        ];
        for (key, value) in days {
            between(range, key, f64::from(value), 0.0, f64::from(MAX_DAYS))?;
        }
        let retention = Retention {
            events: t.events_days,
            attendance: t.attendance_days,
            looks: t.looks_days,
            leavers: t.leavers_days,
            pictures: t.pictures_days,
        };
        if let Some(http) = &raw.http {
            between(range, "http.per_second", f64::from(http.per_second), 1.0, 1e3)?;
            between(range, "http.connections", http.connections as f64, 4.0, 1_024.0)?;
            if http.clear && !http.listen.ip().is_loopback() {
                let why = "http.clear is for a loopback address alone, as in listen = \"127.0.0.1:8080\"";
                return Err(range(why.into()));
            }
            if http.certificate.is_some() != http.key.is_some() {
                return Err(range("http.certificate and http.key belong together: give both or none".into()));
            }
        }
        let vision = vision(&raw);
        vision.check().map_err(|e| range(e.to_string()))?;
        let gate = gate(&raw).map_err(|e| range(format!("access: {e}")))?;
        let mqtt = raw.mqtt.check().map_err(range)?;
        Ok(Self {
            manifest: raw.models.manifest,
            set: raw.models.set,
            model_folders: raw.models.folders,
            fpir_target: r.fpir_target,
            margin: r.margin,
            vision,
            gate,
            keep: Keep { crops: raw.storage.keep_crops, images: raw.storage.keep_images },
            retention,
            events: raw.storage.events,
            http: raw.http,
            mqtt,
        })
    }
}

/// A board, checked as far as it can be without touching it.
#[derive(Debug)]
pub struct Board(pub RawBoard);

impl Board {
    /// Reads a board file. Relative paths in it count from the present folder.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let raw: RawBoard = read(path)?;
        let range = |message: String| ConfigError::Range { path: path.to_owned(), message };
        if raw.name.trim().is_empty() || raw.name.len() > 64 {
            return Err(range("name needs 1 to 64 bytes".into()));
        }
        match &raw.camera {
            RawCamera::V4l { width, height, fps, exposure_us, power_line_hz, .. } => {
                between(range, "camera.width", f64::from(*width), 160.0, 1920.0)?;
                between(range, "camera.height", f64::from(*height), 120.0, 1080.0)?;
                between(range, "camera.fps", f64::from(*fps), 1.0, 120.0)?;
                if let Some(us) = exposure_us {
                    between(range, "camera.exposure_us", f64::from(*us), 100.0, 1_000_000.0)?;
                }
                if power_line_hz.is_some_and(|hz| ![0, 50, 60].contains(&hz)) {
                    return Err(range("camera.power_line_hz is 50 or 60, or 0 for no correction".into()));
                }
            }
            RawCamera::Replay { fps, .. } => between(range, "camera.fps", f64::from(*fps), 1.0, 120.0)?,
            RawCamera::Visitors { people, .. } => {
                between(range, "camera.people", f64::from(*people), 1.0, 1_000.0)?;
            }
        }
        board::check(&raw).map_err(range)?;
        Ok(Self(raw))
    }
}

fn vision(raw: &RawConfig) -> VisionConfig {
    let (v, q, l) = (&raw.vision, &raw.vision.quality, &raw.vision.liveness);
    let mut config = VisionConfig { detect_score: v.detect_score, ..VisionConfig::default() };
    let [left, top, right, bottom] = v.zone;
    config.zone = Zone { left, top, right, bottom };
    config.motion.enabled = v.motion_gate;
    config.quality.enrol_eye_px = q.enrol_eye_px;
    config.quality.probe_eye_px = q.probe_eye_px;
    config.quality.min_yaw = q.min_yaw;
    config.quality.min_pitch = q.min_pitch;
    config.quality.min_sharpness = q.min_sharpness;
    config.quality.min_exposure = q.min_exposure;
    config.quality.min_completeness = q.min_completeness;
    config.liveness.k = l.k;
    config.liveness.n = l.n;
    config.liveness.live_score = l.live_score;
    config.liveness.spoof_score = l.spoof_score;
    config.liveness.spoof_votes = l.spoof_votes;
    config
}

fn gate(raw: &RawConfig) -> Result<GateConfig, access::ConfigError> {
    let (a, r) = (&raw.access, &raw.recognition);
    let ms = |seconds: u32| seconds.saturating_mul(1_000);
    GateConfig::checked(access::Settings {
        strike_ms: ms(a.strike_s),
        relock_on_close: a.relock_on_close,
        held_warn_ms: ms(a.held_warn_s),
        held_alarm_ms: ms(a.held_alarm_s),
        accessible: a.accessible,
        rex_unlocks: a.rex_unlocks,
        fire_unlocks: a.fire_unlocks,
        consistent_frames: r.consistent_frames,
        unknown_frames: r.unknown_frames,
        lockout_failures: a.lockout_failures,
        lockout_ms: ms(a.lockout_s),
        dual_ms: ms(a.two_people_s),
        pin_ms: ms(a.keys_s),
        untrusted_clock: if a.ignore_limits_without_clock {
            UntrustedClock::IgnoreLimits
        } else {
            UntrustedClock::RefuseLimited
        },
        ..access::Settings::default()
    })
}

fn between(
    range: impl Fn(String) -> ConfigError,
    key: &str,
    value: f64,
    low: f64,
    high: f64,
) -> Result<(), ConfigError> {
    // Written so that NaN fails.
    if value >= low && value <= high {
        return Ok(());
    }
    Err(range(format!("{key} must be from {low} to {high}, it is {value}")))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let failed = |e| ConfigError::Read(path.to_owned(), e);
    if fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
        return Err(ConfigError::TooLarge(path.to_owned()));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    toml::from_str(&text).map_err(|e| {
        let message = e.to_string();
        ConfigError::Parse { path: path.to_owned(), hint: hint(&message), message: message.trim_end().into() }
    })
}

/// The nearest right key or value, read from serde's own list of what it expected.
fn hint(message: &str) -> String {
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let Some(at) = message.find("unknown field").or_else(|| message.find("unknown variant")) else {
        return String::new();
    };
    let names = quoted(&message[at..]);
    let Some((wrong, right)) = names.split_first() else { return String::new() };
    let nearest = right.iter().min_by_key(|name| strsim::damerau_levenshtein(wrong, name));
    nearest.map_or_else(String::new, |name| format!("\ndid you mean `{name}`?"))
}
