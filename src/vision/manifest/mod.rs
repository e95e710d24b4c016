//! Which models there are, what they take and give, and which of them work together.
//!
//! Owns: the manifest's form, raw and checked. Does not own: opening model files (`models`).
//! Invariants: a checked manifest names each model and each set once, every set's members exist and have the
//! right role, every hash has 64 hex digits, and file names stay inside the models folder.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::liveness::MAX_NETS;
use ostiary_domain::{Calibration, ModelId, Point};
use ostiary_engine::Pixels;

mod raw;
#[cfg(test)]
mod tests;

use raw::{RawManifest, VERSION, duplicate, hint, syntax};

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Finds faces.
    Detector,
    /// Places five points in a face.
    Landmarks,
    /// Turns a face into a template.
    Embedder,
    /// Tells a living face from a picture of one.
    Liveness,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Detector => "detector",
            Self::Landmarks => "landmarks",
            Self::Embedder => "embedder",
            Self::Liveness => "liveness",
        })
    }
}

/// The order of colours in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// What a network takes: `value = (pixel - mean) * scale` for pixels 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Input {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Order of a pixel's values.
    pub colour: Colour,
    /// Subtracted.
    pub mean: f32,
    /// Multiplied.
    pub scale: f32,
}

impl Input {
    /// Batch, channels, height, width.
    #[must_use]
    pub const fn shape(&self) -> [usize; 4] {
        [1, 3, self.height, self.width]
    }

    /// The same for the engine, which is given pixels in this order of colours.
    #[must_use]
    pub const fn pixels(&self) -> Pixels {
        Pixels { width: self.width, height: self.height, mean: self.mean, scale: self.scale }
    }
}

/// How a model's outputs are read.
#[derive(Clone, Debug, PartialEq)]
pub enum Family {
    /// Twelve tensors cls, obj, bbox, kps at strides 8, 16, 32.
    Yunet,
    /// Ten numbers x0 y0 .. x4 y4 in fractions of a square crop.
    Points5 {
        /// Side of the crop in longer sides of the detector's box.
        crop: f32,
        /// Middle of the crop below the middle of the box, in its height.
        shift: f32,
    },
    /// One vector; faces are turned so that the five points lie on `template`.
    Embedding {
        /// Pixels of a square of the input's side: eyes, nose, corners of the mouth.
        template: [Point; 5],
        /// Values of the vector.
        length: usize,
        /// What a cosine is worth.
        calibration: Calibration,
        /// The calibration is a guess, not measured.
        provisional: bool,
    },
    /// Logits of several classes over a crop around the box.
    Minifasnet {
        /// Side of the crop in sides of the box.
        crop: f32,
        /// The class that means living.
        live_class: usize,
    },
}

/// One model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// Unique.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Below a models folder.
    pub file: PathBuf,
    /// SHA-256 of the file.
    pub sha256: ModelId,
    /// What it takes.
    pub input: Input,
    /// How its outputs are read.
    pub family: Family,
    /// SPDX identifier.
    pub licence: String,
    /// Where it comes from.
    pub source: String,
    /// Where exactly this file can be fetched; `None` where it was converted and has no address of its own.
    pub url: Option<String>,
    /// Bytes of the file, where they are known.
    pub bytes: Option<u64>,
    /// What was measured, by name and unit.
    pub figures: BTreeMap<String, f64>,
}

/// Models that work together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetSpec {
    /// Unique.
    pub name: String,
    /// One line for a list.
    pub about: String,
    /// Finds faces.
    pub detector: String,
    /// Refines the detector's points, if wanted.
    pub landmarks: Option<String>,
    /// Makes templates.
    pub embedder: String,
    /// Averaged.
    pub liveness: Vec<String>,
}

impl SetSpec {
    /// The names of all its models, as the manifest names them: detector, landmarks, embedder, liveness.
    pub fn members(&self) -> impl Iterator<Item = &String> {
        let before = [Some(&self.detector), self.landmarks.as_ref(), Some(&self.embedder)];
        before.into_iter().flatten().chain(&self.liveness)
    }
}

/// A checked manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    models: Vec<ModelSpec>,
    sets: Vec<SetSpec>,
}

impl Manifest {
    /// Reads and checks a manifest file.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Checks a manifest's text.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let raw: RawManifest = toml::from_str(text).map_err(|e| syntax(text, &e))?;
        if raw.version != VERSION {
            return Err(ManifestError::Version(raw.version));
        }
        let models = raw.model.into_iter().map(raw::RawModel::check).collect::<Result<Vec<_>, _>>()?;
        if let Some(name) = duplicate(models.iter().map(|m| m.name.as_str())) {
            return Err(ManifestError::Duplicate(name));
        }
        let manifest = Self { models, sets: raw.set };
        if let Some(name) = duplicate(manifest.sets.iter().map(|s| s.name.as_str())) {
            return Err(ManifestError::Duplicate(name));
        }
        for set in &manifest.sets {
            manifest.member(set, &set.detector, Role::Detector)?;
            manifest.member(set, &set.embedder, Role::Embedder)?;
            set.landmarks.iter().try_for_each(|n| manifest.member(set, n, Role::Landmarks).map(drop))?;
            set.liveness.iter().try_for_each(|n| manifest.member(set, n, Role::Liveness).map(drop))?;
            match set.liveness.len() {
                0 => return Err(ManifestError::NoLiveness(set.name.clone())),
                1..=MAX_NETS => {}
                _ => return Err(ManifestError::ManyLiveness(set.name.clone())),
            }
        }
        Ok(manifest)
    }

    /// Every model.
    #[must_use]
    pub fn models(&self) -> &[ModelSpec] {
        &self.models
    }

    /// Every set.
    #[must_use]
    pub fn sets(&self) -> &[SetSpec] {
        &self.sets
    }

    /// The set of that name.
    ///
    /// # Errors
    /// [`ManifestError::NoSet`] with the nearest name.
    pub fn set(&self, name: &str) -> Result<&SetSpec, ManifestError> {
        self.sets.iter().find(|s| s.name == name).ok_or_else(|| ManifestError::NoSet {
            name: name.to_owned(),
            hint: hint(name, self.sets.iter().map(|s| s.name.as_str())),
        })
    }

    /// The model of that name.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&ModelSpec> {
        self.models.iter().find(|m| m.name == name)
    }

    /// The embedder whose file has that hash.
    #[must_use]
    pub fn embedder(&self, sha256: ModelId) -> Option<&ModelSpec> {
        self.models.iter().find(|m| m.role == Role::Embedder && m.sha256 == sha256)
    }

    /// The embedder of a set.
    ///
    /// # Errors
    /// As [`Manifest::member`].
    pub fn embedder_of(&self, set: &SetSpec) -> Result<&ModelSpec, ManifestError> {
        self.member(set, &set.embedder, Role::Embedder)
    }

    /// A set's member, with the role it must have.
    ///
    /// # Errors
    /// [`ManifestError::NoModel`] with the nearest name.
    pub fn member(&self, set: &SetSpec, name: &str, role: Role) -> Result<&ModelSpec, ManifestError> {
        let fitting = |m: &&ModelSpec| m.role == role;
        self.models.iter().filter(fitting).find(|m| m.name == name).ok_or_else(|| ManifestError::NoModel {
            set: set.name.clone(),
            name: name.to_owned(),
            role,
            hint: hint(name, self.models.iter().filter(fitting).map(|m| m.name.as_str())),
        })
    }
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// the manifest cannot be read
    #[error("the model manifest {} cannot be read ({source}); give its place with models.manifest", path.display())]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// the manifest is not understood
    #[error("model manifest, line {line}: {what}{hint}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
        /// The nearest right key.
        hint: String,
    },
    /// the manifest is of another version
    #[error("the model manifest has version {0}, this program reads version 1")]
    Version(u32),
    /// two models or sets have the same name
    #[error("the model manifest names {0:?} twice")]
    Duplicate(String),
    /// a value of a model is wrong
    #[error("model {model:?}: {what}")]
    Model {
        /// Which.
        model: String,
        /// What is wrong.
        what: String,
    },
    /// there is no set of that name
    #[error("there is no model set {name:?}{hint}")]
    NoSet {
        /// Asked for.
        name: String,
        /// The nearest name.
        hint: String,
    },
    /// a set names a model that is not there
    #[error("model set {set:?} names {name:?}, which is no {role} model{hint}")]
    NoModel {
        /// Which set.
        set: String,
        /// Named.
        name: String,
        /// Wanted.
        role: Role,
        /// The nearest name.
        hint: String,
    },
    /// a set has no liveness model
    #[error("model set {0:?} names no liveness model; without one any photo opens the door")]
    NoLiveness(String),
    /// a set names too many liveness models
    #[error("model set {0:?} names more than 4 liveness models")]
    ManyLiveness(String),
}
