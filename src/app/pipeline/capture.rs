//! The capture thread: frames from the camera to the exchange, and the camera's troubles to the gate.
//!
//! Owns: the loop, the judgement when a camera counts as faulty. Does not own: the device, its recovery
//! (`device::camera_v4l` reopens by itself), the door's reaction (`access`).
//! Invariants: a fault is reported within 3 s of the last good frame and once; the first good frame after it is
//! reported once; frozen frames are not good frames; nothing is allocated per frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use crate::app::latest::Producer;
use crate::app::supervisor::{Loop, Stamps};
use crate::device::frozen::FrozenDetector;
use crate::domain::{Millis, Mono, clipped};
use crate::ports::{Camera, CameraError, Clock};

use super::Message;

/// A camera without a good frame for so long is faulty (SPEC 1).
const FAULT_AFTER: Millis = Millis(2_500);
const PATIENCE: Millis = Millis(250);

/// What was captured.
#[derive(Debug, Default)]
pub struct Captured {
    /// Good frames.
    pub frames: AtomicU64,
    /// Frames that were no pictures.
    pub garbage: AtomicU64,
    /// Frames overwritten by a newer one before they were looked at.
    pub overwritten: AtomicU64,
}

/// What the thread works with.
pub(super) struct CaptureThread {
    /// The camera.
    pub(super) camera: Box<dyn Camera>,
    /// Where frames go.
    pub(super) frames: Producer,
    /// Where troubles go.
    pub(super) messages: SyncSender<Message>,
    /// Time.
    pub(super) clock: Arc<dyn Clock>,
    /// What was captured.
    pub(super) captured: Arc<Captured>,
    /// Set when the process ends.
    pub(super) stop: Arc<AtomicBool>,
}

impl CaptureThread {
    /// Captures until told to stop or the recording ends.
    pub(super) fn run(mut self, stamps: &Stamps) {
        let mut health = CameraHealth::new(self.clock.now().mono);
        while !self.stop.load(Ordering::Relaxed) {
            stamps.stamp(Loop::Capture, self.clock.now().mono);
            let buffer = self.frames.buffer();
            let outcome = self.camera.next(&mut buffer.rgb, PATIENCE);
            let now = self.clock.now().mono;
            let report = match outcome {
                Ok(meta) => {
                    buffer.meta = meta;
                    let report = health.frame(&buffer.rgb[..meta.bytes().min(buffer.rgb.len())], now);
                    self.captured.frames.fetch_add(1, Ordering::Relaxed);
                    self.frames.publish();
                    self.captured.overwritten.store(self.frames.overwritten(), Ordering::Relaxed);
                    report
                }
                Err(CameraError::Ended) => {
                    tracing::info!(camera = self.camera.name(), "the recording has ended");
                    return;
                }
                Err(error) => {
                    if matches!(error, CameraError::Garbage(_)) {
                        self.captured.garbage.fetch_add(1, Ordering::Relaxed);
                    }
                    health.trouble(&error, now)
                }
            };
            let Some(report) = report else { continue };
            if let Message::CameraFault(what) = &report {
                tracing::error!(camera = self.camera.name(), %what, "camera fault");
            } else {
                tracing::info!(camera = self.camera.name(), "the camera delivers again");
            }
            // The queue is short and the control loop fast; waiting a moment here loses only frames.
            if self.messages.send(report).is_err() {
                return;
            }
        }
    }
}

/// When a camera counts as faulty, and when as back.
pub struct CameraHealth {
    last_good: Mono,
    faulty: bool,
    frozen: FrozenDetector,
}

impl CameraHealth {
    /// A camera that has until `now + FAULT_AFTER` to deliver.
    #[must_use]
    pub fn new(now: Mono) -> Self {
        Self { last_good: now, faulty: false, frozen: FrozenDetector::new() }
    }

    /// A frame arrived.
    pub fn frame(&mut self, rgb: &[u8], now: Mono) -> Option<Message> {
        if self.frozen.is_frozen(rgb, now) {
            return self.fault(format_args!("every frame is the same; the camera hangs"));
        }
        self.last_good = now;
        std::mem::take(&mut self.faulty).then_some(Message::CameraBack)
    }

    /// No frame arrived.
    pub fn trouble(&mut self, error: &CameraError, now: Mono) -> Option<Message> {
        // A device that is gone or refuses says so at once; silence and garbage get their time.
        let at_once = matches!(error, CameraError::Gone(_) | CameraError::Refused(_));
        if at_once || now.since(self.last_good) >= FAULT_AFTER {
            self.fault(format_args!("{error}"))
        } else {
            None
        }
    }

    fn fault(&mut self, what: std::fmt::Arguments<'_>) -> Option<Message> {
        if std::mem::replace(&mut self.faulty, true) {
            return None;
        }
        Some(Message::CameraFault(clipped(&what.to_string())))
    }
}
