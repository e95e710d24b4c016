//! What the gate can be told.
//!
//! Owns: the inputs as data. Does not own: what follows from them (`gate`).
//! Invariant: an input carries what happened, never what to do about it.

use super::door::Operator;
use super::faults::Part;
use ostiary_domain::event::Detail;
use ostiary_domain::limits::MAX_NAME;
use ostiary_domain::wires::InputEdge;
use ostiary_domain::{Key, Look, PersonId, PinVerdict, Standing, Zone};

/// What the gate is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A frame was looked at.
    Look(Look),
    /// A wire changed, or its level at the start. Follow a batch of edges with a `Tick`: an edge alone brings the
    /// other wires no further than its own time.
    Edge(InputEdge),
    /// An order.
    Operator(Operator),
    /// A schedule begins (`true`) or ends to hold the door unlocked.
    Schedule(bool),
    /// The camera delivers nothing usable: what is wrong, for the installer.
    CameraFault(Detail),
    /// It does again.
    CameraBack,
    /// A part of the board does not work: what is wrong, for the installer.
    Fault(Part, Detail),
    /// It works again.
    FaultCleared(Part),
    /// Time passed.
    Tick,
    /// How the link stands, `None` where none is configured, and how many events wait to leave.
    Link {
        /// Whether the broker is reached.
        up: Option<bool>,
        /// Events waiting.
        queued: u32,
    },
    /// The wall clock was set: by how much, in milliseconds.
    ClockStep {
        /// New minus old.
        by_ms: i64,
    },
    /// A key of the reader.
    Key(Key),
    /// The answer to an [`super::Output::CheckPin`].
    PinChecked {
        /// Its number.
        ticket: u32,
        /// What came of it.
        verdict: PinVerdict,
    },
    /// The answer to an [`super::Output::LookUp`].
    LookedUp {
        /// Its number.
        ticket: u32,
        /// The name and standing of whoever has that id; `None` for nobody.
        person: Option<(heapless::String<MAX_NAME>, Standing)>,
    },
    /// Local time from here on; without it no schedule that needs a clock is open.
    Zone(Zone),
    /// Whether another door of the interlock stands open or is unlocked; `None` when that is not known any more.
    Others(Option<bool>),
    /// Where people went last is forgotten: of one person, or of all.
    ForgetPassages(Option<PersonId>),
    /// How large the camera's frames are; without it the display shows no box.
    FrameSize {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
}
