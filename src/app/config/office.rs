//! The settings of a running program: those in force, those that the console changes, and what holds at once.
//!
//! Owns: which settings an office changes, and which of them hold without a restart. Does not own: where a change is
//! kept and what may be changed at all (`kept`), ranges (`super`), who may change (`link::wire`).
//! Invariant: a change that the check refuses changes nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use serde_json::{Value, json};

use super::kept::{base, kept};
use super::{Config, ConfigError, keep};
use crate::app::commands::Keep;
use crate::app::retention::Retention;

/// Section, key, and whether a change holds at once; the others hold from the next start on.
const EDITABLE: [(&str, &str, bool); 20] = [
    ("access", "strike_s", false),
    ("access", "relock_on_close", false),
    ("access", "held_warn_s", false),
    ("access", "held_alarm_s", false),
    ("access", "accessible", false),
    ("access", "lockout_failures", false),
    ("access", "lockout_s", false),
    ("access", "two_people_s", false),
    ("access", "keys_s", false),
    ("recognition", "fpir_target", false),
    ("recognition", "margin", false),
    ("recognition", "consistent_frames", false),
    ("recognition", "unknown_frames", false),
    ("storage", "keep_crops", true),
    ("storage", "keep_images", true),
    ("retention", "events_days", true),
    ("retention", "attendance_days", true),
    ("retention", "looks_days", true),
    ("retention", "leavers_days", true),
    ("retention", "pictures_days", true),
];

/// Why settings are not changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// What is wrong with the change.
    #[error("{0}")]
    Refused(String),
    /// A file cannot be read any more.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The disk refuses.
    #[error("the settings cannot be kept: {0}")]
    Write(#[source] io::Error),
    /// Nobody reads them.
    #[error("this program runs without a data folder for settings")]
    Nowhere,
}

/// What a change of settings came to.
#[derive(Debug)]
pub struct Changed {
    /// In force already, as `section.key`.
    pub now: Vec<String>,
    /// In force from the next start of the door on.
    pub at_start: Vec<String>,
    /// Every setting as it will be then.
    pub settings: Value,
}

/// The settings of a running program.
pub struct Settings {
    places: Option<(Option<PathBuf>, PathBuf)>,
    in_force: RwLock<Value>,
    live: RwLock<(Keep, Retention)>,
}

impl Settings {
    /// Those of a configuration file and of what lies over it in the data folder.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn of(file: Option<&Path>, data: &Path, config: &Config) -> Result<Self, ConfigError> {
        let in_force = serde_json::from_str(&Config::settings_over(file, data)?).unwrap_or_default();
        Ok(Self {
            places: Some((file.map(Path::to_owned), data.to_owned())),
            in_force: RwLock::new(in_force),
            live: RwLock::new((config.keep, config.retention)),
        })
    }

    /// Those of a demonstration, which nobody changes.
    #[must_use]
    pub fn fixed(config: &Config) -> Self {
        let live = RwLock::new((config.keep, config.retention));
        Self { places: None, in_force: RwLock::new(Value::Null), live }
    }

    /// Every setting in force, as JSON.
    #[must_use]
    pub fn shown(&self) -> String {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).to_string()
    }

    /// What is kept of an enrolment now.
    #[must_use]
    pub fn keep(&self) -> Keep {
        self.live().0
    }

    /// How long things are kept now.
    #[must_use]
    pub fn retention(&self) -> Retention {
        self.live().1
    }

    /// What the console changes, as JSON: `section`, `key`, the `value` that is written, the one `in_force`, what the
    /// configuration file itself says (`own`), whether it is `changed` and holds `at_once`.
    ///
    /// # Errors
    /// When a file cannot be read any more.
    pub fn editable(&self) -> Result<String, SettingsError> {
        let (file, data) = self.places.as_ref().ok_or(SettingsError::Nowhere)?;
        // By way of the text, as what is in force came: a value of 32 bits is another number as one of 64.
        let own: Value = serde_json::to_string(&base(file.as_deref())?)
            .and_then(|text| serde_json::from_str(&text))
            .unwrap_or_default();
        let kept = kept(data);
        let in_force = self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone();
        let all: Vec<Value> = EDITABLE
            .iter()
            .map(|(section, key, at_once)| {
                let (own, changed) = (&own[section][key], &kept[section][key]);
                json!({
                    "section": section,
                    "key": key,
                    "value": if changed.is_null() { own } else { changed },
                    "own": own,
                    "in_force": in_force[section][key],
                    "changed": !changed.is_null(),
                    "at_once": at_once,
                })
            })
            .collect();
        Ok(Value::Array(all).to_string())
    }

    /// Lays a change over the settings; one caller at a time.
    ///
    /// # Errors
    /// See [`SettingsError`]. Nothing is changed then.
    pub fn change(&self, text: &str) -> Result<Changed, SettingsError> {
        let (file, data) = self.places.as_ref().ok_or(SettingsError::Nowhere)?;
        let patched = Config::patched(file.as_deref(), data, text).map_err(SettingsError::Refused)?;
        keep(data, &patched).map_err(SettingsError::Write)?;
        let config = Config::read_over(file.as_deref(), data)?;
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = (config.keep, config.retention);
        let settings: Value = serde_json::from_str(&patched.settings).unwrap_or_default();
        let mut in_force = self.in_force.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Changed { now: Vec::new(), at_start: Vec::new(), settings };
        for name in patched.keys {
            let (section, key) = name.split_once('.').unwrap_or((&name, ""));
            if EDITABLE.iter().any(|(s, k, at_once)| *s == section && *k == key && *at_once) {
                in_force[section][key] = changed.settings[section][key].clone();
                changed.now.push(name);
            } else {
                changed.at_start.push(name);
            }
        }
        Ok(changed)
    }

    fn live(&self) -> (Keep, Retention) {
        // Replaced as a whole.
        *self.live.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(data: &Path) -> Settings {
        let config = Config::read_over(None, data).unwrap();
        Settings::of(None, data, &config).unwrap()
    }

    #[test]
    fn every_editable_key_is_one_of_the_file_and_goes_there_and_back() {
        let data = tempfile::tempdir().unwrap();
        let door = settings(data.path());
        let before = door.shown();
        let all: Vec<Value> = serde_json::from_str(&door.editable().unwrap()).unwrap();
        assert_eq!(all.len(), EDITABLE.len());
        for one in &all {
            let unchanged = one["changed"] == false && one["value"] == one["in_force"];
            assert!(!one["own"].is_null() && unchanged, "{one}");
            let (section, key) = (one["section"].as_str().unwrap(), one["key"].as_str().unwrap());
            door.change(&json!({ section: { key: one["own"] } }).to_string()).unwrap();
        }
        let all: Vec<Value> = serde_json::from_str(&door.editable().unwrap()).unwrap();
        assert!(all.iter().all(|one| one["changed"] == true));
        assert_eq!(settings(data.path()).shown(), before);
    }

    #[test]
    fn a_change_holds_at_once_or_from_the_next_start_and_null_takes_it_back() {
        let data = tempfile::tempdir().unwrap();
        let door = settings(data.path());
        let changed = door.change(r#"{"access":{"strike_s":9},"storage":{"keep_images":false}}"#).unwrap();
        assert_eq!(
            (changed.now, changed.at_start),
            (vec!["storage.keep_images".to_owned()], vec!["access.strike_s".to_owned()])
        );
        assert!(!door.keep().images && door.keep().crops);
        let shown: Value = serde_json::from_str(&door.shown()).unwrap();
        assert_eq!(
            (&shown["access"]["strike_s"], &shown["storage"]["keep_images"]),
            (&5.into(), &false.into())
        );
        let next = settings(data.path());
        let shown: Value = serde_json::from_str(&next.shown()).unwrap();
        assert_eq!(shown["access"]["strike_s"], 9);
        next.change(r#"{"access":{"strike_s":null},"storage":{"keep_images":null}}"#).unwrap();
        assert!(next.keep().images);
        let strike = |config: Config| config.gate.strike();
        assert_eq!(
            strike(Config::read_over(None, data.path()).unwrap()),
            strike(Config::read(None).unwrap())
        );
    }

    #[test]
    fn what_the_check_refuses_changes_nothing() {
        let data = tempfile::tempdir().unwrap();
        let door = settings(data.path());
        door.change(r#"{"access":{"strike_s":9}}"#).unwrap();
        let before = door.editable().unwrap();
        for (text, word) in [
            (r#"{"access":{"strike_s":0}}"#, "strike"),
            (r#"{"access":{"held_warn_s":500}}"#, "held"),
            (r#"{"recognition":{"fpir_target":0.5}}"#, "recognition.fpir_target"),
            (r#"{"retention":{"events_days":-1}}"#, "events_days"),
            (r#"{"retention":{"events_days":99999}}"#, "retention.events_days"),
            (r#"{"http":{"clear":true}}"#, "at the board"),
            ("[]", "object"),
        ] {
            let error = door.change(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
            assert_eq!(door.editable().unwrap(), before, "{text}");
        }
    }
}
