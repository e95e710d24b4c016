//! What is set and put onto a board from elsewhere: settings, and files of models.
//!
//! Owns: these commands. Does not own: what may be set (`config/kept`), what is a model (`models/add`).
//! Invariants: a change of settings is an event that names who and what; a model's file is in its place only when its
//! hash is the catalogue's and it ran here; of a file that is under way there is one, of bounded size.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::settings::refused;
use super::{Desk, OrRefuse as _};
use crate::app::config::Changed;
use crate::app::models;
use crate::app::wiring::MODELS_FOLDER;
use crate::domain::EventKind;
use crate::engine::MAX_MODEL_BYTES;
use crate::link::wire::{Caller, Code, Document, ModelPart, Refusal, Reply};

/// Bytes of one part.
const PART: usize = 1 << 20;

impl Desk {
    /// Lays a change over the settings; what is kept and for how long holds at once, the rest from the next start on.
    pub(super) fn put_config(&self, caller: &Caller, change: &str) -> Result<Reply, Refusal> {
        let _changing = self.changing();
        let Changed { now, at_start, settings } =
            self.house.settings.change(change).map_err(|e| refused(&e))?;
        let keys: Vec<&String> = now.iter().chain(&at_start).collect();
        let event = self.event(EventKind::ConfigChanged);
        let named: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        let event = event.with(format_args!("settings by {}: {}", caller.name, named.join(" ")));
        self.house.store.append(&[event]).or_refuse()?;
        let said = json!({
            "changed": keys,
            "in_force": if at_start.is_empty() { "now" } else { "from the next start on" },
            "now": now,
            "at_start": at_start,
            "settings": settings,
        });
        Ok(Reply::Document(Document(said.to_string())))
    }

    /// Takes a part of a model's file; with the last one the model is checked, run, and put in its place.
    pub(super) fn stage_model(&self, part: &ModelPart) -> Result<Reply, Refusal> {
        let _changing = self.changing();
        let catalogue = self.sets()?.models();
        let spec = catalogue.manifest.model(&part.model).ok_or_else(|| {
            Refusal::new(
                Code::NotFound,
                format!("the catalogue has no model {:?}; ostiary models list shows them", part.model),
            )
        })?;
        if part.data.len() / 4 * 3 > PART + 2 {
            return Err(Refusal::new(Code::TooLarge, "a part has at most 1 MiB"));
        }
        let bytes =
            STANDARD.decode(&part.data).map_err(|_| Refusal::invalid("data", "\"data\" must be base64"))?;
        let folder = self.house.data.join(MODELS_FOLDER);
        let staged = folder.join(format!(".{}.staged", spec.sha256));
        let have = append(&folder, &staged, part.offset, &bytes)?;
        let whole = spec.bytes.map_or(part.last, |size| have >= size);
        let mut said = json!({ "model": spec.name, "have": have, "of": spec.bytes, "installed": false });
        if whole {
            let installed = models::install(catalogue, &staged, &folder);
            // Right or wrong: it is not needed any more.
            let _ = fs::remove_file(&staged);
            let median_ms = installed.map_err(|error| {
                let code = match error.code() {
                    6 => Code::Models,
                    5 => Code::Storage,
                    _ => Code::InvalidParameter,
                };
                Refusal::new(code, error.to_string())
            })?;
            said["installed"] = true.into();
            said["median_ms"] = median_ms.into();
            let event =
                self.event(EventKind::ConfigChanged).with(format_args!("model {} installed", spec.name));
            self.house.store.append(&[event]).or_refuse()?;
        }
        Ok(Reply::Document(Document(said.to_string())))
    }
}

/// Adds bytes to the file under way and gives its length.
fn append(folder: &Path, staged: &Path, offset: u64, bytes: &[u8]) -> Result<u64, Refusal> {
    let failed = |e: std::io::Error| Refusal::new(Code::Storage, format!("the part cannot be written: {e}"));
    fs::create_dir_all(folder).map_err(failed)?;
    if offset == 0 {
        // Of another file that was under way nothing more is expected.
        for other in fs::read_dir(folder).map_err(failed)?.flatten() {
            if other.path().extension().is_some_and(|e| e == "staged") {
                fs::remove_file(other.path()).map_err(failed)?;
            }
        }
    }
    let have = fs::metadata(staged).map_or(0, |meta| meta.len());
    if offset != have {
        return Err(Refusal::invalid("offset", format!("the next part begins at offset {have}")));
    }
    if have + bytes.len() as u64 > MAX_MODEL_BYTES as u64 {
        return Err(Refusal::new(Code::TooLarge, "no model is so large"));
    }
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(staged).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    Ok(have + bytes.len() as u64)
}
