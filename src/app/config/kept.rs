//! Settings that were changed over a network: a small file in the data folder, laid over the installer's.
//!
//! Owns: which sections may be changed so, how a change is laid over a change. Does not own: ranges (`super`), the event
//! that tells of it (`commands`).
//! Form: JSON merge patch (RFC 7396) over the form of the configuration file; `null` gives a setting back to the
//! installer's file. Invariants: what is kept makes, together with that file, a configuration that is sound; who may
//! reach the door (`http`, `mqtt`) and what it runs (`models`) are changed at the board alone; a kept file that no longer
//! fits is said and left out, for a door must start.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Config, ConfigError, RawConfig, read};

/// The file in the data folder.
const KEPT: &str = "settings.json";
/// What may be changed over a network.
const SECTIONS: [&str; 5] = ["recognition", "vision", "access", "storage", "retention"];

/// A change that was found sound.
pub struct Patched {
    /// What is to be kept, for [`keep`].
    pub kept: String,
    /// Every setting as it will be, as JSON.
    pub settings: String,
    /// The settings that were named, as in `access.strike_s`.
    pub keys: Vec<String>,
}

impl Config {
    /// As [`Config::read`], with what is kept in the data folder laid over it.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn read_over(path: Option<&Path>, data: &Path) -> Result<Self, ConfigError> {
        Self::check(laid_over(path, data)?, path.unwrap_or(Path::new("built-in defaults")))
    }

    /// Every setting in force, in the form of the file: the installer's, and what is kept in the data folder over it.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn show(path: Option<&Path>, data: &Path) -> Result<RawConfig, ConfigError> {
        Self::read_over(path, data)?;
        laid_over(path, data)
    }

    /// As [`Config::show`], as JSON.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn settings_over(path: Option<&Path>, data: &Path) -> Result<String, ConfigError> {
        Self::show(path, data).map(|raw| text(&raw))
    }

    /// A change laid over what is kept, if all is sound then.
    ///
    /// # Errors
    /// What is wrong, for whoever asked.
    pub fn patched(path: Option<&Path>, data: &Path, change: &str) -> Result<Patched, String> {
        let change: Value =
            serde_json::from_str(change).map_err(|e| format!("the JSON cannot be used: {e}"))?;
        let Value::Object(sections) = &change else { return Err("an object of sections is wanted".into()) };
        if let Some(name) = sections.keys().find(|name| !SECTIONS.contains(&name.as_str())) {
            return Err(format!(
                "{name:?} is not changed over a network, or is no section; those that are: {}. The others stand in \
                 the file at the board",
                SECTIONS.join(", ")
            ));
        }
        let base = base(path).map_err(|e| e.to_string())?;
        let mut keys = Vec::new();
        for (section, settings) in sections {
            let Value::Object(settings) = settings else {
                return Err(format!("{section:?} must be an object of settings"));
            };
            for (key, value) in settings.iter().filter(|(_, value)| !value.is_null()) {
                // Alone, so that a value of a wrong kind is refused by its name.
                over(&base, &json!({ section: { key: value } }))
                    .map_err(|why| format!("{section}.{key}: {why}"))?;
            }
            keys.extend(settings.keys().map(|key| format!("{section}.{key}")));
        }
        let mut kept = kept(data);
        merge(&mut kept, &change, true);
        let raw = over(&base, &kept)?;
        let settings = text(&raw);
        Self::check(raw, Path::new("these settings")).map_err(|e| e.to_string())?;
        Ok(Patched { kept: kept.to_string(), settings, keys })
    }
}

/// Writes what [`Config::patched`] found, whole or not at all.
///
/// # Errors
/// When the disk refuses.
pub fn keep(data: &Path, patched: &Patched) -> std::io::Result<()> {
    let beside = data.join(format!("{KEPT}.part"));
    crate::app::wiring::write_private(&beside, patched.kept.as_bytes())?;
    std::fs::rename(&beside, data.join(KEPT))?;
    std::fs::File::open(data)?.sync_all()
}

pub(super) fn base(path: Option<&Path>) -> Result<RawConfig, ConfigError> {
    path.map_or_else(|| Ok(RawConfig::default()), read)
}

pub(super) fn kept(data: &Path) -> Value {
    let text = std::fs::read_to_string(data.join(KEPT)).unwrap_or_default();
    serde_json::from_str(&text).ok().filter(Value::is_object).unwrap_or_else(|| Value::Object(Map::new()))
}

pub(super) fn laid_over(path: Option<&Path>, data: &Path) -> Result<RawConfig, ConfigError> {
    let raw = base(path)?;
    let kept = kept(data);
    if kept.as_object().is_none_or(Map::is_empty) {
        return Ok(raw);
    }
    let sound = over(&raw, &kept).and_then(|raw| {
        Config::check(over(&raw, &kept)?, Path::new(KEPT)).map_err(|e| e.to_string())?;
        Ok(raw)
    });
    match sound {
        Ok(raw) => Ok(raw),
        Err(error) => {
            let file = data.join(KEPT);
            tracing::error!(error, file = %file.display(), "what was set over the network is left out");
            Ok(raw)
        }
    }
}

fn over(raw: &RawConfig, kept: &Value) -> Result<RawConfig, String> {
    let mut all = serde_json::to_value(raw).map_err(|e| e.to_string())?;
    merge(&mut all, kept, false);
    serde_json::from_value(all).map_err(|e| e.to_string())
}

fn text(raw: &RawConfig) -> String {
    // Plain data of our own always has a JSON form, unless a path is not UTF-8.
    serde_json::to_string(raw).unwrap_or_else(|_| "{}".to_owned())
}

/// RFC 7396; `forget` takes what is `null` away.
fn merge(into: &mut Value, change: &Value, forget: bool) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                if forget && value.is_null() {
                    into.remove(key);
                } else if value.is_object() {
                    merge(
                        into.entry(key.clone()).or_insert_with(|| Value::Object(Map::new())),
                        value,
                        forget,
                    );
                } else {
                    into.insert(key.clone(), value.clone());
                }
            }
        }
        (into, change) => *into = change.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_kept_only_while_all_is_sound() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let put = |change: &str| {
            let patched = Config::patched(None, data, change)?;
            keep(data, &patched).unwrap();
            Ok::<_, String>(patched.keys)
        };
        assert_eq!(put(r#"{"access":{"strike_s":9},"vision":{"quality":{"min_yaw":40}}}"#).unwrap().len(), 2);
        assert_eq!(put(r#"{"recognition":{"margin":0.2}}"#).unwrap(), ["recognition.margin"]);
        let settings: Value = serde_json::from_str(&Config::settings_over(None, data).unwrap()).unwrap();
        assert_eq!(settings["access"]["strike_s"], 9);
        assert_eq!(settings["vision"]["quality"]["min_yaw"], 40);
        // What is refused leaves what is kept as it was.
        for (change, word) in [
            (r#"{"access":{"strike_s":900}}"#, "strike"),
            (r#"{"access":{"strikes":1}}"#, "strikes"),
            (r#"{"access":{"strike_s":"9"}}"#, "strike_s"),
            (r#"{"access":9}"#, "object"),
            (r#"{"mqtt":{"door_set":true}}"#, "at the board"),
            (r#"{"http":null}"#, "at the board"),
            ("[1]", "object"),
            ("{", "JSON"),
        ] {
            let why = put(change).unwrap_err();
            assert!(why.contains(word), "{change}: {why}");
        }
        assert_eq!(Config::read_over(None, data).unwrap().gate.settings().strike_ms, 9_000);
        // Given back to the file.
        put(r#"{"access":{"strike_s":null}}"#).unwrap();
        let built_in = Config::read(None).unwrap().gate.settings().strike_ms;
        assert_eq!(Config::read_over(None, data).unwrap().gate.settings().strike_ms, built_in);
        // A file that no longer fits is left out.
        std::fs::write(data.join(KEPT), r#"{"access":{"strike_s":9999}}"#).unwrap();
        assert_eq!(Config::read_over(None, data).unwrap().gate.settings().strike_ms, built_in);
    }
}
