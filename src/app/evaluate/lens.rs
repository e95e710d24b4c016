//! Pictures from disk to what the pipeline makes of them.
//!
//! Owns: reading files and asking `vision`, exactly as enrolment and identification do. Does not own: any step.
//! Invariants: every picture gives an answer (a template, or why there is none); the quality gate is recorded, and
//! overruled only here, where it is measured and not enforced.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::domain::{Embedding, Mono, QualityReason, QualityReasons};
use crate::picture::{self, Limits, Picture};
use crate::vision::{Manifest, ModelSet, Purpose, SetSpec, Trusted, Vision, VisionConfig, Zone};

use super::EvaluateError;
use super::parallel;

/// The subject of a picture of a data set stands in its middle; faces at the side are passers-by.
const MIDDLE: Zone = Zone { left: 0.25, top: 0.25, right: 0.75, bottom: 0.75 };

/// Where vision comes from: each thread opens its own.
pub(super) struct Lens<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) folders: &'a [PathBuf],
    pub(super) config: &'a VisionConfig,
}

/// What one picture gave.
pub(super) struct Sample {
    /// Below the folder of images.
    pub(super) picture: String,
    pub(super) embedding: Option<Embedding>,
    /// Why the product's quality gate would refuse it as a probe; `no_face` where there is no template.
    pub(super) reasons: QualityReasons,
}

/// How many pictures gave a template.
#[derive(Clone, Debug, Serialize)]
pub struct Extraction {
    /// Pictures looked at.
    pub pictures: u64,
    /// People they show.
    pub people: u64,
    /// Pictures in which no face was found, or whose face cannot be turned upright: failures to extract.
    pub failed: Vec<String>,
    /// Pictures that the quality gate of the door would ask to be taken again, by reason. They are compared all the
    /// same, so that rates are not flattered.
    pub refused_by_gate: u64,
    /// The reasons; a picture may have several.
    pub reasons: Vec<(&'static str, u64)>,
}

impl Lens<'_> {
    pub(super) fn open(&self, set: &SetSpec, zone: Zone) -> Result<Vision, EvaluateError> {
        let models = ModelSet::load(self.manifest, set, self.folders)?;
        Ok(Vision::new(models, VisionConfig { zone, ..self.config.clone() })?)
    }

    /// Templates of many pictures.
    pub(super) fn extract(
        &self,
        set: &SetSpec,
        images: &Path,
        pictures: &[String],
        threads: usize,
    ) -> Result<Vec<Sample>, EvaluateError> {
        let open = || self.open(set, MIDDLE);
        parallel::map("making templates", pictures, threads, open, |vision, name| {
            let picture = load(&images.join(name))?;
            sample(vision, name, &picture)
        })
    }
}

fn sample(vision: &mut Vision, name: &str, picture: &Picture) -> Result<Sample, EvaluateError> {
    let frame = picture
        .as_frame(Mono(0))
        .map_err(|source| EvaluateError::Picture { path: PathBuf::from(name), source })?;
    let examined = vision.examine(frame, Purpose::Probe)?;
    let embedding = match (examined.embedding, &examined.subject) {
        (Some(embedding), _) => Some(embedding),
        // The gate refused it; the template is made all the same, see `Extraction::refused_by_gate`.
        (None, Some(face)) => match vision.align(frame, face)? {
            Some(aligned) => Some(vision.embed(&Trusted(&aligned))?),
            None => None,
        },
        (None, None) => None,
    };
    // The middle of the picture is where this data set has its subjects, not where the door has its visitors.
    let reasons = examined.reasons.iter().filter(|r| *r != QualityReason::OutOfZone).collect();
    Ok(Sample { picture: name.to_owned(), embedding, reasons })
}

/// Reads a picture and scales it down where it is larger than a frame may be.
pub(in super::super) fn load(path: &Path) -> Result<Picture, EvaluateError> {
    let bytes =
        std::fs::read(path).map_err(|source| EvaluateError::Read { path: path.to_owned(), source })?;
    picture::decode(&bytes, Limits::default())
        .and_then(Picture::fit_frame)
        .map_err(|source| EvaluateError::Picture { path: path.to_owned(), source })
}

/// Pictures below a folder, as paths relative to it with `/`, in order.
pub(in super::super) fn list(folder: &Path) -> Result<Vec<String>, EvaluateError> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new(), 0)];
    while let Some((path, prefix, depth)) = open.pop() {
        let failed = |source| EvaluateError::Read { path: path.clone(), source };
        for entry in std::fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            // Two levels: person/picture. Deeper trees and links in circles are not a data set.
            if entry.path().is_dir() {
                if depth < 2 {
                    open.push((entry.path(), format!("{name}/"), depth + 1));
                }
            } else if is_picture(&name) {
                found.push(name);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn is_picture(name: &str) -> bool {
    let extension = Path::new(name).extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    matches!(extension.as_deref(), Some("jpg" | "jpeg" | "png"))
}

/// Counts what came of the pictures.
pub(super) fn summary(samples: &[Sample], people: u64) -> Extraction {
    let failed = |s: &&Sample| s.embedding.is_none();
    let refused = |s: &&Sample| s.embedding.is_some() && !s.reasons.is_empty();
    let count = |reason: QualityReason| {
        samples.iter().filter(refused).filter(|s| s.reasons.contains(reason)).count() as u64
    };
    Extraction {
        pictures: samples.len() as u64,
        people,
        failed: samples.iter().filter(failed).map(|s| s.picture.clone()).collect(),
        refused_by_gate: samples.iter().filter(refused).count() as u64,
        reasons: QualityReason::ALL.map(|r| (r.name(), count(r))).into_iter().filter(|r| r.1 > 0).collect(),
    }
}
