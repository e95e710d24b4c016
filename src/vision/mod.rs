//! From a frame to a verdict: detect, track, judge quality and liveness, align, embed.
//!
//! Owns: every step between pixels and a template, the model manifest, the thresholds of a good face.
//! Does not own: cameras, the gallery (it is asked through a closure), the decision.
//! Invariants: enrolment and walk-up run the same steps with the same limits; a face is embedded only as a
//! [`liveness::LiveFace`] or as [`liveness::Trusted`], said in so many words; a model is used only after its
//! file's hash was found right; after the first frames nothing here allocates for a frame but the engine.

pub mod align;
mod blend;
pub mod config;
pub mod detect;
pub mod embed;
pub mod liveness;
pub mod look;
pub mod manifest;
pub mod models;
pub mod motion;
pub mod quality;
pub mod refine;
pub mod resample;
pub mod timings;
pub mod track;

pub use config::{LivenessConfig, MotionConfig, QualityLimits, TrackConfig, VisionConfig, Zone};
pub use liveness::{LiveFace, LiveScore, Liveness, Trusted};
pub use look::{Examined, LiveRule, Purpose, Vision};
pub use manifest::{Manifest, ManifestError, SetSpec};
pub use models::{ModelError, ModelSet};
pub use timings::{Stage, Timings};

use ostiary_domain::embedding::EmbeddingError;
use ostiary_engine::EngineError;

/// Why a frame cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    /// a network failed
    #[error("the {role} model failed: {source}")]
    Engine {
        /// Which.
        role: manifest::Role,
        /// Why.
        #[source]
        source: EngineError,
    },
    /// the embedder gave no usable template
    #[error("the embedder gave no usable template: {0}")]
    Embedding(#[source] EmbeddingError),
    /// a limit is out of its range
    #[error("{0}")]
    Config(#[source] config::ConfigError),
}
