//! Which settings are changed at run time, and the removal of what has grown too old.
//!
//! Owns: these commands, their events, the timer of the removal. Does not own: which settings may be changed
//! (`app/config`), what is due (`app/retention`), removal and its proof (`store`).
//! Invariants: whoever is due is gone from the gallery in memory before the file is touched; by a clock that is not
//! believed nothing is due; a removal that fails is tried again a day later and said in the log.

use super::{Desk, OrRefuse as _};
use crate::app::config::SettingsError;
use crate::device::clock_os::pause;
use crate::domain::{ClockTrust, EventKind, Millis};
use crate::link::wire::{Code, Document, Refusal, Reply};
use crate::store::Expired;

/// After the start, so that a door is at its work first.
const FIRST: Millis = Millis::secs(5);
const DAILY: Millis = Millis::secs(86_400);

impl Desk {
    pub(super) fn editable(&self) -> Result<Reply, Refusal> {
        self.house.settings.editable().map(|text| Reply::Document(Document(text))).map_err(|e| refused(&e))
    }

    pub(super) fn expire(&self, by: &str) -> Result<Reply, Refusal> {
        document(&self.remove_expired(by)?)
    }

    /// Removes what is due soon after the start and once a day, for as long as the process lives.
    pub fn keep_to_retention(&self) {
        pause(FIRST);
        loop {
            match self.remove_expired("the timer") {
                Ok(gone) if gone.is_empty() => {}
                Ok(gone) => tracing::info!(
                    events = gone.events,
                    punches = gone.punches,
                    people = gone.people,
                    "what had grown too old was removed"
                ),
                Err(error) => tracing::error!(%error, "what has grown too old was not removed"),
            }
            pause(DAILY);
        }
    }

    fn remove_expired(&self, by: &str) -> Result<Expired, Refusal> {
        let now = self.house.clock.now();
        if now.trust == ClockTrust::Untrusted {
            return Err(Refusal::new(
                Code::Unavailable,
                "the door does not know the time, so nothing is too old; set the board's clock",
            ));
        }
        let (settings, store) = (&self.house.settings, &self.house.store);
        let _changing = self.changing();
        let due = settings.retention().due(store, settings.keep(), now.utc).or_refuse()?;
        for id in &due.people {
            self.house.recognition.remove(id);
            self.audit.forget(id);
        }
        let told = |gone: &Expired| {
            let sum = self.event(EventKind::ConfigChanged).with(format_args!(
                "too old, removed by {by}: {} events, {} punches, {} looks, {} people, {} pictures, {} faces",
                gone.events, gone.punches, gone.looks, gone.people, gone.pictures, gone.crops
            ));
            let left = due.people.iter().map(|id| {
                self.event(EventKind::PersonDeleted).of(id).with(format_args!("retention, by {by}"))
            });
            let pictures = due.pictures.iter().map(|id| self.event(EventKind::ImageDeleted).of(id));
            std::iter::once(sum).chain(left).chain(pictures).collect()
        };
        store.expire(&due, told).or_refuse()
    }
}

fn document<T: serde::Serialize>(value: &T) -> Result<Reply, Refusal> {
    serde_json::to_string(value)
        .map(|text| Reply::Document(Document(text)))
        .map_err(|e| Refusal::new(Code::Internal, format!("the answer has no JSON form: {e}")))
}

pub(super) fn refused(error: &SettingsError) -> Refusal {
    let code = match error {
        SettingsError::Refused(_) => Code::InvalidParameter,
        SettingsError::Config(_) | SettingsError::Write(_) => Code::Storage,
        SettingsError::Nowhere => Code::Unavailable,
    };
    Refusal::new(code, error.to_string())
}
