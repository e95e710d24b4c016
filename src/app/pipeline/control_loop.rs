//! The control thread: the only one that moves the relay.
//!
//! Owns: waiting for looks, wires, orders and deadlines, in that one place. Does not own: rules (`access`),
//! effects (`hands`).
//! Invariants: it never waits longer than `TURN`; no disk, net or display is touched from here; ending it by
//! whatever way releases the relay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::access::{self, Input, Operator, OverrideTime, Part};
use crate::app::commands::DoorHandle;
use crate::app::supervisor::{Loop, Stamps};
use crate::domain::{Millis, clipped};
use crate::link::wire::{DoorOrder, DoorStatus, Refusal};
use crate::ports::{Clock, Detail};

use super::hands::Hands;
use super::journal::JournalSender;
use super::{Captured, Message, Seen};

/// Longest wait: how late a changed wire may be noticed.
const TURN: Millis = Millis(10);
const ANSWER: Duration = Duration::from_secs(2);

/// What the thread works with.
pub(super) struct ControlLoop {
    hands: Hands,
    inbox: Receiver<Message>,
    clock: Arc<dyn Clock>,
    captured: Arc<Captured>,
    seen: Arc<Seen>,
    journal: JournalSender,
    stop: Arc<AtomicBool>,
    camera_fault: Option<Detail>,
    disk_refuses: bool,
}

impl ControlLoop {
    pub(super) fn new(
        hands: Hands,
        inbox: Receiver<Message>,
        clock: Arc<dyn Clock>,
        captured: Arc<Captured>,
        seen: Arc<Seen>,
        journal: JournalSender,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self { hands, inbox, clock, captured, seen, journal, stop, camera_fault: None, disk_refuses: false }
    }

    /// Works until told to stop and the inbox is empty.
    pub(super) fn run(mut self, stamps: &Stamps) {
        loop {
            let now = self.clock.now();
            stamps.stamp(Loop::Control, now.mono);
            self.hands.turn(now);
            let wait = self.hands.due().map_or(TURN, |due| due.since(now.mono).min(TURN));
            match self.inbox.recv_timeout(Duration::from_millis(wait.0)) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    if self.stop.load(Ordering::Relaxed) {
                        self.hands.stop(now);
                        return;
                    }
                }
            }
            while let Ok(message) = self.inbox.try_recv() {
                self.take(message);
            }
        }
    }

    fn take(&mut self, message: Message) {
        let now = self.clock.now();
        match message {
            Message::Look(look) => self.hands.feed(Input::Look(look), now),
            Message::CameraFault(what) => {
                self.camera_fault = Some(what.clone());
                self.hands.feed(Input::CameraFault(what), now);
            }
            Message::CameraBack => {
                self.camera_fault = None;
                self.hands.feed(Input::CameraBack, now);
            }
            Message::Fault(what) => self.hands.feed(Input::Fault(Part::Board, what), now),
            Message::FaultCleared => self.hands.feed(Input::FaultCleared(Part::Board), now),
            Message::FrameSize { width, height } => {
                self.hands.feed(Input::FrameSize { width, height }, now);
            }
            Message::Link(up, queued) => {
                self.hands.feed(Input::Link { up, queued }, now);
                let refusing = self.journal.health().refusing.load(Ordering::Relaxed);
                if refusing != std::mem::replace(&mut self.disk_refuses, refusing) {
                    let input = if refusing {
                        Input::Fault(Part::Store, clipped("the disk does not take events"))
                    } else {
                        Input::FaultCleared(Part::Store)
                    };
                    self.hands.feed(input, now);
                }
            }
            Message::Told(input) => self.hands.feed(input, now),
            Message::Rules(book) => self.hands.set_rules(&book, now),
            Message::Screen(screen) => self.hands.show(screen),
            Message::ClockStep(by_ms) => self.hands.feed(Input::ClockStep { by_ms }, now),
            Message::Order(order, by, reply) => {
                if let Some(operator) = order {
                    tracing::info!(?operator, by, "an operator's order");
                    self.hands.feed(Input::Operator(operator), now);
                }
                // An asker who gave up is no error.
                let _ = reply.try_send(self.status());
            }
        }
    }

    fn status(&self) -> DoorStatus {
        let gate = self.hands.gate();
        DoorStatus {
            state: gate.door_state().name().to_owned(),
            relay: gate.relay(),
            frames: self.captured.frames.load(Ordering::Relaxed),
            looks: self.seen.frames.load(Ordering::Relaxed),
            overwritten: self.captured.overwritten.load(Ordering::Relaxed),
            camera_fault: self.camera_fault.as_ref().map(|what| what.as_str().to_owned()),
            journal_ok: !self.journal.health().refusing.load(Ordering::Relaxed),
            open: gate.contact(),
            tampered: gate.tampered(),
        }
    }
}

/// The commands' way to the control loop.
pub(super) struct RemoteDoor {
    messages: SyncSender<Message>,
}

impl RemoteDoor {
    pub(super) const fn new(messages: SyncSender<Message>) -> Self {
        Self { messages }
    }
}

impl DoorHandle for RemoteDoor {
    fn tell(&self, input: Input) -> Result<(), Refusal> {
        let busy = |_| Refusal::busy("the door is busy; try again in a moment");
        self.messages.try_send(Message::Told(input)).map_err(busy)
    }

    fn order(&self, order: DoorOrder, by: &str) -> Result<DoorStatus, Refusal> {
        let long = |e: access::OverrideTooLong| Refusal::invalid("seconds", e.to_string());
        let operator = match order {
            DoorOrder::State => None,
            DoorOrder::Open => Some(Operator::Open),
            DoorOrder::Unlock { seconds } => {
                Some(Operator::Unlock(OverrideTime::seconds(seconds).map_err(long)?))
            }
            DoorOrder::Lock => Some(Operator::Lock),
            DoorOrder::Lockdown { seconds } => {
                Some(Operator::Lockdown(OverrideTime::seconds(seconds).map_err(long)?))
            }
            DoorOrder::Release => Some(Operator::Release),
        };
        let busy = || Refusal::busy("the door is busy; try again in a moment");
        let (reply, answer) = sync_channel(1);
        self.messages.try_send(Message::Order(operator, by.into(), reply)).map_err(|_| busy())?;
        answer.recv_timeout(ANSWER).map_err(|_| busy())
    }
}
