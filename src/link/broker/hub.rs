//! The broker's memory: who is there, what each wants and still has to be told, what is retained.
//!
//! Owns: sessions, subscriptions, queues, retained messages, wills, and the bounds of all of them. Does not own: sockets,
//! bytes on the wire, who may do what. No clock and no I/O: milliseconds are an argument.
//! Overflow: at the bound of all messages the queue of whoever has been away longest is emptied first; what still finds no
//! room is dropped for that receiver alone and counted.
//! Invariants: never more than [`Limits`] says; a message of `QoS` 1 leaves its queue only when the receiver has
//! acknowledged it; what one sender sends on one topic is received in that order; a will is said once.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use tokio::sync::Notify;

use super::message::{Message, Out, Will};

/// What the door's own sessions begin with.
pub(super) const DOOR: &str = "door/";

/// What the broker keeps at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Sessions, whether somebody is connected or not.
    pub(super) sessions: usize,
    /// Subscriptions of one session.
    pub(super) filters: usize,
    /// Messages that wait for one session.
    pub(super) waiting: usize,
    /// Retained messages.
    pub(super) retained: usize,
    /// Bytes of all messages together.
    pub(super) bytes: usize,
    /// Longest life of a session without a connection, milliseconds.
    pub(super) away_ms: u64,
}

impl Limits {
    /// For a board that has to open a door beside this.
    pub(super) const BOARD: Self = Self {
        sessions: 128,
        filters: 64,
        waiting: 10_000,
        retained: 10_000,
        bytes: 48 << 20,
        away_ms: 7 * 86_400_000,
    };
}

/// A subscription as it was granted.
#[derive(Clone, Debug)]
pub(super) struct Sub {
    pub(super) filter: String,
    /// `QoS` 1, else 0.
    pub(super) acknowledged: bool,
    /// Not what this session itself says.
    pub(super) no_local: bool,
    /// Pass the mark of retained messages on as it was set.
    pub(super) as_published: bool,
    /// When retained messages are told.
    pub(super) retained: TellRetained,
}

/// When a subscriber is told what is retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TellRetained {
    Always,
    IfNew,
    Never,
}

struct Waiting {
    message: Rc<Message>,
    acknowledged: bool,
    retain: bool,
    /// Given when it was sent first.
    id: Option<u16>,
}

/// What a connection is told beside its messages.
#[derive(Debug, Default)]
pub(super) struct Wires {
    /// There is something to send.
    pub(super) wake: Notify,
    /// Somebody else has taken the session over.
    pub(super) kick: Notify,
}

struct Live {
    /// Which connection holds the session.
    number: u64,
    wires: Rc<Wires>,
    /// Publishes without a receipt that it takes.
    window: usize,
}

#[derive(Default)]
struct Session {
    subs: Vec<Sub>,
    queue: VecDeque<Waiting>,
    flight: VecDeque<Waiting>,
    last_id: u16,
    live: Option<Live>,
    /// How long it outlives its connection.
    lasting_ms: u64,
    gone_at: u64,
    will: Option<Will>,
    will_due: Option<u64>,
    dropped: u64,
}

/// How a connection comes in.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) clean: bool,
    pub(super) lasting_ms: u64,
    pub(super) window: usize,
    pub(super) will: Option<Will>,
}

/// A connection's claim to its session.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    name: String,
    number: u64,
    pub(super) wires: Rc<Wires>,
}

/// The broker's memory.
pub(super) struct Hub {
    limits: Limits,
    sessions: BTreeMap<String, Session>,
    retained: BTreeMap<String, Rc<Message>>,
    bytes: Rc<Cell<usize>>,
    connections: u64,
    pub(super) dropped: u64,
}

impl Hub {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            sessions: BTreeMap::new(),
            retained: BTreeMap::new(),
            bytes: Rc::default(),
            connections: 0,
            dropped: 0,
        }
    }

    /// Bytes of all messages that are kept.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// What there is of each bounded thing, and the bound.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> Vec<(usize, usize)> {
        let l = self.limits;
        let each = self
            .sessions
            .values()
            .flat_map(|s| [(s.subs.len(), l.filters), (s.queue.len() + s.flight.len(), l.waiting)]);
        let all = [(self.sessions.len(), l.sessions), (self.retained.len(), l.retained)];
        all.into_iter().chain(each).collect()
    }

    #[cfg(test)]
    pub(super) fn forget_retained(&mut self) {
        self.retained.clear();
    }

    /// What a new message is weighed with.
    pub(super) fn scale(&self) -> Rc<Cell<usize>> {
        Rc::clone(&self.bytes)
    }

    /// Takes a connection in and gives its seat, with whether there was a session; `None` when the house is full.
    pub(super) fn enter(&mut self, entry: Entry, now: u64) -> Option<(Seat, bool)> {
        self.sweep(now);
        if let Some(old) = self.sessions.get_mut(&entry.name) {
            if let Some(live) = old.live.take() {
                live.wires.kick.notify_one();
                old.gone_at = now;
                // Whoever is taken over did not say farewell.
                old.will_due = old.will.as_ref().map(|will| now + will.delay_ms.min(old.lasting_ms));
            }
            if entry.clean || old.will_due.is_some_and(|due| due <= now) {
                let will = old.will.take();
                old.will_due = None;
                if let Some(will) = will {
                    self.say_will(&will, now);
                }
            }
        }
        if entry.clean {
            self.sessions.remove(&entry.name);
        }
        let present = self.sessions.contains_key(&entry.name);
        if !present && self.sessions.len() >= self.limits.sessions {
            let longest =
                self.sessions.iter().filter(|(_, s)| s.live.is_none()).min_by_key(|(_, s)| s.gone_at);
            let name = longest.map(|(name, _)| name.clone())?;
            self.end(&name, now);
        }
        self.connections += 1;
        let wires = Rc::new(Wires::default());
        let session = self.sessions.entry(entry.name.clone()).or_default();
        session.live =
            Some(Live { number: self.connections, wires: Rc::clone(&wires), window: entry.window.max(1) });
        session.lasting_ms = entry.lasting_ms.min(self.limits.away_ms);
        session.will = entry.will;
        session.will_due = None;
        // What had no receipt goes first and again.
        while let Some(waiting) = session.flight.pop_back() {
            session.queue.push_front(waiting);
        }
        wires.wake.notify_one();
        Some((Seat { name: entry.name, number: self.connections, wires }, present))
    }

    /// A connection has ended; `farewell` takes its will back.
    pub(super) fn leave(&mut self, seat: &Seat, farewell: bool, lasting_ms: Option<u64>, now: u64) {
        let limit = self.limits.away_ms;
        let Some(session) = self.held(seat) else { return };
        session.live = None;
        session.gone_at = now;
        // What is not acknowledged is not kept for somebody who is away.
        session.queue.retain(|w| w.acknowledged);
        if let Some(asked) = lasting_ms {
            session.lasting_ms = asked.min(limit);
        }
        if farewell {
            session.will = None;
        }
        session.will_due = session.will.as_ref().map(|will| now + will.delay_ms.min(session.lasting_ms));
        self.sweep(now);
    }

    /// Ends sessions whose time is over and says wills that are due.
    pub(super) fn sweep(&mut self, now: u64) {
        let due = |s: &Session| {
            s.live.is_none() && (s.will_due.is_some_and(|due| due <= now) || s.gone_at + s.lasting_ms <= now)
        };
        let names: Vec<_> = self.sessions.iter().filter(|(_, s)| due(s)).map(|(n, _)| n.clone()).collect();
        for name in names {
            let Some(session) = self.sessions.get_mut(&name) else { continue };
            session.will_due = None;
            let (will, over) = (session.will.take(), session.gone_at + session.lasting_ms <= now);
            if over {
                self.sessions.remove(&name);
            }
            if let Some(will) = will {
                self.say_will(&will, now);
            }
        }
        self.retained.retain(|_, message| !message.expired(now));
    }

    /// Grants a subscription and tells what is retained; `false` when there are too many.
    pub(super) fn subscribe(&mut self, seat: &Seat, sub: &Sub, now: u64) -> bool {
        let filters = self.limits.filters;
        let Some(session) = self.held(seat) else { return false };
        let known = session.subs.iter().position(|s| s.filter == sub.filter);
        if known.is_none() && session.subs.len() >= filters {
            return false;
        }
        let tell = match sub.retained {
            TellRetained::Always => true,
            TellRetained::IfNew => known.is_none(),
            TellRetained::Never => false,
        };
        match known.and_then(|at| session.subs.get_mut(at)) {
            Some(old) => *old = sub.clone(),
            None => session.subs.push(sub.clone()),
        }
        if tell {
            let fits = |topic: &&Rc<Message>| matches(&topic.topic, &sub.filter) && !topic.expired(now);
            let kept: Vec<_> = self.retained.values().filter(fits).map(Rc::clone).collect();
            for message in kept {
                // It is kept already, and weighs nothing more.
                self.queue(&seat.name, message, sub.acknowledged, true, 0);
            }
        }
        true
    }

    /// Whether there was such a subscription.
    pub(super) fn unsubscribe(&mut self, seat: &Seat, filter: &str) -> bool {
        let Some(session) = self.held(seat) else { return false };
        let before = session.subs.len();
        session.subs.retain(|s| s.filter != filter);
        session.subs.len() < before
    }

    /// Takes a message to everybody who wants it; `false` when it could not be retained as it should.
    pub(super) fn publish(&mut self, seat: &Seat, message: Message, now: u64) -> bool {
        if self.held(seat).is_none() || message.expired(now) {
            return true;
        }
        self.spread(Some(&seat.name), &Rc::new(message))
    }

    fn say_will(&mut self, will: &Will, now: u64) {
        let message = will.message(&self.bytes, now);
        self.spread(None, &Rc::new(message));
    }

    fn spread(&mut self, from: Option<&str>, message: &Rc<Message>) -> bool {
        // A quarter is the door's: others cannot fill what its states and answers need.
        let reserved =
            if from.is_some_and(|name| name.starts_with(DOOR)) { 0 } else { self.limits.bytes / 4 };
        let mut kept = true;
        if message.retain {
            if message.payload.is_empty() {
                self.retained.remove(&message.topic);
            } else {
                let known = self.retained.contains_key(&message.topic);
                kept = (known || self.retained.len() < self.limits.retained) && self.room(reserved);
                if kept {
                    self.retained.insert(message.topic.clone(), Rc::clone(message));
                }
            }
        }
        let mut names = Vec::new();
        for (name, session) in &self.sessions {
            let own = from == Some(name.as_str());
            let fitting =
                session.subs.iter().filter(|s| matches(&message.topic, &s.filter) && !(own && s.no_local));
            // Several subscriptions that fit are one message, as well acknowledged as the best of them.
            let best = fitting.fold(None, |best: Option<(bool, bool)>, s| {
                let (acknowledged, as_published) = best.unwrap_or_default();
                Some((acknowledged || s.acknowledged, as_published || s.as_published))
            });
            if let Some((acknowledged, as_published)) = best {
                names.push((name.clone(), acknowledged && message.acknowledged, as_published));
            }
        }
        for (name, acknowledged, as_published) in names {
            let retain = as_published && message.retain;
            self.queue(&name, Rc::clone(message), acknowledged, retain, reserved);
        }
        kept
    }

    /// Lays a message into a session's queue, as far as there is room.
    fn queue(&mut self, name: &str, message: Rc<Message>, acknowledged: bool, retain: bool, reserved: usize) {
        let acknowledged = acknowledged && message.acknowledged;
        let room = self.room(reserved);
        let Some(session) = self.sessions.get_mut(name) else { return };
        if session.live.is_none() && !acknowledged {
            return;
        }
        if !room || session.queue.len() + session.flight.len() >= self.limits.waiting {
            session.dropped += 1;
            self.dropped += 1;
            // The first, and then ever more seldom: a receiver that sleeps fills no log.
            if session.dropped.is_power_of_two() {
                tracing::warn!(session = name, dropped = session.dropped, "a receiver of the broker is full");
            }
            return;
        }
        session.queue.push_back(Waiting { message, acknowledged, retain, id: None });
        if let Some(live) = &session.live {
            live.wires.wake.notify_one();
        }
    }

    /// Whether the messages weigh no more than allowed, less what is reserved; makes room where somebody is away.
    fn room(&mut self, reserved: usize) -> bool {
        while self.bytes.get() > self.limits.bytes - reserved {
            let away = self.sessions.values_mut().filter(|s| s.live.is_none() && !s.queue.is_empty());
            let Some(longest) = away.min_by_key(|s| s.gone_at) else { return false };
            let lost = longest.queue.len() as u64;
            longest.dropped += lost;
            longest.queue.clear();
            self.dropped += lost;
            tracing::warn!(lost, "the broker is full: what waited for somebody who is away was dropped");
        }
        true
    }

    /// The next message for a connection, when there is one and it may have one more.
    pub(super) fn next(&mut self, seat: &Seat, now: u64) -> Option<Out> {
        let session = self.held(seat)?;
        let window = session.live.as_ref()?.window;
        loop {
            let first = session.queue.front()?;
            if first.message.expired(now) && first.id.is_none() {
                session.queue.pop_front();
                continue;
            }
            if first.acknowledged && session.flight.len() >= window {
                return None;
            }
            let mut waiting = session.queue.pop_front()?;
            let (message, retain) = (Rc::clone(&waiting.message), waiting.retain);
            let again = waiting.id.is_some();
            if !waiting.acknowledged {
                return Some(Out { message, id: None, retain, again });
            }
            let id = waiting.id.unwrap_or_else(|| free_id(session));
            waiting.id = Some(id);
            session.flight.push_back(waiting);
            return Some(Out { message, id: Some(id), retain, again });
        }
    }

    /// A receiver has it; also said for what it cannot take at all.
    pub(super) fn acknowledged(&mut self, seat: &Seat, id: u16) {
        if let Some(session) = self.held(seat) {
            session.flight.retain(|w| w.id != Some(id));
            if let Some(live) = &session.live {
                live.wires.wake.notify_one();
            }
        }
    }

    fn end(&mut self, name: &str, now: u64) {
        let Some(mut session) = self.sessions.remove(name) else { return };
        if let Some(will) = session.will.take() {
            self.say_will(&will, now);
        }
    }

    /// The session of a seat, while nobody has taken it over.
    fn held(&mut self, seat: &Seat) -> Option<&mut Session> {
        let session = self.sessions.get_mut(&seat.name)?;
        session.live.as_ref().is_some_and(|l| l.number == seat.number).then_some(session)
    }
}

/// The next id that neither lies in flight nor waits to be sent again.
fn free_id(session: &mut Session) -> u16 {
    loop {
        session.last_id = session.last_id.checked_add(1).unwrap_or(1);
        let id = Some(session.last_id);
        // Those to be sent again stand at the front.
        let again = session.queue.iter().take_while(|w| w.id.is_some());
        if !session.flight.iter().chain(again).any(|w| w.id == id) {
            return session.last_id;
        }
    }
}

/// Whether a topic fits a filter; topics that begin with `$` fit none.
pub(super) fn matches(topic: &str, filter: &str) -> bool {
    rumqttc::matches(topic, filter)
}
