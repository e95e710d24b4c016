//! What the control loop asks and notes but must not wait for: PINs, ids, passages and punches.
//!
//! Owns: the thread that answers, and its queue. Does not own: the decision, the records' writing (`journal`).
//! Overflow policy: a question that does not fit is not asked and times out at the door; a note that does not fit is in
//! the journal's queue all the same, and the gate remembers it by itself for as long as a look is old.
//! Invariants: asking never blocks; a PIN is checked against what is on disk now; nobody and somebody take as long.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::access::Input;
use crate::app::recognition::Recognition;
use crate::app::rules::pin::PinHashes;
use crate::domain::{LastPunch, Passage, PersonId, Pin, PinVerdict, Punch};
use crate::store::Store;

const QUEUE: usize = 32;
const TURN: Duration = Duration::from_millis(500);

/// What is asked or noted.
#[derive(Debug)]
pub enum Ask {
    /// Check a PIN.
    Pin(u32, PersonId, Pin),
    /// Who has that id?
    Id(u32, PersonId),
    /// Somebody went through.
    Passed(PersonId, Passage),
    /// Somebody punched.
    Punched(Punch),
}

/// The control loop's end.
#[derive(Clone)]
pub struct KeeperSender(SyncSender<Ask>);

impl KeeperSender {
    /// Asks or notes. Never blocks.
    pub fn tell(&self, ask: Ask) {
        if let Err(error) = self.0.try_send(ask) {
            tracing::warn!(%error, "the keeper has too much to do; a question was not asked");
        }
    }
}

/// The thread's end.
pub struct Keeper {
    queue: Receiver<Ask>,
    store: Arc<Store>,
    recognition: Arc<Recognition>,
}

impl Keeper {
    /// A keeper and the way to it.
    #[must_use]
    pub fn new(store: Arc<Store>, recognition: Arc<Recognition>) -> (KeeperSender, Self) {
        let (sender, queue) = sync_channel(QUEUE);
        (KeeperSender(sender), Self { queue, store, recognition })
    }

    /// Works until every sender is gone; `answer` takes what the gate is to be told, and is asked each turn
    /// whether to go on.
    pub fn run(self, mut answer: impl FnMut(Option<Input>) -> bool) {
        loop {
            match self.queue.recv_timeout(TURN) {
                Ok(ask) => {
                    let input = self.take(ask);
                    if !answer(input) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !answer(None) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// One turn without waiting, for the lockstep driver.
    #[must_use]
    pub fn turn(&self) -> Option<Input> {
        while let Ok(ask) = self.queue.try_recv() {
            if let Some(input) = self.take(ask) {
                return Some(input);
            }
        }
        None
    }

    fn take(&self, ask: Ask) -> Option<Input> {
        match ask {
            Ask::Pin(ticket, person, pin) => {
                let verdict = self.check(&person, &pin);
                Some(Input::PinChecked { ticket, verdict })
            }
            Ask::Id(ticket, id) => {
                let person = self.store.person(&id).unwrap_or_else(|error| {
                    tracing::error!(%error, "an id cannot be looked up");
                    None
                });
                let person = person.map(|p| (p.name.clone(), self.recognition.standings().of(&p)));
                Some(Input::LookedUp { ticket, person })
            }
            Ask::Passed(id, passage) => {
                self.recognition.standings().passed(&id, passage);
                self.recognition.moved(&id);
                None
            }
            Ask::Punched(punch) => {
                let last = LastPunch { kind: punch.kind, at: punch.at.utc };
                self.recognition.standings().punched(&punch.person, last);
                self.recognition.moved(&punch.person);
                None
            }
        }
    }

    fn check(&self, person: &PersonId, pin: &Pin) -> PinVerdict {
        if !self.store.has_person(person) {
            return PinHashes::default().check(pin);
        }
        match self.store.access(person) {
            Ok((access, _)) => PinHashes { pin: access.pin, duress: access.duress }.check(pin),
            Err(error) => {
                tracing::error!(%error, "a PIN cannot be checked");
                PinVerdict::Unavailable
            }
        }
    }
}
