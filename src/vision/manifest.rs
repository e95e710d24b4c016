//! Which models there are, what they take and give, and which of them work together.
//!
//! Owns: the manifest's form, raw and checked. Does not own: opening model files (`models`).
//! Invariants: a checked manifest names each model and each set once, every set's members exist and have the
//! right role, every hash has 64 hex digits, and file names stay inside the models folder.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::liveness::MAX_NETS;
use crate::domain::limits::MAX_ALIGNED_SIDE;
use crate::domain::{Anchor, Calibration, ModelId, Point};

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

/// What a network takes: `value = (pixel - mean) * scale` for pixels 0 to 255, planes one after another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Input {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Order of planes.
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
        let models = raw.model.into_iter().map(RawModel::check).collect::<Result<Vec<_>, _>>()?;
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

const VERSION: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    version: u32,
    model: Vec<RawModel>,
    #[serde(default)]
    set: Vec<SetSpec>,
}

impl<'de> Deserialize<'de> for SetSpec {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw {
            name: String,
            about: String,
            detector: String,
            landmarks: Option<String>,
            embedder: String,
            liveness: Vec<String>,
        }
        let Raw { name, about, detector, landmarks, embedder, liveness } = Raw::deserialize(deserializer)?;
        Ok(Self { name, about, detector, landmarks, embedder, liveness })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawFamily {
    Yunet,
    Points5,
    Embedding,
    Minifasnet,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    name: String,
    role: Role,
    family: RawFamily,
    file: String,
    sha256: String,
    width: usize,
    height: usize,
    colour: Colour,
    mean: Option<f32>,
    scale: Option<f32>,
    template: Option<[[f32; 2]; 5]>,
    length: Option<usize>,
    calibration: Option<Vec<RawAnchor>>,
    provisional: Option<bool>,
    crop: Option<f32>,
    shift: Option<f32>,
    live_class: Option<usize>,
    licence: String,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnchor {
    fmr: f64,
    cosine: f32,
}

impl RawModel {
    fn check(self) -> Result<ModelSpec, ManifestError> {
        let name = self.name.clone();
        self.checked().map_err(|what| ManifestError::Model { model: name, what })
    }

    fn checked(self) -> Result<ModelSpec, String> {
        let file = PathBuf::from(&self.file);
        if self.file.is_empty() || !file.components().all(|c| matches!(c, Component::Normal(_))) {
            return Err("`file` must be a name inside the models folder".into());
        }
        let sha256 = hash(&self.sha256).ok_or("`sha256` must be 64 hex digits; see `sha256sum FILE`")?;
        let sides = 16..=2048;
        if !sides.contains(&self.width) || !sides.contains(&self.height) {
            return Err("`width` and `height` must be from 16 to 2048".into());
        }
        let (mean, scale) = (self.mean.unwrap_or(0.0), self.scale.unwrap_or(1.0));
        if !mean.is_finite() || !scale.is_finite() || scale.abs() < f32::MIN_POSITIVE {
            return Err("`mean` and `scale` must be finite and `scale` not 0".into());
        }
        let input = Input { width: self.width, height: self.height, colour: self.colour, mean, scale };
        let family = self.family()?;
        Ok(ModelSpec {
            name: self.name,
            role: self.role,
            file,
            sha256,
            input,
            family,
            licence: self.licence,
            source: self.source,
        })
    }

    fn family(&self) -> Result<Family, String> {
        let (family, role) = match self.family {
            RawFamily::Yunet => (self.yunet()?, Role::Detector),
            RawFamily::Points5 => {
                let crop = self.crop("from 0.5 to 4")?;
                let shift = self.shift.unwrap_or(0.0);
                if !(-0.5..=0.5).contains(&shift) {
                    return Err("`shift` must be from -0.5 to 0.5".into());
                }
                (Family::Points5 { crop, shift }, Role::Landmarks)
            }
            RawFamily::Embedding => (self.embedding()?, Role::Embedder),
            RawFamily::Minifasnet => {
                let live_class = self.live_class.ok_or("`live_class` is missing")?;
                (Family::Minifasnet { crop: self.crop("from 0.5 to 4")?, live_class }, Role::Liveness)
            }
        };
        if role != self.role {
            return Err(format!("this `family` is of a {role} model, `role` says {}", self.role));
        }
        Ok(family)
    }

    fn yunet(&self) -> Result<Family, String> {
        if !self.width.is_multiple_of(32) || !self.height.is_multiple_of(32) {
            return Err("a YuNet's `width` and `height` must be multiples of 32".into());
        }
        Ok(Family::Yunet)
    }

    fn crop(&self, range: &str) -> Result<f32, String> {
        let crop = self.crop.ok_or("`crop` is missing")?;
        if (0.5..=4.0).contains(&crop) { Ok(crop) } else { Err(format!("`crop` must be {range}")) }
    }

    fn embedding(&self) -> Result<Family, String> {
        if self.width != self.height || self.width > MAX_ALIGNED_SIDE {
            return Err(format!("an embedder's input must be square, at most {MAX_ALIGNED_SIDE} pixels"));
        }
        let side = self.width as f32;
        let template = self.template.ok_or("`template` is missing: five points in pixels of the input")?;
        let inside = |v: f32| v > 0.0 && v < side;
        if !template.iter().flatten().all(|v| inside(*v)) || template[0][0] >= template[1][0] {
            return Err("`template` must be five points inside the input, left eye first".into());
        }
        let length = self.length.ok_or("`length` is missing: values of a template")?;
        let anchors = self.calibration.as_deref().ok_or("`calibration` is missing")?;
        let anchors: Vec<Anchor> =
            anchors.iter().map(|a| Anchor { log10_fmr: a.fmr.log10() as f32, cosine: a.cosine }).collect();
        Ok(Family::Embedding {
            template: template.map(|[x, y]| Point { x, y }),
            length,
            calibration: Calibration::new(&anchors).map_err(|e| e.to_string())?,
            provisional: self.provisional.unwrap_or(false),
        })
    }
}

fn hash(text: &str) -> Option<ModelId> {
    let mut id = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (i, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(ModelId(id))
}

fn duplicate<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name)).map(str::to_owned)
}

/// `; did you mean "x"?`, or a list of what there is.
fn hint<'a>(wrong: &str, right: impl Iterator<Item = &'a str>) -> String {
    let right: Vec<&str> = right.collect();
    let nearest = right.iter().map(|r| (strsim::damerau_levenshtein(wrong, r), *r)).min();
    match nearest {
        Some((distance, name)) if distance <= 1 + wrong.len() / 3 => format!("; did you mean {name:?}?"),
        Some(_) => format!("; there are: {}", right.join(", ")),
        None => String::new(),
    }
}

/// serde names the unknown key first and then all right ones, each between backticks.
fn syntax(text: &str, error: &toml::de::Error) -> ManifestError {
    let start = error.span().map_or(0, |s| s.start.min(text.len()));
    let line = text.get(..start).map_or(1, |before| before.split('\n').count());
    let message = error.message();
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (what, hint) = match (message.starts_with("unknown field"), quoted.next()) {
        (true, Some(wrong)) => (format!("unknown key `{wrong}`"), hint(wrong, quoted)),
        (true, None) | (false, _) => (message.lines().next().unwrap_or_default().to_owned(), String::new()),
    };
    ManifestError::Syntax { line, what, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../models/manifest.toml");

    #[test]
    fn the_shipped_manifest_is_sound() {
        let manifest = Manifest::parse(SHIPPED).unwrap();
        for name in ["strong", "strong-refined", "strong-640", "mobile"] {
            manifest.set(name).unwrap();
        }
    }

    #[test]
    fn mistakes_are_named_with_what_was_meant() {
        let misspelt = SHIPPED.replacen("sha256 =", "sha265 =", 1);
        let error = Manifest::parse(&misspelt).unwrap_err().to_string();
        assert!(error.contains("did you mean \"sha256\"?"), "{error}");
        let outside = SHIPPED.replacen("file = \"yunet/", "file = \"../yunet/", 1);
        assert!(Manifest::parse(&outside).unwrap_err().to_string().contains("inside the models folder"));
        let error = Manifest::parse(SHIPPED).unwrap().set("stronk").unwrap_err().to_string();
        assert_eq!(error, "there is no model set \"stronk\"; did you mean \"strong\"?");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z0-9=\\[\\]\"\\.\n{} ]{0,400}") {
            let _ = Manifest::parse(&text);
        }

        #[test]
        fn a_manifest_with_any_byte_changed_is_read_or_refused(at in 0_usize..4_000, byte in 32_u8..127) {
            let mut bytes = SHIPPED.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(text) = std::str::from_utf8(&bytes) {
                let _ = Manifest::parse(text);
            }
        }
    }
}
