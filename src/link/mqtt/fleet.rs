//! The group's lane: a thread that reads and writes the gallery for it, off the connection.
//!
//! Owns: the way between the connection and [`Group`], its bounds, when the broker counts as having told all it keeps.
//! Does not own: what is shared and who wins (`link/fleet`).
//! Overflow: messages beyond `WAITING` or `WAITING_BYTES` are dropped and the broker is asked for all of them again when
//! the lane has run dry: a group of any size is taken over in turns.
//! Invariants: the connection never waits for the disk; a state counts as said when the broker has said so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::mpsc;

use super::super::fleet::{Group, Heard, Said};
use super::Fleet;
use super::link::{Link, Live};
use super::session::{Inbound, Message, Receipt, Wanted};
use super::topics::Topics;

pub(super) use super::super::fleet::Token;

/// Messages that wait for the disk.
const WAITING: usize = 4_096;
const WAITING_BYTES: usize = 16 << 20;
/// States handed to the connection ahead of time.
const READY: usize = 8;
/// People of the group told without a receipt.
const SAYING: usize = 8;
/// Turns of a second after which a broker has told all it keeps.
const SETTLES: u32 = 30;

enum Tell {
    Heard(String, Vec<u8>),
    Said(Token),
    Connected,
    Look,
}

#[derive(Default)]
struct Load {
    messages: AtomicUsize,
    bytes: AtomicUsize,
    missed: AtomicBool,
    looking: AtomicBool,
}

/// The connection's end.
pub(super) struct FleetLane {
    prefix: String,
    tell: Sender<Tell>,
    ready: mpsc::Receiver<Said>,
    back: VecDeque<Said>,
    load: Arc<Load>,
}

impl FleetLane {
    /// Starts the thread; it ends when this is dropped.
    pub(super) fn start(fleet: Fleet) -> std::io::Result<Self> {
        let prefix = Topics::group(&fleet.group).map_err(std::io::Error::other)?;
        let (tell, told) = channel();
        let (say, ready) = mpsc::channel(READY);
        let load = Arc::new(Load::default());
        let (own, at) = (Arc::clone(&load), prefix.clone());
        std::thread::Builder::new().name("mqtt-fleet".into()).spawn(move || {
            match Group::open(fleet.key, at, fleet.roll) {
                Ok(group) => serve(group, &told, &say, &own),
                Err(error) => tracing::error!(%error, "this door takes no part in its group"),
            }
        })?;
        Ok(Self { prefix, tell, ready, back: VecDeque::new(), load })
    }

    pub(super) fn wanted(&self) -> Wanted {
        Wanted { filter: format!("{}+", self.prefix), acknowledged: true }
    }

    pub(super) fn is_ours(&self, topic: &str) -> bool {
        topic.starts_with(&self.prefix)
    }

    /// A connection begins: nothing that an earlier one was given counts.
    pub(super) fn connected(&mut self) {
        self.back.clear();
        while self.ready.try_recv().is_ok() {}
        self.send(Tell::Connected);
    }

    pub(super) fn hear(&mut self, message: &Inbound) {
        let full = self.load.messages.load(Ordering::Relaxed) >= WAITING
            || self.load.bytes.load(Ordering::Relaxed) + message.payload.len() > WAITING_BYTES;
        if full {
            self.load.missed.store(true, Ordering::Relaxed);
            return;
        }
        self.load.messages.fetch_add(1, Ordering::Relaxed);
        self.load.bytes.fetch_add(message.payload.len(), Ordering::Relaxed);
        self.send(Tell::Heard(message.topic.clone(), message.payload.clone()));
    }

    /// Somebody may have been changed here.
    pub(super) fn look(&self) {
        if !self.load.looking.swap(true, Ordering::Relaxed) {
            self.send(Tell::Look);
        }
    }

    /// Whether messages were dropped and there is room for them now.
    pub(super) fn missed(&self) -> bool {
        self.load.messages.load(Ordering::Relaxed) == 0 && self.load.missed.swap(false, Ordering::Relaxed)
    }

    /// What is to be published next.
    pub(super) fn next(&mut self) -> Option<Said> {
        self.back.pop_front().or_else(|| self.ready.try_recv().ok())
    }

    /// There was no room for it.
    pub(super) fn back(&mut self, said: Said) {
        self.back.push_front(said);
    }

    pub(super) fn said(&self, token: Token) {
        self.send(Tell::Said(token));
    }

    fn send(&self, tell: Tell) {
        // A lane that has ended said why.
        let _ = self.tell.send(tell);
    }
}

impl Link {
    /// Hands a message of the group to its lane; `false` when it is none.
    pub(super) fn hear_fleet(&mut self, message: &Inbound) -> bool {
        match &mut self.fleet {
            Some(fleet) if fleet.is_ours(&message.topic) => {
                fleet.hear(message);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Tells the group what it is to be told.
    pub(super) fn say(&mut self, live: &mut Live) {
        let Some(fleet) = &mut self.fleet else { return };
        while live.saying.len() < SAYING {
            let Some(said) = fleet.next() else { break };
            let message = Message::new(said.topic.clone(), said.sealed.clone()).retained();
            let Ok(receipt) = live.session.publish(message) else {
                fleet.back(said);
                break;
            };
            live.saying.push_back((said.token, receipt));
        }
    }
}

/// The oldest receipt; never ends while there is none.
pub(super) async fn said(window: &mut VecDeque<(Token, Receipt)>) -> (Token, Result<(), String>) {
    match window.front_mut() {
        Some((token, receipt)) => {
            let token = token.clone();
            (token, receipt.await)
        }
        None => std::future::pending().await,
    }
}

fn serve(mut group: Group, told: &Receiver<Tell>, say: &mpsc::Sender<Said>, load: &Load) {
    // Turns since the connection began; none before the first.
    let mut turns = None;
    let mut refused = 0_u64;
    while let Ok(tell) = told.recv() {
        let done = match tell {
            Tell::Heard(topic, payload) => {
                let heard = group.hear(&topic, &payload);
                load.messages.fetch_sub(1, Ordering::Relaxed);
                load.bytes.fetch_sub(payload.len(), Ordering::Relaxed);
                heard.map(|heard| match heard {
                    Heard::Refused(error) => {
                        refused += 1;
                        // The first, and then ever more seldom: whoever sends them fills no log.
                        if refused.is_power_of_two() {
                            tracing::warn!(%error, refused, "a message of the group was refused");
                        }
                    }
                    Heard::Known | Heard::Adopted | Heard::Answered | Heard::Cleared => {}
                })
            }
            Tell::Said(token) => group.said(&token),
            Tell::Connected => {
                turns = Some(0);
                group.connected();
                Ok(())
            }
            Tell::Look => {
                load.looking.store(false, Ordering::Relaxed);
                turns = turns.map(|n: u32| n.saturating_add(1));
                let settled = if turns == Some(SETTLES) { group.settled() } else { Ok(()) };
                settled.and_then(|()| group.look())
            }
        };
        if let Err(error) = done {
            tracing::error!(%error, "the group and this door differ until the next change or connection");
        }
        // What was heard first goes before what is to be said: an answer may be among it.
        while turns.is_some() && load.messages.load(Ordering::Relaxed) == 0 {
            let Ok(room) = say.try_reserve() else { break };
            match group.next_to_say() {
                Ok(Some(said)) => room.send(said),
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "a person could not be shared with the group");
                    break;
                }
            }
        }
    }
}
