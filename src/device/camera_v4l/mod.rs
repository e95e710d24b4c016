//! A V4L2 camera in a supervised process of its own.
//!
//! Owns: starting, watching, ending and restarting the camera process; the judgement that it stalls or hangs.
//! Does not own: talking to the device (`child`), pipes (`feed`), their format (`wire`).
//!
//! Why a process: `nokhwa::Camera::frame()` waits for ever on a camera that stalls, and its handle can then not be
//! closed by anyone. Ending a process always works, frees the device, and keeps the decoder's memory apart from the
//! door's. The frames come through a pipe, which needs no `unsafe` and costs one copy: 28 MB/s at 640x480 and 30
//! frames a second.
//!
//! Invariants: [`Camera::next`] never waits for longer than its patience (plus up to 0.2 s while a process is being
//! ended); a frame older than [`STALE`] is no frame; a silence of [`SILENCE`], a hung picture, a broken frame or
//! the end of the process lead to a fresh process after a pause of 0.5 s that doubles up to 30 s; nothing is
//! allocated per frame; no process outlives the door.

pub mod child;
pub mod controls;
mod feed;
mod formats;
mod node;
pub mod wire;

use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use ostiary_domain::{FrameMeta, Millis, Mono};
use ostiary_ports::{Camera, CameraError, Clock};

use super::clock_os::{OsClock, pause};
use super::detail;
use super::frozen::{FrozenDetector, blind, fingerprint};

pub use controls::Controls;
use feed::{Feed, Take};

/// A camera that delivers nothing for so long has stalled.
pub const SILENCE: Millis = Millis(2_000);
/// A camera may take so long to open before its first frame.
pub const OPENING: Millis = Millis(6_000);
/// A frame older than this counts as no frame (SPEC 1).
pub const STALE: Millis = Millis(500);
/// Shortest and longest pause before the camera is opened again (SPEC 1).
pub const BACK_OFF: (Millis, Millis) = (Millis(500), Millis(30_000));
/// After so long without a trouble the next pause is the shortest again.
const HEALTHY: Millis = Millis(5_000);
/// How often a missing device file is looked for.
const LOOK_EVERY: Millis = Millis(100);
/// From the appearance of the device file until udev has set its permissions.
const SETTLE: Millis = Millis(300);

/// Which camera, and how it should deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V4lConfig {
    /// `/dev/video0`, or a name under `/dev/v4l/by-id` or `/dev/v4l/by-path`.
    pub device: PathBuf,
    /// Wanted columns, 1 to 1920.
    pub width: u32,
    /// Wanted rows, 1 to 1080.
    pub height: u32,
    /// Wanted frames per second.
    pub fps: u32,
    /// What it is told before it delivers.
    pub controls: Controls,
    /// What is started as `program camera-child --device D --width W --height H --fps F`: this program itself.
    pub program: PathBuf,
}

/// The camera. Opens on the first call of [`Camera::next`].
pub struct V4lCamera {
    config: V4lConfig,
    name: String,
    clock: Arc<OsClock>,
    state: State,
    back_off: Millis,
    frozen: FrozenDetector,
    /// What was wrong last; repeated until a frame comes.
    trouble: CameraError,
    /// A process that was killed and does not die.
    undead: Option<Child>,
    seq: u64,
    restarts: u64,
    stale: u64,
}

enum State {
    /// Waiting to try again.
    Closed { retry_at: Mono, absent: bool },
    /// A process runs.
    Open { feed: Feed, since: Mono, last_good: Option<Mono> },
}

impl V4lCamera {
    /// Takes the wishes; opens nothing yet.
    #[must_use]
    pub fn new(config: V4lConfig, clock: Arc<OsClock>) -> Self {
        Self {
            name: config.device.display().to_string(),
            config,
            clock,
            state: State::Closed { retry_at: Mono(0), absent: false },
            back_off: BACK_OFF.0,
            frozen: FrozenDetector::new(),
            trouble: CameraError::Stalled,
            undead: None,
            seq: 0,
            restarts: 0,
            stale: 0,
        }
    }

    /// How often a process was started again.
    #[must_use]
    pub const fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Frames passed over because they were too old.
    #[must_use]
    pub const fn stale_frames(&self) -> u64 {
        self.stale
    }

    /// Ends the process and decides when to try again.
    fn close(&mut self, trouble: CameraError) -> CameraError {
        let now = self.clock.now().mono;
        let again = State::Closed { retry_at: now.after(self.back_off), absent: false };
        if let State::Open { feed, .. } = std::mem::replace(&mut self.state, again) {
            self.undead = feed.end();
        }
        tracing::warn!(camera = self.name, %trouble, retry_ms = self.back_off.0, "camera trouble");
        self.back_off = Millis(self.back_off.0.saturating_mul(2).min(BACK_OFF.1.0));
        self.trouble = trouble.clone();
        trouble
    }

    /// One attempt to have a process running, within the deadline.
    fn reopen(&mut self, retry_at: Mono, absent: bool, deadline: Mono) -> Result<(), CameraError> {
        let now = self.clock.now().mono;
        let there = self.config.device.exists();
        // A camera that is plugged in again is not kept waiting.
        let retry_at = if absent && there { retry_at.min(now.after(SETTLE)) } else { retry_at };
        let left = deadline.since(now);
        if now < retry_at {
            self.state = State::Closed { retry_at, absent: !there };
            if left.0 == 0 {
                return Err(self.trouble.clone());
            }
            pause(retry_at.since(now).min(left).min(LOOK_EVERY));
            return Ok(());
        }
        if let Some(mut undead) = self.undead.take()
            && let Ok(None) = undead.try_wait()
        {
            self.undead = Some(undead);
            let hung = detail(format_args!("its driver hangs; unplug the camera or restart the board"));
            return Err(self.close(CameraError::Refused(hung)));
        }
        match Feed::start(&self.config) {
            Ok(feed) => {
                self.restarts += u64::from(self.seq > 0 || retry_at.0 > 0);
                self.state = State::Open { feed, since: now, last_good: None };
                self.frozen.resume(now);
                Ok(())
            }
            Err(e) => {
                let why = detail(format_args!("the camera process cannot be started: {e}"));
                Err(self.close(CameraError::Refused(why)))
            }
        }
    }

    /// Waits for a frame of the running process. `Ok(None)`: look again.
    fn receive(&mut self, rgb: &mut [u8], deadline: Mono) -> Result<Option<FrameMeta>, CameraError> {
        let State::Open { feed, since, last_good } = &mut self.state else { return Ok(None) };
        let now = self.clock.now().mono;
        let limit = last_good.map_or_else(|| since.after(OPENING), |last| last.after(SILENCE));
        let wait = limit.min(deadline).since(now);
        let taken = feed.take(Duration::from_millis(wait.0));
        let now = self.clock.now().mono;
        let (header, pixels) = match taken {
            Take::Frame(header, pixels) => (header, pixels),
            Take::Ended(why) => return Err(self.close(why)),
            Take::Nothing if now >= limit => return Err(self.close(CameraError::Stalled)),
            Take::Nothing if now >= deadline => {
                // A camera that is only being opened is not yet better than it was.
                return Err(if last_good.is_none() { self.trouble.clone() } else { CameraError::Stalled });
            }
            Take::Nothing => return Ok(None),
        };
        let captured = match header.captured_us {
            0 => now,
            us => Mono(us / 1_000).min(now),
        };
        if now.since(captured) > STALE {
            self.stale += 1;
            if now >= limit {
                return Err(self.close(CameraError::Stalled));
            }
            return if now >= deadline { Err(CameraError::Stalled) } else { Ok(None) };
        }
        if self.frozen.observe(fingerprint(pixels), now) {
            let what = match blind(pixels, header.width) {
                Some(blind) => detail(format_args!("every picture is the same and {}", blind.name())),
                None => detail(format_args!("every picture is the same; the camera hangs")),
            };
            return Err(self.close(CameraError::Refused(what)));
        }
        let target = rgb.get_mut(..pixels.len());
        let target =
            target.ok_or_else(|| CameraError::Garbage(detail(format_args!("the buffer is too small"))))?;
        target.copy_from_slice(pixels);
        *last_good = Some(now);
        if now.since(*since) > HEALTHY {
            self.back_off = BACK_OFF.0;
        }
        self.trouble = CameraError::Stalled;
        let seq = self.seq;
        self.seq += 1;
        Ok(Some(FrameMeta { width: header.width, height: header.height, captured, seq }))
    }
}

impl Camera for V4lCamera {
    fn next(&mut self, rgb: &mut [u8], patience: Millis) -> Result<FrameMeta, CameraError> {
        let deadline = self.clock.now().mono.after(patience);
        loop {
            match self.state {
                State::Closed { retry_at, absent } => self.reopen(retry_at, absent, deadline)?,
                State::Open { .. } => {
                    if let Some(meta) = self.receive(rgb, deadline)? {
                        return Ok(meta);
                    }
                }
            }
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}
