//! The link at its work: connect, subscribe, say who this is, carry messages both ways, begin again.
//!
//! Owns: the order of a connection, the window of events, what is retained about the door. Does not own: the disk
//! (`outbox`), commands (`work`), freshness (`guard`), the protocol (`session`).
//! Overflow: answers and states wait in a bounded queue, the oldest go and are counted; events wait on the disk.
//! Invariants: nothing is published before the subscriptions are granted; events leave in the order of their numbers,
//! at most `WINDOW` without a receipt; after a connection ends everything not confirmed is sent again; nothing here
//! blocks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::super::wire::Command;
use super::config::{Confirm, MqttConfig, Version};
use super::discovery;
use super::fleet::{FleetLane, Token, said};
use super::guard::Guard;
use super::outbox::{Ask, Committed, Lane, Told};
use super::session::{Inbound, Lost, Message, News, Receipt, Session, Speaks, Wanted};
use super::state::DoorTopics;
use super::upload::Uploads;
use super::work::{Answer, Lanes};
use ostiary_ports::Clock;

/// Events without a receipt.
const WINDOW: usize = 16;
/// Messages that wait for the connection.
const QUEUE: usize = 256;
/// Messages taken before the subscriptions are granted.
const EARLY: usize = 64;
const TURN: Duration = Duration::from_millis(250);
const ANSWER: Duration = Duration::from_secs(15);
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Events at which somebody stands before the camera.
const VISITS: [&str; 5] = ["access_granted", "access_denied", "unknown_face", "spoof", "duress"];
/// Turns between two looks at the door, and between two messages about the device.
const DOOR_TURNS: u32 = 4;
const INFO_TURNS: u32 = 240;
/// Turns without a receiver's word after which what was sent is sent again: half a minute, then ever longer, to an hour.
pub(super) const REMIND: (u32, u32) = (120, 14_400);

/// What others may know of the link.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) up: AtomicBool,
    pub(super) stop: AtomicBool,
    pub(super) nudge: Notify,
    pub(super) stopped: Notify,
}

pub(super) struct Link {
    pub(super) config: Arc<MqttConfig>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shared: Arc<Shared>,
    pub(super) uploads: Arc<Mutex<Uploads>>,
    pub(super) lanes: Lanes,
    pub(super) answers: mpsc::Receiver<Answer>,
    pub(super) outbox: Lane,
    pub(super) told: mpsc::Receiver<(u32, Told)>,
    pub(super) fleet: Option<FleetLane>,
    pub(super) guard: Guard,
    pub(super) queue: VecDeque<Message>,
    pub(super) dropped: u64,
    /// The newest event that a broker has taken since this process began.
    pub(super) delivered: u64,
    /// The newest event that a receiver has acknowledged.
    pub(super) confirmed: u64,
    /// Events up to here are no news.
    pub(super) live_after: Option<u64>,
    /// The device's Ed25519 key, hex: whoever keeps events can prove them with it.
    pub(super) public_key: Option<String>,
    /// Counts connections: an answer of the disk to an earlier one is passed over.
    pub(super) round: u32,
}

/// How a connection ended.
struct End {
    lost: Lost,
    /// It had come as far as publishing.
    worked: bool,
}

/// What belongs to one connection.
pub(super) struct Live {
    pub(super) session: Session,
    pub(super) speaks: Speaks,
    pub(super) window: VecDeque<(Option<u64>, Receipt)>,
    pub(super) events: VecDeque<(Committed, bool)>,
    pub(super) next: Option<u64>,
    pub(super) replay: Option<(u64, u64)>,
    reading: bool,
    pub(super) wanted: bool,
    /// What the group is being told.
    pub(super) saying: VecDeque<(Token, Receipt)>,
    pub(super) door: DoorTopics,
    turn: u32,
    largest: usize,
    /// Turns since a receiver's last word, the word, and after how many turns it is reminded.
    pub(super) quiet: (u32, u64, u32),
}

impl Link {
    /// Works until told to stop.
    pub(super) async fn run(mut self) {
        let mut wait = BACKOFF.0;
        let mut speaks = first(self.config.version);
        while !self.shared.stop.load(Ordering::Relaxed) {
            let end = self.connection(speaks).await;
            self.shared.up.store(false, Ordering::Relaxed);
            if self.shared.stop.load(Ordering::Relaxed) {
                return;
            }
            if end.worked {
                wait = BACKOFF.0;
            }
            speaks = match (self.config.version, speaks) {
                (Version::Auto, Speaks::Five) if end.lost.version => Speaks::Three,
                (version, _) => first(version),
            };
            tracing::warn!(why = end.lost.why, broker = ?self.config.broker, next = speaks.name(),
                "not connected to the broker; events wait on the disk");
            let jitter = getrandom::u32().unwrap_or(0) % 500;
            let pause = sleep(wait + Duration::from_millis(u64::from(jitter)));
            tokio::pin!(pause);
            while !self.shared.stop.load(Ordering::Relaxed) {
                tokio::select! {
                    () = &mut pause => break,
                    () = self.shared.stopped.notified() => {}
                    // What is answered meanwhile waits in its bounded queue.
                    Some(answer) = self.answers.recv() => self.answered(answer, None),
                    Some(_) = self.told.recv() => {}
                }
            }
            wait = (wait * 2).min(BACKOFF.1);
        }
    }

    async fn connection(&mut self, speaks: Speaks) -> End {
        let failed = |lost| End { lost, worked: false };
        let mut session = match Session::open(&self.config, speaks) {
            Ok(session) => session,
            Err(why) => return failed(Lost { why, version: false }),
        };
        let (largest, early) = match timeout(ANSWER, self.greet(&mut session)).await {
            Ok(Ok(greeted)) => greeted,
            Ok(Err(lost)) => return failed(lost),
            Err(_) => return failed(Lost { why: "the broker does not answer".into(), version: false }),
        };
        self.guard.connected(self.clock.now());
        self.shared.up.store(true, Ordering::Relaxed);
        tracing::info!(broker = ?self.config.broker, version = speaks.name(), "connected to the broker");
        self.send(Message::new(self.config.topics.own("status"), "online").retained());
        self.discover();
        if let Some(fleet) = &mut self.fleet {
            fleet.connected();
        }
        let mut live = Live {
            session,
            speaks,
            window: VecDeque::new(),
            events: VecDeque::new(),
            next: None,
            replay: None,
            reading: false,
            wanted: true,
            saying: VecDeque::new(),
            door: DoorTopics::default(),
            turn: 0,
            largest: largest.unwrap_or(usize::MAX),
            quiet: (0, 0, REMIND.0),
        };
        self.round = self.round.wrapping_add(1);
        live.reading = self.outbox.ask(self.round, Ask::Standing);
        for message in early {
            self.message(&mut live, &message);
        }
        let lost = self.carry(&mut live).await;
        End { lost, worked: true }
    }

    /// Waits for the broker, then for the subscriptions.
    async fn greet(&mut self, session: &mut Session) -> Result<(Option<usize>, Vec<Inbound>), Lost> {
        let broken = |why: &str| Lost { why: why.into(), version: false };
        let largest = loop {
            match session.news().await {
                News::Connected { largest } => break largest,
                News::Lost(lost) => return Err(lost),
                News::Message(_) | News::Subscribed(_) => {}
            }
        };
        session.subscribe(&self.subscriptions()).map_err(|e| broken(&e))?;
        // A broker that remembers this door delivers what it kept before it answers the subscription.
        let mut early = Vec::new();
        loop {
            match session.news().await {
                News::Subscribed(true) => return Ok((largest, early)),
                News::Subscribed(false) => {
                    return Err(broken(
                        "the broker refuses a subscription; allow this door to read ostiary/<device>/cmd/#, \
                         door/+/set and events/ack, with a group ostiary/fleet/<group>/#, with Home Assistant \
                         homeassistant/status",
                    ));
                }
                News::Lost(lost) => return Err(lost),
                // A group's people are many; they wait in their own lane.
                News::Message(message) if self.hear_fleet(&message) => {}
                News::Message(message) if early.len() < EARLY => early.push(message),
                News::Message(_) => {
                    tracing::warn!("a message that the broker had kept was dropped: too many");
                }
                News::Connected { .. } => {}
            }
        }
    }

    fn subscriptions(&self) -> Vec<Wanted> {
        let own = |below: &str, acknowledged| Wanted { filter: self.config.topics.own(below), acknowledged };
        // Bare orders at QoS 0: a broker keeps none of them for a door that is away.
        let mut all = vec![own("cmd/#", true), own("events/ack", true), own("door/+/set", false)];
        if self.config.home_assistant {
            all.push(Wanted { filter: discovery::BIRTH.into(), acknowledged: true });
        }
        all.extend(self.fleet.as_ref().map(FleetLane::wanted));
        all
    }

    async fn carry(&mut self, live: &mut Live) -> Lost {
        let mut ticks = interval(TURN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.flush(live);
            tokio::select! {
                news = live.session.news() => match news {
                    News::Lost(lost) => return lost,
                    News::Message(message) => self.message(live, &message),
                    News::Connected { .. } | News::Subscribed(_) => {}
                },
                (seq, receipt) = front(&mut live.window) => {
                    live.window.pop_front();
                    if let Err(why) = receipt {
                        return Lost { why: format!("an event was not taken: {why}"), version: false };
                    }
                    self.taken(seq);
                }
                Some((round, told)) = self.told.recv() => if round == self.round { self.read(live, told) },
                Some(answer) = self.answers.recv() => self.answered(answer, Some(live)),
                (token, receipt) = said(&mut live.saying) => {
                    live.saying.pop_front();
                    if let (Ok(()), Some(fleet)) = (receipt, &self.fleet) {
                        fleet.said(token);
                    }
                }
                () = self.shared.nudge.notified() => {
                    live.wanted = true;
                    if let Some(fleet) = &self.fleet {
                        fleet.look();
                    }
                }
                () = self.shared.stopped.notified() => {}
                _ = ticks.tick() => self.tick(live),
            }
            if self.shared.stop.load(Ordering::Relaxed) {
                self.farewell(live).await;
                return Lost { why: "the door stops".into(), version: false };
            }
        }
    }

    /// A broker was given an event.
    fn taken(&mut self, seq: Option<u64>) {
        let Some(seq) = seq else { return };
        self.delivered = self.delivered.max(seq);
        match self.config.confirm {
            Confirm::Broker => self.outbox.confirm(seq),
            Confirm::Receiver => {}
        }
    }

    fn read(&mut self, live: &mut Live, told: Told) {
        live.reading = false;
        match told {
            Told::Standing { acked, newest } => {
                live.next = Some(acked + 1);
                self.confirmed = acked;
                self.live_after.get_or_insert(newest);
            }
            Told::Events { events, replay } => {
                if let Some(last) = events.last() {
                    live.wanted = true;
                    match &mut live.replay {
                        Some((from, _)) if replay => *from = last.seq + 1,
                        Some(_) | None => {}
                    }
                    if !replay {
                        live.next = Some(last.seq + 1);
                    }
                } else if replay {
                    live.replay = None;
                    live.wanted = true;
                }
                live.events.extend(events.into_iter().map(|e| (e, replay)));
            }
            Told::Failed(why) => tracing::error!(why, "committed events cannot be read"),
        }
    }

    /// Sends what waits, as far as it goes without waiting.
    fn flush(&mut self, live: &mut Live) {
        while let Some(message) = self.queue.pop_front() {
            if message.topic.len() + message.payload.len() + 64 > live.largest {
                tracing::warn!(topic = message.topic, "the broker takes no message so large; it is dropped");
                continue;
            }
            // Receipts of these are not waited for: a state is sent again when it changes, an answer asked for again.
            if let Err(back) = live.session.publish(message) {
                self.queue.push_front(back);
                break;
            }
        }
        self.say(live);
        while live.window.len() < WINDOW {
            let Some((event, replay)) = live.events.pop_front() else { break };
            let topic = self.config.topics.own(format_args!("events/{}", event.kind));
            let message = Message::new(topic, event.cloud_event(&self.config.device));
            let Ok(receipt) = live.session.publish(message) else {
                live.events.push_front((event, replay));
                break;
            };
            live.window.push_back(((!replay).then_some(event.seq), receipt));
            if !replay && self.live_after.is_some_and(|after| event.seq > after) {
                self.live_after = Some(event.seq);
                self.send(Message::new(self.config.topics.own("event"), event.live()));
                if self.config.pictures && VISITS.contains(&event.kind) {
                    self.ask("own.picture", Command::Watch);
                }
                if event.kind.starts_with("door_") || event.kind.ends_with("_open") {
                    self.ask_door();
                }
            }
        }
        self.fetch(live);
    }

    /// Asks the disk for what comes next.
    fn fetch(&mut self, live: &mut Live) {
        if live.reading || !live.wanted || !live.events.is_empty() {
            return;
        }
        let ask = match (live.replay, live.next) {
            (Some((from, upto)), _) if from <= upto => {
                let max = usize::try_from(upto - from + 1).map_or(WINDOW, |n| n.min(WINDOW));
                Ask::Read { from, max, replay: true }
            }
            (_, Some(from)) => {
                live.replay = None;
                Ask::Read { from, max: WINDOW, replay: false }
            }
            (_, None) => Ask::Standing,
        };
        live.reading = self.outbox.ask(self.round, ask);
        live.wanted = !live.reading;
    }

    fn tick(&mut self, live: &mut Live) {
        live.turn = live.turn.wrapping_add(1);
        // A nudge can be missed between two connections; the disk is asked once a second anyway.
        if live.turn % DOOR_TURNS == 1 {
            live.wanted = true;
            self.ask_door();
            if let Some(fleet) = &mut self.fleet {
                fleet.look();
                // What did not fit into the lane is asked for again: a broker then gives all that it keeps.
                if fleet.missed()
                    && let Err(why) = live.session.subscribe(&[fleet.wanted()])
                {
                    tracing::warn!(why, "people of the group will be asked for later");
                }
            }
        }
        if live.turn % INFO_TURNS == 1 {
            self.own(Command::Status);
        }
        self.outbox.again();
        self.remind(live);
    }

    pub(super) fn send(&mut self, message: Message) {
        if self.queue.len() >= QUEUE {
            self.queue.pop_front();
            self.dropped += 1;
        }
        self.queue.push_back(message);
    }

    /// Leaves in order: what waits is sent, the state is said, the last will is withdrawn.
    async fn farewell(&mut self, live: &mut Live) {
        self.send(Message::new(self.config.topics.own("status"), "offline").retained());
        self.flush(live);
        live.session.disconnect();
        let gone = async { while !matches!(live.session.news().await, News::Lost(_)) {} };
        // A broker that does not react publishes the last will, which says the same.
        let _ = timeout(Duration::from_secs(1), gone).await;
    }
}

const fn first(version: Version) -> Speaks {
    match version {
        Version::Auto | Version::Five => Speaks::Five,
        Version::ThreeOneOne => Speaks::Three,
    }
}

/// The oldest receipt; never ends while there is none.
async fn front(window: &mut VecDeque<(Option<u64>, Receipt)>) -> (Option<u64>, Result<(), String>) {
    match window.front_mut() {
        Some((seq, receipt)) => {
            let seq = *seq;
            (seq, receipt.await)
        }
        None => std::future::pending().await,
    }
}
