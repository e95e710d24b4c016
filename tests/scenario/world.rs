//! A door, its visitors and its clock, all virtual.
//!
//! Owns: feeding the gate as the pipeline does, carrying out its outputs, and what is checked at every single one
//! of them. Does not own: any story.
//! Invariants, asserted at each step: an input causes at most `MAX_OUTPUTS`; every energising of the relay comes
//! with exactly one `door_unlocked` of the same cause; the gate's own word on the relay agrees with its orders.

use ostiary::access::{DoorState, Gate, GateConfig, Input, Operator, Output, OverrideTime, Settings};
use ostiary::domain::event::Detail;
use ostiary::domain::limits::MAX_OUTPUTS;
use ostiary::domain::wires::{self, InputEdge};
use ostiary::domain::{
    ClockTrust, Cosine, Decision, DenyReason, Detection, Event, EventKind, GrantCause, Key, Look,
    LookVerdict, Match, Mono, Now, Passage, Pin, PinVerdict, Punch, QualityReason, Rulebook, Screen,
    Standing, TrackId, Utc, Zone, clipped,
};

/// One frame at 30 per second.
pub(crate) const FRAME_MS: u64 = 33;

/// The door and all that is known of it.
pub(crate) struct World {
    pub(crate) gate: Gate,
    pub(crate) now: Now,
    pub(crate) relay: Option<GrantCause>,
    pub(crate) log: Vec<Event>,
    pub(crate) decisions: Vec<(Mono, Decision)>,
    pub(crate) screen: Option<Screen>,
    pub(crate) screens: Vec<Screen>,
    /// Where people went, as it is to be kept.
    pub(crate) passages: Vec<(String, Passage)>,
    /// Punches to be kept.
    pub(crate) punches: Vec<Punch>,
    /// The PIN that was asked about last.
    pub(crate) asked: Option<(u32, String, Pin)>,
    /// The id that was asked about last.
    pub(crate) looked_up: Option<(u32, String)>,
    /// Most outputs that one input caused.
    pub(crate) most: usize,
    told: usize,
    frame: u64,
}

impl World {
    /// A door with default settings at ten in the morning.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A door with other settings. Contact and housing are shut, no button pressed, no fire.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut world = Self::bare(change);
        for input in [wires::Input::Contact, wires::Input::Rex, wires::Input::Tamper, wires::Input::Fire] {
            world.wire(input, false);
        }
        world.pass(1_000);
        world
    }

    /// A door of whose wires nothing is known yet.
    pub(crate) fn bare(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let gate = Gate::new(GateConfig::checked(settings).expect("settings in range"));
        let now = Now { mono: Mono(5_000), utc: Utc(1_750_000_000_000), trust: ClockTrust::Trusted };
        let mut world = Self {
            gate,
            now,
            relay: None,
            log: Vec::new(),
            decisions: Vec::new(),
            screen: None,
            screens: Vec::new(),
            passages: Vec::new(),
            punches: Vec::new(),
            asked: None,
            looked_up: None,
            most: 0,
            told: 0,
            frame: 0,
        };
        assert_eq!(world.gate.poll_output(), Some(Output::Relay { energised: false, cause: None }));
        world.feed(Input::Tick);
        world
    }

    /// Gives the gate one input now and does what it says.
    pub(crate) fn feed(&mut self, input: Input) {
        // An edge waits for the batch's closing tick.
        let settles = !matches!(input, Input::Edge(_));
        self.gate.handle(input, self.now);
        let outputs: Vec<Output> = core::iter::from_fn(|| self.gate.poll_output()).collect();
        assert!(outputs.len() <= MAX_OUTPUTS, "{outputs:?}");
        self.most = self.most.max(outputs.len());
        check_causes(&outputs);
        for output in outputs {
            match output {
                Output::Relay { energised, cause } => {
                    assert_eq!(energised, cause.is_some());
                    self.relay = cause;
                }
                Output::Event(event) => {
                    assert_ne!(event.kind, EventKind::LogGap, "drained each time and lost all the same");
                    self.log.push(event);
                }
                Output::Passage(person, passage) => self.passages.push((person.to_string(), passage)),
                Output::Punch(punch) => self.punches.push(punch),
                Output::CheckPin { ticket, person, pin } => {
                    self.asked = Some((ticket, person.to_string(), pin));
                }
                Output::LookUp { ticket, person } => self.looked_up = Some((ticket, person.to_string())),
                Output::Decision(decision) => self.decisions.push((self.now.mono, decision)),
                Output::Screen(screen) => {
                    assert_ne!(self.screen.as_ref(), Some(&screen), "shown twice");
                    self.screen = Some(screen.clone());
                    self.screens.push(screen);
                }
            }
        }
        assert_eq!(self.gate.relay(), self.relay.is_some());
        let due = self.gate.poll_timeout().is_some_and(|at| at <= self.now.mono);
        assert!(!due || !settles, "due and not done");
    }

    /// Time passes; the gate is called whenever it asked to be.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = Mono(self.now.mono.0 + ms);
        while let Some(due) = self.gate.poll_timeout().filter(|due| *due <= end) {
            self.clock(due);
            self.feed(Input::Tick);
        }
        self.clock(end);
        self.feed(Input::Tick);
    }

    /// Time passes and nobody calls the gate: a process that was held up.
    pub(crate) fn stall(&mut self, ms: u64) {
        self.clock(Mono(self.now.mono.0 + ms));
    }

    fn clock(&mut self, to: Mono) {
        let by = to.since(self.now.mono);
        self.now.utc = Utc(self.now.utc.0 + by.0 as i64);
        self.now.mono = to;
    }

    /// A raw change of a wire.
    pub(crate) fn wire(&mut self, input: wires::Input, active: bool) {
        self.feed(Input::Edge(InputEdge { input, active, at: self.now.mono }));
    }

    /// The door leaf opens, with a rattle.
    pub(crate) fn opens(&mut self) {
        for active in [true, false, true] {
            self.wire(wires::Input::Contact, active);
            self.pass(7);
        }
        self.pass(60);
    }

    /// The door leaf falls shut.
    pub(crate) fn shuts(&mut self) {
        self.wire(wires::Input::Contact, false);
        self.pass(60);
    }

    /// Somebody inside presses the exit button.
    pub(crate) fn presses_exit(&mut self) {
        self.wire(wires::Input::Rex, true);
        self.pass(200);
        self.wire(wires::Input::Rex, false);
        self.pass(60);
    }

    /// One frame is looked at.
    pub(crate) fn look(&mut self, track: u32, verdict: LookVerdict) {
        self.frame += 1;
        let face = Detection::default();
        self.feed(Input::Look(Look {
            captured: self.now.mono,
            frame_seq: self.frame,
            subject: Some((TrackId(track), face)),
            faces: 1,
            verdict,
        }));
        self.pass(FRAME_MS);
    }

    /// Many frames of the same.
    pub(crate) fn looks(&mut self, count: usize, track: u32, verdict: &LookVerdict) {
        (0..count).for_each(|_| self.look(track, verdict.clone()));
    }

    /// Nobody is in the picture for that long.
    pub(crate) fn nobody(&mut self, ms: u64) {
        self.frame += 1;
        let (captured, frame_seq) = (self.now.mono, self.frame);
        let verdict = LookVerdict::Nobody;
        self.feed(Input::Look(Look { captured, frame_seq, subject: None, faces: 0, verdict }));
        self.pass(ms);
    }

    /// Other rules, in UTC.
    pub(crate) fn rules(&mut self, book: &Rulebook) {
        self.gate.set_rules(book);
        self.feed(Input::Zone(Zone::UTC));
        self.feed(Input::Tick);
    }

    /// Digits, then Enter.
    pub(crate) fn types(&mut self, digits: &str) {
        for digit in digits.bytes() {
            self.feed(Input::Key(Key::Digit(digit - b'0')));
            self.pass(150);
        }
        self.feed(Input::Key(Key::Enter));
    }

    /// The answer to the PIN that was asked about last.
    pub(crate) fn answers(&mut self, verdict: PinVerdict) {
        let (ticket, ..) = self.asked.take().expect("a PIN was asked about");
        self.pass(400);
        self.feed(Input::PinChecked { ticket, verdict });
    }

    pub(crate) fn order(&mut self, order: Operator) {
        self.feed(Input::Operator(order));
    }

    pub(crate) fn camera_fails(&mut self, what: &str) {
        self.feed(Input::CameraFault(clipped(what)));
    }

    pub(crate) fn state(&self) -> DoorState {
        self.gate.door_state()
    }

    /// The names of the events since this was last asked.
    pub(crate) fn events(&mut self) -> Vec<&'static str> {
        let names = self.log[self.told..].iter().map(|e| e.kind.name()).collect();
        self.told = self.log.len();
        names
    }

    /// How often an event of that kind was logged.
    pub(crate) fn count(&self, kind: EventKind) -> usize {
        self.log.iter().filter(|e| e.kind == kind).count()
    }

    /// The last decision, in short.
    pub(crate) fn last_decision(&self) -> Option<Result<String, DenyReason>> {
        self.decisions.last().map(|(_, decision)| match decision {
            Decision::Grant { person, .. } => Ok(person.to_string()),
            Decision::Deny { reason, .. } => Err(*reason),
        })
    }
}

/// Every energising has its record in the same batch, and no record is without one.
pub(crate) fn check_causes(outputs: &[Output]) {
    let relays = outputs.iter().filter_map(|o| match o {
        Output::Relay { energised: true, cause } => Some(*cause),
        _ => None,
    });
    let records = outputs.iter().filter_map(|o| match o {
        Output::Event(e) if e.kind == EventKind::DoorUnlocked => Some(e.cause),
        _ => None,
    });
    let (relays, records): (Vec<_>, Vec<_>) = (relays.collect(), records.collect());
    assert_eq!(relays, records, "{outputs:?}");
    assert!(relays.iter().all(Option::is_some));
}

pub(crate) fn person_with(id: &str, standing: Standing) -> LookVerdict {
    LookVerdict::Matched(Match::Person {
        id: id.parse().expect("a well-formed id"),
        name: clipped(&format!("Name of {id}")),
        standing,
        score: Cosine::new(0.6),
    })
}

pub(crate) fn person(id: &str) -> LookVerdict {
    person_with(id, Standing::default())
}

pub(crate) fn stranger() -> LookVerdict {
    LookVerdict::Matched(Match::Unknown { score: Cosine::new(0.1) })
}

pub(crate) fn lookalike() -> LookVerdict {
    LookVerdict::Matched(Match::LowMargin { score: Cosine::new(0.6) })
}

pub(crate) fn poor(reason: QualityReason) -> LookVerdict {
    LookVerdict::Refused([reason].into_iter().collect())
}

pub(crate) fn seconds(s: u32) -> OverrideTime {
    OverrideTime::seconds(s).expect("a day at most")
}

pub(crate) fn text(what: &str) -> Detail {
    clipped(what)
}
