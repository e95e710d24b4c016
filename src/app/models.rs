//! `ostiary models`: what the manifest knows, what is here, and whether it is sound.
//!
//! Owns: the list and the check. Does not own: the manifest, hashes and networks (`vision`).
//! Invariants: `list` only says whether a file is there; `verify` loads it, which checks hash and shapes.

mod change;

use std::fmt;
use std::fs;

use serde::Serialize;

use crate::vision::ModelSet;

use super::bench;
use super::cli::{Common, ModelsCommand};
use super::config::Config;
use super::out::Out;
use super::quantize;
use super::wiring::{Models, WiringError};
use super::{Answer, AppError};

/// Lists or verifies.
pub(super) fn run(common: &Common, command: &ModelsCommand, out: &mut Out) -> Result<Answer, AppError> {
    if let ModelsCommand::Use { set, no_wait } = command {
        return change::run(common, set, *no_wait, out);
    }
    let config = Config::read(common.config.as_deref())?;
    let models = Models::find(&config)?;
    match command {
        ModelsCommand::Bench(args) => return bench::run(&models, args, out),
        ModelsCommand::Quantize(args) => return quantize::run(&models, &config, args, out),
        ModelsCommand::Use { .. } => unreachable!("done above"),
        ModelsCommand::List => {
            out.result(&listing(&models))?;
        }
        ModelsCommand::Verify { set } => {
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
}

#[derive(Serialize)]
struct SetRow {
    name: String,
    about: String,
    in_use: bool,
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
    };
    let set = |s: &crate::vision::SetSpec| SetRow {
        name: s.name.clone(),
        about: s.about.clone(),
        in_use: s.name == models.set,
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
        }
        write!(f, "\nsets:")?;
        for s in &self.sets {
            let mark = if s.in_use { '*' } else { ' ' };
            write!(f, "\n{mark} {:<20} {}", s.name, s.about)?;
        }
        Ok(())
    }
}
