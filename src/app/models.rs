//! `ostiary models`: what the manifest knows, what is here, and whether it is sound.
//!
//! Owns: the list and the check. Does not own: the manifest, hashes and networks (`vision`), adding (`add`), the change
//! of a gallery's models (`change`).
//! Invariants: `list` only says whether a file is there; `verify` loads a set, which checks hash and shapes, or hashes
//! every file that is there.

mod add;
mod change;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::vision::manifest::ModelSpec;
use crate::vision::{ModelSet, models};

use super::bench;
use super::cli::{Common, ModelsCommand};
use super::config::Config;
use super::out::Out;
use super::quantize;
use super::wiring::{self, Models, WiringError};
use super::{Answer, AppError};

pub use add::AddError;
pub(in crate::app) use add::install;

/// Lists, adds, verifies, chooses or measures.
pub(super) fn run(common: &Common, command: &ModelsCommand, out: &mut Out) -> Result<Answer, AppError> {
    if let ModelsCommand::Use { set, no_wait } = command {
        return change::run(common, set, *no_wait, out);
    }
    let config = Config::read_over(common.config.as_deref(), &common.data)?;
    let models = Models::find(&config)?.beside(&common.data);
    match command {
        ModelsCommand::Bench(args) => return bench::run(&models, args, out),
        ModelsCommand::Quantize(args) => return quantize::run(&models, &config, args, out),
        ModelsCommand::Use { .. } => unreachable!("done above"),
        ModelsCommand::Add { source, to, quantize: pictures } => {
            let own = common.data.join(wiring::MODELS_FOLDER);
            let to = to.as_deref().unwrap_or(&own);
            let added = add::run(&models, source, to, out)?;
            return match (pictures.as_slice(), added.as_slice()) {
                ([], _) => Ok(Answer::Yes),
                (pictures, [(name, file)]) => {
                    let args = quantize::QuantizeArgs::plain(name, file, pictures, to);
                    quantize::run(&models, &config, &args, out)
                }
                (_, _) => Err(add::AddError::Several.into()),
            };
        }
        ModelsCommand::List => {
            out.result(&listing(&models))?;
        }
        ModelsCommand::Verify { all: true, .. } => {
            let found = rehashed(&models);
            let sound = found.wrong.is_empty();
            out.result(&found)?;
            return Ok(if sound { Answer::Yes } else { Answer::No });
        }
        ModelsCommand::Verify { set, all: false } => {
            let name = set.as_deref().unwrap_or(&models.set);
            let spec = models.manifest.set(name).map_err(WiringError::from)?;
            let loaded =
                ModelSet::load(&models.manifest, spec, &models.folders).map_err(WiringError::from)?;
            for (member, hash) in loaded.members() {
                out.line(format_args!("{member}: hash {hash} and shapes are right"))?;
            }
            if out.json() {
                out.document(&serde_json::json!({ "set": name, "sound": true }))?;
            }
        }
    }
    Ok(Answer::Yes)
}

/// Every file of the catalogue that is in any folder, by its hash as it is now.
#[derive(Serialize)]
struct Rehashed {
    right: Vec<PathBuf>,
    wrong: Vec<PathBuf>,
    missing: Vec<String>,
}

fn rehashed(models: &Models) -> Rehashed {
    let mut found = Rehashed { right: Vec::new(), wrong: Vec::new(), missing: Vec::new() };
    for spec in models.manifest.models() {
        let mut here = false;
        for folder in &models.folders {
            match is_right(spec, folder) {
                Some(true) => found.right.push(folder.join(&spec.file)),
                Some(false) => found.wrong.push(folder.join(&spec.file)),
                None => continue,
            }
            here = true;
        }
        if !here {
            found.missing.push(spec.name.clone());
        }
    }
    found
}

/// Whether a folder holds a model's file, and as the catalogue says; an unreadable file is a wrong one.
fn is_right(spec: &ModelSpec, folder: &Path) -> Option<bool> {
    fs::symlink_metadata(folder.join(&spec.file)).ok()?;
    Some(models::find(spec, &[folder.to_owned()]).is_ok())
}

impl fmt::Display for Rehashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for path in &self.right {
            writeln!(f, "right    {}", path.display())?;
        }
        for path in &self.wrong {
            writeln!(f, "WRONG    {}; add it again: ostiary models add FILE", path.display())?;
        }
        for name in &self.missing {
            writeln!(f, "missing  {name}")?;
        }
        write!(f, "{} right, {} wrong, {} missing", self.right.len(), self.wrong.len(), self.missing.len())
    }
}

#[derive(Serialize)]
struct Listing {
    models: Vec<ModelRow>,
    sets: Vec<SetRow>,
}

#[derive(Serialize)]
struct ModelRow {
    name: String,
    role: String,
    here: bool,
    licence: String,
    source: String,
    url: Option<String>,
    sha256: String,
    bytes: Option<u64>,
    figures: BTreeMap<String, f64>,
}

#[derive(Serialize)]
struct SetRow {
    name: String,
    about: String,
    /// The configuration's set, or the default; `status` says what serves a gallery.
    in_use: bool,
    /// All its files are here.
    complete: bool,
}

fn listing(models: &Models) -> Listing {
    let here = |file: &std::path::Path| {
        models.folders.iter().any(|folder| fs::metadata(folder.join(file)).is_ok_and(|m| m.is_file()))
    };
    let row = |m: &crate::vision::manifest::ModelSpec| ModelRow {
        name: m.name.clone(),
        role: m.role.to_string(),
        here: here(&m.file),
        licence: m.licence.clone(),
        source: m.source.clone(),
        url: m.url.clone(),
        sha256: m.sha256.to_string(),
        bytes: m.bytes,
        figures: m.figures.clone(),
    };
    let member = |name: &String| models.manifest.model(name).is_some_and(|m| here(&m.file));
    let set = |s: &crate::vision::SetSpec| SetRow {
        name: s.name.clone(),
        about: s.about.clone(),
        in_use: s.name == models.set,
        complete: s.members().all(member),
    };
    Listing {
        models: models.manifest.models().iter().map(row).collect(),
        sets: models.manifest.sets().iter().map(set).collect(),
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for m in &self.models {
            let here = if m.here { "here" } else { "missing" };
            writeln!(f, "{:<24} {:<10} {:<8} {:<12} {}", m.name, m.role, here, m.licence, m.source)?;
            if let Some(url) = m.url.as_ref().filter(|_| !m.here) {
                writeln!(f, "{:<24} {url}", "")?;
            }
            let figures: Vec<String> =
                m.figures.iter().map(|(name, value)| format!("{name} {value}")).collect();
            if !figures.is_empty() {
                writeln!(f, "{:<24} {}", "", figures.join("; "))?;
            }
        }
        write!(f, "\nsets:")?;
        for s in &self.sets {
            let mark = if s.in_use { '*' } else { ' ' };
            let files = if s.complete { "" } else { " (files are missing)" };
            write!(f, "\n{mark} {:<20} {}{files}", s.name, s.about)?;
        }
        Ok(())
    }
}
