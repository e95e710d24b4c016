//! The manifest as it is written, and the way from there to a checked one.
//!
//! Owns: the TOML form, ranges, the hints for misspelt names. Does not own: what holds between models and sets
//! (the parent). Invariant: nothing leaves here unchecked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, PathBuf};

use serde::Deserialize;

use super::{Colour, Family, Input, ManifestError, ModelSpec, Role, SetSpec};
use ostiary_domain::limits::MAX_ALIGNED_SIDE;
use ostiary_domain::{Anchor, Calibration, ModelId, Point};

/// The version of the form that is read.
pub(super) const VERSION: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawManifest {
    pub(super) version: u32,
    pub(super) model: Vec<RawModel>,
    #[serde(default)]
    pub(super) set: Vec<SetSpec>,
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
pub(super) struct RawModel {
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
    url: Option<String>,
    bytes: Option<u64>,
    #[serde(default)]
    figures: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnchor {
    fmr: f64,
    cosine: f32,
    #[serde(default)]
    extrapolated: bool,
}

impl RawModel {
    pub(super) fn check(self) -> Result<ModelSpec, ManifestError> {
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
        if self.url.as_ref().is_some_and(|url| !url.starts_with("https://") || url.contains(['\'', ' '])) {
            return Err("`url` must begin with https:// and hold neither spaces nor quotes".into());
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
            url: self.url,
            bytes: self.bytes,
            figures: self.figures,
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
        let raw = self.calibration.as_deref().ok_or("`calibration` is missing")?;
        let anchor = |a: &RawAnchor| Anchor { log10_fmr: a.fmr.log10() as f32, cosine: a.cosine };
        let anchors: Vec<Anchor> = raw.iter().map(anchor).collect();
        if raw.windows(2).any(|w| w[0].extrapolated && !w[1].extrapolated) {
            return Err(
                "`calibration`: anchors that are extrapolated come after all that were measured".into()
            );
        }
        let measured =
            raw.iter().rposition(|a| !a.extrapolated).ok_or("`calibration`: nothing was measured")?;
        let calibration = Calibration::new(&anchors).map_err(|e| e.to_string())?;
        Ok(Family::Embedding {
            template: template.map(|[x, y]| Point { x, y }),
            length,
            calibration: calibration.measured_to(anchors[measured].log10_fmr),
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

pub(super) fn duplicate<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name)).map(str::to_owned)
}

/// `; did you mean "x"?`, or a list of what there is.
pub(super) fn hint<'a>(wrong: &str, right: impl Iterator<Item = &'a str>) -> String {
    let right: Vec<&str> = right.collect();
    let nearest = right.iter().map(|r| (strsim::damerau_levenshtein(wrong, r), *r)).min();
    match nearest {
        Some((distance, name)) if distance <= 1 + wrong.len() / 3 => format!("; did you mean {name:?}?"),
        Some(_) => format!("; there are: {}", right.join(", ")),
        None => String::new(),
    }
}

/// serde names the unknown key first and then all right ones, each between backticks.
pub(super) fn syntax(text: &str, error: &toml::de::Error) -> ManifestError {
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
