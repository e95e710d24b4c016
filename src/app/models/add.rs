//! `ostiary models add`: files of the catalogue into the board's models folder.
//!
//! Owns: what may be given (a file, a folder), the check of the hash, the first run, the way onto the disk. Does not
//! own: the catalogue (`vision::manifest`), fetching: a door reaches out to nobody.
//! Invariants: only a regular file of bounded size with a hash of the catalogue is taken, and only when the network
//! loads and runs here; it is in its place whole or not at all, whenever the power goes; nothing else is written.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::app::AppError;
use crate::app::out::Out;
use crate::app::wiring::{self, Models};
use crate::domain::ModelId;
use crate::engine::{EngineError, MAX_MODEL_BYTES, Network, Pixels};
use crate::vision::manifest::{Input, ModelSpec};

/// Files looked at below a folder, and folders below each other.
const MOST_FILES: usize = 2_000;
const DEEPEST: usize = 4;
/// Runs of which the median is told.
const RUNS: usize = 21;

/// Why nothing was added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// An address.
    #[error(
        "{address} is an address, and a door fetches nothing by itself; run: curl --proto '=https' -fLO '{address}' \
         && ostiary models add '{file}'"
    )]
    Address {
        /// As given.
        address: String,
        /// What curl will call it.
        file: String,
    },
    /// A name of the catalogue instead of a file.
    #[error("there is no file {name}, but the catalogue has a model of that name; {how}")]
    Name {
        /// As given.
        name: String,
        /// How to get it.
        how: String,
    },
    /// Nothing there.
    #[error(
        "there is no file or folder {0}; `ostiary models list` shows what can be added and where it comes from"
    )]
    Absent(String),
    /// A symbolic link.
    #[error("{} is a symbolic link; name the file that it points to", .0.display())]
    Link(PathBuf),
    /// A device, a socket, a pipe.
    #[error("{} is neither a file nor a folder", .0.display())]
    Odd(PathBuf),
    /// More than a model may have.
    #[error("{} is larger than {} MiB and cannot be a model", .0.display(), MAX_MODEL_BYTES >> 20)]
    TooLarge(PathBuf),
    /// A folder with too much in it.
    #[error("{} holds more than {MOST_FILES} files; name the models folder itself, or the file", .0.display())]
    TooMany(PathBuf),
    /// Pictures to calibrate on, and not one model.
    #[error(
        "--quantize is for one file; the models were added as they are. See: ostiary models quantize --help"
    )]
    Several,
    /// A folder without a model of the catalogue.
    #[error("no file below {} has a hash of the catalogue ({looked} looked at){first}", folder.display())]
    NoneBelow {
        /// As given.
        folder: PathBuf,
        /// Files with the ending of a model.
        looked: usize,
        /// What is wrong with the first of them.
        first: String,
    },
    /// The catalogue's name with other bytes.
    #[error("{} has {found}, the catalogue's {wanted}; it was cut short or is another version: {how}", path.display())]
    Hash {
        /// Which.
        path: PathBuf,
        /// Hash and size of the file.
        found: String,
        /// Name, hash and size in the catalogue.
        wanted: String,
        /// How to get the right one.
        how: String,
    },
    /// No model of the catalogue.
    #[error(
        "{} (SHA-256 {got}) is not in the catalogue; `ostiary models list` shows what is. For a model of your own write \
         an entry into a manifest: models/README.md",
        path.display()
    )]
    Unknown {
        /// Which.
        path: PathBuf,
        /// Of the file.
        got: ModelId,
    },
    /// Right bytes that this program cannot run.
    #[error("{name} has the right hash and does not run here: {source}")]
    Engine {
        /// Of the catalogue.
        name: String,
        /// Why.
        #[source]
        source: EngineError,
    },
    /// A file that cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The models folder.
    #[error("{} cannot be written: {source}; choose a folder that you may write with --to, or use sudo", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl AddError {
    /// Exit code: 4 for what was given, 6 for what is no right model, 5 for the disk.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Address { .. }
            | Self::Name { .. }
            | Self::Absent(_)
            | Self::Link(_)
            | Self::Odd(_)
            | Self::TooMany(_)
            | Self::Several
            | Self::Read { .. } => 4,
            Self::TooLarge(_)
            | Self::NoneBelow { .. }
            | Self::Hash { .. }
            | Self::Unknown { .. }
            | Self::Engine { .. } => 6,
            Self::Write { .. } => 5,
        }
    }
}

/// What was added.
#[derive(Debug, Serialize)]
struct Added {
    model: String,
    file: PathBuf,
    sha256: String,
    licence: String,
    /// Median time of a run here, milliseconds.
    median_ms: f64,
    /// It was there already.
    already: bool,
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = if self.already { "is there already as" } else { "added as" };
        write!(
            f,
            "{} {done} {}; {:.2} ms a run here; licence {}",
            self.model,
            self.file.display(),
            self.median_ms,
            self.licence
        )
    }
}

/// Adds a file, or every file of the catalogue below a folder, into the folder `to`.
/// Answers the names of the models and where they are now.
pub(super) fn run(
    models: &Models,
    source: &str,
    to: &Path,
    out: &mut Out,
) -> Result<Vec<(String, PathBuf)>, AppError> {
    let (files, folder) = given(models, source)?;
    let (mut added, mut passed) = (Vec::new(), None);
    for file in &files {
        match add(models, file, to) {
            Ok(row) => {
                out.result(&row)?;
                added.push((row.model, row.file));
            }
            // Of a folder, files that are something else are passed over.
            Err(error @ (AddError::Hash { .. } | AddError::Unknown { .. } | AddError::TooLarge(_)))
                if folder =>
            {
                passed.get_or_insert(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if added.is_empty() {
        let first = passed.map(|error| format!("; the first: {error}")).unwrap_or_default();
        return Err(AddError::NoneBelow { folder: source.into(), looked: files.len(), first }.into());
    }
    Ok(added)
}

/// Installs one file of the catalogue into the folder `to` and answers the median time of a run here, milliseconds.
///
/// # Errors
/// See [`AddError`].
pub(in crate::app) fn install(models: &Models, path: &Path, to: &Path) -> Result<f64, AddError> {
    add(models, path, to).map(|added| added.median_ms)
}

/// The files that are meant, and whether they are a folder's.
fn given(models: &Models, source: &str) -> Result<(Vec<PathBuf>, bool), AddError> {
    if source.contains("://") {
        let file = source.split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        return Err(AddError::Address { address: source.into(), file: file.into() });
    }
    let path = PathBuf::from(source);
    let meta = match fs::symlink_metadata(&path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(match models.manifest.model(source) {
                Some(spec) => AddError::Name { name: source.into(), how: how(spec) },
                None => AddError::Absent(source.into()),
            });
        }
        Err(source) => return Err(AddError::Read { path, source }),
    };
    if meta.is_symlink() {
        Err(AddError::Link(path))
    } else if meta.is_file() {
        Ok((vec![path], false))
    } else if meta.is_dir() {
        let mut files = Vec::new();
        walk(&path, &path, DEEPEST, &mut files)?;
        files.sort();
        Ok((files, true))
    } else {
        Err(AddError::Odd(path))
    }
}

/// Regular files that end as models do; links are not followed.
fn walk(top: &Path, folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), AddError> {
    let failed = |source| AddError::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (kind, path) = (entry.file_type().map_err(failed)?, entry.path());
        if kind.is_dir() && depth > 0 {
            walk(top, &path, depth - 1, files)?;
        } else if kind.is_file() && path.extension() == Some(OsStr::new("onnx")) {
            files.push(path);
        }
        if files.len() > MOST_FILES {
            return Err(AddError::TooMany(top.to_owned()));
        }
    }
    Ok(())
}

fn add(models: &Models, path: &Path, to: &Path) -> Result<Added, AddError> {
    let bytes = read(path)?;
    let got = ModelId(Sha256::digest(&bytes).into());
    let spec = models.manifest.models().iter().find(|m| m.sha256 == got);
    let Some(spec) = spec else { return Err(stranger(models, path, got, bytes.len())) };
    let median_ms =
        measured(spec, &bytes).map_err(|source| AddError::Engine { name: spec.name.clone(), source })?;
    let file = to.join(&spec.file);
    let already = read(&file).is_ok_and(|there| there == bytes);
    if !already {
        put(&file, &bytes).map_err(|source| AddError::Write { path: file.clone(), source })?;
    }
    Ok(Added {
        model: spec.name.clone(),
        file,
        sha256: got.to_string(),
        licence: spec.licence.clone(),
        median_ms,
        already,
    })
}

/// Why a file of no known hash is refused: where it has the name of a model, that model is meant.
fn stranger(models: &Models, path: &Path, got: ModelId, bytes: usize) -> AddError {
    let named = |m: &&ModelSpec| {
        m.file.file_name() == path.file_name() || path.file_stem() == Some(OsStr::new(m.name.as_str()))
    };
    match models.manifest.models().iter().find(named) {
        Some(spec) => {
            let size = spec.bytes.map(|b| format!(" ({b} bytes)")).unwrap_or_default();
            AddError::Hash {
                path: path.to_owned(),
                found: format!("SHA-256 {got} ({bytes} bytes)"),
                wanted: format!("{} is {}{size}", spec.name, spec.sha256),
                how: how(spec),
            }
        }
        None => AddError::Unknown { path: path.to_owned(), got },
    }
}

/// How a model is got.
fn how(spec: &ModelSpec) -> String {
    match &spec.url {
        Some(url) => {
            let file = url.rsplit('/').next().unwrap_or_default();
            format!("run: curl --proto '=https' -fLO '{url}' && ostiary models add '{file}'")
        }
        None => format!("it has no address of its own and is made from {}", spec.source),
    }
}

/// A whole file of bounded size.
fn read(path: &Path) -> Result<Vec<u8>, AddError> {
    let failed = |source| AddError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_MODEL_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_MODEL_BYTES { Err(AddError::TooLarge(path.to_owned())) } else { Ok(bytes) }
}

/// The median time of a run, milliseconds of this thread.
fn measured(spec: &ModelSpec, bytes: &[u8]) -> Result<f64, EngineError> {
    let Input { width, height, mean, scale, .. } = spec.input;
    let mut network = Network::load(bytes, Pixels { width, height, mean, scale })?;
    let picture = vec![127; width * height * 3];
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let begun = wiring::thread_nanos();
        network.run(&picture)?;
        times.push(wiring::thread_nanos() - begun);
    }
    times.sort_unstable();
    Ok(times[RUNS / 2] as f64 / 1e6)
}

/// Writes beside the place, makes it durable, and moves it there.
fn put(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut name = OsStr::new(".").to_owned();
    name.push(file.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    let beside = folder.join(name);
    // Left by a process of this number that was killed, if it is there.
    let _ = fs::remove_file(&beside);
    let written = (|| {
        let mut part = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&beside)?;
        part.write_all(bytes)?;
        part.sync_all()?;
        fs::rename(&beside, file)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // What is left of it is nobody's.
        let _ = fs::remove_file(&beside);
    }
    written
}
