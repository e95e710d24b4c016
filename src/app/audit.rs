//! Who looked at what of the people kept here: which commands are looks, and that each is written down first.
//!
//! Owns: the reading of commands and answers as looks, what is told once in a while only. Does not own: the log itself
//! (`store`), who may do what (`link::wire`).
//! Invariants: an answer that shows somebody's data is given after its line is on the disk, or not at all; the same
//! look of the same caller at the same people is written once a quarter of an hour, an export every time; callers that
//! come together share one commit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::{About, Looked, Millis, Mono, Now, PersonId, clipped};
use crate::link::wire::{Caller, Command, DoorOrder, Reply, RulesCommand};
use crate::store::{Look, Store, StoreError};

/// After this the same look is told again.
const AGAIN: Millis = Millis::secs(900);
/// Looks that are remembered as told.
const MAX_TOLD: usize = 1_024;
/// Longest detail, bytes.
const MAX_DETAIL: usize = 96;

/// The way into the log.
pub struct Audit {
    store: Arc<Store>,
    told: Mutex<Vec<(Key, Mono)>>,
    waiting: Mutex<Waiting>,
    writing: Mutex<()>,
}

type Key = (String, Looked, About, String);

#[derive(Default)]
struct Waiting {
    lines: Vec<(u64, Look)>,
    next: u64,
}

/// A look that a command is, before its answer says whom it showed.
pub struct Intent {
    what: Looked,
    about: About,
    detail: String,
    /// Whether the answer decides whom it is about.
    open: bool,
}

impl Audit {
    /// The log of that store.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, told: Mutex::default(), waiting: Mutex::default(), writing: Mutex::new(()) }
    }

    /// Writes down that the caller was shown this.
    ///
    /// # Errors
    /// When the disk refuses: then nothing may be shown.
    pub fn note(&self, caller: &Caller, intent: Intent, reply: &Reply, now: Now) -> Result<(), StoreError> {
        let Intent { what, about, detail, open } = intent;
        let about = if open { shown(reply) } else { about };
        if open && about == About::Nobody {
            return Ok(());
        }
        let key = (caller.name.clone(), what, about.clone(), detail.clone());
        if what != Looked::Export && self.told(now.mono).iter().any(|(told, _)| *told == key) {
            return Ok(());
        }
        let look =
            Look { number: 0, at: now.utc, trust: now.trust, who: caller.name.clone(), what, about, detail };
        self.write(look)?;
        let mut told = self.told(now.mono);
        if told.len() == MAX_TOLD {
            told.remove(0);
        }
        told.push((key, now.mono));
        Ok(())
    }

    /// Forgets what was told of a person, who was erased: nothing in memory names them any more.
    pub fn forget(&self, id: &PersonId) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|((_, _, about, _), _)| !about.may_hold(id) || *about == About::Everybody);
    }

    fn write(&self, look: Look) -> Result<(), StoreError> {
        let ticket = {
            let mut waiting = self.waiting();
            waiting.next += 1;
            let ticket = waiting.next;
            waiting.lines.push((ticket, look));
            ticket
        };
        // Whoever is first writes for all who came meanwhile.
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = {
            let mut waiting = self.waiting();
            if waiting.lines.iter().all(|(number, _)| *number != ticket) {
                return Ok(());
            }
            std::mem::take(&mut waiting.lines)
        };
        let lines: Vec<Look> = batch.iter().map(|(_, look)| look.clone()).collect();
        self.store.note_looks(&lines).inspect_err(|_| {
            // The others try for themselves.
            let mut waiting = self.waiting();
            let newer = std::mem::take(&mut waiting.lines);
            waiting.lines = batch.into_iter().filter(|(number, _)| *number != ticket).chain(newer).collect();
        })
    }

    fn told(&self, now: Mono) -> MutexGuard<'_, Vec<(Key, Mono)>> {
        // Whole entries come and go: a panic elsewhere leaves none half written.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|(_, at)| now.since(*at) < AGAIN);
        told
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // As above.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What look a command is; `None` for one that shows nothing of anybody.
#[must_use]
pub fn intent(command: &Command) -> Option<Intent> {
    let of = |what, id: &str| closed(what, one(id), "");
    Some(match command {
        Command::GetPerson(id) => of(Looked::Profile, id),
        Command::GetImage(id, index) => closed(Looked::Picture, one(id), &format!("picture {}", index + 1)),
        Command::ExportPerson(id) => of(Looked::Export, id),
        Command::ListPersons(query) => {
            let searched = if query.name.is_some() { ", searched by name" } else { "" };
            open(Looked::List, &format!("page {}{searched}", u64::from(query.page) + 1))
        }
        Command::Names(ids) => {
            let ids: Vec<PersonId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
            closed(Looked::Names, About::people(&ids), "")
        }
        Command::Watch => closed(Looked::Camera, About::Nobody, ""),
        Command::WatchEnrolment => closed(Looked::Camera, About::Nobody, "an enrolment"),
        Command::Search(_) => open(Looked::Search, ""),
        Command::Identify(_) => open(Looked::Search, "identified"),
        Command::OneToN(_) => open(Looked::Search, "1:N"),
        Command::ListEvents(query) => {
            let about = query.person.as_deref().map_or(About::Everybody, one);
            closed(Looked::Events, about, query.kind.as_deref().unwrap_or_default())
        }
        Command::Rules(RulesCommand::GetAccess(id)) => of(Looked::Access, id),
        Command::Rules(RulesCommand::Explain(query)) => {
            closed(Looked::Access, one(&query.person), "explained")
        }
        Command::Rules(RulesCommand::Attendance(query)) => {
            let about = query.person.as_deref().map_or(About::Everybody, one);
            let (from, until) = (query.from.as_deref(), query.until.as_deref());
            let days = match (from, until) {
                (None, _) => "today".to_owned(),
                (Some(from), None) => from.to_owned(),
                (Some(from), Some(until)) => format!("{from} to {until}"),
            };
            let form = if query.form.is_empty() { "sheet" } else { &query.form };
            closed(Looked::Attendance, about, &format!("{days}, {form}"))
        }
        Command::ListAudit(query) => {
            closed(Looked::Audit, query.person.as_deref().map_or(About::Everybody, one), "")
        }
        Command::PutPerson(_)
        | Command::Enrol(_)
        | Command::EnrolCamera(_)
        | Command::CameraProgress
        | Command::EnrolCancel
        | Command::EnrolTemplate(_)
        | Command::DeletePerson(_)
        | Command::WithdrawConsent(_)
        | Command::GetEditable
        | Command::PutConfig(_)
        | Command::StageModel(_)
        | Command::Expire
        | Command::DeleteImages(_)
        | Command::PutCollection(_)
        | Command::GetCollection(_)
        | Command::ListCollections
        | Command::DeleteCollection(_)
        | Command::GalleryDigest(_)
        | Command::GallerySync(_)
        | Command::Compare(_)
        | Command::Live(_)
        | Command::StartSession(_)
        | Command::GetSession(_)
        | Command::VerifyEvents
        | Command::Status
        | Command::Door(
            DoorOrder::State
            | DoorOrder::Open
            | DoorOrder::Unlock { .. }
            | DoorOrder::Lock
            | DoorOrder::Lockdown { .. }
            | DoorOrder::Release,
        )
        | Command::Rules(
            RulesCommand::Get
            | RulesCommand::Put(_)
            | RulesCommand::Check(_)
            | RulesCommand::PutPart { .. }
            | RulesCommand::PutAccess(_)
            | RulesCommand::ForgetPassages(_)
            | RulesCommand::Key(_)
            | RulesCommand::Others(_)
            | RulesCommand::TrustClock
            | RulesCommand::Correct(_),
        )
        | Command::UseModels(_)
        | Command::GetConfig
        | Command::Accounts(_)
        | Command::CreateToken(_)
        | Command::ListTokens
        | Command::RevokeToken(_)
        | Command::Setup { .. } => return None,
    })
}

fn closed(what: Looked, about: About, detail: &str) -> Intent {
    // Parts of it come from outside.
    let detail = clipped::<MAX_DETAIL>(detail).as_str().to_owned();
    Intent { what, about, detail, open: false }
}

fn open(what: Looked, detail: &str) -> Intent {
    Intent { open: true, ..closed(what, About::Nobody, detail) }
}

/// An id that cannot be one is of nobody, and will be refused.
fn one(id: &str) -> About {
    id.parse().map_or(About::Nobody, About::One)
}

/// Whom an answer shows.
fn shown(reply: &Reply) -> About {
    let people = |ids: &mut dyn Iterator<Item = &str>| {
        let ids: Vec<PersonId> = ids.filter_map(|id| id.parse().ok()).collect();
        About::people(&ids)
    };
    match reply {
        Reply::Persons(page) => people(&mut page.persons.iter().map(|p| p.id.as_str())),
        Reply::Found(found) => people(&mut found.candidates.iter().map(|c| c.person.id.as_str())),
        Reply::Identified(found) => people(&mut found.person.as_deref().into_iter()),
        Reply::OneToN(answer) => people(&mut answer.id.as_deref().filter(|_| answer.matched).into_iter()),
        Reply::Done
        | Reply::Enrolled(_)
        | Reply::Person(_)
        | Reply::Erased(_)
        | Reply::Collection(_)
        | Reply::Collections(_)
        | Reply::Compared(_)
        | Reply::Live(_)
        | Reply::Session(_)
        | Reply::Camera(_)
        | Reply::Events(_)
        | Reply::Chain { .. }
        | Reply::Status(_)
        | Reply::Door(_)
        | Reply::TokenIssued(_)
        | Reply::Tokens(_)
        | Reply::Accounts(_)
        | Reply::Invited(_)
        | Reply::Picture(_)
        | Reply::Sight(_)
        | Reply::Audit(_)
        | Reply::Document(_) => About::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ClockTrust, Utc};
    use crate::store::{Options, SealKey};

    fn now(s: u64) -> Now {
        Now { mono: Mono(s * 1_000), utc: Utc(s as i64 * 1_000), trust: ClockTrust::Trusted }
    }

    #[test]
    fn a_look_is_told_once_in_a_quarter_of_an_hour_and_an_export_always() {
        let dir = tempfile::tempdir().unwrap();
        let key = SealKey::from_bytes([1; 32]);
        let store = Arc::new(Store::open(&dir.path().join("g.redb"), key, Options::default()).unwrap());
        let audit = Audit::new(Arc::clone(&store));
        let note = |command: &Command, s: u64| {
            audit.note(&Caller::board(), intent(command).unwrap(), &Reply::Done, now(s)).unwrap();
            store.look_count()
        };
        let profile = Command::GetPerson("anna".into());
        assert_eq!([note(&profile, 1), note(&profile, 60), note(&profile, 1_000)], [1, 1, 2]);
        assert_eq!(note(&Command::GetPerson("berta".into()), 1_001), 3);
        let export = Command::ExportPerson("anna".into());
        assert_eq!([note(&export, 1_002), note(&export, 1_003)], [4, 5]);
        audit.forget(&"anna".parse().unwrap());
        assert_eq!(note(&profile, 1_004), 6);
        let told = store.looks(None, 10).unwrap();
        assert!(told.iter().all(|l| l.who == "board") && told[0].about.may_hold(&"anna".parse().unwrap()));
    }

    #[test]
    fn callers_that_come_together_are_all_written() {
        let dir = tempfile::tempdir().unwrap();
        let key = SealKey::from_bytes([1; 32]);
        let store = Arc::new(Store::open(&dir.path().join("g.redb"), key, Options::default()).unwrap());
        let audit = Audit::new(Arc::clone(&store));
        std::thread::scope(|scope| {
            for t in 0..8 {
                let audit = &audit;
                scope.spawn(move || {
                    for n in 0..10 {
                        let command = Command::GetPerson(format!("p{t}-{n}"));
                        let intent = intent(&command).unwrap();
                        audit.note(&Caller::board(), intent, &Reply::Done, now(1)).unwrap();
                    }
                });
            }
        });
        assert_eq!(store.look_count(), 80);
    }
}
