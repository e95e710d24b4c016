//! The vision thread: the newest frame becomes a look; between frames it examines pictures for the commands.
//!
//! Owns: the loop, the bounded queue of examinations. Does not own: vision itself, the gallery, decisions.
//! Overflow policies: frames overwrite (`latest`); looks that the control loop does not take are dropped and
//! counted (the next frame brings a newer one); examinations beyond the queue are refused to the asker.
//! Invariant: no allocation per frame in this loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crate::app::booth::Booth;
use crate::app::commands::{Eyes, Serve};
use crate::app::latest::{Consumer, FrameBuffer, Wait};
use crate::app::recognition::{self, ExamineError, Recognition};
use crate::app::supervisor::{Loop, Stamps};
use crate::app::window::Window;
use crate::domain::{Embedding, Frame, Look, Match, Millis, Mono};
use crate::picture::Picture;
use crate::ports::Clock;
use crate::vision::{Examined, LiveRule, Purpose, Stage, Timings, Vision};

use super::Message;

const TURN: Duration = Duration::from_millis(100);
/// An older frame counts as no frame (SPEC 1).
const MAX_FRAME_AGE: Millis = Millis(500);
const QUEUE: usize = 4;
/// After an examination, while somebody is there, the frames have the thread for so many times as long: a flood of commands takes at most a
/// quarter of it.
const FRAMES_SHARE: u64 = 3;
const ANSWER: Duration = Duration::from_secs(30);

/// A picture to be examined, and where the result goes.
struct Examination {
    picture: Picture,
    purpose: Purpose,
    rule: LiveRule,
    reply: SyncSender<Result<Box<Examined>, ExamineError>>,
}

/// What the thread does between two frames.
enum Work {
    Examine(Examination),
    /// Other models serve from now on; told when it is done.
    Exchange(Box<Vision>, Serve, SyncSender<()>),
}

/// The commands' way to the vision thread.
pub(super) struct RemoteEyes {
    queue: SyncSender<Work>,
}

impl Eyes for RemoteEyes {
    fn examine(
        &self,
        picture: &Picture,
        purpose: Purpose,
        rule: LiveRule,
    ) -> Result<Box<Examined>, ExamineError> {
        let (reply, answer) = sync_channel(1);
        let examination = Examination { picture: picture.clone(), purpose, rule, reply };
        self.queue.try_send(Work::Examine(examination)).map_err(|_| ExamineError::Busy)?;
        answer.recv_timeout(ANSWER).map_err(|_| ExamineError::Busy)?
    }

    fn exchange(&self, vision: Box<Vision>, serve: Serve) -> Result<(), ExamineError> {
        let (done, answer) = sync_channel(1);
        // Waits its turn: pictures that wait before it are looked at by the old models, and all after it by the new.
        self.queue.send(Work::Exchange(vision, serve, done)).map_err(|_| ExamineError::Busy)?;
        answer.recv().map_err(|_| ExamineError::Busy)
    }
}

/// How many frames were looked at, and what it cost.
#[derive(Debug, Default)]
pub struct Seen {
    /// Frames looked at.
    pub frames: AtomicU64,
    /// Looks that nobody took.
    pub dropped: AtomicU64,
}

/// What the thread works with.
pub(super) struct EyesThread {
    vision: Vision,
    frames: Consumer,
    examinations: Receiver<Work>,
    looks: SyncSender<Message>,
    recognition: Arc<Recognition>,
    clock: Arc<dyn Clock>,
    seen: Arc<Seen>,
    times: StageTimes,
    size: Option<(u32, u32)>,
    booth: Arc<Booth>,
    window: Arc<Window>,
    watched: bool,
    /// Whether the newest look saw a face.
    somebody: bool,
    /// Until when frames come first.
    frames_first: Mono,
}

impl EyesThread {
    /// The thread's work and the commands' way to it.
    #[must_use]
    pub(super) fn new(
        vision: Vision,
        frames: Consumer,
        looks: SyncSender<Message>,
        recognition: Arc<Recognition>,
        clock: Arc<dyn Clock>,
        seen: Arc<Seen>,
        (booth, window): (Arc<Booth>, Arc<Window>),
    ) -> (Self, RemoteEyes) {
        let (queue, examinations) = sync_channel(QUEUE);
        let times = StageTimes::default();
        (
            Self {
                vision,
                frames,
                examinations,
                looks,
                recognition,
                clock,
                seen,
                times,
                size: None,
                booth,
                window,
                watched: false,
                somebody: false,
                frames_first: Mono(0),
            },
            RemoteEyes { queue },
        )
    }

    /// Looks until the camera's thread is gone; returns what the stages took.
    pub(super) fn run(mut self, stamps: &Stamps) -> StageTimes {
        loop {
            stamps.stamp(Loop::Vision, self.clock.now().mono);
            let begun = self.clock.now().mono;
            if begun >= self.frames_first
                && let Ok(work) = self.examinations.try_recv()
            {
                match work {
                    Work::Examine(e) => {
                        let result = recognition::examine(&mut self.vision, &e.picture, e.purpose, e.rule);
                        // An asker who gave up is no error.
                        let _ = e.reply.try_send(result);
                    }
                    Work::Exchange(vision, serve, done) => {
                        serve();
                        self.vision = *vision;
                        // As above.
                        let _ = done.try_send(());
                    }
                }
                let ended = self.clock.now().mono;
                if self.somebody {
                    self.frames_first = ended.after(Millis(ended.since(begun).0 * FRAMES_SHARE));
                }
            }
            match self.frames.wait(TURN) {
                Wait::Nothing => {}
                Wait::Closed => return self.times,
                Wait::Frame(buffer) if self.clock.now().mono.since(buffer.meta.captured) > MAX_FRAME_AGE => {}
                Wait::Frame(buffer) => {
                    let recognition = &self.recognition;
                    let mut live: Option<Embedding> = None;
                    let mut search = |probe: &Embedding| {
                        live = Some(probe.clone());
                        recognition.search(probe)
                    };
                    let Some(look) = look(&mut self.vision, buffer, &mut search) else {
                        continue;
                    };
                    let watched = self.window.is_wanted(begun);
                    if watched && let Ok(frame) = Frame::new(&buffer.rgb, buffer.meta) {
                        self.window.saw(frame, &look);
                    } else if self.watched && !watched {
                        self.window.forget();
                    }
                    self.watched = watched;
                    if self.booth.is_active()
                        && let Ok(frame) = Frame::new(&buffer.rgb, buffer.meta)
                    {
                        let policy = recognition.policy();
                        let calibration = policy.calibration();
                        let now = self.clock.now().mono;
                        let attention =
                            self.booth.saw(&mut self.vision, frame, &look, live.as_ref(), calibration, now);
                        if let Some(screen) = attention.screen {
                            // One that does not fit is drawn at the next change.
                            let _ = self.looks.try_send(Message::Screen(screen));
                        }
                        if !attention.pass_on {
                            self.seen.frames.fetch_add(1, Ordering::Relaxed);
                            continue;
                        }
                    }
                    let size = (buffer.meta.width, buffer.meta.height);
                    if self.size != Some(size) {
                        let message = Message::FrameSize { width: size.0, height: size.1 };
                        if self.looks.try_send(message).is_ok() {
                            self.size = Some(size);
                        }
                    }
                    self.somebody = look.faces > 0;
                    self.seen.frames.fetch_add(1, Ordering::Relaxed);
                    self.times.add(self.vision.timings());
                    let message = Message::Look(look);
                    match self.looks.try_send(message) {
                        Ok(()) => {}
                        Err(TrySendError::Full(_)) => {
                            self.seen.dropped.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(TrySendError::Disconnected(_)) => return self.times,
                    }
                }
            }
        }
    }
}

/// Looks at what is in a buffer; `None` when that failed, which is said.
pub(super) fn look(
    vision: &mut Vision,
    buffer: &FrameBuffer,
    search: &mut dyn FnMut(&Embedding) -> Match,
) -> Option<Look> {
    let frame = Frame::new(&buffer.rgb, buffer.meta);
    let looked = match frame {
        Ok(frame) => vision.look(frame, search),
        Err(error) => {
            tracing::error!(%error, "a frame is no picture");
            return None;
        }
    };
    looked.inspect_err(|error| tracing::error!(%error, "a frame could not be looked at")).ok()
}

/// What the stages of complete looks took; the latest 256 of them.
#[derive(Debug)]
pub struct StageTimes {
    ring: Box<[Timings; Self::KEPT]>,
    count: usize,
}

impl Default for StageTimes {
    fn default() -> Self {
        Self { ring: Box::new([Timings::default(); Self::KEPT]), count: 0 }
    }
}

impl StageTimes {
    const KEPT: usize = 256;

    /// Keeps the times of a look that went all the way to the gallery.
    pub fn add(&mut self, timings: &Timings) {
        if timings.micros(Stage::Embed) > 0 {
            self.ring[self.count % Self::KEPT] = *timings;
            self.count += 1;
        }
    }

    /// The median of each stage in milliseconds; nothing when no look was complete.
    pub fn medians_ms(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        let kept = self.count.min(Self::KEPT);
        Stage::ALL.into_iter().filter(move |_| kept > 0).map(move |stage| {
            let mut micros: Vec<u64> = self.ring[..kept].iter().map(|t| t.micros(stage)).collect();
            micros.sort_unstable();
            (stage.name(), micros[kept / 2] as f64 / 1e3)
        })
    }
}
