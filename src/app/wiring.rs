//! The one place where adapters are built: files become stores, names become devices (`hardware`).
//!
//! Owns: the default folders, the choice of adapters by board and configuration. Does not own: their work.
//! Invariant: nothing outside this file names an adapter's type to construct it.

mod hardware;
mod links;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use crate::device::clock_os::thread_nanos;
use crate::device::clock_os::{OsClock, mono_micros};
use crate::device::clock_sim::SimClock;
use crate::domain::{ClockTrust, ModelId, Mono, Now, Utc};
use crate::engine::Pixels;
use crate::matching::{OpenSet, OpenSetError};
use crate::store::{self, KeyError, SealKey, Store, StoreError};
use crate::vision::manifest::{Family, Input, Manifest, ManifestError};
use crate::vision::{ModelError, ModelSet, Vision, VisionConfig, VisionError, models};
pub use hardware::{Eyes, camera, controls, display, door, here, release_relay, waiting_door, walkup};
pub use links::{GroupSecret, LinkParts, console, group_secret, link_parts, links, mqtt_settings, uplink};

use super::config::Config;

/// The set of models that serves where none is configured.
const DEFAULT_SET: &str = "ostiary";
/// Below the data folder.
pub const MODELS_FOLDER: &str = "models";
const MANIFESTS: [&str; 2] = ["models/manifest.toml", "/usr/share/ostiary/models/manifest.toml"];

/// Why the house cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The data folder.
    #[error("the data folder {0} cannot be made: {1}; choose one you may write with --data DIR")]
    Data(PathBuf, #[source] io::Error),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The gallery.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No manifest anywhere.
    #[error(
        "no model manifest found (looked for {0}); run from the project's folder or name it in the \
         configuration as models.manifest"
    )]
    NoManifest(String),
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A name that is neither in the manifest nor a file.
    #[error("there is no model and no file {0}; `ostiary models list` shows the manifest's models")]
    NoModel(String),
    /// The models.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The eyes.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// The thresholds.
    #[error(transparent)]
    OpenSet(#[from] OpenSetError),
    /// What a link is set up with.
    #[error("{0}")]
    Link(String),
    /// A device that cannot even be named.
    #[error("{0}")]
    Device(String),
}

/// The gallery on disk, opened with its key.
///
/// # Errors
/// See [`WiringError`].
pub fn store(data: &Path, config: &Config) -> Result<Store, WiringError> {
    if !data.is_dir() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
        made.map_err(|e| WiringError::Data(data.to_owned(), e))?;
    }
    let database = data.join(super::commands::GALLERY);
    let key = match credential() {
        Some(credential) => SealKey::from_credential(&credential)?,
        None => SealKey::load_or_create(&data.join("ostiary.key"), &database)?,
    };
    let options = store::Options { journal_capacity: config.events, ..store::Options::default() };
    Ok(Store::open(&database, key, options)?)
}

/// Where the key of the gallery is, and that it is one. Makes none.
///
/// # Errors
/// When the key is there and cannot be used, or the gallery is there without it.
pub fn key_place(data: &Path) -> Result<String, WiringError> {
    if let Some(credential) = credential() {
        SealKey::from_credential(&credential)?;
        return Ok("the service manager hands it over".to_owned());
    }
    let (key, database) = (data.join("ostiary.key"), data.join(super::commands::GALLERY));
    if !key.exists() && !database.exists() {
        return Ok(format!("none yet; the first start makes {}", key.display()));
    }
    SealKey::load_or_create(&key, &database)?;
    Ok(format!("{}, readable by its owner alone", key.display()))
}

fn credential() -> Option<PathBuf> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    Some(Path::new(&folder).join("ostiary-key")).filter(|file| file.exists())
}

/// Where models are looked for.
pub struct Models {
    /// What is known of them.
    pub manifest: Manifest,
    /// The configured set, else the one named by `OSTIARY_SET`, else the default; what serves a gallery is the
    /// gallery's own (`epochs`).
    pub set: String,
    /// Folders, in the order of search.
    pub folders: Vec<PathBuf>,
    /// The manifest's file.
    pub path: PathBuf,
}

impl Models {
    /// Finds the manifest and the folders.
    ///
    /// # Errors
    /// See [`WiringError`].
    pub fn find(config: &Config) -> Result<Self, WiringError> {
        let path = match &config.manifest {
            Some(path) => path.clone(),
            None => MANIFESTS
                .iter()
                .map(PathBuf::from)
                .find(|p| p.is_file())
                .ok_or_else(|| WiringError::NoManifest(MANIFESTS.join(", ")))?,
        };
        let own = path.parent().unwrap_or(Path::new(".")).to_owned();
        let mut folders = config.model_folders.clone();
        folders.extend(std::env::var_os("OSTIARY_MODELS").iter().flat_map(std::env::split_paths));
        // Beside a checkout, where third-party weights stay out of the repository.
        folders.extend([own.clone(), own.join("../../shared/models")]);
        let manifest = Manifest::read(&path)?;
        Ok(Self {
            manifest,
            set: config
                .set
                .clone()
                .or_else(|| std::env::var("OSTIARY_SET").ok().filter(|name| !name.is_empty()))
                .unwrap_or_else(|| DEFAULT_SET.to_owned()),
            folders,
            path,
        })
    }

    /// The same with the models folder of a board's data folder, into which `models add` puts files.
    #[must_use]
    pub fn beside(mut self, data: &Path) -> Self {
        self.folders.insert(0, data.join(MODELS_FOLDER));
        self
    }

    /// The same with the set that serves the gallery there, where there is one and no door has it open.
    #[must_use]
    pub fn serving(mut self, data: &Path, config: &Config) -> Self {
        if data.join(super::commands::GALLERY).is_file()
            && let Ok(store) = store(data, config)
            && let Some(epochs) = store.epochs()
        {
            self.set = epochs.serving.set;
        }
        self
    }

    /// Loads the set by hash and opens its eyes.
    ///
    /// # Errors
    /// See [`WiringError`].
    pub fn open(&self, config: &Config) -> Result<Vision, WiringError> {
        self.open_named(&self.set, &config.vision)
    }

    /// As [`Models::open`], a set by its name.
    ///
    /// # Errors
    /// See [`WiringError`].
    pub fn open_named(&self, set: &str, config: &VisionConfig) -> Result<Vision, WiringError> {
        let set = ModelSet::load(&self.manifest, self.manifest.set(set)?, &self.folders)?;
        let mut vision = Vision::new(set, config.clone())?;
        vision.set_clock(mono_micros);
        Ok(vision)
    }

    /// The bytes of one model and what its input looks like.
    ///
    /// # Errors
    /// When the manifest does not know it, or its file is missing or another.
    pub fn read(&self, name: &str) -> Result<(Vec<u8>, Pixels), WiringError> {
        let spec = self.manifest.model(name).ok_or_else(|| WiringError::NoModel(name.to_owned()))?;
        let Input { width, height, mean, scale, .. } = spec.input;
        Ok((models::find(spec, &self.folders)?, Pixels { width, height, mean, scale }))
    }

    /// The thresholds of the set's embedder, without loading any network.
    ///
    /// # Errors
    /// See [`WiringError`].
    pub fn open_set(&self, config: &Config) -> Result<(ModelId, OpenSet), WiringError> {
        self.open_set_of(&self.set, config.fpir_target, config.margin)
    }

    /// As [`Models::open_set`], of a set by its name.
    ///
    /// # Errors
    /// See [`WiringError`].
    pub fn open_set_of(
        &self,
        set: &str,
        target: f64,
        margin: f32,
    ) -> Result<(ModelId, OpenSet), WiringError> {
        let spec = self.manifest.embedder_of(self.manifest.set(set)?)?;
        let Family::Embedding { calibration, .. } = &spec.family else {
            unreachable!("the manifest gives the role of embedder to embeddings alone");
        };
        Ok((spec.sha256, OpenSet::new(calibration.clone(), target, margin)?))
    }
}

/// The board's clock.
#[must_use]
pub fn clock() -> Arc<OsClock> {
    Arc::new(OsClock::new())
}

/// A clock that goes as fast as it is told to, from that time on.
#[must_use]
pub fn sim_clock(from: Utc) -> Arc<SimClock> {
    Arc::new(SimClock::new(Now { mono: Mono(1_000), utc: from, trust: ClockTrust::Trusted }))
}

/// What tells of steps of the board's clock.
#[must_use]
pub fn clock_steps(clock: &Arc<OsClock>) -> Box<dyn FnMut() -> Option<i64>> {
    let clock = Arc::clone(clock);
    Box::new(move || clock.step().map(|step| step.by_ms))
}

/// A file that only its owner can read.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // The mode above holds for a new file only.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()
}
