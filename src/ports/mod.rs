//! What the core needs from the world, as traits the world implements.
//!
//! Owns: the traits and their errors. Does not own: any implementation (`device`, `link`, `store`).
//! Invariants: each trait stays under eight methods; nothing here allocates; a call that can block takes
//! the longest time it may.
#![cfg_attr(not(test), no_std)]

use core::fmt;

pub use ostiary_domain::event::Detail;
pub use ostiary_domain::wires::{Input, InputEdge};
use ostiary_domain::{FrameMeta, Millis, Now, Screen};

/// A source of pictures.
pub trait Camera: Send {
    /// Waits up to `patience` for the next picture and writes it to `rgb`, which holds
    /// [`ostiary_domain::limits::MAX_FRAME_BYTES`]. Frames older than the newest may be passed over.
    ///
    /// # Errors
    /// See [`CameraError`]. After any error but `Ended` the call may be repeated: the camera reopens itself.
    fn next(&mut self, rgb: &mut [u8], patience: Millis) -> Result<FrameMeta, CameraError>;

    /// The camera in the installer's words: a device path, a file, the simulator.
    fn name(&self) -> &str;
}

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameraError {
    /// The device is there but delivered nothing in time.
    Stalled,
    /// The device went away, or was never there.
    Gone(Detail),
    /// The device delivered something that is no picture.
    Garbage(Detail),
    /// The device is there but cannot be used: permission, busy, no usable format.
    Refused(Detail),
    /// A recording came to its end.
    Ended,
}

impl fmt::Display for CameraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled => f.write_str("the camera delivers no frames; check its cable and its power"),
            Self::Gone(what) => write!(f, "the camera is not there: {what}"),
            Self::Garbage(what) => write!(f, "the camera delivers no usable picture: {what}"),
            Self::Refused(what) => write!(f, "the camera cannot be used: {what}"),
            Self::Ended => f.write_str("the recording has ended"),
        }
    }
}

impl core::error::Error for CameraError {}

/// The door's wires. Levels are logical: the adapter owns polarity.
pub trait Door: Send {
    /// Energises (`true`) or releases the relay. Must be idempotent.
    ///
    /// # Errors
    /// When the line cannot be driven; the caller treats the door as in fault.
    fn set_relay(&mut self, energised: bool) -> Result<(), DoorError>;

    /// The next change of an input since the last call, oldest first; `None` when there is none. Never blocks.
    ///
    /// # Errors
    /// When the lines cannot be read.
    fn poll_edge(&mut self) -> Result<Option<InputEdge>, DoorError>;

    /// The present level of an input, logical (`true` = active); `None` where the board has no such input.
    ///
    /// # Errors
    /// When the line cannot be read.
    fn level(&mut self, input: Input) -> Result<Option<bool>, DoorError>;
}

/// The wires cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorError(
    /// Which line and why, for the installer.
    pub Detail,
);

impl fmt::Display for DoorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the door's wires cannot be driven: {}", self.0)
    }
}

impl core::error::Error for DoorError {}

/// The visitor's display.
pub trait Display: Send {
    /// Shows a screen. A failing display never stops the door.
    ///
    /// # Errors
    /// When the panel cannot be written.
    fn show(&mut self, screen: &Screen) -> Result<(), DisplayError>;
}

/// The panel cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayError(
    /// Which panel and why, for the installer.
    pub Detail,
);

impl fmt::Display for DisplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the display cannot be written: {}", self.0)
    }
}

impl core::error::Error for DisplayError {}

/// Both clocks.
pub trait Clock: Send + Sync {
    /// Reads them together.
    fn now(&self) -> Now;

    /// Somebody vouches for the wall clock as it stands: whatever later time it showed before was wrong. A clock that
    /// has no such memory has nothing to forget.
    fn vouch(&self) {}
}

/// Where committed events leave to.
pub trait Uplink: Send {
    /// Hands over one committed event as JSON text. Returning `Ok` means it was taken, not that it arrived.
    ///
    /// # Errors
    /// When the link is down; the event stays in the outbox and is offered again.
    fn offer(&mut self, seq: u64, json: &str) -> Result<(), LinkDown>;

    /// The highest event number whose receipt was confirmed, with all before it.
    fn confirmed(&mut self) -> u64;
}

/// The link is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkDown;
