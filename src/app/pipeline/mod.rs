//! The walk-up as threads: capture, vision, control, journal, display, and the watch over them.
//!
//! Owns: starting and ending the threads, their channels and what overflows in them. Does not own: what any
//! station does (`vision`, `access`, `store`, `device`).
//! Queues: frames overwrite; looks are dropped and counted; commands are refused to the asker; events count
//! their loss; screens overwrite.
//! Invariants: the relay is released before any thread starts and after every one has ended, however it ended;
//! a control loop that stands still ends the process at once, which releases the line.

mod capture;
mod control_loop;
mod eyes;
mod hands;
mod journal;
mod keeper;
mod lockstep;
mod screens;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::access::{Gate, Input, Operator};
use crate::device::clock_os::behind_others;
use crate::device::notify::Notify;
use crate::domain::{Millis, Mono, Now, Rulebook, Screen, clipped};
use crate::link::mqtt::Nudge;
use crate::link::wire::{Caller, DoorStatus, Operations as _};
use crate::ports::{Camera, Detail, Display, Door, Uplink};
use crate::store::StoreError;
use crate::vision::Vision;

use super::booth::Booth;
use super::commands::{Desk, House, Pace};
use super::control::{self, Control};
use super::latest;
use super::recognition::Recognition;
use super::rules::span;
use super::supervisor::{Loop, Stamps};
use super::window::Window;

pub use capture::{CameraHealth, Captured};
pub use eyes::{Seen, StageTimes};
pub use hands::{Hands, Observation, Observer, ScreenSink};
pub use journal::{Journal, JournalSender};
pub use keeper::{Ask, Keeper, KeeperSender};
pub use lockstep::run as run_lockstep;
pub use screens::DirectScreens;

use control_loop::{ControlLoop, RemoteDoor};

/// What the control loop is told.
pub enum Message {
    /// A frame was looked at.
    Look(crate::domain::Look),
    /// The camera delivers nothing usable.
    CameraFault(Detail),
    /// It does again.
    CameraBack,
    /// A loop stands still, or a thread ended that must not.
    Fault(Detail),
    /// It moves again.
    FaultCleared,
    /// The camera's frames have this size from now on.
    FrameSize {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The camera works for a command and the display says so.
    Screen(Screen),
    /// How the link fares, where there is one, and how many events wait to leave.
    Link(Option<bool>, u32),
    /// The wall clock was set, by so many milliseconds.
    ClockStep(i64),
    /// Something else that the gate takes: a key, an answer, local time.
    Told(Input),
    /// Other rules hold.
    Rules(Box<Rulebook>),
    /// An operator's order (none: how does it stand?), whose, and where the answer goes.
    Order(Option<Operator>, Box<str>, SyncSender<DoorStatus>),
}

/// Looks and messages waiting for the control loop.
const MESSAGES: usize = 16;
/// How often local time is worked out anew.
const ZONE: Millis = Millis::secs(3_600);
/// How often the watch looks at the stamps.
const WATCH: Millis = Millis(250);

/// Everything the walk-up is made of.
pub struct Parts {
    /// Frames.
    pub camera: Box<dyn Camera>,
    /// Wires.
    pub door: Box<dyn Door>,
    /// Panel.
    pub display: Box<dyn Display>,
    /// Eyes.
    pub vision: Vision,
    /// Rules.
    pub gate: Gate,
    /// Gallery, journal, clock and what else the commands work with.
    pub house: House,
    /// Where committed events go.
    pub uplink: Option<Box<dyn Uplink>>,
    /// Starts what reaches this door over a network; each ends when it is dropped.
    pub links: Links,
    /// Tells whether a broker is connected, where there should be one.
    pub link: Option<Nudge>,
    /// Whether the first key can be made with a code on the display.
    pub setup: bool,
    /// Who watches the door's work.
    pub observer: Option<Observer>,
    /// systemd.
    pub notify: Notify,
    /// Tells of steps of the wall clock; asked a few times a second.
    pub clock_steps: Option<Box<dyn FnMut() -> Option<i64>>>,
}

/// What reaches the door over a network, started once the door is at work.
pub type Links = Box<dyn FnOnce(&Arc<Desk>) -> Vec<Box<dyn Send>>>;

/// What a run was.
#[derive(Debug)]
pub struct Summary {
    /// Good frames.
    pub frames: u64,
    /// Frames looked at.
    pub looks: u64,
    /// Frames overtaken by a newer one.
    pub overwritten: u64,
    /// Looks that the control loop did not take.
    pub dropped: u64,
    /// Time from the first to the last turn.
    pub lasted: Millis,
    /// Time spent in each stage of vision.
    pub times: StageTimes,
}

/// Why a run ended before it should.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The keys of this device cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Spawn(#[from] std::io::Error),
    /// A thread ended by panic; the door is locked.
    #[error("the {0} thread ended by a fault of the program; the door is locked. Please report the log")]
    Died(&'static str),
}

/// Runs until `stop` is set, `until` has passed, or a recording ends.
///
/// # Errors
/// See [`PipelineError`]. In every case the relay has been released.
pub fn run(parts: Parts, stop: &Arc<AtomicBool>, until: Option<Mono>) -> Result<Summary, PipelineError> {
    let Parts { camera, door, display, vision, gate, mut house, uplink, .. } = parts;
    let (booth, taken) = Booth::new();
    let booth = Arc::new(booth);
    house.booth = Some(Arc::clone(&booth));
    let window = Arc::new(Window::default());
    house.window = Some(Arc::clone(&window));
    let (clock, store) = (Arc::clone(&house.clock), Arc::clone(&house.store));
    let recognition = Arc::clone(&house.recognition);
    let (data, sets) = (house.data.clone(), house.sets.clone());
    let started = clock.now();
    let stamps = Stamps::new(started.mono);
    let (messages, inbox) = sync_channel(MESSAGES);
    let (producer, consumer) = latest::channel();
    let captured = Arc::new(Captured::default());
    let seen = Arc::new(Seen::default());
    let screens = screens::Screens::new(Arc::clone(&window), Arc::clone(&clock));
    let offered = store.acked();
    let (journal_sender, journal) =
        Journal::new(Arc::clone(&store), uplink, Arc::clone(&clock), house.door_id, offered);

    let (keeper_sender, keeper) = Keeper::new(Arc::clone(&store), Arc::clone(&recognition));
    let hands =
        Hands::new(gate, door, journal_sender.clone(), Box::new(screens.clone()), parts.observer, started)
            .asking(keeper_sender);
    let control_loop = ControlLoop::new(
        hands,
        inbox,
        Arc::clone(&clock),
        Arc::clone(&captured),
        Arc::clone(&seen),
        journal_sender.clone(),
        Arc::clone(stop),
    );
    let (eyes_thread, remote_eyes) = eyes::EyesThread::new(
        vision,
        consumer,
        messages.clone(),
        Arc::clone(&recognition),
        Arc::clone(&clock),
        Arc::clone(&seen),
        (Arc::clone(&booth), window),
    );
    let capture_thread = capture::CaptureThread {
        camera,
        frames: producer,
        messages: messages.clone(),
        clock: Arc::clone(&clock),
        captured: Arc::clone(&captured),
        stop: Arc::clone(stop),
    };
    let remote_door = RemoteDoor::new(messages.clone());
    let desk = Arc::new(Desk::new(house, Box::new(remote_eyes), Some(Box::new(remote_door)))?);
    let control = match Control::open(&data) {
        Ok(control) => Some(control),
        Err(error) => {
            tracing::warn!(%error, "commands cannot reach this door while it runs");
            None
        }
    };

    // Spawned from here on; everything that can fail to start has started.
    let journal_thread = spawn("journal", stamps.clone(), move |stamps| journal.run(stamps))?;
    let display_thread = {
        let (screens, clock) = (screens.clone(), Arc::clone(&clock));
        spawn("display", stamps.clone(), move |stamps| screens.run(display, &*clock, stamps))?
    };
    let control_thread = spawn("control", stamps.clone(), move |stamps| control_loop.run(stamps))?;
    let vision_thread = spawn("vision", stamps.clone(), move |stamps| eyes_thread.run(stamps))?;
    let capture_handle = spawn("capture", stamps.clone(), move |stamps| capture_thread.run(stamps))?;
    // Left alone at the end: it may be waiting for a client, holds nothing that must be put in order, and the
    // process ends after this anyway.
    if let Some(control) = control {
        let (desk, board) = (Arc::clone(&desk), Caller::board());
        spawn("commands", stamps.clone(), move |_| control.serve(|command| desk.handle(&board, command)))?;
    }
    {
        let (desk, booth) = (Arc::clone(&desk), Arc::clone(&booth));
        // Left alone at the end, as the thread above is: what it writes is committed or not.
        spawn("booth", stamps.clone(), move |_| {
            for person in taken {
                booth.written(desk.enrol_taken(person));
            }
        })?;
    }
    {
        let desk = Arc::clone(&desk);
        // Left alone at the end: a removal that is cut short is finished at the next start.
        spawn("retention", stamps.clone(), move |_| {
            behind_others();
            desk.keep_to_retention();
        })?;
    }
    if let Some(sets) = sets {
        let (desk, wishes) = (Arc::clone(&desk), sets.listen());
        // As above: what it has made is committed, and the next start goes on with it.
        spawn("models", stamps.clone(), move |_| {
            behind_others();
            for () in wishes {
                if let Err(error) = desk.remake(Pace::Background, &|_| {}) {
                    tracing::error!(%error, "the change of models does not go on; the old ones serve");
                }
            }
        })?;
        // What an earlier run began.
        sets.wake();
    }
    let links = (parts.links)(&desk);
    let unused = |desk: &Desk| desk.tokens().is_empty() && desk.accounts().is_empty();
    let mut setup = parts.setup && unused(&desk);
    if setup {
        let code = desk.tokens().draw_setup_code(clock.now().mono)?;
        screens.set_banner(Some(Screen::Setup { code: clipped(&format!("{} {}", &code[..4], &code[4..])) }));
        tracing::info!(
            "this door has no key and no account yet: the display shows a setup code for 30 minutes; or run: ostiary \
             accounts add, or ostiary tokens create"
        );
    }
    // Ends by itself when the control loop does; what it then still checks opens nothing.
    {
        let messages = messages.clone();
        spawn("keeper", stamps.clone(), move |_| {
            keeper.run(|input| input.is_none_or(|input| messages.send(Message::Told(input)).is_ok()));
        })?;
    }
    parts.notify.ready();

    let mut watch =
        Watch { stamps, messages, notify: parts.notify, reported: None, link: None, rules: 0, zoned: None };
    let mut clock_steps = parts.clock_steps;
    loop {
        crate::device::clock_os::pause(WATCH);
        let now = clock.now().mono;
        let ended = capture_handle.is_finished()
            || vision_thread.is_finished()
            || control_thread.is_finished()
            || journal_thread.is_finished()
            || display_thread.is_finished();
        if ended || stop.load(Ordering::Relaxed) || until.is_some_and(|until| now >= until) {
            break;
        }
        watch.look(now);
        watch.link(parts.link.as_ref().map(Nudge::up), store.depth());
        if setup && !(desk.tokens().is_setup_open(now) && unused(&desk)) {
            setup = false;
            screens.set_banner(None);
        }
        if let Some(by_ms) = clock_steps.as_mut().and_then(|step| step()) {
            watch.tell(Message::ClockStep(by_ms));
            watch.zoned = None;
        }
        watch.rules(&recognition, clock.now());
    }

    // Downstream of the frames, in order: each sees all that the one before it had still to give.
    watch.notify.stopping();
    drop(links);
    control::close(&data);
    let finish = |name, handle: thread::JoinHandle<()>| handle.join().map_err(|_| PipelineError::Died(name));
    if !capture_handle.is_finished() {
        stop.store(true, Ordering::Relaxed);
    }
    let capture_end = finish("capture", capture_handle);
    let vision_end = vision_thread.join().map_err(|_| PipelineError::Died("vision"));
    stop.store(true, Ordering::Relaxed);
    let control_end = finish("control", control_thread);
    screens.close();
    let display_end = finish("display", display_thread);
    journal_sender.health().closing.store(true, Ordering::Relaxed);
    drop(journal_sender);
    let journal_end = finish("journal", journal_thread);
    capture_end?;
    let times = vision_end?;
    control_end?;
    display_end?;
    journal_end?;
    Ok(Summary {
        frames: captured.frames.load(Ordering::Relaxed),
        looks: seen.frames.load(Ordering::Relaxed),
        overwritten: captured.overwritten.load(Ordering::Relaxed),
        dropped: seen.dropped.load(Ordering::Relaxed),
        lasted: clock.now().mono.since(started.mono),
        times,
    })
}

/// The watch over the loops, and what it tells the control loop.
struct Watch {
    stamps: Stamps,
    messages: SyncSender<Message>,
    notify: Notify,
    reported: Option<Loop>,
    link: Option<(Option<bool>, u64)>,
    /// The revision of the rules that the gate has.
    rules: u64,
    /// When local time was told last.
    zoned: Option<Mono>,
}

impl Watch {
    /// Feeds the watchdog while all loops move; otherwise says which does not and has the door locked.
    fn look(&mut self, now: Mono) {
        let stale = self.stamps.stale(now).next();
        match stale {
            None => {
                self.notify.watchdog();
                if self.reported.is_some() && self.tell(Message::FaultCleared) {
                    self.reported = None;
                }
            }
            Some((Loop::Control, idle)) => {
                let idle_ms = idle.0;
                tracing::error!(
                    idle_ms,
                    "the control loop stands still; ending the process releases the relay"
                );
                std::process::abort();
            }
            Some((which, idle)) if self.reported != Some(which) => {
                let (name, idle_ms) = (which.name(), idle.0);
                tracing::error!(name, idle_ms, "a loop stands still; no face opens the door");
                if self.tell(Message::Fault(clipped(&format!("the {name} loop stands still")))) {
                    self.reported = Some(which);
                }
            }
            Some(_) => {}
        }
    }

    /// How the link fares and the number of waiting events, when either changed.
    fn link(&mut self, up: Option<bool>, depth: u64) {
        let message = Message::Link(up, u32::try_from(depth).unwrap_or(u32::MAX));
        if self.link != Some((up, depth)) && self.tell(message) {
            self.link = Some((up, depth));
        }
    }

    /// Rules that have changed, and local time, anew each hour and with every step of the clock.
    fn rules(&mut self, recognition: &Recognition, now: Now) {
        let standings = recognition.standings();
        let revision = standings.revision();
        if revision != self.rules && self.tell(Message::Rules(Box::new(standings.rules().book().clone()))) {
            (self.rules, self.zoned) = (revision, None);
        }
        let due = self.zoned.is_none_or(|at| now.mono.since(at) >= ZONE);
        if due && self.tell(Message::Told(Input::Zone(span(standings.rules().zone(), now.utc)))) {
            self.zoned = Some(now.mono);
        }
    }

    /// What does not fit is told at the next turn.
    fn tell(&self, message: Message) -> bool {
        self.messages.try_send(message).is_ok()
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    stamps: Stamps,
    work: impl FnOnce(&Stamps) -> T + Send + 'static,
) -> std::io::Result<thread::JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || work(&stamps))
}
