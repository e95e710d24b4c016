//! From a set's names to networks ready to run.
//!
//! Owns: finding files in the models folders, checking hash and output shapes. Does not own: the manifest.
//! Invariant: a network is only ever made of bytes whose SHA-256 the manifest gives.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::detect::Detector;
use super::embed::Embedder;
use super::liveness::PassiveNet;
use super::manifest::{Family, Manifest, ManifestError, ModelSpec, Role, SetSpec};
use super::refine::Refiner;
use ostiary_domain::{Calibration, ModelId};
use ostiary_engine::{EngineError, MAX_MODEL_BYTES, Network};

/// Loaded models that work together.
#[derive(Debug)]
pub struct ModelSet {
    pub(super) detector: Detector,
    pub(super) refiner: Option<Refiner>,
    pub(super) embedder: Embedder,
    pub(super) liveness: Vec<PassiveNet>,
    name: String,
    members: Vec<(String, ModelId)>,
}

impl ModelSet {
    /// Loads every member of `set`, looking below each of `folders` in turn.
    ///
    /// # Errors
    /// See [`ModelError`]: each says which file and what to do.
    pub fn load(manifest: &Manifest, set: &SetSpec, folders: &[PathBuf]) -> Result<Self, ModelError> {
        let mut members = Vec::new();
        let mut take = |name: &str, role: Role| -> Result<(&ModelSpec, Network, Shapes), ModelError> {
            let spec = manifest.member(set, name, role)?;
            let bytes = find(spec, folders)?;
            let network = Network::load(&bytes, spec.input.pixels())
                .map_err(|source| ModelError::Engine { model: spec.name.clone(), source })?;
            members.push((spec.name.clone(), spec.sha256));
            let shapes = (0..network.output_count()).map(|i| format!("{:?}", network.output_shape(i)));
            let shapes = Shapes(shapes.collect::<Vec<_>>().join(" "));
            Ok((spec, network, shapes))
        };

        let (spec, network, shapes) = take(&set.detector, Role::Detector)?;
        let detector = Detector::new(network, spec.input)
            .ok_or_else(|| shapes.wrong(spec, "cls, obj, bbox and kps at strides 8, 16 and 32"))?;

        let refiner = match &set.landmarks {
            None => None,
            Some(name) => {
                let (spec, network, shapes) = take(name, Role::Landmarks)?;
                let Family::Points5 { crop, shift } = spec.family else {
                    return Err(wrong_family(spec));
                };
                let refiner = Refiner::new(network, spec.input, crop, shift);
                Some(refiner.ok_or_else(|| shapes.wrong(spec, "one output of 10 values"))?)
            }
        };

        let (spec, network, shapes) = take(&set.embedder, Role::Embedder)?;
        let embedder = Embedder::new(network, spec).ok_or_else(|| {
            shapes.wrong(spec, "one output of as many values as `length` says, from 16 to 512")
        })?;

        let mut liveness = Vec::new();
        for name in &set.liveness {
            let (spec, network, shapes) = take(name, Role::Liveness)?;
            let Family::Minifasnet { crop, live_class } = spec.family else {
                return Err(wrong_family(spec));
            };
            let net = PassiveNet::new(network, spec.input, crop, live_class);
            liveness.push(net.ok_or_else(|| {
                shapes.wrong(spec, "one output of 2 to 8 classes, `live_class` among them")
            })?);
        }
        Ok(Self { detector, refiner, embedder, liveness, name: set.name.clone(), members })
    }

    /// The network of a role; `nth` counts the liveness networks. `None` where the set has none such.
    pub fn network_mut(&mut self, role: Role, nth: usize) -> Option<&mut Network> {
        match role {
            Role::Detector => Some(self.detector.network_mut()),
            Role::Landmarks => self.refiner.as_mut().map(Refiner::network_mut),
            Role::Embedder => Some(self.embedder.network_mut()),
            Role::Liveness => self.liveness.get_mut(nth).map(PassiveNet::network_mut),
        }
    }

    /// The set's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names and hashes of all members.
    #[must_use]
    pub fn members(&self) -> &[(String, ModelId)] {
        &self.members
    }

    /// The embedder's hash: templates carry it.
    #[must_use]
    pub const fn model_id(&self) -> ModelId {
        self.embedder.model_id()
    }

    /// What a cosine of the embedder is worth.
    #[must_use]
    pub const fn calibration(&self) -> &Calibration {
        self.embedder.calibration()
    }
}

/// Why models cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// the manifest does not allow it
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// a file is in none of the folders
    #[error("model file {} is missing; copy it below one of: {folders}", file.display())]
    Missing {
        /// Below a models folder.
        file: PathBuf,
        /// Where it was looked for.
        folders: String,
    },
    /// a file cannot be read
    #[error("model file {} cannot be read ({source})", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// a file is another than the manifest names
    #[error(
        "model file {} has SHA-256 {got}, the manifest says {wanted}; copy the right file or correct the manifest",
        path.display()
    )]
    Hash {
        /// Which.
        path: PathBuf,
        /// Of the file.
        got: ModelId,
        /// Of the manifest.
        wanted: ModelId,
    },
    /// a file is too large to be a model
    #[error("model file {} is larger than 64 MiB and is not read", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// a model cannot be planned
    #[error("model {model}: {source}")]
    Engine {
        /// Which.
        model: String,
        /// Why.
        #[source]
        source: EngineError,
    },
    /// a model gives other outputs than its family does
    #[error("model {model} gives outputs {got}, its family wants {wanted}; correct `family` in the manifest")]
    Outputs {
        /// Which.
        model: String,
        /// By its family.
        wanted: &'static str,
        /// Found.
        got: String,
    },
    /// a model's family does not fit its role
    #[error("model {model} has a family that is not one of a {role} model; correct the manifest")]
    Family {
        /// Which.
        model: String,
        /// Of the manifest.
        role: Role,
    },
}

/// The outputs' shapes, for the error.
struct Shapes(String);

impl Shapes {
    fn wrong(self, spec: &ModelSpec, wanted: &'static str) -> ModelError {
        ModelError::Outputs { model: spec.name.clone(), wanted, got: self.0 }
    }
}

fn wrong_family(spec: &ModelSpec) -> ModelError {
    ModelError::Family { model: spec.name.clone(), role: spec.role }
}

/// The right file's bytes; the first wrong file is reported when there is no right one.
///
/// # Errors
/// When there is none.
pub fn find(spec: &ModelSpec, folders: &[PathBuf]) -> Result<Vec<u8>, ModelError> {
    let mut wrong = None;
    for folder in folders {
        let path = folder.join(&spec.file);
        let Some(bytes) = read(&path)? else { continue };
        let got = ModelId(Sha256::digest(&bytes).into());
        if got == spec.sha256 {
            return Ok(bytes);
        }
        wrong = wrong.or(Some(ModelError::Hash { path, got, wanted: spec.sha256 }));
    }
    let list = || folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ");
    Err(wrong.unwrap_or_else(|| ModelError::Missing { file: spec.file.clone(), folders: list() }))
}

/// A whole file of bounded size; `None` when it is not there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, ModelError> {
    let failed = |source| ModelError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_MODEL_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_MODEL_BYTES {
        return Err(ModelError::TooLarge { path: path.to_owned() });
    }
    Ok(Some(bytes))
}
